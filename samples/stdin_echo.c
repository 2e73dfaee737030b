/* Copies standard input to standard output byte by byte as it came, and counts the bytes on standard error. */
#include <stdio.h>
#include <windows.h>

int main(void)
{
    HANDLE input = GetStdHandle(STD_INPUT_HANDLE), output = GetStdHandle(STD_OUTPUT_HANDLE);
    char buffer[4096];
    DWORD got, put;
    unsigned long total = 0;

    while (ReadFile(input, buffer, sizeof buffer, &got, NULL) && got) {
        if (!WriteFile(output, buffer, got, &put, NULL) || put != got)
            return 1;
        total += got;
    }
    fprintf(stderr, "%lu bytes\n", total);
    return 0;
}
