/* A command line taken apart. */
#include "loader/cli/win32/words.h"

#include <stdbool.h>
#include <stdlib.h>

static bool is_blank(WCHAR c)
{
    return c == ' ' || c == '\t';
}

/* The program's name: quotes only hide blanks in it, a backslash is nothing special. */
static const WCHAR *take_program(const WCHAR *at, WCHAR *to)
{
    for (bool quoted = false; *at && (quoted || !is_blank(*at)); at++)
        if (*at == '"')
            quoted = !quoted;
        else
            *to++ = *at;
    *to = 0;
    return at;
}

/* Backslashes are special in front of a quote only: 2n of them are n and the quote counts, 2n+1 are n and a plain
 * quote. Inside quotes, two quotes are one plain quote. */
static const WCHAR *take_argument(const WCHAR *at, WCHAR *to)
{
    bool quoted = false;
    while (*at && (quoted || !is_blank(*at))) {
        size_t slashes = 0;
        while (at[slashes] == '\\')
            slashes++;
        at += slashes;
        size_t kept = *at == '"' ? slashes / 2 : slashes;
        for (size_t i = 0; i < kept; i++)
            *to++ = '\\';
        if (*at == '"' && slashes % 2)
            *to++ = *at++;
        else if (*at == '"' && quoted && at[1] == '"')
            *to++ = '"', at += 2;
        else if (*at == '"')
            quoted = !quoted, at++;
        else if (*at && (quoted || !is_blank(*at)))
            *to++ = *at++;
    }
    *to = 0;
    return at;
}

static char *narrow(const WCHAR *text)
{
    int size = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *copy = size > 0 ? malloc((size_t)size) : NULL;
    if (copy)
        WideCharToMultiByte(CP_UTF8, 0, text, -1, copy, size, NULL, NULL);
    return copy;
}

BOOL cli_words_split(struct cli_words *words, const WCHAR *line)
{
    size_t length = (size_t)lstrlenW(line);
    WCHAR *word = malloc((length + 1) * sizeof *word);
    words->count = 0;
    words->words = calloc(length + 3, sizeof *words->words);
    words->starts = calloc(length + 3, sizeof *words->starts);
    bool done = word && words->words && words->starts;
    for (const WCHAR *at = line; done;) {
        while (words->count && is_blank(*at))
            at++;
        words->starts[words->count] = at;
        if (!*at && words->count)
            break;
        at = words->count ? take_argument(at, word) : take_program(at, word);
        done = (words->words[words->count++] = narrow(word)) != NULL;
    }
    free(word);
    return done;
}
