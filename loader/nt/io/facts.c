/* What a file is: size, times and attributes as NT counts them, from one statx; and errno as a status.
 *
 * READONLY is a mode without the owner's write bit. HIDDEN and SYSTEM have no place in a Unix mode: they are kept in the
 * extended attribute that Samba uses, where somebody has set them. A leading dot hides nothing: Windows
 * knows no such rule, and a program that creates ".config" and lists the folder expects to find it. */
#include "loader/nt/io/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#ifndef STATX_TYPE /* older versions of musl */
#include <linux/stat.h>
#endif
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

NTSTATUS io_status_of_errno(int error)
{
    switch (error) {
    case ENOENT: return STATUS_OBJECT_NAME_NOT_FOUND;
    case ENOTDIR: return STATUS_OBJECT_PATH_NOT_FOUND;
    case EACCES: case EPERM: case EBUSY: return STATUS_ACCESS_DENIED;
    case EROFS: return STATUS_MEDIA_WRITE_PROTECTED;
    case ETXTBSY: return STATUS_SHARING_VIOLATION;
    case EEXIST: return STATUS_OBJECT_NAME_COLLISION;
    case ENOTEMPTY: return STATUS_DIRECTORY_NOT_EMPTY;
    case EISDIR: return STATUS_FILE_IS_A_DIRECTORY;
    case ENAMETOOLONG: return STATUS_OBJECT_NAME_INVALID;
    case ENOSPC: case EDQUOT: case EFBIG: return STATUS_DISK_FULL;
    case EMFILE: case ENFILE: return STATUS_TOO_MANY_OPENED_FILES;
    case ENOMEM: case ENOBUFS: return STATUS_NO_MEMORY;
    case EFAULT: return STATUS_ACCESS_VIOLATION;
    case EINVAL: return STATUS_INVALID_PARAMETER;
    case EXDEV: return STATUS_NOT_SAME_DEVICE;
    case EBADF: return STATUS_INVALID_HANDLE;
    case EPIPE: case ECONNRESET: return STATUS_PIPE_CLOSING;
    case ESPIPE: case ENOTTY: case EOPNOTSUPP: return STATUS_INVALID_DEVICE_REQUEST;
    case ELOOP: return STATUS_OBJECT_PATH_NOT_FOUND;
    case ENXIO: case ENODEV: return STATUS_NO_SUCH_DEVICE;
    default: return STATUS_UNSUCCESSFUL;
    }
}

static uint64_t nt_time(struct statx_timestamp time)
{
    return (uint64_t)(time.tv_sec + 11644473600) * 10000000 + time.tv_nsec / 100;
}

/* "0x22": Samba's text; its newer binary form is not read. READONLY counts for folders only: Windows lets it sit on them
 * without effect, while a folder without write permission would let nobody make files in it. */
static uint32_t kept_attributes(ssize_t size, const char *text)
{
    uint32_t all = FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM | FILE_ATTRIBUTE_READONLY;
    return size > 0 ? (uint32_t)strtoul(text, NULL, 16) & all : 0;
}

static void facts_fill(const struct statx *from, uint32_t kept, struct io_facts *facts)
{
    struct statx_timestamp created = from->stx_btime;
    if (!(from->stx_mask & STATX_BTIME)) {
        bool changed_first = from->stx_ctime.tv_sec < from->stx_mtime.tv_sec;
        created = changed_first ? from->stx_ctime : from->stx_mtime;
    }
    bool folder = S_ISDIR(from->stx_mode);
    *facts = (struct io_facts){nt_time(created), nt_time(from->stx_atime), nt_time(from->stx_mtime), nt_time(from->stx_ctime),
                               folder ? 0 : from->stx_size, folder ? 0 : from->stx_blocks * 512,
                               makedev(from->stx_dev_major, from->stx_dev_minor), from->stx_ino,
                               kept | (folder ? FILE_ATTRIBUTE_DIRECTORY : FILE_ATTRIBUTE_ARCHIVE),
                               from->stx_nlink, from->stx_mode};
    if (!folder)
        facts->attributes &= ~(uint32_t)FILE_ATTRIBUTE_READONLY;
    if (!(from->stx_mode & S_IWUSR) && S_ISREG(from->stx_mode))
        facts->attributes |= FILE_ATTRIBUTE_READONLY;
}

/* No name: the file that `folder` itself is. */
static bool ask(int folder, const char *name, int flags, struct statx *found)
{
    return !syscall(SYS_statx, folder, name ? name : "", flags | (name ? 0 : AT_EMPTY_PATH), STATX_BASIC_STATS | STATX_BTIME, found);
}

NTSTATUS io_facts_basic(int fd, struct io_facts *facts)
{
    struct statx found;
    if (!ask(fd, NULL, 0, &found))
        return io_status_of_errno(errno);
    facts_fill(&found, 0, facts);
    return STATUS_SUCCESS;
}

NTSTATUS io_facts_of_fd(int fd, struct io_facts *facts)
{
    struct statx found;
    char text[16] = "";
    if (!ask(fd, NULL, 0, &found))
        return io_status_of_errno(errno);
    ssize_t size = S_ISREG(found.stx_mode) || S_ISDIR(found.stx_mode)
                 ? fgetxattr(fd, "user.DOSATTRIB", text, sizeof text - 1) : 0;
    facts_fill(&found, kept_attributes(size, text), facts);
    return STATUS_SUCCESS;
}

static NTSTATUS facts_of(int folder, const char *name, const char *whole, struct io_facts *facts)
{
    struct statx found;
    char text[16] = "";
    ssize_t size = 0;
    if (!ask(folder, name, 0, &found) && !ask(folder, name, AT_SYMLINK_NOFOLLOW, &found))
        return io_status_of_errno(errno);
    if (S_ISREG(found.stx_mode) || S_ISDIR(found.stx_mode))
        size = getxattr(whole, "user.DOSATTRIB", text, sizeof text - 1);
    facts_fill(&found, kept_attributes(size, text), facts);
    return STATUS_SUCCESS;
}

NTSTATUS io_facts_of_path(const char *path, struct io_facts *facts)
{
    return facts_of(AT_FDCWD, path, path, facts);
}

/* getxattr knows no names relative to a folder. Through /proc it would take as long as all the rest three times. */
NTSTATUS io_facts_of_entry(int folder, const char *folder_path, const char *name, struct io_facts *facts)
{
    char whole[PATH_MAX];
    int size = *folder_path ? snprintf(whole, sizeof whole, "%s/%s", folder_path, name)
                            : snprintf(whole, sizeof whole, "/proc/self/fd/%d/%s", folder, name);
    return facts_of(folder, name, size < PATH_MAX ? whole : name, facts);
}
