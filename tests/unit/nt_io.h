/* Files of the NT kernel for tests: a temporary drive C, calls by name, short forms. Included by one file of a test
 * program only. */
#ifndef TESTS_NT_IO_H
#define TESTS_NT_IO_H

#include "loader/nt/io/private.h"

#include "nt_kernel.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

static char drive[128]; /* unix path of C:\ */
static char system_files[160];

static inline const char *unix_path(const char *relative)
{
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, 512, "%s/%s", drive, relative);
    return path;
}

static inline void file_make(const char *relative, const char *text)
{
    int fd = open(unix_path(relative), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static inline bool exists(const char *relative)
{
    struct stat facts;
    return !lstat(unix_path(relative), &facts);
}

static inline const char *file_text(const char *relative)
{
    static char text[4096];
    int fd = open(unix_path(relative), O_RDONLY);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[size < 0 ? 0 : size] = 0;
    return size < 0 ? "(missing)" : text;
}

static inline int io_open_all(void **state)
{
    char path[] = "/tmp/nt_io_test.XXXXXX";
    if (kernel_open(state) || !mkdtemp(path) || !realpath(path, drive))
        return -1;
    umask(022);
    snprintf(system_files, sizeof system_files, "%s.system", drive);
    mkdir(system_files, 0755);
    nt_config.drive_c = drive;
    nt_config.system_folder = system_files;
    nt_config.nls_folder = getenv("PELOAD_TEST_NLS");
    return 0;
}

static inline int io_close_all(void **state)
{
    char command[512];
    (void)state;
    snprintf(command, sizeof command, "chmod -R u+w %s; rm -rf %s %s", drive, drive, system_files);
    return system(command) ? -1 : 0;
}

/* Every test begins with an empty drive C. */
static inline int drive_clear(void **state)
{
    char command[256];
    (void)state;
    snprintf(command, sizeof command, "find %s -mindepth 1 -delete", drive);
    return system(command) ? -1 : 0;
}

/* ---- calls --------------------------------------------------------------------------------------- */

enum { GENERIC_READ_ = (int)0x80000000, GENERIC_WRITE_ = 0x40000000, SYNC = FILE_SYNCHRONOUS_IO_NONALERT, SHARE_ALL = 7 };
#define READ_ (0x80000000u | ACCESS_SYNCHRONIZE)
#define WRITE_ (0x40000000u | ACCESS_SYNCHRONIZE)
#define BOTH_ (READ_ | WRITE_)

struct created { NTSTATUS status; HANDLE handle; ULONG_PTR information; };

static inline struct created create_at(HANDLE root, const char *name, ACCESS_MASK access, ULONG sharing, ULONG disposition,
                                       ULONG options, ULONG attributes)
{
    struct created created = {0};
    IO_STATUS_BLOCK io = {.information = 99};
    created.status = NtCreateFile(&created.handle, access, NAMED(root, name, OBJ_CASE_INSENSITIVE), &io, NULL, attributes, sharing,
                                  disposition, options, NULL, 0);
    created.information = io.information;
    return created;
}

static inline struct created create(const char *name, ACCESS_MASK access, ULONG sharing, ULONG disposition, ULONG options)
{
    return create_at(0, name, access, sharing, disposition, options, FILE_ATTRIBUTE_NORMAL);
}

static inline HANDLE opened(const char *name, ACCESS_MASK access, ULONG options)
{
    struct created created = create(name, access, SHARE_ALL, FILE_OPEN, options | SYNC);
    STATUS_IS(created.status, STATUS_SUCCESS);
    return created.handle;
}

static inline void closed(HANDLE handle)
{
    STATUS_IS(NtClose(handle), STATUS_SUCCESS);
}

static inline NTSTATUS query(HANDLE handle, ULONG information_class, void *buffer, ULONG length)
{
    IO_STATUS_BLOCK io;
    return NtQueryInformationFile(handle, &io, buffer, length, information_class);
}

static inline NTSTATUS set(HANDLE handle, ULONG information_class, const void *buffer, ULONG length)
{
    IO_STATUS_BLOCK io;
    return NtSetInformationFile(handle, &io, buffer, length, information_class);
}

static inline NTSTATUS read_at(HANDLE handle, void *buffer, ULONG length, const LARGE_INTEGER *offset, ULONG_PTR *done)
{
    IO_STATUS_BLOCK io = {0};
    NTSTATUS status = NtReadFile(handle, 0, 0, 0, &io, buffer, length, offset, NULL);
    *done = io.information;
    return status;
}

static inline NTSTATUS write_at(HANDLE handle, const char *text, const LARGE_INTEGER *offset)
{
    IO_STATUS_BLOCK io = {0};
    NTSTATUS status = NtWriteFile(handle, 0, 0, 0, &io, text, (ULONG)strlen(text), offset, NULL);
    if (!status)
        assert_int_equal(io.information, strlen(text));
    return status;
}
#define AT(value_) (&(const LARGE_INTEGER){.value = (value_)})

#endif
