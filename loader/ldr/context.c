/* Activation contexts: the EXE's manifest beneath everything, a DLL's own (resource 2) around every call into it, and the
 * DLL names that they lead elsewhere. The manifests themselves are read by ntdll. */
#include "loader/ldr/ldr.h"

enum { RESOURCE_NAME_VALID = 0x8, MODULE_VALID = 0x80, CONTEXT_MAGIC = (int)0xc07e3e11 };

/* ACTCTX */
struct description {
    ULONG size, flags;
    const WCHAR *source;
    USHORT machine, language;
    const WCHAR *directory, *resource, *application;
    void *module;
};

static NTSTATUS context_make(void *module, ULONG_PTR resource, HANDLE *context)
{
    struct description description = {.size = sizeof description, .flags = RESOURCE_NAME_VALID | MODULE_VALID};
    description.resource = (const WCHAR *)resource;
    description.module = module;
    return RtlCreateActivationContext(context, &description);
}

/* ntdll looks in a context of the process's own where no thread has another active: a static pointer to a static
 * context, which it has no function to set. The context begins with a number that stands nowhere else in the data. */
static HANDLE *process_context_cell(void)
{
    UCHAR *data = peload_host.ntdll_data, *context = NULL;
    HANDLE *cell = NULL;
    for (ULONG at = 0; data && at + sizeof(ULONG) <= peload_host.ntdll_data_size; at += sizeof(ULONG))
        if (*(ULONG *)(data + at) == (ULONG)CONTEXT_MAGIC) {
            if (context)
                return NULL;
            context = data + at;
        }
    for (ULONG at = 0; context && at + sizeof(void *) <= peload_host.ntdll_data_size; at += sizeof(void *))
        if (*(UCHAR **)(data + at) == context) {
            if (cell)
                return NULL;
            cell = (HANDLE *)(data + at);
        }
    return cell;
}

void ldr_context_process(struct nt_peb *peb)
{
    HANDLE context;
    ULONG_PTR cookie;
    if (!peload_host.main->peload_manifest || context_make(peb->image_base, 1, &context))
        return;
    HANDLE *cell = process_context_cell();
    if (cell)
        *cell = context;
    else /* an ntdll that keeps it otherwise: the first thread at least has it */
        RtlActivateActivationContext(0, context, &cookie);
}

bool ldr_context_enter(struct nt_ldr_entry *entry, ULONG_PTR *cookie)
{
    HANDLE context;
    if (!entry->peload_manifest || !(entry->flags & LDR_IMAGE_IS_DLL))
        return false;
    if (!entry->activation_context) {
        if (context_make(entry->base, 2, &context)) {
            entry->peload_manifest = 0; /* not one that can be understood; asked only once */
            return false;
        }
        entry->activation_context = (void *)context;
    }
    return !RtlActivateActivationContext(0, (HANDLE)entry->activation_context, cookie);
}

void ldr_context_leave(ULONG_PTR cookie) { RtlDeactivateActivationContext(0, cookie); }

void ldr_context_free(struct nt_ldr_entry *entry)
{
    if (entry->activation_context)
        RtlReleaseActivationContext((HANDLE)entry->activation_context);
    entry->activation_context = NULL;
}

/* ---- DLL redirection ---- */

enum { SECTION_DLL_REDIRECTION = 2, RETURN_CONTEXT = 1, CLASS_DETAILED = 3, DETAIL_SIZE = 0x1000 };

/* ACTCTX_SECTION_KEYED_DATA */
struct keyed_data {
    ULONG size, format;
    void *data;
    ULONG length;
    void *global;
    ULONG global_length;
    void *section;
    ULONG section_length;
    HANDLE context;
    ULONG roster, flags;
    struct { void *information, *section_base; ULONG length; void *global; ULONG global_length; } metadata;
};

/* ACTIVATION_CONTEXT_ASSEMBLY_DETAILED_INFORMATION */
struct assembly_detail {
    ULONG flags, identity_length, manifest_type, manifest_length;
    LARGE_INTEGER manifest_time;
    ULONG policy_type, policy_length;
    LARGE_INTEGER policy_time;
    ULONG satellite, manifest_major, manifest_minor, policy_major, policy_minor, directory_length; /* lengths in bytes */
    const WCHAR *identity, *manifest, *policy, *directory;
    ULONG files;
};

static unsigned folder_length(const WCHAR *path)
{
    unsigned length = ldr_text_length(path);
    while (length && path[length - 1] != '\\')
        length--;
    return length;
}

/* A private assembly's files lie beside its manifest. One that is installed has its manifest in winsxs\manifests, under the
 * name of the folder in winsxs that has the files. */
static WCHAR *assembly_file(const struct assembly_detail *detail, const UNICODE_STRING *name)
{
    static const WCHAR manifests[] = {'m', 'a', 'n', 'i', 'f', 'e', 's', 't', 's', '\\'};
    enum { MANIFESTS = sizeof manifests / sizeof *manifests };
    unsigned prefix = detail->manifest ? folder_length(detail->manifest) : 0, more = 0;
    unsigned length = name->length / sizeof(WCHAR), directory = detail->directory_length / sizeof(WCHAR);
    if (!prefix)
        return NULL;
    if (directory && prefix > MANIFESTS && ldr_text_equal(detail->manifest + prefix - MANIFESTS, MANIFESTS, manifests, MANIFESTS) &&
        ldr_text_length(detail->manifest) >= prefix + directory &&
        ldr_text_equal(detail->manifest + prefix, directory, detail->directory, directory)) {
        prefix -= MANIFESTS;
        more = directory + 1;
    }
    WCHAR *path = RtlAllocateHeap(ldr_peb()->process_heap, 0, (prefix + more + length + 1) * sizeof *path);
    if (!path)
        return NULL;
    __builtin_memcpy(path, detail->manifest, prefix * sizeof *path);
    if (more) {
        __builtin_memcpy(path + prefix, detail->directory, directory * sizeof *path);
        path[prefix + directory] = '\\';
    }
    __builtin_memcpy(path + prefix + more, name->buffer, length * sizeof *path);
    path[prefix + more + length] = 0;
    return path;
}

/* The name as a context's table has it: with an extension. False: it has a path, or is an API set's, and is not looked up. */
static bool bare_name(const WCHAR *given, WCHAR *name, unsigned room)
{
    static const WCHAR extension[] = {'.', 'd', 'l', 'l', 0};
    unsigned length = 0;
    bool dotted = false;
    for (; given[length]; length++) {
        if (given[length] == '\\' || given[length] == '/' || given[length] == ':' || length + 5 >= room)
            return false;
        dotted |= given[length] == '.';
        name[length] = given[length];
    }
    name[length] = 0;
    if (!dotted)
        __builtin_memcpy(name + length, extension, sizeof extension);
    return length > 0;
}

WCHAR *ldr_context_redirect(const WCHAR *given)
{
    WCHAR name[264], *path = NULL;
    struct keyed_data data = {.size = sizeof data};
    SIZE_T needed;
    if (!bare_name(given, name, sizeof name / sizeof *name))
        return NULL;
    unsigned length = ldr_text_length(name);
    UNICODE_STRING string = {(USHORT)(length * sizeof *name), (USHORT)((length + 1) * sizeof *name), name};
    if (RtlFindActivationContextSectionString(RETURN_CONTEXT, NULL, SECTION_DLL_REDIRECTION, &string, &data))
        return NULL;
    struct assembly_detail *detail = RtlAllocateHeap(ldr_peb()->process_heap, 0, DETAIL_SIZE);
    if (detail && !RtlQueryInformationActivationContext(0, data.context, &data.roster, CLASS_DETAILED, detail, DETAIL_SIZE, &needed))
        path = assembly_file(detail, &string);
    RtlFreeHeap(ldr_peb()->process_heap, 0, detail);
    RtlReleaseActivationContext(data.context);
    return path;
}
