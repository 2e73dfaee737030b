/* relocate: an image that could not be placed where it was linked gets every address in it mended by the same sum.
 *
 * The table tells one block per page. Nearly all entries of nearly all blocks are of one type and lie well inside one
 * region; those take a loop of one load, one comparison and one addition. Everything else (other types, fix-ups across
 * the end of a page or section) goes one by one. Only pages with fix-ups are touched. */
#include "loader/load.h"
#include "pe/reloc.h"

#include <string.h>

struct relocation {
    struct loader *loader;
    struct ld_module *module;
    struct ld_error *error;
    uint8_t *bytes;           /* the image */
    uint64_t delta;           /* what is added */
    uint32_t open_from, open_to; /* RVAs that are known to be writable */
    unsigned native;          /* the type of a whole pointer: DIR64 or HIGHLOW */
};

static bool broken(struct relocation *work, uint32_t status, pe_rva rva, uint64_t got, const char *text)
{
    struct pe_error pe = {.code = PE_BAD_DIRECTORY, .ladder = PE_LADDER_RVA, .where = rva.value, .got = got,
                          .text = text, .ntstatus = status};
    return ld_fail_pe(work->error, LD_RELOCATE, work->module, &pe);
}

/* Makes [rva, rva + size) writable and remembers the region, so that the next fix-ups need not ask. */
static bool open_pages(struct relocation *work, pe_rva rva, uint32_t size)
{
    if (rva.value >= work->open_from && rva.value < work->open_to && size <= work->open_to - rva.value)
        return true;
    enum host_result result = ld_module_writable(work->loader, work->module, rva, size);
    if (result == HOST_NOT_FOUND)
        return broken(work, PE_STATUS_ACCESS_VIOLATION, rva, size, "a relocation lies outside the image's memory");
    if (result != HOST_OK)
        return ld_fail_host(work->error, LD_RELOCATE, work->module, result, "pages cannot be made writable");
    const struct ld_region *region = ld_module_region(work->module, rva);
    work->open_from = region->plan.rva.value;
    work->open_to = region->plan.rva.value + region->plan.size;
    return true;
}

/* One fix-up of any type. HIGH and LOW add one half of the difference to a half word; HIGHADJ holds the upper half of
 * a value whose lower half stands in the table, so that the carry can be rounded. */
static bool fix_one(struct relocation *work, const struct pe_fixup *fixup)
{
    int width = pe_reloc_width(fixup->type);
    uint8_t *at = work->bytes + fixup->rva.value;
    uint64_t value64;
    uint32_t value32;
    uint16_t value16;

    if (width < 0)
        return broken(work, PE_STATUS_INVALID_IMAGE_FORMAT, fixup->rva, fixup->type, "a relocation of unknown type");
    if (width == 0)
        return true;
    if (!open_pages(work, fixup->rva, (uint32_t)width))
        return false;
    switch (fixup->type) {
    case PE_REL_HIGH:
        memcpy(&value16, at, sizeof(value16));
        value16 = (uint16_t)(value16 + (work->delta >> 16));
        memcpy(at, &value16, sizeof(value16));
        break;
    case PE_REL_LOW:
        memcpy(&value16, at, sizeof(value16));
        value16 = (uint16_t)(value16 + work->delta);
        memcpy(at, &value16, sizeof(value16));
        break;
    case PE_REL_HIGHADJ:
        memcpy(&value16, at, sizeof(value16));
        value32 = ((uint32_t)value16 << 16) + (uint32_t)(int32_t)(int16_t)fixup->parameter + (uint32_t)work->delta + 0x8000;
        value16 = (uint16_t)(value32 >> 16);
        memcpy(at, &value16, sizeof(value16));
        break;
    case PE_REL_HIGHLOW:
        memcpy(&value32, at, sizeof(value32));
        value32 += (uint32_t)work->delta;
        memcpy(at, &value32, sizeof(value32));
        break;
    case PE_REL_DIR64:
        memcpy(&value64, at, sizeof(value64));
        value64 += work->delta;
        memcpy(at, &value64, sizeof(value64));
        break;
    }
    work->module->fixups++;
    return true;
}

static inline void add64(uint8_t *at, uint64_t delta)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    value += delta;
    memcpy(at, &value, sizeof(value));
}

static inline void add32(uint8_t *at, uint64_t delta)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    value += (uint32_t)delta;
    memcpy(at, &value, sizeof(value));
}

/* The run of whole pointers from an entry on: returns the first entry that is something else, or whose offset is
 * above `last`. As many entries as a register holds are looked at as one number; freed of the type they are offsets, and one
 * comparison tells that all of them were of the type. */
static inline const uint8_t *fix_run(const uint8_t *entry, const uint8_t *end, uint8_t *page, uint64_t delta, unsigned type,
                                     unsigned last, void (*add)(uint8_t *at, uint64_t delta))
{
    enum { STEP = sizeof(uintptr_t) };
    const uintptr_t types = (uintptr_t)0xf000f000f000f000u, wanted = (uintptr_t)0x0001000100010001u * (type << 12);
    for (; last == 0xfff && end - entry >= STEP; entry += STEP) {
        uintptr_t several;
        memcpy(&several, entry, STEP);
        several ^= wanted;
        if (several & types)
            break;
#pragma GCC unroll 4
        for (unsigned shift = 0; shift < 8 * STEP; shift += 16)
            add(page + (several >> shift & 0xfff), delta);
    }
    for (; entry < end; entry += 2) {
        /* An entry minus the type is the offset, and above any offset where the type is another. */
        uint16_t word;
        memcpy(&word, entry, sizeof(word));
        unsigned offset = word - (type << 12);
        if (offset > last)
            break;
        add(page + offset, delta);
    }
    return entry;
}

/* The same from entry `index` of a block on; the result is an index, too. */
static uint32_t fix_entries(const struct relocation *work, const struct pe_reloc_block *block, uint32_t index, unsigned last)
{
    const uint8_t *first = block->entries.data, *end = first + 2 * (uint64_t)block->count, *next = first + 2 * (uint64_t)index;
    uint8_t *page = work->bytes + block->page.value;
    if (work->native == PE_REL_DIR64)
        next = fix_run(next, end, page, work->delta, PE_REL_DIR64, last, add64);
    else
        next = fix_run(next, end, page, work->delta, PE_REL_HIGHLOW, last, add32);
    return (uint32_t)((uint64_t)(next - first) / 2);
}

static bool fix_block(struct relocation *work, const struct pe_reloc_block *block)
{
    struct ld_module *module = work->module;
    uint32_t before = module->fixups, width = work->native == PE_REL_DIR64 ? 8 : 4;

    if (block->page.value >= module->source.size_of_image)
        return broken(work, PE_STATUS_ACCESS_VIOLATION, block->page, module->source.size_of_image,
                      "a relocation block lies outside the image");
    for (uint32_t index = 0; index < block->count;) {
        /* The fast run wants the block's page in one open region; the first slow fix-up opens it. */
        if (block->page.value >= work->open_from && block->page.value < work->open_to &&
            work->open_to - block->page.value >= width) {
            uint32_t room = work->open_to - block->page.value - width;
            uint32_t next = fix_entries(work, block, index, room < 0xfff ? room : 0xfff);
            module->fixups += next - index;
            index = next;
            if (index == block->count)
                break;
        }
        struct pe_fixup fixup;
        struct pe_error pe = {0};
        if (!pe_reloc_fixup(block, index, &fixup, &pe))
            return ld_fail_pe(work->error, LD_RELOCATE, module, &pe);
        if (!fix_one(work, &fixup))
            return false;
        index += fixup.taken ? fixup.taken : 1;
    }
    if (module->fixups != before) {
        module->fixup_pages++;
        LD_TRACE(work->loader->trace, LD_RELOCATE, .verb = "page", .module = module->name,
                 .address = module->base + block->page.value, .count = module->fixups - before);
    }
    return true;
}

/* Windows lets the mapped header tell where the image is: debuggers and the image's own run-time read it there. Last,
 * because a fix-up may lie in the header too. */
static bool tell_base(struct relocation *work)
{
    struct pe_image *image = &work->module->image;
    uint32_t width = image->is_64 ? 8 : 4;
    uint64_t at = image->optional_header.value + (image->is_64 ? 24 : 28);
    uint64_t base = work->module->base;
    if (at > image->size_of_headers || image->size_of_headers - at < width)
        return true;
    if (!open_pages(work, pe_rva_at((uint32_t)at), width))
        return false;
    memcpy(work->bytes + at, &base, width);
    image->image_base = pe_va_at(base);
    return true;
}

bool ld_relocate(struct loader *loader, struct ld_module *module, struct ld_error *error)
{
    if (!module->moved)
        return true;
    if (!module->image.directory[PE_DIRECTORY_BASERELOC].size) {
        LD_TRACE(loader->trace, LD_RELOCATE, .verb = "skipped", .module = module->name, .address = module->base,
                 .from = module->preferred, .detail = "the relocation table is empty");
        return true;
    }

    struct relocation work = {
        .loader = loader,
        .module = module,
        .error = error,
        .bytes = loader->host->vm_at(loader->host, module->base, module->source.size_of_image),
        .delta = module->base - module->preferred,
        .native = module->image.is_64 ? PE_REL_DIR64 : PE_REL_HIGHLOW,
    };
    struct pe_reloc_block block;
    struct pe_error pe = {0};
    pe_reloc_blocks_begin(&block, &module->image);
    while (pe_reloc_blocks_next(&block, &pe))
        if (!fix_block(&work, &block))
            return false;
    if (pe.code != PE_OK)
        return ld_fail_pe(error, LD_RELOCATE, module, &pe);
    if (!tell_base(&work))
        return false;
    LD_TRACE(loader->trace, LD_RELOCATE, .verb = "relocated", .module = module->name, .address = module->base,
             .from = module->preferred, .size = (uint64_t)module->fixup_pages * LD_PAGE, .count = module->fixups);
    return true;
}
