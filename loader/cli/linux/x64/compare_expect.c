/* Files of expected differences for `peload compare`: those that are named, or the one beside the program. */
#define _GNU_SOURCE
#include "loader/cli/linux/x64/inspect.h"
#include "loader/inspect/compare/compare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_LIMIT = 1 << 20 };

/* malloc'd; NULL: errno says why. */
static char *file_text(const char *path, size_t *length)
{
    struct stat facts;
    FILE *file = fopen(path, "re");
    char *text = NULL;
    if (file && !fstat(fileno(file), &facts) && !S_ISREG(facts.st_mode))
        errno = EINVAL;
    else if (file && (text = malloc(FILE_LIMIT + 1))) {
        *length = fread(text, 1, FILE_LIMIT + 1, file);
        if (ferror(file) || *length > FILE_LIMIT) {
            errno = ferror(file) ? EIO : EFBIG;
            free(text);
            text = NULL;
        }
    }
    int error = errno;
    if (file)
        fclose(file);
    errno = error;
    return text;
}

int cli_expectations_take(const char *path, struct expectations *expectations)
{
    size_t length = 0;
    char *text = file_text(path, &length), *why = NULL;
    if (!text) {
        int error = errno;
        cli_say("%s: %s", path, strerror(error));
        return error == ENOENT ? CLI_NOT_FOUND : CLI_USAGE_OR_WORLD;
    }
    bool good = expectations_take(expectations, text, length, &why);
    if (!good)
        cli_say("%s: %s", path, why ? why : "no memory");
    free(text);
    free(why);
    return good ? 0 : CLI_USAGE_OR_WORLD;
}

char *cli_expectations_beside(const char *program)
{
    static const char name[] = "compare.expect";
    const char *slash = strrchr(program, '/');
    char *path = NULL;
    if (asprintf(&path, "%.*s%s", slash ? (int)(slash + 1 - program) : 0, program, name) < 0)
        return NULL;
    struct stat facts;
    if (!stat(path, &facts))
        return path;
    free(path);
    return NULL;
}
