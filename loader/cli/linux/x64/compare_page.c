/* `compare --html`: both snapshots and the comparison in one page. What a page does not draw stays out of it (bytes,
 * values of environment variables), and the imports, nine tenths of a snapshot, are rows instead of objects. */
#include "loader/cli/linux/x64/compare_page.h"
#include "loader/cli/report/report.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct comparison *told; /* the page's functions get nothing but the stream */

/* No text may end the page's script element. */
static int put(const char *text, size_t size, void *stream)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] == '<' ? fputs("\\u003c", stream) < 0 : putc(text[i], stream) == EOF)
            return -1;
    return 0;
}

/* [name or "#ordinal", slot, value, target's module, target's export]; the last two left out where they are as asked for. */
static json_t *function_row(json_t *function, const char *asked)
{
    char ordinal[24];
    json_t *row = json_array(), *target = json_object_get(function, "target");
    const char *name = json_string_value(json_object_get(function, "name"));
    if (!name) {
        snprintf(ordinal, sizeof ordinal, "#%d", (int)json_integer_value(json_object_get(function, "ordinal")));
        name = ordinal;
    }
    json_array_append_new(row, json_string(name));
    json_array_append(row, json_object_get(function, "slot_rva"));
    json_array_append(row, json_object_get(function, "value"));
    const char *module = member_text(target, "module"), *export = member_text(target, "export");
    if (json_is_object(target) && (!name_equal(module, asked) || strcmp(export, name))) {
        json_array_append_new(row, json_string(module));
        json_array_append_new(row, json_string(export));
    }
    return row;
}

static void imports_pack(json_t *module)
{
    size_t i, j;
    json_t *exporter, *function;
    json_array_foreach(json_object_get(module, "imports"), i, exporter) {
        json_t *rows = json_array();
        json_array_foreach(json_object_get(exporter, "functions"), j, function)
            json_array_append_new(rows, function_row(function, member_text(exporter, "module")));
        json_object_set_new(exporter, "functions", rows);
    }
}

static void environment_pack(json_t *parameters)
{
    size_t i;
    json_t *entry, *names = json_array(), *environment = json_object_get(parameters, "environment");
    json_array_foreach(environment, i, entry) {
        const char *text = json_string_value(entry), *sign = text && *text ? strchr(text + 1, '=') : NULL;
        if (text)
            json_array_append_new(names, json_stringn(text, sign ? (size_t)(sign - text) : strlen(text)));
    }
    if (json_is_array(environment))
        json_object_set_new(parameters, "environment", names);
    else
        json_decref(names);
}

static void snapshot_write(FILE *stream, const json_t *root)
{
    size_t i;
    json_t *module, *packed = json_deep_copy(root);
    json_array_foreach(json_object_get(packed, "modules"), i, module) {
        imports_pack(module);
        json_object_del(module, "changes");
        json_object_del(module, "protections");
    }
    environment_pack(json_object_get(packed, "parameters"));
    if (!packed || json_dump_callback(packed, put, stream, JSON_COMPACT))
        fputs("null", stream);
    json_decref(packed);
}

static void snapshots_write(FILE *stream)
{
    snapshot_write(stream, told->a.root);
    fputs(",\n", stream);
    snapshot_write(stream, told->b.root);
}

static void comparison_write(FILE *stream)
{
    struct json json = {0};
    compare_write(told, CLASS_COUNT, &json);
    put(json.failed ? "null" : json.data, json.failed ? 4 : json.length, stream);
    free(json.data);
}

bool cli_compare_page(const char *path, const struct comparison *comparison)
{
    /* Of a saved snapshot the program may be elsewhere by now: then the page has no ladders. */
    const char *file = member_text(json_object_get(comparison->a.root, "file"), "path");
    told = comparison;
    return report_page_write(&(struct report_page){.path = path, .file = access(file, R_OK) ? NULL : file, .snapshots = snapshots_write,
                                                   .comparison = comparison_write});
}
