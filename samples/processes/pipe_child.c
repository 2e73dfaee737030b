/* Copies standard input to standard output in capitals, and tells the number of lines on standard error. */
#include <ctype.h>
#include <stdio.h>

int main(void)
{
    int lines = 0;

    for (int c; (c = getchar()) != EOF; lines += c == '\n')
        putchar(toupper(c));
    fflush(stdout);
    fprintf(stderr, "%d lines\n", lines);
    return lines & 0xff;
}
