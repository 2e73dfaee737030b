/* UTF-16 <-> UTF-8 and letter case. */
#include "loader/nt/io/private.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INVALID = 0xFFFFFFFF };

/* One character off the front; INVALID: one byte was taken that begins no UTF-8 sequence. Surrogates that stand
 * alone pass as three bytes (WTF-8), as Windows lets them stand in names. */
static uint32_t utf8_next(const unsigned char **at, const unsigned char *end)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *p = *at;
    uint32_t code = *p;
    *at = p + 1;
    if (code < 0x80)
        return code;
    unsigned more = code >= 0xF0 && code < 0xF8 ? 3 : code >= 0xE0 ? 2 : code >= 0xC0 ? 1 : 0;
    if (!more || code >= 0xF8 || (size_t)(end - p) <= more)
        return INVALID;
    code &= 0x3Fu >> more;
    for (unsigned i = 1; i <= more; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return INVALID;
        code = code << 6 | (p[i] & 0x3F);
    }
    if (code < least[more] || code > 0x10FFFF)
        return INVALID;
    *at = p + 1 + more;
    return code;
}

static unsigned utf8_put(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    unsigned more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xC0, 0xE0, 0xF0};
    for (unsigned i = more; i; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)(lead[more] | code);
    return more + 1;
}

static uint32_t utf16_next(const WCHAR *text, size_t length, size_t *at)
{
    uint32_t code = text[(*at)++];
    if (code >= 0xD800 && code < 0xDC00 && *at < length && text[*at] >= 0xDC00 && text[*at] < 0xE000)
        code = 0x10000 + ((code - 0xD800) << 10) + (text[(*at)++] - 0xDC00u);
    return code;
}

size_t nt_utf8_from_utf16(const WCHAR *text, size_t length, char *out, size_t room)
{
    size_t done = 0;
    if (!room)
        return 0;
    for (size_t at = 0; at < length;) {
        char bytes[4];
        unsigned count = utf8_put(utf16_next(text, length, &at), bytes);
        if (count >= room - done)
            break;
        memcpy(out + done, bytes, count);
        done += count;
    }
    out[done] = 0;
    return done;
}

static unsigned utf16_put(uint32_t code, WCHAR out[2])
{
    if (code < 0x10000) {
        out[0] = (WCHAR)code;
        return 1;
    }
    out[0] = (WCHAR)(0xD800 + ((code - 0x10000) >> 10));
    out[1] = (WCHAR)(0xDC00 + (code & 0x3FF));
    return 2;
}

size_t nt_utf16_from_utf8(const char *text, size_t length, WCHAR *out, size_t room)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + length;
    size_t done = 0;
    if (!room)
        return 0;
    while (at < end) {
        WCHAR units[2];
        uint32_t code = utf8_next(&at, end);
        unsigned count = utf16_put(code == INVALID ? 0xFFFD : code, units);
        if (count >= room - done)
            break;
        memcpy(out + done, units, count * sizeof(WCHAR));
        done += count;
    }
    out[done] = 0;
    return done;
}

/* ---- file names ---------------------------------------------------------------------------------- */

/* Unix allows these in names, Windows does not; the slash cannot occur. */
static bool forbidden(uint32_t code)
{
    return code < 32 || (code < 0x80 && strchr("<>:\"|?*\\", (int)code));
}

size_t io_name_to_unix(const WCHAR *text, size_t length, char *out, size_t room)
{
    size_t done = 0;
    for (size_t at = 0; at < length;) {
        char bytes[4];
        unsigned count;
        uint32_t code = utf16_next(text, length, &at), low = code & 0xFF;
        bool mapped = code > 0xF000 && code <= 0xF0FF &&
                      (low >= 0x80 || forbidden(low) || (at == length && (low == '.' || low == ' ')));
        if (mapped) {
            bytes[0] = (char)low;
            count = 1;
        } else {
            count = utf8_put(code, bytes);
        }
        if (count >= room - done)
            return (size_t)-1;
        memcpy(out + done, bytes, count);
        done += count;
    }
    out[done] = 0;
    return done;
}

size_t io_name_from_unix(const char *name, size_t size, WCHAR *out, size_t room)
{
    const unsigned char *at = (const unsigned char *)name, *end = at + size;
    bool dots = size <= 2 && name[0] == '.' && (size == 1 || name[1] == '.');
    size_t done = 0;
    while (at < end) {
        WCHAR units[2];
        const unsigned char *begin = at;
        uint32_t code = utf8_next(&at, end);
        if (code == INVALID)
            code = 0xF000u + *begin;
        else if (forbidden(code) || (at == end && (code == '.' || code == ' ') && !dots))
            code += 0xF000;
        unsigned count = utf16_put(code, units);
        if (count > room - done)
            break;
        memcpy(out + done, units, count * sizeof(WCHAR));
        done += count;
    }
    return done;
}

/* ---- letter case --------------------------------------------------------------------------------- */

/* Layout of l_intl.nls, as RtlInitNlsTables takes it: word 1 is the length of the upper-case table, which follows at
 * word 2: three levels (high byte, middle nibble, low nibble) that end in what is to be added to the character. */
static const WCHAR *upcase_table(size_t *length)
{
    static const WCHAR *table;
    static size_t words;
    const WCHAR *known = __atomic_load_n(&table, __ATOMIC_ACQUIRE);
    if (!known && nt_config.nls_folder) {
        char path[PATH_MAX];
        struct stat facts;
        snprintf(path, sizeof path, "%s/l_intl.nls", nt_config.nls_folder);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return NULL;
        if (!fstat(fd, &facts) && facts.st_size > 1024) {
            void *map = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
            if (map != MAP_FAILED) {
                words = (size_t)facts.st_size / sizeof(WCHAR) - 2;
                known = (const WCHAR *)map + 2;
                __atomic_store_n(&table, known, __ATOMIC_RELEASE);
            }
        }
        close(fd);
    }
    *length = words;
    return known;
}

static WCHAR upcase_wide(WCHAR c)
{
    size_t length, at;
    const WCHAR *table = upcase_table(&length);
    if (!table)
        return c;
    at = table[c >> 8] + ((c >> 4) & 15u);
    if (at >= length)
        return c;
    at = table[at] + (c & 15u);
    return at < length ? (WCHAR)(c + table[at]) : c;
}

WCHAR nt_upcase(WCHAR c)
{
    if (c < 0x80)
        return c >= 'a' && c <= 'z' ? (WCHAR)(c - 32) : c;
    return upcase_wide(c);
}

int io_name_compare(const WCHAR *a, size_t a_length, const WCHAR *b, size_t b_length)
{
    size_t common = a_length < b_length ? a_length : b_length;
    for (size_t i = 0; i < common; i++) {
        if (a[i] == b[i])
            continue;
        WCHAR left = nt_upcase(a[i]), right = nt_upcase(b[i]);
        if (left != right)
            return left < right ? -1 : 1;
    }
    return a_length < b_length ? -1 : a_length > b_length;
}

bool io_name_equals_ascii(const WCHAR *text, size_t length, const char *ascii)
{
    if (strlen(ascii) != length)
        return false;
    for (size_t i = 0; i < length; i++)
        if (nt_upcase(text[i]) != nt_upcase((unsigned char)ascii[i]))
            return false;
    return true;
}
