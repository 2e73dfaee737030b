/* A library that needs another one beside it: from where does that come? */
__declspec(dllimport) int search_number(void);

int pair_number(void)
{
    return search_number() * 6;
}
