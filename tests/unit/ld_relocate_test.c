/* place and relocate: where images go, and that exactly the listed places change when they move. */
#include "ld_process.h"

#include <unistd.h>

#define NEW_BASE 0x20000000u /* where the simulated machine puts what has no place of its own */

static struct ld_module *load(struct process *process, const char *name)
{
    return ld_load(&process->loader, name, NULL, &process->error);
}

static void take(struct process *process, uint64_t base, uint64_t size)
{
    assert_int_equal(process->host->vm_reserve(process->host, &base, size, 0), HOST_OK);
}

static void give_back(struct process *process, uint64_t base, uint64_t size)
{
    process->host->vm_release(process->host, base, size);
}

/* ---- The proof: one image at two bases, held against the list that objdump prints ---- */

struct fixup_list {
    uint32_t rva[4096];
    char type[4096][12];
    unsigned count;
};

static void list_fixups(const char *path, struct fixup_list *list)
{
    char command[600], line[256], type[12];
    unsigned index, offset, rva;
    snprintf(command, sizeof(command), "objdump -p '%s'", path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    list->count = 0;
    while (fgets(line, sizeof(line), pipe))
        if (sscanf(line, " reloc %u offset %x [%x] %11s", &index, &offset, &rva, type) == 4 && strcmp(type, "ABSOLUTE") != 0) {
            assert_true(list->count < 4096);
            list->rva[list->count] = rva;
            strcpy(list->type[list->count++], type);
        }
    assert_int_equal(pclose(pipe), 0);
}

static const char proof_source[] =
    "static int one, two[600];\n"
    "int *const spread[3] = {&one, &two[5], &two[7]};\n"
    "struct __attribute__((packed)) { char odd; void *pointer; } unaligned[40] = {{1, &one}, {2, spread}, {3, unaligned}};\n"
    "void *many[700] = {[0 ... 699] = &two[9]};\n"
    "int function(void) { return one + *spread[1] + *(int *)many[3] + (unaligned[1].pointer != 0); }\n"
    "void *code[] = {(void *)function, (void *)code};\n";

static bool build(const char *compiler, const char *folder, const char *output)
{
    char command[800], source[300];
    snprintf(source, sizeof(source), "%s/proof.c", folder);
    FILE *file = fopen(source, "w");
    assert_non_null(file);
    fputs(proof_source, file);
    fclose(file);
    snprintf(command, sizeof(command), "%s -O1 -shared -nostdlib -ffreestanding -Wl,-e,0 -o %s %s 2>/dev/null", compiler, output,
             source);
    return system(command) == 0;
}

static void prove(const char *compiler, unsigned width)
{
    static struct fixup_list list;
    static uint8_t bytes[1 << 20];
    char folder[] = "/tmp/peload-proof-XXXXXX", path[64], command[80];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/proof.dll", folder);
    bool built = build(compiler, folder, path);
    FILE *file = built ? fopen(path, "rb") : NULL;
    size_t size = file ? fread(bytes, 1, sizeof(bytes), file) : 0;
    if (file)
        fclose(file);
    if (built)
        list_fixups(path, &list);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
    assert_true(built); /* mingw-w64 is what the samples are built with, too */
    assert_true(list.count > 700);

    struct process process;
    process_open(&process);
    assert_true(sim_file_add(process.host, "/app/proof.dll", bytes, size));
    struct ld_module *module = load(&process, "proof");
    assert_non_null(module);
    assert_false(module->moved);
    assert_int_equal(module->fixups, 0);
    uint32_t image_size = module->source.size_of_image;
    uint64_t preferred = module->base;
    uint8_t *before = malloc(image_size), *expected = malloc(image_size);
    assert_true(before && expected);
    memcpy(before, process.host->vm_at(process.host, preferred, image_size), image_size);
    ld_module_free(&process.loader, module);

    take(&process, preferred, 0x10000);
    module = load(&process, "proof");
    assert_non_null(module);
    assert_true(module->moved);
    assert_int_equal(module->fixups, list.count);
    uint64_t delta = module->base - preferred;
    memcpy(expected, before, image_size);
    for (unsigned i = 0; i < list.count; i++) {
        uint64_t value = 0;
        assert_string_equal(list.type[i], width == 8 ? "DIR64" : "HIGHLOW");
        memcpy(&value, expected + list.rva[i], width);
        value += delta;
        memcpy(expected + list.rva[i], &value, width);
    }
    /* Besides the listed places only the header's ImageBase differs: it tells where the image is. */
    uint32_t lfanew;
    memcpy(&lfanew, before + 60, 4);
    memcpy(expected + lfanew + 24 + (width == 8 ? 24 : 28), &module->base, width);
    assert_memory_equal(expected, process.host->vm_at(process.host, module->base, image_size), image_size);
    assert_memory_not_equal(expected, before, image_size);
    give_back(&process, preferred, 0x10000);
    process_close(&process);
    free(before);
    free(expected);
}

static void moved_x64_differs_as_objdump_lists(void **state)
{
    (void)state;
    prove("x86_64-w64-mingw32-gcc", 8);
}

static void moved_x86_differs_as_objdump_lists(void **state)
{
    (void)state;
    prove("i686-w64-mingw32-gcc", 4);
}

/* ---- Hand-made tables ---- */

/* Replaces the relocation table of a made DLL, whose .reloc is its fourth section. */
static void set_table(struct ld_made *made, bool is_32, const void *table, uint32_t size)
{
    uint8_t *optional = made->bytes + 0x80 + 24, *section = optional + (is_32 ? 224 : 240) + 3 * 40;
    uint32_t raw, rva;
    memcpy(&raw, section + 20, 4);
    memcpy(&rva, section + 12, 4);
    assert_memory_equal(section, ".reloc", 6);
    assert_true(size <= 0x200);
    memcpy(made->bytes + raw, table, size);
    memcpy(section + 8, &size, 4);
    memcpy(optional + (is_32 ? 96 : 112) + 5 * 8, &rva, 4);
    memcpy(optional + (is_32 ? 96 : 112) + 5 * 8 + 4, &size, 4);
}

static void set_bytes(struct ld_made *made, bool is_32, unsigned section, uint32_t offset, const void *bytes, uint32_t size)
{
    uint32_t raw;
    memcpy(&raw, made->bytes + 0x80 + 24 + (is_32 ? 224 : 240) + section * 40 + 20, 4);
    memcpy(made->bytes + raw + offset, bytes, size);
}

static void every_type_is_applied(void **state)
{
    struct process process;
    (void)state;
    process_open(&process);
    process_add(&process, "/app/t.dll", &(struct ld_make){.pointers = 1, .zero_fill = 0x1800});
    struct ld_made *made = &process.files[0];
    uint32_t page = made->data;
    /* All offsets in .data. From 0x180000000 to 0x20000000 the lower 32 bits rise by 0xa0000000. */
    uint16_t entries[] = {
        0x0000,                 /* ABSOLUTE: padding, wherever it stands */
        0x1008,                 /* HIGH:    0x0001 + 0xa000 */
        0x200a,                 /* LOW:     0x1234 + 0x0000 */
        0x300c,                 /* HIGHLOW: 0x00000002 + 0xa0000000 */
        0x4010, 0x9000,         /* HIGHADJ: 0x1234, lower half 0x9000 (negative) in the next slot */
        0xa012,                 /* DIR64 at an odd place */
        0x0fff,
    };
    struct {
        struct pe_base_relocation block;
        uint16_t entries[8];
    } table = {{page, 8 + 16}, {0}};
    memcpy(table.entries, entries, sizeof(entries));
    set_table(made, false, &table, sizeof(table));
    static const uint8_t before[] = {0x01, 0x00, 0x34, 0x12, 0x02, 0x00, 0x00, 0x00, 0x34, 0x12,
                                     0x00, 0x10, 0x00, 0x80, 0x01, 0x00, 0x00, 0x00};
    static const uint8_t after[] = {0x01, 0xa0, 0x34, 0x12, 0x02, 0x00, 0x00, 0xa0, 0x34, 0xb2,
                                    0x00, 0x10, 0x00, 0x20, 0x00, 0x00, 0x00, 0x00};
    set_bytes(made, false, 2, 8, before, sizeof(before));
    take(&process, 0x180000000, 0x10000);
    struct ld_module *module = load(&process, "t");
    assert_non_null(module);
    assert_int_equal(module->base, NEW_BASE);
    assert_int_equal(module->fixups, 5);
    assert_int_equal(module->fixup_pages, 1);
    assert_memory_equal(process.host->vm_at(process.host, NEW_BASE + page + 8, sizeof(after)), after, sizeof(after));
    /* ABSOLUTE with offset 0xfff patched nothing. */
    assert_int_equal(image_u64(&process, module, page + 0xff8), 0);
    give_back(&process, 0x180000000, 0x10000);
    process_close(&process);
}

/* Over the end of a page, and over the end of a section whose neighbour has other rights. */
static void fixups_cross_boundaries(void **state)
{
    struct process process;
    (void)state;
    for (unsigned is_32 = 0; is_32 < 2; is_32++) {
        process_open(&process);
        process_add(&process, "/app/t.dll", &(struct ld_make){.is_32 = is_32, .pointers = 4, .zero_fill = 0x1800});
        struct ld_made *made = &process.files[0];
        uint32_t page = made->data;
        unsigned whole = is_32 ? 0x3000 : 0xa000;
        struct {
            struct pe_base_relocation first;
            uint16_t first_entries[2];
            struct pe_base_relocation second;
            uint16_t second_entries[4];
        } table = {{page - 0x1000, 12}, {(uint16_t)(whole | 0xffe), 0}, {page, 16},
                   {(uint16_t)(whole | 0x010), (uint16_t)(whole | 0xffd), (uint16_t)(whole | 0x008), 0}};
        set_table(made, is_32, &table, 12 + 16);
        uint64_t preferred = is_32 ? 0x10000000 : 0x180000000;
        take(&process, preferred, 0x10000);
        struct ld_module *module = load(&process, "t");
        assert_non_null(module);
        assert_int_equal(module->fixups, 4);
        assert_int_equal(module->fixup_pages, 2);
        uint64_t delta = module->base - preferred, mask = is_32 ? 0xffffffff : ~0ull;
        assert_int_equal(image_u64(&process, module, page + 0xffd) & mask, delta & mask);
        /* The fix-up at -2 added to two bytes of .rdata's zero end and to the first bytes of .data's pointer 0. */
        uint64_t across = 0, original = preferred + 0x1000;
        memcpy(&across, process.host->vm_at(process.host, module->base + page - 2, 8), 8);
        assert_int_equal(across & mask, ((original << 16) + delta) & mask);
        assert_int_equal(sim_rights(process.host, module->base + page - 2), HOST_READ);
        assert_int_equal(sim_rights(process.host, module->base + page), HOST_READ | HOST_WRITE);
        assert_int_equal(sim_rights(process.host, module->base), HOST_READ);
        assert_int_equal(sim_rights(process.host, module->base + 0x1000), HOST_READ | HOST_EXECUTE);
        give_back(&process, preferred, 0x10000);
        process_close(&process);
    }
}

/* Many whole pointers in a row, one of which leaves its section: the neighbour gets write rights for it, and only then
 * is written to. */
static void a_run_stops_at_its_region(void **state)
{
    struct process process;
    (void)state;
    process_open(&process);
    process_add(&process, "/app/t.dll", &(struct ld_make){.file_alignment = 0x1000, .pointers = 1, .exports = {{"f", 0}}});
    struct ld_made *made = &process.files[0];
    struct {
        struct pe_base_relocation block;
        uint16_t entries[10];
    } table = {{0x1000, 8 + 20}, {0xa000, 0xa010, 0xa020, 0xaffc, 0xa030, 0xa040, 0xa050, 0xa060, 0xa070, 0xa080}};
    set_table(made, false, &table, sizeof(table));
    struct ld_module *module = load(&process, "t");
    uint64_t before = image_u64(&process, module, 0x1ffc), spot = image_u64(&process, module, 0x1080);
    ld_module_free(&process.loader, module);
    take(&process, 0x180000000, 0x10000);
    module = load(&process, "t");
    assert_non_null(module);
    assert_int_equal(module->fixups, 10);
    uint64_t delta = module->base - 0x180000000;
    assert_int_equal(image_u64(&process, module, 0x1ffc), before + delta);
    assert_int_equal(image_u64(&process, module, 0x1080), spot + delta);
    assert_int_equal(sim_bad_writes(process.host), 0);
    bool opened = false;
    for (unsigned i = 0; i < process.event_count; i++)
        opened |= strcmp(process.events[i].verb, "writable") == 0 && process.events[i].address == module->base + 0x2000;
    assert_true(opened);
    assert_int_equal(sim_rights(process.host, module->base + 0x2000), HOST_READ);
    give_back(&process, 0x180000000, 0x10000);
    process_close(&process);
}

static void broken_tables_are_refused(void **state)
{
    static const struct {
        uint32_t page, block;
        uint16_t entries[4];
        uint32_t size, ntstatus;
    } rows[] = {
        {0x3000, 12, {0x5000, 0}, 12, 0xc000007b},     /* a type that x64 does not have */
        {0x3000, 12, {0xb000, 0}, 12, 0xc000007b},
        {0x3000, 7, {0, 0}, 12, 0},                    /* shorter than its own header */
        {0x3000, 0, {0, 0}, 12, 0},                    /* never a terminator */
        {0x3000, 0x1000, {0xa000, 0}, 12, 0},          /* longer than the table */
        {0x90000000, 12, {0xa000, 0}, 12, 0xc0000005}, /* outside the image: an access violation on Windows */
        {0x5000, 12, {0xa000, 0}, 12, 0xc0000005},     /* SizeOfImage itself */
        {0x4000, 12, {0xaffc, 0}, 12, 0xc0000005},     /* begins inside, ends outside */
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct process process;
        struct {
            struct pe_base_relocation block;
            uint16_t entries[4];
        } table = {{rows[i].page, rows[i].block}, {0}};
        memcpy(table.entries, rows[i].entries, 8);
        process_open(&process);
        process_add(&process, "/app/t.dll", &(struct ld_make){.pointers = 1});
        assert_int_equal(process.files[0].image_size, 0x5000);
        set_table(&process.files[0], false, &table, rows[i].size);
        struct ld_module *unmoved = load(&process, "t"); /* nobody reads the table of an image at its base */
        assert_non_null(unmoved);
        ld_module_free(&process.loader, unmoved);
        take(&process, 0x180000000, 0x10000);
        assert_null(load(&process, "t"));
        assert_int_equal(process.error.phase, LD_RELOCATE);
        assert_int_not_equal(process.error.pe.code, PE_OK);
        if (rows[i].ntstatus)
            assert_int_equal(process.error.ntstatus, rows[i].ntstatus);
        give_back(&process, 0x180000000, 0x10000);
        process_is_empty(&process);
        process_close(&process);
    }
}

/* ---- place ---- */

static void images_that_cannot_move(void **state)
{
    static const struct {
        struct ld_make make;
        uint32_t ntstatus; /* 0: loads */
    } rows[] = {
        {{.is_exe = true, .pointers = 1}, 0},
        {{.is_exe = true, .pointers = 1, .without_relocations = true}, 0}, /* loads, its addresses as they are */
        {{.is_exe = true, .pointers = 1, .characteristics = PE_FILE_RELOCS_STRIPPED}, 0xc0000018},
        {{.pointers = 1, .characteristics = PE_FILE_RELOCS_STRIPPED}, 0xc0000018},
        {{.pointers = 1, .without_relocations = true}, 0},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct process process;
        process_open(&process);
        process_add(&process, "/app/t.bin", &rows[i].make);
        take(&process, 0x180000000, 0x10000);
        struct ld_module *module = ld_load_path(&process.loader, "/app/t.bin", &process.error);
        if (rows[i].ntstatus) {
            assert_null(module);
            assert_int_equal(process.error.ntstatus, rows[i].ntstatus);
            assert_int_equal(process.error.phase, LD_PLACE);
        } else {
            assert_true(module && module->moved);
            uint64_t pointer = rows[i].make.without_relocations ? 0x180001000 : module->base + 0x1000;
            assert_int_equal(image_u64(&process, module, process.files[0].data), pointer);
        }
        give_back(&process, 0x180000000, 0x10000);
        process_close(&process);
    }
}

/* Bases that no user space has are not taken literally; with a table the image goes elsewhere. */
static void impossible_bases(void **state)
{
    static const uint64_t bases[] = {0, 0x7fffffff0000, 0xffff800000000000, 0xffffffffffff0000};
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct process process;
        process_open(&process);
        process_add(&process, "/app/t.dll", &(struct ld_make){.pointers = 1});
        struct ld_made *made = &process.files[0];
        uint64_t pointer = bases[i] + 0x1000;
        memcpy(made->bytes + 0x80 + 24 + 24, &bases[i], 8); /* ImageBase */
        set_bytes(made, false, 2, 0, &pointer, 8);
        struct ld_module *module = load(&process, "t");
        assert_non_null(module);
        assert_int_equal(module->base, NEW_BASE);
        assert_int_equal(image_u64(&process, module, made->data), NEW_BASE + 0x1000);
        process_close(&process);
    }
    struct process process;
    process_open(&process);
    process_add(&process, "/app/t.exe", &(struct ld_make){.is_exe = true, .pointers = 1});
    memcpy(process.files[0].bytes + 0x80 + 24 + 24, &bases[3], 8);
    assert_int_equal(ld_load_path(&process.loader, "/app/t.exe", &process.error)->base, 0x10000); /* the lowest there is */
    process_close(&process);

    process_open(&process);
    process.loader.user_limit = 0x7fff0000;
    process_add(&process, "/app/t.dll", &(struct ld_make){.base = 0x180000000, .pointers = 1});
    assert_int_equal(load(&process, "t")->base, NEW_BASE);
    process_close(&process);
}

static void occupied_on_purpose(void **state)
{
    struct process process;
    (void)state;
    process_open(&process);
    process.loader.occupy = true;
    process_add(&process, "/app/a.exe", &(struct ld_make){.is_exe = true, .base = 0x140000000, .pointers = 2, .imports = {{"b", {"f"}}}});
    process_add(&process, "/app/b.dll", &(struct ld_make){.exports = {{"f", 0}}, .pointers = 1});
    struct ld_module *exe = ld_load_path(&process.loader, "/app/a.exe", &process.error);
    assert_true(exe && exe->moved);
    assert_non_null(process_told(&process, LD_PLACE, "occupied", "a.exe"));
    assert_int_equal(process_told(&process, LD_PLACE, "moved", "a.exe")->from, 0x140000000);
    assert_int_equal(process_told(&process, LD_RELOCATE, "relocated", "a.exe")->count, 2);
    assert_int_equal(sim_rights(process.host, 0x140000000), SIM_NOT_COMMITTED); /* stale pointers hit nothing */
    assert_false(ld_module_by_name(&process.loader, "b.dll")->moved);
    assert_int_equal(image_u64(&process, exe, process.files[0].data + 8), exe->base + 0x1008);
    assert_ptr_equal(ld_module_by_address(&process.loader, exe->base + 0x1008), exe);
    assert_null(ld_module_by_address(&process.loader, exe->base - 1));
    process_close(&process);

    process_open(&process);
    process.loader.occupy = true;
    process_add(&process, "/app/a.exe", &(struct ld_make){.is_exe = true, .base = 0x140000000, .characteristics = PE_FILE_RELOCS_STRIPPED});
    assert_null(ld_load_path(&process.loader, "/app/a.exe", &process.error));
    assert_int_equal(process.error.ntstatus, 0xc0000018u);
    process_is_empty(&process);
    process_close(&process);
}

/* ---- cookie ---- */

/* Defaults and widths from Microsoft's <process.h> and the documentation of the load configuration: 0xBB40, 0xBB40E64E and
 * 0x00002B992DDFA232; a 64-bit cookie keeps its upper 16 bits zero. */
static void default_cookies_are_replaced(void **state)
{
    static const struct {
        bool is_32;
        uint64_t before, most; /* most: largest value that may come out; 0: stays as it is */
    } rows[] = {{false, 0x00002b992ddfa232, 0xffffffffffff}, {false, 0x1234567, 0}, {false, 0, 0}, {true, 0xbb40e64e, 0xffffffff},
                {true, 0xbb40, 0xffff}, {true, 0x77777777, 0}};
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        for (unsigned moved = 0; moved < 2; moved++) {
            struct process process;
            uint64_t preferred = rows[i].is_32 ? 0x10000000 : 0x180000000;
            process_open(&process);
            process.loader.random = 42;
            process_add(&process, "/app/t.dll", &(struct ld_make){.is_32 = rows[i].is_32, .pointers = 40});
            struct ld_made *made = &process.files[0];
            /* The directory takes the place of pointers 4 and further; one of them becomes the cookie's address. */
            uint32_t width = rows[i].is_32 ? 4 : 8, size = rows[i].is_32 ? 72 : 112, at = 64;
            uint32_t field = at + (rows[i].is_32 ? 60 : 88), directory[2] = {made->data + at, size};
            uint64_t address = preferred + made->data + 16;
            uint16_t entry = (uint16_t)(width == 8 ? 0xa000 : 0x3000);
            struct {
                struct pe_base_relocation block;
                uint16_t entries[2];
            } table = {{made->data, 12}, {(uint16_t)(entry | field), 0}};
            set_table(made, rows[i].is_32, &table, sizeof(table));
            uint8_t zero[256] = {0};
            set_bytes(made, rows[i].is_32, 2, 0, zero, sizeof(zero));
            set_bytes(made, rows[i].is_32, 2, at, &size, 4);
            set_bytes(made, rows[i].is_32, 2, field, &address, width);
            set_bytes(made, rows[i].is_32, 2, 16, &rows[i].before, width);
            memcpy(made->bytes + 0x80 + 24 + (rows[i].is_32 ? 96 : 112) + 10 * 8, directory, 8);
            if (moved)
                take(&process, preferred, 0x10000);
            struct ld_module *module = load(&process, "t");
            assert_non_null(module);
            uint64_t after = image_u64(&process, module, made->data + 16) & (width == 8 ? ~0ull : 0xffffffffull);
            if (rows[i].most) {
                assert_int_not_equal(after, rows[i].before);
                assert_int_not_equal(after, 0);
                assert_true(after <= rows[i].most);
            } else {
                assert_int_equal(after, rows[i].before);
            }
            assert_int_equal(image_u64(&process, module, made->data + 24), 0);
            ld_module_free(&process.loader, module);
            process.loader.random = 0;
            module = load(&process, "t");
            assert_int_equal(image_u64(&process, module, made->data + 16), rows[i].before);
            if (moved)
                give_back(&process, preferred, 0x10000);
            process_close(&process);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moved_x64_differs_as_objdump_lists), cmocka_unit_test(moved_x86_differs_as_objdump_lists),
        cmocka_unit_test(every_type_is_applied),              cmocka_unit_test(fixups_cross_boundaries),
        cmocka_unit_test(a_run_stops_at_its_region),          cmocka_unit_test(broken_tables_are_refused),
        cmocka_unit_test(images_that_cannot_move),            cmocka_unit_test(impossible_bases),
        cmocka_unit_test(occupied_on_purpose),                cmocka_unit_test(default_cookies_are_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
