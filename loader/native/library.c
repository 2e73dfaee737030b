/* Modules as the guest sees them: PEB.Ldr's three lists, and an LDR_DATA_TABLE_ENTRY for each. The guest half's loader lock
 * guards this state. */
#include "loader/native/native.h"
#include "loader/nt/io.h"
#include "loader/nt/mm.h"
#include "pe/tls.h"

#include <stdlib.h>
#include <string.h>

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

/* The module's path as the guest writes it, ending in the name that was asked for. Returns its length. */
static unsigned path_make(const struct ld_module *module, WCHAR *path, unsigned room)
{
    char real[4096];
    WCHAR name[1024];
    const char *unix_path = module->path[0] == '/' ? module->path : module == native.main ? native_program()->path
                                                                                          : realpath(module->path, real);
    unsigned length = nt_path_to_dos(unix_path ? unix_path : module->path, path, room);
    size_t count = nt_utf16_from_utf8(module->name, strlen(module->name), name, sizeof name / sizeof *name);
    if (count < length && path[length - count - 1] == '\\')
        memcpy(path + length - count, name, count * sizeof *name);
    return length;
}

/* dos_path: as the guest asked for it, NULL: made from the host's. */
static struct nt_ldr_entry *entry_make(struct ld_module *module, const WCHAR *dos_path)
{
    WCHAR made[4096];
    unsigned length = 0;
    if (!dos_path)
        length = path_make(module, made, 4096);
    else
        while (dos_path[length])
            length++;
    const WCHAR *path = dos_path ? dos_path : made;
    size_t name_bytes = (length + 1) * sizeof(WCHAR);
    struct nt_ldr_entry *entry = block_take(sizeof *entry + name_bytes);
    if (!entry)
        return NULL;
    memset(entry, 0, sizeof *entry);
    WCHAR *text = (WCHAR *)(entry + 1);
    memcpy(text, path, length * sizeof(WCHAR));
    text[length] = 0;
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
    entry->peload_manifest = module->has_manifest;
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

void native_entry_drop(struct ld_module *module)
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

bool native_entries_add(const struct ld_module *root, const WCHAR *dos_path)
{
    for (struct ld_module *module = native.loader.first; module; module = module->next) {
        if (module->entry)
            continue;
        struct nt_ldr_entry *entry = entry_make(module, module == root && dos_path && dos_path[0] ? dos_path : NULL);
        if (!entry || !native_module_cells(&native.loader, module))
            return false;
        if (module == native.ldr) /* Windows has no such module: it is found by its own code alone */
            continue;
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

void native_entry_initialising(struct ld_module *module)
{
    struct nt_ldr_entry *entry = module->entry;
    entry->peload_node.state = 8;
    if (!module->is_main) /* the EXE has no initialiser: Windows leaves it out of this list */
        list_append(&native.lists->init_order, &entry->init_order);
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
    if (!native_entries_add(NULL, NULL))
        return false;
    /* ntdll and the guest half have no initialiser of their own: they are ready, and ntdll is first in order. */
    struct ld_module *ready[] = {native.ntdll, native.ldr};
    for (unsigned i = 0; i < 2; i++) {
        struct nt_ldr_entry *entry = ready[i]->entry;
        ready[i]->state = LD_RUNNING;
        ready[i]->init_index = i + 1;
        entry->flags |= LDR_NO_DLL_CALLS | LDR_ENTRY_PROCESSED;
        entry->peload_node.state = 9;
    }
    list_append(&native.lists->init_order, &((struct nt_ldr_entry *)native.ntdll->entry)->init_order);
    native.block->self = native.ldr->entry;
    native.block->kernel32 = native.kernel32->entry;
    native.block->main = native.main->entry;
    native.block->base_thread_init = (void *)(uintptr_t)native_export(native.kernel32, "BaseThreadInitThunk");
    native.block->dll_set = (const char *)(uintptr_t)native_export(native.ldr, "peload_dll_set");
    return true;
}
