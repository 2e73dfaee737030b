/* Modules as the guest sees them: PEB.Ldr's three lists, an LDR_DATA_TABLE_ENTRY for each, and the private system calls by
 * which the guest half asks for loads. The guest half holds its loader lock around them; that lock guards this state. */
#include "loader/native/native.h"
#include "loader/nt/dispatch.h"
#include "loader/nt/io.h"
#include "loader/nt/mm.h"
#include "loader/nt/ps.h"
#include "pe/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

/* ---- guest memory for entries and their names ---- */

/* Blocks are cut from 64-KiB pieces and kept by size for reuse, so that a program that loads and unloads for ever does not
 * grow. Sizes are multiples of 64 and at most PIECE / 2. */
enum { PIECE = 0x10000, UNIT = 64, CLASSES = PIECE / 2 / UNIT };
static uintptr_t piece_at, piece_end;
static void *free_blocks[CLASSES];

static void *block_take(size_t size)
{
    size_t class = (size + UNIT - 1) / UNIT;
    if (class >= CLASSES)
        return NULL;
    void *block = free_blocks[class];
    if (block) {
        memcpy(&free_blocks[class], block, sizeof(void *));
        return block;
    }
    if (piece_end - piece_at < class * UNIT) {
        uintptr_t base = 0;
        if (nt_mm_allocate(&base, PIECE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE, 0))
            return NULL;
        piece_at = base;
        piece_end = base + PIECE;
    }
    block = (void *)piece_at;
    piece_at += class * UNIT;
    return block;
}

static void block_give(void *block, size_t size)
{
    size_t class = (size + UNIT - 1) / UNIT;
    memcpy(block, &free_blocks[class], sizeof(void *));
    free_blocks[class] = block;
}

/* ---- lists ---- */

static void list_open(struct nt_list *head) { head->next = head->prev = head; }

static void list_append(struct nt_list *head, struct nt_list *link)
{
    link->next = head;
    link->prev = head->prev;
    head->prev->next = link;
    head->prev = link;
}

static void list_prepend(struct nt_list *head, struct nt_list *link) { list_append(head->next, link); }

static void list_remove(struct nt_list *link)
{
    if (!link->next)
        return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = link->prev = NULL;
}

/* ---- entries ---- */

static size_t entry_size(const struct nt_ldr_entry *entry) { return sizeof *entry + entry->full_name.maximum; }

/* The facts of TLS go along, because blocks are made on the guest's side, from its heap. */
static void entry_tls(struct nt_ldr_entry *entry, const struct ld_module *module)
{
    struct pe_tls tls;
    struct pe_error ignored = {0};
    entry->peload_tls_slot = (ULONG)-1;
    if (module->tls_slot < 0 || !pe_tls_read(&module->image, pe_va_at(module->base), &tls, &ignored))
        return;
    entry->peload_tls_slot = (ULONG)module->tls_slot;
    entry->peload_tls_data = (void *)(uintptr_t)(module->base + tls.data.value);
    entry->peload_tls_size = tls.data_size;
    entry->peload_tls_zero = tls.zero_fill;
    entry->peload_tls_alignment = tls.alignment;
    if (tls.callbacks.value)
        entry->peload_tls_callbacks = (void *)(uintptr_t)(module->base + tls.callbacks.value);
    entry->tls_index = (USHORT)-1;
}

static struct nt_ldr_entry *entry_make(struct ld_module *module)
{
    WCHAR path[4096];
    char real[4096];
    const char *unix_path = module->path[0] == '/' ? module->path : realpath(module->path, real);
    unsigned length = nt_path_to_dos(unix_path ? unix_path : module->path, path, 4096);
    size_t name_bytes = (length + 1) * sizeof(WCHAR);
    struct nt_ldr_entry *entry = block_take(sizeof *entry + name_bytes);
    if (!entry)
        return NULL;
    memset(entry, 0, sizeof *entry);
    WCHAR *text = (WCHAR *)(entry + 1);
    memcpy(text, path, name_bytes);
    unsigned base = length;
    while (base && text[base - 1] != '\\')
        base--;
    entry->full_name = (UNICODE_STRING){(USHORT)(length * sizeof(WCHAR)), (USHORT)name_bytes, text};
    entry->base_name = (UNICODE_STRING){(USHORT)((length - base) * sizeof(WCHAR)), (USHORT)((length - base + 1) * sizeof(WCHAR)),
                                        text + base};
    entry->base = (void *)(uintptr_t)module->base;
    entry->size_of_image = module->image.size_of_image;
    if (module->image.entry.value || module->is_main)
        entry->entry_point = (void *)(uintptr_t)(module->base + module->image.entry.value);
    entry->timestamp = module->image.timestamp;
    entry->original_base = (ULONG_PTR)module->preferred;
    entry->flags = (module->image.is_dll ? LDR_IMAGE_IS_DLL : 0) | (module->no_resolve ? LDR_DONT_RESOLVE_REFS : 0);
    entry->load_count = (USHORT)module->references;
    entry->load_reason = module->is_static ? 0 : 4;
    entry->ddag = &entry->peload_node;
    list_open(&entry->peload_node.modules);
    list_append(&entry->peload_node.modules, &entry->node_module);
    entry->peload_node.load_count = module->references;
    entry->peload_node.state = 7; /* LdrModulesReadyToInit */
    list_open(&entry->hash);
    entry_tls(entry, module);
    module->entry = entry;
    return entry;
}

static void entry_drop(struct ld_module *module)
{
    struct nt_ldr_entry *entry = module->entry;
    if (!entry)
        return;
    list_remove(&entry->load_order);
    list_remove(&entry->memory_order);
    list_remove(&entry->init_order);
    module->entry = NULL;
    block_give(entry, entry_size(entry));
}

/* Entries for modules that have none yet, in load order. */
static bool entries_add(void)
{
    for (struct ld_module *module = native.loader.first; module; module = module->next) {
        if (module->entry)
            continue;
        struct nt_ldr_entry *entry = entry_make(module);
        if (!entry || !native_module_cells(module))
            return false;
        if (module->is_main) { /* Windows lists the EXE first, whatever had to be mapped before it here */
            list_prepend(&native.lists->load_order, &entry->load_order);
            list_prepend(&native.lists->memory_order, &entry->memory_order);
        } else {
            list_append(&native.lists->load_order, &entry->load_order);
            list_append(&native.lists->memory_order, &entry->memory_order);
        }
    }
    return true;
}

bool native_lists_build(void)
{
    native.lists = block_take(sizeof *native.lists);
    if (!native.lists)
        return false;
    native.lists->length = sizeof *native.lists;
    native.lists->initialized = 1;
    list_open(&native.lists->load_order);
    list_open(&native.lists->memory_order);
    list_open(&native.lists->init_order);
    nt_process.peb->ldr = native.lists;
    if (!entries_add())
        return false;
    /* ntdll and the guest half have no initialiser of their own: they are ready, and first in order. */
    struct ld_module *ready[] = {native.ntdll, native.ldr};
    for (int i = 0; i < 2; i++) {
        struct nt_ldr_entry *entry = ready[i]->entry;
        ready[i]->state = LD_RUNNING;
        ready[i]->init_index = (unsigned)i + 1;
        entry->flags |= LDR_NO_DLL_CALLS | LDR_ENTRY_PROCESSED;
        entry->peload_node.state = 9;
        list_append(&native.lists->init_order, &entry->init_order);
    }
    native.block->kernel32 = native.kernel32->entry;
    native.block->main = native.main->entry;
    native.block->base_thread_init = (void *)(uintptr_t)native_export(native.kernel32, "BaseThreadInitThunk");
    native.block->dll_set = (const char *)(uintptr_t)native_export(native.ldr, "peload_dll_set");
    return true;
}

/* ---- names that the guest gives ---- */

enum { NAME_LIMIT = 32768 };

/* A NUL-terminated guest string, copied; malloc'd, NULL where it is not readable or too long. */
static WCHAR *guest_text(const WCHAR *guest, size_t *length)
{
    size_t room = 0;
    WCHAR *text = NULL;
    for (size_t at = 0; at < NAME_LIMIT; at++) {
        if (at == room) {
            WCHAR *grown = realloc(text, (room = room ? room * 2 : 128) * sizeof *text);
            if (!grown)
                break;
            text = grown;
        }
        if (!nt_read(&text[at], guest + at, sizeof *text))
            break;
        if (!text[at]) {
            *length = at;
            return text;
        }
    }
    free(text);
    return NULL;
}

/* One DOS path -> a Unix path, "" where it leads nowhere. Relative ones start at the current directory. */
static void dos_to_unix(const WCHAR *path, size_t length, char *out, size_t room)
{
    WCHAR full[4096];
    bool absolute = length >= 2 && (path[1] == ':' || ((path[0] == '\\' || path[0] == '/') && (path[1] == '\\' || path[1] == '/')));
    size_t prefix = 0;
    out[0] = 0;
    if (!absolute) {
        const UNICODE_STRING *directory = &nt_process.peb->parameters->directory;
        prefix = directory->length / sizeof(WCHAR);
        if (length && (path[0] == '\\' || path[0] == '/'))
            prefix = prefix > 2 ? 2 : prefix; /* rooted: the drive only */
        if (prefix + length >= 4096 || !nt_read(full, directory->buffer, prefix * sizeof(WCHAR)))
            return;
        if (length == 1 && path[0] == '.')
            length = 0;
    }
    if (prefix + length >= 4096)
        return;
    memcpy(full + prefix, path, length * sizeof(WCHAR));
    size_t total = prefix + length;
    for (size_t i = 0; i < total; i++)
        if (full[i] == '/')
            full[i] = '\\';
    while (total > 3 && full[total - 1] == '\\')
        total--;
    if (nt_path_to_unix(full, (unsigned)total, true, out, room))
        out[0] = 0;
}

/* The folders of a guest's search path ("C:\app;C:\windows\system32;..."), turned into host paths. The last one is kept:
 * kernelbase passes the same text with every LoadLibrary. */
static struct { WCHAR *text; size_t length; const char **folders; unsigned count; } searched;

static void folder_add(const char *folder)
{
    const char **grown = realloc(searched.folders, (searched.count + 2) * sizeof *grown);
    char *copy = strdup(folder);
    if (!grown || !copy) {
        free(copy);
        if (grown)
            searched.folders = grown;
        return;
    }
    searched.folders = grown;
    searched.folders[searched.count++] = copy;
    searched.folders[searched.count] = NULL;
}

static const char *const *search_for(const WCHAR *guest_path)
{
    size_t length;
    WCHAR *text = guest_path ? guest_text(guest_path, &length) : NULL;
    if (!text)
        return native.search;
    if (searched.folders && length == searched.length && !memcmp(text, searched.text, length * sizeof *text)) {
        free(text);
        return searched.folders;
    }
    for (unsigned i = 0; i < searched.count; i++)
        free((void *)(uintptr_t)searched.folders[i]);
    free(searched.text);
    free(searched.folders);
    memset(&searched, 0, sizeof searched);
    for (size_t at = 0; at < length;) {
        size_t end = at;
        char folder[4096];
        while (end < length && text[end] != ';')
            end++;
        if (end > at)
            dos_to_unix(text + at, end - at, folder, sizeof folder);
        if (end > at && folder[0])
            folder_add(folder);
        at = end + 1;
    }
    folder_add(native.search[2]); /* what Wine's set lacks stands behind everything else */
    searched.text = text;
    searched.length = length;
    return searched.folders ? searched.folders : native.search;
}

/* A name with a path -> the file's host path. Absolute: that file; else it is looked for under each folder. */
static bool path_resolve(const WCHAR *name, size_t length, const char *const *search, char *out, size_t room)
{
    bool absolute = length >= 2 && (name[1] == ':' || name[0] == '\\' || name[0] == '/');
    WCHAR with[4096 + 8];
    bool dotted = false;
    for (size_t i = length; i && name[i - 1] != '\\' && name[i - 1] != '/'; i--)
        dotted |= name[i - 1] == '.';
    if (length > 4096)
        return false;
    memcpy(with, name, length * sizeof *with);
    if (!dotted) {
        static const WCHAR extension[] = {'.', 'd', 'l', 'l'};
        memcpy(with + length, extension, sizeof extension);
        length += 4;
    } else if (with[length - 1] == '.')
        length--;
    if (absolute) {
        dos_to_unix(with, length, out, room);
        return out[0] != 0;
    }
    for (; *search; search++) {
        WCHAR joined[8300];
        unsigned prefix = nt_path_to_dos(*search, joined, 4096);
        if (!prefix)
            continue;
        joined[prefix++] = '\\';
        memcpy(joined + prefix, with, length * sizeof *with);
        dos_to_unix(joined, prefix + length, out, room);
        if (out[0])
            return true;
    }
    return false;
}

/* ---- the private services ---- */

static struct ld_module *module_of(const struct nt_ldr_entry *entry)
{
    struct ld_module *module = native.loader.first;
    while (module && module->entry != entry)
        module = module->next;
    return module;
}

static void count_publish(struct ld_module *module)
{
    struct nt_ldr_entry *entry = module->entry;
    if (entry) {
        entry->load_count = (USHORT)module->references;
        entry->peload_node.load_count = module->references;
    }
}

static void counts_publish(void)
{
    for (struct ld_module *module = native.loader.first; module; module = module->next)
        count_publish(module);
}

struct wanted { char name[4096]; bool is_path; const char *const *search; };

static NTSTATUS wanted_capture(const uintptr_t *arguments, struct wanted *wanted)
{
    size_t length;
    WCHAR *name = guest_text((const WCHAR *)arguments[0], &length);
    if (!name)
        return STATUS_ACCESS_VIOLATION;
    NTSTATUS status = STATUS_SUCCESS;
    wanted->search = search_for((const WCHAR *)arguments[1]);
    wanted->is_path = false;
    for (size_t i = 0; i < length; i++)
        wanted->is_path |= name[i] == '\\' || name[i] == '/' || (i == 1 && name[i] == ':');
    if (!wanted->is_path)
        nt_utf8_from_utf16(name, length, wanted->name, sizeof wanted->name);
    else if (!path_resolve(name, length, wanted->search, wanted->name, sizeof wanted->name))
        status = STATUS_DLL_NOT_FOUND;
    free(name);
    return length ? status : STATUS_INVALID_PARAMETER;
}

static NTSTATUS load(const uintptr_t *arguments)
{
    struct wanted wanted;
    struct ld_error error;
    NTSTATUS status = wanted_capture(arguments, &wanted);
    if (status)
        return status;
    memset(&error, 0, sizeof error);
    struct loader *loader = &native.loader;
    loader->search = wanted.search;
    loader->root_no_resolve = arguments[2] & NT_LOAD_NO_RESOLVE;
    struct ld_module *module = wanted.is_path ? ld_load_path(loader, wanted.name, &error)
                                              : ld_load(loader, wanted.name, NULL, &error);
    loader->search = native.search;
    if (!module)
        return error.ntstatus ? error.ntstatus : STATUS_DLL_NOT_FOUND;
    if (!entries_add())
        return STATUS_NO_MEMORY;
    counts_publish();
    void *entry = module->entry;
    return NT_PUT((void **)arguments[3], entry) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

static NTSTATUS find(const uintptr_t *arguments)
{
    struct wanted wanted;
    struct ld_error error;
    struct ld_module *module = NULL;
    NTSTATUS status = wanted_capture(arguments, &wanted);
    if (status)
        return status;
    if (wanted.is_path) {
        struct stat file;
        if (!stat(wanted.name, &file))
            for (module = native.loader.first; module; module = module->next)
                if (module->file.device == (uint64_t)file.st_dev && module->file.serial == (uint64_t)file.st_ino)
                    break;
    } else {
        char path[4096];
        memset(&error, 0, sizeof error);
        static const char *const nowhere[] = {NULL};
        native.loader.search = nowhere; /* only what is loaded counts: no folder is looked into */
        if (!ld_find(&native.loader, wanted.name, NULL, &module, path, sizeof path, &error))
            module = NULL;
        native.loader.search = native.search;
    }
    void *entry = module ? module->entry : NULL;
    if (!entry)
        return STATUS_DLL_NOT_FOUND;
    return NT_PUT((void **)arguments[2], entry) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

/* Writes modules as entries; STATUS_BUFFER_TOO_SMALL asks the guest half to come again with more room. */
static NTSTATUS list_answer(struct ld_module *const *list, size_t count, const uintptr_t *arguments)
{
    ULONG told = (ULONG)count;
    if (!NT_PUT((ULONG *)arguments[3], told))
        return STATUS_ACCESS_VIOLATION;
    if (count > arguments[2])
        return STATUS_BUFFER_TOO_SMALL;
    for (size_t i = 0; i < count; i++)
        if (!nt_write((void **)arguments[1] + i, &list[i]->entry, sizeof(void *)))
            return STATUS_ACCESS_VIOLATION;
    return STATUS_SUCCESS;
}

static NTSTATUS order(const uintptr_t *arguments, bool unload)
{
    struct ld_module *module = module_of((void *)arguments[0]);
    if (!module)
        return STATUS_DLL_NOT_FOUND;
    struct ld_module **list = calloc(native.loader.count, sizeof *list);
    if (!list)
        return STATUS_NO_MEMORY;
    size_t count = unload ? ld_unload_plan(&native.loader, module, list, native.loader.count)
                          : ld_order(&native.loader, module, list, native.loader.count);
    NTSTATUS status = list_answer(list, count, arguments);
    free(list);
    counts_publish();
    return status;
}

static NTSTATUS state(const uintptr_t *arguments)
{
    static const char *const verbs[] = {"bound", "attach", "attached", "detached"};
    static unsigned last_index = 2; /* ntdll and the guest half came first */
    struct ld_module *module = module_of((void *)arguments[0]);
    if (!module || arguments[1] > NT_MODULE_DETACHED)
        return STATUS_INVALID_PARAMETER;
    struct nt_ldr_entry *entry = module->entry;
    switch (arguments[1]) {
    case NT_MODULE_INITIALISING:
        module->state = LD_INITIALISING;
        module->init_index = ++last_index;
        entry->peload_node.state = 8;
        if (!module->is_main) /* the EXE has no initialiser: Windows leaves it out of this list */
            list_append(&native.lists->init_order, &entry->init_order);
        break;
    case NT_MODULE_RUNNING:
        module->state = LD_RUNNING;
        entry->peload_node.state = 9;
        break;
    case NT_MODULE_DETACHED:
        module->state = LD_GONE;
        break;
    }
    LD_TRACE(native.loader.trace, LD_INIT, .verb = verbs[arguments[1]], .module = module->name,
             .address = (uintptr_t)entry->entry_point, .count = module->init_index, .thread = nt_current()->object->id);
    return STATUS_SUCCESS;
}

static NTSTATUS unload(const uintptr_t *arguments)
{
    struct ld_module *module = module_of((void *)arguments[0]);
    if (!module)
        return STATUS_DLL_NOT_FOUND;
    LD_TRACE(native.loader.trace, LD_UNLOAD, .verb = "unmapped", .module = module->name, .address = module->base,
             .size = module->image.size_of_image);
    entry_drop(module);
    ld_module_free(&native.loader, module);
    return STATUS_SUCCESS;
}

enum { SYMBOL_LIMIT = 4096 };

static NTSTATUS symbol(const uintptr_t *arguments)
{
    struct ld_module *module = module_of((void *)arguments[0]);
    struct ld_error error;
    char name[SYMBOL_LIMIT];
    size_t length = 0;
    if (!module)
        return STATUS_DLL_NOT_FOUND;
    if (arguments[1]) {
        for (;; length++) {
            if (length == sizeof name)
                return STATUS_ENTRYPOINT_NOT_FOUND;
            if (!nt_read(&name[length], (const char *)arguments[1] + length, 1))
                return STATUS_ACCESS_VIOLATION;
            if (!name[length])
                break;
        }
    } else if (!(uint32_t)arguments[2])
        return STATUS_INVALID_PARAMETER;
    memset(&error, 0, sizeof error);
    uint64_t address = ld_symbol(&native.loader, module, arguments[1] ? name : NULL, (uint32_t)length,
                                 arguments[1] ? 0 : (uint32_t)arguments[2], &error);
    if (!entries_add())
        return STATUS_NO_MEMORY;
    if (!address)
        return error.ntstatus ? error.ntstatus : STATUS_ENTRYPOINT_NOT_FOUND;
    uintptr_t found = (uintptr_t)address;
    return NT_PUT((uintptr_t *)arguments[3], found) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

static NTSTATUS reference(const uintptr_t *arguments)
{
    struct ld_module *module = module_of((void *)arguments[0]);
    if (!module)
        return STATUS_DLL_NOT_FOUND;
    if (arguments[1])
        module->references = -1;
    else
        ld_reference(&native.loader, module);
    count_publish(module);
    return STATUS_SUCCESS;
}

NTSTATUS native_private_call(uint32_t number, const uintptr_t *arguments)
{
    switch (number) {
    case NT_PRIVATE_LOAD: return load(arguments);
    case NT_PRIVATE_FIND: return find(arguments);
    case NT_PRIVATE_ORDER: return order(arguments, false);
    case NT_PRIVATE_STATE: return state(arguments);
    case NT_PRIVATE_UNLOAD_PLAN: return order(arguments, true);
    case NT_PRIVATE_UNLOAD: return unload(arguments);
    case NT_PRIVATE_SYMBOL: return symbol(arguments);
    case NT_PRIVATE_REFERENCE: return reference(arguments);
    case NT_PRIVATE_RANDOM: /* straight into the guest's memory: a bad pointer is EFAULT */
        for (size_t done = 0; done < arguments[1];) {
            ssize_t more = getrandom((char *)arguments[0] + done, arguments[1] - done, 0);
            if (more < 0 && errno != EINTR)
                return STATUS_ACCESS_VIOLATION;
            done += more > 0 ? (size_t)more : 0;
        }
        return STATUS_SUCCESS;
    case NT_PRIVATE_FATAL: {
        struct ld_module *module = module_of((void *)arguments[1]);
        native.options.start_failed((NTSTATUS)arguments[0], module ? module->name : NULL);
        native.options.finish((NTSTATUS)arguments[0]);
    }
    }
    return STATUS_NOT_IMPLEMENTED;
}
