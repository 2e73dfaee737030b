/* JSON of everything but the modules. */
#include "loader/inspect/inspect.h"
#include "loader/inspect/offsets.h"
#include "pe/layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OUTPUT_SHOWN = 256 << 10, ENVIRONMENT_LIMIT = 1 << 20 };

uint64_t inspect_hash(const uint8_t *bytes, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

/* ---- file, process, regions ---- */

static void file_write(const struct inspect_facts *facts, struct json *json)
{
    struct pe_image image;
    struct pe_error ignored = {0};
    bool good = pe_open(&image, facts->bytes, PE_FORM_FILE, &ignored);
    emit_open(json, "file", '{');
    emit_text(json, "path", facts->file);
    emit_number(json, "size", (int64_t)facts->bytes.size);
    emit_hex(json, "image_base", good ? image.image_base.value : 0);
    emit_hex(json, "entry", good ? image.entry.value : 0);
    emit_hex(json, "timestamp", good ? image.timestamp : 0);
    emit_hex(json, "hash", inspect_hash(facts->bytes.data, (size_t)facts->bytes.size));
    emit_close(json);
}

/* Where the program lies: the PEB says it, or the image that has the program's name. */
static const struct inspect_module *program_of(const struct inspect_process *process, const struct inspect_facts *facts)
{
    uint64_t base = process->peb ? inspect_pointer(process->reader, process->peb + inspect_offsets_of(process->reader->is_64)->peb.image_base) : 0;
    for (size_t i = 0; i < process->module_count; i++)
        if (base ? process->modules[i].base == base : !strcmp(process->modules[i].file, facts->file))
            return &process->modules[i];
    return NULL;
}

static void id_write(struct json *json, const char *key, uint64_t id)
{
    if (id)
        emit_number(json, key, (int64_t)id);
    else
        emit_null(json, key);
}

static void region_write(const struct inspect_process *process, const struct inspect_region *region, struct json *json)
{
    static const char *const types[] = {NULL, "image", "mapped", "private"};
    const struct inspect_module *module = inspect_module_at(process, region->base);
    char use[512], rights[4];
    inspect_use(process, region, use, sizeof use);
    emit_open(json, NULL, '{');
    emit_hex(json, "base", region->base);
    emit_number(json, "size", (int64_t)region->size);
    emit_hex_or_null(json, "allocation_base", region->allocation_base ? region->allocation_base : module ? module->base : 0);
    emit_text(json, "state", region->committed ? "commit" : "reserve");
    emit_text(json, "type", module ? "image" : types[region->type]);
    pe_rights_text(region->committed ? region->rights : 0, rights);
    emit_text(json, "rights", rights);
    if (region->guard)
        emit_yes(json, "guard", true);
    if (region->allocation_rights >= 0) {
        pe_rights_text(region->allocation_rights, rights);
        emit_text(json, "allocation_rights", rights);
    } else
        emit_null(json, "allocation_rights");
    emit_text(json, "use", use[0] ? use : NULL);
    emit_text(json, "module", module ? module->name : NULL);
    emit_close(json);
}

void inspect_write_process(const struct inspect_process *process, const struct inspect_facts *facts, struct json *json)
{
    const struct inspect_module *program = program_of(process, facts);
    const struct inspect_offsets *at = inspect_offsets_of(process->reader->is_64);
    uint64_t teb = process->thread_count ? process->threads[0].teb : 0;
    emit_open(json, NULL, '{');
    emit_number(json, "schema", 1);
    emit_text(json, "kind", "snapshot");
    emit_text(json, "lane", facts->lane);
    emit_text(json, "at", facts->at);
    emit_text(json, "machine", process->reader->is_64 ? "x64" : "x86");
    emit_text(json, "system", facts->system);
    file_write(facts, json);
    emit_open(json, "process", '{');
    id_write(json, "id", facts->id ? facts->id : teb ? inspect_pointer(process->reader, teb + at->teb.process_id) : 0);
    id_write(json, "parent", facts->parent);
    emit_hex_or_null(json, "peb", process->peb);
    emit_hex_or_null(json, "teb", teb);
    emit_hex_or_null(json, "image_base", program ? program->base : 0);
    emit_hex_or_null(json, "entry", program && program->has_image ? program->base + program->image.entry.value : 0);
    emit_close(json);
    emit_open(json, "regions", '[');
    for (size_t i = 0; i < process->region_count; i++)
        region_write(process, &process->regions[i], json);
    emit_close(json);
}

/* ---- PEB, parameters ---- */

static void version_write(struct json *json, const char *key, uint64_t major, uint64_t minor, int64_t build)
{
    char text[64];
    int length = snprintf(text, sizeof text, "%" PRIu64 ".%" PRIu64, major, minor);
    if (build >= 0)
        snprintf(text + length, sizeof text - (size_t)length, ".%" PRId64, build);
    emit_text(json, key, text);
}

static void peb_write(const struct inspect_process *process, struct json *json)
{
    struct inspect_reader *reader = process->reader;
    const struct inspect_offsets *at = inspect_offsets_of(reader->is_64);
    uint64_t peb = process->peb, bits = inspect_pointer(reader, peb + at->peb.tls_bitmap);
    const struct { const char *key; uint16_t offset; } pointers[] = {
        {"image_base", at->peb.image_base}, {"ldr", at->peb.ldr}, {"parameters", at->peb.parameters},
        {"process_heap", at->peb.heap}, {"api_set_map", at->peb.api_set_map}, {"loader_lock", at->peb.loader_lock},
        {"fast_lock", at->peb.fast_lock}};
    if (!peb) {
        emit_null(json, "peb");
        return;
    }
    emit_open(json, "peb", '{');
    emit_hex(json, "address", peb);
    for (size_t i = 0; i < sizeof pointers / sizeof *pointers; i++)
        emit_hex(json, pointers[i].key, inspect_pointer(reader, peb + pointers[i].offset));
    emit_hex(json, "tls_bitmap", bits ? inspect_number(reader, inspect_pointer(reader, bits + (reader->is_64 ? 8 : 4)), 8) : 0);
    emit_yes(json, "being_debugged", inspect_number(reader, peb + at->peb.being_debugged, 1) != 0);
    emit_number(json, "processors", (int64_t)inspect_number(reader, peb + at->peb.processors, 4));
    version_write(json, "os_version", inspect_number(reader, peb + at->peb.os_major, 4),
                  inspect_number(reader, peb + at->peb.os_minor, 4), (int64_t)inspect_number(reader, peb + at->peb.os_build, 2));
    emit_number(json, "subsystem", (int64_t)inspect_number(reader, peb + at->peb.subsystem, 4));
    version_write(json, "subsystem_version", inspect_number(reader, peb + at->peb.subsystem_major, 4),
                  inspect_number(reader, peb + at->peb.subsystem_minor, 4), -1);
    emit_number(json, "session", (int64_t)inspect_number(reader, peb + at->peb.session, 4));
    emit_close(json);
}

/* The block of "NAME=value" texts, up to the empty one. */
static void environment_write(struct inspect_reader *reader, uint64_t address, uint64_t size, struct json *json)
{
    emit_open(json, "environment", '[');
    if (!size || size > ENVIRONMENT_LIMIT)
        size = ENVIRONMENT_LIMIT;
    uint8_t *block = calloc(size + 2, 1);
    char *text = malloc(size / 2 * 3 + 8);
    if (!block || !text)
        json->failed = true;
    else if (address) {
        inspect_copy(reader, address, block, size, NULL);
        for (uint64_t at = 0; at + 1 < size && (block[at] || block[at + 1]);) {
            uint64_t end = at;
            while (end + 1 < size && (block[end] || block[end + 1]))
                end += 2;
            utf8_from_utf16(block + at, (size_t)(end - at) / 2, text, size / 2 * 3 + 8);
            emit_text(json, NULL, text);
            at = end + 2;
        }
    }
    free(block), free(text);
    emit_close(json);
}

static void parameters_write(const struct inspect_process *process, struct json *json)
{
    struct inspect_reader *reader = process->reader;
    const struct inspect_offsets *at = inspect_offsets_of(reader->is_64);
    uint64_t block = process->parameters;
    const struct { const char *key; uint16_t offset; } strings[] = {
        {"image", at->parameters.image}, {"command_line", at->parameters.command_line}, {"current_directory", at->parameters.directory},
        {"title", at->parameters.title}, {"desktop", at->parameters.desktop}, {"dll_path", at->parameters.dll_path}};
    if (!block) {
        emit_null(json, "parameters");
        return;
    }
    emit_open(json, "parameters", '{');
    emit_hex(json, "address", block);
    emit_hex(json, "flags", inspect_number(reader, block + at->parameters.flags, 4));
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        char *text = inspect_string(reader, block + strings[i].offset);
        emit_text(json, strings[i].key, text ? text : "");
        json->failed |= !text;
        free(text);
    }
    emit_hex(json, "standard_input", inspect_pointer(reader, block + at->parameters.input));
    emit_hex(json, "standard_output", inspect_pointer(reader, block + at->parameters.output));
    emit_hex(json, "standard_error", inspect_pointer(reader, block + at->parameters.error));
    environment_write(reader, inspect_pointer(reader, block + at->parameters.environment),
                      inspect_pointer(reader, block + at->parameters.environment_size), json);
    emit_close(json);
}

/* ---- handles, threads ---- */

static void handles_write(struct inspect_reader *reader, struct json *json)
{
    struct inspect_handle handle = {0};
    if (!reader->sees_handles) {
        emit_null(json, "handles");
        return;
    }
    emit_open(json, "handles", '[');
    for (unsigned i = 0; reader->handle_at(reader, i, &handle); i++) {
        char name[3 * sizeof handle.name + 1];
        utf8_from_bytes((const uint8_t *)handle.name, strlen(handle.name), name);
        emit_open(json, NULL, '{');
        emit_hex(json, "handle", handle.handle);
        emit_text(json, "type", handle.type[0] ? handle.type : NULL);
        emit_text(json, "name", name[0] ? name : NULL);
        emit_hex(json, "access", handle.access);
        emit_yes(json, "inherit", handle.inherit);
        emit_yes(json, "protect", handle.protect);
        emit_close(json);
        memset(&handle, 0, sizeof handle);
    }
    emit_close(json);
}

static void thread_write(struct inspect_reader *reader, const struct inspect_thread *thread, struct json *json)
{
    const struct inspect_offsets *at = inspect_offsets_of(reader->is_64);
    uint64_t teb = thread->teb;
    emit_open(json, NULL, '{');
    id_write(json, "id", thread->id ? thread->id : teb ? inspect_pointer(reader, teb + at->teb.thread_id) : 0);
    emit_hex_or_null(json, "start", thread->start);
    emit_hex_or_null(json, "teb", teb);
    emit_hex_or_null(json, "stack_base", teb ? inspect_pointer(reader, teb + at->teb.stack_base) : 0);
    emit_hex_or_null(json, "stack_limit", teb ? inspect_pointer(reader, teb + at->teb.stack_limit) : 0);
    emit_hex_or_null(json, "stack_allocation", teb ? inspect_pointer(reader, teb + at->teb.stack_allocation) : 0);
    emit_hex_or_null(json, "tls", teb ? inspect_pointer(reader, teb + at->teb.tls) : 0);
    if (teb)
        emit_number(json, "last_error", (int64_t)inspect_number(reader, teb + at->teb.last_error, 4));
    else
        emit_null(json, "last_error");
    if (thread->register_count) {
        emit_open(json, "context", '{');
        for (unsigned i = 0; i < thread->register_count; i++)
            emit_hex(json, thread->registers[i].name, thread->registers[i].value);
        emit_close(json);
    } else
        emit_null(json, "context");
    emit_close(json);
}

void inspect_write_rest(const struct inspect_process *process, struct json *json)
{
    peb_write(process, json);
    parameters_write(process, json);
    handles_write(process->reader, json);
    emit_open(json, "threads", '[');
    for (size_t i = 0; i < process->thread_count; i++)
        thread_write(process->reader, &process->threads[i], json);
    emit_close(json);
}

/* ---- the end ---- */

static void output_write(struct json *json, const char *const keys[3], const uint8_t *bytes, size_t size)
{
    size_t shown = size < OUTPUT_SHOWN ? size : OUTPUT_SHOWN;
    char *text = malloc(shown * 3 + 1);
    if (text)
        utf8_from_bytes(bytes, shown, text);
    json->failed |= !text;
    emit_text(json, keys[0], text ? text : "");
    emit_number(json, keys[1], (int64_t)size);
    emit_hex(json, keys[2], inspect_hash(bytes, size));
    free(text);
}

void inspect_finish(struct json *json, const struct inspect_end *end)
{
    static const char *const keys[2][3] = {{"stdout", "stdout_size", "stdout_hash"}, {"stderr", "stderr_size", "stderr_hash"}};
    if (end->waited) {
        emit_open(json, "exit", '{');
        emit_hex(json, "code", end->code);
        emit_text(json, "how", end->how);
        if (end->knows_cpu)
            emit_number(json, "cpu_ms", (int64_t)end->cpu_ms);
        if (end->elapsed_ms)
            emit_number(json, "elapsed_ms", (int64_t)end->elapsed_ms);
        if (end->knows_started) {
            emit_open(json, "started", '{');
            emit_number(json, "threads", end->threads);
            emit_number(json, "processes", end->processes);
            emit_close(json);
        }
        emit_close(json);
        emit_open(json, "output", '{');
        for (unsigned i = 0; i < 2; i++)
            output_write(json, keys[i], end->text[i], end->size[i]);
        emit_close(json);
    } else {
        emit_null(json, "exit");
        emit_null(json, "output");
    }
    emit_close(json);
    emit_end(json);
}
