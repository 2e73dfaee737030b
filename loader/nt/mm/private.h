/* Shared by mm/ only: the books of the guest's address space.
 *
 * An AREA is what NT calls an allocation (a VAD): it begins on a 64-KiB boundary unless it was split, and it is one of
 * private memory, a view of a section, an image, or the host's own. Areas hang in a balanced tree. Inside an area,
 * page states lie in RUNS: equal neighbours are always one run, so that a query answers from the array as it is.
 *
 * Order of a change: room in the books first, then the host's pages, then the books: the last step cannot fail. */
#ifndef NT_MM_PRIVATE_H
#define NT_MM_PRIVATE_H

#include "loader/nt/mm.h"
#include "loader/nt/ob.h"
#include "loader/nt/ps.h"

#define MM_PAGE ((uintptr_t)0x1000)
#define MM_GRANULE ((uintptr_t)0x10000)
enum { MM_COPYING = PAGE_WRITECOPY | PAGE_EXECUTE_WRITECOPY };

static inline uintptr_t mm_page_down(uintptr_t at) { return at & ~(MM_PAGE - 1); }
static inline uintptr_t mm_page_up(uintptr_t at) { return (at + MM_PAGE - 1) & ~(MM_PAGE - 1); }
static inline uintptr_t mm_granule_down(uintptr_t at) { return at & ~(MM_GRANULE - 1); }
static inline uintptr_t mm_granule_up(uintptr_t at) { return (at + MM_GRANULE - 1) & ~(MM_GRANULE - 1); }

enum { MEM_WRITE_WATCH = 0x200000, MEM_PHYSICAL = 0x400000, MEM_RESET_UNDO = 0x1000000, MEM_LARGE_PAGES = 0x20000000,
       MEM_COALESCE_PLACEHOLDERS = 1, MEM_PRESERVE_PLACEHOLDER = 2, MEM_REPLACE_PLACEHOLDER = 0x4000,
       MEM_RESERVE_PLACEHOLDER = 0x40000, MEM_DIFFERENT_IMAGE_BASE_OK = 0x800000 };
enum { SEC_FILE = 0x800000, SEC_IMAGE = 0x1000000, SEC_RESERVE = 0x4000000, SEC_COMMIT = 0x8000000, SEC_NOCACHE = 0x10000000,
       SEC_IMAGE_NO_EXECUTE = 0x11000000, SEC_LARGE_PAGES = 0x80000000u };
enum { SECTION_QUERY = 1, SECTION_MAP_WRITE = 2, SECTION_MAP_READ = 4, SECTION_MAP_EXECUTE = 8, SECTION_EXTEND_SIZE = 0x10 };
enum { PROCESS_VM_OPERATION = 8, PROCESS_VM_READ = 0x10, PROCESS_VM_WRITE = 0x20, PROCESS_QUERY_INFORMATION = 0x400 };

/* ---- runs (mm/runs.c) -------------------------------------------------------------------------- */

/* A page's state: its PAGE_* bits and these. Reserved pages are 0. */
enum { MM_COMMITTED = 0x1000, MM_SHOWN = 0x17ff, /* what a query tells apart */
       MM_DIRTY = 0x2000,                        /* written since the last reset (areas under write watch) */
       MM_LOCKED = 0x4000 };                     /* NtLockVirtualMemory */

struct mm_run {
    uintptr_t at;                   /* first byte, from the area's base */
    uint32_t state;                 /* up to the next run or the area's end */
};

/* The first run is at 0; no two neighbours are equal. */
struct mm_runs {
    struct mm_run *array;           /* NULL: `one` is the only run */
    uint32_t count, room;
    struct mm_run one;
};

void mm_runs_open(struct mm_runs *runs, uint32_t state);
void mm_runs_close(struct mm_runs *runs);
const struct mm_run *mm_runs_array(const struct mm_runs *runs);
uint32_t mm_runs_find(const struct mm_runs *runs, uintptr_t at); /* index of the run that holds `at` */
/* Where run `index` ends in something of `size` bytes. */
uintptr_t mm_runs_end(const struct mm_runs *runs, uint32_t index, uintptr_t size);
/* Makes sure that the next `more` states can be set without memory. */
bool mm_runs_room(struct mm_runs *runs, uint32_t more);
/* [at, end) becomes `state`. Room was made (1 for each call). `size`: of the whole. */
void mm_runs_set(struct mm_runs *runs, uintptr_t at, uintptr_t end, uintptr_t size, uint32_t state);
/* What is left of runs when only [at, end) remains. */
void mm_runs_cut(struct mm_runs *runs, uintptr_t at, uintptr_t end);
bool mm_runs_copy(struct mm_runs *to, const struct mm_runs *from);

/* ---- areas (mm/tree.c, mm/area.c) -------------------------------------------------------------- */

enum { MM_WRITE_WATCH = 1,          /* MEM_WRITE_WATCH: clean pages are not writable for the host */
       MM_PADDED = 2,               /* its host pages go on to the end of the last granule */
       MM_PLACEHOLDER = 4,
       MM_FROM_PLACEHOLDER = 8,     /* what has replaced one can become one again */
       MM_EXTENDABLE = 16 };        /* a file's view with room for its growth (MEM_RESERVE) */

struct mm_area {
    struct mm_area *left, *right;   /* the tree's */
    int height;
    uintptr_t span_low, span_high;  /* of this and all below it, in whole granules */
    uintptr_t span_gap;             /* widest free space between any two of them */

    uintptr_t base, size;           /* pages; the host's own areas too */
    uint32_t type;                  /* MEM_PRIVATE, MEM_MAPPED, MEM_IMAGE; 0: the host's own */
    uint32_t protect;               /* as asked for at allocation */
    uint32_t flags;                 /* MM_* */
    struct mm_runs runs;
    char *path;                     /* an image's file; malloc'd, NULL: none */
    struct mm_backing *backing;     /* a view's section; counted */
    uint64_t offset;                /* of the view in it */
    struct mm_area *next_view;      /* of the same backing */
};

extern struct mm_area *mm_root;     /* the lock's */
static inline uintptr_t mm_end(const struct mm_area *area) { return area->base + area->size; }

void mm_lock(void);
void mm_unlock(void);

void mm_tree_insert(struct mm_area *area);
void mm_tree_remove(struct mm_area *area);
void mm_tree_refresh(struct mm_area *area);      /* its size has changed, its place among the others has not */
struct mm_area *mm_tree_find(uintptr_t address); /* the area that holds it */
struct mm_area *mm_tree_above(uintptr_t address); /* the first area that ends above it */

/* Where an allocation may go. */
struct mm_wish {
    uintptr_t low, high;            /* inside [low, high); high 0: end of user space */
    uintptr_t alignment;            /* 0: a granule */
    bool top_down;
    bool required;                  /* low, high or alignment come from the caller's address requirements */
};
/* The first (or last) free place of `size` bytes in the books; 0: none. */
uintptr_t mm_tree_place(uintptr_t size, const struct mm_wish *wish);

/* How an area's pages come into being on the host, at a place that the books call free. EEXIST: the host has something there. */
typedef int mm_maker(uintptr_t base, uintptr_t size, void *context);

/* Makes an area at base (or, base 0, where the wish and the host agree) whose pages are all `state`; in the tree on
 * return. Lock held. */
NTSTATUS mm_area_create(uintptr_t base, uintptr_t size, const struct mm_wish *wish, uint32_t type, uint32_t protect,
                        uint32_t flags, uint32_t state, mm_maker *maker, void *context, struct mm_area **out);
/* Out of the tree and freed; `unmap`: its pages too. Lock held. */
void mm_area_destroy(struct mm_area *area, bool unmap);
/* An area that was cut out of another: into the tree and the count. Lock held. */
void mm_area_adopt(struct mm_area *area);
/* Only [at, end) of the area goes; what stays above becomes an area of its own. Private areas. Lock held. */
NTSTATUS mm_area_release_part(struct mm_area *area, uintptr_t at, uintptr_t end);
/* [at, end) of the area becomes `state`, rights on the host included; DIRTY and LOCKED pages keep these. Lock held. */
NTSTATUS mm_area_set(struct mm_area *area, uintptr_t at, uintptr_t end, uint32_t state);
/* The books alone: the host's pages are as `state` wants them already. Room was made in area->runs. Lock held. */
void mm_area_note(struct mm_area *area, uintptr_t at, uintptr_t end, uint32_t state);
/* The same as mm_area_set for a flag of the committed pages in it; rights follow. */
NTSTATUS mm_area_mark(struct mm_area *area, uintptr_t at, uintptr_t end, uint32_t flag, bool on);
/* PROT_* of a page in that state. */
int mm_area_rights(const struct mm_area *area, uint32_t state);
/* Are all pages of [at, end) committed? */
bool mm_area_committed(const struct mm_area *area, uintptr_t at, uintptr_t end);
static inline uint32_t mm_area_state(const struct mm_area *area, uintptr_t at)
{
    return mm_runs_array(&area->runs)[mm_runs_find(&area->runs, at - area->base)].state;
}
/* Is this one protection that NT knows? (WRITECOPY: views only.) */
bool mm_protect_valid(uint32_t protect, bool view);

/* ---- the host's pages (mm/linux.c): 0 or errno --------------------------------------------------- */

int mm_linux_reserve(uintptr_t base, uintptr_t size, int rights); /* EEXIST: something is there */
int mm_linux_file(uintptr_t base, uintptr_t size, int rights, bool shared, bool over, int fd, uint64_t offset);
int mm_linux_protect(uintptr_t base, uintptr_t size, int rights);
int mm_linux_decommit(uintptr_t base, uintptr_t size);            /* contents gone, range kept */
void mm_linux_release(uintptr_t base, uintptr_t size);
bool mm_linux_readable(uintptr_t address);                        /* by asking the system, without a fault */
/* Puts what the host has mapped and the books do not know into the tree; [low, high), where it surely has something, is
 * not free afterwards. */
void mm_linux_learn(uintptr_t low, uintptr_t high);
NTSTATUS mm_linux_status(int error);

/* ---- sections (mm/section.c, mm/backing.c, mm/view.c, mm/mapped.c) ------------------------- */

/* In the arena: fixed width. */
struct nt_section_object {
    struct nt_object head;
    uint64_t id;                    /* never used twice */
    uint64_t size;                  /* bytes */
    uint64_t device, serial;        /* of the file */
    uint32_t protect, attributes;   /* PAGE_*, SEC_* */
    nt_ref path;                    /* unix path, 0: page file */
    uint32_t path_size;             /* with NUL */
    uint32_t unused[2];
    uint64_t entry_point, stack_reserve, stack_commit; /* SEC_IMAGE: nt_image_facts */
    uint32_t zero_bits, subsystem, subsystem_version, os_version;
    uint16_t characteristics, dll_characteristics, machine;
    uint8_t contains_code, image_flags;
    uint32_t loader_flags, file_size, checksum, pad;
};

/* This process's side of a section: kept by its views and, so that SEC_RESERVE and named sections keep what they are
 * between views, by the section object. The Mm lock's. */
struct mm_backing {
    struct mm_backing *next;
    uint64_t id;                    /* the section's; 0: none (nt_mm_map_file) */
    nt_ref section;                 /* the object with that id; it may be gone */
    unsigned holders;               /* views, calls under way, and 1 for the section object (id != 0) */
    int fd;                         /* the contents; -1: what is mapped is all */
    bool is_file;
    char *path;                     /* malloc'd, NULL: page file */
    uint64_t size;                  /* bytes */
    bool reserves;                  /* SEC_RESERVE: */
    struct mm_runs committed;       /*   what any view has committed; in pages, not bytes: it may exceed this width */
    struct mm_area *first_view;
};

void mm_section_open(void);         /* type hooks */
/* This process's backing of a section, held for the caller. handle_fd: the handle's descriptor or -1. */
NTSTATUS mm_backing_of(const struct nt_section_object *section, int handle_fd, struct mm_backing **out);
struct mm_backing *mm_backing_find(uint64_t id);     /* not held; lock held */
void mm_backing_hold(struct mm_backing *backing);    /* lock held */
void mm_backing_release(struct mm_backing *backing); /* lock held */
/* With one holder; fd is taken over where it succeeds. Lock held. */
struct mm_backing *mm_backing_new(uint64_t id, int fd, const char *path);
/* Views of a backing. Lock held. */
void mm_backing_view_add(struct mm_backing *backing, struct mm_area *area);
void mm_backing_view_remove(struct mm_area *area);

/* VirtualAlloc(MEM_COMMIT) inside a view of a page-file section. Lock held. */
NTSTATUS mm_view_commit(struct mm_area *area, uintptr_t at, uintptr_t end, uint32_t protect);
/* The file, and its section, become long enough for all of the view up to `end`, a page's. Lock held. */
NTSTATUS mm_view_grow(struct mm_area *area, uintptr_t end);
/* A view's committed pages change rights: those that copy on write become private ones. Lock held. */
NTSTATUS mm_view_protect(struct mm_area *area, uintptr_t at, uintptr_t end, uint32_t protect);
/* The section has grown to backing->size: views that reserved room for that show it. Lock held. */
void mm_view_extend(struct mm_backing *backing);
/* May a view of a section of this protection have that one? */
bool mm_view_allows(uint32_t section_protect, uint32_t protect);

/* ---- shared sections of images (mm/shared.c). No lock held ------------------------------------------ */

void mm_image_share(uintptr_t base, const char *path); /* the image is complete */
void mm_image_unshare(uintptr_t base);                 /* it goes */

/* ---- placeholders (mm/placeholder.c). Lock held ---------------------------------------------------- */

/* A placeholder of exactly this range; NULL: there is none. */
struct mm_area *mm_placeholder_find(uintptr_t base, uintptr_t size);
NTSTATUS mm_placeholder_fill(uintptr_t *base, uintptr_t *size, ULONG type, ULONG protect);
/* A view or allocation that replaced a placeholder becomes one again. */
NTSTATUS mm_placeholder_leave(struct mm_area *area);
/* MEM_RELEASE with MEM_PRESERVE_PLACEHOLDER or MEM_COALESCE_PLACEHOLDERS. */
NTSTATUS mm_placeholder_free(struct mm_area *area, uintptr_t at, uintptr_t end, ULONG type);

/* ---- common to services -------------------------------------------------------------------------- */

/* SUCCESS where the handle means this process, NOT_SUPPORTED where another one of the session. */
NTSTATUS mm_process(HANDLE process, ACCESS_MASK access);
/* The same for what can be done in another process: *other NULL: this one; else it is for mm_process_done. */
NTSTATUS mm_process_any(HANDLE process, ACCESS_MASK access, struct nt_process_object **other);
void mm_process_done(struct nt_process_object *other);

/* What NtQueryVirtualMemory answers from, in fixed widths. */
struct mm_fact {
    uint64_t base, allocation_base, size, commit_size;
    uint32_t allocation_protect, state, protect, type, kind, pad;
    char path[4096];                /* unix path */
};
NTSTATUS mm_fact_get(ULONG information_class, uintptr_t at, struct mm_fact *out);
/* mm/written.c: a fact about copy-on-write pages (basic, with the image's path) becomes one about those of them that are alike:
 * written already, or not yet. Lock NOT held: guest memory is read. */
void mm_written_tell(struct mm_fact *fact);
uint32_t mm_written_protect(uint32_t protect); /* what such a page has once it was written */

/* A view that is wished for, checked as far as it can be without knowing the process that gets it. */
struct mm_mapping {
    const struct nt_section_object *section;
    int fd;                         /* its handle's */
    struct mm_wish wish;
    uint64_t offset, commit;
    ULONG type, protect;
};
NTSTATUS mm_map(const struct mm_mapping *mapping, uintptr_t *base, uintptr_t *size); /* in this process */
NTSTATUS mm_unmap(uintptr_t base, ULONG flags);

/* mm/remote.c: the same in another process, by asking it. */
NTSTATUS mm_remote_allocate(const struct nt_process_object *other, uintptr_t *base, uintptr_t *size, ULONG type, ULONG protect,
                            const struct mm_wish *wish);
NTSTATUS mm_remote_free(const struct nt_process_object *other, uintptr_t *base, uintptr_t *size, ULONG type);
NTSTATUS mm_remote_protect(const struct nt_process_object *other, uintptr_t *base, uintptr_t *size, ULONG protect, ULONG *old);
NTSTATUS mm_remote_query(const struct nt_process_object *other, ULONG information_class, uint64_t at, struct mm_fact *out);
NTSTATUS mm_remote_map(const struct nt_process_object *other, const struct mm_mapping *mapping, uintptr_t *base, uintptr_t *size);
NTSTATUS mm_remote_unmap(const struct nt_process_object *other, uintptr_t base, ULONG flags);
/* Copies between a host buffer here and the other's guest memory; *done: how much was. */
NTSTATUS mm_remote_read(const struct nt_process_object *other, uint64_t from, void *to, size_t size, size_t *done);
NTSTATUS mm_remote_write(const struct nt_process_object *other, uint64_t to, const void *from, size_t size, size_t *done);
/* Writes as WriteProcessMemory does, also to code; the bytes written. */
size_t mm_write_forced(uintptr_t to, const void *from, size_t size);
/* zero_bits as both widths of callers mean it -> where the allocation must end, 0: anywhere. False: not valid. */
bool mm_zero_bits(ULONG_PTR zero_bits, uintptr_t *limit);
NTSTATUS mm_allocate(uintptr_t *base, uintptr_t *size, ULONG type, ULONG protect, const struct mm_wish *wish);
NTSTATUS mm_free(uintptr_t *base, uintptr_t *size, ULONG type);
NTSTATUS mm_protect(uintptr_t *base, uintptr_t *size, ULONG protect, ULONG *old);
/* The parameters of NtAllocateVirtualMemoryEx and NtMapViewOfSectionEx. Guest pointer. */
NTSTATUS mm_wish_capture(const void *parameters, ULONG count, struct mm_wish *wish);

/* ---- services in other files --------------------------------------------------------------------- */

NTSTATUS NtAllocateVirtualMemory(HANDLE process, void **base, ULONG_PTR zero_bits, SIZE_T *size, ULONG type, ULONG protect);
NTSTATUS NtAllocateVirtualMemoryEx(HANDLE process, void **base, SIZE_T *size, ULONG type, ULONG protect,
                                   void *parameters, ULONG count);
NTSTATUS NtFreeVirtualMemory(HANDLE process, void **base, SIZE_T *size, ULONG type);
NTSTATUS NtProtectVirtualMemory(HANDLE process, void **base, SIZE_T *size, ULONG protect, ULONG *old);
NTSTATUS NtQueryVirtualMemory(HANDLE process, const void *address, ULONG information_class, void *buffer, SIZE_T length,
                              SIZE_T *returned);
NTSTATUS NtReadVirtualMemory(HANDLE process, const void *address, void *buffer, SIZE_T size, SIZE_T *done);
NTSTATUS NtWriteVirtualMemory(HANDLE process, void *address, const void *buffer, SIZE_T size, SIZE_T *done);
NTSTATUS NtFlushVirtualMemory(HANDLE process, const void **base, SIZE_T *size, IO_STATUS_BLOCK *io);
NTSTATUS NtLockVirtualMemory(HANDLE process, void **base, SIZE_T *size, ULONG type);
NTSTATUS NtUnlockVirtualMemory(HANDLE process, void **base, SIZE_T *size, ULONG type);
NTSTATUS NtFlushInstructionCache(HANDLE process, const void *base, SIZE_T size);
NTSTATUS NtGetWriteWatch(HANDLE process, ULONG flags, void *base, SIZE_T size, void **addresses, ULONG_PTR *count,
                         ULONG *granularity);
NTSTATUS NtResetWriteWatch(HANDLE process, void *base, SIZE_T size);
NTSTATUS NtSetInformationVirtualMemory(HANDLE process, ULONG information_class, ULONG_PTR count, void *ranges,
                                       void *data, ULONG size);
NTSTATUS NtCreateSection(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, const LARGE_INTEGER *size,
                         ULONG protect, ULONG section_attributes, HANDLE file);
NTSTATUS NtCreateSectionEx(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, const LARGE_INTEGER *size,
                           ULONG protect, ULONG section_attributes, HANDLE file, void *parameters, ULONG count);
NTSTATUS NtOpenSection(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes);
NTSTATUS NtQuerySection(HANDLE handle, ULONG information_class, void *buffer, SIZE_T length, SIZE_T *returned);
NTSTATUS NtExtendSection(HANDLE handle, LARGE_INTEGER *size);
NTSTATUS NtMapViewOfSection(HANDLE handle, HANDLE process, void **base, ULONG_PTR zero_bits, SIZE_T commit, LARGE_INTEGER *offset,
                            SIZE_T *size, ULONG inherit, ULONG type, ULONG protect);
NTSTATUS NtMapViewOfSectionEx(HANDLE handle, HANDLE process, void **base, LARGE_INTEGER *offset, SIZE_T *size, ULONG type,
                              ULONG protect, void *parameters, ULONG count);
NTSTATUS NtUnmapViewOfSection(HANDLE process, void *base);
NTSTATUS NtUnmapViewOfSectionEx(HANDLE process, void *base, ULONG flags);
NTSTATUS NtAreMappedFilesTheSame(const void *first, const void *second);

#endif
