/* The list of differences, and its JSON. */
#define _GNU_SOURCE
#include "loader/inspect/compare/compare.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const compare_class_name[CLASS_COUNT] = {
    "unexplained", "base", "relocation", "iat", "redirection", "cookie", "image_base", "tls_index", "guard", "patch", "exports", "data",
    "page_tail", "protection", "lane_layout", "lane_module", "list_order", "system_dll", "load_count", "flags", "headers", "process",
    "parameters", "environment", "handles", "thread", "output", "identity", "timing", "line_order", "expected", "time_limit", "exit"};

enum compare_class compare_class_of(const char *name)
{
    unsigned class = 0;
    while (class < CLASS_COUNT && strcmp(name, compare_class_name[class]))
        class++;
    return class;
}

static char *copy(struct comparison *comparison, const char *text)
{
    char *copied = text ? strdup(text) : NULL;
    comparison->failed |= text && !copied;
    return copied;
}

void difference_add(struct comparison *comparison, enum compare_class class, struct place place, const char *a, const char *b,
                    const char *cause, const char *format, ...)
{
    if (!(comparison->count & (comparison->count - 1))) {
        size_t room = comparison->count ? comparison->count * 2 : 1;
        struct difference *grown = realloc(comparison->list, room * sizeof *grown);
        if (!grown) {
            comparison->failed = true;
            return;
        }
        comparison->list = grown;
    }
    char *text = NULL;
    va_list list;
    va_start(list, format);
    if (vasprintf(&text, format, list) < 0)
        text = NULL;
    va_end(list);
    comparison->failed |= !text;
    if (!cause)
        class = CLASS_UNEXPLAINED;
    comparison->counts[class]++;
    size_t found = comparison->count;
    comparison->list[comparison->count++] = (struct difference){
        .found = found, .class = class, .module = copy(comparison, place.module ? place.module->name : NULL), .a = copy(comparison, a),
        .b = copy(comparison, b), .text = text, .cause = cause, .has_rva = place.has_rva, .rva = place.rva, .size = place.size};
}

/* Unexplained first; then by class, cause, module, place. */
static int by_class(const void *left, const void *right)
{
    const struct difference *a = left, *b = right;
    if (a->class != b->class)
        return a->class < b->class ? -1 : 1;
    int order = strcmp(a->cause ? a->cause : "", b->cause ? b->cause : "");
    if (!order)
        order = strcmp(a->module ? a->module : "", b->module ? b->module : "");
    if (!order)
        order = (a->rva > b->rva) - (a->rva < b->rva);
    return order ? order : (a->found > b->found) - (a->found < b->found);
}

void compare_sort(struct comparison *comparison)
{
    if (comparison->count)
        qsort(comparison->list, comparison->count, sizeof *comparison->list, by_class);
}

static void list_free(struct comparison *comparison)
{
    for (size_t i = 0; i < comparison->count; i++) {
        struct difference *difference = &comparison->list[i];
        free(difference->module), free(difference->a), free(difference->b), free(difference->text);
    }
    free(comparison->list);
    comparison->list = NULL;
    comparison->count = 0;
}

void compare_reset(struct comparison *comparison)
{
    struct document *sides[2] = {&comparison->a, &comparison->b};
    list_free(comparison);
    memset(comparison->counts, 0, sizeof comparison->counts);
    memset(&comparison->matched, 0, sizeof comparison->matched);
    comparison->exit_moved = 0;
    comparison->exit_expected = false;
    for (unsigned i = 0; i < 2; i++)
        for (size_t m = 0; m < sides[i]->module_count; m++) {
            sides[i]->modules[m].twin = NULL;
            sides[i]->modules[m].same_file = false;
        }
}

void compare_close(struct comparison *comparison)
{
    list_free(comparison);
    document_close(&comparison->a);
    document_close(&comparison->b);
    json_decref(comparison->again[0]);
    json_decref(comparison->again[1]);
}

const char *compare_verdict(const struct comparison *comparison)
{
    return comparison->counts[CLASS_UNEXPLAINED] ? "unexplained" : comparison->count ? "explained" : "equal";
}

/* ---- JSON ---- */

static void side_write(const struct document *document, const char *key, struct json *json)
{
    const json_t *exit = json_object_get(document->root, "exit");
    emit_open(json, key, '{');
    emit_text(json, "lane", document->lane);
    emit_text(json, "at", document->at);
    emit_text(json, "machine", document->machine);
    emit_text(json, "file", member_text(json_object_get(document->root, "file"), "path"));
    emit_hex_or_null(json, "image_base", document->program ? document->program->base : 0);
    emit_number(json, "modules", (int64_t)document->module_count);
    emit_text(json, "exit", json_is_object(exit) ? member_text(exit, "code") : NULL);
    emit_close(json);
}

void compare_write(const struct comparison *comparison, enum compare_class only, struct json *json)
{
    emit_open(json, NULL, '{');
    emit_number(json, "schema", 1);
    emit_text(json, "kind", "comparison");
    side_write(&comparison->a, "a", json);
    side_write(&comparison->b, "b", json);
    emit_text(json, "verdict", compare_verdict(comparison));
    emit_number(json, "unexplained", comparison->counts[CLASS_UNEXPLAINED]);
    emit_open(json, "counts", '{');
    for (unsigned i = 0; i < CLASS_COUNT; i++)
        if (comparison->counts[i])
            emit_number(json, compare_class_name[i], comparison->counts[i]);
    emit_close(json);
    emit_open(json, "matched", '{');
    emit_number(json, "modules", (int64_t)comparison->matched.modules);
    emit_number(json, "slots", (int64_t)comparison->matched.slots);
    emit_number(json, "fixups", (int64_t)comparison->matched.fixups);
    emit_number(json, "ranges", (int64_t)comparison->matched.ranges);
    emit_number(json, "bytes", (int64_t)comparison->matched.bytes);
    emit_close(json);
    emit_open(json, "differences", '[');
    for (size_t i = 0; i < comparison->count; i++) {
        const struct difference *difference = &comparison->list[i];
        if (only != CLASS_COUNT && difference->class != only)
            continue;
        emit_open(json, NULL, '{');
        emit_text(json, "class", compare_class_name[difference->class]);
        emit_text(json, "module", difference->module);
        if (difference->has_rva) {
            emit_hex(json, "rva", difference->rva);
            emit_number(json, "size", (int64_t)difference->size);
        } else
            emit_null(json, "rva");
        emit_text(json, "a", difference->a);
        emit_text(json, "b", difference->b);
        emit_text(json, "cause", difference->cause);
        emit_text(json, "text", difference->text);
        emit_close(json);
    }
    emit_close(json);
    emit_close(json);
    emit_end(json);
}
