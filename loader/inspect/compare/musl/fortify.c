/* Debian's libjansson.a was compiled for glibc with _FORTIFY_SOURCE: three calls of it go to glibc's checking forms, which musl
 * lacks. Here they check as glibc's do, and end the program where the room is too small. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int __snprintf_chk(char *text, size_t size, int flag, size_t room, const char *format, ...);
int __vsnprintf_chk(char *text, size_t size, int flag, size_t room, const char *format, va_list list);
char *__strncpy_chk(char *to, const char *from, size_t size, size_t room);

int __vsnprintf_chk(char *text, size_t size, int flag, size_t room, const char *format, va_list list)
{
    (void)flag;
    if (size > room)
        abort();
    return vsnprintf(text, size, format, list);
}

int __snprintf_chk(char *text, size_t size, int flag, size_t room, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    int length = __vsnprintf_chk(text, size, flag, room, format, list);
    va_end(list);
    return length;
}

char *__strncpy_chk(char *to, const char *from, size_t size, size_t room)
{
    if (size > room)
        abort();
    return strncpy(to, from, size);
}
