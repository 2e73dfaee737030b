/* fill, tls and protect: what stands where in the image, with which rights, and how few calls it takes. */
#include "ld_process.h"

static struct ld_module *load(struct process *process, const char *name)
{
    return ld_load(&process->loader, name, NULL, &process->error);
}

static uint8_t *section_header(struct ld_made *made, unsigned index)
{
    return made->bytes + 0x80 + 24 + 240 + index * 40;
}

static uint32_t section_u32(struct ld_made *made, unsigned index, unsigned offset)
{
    uint32_t value;
    memcpy(&value, section_header(made, index) + offset, 4);
    return value;
}

/* Each byte of the image by the rules of the PE specification: raw data, then zeroes; the headers as far as
 * SizeOfHeaders and not further, whatever the file has there. */
static void bytes_are_where_they_belong(void **state)
{
    (void)state;
    static const uint32_t alignments[] = {0x200, 0x1000, 0x800};
    for (unsigned a = 0; a < 3; a++)
        for (unsigned moved = 0; moved < 2; moved++) {
            struct process process;
            uint64_t taken = 0x180000000;
            process_open(&process);
            process_add(&process, "/app/t.dll", &(struct ld_make){
                .file_alignment = alignments[a], .pointers = 200, .zero_fill = 0x2345, .behind_headers = 0xcc,
                .exports = {{"f", 0}}});
            struct ld_made *made = &process.files[0];
            if (moved)
                assert_int_equal(process.host->vm_reserve(process.host, &taken, 0x10000, 0), HOST_OK);
            struct ld_module *module = load(&process, "t");
            assert_non_null(module);
            uint8_t *expected = calloc(1, made->image_size);
            assert_non_null(expected);
            uint32_t headers = alignments[a] > 0x400 ? alignments[a] : 0x400;
            memcpy(expected, made->bytes, headers);
            for (unsigned i = 0; i < 4; i++) {
                uint32_t size = section_u32(made, i, 16), room = (section_u32(made, i, 8) + 0xfff) & ~0xfffu;
                memcpy(expected + section_u32(made, i, 12), made->bytes + section_u32(made, i, 20), size < room ? size : room);
            }
            if (moved) {
                memcpy(expected + 0x80 + 24 + 24, &module->base, 8);
                for (unsigned i = 0; i < 200; i++) {
                    uint64_t pointer = module->base + 0x1000 + 8 * (i % 32);
                    memcpy(expected + made->data + 8 * i, &pointer, 8);
                }
            }
            assert_memory_equal(process.host->vm_at(process.host, module->base, made->image_size), expected, made->image_size);

            static const int rights[] = {HOST_READ, HOST_READ | HOST_EXECUTE, HOST_READ, HOST_READ | HOST_WRITE, HOST_READ};
            uint32_t starts[] = {0, 0x1000, 0x2000, made->data, section_u32(made, 3, 12), made->image_size};
            for (unsigned i = 0; i < 5; i++)
                for (uint32_t page = starts[i]; page < starts[i + 1]; page += 0x1000)
                    assert_int_equal(sim_rights(process.host, module->base + page), rights[i]);
            free(expected);
            ld_module_free(&process.loader, module);
            if (moved)
                process.host->vm_release(process.host, taken, 0x10000);
            process_close(&process);
        }
}

/* Rights by the bits of Characteristics; writable and executable at once only where the section says so. */
static void rights_follow_the_sections(void **state)
{
    static const struct {
        uint32_t characteristics;
        int rights;
    } rows[] = {
        {0x40000000, HOST_READ},
        {0x80000000, HOST_READ | HOST_WRITE}, /* there are no pages that can only be written */
        {0xc0000000, HOST_READ | HOST_WRITE},
        {0x60000000, HOST_READ | HOST_EXECUTE},
        {0x20000000, HOST_EXECUTE},
        {0xe0000000, HOST_READ | HOST_WRITE | HOST_EXECUTE},
        {0x00000000, 0},
        {0x42000000, HOST_READ}, /* DISCARDABLE pages stay */
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        for (unsigned alignment = 0x200; alignment <= 0x1000; alignment += 0xe00)
            for (unsigned moved = 0; moved < 2; moved++) {
                struct process process;
                uint64_t taken = 0x180000000;
                process_open(&process);
                process_add(&process, "/app/t.dll", &(struct ld_make){.pointers = 3, .zero_fill = 0x1000, .file_alignment = alignment});
                struct ld_made *made = &process.files[0];
                memcpy(section_header(made, 2) + 36, &rows[i].characteristics, 4);
                if (moved)
                    assert_int_equal(process.host->vm_reserve(process.host, &taken, 0x10000, 0), HOST_OK);
                struct ld_module *module = load(&process, "t");
                assert_non_null(module);
                assert_int_equal(sim_rights(process.host, module->base + made->data), rows[i].rights);
                assert_int_equal(sim_rights(process.host, module->base + made->data + 0x1000), rows[i].rights);
                assert_int_equal(image_u64(&process, module, made->data + 8), module->base + 0x1008);
                assert_int_equal(sim_bad_writes(process.host), 0);
                ld_module_free(&process.loader, module);
                if (moved)
                    process.host->vm_release(process.host, taken, 0x10000);
                process_close(&process);
            }
}

/* What the loader writes for this process alone, the addresses of its imports, must not be seen by others: a shared section that
 * holds the import tables is copied on write like any other. */
static void import_tables_are_not_shared(void **state)
{
    static const uint32_t shared = 0xd0000000;
    struct process process;
    (void)state;
    process_open(&process);
    process_add(&process, "/app/need.dll", &(struct ld_make){.exports = {{"a", NULL}}});
    process_add(&process, "/app/t.dll", &(struct ld_make){.base = 0x190000000, .imports = {{"need.dll", {"a"}}}, .pointers = 1});
    struct ld_made *made = &process.files[1];
    memcpy(section_header(made, 1) + 36, &shared, 4);
    memcpy(section_header(made, 2) + 36, &shared, 4);
    struct ld_module *module = load(&process, "t");
    assert_non_null(module);
    assert_int_equal(ld_module_region(module, pe_rva_at(made->data))->plan.rights, HOST_READ | HOST_WRITE | HOST_SHARED);
    assert_int_equal(ld_module_region(module, pe_rva_at(made->iat))->plan.rights, HOST_READ | HOST_WRITE);
    process_close(&process);
}

/* A file whose alignment is a page, at its base, with nothing to bind: headers, code, tables, data, table are one mapping, of
 * which code and data get rights of their own; the same file unaligned is one piece of memory and four changes. */
static void calls_are_few(void **state)
{
    struct process process;
    (void)state;
    process_open(&process);
    process_add(&process, "/app/mapped.dll", &(struct ld_make){.file_alignment = 0x1000, .pointers = 3, .exports = {{"f", 0}}});
    process_add(&process, "/app/copied.dll", &(struct ld_make){.base = 0x190000000, .pointers = 3, .exports = {{"f", 0}}});
    assert_non_null(load(&process, "mapped"));
    assert_int_equal(sim_calls(process.host, SIM_VM_MAP), 1);
    assert_int_equal(sim_calls(process.host, SIM_VM_COMMIT), 0);
    assert_int_equal(sim_calls(process.host, SIM_VM_PROTECT), 2);
    assert_non_null(load(&process, "copied"));
    assert_int_equal(sim_calls(process.host, SIM_VM_MAP), 1);
    assert_int_equal(sim_calls(process.host, SIM_VM_COMMIT), 1);
    assert_int_equal(sim_calls(process.host, SIM_VM_PROTECT), 2 + 4);
    process_close(&process);
}

/* Neighbours are one mapping where they are neighbours in the file too: headers, two tables and the rest, else one for each. */
static void only_neighbours_in_the_file_merge(void **state)
{
    (void)state;
    for (unsigned swapped = 0; swapped < 2; swapped++) {
        struct process process;
        process_open(&process);
        process_add(&process, "/app/t.dll", &(struct ld_make){.file_alignment = 0x1000, .exports = {{"f", 0}}});
        struct ld_made *made = &process.files[0];
        uint32_t read_only = 0x40000040, first = section_u32(made, swapped ? 1 : 0, 20), second = section_u32(made, swapped ? 0 : 1, 20);
        uint8_t page[0x1000];
        memcpy(section_header(made, 0) + 36, &read_only, 4);
        if (swapped) {
            memcpy(page, made->bytes + 0x1000, 0x1000);
            memmove(made->bytes + 0x1000, made->bytes + 0x2000, 0x1000);
            memcpy(made->bytes + 0x2000, page, 0x1000);
            memcpy(section_header(made, 0) + 20, &first, 4);
            memcpy(section_header(made, 1) + 20, &second, 4);
        }
        struct ld_module *module = load(&process, "t");
        assert_non_null(module);
        assert_int_equal(sim_calls(process.host, SIM_VM_MAP), swapped ? 4 : 1);
        assert_int_equal(*(uint8_t *)process.host->vm_at(process.host, module->base + 0x1000, 1), 0xc3);
        assert_non_null(ld_exports(module, NULL));
        process_close(&process);
    }
}

/* SectionAlignment above a page leaves holes that belong to the image and cannot be touched. */
static void gaps_stay_closed(void **state)
{
    struct process process;
    (void)state;
    process_open(&process);
    process_add(&process, "/app/t.dll", &(struct ld_make){.pointers = 0, .exports = {{"f", 0}}});
    struct ld_made *made = &process.files[0];
    uint32_t alignment = 0x4000, image = 0x10000, text = 0x4000, rdata = 0x8000, data = 0xc000, none = 0;
    uint8_t *optional = made->bytes + 0x80 + 24;
    memcpy(optional + 32, &alignment, 4);
    memcpy(optional + 56, &image, 4);
    memset(optional + 112, 0, 128);
    memcpy(section_header(made, 0) + 12, &text, 4);
    memcpy(section_header(made, 1) + 12, &rdata, 4);
    memcpy(section_header(made, 2) + 12, &data, 4);
    memcpy(optional + 16, &none, 4);
    struct ld_module *module = load(&process, "t");
    assert_non_null(module);
    static const struct {
        uint32_t rva;
        int rights;
    } rows[] = {{0, HOST_READ}, {0x1000, SIM_NOT_COMMITTED}, {0x3000, SIM_NOT_COMMITTED}, {0x4000, HOST_READ | HOST_EXECUTE},
                {0x5000, SIM_NOT_COMMITTED}, {0x8000, HOST_READ}, {0x9000, SIM_NOT_COMMITTED},
                {0xc000, HOST_READ | HOST_WRITE}, {0xd000, SIM_NOT_COMMITTED}, {0xf000, SIM_NOT_COMMITTED}};
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        assert_int_equal(sim_rights(process.host, module->base + rows[i].rva), rows[i].rights);
    assert_non_null(process_told(&process, LD_FILL, "gap", "t.dll"));
    assert_int_equal(ld_module_writable(&process.loader, module, pe_rva_at(0x5000), 4), HOST_NOT_FOUND);
    assert_int_equal(ld_module_writable(&process.loader, module, pe_rva_at(0x10000), 4), HOST_NOT_FOUND);
    assert_int_equal(ld_module_writable(&process.loader, module, pe_rva_at(0xfffffffe), 4), HOST_NOT_FOUND);
    process_close(&process);
}

/* ---- tls ---- */

static void tls_slots_are_reused(void **state)
{
    struct process process;
    (void)state;
    process_open(&process);
    static const char *const names[] = {"t0", "t1", "t2", "t3"};
    for (unsigned i = 0; i < 4; i++) {
        char path[16];
        snprintf(path, sizeof(path), "/app/%s.dll", names[i]);
        process_add(&process, path, &(struct ld_make){.with_tls = true, .pointers = 1, .is_32 = false});
    }
    struct ld_module *modules[4];
    for (unsigned i = 0; i < 3; i++) {
        modules[i] = load(&process, names[i]);
        assert_int_equal(modules[i]->tls_slot, i);
        assert_int_equal((uint32_t)image_u64(&process, modules[i], process.files[i].data + 8), i);
    }
    const struct told *slot = process_told(&process, LD_TLS, "slot", "t1.dll");
    assert_int_equal(slot->count, 1);
    assert_int_equal(slot->size, 16);
    assert_int_equal(slot->address, modules[1]->base + 0x2000);
    ld_module_free(&process.loader, modules[1]);
    assert_int_equal(process.loader.tls_count, 3);
    assert_null(process.loader.tls_modules[1]);
    modules[3] = load(&process, names[3]);
    assert_int_equal(modules[3]->tls_slot, 1);
    ld_module_free(&process.loader, modules[2]);
    assert_int_equal(process.loader.tls_count, 2);
    process_close(&process);
}

/* A directory without data and without callbacks takes no slot. */
static void empty_tls_takes_no_slot(void **state)
{
    struct process process;
    (void)state;
    process_open(&process);
    process_add(&process, "/app/t.dll", &(struct ld_make){.with_tls = true, .pointers = 1, .without_relocations = true});
    struct ld_made *made = &process.files[0];
    uint32_t rva, raw = section_u32(made, 1, 20);
    memcpy(&rva, made->bytes + 0x80 + 24 + 112 + 9 * 8, 4);
    uint8_t *directory = made->bytes + raw + rva - 0x2000;
    memcpy(directory + 8, directory, 8);  /* end = start */
    memset(directory + 24, 0, 8);         /* no callbacks */
    struct ld_module *module = load(&process, "t");
    assert_non_null(module);
    assert_int_equal(module->tls_slot, -1);
    assert_int_equal(process.loader.tls_count, 0);
    ld_module_free(&process.loader, module);
    directory[32] = 1; /* one byte of zero fill is data */
    module = load(&process, "t");
    assert_int_equal(module->tls_slot, 0);
    process_close(&process);
}

/* ---- trace ---- */

static void trace_words(void **state)
{
    static const char *const names[] = {"find", "open", "place", "fill", "relocate", "bind", "tls", "protect", "order",
                                        "init", "start", "thread", "unload", "syscall", "handle", "process", "cache"};
    enum { COUNT = sizeof names / sizeof *names };
    uint32_t mask = 7;
    const char *bad = NULL;
    (void)state;
    for (unsigned i = 0; i < COUNT; i++) {
        assert_string_equal(ld_phase_name((enum ld_phase)i), names[i]);
        assert_int_equal(ld_trace_parse(names[i], &mask, &bad), 1);
        assert_int_equal(mask, 1u << i);
    }
    assert_int_equal(ld_trace_parse("all", &mask, &bad), 1);
    assert_int_equal(mask, (1u << COUNT) - 1);
    assert_int_equal(ld_trace_parse("find,bind,find", &mask, &bad), 1);
    assert_int_equal(mask, 1u << LD_FIND | 1u << LD_BIND);
    static const char *const wrong[] = {"", "find,", "find,,bind", "Find", "finds", "fin", "find,rebind,tls"};
    static const unsigned at[] = {0, 5, 5, 0, 0, 0, 5};
    for (unsigned i = 0; i < 7; i++) {
        assert_int_equal(ld_trace_parse(wrong[i], &mask, &bad), 0);
        assert_ptr_equal(bad, wrong[i] + at[i]);
        assert_int_equal(mask, 1u << LD_FIND | 1u << LD_BIND);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_where_they_belong), cmocka_unit_test(rights_follow_the_sections),
        cmocka_unit_test(import_tables_are_not_shared),
        cmocka_unit_test(calls_are_few),               cmocka_unit_test(only_neighbours_in_the_file_merge),
        cmocka_unit_test(gaps_stay_closed),            cmocka_unit_test(tls_slots_are_reused),
        cmocka_unit_test(empty_tls_takes_no_slot),     cmocka_unit_test(trace_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
