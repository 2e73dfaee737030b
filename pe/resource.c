#include "pe/resource.h"

#define fail_resource(error, number, at, clause)                                                                      \
    pe_fail(error, .code = PE_BAD_DIRECTORY, .rule = number, .ladder = PE_LADDER_RVA, .where = at, .text = clause,     \
            .ntstatus = PE_STATUS_INVALID_IMAGE_FORMAT)

static uint64_t where(const struct pe_resource_level *level, uint64_t offset)
{
    return level->image->directory[PE_DIRECTORY_RESOURCE].rva.value + offset;
}

static bool level_open(struct pe_resource_level *level, const struct pe_image *image, struct pe_span table, uint32_t offset,
                       struct pe_error *error)
{
    struct pe_resource_directory raw;
    struct pe_span entries;

    memset(level, 0, sizeof(*level));
    level->image = image;
    level->table = table;
    if (!pe_span_read(table, offset, &raw, sizeof(raw)))
        return fail_resource(error, 101, where(level, offset), "a resource directory lies outside its section");
    level->count = (uint32_t)raw.number_of_named_entries + raw.number_of_id_entries;
    level->entries = offset + (uint32_t)sizeof(raw);
    uint64_t bytes = (uint64_t)level->count * sizeof(struct pe_resource_directory_entry);
    if (!pe_span_slice(table, level->entries, bytes, &entries))
        return fail_resource(error, 102, where(level, offset), "a resource directory has more entries than bytes");
    pe_done(error);
    return true;
}

static bool level_next(struct pe_resource_level *level, struct pe_error *error)
{
    struct pe_resource_directory_entry raw;
    uint64_t at = level->entries + (uint64_t)level->index * sizeof(raw);
    uint16_t units;

    if (level->index >= level->count || !pe_span_read(level->table, at, &raw, sizeof(raw)))
        return pe_done(error);
    level->index++;
    level->is_directory = (raw.offset_to_data & PE_RESOURCE_FLAG) != 0;
    level->offset = raw.offset_to_data & ~PE_RESOURCE_FLAG;
    level->id = (struct pe_resource_id){.is_name = (raw.name & PE_RESOURCE_FLAG) != 0, .number = (uint16_t)raw.name};
    if (level->id.is_name) {
        uint64_t name = raw.name & ~PE_RESOURCE_FLAG;
        level->id.number = 0;
        if (!pe_span_u16(level->table, name, &units) || !pe_span_slice(level->table, name + 2, units * 2u, &level->id.name))
            return fail_resource(error, 103, where(level, name), "the name of a resource lies outside its section");
    }
    pe_done(error);
    return true;
}

static bool level_data(const struct pe_resource_level *level, struct pe_resource *out, struct pe_error *error)
{
    struct pe_resource_data_entry raw;
    if (!pe_span_read(level->table, level->offset, &raw, sizeof(raw)))
        return fail_resource(error, 104, where(level, level->offset), "a resource data entry lies outside its section");
    out->data = pe_rva_at(raw.offset_to_data);
    out->size = raw.size;
    out->code_page = raw.code_page;
    return true;
}

/* False with PE_OK: the image has no resources. */
static bool root_open(struct pe_resource_level *level, const struct pe_image *image, struct pe_error *error)
{
    pe_rva at = image->directory[PE_DIRECTORY_RESOURCE].rva;
    struct pe_span table;
    if (at.value == 0)
        return pe_done(error);
    if (!pe_rest_rva(image, at, &table))
        return fail_resource(error, 101, at.value, "the resource directory lies outside the image");
    return level_open(level, image, table, 0, error);
}

void pe_resources_begin(struct pe_resource_cursor *cursor, const struct pe_image *image)
{
    memset(cursor, 0, sizeof(*cursor));
    cursor->level[0].image = image;
    cursor->depth = 1;
}

/* The tree is walked with one cursor a level, never deeper than type, name, language: rule 105. */
bool pe_resources_next(struct pe_resource_cursor *cursor, struct pe_resource *out, struct pe_error *error)
{
    struct pe_resource_level *root = &cursor->level[0];
    if (cursor->steps == 0 && cursor->depth == 1 && !root_open(root, root->image, error)) {
        cursor->depth = 0;
        return false;
    }
    while (cursor->depth != 0) {
        struct pe_resource_level *level = &cursor->level[cursor->depth - 1];
        if (++cursor->steps > PE_RESOURCE_LIMIT) {
            cursor->depth = 0;
            return pe_fail(error, .code = PE_LIMIT, .rule = 105, .got = cursor->steps, .want = PE_RESOURCE_LIMIT,
                           .text = "the resource tree does not end");
        }
        if (!level_next(level, error)) {
            cursor->depth = error->code == PE_OK ? cursor->depth - 1 : 0;
            if (error->code != PE_OK)
                return false;
            continue;
        }
        bool leaf = cursor->depth == PE_RESOURCE_DEPTH;
        if (level->is_directory == leaf) {
            cursor->depth = 0;
            return fail_resource(error, 105, where(level, level->offset), "the resource tree is not three levels deep");
        }
        if (!leaf) {
            if (!level_open(level + 1, level->image, level->table, level->offset, error)) {
                cursor->depth = 0;
                return false;
            }
            cursor->depth++;
            continue;
        }
        memset(out, 0, sizeof(*out));
        out->type = cursor->level[0].id;
        out->name = cursor->level[1].id;
        out->language = level->id.number;
        if (level_data(level, out, error))
            return true;
        cursor->depth = 0;
        return false;
    }
    return pe_done(error);
}

/* ---- finding one ---- */

static unsigned upper(unsigned unit) { return unit >= 'a' && unit <= 'z' ? unit - 32 : unit; }

static bool id_matches(const struct pe_resource_id *id, const struct pe_resource_key *key)
{
    if (key->name == NULL)
        return !id->is_name && id->number == key->number;
    if (!id->is_name || id->name.size != (uint64_t)key->name_len * 2)
        return false;
    for (uint32_t i = 0; i < key->name_len; i++) {
        uint16_t unit;
        memcpy(&unit, id->name.data + (size_t)i * 2, sizeof(unit));
        if (upper(unit) != upper((unsigned char)key->name[i]))
            return false;
    }
    return true;
}

static bool not_found(struct pe_error *error) { return pe_fail(error, .code = PE_NOT_FOUND, .text = "no such resource"); }

/* Entries are few; the order that would allow a binary search is the linker's promise and is not relied upon. */
static bool level_find(struct pe_resource_level *level, const struct pe_resource_key *key, struct pe_error *error)
{
    while (level_next(level, error))
        if (id_matches(&level->id, key))
            return true;
    return error->code == PE_OK ? not_found(error) : false;
}

static bool descend(const struct pe_resource_level *from, struct pe_resource_level *to, struct pe_error *error)
{
    if (!from->is_directory)
        return fail_resource(error, 105, where(from, from->offset), "the resource tree is not three levels deep");
    return level_open(to, from->image, from->table, from->offset, error);
}

/* The language asked for; where that is 0, the neutral one, US English, or whatever comes first. */
static bool language_find(struct pe_resource_level *level, uint16_t language, struct pe_error *error)
{
    static const uint16_t neutral[] = {0, 0x409};
    struct pe_resource_level start = *level;
    if (language != 0)
        return level_find(level, &PE_RESOURCE_NUMBER(language), error);
    for (unsigned i = 0; i < sizeof(neutral) / sizeof(neutral[0]); i++) {
        *level = start;
        if (level_find(level, &PE_RESOURCE_NUMBER(neutral[i]), error))
            return true;
        if (error->code != PE_NOT_FOUND)
            return false;
    }
    *level = start;
    return level_next(level, error) || (error->code == PE_OK && not_found(error));
}

bool pe_resource_find(const struct pe_image *image, struct pe_resource_key type, struct pe_resource_key name,
                      uint16_t language, struct pe_resource *out, struct pe_error *error)
{
    struct pe_resource_level types, names, languages;

    memset(out, 0, sizeof(*out));
    if (!root_open(&types, image, error))
        return error->code == PE_OK ? not_found(error) : false;
    if (!level_find(&types, &type, error) || !descend(&types, &names, error) || !level_find(&names, &name, error) ||
        !descend(&names, &languages, error) || !language_find(&languages, language, error))
        return false;
    if (languages.is_directory)
        return fail_resource(error, 105, where(&languages, languages.offset), "the resource tree is not three levels deep");
    out->type = types.id;
    out->name = names.id;
    out->language = languages.id.number;
    if (!level_data(&languages, out, error))
        return false;
    pe_done(error);
    return true;
}

bool pe_resource_bytes(const struct pe_image *image, const struct pe_resource *resource, struct pe_span *out)
{
    return pe_slice_rva(image, resource->data, resource->size, out);
}

const char *pe_resource_type_name(uint16_t number)
{
    switch (number) {
    case PE_RT_CURSOR: return "cursor";
    case PE_RT_BITMAP: return "bitmap";
    case PE_RT_ICON: return "icon";
    case PE_RT_MENU: return "menu";
    case PE_RT_DIALOG: return "dialog";
    case PE_RT_STRING: return "string";
    case PE_RT_FONTDIR: return "font directory";
    case PE_RT_FONT: return "font";
    case PE_RT_ACCELERATOR: return "accelerator";
    case PE_RT_RCDATA: return "data";
    case PE_RT_MESSAGETABLE: return "message table";
    case PE_RT_GROUP_CURSOR: return "cursor group";
    case PE_RT_GROUP_ICON: return "icon group";
    case PE_RT_VERSION: return "version";
    case PE_RT_DLGINCLUDE: return "dialog include";
    case PE_RT_PLUGPLAY: return "plug and play";
    case PE_RT_VXD: return "VxD";
    case PE_RT_ANICURSOR: return "animated cursor";
    case PE_RT_ANIICON: return "animated icon";
    case PE_RT_HTML: return "HTML";
    case PE_RT_MANIFEST: return "manifest";
    }
    return NULL;
}
