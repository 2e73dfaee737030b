/* manifest: side-by-side assemblies. A manifest names assemblies that the module depends on; an assembly's own manifest
 * names files, and each of those stands for the DLL of that name wherever the manifest counts. Only private
 * assemblies are looked for, in Windows' order beside the module: NAME.dll, NAME.manifest, NAME\NAME.dll,
 * NAME\NAME.manifest (a DLL carries its manifest as resource 1). Assemblies that are not there are the system's business:
 * programs name the common controls so, which system DLLs bring here.
 *
 * It runs before the imports are looked for, so the text is read here and not by ntdll, on whose side the activation
 * context of the same manifest is made later. */
#include "loader/load.h"
#include "pe/resource.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MANIFEST_TYPE = 24, DEPTH_LIMIT = 8, TEXT_LIMIT = 1 << 20, NAME_ROOM = 260 };

struct reading {
    struct loader *loader;
    struct ld_module *module; /* whose manifest leads here */
    const char *folder;       /* where the assemblies of this module are looked for */
    unsigned depth;
    enum host_result failure; /* the world's fault; that something is not there, or not readable, is none */
};

static void read_manifest(struct reading *reading, const char *text, size_t length, const char *folder);

/* ---- A little XML: tags and their attributes ---- */

struct tag {
    const char *name;       /* without namespace prefix and '/' */
    size_t length;
    bool ends, empty;       /* </name>, <name/> */
    const char *attributes; /* up to the tag's '>' */
    const char *end;
};

static const char *find_text(const char *from, const char *end, const char *text)
{
    size_t length = strlen(text);
    for (; (size_t)(end - from) >= length; from++)
        if (!memcmp(from, text, length))
            return from;
    return NULL;
}

/* The next tag from *at on. Comments and declarations are stepped over; quotes may hold a '>'. */
static bool next_tag(const char **at, const char *end, struct tag *tag)
{
    const char *from = *at;
    for (;;) {
        from = memchr(from, '<', (size_t)(end - from));
        if (!from)
            return false;
        if (end - from < 4 || memcmp(from, "<!--", 4))
            break;
        from = find_text(from + 4, end, "-->");
        if (!from)
            return false;
    }
    const char *name = from + 1, *stop = name;
    char quote = 0;
    for (; stop < end && (quote || *stop != '>'); stop++)
        if (quote ? *stop == quote : *stop == '"' || *stop == '\'')
            quote = quote ? 0 : *stop;
    if (stop == end)
        return false;
    tag->ends = *name == '/';
    name += tag->ends;
    tag->name = name;
    while (name < stop && !strchr(" \t\r\n/", *name)) {
        if (*name++ == ':')
            tag->name = name;
    }
    tag->length = (size_t)(name - tag->name);
    tag->attributes = name;
    tag->end = stop;
    tag->empty = stop[-1] == '/';
    *at = stop + 1;
    return true;
}

static bool is_tag(const struct tag *tag, const char *name)
{
    return tag->length == strlen(name) && ld_text_equal(tag->name, name, tag->length);
}

/* The value of the attribute, as it stands there. False: none, or it does not fit. */
static bool attribute(const struct tag *tag, const char *wanted, char *value, size_t room)
{
    const char *at = tag->attributes, *end = tag->end;
    size_t length = strlen(wanted);
    while (at < end) {
        while (at < end && strchr(" \t\r\n", *at))
            at++;
        const char *name = at;
        while (at < end && !strchr(" \t\r\n=", *at))
            at++;
        bool found = (size_t)(at - name) == length && !memcmp(name, wanted, length);
        while (at < end && *at != '"' && *at != '\'')
            at++;
        const char *from = at + 1, *to = at < end ? memchr(from, *at, (size_t)(end - from)) : NULL;
        if (!to)
            return false;
        if (found && (size_t)(to - from) < room) {
            memcpy(value, from, (size_t)(to - from));
            value[to - from] = 0;
            return true;
        }
        at = to + 1;
    }
    return false;
}

/* ---- Assemblies ---- */

/* Notes what is the world's fault. */
static bool is_good(struct reading *reading, enum host_result result)
{
    if (result == HOST_NO_MEMORY || result == HOST_FAILED)
        reading->failure = result;
    return result == HOST_OK;
}

static void redirect_add(struct reading *reading, const char *folder, const char *name)
{
    char path[LD_PATH_ROOM];
    struct host *host = reading->loader->host;
    if (!is_good(reading, host->file_find(host, folder, name, path, sizeof(path))))
        return;
    size_t length = strlen(path) + 1;
    struct ld_redirect *redirect = malloc(sizeof(*redirect) + length + strlen(name) + 1);
    if (!redirect) {
        reading->failure = HOST_NO_MEMORY;
        return;
    }
    memcpy(redirect->path, path, length);
    redirect->name = strcpy(redirect->path + length, name);
    redirect->next = reading->module->redirects;
    reading->module->redirects = redirect;
    LD_TRACE(reading->loader->trace, LD_FIND, .verb = "manifest", .module = reading->module->name, .name = path,
             .detail = name);
}

/* A manifest file, or a DLL that has one as resource `number`. False: no such file. */
static bool read_file(struct reading *reading, const char *folder, const char *file, bool is_image)
{
    char path[LD_PATH_ROOM];
    struct host *host = reading->loader->host;
    struct host_file open;
    if (!is_good(reading, host->file_find(host, folder, file, path, sizeof(path))) ||
        !is_good(reading, host->file_open(host, path, &open)))
        return false;
    struct pe_span text = {open.bytes, open.size};
    struct pe_error ignored = {0};
    struct pe_image image;
    struct pe_resource resource;
    bool there = !is_image || (pe_open(&image, text, PE_FORM_FILE, &ignored) &&
                               pe_resource_find(&image, PE_RESOURCE_NUMBER(MANIFEST_TYPE), PE_RESOURCE_NUMBER(1), 0, &resource,
                                                &ignored) &&
                               pe_resource_bytes(&image, &resource, &text));
    if (there)
        read_manifest(reading, (const char *)text.data, (size_t)text.size, folder);
    host->file_close(host, &open);
    return there;
}

/* The folder below `folder` that bears the assembly's name, in `below`. */
static bool read_below(struct reading *reading, const char *folder, const char *name, const char *dll, const char *manifest)
{
    char below[LD_PATH_ROOM];
    struct host *host = reading->loader->host;
    if (!is_good(reading, host->file_find(host, folder, name, below, sizeof(below))))
        return false;
    return read_file(reading, below, dll, true) || read_file(reading, below, manifest, false);
}

static void assembly_read(struct reading *reading, const char *name)
{
    char dll[NAME_ROOM + 16], manifest[NAME_ROOM + 16];
    if (reading->depth >= DEPTH_LIMIT || strpbrk(name, "/\\"))
        return;
    snprintf(dll, sizeof(dll), "%s.dll", name);
    snprintf(manifest, sizeof(manifest), "%s.manifest", name);
    reading->depth++;
    if (!read_file(reading, reading->folder, dll, true) && !read_file(reading, reading->folder, manifest, false) &&
        !reading->failure)
        read_below(reading, reading->folder, name, dll, manifest);
    reading->depth--;
}

/* Files of the assembly itself, and the assemblies that it depends on. */
static void read_tags(struct reading *reading, const char *text, size_t length, const char *folder)
{
    const char *end = text + length;
    char name[NAME_ROOM];
    bool depends = false;
    for (struct tag tag; !reading->failure && next_tag(&text, end, &tag);) {
        if (is_tag(&tag, "dependentAssembly"))
            depends = !tag.ends && !tag.empty;
        else if (tag.ends)
            continue;
        else if (is_tag(&tag, "assemblyIdentity") && depends && attribute(&tag, "name", name, sizeof(name)))
            assembly_read(reading, name);
        else if (is_tag(&tag, "file") && attribute(&tag, "name", name, sizeof(name)) && !strpbrk(name, "/\\"))
            redirect_add(reading, folder, name);
    }
}

/* UTF-8 as it is; UTF-16 (with its mark) by its low bytes, because the names that count here are ASCII. */
static void read_manifest(struct reading *reading, const char *text, size_t length, const char *folder)
{
    if (length > TEXT_LIMIT)
        return;
    if (length < 2 || (unsigned char)text[0] != 0xff || (unsigned char)text[1] != 0xfe) {
        read_tags(reading, text, length, folder);
        return;
    }
    char *narrow = malloc(length / 2);
    if (!narrow) {
        reading->failure = HOST_NO_MEMORY;
        return;
    }
    size_t count = length / 2 - 1;
    for (size_t i = 0; i < count; i++)
        narrow[i] = text[3 + 2 * i] ? '?' : text[2 + 2 * i];
    read_tags(reading, narrow, count, folder);
    free(narrow);
}

/* ---- The phase ---- */

static bool own_manifest(struct ld_module *module, struct pe_span *text)
{
    const uint16_t number = module->is_main ? 1 : 2;
    struct pe_resource resource;
    struct pe_error ignored = {0};
    return module->image.directory[PE_DIRECTORY_RESOURCE].rva.value &&
           pe_resource_find(&module->image, PE_RESOURCE_NUMBER(MANIFEST_TYPE), PE_RESOURCE_NUMBER(number), 0, &resource,
                            &ignored) &&
           pe_resource_bytes(&module->image, &resource, text);
}

bool ld_manifest(struct loader *loader, struct ld_module *module, struct ld_error *error)
{
    struct pe_span text;
    char folder[LD_PATH_ROOM], beside[NAME_ROOM + 16];
    if (module->no_resolve)
        return true;
    const char *slash = strrchr(module->path, '/');
    snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - module->path) : 1, slash ? module->path : ".");
    struct reading reading = {.loader = loader, .module = module, .folder = folder[0] ? folder : "/"};
    if (own_manifest(module, &text)) {
        module->has_manifest = true;
        read_manifest(&reading, (const char *)text.data, (size_t)text.size, reading.folder);
    } else if (module->is_main) { /* PROGRAM.exe.manifest counts where the program brings none */
        snprintf(beside, sizeof(beside), "%.*s.manifest", NAME_ROOM, module->name);
        module->has_manifest = read_file(&reading, reading.folder, beside, false);
    }
    return !reading.failure ||
           ld_fail_host(error, LD_FIND, module, reading.failure, "the manifest's assemblies cannot be looked for");
}

static const char *path_in(const struct ld_module *module, const char *name)
{
    for (const struct ld_redirect *redirect = module ? module->redirects : NULL; redirect; redirect = redirect->next)
        if (ld_name_equal(redirect->name, name))
            return redirect->path;
    return NULL;
}

const char *ld_manifest_path(const struct loader *loader, const char *name)
{
    const char *path = path_in(loader->manifest_of, name);
    for (const struct ld_module *module = loader->first; !path && module; module = module->next)
        if (module->is_main)
            path = path_in(module, name);
    return path;
}
