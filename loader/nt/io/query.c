/* Questions about files: by name and by handle. Structures are built here in full and copied out once; their offsets are
 * Windows' and the same on both widths. */
#include "loader/nt/io/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct basic { uint64_t created, accessed, written, changed; uint32_t attributes, pad; };
struct standard { uint64_t allocated, size; uint32_t links; uint8_t delete_pending, directory, pad[2]; };
struct network { uint64_t created, accessed, written, changed, allocated, size; uint32_t attributes, pad; };
struct all { struct basic basic; struct standard standard; uint64_t index; uint32_t ea, access; int64_t position;
             uint32_t mode, alignment, name_length; WCHAR name[2]; };
struct stat_information { uint64_t index, created, accessed, written, changed, allocated, size;
                          uint32_t attributes, reparse_tag, links, access; };
struct link_information { uint32_t accessible, total; uint8_t delete_pending, directory, pad[2]; };
struct stream { uint32_t next, name_length; uint64_t size, allocated; WCHAR name[8]; };
_Static_assert(sizeof(struct basic) == 40 && sizeof(struct standard) == 24 && sizeof(struct network) == 56, "by name");
_Static_assert(sizeof(struct stat_information) == 72 && offsetof(struct all, name) == 100, "by handle");

static struct basic basic_of(const struct io_facts *facts)
{
    return (struct basic){facts->created, facts->accessed, facts->written, facts->changed, facts->attributes, 0};
}

static struct network network_of(const struct io_facts *facts)
{
    return (struct network){facts->created, facts->accessed, facts->written, facts->changed, facts->allocated, facts->size,
                            facts->attributes, 0};
}

/* ---- by name ------------------------------------------------------------------------------------- */

/* A folder that every Windows has is answered for without being made. */
static NTSTATUS facts_of_name(const OBJECT_ATTRIBUTES *attributes, struct io_facts *facts)
{
    struct nt_attributes captured;
    struct io_name name;
    if (!attributes)
        return STATUS_INVALID_PARAMETER;
    NTSTATUS status = nt_attributes_capture(attributes, &captured);
    if (status)
        return status;
    status = io_name_of_attributes(&captured, &name);
    nt_attributes_free(&captured);
    if (status)
        return status;
    if (name.place != IO_PLACE_PATH)
        return STATUS_INVALID_PARAMETER;
    status = io_facts_of_path(name.path, facts);
    if (status == STATUS_OBJECT_NAME_NOT_FOUND || status == STATUS_OBJECT_PATH_NOT_FOUND) {
        enum io_found found = io_name_resolve(&name, true, false);
        if (found != IO_FOUND)
            return io_found_status(found);
        status = io_facts_of_path(name.path, facts);
        if (status == STATUS_OBJECT_NAME_NOT_FOUND || status == STATUS_OBJECT_PATH_NOT_FOUND) {
            *facts = (struct io_facts){.created = nt_process.created, .accessed = nt_process.created,
                                       .written = nt_process.created, .changed = nt_process.created,
                                       .attributes = FILE_ATTRIBUTE_DIRECTORY, .links = 1, .mode = S_IFDIR | 0755};
            return STATUS_SUCCESS;
        }
    }
    if (!status && name.folder && !(facts->attributes & FILE_ATTRIBUTE_DIRECTORY))
        status = STATUS_OBJECT_NAME_INVALID;
    return status;
}

NTSTATUS NtQueryAttributesFile(const OBJECT_ATTRIBUTES *attributes, void *information)
{
    struct io_facts facts;
    NTSTATUS status = facts_of_name(attributes, &facts);
    if (status)
        return status;
    struct basic basic = basic_of(&facts);
    return NT_PUT(information, basic) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

NTSTATUS NtQueryFullAttributesFile(const OBJECT_ATTRIBUTES *attributes, void *information)
{
    struct io_facts facts;
    NTSTATUS status = facts_of_name(attributes, &facts);
    if (status)
        return status;
    struct network network = network_of(&facts);
    return NT_PUT(information, network) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

/* ---- by handle ----------------------------------------------------------------------------------- */

struct query {
    struct io_file *file;
    int fd;
    ACCESS_MASK granted;
    struct io_facts facts;
    void *buffer;          /* guest */
    ULONG length;
    ULONG_PTR done;
};

static NTSTATUS answer(struct query *query, const void *data, size_t size)
{
    query->done = size;
    return nt_write(query->buffer, data, size) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

static bool is_folder(const struct query *query)
{
    return query->facts.attributes & FILE_ATTRIBUTE_DIRECTORY;
}

static struct standard standard_of(const struct query *query)
{
    const struct io_facts *facts = &query->facts;
    bool deleting = io_record_is_deleting(query->file);
    return (struct standard){facts->allocated, facts->size, facts->links - (deleting && facts->links), deleting, is_folder(query), {0}};
}

/* An overlapped handle has a position too: the one that was set. Its transfers neither use nor move it, but SetEndOfFile
 * after SetFilePointer does (LMDB grows its file so). */
static int64_t position_of(const struct query *query)
{
    off_t at = query->file->file.kind == NT_FILE_DISK ? lseek(query->fd, 0, SEEK_CUR) : 0;
    return at < 0 ? 0 : at;
}

static uint32_t mode_of(const struct query *query)
{
    return query->file->file.options & (FILE_WRITE_THROUGH | FILE_SEQUENTIAL_ONLY | FILE_NO_INTERMEDIATE_BUFFERING |
                                        FILE_SYNCHRONOUS | FILE_DELETE_ON_CLOSE);
}

/* The path below the volume: "\users\x". A pipe's is "\name". False: the file has none. */
static bool name_of(const struct query *query, WCHAR *out, unsigned *length)
{
    char path[PATH_MAX];
    *length = 0;
    if (query->file->pipe || query->file->file.kind == NT_FILE_PIPE)
        return io_pipe_name(query->file, out, length);
    if (!io_file_path(query->file, path, sizeof path))
        return false;
    unsigned whole = nt_path_to_dos(path, out, PATH_MAX);
    if (whole < 2)
        return false;
    *length = whole - 2;
    memmove(out, out + 2, *length * sizeof(WCHAR));
    return true;
}

/* As much of the name as fits: STATUS_BUFFER_OVERFLOW tells that there is more. `head` bytes come before it, the last
 * four of them the whole length. */
static NTSTATUS answer_name(struct query *query, const void *head, size_t head_size, const WCHAR *name, unsigned length)
{
    size_t room = query->length - head_size, bytes = length * sizeof(WCHAR);
    size_t part = bytes < room ? bytes : room;
    query->done = head_size + part;
    if (!nt_write(query->buffer, head, head_size) || !nt_write((char *)query->buffer + head_size, name, part))
        return STATUS_ACCESS_VIOLATION;
    return part < bytes ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

static NTSTATUS query_name(struct query *query)
{
    WCHAR name[PATH_MAX];
    unsigned length;
    if (!name_of(query, name, &length))
        return STATUS_OBJECT_NAME_NOT_FOUND;
    uint32_t bytes = (uint32_t)(length * sizeof(WCHAR));
    return answer_name(query, &bytes, 4, name, length);
}

static NTSTATUS query_all(struct query *query)
{
    WCHAR name[PATH_MAX];
    unsigned length;
    struct all all;
    memset(&all, 0, sizeof all);
    all.basic = basic_of(&query->facts);
    all.standard = standard_of(query);
    all.index = query->facts.serial;
    all.access = query->granted;
    all.position = position_of(query);
    all.mode = mode_of(query);
    if (!name_of(query, name, &length))
        return STATUS_INVALID_DEVICE_REQUEST;
    all.name_length = (uint32_t)(length * sizeof(WCHAR));
    return answer_name(query, &all, offsetof(struct all, name), name, length);
}

static NTSTATUS query_streams(struct query *query)
{
    struct stream stream = {0, 14, query->facts.size, query->facts.allocated, {':', ':', '$', 'D', 'A', 'T', 'A'}};
    if (is_folder(query))
        return answer(query, &stream, 0);
    if (query->length < offsetof(struct stream, name) + 14)
        return STATUS_BUFFER_OVERFLOW;
    return answer(query, &stream, offsetof(struct stream, name) + 14);
}

static NTSTATUS query_run(struct query *query, ULONG information_class)
{
    const struct io_facts *facts = &query->facts;
    uint32_t word[4] = {0};
    uint64_t wide[3] = {0};
    switch (information_class) {
    case 4: { struct basic basic = basic_of(facts); return answer(query, &basic, sizeof basic); }
    case 5: { struct standard standard = standard_of(query); return answer(query, &standard, sizeof standard); }
    case 6: return answer(query, &facts->serial, 8);
    case 7: return answer(query, word, 4);
    case 8: return answer(query, &query->granted, 4);
    case 9: case 48: return query_name(query);
    case 14: wide[0] = (uint64_t)position_of(query); return answer(query, wide, 8);
    case 16: word[0] = mode_of(query); return answer(query, word, 4);
    case 17: return answer(query, word, 4);
    case 18: return query_all(query);
    case 20: wide[0] = facts->size; return answer(query, wide, 8); /* Windows has it for setting; ntdll reads manifests by it */
    case 21: return STATUS_OBJECT_NAME_NOT_FOUND; /* no short names on this volume */
    case 22: return query_streams(query);
    case 28: wide[0] = facts->size; return answer(query, wide, 16);
    case 34: { struct network network = network_of(facts); return answer(query, &network, sizeof network); }
    case 35: word[0] = facts->attributes; return answer(query, word, 8);
    case 41: word[0] = query->file->notification; return answer(query, word, 4);
    case 43: word[0] = 2; return answer(query, word, 4); /* IoPriorityNormal */
    case 51: return answer(query, word, 1);
    case 54: {
        struct standard standard = standard_of(query);
        struct link_information links = {standard.links, facts->links, standard.delete_pending, standard.directory, {0}};
        return answer(query, &links, sizeof links);
    }
    case 55: return STATUS_INVALID_PARAMETER; /* not a network file */
    case 59: wide[0] = facts->device; wide[1] = facts->serial; return answer(query, wide, 24);
    case 68: {
        struct stat_information information = {facts->serial, facts->created, facts->accessed, facts->written, facts->changed,
            facts->allocated, facts->size, facts->attributes, 0, facts->links, query->granted};
        return answer(query, &information, sizeof information);
    }
    case 71: return answer(query, word, 4);
    default: return STATUS_INVALID_INFO_CLASS;
    }
}

/* Shortest buffer; 0: no such class here. */
static ULONG least_length(ULONG information_class)
{
    static const uint8_t least[] = {[4] = 40, [5] = 24, [6] = 8, [7] = 4, [8] = 4, [9] = 8, [14] = 8, [16] = 4, [17] = 4, [18] = 104, [20] = 8,
        [21] = 8, [22] = 32, [23] = 8, [24] = 40, [28] = 16, [34] = 56, [35] = 8, [41] = 4, [43] = 4, [48] = 8, [51] = 1, [54] = 12,
        [55] = 116, [59] = 24, [68] = 72, [71] = 4};
    return information_class < sizeof least ? least[information_class] : 0;
}

NTSTATUS NtQueryInformationFile(HANDLE handle, IO_STATUS_BLOCK *io, void *buffer, ULONG length, ULONG information_class)
{
    struct query query = {.buffer = buffer, .length = length};
    ULONG least = least_length(information_class);
    if (!least)
        return STATUS_INVALID_INFO_CLASS;
    if (length < least)
        return STATUS_INFO_LENGTH_MISMATCH;
    NTSTATUS status = io_file_of_handle(handle, 0, &query.file, &query.fd, &query.granted);
    if (status)
        return status;
    /* Windows wants FILE_READ_ATTRIBUTES for some classes. CreateFile always asks for that right, so programs never see the
     * refusal; Wine's MoveFile opens with DELETE alone and does ask for attributes. So nothing is refused here. */
    if (information_class == 23 || information_class == 24)
        status = io_pipe_query(query.file, query.fd, information_class, buffer, length, &query.done);
    else if (query.file->file.kind == NT_FILE_CONSOLE && information_class != 8 && information_class != 16)
        status = STATUS_INVALID_DEVICE_REQUEST;
    else
        status = query.fd < 0 ? STATUS_SUCCESS : io_facts_of_fd(query.fd, &query.facts);
    if (!status && information_class != 23 && information_class != 24) {
        if (query.file->file.kind > NT_FILE_DIRECTORY)
            query.facts.attributes = FILE_ATTRIBUTE_NORMAL;
        status = query_run(&query, information_class);
    }
    io_file_release(query.file);
    if (status < 0xC0000000u)
        return io_status_give(io, status, query.done);
    return status;
}
