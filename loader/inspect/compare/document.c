/* A snapshot read back. Its shape is checked once, here; what the rules then take for granted is in these tables. */
#define _GNU_SOURCE
#include "loader/inspect/compare/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DEPTH = 8, TEXT_LIMIT = 256 << 20 };

/* What a member may be: T text, H text like 0x1f, N number that is not negative, B yes or no, O object, L list of objects,
 * S list of texts. In lower case it may be null or absent, and a number negative. */
struct field { const char *key; char kind; const struct field *inside; };
static const struct field target_fields[] = {{"module", 'T', NULL}, {"export", 't', NULL}, {"rva", 'H', NULL}, {0}};
static const struct field function_fields[] = {{"name", 't', NULL}, {"ordinal", 'n', NULL}, {"slot_rva", 'H', NULL}, {"value", 'H', NULL},
                                               {"target", 'o', target_fields}, {0}};
static const struct field import_fields[] = {{"module", 'T', NULL}, {"delayed", 'b', NULL}, {"functions", 'L', function_fields}, {0}};
static const struct field change_fields[] = {{"rva", 'H', NULL}, {"size", 'N', NULL}, {"file", 't', NULL}, {"memory", 't', NULL},
                                             {"hash", 'h', NULL}, {"section", 't', NULL}, {"cause", 'T', NULL}, {0}};
static const struct field section_fields[] = {{"name", 'T', NULL}, {"rva", 'H', NULL}, {"size", 'N', NULL}, {"rights", 'T', NULL},
                                              {"planned_rights", 'T', NULL}, {"characteristics", 'h', NULL}, {0}};
static const struct field range_fields[] = {{"rva", 'H', NULL}, {"size", 'N', NULL}, {"rights", 'T', NULL}, {0}};
static const struct field relocation_fields[] = {{"applied", 'B', NULL}, {"delta", 'H', NULL}, {"count", 'N', NULL}, {"pages", 'N', NULL},
                                                 {"rebased", 'N', NULL}, {"other", 'N', NULL}, {0}};
static const struct field exception_fields[] = {{"rva", 'h', NULL}, {"size", 'N', NULL}, {"functions", 'N', NULL}, {0}};
static const struct field module_fields[] = {
    {"name", 'T', NULL}, {"path", 't', NULL}, {"file", 't', NULL}, {"file_hash", 'h', NULL}, {"base", 'H', NULL}, {"size", 'N', NULL},
    {"entry", 'h', NULL}, {"preferred", 'H', NULL}, {"moved", 'B', NULL}, {"found", 'T', NULL}, {"load_order", 'n', NULL},
    {"memory_order", 'n', NULL}, {"init_order", 'n', NULL}, {"load_count", 'n', NULL}, {"tls_index", 'n', NULL}, {"flags", 'h', NULL},
    {"headers", 'O', NULL}, {"sections", 'L', section_fields}, {"protections", 'l', range_fields},
    {"relocations", 'O', relocation_fields}, {"imports", 'L', import_fields}, {"exceptions", 'O', exception_fields},
    {"changes", 'L', change_fields}, {0}};
static const struct field region_fields[] = {{"base", 'H', NULL}, {"size", 'N', NULL}, {"allocation_base", 'h', NULL},
                                             {"state", 'T', NULL}, {"type", 't', NULL}, {"rights", 'T', NULL}, {"use", 't', NULL},
                                             {"module", 't', NULL}, {0}};
static const struct field file_fields[] = {{"path", 'T', NULL}, {"size", 'N', NULL}, {"image_base", 'H', NULL}, {"entry", 'H', NULL},
                                           {"hash", 'h', NULL}, {0}};
static const struct field process_fields[] = {{"id", 'n', NULL}, {"parent", 'n', NULL}, {"peb", 'h', NULL}, {"teb", 'h', NULL},
                                              {"image_base", 'h', NULL}, {"entry", 'h', NULL}, {0}};
static const struct field parameter_fields[] = {{"image", 'T', NULL}, {"command_line", 'T', NULL}, {"current_directory", 'T', NULL},
                                                {"environment", 'S', NULL}, {"standard_input", 'h', NULL},
                                                {"standard_output", 'h', NULL}, {"standard_error", 'h', NULL}, {0}};
static const struct field peb_fields[] = {{"address", 'H', NULL}, {"image_base", 'H', NULL}, {"ldr", 'H', NULL}, {"process_heap", 'H', NULL},
                                          {"being_debugged", 'b', NULL}, {"os_version", 't', NULL}, {"subsystem", 'n', NULL},
                                          {"processors", 'n', NULL}, {0}};
static const struct field handle_fields[] = {{"handle", 'H', NULL}, {"type", 't', NULL}, {"name", 't', NULL}, {"access", 'H', NULL},
                                             {"inherit", 'B', NULL}, {0}};
static const struct field thread_fields[] = {{"id", 'n', NULL}, {"start", 'h', NULL}, {"teb", 'h', NULL}, {"stack_base", 'h', NULL},
                                             {"stack_limit", 'h', NULL}, {"stack_allocation", 'h', NULL}, {"context", 'o', NULL}, {0}};
static const struct field started_fields[] = {{"threads", 'N', NULL}, {"processes", 'N', NULL}, {0}};
static const struct field exit_fields[] = {{"code", 'H', NULL}, {"how", 'T', NULL}, {"cpu_ms", 'n', NULL}, {"elapsed_ms", 'n', NULL},
                                           {"started", 'o', started_fields}, {0}};
static const struct field output_fields[] = {{"stdout", 'T', NULL}, {"stderr", 'T', NULL}, {"stdout_size", 'n', NULL}, {"stderr_size", 'n', NULL},
                                             {"stdout_hash", 'h', NULL}, {"stderr_hash", 'h', NULL}, {0}};
static const struct field root_fields[] = {
    {"schema", 'N', NULL}, {"kind", 'T', NULL}, {"lane", 'T', NULL}, {"at", 'T', NULL}, {"machine", 'T', NULL},
    {"system", 't', NULL}, {"file", 'O', file_fields}, {"process", 'O', process_fields}, {"regions", 'L', region_fields}, {"modules", 'L', module_fields},
    {"peb", 'o', peb_fields}, {"parameters", 'o', parameter_fields}, {"handles", 'l', handle_fields}, {"threads", 'L', thread_fields},
    {"exit", 'o', exit_fields}, {"output", 'o', output_fields}, {0}};

static bool is_hex(const json_t *value)
{
    const char *text = json_string_value(value);
    size_t digits = text && text[0] == '0' && text[1] == 'x' ? strspn(text + 2, "0123456789abcdef") : 0;
    return digits && digits <= 16 && !text[2 + digits];
}

static bool kind_fits(const json_t *value, char kind)
{
    switch (kind | 0x20) {
    case 't': return json_is_string(value);
    case 'h': return is_hex(value);
    case 'n': return json_is_integer(value) && (kind == 'n' || json_integer_value(value) >= 0);
    case 'b': return json_is_boolean(value);
    case 'o': return json_is_object(value);
    default: return json_is_array(value);
    }
}

static const char *kind_name(char kind)
{
    switch (kind | 0x20) {
    case 't': return "a text";
    case 'h': return "a text like 0x1f";
    case 'n': return kind == 'n' ? "a whole number" : "a whole number, not negative,";
    case 'b': return "true or false";
    case 'o': return "an object";
    default: return "a list";
    }
}

static bool fields_check(const json_t *object, const struct field *fields, const char *path, unsigned depth, char **why);

static bool list_check(const json_t *list, const struct field *field, const char *path, unsigned depth, char **why)
{
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        char *place = NULL;
        bool good = field->kind == 'S' ? json_is_string(item) : json_is_object(item);
        if (asprintf(&place, "%s[%zu]", path, i) < 0)
            place = NULL;
        if (!good && asprintf(why, "%s is not %s", place ? place : path, field->kind == 'S' ? "a text" : "an object") < 0)
            *why = NULL;
        if (good && field->inside)
            good = fields_check(item, field->inside, place ? place : path, depth + 1, why);
        free(place);
        if (!good)
            return false;
    }
    return true;
}

static bool fields_check(const json_t *object, const struct field *fields, const char *path, unsigned depth, char **why)
{
    for (; fields->key; fields++) {
        const json_t *value = json_object_get(object, fields->key);
        char *place = NULL;
        bool may_lack = fields->kind >= 'a', absent = !value || json_is_null(value);
        if (absent && may_lack)
            continue;
        if (asprintf(&place, "%s%s%s", path, *path ? "." : "", fields->key) < 0)
            return false;
        bool good = !absent && kind_fits(value, fields->kind) && depth < DEPTH;
        if (!good && asprintf(why, "%s: %s is wanted, %s", place, kind_name(fields->kind), absent ? "there is none" : "it is something else") < 0)
            *why = NULL;
        if (good && json_is_array(value))
            good = list_check(value, fields, place, depth, why);
        else if (good && json_is_object(value) && fields->inside)
            good = fields_check(value, fields->inside, place, depth + 1, why);
        free(place);
        if (!good)
            return false;
    }
    return true;
}

/* ---- members ---- */

const char *member_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

uint64_t member_hex(const json_t *object, const char *key)
{
    return strtoull(member_text(object, key), NULL, 16);
}

int64_t member_number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? json_integer_value(value) : -1;
}

bool member_yes(const json_t *object, const char *key) { return json_is_true(json_object_get(object, key)); }

bool member_equal(const json_t *a, const json_t *b, const char *key)
{
    json_t *x = json_object_get(a, key), *y = json_object_get(b, key);
    return x && y ? json_equal(x, y) : x == y;
}

bool name_equal(const char *a, const char *b) { return !strcasecmp(a, b); }

/* ---- the document ---- */

static bool modules_take(struct document *document)
{
    const json_t *list = json_object_get(document->root, "modules"), *process = json_object_get(document->root, "process");
    size_t i;
    json_t *item;
    document->modules = calloc(json_array_size(list) + 1, sizeof *document->modules);
    if (!document->modules)
        return false;
    json_array_foreach(list, i, item)
    {
        struct module *module = &document->modules[document->module_count++];
        *module = (struct module){.json = item, .name = member_text(item, "name"), .base = member_hex(item, "base"),
                                  .size = (uint64_t)member_number(item, "size"), .preferred = member_hex(item, "preferred"),
                                  .listed = !strcmp(member_text(item, "found"), "lists"),
                                  .has_file = json_is_string(json_object_get(item, "file")),
                                  .load_order = member_number(item, "load_order"), .memory_order = member_number(item, "memory_order"),
                                  .init_order = member_number(item, "init_order")};
        if (module->base == member_hex(process, "image_base"))
            document->program = module;
    }
    return true;
}

static bool areas_take(struct document *document)
{
    const json_t *list = json_object_get(document->root, "regions");
    size_t i;
    const json_t *item;
    document->areas = calloc(json_array_size(list) + 1, sizeof *document->areas);
    if (!document->areas)
        return false;
    json_array_foreach(list, i, item)
        document->areas[document->area_count++] = (struct area){member_hex(item, "base"), (uint64_t)member_number(item, "size"),
                                                                member_text(item, "use"), !strcmp(member_text(item, "state"), "commit")};
    return true;
}

bool document_open(struct document *document, const char *text, size_t length, char **why)
{
    json_error_t error;
    memset(document, 0, sizeof *document);
    *why = NULL;
    document->root = length <= TEXT_LIMIT ? json_loadb(text, length, JSON_REJECT_DUPLICATES, &error) : NULL;
    if (!document->root) {
        if (length > TEXT_LIMIT)
            *why = strdup("longer than 256 MiB");
        else if (asprintf(why, "no JSON: line %d, column %d: %s", error.line, error.column, error.text) < 0)
            *why = NULL;
        return false;
    }
    bool good = json_is_object(document->root);
    if (!good)
        *why = strdup("not an object");
    if (good && strcmp(member_text(document->root, "kind"), "snapshot")) {
        *why = strdup("kind: not a snapshot");
        good = false;
    }
    if (good && member_number(document->root, "schema") != 1) {
        *why = strdup("schema: only 1 is known");
        good = false;
    }
    if (good && fields_check(document->root, root_fields, "", 0, why)) {
        document->lane = member_text(document->root, "lane");
        document->at = member_text(document->root, "at");
        document->machine = member_text(document->root, "machine");
        document->is_64 = !strcmp(document->machine, "x64");
        document->width = document->is_64 ? 8 : 4;
        if (modules_take(document) && areas_take(document))
            return true;
        *why = strdup("no memory");
    }
    document_close(document);
    return false;
}

void document_close(struct document *document)
{
    json_decref(document->root);
    free(document->modules);
    free(document->areas);
    memset(document, 0, sizeof *document);
}

struct module *document_module_at(const struct document *document, uint64_t address)
{
    for (size_t i = 0; i < document->module_count; i++)
        if (address >= document->modules[i].base && address - document->modules[i].base < document->modules[i].size)
            return &document->modules[i];
    return NULL;
}

struct module *document_module(const struct document *document, const char *name)
{
    for (size_t i = 0; i < document->module_count; i++)
        if (name_equal(document->modules[i].name, name))
            return &document->modules[i];
    return NULL;
}

const struct area *document_area_at(const struct document *document, uint64_t address)
{
    for (size_t i = 0; i < document->area_count; i++)
        if (address >= document->areas[i].base && address - document->areas[i].base < document->areas[i].size)
            return &document->areas[i];
    return NULL;
}
