/* The name space: directories, symbolic links, one hash table over all names.
 *
 * A name is found by {directory, name without regard to case}; an exact lookup then compares letter by letter, so that
 * `test` and `Test` can both exist, as they can on Windows for callers that do not ask for OBJ_CASE_INSENSITIVE. */
#include "loader/nt/io.h"
#include "loader/nt/ob/arena.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { LINK_LIMIT = 32, NAME_LIMIT = 32767 };

/* Folds ASCII only and takes all other letters as one: the hash must be the same in every process, whether or not it
 * has read the table of upper-case letters. */
static uint32_t name_hash(nt_ref directory, const WCHAR *text, unsigned length)
{
    uint32_t hash = 2166136261u ^ directory;
    for (unsigned i = 0; i < length; i++)
        hash = (hash ^ (text[i] < 0x80 ? nt_upcase(text[i]) : 0x80)) * 16777619u;
    return hash ^ hash >> 15;
}

static struct ob_name_table *table(void)
{
    return ob_at(ob_arena->names);
}

static nt_ref *chain(uint32_t hash)
{
    return &table()->chains[hash % table()->buckets];
}

static bool name_equal(const struct ob_name *name, const WCHAR *text, unsigned length, bool insensitive)
{
    if (name->length != length)
        return false;
    if (!insensitive)
        return !memcmp(name->text, text, length * sizeof(WCHAR));
    for (unsigned i = 0; i < length; i++)
        if (nt_upcase(name->text[i]) != nt_upcase(text[i]))
            return false;
    return true;
}

struct ob_name *ob_name_lookup(const struct nt_object *directory, const WCHAR *text, unsigned length, bool insensitive)
{
    nt_ref where = ob_ref(directory);
    uint32_t hash = name_hash(where, text, length);
    uint32_t side = table()->side;
    for (nt_ref at = *chain(hash); at;) {
        struct ob_name *name = ob_at(at);
        if (name->hash == hash && name->directory == where && name_equal(name, text, length, insensitive))
            return name;
        at = name->next[side];
    }
    return NULL;
}

/* Where there is no room the chains just get longer. */
static void table_grow(void)
{
    const struct ob_name_table *old = table();
    uint32_t count = old->buckets * 4, side = !old->side;
    nt_ref ref = nt_arena_allocate((uint32_t)(sizeof *old + count * sizeof(nt_ref)));
    struct ob_name_table *grown = ob_at(ref);
    if (!grown)
        return;
    grown->buckets = count;
    grown->side = side;
    for (uint32_t i = 0; i < old->buckets; i++)
        for (nt_ref at = old->chains[i]; at;) {
            struct ob_name *name = ob_at(at);
            name->next[side] = grown->chains[name->hash % count];
            grown->chains[name->hash % count] = at;
            at = name->next[!side];
        }
    OB_ORDER();
    ob_arena->names = ref;
    OB_ORDER();
    if (old != (const struct ob_name_table *)ob_arena->first_names)
        nt_arena_free(ob_ref(old), (uint32_t)(sizeof *old + old->buckets * sizeof(nt_ref)));
}

void ob_name_append(struct ob_name *name)
{
    struct ob_directory *parent = ob_at(name->directory);
    nt_ref ref = ob_ref(name);
    name->sibling_next = 0;
    name->sibling_prev = parent->last;
    OB_ORDER();
    *(parent->last ? &((struct ob_name *)ob_at(parent->last))->sibling_next : &parent->first) = ref;
    OB_ORDER();
    parent->last = ref;
}

NTSTATUS ob_name_insert(struct nt_object *object, struct nt_object *directory, const WCHAR *leaf, unsigned length)
{
    uint32_t size = (uint32_t)(sizeof(struct ob_name) + length * sizeof(WCHAR));
    nt_ref ref = nt_arena_allocate(size);
    if (!ref)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (ob_arena->name_count >= 2 * table()->buckets)
        table_grow();
    struct ob_name *name = ob_at(ref);
    memcpy(name->text, leaf, length * sizeof(WCHAR));
    name->size = size;
    name->length = length;
    name->object = ob_ref(object);
    name->directory = ob_ref(directory);
    name->hash = name_hash(name->directory, leaf, length);
    name->next[table()->side] = *chain(name->hash);
    object->references++;
    directory->references++;
    OB_ORDER();
    object->name = ref;
    ob_name_append(name);
    OB_ORDER();
    *chain(name->hash) = ref; /* from here on it counts */
    ob_arena->name_count++;
    return STATUS_SUCCESS;
}

void ob_name_remove(struct nt_object *object)
{
    nt_ref ref = object->name;
    struct ob_name *name = ob_at(ref);
    struct ob_directory *parent = ob_at(name->directory);
    uint32_t side = table()->side;
    nt_ref *link = chain(name->hash);
    while (*link != ref) {
        assert(*link);
        link = &((struct ob_name *)ob_at(*link))->next[side];
    }
    *link = name->next[side]; /* from here on it does not count */
    OB_ORDER();
    *(name->sibling_prev ? &((struct ob_name *)ob_at(name->sibling_prev))->sibling_next : &parent->first) = name->sibling_next;
    OB_ORDER();
    *(name->sibling_next ? &((struct ob_name *)ob_at(name->sibling_next))->sibling_prev : &parent->last) = name->sibling_prev;
    ob_arena->name_count--;
    object->name = 0;
    OB_ORDER();
    nt_arena_free(ref, name->size);
    ob_object_unreference(object);
    ob_object_unreference(&parent->head);
}

bool ob_name_full(const struct nt_object *object, struct nt_string *out)
{
    bool root = ob_ref(object) == ob_arena->root;
    unsigned length = root;
    for (const struct nt_object *at = object; at->name; at = ob_at(((struct ob_name *)ob_at(at->name))->directory))
        length += ((struct ob_name *)ob_at(at->name))->length + 1;
    *out = (struct nt_string){malloc((length + 1) * sizeof(WCHAR)), length};
    if (!out->text)
        return false;
    out->text[length] = 0;
    if (root)
        out->text[0] = '\\';
    for (const struct nt_object *at = object; at->name; at = ob_at(((struct ob_name *)ob_at(at->name))->directory)) {
        const struct ob_name *name = ob_at(at->name);
        length -= name->length;
        memcpy(out->text + length, name->text, name->length * sizeof(WCHAR));
        out->text[--length] = '\\';
    }
    return true;
}

/* ---- walking ---------------------------------------------------------------------------------------- */

/* link + what follows it becomes the path to go on with, from the root. */
static NTSTATUS link_follow(const struct ob_symlink *link, const WCHAR *rest, unsigned rest_length, struct ob_place *place,
                            unsigned *length)
{
    unsigned total = link->length + rest_length;
    if (total > NAME_LIMIT)
        return STATUS_OBJECT_NAME_INVALID;
    WCHAR *path = malloc((total + 1) * sizeof(WCHAR));
    if (!path)
        return STATUS_NO_MEMORY;
    memcpy(path, link->target, link->length * sizeof(WCHAR));
    memcpy(path + link->length, rest, rest_length * sizeof(WCHAR));
    path[total] = 0;
    free(place->path);
    place->path = path;
    *length = total;
    return STATUS_SUCCESS;
}

static NTSTATUS root_of(const struct nt_attributes *attributes, enum nt_type type, struct ob_place *place)
{
    bool absolute = attributes->name.length && attributes->name.text[0] == '\\';
    if (!attributes->root) {
        place->directory = ob_at(ob_arena->root);
        return absolute ? STATUS_SUCCESS : STATUS_OBJECT_PATH_SYNTAX_BAD;
    }
    NTSTATUS status = ob_handle_find(attributes->root, NT_ANY, 0, &place->directory, NULL, NULL);
    if (status)
        return status;
    /* An empty name means the root itself, which may be a link then. */
    bool itself = !attributes->name.length && type == NT_SYMLINK && place->directory->type == NT_SYMLINK;
    if (place->directory->type != NT_DIRECTORY && !itself)
        return STATUS_OBJECT_TYPE_MISMATCH;
    return absolute ? STATUS_OBJECT_PATH_SYNTAX_BAD : STATUS_SUCCESS;
}

/* From place->directory down to the last component. *link: stopped at a symbolic link, `rest` follows it. */
static NTSTATUS walk(const WCHAR *text, unsigned length, bool insensitive, bool keep_link, struct ob_place *place,
                     const struct ob_symlink **link, unsigned *rest)
{
    unsigned at = 0;
    *link = NULL;
    for (;;) {
        unsigned start = at;
        while (at < length && text[at] != '\\')
            at++;
        bool last = at == length;
        if (at == start)
            return STATUS_OBJECT_NAME_INVALID;
        struct ob_name *name = ob_name_lookup(place->directory, text + start, at - start, insensitive);
        struct nt_object *found = name ? ob_at(name->object) : NULL;
        if (found && found->type == NT_SYMLINK && !(last && keep_link)) {
            *link = (struct ob_symlink *)found;
            *rest = at;
            return STATUS_SUCCESS;
        }
        if (last) {
            place->object = found;
            place->leaf = text + start;
            place->length = at - start;
            return STATUS_SUCCESS;
        }
        if (!found)
            return STATUS_OBJECT_PATH_NOT_FOUND;
        if (found->type != NT_DIRECTORY)
            return STATUS_OBJECT_TYPE_MISMATCH;
        place->directory = found;
        at++;
    }
}

NTSTATUS ob_name_find(const struct nt_attributes *attributes, enum nt_type type, struct ob_place *place)
{
    bool insensitive = attributes->attributes & OBJ_CASE_INSENSITIVE;
    bool keep_link = type == NT_SYMLINK || attributes->attributes & OBJ_OPENLINK;
    const WCHAR *text = attributes->name.text;
    unsigned length = attributes->name.length;

    NTSTATUS status = ob_arena->root ? STATUS_SUCCESS : ob_name_space_open();
    if (!status)
        status = root_of(attributes, type, place);
    if (!status && attributes->root && !length) {
        place->object = place->directory;
        return STATUS_SUCCESS;
    }
    for (unsigned links = 0; !status; links++) {
        const struct ob_symlink *link;
        unsigned rest = 0;
        if (length && text[0] == '\\') {
            place->directory = ob_at(ob_arena->root);
            text++;
            length--;
            if (!length) {
                place->object = place->directory;
                return STATUS_SUCCESS;
            }
        }
        status = walk(text, length, insensitive, keep_link, place, &link, &rest);
        if (status || !link)
            return status;
        if (links == LINK_LIMIT)
            return STATUS_OBJECT_NAME_NOT_FOUND;
        status = link_follow(link, text + rest, length - rest, place, &length);
        text = place->path;
        if (!status && (!length || text[0] != '\\'))
            return STATUS_OBJECT_NAME_NOT_FOUND;
    }
    return status;
}

/* ---- what Windows has in it ------------------------------------------------------------------------- */

enum { DIRECTORY, LINK, EVENT_OFF, EVENT_ON };
static const struct space { const char *path, *target; int kind; } space[] = {
    {"GLOBAL??", NULL, DIRECTORY},
    {"??", "\\GLOBAL??", LINK},
    {"DosDevices", "\\??", LINK},
    {"Device", NULL, DIRECTORY},
    {"GLOBAL??\\C:", "\\Device\\HarddiskVolume1", LINK},
    {"GLOBAL??\\Z:", "\\Device\\HarddiskVolume2", LINK},
    {"GLOBAL??\\NUL", "\\Device\\Null", LINK},
    {"GLOBAL??\\PIPE", "\\Device\\NamedPipe", LINK},
    {"KnownDlls", NULL, DIRECTORY},
    {"KnownDlls32", NULL, DIRECTORY},
    {"KernelObjects", NULL, DIRECTORY},
    {"KernelObjects\\LowMemoryCondition", NULL, EVENT_OFF},
    {"KernelObjects\\HighMemoryCondition", NULL, EVENT_ON},
    {"Sessions", NULL, DIRECTORY},
    {"Sessions\\BNOLINKS", NULL, DIRECTORY},
    {"Sessions\\BNOLINKS\\0", "\\BaseNamedObjects", LINK},
    {"Sessions\\BNOLINKS\\1", "\\Sessions\\1\\BaseNamedObjects", LINK},
    {"Sessions\\0", NULL, DIRECTORY},
    {"Sessions\\0\\BaseNamedObjects", "\\BaseNamedObjects", LINK},
    {"Sessions\\1", NULL, DIRECTORY},
    {"Sessions\\1\\DosDevices", NULL, DIRECTORY},
    {"Sessions\\1\\Windows", NULL, DIRECTORY},
    {"BaseNamedObjects", NULL, DIRECTORY},
    {"BaseNamedObjects\\Global", "\\BaseNamedObjects", LINK},
    {"BaseNamedObjects\\Local", "\\BaseNamedObjects", LINK},
    {"BaseNamedObjects\\Session", "\\Sessions\\BNOLINKS", LINK},
    {"BaseNamedObjects\\Restricted", NULL, DIRECTORY},
    {"Sessions\\1\\BaseNamedObjects", NULL, DIRECTORY},
    {"Sessions\\1\\BaseNamedObjects\\Global", "\\BaseNamedObjects", LINK},
    {"Sessions\\1\\BaseNamedObjects\\Local", "\\Sessions\\1\\BaseNamedObjects", LINK},
    {"Sessions\\1\\BaseNamedObjects\\Session", "\\Sessions\\BNOLINKS", LINK},
    {"Sessions\\1\\BaseNamedObjects\\Restricted", NULL, DIRECTORY},
};

enum { SPACE_TEXT_LIMIT = 64 };

static unsigned widen(const char *text, WCHAR *out)
{
    unsigned length = 0;
    for (; text[length]; length++)
        out[length] = (WCHAR)text[length];
    assert(length <= SPACE_TEXT_LIMIT);
    return length;
}

struct nt_object *ob_symlink_new(const WCHAR *target, uint32_t length)
{
    struct nt_object *object = ob_object_new(NT_SYMLINK, (uint32_t)(sizeof(struct ob_symlink) + (length + 1) * sizeof(WCHAR)));
    if (!object)
        return NULL;
    struct ob_symlink *link = (struct ob_symlink *)object;
    link->length = length;
    memcpy(link->target, target, length * sizeof(WCHAR));
    return object;
}

static bool space_add(const struct space *entry)
{
    WCHAR path[SPACE_TEXT_LIMIT], target[SPACE_TEXT_LIMIT];
    struct ob_place place = {.directory = ob_at(ob_arena->root)};
    struct nt_object *object;
    const struct ob_symlink *link;
    unsigned rest;
    if (walk(path, widen(entry->path, path), false, true, &place, &link, &rest))
        return false;
    if (entry->kind == LINK)
        object = ob_symlink_new(target, widen(entry->target, target));
    else if (entry->kind == DIRECTORY)
        object = ob_object_new(NT_DIRECTORY, sizeof(struct ob_directory));
    else
        object = ob_object_new(NT_EVENT, sizeof(struct nt_object));
    if (!object)
        return false;
    object->flags = NT_OBJECT_PERMANENT;
    object->signal = entry->kind == EVENT_ON;
    NTSTATUS status = ob_name_insert(object, place.directory, place.leaf, place.length);
    ob_object_unreference(object);
    return !status;
}

/* Made at the first use of a name, not at start: most programs name nothing. */
NTSTATUS ob_name_space_open(void)
{
    struct nt_object *root = ob_object_new(NT_DIRECTORY, sizeof(struct ob_directory));
    if (!root)
        return STATUS_INSUFFICIENT_RESOURCES;
    root->flags = NT_OBJECT_PERMANENT;
    ob_arena->root = ob_ref(root);
    for (size_t i = 0; i < sizeof space / sizeof *space; i++)
        if (!space_add(&space[i]))
            return STATUS_INSUFFICIENT_RESOURCES;
    return STATUS_SUCCESS;
}
