/* The API set schema, version 6: a namespace header, entries, values, and a table of hashes in rising order.
 * The layout is the same for every Windows 10 and 11; strings are UTF-16 without NUL, offsets count from the
 * section's start, lengths count bytes. The file is foreign like any other: every read goes through the span. */
#include "loader/apiset.h"

#include <string.h>

struct apiset_namespace {
    uint32_t version, size, flags, count, entry_offset, hash_offset, hash_factor;
};
struct apiset_entry {
    uint32_t flags, name_offset, name_length, hashed_length, value_offset, value_count;
};
struct apiset_hash {
    uint32_t hash, index;
};
struct apiset_value {
    uint32_t flags, name_offset, name_length, value_offset, value_length;
};
_Static_assert(sizeof(struct apiset_namespace) == 28 && sizeof(struct apiset_entry) == 24 &&
                   sizeof(struct apiset_hash) == 8 && sizeof(struct apiset_value) == 20,
               "API set schema, version 6");

#define APISET_VERSION 6u

static inline char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool ld_apiset_is_name(const char *name)
{
    char start[4];
    for (unsigned i = 0; i < 4; i++) {
        if (!name[i])
            return false;
        start[i] = lower(name[i]);
    }
    return memcmp(start, "api-", 4) == 0 || memcmp(start, "ext-", 4) == 0;
}

/* The whole section; its name is what makes it the schema, not its place. */
static bool schema_bytes(const struct pe_image *schema, struct pe_span *bytes)
{
    for (unsigned i = 0; i < schema->section_count; i++) {
        struct pe_section section;
        pe_section_at(schema, i, &section);
        if (strcmp(section.name, ".apiset") == 0)
            return pe_rest_rva(schema, section.rva, bytes);
    }
    return false;
}

/* Is the UTF-16 text at offset the same as `length` ASCII characters, without regard to case? */
static bool text_equal(struct pe_span bytes, uint32_t offset, uint32_t size, const char *text, size_t length)
{
    struct pe_span wide;
    if (size != 2 * length || !pe_span_slice(bytes, offset, size, &wide))
        return false;
    for (size_t i = 0; i < length; i++)
        if (wide.data[2 * i + 1] || lower((char)wide.data[2 * i]) != lower(text[i]))
            return false;
    return true;
}

/* Finds the entry by the hash of the name without the part behind its last '-': api-...-l1-1-0 and api-...-l1-1-1
 * are one contract in two versions. */
static bool find_entry(struct pe_span bytes, const struct apiset_namespace *header, const char *name, size_t length,
                       struct apiset_entry *entry)
{
    uint32_t hash = 0;
    for (size_t i = 0; i < length; i++)
        hash = hash * header->hash_factor + (uint8_t)lower(name[i]);

    /* The first entry with this hash; different names may share one. */
    uint32_t low = 0, high = header->count;
    struct apiset_hash found;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (!pe_span_read(bytes, header->hash_offset + (uint64_t)middle * sizeof(found), &found, sizeof(found)))
            return false;
        if (found.hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < header->count; low++) {
        if (!pe_span_read(bytes, header->hash_offset + (uint64_t)low * sizeof(found), &found, sizeof(found)) ||
            found.hash != hash || found.index >= header->count)
            return false;
        if (pe_span_read(bytes, header->entry_offset + (uint64_t)found.index * sizeof(*entry), entry, sizeof(*entry)) &&
            text_equal(bytes, entry->name_offset, entry->hashed_length, name, length))
            return true;
    }
    return false;
}

/* The value that names the importer, else the one that names nobody, which stands first. */
static bool choose_value(struct pe_span bytes, const struct apiset_entry *entry, const char *importer,
                         struct apiset_value *value)
{
    bool chosen = false;
    for (uint32_t i = 0; i < entry->value_count; i++) {
        struct apiset_value next;
        if (!pe_span_read(bytes, entry->value_offset + (uint64_t)i * sizeof(next), &next, sizeof(next)))
            return chosen;
        if (!next.name_length && !chosen) {
            *value = next;
            chosen = true;
        } else if (importer && text_equal(bytes, next.name_offset, next.name_length, importer, strlen(importer))) {
            *value = next;
            return true;
        }
    }
    return chosen;
}

enum ld_apiset_result ld_apiset_lookup(const struct pe_image *schema, const char *name, const char *importer, char *host,
                                       size_t room)
{
    struct pe_span bytes, wide;
    struct apiset_namespace header;
    if (!schema || !schema_bytes(schema, &bytes) || !pe_span_read(bytes, 0, &header, sizeof(header)) ||
        header.version != APISET_VERSION)
        return LD_APISET_UNKNOWN;

    const char *dash = strrchr(name, '-');
    struct apiset_entry entry;
    if (!dash || !find_entry(bytes, &header, name, (size_t)(dash - name), &entry))
        return LD_APISET_UNKNOWN;

    struct apiset_value value;
    if (!choose_value(bytes, &entry, importer, &value) || !value.value_length)
        return LD_APISET_EMPTY;
    if (!pe_span_slice(bytes, value.value_offset, value.value_length, &wide) || wide.size / 2 >= room)
        return LD_APISET_UNKNOWN;
    size_t length = (size_t)wide.size / 2;
    for (size_t i = 0; i < length; i++) {
        if (wide.data[2 * i + 1] || !wide.data[2 * i])
            return LD_APISET_UNKNOWN;
        host[i] = (char)wide.data[2 * i];
    }
    host[length] = 0;
    return LD_APISET_FOUND;
}
