/* The resource tree: type -> name -> language -> data. Offsets count from the directory's start. The directory's Size
 * is not looked at: there are files where it is 0 or too small, and no system minds (rule 100). */
#ifndef PE_RESOURCE_H
#define PE_RESOURCE_H

#include "pe/image.h"

/* A resource is named by a number or by text. Text in the file is UTF-16 and points into the image, where it may be
 * unaligned; text that is looked for is ASCII, and letters match in either case, as names are stored in upper case. */
struct pe_resource_id {
    bool is_name;
    uint16_t number;     /* !is_name */
    struct pe_span name; /* is_name: UTF-16LE, no NUL, name.size / 2 units */
};

/* How to ask: a number where `name` is NULL. */
struct pe_resource_key {
    const char *name;
    uint32_t name_len;
    uint16_t number;
};
#define PE_RESOURCE_NUMBER(n) ((struct pe_resource_key){NULL, 0, (n)})

struct pe_resource {
    struct pe_resource_id type, name;
    uint16_t language;
    pe_rva data;
    uint32_t size; /* bytes */
    uint32_t code_page;
};

/* A cursor over one directory of the tree. */
struct pe_resource_level {
    const struct pe_image *image;
    struct pe_span table;  /* from the start of the whole directory to the end of its section */
    uint32_t entries;      /* offset of entry 0 in table */
    uint32_t count, index; /* index: of the NEXT */
    struct pe_resource_id id;
    bool is_directory;
    uint32_t offset;       /* of the directory or data entry that the current entry points to, in table */
};

/* The three levels at once: every resource of the image. */
#define PE_RESOURCE_DEPTH 3
struct pe_resource_cursor {
    struct pe_resource_level level[PE_RESOURCE_DEPTH];
    unsigned depth; /* levels that are open; 0: nothing left */
    uint32_t steps; /* entries told so far: a tree that refers to itself ends at a limit */
};

/* No entry of a file counts beyond this many. */
#define PE_RESOURCE_LIMIT 1000000u

/* Begin, then next until false: error->code PE_OK at the end, or a fault. No directory: the end at once. */
void pe_resources_begin(struct pe_resource_cursor *cursor, const struct pe_image *image);
bool pe_resources_next(struct pe_resource_cursor *cursor, struct pe_resource *out, struct pe_error *error);

/* One resource. language 0: neutral (0), then US English (1033), then the first that is there, as FindResource does
 * for a thread without a language of its own. PE_NOT_FOUND: there is no such. */
bool pe_resource_find(const struct pe_image *image, struct pe_resource_key type, struct pe_resource_key name,
                      uint16_t language, struct pe_resource *out, struct pe_error *error);

/* The resource's bytes. False where they are not all there. */
bool pe_resource_bytes(const struct pe_image *image, const struct pe_resource *resource, struct pe_span *out);

/* "icon", "version", "manifest" for the numbers of Microsoft; NULL for others. */
const char *pe_resource_type_name(uint16_t number);

#endif
