/* Section objects. The object lies in the arena and may be known to many processes; what it contains is a descriptor:
 * a memory file for the page file's, the file's own for others. It belongs to the section's handles, so that it goes where
 * they go; who opens a section by name takes a copy from a process that has a handle. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "loader/nt/io.h"
#include "loader/nt/mm/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

enum { FILE_READ_DATA = 1, FILE_WRITE_DATA = 2, FILE_EXECUTE = 0x20, LARGE_PAGE = 2 << 20 };
_Static_assert(offsetof(struct nt_section_object, id) == 32 && offsetof(struct nt_section_object, entry_point) == 88 &&
               sizeof(struct nt_section_object) == 152, "the same in 32- and 64-bit processes");

/* The last handle and pointer are gone (object lock held): views go on without. */
static void section_destroy(struct nt_object *object)
{
    struct nt_section_object *section = (struct nt_section_object *)object;
    mm_lock();
    struct mm_backing *backing = mm_backing_find(section->id);
    if (backing)
        mm_backing_release(backing);
    mm_unlock();
    nt_arena_free(section->path, section->path_size);
}

void mm_section_open(void)
{
    nt_type_destroy[NT_SECTION] = section_destroy;
}

/* ---- creation -------------------------------------------------------------------------------------- */

struct making {
    struct nt_section_object shape;
    char path[4096];
    int fd;                         /* -1: none (images), or given away */
};

static uint64_t id_new(void)
{
    uint64_t id;
    while (getrandom(&id, sizeof id, 0) != sizeof id || !id)
        continue;
    return id;
}

static ACCESS_MASK file_access(ULONG protect)
{
    switch (protect & 0xff) {
    case PAGE_READWRITE: return FILE_READ_DATA | FILE_WRITE_DATA;
    case PAGE_EXECUTE: return FILE_EXECUTE;
    case PAGE_EXECUTE_READ: case PAGE_EXECUTE_WRITECOPY: return FILE_EXECUTE | FILE_READ_DATA;
    case PAGE_EXECUTE_READWRITE: return FILE_EXECUTE | FILE_READ_DATA | FILE_WRITE_DATA;
    default: return FILE_READ_DATA;
    }
}

static NTSTATUS making_check(const struct making *making, HANDLE file)
{
    ULONG attributes = making->shape.attributes, protect = making->shape.protect;
    ULONG kind = attributes & (SEC_COMMIT | SEC_RESERVE | SEC_IMAGE);
    if (attributes & ~(ULONG)(SEC_COMMIT | SEC_RESERVE | SEC_IMAGE | SEC_NOCACHE | SEC_LARGE_PAGES |
                              0x40000000u /* WRITECOMBINE */ | 0x600000u /* BASED, NO_CHANGE */) ||
        !kind || kind & (kind - 1))
        return STATUS_INVALID_PARAMETER_6;
    if (attributes & SEC_LARGE_PAGES && (kind != SEC_COMMIT || file))
        return STATUS_INVALID_PARAMETER_6;
    if (attributes & SEC_LARGE_PAGES)
        return making->shape.size % LARGE_PAGE ? STATUS_INVALID_PARAMETER_4 : STATUS_PRIVILEGE_NOT_HELD;
    if (!mm_protect_valid(protect, true) || protect & (PAGE_GUARD | PAGE_NOCACHE | PAGE_NOACCESS))
        return STATUS_INVALID_PAGE_PROTECTION;
    if (!file && kind == SEC_IMAGE)
        return STATUS_INVALID_FILE_FOR_SECTION;
    if (!file && !making->shape.size)
        return STATUS_INVALID_PARAMETER_4;
    return STATUS_SUCCESS;
}

/* What is committed must have room in memory and a page file that may grow to three times that; what is reserved needs
 * tables of NT's, which end at 8 TiB. */
static NTSTATUS page_file_limit(const struct nt_section_object *shape)
{
    struct sysinfo machine;
    if (shape->size >= (uint64_t)1 << 47)
        return STATUS_SECTION_TOO_BIG;
    if (shape->size >= (uint64_t)1 << 43)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (shape->attributes & SEC_RESERVE || shape->size < (uint64_t)1 << 30 || sysinfo(&machine))
        return STATUS_SUCCESS;
    uint64_t limit = (uint64_t)(machine.totalram + machine.totalswap) * machine.mem_unit * 4;
    return shape->size > limit ? STATUS_COMMITMENT_LIMIT : STATUS_SUCCESS;
}

static NTSTATUS make_page_file(struct making *making)
{
    struct nt_section_object *shape = &making->shape;
    NTSTATUS status = page_file_limit(shape);
    if (status)
        return status;
    shape->size = (shape->size + MM_PAGE - 1) & ~(uint64_t)(MM_PAGE - 1);
    making->fd = memfd_create("section", MFD_CLOEXEC);
    if (making->fd < 0)
        return mm_linux_status(errno);
    return ftruncate(making->fd, (off_t)shape->size) ? STATUS_SECTION_TOO_BIG : STATUS_SUCCESS;
}

static void facts_keep(struct nt_section_object *to, const struct nt_image_facts *from)
{
    to->entry_point = (uintptr_t)from->entry_point;
    to->stack_reserve = from->stack_reserve;
    to->stack_commit = from->stack_commit;
    to->zero_bits = from->zero_bits;
    to->subsystem = from->subsystem;
    to->subsystem_version = (uint32_t)from->subsystem_major << 16 | from->subsystem_minor;
    to->os_version = (uint32_t)from->os_major << 16 | from->os_minor;
    to->characteristics = from->characteristics;
    to->dll_characteristics = from->dll_characteristics;
    to->machine = from->machine;
    to->contains_code = from->contains_code;
    to->image_flags = from->image_flags;
    to->loader_flags = from->loader_flags;
    to->file_size = from->file_size;
    to->checksum = from->checksum;
}

static NTSTATUS make_image(struct making *making, const struct stat *about)
{
    struct nt_image_facts facts;
    memset(&facts, 0, sizeof facts);
    if (!nt_config.image_open)
        return STATUS_NOT_SUPPORTED;
    if (!about->st_size)
        return STATUS_INVALID_FILE_FOR_SECTION;
    NTSTATUS status = nt_config.image_open(making->path, &facts);
    if (!NT_SUCCESS(status))
        return status;
    facts_keep(&making->shape, &facts);
    if (!making->shape.size)
        making->shape.size = (uint64_t)about->st_size;
    close(making->fd); /* images are mapped by their path */
    making->fd = -1;
    return STATUS_SUCCESS;
}

static NTSTATUS make_data(struct making *making, const struct stat *about)
{
    struct nt_section_object *shape = &making->shape;
    if (!shape->size)
        shape->size = (uint64_t)about->st_size;
    if (!shape->size)
        return STATUS_MAPPED_FILE_SIZE_ZERO;
    if (shape->size <= (uint64_t)about->st_size)
        return STATUS_SUCCESS;
    if (!(shape->protect & (PAGE_READWRITE | PAGE_EXECUTE_READWRITE)) || shape->size > INT64_MAX)
        return STATUS_SECTION_TOO_BIG;
    return ftruncate(making->fd, (off_t)shape->size) ? STATUS_DISK_FULL : STATUS_SUCCESS;
}

/* The file's own path as Io knows it; what the kernel calls the descriptor where it does not. */
static void path_keep(struct making *making, const struct nt_object *file)
{
    const struct nt_file_object *object = (const struct nt_file_object *)file;
    char link[40];
    if (object->path) {
        snprintf(making->path, sizeof making->path, "%s", (const char *)nt_at(object->path));
        return;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", making->fd);
    ssize_t length = readlink(link, making->path, sizeof making->path - 1);
    making->path[length > 0 ? length : 0] = 0;
}

static NTSTATUS make_file(struct making *making, HANDLE file)
{
    struct nt_section_object *shape = &making->shape;
    struct nt_object *object;
    struct stat about;
    int fd;
    ACCESS_MASK granted;
    NTSTATUS status = nt_handle_object(file, NT_FILE, 0, &object, &fd, &granted);
    if (status)
        return status;
    bool image = shape->attributes & SEC_IMAGE;
    ACCESS_MASK wanted = file_access(shape->protect);
    if (image ? !(granted & (FILE_EXECUTE | FILE_READ_DATA)) : (granted & wanted) != wanted)
        status = STATUS_ACCESS_DENIED;
    else if (fd < 0 || fstat(fd, &about) || !S_ISREG(about.st_mode))
        status = STATUS_INVALID_FILE_FOR_SECTION;
    else if ((making->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0)
        status = mm_linux_status(errno);
    if (!status) {
        path_keep(making, object);
        shape->device = about.st_dev;
        shape->serial = about.st_ino;
        shape->attributes = SEC_FILE | (shape->attributes & ~(uint32_t)(SEC_COMMIT | SEC_RESERVE)); /* the page file's only */
        status = image ? make_image(making, &about) : make_data(making, &about);
    }
    nt_object_release(object);
    return status;
}

/* Lock held: fills the new object, whose head is made. */
static void section_init(struct nt_object *object, void *context)
{
    struct making *making = context;
    struct nt_section_object *section = (struct nt_section_object *)object;
    memcpy(&section->head + 1, &making->shape.head + 1, sizeof *section - sizeof section->head);
    if (making->path[0]) {
        section->path_size = (uint32_t)strlen(making->path) + 1;
        section->path = nt_arena_allocate(section->path_size);
        if (section->path)
            memcpy(nt_at(section->path), making->path, section->path_size);
    }
    object->flags |= making->fd >= 0 ? NT_OBJECT_DESCRIPTOR : 0;
}

NTSTATUS NtCreateSection(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *guest_attributes,
                         const LARGE_INTEGER *guest_size, ULONG protect, ULONG section_attributes, HANDLE file)
{
    LARGE_INTEGER size = {.value = 0};
    struct making making = {.fd = -1};
    HANDLE none = 0;
    /* Wine's CreateFileMapping returns the handle that stands there, whatever the status. */
    if ((guest_size && !NT_GET(size, guest_size)) || !NT_PUT(handle, none))
        return STATUS_ACCESS_VIOLATION;
    if (size.value < 0)
        return STATUS_SECTION_TOO_BIG;
    making.shape.size = (uint64_t)size.value;
    making.shape.protect = protect;
    making.shape.attributes = section_attributes;
    NTSTATUS status = making_check(&making, file);
    if (status)
        return status;
    making.shape.id = id_new();
    status = file ? make_file(&making, file) : make_page_file(&making);
    if (!status)
        status = nt_object_make_fd(handle, access, guest_attributes, NT_SECTION, sizeof making.shape, section_init, &making,
                                   &making.fd);
    if (making.fd >= 0)
        close(making.fd);
    return status;
}

NTSTATUS NtCreateSectionEx(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, const LARGE_INTEGER *size,
                           ULONG protect, ULONG section_attributes, HANDLE file, void *parameters, ULONG count)
{
    struct mm_wish wish;
    NTSTATUS status = mm_wish_capture(parameters, count, &wish);
    return status ? status : NtCreateSection(handle, access, attributes, size, protect, section_attributes, file);
}

NTSTATUS NtOpenSection(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes)
{
    return nt_object_open(handle, access, attributes, NT_SECTION);
}

/* ---- questions ------------------------------------------------------------------------------------- */

enum { SECTION_BASIC = 0, SECTION_IMAGE = 1 };
struct section_basic { void *base; ULONG attributes; LARGE_INTEGER size; };
_Static_assert(sizeof(struct section_basic) == NT_WIDTH(16, 24), "SECTION_BASIC_INFORMATION");

static void facts_give(const struct nt_section_object *from, struct nt_image_facts *to)
{
    memset(to, 0, sizeof *to);
    to->entry_point = (void *)(uintptr_t)from->entry_point;
    to->zero_bits = from->zero_bits;
    to->stack_reserve = (SIZE_T)from->stack_reserve;
    to->stack_commit = (SIZE_T)from->stack_commit;
    to->subsystem = from->subsystem;
    to->subsystem_minor = (USHORT)from->subsystem_version;
    to->subsystem_major = (USHORT)(from->subsystem_version >> 16);
    to->os_major = (USHORT)(from->os_version >> 16);
    to->os_minor = (USHORT)from->os_version;
    to->characteristics = from->characteristics;
    to->dll_characteristics = from->dll_characteristics;
    to->machine = from->machine;
    to->contains_code = from->contains_code;
    to->image_flags = from->image_flags;
    to->loader_flags = from->loader_flags;
    to->file_size = from->file_size;
    to->checksum = from->checksum;
}

NTSTATUS NtQuerySection(HANDLE handle, ULONG information_class, void *buffer, SIZE_T length, SIZE_T *returned)
{
    union { struct section_basic basic; struct nt_image_facts facts; } answer;
    struct nt_object *object;
    SIZE_T size = information_class == SECTION_BASIC ? sizeof answer.basic : sizeof answer.facts;
    if (information_class > SECTION_IMAGE)
        return STATUS_INVALID_INFO_CLASS;
    if (length < size)
        return STATUS_INFO_LENGTH_MISMATCH;
    NTSTATUS status = nt_handle_object(handle, NT_SECTION, SECTION_QUERY, &object, NULL, NULL);
    if (status)
        return status;
    const struct nt_section_object *section = (struct nt_section_object *)object;
    memset(&answer, 0, sizeof answer);
    if (information_class == SECTION_BASIC) {
        answer.basic.attributes = section->attributes;
        answer.basic.size.value = (int64_t)section->size;
    } else if (section->attributes & SEC_IMAGE) {
        facts_give(section, &answer.facts);
    } else {
        status = STATUS_SECTION_NOT_IMAGE;
    }
    nt_object_release(object);
    if (status)
        return status;
    return nt_write(buffer, &answer, size) && (!returned || NT_PUT(returned, size)) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

/* Only a data file's section grows, and its file with it. */
static NTSTATUS extend(struct nt_section_object *section, int handle_fd, uint64_t size)
{
    struct mm_backing *backing;
    struct stat about;
    if (!section->path || section->attributes & SEC_IMAGE)
        return STATUS_SECTION_NOT_EXTENDED;
    if (size <= section->size)
        return STATUS_SUCCESS;
    NTSTATUS status = mm_backing_of(section, handle_fd, &backing);
    if (status)
        return status;
    if (fstat(backing->fd, &about) || ((uint64_t)about.st_size < size && ftruncate(backing->fd, (off_t)size)))
        status = STATUS_SECTION_NOT_EXTENDED;
    else
        section->size = size;
    mm_lock();
    if (!status) {
        backing->size = size;
        mm_view_extend(backing);
    }
    mm_backing_release(backing);
    mm_unlock();
    return status;
}

NTSTATUS NtExtendSection(HANDLE handle, LARGE_INTEGER *guest_size)
{
    LARGE_INTEGER size;
    struct nt_object *object;
    int fd;
    if (!NT_GET(size, guest_size))
        return STATUS_ACCESS_VIOLATION;
    NTSTATUS status = nt_handle_object(handle, NT_SECTION, SECTION_EXTEND_SIZE, &object, &fd, NULL);
    if (status)
        return status;
    status = size.value < 0 ? STATUS_SECTION_TOO_BIG : extend((struct nt_section_object *)object, fd, (uint64_t)size.value);
    size.value = (int64_t)((struct nt_section_object *)object)->size;
    nt_object_release(object);
    return !status && !NT_PUT(guest_size, size) ? STATUS_ACCESS_VIOLATION : status;
}
