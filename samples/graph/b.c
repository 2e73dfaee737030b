/* graph_b.dll ends the chain of our own DLLs; below it is only the system. */
#include "log.h"

int b_counter = 1000;
const char *b_text = "text by pointer in imported data";

LOGGED_DLL_MAIN("graph_b")

int b_add(int left, int right)
{
    return left + right + (GetCurrentProcess() == NULL);
}

int b_nameless(int number)
{
    return number * 2;
}
