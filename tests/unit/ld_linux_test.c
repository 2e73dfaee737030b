/* host/linux: files by any spelling, address ranges, rights that the processor enforces; and a real graph on it. */
#include "ld_process.h"

#include "loader/host/linux/linux.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/peload-host-XXXXXX";
static struct host *host;

static int open_host(void **state)
{
    (void)state;
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    host = host_linux_open();
    return host && mkdtemp(folder) ? 0 : -1;
}

static int close_host(void **state)
{
    char command[64];
    (void)state;
    host_linux_close(host);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

static void write_file(const char *name, const void *bytes, size_t size)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static const char *found(const char *name)
{
    static char path[256];
    enum host_result result = host->file_find(host, folder, name, path, sizeof(path));
    if (result != HOST_OK)
        return host_result_text(result);
    assert_memory_equal(path, folder, strlen(folder));
    return path + strlen(folder) + 1;
}

static void files_are_found_in_any_case(void **state)
{
    char path[256], short_room[8];
    (void)state;
    write_file("lower.dll", "1", 1);
    write_file("Mixed.Dll", "2", 1);
    write_file("twice.dll", "3", 1);
    write_file("TWICE.DLL", "4", 1);
    assert_string_equal(found("lower.dll"), "lower.dll");
    assert_string_equal(found("LOWER.dll"), "lower.dll");
    assert_string_equal(found("mixed.dll"), "Mixed.Dll");
    assert_string_equal(found("MIXED.DLL"), "Mixed.Dll");
    assert_string_equal(found("twice.dll"), "twice.dll");
    assert_string_equal(found("TWICE.DLL"), "TWICE.DLL");
    assert_string_equal(found("none.dll"), "no such file");
    assert_string_equal(found("sub/lower.dll"), "no such file");
    assert_int_equal(host->file_find(host, folder, "lower.dll", short_room, sizeof(short_room)), HOST_NOT_FOUND);
    assert_int_equal(host->file_find(host, "/nowhere/at/all", "lower.dll", path, sizeof(path)), HOST_NOT_FOUND);
    assert_int_equal(host->file_find(host, "/proc/self/exe", "lower.dll", path, sizeof(path)), HOST_NOT_FOUND);

    /* The listing is kept, but never believed against the folder: new files appear, removed ones go, at once and
     * after the listing has become trusted. */
    for (unsigned round = 0; round < 2; round++) {
        assert_string_equal(found("LATER.DLL"), "no such file");
        write_file("Later.dll", "5", 1);
        assert_string_equal(found("LATER.DLL"), "Later.dll");
        snprintf(path, sizeof(path), "%s/Later.dll", folder);
        assert_int_equal(unlink(path), 0);
        assert_string_equal(found("LATER.DLL"), "no such file");
        usleep(40000);
        assert_string_equal(found("mIXED.dll"), "Mixed.Dll");
        assert_string_equal(found("TWICE.DLL"), "TWICE.DLL");
        assert_string_equal(found("twice.dll"), "twice.dll");
    }
}

static void files_are_opened_or_refused(void **state)
{
    struct host_file file, same;
    char path[256], other[256];
    (void)state;
    write_file("five", "12345", 5);
    write_file("none", "", 0);
    snprintf(path, sizeof(path), "%s/five", folder);
    snprintf(other, sizeof(other), "%s/link", folder);
    assert_int_equal(host->file_open(host, path, &file), HOST_OK);
    assert_int_equal(file.size, 5);
    assert_int_equal(file.there, 5);
    assert_memory_equal(file.bytes, "12345", 5);
    char part[3] = "";
    assert_int_equal(host->file_read(host, &file, 2, part, 2), HOST_OK);
    assert_string_equal(part, "34");
    assert_int_equal(host->file_read(host, &file, 4, part, 2), HOST_FAILED); /* more than there is */
    assert_int_equal(link(path, other), 0);
    assert_int_equal(host->file_open(host, other, &same), HOST_OK);
    assert_int_equal(same.serial, file.serial);
    assert_int_equal(same.device, file.device);
    host->file_close(host, &same);
    host->file_close(host, &file);

    snprintf(path, sizeof(path), "%s/none", folder);
    assert_int_equal(host->file_open(host, path, &file), HOST_OK);
    assert_int_equal(file.size, 0);
    assert_non_null(file.bytes);
    host->file_close(host, &file);

    assert_int_equal(host->file_open(host, folder, &file), HOST_NOT_A_FILE);
    snprintf(path, sizeof(path), "%s/pipe", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(host->file_open(host, path, &file), HOST_NOT_A_FILE); /* and does not wait for a writer */
    snprintf(path, sizeof(path), "%s/absent", folder);
    assert_int_equal(host->file_open(host, path, &file), HOST_NOT_FOUND);
    snprintf(path, sizeof(path), "%s/five", folder);
    assert_int_equal(chmod(path, 0), 0);
    assert_int_equal(host->file_open(host, path, &file), geteuid() == 0 ? HOST_OK : HOST_DENIED);
    if (geteuid() == 0)
        host->file_close(host, &file);
}

/* In a child, because the answer may be a signal. 0: no fault. */
static int fault_of_access(uint64_t address, bool write)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        volatile uint8_t *byte = (uint8_t *)(uintptr_t)address;
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        if (write)
            *byte = 1;
        else
            (void)*byte;
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void memory_obeys(void **state)
{
    uint64_t base = 0, again;
    struct host_file file;
    char path[256];
    uint8_t bytes[0x2100];
    (void)state;
    memset(bytes, 0x5a, sizeof(bytes));
    write_file("map", bytes, sizeof(bytes));
    snprintf(path, sizeof(path), "%s/map", folder);
    assert_int_equal(host->vm_reserve(host, &base, 0x13000, 0), HOST_OK);
    assert_int_equal(base % 0x10000, 0);
    assert_int_equal(fault_of_access(base, false), SIGSEGV);
    again = base + 0x10000;
    assert_int_equal(host->vm_reserve(host, &again, 0x10000, 0), HOST_TAKEN);
    again = base - 0x10000;
    assert_int_equal(host->vm_reserve(host, &again, 0x11000, 0), HOST_TAKEN);
    again = 0xffff800000000000;
    assert_int_equal(host->vm_reserve(host, &again, 0x10000, 0), HOST_TAKEN);
    again = 0;
    assert_int_equal(host->vm_reserve(host, &again, 0x10000, 0x7fff0000), HOST_OK);
    assert_true(again + 0x10000 <= 0x7fff0000);
    host->vm_release(host, again, 0x10000);

    assert_int_equal(host->file_open(host, path, &file), HOST_OK);
    assert_int_equal(host->vm_map(host, base, 0x3000, &file, 0, HOST_READ), HOST_OK);
    assert_int_equal(host->vm_commit(host, base + 0x3000, 0x2000, HOST_READ | HOST_WRITE), HOST_OK);
    host->file_close(host, &file);
    uint8_t *at = host->vm_at(host, base, 0x13000);
    assert_memory_equal(at, bytes, sizeof(bytes));
    assert_int_equal(at[0x2100], 0); /* behind the file's end, in its last page */
    assert_int_equal(at[0x3000], 0);
    at[0x4fff] = 1;
    assert_int_equal(fault_of_access(base + 0x1000, true), SIGSEGV);
    assert_int_equal(fault_of_access(base + 0x5000, false), SIGSEGV);
    assert_int_equal(host->vm_protect(host, base + 0x1000, 0x1000, HOST_READ | HOST_WRITE), HOST_OK);
    at[0x1000] = 0x77;
    assert_int_equal(host->vm_protect(host, base + 0x1000, 0x1000, 0), HOST_OK);
    assert_int_equal(fault_of_access(base + 0x1000, false), SIGSEGV);
    assert_int_equal(host->file_open(host, path, &file), HOST_OK); /* a private copy: the file kept its byte */
    assert_int_equal(file.bytes[0x1000], 0x5a);
    host->file_close(host, &file);
    assert_int_equal(unlink(path), 0);
    write_file("map", bytes, sizeof(bytes)); /* another one, of which no view is kept */
    assert_int_equal(host->file_open_part(host, path, &file), HOST_OK);
    assert_true(file.there < file.size && file.size == sizeof(bytes));
    assert_memory_equal(file.bytes, bytes, file.there);
    assert_int_equal(host->file_view(host, &file), HOST_OK);
    assert_int_equal(file.there, sizeof(bytes));
    assert_memory_equal(file.bytes, bytes, sizeof(bytes));
    host->file_close(host, &file);
    host->vm_release(host, base, 0x13000);
    assert_int_equal(fault_of_access(base, false), SIGSEGV);
    uint64_t before = host->clock(host);
    usleep(1000);
    assert_true(host->clock(host) - before >= 1000000);
}

/* A whole made graph on the real machine: the same phases, the same slots. */
static void graph_on_the_real_machine(void **state)
{
    struct process process = {0};
    const char *const search[] = {folder, NULL};
    char path[256];
    (void)state;
    process.trace = (struct ld_trace){.mask = ~0u, .sink = process_hears, .context = &process};
    process.loader = (struct loader){.host = host, .trace = &process.trace, .search = search, .occupy = true};
    struct ld_made exe = ld_make(&(struct ld_make){.is_exe = true, .base = 0x6fe000000000, .pointers = 600, .with_tls = true,
                                                   .imports = {{"LIBRARY", {"two", "away"}}}});
    struct ld_made dll = ld_make(&(struct ld_make){.base = 0x6fe000000000, .file_alignment = 0x1000, .pointers = 9,
                                                   .exports = {{"away", "Target.#10"}, {"two", 0}}});
    struct ld_made target = ld_make(&(struct ld_make){.base = 0x6fd000000000, .exports = {{"f", 0}}});
    write_file("main.exe", exe.bytes, exe.size);
    write_file("Library.dll", dll.bytes, dll.size);
    write_file("target.DLL", target.bytes, target.size);
    snprintf(path, sizeof(path), "%s/main.exe", folder);
    struct ld_module *module = ld_load_path(&process.loader, path, &process.error);
    assert_non_null(module);
    assert_true(module->moved);
    struct ld_module *library = ld_module_by_name(&process.loader, "library.dll");
    assert_string_equal(library->name, "LIBRARY.dll"); /* as the import spells it */
    assert_int_equal(process.loader.count, 3);
    const uint64_t *slots = host->vm_at(host, module->base + exe.iat, 16);
    assert_int_equal(slots[0], library->base + 0x1010);
    assert_int_equal(slots[1], 0x6fd000001000);
    const uint64_t *pointers = host->vm_at(host, module->base + exe.data, 4800);
    for (unsigned i = 0; i < 600; i++)
        assert_int_equal(pointers[i], module->base + 0x1000 + 8 * (i % 32));
    assert_int_equal(fault_of_access(module->base + exe.iat, true), SIGSEGV);
    assert_int_equal(fault_of_access(module->base + 0x1000, true), SIGSEGV);
    assert_int_equal(fault_of_access(module->base + exe.data, true), 0);
    uint64_t base = module->base;
    while (process.loader.last)
        ld_module_free(&process.loader, process.loader.last);
    assert_int_equal(fault_of_access(base, false), SIGSEGV);
    free(exe.bytes);
    free(dll.bytes);
    free(target.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_are_found_in_any_case, open_host, close_host),
        cmocka_unit_test_setup_teardown(files_are_opened_or_refused, open_host, close_host),
        cmocka_unit_test_setup_teardown(memory_obeys, open_host, close_host),
        cmocka_unit_test_setup_teardown(graph_on_the_real_machine, open_host, close_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
