/* A module, and the list of them. Fields are grouped by the phase that fills them; a phase reads only what the
 * phases before it have filled. Memory of a module is the list's: ld_module_new to ld_module_free. */
#ifndef LOADER_MODULE_H
#define LOADER_MODULE_H

#include "loader/host.h"
#include "loader/trace.h"
#include "pe/export.h"
#include "pe/image.h"
#include "pe/layout.h"

/* Why a load failed: enough for one good sentence, and for the NTSTATUS that a guest's LoadLibrary sees. */
struct ld_error {
    enum ld_phase phase;
    uint32_t ntstatus;       /* 0xC0000135 DLL_NOT_FOUND, 0xC0000139 ENTRYPOINT_NOT_FOUND, ... */
    enum host_result host;   /* HOST_OK where the world was not at fault */
    struct pe_error pe;      /* code PE_OK where the file was not at fault */
    const char *text;        /* constant, one clause: the rule or the step that failed */
    char module[260];        /* whose load failed; base name or path */
    char needed_by[260];     /* the importing module, "" at the root */
    char symbol[260];        /* function or "#ordinal", "" where none */
};

/* One stretch of the image as it was planned, and the rights it has just now. */
struct ld_region {
    struct pe_region plan;
    int rights; /* as mapped now; protect makes it plan.rights */
    bool dirty; /* behind its bytes, where zeroes belong, the last file page has something else */
};

enum ld_state { LD_NEW, LD_FILLED, LD_BOUND, LD_READY, LD_INITIALISING, LD_RUNNING, LD_GONE };

struct ld_module {
    struct ld_module *next, *prev;  /* load order */

    /* find */
    char *path;                     /* host path, UTF-8 */
    char *name;                     /* base name, spelled as by whoever asked first (the file's own letters otherwise) */
    bool is_system;                 /* mapped and kept by the operating system: looked into, never written or freed */
    struct host_file file;          /* open until protect is done, then closed */

    /* open */
    struct pe_image source;         /* PE_FORM_FILE over file.bytes; valid while the file is open */

    /* place */
    uint64_t base;
    uint64_t preferred;
    bool moved;

    /* fill */
    struct pe_image image;          /* PE_FORM_MAPPED over vm_at(base) */
    struct ld_region *regions;      /* malloc'd plan, rising RVA */
    unsigned region_count;
    bool is_copied;                 /* nothing of it is mapped from the file */

    /* exports: through ld_exports alone */
    bool exports_asked, has_exports;
    struct pe_exports exports;

    /* relocate */
    uint32_t fixups, fixup_pages;   /* how many were applied, on how many pages */

    /* manifest */
    bool has_manifest;              /* a manifest of its own: resource 1 of the program, 2 of a DLL */
    struct ld_redirect *redirects;  /* malloc'd list; files of side-by-side assemblies that the manifest names */

    /* bind */
    struct ld_module **needs;       /* malloc'd; direct dependencies in import order, forwarder targets behind them */
    unsigned need_count;
    uint32_t imports;               /* slots filled */
    struct ld_module **imported;    /* malloc'd; the module of each import descriptor in table order, NULL: not loaded */
    unsigned imported_count;

    /* tls */
    int tls_slot;                   /* -1: none */

    /* order and life */
    enum ld_state state;
    bool is_main;                   /* the EXE */
    bool is_static;                 /* needed by the EXE: pinned, lpReserved != 0 */
    bool no_thread_calls;           /* DisableThreadLibraryCalls */
    bool no_resolve;                /* DONT_RESOLVE_DLL_REFERENCES, or an EXE that LoadLibrary loaded */
    int references;                 /* -1: pinned */
    unsigned init_index;            /* place in initialisation order, 1-based; 0: not yet */
    unsigned mark;                  /* scratch of graph walks */
    bool is_new;                    /* mapped by the load that is under way: undone if it fails */

    void *entry;                    /* the lane's own record (LDR_DATA_TABLE_ENTRY); phases do not look */
};

/* Where a module's slots led in an earlier run. The targets are modules of this one; everything else is foreign. */
struct ld_binding_run { uint32_t slot, count; }; /* `count` slots from this RVA on */
struct ld_bindings {
    struct ld_module *const *targets;   /* NULL: not loaded */
    unsigned target_count;
    const struct ld_binding_run *runs;
    uint32_t run_count, slot_count;
    const uint32_t *rvas;               /* of each slot: in the target */
    const uint8_t *indexes;             /* of each slot: which target */
    const uint16_t *needs;              /* targets on which the module depends, in their order */
    uint32_t need_count;
};

/* All modules of one process, and what loading needs to know. One loader at a time works on it (loader lock). */
struct loader {
    struct host *host;
    struct ld_trace *trace;
    struct ld_module *first, *last; /* load order */
    unsigned count;

    /* find: where DLLs are looked for, in this order; host paths. */
    const char *const *search;      /* NULL-terminated; application folder first, system folder ... */
    const char *known_folder;       /* where known DLLs are looked for before everything else; NULL: there are none */
    const struct pe_image *apisets; /* apisetschema.dll's image, NULL: none */

    /* find: a lane over an operating system's own loader answers with that one's module (is_system, pinned). Asked before
     * the folders (`searched` false: what must be the system's) and behind them. NULL: no such lane, or no such DLL. */
    struct ld_module *(*system)(struct loader *loader, const char *name, bool searched);

    /* open: the system's own module in the place of an opened file that cannot be stretched by hand; NULL: it can be, or no such
     * lane. */
    struct ld_module *(*instead)(struct loader *loader, const struct ld_module *opened);

    uint16_t machine;               /* PE_MACHINE_* of every module; 0: the first module's decides */

    /* place */
    uint64_t user_limit;            /* no image ends above it; 0: no limit */
    bool occupy;                    /* take the EXE's preferred base on purpose first (--occupy) */
    uint64_t occupied, occupied_size; /* the range so taken, given back with the EXE; size 0: none */

    /* cookie */
    uint64_t random;                /* from the lane, a seed that nobody can guess; 0: security cookies are left alone */

    /* manifest: the innermost module under way whose manifest leads to assemblies; NULL: only the program's counts */
    const struct ld_module *manifest_of;

    /* load */
    unsigned depth;                 /* of the graph walk that is under way; 0: no load is under way */
    bool root_no_resolve;           /* DONT_RESOLVE_DLL_REFERENCES for the root of the next load */

    /* bind: a lane's own function in the place of an export; NULL: none. Returns 0 where it has none. */
    uint64_t (*redirect)(struct loader *loader, const struct ld_module *exporter, const char *name, uint32_t len);
    /* bind: collects every missing DLL and function rather than stopping at the first (run --check). NULL: stop. */
    void (*missing)(struct loader *loader, const struct ld_error *error);
    unsigned missing_count;
    /* bind: an address for a function that is not there (run --missing=stub). NULL, or 0 as its answer: the load fails. */
    uint64_t (*substitute)(struct loader *loader, const struct ld_module *exporter, const char *name, uint32_t len,
                           uint32_t ordinal);

    /* bind: what is known from an earlier run with the same files; false: nothing. Not asked while bind is traced, so that
     * each look-up is told. NULL: there is no such memory. */
    bool (*recall)(struct loader *loader, struct ld_module *module, struct ld_bindings *found);

    /* manifest: known from an earlier run with the same file, that it has none. NULL: there is no such memory. */
    bool (*plain)(struct loader *loader, const struct ld_module *module);

    /* tls: slots in use, rising; slot 0 is the first module's. */
    struct ld_module **tls_modules; /* malloc'd; NULL entry: free slot */
    unsigned tls_count;
    /* Where somebody else numbers the slots: takes one for the module (-1: none to be had), gives it back. NULL: we do. */
    int (*tls_take)(struct loader *loader, struct ld_module *module);
    void (*tls_give)(struct loader *loader, struct ld_module *module);

    void *lane;                     /* the lane's own state, for redirect and missing */
};

/* What a guest's LoadLibrary sees for faults that are not the file's own (those are in pe/format.h). */
#define LD_STATUS_UNSUCCESSFUL          0xc0000001u
#define LD_STATUS_NO_MEMORY             0xc0000017u
#define LD_STATUS_ACCESS_DENIED         0xc0000022u
#define LD_STATUS_OBJECT_NAME_INVALID   0xc0000033u
#define LD_STATUS_OBJECT_NAME_NOT_FOUND 0xc0000034u
#define LD_STATUS_FILE_IS_A_DIRECTORY   0xc00000bau
#define LD_STATUS_STACK_OVERFLOW        0xc00000fdu
#define LD_STATUS_DLL_NOT_FOUND         0xc0000135u
#define LD_STATUS_ORDINAL_NOT_FOUND     0xc0000138u
#define LD_STATUS_ENTRYPOINT_NOT_FOUND  0xc0000139u

#define LD_PAGE        0x1000u
#define LD_GRANULARITY 0x10000u /* images begin on multiples of it */

struct ld_module *ld_module_new(struct loader *loader, const char *path); /* appended to the list; NULL: no memory */
void ld_module_free(struct loader *loader, struct ld_module *module);     /* unlinks, unmaps, closes, frees */
/* The export table, opened when it is first asked for: DLLs that are bound from memory never are. NULL: none, or *broken
 * (may be NULL, too) says what is wrong with it. */
const struct pe_exports *ld_exports(const struct ld_module *module, struct pe_error *broken);
/* By base name without regard to ASCII case. NULL: not loaded. */
struct ld_module *ld_module_by_name(const struct loader *loader, const char *name);
struct ld_module *ld_module_by_address(const struct loader *loader, uint64_t address);
/* The same file already loaded (hard links and spellings share the identity). */
struct ld_module *ld_module_by_file(const struct loader *loader, const struct host_file *file);
bool ld_module_add_need(struct ld_module *module, struct ld_module *need); /* false: no memory; doubles are kept out */
/* The region that holds rva, NULL: outside the image. */
struct ld_region *ld_module_region(const struct ld_module *module, pe_rva rva /* foreign */);
/* Rights under which the loader may write to a region: never W+X unless the section says so. */
int ld_rights_writable(int planned);
/* Makes the regions that hold [rva, rva + size) writable if they are not, so that relocate, bind and tls can write;
 * protect puts them back. HOST_NOT_FOUND: not all of it is memory of the image. */
enum host_result ld_module_writable(struct loader *loader, struct ld_module *module, pe_rva rva, uint32_t size);
/* Fills *error and returns false, for `return ld_fail(...)`. */
bool ld_fail(struct ld_error *error, enum ld_phase phase, const struct ld_module *module, uint32_t ntstatus, const char *text);
bool ld_fail_host(struct ld_error *error, enum ld_phase phase, const struct ld_module *module, enum host_result result,
                  const char *text);
bool ld_fail_pe(struct ld_error *error, enum ld_phase phase, const struct ld_module *module, const struct pe_error *pe);
/* Equal without regard to ASCII case; both NUL-terminated. */
bool ld_name_equal(const char *a, const char *b);
bool ld_text_equal(const char *a, const char *b, size_t length); /* the first `length` characters; neither may end before */
/* An entry of ld_module.redirects: the file that stands for a DLL's name. */
struct ld_redirect {
    struct ld_redirect *next;
    char *name; /* base name; behind the path in the same block */
    char path[];
};

/* Copies at most room - 1 bytes and a NUL: for the names in an ld_error. */
void ld_text_set(char *to, size_t room, const char *from);

#endif
