/* The library of missing_function.c: missing_function_old.def is what the program was linked with, and this is what is
 * left of it. */
int present_number(void)
{
    return 3;
}
