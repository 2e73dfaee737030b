/* Imports 2,000 functions, or with BINDING_ONE only one: what bench_binding loads. */
#include "bind2000.h"

#define DECLARE(t, h, d, o) __declspec(dllimport) int bound_##t##h##d##o(void);
#define CALL(t, h, d, o) sum += bound_##t##h##d##o();

BIND_2000(DECLARE)

int binding_sum(void)
{
    int sum = 0;

#ifdef BINDING_ONE
    CALL(0, 0, 0, 1)
#else
    BIND_2000(CALL)
#endif
    return sum;
}
