/* What a file lies on. Both drives are shown as NTFS volumes with the Unix file system's own sizes. */
#include "loader/nt/io/private.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { CASE_PRESERVED = 2, UNICODE_ON_DISK = 4, SUPPORTS_HARD_LINKS = 0x400000, READ_ONLY_VOLUME = 0x80000 };
enum { DEVICE_IS_MOUNTED = 0x20 };
enum { SECTOR = 512 };

struct size_information { uint64_t total, available; uint32_t sectors, bytes; };
struct full_size_information { uint64_t total, caller, actual; uint32_t sectors, bytes; };
_Static_assert(sizeof(struct size_information) == 24 && sizeof(struct full_size_information) == 32, "FileFs*SizeInformation");

struct volume { struct io_file *file; int fd; char *guest; ULONG length; ULONG_PTR done; };

static NTSTATUS answer(struct volume *volume, const void *data, size_t size)
{
    volume->done = size;
    return nt_write(volume->guest, data, size) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

/* A head of fixed size and a name, cut where the buffer ends. */
static NTSTATUS answer_named(struct volume *volume, const void *head, size_t head_size, const char *ascii)
{
    WCHAR name[32];
    size_t bytes = nt_utf16_from_utf8(ascii, strlen(ascii), name, 32) * sizeof(WCHAR);
    size_t part = bytes < volume->length - head_size ? bytes : volume->length - head_size;
    volume->done = head_size + part;
    if (!nt_write(volume->guest, head, head_size) || !nt_write(volume->guest + head_size, name, part))
        return STATUS_ACCESS_VIOLATION;
    return part < bytes ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

static NTSTATUS query_volume(struct volume *volume)
{
    struct { uint64_t created; uint32_t serial, label_length; uint8_t objects, pad; } __attribute__((packed)) head = {0};
    const char *label = volume->file->drive == 'Z' ? "unix" : "";
    /* The serial number tells the drives apart and stays the same between runs. */
    head.serial = volume->file->drive == 'Z' ? 0x505A0001 : 0x50430001;
    head.label_length = (uint32_t)strlen(label) * sizeof(WCHAR);
    return answer_named(volume, &head, sizeof head, label);
}

static NTSTATUS query_attribute(struct volume *volume)
{
    struct statvfs facts;
    struct { uint32_t attributes, longest, name_length; } head = {CASE_PRESERVED | UNICODE_ON_DISK | SUPPORTS_HARD_LINKS, 255, 8};
    if (!fstatvfs(volume->fd, &facts) && facts.f_flag & ST_RDONLY)
        head.attributes |= READ_ONLY_VOLUME;
    return answer_named(volume, &head, sizeof head, "NTFS");
}

static NTSTATUS query_size(struct volume *volume, bool full)
{
    struct statvfs facts;
    if (fstatvfs(volume->fd, &facts))
        return io_status_of_errno(errno);
    uint32_t unit = (uint32_t)facts.f_frsize, bytes = unit % SECTOR ? unit : SECTOR;
    struct size_information size = {facts.f_blocks, facts.f_bavail, unit / bytes, bytes};
    struct full_size_information larger = {facts.f_blocks, facts.f_bavail, facts.f_bfree, unit / bytes, bytes};
    return full ? answer(volume, &larger, sizeof larger) : answer(volume, &size, sizeof size);
}

/* Windows says FILE_DEVICE_DISK of a file; Wine's GetDriveType knows fixed drives by FILE_DEVICE_DISK_FILE_SYSTEM only,
 * and GetFileType does not mind. */
static NTSTATUS volume_run(struct volume *volume, ULONG information_class)
{
    uint32_t device[2] = {volume->file->device_type, volume->file->device_type == FILE_DEVICE_DISK_FILE_SYSTEM ? DEVICE_IS_MOUNTED : 0};
    uint32_t sectors[7] = {SECTOR, 4096, 4096, 4096, 3 /* aligned device, aligned partition */, 0, 0};
    if (information_class == 4)
        return answer(volume, device, sizeof device);
    if (volume->file->device_type != FILE_DEVICE_DISK_FILE_SYSTEM)
        return STATUS_INVALID_DEVICE_REQUEST;
    switch (information_class) {
    case 1: return query_volume(volume);
    case 3: return query_size(volume, false);
    case 5: return query_attribute(volume);
    case 7: return query_size(volume, true);
    case 8: return STATUS_OBJECT_NAME_NOT_FOUND; /* no object IDs */
    default: return answer(volume, sectors, sizeof sectors);
    }
}

NTSTATUS NtQueryVolumeInformationFile(HANDLE handle, IO_STATUS_BLOCK *io, void *buffer, ULONG length, ULONG information_class)
{
    /* Volume's smallest form is 18 bytes, but Windows asks for the whole structure with its padding. */
    static const uint8_t least[] = {[1] = 24, [3] = 24, [4] = 8, [5] = 16, [7] = 32, [8] = 64, [11] = 28};
    struct volume volume = {.guest = buffer, .length = length};
    if (information_class >= sizeof least || !least[information_class])
        return STATUS_INVALID_INFO_CLASS;
    if (length < least[information_class])
        return STATUS_INFO_LENGTH_MISMATCH;
    NTSTATUS status = io_file_of_handle(handle, 0, &volume.file, &volume.fd, NULL);
    if (status)
        return status;
    status = volume_run(&volume, information_class);
    io_file_release(volume.file);
    return status < 0xC0000000u ? io_status_give(io, status, volume.done) : status;
}

/* Labels and quotas are nobody's to set here. */
NTSTATUS NtSetVolumeInformationFile(HANDLE handle, IO_STATUS_BLOCK *io, const void *buffer, ULONG length,
                                    ULONG information_class)
{
    struct io_file *file;
    (void)io, (void)buffer, (void)length, (void)information_class;
    NTSTATUS status = io_file_of_handle(handle, 0, &file, NULL, NULL);
    if (status)
        return status;
    io_file_release(file);
    return STATUS_ACCESS_DENIED;
}
