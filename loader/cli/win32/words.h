/* The command line as Windows has it: one text, which every program takes apart for itself. */
#ifndef CLI_WIN32_WORDS_H
#define CLI_WIN32_WORDS_H

#include <windows.h>

struct cli_words {
    int count;
    char **words;         /* malloc'd UTF-8, NULL-terminated */
    const WCHAR **starts; /* where each word begins in the line, its quote included; starts[count] is the line's end */
};

/* Takes the line apart by the rules that Microsoft documents under "Parsing C Command-Line Arguments". What has no UTF-8
 * form (half of a surrogate pair) becomes U+FFFD. False: no memory. */
BOOL cli_words_split(struct cli_words *words, const WCHAR *line);
extern struct cli_words cli_words; /* this process's own, set by entry.c */

#endif
