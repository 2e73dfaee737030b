/* The bytes of an image as the loader made them, before anybody wrote: of its file, with its fix-ups. For the kernel, which is
 * asked whether a page has been written and keeps no copy (nt/mm/written.c). */
#include "loader/native/native.h"
#include "pe/reloc.h"

#include <stdlib.h>
#include <string.h>

/* A window onto the image: `size` bytes from `rva` on. */
struct window { uint8_t *bytes; uint64_t rva, size; };

static void region_show(const struct window *window, const struct pe_region *region, const struct host_file *file)
{
    uint64_t from = region->rva.value, to = from + region->raw_size;
    struct pe_span raw;
    if (region->kind != PE_REGION_RAW && region->kind != PE_REGION_HEADERS)
        return;
    if (!pe_span_slice((struct pe_span){file->bytes, file->size}, region->raw_off.value, region->raw_size, &raw))
        return;
    from = from < window->rva ? window->rva : from;
    to = to > window->rva + window->size ? window->rva + window->size : to;
    if (from < to)
        memcpy(window->bytes + (from - window->rva), raw.data + (from - region->rva.value), (size_t)(to - from));
}

/* Whole pointers alone: other types stand in no data section, and a page that keeps one counts as written. */
static void fixup_apply(const struct window *window, const struct pe_fixup *fixup, uint64_t delta)
{
    uint64_t wide, at = fixup->rva.value - window->rva;
    uint32_t narrow;
    int width = pe_reloc_width(fixup->type);
    if (width < 4 || fixup->rva.value < window->rva || at + (unsigned)width > window->size)
        return;
    if (width == 8) {
        memcpy(&wide, window->bytes + at, sizeof wide);
        wide += delta;
        memcpy(window->bytes + at, &wide, sizeof wide);
    } else {
        memcpy(&narrow, window->bytes + at, sizeof narrow);
        narrow += (uint32_t)delta;
        memcpy(window->bytes + at, &narrow, sizeof narrow);
    }
}

static void fixups_apply(const struct window *window, const struct pe_image *image, uint64_t delta)
{
    struct pe_reloc_block block;
    struct pe_fixup fixup;
    struct pe_error error = {0};
    pe_reloc_blocks_begin(&block, image);
    while (pe_reloc_blocks_next(&block, &error)) {
        if (block.page.value + 2 * (uint64_t)LD_PAGE <= window->rva || block.page.value >= window->rva + window->size)
            continue;
        for (uint32_t i = 0; i < block.count && pe_reloc_fixup(&block, i, &fixup, &error); i += fixup.taken ? fixup.taken : 1)
            fixup_apply(window, &fixup, delta);
    }
}

/* The window is a page wider on both sides, because a fix-up may lie across the ends of what is asked for. */
bool native_image_bytes(const char *unix_path, uint64_t base, uint32_t rva, void *bytes, size_t size)
{
    struct host *host = native.loader.host;
    struct host_file file;
    struct pe_image image;
    struct pe_error error = {0};
    struct pe_layout layout;
    struct pe_region region;
    uint64_t before = rva < LD_PAGE ? rva : LD_PAGE;
    struct window window = {calloc(1, before + size + LD_PAGE), rva - before, before + size + LD_PAGE};
    bool good = window.bytes && host->file_open(host, unix_path, &file) == HOST_OK;
    if (good) {
        good = pe_open(&image, (struct pe_span){file.bytes, file.size}, PE_FORM_FILE, &error);
        if (good) {
            pe_layout_begin(&layout, &image);
            while (pe_layout_next(&layout, &region))
                region_show(&window, &region, &file);
            if (base != image.image_base.value)
                fixups_apply(&window, &image, base - image.image_base.value);
            memcpy(bytes, window.bytes + before, size);
        }
        host->file_close(host, &file);
    }
    free(window.bytes);
    return good;
}
