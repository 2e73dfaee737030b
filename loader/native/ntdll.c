/* Wine's ntdll as a library: system-call numbers read out of its stubs, the functions that ours replace, and the proof
 * that this DLL set is one with which that works. */
#include "loader/native/cache.h"
#include "loader/native/machine.h"
#include "loader/nt/dispatch.h"
#include "pe/exception.h"

#include <stdio.h>
#include <string.h>

/* Functions of ntdll (and a few of kernelbase) that ldr.dll answers instead. Whoever imports them gets ours; those that
 * ntdll also calls itself get a jump at their first byte as well. */
static const struct replaced {
    const char *name;
    bool from_inside; /* called within ntdll: patched */
    bool kernelbase;  /* exported there, not by ntdll */
    const char *ours; /* the name in ldr.dll, NULL: the same (another one where ours calls theirs) */
} table[] = {
    /* the loader's private state: modules are ours */
    {"LdrAddRefDll", true, false, NULL},
    {"LdrDisableThreadCalloutsForDll", false, false, NULL},
    {"LdrFindEntryForAddress", true, false, NULL}, /* 10.0 keeps a tree of its own */
    {"LdrGetDllDirectory", false, false, "peload_get_directory"}, /* an empty one means: not the current directory either */
    {"LdrGetDllFullName", false, false, NULL},
    {"LdrGetDllHandle", false, false, NULL},
    {"LdrGetDllHandleEx", false, false, NULL},
    {"LdrGetProcedureAddress", false, false, NULL},
    {"LdrInitializeThunk", false, false, NULL},
    {"LdrLoadDll", false, false, NULL},
    {"LdrRegisterDllNotification", false, false, NULL},
    {"LdrResolveDelayLoadedAPI", false, false, NULL},
    {"LdrSetDllDirectory", false, false, "peload_set_directory"},
    {"LdrShutdownProcess", false, false, NULL},
    {"LdrShutdownThread", false, false, NULL},
    {"LdrUnloadDll", true, false, NULL},
    {"LdrUnregisterDllNotification", false, false, NULL},
    /* what Wine 8.0 lacks */
    {"NtFlushBuffersFileEx", false, false, "peload_flush_file"},
    {"RtlDllShutdownInProgress", true, false, NULL},
    /* start and end of processes and threads */
    {"RtlExitUserProcess", false, false, NULL},
    {"RtlExitUserThread", true, false, NULL},
    {"RtlFindExportedRoutineByName", false, false, NULL},
    /* statics that only ntdll's own loader sets */
    {"RtlGetNtProductType", false, false, NULL},
    {"RtlGetNtVersionNumbers", false, false, NULL},
    {"RtlGetProductInfo", false, false, NULL},
    {"RtlGetSystemTimePrecise", false, false, NULL},
    {"RtlGetVersion", true, false, NULL},
    {"RtlImageDirectoryEntryToData", true, false, NULL}, /* resources of a directory whose Size is 0 are there, too */
    {"RtlIsValidLocaleName", false, false, NULL},
    {"RtlLcidToLocaleName", true, false, NULL},
    {"RtlLocaleNameToLcid", false, false, NULL},
    {"RtlPcToFileHeader", true, false, NULL},
    {"RtlSetUnhandledExceptionFilter", false, false, NULL},
    {"RtlUserThreadStart", false, false, NULL},
    /* second chances are told by the host, not by a debugger program */
    {"SetUnhandledExceptionFilter", false, true, NULL},
    {"UnhandledExceptionFilter", false, true, NULL},
    /* Windows' refuses to release a part; Wine's kernelbase leaves that to its kernel, but NT's allows it */
    {"VirtualFree", false, true, NULL},
    {"VirtualFreeEx", false, true, NULL},
    {"wine_get_build_id", false, false, NULL},
    {"wine_get_host_version", false, false, NULL},
    {"wine_get_version", false, false, NULL},
};
enum { REPLACED_COUNT = sizeof table / sizeof *table };
static struct native_place places[REPLACED_COUNT];
static uint64_t replacement[REPLACED_COUNT]; /* address in ldr.dll, 0: it has none */
static struct ld_module *kernelbase;

uint64_t native_export(struct ld_module *module, const char *name)
{
    struct pe_export export;
    const struct pe_exports *exports = ld_exports(module, NULL);
    if (!exports || !pe_export_by_name(exports, name, (uint32_t)strlen(name), 0, &export) || export.forwarder)
        return 0;
    return module->base + export.rva.value;
}

/* The table is sorted: binary search. Most imports of ntdll are not in it, and its names share few first letters. */
static uint64_t redirect(struct loader *loader, const struct ld_module *exporter, const char *name, uint32_t length)
{
    (void)loader;
    if (exporter != native.ntdll) {
        if (name[0] != 'S' && name[0] != 'U' && name[0] != 'V')
            return 0;
        if (!kernelbase && !strcasecmp(exporter->name, "kernelbase.dll"))
            kernelbase = (struct ld_module *)(uintptr_t)exporter;
        if (exporter != kernelbase)
            return 0;
    }
    int low = 0, high = REPLACED_COUNT - 1;
    while (low <= high) {
        int middle = (low + high) / 2;
        int order = strncmp(table[middle].name, name, length);
        if (!order && table[middle].name[length])
            order = 1;
        if (!order)
            return table[middle].kernelbase == (exporter == kernelbase) ? replacement[middle] : 0;
        if (order < 0)
            low = middle + 1;
        else
            high = middle - 1;
    }
    return 0;
}

static bool refuse(struct ld_error *error, const char *text, const char *symbol)
{
    ld_fail(error, LD_BIND, native.ntdll, STATUS_INVALID_IMAGE_FORMAT, text);
    error->host = HOST_FAILED; /* the DLL set is at fault, not the program: exit status 125 */
    if (symbol)
        snprintf(error->symbol, sizeof error->symbol, "%s", symbol);
    return false;
}

/* A jump reaches 2 GiB: ldr.dll's preferred base lies just below ntdll's. */
enum { JUMP_SIZE = 5 };

static bool jump_write(uint8_t *code, uint64_t from, uint64_t target)
{
    int64_t distance = (int64_t)(target - (from + JUMP_SIZE));
    int32_t displacement = (int32_t)distance;
    if (sizeof(void *) == 8 && distance != displacement)
        return false;
    code[0] = 0xe9;
    memcpy(code + 1, &displacement, sizeof displacement);
    return true;
}

/* Does the function that begins at rva have room for the jump? Unwind data says where it ends; a leaf has none (nor has
 * any i386 function): then no byte but the last may be a return. */
static bool jump_fits(pe_rva rva)
{
    struct pe_function function;
    struct pe_error ignored = {0};
    struct pe_span code;
    if (pe_function_find(&native.ntdll->image, rva, &function, &ignored))
        return function.begin.value == rva.value && function.end.value - function.begin.value >= JUMP_SIZE;
    return pe_slice_rva(&native.ntdll->image, rva, JUMP_SIZE, &code) && !memchr(code.data, 0xc3, JUMP_SIZE - 1) &&
           !memchr(code.data, 0xc2, JUMP_SIZE - 1);
}

/* The same from an earlier run with this ntdll. */
static bool numbers_recall(void)
{
    unsigned count;
    const struct cache_call *calls = cache_calls(&count);
    const char *image = (const char *)native.ntdll->image.bytes.data;
    uint32_t size = native.ntdll->image.size_of_image;
    for (unsigned i = 0; calls && i < count; i++) {
        const struct cache_call *call = &calls[i];
        if (call->name >= size || call->name_length > size - call->name ||
            !nt_dispatch_bind_known(image + call->name, call->name_length, call->number, call->service))
            return false;
        native.services_total++;
        native.services_known += call->service != NT_NO_SERVICE;
    }
    return calls != NULL;
}

/* Every Nt* export whose first bytes are a system-call stub gives a number a name. */
static bool numbers_read(struct ld_error *error)
{
    const struct pe_exports *exports;
    static const char *const needed[] = {"NtClose", "NtContinue", "NtTerminateProcess", "NtAllocateVirtualMemory", "NtCreateFile"};
    struct pe_export export;
    if (numbers_recall())
        return true;
    exports = ld_exports(native.ntdll, NULL);
    native.services_total = native.services_known = 0;
    for (uint32_t i = 0; exports && i < exports->name_count; i++) {
        struct pe_span code;
        uint32_t number;
        if (!pe_export_name_at(exports, i, &export) || !export.name || export.forwarder)
            continue;
        if (!(export.name[0] == 'N' && export.name[1] == 't') && !(export.name[0] == '_' && export.name[1] == '_') &&
            memcmp(export.name, "wine_", 5))
            continue;
        if (pe_slice_rva(&native.ntdll->image, export.rva, NATIVE_STUB_BYTES, &code) && native_stub_number(code.data, &number)) {
            native.services_total++;
            native.services_known += nt_dispatch_bind(export.name, export.name_len, number);
        }
    }
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        struct pe_span code;
        uint32_t number;
        uint64_t address = native_export(native.ntdll, needed[i]);
        if (!address || !pe_slice_rva(&native.ntdll->image, pe_rva_at((uint32_t)(address - native.ntdll->base)), NATIVE_STUB_BYTES, &code) ||
            !native_stub_number(code.data, &number))
            return refuse(error, "this ntdll's system calls have a form that is not known", needed[i]);
    }
    return true;
}

/* Where ours and theirs are. False: one of theirs is too short for the jump. */
static bool places_find(struct ld_error *error)
{
    const struct native_place *known = cache_places(REPLACED_COUNT);
    if (known) {
        memcpy(places, known, sizeof places);
        return true;
    }
    for (int i = 0; i < REPLACED_COUNT; i++) {
        uint64_t ours = native_export(native.ldr, table[i].ours ? table[i].ours : table[i].name);
        uint64_t theirs = table[i].from_inside && ours ? native_export(native.ntdll, table[i].name) : 0;
        places[i] = (struct native_place){ours ? (uint32_t)(ours - native.ldr->base) : 0, theirs ? (uint32_t)(theirs - native.ntdll->base) : 0};
        if (theirs && !jump_fits(pe_rva_at(places[i].theirs)))
            return refuse(error, "a function of this ntdll is too short to be replaced", table[i].name);
    }
    return true;
}

const struct native_place *native_places(uint32_t *count)
{
    *count = REPLACED_COUNT;
    return places;
}

static bool functions_replace(struct ld_error *error)
{
    if (!places_find(error))
        return false;
    for (int i = 0; i < REPLACED_COUNT; i++) {
        if (places[i].ours >= native.ldr->image.size_of_image)
            return refuse(error, "the guest half does not hold what replaces a function of this ntdll", table[i].name);
        replacement[i] = places[i].ours ? native.ldr->base + places[i].ours : 0;
        if (!places[i].theirs) /* not called from inside; or an older or newer ntdll that does not have it */
            continue;
        pe_rva rva = pe_rva_at(places[i].theirs);
        uint64_t old = native.ntdll->base + rva.value;
        if (ld_module_writable(&native.loader, native.ntdll, rva, JUMP_SIZE))
            return refuse(error, "a function of this ntdll could not be replaced", table[i].name);
        if (!jump_write(native.loader.host->vm_at(native.loader.host, old, JUMP_SIZE), old, replacement[i]))
            return refuse(error, "the guest half lies too far from ntdll", table[i].name);
    }
    if (!ld_protect(&native.loader, native.ntdll, error))
        return false;
    native.loader.redirect = redirect;
    return true;
}

/* Cells of ntdll through which other modules reach the kernel. */
static bool cells_fill(uintptr_t unix_call, struct ld_error *error)
{
    const struct { const char *cell; uintptr_t target; } cells[] = {
        {"__wine_syscall_dispatcher", nt_process.dispatcher_entry},
        {"__wine_unix_call_dispatcher", unix_call},
    };
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        uint64_t at = native_export(native.ntdll, cells[i].cell);
        uintptr_t value = cells[i].target;
        if (!at || !value)
            continue;
        if (ld_module_writable(&native.loader, native.ntdll, pe_rva_at((uint32_t)(at - native.ntdll->base)), sizeof value))
            return refuse(error, "a cell of this ntdll could not be written", cells[i].cell);
        memcpy(native.loader.host->vm_at(native.loader.host, at, sizeof value), &value, sizeof value);
    }
    return true;
}

/* On i386 win32u has a cell of its own. Only it is asked: looking into the exports of all others costs a start first touches
 * of pages that nobody else wants. */
bool native_module_cells(struct loader *loader, struct ld_module *module)
{
    bool has = sizeof(void *) == 4 && !strcasecmp(module->name, "win32u.dll");
    uint64_t at = has ? native_export(module, "Wow64Transition") : 0;
    if (!at)
        return true;
    if (ld_module_writable(loader, module, pe_rva_at((uint32_t)(at - module->base)), sizeof(uintptr_t)))
        return false;
    memcpy(loader->host->vm_at(loader->host, at, sizeof(uintptr_t)), &nt_process.dispatcher_entry, sizeof(uintptr_t));
    return true;
}

static bool block_fill(struct ld_error *error)
{
    uint64_t block = native_export(native.ldr, "peload_host");
    uint64_t version = native_export(native.ntdll, "wine_get_version");
    if (!block || !version)
        return refuse(error, "not a Wine ntdll, or a guest half that does not belong to this program", NULL);
    native.block = native.loader.host->vm_at(native.loader.host, block, sizeof *native.block);
    native.block->dispatcher = (void *)nt_process.dispatcher_entry;
    native.block->build = nt_config.version_build;
    for (unsigned i = 0; i < native.ntdll->image.section_count; i++) {
        struct pe_section section;
        pe_section_at(&native.ntdll->image, i, &section);
        if (!strcmp(section.name, ".data")) {
            native.block->ntdll_data = (void *)(uintptr_t)(native.ntdll->base + section.rva.value);
            native.block->ntdll_data_size = section.size;
        }
    }
    nt_process.exception_entry = (uintptr_t)native_export(native.ntdll, "KiUserExceptionDispatcher");
    nt_process.apc_entry = (uintptr_t)native_export(native.ldr, "peload_apc");
    nt_process.control_entry = (uintptr_t)native_export(native.ldr, "peload_control");
    nt_process.thread_entry = (uintptr_t)native_export(native.ldr, "LdrInitializeThunk");
    nt_process.thread_start = (uintptr_t)native_export(native.ldr, "RtlUserThreadStart");
    if (!nt_process.exception_entry || !nt_process.apc_entry || !nt_process.thread_entry || !nt_process.thread_start)
        return refuse(error, "the guest half or ntdll lacks an entry point", NULL);
    return true;
}

/* Protects ntdll again at its end: the cells lie in data that only its own loader writes later. */
bool native_ntdll_connect(uintptr_t unix_call, struct ld_error *error)
{
    return numbers_read(error) && cells_fill(unix_call, error) && ld_protect(&native.loader, native.ntdll, error);
}

bool native_system_open(struct ld_error *error)
{
    char path[4200];
    native.ntdll = ld_load(&native.loader, "ntdll.dll", NULL, error);
    if (!native.ntdll)
        return false;
    snprintf(path, sizeof path, "%s/%s", native.options.companions, native_machine.guest_half);
    native.ldr = ld_load_path(&native.loader, path, error);
    return native.ldr && numbers_read(error) && functions_replace(error) &&
           cells_fill((uintptr_t)native_export(native.ldr, "peload_unix_call"), error) && block_fill(error);
}
