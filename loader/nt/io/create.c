/* NtCreateFile and its kin. Order, as Windows has it: parameters, name, existence, kind (folder or not), read-only
 * attribute, sharing, and only then what changes the file (truncation). */
#include "loader/nt/io/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

struct opening {
    struct io_name name;
    ACCESS_MASK access;
    bool maximum;           /* MAXIMUM_ALLOWED was asked for: less is no failure */
    ULONG sharing, disposition, options, file_attributes;
    int fd;
    struct io_facts facts;
    ULONG_PTR information;
};

enum { DATA_WRITERS = FILE_WRITE_DATA | FILE_APPEND_DATA };

static bool replaces(ULONG disposition)
{
    return disposition == FILE_SUPERSEDE || disposition == FILE_OVERWRITE || disposition == FILE_OVERWRITE_IF;
}

static NTSTATUS parameters_check(const struct opening *opening)
{
    ULONG options = opening->options;
    if (opening->disposition > FILE_OVERWRITE_IF)
        return STATUS_INVALID_PARAMETER;
    if (options & FILE_DIRECTORY_FILE && (options & FILE_NON_DIRECTORY_FILE || replaces(opening->disposition)))
        return STATUS_INVALID_PARAMETER;
    if ((options & FILE_SYNCHRONOUS) == FILE_SYNCHRONOUS)
        return STATUS_INVALID_PARAMETER;
    if (options & FILE_SYNCHRONOUS && !(opening->access & ACCESS_SYNCHRONIZE))
        return STATUS_INVALID_PARAMETER;
    if (options & FILE_DELETE_ON_CLOSE && !(opening->access & ACCESS_DELETE))
        return STATUS_INVALID_PARAMETER;
    return options & FILE_OPEN_BY_FILE_ID ? STATUS_NOT_SUPPORTED : STATUS_SUCCESS;
}

/* ---- an existing file ---------------------------------------------------------------------------- */

/* Linux's flags for these rights. Without O_NONBLOCK an open of a FIFO would wait for its other end. */
static int open_flags(ACCESS_MASK access, bool truncates)
{
    bool writes = truncates || access & DATA_WRITERS;
    bool reads = access & (FILE_READ_DATA | FILE_EXECUTE) || !writes;
    int flags = writes ? reads ? O_RDWR : O_WRONLY : O_RDONLY;
    if ((access & DATA_WRITERS) == FILE_APPEND_DATA)
        flags |= O_APPEND;
    return flags | O_NONBLOCK;
}

/* Folders have no data to write, whatever is asked; and a file without data rights can always be named (O_PATH). */
static int existing_open(struct opening *opening)
{
    const char *path = opening->name.path;
    ULONG options = opening->options;
    int fd = io_open(path, options & FILE_DIRECTORY_FILE ? O_RDONLY | O_DIRECTORY
                                                         : open_flags(opening->access, replaces(opening->disposition)), 0);
    if (fd < 0 && errno == EISDIR)
        fd = io_open(path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0 && errno == EACCES && opening->maximum && !replaces(opening->disposition)) {
        opening->access &= ~(ACCESS_MASK)DATA_WRITERS;
        fd = io_open(path, O_RDONLY | O_NONBLOCK, 0);
    }
    if (fd < 0 && (errno == EACCES || errno == ENXIO) && !(opening->access & (DATA_WRITERS | FILE_READ_DATA | FILE_EXECUTE)) &&
        !replaces(opening->disposition))
        fd = io_open(path, O_PATH, 0);
    if (fd < 0 && errno == ENOENT && options & FILE_OPEN_REPARSE_POINT) /* a link that leads nowhere can be deleted */
        fd = io_open(path, O_PATH | O_NOFOLLOW, 0);
    return fd;
}

static NTSTATUS existing_check(struct opening *opening)
{
    const struct io_facts *facts = &opening->facts;
    bool folder = facts->attributes & FILE_ATTRIBUTE_DIRECTORY;
    ULONG changing = FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM;
    if (opening->disposition == FILE_CREATE)
        return STATUS_OBJECT_NAME_COLLISION;
    if (folder && opening->options & FILE_NON_DIRECTORY_FILE)
        return STATUS_FILE_IS_A_DIRECTORY;
    if (!folder && opening->options & FILE_DIRECTORY_FILE)
        return STATUS_NOT_A_DIRECTORY;
    if (!folder && opening->name.folder)
        return STATUS_OBJECT_NAME_INVALID;
    if (folder && replaces(opening->disposition))
        return STATUS_FILE_IS_A_DIRECTORY;
    if (opening->name.system && opening->maximum)
        opening->access &= ~(ACCESS_MASK)(ACCESS_DELETE | DATA_WRITERS);
    if (opening->name.system && opening->access & ACCESS_DELETE)
        return STATUS_ACCESS_DENIED;
    if (opening->name.system && opening->access & DATA_WRITERS && !folder)
        return STATUS_ACCESS_DENIED;
    if (replaces(opening->disposition) && (opening->name.system || changing & facts->attributes & ~opening->file_attributes))
        return STATUS_ACCESS_DENIED;
    if (folder || !(facts->attributes & FILE_ATTRIBUTE_READONLY))
        return STATUS_SUCCESS;
    if (opening->maximum)
        opening->access &= ~(ACCESS_MASK)DATA_WRITERS;
    if (opening->access & DATA_WRITERS || replaces(opening->disposition))
        return STATUS_ACCESS_DENIED;
    return opening->options & FILE_DELETE_ON_CLOSE ? STATUS_CANNOT_DELETE : STATUS_SUCCESS;
}

/* ---- a new file ---------------------------------------------------------------------------------- */

static void attributes_keep(int fd, ULONG file_attributes)
{
    char text[16];
    ULONG kept = file_attributes & (FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM);
    if (kept)
        fsetxattr(fd, "user.DOSATTRIB", text, (size_t)snprintf(text, sizeof text, "0x%x", kept), 0);
}

/* STATUS_OBJECT_NAME_COLLISION: somebody else made it meanwhile. */
static NTSTATUS fresh_create(struct opening *opening)
{
    const char *path = opening->name.path;
    bool read_only = opening->file_attributes & FILE_ATTRIBUTE_READONLY;
    if (opening->name.folder && !(opening->options & FILE_DIRECTORY_FILE))
        return STATUS_OBJECT_NAME_INVALID;
    if (read_only && opening->options & FILE_DELETE_ON_CLOSE)
        return STATUS_CANNOT_DELETE;
    if (opening->options & FILE_DIRECTORY_FILE) {
        if (mkdir(path, 0777))
            return errno == ENOENT ? STATUS_OBJECT_PATH_NOT_FOUND : io_status_of_errno(errno);
        opening->fd = io_open(path, O_RDONLY | O_DIRECTORY, 0);
    } else {
        opening->fd = io_open(path, open_flags(opening->access, true) | O_CREAT | O_EXCL, read_only ? 0444 : 0666);
    }
    if (opening->fd < 0)
        return errno == ENOENT ? STATUS_OBJECT_PATH_NOT_FOUND : io_status_of_errno(errno);
    attributes_keep(opening->fd, opening->file_attributes);
    opening->information = FILE_CREATED;
    return io_facts_basic(opening->fd, &opening->facts);
}

/* ---- both ---------------------------------------------------------------------------------------- */

/* The common case, an existing file spelt as on disk, is one open and one statx. */
static NTSTATUS path_open_once(struct opening *opening)
{
    struct io_name *name = &opening->name;
    opening->fd = existing_open(opening);
    if (opening->fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        struct stat facts;
        if (errno == ENOTDIR && !stat(name->path, &facts))
            return opening->disposition == FILE_CREATE ? STATUS_OBJECT_NAME_COLLISION : STATUS_NOT_A_DIRECTORY;
        enum io_found found = io_name_resolve(name, true, true);
        if (found == IO_NO_PATH)
            return STATUS_OBJECT_PATH_NOT_FOUND;
        if (found == IO_NO_NAME && (opening->disposition == FILE_OPEN || opening->disposition == FILE_OVERWRITE))
            return STATUS_OBJECT_NAME_NOT_FOUND;
        if (found == IO_NO_NAME)
            return fresh_create(opening);
        opening->fd = existing_open(opening);
        if (opening->fd < 0 && errno == ENOTDIR)
            return opening->disposition == FILE_CREATE ? STATUS_OBJECT_NAME_COLLISION : STATUS_NOT_A_DIRECTORY;
    }
    if (opening->fd < 0 && opening->disposition == FILE_CREATE && errno == EACCES)
        return STATUS_OBJECT_NAME_COLLISION;
    if (opening->fd < 0)
        return io_status_of_errno(errno);
    NTSTATUS status = replaces(opening->disposition) ? io_facts_of_fd(opening->fd, &opening->facts)
                                                     : io_facts_basic(opening->fd, &opening->facts);
    opening->information = FILE_OPENED;
    return status ? status : existing_check(opening);
}

static NTSTATUS path_open(struct opening *opening)
{
    NTSTATUS status;
    for (int tries = 0;; tries++) {
        opening->fd = -1;
        status = path_open_once(opening);
        /* Created by another thread between our look and our creation: it exists now, so look again. */
        bool raced = status == STATUS_OBJECT_NAME_COLLISION && opening->fd < 0 && opening->disposition != FILE_CREATE;
        if (!raced || tries == 3)
            break;
    }
    if (status && opening->fd >= 0) {
        close(opening->fd);
        opening->fd = -1;
    }
    return status;
}

/* Sharing is agreed upon; now the old contents may go. */
static NTSTATUS contents_replace(struct opening *opening)
{
    if (opening->information != FILE_OPENED || !replaces(opening->disposition))
        return STATUS_SUCCESS;
    if (ftruncate(opening->fd, 0))
        return io_status_of_errno(errno);
    if (opening->file_attributes & FILE_ATTRIBUTE_READONLY)
        fchmod(opening->fd, opening->facts.mode & 07555);
    attributes_keep(opening->fd, opening->file_attributes);
    opening->information = opening->disposition == FILE_SUPERSEDE ? FILE_SUPERSEDED : FILE_OVERWRITTEN;
    return STATUS_SUCCESS;
}

static NTSTATUS disk_open(struct opening *opening, struct io_file **out)
{
    NTSTATUS status = path_open(opening);
    if (status)
        return status;
    mode_t type = opening->facts.mode & S_IFMT;
    bool folder = type == S_IFDIR, plain = folder || type == S_IFREG || type == S_IFLNK || type == S_IFBLK;
    if (!plain) /* reading from a FIFO or a terminal waits */
        fcntl(opening->fd, F_SETFL, fcntl(opening->fd, F_GETFL) & ~O_NONBLOCK);
    status = io_file_create(folder ? NT_FILE_DIRECTORY : plain ? NT_FILE_DISK : type == S_IFIFO ? NT_FILE_PIPE : NT_FILE_DEVICE,
                            opening->options, opening->name.path, out);
    if (!status) {
        struct io_file *file = *out;
        /* Replacing the contents is writing, for those who share the file. */
        ACCESS_MASK also = replaces(opening->disposition) && opening->information == FILE_OPENED ? FILE_WRITE_DATA : 0;
        file->drive = opening->name.drive;
        file->device_type = plain ? FILE_DEVICE_DISK_FILE_SYSTEM : type == S_IFIFO ? FILE_DEVICE_NAMED_PIPE : FILE_DEVICE_UNKNOWN;
        file->delete_path = (opening->options & FILE_DELETE_ON_CLOSE) != 0;
        status = io_record_attach(file, opening->facts.device, opening->facts.serial, opening->access, also,
                                  opening->sharing);
        if (!status)
            status = contents_replace(opening);
        if (!status)
            return STATUS_SUCCESS;
        file->delete_path = 0;
        io_file_release(file);
    }
    close(opening->fd);
    return status;
}

static NTSTATUS null_open(struct opening *opening, struct io_file **out)
{
    opening->fd = io_open("/dev/null", O_RDWR, 0);
    if (opening->fd < 0)
        return io_status_of_errno(errno);
    NTSTATUS status = io_file_create(NT_FILE_DEVICE, opening->options, NULL, out);
    if (status) {
        close(opening->fd);
        return status;
    }
    (*out)->device_type = FILE_DEVICE_NULL;
    return STATUS_SUCCESS;
}

static NTSTATUS place_open(struct opening *opening, struct io_file **out)
{
    opening->information = FILE_OPENED;
    opening->fd = -1;
    switch (opening->name.place) {
    case IO_PLACE_PATH:
        return disk_open(opening, out);
    case IO_PLACE_NULL:
        return null_open(opening, out);
    case IO_PLACE_PIPE:
    case IO_PLACE_PIPE_ROOT:
        return io_pipe_open(&opening->name, opening->access, opening->options, out, &opening->fd);
    default:
        return io_console_open(opening->name.place, opening->access, opening->options, out, &opening->fd);
    }
}

/* ---- names --------------------------------------------------------------------------------------- */

/* Below a file's handle names are relative to its path; below the pipes' own folder they are names of pipes. */
static NTSTATUS root_parse(const struct nt_attributes *attributes, struct io_name *name)
{
    struct io_file *root;
    char path[PATH_MAX];
    NTSTATUS status = io_file_of_handle(attributes->root, 0, &root, NULL, NULL);
    if (status)
        return status;
    uint32_t type = root->device_type;
    bool has_path = io_file_path(root, path, sizeof path);
    uint32_t drive = root->drive;
    nt_ref pipe = root->pipe;
    io_file_release(root);
    if (has_path) {
        status = io_name_parse(attributes->name.text, attributes->name.length, path, name);
        name->drive = drive;
        return status;
    }
    if (type == FILE_DEVICE_NAMED_PIPE || type == FILE_DEVICE_CONSOLE) {
        WCHAR whole[300];
        const char *prefix = type == FILE_DEVICE_CONSOLE ? "\\Device\\ConDrv\\" : "\\Device\\NamedPipe\\";
        size_t length = nt_utf16_from_utf8(prefix, strlen(prefix), whole, 300);
        if (attributes->name.length >= 300 - length)
            return STATUS_OBJECT_NAME_INVALID;
        memcpy(whole + length, attributes->name.text, attributes->name.length * sizeof(WCHAR));
        status = io_name_parse(whole, (unsigned)length + attributes->name.length, NULL, name);
        if (name->rest)
            name->rest = attributes->name.text;
        if (pipe && !attributes->name.length) {
            name->place = IO_PLACE_PIPE;
            name->pipe = pipe;
        }
        return status;
    }
    return STATUS_OBJECT_PATH_NOT_FOUND;
}

NTSTATUS io_name_of_attributes(const struct nt_attributes *attributes, struct io_name *name)
{
    if (attributes->root)
        return root_parse(attributes, name);
    return io_name_parse(attributes->name.text, attributes->name.length, NULL, name);
}

/* ---- services ------------------------------------------------------------------------------------ */

NTSTATUS NtCreateFile(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, IO_STATUS_BLOCK *io,
                      const LARGE_INTEGER *allocation, ULONG file_attributes, ULONG sharing, ULONG disposition, ULONG options,
                      void *ea, ULONG ea_length)
{
    (void)allocation, (void)ea, (void)ea_length; /* no reservation is made beforehand, nor are extended attributes kept */
    struct nt_attributes captured;
    struct opening opening;
    struct io_file *file;
    if (!attributes)
        return STATUS_INVALID_PARAMETER;
    opening.access = nt_access_map(NT_FILE, access);
    opening.maximum = access & ACCESS_MAXIMUM_ALLOWED;
    opening.sharing = sharing;
    opening.disposition = disposition;
    opening.options = options;
    opening.file_attributes = file_attributes;
    NTSTATUS status = parameters_check(&opening);
    if (status)
        return status;
    status = nt_attributes_capture(attributes, &captured);
    if (status)
        return status;
    status = io_name_of_attributes(&captured, &opening.name);
    if (!status)
        status = place_open(&opening, &file);
    nt_attributes_free(&captured);
    if (status)
        return status;
    return io_handle_give(file, opening.access, captured.attributes, opening.fd, handle, io, opening.information);
}

NTSTATUS NtOpenFile(HANDLE *handle, ACCESS_MASK access, const OBJECT_ATTRIBUTES *attributes, IO_STATUS_BLOCK *io,
                    ULONG sharing, ULONG options)
{
    return NtCreateFile(handle, access, attributes, io, NULL, 0, sharing, FILE_OPEN, options, NULL, 0);
}

/* As an open with FILE_DELETE_ON_CLOSE whose handle is closed at once. */
NTSTATUS NtDeleteFile(const OBJECT_ATTRIBUTES *attributes)
{
    struct nt_attributes captured;
    struct opening opening = {.access = ACCESS_DELETE, .sharing = 7, .disposition = FILE_OPEN, .options = FILE_DELETE_ON_CLOSE};
    struct io_file *file;
    NTSTATUS status = nt_attributes_capture(attributes, &captured);
    if (status)
        return status;
    status = io_name_of_attributes(&captured, &opening.name);
    nt_attributes_free(&captured);
    if (!status && opening.name.place != IO_PLACE_PATH)
        status = STATUS_INVALID_DEVICE_REQUEST;
    if (!status)
        status = place_open(&opening, &file);
    if (status)
        return status;
    io_file_release(file);
    close(opening.fd);
    return STATUS_SUCCESS;
}
