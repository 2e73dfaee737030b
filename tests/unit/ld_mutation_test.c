/* Files with wrong bytes in them, loaded on the simulated machine: whatever they say, the loader stays within its
 * memory (the sanitizers watch), writes only where it may, ends, and leaves nothing behind when it refuses. */
#include "ld_process.h"

#ifndef LD_MUTATIONS
#define LD_MUTATIONS 3000u
#endif

static uint64_t random_state;

static uint32_t next_random(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 20) % below;
}

/* Numbers that tables break at. */
static const uint32_t odd_numbers[] = {0, 1, 2, 7, 8, 0xfff, 0x1000, 0x1001, 0x7fffffff, 0x80000000, 0xfffff000, 0xfffffff8, 0xffffffff};

/* Mostly in what is not zero: a wrong byte in padding tells nothing. */
static void damage(uint8_t *bytes, size_t size)
{
    for (unsigned i = 0, n = 1 + next_random(3); i < n; i++) {
        uint32_t at = next_random((uint32_t)size);
        for (unsigned tries = 0; tries < 64 && !bytes[at]; tries++)
            at = next_random((uint32_t)size);
        switch (next_random(4)) {
        case 0: bytes[at] ^= (uint8_t)(1u << next_random(8)); break;
        case 1: bytes[at] = (uint8_t)next_random(256); break;
        case 2: bytes[at] = (uint8_t)(bytes[at] + (next_random(2) ? 1 : -1)); break;
        case 3:
            at &= ~3u;
            if (at + 4 <= size)
                memcpy(bytes + at, &odd_numbers[next_random(sizeof(odd_numbers) / sizeof(*odd_numbers))], 4);
            break;
        }
    }
}

/* All that can be seen of a load: bytes and rights of every image, or why it was refused. */
static uint64_t outcome(const struct process *process, const struct ld_module *module)
{
    uint64_t sum = module ? 1 : process->error.ntstatus;
    for (const struct ld_module *one = process->loader.first; one; one = one->next)
        for (unsigned i = 0; i < one->region_count; i++) {
            const struct pe_region *plan = &one->regions[i].plan;
            if (plan->kind == PE_REGION_GAP)
                continue;
            const uint8_t *bytes = process->host->vm_at(process->host, one->base + plan->rva.value, plan->size);
            for (uint32_t at = 0; at < plan->size; at++)
                sum = (sum ^ bytes[at]) * 0x100000001b3u;
            sum = (sum ^ (uint64_t)sim_rights(process->host, one->base + plan->rva.value)) * 0x100000001b3u;
        }
    return sum;
}

static void damaged_files_do_no_harm(void **state)
{
    static const struct ld_make makes[] = {
        {.is_exe = true, .base = 0x140000000, .pointers = 40, .with_tls = true,
         .imports = {{"b", {"b1", "b2"}}, {"b.dll", {"away", "#10"}}}},
        {.is_exe = true, .base = 0x140000000, .file_alignment = 0x1000, .pointers = 3, .with_tls = true, .without_lookup = true,
         .imports = {{"b", {"b1", "b2"}}}, .exports = {{"x", 0}, {"y", "b.away"}}},
        {.exports = {{"away", "c.#10"}, {"b1", 0}, {"b2", 0}}, .imports = {{"c.dll", {"c1"}}}, .pointers = 3},
        {.exports = {{"c1", 0}, {"c2", "b.b1"}}, .imports = {{"b.dll", {"b2"}}}, .pointers = 600, .file_alignment = 0x1000},
    };
    static const uint64_t parts[] = {0x1000, 0x400, 0x200, 0x100};
    uint64_t before = 0, whole = 0;
    unsigned loaded = 0, refused = 0;
    (void)state;
    random_state = 0x9e3779b97f4a7c15u;
    for (unsigned round = 0; round < 2 * LD_MUTATIONS; round++) {
        struct process process;
        bool by_part = round & 1; /* each file twice: shown whole, and by its beginning, mapped or read */
        process_open(&process);
        process.trace.mask = 0;
        process.loader.occupy = round >> 1 & 1;
        process.loader.random = round >> 1;
        if (by_part)
            sim_show_part(process.host, parts[round >> 1 & 3], round >> 3 & 1);
        unsigned exe = round >> 2 & 1;
        process_add(&process, "/app/a.exe", &makes[exe]);
        process_add(&process, "/app/b.dll", &makes[2]);
        process_add(&process, "/app/c.dll", &makes[3]);
        random_state = by_part ? before : (before = random_state);
        struct ld_made *hurt = &process.files[next_random(3)];
        damage(hurt->bytes, hurt->size);
        struct ld_module *list[16], *module = ld_load_path(&process.loader, "/app/a.exe", &process.error);
        uint64_t now = outcome(&process, module);
        if (by_part)
            assert_int_equal(now, whole);
        whole = now;
        if (module) {
            loaded++;
            ld_order(&process.loader, module, list, 16);
            ld_symbol(&process.loader, module, "y", 1, 0, &process.error);
        } else {
            refused++;
            process_is_empty(&process);
            assert_non_null(process.error.text);
            assert_int_not_equal(process.error.ntstatus, 0);
        }
        process_close(&process);
    }
    assert_true(loaded > LD_MUTATIONS / 20);
    assert_true(refused > LD_MUTATIONS / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(damaged_files_do_no_harm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
