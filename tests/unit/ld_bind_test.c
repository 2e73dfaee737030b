/* bind: names, hints, ordinals, forwarders, what is missing; and every slot of a real program looked up backwards. */
#include "ld_process.h"

#include <sys/stat.h>

static struct ld_module *load(struct process *process, const char *name)
{
    return ld_load(&process->loader, name, NULL, &process->error);
}

static void missing_functions_are_told(void **state)
{
    struct process process;
    (void)state;
    process_open(&process);
    process_add(&process, "/app/b.dll", &(struct ld_make){.exports = {{"a", 0}, {"c", 0}}, .pointers = 1});
    process_add(&process, "/app/name.dll", &(struct ld_make){.imports = {{"b", {"a", "bee", "c"}}}});
    process_add(&process, "/app/ordinal.dll", &(struct ld_make){.imports = {{"b", {"#10", "#12"}}}});
    process_add(&process, "/app/below.dll", &(struct ld_make){.imports = {{"b", {"#9"}}}});
    process_add(&process, "/app/none.dll", &(struct ld_make){.imports = {{"below", {"f"}}}, .pointers = 1});

    assert_null(load(&process, "name"));
    assert_int_equal(process.error.ntstatus, 0xc0000139u); /* STATUS_ENTRYPOINT_NOT_FOUND */
    assert_int_equal(process.error.phase, LD_BIND);
    assert_string_equal(process.error.module, "b.dll");
    assert_string_equal(process.error.symbol, "bee");
    assert_string_equal(process.error.needed_by, "name.dll");
    process_is_empty(&process);
    assert_null(load(&process, "ordinal"));
    assert_int_equal(process.error.ntstatus, 0xc0000138u); /* STATUS_ORDINAL_NOT_FOUND */
    assert_string_equal(process.error.symbol, "#12");
    assert_null(load(&process, "below"));
    assert_string_equal(process.error.symbol, "#9");
    process_is_empty(&process);
    process_close(&process);
}

static struct ld_error collected[8];

static void collect(struct loader *loader, const struct ld_error *error)
{
    assert_true(loader->missing_count >= 1 && loader->missing_count <= 8);
    collected[loader->missing_count - 1] = *error;
}

/* run --check: everything that is missing is told at once, DLLs and functions. */
static void missing_things_are_collected(void **state)
{
    struct process process;
    (void)state;
    process_open(&process);
    process_add(&process, "/app/b.dll", &(struct ld_make){.exports = {{"a", 0}, {"w", "gone.f"}}, .imports = {{"lost", {"f"}}},
                                                          .pointers = 1});
    process_add(&process, "/app/a.exe", &(struct ld_make){
        .is_exe = true, .imports = {{"gone", {"f", "g"}}, {"b", {"x", "a", "#77", "w"}}}});
    process.loader.missing = collect;
    struct ld_module *exe = ld_load_path(&process.loader, "/app/a.exe", &process.error);
    assert_non_null(exe);
    static const struct {
        const char *module, *symbol, *needed_by;
    } rows[] = {{"gone.dll", "", "a.exe"}, {"lost.dll", "", "b.dll"}, {"b.dll", "x", "a.exe"}, {"b.dll", "#77", "a.exe"},
                {"gone.dll", "w", "b.dll"}};
    assert_int_equal(process.loader.missing_count, 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_string_equal(collected[i].module, rows[i].module);
        assert_string_equal(collected[i].symbol, rows[i].symbol);
        assert_string_equal(collected[i].needed_by, rows[i].needed_by);
    }
    assert_int_equal(exe->imports, 1);
    assert_int_equal(exe->need_count, 1);
    process_close(&process);
}

/* The IAT serves as lookup table where there is no other, as in files of old linkers. */
static void lookup_table_may_be_missing(void **state)
{
    struct process process;
    (void)state;
    for (unsigned is_32 = 0; is_32 < 2; is_32++) {
        process_open(&process);
        process_add(&process, "/app/b.dll", &(struct ld_make){.is_32 = is_32, .exports = {{"a", 0}, {"c", 0}, {"d", 0}},
                                                              .pointers = 1});
        const struct ld_made *made = process_add(&process, "/app/a.dll", &(struct ld_make){
            .is_32 = is_32, .without_lookup = true, .imports = {{"b", {"d", "a", "#11"}}}});
        struct ld_module *a = load(&process, "a"), *b = ld_module_by_name(&process.loader, "b.dll");
        assert_non_null(a);
        static const uint32_t wanted[] = {0x1020, 0x1000, 0x1010};
        for (unsigned i = 0; i < 3; i++) {
            uint64_t slot = image_u64(&process, a, made->iat + i * (is_32 ? 4 : 8));
            assert_int_equal(is_32 ? (uint32_t)slot : slot, b->base + wanted[i]);
        }
        /* The read-only section of the IAT is read-only again. */
        assert_int_equal(sim_rights(process.host, a->base + made->iat), HOST_READ);
        process_close(&process);
    }
}

/* What an earlier run is said to have found. The one module of which it is asked imports two functions of b.dll. */
static struct {
    struct ld_module *targets[2];
    struct ld_binding_run runs[2];
    uint32_t rvas[2];
    uint8_t indexes[2];
    uint16_t needs[1];
    struct ld_bindings bindings;
} memory;

static bool recall(struct loader *loader, struct ld_module *module, struct ld_bindings *found)
{
    if (!ld_name_equal(module->name, "a.dll"))
        return false;
    memory.targets[0] = ld_module_by_name(loader, "b.dll");
    memory.targets[1] = NULL; /* not loaded */
    *found = memory.bindings;
    return true;
}

/* Every number is held against the images: what does not fit is looked up as if nothing were known. */
static void false_memory_costs_a_look_up(void **state)
{
    enum { RIGHT, RUN_BEYOND, RUN_WRAPS, SLOT_IN_NO_MEMORY, TOO_FEW, TOO_MANY, NO_SUCH_TARGET, NOT_LOADED, RVA_BEYOND, NO_SUCH_NEED, WAYS };
    (void)state;
    for (unsigned way = RIGHT; way < WAYS; way++) {
        struct process process;
        process_open(&process);
        process.trace.mask &= ~(1u << LD_BIND);
        process_add(&process, "/app/b.dll", &(struct ld_make){.exports = {{"a", 0}, {"c", 0}, {"d", 0}}, .pointers = 1});
        const struct ld_made *made = process_add(&process, "/app/a.dll", &(struct ld_make){.imports = {{"b", {"d", "a"}}}});
        process.loader.recall = recall;
        memory.runs[0] = (struct ld_binding_run){made->iat, 2};
        memory.rvas[0] = 0x1004, memory.rvas[1] = 0x1008; /* not what a look-up would find */
        memory.indexes[0] = memory.indexes[1] = 0;
        memory.needs[0] = 0;
        memory.bindings = (struct ld_bindings){.targets = memory.targets, .target_count = 2, .runs = memory.runs, .run_count = 1,
            .slot_count = 2, .rvas = memory.rvas, .indexes = memory.indexes, .needs = memory.needs, .need_count = 1};
        switch (way) {
        case RUN_BEYOND: memory.runs[0].slot = 0xffffff8; break;
        case RUN_WRAPS: memory.runs[0] = (struct ld_binding_run){0xfffffff8, 2}; break;
        case SLOT_IN_NO_MEMORY: memory.runs[0].count = 0x20000000; break;
        case TOO_FEW: memory.bindings.slot_count = 1; break;
        case TOO_MANY: memory.runs[0].count = 1; break;
        case NO_SUCH_TARGET: memory.indexes[1] = 2; break;
        case NOT_LOADED: memory.indexes[1] = 1; break;
        case RVA_BEYOND: memory.rvas[1] = 0x7fffffff; break;
        case NO_SUCH_NEED: memory.needs[0] = 2; break;
        }
        struct ld_module *a = load(&process, "a"), *b = ld_module_by_name(&process.loader, "b.dll");
        assert_non_null(a);
        assert_int_equal(a->imports, 2);
        assert_int_equal(a->need_count, 1);
        assert_ptr_equal(a->needs[0], b);
        assert_int_equal(image_u64(&process, a, made->iat), b->base + (way == RIGHT ? 0x1004 : 0x1020));
        assert_int_equal(image_u64(&process, a, made->iat + 8), b->base + (way == RIGHT ? 0x1008 : 0x1000));
        process_close(&process);
    }
}

static void forwarders_are_followed(void **state)
{
    struct process process;
    (void)state;
    process_open(&process);
    process_add(&process, "/app/f.dll", &(struct ld_make){.pointers = 1, .exports = {
        {"byname", "g.gee"}, {"byordinal", "g.#11"}, {"chain", "h.hop"}, {"dotted", "with.dots.dll.f"}, {"self", "f.zed"},
        {"zed", 0}}});
    process_add(&process, "/app/g.dll", &(struct ld_make){.base = 0x190000000, .exports = {{"gee", 0}, {"other", 0}}});
    process_add(&process, "/app/h.dll", &(struct ld_make){.base = 0x1a0000000, .exports = {{"hop", "g.other"}}});
    process_add(&process, "/app/with.dots.dll", &(struct ld_make){.base = 0x1b0000000, .exports = {{"f", 0}}});
    process_add(&process, "/app/user.dll", &(struct ld_make){
        .base = 0x1c0000000, .imports = {{"f", {"byname", "byordinal", "chain", "dotted", "self", "#11"}}}});
    struct ld_module *user = load(&process, "user");
    assert_non_null(user);
    static const uint64_t wanted[] = {0x190001000, 0x190001010, 0x190001010, 0x1b0001000, 0x180001050, 0x190001010};
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(image_u64(&process, user, process.files[4].iat + 8 * i), wanted[i]);

    /* Who is sent on depends on where it was sent: f (imported), g, h and with.dots (forwarded to). */
    assert_int_equal(user->need_count, 4);
    assert_int_equal(ld_module_by_name(&process.loader, "f.dll")->need_count, 0);
    assert_int_equal(ld_module_by_name(&process.loader, "g.dll")->references, 1);
    process_close(&process);
}

/* GetProcAddress on a forwarder loads what it needs, and the DLL that was asked holds it from then on. */
static void symbols_of_a_running_process(void **state)
{
    struct process process;
    struct ld_module *list[8];
    (void)state;
    process_open(&process);
    process_add(&process, "/app/f.dll", &(struct ld_make){.pointers = 1, .exports = {{"away", "g.gee"}, {"here", 0}, {"lost", "no.f"}}});
    process_add(&process, "/app/g.dll", &(struct ld_make){.base = 0x190000000, .exports = {{"gee", 0}}});
    struct ld_module *f = load(&process, "f");
    assert_int_equal(ld_symbol(&process.loader, f, "here", 4, 0, &process.error), 0x180001010);
    assert_int_equal(ld_symbol(&process.loader, f, NULL, 0, 11, &process.error), 0x180001010);
    assert_int_equal(process.loader.count, 1);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(ld_symbol(&process.loader, f, "away", 4, 0, &process.error), 0x190001000);
    struct ld_module *g = ld_module_by_name(&process.loader, "g.dll");
    assert_int_equal(g->state, LD_READY);
    assert_int_equal(g->references, 1);
    assert_int_equal(ld_order(&process.loader, f, list, 8), 2);
    assert_ptr_equal(list[0], g);

    assert_int_equal(ld_symbol(&process.loader, f, "lost", 4, 0, &process.error), 0);
    assert_string_equal(process.error.module, "no.dll");
    assert_string_equal(process.error.symbol, "lost");
    assert_int_equal(ld_symbol(&process.loader, f, "her", 3, 0, &process.error), 0);
    assert_int_equal(process.error.ntstatus, 0xc0000139u);
    assert_string_equal(process.error.needed_by, "");
    assert_int_equal(ld_unload_plan(&process.loader, f, list, 8), 2);
    process_close(&process);
}

static void forwarder_loops_are_refused(void **state)
{
    struct process process;
    (void)state;
    process_open(&process);
    process_add(&process, "/app/p.dll", &(struct ld_make){.pointers = 1, .exports = {{"a", "q.b"}, {"self", "p.self"}}});
    process_add(&process, "/app/q.dll", &(struct ld_make){.base = 0x190000000, .exports = {{"b", "p.#10"}}});
    process_add(&process, "/app/user.dll", &(struct ld_make){.base = 0x1a0000000, .imports = {{"p", {"a"}}}});
    process_add(&process, "/app/user2.dll", &(struct ld_make){.base = 0x1a0000000, .imports = {{"p", {"self"}}}});
    assert_null(load(&process, "user"));
    assert_int_equal(process.error.ntstatus, 0xc0000139u);
    assert_string_equal(process.error.text, "the forwarders form a loop");
    assert_string_equal(process.error.symbol, "p.dll!a > q.dll!b > p.dll!#10 > q.dll!b");
    assert_string_equal(process.error.needed_by, "user.dll");
    process_is_empty(&process);
    assert_null(load(&process, "user2"));
    assert_string_equal(process.error.symbol, "p.dll!self > p.dll!self");
    process_is_empty(&process);

    /* Not a loop, but longer than any that a linker makes. */
    static const char *const forwards[] = {"c00.f", "c01.f", "c02.f", "c03.f", "c04.f", "c05.f", "c06.f", "c07.f", "c08.f",
                                           "c09.f", "c10.f", "c11.f", "c12.f", "c13.f", "c14.f", "c15.f", "c16.f", "c17.f"};
    for (unsigned i = 0; i < 17; i++) {
        char path[24];
        snprintf(path, sizeof(path), "/app/c%02u.dll", i);
        process_add(&process, path, &(struct ld_make){.pointers = 1, .exports = {{"f", i < 16 ? forwards[i + 1] : NULL}}});
    }
    process_add(&process, "/app/user3.dll", &(struct ld_make){.base = 0x1a0000000, .imports = {{"c00", {"f"}}}});
    process_add(&process, "/app/user4.dll", &(struct ld_make){.base = 0x1b0000000, .imports = {{"c02", {"f"}}}});
    assert_null(load(&process, "user3"));
    assert_string_equal(process.error.text, "the chain of forwarders is too long");
    process_is_empty(&process);
    assert_non_null(load(&process, "user4"));
    process_close(&process);
}

static void odd_forwarders_are_refused(void **state)
{
    struct process process;
    static const char *const texts[] = {"nodot", ".name", "g.", "g.#", "g.#x1", "g.#123456", ""};
    (void)state;
    process_open(&process);
    struct ld_make make = {.pointers = 1};
    for (unsigned i = 0; i < 7; i++)
        make.exports[i] = (struct ld_make_export){(const char *const[]){"e0", "e1", "e2", "e3", "e4", "e5", "e6"}[i], texts[i]};
    process_add(&process, "/app/f.dll", &make);
    process_add(&process, "/app/g.dll", &(struct ld_make){.base = 0x190000000, .exports = {{"gee", 0}}});
    struct ld_module *f = load(&process, "f");
    for (unsigned i = 0; i < 7; i++) {
        char name[3] = {'e', (char)('0' + i), 0};
        assert_int_equal(ld_symbol(&process.loader, f, name, 2, 0, &process.error), 0);
        assert_int_equal(process.error.ntstatus, 0xc0000139u);
        assert_string_equal(process.error.symbol, name);
    }
    process_close(&process);
}

static uint64_t redirect(struct loader *loader, const struct ld_module *exporter, const char *name, uint32_t len)
{
    (void)loader;
    return strcmp(exporter->name, "g.dll") == 0 && len == 3 && memcmp(name, "gee", 3) == 0 ? 0x12340000 : 0;
}

/* A lane's own function goes before the export, behind a forwarder too. */
static void redirection_comes_first(void **state)
{
    struct process process;
    (void)state;
    process_open(&process);
    process.loader.redirect = redirect;
    process_add(&process, "/app/f.dll", &(struct ld_make){.pointers = 1, .exports = {{"gee", "g.gee"}, {"other", 0}}});
    process_add(&process, "/app/g.dll", &(struct ld_make){.base = 0x190000000, .exports = {{"gee", 0}, {"hee", 0}}});
    process_add(&process, "/app/u.dll", &(struct ld_make){.base = 0x1a0000000, .imports = {{"f", {"gee", "other"}}, {"g", {"gee", "hee"}}}});
    struct ld_module *u = load(&process, "u");
    uint32_t iat = process.files[2].iat;
    assert_int_equal(image_u64(&process, u, iat), 0x12340000);
    assert_int_equal(image_u64(&process, u, iat + 8), 0x180001010);
    const struct told *hee = process_told(&process, LD_BIND, "bound", "u.dll");
    while (strcmp(hee->name, "hee") != 0)
        hee++;
    assert_int_equal(hee->address, 0x190001010);
    assert_int_equal(image_u64(&process, u, (uint32_t)(hee->from - u->base)), 0x190001010);
    assert_int_equal(image_u64(&process, u, (uint32_t)(hee->from - u->base) - 8), 0x12340000);
    process_close(&process);
}

/* ---- A real program, proved backwards with objdump ---- */

static bool set_file(char *path, size_t room, const char *name)
{
    const char *cache = getenv("PELOAD_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    struct stat status;
    if (cache)
        snprintf(path, room, "%s/current/x86_64-windows/%s", cache, name);
    else
        snprintf(path, room, "%s%s/peload/current/x86_64-windows/%s", xdg ? xdg : home ? home : "", xdg ? "" : "/.cache", name);
    return stat(path, &status) == 0;
}

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

struct listed {
    char module[32], name[64]; /* name "" : by ordinal only, or a forwarder's line */
    uint32_t rva, ordinal;
};
static struct listed exports[20000];
static unsigned export_count;

/* objdump -p tells the export address table as "\t[  12] +base[  13]  1234 Export RVA" and the names as
 * "\t[  12] +base[  13]  0abc Name" or (older) "\t[  12] Name"; ordinals tie the two together. */
static void list_exports(const char *path, const char *module)
{
    char command[4400], line[512];
    unsigned first = export_count, base = 0, index, ordinal, rva;
    bool in_names = false;
    snprintf(command, sizeof(command), "objdump -p '%s'", path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    while (fgets(line, sizeof(line), pipe)) {
        char name[128];
        if (sscanf(line, "Ordinal Base %u", &base) == 1)
            continue;
        if (strstr(line, "[Ordinal/Name Pointer] Table"))
            in_names = true;
        else if (sscanf(line, " [%u] +base[%u] %x Export RVA", &index, &ordinal, &rva) == 3 && strstr(line, "Export RVA")) {
            assert_true(export_count < 20000);
            exports[export_count] = (struct listed){.rva = rva, .ordinal = ordinal};
            ld_text_set(exports[export_count++].module, 32, module);
        } else if (in_names && (sscanf(line, " [%u] +base[%u] %*x %127s", &index, &ordinal, name) == 3 ||
                                sscanf(line, " [%u] %127s", &index, name) == 2)) {
            for (unsigned i = first; i < export_count; i++)
                if (exports[i].ordinal == index + base && !exports[i].name[0])
                    ld_text_set(exports[i].name, sizeof(exports[i].name), name);
        }
    }
    assert_int_equal(pclose(pipe), 0);
}

/* Loads a mingw program over the guest set, and asks for each slot that objdump lists: is what stands in it the address
 * of an export, as objdump lists them, of this name? Forwarded functions may stand in any module under any name, so for
 * those the address must be an exported one all the same. */
static void real_slots_are_proved_backwards(void **state)
{
    static const char *const dlls[] = {"kernel32.dll", "kernelbase.dll", "ntdll.dll", "msvcrt.dll", "apisetschema.dll"};
    struct process process;
    char path[4096], line[512], dll[64] = "";
    uint8_t *bytes[6];
    size_t sizes[6];
    (void)state;
    bytes[5] = read_file(TEST_BUILD "/samples/x64/hello.exe", &sizes[5]);
    if (!bytes[5] || !set_file(path, sizeof(path), dlls[0])) {
        free(bytes[5]);
        skip(); /* the samples are not built, or `make deps` has not run */
    }
    process_open(&process);
    export_count = 0;
    for (unsigned i = 0; i < 5; i++) {
        char name[64];
        assert_true(set_file(path, sizeof(path), dlls[i]));
        bytes[i] = read_file(path, &sizes[i]);
        snprintf(name, sizeof(name), "/sys/%s", dlls[i]);
        assert_true(sim_file_add(process.host, name, bytes[i], sizes[i]));
        if (i < 4)
            list_exports(path, dlls[i]);
    }
    assert_true(export_count > 3000);
    struct pe_image schema;
    struct pe_error pe;
    assert_true(pe_open(&schema, (struct pe_span){bytes[4], sizes[4]}, PE_FORM_FILE, &pe));
    process.loader.apisets = &schema;
    process.trace.mask = 0;
    assert_true(sim_file_add(process.host, "/app/hello.exe", bytes[5], sizes[5]));
    struct ld_module *exe = ld_load_path(&process.loader, "/app/hello.exe", &process.error);
    assert_non_null(exe);

    FILE *pipe = popen("objdump -p " TEST_BUILD "/samples/x64/hello.exe", "r");
    assert_non_null(pipe);
    unsigned proved = 0, slot = 0, first_thunk = 0, a, b, c, d, e, thunk;
    while (fgets(line, sizeof(line), pipe)) {
        char name[128];
        if (sscanf(line, " %x %x %x %x %x %x", &a, &b, &c, &d, &e, &thunk) == 6) {
            first_thunk = thunk;
            slot = 0;
        } else if (sscanf(line, " DLL Name: %63s", dll) == 1) {
            slot = 0;
        } else if (dll[0] && sscanf(line, " %x %u %127s", &a, &b, name) == 3) {
            const struct ld_module *target;
            uint64_t address = image_u64(&process, exe, first_thunk + 8 * slot++);
            target = ld_module_by_address(&process.loader, address);
            assert_non_null(target);
            bool exported = false, same_name = false;
            for (unsigned i = 0; i < export_count; i++)
                if (ld_name_equal(exports[i].module, target->name) && exports[i].rva == address - target->base) {
                    exported = true;
                    same_name |= strcmp(exports[i].name, name) == 0;
                }
            assert_true(exported);
            if (ld_name_equal(dll, target->name))
                assert_true(same_name);
            proved++;
        } else if (strstr(line, "The Export Tables") || strstr(line, "The Function Table"))
            break;
    }
    while (fgets(line, sizeof(line), pipe)) {
    }
    pclose(pipe);
    assert_int_equal(proved, exe->imports);
    assert_true(proved > 20);
    process_close(&process);
    for (unsigned i = 0; i < 6; i++)
        free(bytes[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_functions_are_told),  cmocka_unit_test(missing_things_are_collected),
        cmocka_unit_test(lookup_table_may_be_missing), cmocka_unit_test(forwarders_are_followed),
        cmocka_unit_test(symbols_of_a_running_process), cmocka_unit_test(forwarder_loops_are_refused),
        cmocka_unit_test(odd_forwarders_are_refused),  cmocka_unit_test(redirection_comes_first),
        cmocka_unit_test(false_memory_costs_a_look_up),
        cmocka_unit_test(real_slots_are_proved_backwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
