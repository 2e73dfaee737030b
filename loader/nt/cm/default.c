/* The keys and values that are there before anybody wrote one. A key is made from its line of the table when somebody
 * goes by, its neighbours when somebody lists or deletes, its values when somebody changes or lists them; a single
 * value is answered from the table itself. So a start pays for the few keys on its way. */
#include "loader/nt/cm/private.h"
#include "loader/nt/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_LIMIT = 1024 };

/* The values of one key, one after the other. */
struct cursor {
    uint32_t line;               /* the next one to look at */
    uint8_t depth;               /* of the values */
    const char *many;            /* within a line that stands for many */
    char name[96];
    struct cm_computed_value value; /* text as UTF-8 */
};

static void cursor_begin(struct cursor *cursor, const struct cm_node *node)
{
    cursor->line = node->defaults;       /* defaults is the key's line + 1 */
    cursor->depth = (uint8_t)(cm_lines[node->defaults - 1].depth + 1);
    cursor->many = NULL;
}

static bool is_key(const struct cm_line *line)
{
    return line->kind == CM_LINE_KEY || line->kind == CM_LINE_LINK_KEY;
}

static void value_text(struct cm_computed_value *value, uint32_t type, const char *text)
{
    value->type = type;
    value->length = (uint32_t)snprintf(value->bytes, sizeof value->bytes, "%s", text) + 1;
}

/* "name=text " of a line that stands for many. */
static void many_next(struct cursor *cursor, const struct cm_line *line)
{
    const char *equal = strchr(cursor->many, '='), *end = equal + strcspn(equal, " ");
    char text[64];
    snprintf(cursor->name, sizeof cursor->name, "%.*s", (int)(equal - cursor->many), cursor->many);
    int length = (int)(end - equal - 1);
    if (line->kind == CM_LINE_SORTS)
        snprintf(text, sizeof text, "{000000%.*s-57ee-1e5c-00b4-d0000bb1e11e}", length, equal + 1);
    else if (line->kind == CM_LINE_PAGES)
        snprintf(text, sizeof text, "c_%.*s.nls", length, equal + 1);
    else
        snprintf(text, sizeof text, "%.*s", length, equal + 1);
    value_text(&cursor->value, REG_SZ, text);
    cursor->many = *end ? end + 1 : NULL;
    if (!cursor->many)
        cursor->line++;
}

static void single_next(struct cursor *cursor, const struct cm_line *line)
{
    snprintf(cursor->name, sizeof cursor->name, "%s", line->name);
    switch (line->kind) {
    case CM_LINE_NUMBER: case CM_LINE_BYTES:
        cursor->value.type = line->kind == CM_LINE_NUMBER ? REG_DWORD : REG_BINARY;
        cursor->value.length = sizeof line->number;
        memcpy(cursor->value.bytes, &line->number, sizeof line->number);
        break;
    case CM_LINE_COMPUTED:
        cm_compute(line->computed, line->text, &cursor->value);
        break;
    default:
        value_text(&cursor->value, line->kind == CM_LINE_LINK ? REG_LINK : line->kind == CM_LINE_EXPAND ? REG_EXPAND_SZ : REG_SZ,
                   line->text);
    }
    cursor->line++;
}

static bool cursor_next(struct cursor *cursor)
{
    for (; cursor->line < cm_line_count && cm_lines[cursor->line].depth >= cursor->depth; cursor->line++) {
        const struct cm_line *line = &cm_lines[cursor->line];
        if (line->depth != cursor->depth || is_key(line))
            continue;
        if (line->kind < CM_LINE_STRINGS) {
            single_next(cursor, line);
        } else {
            if (!cursor->many)
                cursor->many = line->text;
            many_next(cursor, line);
        }
        return true;
    }
    return false;
}

static bool type_is_text(uint32_t type)
{
    return type == REG_SZ || type == REG_EXPAND_SZ || type == REG_LINK;
}

/* The value as the guest sees it: text in UTF-16, a link's without its zero. */
static uint32_t value_bytes(const struct cm_computed_value *value, uint8_t *out)
{
    if (!type_is_text(value->type)) {
        memcpy(out, value->bytes, value->length);
        return value->length;
    }
    size_t units = nt_utf16_from_utf8(value->bytes, value->length - 1, (WCHAR *)(void *)out, TEXT_LIMIT + 1);
    return (uint32_t)((units + (value->type != REG_LINK)) * sizeof(WCHAR));
}

bool cm_values_fill(struct cm_node *node)
{
    struct cursor cursor;
    _Alignas(8) uint8_t bytes[(TEXT_LIMIT + 1) * sizeof(WCHAR)];
    WCHAR name[96];
    if (!(node->flags & CM_VALUES_PENDING))
        return true;
    cursor_begin(&cursor, node);
    while (cursor_next(&cursor)) {
        unsigned length = (unsigned)nt_utf16_from_utf8(cursor.name, strlen(cursor.name), name, 96);
        uint32_t size = value_bytes(&cursor.value, bytes);
        if (cm_value_put(node, name, length, cursor.value.type, bytes, size))
            return false;
    }
    OB_ORDER(); /* who is killed before this begins anew: the same values, put once more */
    node->flags &= ~(uint32_t)CM_VALUES_PENDING;
    return true;
}

/* Table names are ASCII where somebody looks for one value. */
static bool name_is(const char *name, size_t name_length, const WCHAR *wanted, unsigned length)
{
    if (name_length != length)
        return false;
    for (unsigned i = 0; i < length; i++)
        if ((uint8_t)name[i] != wanted[i] && nt_upcase((uint8_t)name[i]) != nt_upcase(wanted[i]))
            return false;
    return true;
}

/* Goes on to the value of this name, without making the ones before it. */
static bool cursor_find(struct cursor *cursor, const WCHAR *name, unsigned length)
{
    for (; cursor->line < cm_line_count && cm_lines[cursor->line].depth >= cursor->depth; cursor->line++) {
        const struct cm_line *line = &cm_lines[cursor->line];
        if (line->depth != cursor->depth || is_key(line))
            continue;
        if (line->kind < CM_LINE_STRINGS) {
            if (!name_is(line->name, strlen(line->name), name, length))
                continue;
            single_next(cursor, line);
            return true;
        }
        for (const char *pair = line->text; pair; pair = strchr(pair, ' '), pair += pair != NULL) {
            if (!name_is(pair, (size_t)(strchr(pair, '=') - pair), name, length))
                continue;
            cursor->many = pair;
            many_next(cursor, line);
            return true;
        }
    }
    return false;
}

NTSTATUS cm_default_value(const struct cm_node *node, const WCHAR *name, unsigned length, struct nt_string *spelling,
                          struct cm_data *data)
{
    struct cursor cursor;
    cursor_begin(&cursor, node);
    if (!cursor_find(&cursor, name, length))
        return STATUS_OBJECT_NAME_NOT_FOUND;
    data->bytes = malloc((TEXT_LIMIT + 1) * sizeof(WCHAR));
    spelling->text = malloc((length + 1) * sizeof(WCHAR));
    if (!data->bytes || !spelling->text)
        return STATUS_NO_MEMORY;
    data->type = cursor.value.type;
    data->length = value_bytes(&cursor.value, data->bytes);
    spelling->length = (unsigned)nt_utf16_from_utf8(cursor.name, length, spelling->text, length + 1);
    return STATUS_SUCCESS;
}

/* ---- keys --------------------------------------------------------------------------------------------- */

/* The name of a key's line in UTF-16; its length. */
static unsigned line_name(const struct cm_line *line, WCHAR *name)
{
    struct cm_computed_value computed;
    const char *text = line->name;
    if (!text) { /* depends on the machine or the user */
        cm_compute(line->computed, "", &computed);
        text = computed.bytes;
    }
    return (unsigned)nt_utf16_from_utf8(text, strlen(text), name, CM_NAME_LIMIT + 1);
}

/* NULL: no memory. */
static struct cm_node *child_make(struct cm_node *parent, uint32_t index, const WCHAR *name, unsigned length, uint32_t at)
{
    struct cm_node *child = cm_node_new(name, length);
    if (!child)
        return NULL;
    child->defaults = index + 1;
    child->written = parent->written;
    child->flags = CM_CHILDREN_PENDING | CM_VALUES_PENDING | (cm_lines[index].kind == CM_LINE_LINK_KEY ? CM_LINK : 0);
    if (cm_child_insert(parent, at, child))
        return child;
    nt_arena_free(nt_ref_of(child), child->size);
    return NULL;
}

/* The next line of a key right below `node`, from *index on. */
static bool child_line_next(const struct cm_node *node, uint32_t *index)
{
    uint8_t depth = (uint8_t)(cm_lines[node->defaults - 1].depth + 1);
    for (; *index < cm_line_count && cm_lines[*index].depth >= depth; ++*index)
        if (cm_lines[*index].depth == depth && is_key(&cm_lines[*index]))
            return true;
    return false;
}

bool cm_child_look(struct cm_node *parent, const WCHAR *name, unsigned length, uint32_t *at, struct cm_node **found)
{
    WCHAR own[CM_NAME_LIMIT + 1];
    *found = cm_child_find(parent, name, length, at);
    if (*found || !(parent->flags & CM_CHILDREN_PENDING))
        return true;
    for (uint32_t i = parent->defaults; child_line_next(parent, &i); i++) {
        unsigned own_length = line_name(&cm_lines[i], own);
        if (own_length == length && !cm_name_compare(own, own_length, name, length)) {
            *found = child_make(parent, i, own, own_length, *at);
            return *found != NULL;
        }
    }
    return true;
}

bool cm_children_fill(struct cm_node *node)
{
    WCHAR name[CM_NAME_LIMIT + 1];
    uint32_t at;
    if (!(node->flags & CM_CHILDREN_PENDING))
        return true;
    for (uint32_t i = node->defaults; child_line_next(node, &i); i++) {
        unsigned length = line_name(&cm_lines[i], name);
        if (length && !cm_child_find(node, name, length, &at) && !child_make(node, i, name, length, at))
            return false;
    }
    node->flags &= ~(uint32_t)CM_CHILDREN_PENDING;
    return true;
}
