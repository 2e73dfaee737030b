/* NtSetInformationFile: times and attributes, size, position, names, deletion, completion port. */
#include "loader/nt/io/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

struct setting {
    struct io_file *file;
    int fd;
    ACCESS_MASK granted;
    char link[32];         /* reaches the inode through any kind of descriptor, O_PATH too */
};

/* ---- times and attributes ------------------------------------------------------------------------ */

/* 0, -1 and -2 leave a time as it is (the last two also steer later updates, which Linux does not know). */
static struct timespec time_of(int64_t value)
{
    if (value == 0 || value == -1 || value == -2)
        return (struct timespec){.tv_nsec = UTIME_OMIT};
    return (struct timespec){.tv_sec = value / 10000000 - 11644473600, .tv_nsec = value % 10000000 * 100};
}

static NTSTATUS attributes_set(struct setting *setting, const struct io_facts *facts, uint32_t attributes)
{
    bool folder = facts->attributes & FILE_ATTRIBUTE_DIRECTORY;
    uint32_t kept_here = FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM | (folder ? FILE_ATTRIBUTE_READONLY : 0);
    if (attributes & FILE_ATTRIBUTE_DIRECTORY && !folder)
        return STATUS_INVALID_PARAMETER;
    if (!folder) {
        uint32_t mode = facts->mode & 07777;
        mode_t mask = umask(0);
        umask(mask);
        if (attributes & FILE_ATTRIBUTE_READONLY)
            mode &= ~0222u;
        else
            mode |= (0200u | (mode & 0044) >> 1) & ~mask;
        if (mode != (facts->mode & 07777) && chmod(setting->link, mode))
            return io_status_of_errno(errno);
    }
    if ((attributes ^ facts->attributes) & kept_here) {
        char text[16];
        int size = snprintf(text, sizeof text, "0x%x", attributes & kept_here);
        if (attributes & kept_here)
            setxattr(setting->link, "user.DOSATTRIB", text, (size_t)size, 0); /* not every disk can keep it */
        else
            removexattr(setting->link, "user.DOSATTRIB");
    }
    return STATUS_SUCCESS;
}

/* Linux does not let a file's creation time be set: that value is passed over. */
static NTSTATUS basic_set(struct setting *setting, const void *guest)
{
    struct { int64_t created, accessed, written, changed; uint32_t attributes; } basic;
    struct io_facts facts;
    if (!nt_read(&basic, guest, 36))
        return STATUS_ACCESS_VIOLATION;
    /* Wine's SetFileAttributes asks for SYNCHRONIZE alone when it opens the file, and expects to be let through. */
    if (!(setting->granted & FILE_WRITE_ATTRIBUTES) && setting->granted != ACCESS_SYNCHRONIZE)
        return STATUS_ACCESS_DENIED;
    if (setting->file->file.kind > NT_FILE_DIRECTORY)
        return STATUS_INVALID_PARAMETER;
    char path[PATH_MAX];
    if (io_file_path(setting->file, path, sizeof path) && io_is_system_path(path))
        return STATUS_ACCESS_DENIED;
    NTSTATUS status = io_facts_of_fd(setting->fd, &facts);
    if (!status && basic.attributes)
        status = attributes_set(setting, &facts, basic.attributes);
    struct timespec times[2] = {time_of(basic.accessed), time_of(basic.written)};
    if (!status && (times[0].tv_nsec != UTIME_OMIT || times[1].tv_nsec != UTIME_OMIT) &&
        utimensat(AT_FDCWD, setting->link, times, 0))
        status = io_status_of_errno(errno);
    return status;
}

/* ---- size and position --------------------------------------------------------------------------- */

static NTSTATUS size_set(struct setting *setting, const void *guest, bool only_shrink)
{
    int64_t size;
    struct stat facts;
    if (!NT_GET(size, guest))
        return STATUS_ACCESS_VIOLATION;
    if (setting->file->file.kind != NT_FILE_DISK || size < 0)
        return STATUS_INVALID_PARAMETER;
    if (only_shrink && (fstat(setting->fd, &facts) || size >= facts.st_size))
        return STATUS_SUCCESS; /* room behind the end is the file system's own business */
    return ftruncate(setting->fd, size) ? io_status_of_errno(errno) : STATUS_SUCCESS;
}

static NTSTATUS position_set(struct setting *setting, const void *guest)
{
    int64_t position;
    if (!NT_GET(position, guest))
        return STATUS_ACCESS_VIOLATION;
    if (position < 0)
        return STATUS_INVALID_PARAMETER;
    if (setting->file->file.kind == NT_FILE_DISK && lseek(setting->fd, position, SEEK_SET) < 0)
        return io_status_of_errno(errno);
    return setting->file->file.kind == NT_FILE_PIPE ? STATUS_INVALID_DEVICE_REQUEST : STATUS_SUCCESS;
}

/* ---- deletion ------------------------------------------------------------------------------------ */

static bool folder_is_empty(int fd)
{
    struct io_listing *listing;
    if (io_listing_read(fd, &listing))
        return true; /* cannot be told: the removal will say */
    bool empty = listing->count <= 2;
    io_listing_release(listing);
    return empty;
}

enum { DISPOSITION_DELETE = 1, DISPOSITION_POSIX = 2, DISPOSITION_ON_CLOSE = 8, DISPOSITION_IGNORE_READONLY = 0x10 };

static NTSTATUS disposition_set(struct setting *setting, ULONG flags)
{
    struct io_facts facts;
    struct io_file *file = setting->file;
    if (file->file.kind > NT_FILE_DIRECTORY)
        return STATUS_INVALID_PARAMETER;
    if (flags & DISPOSITION_ON_CLOSE) {
        file->delete_path = (flags & DISPOSITION_DELETE) != 0;
        return STATUS_SUCCESS;
    }
    if (!(flags & DISPOSITION_DELETE)) {
        file->delete_path = 0;
        return io_record_set_deleting(file, false);
    }
    NTSTATUS status = io_facts_of_fd(setting->fd, &facts);
    if (status)
        return status;
    if (facts.attributes & FILE_ATTRIBUTE_READONLY && !(flags & DISPOSITION_IGNORE_READONLY))
        return STATUS_CANNOT_DELETE;
    if (facts.attributes & FILE_ATTRIBUTE_DIRECTORY && !folder_is_empty(setting->fd))
        return STATUS_DIRECTORY_NOT_EMPTY;
    if (flags & DISPOSITION_POSIX)
        file->delete_path = 2;
    return io_record_set_deleting(file, true);
}

/* ---- names --------------------------------------------------------------------------------------- */

enum { RENAME_REPLACE = 1, RENAME_POSIX = 2, RENAME_IGNORE_READONLY = 0x40 };
struct rename_head { uint32_t flags; HANDLE root; uint32_t length; };
enum { RENAME_NAME = NT_WIDTH(12, 20) };

/* Name without root and backslash: in the file's own folder. */
static NTSTATUS target_parse(struct setting *setting, const void *guest, ULONG length, struct rename_head *head, struct io_name *name)
{
    WCHAR text[PATH_MAX];
    char folder[PATH_MAX];
    if (length < RENAME_NAME || !nt_read(head, guest, sizeof *head))
        return length < RENAME_NAME ? STATUS_INFO_LENGTH_MISMATCH : STATUS_ACCESS_VIOLATION;
    if (head->length % 2 || !head->length || head->length > length - RENAME_NAME || head->length >= sizeof text)
        return STATUS_INVALID_PARAMETER;
    if (!nt_read(text, (const char *)guest + RENAME_NAME, head->length))
        return STATUS_ACCESS_VIOLATION;
    struct nt_attributes attributes = {.root = head->root, .name = {text, head->length / 2}};
    if (head->root || text[0] == '\\')
        return io_name_of_attributes(&attributes, name);
    if (!io_file_path(setting->file, folder, sizeof folder))
        return STATUS_INVALID_PARAMETER;
    char *last = strrchr(folder, '/');
    last[last == folder] = 0;
    return io_name_parse(text, head->length / 2, folder, name);
}

/* What stands under the new name decides. `same`: it is the file itself under another spelling; another hard link to it
 * is somebody else. */
static NTSTATUS target_check(struct setting *setting, struct io_name *name, ULONG flags, bool *same)
{
    struct io_facts own, there;
    *same = false;
    if (name->place != IO_PLACE_PATH)
        return STATUS_INVALID_PARAMETER;
    char spelt[PATH_MAX];
    strcpy(spelt, name->path);
    enum io_found found = io_name_resolve(name, false, true);
    if (found == IO_NO_PATH)
        return STATUS_OBJECT_PATH_NOT_FOUND;
    if (name->system)
        return STATUS_ACCESS_DENIED;
    if (found == IO_NO_NAME)
        return STATUS_SUCCESS;
    NTSTATUS status = io_facts_of_fd(setting->fd, &own);
    if (!status)
        status = io_facts_of_path(name->path, &there);
    if (status)
        return status;
    char path[PATH_MAX];
    *same = io_file_path(setting->file, path, sizeof path) && !strcmp(path, name->path);
    if (*same) { /* only the letter case changes: the last component as the caller spelt it */
        strcpy(strrchr(name->path, '/'), strrchr(spelt, '/'));
        return STATUS_SUCCESS;
    }
    if (!(flags & RENAME_REPLACE))
        return STATUS_OBJECT_NAME_COLLISION;
    if (there.attributes & FILE_ATTRIBUTE_DIRECTORY)
        return STATUS_ACCESS_DENIED;
    if (there.attributes & FILE_ATTRIBUTE_READONLY && !(flags & RENAME_IGNORE_READONLY))
        return STATUS_ACCESS_DENIED;
    bool linked = own.serial == there.serial && own.device == there.device;
    if (io_record_others(there.device, there.serial, linked ? setting->file : NULL) && !(flags & RENAME_POSIX))
        return STATUS_ACCESS_DENIED;
    if (linked && unlink(name->path)) /* rename between two links to one file does nothing */
        return io_status_of_errno(errno);
    return STATUS_SUCCESS;
}

static NTSTATUS rename_set(struct setting *setting, const void *guest, ULONG length, bool extended)
{
    struct rename_head head;
    struct io_name name;
    char path[PATH_MAX];
    bool same;
    NTSTATUS status = target_parse(setting, guest, length, &head, &name);
    ULONG flags = extended ? head.flags : head.flags & 0xFF ? RENAME_REPLACE : 0;
    if (!status)
        status = target_check(setting, &name, flags, &same);
    if (status)
        return status;
    if (!io_file_path(setting->file, path, sizeof path) || io_record_is_deleting(setting->file))
        return STATUS_INVALID_PARAMETER;
    /* NTFS moves no folder in which somebody has a file open. */
    if (setting->file->file.kind == NT_FILE_DIRECTORY && io_record_below(path))
        return STATUS_ACCESS_DENIED;
    if (rename(path, name.path))
        return errno == ENOENT ? STATUS_OBJECT_NAME_NOT_FOUND : io_status_of_errno(errno);
    io_record_rename(setting->file, name.path);
    return STATUS_SUCCESS;
}

static NTSTATUS link_set(struct setting *setting, const void *guest, ULONG length, bool extended)
{
    struct rename_head head;
    struct io_name name;
    char path[PATH_MAX];
    bool same;
    NTSTATUS status = target_parse(setting, guest, length, &head, &name);
    ULONG flags = extended ? head.flags : head.flags & 0xFF ? RENAME_REPLACE : 0;
    if (setting->file->file.kind == NT_FILE_DIRECTORY)
        return STATUS_FILE_IS_A_DIRECTORY;
    if (!status)
        status = target_check(setting, &name, flags, &same);
    if (status)
        return status;
    if (!io_file_path(setting->file, path, sizeof path))
        return STATUS_INVALID_PARAMETER;
    if (same)
        return flags & RENAME_REPLACE ? STATUS_SUCCESS : STATUS_OBJECT_NAME_COLLISION;
    if (flags & RENAME_REPLACE)
        unlink(name.path);
    return link(path, name.path) ? io_status_of_errno(errno) : STATUS_SUCCESS;
}

/* ---- the rest ------------------------------------------------------------------------------------ */

static NTSTATUS completion_set(struct io_file *file, const void *guest)
{
    struct { HANDLE port; uintptr_t key; } completion;
    struct nt_object *port;
    if (!NT_GET(completion, guest))
        return STATUS_ACCESS_VIOLATION;
    if (file->file.options & FILE_SYNCHRONOUS)
        return STATUS_INVALID_PARAMETER;
    NTSTATUS status = nt_handle_object(completion.port, NT_COMPLETION, 2 /* IO_COMPLETION_MODIFY_STATE */, &port, NULL, NULL);
    if (status)
        return status;
    nt_lock();
    if (file->file.completion) {
        status = STATUS_INVALID_PARAMETER;
    } else {
        nt_object_settle(port);
        OB_ORDER();
        file->file.completion = nt_ref_of(port);
        file->file.completion_key = completion.key;
    }
    nt_unlock();
    if (status)
        nt_object_release(port);
    return status;
}

/* Shortest input and the right that a class needs; least 0: no such class here. */
static const struct { uint8_t least; ACCESS_MASK needed; } classes[] = {
    [4] = {36, 0 /* basic_set looks */}, [10] = {RENAME_NAME, ACCESS_DELETE}, [11] = {RENAME_NAME, 0}, [13] = {1, ACCESS_DELETE},
    [14] = {8, 0}, [16] = {4, 0}, [19] = {8, FILE_WRITE_DATA}, [20] = {8, FILE_WRITE_DATA}, [23] = {8, FILE_WRITE_ATTRIBUTES},
    [30] = {2 * sizeof(void *), 0}, [39] = {8, FILE_WRITE_DATA}, [41] = {4, 0}, [43] = {4, 0}, [64] = {4, ACCESS_DELETE},
    [65] = {RENAME_NAME, ACCESS_DELETE}, [72] = {RENAME_NAME, 0},
};

static NTSTATUS setting_run(struct setting *setting, const void *buffer, ULONG length, ULONG information_class)
{
    uint32_t word;
    uint8_t byte;
    switch (information_class) {
    case 4: return basic_set(setting, buffer);
    case 10: case 65: return rename_set(setting, buffer, length, information_class == 65);
    case 11: case 72: return link_set(setting, buffer, length, information_class == 72);
    case 13: return NT_GET(byte, buffer) ? disposition_set(setting, byte ? DISPOSITION_DELETE : 0) : STATUS_ACCESS_VIOLATION;
    case 64: return NT_GET(word, buffer) ? disposition_set(setting, word) : STATUS_ACCESS_VIOLATION;
    case 14: return position_set(setting, buffer);
    case 19: return size_set(setting, buffer, true);
    case 20: return size_set(setting, buffer, false);
    case 23: return io_pipe_set(setting->file, information_class, buffer, length);
    case 30: return completion_set(setting->file, buffer);
    case 41:
        if (!NT_GET(word, buffer))
            return STATUS_ACCESS_VIOLATION;
        setting->file->notification |= word & 7; /* can be set, not taken back */
        return STATUS_SUCCESS;
    default: return STATUS_SUCCESS; /* mode, valid data length, priority: hints without effect here */
    }
}

NTSTATUS NtSetInformationFile(HANDLE handle, IO_STATUS_BLOCK *io, const void *buffer, ULONG length, ULONG information_class)
{
    struct setting setting;
    if (information_class >= sizeof classes / sizeof *classes || !classes[information_class].least)
        return STATUS_INVALID_INFO_CLASS;
    if (length < classes[information_class].least)
        return STATUS_INFO_LENGTH_MISMATCH;
    NTSTATUS status = io_file_of_handle(handle, classes[information_class].needed, &setting.file, &setting.fd, &setting.granted);
    if (status)
        return status;
    snprintf(setting.link, sizeof setting.link, "/proc/self/fd/%d", setting.fd);
    status = setting_run(&setting, buffer, length, information_class);
    io_file_release(setting.file);
    return status ? status : io_status_give(io, STATUS_SUCCESS, 0);
}
