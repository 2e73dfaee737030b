/* find and open: how names are spelled, in which order places are searched, what a wrong file means. */
#include "ld_process.h"

#include "loader/apiset.h"

static const struct ld_make plain = {.exports = {{"f", 0}}, .pointers = 1};

static struct ld_module *load(struct process *process, const char *name)
{
    return ld_load(&process->loader, name, NULL, &process->error);
}

/* Rules from the documentation of LoadLibrary: ".dll" is appended where the name has no dot, a trailing dot says that
 * there is no extension; import names may end in spaces. */
static void names_are_spelled_as_windows_does(void **state)
{
    struct process process;
    (void)state;
    process_open(&process);
    process_add(&process, "/app/Some.dll", &plain);
    process_add(&process, "/sys/none", &plain);
    process_add(&process, "/sys/plug.in", &plain);
    process_add(&process, "/sys/sub/deep.dll", &plain);

    struct ld_module *some = load(&process, "some");
    assert_non_null(some);
    assert_string_equal(some->name, "some.dll"); /* as the first request spells it; the path as the file does */
    assert_string_equal(some->path, "/app/Some.dll");
    assert_ptr_equal(load(&process, "SOME.dll"), some);
    assert_ptr_equal(load(&process, "SOME   "), some);
    assert_ptr_equal(load(&process, "sOmE.DLL "), some);
    assert_ptr_equal(load(&process, "some.dll."), some);
    assert_null(load(&process, "none"));
    assert_string_equal(load(&process, "none.")->name, "none");
    assert_string_equal(load(&process, "plug.in")->name, "plug.in");
    assert_null(load(&process, ""));
    assert_null(load(&process, "  "));
    assert_null(load(&process, "."));
    assert_int_equal(process.error.ntstatus, 0xc0000135u);
    assert_string_equal(load(&process, "/sys/sub/deep")->path, "/sys/sub/deep.dll");

    char longest[400];
    memset(longest, 'n', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = 0;
    assert_null(load(&process, longest));
    process_close(&process);
}

static void folders_are_searched_in_order(void **state)
{
    struct process process;
    (void)state;
    process_open(&process);
    process_add(&process, "/sys/both.dll", &plain);
    process_add(&process, "/app/both.dll", &plain);
    process_add(&process, "/sys/late.dll", &plain);
    assert_string_equal(load(&process, "both")->path, "/app/both.dll");
    assert_string_equal(load(&process, "late")->path, "/sys/late.dll");

    /* A name that is loaded already is not searched for, wherever it came from. */
    unsigned finds = sim_calls(process.host, SIM_FILE_FIND);
    assert_string_equal(load(&process, "LATE")->path, "/sys/late.dll");
    assert_int_equal(sim_calls(process.host, SIM_FILE_FIND), finds);
    process_close(&process);
}

/* Microsoft, "Dynamic-link library search order": a known DLL is the system's copy, whatever the application brings. */
static void known_dlls_are_the_systems(void **state)
{
    struct process process;
    (void)state;
    process_open(&process);
    process.loader.known_folder = "/sys";
    process_add(&process, "/app/msvcrt.dll", &plain);
    process_add(&process, "/sys/msvcrt.dll", &plain);
    process_add(&process, "/app/msvcrt2.dll", &plain);
    process_add(&process, "/sys/msvcrt2.dll", &plain);
    process_add(&process, "/app/shell32.dll", &plain);
    assert_string_equal(load(&process, "MSVCRT")->path, "/sys/msvcrt.dll");
    assert_string_equal(load(&process, "msvcrt2")->path, "/app/msvcrt2.dll");
    assert_string_equal(load(&process, "shell32.dll")->path, "/app/shell32.dll"); /* a set without it */
    process_close(&process);
}

static void missing_dll_is_told(void **state)
{
    struct process process;
    (void)state;
    process_open(&process);
    process_add(&process, "/app/a.exe", &(struct ld_make){.is_exe = true, .imports = {{"b", {"f"}}}});
    process_add(&process, "/app/b.dll", &(struct ld_make){.exports = {{"f", 0}}, .imports = {{"gone", {"g"}}}, .pointers = 1});
    assert_null(ld_load_path(&process.loader, "/app/a.exe", &process.error));
    assert_int_equal(process.error.ntstatus, 0xc0000135u); /* STATUS_DLL_NOT_FOUND */
    assert_int_equal(process.error.phase, LD_FIND);
    assert_string_equal(process.error.module, "gone.dll");
    assert_string_equal(process.error.needed_by, "b.dll");
    process_is_empty(&process);

    assert_null(ld_load_path(&process.loader, "/app/nothing.exe", &process.error));
    assert_int_equal(process.error.host, HOST_NOT_FOUND);
    process_is_empty(&process);
    process_close(&process);
}

/* A descriptor without functions does not even load its DLL. */
static void empty_descriptor_loads_nothing(void **state)
{
    struct process process;
    (void)state;
    process_open(&process);
    process_add(&process, "/app/a.dll", &(struct ld_make){.imports = {{"gone", {0}}, {"b", {"f"}}}});
    process_add(&process, "/app/b.dll", &plain);
    struct ld_module *a = load(&process, "a");
    assert_non_null(a);
    assert_int_equal(a->imported_count, 2);
    assert_null(a->imported[0]);
    assert_string_equal(a->imported[1]->name, "b.dll");
    process_close(&process);
}

/* A file for another machine is passed over; only where no other is left it is the reason of the failure. */
static void other_machines_are_skipped(void **state)
{
    struct process process;
    const struct ld_make other = {.is_32 = true, .exports = {{"f", 0}}, .pointers = 1};
    (void)state;
    process_open(&process);
    process_add(&process, "/app/main.exe", &(struct ld_make){.is_exe = true});
    process_add(&process, "/app/two.dll", &other);
    process_add(&process, "/sys/two.dll", &plain);
    process_add(&process, "/app/one.dll", &other);
    process_add(&process, "/app/arm.dll", &(struct ld_make){.machine = PE_MACHINE_ARM64, .exports = {{"f", 0}}});
    process_add(&process, "/app/user.dll", &(struct ld_make){.imports = {{"one", {"f"}}}});
    assert_non_null(ld_load_path(&process.loader, "/app/main.exe", &process.error));
    struct ld_module *two = load(&process, "two");
    assert_non_null(two);
    assert_string_equal(two->path, "/sys/two.dll");
    assert_non_null(process_told(&process, LD_FIND, "skipped", NULL));

    static const char *const refused[] = {"one", "arm", "/app/two.dll"};
    for (unsigned i = 0; i < 3; i++) {
        assert_null(load(&process, refused[i]));
        assert_int_equal(process.error.ntstatus, 0xc000007bu); /* STATUS_INVALID_IMAGE_FORMAT */
    }
    assert_null(load(&process, "user"));
    assert_int_equal(process.error.ntstatus, 0xc000007bu);
    assert_string_equal(process.error.needed_by, "user.dll");
    assert_int_equal(process.loader.count, 2);
    process_close(&process);
}

/* Any other fault of a file that was found ends the search. */
static void broken_files_end_the_search(void **state)
{
    struct process process;
    static const char text[] = "MZ is not enough for anybody, and this is longer than a DOS header has to be: 64 bytes";
    (void)state;
    process_open(&process);
    assert_true(sim_file_add(process.host, "/app/text.dll", "no program", 10));
    assert_true(sim_file_add(process.host, "/app/dos.dll", text, sizeof(text)));
    assert_true(sim_file_refuse(process.host, "/app/locked.dll", HOST_DENIED));
    assert_true(sim_file_refuse(process.host, "/app/folder.dll", HOST_NOT_A_FILE));
    process_add(&process, "/sys/text.dll", &plain);
    assert_null(load(&process, "text"));
    assert_int_equal(process.error.ntstatus, PE_STATUS_INVALID_IMAGE_NOT_MZ);
    assert_int_equal(process.error.phase, LD_OPEN);
    assert_string_equal(process.error.module, "text.dll");
    assert_null(load(&process, "dos"));
    assert_int_not_equal(process.error.pe.code, PE_OK);
    assert_null(load(&process, "locked"));
    assert_int_equal(process.error.ntstatus, 0xc0000022u); /* STATUS_ACCESS_DENIED */
    assert_null(load(&process, "folder"));
    assert_int_equal(process.error.host, HOST_NOT_A_FILE);
    process_is_empty(&process);
    process_close(&process);
}

/* ---- API sets ---- */

struct schema_value {
    const char *importer, *host;
};
struct schema_entry {
    const char *name;     /* sorted by hash below */
    struct schema_value values[3];
};

static uint32_t schema_hash(const char *name, size_t length)
{
    uint32_t hash = 0;
    for (size_t i = 0; i < length; i++)
        hash = hash * 31 + (uint8_t)name[i];
    return hash;
}

static uint32_t put_wide(struct ld_bytes *to, const char *text)
{
    uint16_t wide[64];
    uint32_t length = (uint32_t)strlen(text);
    for (uint32_t i = 0; i < length; i++)
        wide[i] = (uint16_t)text[i];
    return ld_put(to, wide, 2 * length);
}

/* A schema of version 6, as Microsoft's own apisetschema.dll has it: header, entries, hashes in rising order. */
static void make_schema(struct ld_bytes *out, const struct schema_entry *entries, uint32_t count)
{
    uint32_t header[7] = {6, 0, 0, count, 0, 0, 31}, hashes[16][2];
    ld_put(out, NULL, sizeof(header));
    header[4] = ld_put(out, NULL, count * 24);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length = (uint32_t)strlen(entries[i].name), values[3][5] = {{0}}, used = 0;
        uint32_t hashed = (uint32_t)(strrchr(entries[i].name, '-') - entries[i].name);
        uint32_t raw[6] = {0, put_wide(out, entries[i].name), 2 * length, 2 * hashed, 0, 0};
        for (; used < 3 && entries[i].values[used].host; used++) {
            const struct schema_value *value = &entries[i].values[used];
            if (value->importer) {
                values[used][1] = put_wide(out, value->importer);
                values[used][2] = 2 * (uint32_t)strlen(value->importer);
            }
            values[used][3] = put_wide(out, value->host);
            values[used][4] = 2 * (uint32_t)strlen(value->host);
        }
        raw[4] = ld_put(out, values, 20 * used);
        raw[5] = used;
        memcpy(out->bytes + header[4] + 24 * i, raw, sizeof(raw));
        hashes[i][0] = schema_hash(entries[i].name, hashed);
        hashes[i][1] = i;
    }
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = i + 1; j < count; j++)
            if (hashes[j][0] < hashes[i][0]) {
                uint32_t kept[2];
                memcpy(kept, hashes[i], 8);
                memcpy(hashes[i], hashes[j], 8);
                memcpy(hashes[j], kept, 8);
            }
    header[5] = ld_put(out, hashes, 8 * count);
    header[1] = out->size;
    memcpy(out->bytes, header, sizeof(header));
}

static const struct schema_entry entries[] = {
    {"api-ms-win-core-one-l1-1-0", {{NULL, "real.dll"}}},
    {"api-ms-win-core-two-l1-2-3", {{NULL, "real.dll"}, {"special.dll", "other.dll"}}},
    {"ext-ms-win-empty-l1-1-0", {{NULL, ""}}},
    {"api-ms-win-none-l1-1-0", {{NULL, NULL}}},
};

/* A made DLL whose .rdata is renamed and filled with the schema. */
static void make_schema_image(struct ld_made *made, struct pe_image *image)
{
    struct ld_bytes schema = {0};
    struct pe_error error;
    make_schema(&schema, entries, 4);
    *made = ld_make(&(struct ld_make){.is_exe = true, .imports = {{"padding", {"padding"}}}, .file_alignment = 0x1000});
    assert_true(schema.size < 0x1000);
    uint8_t *section = made->bytes + 0x80 + 4 + sizeof(struct pe_file_header) + sizeof(struct pe_optional_header64) + 40;
    assert_memory_equal(section, ".rdata", 7);
    memcpy(section, ".apiset", 8);
    memcpy(section + 8, &schema.size, 4); /* VirtualSize */
    memset(made->bytes + 0x2000, 0, 0x1000);
    memcpy(made->bytes + 0x2000, schema.bytes, schema.size);
    free(schema.bytes);
    memset(made->bytes + 0x80 + 24 + 112, 0, 128); /* no directories */
    assert_true(pe_open(image, (struct pe_span){made->bytes, made->size}, PE_FORM_FILE, &error));
}

static void apisets_come_first(void **state)
{
    struct process process;
    struct ld_made made;
    struct pe_image schema;
    (void)state;
    process_open(&process);
    make_schema_image(&made, &schema);
    process.loader.apisets = &schema;
    process_add(&process, "/sys/real.dll", &plain);
    process_add(&process, "/sys/other.dll", &(struct ld_make){.base = 0x190000000, .exports = {{"f", 0}}});
    /* Copies that programs bring along do not count. */
    process_add(&process, "/app/api-ms-win-core-one-l1-1-0.dll", &plain);
    process_add(&process, "/app/api-ms-win-unlisted-l1-1-0.dll", &plain);
    process_add(&process, "/app/special.dll", &(struct ld_make){.imports = {{"api-ms-win-core-two-l1-2-0.dll", {"f"}}}});
    process_add(&process, "/app/common.dll", &(struct ld_make){
        .base = 0x1a0000000, .imports = {{"API-MS-Win-Core-Two-L1-2-99", {"f"}}}});

    struct ld_module *real = load(&process, "api-ms-win-core-one-l1-1-0");
    assert_non_null(real);
    assert_string_equal(real->path, "/sys/real.dll");
    assert_ptr_equal(load(&process, "API-MS-WIN-CORE-ONE-L1-1-7.DLL"), real); /* the last number does not count */
    assert_non_null(process_told(&process, LD_FIND, "apiset", "real.dll"));
    assert_null(load(&process, "api-ms-win-core-one-l1-2-0"));
    assert_null(load(&process, "ext-ms-win-empty-l1-1-0"));
    assert_int_equal(process.error.ntstatus, 0xc0000135u);
    assert_null(load(&process, "api-ms-win-none-l1-1-0"));
    assert_string_equal(load(&process, "api-ms-win-unlisted-l1-1-0")->path, "/app/api-ms-win-unlisted-l1-1-0.dll");

    /* Who asks may matter. */
    assert_string_equal(load(&process, "special")->imported[0]->name, "other.dll");
    assert_ptr_equal(load(&process, "common")->imported[0], real);
    process_close(&process);
    free(made.bytes);
}

/* Every byte of a schema is foreign: whatever is broken in it, the lookup stays within the bytes and ends. */
static void broken_schemas_are_survived(void **state)
{
    struct ld_made made;
    struct pe_image schema;
    char host[260];
    (void)state;
    make_schema_image(&made, &schema);
    assert_int_equal(ld_apiset_lookup(&schema, "api-ms-win-core-one-l1-1-0", NULL, host, sizeof(host)), LD_APISET_FOUND);
    assert_string_equal(host, "real.dll");
    assert_int_equal(ld_apiset_lookup(&schema, "api-ms-win-core-one-l1-1-0", NULL, host, 8), LD_APISET_UNKNOWN);
    assert_int_equal(ld_apiset_lookup(NULL, "api-ms-win-core-one-l1-1-0", NULL, host, sizeof(host)), LD_APISET_UNKNOWN);
    static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    for (uint32_t at = 0x2000; at < 0x2000 + 700; at++)
        for (unsigned v = 0; v < sizeof(values); v++) {
            uint8_t kept = made.bytes[at];
            made.bytes[at] = values[v];
            for (unsigned e = 0; e < 4; e++)
                if (ld_apiset_lookup(&schema, entries[e].name, "special.dll", host, sizeof(host)) == LD_APISET_FOUND)
                    assert_true(strlen(host) < sizeof(host));
            made.bytes[at] = kept;
        }
    free(made.bytes);
}

/* The schema of the guest set itself: these contracts lead to the same DLLs on every Windows 10. */
static void real_schema_is_read(void **state)
{
    char path[4096], host[260];
    const char *set = getenv("PELOAD_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    (void)state;
    if (set)
        snprintf(path, sizeof(path), "%s/current/x86_64-windows/apisetschema.dll", set);
    else
        snprintf(path, sizeof(path), "%s%s/peload/current/x86_64-windows/apisetschema.dll", xdg ? xdg : home ? home : "",
                 xdg ? "" : "/.cache");
    FILE *file = fopen(path, "rb");
    if (!file)
        skip(); /* the guest set is not there: `make deps` brings it */
    static uint8_t bytes[1 << 20];
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    struct pe_image schema;
    struct pe_error error;
    assert_true(pe_open(&schema, (struct pe_span){bytes, size}, PE_FORM_FILE, &error));

    static const struct {
        const char *name, *host;
    } rows[] = {
        {"api-ms-win-core-file-l1-1-0", "kernelbase.dll"},
        {"api-ms-win-core-file-l1-2-4.dll", "kernelbase.dll"},
        {"api-ms-win-crt-runtime-l1-1-0.dll", "ucrtbase.dll"},
        {"API-MS-WIN-CRT-STDIO-L1-1-0.DLL", "ucrtbase.dll"},
        {"api-ms-win-eventing-provider-l1-1-0", "kernelbase.dll"},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        assert_int_equal(ld_apiset_lookup(&schema, rows[i].name, "hello.exe", host, sizeof(host)), LD_APISET_FOUND);
        assert_string_equal(host, rows[i].host);
    }
    assert_int_equal(ld_apiset_lookup(&schema, "api-ms-win-no-such-set-l1-1-0", NULL, host, sizeof(host)), LD_APISET_UNKNOWN);
    assert_true(ld_apiset_is_name("Ext-ms-win-x"));
    assert_false(ld_apiset_is_name("api"));
    assert_false(ld_apiset_is_name("apix-ms"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_spelled_as_windows_does), cmocka_unit_test(folders_are_searched_in_order),
        cmocka_unit_test(known_dlls_are_the_systems),
        cmocka_unit_test(missing_dll_is_told),               cmocka_unit_test(empty_descriptor_loads_nothing),
        cmocka_unit_test(other_machines_are_skipped),        cmocka_unit_test(broken_files_end_the_search),
        cmocka_unit_test(apisets_come_first),                cmocka_unit_test(broken_schemas_are_survived),
        cmocka_unit_test(real_schema_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
