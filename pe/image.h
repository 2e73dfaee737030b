/* Open and validate once; everything behind works on the result.
 *
 * A pe_image is a view, without allocation, of a PE either as it lies in a FILE or as it lies stretched in
 * MEMORY. pe_open checks every header field against RULES.md; after it, the fields here are validated and the
 * cursors (import.h, export.h, ...) can trust them, while each table that they walk is still foreign. */
#ifndef PE_IMAGE_H
#define PE_IMAGE_H

#include "pe/address.h"
#include "pe/bytes.h"
#include "pe/error.h"
#include "pe/format.h"

enum pe_form {
    PE_FORM_FILE,   /* rva goes through the section table to a file offset */
    PE_FORM_MAPPED, /* rva is the offset from the base; bytes between sections may be absent */
};

/* One section, decoded. `raw_*` is what the loader maps from the file after all rounding rules (rules 25, 26):
 * raw_off rounded down to 0x200, raw_size rounded up, cut at the page-rounded virtual size and, in a FILE, at the
 * file's end. */
struct pe_section {
    char name[9];        /* NUL-terminated copy */
    pe_rva rva;          /* VirtualAddress */
    uint32_t size;       /* bytes in the image: VirtualSize, or SizeOfRawData where that is 0 */
    uint32_t virtual_size, raw_size_field, raw_off_field; /* as in the header */
    pe_off raw_off;      /* bytes from the file start */
    uint32_t raw_size;   /* bytes that come from the file (0: all zero fill) */
    uint32_t characteristics; /* PE_SCN_* */
};

struct pe_directory {
    pe_rva rva;
    uint32_t size; /* bytes */
};

struct pe_image {
    struct pe_span bytes;  /* the file or its beginning, or [base, base + size_of_image) in memory; borrowed */
    uint64_t file_size;    /* of the whole file; in memory that of bytes */
    enum pe_form form;
    bool is_64;            /* PE32+ */
    bool is_dll;           /* IMAGE_FILE_DLL */
    bool is_flat;          /* SectionAlignment below a page: RVA equals file offset */
    uint16_t machine, characteristics, subsystem, dll_characteristics;
    uint16_t section_count, magic;
    uint16_t major_subsystem, minor_subsystem;
    uint32_t timestamp, checksum;
    uint32_t section_alignment, file_alignment;
    uint32_t size_of_image;   /* page-rounded, bytes */
    uint32_t size_of_headers; /* bytes, raised to cover the section table, cut at the file's end */
    uint32_t headers_room;    /* bytes of the image that are the headers': whole pages, not cut at the file's end */
    uint32_t size_of_code, loader_flags;
    pe_rva entry;             /* AddressOfEntryPoint, 0: none */
    pe_va image_base;         /* preferred */
    uint64_t stack_reserve, stack_commit, heap_reserve, heap_commit; /* bytes */
    pe_off nt_headers, optional_header, section_table; /* file offsets; the same in memory, headers map 1:1 */
    uint32_t directory_count; /* how many of `directory` the file really has, at most 16 */
    struct pe_directory directory[PE_DIRECTORY_COUNT];
};

/* Parses and validates. `bytes` stays the caller's and must outlive *image.
 * False with *error filled, *image undefined, where a rule is broken. Never reads outside `bytes`.
 * PE_FORM_MAPPED: `bytes` begins at the base and has at least SizeOfImage bytes, of which the headers' pages must
 * be readable; nothing is asked of the file that it came from. */
bool pe_open(struct pe_image *image, struct pe_span bytes /* foreign */, enum pe_form form, struct pe_error *error);

/* The same for a file of which only the beginning is at hand. False also where the optional header or the section table go on
 * behind it: then the whole file has to be asked. True says that pe_open of the whole file would have filled *image alike. */
bool pe_open_part(struct pe_image *image, struct pe_span bytes /* foreign */, uint64_t file_size, struct pe_error *error);

/* The index-th section, 0-based; index < section_count is the caller's duty (assert). */
void pe_section_at(const struct pe_image *image, unsigned index, struct pe_section *section);

/* The section whose image range holds rva. False: headers, a gap, or outside. */
bool pe_section_find(const struct pe_image *image, pe_rva rva /* foreign */, struct pe_section *section);

/* `len` bytes at rva, wherever this form keeps them. False where they are not all backed by bytes
 * (in a FILE: by one section's raw data or the headers; zero fill is not bytes). */
bool pe_slice_rva(const struct pe_image *image, pe_rva rva /* foreign */, uint32_t len /* foreign */, struct pe_span *out);

/* Copies `len` bytes as the loaded image has them: across section borders, and zero where a FILE has zero fill.
 * False where a byte belongs to no section and to no header. For directories of a few bytes, not for tables. */
bool pe_read_rva(const struct pe_image *image, pe_rva rva /* foreign */, void *out, uint32_t len);

/* Bytes of the image from rva to the end of the section (or of the headers) that holds it, zero fill included,
 * whole pages. 0: a gap, or outside. What lies inside is memory once the image is loaded, in either form. */
uint32_t pe_room_rva(const struct pe_image *image, pe_rva rva /* foreign */);

/* The longest run of bytes from rva on (to the end of its section's bytes). */
bool pe_rest_rva(const struct pe_image *image, pe_rva rva /* foreign */, struct pe_span *out);

/* The NUL-terminated string at rva, at most `limit` bytes long. Points into image->bytes. */
bool pe_string_rva(const struct pe_image *image, pe_rva rva /* foreign */, uint32_t limit, const char **text, uint32_t *len);

/* Names for people: "x86-64", "i386"; "console", "windows"; and of directory entries: "import", "export". */
const char *pe_machine_name(uint16_t machine);
const char *pe_subsystem_name(uint16_t subsystem);
const char *pe_directory_name(unsigned index);

/* The largest length of an imported or exported name that is accepted, bytes. */
#define PE_NAME_LIMIT 4096u

#endif
