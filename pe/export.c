#include "pe/export.h"

#define fail_export(error, number, at, found, clause)                                                                 \
    pe_fail(error, .code = PE_BAD_DIRECTORY, .rule = number, .ladder = PE_LADDER_RVA, .where = at, .got = found,       \
            .text = clause, .ntstatus = PE_STATUS_INVALID_IMAGE_FORMAT)

/* A table of `count` entries. None at all is a table, too, wherever it points. */
static bool open_table(const struct pe_image *image, uint32_t rva, uint32_t count, uint32_t width, struct pe_span *out)
{
    *out = (struct pe_span){NULL, 0};
    if (count == 0)
        return true;
    return count <= UINT32_MAX / width && pe_slice_rva(image, pe_rva_at(rva), count * width, out);
}

bool pe_exports_open(struct pe_exports *exports, const struct pe_image *image, struct pe_error *error)
{
    struct pe_export_directory raw;
    uint32_t name_len;

    memset(exports, 0, sizeof(*exports));
    exports->image = image;
    exports->dir = image->directory[PE_DIRECTORY_EXPORT];
    uint32_t at = exports->dir.rva.value;
    if (at == 0)
        return pe_fail(error, .code = PE_NOT_FOUND, .text = "no export directory");
    if (!pe_read_rva(image, exports->dir.rva, &raw, sizeof(raw)) || !pe_rest_rva(image, exports->dir.rva, &exports->section))
        return fail_export(error, 40, at, exports->dir.size, "the export directory lies outside the image");
    if (!open_table(image, raw.address_of_functions, raw.number_of_functions, 4, &exports->functions))
        return fail_export(error, 41, raw.address_of_functions, raw.number_of_functions,
                           "the table of exported addresses lies outside the image");
    if (!open_table(image, raw.address_of_names, raw.number_of_names, 4, &exports->names))
        return fail_export(error, 42, raw.address_of_names, raw.number_of_names,
                           "the table of exported names lies outside the image");
    if (!open_table(image, raw.address_of_name_ordinals, raw.number_of_names, 2, &exports->ordinals))
        return fail_export(error, 43, raw.address_of_name_ordinals, raw.number_of_names,
                           "the table of name ordinals lies outside the image");

    exports->base = raw.base;
    exports->function_count = raw.number_of_functions;
    exports->name_count = raw.number_of_names;
    if (raw.name == 0 || !pe_string_rva(image, pe_rva_at(raw.name), PE_NAME_LIMIT, &exports->dll_name, &name_len))
        exports->dll_name = NULL;
    pe_done(error);
    return true;
}

/* ---- entries: indices below are within their tables ---- */

static uint32_t function_at(const struct pe_exports *exports, uint32_t index)
{
    uint32_t rva;
    memcpy(&rva, exports->functions.data + (size_t)index * 4, sizeof(rva));
    return rva;
}

static uint32_t ordinal_at(const struct pe_exports *exports, uint32_t index)
{
    uint16_t ordinal;
    memcpy(&ordinal, exports->ordinals.data + (size_t)index * 2, sizeof(ordinal));
    return ordinal;
}

/* The bytes of a name up to the end of its section. Names nearly always lie behind the directory in one section,
 * whose span was checked when the table was opened: one comparison, no search for the section. */
static inline bool name_bytes(const struct pe_exports *exports, uint32_t index, struct pe_span *out)
{
    uint32_t rva;
    memcpy(&rva, exports->names.data + (size_t)index * 4, sizeof(rva));
    uint32_t inside = rva - exports->dir.rva.value; /* wraps to a large number below the directory */
    if (inside < exports->section.size) {
        out->data = exports->section.data + inside;
        out->size = exports->section.size - inside;
        return true;
    }
    return pe_rest_rva(exports->image, pe_rva_at(rva), out);
}

/* ---- comparison of the name that is looked for with names in the image ---- */

struct wanted {
    const uint8_t *text;
    uint32_t len;
    uint64_t head, mask; /* the first 8 bytes, most significant first, and which of them count */
};

static inline uint64_t load_head(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof(value));
    return __builtin_bswap64(value);
}

/* A name below 8 bytes counts with its NUL, so that equal heads mean equal names; a longer one has no NUL in its
 * head, so a shorter candidate differs there. */
static struct wanted wanted_name(const char *name, uint32_t len)
{
    struct wanted wanted = {.text = (const uint8_t *)name, .len = len, .mask = ~(uint64_t)0};
    if (len >= 8) {
        wanted.head = load_head(wanted.text);
        return wanted;
    }
    for (uint32_t i = 0; i < len; i++)
        wanted.head |= (uint64_t)wanted.text[i] << (8 * (7 - i));
    wanted.mask <<= 8 * (7 - len);
    return wanted;
}

/* As memcmp: eight bytes at a time, because names of one DLL often begin alike and memcmp is a call of unknown speed. */
static inline int compare_bytes(const uint8_t *candidate, const uint8_t *text, uint32_t size)
{
    uint32_t at = 0;
    for (; size - at >= 8; at += 8) {
        uint64_t a = load_head(candidate + at), b = load_head(text + at);
        if (a != b)
            return a < b ? -1 : 1;
    }
    for (; at < size; at++)
        if (candidate[at] != text[at])
            return candidate[at] < text[at] ? -1 : 1;
    return 0;
}

/* Below 0: the candidate sorts before the wanted name; 0: it is the name. Reads no byte behind the candidate's
 * span; a candidate without a NUL in its span is no name and sorts last. */
static inline int compare_name(const struct wanted *wanted, struct pe_span candidate)
{
    uint32_t len = wanted->len, room = candidate.size <= PE_NAME_LIMIT ? (uint32_t)candidate.size : PE_NAME_LIMIT + 1;
    if (room >= 8) {
        uint64_t head = load_head(candidate.data) & wanted->mask;
        if (head != wanted->head)
            return head < wanted->head ? -1 : 1;
        if (len < 8)
            return 0;
    }
    if (room <= len) {
        int order = compare_bytes(candidate.data, wanted->text, room);
        return order != 0 ? order : 1;
    }
    int order = compare_bytes(candidate.data, wanted->text, len);
    return order != 0 ? order : candidate.data[len];
}

/* ---- results ---- */

static bool fill_function(const struct pe_exports *exports, uint32_t index, struct pe_export *out)
{
    if (index >= exports->function_count)
        return false;
    uint32_t rva = function_at(exports, index);
    if (rva == 0)
        return false;
    memset(out, 0, sizeof(*out));
    out->ordinal = index + exports->base;
    if (rva - exports->dir.rva.value >= exports->dir.size || rva < exports->dir.rva.value) {
        out->rva = pe_rva_at(rva);
        return true;
    }
    /* Rule 45: an address inside the directory is text: where the function really is. */
    return pe_string_rva(exports->image, pe_rva_at(rva), PE_NAME_LIMIT, &out->forwarder, &out->forwarder_len);
}

static bool fill_named(const struct pe_exports *exports, uint32_t index, const char *name, uint32_t len,
                       struct pe_export *out)
{
    if (!fill_function(exports, ordinal_at(exports, index), out))
        return false;
    out->name = name;
    out->name_len = len;
    return true;
}

bool pe_export_at(const struct pe_exports *exports, uint32_t index, struct pe_export *out)
{
    return fill_function(exports, index, out);
}

bool pe_export_by_ordinal(const struct pe_exports *exports, uint32_t ordinal, struct pe_export *out)
{
    return ordinal >= exports->base && fill_function(exports, ordinal - exports->base, out);
}

bool pe_export_name_at(const struct pe_exports *exports, uint32_t index, struct pe_export *out)
{
    struct pe_span bytes;
    const char *name;
    uint32_t len;
    return index < exports->name_count && name_bytes(exports, index, &bytes) &&
           pe_span_string(bytes, 0, PE_NAME_LIMIT, &name, &len) && fill_named(exports, index, name, len, out);
}

/* ---- lookup by name ---- */

/* Is the way of the search in order? Each name that it looks at must lie between the two that bound it. */
static bool search_is_sorted(const struct pe_exports *exports, const struct wanted *wanted)
{
    uint32_t low = 0, high = exports->name_count;
    struct pe_span bytes, floor = {NULL, 0}, ceiling = {NULL, 0};
    const char *text;
    uint32_t len;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (!name_bytes(exports, middle, &bytes) || !pe_span_string(bytes, 0, PE_NAME_LIMIT, &text, &len))
            return false;
        struct wanted here = wanted_name(text, len);
        if (floor.size != 0 && compare_name(&here, floor) >= 0)
            return false;
        if (ceiling.size != 0 && compare_name(&here, ceiling) <= 0)
            return false;
        struct pe_span name = {(const uint8_t *)text, (uint64_t)len + 1}; /* with its NUL */
        if (compare_name(wanted, bytes) < 0) {
            low = middle + 1;
            floor = name;
        } else {
            high = middle;
            ceiling = name;
        }
    }
    return true;
}

static bool is_named(const struct pe_exports *exports, uint32_t index, const struct wanted *wanted, struct pe_span *bytes)
{
    return index < exports->name_count && name_bytes(exports, index, bytes) && compare_name(wanted, *bytes) == 0;
}

bool pe_export_by_name(const struct pe_exports *exports, const char *name, uint32_t len, uint32_t hint,
                       struct pe_export *out)
{
    if (len > PE_NAME_LIMIT)
        return false;
    struct wanted wanted = wanted_name(name, len);
    uint32_t low = 0, high = exports->name_count;
    struct pe_span bytes;

    /* A hint is an index into the names. GNU's import libraries have the ordinal there (binutils 2.40): where a DLL was
     * made with both in one order, its index is the base less. */
    if (is_named(exports, hint, &wanted, &bytes))
        return fill_named(exports, hint, (const char *)bytes.data, len, out);
    if (is_named(exports, hint - exports->base, &wanted, &bytes))
        return fill_named(exports, hint - exports->base, (const char *)bytes.data, len, out);

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = name_bytes(exports, middle, &bytes) ? compare_name(&wanted, bytes) : 1;
        if (order == 0)
            return fill_named(exports, middle, (const char *)bytes.data, len, out);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }

    /* Not found. A table in order has it nowhere; in any other the name may still stand somewhere (rule 44). */
    if (search_is_sorted(exports, &wanted))
        return false;
    for (uint32_t i = 0; i < exports->name_count; i++)
        if (is_named(exports, i, &wanted, &bytes))
            return fill_named(exports, i, (const char *)bytes.data, len, out);
    return false;
}

bool pe_export_nearest(const struct pe_exports *exports, pe_rva rva, struct pe_export *out)
{
    struct pe_export candidate;
    bool found = false;

    for (uint32_t i = 0; i < exports->function_count; i++) {
        if (!fill_function(exports, i, &candidate) || candidate.forwarder != NULL || candidate.rva.value > rva.value)
            continue;
        if (found && candidate.rva.value <= out->rva.value)
            continue;
        *out = candidate;
        found = true;
    }
    /* Several indices may share the address: any that has a name will do. */
    for (uint32_t i = 0; found && i < exports->name_count; i++) {
        uint32_t index = ordinal_at(exports, i);
        if (index < exports->function_count && function_at(exports, index) == out->rva.value &&
            pe_export_name_at(exports, i, out))
            break;
    }
    return found;
}
