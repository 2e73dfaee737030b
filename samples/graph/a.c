/* graph_a.dll imports graph_b.dll: a function, data, and a function that has an ordinal but no name. */
#include "log.h"

__declspec(dllimport) int b_add(int left, int right);
__declspec(dllimport) int b_nameless(int number);
extern __declspec(dllimport) int b_counter;
extern __declspec(dllimport) const char *b_text;

LOGGED_DLL_MAIN("graph_a")

int a_sum(int number)
{
    return b_add(number, 100);
}

int a_nameless(int number)
{
    return b_nameless(number);
}

int a_count(void)
{
    return ++b_counter;
}

const char *a_text(void)
{
    return b_text;
}
