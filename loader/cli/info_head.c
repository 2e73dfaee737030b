/* Headers, sections, data directories. */
#include "loader/cli/info.h"
#include "loader/cli/map.h"
#include "pe/layout.h"

#include <string.h>
#include <time.h>

struct word { uint32_t bit; const char *name; };

enum { WORDS_ROOM = 512 };

/* "EXECUTABLE_IMAGE LARGE_ADDRESS_AWARE": Microsoft's names without their common beginning. */
static const char *words(uint32_t value, const struct word *table, size_t count, char *text)
{
    text[0] = 0;
    for (size_t i = 0; i < count; i++)
        if (value & table[i].bit) {
            strcat(text, text[0] ? " " : "");
            strcat(text, table[i].name);
        }
    return text;
}
#define WORDS(value, table, text) words((value), (table), sizeof(table) / sizeof *(table), (text))

static const struct word file_words[] = {
    {PE_FILE_RELOCS_STRIPPED, "RELOCS_STRIPPED"}, {PE_FILE_EXECUTABLE_IMAGE, "EXECUTABLE_IMAGE"},
    {PE_FILE_LINE_NUMS_STRIPPED, "LINE_NUMS_STRIPPED"}, {PE_FILE_LOCAL_SYMS_STRIPPED, "LOCAL_SYMS_STRIPPED"},
    {PE_FILE_LARGE_ADDRESS_AWARE, "LARGE_ADDRESS_AWARE"}, {PE_FILE_32BIT_MACHINE, "32BIT_MACHINE"},
    {PE_FILE_DEBUG_STRIPPED, "DEBUG_STRIPPED"}, {PE_FILE_REMOVABLE_RUN_FROM_SWAP, "REMOVABLE_RUN_FROM_SWAP"},
    {PE_FILE_NET_RUN_FROM_SWAP, "NET_RUN_FROM_SWAP"}, {PE_FILE_SYSTEM, "SYSTEM"}, {PE_FILE_DLL, "DLL"},
    {PE_FILE_UP_SYSTEM_ONLY, "UP_SYSTEM_ONLY"},
};
static const struct word dll_words[] = {
    {PE_DLLCHAR_HIGH_ENTROPY_VA, "HIGH_ENTROPY_VA"}, {PE_DLLCHAR_DYNAMIC_BASE, "DYNAMIC_BASE"},
    {PE_DLLCHAR_FORCE_INTEGRITY, "FORCE_INTEGRITY"}, {PE_DLLCHAR_NX_COMPAT, "NX_COMPAT"},
    {PE_DLLCHAR_NO_ISOLATION, "NO_ISOLATION"}, {PE_DLLCHAR_NO_SEH, "NO_SEH"}, {PE_DLLCHAR_NO_BIND, "NO_BIND"},
    {PE_DLLCHAR_APPCONTAINER, "APPCONTAINER"}, {PE_DLLCHAR_WDM_DRIVER, "WDM_DRIVER"}, {PE_DLLCHAR_GUARD_CF, "GUARD_CF"},
    {PE_DLLCHAR_TERMINAL_SERVER_AWARE, "TERMINAL_SERVER_AWARE"},
};
static const struct word section_words[] = {
    {PE_SCN_CNT_CODE, "CODE"}, {PE_SCN_CNT_INITIALIZED_DATA, "INITIALIZED_DATA"},
    {PE_SCN_CNT_UNINITIALIZED_DATA, "UNINITIALIZED_DATA"}, {PE_SCN_MEM_DISCARDABLE, "DISCARDABLE"},
    {PE_SCN_MEM_SHARED, "SHARED"}, {PE_SCN_MEM_NOT_CACHED, "NOT_CACHED"}, {PE_SCN_MEM_NOT_PAGED, "NOT_PAGED"},
};

/* The stamp as a date; newer linkers put a hash of the contents there, which makes no sense as one. */
static const char *date(uint32_t stamp, char *text, size_t room)
{
    time_t seconds = (time_t)stamp;
    struct tm parts;
    if (!stamp || !gmtime_r(&seconds, &parts) || !strftime(text, room, "%Y-%m-%d %H:%M:%S UTC", &parts))
        return NULL;
    return text;
}

void info_header(struct info *info)
{
    const struct pe_image *image = info->image;
    char file_text[WORDS_ROOM], dll_text[WORDS_ROOM], day[40], version[16];
    static const struct output_column columns[] = {
        {"format", "format", OUTPUT_TEXT, 0}, {"machine", "machine", OUTPUT_TEXT, 0}, {"machine_number", "machine number", OUTPUT_HEX, 0},
        {"kind", "kind", OUTPUT_TEXT, 0}, {"subsystem", "subsystem", OUTPUT_TEXT, 0},
        {"subsystem_version", "subsystem version", OUTPUT_TEXT, 0}, {"image_base", "preferred base", OUTPUT_HEX, 0},
        {"size_of_image", "size of image", OUTPUT_HEX, 0}, {"size_of_headers", "size of headers", OUTPUT_HEX, 0},
        {"entry", "entry point (RVA)", OUTPUT_HEX, 0}, {"entry_section", "entry point in", OUTPUT_TEXT, 0},
        {"section_alignment", "section alignment", OUTPUT_HEX, 0}, {"file_alignment", "file alignment", OUTPUT_HEX, 0},
        {"sections", "sections", OUTPUT_COUNT, 0}, {"timestamp", "time stamp", OUTPUT_HEX, 0}, {"date", "as a date", OUTPUT_TEXT, 0},
        {"checksum", "checksum", OUTPUT_HEX, 0}, {"characteristics", "characteristics", OUTPUT_HEX, 0},
        {"characteristics_names", "", OUTPUT_TEXT, 0}, {"dll_characteristics", "DLL characteristics", OUTPUT_HEX, 0},
        {"dll_characteristics_names", "", OUTPUT_TEXT, 0}, {"stack_reserve", "stack reserve", OUTPUT_HEX, 0},
        {"stack_commit", "stack commit", OUTPUT_HEX, 0}, {"heap_reserve", "heap reserve", OUTPUT_HEX, 0},
        {"heap_commit", "heap commit", OUTPUT_HEX, 0}, {"file_size", "bytes in the file", OUTPUT_COUNT, 0},
    };
    snprintf(version, sizeof version, "%u.%u", image->major_subsystem, image->minor_subsystem);
    output_record(&info->out, "header", "Header", OUTPUT_COLUMNS(columns), OUTPUT_VALUES(
        {.text = image->is_64 ? "PE32+" : "PE32"}, {.text = pe_machine_name(image->machine)}, {.number = image->machine},
        {.text = image->is_dll ? "DLL" : "program"}, {.text = pe_subsystem_name(image->subsystem)}, {.text = version},
        {.number = image->image_base.value}, {.number = image->size_of_image}, {.number = image->size_of_headers},
        {.number = image->entry.value, .none = !image->entry.value},
        {.text = image->entry.value ? info_place(image, image->entry) : NULL}, {.number = image->section_alignment},
        {.number = image->file_alignment}, {.number = image->section_count}, {.number = image->timestamp},
        {.text = date(image->timestamp, day, sizeof day)}, {.number = image->checksum}, {.number = image->characteristics},
        {.text = WORDS(image->characteristics, file_words, file_text)}, {.number = image->dll_characteristics},
        {.text = WORDS(image->dll_characteristics, dll_words, dll_text)}, {.number = image->stack_reserve},
        {.number = image->stack_commit}, {.number = image->heap_reserve}, {.number = image->heap_commit},
        {.number = image->bytes.size}));
}

void info_sections(struct info *info)
{
    static const struct output_column columns[] = {
        {"index", "#", OUTPUT_COUNT, 2}, {"name", "name", OUTPUT_TEXT, 14}, {"rva", "RVA", OUTPUT_HEX, 10},
        {"virtual_size", "virtual size", OUTPUT_HEX, 12}, {"offset", "offset", OUTPUT_HEX, 10}, {"raw_size", "raw size", OUTPUT_HEX, 10},
        {"characteristics", "flags", OUTPUT_HEX, 10}, {"rights", "rights", OUTPUT_TEXT, 6}, {"names", "", OUTPUT_TEXT, 0},
    };
    const struct pe_image *image = info->image;
    output_table_begin(&info->out, "sections", "Sections", OUTPUT_COLUMNS(columns));
    for (unsigned i = 0; i < image->section_count; i++) {
        struct pe_section section;
        char text[WORDS_ROOM], rights[4], name[MAP_NAME];
        pe_section_at(image, i, &section);
        map_section_name(image, section.name, name, sizeof name);
        pe_rights_text((section.characteristics & PE_SCN_MEM_READ ? PE_R : 0) | (section.characteristics & PE_SCN_MEM_WRITE ? PE_W : 0) |
                       (section.characteristics & PE_SCN_MEM_EXECUTE ? PE_X : 0), rights);
        output_row(&info->out, OUTPUT_COLUMNS(columns), OUTPUT_VALUES({.number = i + 1}, {.text = name},
                   {.number = section.rva.value}, {.number = section.virtual_size}, {.number = section.raw_off_field},
                   {.number = section.raw_size_field}, {.number = section.characteristics}, {.text = rights},
                   {.text = WORDS(section.characteristics, section_words, text)}));
    }
    output_table_end(&info->out);
}

void info_directories(struct info *info)
{
    static const struct output_column columns[] = {
        {"index", "#", OUTPUT_COUNT, 2}, {"name", "name", OUTPUT_TEXT, 18}, {"rva", "RVA", OUTPUT_HEX, 10},
        {"offset", "offset", OUTPUT_HEX, 10}, {"size", "size", OUTPUT_HEX, 10}, {"section", "in", OUTPUT_TEXT, 0},
    };
    const struct pe_image *image = info->image;
    output_table_begin(&info->out, "directories", "Data directories", OUTPUT_COLUMNS(columns));
    for (unsigned i = 0; i < image->directory_count; i++) {
        struct pe_directory directory = image->directory[i];
        pe_off off = {0};
        /* The certificates are not part of the image: what stands in the field is a file offset. */
        bool in_file = i == PE_DIRECTORY_SECURITY, there = directory.rva.value || directory.size;
        if (!there && !info->out.json)
            continue;
        bool has_offset = !in_file && directory.rva.value && pe_off_from_rva(image, directory.rva, &off);
        output_row(&info->out, OUTPUT_COLUMNS(columns), OUTPUT_VALUES({.number = i}, {.text = pe_directory_name(i)},
                   {.number = directory.rva.value, .none = in_file}, {.number = in_file ? directory.rva.value : off.value,
                   .none = !in_file && !has_offset}, {.number = directory.size},
                   {.text = in_file || !there ? NULL : info_place(image, directory.rva)}));
    }
    output_table_end(&info->out);
}
