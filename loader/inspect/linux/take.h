/* A snapshot of the lanes native and reference: `peload run` as a child, looked at from outside. */
#ifndef INSPECT_LINUX_TAKE_H
#define INSPECT_LINUX_TAKE_H

#include "loader/inspect/inspect.h"

struct snapshot_wish {
    const char *lane, *at;       /* words of the schema */
    const char *file;
    struct pe_span bytes;        /* of it */
    bool is_64;
    char *const *arguments;      /* NULL-terminated */
    char *const *options;        /* NULL-terminated: more words for `peload run` */
    const char *host;            /* path of peload or peload32 */
    unsigned seconds;            /* until it is ended by force; 0: no limit */
    bool stay;                   /* end it where it was looked at */
};

enum snapshot_result {
    SNAPSHOT_TAKEN,
    SNAPSHOT_NOT_REACHED, /* the program was refused, or ended before; the document has the exit alone */
    SNAPSHOT_TIMEOUT,     /* it did not come there in time; no document */
    SNAPSHOT_FAILED,      /* the world's fault; no document */
};

/* The document is the caller's to free (json->data). *why: constant text for NOT_REACHED, TIMEOUT and FAILED. */
enum snapshot_result snapshot_take(const struct snapshot_wish *wish, struct json *json, const char **why);

#endif
