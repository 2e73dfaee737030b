/* What one import costs: a DLL that imports 2,000 functions against a DLL that imports one of them. The DLL that they
 * are imported from is loaded before, so that the difference is finding and writing 1,999 addresses. */
#include "bench.h"

enum { ROUNDS = 21 };

static double load_time(const char *name)
{
    double begin = bench_now();
    HMODULE module = LoadLibraryA(name);
    double end = bench_now();

    bench_need(module != NULL, name);
    FreeLibrary(module);
    return end - begin;
}

int main(void)
{
    double many[ROUNDS], one[ROUNDS];

    bench_need(LoadLibraryA("bind2000_dll.dll") != NULL, "bind2000_dll.dll");
    for (int round = 0; round < ROUNDS; round++) {
        many[round] = load_time("bench_binding_many.dll");
        one[round] = load_time("bench_binding_one.dll");
    }
    double with = bench_median(many, ROUNDS), without = bench_median(one, ROUNDS);
    printf("many_us %.1f\none_us %.1f\nimport_ns %.1f\n", with / 1000, without / 1000, with > without ? (with - without) / 1999 : 0);
    return 0;
}
