/* What the loading algorithm asks of the machine beneath it. A host is a table of functions and its own state:
 * host/linux is the real machine, host/sim a byte array that fails the n-th call on demand, and the native lane
 * puts the NT kernel's memory manager in between (same table), so that the guest can query what was mapped.
 *
 * Addresses here are VAs of the process being built. Bytes behind an address are reached through vm_at only:
 * in a simulated process the two differ. Rights are the PE_R | PE_W | PE_X bits of pe/layout.h (0: no access).
 * Every function but vm_at and clock either succeeds (HOST_OK) or changes nothing. */
#ifndef LOADER_HOST_H
#define LOADER_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum host_result {
    HOST_OK = 0,
    HOST_NOT_FOUND,  /* no such file or folder */
    HOST_DENIED,     /* rights do not allow it */
    HOST_NOT_A_FILE, /* a directory or a device */
    HOST_TAKEN,      /* that address range is not free */
    HOST_NO_MEMORY,  /* of memory, address space or descriptors */
    HOST_FAILED,     /* anything else: the world's fault */
};

/* The bits of `rights`: numbers of enum pe_rights, for hosts, which do not know pe/. SHARED says that the section wants no
 * copy on write: how its pages are told of, not what may be done to them. */
enum host_rights { HOST_READ = 1, HOST_WRITE = 2, HOST_EXECUTE = 4, HOST_SHARED = 8 };

/* An open file and its contents, readable; `bytes` is never NULL while it is open. The bytes are the file's own
 * pages where the host can map. */
struct host_file {
    intptr_t handle;         /* the host's own */
    const uint8_t *bytes;    /* valid until file_close */
    uint64_t size;           /* bytes */
    uint64_t there;          /* so many of them stand at `bytes`: all, unless file_open_part says less */
    uint64_t device, serial; /* together: the file's identity (hard links share it) */
    uint64_t modified, changed; /* when its bytes and its facts last were, ns; 0: the host does not say */
};

struct host {
    void *self; /* the host's own state */

    /* file: path is the host's own kind of path, UTF-8. */
    enum host_result (*file_open)(struct host *host, const char *path, struct host_file *file);
    void (*file_close)(struct host *host, struct host_file *file);
    /* For a host to which showing a whole file costs more than reading what is wanted of it: only its beginning is shown
     * then, and bytes [off, off + size), which the file has, are read to `to`, into pages that nobody has touched yet for
     * the most part. Both NULL: this host has no use for them. file_view shows the whole of such a file after all,
     * elsewhere; only a host that maps needs it. */
    enum host_result (*file_open_part)(struct host *host, const char *path, struct host_file *file);
    enum host_result (*file_read)(struct host *host, const struct host_file *file, uint64_t off, void *to, uint64_t size);
    enum host_result (*file_view)(struct host *host, struct host_file *file);
    /* The path of `name` in `folder`, exact spelling first, then without regard to case.
     * Writes at most `room` bytes with NUL. HOST_NOT_FOUND: neither. */
    enum host_result (*file_find)(struct host *host, const char *folder, const char *name, char *path, size_t room);

    /* vm: all addresses and sizes are page multiples, except vm_at's. */
    /* Takes [*base, *base + size) without access. *base != 0: there or HOST_TAKEN; 0: anywhere on a 64-KiB
     * boundary in user space, below `limit` where that is not 0. */
    enum host_result (*vm_reserve)(struct host *host, uint64_t *base, uint64_t size, uint64_t limit);
    /* Shows file bytes [off, off + size) at address, private copy-on-write. off is a page multiple; bytes behind the
     * file's end in its last page are zero. NULL: the host cannot, inside a reservation; everything is copied. */
    enum host_result (*vm_map)(struct host *host, uint64_t address, uint64_t size, const struct host_file *file,
                               uint64_t off, int rights);
    /* Zero pages, where a reservation has nothing yet. */
    enum host_result (*vm_commit)(struct host *host, uint64_t address, uint64_t size, int rights);
    enum host_result (*vm_protect)(struct host *host, uint64_t address, uint64_t size, int rights);
    /* Gives a whole reservation back. */
    void (*vm_release)(struct host *host, uint64_t base, uint64_t size);
    /* The bytes behind [address, address + size), which one reservation holds. */
    void *(*vm_at)(struct host *host, uint64_t address, uint64_t size);
    /* Says that the image at base is complete, with its final rights per region: for VirtualQuery and /proc-like
     * views. May be NULL. */
    void (*vm_image_ready)(struct host *host, uint64_t base, uint64_t size, const char *path);

    uint64_t (*clock)(struct host *host); /* nanoseconds, monotonic */
};

const char *host_result_text(enum host_result result); /* "no such file" */

#endif
