/* The command line, taken apart again: blanks, quotes, backslashes, empty arguments, and text beyond ASCII as UTF-16. */
#include <stdio.h>
#include <wchar.h>

int wmain(int argc, wchar_t **argv)
{
    for (int i = 1; i < argc; i++) {
        printf("[");
        for (const wchar_t *at = argv[i]; *at; at++) {
            if (*at >= 0x20 && *at < 0x7f)
                printf("%c", *at);
            else
                printf("\\u%04x", *at);
        }
        printf("]\n");
    }
    return argc - 1;
}
