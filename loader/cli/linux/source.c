/* A file to be looked at: mapped for reading only, validated once. */
#include "loader/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool refuse(const char *path, const char *why, int *status, int with)
{
    cli_say("%s: %s", path, why);
    *status = with;
    return false;
}

static uint32_t ntstatus_of(int error)
{
    return error == ENOENT || error == ENOTDIR ? LD_STATUS_OBJECT_NAME_NOT_FOUND
           : error == EACCES                   ? LD_STATUS_ACCESS_DENIED
                                               : LD_STATUS_UNSUCCESSFUL;
}

bool cli_source_open(struct cli_source *source, const char *path, int *status)
{
    struct stat facts;
    struct pe_error error = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    source->ntstatus = fd < 0 ? ntstatus_of(errno) : PE_STATUS_INVALID_FILE_FOR_SECTION;
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return refuse(path, "no such file", status, CLI_NOT_FOUND);
    if (fd < 0)
        return refuse(path, errno == EACCES ? "no permission to read it" : strerror(errno), status, CLI_NOT_LOADABLE);
    int known = fstat(fd, &facts);
    if (known || !S_ISREG(facts.st_mode) || !facts.st_size) {
        close(fd);
        return refuse(path, !known && S_ISDIR(facts.st_mode) ? "a directory, not a program" :
                      !known && S_ISREG(facts.st_mode) ? "an empty file" : "not an ordinary file", status, CLI_NOT_LOADABLE);
    }
    void *bytes = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED)
        return refuse(path, strerror(errno), status, CLI_USAGE_OR_WORLD);
    source->bytes = (struct pe_span){bytes, (uint64_t)facts.st_size};
    if (pe_open(&source->image, source->bytes, PE_FORM_FILE, &error))
        return true;
    source->ntstatus = error.ntstatus ? error.ntstatus : PE_STATUS_INVALID_IMAGE_FORMAT;
    cli_tell_pe(path, &error);
    *status = CLI_NOT_LOADABLE;
    cli_source_close(source);
    return false;
}

/* One reading, where a view takes three calls and a first touch. What it read is gone afterwards: only numbers stay. */
bool cli_source_peek(struct pe_image *image, const char *path)
{
    uint8_t bytes[1536];
    struct stat facts;
    struct pe_error ignored = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool good = fd >= 0 && !fstat(fd, &facts) && S_ISREG(facts.st_mode) && facts.st_size > (off_t)sizeof bytes &&
                pread(fd, bytes, sizeof bytes, 0) == (ssize_t)sizeof bytes &&
                pe_open_part(image, (struct pe_span){bytes, sizeof bytes}, (uint64_t)facts.st_size, &ignored);
    if (fd >= 0)
        close(fd);
    image->bytes = (struct pe_span){NULL, 0};
    return good;
}

void cli_source_close(struct cli_source *source)
{
    munmap((void *)(uintptr_t)source->bytes.data, (size_t)source->bytes.size);
}
