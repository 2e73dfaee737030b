/* A simulated process for the tests of the phases: two search folders, /app and /sys, and files made by ld_builder.h. */
#ifndef TESTS_UNIT_LD_PROCESS_H
#define TESTS_UNIT_LD_PROCESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ld_builder.h"
#include "loader/host/sim/sim.h"
#include "loader/load.h"

struct told {
    enum ld_phase phase;
    char verb[16], module[64], name[64];
    uint64_t address, size, count, from;
};

struct process {
    struct host *host;
    struct loader loader;
    struct ld_trace trace;
    struct ld_error error;
    struct told events[512];
    unsigned event_count;
    struct ld_made files[40];
    unsigned file_count;
};

static inline void process_hears(void *context, const struct ld_event *event)
{
    struct process *process = context;
    if (process->event_count == 512)
        return;
    struct told *told = &process->events[process->event_count++];
    told->phase = event->phase;
    ld_text_set(told->verb, sizeof(told->verb), event->verb);
    ld_text_set(told->module, sizeof(told->module), event->module);
    ld_text_set(told->name, sizeof(told->name), event->name);
    told->address = event->address;
    told->size = event->size;
    told->count = event->count;
    told->from = event->from;
}

/* The first event of this kind from the index-th on; NULL: none. module NULL: any. */
static inline const struct told *process_told(const struct process *process, enum ld_phase phase, const char *verb,
                                              const char *module)
{
    for (unsigned i = 0; i < process->event_count; i++)
        if (process->events[i].phase == phase && strcmp(process->events[i].verb, verb) == 0 &&
            (!module || strcmp(process->events[i].module, module) == 0))
            return &process->events[i];
    return NULL;
}

static inline void process_open(struct process *process)
{
    static const char *const search[] = {"/app", "/sys", NULL};
    memset(process, 0, sizeof(*process));
    process->host = host_sim_open();
    assert_non_null(process->host);
    process->trace = (struct ld_trace){.mask = ~0u, .sink = process_hears, .context = process};
    process->loader = (struct loader){.host = process->host, .trace = &process->trace, .search = search};
}

static inline const struct ld_made *process_add(struct process *process, const char *path, const struct ld_make *make)
{
    assert_true(process->file_count < 40);
    struct ld_made *made = &process->files[process->file_count++];
    *made = ld_make(make);
    assert_true(sim_file_add(process->host, path, made->bytes, made->size));
    return made;
}

/* Nothing may be left of a load but what the list holds. */
static inline void process_is_empty(const struct process *process)
{
    assert_null(process->loader.first);
    assert_null(process->loader.last);
    assert_int_equal(process->loader.count, 0);
    assert_int_equal(process->loader.tls_count, 0);
    assert_null(process->loader.tls_modules);
    assert_int_equal(process->loader.depth, 0);
    assert_int_equal(sim_open_files(process->host), 0);
    assert_int_equal(sim_reservations(process->host), 0);
}

static inline void process_close(struct process *process)
{
    while (process->loader.last)
        ld_module_free(&process->loader, process->loader.last);
    process_is_empty(process);
    assert_int_equal(sim_bad_writes(process->host), 0);
    host_sim_close(process->host);
    for (unsigned i = 0; i < process->file_count; i++)
        free(process->files[i].bytes);
}

/* 8 bytes of an image. */
static inline uint64_t image_u64(struct process *process, const struct ld_module *module, uint32_t rva)
{
    uint64_t value;
    memcpy(&value, process->host->vm_at(process->host, module->base + rva, 8), 8);
    return value;
}

#endif
