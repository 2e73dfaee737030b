/* Lines to standard output without the C run-time, whole at once: threads may be at it too. */
#ifndef SAMPLE_TELLER_H
#define SAMPLE_TELLER_H

#include <windows.h>

static inline void tell_line(const char *a, const char *b, const char *c)
{
    const char *parts[] = { a, b, c, "\r\n" };
    char line[160];
    DWORD length = 0, written;

    for (int i = 0; i < 4; i++)
        for (const char *at = parts[i]; *at && length < sizeof line; at++)
            line[length++] = *at;
    WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), line, length, &written, NULL);
}

static inline void tell_reason(const char *who, DWORD reason, void *reserved)
{
    static const char *const reasons[] = { ": process detach", ": process attach", ": thread attach", ": thread detach" };

    tell_line(who, reasons[reason & 3], reserved ? ", with the process" : "");
}

#endif
