/* A library that imports from one that exists nowhere. */
__declspec(dllimport) int absent_number(void);

int needs_absent(void)
{
    return absent_number();
}
