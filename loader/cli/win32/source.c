/* A file to be looked at: mapped for reading only, validated once. */
#include "loader/cli/cli.h"
#include "loader/host/win32.h"

#include <stdlib.h>

static struct host *host; /* for the process's life: the bytes are the host's */

static bool refuse(const char *path, const char *why, int *status, int with)
{
    cli_say("%s: %s", path, why);
    *status = with;
    return false;
}

static enum host_result open_file(const char *path, struct host_file *file)
{
    if (!host)
        host = host_win32_open();
    return host ? host->file_open(host, path, file) : HOST_NO_MEMORY;
}

bool cli_source_open(struct cli_source *source, const char *path, int *status)
{
    struct pe_error error = {0};
    enum host_result result = open_file(path, &source->file);
    source->ntstatus = result == HOST_NOT_FOUND ? LD_STATUS_OBJECT_NAME_NOT_FOUND : result == HOST_DENIED ? LD_STATUS_ACCESS_DENIED
                                                                                 : PE_STATUS_INVALID_FILE_FOR_SECTION;
    switch (result) {
    case HOST_OK: break;
    case HOST_NOT_FOUND: return refuse(path, "no such file", status, CLI_NOT_FOUND);
    case HOST_DENIED: return refuse(path, "no permission to read it", status, CLI_NOT_LOADABLE);
    case HOST_NOT_A_FILE: return refuse(path, "a directory or a device, not a program", status, CLI_NOT_LOADABLE);
    default: return refuse(path, "it cannot be read", status, CLI_USAGE_OR_WORLD);
    }
    source->bytes = (struct pe_span){source->file.bytes, source->file.size};
    if (!source->file.size) {
        cli_source_close(source);
        return refuse(path, "an empty file", status, CLI_NOT_LOADABLE);
    }
    if (pe_open(&source->image, source->bytes, PE_FORM_FILE, &error))
        return true;
    source->ntstatus = error.ntstatus ? error.ntstatus : PE_STATUS_INVALID_IMAGE_FORMAT;
    cli_tell_pe(path, &error);
    *status = CLI_NOT_LOADABLE;
    cli_source_close(source);
    return false;
}

void cli_source_close(struct cli_source *source)
{
    host->file_close(host, &source->file);
    source->bytes = (struct pe_span){NULL, 0};
}
