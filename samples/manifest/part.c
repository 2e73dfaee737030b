/* The DLL of a private assembly. Another one with the same name, and another number, lies beside the program. */
int PART_FUNCTION(void)
{
    return PART_NUMBER;
}
