/* The story as a whole on the simulated machine: order, cycles, counts, and every host call failed in turn. */
#include "ld_process.h"

/* An EXE and five DLLs: a needs b and c; b and c need each other; c forwards to d, which nobody imports; e has TLS. */
static void add_graph(struct process *process)
{
    process_add(process, "/app/a.exe", &(struct ld_make){
        .is_exe = true, .base = 0x140000000, .pointers = 40, .with_tls = true,
        .imports = {{"b", {"b1", "b2"}}, {"C.DLL", {"c1", "forwarded", "#10"}}, {"e.dll  ", {"e1"}}}});
    process_add(process, "/app/b.dll", &(struct ld_make){
        .exports = {{"b1", 0}, {"b2", 0}}, .imports = {{"c.dll", {"c1"}}}, .pointers = 3});
    process_add(process, "/app/c.dll", &(struct ld_make){
        .exports = {{"c1", 0}, {"forwarded", "d.d1"}}, .imports = {{"b.dll", {"b2"}}}, .pointers = 600});
    process_add(process, "/sys/d.dll", &(struct ld_make){.base = 0x190000000, .exports = {{"d1", 0}}});
    process_add(process, "/sys/e.dll", &(struct ld_make){
        .base = 0x1a0000000, .file_alignment = 0x1000, .exports = {{"e1", 0}}, .with_tls = true, .pointers = 1});
}

static void graph_is_mapped_bound_and_ordered(void **state)
{
    struct process process;
    (void)state;
    process_open(&process);
    add_graph(&process);
    struct ld_module *exe = ld_load_path(&process.loader, "/app/a.exe", &process.error);
    assert_non_null(exe);
    assert_true(exe->is_main);

    /* Load order is pre-order: each module before what it needs; forwarder targets come when binding meets them. */
    static const char *const load_order[] = {"a.exe", "b.dll", "c.dll", "e.dll", "d.dll"};
    const struct ld_module *module = process.loader.first;
    for (unsigned i = 0; i < 5; i++, module = module->next) {
        assert_string_equal(module->name, load_order[i]);
        assert_int_equal(module->state, LD_READY);
        assert_false(module->is_new);
        assert_true(module->is_static);
        assert_int_equal(module->references, -1);
    }
    assert_null(module);

    /* Initialisation order: dependencies first, in import order; the cycle b <-> c is cut inside b. */
    static const char *const init_order[] = {"c.dll", "b.dll", "e.dll", "d.dll", "a.exe"};
    struct ld_module *list[8];
    assert_int_equal(ld_order(&process.loader, exe, list, 8), 5);
    for (unsigned i = 0; i < 5; i++)
        assert_string_equal(list[i]->name, init_order[i]);
    assert_int_equal(ld_order(&process.loader, exe, list, 2), 2);

    /* b and c wish for one base: the later one moved. */
    struct ld_module *b = ld_module_by_name(&process.loader, "B.dll"), *c = ld_module_by_name(&process.loader, "c.dll");
    struct ld_module *d = ld_module_by_name(&process.loader, "d.dll");
    assert_int_equal(b->base, 0x180000000);
    assert_true(c->moved && c->base != b->base);
    assert_int_equal(c->fixups, 600);

    /* Slots: export i of a made DLL lies at 0x1000 + 16 * i; ordinal 10 is export 0. */
    uint32_t iat = process.files[0].iat;
    assert_int_equal(image_u64(&process, exe, iat), b->base + 0x1000);
    assert_int_equal(image_u64(&process, exe, iat + 8), b->base + 0x1010);
    assert_int_equal(image_u64(&process, b, process.files[1].iat), c->base + 0x1000);
    assert_int_equal(image_u64(&process, c, process.files[2].iat), b->base + 0x1010);
    assert_int_equal(exe->imports, 6);
    const struct told *forwarded = process_told(&process, LD_BIND, "bound", "a.exe");
    while (strcmp(forwarded->name, "forwarded") != 0)
        forwarded++;
    assert_int_equal(forwarded->address, d->base + 0x1000);
    assert_int_equal(image_u64(&process, exe, (uint32_t)(forwarded->from - exe->base)), d->base + 0x1000);

    /* TLS slots rise in load order and stand in the images. */
    struct ld_module *e = ld_module_by_name(&process.loader, "e.dll");
    assert_int_equal(exe->tls_slot, 0);
    assert_int_equal(e->tls_slot, 1);
    assert_int_equal((uint32_t)image_u64(&process, e, process.files[4].data + 8), 1);
    assert_ptr_equal(process.loader.tls_modules[1], e);
    assert_int_equal(b->tls_slot, -1);
    process_close(&process);
}

/* Each call into the host fails once; after each failure nothing is left, and the next try starts from the beginning. */
static void every_failure_is_undone(void **state)
{
    static const enum host_result results[] = {HOST_NO_MEMORY, HOST_FAILED};
    (void)state;
    for (unsigned round = 0; round < 6; round++) {
        struct process process;
        unsigned r = round & 1;
        process_open(&process);
        if (round & 6)
            sim_show_part(process.host, 0x400, round & 4);
        add_graph(&process);
        unsigned n = 1;
        for (;; n++) {
            memset(&process.error, 0xee, sizeof(process.error));
            process.error.text = NULL;
            sim_fail_at(process.host, n, results[r]);
            struct ld_module *exe = ld_load_path(&process.loader, "/app/a.exe", &process.error);
            if (exe) {
                assert_false(sim_has_failed(process.host));
                break;
            }
            assert_true(sim_has_failed(process.host));
            process_is_empty(&process);
            assert_int_equal(process.error.host, results[r]);
            assert_int_equal(process.error.ntstatus, results[r] == HOST_NO_MEMORY ? 0xc0000017u : 0xc0000001u);
            assert_non_null(process.error.text);
            assert_true(strlen(process.error.module) > 0);
        }
        /* Five modules: each is opened, reserved, filled by at least one call and protected. */
        assert_true(n > 25);
        assert_int_equal(sim_calls(process.host, SIM_FILE_READ) > 0, round >= 2);
        process_close(&process);
    }
}

/* The same for a DLL that joins a running program: what was there stays as it was. */
static void failure_keeps_what_was_there(void **state)
{
    struct process process;
    (void)state;
    process_open(&process);
    add_graph(&process);
    process_add(&process, "/app/late.dll", &(struct ld_make){
        .exports = {{"l1", "later.l2"}}, .imports = {{"b.dll", {"b1"}}, {"later", {"l2"}}}, .with_tls = true, .pointers = 2});
    process_add(&process, "/app/later.dll", &(struct ld_make){.exports = {{"l2", 0}}, .imports = {{"late", {"l1"}}},
                                                              .pointers = 2});
    assert_non_null(ld_load_path(&process.loader, "/app/a.exe", &process.error));
    unsigned reservations = sim_reservations(process.host);
    struct ld_module *last = process.loader.last, *late = NULL;
    for (unsigned n = 1; !late; n++) {
        sim_fail_at(process.host, n, HOST_NO_MEMORY);
        late = ld_load(&process.loader, "LATE", NULL, &process.error);
        if (late)
            break;
        assert_ptr_equal(process.loader.last, last);
        assert_int_equal(process.loader.count, 5);
        assert_int_equal(process.loader.tls_count, 2);
        assert_int_equal(sim_reservations(process.host), reservations);
        assert_int_equal(sim_open_files(process.host), 0);
        for (struct ld_module *module = process.loader.first; module; module = module->next)
            assert_int_equal(module->references, -1);
    }
    assert_int_equal(process.loader.count, 7);
    assert_false(late->is_static);
    assert_int_equal(late->tls_slot, 2);
    /* One reference by the caller, one by later.dll, which needs it too. */
    assert_int_equal(late->references, 2);
    assert_int_equal(ld_module_by_name(&process.loader, "later.dll")->references, 1);
    process_close(&process);
}

static void references_and_unloading(void **state)
{
    struct process process;
    struct ld_module *list[8];
    (void)state;
    process_open(&process);
    process_add(&process, "/app/x.dll", &(struct ld_make){.imports = {{"y", {"y1"}}, {"z", {"z1"}}}, .exports = {{"x1", 0}}});
    process_add(&process, "/app/y.dll", &(struct ld_make){.imports = {{"z", {"z1"}}}, .exports = {{"y1", 0}}, .pointers = 1});
    process_add(&process, "/app/z.dll", &(struct ld_make){.exports = {{"z1", 0}}, .pointers = 1, .with_tls = true});
    process_add(&process, "/app/w.dll", &(struct ld_make){.imports = {{"z", {"z1"}}}, .pointers = 1});
    struct loader *loader = &process.loader;

    struct ld_module *x = ld_load(loader, "x", NULL, &process.error), *y = x->next, *z = y->next;
    struct ld_module *w = ld_load(loader, "w.dll", NULL, &process.error);
    assert_int_equal(x->references, 1);
    assert_int_equal(y->references, 1);
    assert_int_equal(z->references, 3); /* x, y, w */
    assert_ptr_equal(ld_load(loader, "X.DLL", NULL, &process.error), x);
    assert_int_equal(x->references, 2);
    assert_int_equal(y->references, 1); /* loading what is there touches the root alone */

    /* Initialised in the order that ld_order gives: z y x, then w. */
    unsigned index = 0;
    for (size_t i = 0, n = ld_order(loader, x, list, 8); i < n; i++) {
        list[i]->init_index = ++index;
        list[i]->state = LD_RUNNING;
    }
    assert_int_equal(index, 3);
    assert_int_equal(ld_order(loader, w, list, 8), 1);
    list[0]->init_index = ++index;
    list[0]->state = LD_RUNNING;

    assert_int_equal(ld_unload_plan(loader, x, list, 8), 0);
    assert_int_equal(ld_unload_plan(loader, x, list, 8), 2);
    assert_ptr_equal(list[0], x);
    assert_ptr_equal(list[1], y);
    ld_module_free(loader, x);
    ld_module_free(loader, y);
    assert_int_equal(z->references, 1);
    assert_int_equal(ld_unload_plan(loader, w, list, 8), 2);
    assert_ptr_equal(list[0], w);
    assert_ptr_equal(list[1], z);
    assert_int_equal(loader->tls_count, 1);
    ld_module_free(loader, w);
    ld_module_free(loader, z);
    process_is_empty(&process);
    process_close(&process);
}

/* Modules that need each other go together, once nobody outside holds one of them; Windows counts a ring as one. */
static void rings_are_unloaded(void **state)
{
    struct process process;
    struct ld_module *list[8];
    (void)state;
    process_open(&process);
    process_add(&process, "/app/p.dll", &(struct ld_make){.imports = {{"q", {"f"}}}, .exports = {{"f", 0}}});
    process_add(&process, "/app/q.dll", &(struct ld_make){.imports = {{"p", {"f"}}, {"r", {"f"}}}, .exports = {{"f", 0}},
                                                          .pointers = 1});
    process_add(&process, "/app/r.dll", &(struct ld_make){.exports = {{"f", 0}}, .pointers = 1});
    struct loader *loader = &process.loader;
    struct ld_module *p = ld_load(loader, "p", NULL, &process.error), *q = ld_load(loader, "q", NULL, &process.error);
    struct ld_module *r = ld_module_by_name(loader, "r.dll");
    assert_int_equal(p->references, 2);
    assert_int_equal(q->references, 2);
    p->init_index = 3;
    q->init_index = 2;
    r->init_index = 1;
    assert_int_equal(ld_unload_plan(loader, p, list, 8), 0);
    assert_int_equal(p->references, 1);
    ld_reference(loader, r);
    assert_int_equal(ld_unload_plan(loader, q, list, 8), 2);
    assert_ptr_equal(list[0], p);
    assert_ptr_equal(list[1], q);
    assert_int_equal(r->references, 1);
    ld_module_free(loader, p);
    ld_module_free(loader, q);
    assert_int_equal(ld_unload_plan(loader, r, list, 8), 1);
    process_close(&process);
}

/* A module that nobody can unload: pinned by hand, or by the program. */
static void pinned_modules_stay(void **state)
{
    struct process process;
    struct ld_module *list[8];
    (void)state;
    process_open(&process);
    add_graph(&process);
    assert_non_null(ld_load_path(&process.loader, "/app/a.exe", &process.error));
    struct ld_module *b = ld_load(&process.loader, "b", NULL, &process.error);
    assert_int_equal(b->references, -1);
    assert_int_equal(ld_unload_plan(&process.loader, b, list, 8), 0);
    assert_int_equal(b->references, -1);
    process_close(&process);
}

/* Two names of one file are one module, under the name that came first. */
static void one_file_one_module(void **state)
{
    struct process process;
    (void)state;
    process_open(&process);
    const struct ld_made *made = process_add(&process, "/app/first.dll", &(struct ld_make){.exports = {{"f", 0}}});
    assert_true(sim_file_add(process.host, "/sys/second.dll", made->bytes, made->size));
    struct ld_module *first = ld_load(&process.loader, "first", NULL, &process.error);
    assert_ptr_equal(ld_load(&process.loader, "second", NULL, &process.error), first);
    assert_ptr_equal(ld_load_path(&process.loader, "/sys/second.dll", &process.error), first);
    assert_string_equal(first->name, "first.dll");
    assert_int_equal(first->references, 3);
    assert_int_equal(sim_open_files(process.host), 0);
    assert_int_equal(process.loader.count, 1);
    process_close(&process);
}

/* An EXE that is loaded into a program is only looked at (Windows: no imports, no TLS), and so is a DLL by wish. */
static void unresolved_loads(void **state)
{
    struct process process;
    (void)state;
    process_open(&process);
    add_graph(&process);
    process_add(&process, "/app/other.exe", &(struct ld_make){
        .is_exe = true, .base = 0x150000000, .imports = {{"not there", {"x"}}}, .with_tls = true});
    process_add(&process, "/app/plain.dll", &(struct ld_make){.imports = {{"not there", {"x"}}}, .with_tls = true});
    assert_non_null(ld_load_path(&process.loader, "/app/a.exe", &process.error));
    struct ld_module *other = ld_load_path(&process.loader, "/app/other.exe", &process.error);
    assert_non_null(other);
    assert_false(other->is_main);
    assert_true(other->no_resolve);
    assert_int_equal(other->tls_slot, -1);
    assert_null(ld_load(&process.loader, "plain", NULL, &process.error));
    process.loader.root_no_resolve = true;
    struct ld_module *plain = ld_load(&process.loader, "plain", NULL, &process.error);
    assert_non_null(plain);
    assert_int_equal(plain->need_count, 0);
    assert_int_equal(plain->tls_slot, -1);
    assert_false(process.loader.root_no_resolve);
    process_close(&process);
}

/* A chain of imports without end is refused, not followed until the stack is gone. */
static void deep_graphs_are_refused(void **state)
{
    struct process process;
    char names[130][16], paths[130][24];
    struct ld_made made[130];
    (void)state;
    process_open(&process);
    for (unsigned i = 0; i < 130; i++)
        snprintf(names[i], sizeof(names[i]), "n%u.dll", i);
    for (unsigned i = 0; i < 130; i++) {
        struct ld_make make = {.exports = {{"f", 0}}, .pointers = 1};
        if (i + 1 < 130)
            make.imports[0] = (struct ld_make_import){names[i + 1], {"f"}};
        made[i] = ld_make(&make);
        snprintf(paths[i], sizeof(paths[i]), "/app/%s", names[i]);
        assert_true(sim_file_add(process.host, paths[i], made[i].bytes, made[i].size));
    }
    assert_null(ld_load(&process.loader, "n0", NULL, &process.error));
    assert_int_equal(process.error.ntstatus, 0xc00000fdu); /* STATUS_STACK_OVERFLOW */
    process_is_empty(&process);
    assert_non_null(ld_load(&process.loader, "n50", NULL, &process.error));
    assert_int_equal(process.loader.count, 80);
    process_close(&process);
    for (unsigned i = 0; i < 130; i++)
        free(made[i].bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(graph_is_mapped_bound_and_ordered), cmocka_unit_test(every_failure_is_undone),
        cmocka_unit_test(failure_keeps_what_was_there),      cmocka_unit_test(references_and_unloading),
        cmocka_unit_test(pinned_modules_stay),               cmocka_unit_test(one_file_one_module),
        cmocka_unit_test(rings_are_unloaded),                cmocka_unit_test(unresolved_loads),
                        cmocka_unit_test(deep_graphs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
