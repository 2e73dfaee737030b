/* What looking at a process from outside asks of the machine: its memory, its regions, its threads, its handles. One reader
 * stands behind each kind of machine (linux/, win32/, and a made-up one in the tests); the walk over it is one.
 *
 * The reader may look at a process of either width. Everything that it gives is foreign: the process wrote it. */
#ifndef INSPECT_READER_H
#define INSPECT_READER_H

#include "pe/bytes.h"

enum inspect_type { INSPECT_UNKNOWN, INSPECT_IMAGE, INSPECT_MAPPED, INSPECT_PRIVATE };

struct inspect_region {
    uint64_t base, size;
    uint64_t allocation_base;  /* 0: the machine does not say */
    bool committed;            /* false: only reserved */
    enum inspect_type type;
    int rights;                /* PE_R | PE_W | PE_X */
    int allocation_rights;     /* -1: the machine does not say */
    bool guard;
    char path[512];            /* of the file behind it, the machine's own kind of path; "": none is known */
};

struct inspect_register { const char *name; uint64_t value; };
enum { INSPECT_REGISTERS = 26 };

struct inspect_thread {
    uint32_t id;               /* 0: to be read from the TEB */
    uint64_t start, teb;       /* 0: the machine does not say */
    struct inspect_register registers[INSPECT_REGISTERS];
    unsigned register_count;   /* 0: it has not come to guest code */
};

struct inspect_handle {
    uint64_t handle;
    char type[32], name[512];  /* "": unknown, none */
    uint32_t access;
    bool inherit, protect;
};

struct inspect_reader {
    void *self;
    bool is_64;                /* width of the process looked at */
    /* Reads all of it or returns false. */
    bool (*read)(struct inspect_reader *reader, uint64_t address, void *out, size_t size);
    /* The region that begins at *address or above, in rising order; moves *address behind it. False: that was the last. */
    bool (*region_next)(struct inspect_reader *reader, uint64_t *address, struct inspect_region *out);
    bool (*thread_at)(struct inspect_reader *reader, unsigned index, struct inspect_thread *out);
    bool (*handle_at)(struct inspect_reader *reader, unsigned index, struct inspect_handle *out);
    bool sees_handles;
    /* The file of an image, whole: `path` is what the region says ("": nothing), `name` what the process calls it; path NULL: not
     * there, but in a folder below (a private assembly). *own: its path here, at most `room` bytes. The bytes stay until file_close. */
    bool (*file_open)(struct inspect_reader *reader, const char *path, const char *name, struct pe_span *bytes, char *own,
                      size_t room);
    void (*file_close)(struct inspect_reader *reader, struct pe_span bytes);
};

/* ---- memory.c: reads by the process's width; 0 or "" where it cannot be read. */
uint64_t inspect_pointer(struct inspect_reader *reader, uint64_t address);
uint64_t inspect_number(struct inspect_reader *reader, uint64_t address, size_t width);
/* A UNICODE_STRING at address as UTF-8, malloc'd. NULL: no memory. */
char *inspect_string(struct inspect_reader *reader, uint64_t address);
/* `size` bytes as far as they can be read; the rest is zero. present, one byte a page, may be NULL. */
void inspect_copy(struct inspect_reader *reader, uint64_t address, uint8_t *out, size_t size, uint8_t *present);

#endif
