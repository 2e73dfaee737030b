/* How the native lane builds a process, in order:
 *
 *   1  kernel: the shared arena, process object and empty handle table; the address space, KUSER_SHARED_DATA
 *   2  the EXE's headers are foreseen; its preferred range is kept free, so that nothing else is put there first
 *   3  ntdll, the guest half, and what connects them (system-call numbers, replaced functions)
 *   4  kernel32, which Windows loads into every process, imported or not
 *   5  the EXE and all that it needs: mapped, relocated, bound, given TLS slots, protected
 *   6  first thread's object, PEB, TEB, stack with the EXE's own sizes
 *   7  parameters, module lists
 *   8  first thread: LdrInitializeThunk -> initialisers -> RtlUserThreadStart -> ImageBase + AddressOfEntryPoint
 *
 * Nothing of the guest runs before step 8. */
#include "loader/native/machine.h"
#include "loader/host/linux.h"
#include "loader/nt/arch.h"
#include "loader/nt/ex.h"
#include "loader/nt/ke.h"
#include "loader/nt/mm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

struct native native;

enum { BUILD = 19043 }; /* the Windows 10 that Wine's DLLs answer for */

static void stage_tell(enum native_stage stage)
{
    if (native.options.stage)
        native.options.stage(stage);
}

static bool kernel_open(struct ld_error *error)
{
    char *nls;
    const struct native_options *options = &native.options;
    if (asprintf(&nls, "%s/nls", options->dll_set) < 0 ||
        asprintf(&native.system_folder, "%s/%s", options->dll_set, native_machine.system_folder) < 0)
        return ld_fail_host(error, LD_START, NULL, HOST_NO_MEMORY, "no memory for the kernel of this lane");
    nt_config = (struct nt_config){
        .system_folder = native.system_folder,
        .nls_folder = nls,
        .drive_c = options->drive_c,
        .version_build = BUILD,
        .trace = options->trace_call,
        .missing = options->missing_call,
        .image_open = native_image_open,
        .image_map = native_image_map,
        .image_bytes = native_image_bytes,
        .finish = options->finish,
        .unhandled = options->unhandled,
        .spawn = native_spawn,
        .tell = options->tell,
        .ending = options->ending,
        .private_call = native_private_call,
    };
    nt_process.user_low = 0x10000;
    nt_process.user_high = native_machine.user_high;
    nt_process.dispatcher_entry = (uintptr_t)nt_arch_entry;
    snprintf(nt_process.image_path, sizeof nt_process.image_path, "%s", options->program);
    if (!nt_arena_open() || nt_ps_begin())
        return ld_fail_host(error, LD_START, NULL, HOST_FAILED, "the kernel of this lane could not be set up");
    stage_tell(NATIVE_OBJECT);
    if (!nt_mm_open() || !nt_ex_user_shared_data_open() || !nt_trap_open())
        return ld_fail_host(error, LD_START, NULL, HOST_FAILED, "the kernel of this lane could not be set up");
    stage_tell(NATIVE_SPACE);
    struct host *host = nt_mm_host(host_linux_open());
    if (!host)
        return ld_fail_host(error, LD_START, NULL, HOST_NO_MEMORY, "no memory for the host");
    native.loader.host = host;
    native.loader.trace = options->trace;
    native.loader.machine = native_machine.number;
    native.loader.user_limit = native_machine.user_high;
    native.loader.missing = options->missing;
    if (options->stub_missing)
        native.loader.substitute = native_stub;
    native.loader.known_folder = native.system_folder;
    native.loader.lane = &native;
    if (getrandom(&native.loader.random, sizeof native.loader.random, 0) < 0)
        native.loader.random = nt_time_now(); /* an early kernel without entropy: better than the file's cookies */
    return native_search_open(error);
}

/* The API-set schema, which the guest sees through PEB.ApiSetMap and find through the loader. */
static bool api_sets_open(struct ld_error *error, void **map)
{
    char path[4200];
    void *base;
    size_t size;
    struct pe_error pe = {0};
    snprintf(path, sizeof path, "%s/apisetschema.dll", native.system_folder);
    *map = NULL;
    if (nt_mm_map_file(path, &base, &size))
        return true; /* a set without one: names are taken as they are */
    if (!pe_open(&native.api_sets, (struct pe_span){base, size}, PE_FORM_FILE, &pe))
        return ld_fail_pe(error, LD_OPEN, NULL, &pe);
    for (unsigned i = 0; i < native.api_sets.section_count; i++) {
        struct pe_section section;
        pe_section_at(&native.api_sets, i, &section);
        if (!strcmp(section.name, ".apiset"))
            *map = (char *)base + section.raw_off.value;
    }
    native.loader.apisets = &native.api_sets;
    return true;
}

/* What of the EXE's headers must be known before anything else is mapped. Its preferred range is reserved, or the lowest one
 * where it has none that can be had, so that steps 3 and 4 stay out of it (*base 0: nothing is). False: it cannot run. */
static bool program_foresee(uint64_t *base, uint64_t *size, struct ld_error *error)
{
    struct host *host = native.loader.host;
    struct host_file file;
    struct pe_image image;
    struct pe_error ignored = {0};
    *base = 0;
    if (ld_source_open(host, native.options.program, &file, &image, &ignored))
        return true; /* the load proper tells why */
    bool good = ignored.code == PE_OK;
    bool managed = good && image.directory[PE_DIRECTORY_COM_DESCRIPTOR].rva.value && image.directory[PE_DIRECTORY_COM_DESCRIPTOR].size;
    if (good) {
        *base = image.image_base.value ? image.image_base.value : LD_GRANULARITY;
        *size = image.size_of_image;
        if (host->vm_reserve(host, base, *size, 0)) {
            *base = LD_GRANULARITY;
            if (host->vm_reserve(host, base, *size, 0))
                *base = 0;
        }
    }
    /* Above 2 GiB only who says that he can: Linux has this program itself and its stack at the very top. */
    if (good && !image.is_64 && image.characteristics & PE_FILE_LARGE_ADDRESS_AWARE)
        native.loader.user_limit = nt_process.user_high = (uintptr_t)0xdfff0000;
    if (good && !image.is_64 && !(image.dll_characteristics & PE_DLLCHAR_NX_COMPAT))
        nt_ex_data_executes();
    host->file_close(host, &file);
    /* Windows without .NET says the same: mscoree.dll, which starts such a program, is not there. */
    return !managed || ld_fail(error, LD_OPEN, NULL, LD_STATUS_DLL_NOT_FOUND,
                               "a .NET program: it needs the Common Language Runtime, which is not here");
}

/* A program for another machine is told before anything is built for it. */
static bool program_check(struct ld_error *error)
{
    struct stat status;
    if (stat(native.options.program, &status))
        return ld_fail_host(error, LD_FIND, NULL, HOST_NOT_FOUND, "no such file");
    if (S_ISDIR(status.st_mode))
        return ld_fail_host(error, LD_FIND, NULL, HOST_NOT_A_FILE, "a directory, not a program");
    return true;
}

static bool stack_and_objects(struct ld_error *error, void *api_set_map)
{
    const struct pe_image *image = &native.main->image;
    NTSTATUS status = nt_ps_open(image->stack_reserve, image->stack_commit);
    if (!status) {
        nt_process.peb->api_set_map = api_set_map;
        native_image_facts(image, &nt_main_image);
        nt_main_image.entry_point = (void *)(uintptr_t)(native.main->base + image->entry.value);
        status = native_parameters_fill();
    }
    if (!status && !native.options.reference && !native_lists_build())
        status = STATUS_NO_MEMORY;
    return !status || ld_fail(error, LD_START, native.main, status, "process and first thread could not be made");
}

/* What follows has rooms for paths on the stack, one below the other: their pages by one call rather than a first touch each. */
static void stack_take(void)
{
    enum { BYTES = 0xa000, POPULATE_WRITE = 23 }; /* MADV_POPULATE_WRITE; a kernel before 5.14 refuses it, and no harm is done */
    uintptr_t end = (uintptr_t)__builtin_frame_address(0) & ~(uintptr_t)0xfff;
    madvise((void *)(end - BYTES), BYTES, POPULATE_WRITE);
}

bool native_prepare(const struct native_options *options, struct ld_error *error)
{
    void *api_set_map;
    uint64_t kept, size = 0;
    native.options = *options;
    stack_take();
    if (!program_check(error) || !kernel_open(error) || !program_foresee(&kept, &size, error) || !api_sets_open(error, &api_set_map))
        return false;
    struct host *host = native.loader.host;
    if (!options->reference)
        native_cache_open();
    bool system = options->reference ? native_reference_open(error) : native_system_open(error);
    if (system && !options->reference) {
        native.kernel32 = ld_load(&native.loader, "kernel32.dll", NULL, error);
        system = native.kernel32 != NULL;
    }
    if (kept)
        host->vm_release(host, kept, size);
    if (!system) { /* not the program's fault, whatever it was */
        error->host = HOST_FAILED;
        return false;
    }
    native.loader.occupy = options->occupy;
    if (options->reference)
        native_reference_program(error);
    else
        native.main = ld_load_path(&native.loader, options->program, error);
    native.loader.occupy = false;
    if (!native.main)
        return false;
    if (native.loader.missing_count) /* --check: everything is told, nothing may start */
        return true;
    for (struct ld_module *module = native.loader.first; module; module = module->next) {
        module->is_static = true;
        module->references = -1;
    }
    stage_tell(NATIVE_IMAGE);
    if (!options->reference)
        native_cache_keep();
    return stack_and_objects(error, api_set_map);
}

void native_start(void)
{
    struct ld_module *main = native.main;
    /* AddressOfEntryPoint 0 in an EXE means the image's first byte, as Windows takes it. */
    uintptr_t entry = (uintptr_t)(main->base + main->image.entry.value);
    LD_TRACE(native.loader.trace, LD_START, .verb = "thread", .module = main->name, .address = entry, .from = main->base,
             .count = nt_process.id, .detail = "first thread, ImageBase + AddressOfEntryPoint");
    nt_ps_control_open();
    stage_tell(NATIVE_THREAD);
    nt_ps_run(entry);
}
