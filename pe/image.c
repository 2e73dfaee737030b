/* Opening: every header field is checked here, once, in the order in which a system looks at it.
 * Numbers in `.rule` are those of RULES.md. */
#include "pe/image.h"

#define PAGE        4096u
#define SECTOR      0x200u
#define LARGEST     0x77000000u /* SizeOfImage above this is refused by every Windows */
#define BASE_GRAIN  0x10000u

/* What pe_open learns on the way and the finished image has no use for. */
struct opening {
    struct pe_image *image;
    struct pe_file_header file;
    uint32_t headers_field; /* SizeOfHeaders as it stands in the file */
    uint32_t image_field;   /* SizeOfImage as it stands in the file */
    struct pe_error *error;
};

static uint64_t align_up(uint64_t value, uint32_t alignment) { return (value + alignment - 1) & ~(uint64_t)(alignment - 1); }
static bool is_power_of_two(uint32_t value) { return value != 0 && (value & (value - 1)) == 0; }

#define fail_header(o, number, at, found, wanted, clause)                                                             \
    pe_fail((o)->error, .code = PE_BAD_HEADER, .rule = number, .ladder = PE_LADDER_OFF, .where = at, .got = found,     \
            .want = wanted, .text = clause, .ntstatus = PE_STATUS_INVALID_IMAGE_FORMAT)

/* No PE signature: say which older format it is, as the system's statuses do. */
static bool fail_signature(struct opening *o, uint64_t at, uint32_t signature, uint16_t lfarlc)
{
    uint8_t exe_type = 0;
    switch (signature & 0xffff) {
    case PE_NE_SIGNATURE:
        pe_span_u8(o->image->bytes, at + 0x36, &exe_type);
        return pe_fail(o->error, .code = PE_OLD_FORMAT, .rule = 5, .ladder = PE_LADDER_OFF, .where = at, .got = signature,
                       .want = PE_NT_SIGNATURE, .text = "a 16-bit program (NE)",
                       .ntstatus = exe_type == 2   ? PE_STATUS_INVALID_IMAGE_WIN_16
                                   : exe_type == 5 ? PE_STATUS_INVALID_IMAGE_PROTECT
                                                   : PE_STATUS_INVALID_IMAGE_NE_FORMAT);
    case PE_LE_SIGNATURE:
    case PE_LX_SIGNATURE:
        return pe_fail(o->error, .code = PE_OLD_FORMAT, .rule = 5, .ladder = PE_LADDER_OFF, .where = at, .got = signature,
                       .want = PE_NT_SIGNATURE, .text = "an OS/2 program or a virtual device driver (LE, LX)",
                       .ntstatus = PE_STATUS_INVALID_IMAGE_PROTECT);
    }
    return pe_fail(o->error, .code = lfarlc < 0x40 ? PE_OLD_FORMAT : PE_NOT_PE, .rule = 5, .ladder = PE_LADDER_OFF,
                   .where = at, .got = signature, .want = PE_NT_SIGNATURE,
                   .text = lfarlc < 0x40 ? "a plain DOS program" : "no PE signature",
                   .ntstatus = PE_STATUS_INVALID_IMAGE_PROTECT);
}

/* DOS header, signature, file header. */
static bool open_file_header(struct opening *o)
{
    struct pe_image *image = o->image;
    struct pe_dos_header dos;
    uint32_t signature;

    if (image->bytes.size == 0)
        return pe_fail(o->error, .code = PE_NOT_MZ, .rule = 1, .ladder = PE_LADDER_OFF, .want = sizeof(dos),
                       .text = "the file is empty", .ntstatus = PE_STATUS_INVALID_FILE_FOR_SECTION);
    memset(&dos, 0, sizeof(dos));
    memcpy(&dos, image->bytes.data, image->bytes.size < sizeof(dos) ? (size_t)image->bytes.size : sizeof(dos));
    if (dos.e_magic != PE_DOS_MAGIC)
        return pe_fail(o->error, .code = PE_NOT_MZ, .rule = 2, .ladder = PE_LADDER_OFF, .got = dos.e_magic,
                       .want = PE_DOS_MAGIC, .text = "no MZ signature", .ntstatus = PE_STATUS_INVALID_IMAGE_NOT_MZ);
    if (image->bytes.size < sizeof(dos))
        return pe_fail(o->error, .code = PE_TRUNCATED, .rule = 2, .ladder = PE_LADDER_OFF, .got = image->bytes.size,
                       .want = sizeof(dos), .text = "the file ends inside the DOS header",
                       .ntstatus = PE_STATUS_INVALID_IMAGE_NOT_MZ);

    uint64_t at = dos.e_lfanew;
    if (!pe_span_u32(image->bytes, at, &signature) || !pe_span_read(image->bytes, at + 4, &o->file, sizeof(o->file))) {
        bool dos_program = dos.e_lfarlc < 0x40 && at >= image->bytes.size;
        return pe_fail(o->error, .code = dos_program ? PE_OLD_FORMAT : PE_TRUNCATED, .rule = 4, .ladder = PE_LADDER_OFF,
                       .where = at, .got = image->bytes.size, .want = at + 24,
                       .text = dos_program ? "a plain DOS program" : "the NT headers lie beyond the end of the file",
                       .ntstatus = PE_STATUS_INVALID_IMAGE_PROTECT);
    }
    if (signature != PE_NT_SIGNATURE)
        return fail_signature(o, at, signature, dos.e_lfarlc);
    if (at & 3)
        return fail_header(o, 3, 60, at, at & ~(uint64_t)3, "e_lfanew is no multiple of 4");
    if ((o->file.characteristics & PE_FILE_EXECUTABLE_IMAGE) == 0)
        return fail_header(o, 7, at + 22, o->file.characteristics, PE_FILE_EXECUTABLE_IMAGE,
                           "an object file, or not marked as executable");

    image->nt_headers = pe_off_at(at);
    image->optional_header = pe_off_at(at + 24);
    image->section_table = pe_off_at(at + 24 + o->file.size_of_optional_header);
    image->machine = o->file.machine;
    image->characteristics = o->file.characteristics;
    image->is_dll = (o->file.characteristics & PE_FILE_DLL) != 0;
    image->section_count = o->file.number_of_sections;
    image->timestamp = o->file.time_date_stamp;
    return true;
}

/* What both kinds of optional header have, under the same names. */
#define TAKE_COMMON(o, header)                                                                                        \
    do {                                                                                                              \
        struct pe_image *to = (o)->image;                                                                             \
        to->subsystem = (header).subsystem;                                                                           \
        to->dll_characteristics = (header).dll_characteristics;                                                       \
        to->major_subsystem = (header).major_subsystem_version;                                                       \
        to->minor_subsystem = (header).minor_subsystem_version;                                                       \
        to->checksum = (header).check_sum;                                                                            \
        to->section_alignment = (header).section_alignment;                                                           \
        to->file_alignment = (header).file_alignment;                                                                 \
        to->size_of_code = (header).size_of_code;                                                                     \
        to->loader_flags = (header).loader_flags;                                                                     \
        to->entry = pe_rva_at((header).address_of_entry_point);                                                       \
        to->image_base = pe_va_at((header).image_base);                                                               \
        to->stack_reserve = (header).size_of_stack_reserve;                                                           \
        to->stack_commit = (header).size_of_stack_commit;                                                             \
        to->heap_reserve = (header).size_of_heap_reserve;                                                             \
        to->heap_commit = (header).size_of_heap_commit;                                                               \
        (o)->headers_field = (header).size_of_headers;                                                                \
        (o)->image_field = (header).size_of_image;                                                                    \
    } while (0)

/* Rule 18: any NumberOfRvaAndSizes is accepted; only the first 16 count, and only as far as the header reaches. */
static void take_directories(struct pe_image *image, const struct pe_data_directory *from, uint32_t number, size_t present)
{
    size_t room = (present + sizeof(*from) - 1) / sizeof(*from);
    if (number > PE_DIRECTORY_COUNT)
        number = PE_DIRECTORY_COUNT;
    if (number > room)
        number = (uint32_t)room;
    image->directory_count = number;
    for (uint32_t i = 0; i < PE_DIRECTORY_COUNT; i++)
        image->directory[i] = i < number
                                  ? (struct pe_directory){pe_rva_at(from[i].virtual_address), from[i].size}
                                  : (struct pe_directory){pe_rva_at(0), 0};
}

/* Rule 9: what lies behind SizeOfOptionalHeader, or behind the end of the file, reads as zero; fields up to
 * CheckSum always count, because the tiniest programs overlap their section table with the optional header. */
static bool open_optional_header(struct opening *o)
{
    struct pe_image *image = o->image;
    union {
        struct pe_optional_header32 as32;
        struct pe_optional_header64 as64;
        uint16_t magic;
    } header;
    uint64_t at = image->optional_header.value;
    struct pe_span rest;

    memset(&header, 0, sizeof(header));
    size_t present = o->file.size_of_optional_header;
    if (present < offsetof(struct pe_optional_header32, check_sum))
        present = offsetof(struct pe_optional_header32, check_sum);
    if (present > sizeof(header))
        present = sizeof(header);
    if (!pe_span_rest(image->bytes, at, &rest))
        rest.size = 0;
    if (present > rest.size)
        present = (size_t)rest.size;
    if (present != 0)
        memcpy(&header, rest.data, present);

    image->magic = header.magic;
    size_t directories = 0;
    switch (header.magic) {
    case PE_OPTIONAL_MAGIC_32:
        image->is_64 = false;
        TAKE_COMMON(o, header.as32);
        directories = offsetof(struct pe_optional_header32, data_directory);
        take_directories(image, header.as32.data_directory, header.as32.number_of_rva_and_sizes,
                         present > directories ? present - directories : 0);
        break;
    case PE_OPTIONAL_MAGIC_64:
        image->is_64 = true;
        TAKE_COMMON(o, header.as64);
        directories = offsetof(struct pe_optional_header64, data_directory);
        take_directories(image, header.as64.data_directory, header.as64.number_of_rva_and_sizes,
                         present > directories ? present - directories : 0);
        break;
    default:
        return fail_header(o, 8, at, header.magic, PE_OPTIONAL_MAGIC_64, "the optional header is neither PE32 nor PE32+");
    }
    return true;
}

static bool check_machine(struct opening *o)
{
    bool wants_64;
    switch (o->image->machine) {
    case PE_MACHINE_I386:
    case PE_MACHINE_ARM:
    case PE_MACHINE_THUMB:
    case PE_MACHINE_ARMNT: wants_64 = false; break;
    case PE_MACHINE_AMD64:
    case PE_MACHINE_ARM64: wants_64 = true; break;
    default:
        return pe_fail(o->error, .code = PE_BAD_MACHINE, .rule = 6, .ladder = PE_LADDER_OFF,
                       .where = o->image->nt_headers.value + 4, .got = o->image->machine, .want = PE_MACHINE_AMD64,
                       .text = "an unknown processor", .ntstatus = PE_STATUS_INVALID_IMAGE_FORMAT);
    }
    if (wants_64 != o->image->is_64)
        return fail_header(o, 8, o->image->optional_header.value, o->image->magic,
                           wants_64 ? PE_OPTIONAL_MAGIC_64 : PE_OPTIONAL_MAGIC_32,
                           "the processor and the kind of optional header do not fit");
    return true;
}

/* Alignments, sizes and base: rules 10 to 15. Offsets of these fields are the same in both kinds of header,
 * but for the base. */
static bool check_numbers(struct opening *o)
{
    struct pe_image *image = o->image;
    uint64_t at = image->optional_header.value;
    uint32_t file = image->file_alignment, section = image->section_alignment;

    if (!is_power_of_two(file))
        return fail_header(o, 10, at + 36, file, SECTOR, "FileAlignment is no power of two");
    if (!is_power_of_two(section) || section < file)
        return fail_header(o, 11, at + 32, section, file, "SectionAlignment is no power of two, or below FileAlignment");
    if (file % SECTOR != 0 && file != section)
        return fail_header(o, 12, at + 36, file, section, "FileAlignment below a sector differs from SectionAlignment");
    if (o->image_field == 0 || o->image_field > LARGEST)
        return fail_header(o, 13, at + 56, o->image_field, LARGEST, "SizeOfImage is 0 or beyond the largest image");
    image->is_flat = section < PAGE;
    if (o->headers_field > o->image_field || (o->headers_field == 0 && !image->is_flat))
        return fail_header(o, 14, at + 60, o->headers_field, o->image_field, "SizeOfHeaders is 0 or above SizeOfImage");
    if (image->image_base.value % BASE_GRAIN != 0)
        return fail_header(o, 15, at + (image->is_64 ? 24 : 28), image->image_base.value,
                           image->image_base.value & ~(uint64_t)(BASE_GRAIN - 1), "ImageBase is no multiple of 64 KiB");
    if (image->is_flat && image->machine != PE_MACHINE_I386 && image->machine != PE_MACHINE_AMD64)
        return fail_header(o, 28, at + 32, section, PAGE, "only x86 has images with SectionAlignment below a page");
    image->size_of_image = (uint32_t)align_up(o->image_field, PAGE);
    if (image->form == PE_FORM_MAPPED && image->bytes.size < image->size_of_image)
        return pe_fail(o->error, .code = PE_TRUNCATED, .rule = 29, .ladder = PE_LADDER_RVA, .where = image->bytes.size,
                       .got = image->bytes.size, .want = image->size_of_image,
                       .text = "the mapping is smaller than SizeOfImage");
    return true;
}

/* A flat image is the file itself: nothing is stretched, so every section must already lie at its RVA. */
static bool check_flat_section(struct opening *o, const struct pe_section_header *header, uint64_t at)
{
    uint32_t size = header->virtual_size ? header->virtual_size : header->size_of_raw_data;
    if (o->image->form == PE_FORM_MAPPED)
        return true;
    if (header->virtual_address != header->pointer_to_raw_data || header->size_of_raw_data < size)
        return pe_fail(o->error, .code = PE_BAD_SECTION, .rule = 27, .ladder = PE_LADDER_OFF, .where = at,
                       .got = header->virtual_address, .want = header->pointer_to_raw_data,
                       .text = "a flat image's section lies elsewhere in the file than in the image",
                       .ntstatus = PE_STATUS_INVALID_IMAGE_FORMAT);
    if (header->size_of_raw_data > UINT32_MAX - header->pointer_to_raw_data)
        return pe_fail(o->error, .code = PE_BAD_SECTION, .rule = 23, .ladder = PE_LADDER_OFF, .where = at,
                       .got = header->size_of_raw_data, .want = UINT32_MAX - header->pointer_to_raw_data,
                       .text = "a section's raw data wraps round", .ntstatus = PE_STATUS_INVALID_IMAGE_FORMAT);
    return true;
}

#define fail_section(o, number, at, found, wanted, clause)                                                            \
    pe_fail((o)->error, .code = PE_BAD_SECTION, .rule = number, .ladder = PE_LADDER_OFF, .where = at, .got = found,    \
            .want = wanted, .text = clause, .ntstatus = PE_STATUS_INVALID_IMAGE_FORMAT)

/* `*next` is where this section must begin: the system builds page tables section by section, without holes. */
static bool check_section(struct opening *o, const struct pe_section_header *header, uint64_t at, bool last, uint64_t *next)
{
    const struct pe_image *image = o->image;
    uint32_t size = header->virtual_size ? header->virtual_size : header->size_of_raw_data;

    if (size == 0)
        return fail_section(o, 20, at + 8, 0, 1, "a section has neither virtual nor raw size");
    if (header->virtual_address != *next)
        return fail_section(o, 21, at + 12, header->virtual_address, *next,
                            header->virtual_address < *next ? "a section overlaps the one before, or the headers"
                                                            : "a hole before a section");
    *next += align_up(size, image->section_alignment);
    if (*next > image->size_of_image)
        return fail_section(o, 22, at + 8, *next, image->size_of_image, "a section reaches beyond SizeOfImage");
    if (image->form == PE_FORM_MAPPED || header->size_of_raw_data == 0)
        return true;

    uint64_t raw_end = (uint64_t)header->pointer_to_raw_data + header->size_of_raw_data;
    if (align_up(raw_end, image->file_alignment) > UINT32_MAX)
        return fail_section(o, 23, at + 16, raw_end, UINT32_MAX, "a section's raw data wraps round");
    /* Only the last one is checked: raw data of others may be cut off, and then read as zero. */
    if (last && raw_end > image->file_size)
        return pe_fail(o->error, .code = PE_TRUNCATED, .rule = 24, .ladder = PE_LADDER_OFF, .where = at + 16,
                       .got = raw_end, .want = image->file_size,
                       .text = "the last section reaches beyond the end of the file",
                       .ntstatus = PE_STATUS_INVALID_IMAGE_FORMAT);
    return true;
}

static bool check_sections(struct opening *o)
{
    struct pe_image *image = o->image;
    uint64_t at = image->section_table.value;
    uint64_t table_end = at + (uint64_t)image->section_count * sizeof(struct pe_section_header);
    struct pe_section_header header;

    if (table_end > image->bytes.size || table_end > image->size_of_image)
        return pe_fail(o->error, .code = PE_TRUNCATED, .rule = 17, .ladder = PE_LADDER_OFF, .where = at, .got = table_end,
                       .want = image->bytes.size < image->size_of_image ? image->bytes.size : image->size_of_image,
                       .text = "the section table reaches beyond the end of the file or the image",
                       .ntstatus = PE_STATUS_INVALID_FILE_FOR_SECTION);

    uint64_t first = image->size_of_image;
    uint64_t next = align_up(o->headers_field, image->section_alignment);
    for (unsigned i = 0; i < image->section_count; i++, at += sizeof(header)) {
        if (!pe_span_read(image->bytes, at, &header, sizeof(header)))
            return fail_section(o, 17, at, image->bytes.size, table_end, "the section table is cut off");
        if (image->is_flat ? !check_flat_section(o, &header, at)
                           : !check_section(o, &header, at, i + 1u == image->section_count, &next))
            return false;
        if (i == 0 && !image->is_flat)
            first = header.virtual_address;
    }

    /* Rule 19. The headers that get mapped: the section table counts as one, whatever SizeOfHeaders says; a section
     * that begins below their end wins the page. */
    uint64_t headers = o->headers_field > table_end ? o->headers_field : table_end;
    if (headers > first)
        headers = first;
    image->headers_room = (uint32_t)align_up(headers, PAGE);
    if (headers > image->file_size)
        headers = image->file_size;
    image->size_of_headers = (uint32_t)headers;
    if (image->form == PE_FORM_MAPPED && table_end > headers)
        return pe_fail(o->error, .code = PE_BAD_HEADER, .rule = 29, .ladder = PE_LADDER_RVA, .where = at, .got = table_end,
                       .want = headers, .text = "the section table was not mapped with the headers");
    return true;
}

static bool open_and_check(struct pe_image *image, struct pe_span bytes, uint64_t file_size, enum pe_form form,
                           struct pe_error *error)
{
    struct opening opening = {.image = image, .error = error};

    memset(image, 0, sizeof(*image));
    image->bytes = bytes;
    image->file_size = file_size;
    image->form = form;
    pe_done(error);
    return open_file_header(&opening) && open_optional_header(&opening) && check_machine(&opening) &&
           check_numbers(&opening) && check_sections(&opening);
}

bool pe_open(struct pe_image *image, struct pe_span bytes, enum pe_form form, struct pe_error *error)
{
    return open_and_check(image, bytes, bytes.size, form, error);
}

bool pe_open_part(struct pe_image *image, struct pe_span bytes, uint64_t file_size, struct pe_error *error)
{
    pe_assert(bytes.size <= file_size);
    if (!open_and_check(image, bytes, file_size, PE_FORM_FILE, error))
        return false;
    uint64_t needed = image->optional_header.value + sizeof(struct pe_optional_header64);
    if (needed <= bytes.size || bytes.size == file_size)
        return true;
    return pe_fail(error, .code = PE_TRUNCATED, .rule = 9, .ladder = PE_LADDER_OFF, .where = bytes.size, .got = bytes.size,
                   .want = needed, .text = "the optional header goes on behind what is at hand");
}
