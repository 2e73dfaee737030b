/* A snapshot: one process as it lies in memory, walked from outside and told as JSON (snapshot.schema.json).
 *
 *   reader.h     what it asks of the machine; linux/ and win32/ answer
 *   snapshot.c   the order of the walk. Read this file first.
 *   offsets.h    where PEB, TEB, parameters and list entries have their fields, for both widths
 *   modules.c    modules by the PEB's lists, and images that no list names
 *   exports.c    from an address back to module!export
 *   changes.c    memory against the plan of pe/layout: what differs, and by which cause
 *   use.c        what a region is used for
 *   write*.c     JSON out of all that
 *   json.c       the writer
 *
 * It must not print, and must not look into peload's own books: a loader that mislays something would mislay it there too. */
#ifndef INSPECT_INSPECT_H
#define INSPECT_INSPECT_H

#include "loader/inspect/json.h"
#include "loader/inspect/reader.h"
#include "pe/export.h"
#include "pe/image.h"

/* Why bytes are not as the file has them: the causes of snapshot.schema.json. */
enum inspect_cause {
    CAUSE_NONE, CAUSE_RELOCATION, CAUSE_IAT, CAUSE_DELAY_IAT, CAUSE_DELAY_HANDLE, CAUSE_COOKIE, CAUSE_TLS_INDEX,
    CAUSE_IMAGE_BASE, CAUSE_GUARD, CAUSE_PAGE_TAIL, CAUSE_DATA, CAUSE_PATCH, CAUSE_EXPORTS, CAUSE_UNKNOWN, CAUSE_COUNT
};
extern const char *const inspect_cause_name[CAUSE_COUNT];

struct inspect_module {
    char *name, *path;             /* as the process says; malloc'd. path NULL: nobody says */
    uint64_t base, size, entry;
    bool listed;                   /* in the load order list */
    int load_order, memory_order, init_order; /* -1: not in it */
    bool has_entry;                /* the fields below are read */
    int64_t load_count;
    uint32_t flags;

    uint8_t *memory, *present;     /* size bytes; one byte a page */
    bool has_image;                /* headers in memory are good */
    struct pe_image image;         /* PE_FORM_MAPPED over memory */
    bool has_exports;
    struct pe_exports exports;

    char file[4096];               /* "": none was found */
    struct pe_span bytes;
    bool has_source;
    struct pe_image source;        /* PE_FORM_FILE over bytes */

    /* changes.c */
    uint8_t *planned;              /* the file stretched */
    uint8_t *cause;                /* enum inspect_cause of each byte; NULL: no file */
    uint32_t fixups, fixup_pages, rebased, other;
};

/* An address that an export table names. */
struct inspect_export { uint64_t address; const struct inspect_module *module; const char *name; uint32_t name_len, ordinal; };

struct inspect_process {
    struct inspect_reader *reader;
    uint64_t peb, parameters, ldr;
    struct inspect_region *regions;
    size_t region_count;
    struct inspect_module *modules;
    size_t module_count;
    struct inspect_export *exports; /* by address */
    size_t export_count;
    struct inspect_thread *threads;
    size_t thread_count;
};

/* What the command knows of the process without looking into it. */
struct inspect_facts {
    const char *lane, *at, *file;  /* file: path of the program */
    const char *system;            /* who answers its calls: "Wine 8.0", "Windows 10.0.19045"; NULL: peload's own kernel */
    struct pe_span bytes;          /* of it */
    uint64_t peb;                  /* as the kernel tells it; 0: there is none yet */
    uint32_t id, parent;           /* 0: unknown */
};

/* How the process ended, where it was waited for. */
struct inspect_end {
    bool waited;
    uint32_t code;
    const char *how;
    uint64_t cpu_ms, elapsed_ms;   /* since its start, of the processor and of the clock; the latter 0: unknown */
    bool knows_cpu, knows_started;
    uint32_t threads, processes;   /* that it started, where that is known */
    const uint8_t *text[2];        /* stdout, stderr */
    size_t size[2];
};

/* Walks and tells everything but the end; the document stays open for inspect_finish. False: no memory, or the program is
 * not in that process (*why says which). */
bool inspect_snapshot(struct inspect_reader *reader, const struct inspect_facts *facts, struct json *json, const char **why);
void inspect_finish(struct json *json, const struct inspect_end *end);
/* The same document for a program that never came so far: no regions, no modules. */
void inspect_nothing(bool is_64, const struct inspect_facts *facts, struct json *json);

/* ---- between the files of this folder ---- */

bool inspect_modules(struct inspect_process *process, const struct inspect_facts *facts);
bool inspect_exports(struct inspect_process *process);
/* The export at address, the one called `name` where several are there. NULL: none. */
const struct inspect_export *inspect_export_at(const struct inspect_process *process, uint64_t address, const char *name,
                                               uint32_t name_len);
struct inspect_module *inspect_module_at(const struct inspect_process *process, uint64_t address);
/* Rights of the page at address; -1: nothing is there. */
int inspect_rights_at(const struct inspect_process *process, uint64_t address);
bool inspect_changes(struct inspect_process *process, struct inspect_module *module);
/* What a region is used for, told into `text`. */
void inspect_use(const struct inspect_process *process, const struct inspect_region *region, char *text, size_t room);
void inspect_write_modules(const struct inspect_process *process, struct json *json);
void inspect_write_imports(const struct inspect_process *process, const struct inspect_module *module, struct json *json);
void inspect_write_changes(const struct inspect_module *module, struct json *json);
void inspect_write_process(const struct inspect_process *process, const struct inspect_facts *facts, struct json *json);
void inspect_write_rest(const struct inspect_process *process, struct json *json); /* peb, parameters, handles, threads */
uint64_t inspect_hash(const uint8_t *bytes, size_t size); /* FNV-1a, 64 bits */
/* The value of `width` bytes at rva of the module's memory; 0 outside. */
uint64_t inspect_value(const struct inspect_module *module, uint64_t rva, size_t width);

#endif
