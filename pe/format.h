/* The PE format as Microsoft's PE/COFF specification gives it: structures and constants in file order,
 * Microsoft's names in snake_case. No functions.
 *
 * Every structure has the same layout for every compiler (the assertions prove it), but not the alignment that
 * a file gives it: copy it out with pe_span_read, never point into the file. Numbers are little-endian. */
#ifndef PE_FORMAT_H
#define PE_FORMAT_H

#include <stdint.h>

/* ---- DOS header: the first 64 bytes ---- */

#define PE_DOS_MAGIC 0x5a4d /* "MZ" */

struct pe_dos_header {
    uint16_t e_magic;
    uint16_t e_cblp, e_cp, e_crlc, e_cparhdr, e_minalloc, e_maxalloc, e_ss, e_sp, e_csum, e_ip, e_cs;
    uint16_t e_lfarlc; /* 0x40 and more: a newer header may follow */
    uint16_t e_ovno;
    uint16_t e_res[4];
    uint16_t e_oemid, e_oeminfo;
    uint16_t e_res2[10];
    uint32_t e_lfanew; /* file offset of the NT headers */
};
_Static_assert(sizeof(struct pe_dos_header) == 64, "DOS header");

/* ---- NT headers: signature, file header, optional header ---- */

#define PE_NT_SIGNATURE 0x00004550 /* "PE\0\0" */
#define PE_NE_SIGNATURE 0x454e     /* "NE": 16-bit Windows and OS/2 */
#define PE_LE_SIGNATURE 0x454c     /* "LE": virtual device driver */
#define PE_LX_SIGNATURE 0x584c     /* "LX": 32-bit OS/2 */

struct pe_file_header {
    uint16_t machine;
    uint16_t number_of_sections;
    uint32_t time_date_stamp;
    uint32_t pointer_to_symbol_table;
    uint32_t number_of_symbols;
    uint16_t size_of_optional_header;
    uint16_t characteristics;
};
_Static_assert(sizeof(struct pe_file_header) == 20, "file header");

#define PE_MACHINE_UNKNOWN 0x0000
#define PE_MACHINE_I386    0x014c
#define PE_MACHINE_ARM     0x01c0
#define PE_MACHINE_THUMB   0x01c2
#define PE_MACHINE_ARMNT   0x01c4
#define PE_MACHINE_IA64    0x0200
#define PE_MACHINE_AMD64   0x8664
#define PE_MACHINE_ARM64EC 0xa641
#define PE_MACHINE_ARM64X  0xa64e
#define PE_MACHINE_ARM64   0xaa64

#define PE_FILE_RELOCS_STRIPPED         0x0001
#define PE_FILE_EXECUTABLE_IMAGE        0x0002
#define PE_FILE_LINE_NUMS_STRIPPED      0x0004
#define PE_FILE_LOCAL_SYMS_STRIPPED     0x0008
#define PE_FILE_AGGRESSIVE_WS_TRIM      0x0010
#define PE_FILE_LARGE_ADDRESS_AWARE     0x0020
#define PE_FILE_BYTES_REVERSED_LO       0x0080
#define PE_FILE_32BIT_MACHINE           0x0100
#define PE_FILE_DEBUG_STRIPPED          0x0200
#define PE_FILE_REMOVABLE_RUN_FROM_SWAP 0x0400
#define PE_FILE_NET_RUN_FROM_SWAP       0x0800
#define PE_FILE_SYSTEM                  0x1000
#define PE_FILE_DLL                     0x2000
#define PE_FILE_UP_SYSTEM_ONLY          0x4000
#define PE_FILE_BYTES_REVERSED_HI       0x8000

struct pe_data_directory {
    uint32_t virtual_address;
    uint32_t size;
};
_Static_assert(sizeof(struct pe_data_directory) == 8, "data directory");

#define PE_DIRECTORY_EXPORT         0
#define PE_DIRECTORY_IMPORT         1
#define PE_DIRECTORY_RESOURCE       2
#define PE_DIRECTORY_EXCEPTION      3
#define PE_DIRECTORY_SECURITY       4 /* the one whose address is a FILE OFFSET */
#define PE_DIRECTORY_BASERELOC      5
#define PE_DIRECTORY_DEBUG          6
#define PE_DIRECTORY_ARCHITECTURE   7
#define PE_DIRECTORY_GLOBALPTR      8
#define PE_DIRECTORY_TLS            9
#define PE_DIRECTORY_LOAD_CONFIG    10
#define PE_DIRECTORY_BOUND_IMPORT   11
#define PE_DIRECTORY_IAT            12
#define PE_DIRECTORY_DELAY_IMPORT   13
#define PE_DIRECTORY_COM_DESCRIPTOR 14
#define PE_DIRECTORY_RESERVED       15
#define PE_DIRECTORY_COUNT          16

#define PE_OPTIONAL_MAGIC_ROM 0x0107
#define PE_OPTIONAL_MAGIC_32  0x010b /* PE32 */
#define PE_OPTIONAL_MAGIC_64  0x020b /* PE32+ */

struct pe_optional_header32 {
    uint16_t magic;
    uint8_t major_linker_version, minor_linker_version;
    uint32_t size_of_code;
    uint32_t size_of_initialized_data;
    uint32_t size_of_uninitialized_data;
    uint32_t address_of_entry_point;
    uint32_t base_of_code;
    uint32_t base_of_data;
    uint32_t image_base;
    uint32_t section_alignment;
    uint32_t file_alignment;
    uint16_t major_operating_system_version, minor_operating_system_version;
    uint16_t major_image_version, minor_image_version;
    uint16_t major_subsystem_version, minor_subsystem_version;
    uint32_t win32_version_value;
    uint32_t size_of_image;
    uint32_t size_of_headers;
    uint32_t check_sum;
    uint16_t subsystem;
    uint16_t dll_characteristics;
    uint32_t size_of_stack_reserve, size_of_stack_commit;
    uint32_t size_of_heap_reserve, size_of_heap_commit;
    uint32_t loader_flags;
    uint32_t number_of_rva_and_sizes;
    struct pe_data_directory data_directory[PE_DIRECTORY_COUNT];
};
_Static_assert(sizeof(struct pe_optional_header32) == 224, "optional header of PE32");

struct pe_optional_header64 {
    uint16_t magic;
    uint8_t major_linker_version, minor_linker_version;
    uint32_t size_of_code;
    uint32_t size_of_initialized_data;
    uint32_t size_of_uninitialized_data;
    uint32_t address_of_entry_point;
    uint32_t base_of_code;
    uint64_t image_base;
    uint32_t section_alignment;
    uint32_t file_alignment;
    uint16_t major_operating_system_version, minor_operating_system_version;
    uint16_t major_image_version, minor_image_version;
    uint16_t major_subsystem_version, minor_subsystem_version;
    uint32_t win32_version_value;
    uint32_t size_of_image;
    uint32_t size_of_headers;
    uint32_t check_sum;
    uint16_t subsystem;
    uint16_t dll_characteristics;
    uint64_t size_of_stack_reserve, size_of_stack_commit;
    uint64_t size_of_heap_reserve, size_of_heap_commit;
    uint32_t loader_flags;
    uint32_t number_of_rva_and_sizes;
    struct pe_data_directory data_directory[PE_DIRECTORY_COUNT];
};
_Static_assert(sizeof(struct pe_optional_header64) == 240, "optional header of PE32+");

/* As they follow each other at e_lfanew. */
struct pe_nt_headers32 {
    uint32_t signature;
    struct pe_file_header file_header;
    struct pe_optional_header32 optional_header;
};
_Static_assert(sizeof(struct pe_nt_headers32) == 248, "NT headers of PE32");

struct pe_nt_headers64 {
    uint32_t signature;
    struct pe_file_header file_header;
    struct pe_optional_header64 optional_header;
};
_Static_assert(sizeof(struct pe_nt_headers64) == 264, "NT headers of PE32+");

#define PE_SUBSYSTEM_UNKNOWN                  0
#define PE_SUBSYSTEM_NATIVE                   1
#define PE_SUBSYSTEM_WINDOWS_GUI              2
#define PE_SUBSYSTEM_WINDOWS_CUI              3
#define PE_SUBSYSTEM_OS2_CUI                  5
#define PE_SUBSYSTEM_POSIX_CUI                7
#define PE_SUBSYSTEM_NATIVE_WINDOWS           8
#define PE_SUBSYSTEM_WINDOWS_CE_GUI           9
#define PE_SUBSYSTEM_EFI_APPLICATION          10
#define PE_SUBSYSTEM_EFI_BOOT_SERVICE_DRIVER  11
#define PE_SUBSYSTEM_EFI_RUNTIME_DRIVER       12
#define PE_SUBSYSTEM_EFI_ROM                  13
#define PE_SUBSYSTEM_XBOX                     14
#define PE_SUBSYSTEM_WINDOWS_BOOT_APPLICATION 16

#define PE_DLLCHAR_HIGH_ENTROPY_VA       0x0020
#define PE_DLLCHAR_DYNAMIC_BASE          0x0040
#define PE_DLLCHAR_FORCE_INTEGRITY       0x0080
#define PE_DLLCHAR_NX_COMPAT             0x0100
#define PE_DLLCHAR_NO_ISOLATION          0x0200
#define PE_DLLCHAR_NO_SEH                0x0400
#define PE_DLLCHAR_NO_BIND               0x0800
#define PE_DLLCHAR_APPCONTAINER          0x1000
#define PE_DLLCHAR_WDM_DRIVER            0x2000
#define PE_DLLCHAR_GUARD_CF              0x4000
#define PE_DLLCHAR_TERMINAL_SERVER_AWARE 0x8000

/* ---- Section table: right behind the optional header ---- */

#define PE_SECTION_NAME_SIZE 8

struct pe_section_header {
    uint8_t name[PE_SECTION_NAME_SIZE]; /* no NUL where all eight are used */
    uint32_t virtual_size;
    uint32_t virtual_address;
    uint32_t size_of_raw_data;
    uint32_t pointer_to_raw_data;
    uint32_t pointer_to_relocations;
    uint32_t pointer_to_linenumbers;
    uint16_t number_of_relocations;
    uint16_t number_of_linenumbers;
    uint32_t characteristics;
};
_Static_assert(sizeof(struct pe_section_header) == 40, "section header");

#define PE_SCN_TYPE_NO_PAD            0x00000008u
#define PE_SCN_CNT_CODE               0x00000020u
#define PE_SCN_CNT_INITIALIZED_DATA   0x00000040u
#define PE_SCN_CNT_UNINITIALIZED_DATA 0x00000080u
#define PE_SCN_LNK_OTHER              0x00000100u
#define PE_SCN_LNK_INFO               0x00000200u
#define PE_SCN_LNK_REMOVE             0x00000800u
#define PE_SCN_LNK_COMDAT             0x00001000u
#define PE_SCN_NO_DEFER_SPEC_EXC      0x00004000u
#define PE_SCN_GPREL                  0x00008000u
#define PE_SCN_ALIGN_MASK             0x00f00000u
#define PE_SCN_LNK_NRELOC_OVFL        0x01000000u
#define PE_SCN_MEM_DISCARDABLE        0x02000000u
#define PE_SCN_MEM_NOT_CACHED         0x04000000u
#define PE_SCN_MEM_NOT_PAGED          0x08000000u
#define PE_SCN_MEM_SHARED             0x10000000u
#define PE_SCN_MEM_EXECUTE            0x20000000u
#define PE_SCN_MEM_READ               0x40000000u
#define PE_SCN_MEM_WRITE              0x80000000u

/* ---- Directory 0: exports ---- */

struct pe_export_directory {
    uint32_t characteristics;
    uint32_t time_date_stamp;
    uint16_t major_version, minor_version;
    uint32_t name;                     /* RVA of the DLL's name */
    uint32_t base;                     /* ordinal of function 0 */
    uint32_t number_of_functions;
    uint32_t number_of_names;
    uint32_t address_of_functions;     /* RVA of uint32_t[number_of_functions], RVAs */
    uint32_t address_of_names;         /* RVA of uint32_t[number_of_names], RVAs of names, sorted */
    uint32_t address_of_name_ordinals; /* RVA of uint16_t[number_of_names], indices without base */
};
_Static_assert(sizeof(struct pe_export_directory) == 40, "export directory");

/* ---- Directory 1: imports ---- */

struct pe_import_descriptor {
    uint32_t original_first_thunk; /* RVA of the lookup table; 0: the IAT serves as one */
    uint32_t time_date_stamp;      /* 0: not bound; -1: bound, see directory 11 */
    uint32_t forwarder_chain;
    uint32_t name;                 /* RVA of the DLL's name */
    uint32_t first_thunk;          /* RVA of the IAT */
};
_Static_assert(sizeof(struct pe_import_descriptor) == 20, "import descriptor");

/* A thunk is 4 or 8 bytes: the ordinal under this flag, or the RVA of {uint16_t hint; char name[];}. */
#define PE_ORDINAL_FLAG32 0x80000000u
#define PE_ORDINAL_FLAG64 0x8000000000000000ull

struct pe_import_by_name {
    uint16_t hint;
    /* char name[], NUL-terminated */
};
_Static_assert(sizeof(struct pe_import_by_name) == 2, "import by name");

/* ---- Directory 2: resources. Offsets count from the directory's start; the high bit marks kinds. ---- */

struct pe_resource_directory {
    uint32_t characteristics;
    uint32_t time_date_stamp;
    uint16_t major_version, minor_version;
    uint16_t number_of_named_entries; /* first, sorted by name */
    uint16_t number_of_id_entries;    /* behind them, sorted by number */
};
_Static_assert(sizeof(struct pe_resource_directory) == 16, "resource directory");

struct pe_resource_directory_entry {
    uint32_t name;           /* number, or PE_RESOURCE_FLAG | offset of {uint16_t length; uint16_t text[];} */
    uint32_t offset_to_data; /* offset of a data entry, or PE_RESOURCE_FLAG | offset of a directory */
};
_Static_assert(sizeof(struct pe_resource_directory_entry) == 8, "resource directory entry");

#define PE_RESOURCE_FLAG 0x80000000u

struct pe_resource_data_entry {
    uint32_t offset_to_data; /* an RVA, in spite of its name */
    uint32_t size;
    uint32_t code_page;
    uint32_t reserved;
};
_Static_assert(sizeof(struct pe_resource_data_entry) == 16, "resource data entry");

#define PE_RT_CURSOR       1
#define PE_RT_BITMAP       2
#define PE_RT_ICON         3
#define PE_RT_MENU         4
#define PE_RT_DIALOG       5
#define PE_RT_STRING       6
#define PE_RT_FONTDIR      7
#define PE_RT_FONT         8
#define PE_RT_ACCELERATOR  9
#define PE_RT_RCDATA       10
#define PE_RT_MESSAGETABLE 11
#define PE_RT_GROUP_CURSOR 12
#define PE_RT_GROUP_ICON   14
#define PE_RT_VERSION      16
#define PE_RT_DLGINCLUDE   17
#define PE_RT_PLUGPLAY     19
#define PE_RT_VXD          20
#define PE_RT_ANICURSOR    21
#define PE_RT_ANIICON      22
#define PE_RT_HTML         23
#define PE_RT_MANIFEST     24

/* ---- Directory 3: exceptions (x64): an array of these, sorted by begin_address ---- */

struct pe_runtime_function {
    uint32_t begin_address;
    uint32_t end_address;
    uint32_t unwind_info_address; /* low bit: RVA of another runtime function */
};
_Static_assert(sizeof(struct pe_runtime_function) == 12, "runtime function");

struct pe_unwind_info {
    uint8_t version_flags;   /* version in bits 0-2, PE_UNW_FLAG_* in bits 3-7 */
    uint8_t size_of_prolog;
    uint8_t count_of_codes;  /* slots; an odd count is followed by one slot of padding */
    uint8_t frame_register;  /* register in bits 0-3, offset / 16 in bits 4-7 */
    /* struct pe_unwind_code codes[], then the handler's RVA or a chained pe_runtime_function */
};
_Static_assert(sizeof(struct pe_unwind_info) == 4, "unwind information");

struct pe_unwind_code {
    uint8_t code_offset; /* offset in the prologue of the END of the instruction */
    uint8_t op_info;     /* PE_UWOP_* in bits 0-3, its parameter in bits 4-7 */
};
_Static_assert(sizeof(struct pe_unwind_code) == 2, "unwind code");

#define PE_UNW_FLAG_NHANDLER  0x00
#define PE_UNW_FLAG_EHANDLER  0x01
#define PE_UNW_FLAG_UHANDLER  0x02
#define PE_UNW_FLAG_CHAININFO 0x04

#define PE_UWOP_PUSH_NONVOL     0
#define PE_UWOP_ALLOC_LARGE     1
#define PE_UWOP_ALLOC_SMALL     2
#define PE_UWOP_SET_FPREG       3
#define PE_UWOP_SAVE_NONVOL     4
#define PE_UWOP_SAVE_NONVOL_FAR 5
#define PE_UWOP_EPILOG          6 /* version 2; one slot at two in version 1: SAVE_XMM, never emitted */
#define PE_UWOP_SPARE_CODE      7
#define PE_UWOP_SAVE_XMM128     8
#define PE_UWOP_SAVE_XMM128_FAR 9
#define PE_UWOP_PUSH_MACHFRAME  10

/* ---- Directory 5: base relocations ---- */

struct pe_base_relocation {
    uint32_t virtual_address; /* RVA of the page */
    uint32_t size_of_block;   /* bytes, this header included */
    /* uint16_t entries[]: type << 12 | offset in the page */
};
_Static_assert(sizeof(struct pe_base_relocation) == 8, "base relocation block");

#define PE_REL_ABSOLUTE       0
#define PE_REL_HIGH           1
#define PE_REL_LOW            2
#define PE_REL_HIGHLOW        3
#define PE_REL_HIGHADJ        4
#define PE_REL_MIPS_JMPADDR   5
#define PE_REL_ARM_MOV32      5
#define PE_REL_RESERVED       6
#define PE_REL_THUMB_MOV32    7
#define PE_REL_MIPS_JMPADDR16 9
#define PE_REL_IA64_IMM64     9
#define PE_REL_DIR64          10

/* ---- Directory 6: debug data ---- */

struct pe_debug_directory {
    uint32_t characteristics;
    uint32_t time_date_stamp;
    uint16_t major_version, minor_version;
    uint32_t type;
    uint32_t size_of_data;
    uint32_t address_of_raw_data; /* RVA, 0: not in the image */
    uint32_t pointer_to_raw_data; /* file offset */
};
_Static_assert(sizeof(struct pe_debug_directory) == 28, "debug directory");

#define PE_DEBUG_TYPE_COFF                  1
#define PE_DEBUG_TYPE_CODEVIEW              2
#define PE_DEBUG_TYPE_FPO                   3
#define PE_DEBUG_TYPE_MISC                  4
#define PE_DEBUG_TYPE_EXCEPTION             5
#define PE_DEBUG_TYPE_FIXUP                 6
#define PE_DEBUG_TYPE_OMAP_TO_SRC           7
#define PE_DEBUG_TYPE_OMAP_FROM_SRC         8
#define PE_DEBUG_TYPE_BORLAND               9
#define PE_DEBUG_TYPE_CLSID                 11
#define PE_DEBUG_TYPE_VC_FEATURE            12
#define PE_DEBUG_TYPE_POGO                  13
#define PE_DEBUG_TYPE_ILTCG                 14
#define PE_DEBUG_TYPE_MPX                   15
#define PE_DEBUG_TYPE_REPRO                 16
#define PE_DEBUG_TYPE_EX_DLLCHARACTERISTICS 20

struct pe_codeview_rsds {
    uint32_t signature; /* "RSDS" */
    uint8_t guid[16];
    uint32_t age;
    /* char pdb_name[], NUL-terminated */
};
_Static_assert(sizeof(struct pe_codeview_rsds) == 24, "CodeView RSDS");

struct pe_codeview_nb10 {
    uint32_t signature; /* "NB10" */
    uint32_t offset;
    uint32_t time_date_stamp;
    uint32_t age;
    /* char pdb_name[], NUL-terminated */
};
_Static_assert(sizeof(struct pe_codeview_nb10) == 16, "CodeView NB10");

#define PE_CODEVIEW_RSDS 0x53445352u
#define PE_CODEVIEW_NB10 0x3031424eu

/* ---- Directory 9: thread-local storage. The addresses are VAs that relocation rewrites. ---- */

struct pe_tls_directory32 {
    uint32_t start_address_of_raw_data;
    uint32_t end_address_of_raw_data;
    uint32_t address_of_index;
    uint32_t address_of_callbacks; /* VA of VAs, ends with 0 */
    uint32_t size_of_zero_fill;
    uint32_t characteristics;      /* alignment as in PE_SCN_ALIGN_MASK */
};
_Static_assert(sizeof(struct pe_tls_directory32) == 24, "TLS directory of PE32");

struct pe_tls_directory64 {
    uint64_t start_address_of_raw_data;
    uint64_t end_address_of_raw_data;
    uint64_t address_of_index;
    uint64_t address_of_callbacks;
    uint32_t size_of_zero_fill;
    uint32_t characteristics;
};
_Static_assert(sizeof(struct pe_tls_directory64) == 40, "TLS directory of PE32+");

/* ---- Directory 10: load configuration. `size` tells how far a linker of its day filled it. ---- */

struct pe_code_integrity {
    uint16_t flags, catalog;
    uint32_t catalog_offset;
    uint32_t reserved;
};
_Static_assert(sizeof(struct pe_code_integrity) == 12, "code integrity");

struct pe_load_config32 {
    uint32_t size;
    uint32_t time_date_stamp;
    uint16_t major_version, minor_version;
    uint32_t global_flags_clear, global_flags_set;
    uint32_t critical_section_default_timeout;
    uint32_t de_commit_free_block_threshold, de_commit_total_free_threshold;
    uint32_t lock_prefix_table; /* VA */
    uint32_t maximum_allocation_size, virtual_memory_threshold;
    uint32_t process_heap_flags;
    uint32_t process_affinity_mask;
    uint16_t csd_version, dependent_load_flags;
    uint32_t edit_list;       /* VA */
    uint32_t security_cookie; /* VA */
    uint32_t se_handler_table; /* VA of uint32_t[se_handler_count], RVAs, sorted */
    uint32_t se_handler_count;
    uint32_t guard_cf_check_function_pointer, guard_cf_dispatch_function_pointer; /* VA */
    uint32_t guard_cf_function_table; /* VA */
    uint32_t guard_cf_function_count;
    uint32_t guard_flags;
    struct pe_code_integrity code_integrity;
    uint32_t guard_address_taken_iat_entry_table, guard_address_taken_iat_entry_count;
    uint32_t guard_long_jump_target_table, guard_long_jump_target_count;
    uint32_t dynamic_value_reloc_table;
    uint32_t chpe_metadata_pointer;
    uint32_t guard_rf_failure_routine, guard_rf_failure_routine_function_pointer;
    uint32_t dynamic_value_reloc_table_offset;
    uint16_t dynamic_value_reloc_table_section, reserved2;
    uint32_t guard_rf_verify_stack_pointer_function_pointer;
    uint32_t hot_patch_table_offset;
    uint32_t reserved3;
    uint32_t enclave_configuration_pointer;
    uint32_t volatile_metadata_pointer;
    uint32_t guard_eh_continuation_table, guard_eh_continuation_count;
    uint32_t guard_xfg_check_function_pointer, guard_xfg_dispatch_function_pointer;
    uint32_t guard_xfg_table_dispatch_function_pointer;
    uint32_t cast_guard_os_determined_failure_mode;
    uint32_t guard_memcpy_function_pointer;
};
_Static_assert(sizeof(struct pe_load_config32) == 192, "load configuration of PE32");

struct pe_load_config64 {
    uint32_t size;
    uint32_t time_date_stamp;
    uint16_t major_version, minor_version;
    uint32_t global_flags_clear, global_flags_set;
    uint32_t critical_section_default_timeout;
    uint64_t de_commit_free_block_threshold, de_commit_total_free_threshold;
    uint64_t lock_prefix_table; /* VA */
    uint64_t maximum_allocation_size, virtual_memory_threshold;
    uint64_t process_affinity_mask;
    uint32_t process_heap_flags;
    uint16_t csd_version, dependent_load_flags;
    uint64_t edit_list;        /* VA */
    uint64_t security_cookie;  /* VA */
    uint64_t se_handler_table; /* x86 only */
    uint64_t se_handler_count;
    uint64_t guard_cf_check_function_pointer, guard_cf_dispatch_function_pointer; /* VA */
    uint64_t guard_cf_function_table; /* VA */
    uint64_t guard_cf_function_count;
    uint32_t guard_flags;
    struct pe_code_integrity code_integrity;
    uint64_t guard_address_taken_iat_entry_table, guard_address_taken_iat_entry_count;
    uint64_t guard_long_jump_target_table, guard_long_jump_target_count;
    uint64_t dynamic_value_reloc_table;
    uint64_t chpe_metadata_pointer;
    uint64_t guard_rf_failure_routine, guard_rf_failure_routine_function_pointer;
    uint32_t dynamic_value_reloc_table_offset;
    uint16_t dynamic_value_reloc_table_section, reserved2;
    uint64_t guard_rf_verify_stack_pointer_function_pointer;
    uint32_t hot_patch_table_offset;
    uint32_t reserved3;
    uint64_t enclave_configuration_pointer;
    uint64_t volatile_metadata_pointer;
    uint64_t guard_eh_continuation_table, guard_eh_continuation_count;
    uint64_t guard_xfg_check_function_pointer, guard_xfg_dispatch_function_pointer;
    uint64_t guard_xfg_table_dispatch_function_pointer;
    uint64_t cast_guard_os_determined_failure_mode;
    uint64_t guard_memcpy_function_pointer;
};
_Static_assert(sizeof(struct pe_load_config64) == 320, "load configuration of PE32+");

#define PE_GUARD_CF_INSTRUMENTED            0x00000100u
#define PE_GUARD_CFW_INSTRUMENTED           0x00000200u
#define PE_GUARD_CF_FUNCTION_TABLE_PRESENT  0x00000400u
#define PE_GUARD_SECURITY_COOKIE_UNUSED     0x00000800u
#define PE_GUARD_CF_LONGJUMP_TABLE_PRESENT  0x00010000u
#define PE_GUARD_EH_CONTINUATION_PRESENT    0x00400000u
#define PE_GUARD_CF_FUNCTION_TABLE_SIZE_MASK  0xf0000000u /* extra bytes of each table entry */
#define PE_GUARD_CF_FUNCTION_TABLE_SIZE_SHIFT 28

/* The cookie that a linker leaves for the loader to replace. */
#define PE_SECURITY_COOKIE_DEFAULT16 0xbb40u
#define PE_SECURITY_COOKIE_DEFAULT32 0xbb40e64eu
#define PE_SECURITY_COOKIE_DEFAULT64 0x00002b992ddfa232ull

/* ---- Directory 11: bound imports. Name offsets count from the directory's start. ---- */

struct pe_bound_import_descriptor {
    uint32_t time_date_stamp;
    uint16_t offset_module_name;
    uint16_t number_of_module_forwarder_refs; /* how many pe_bound_forwarder_ref follow */
};
_Static_assert(sizeof(struct pe_bound_import_descriptor) == 8, "bound import");

struct pe_bound_forwarder_ref {
    uint32_t time_date_stamp;
    uint16_t offset_module_name;
    uint16_t reserved;
};
_Static_assert(sizeof(struct pe_bound_forwarder_ref) == 8, "bound forwarder");

/* ---- Directory 13: delay imports ---- */

struct pe_delay_descriptor {
    uint32_t attributes;                    /* PE_DELAY_RVA_BASED, or the fields are VAs (Visual C++ 6) */
    uint32_t dll_name_rva;
    uint32_t module_handle_rva;
    uint32_t import_address_table_rva;
    uint32_t import_name_table_rva;
    uint32_t bound_import_address_table_rva;
    uint32_t unload_information_table_rva;
    uint32_t time_date_stamp;
};
_Static_assert(sizeof(struct pe_delay_descriptor) == 32, "delay import descriptor");

#define PE_DELAY_RVA_BASED 0x1u

/* ---- Directory 14: CLR header ---- */

struct pe_cor20_header {
    uint32_t cb;
    uint16_t major_runtime_version, minor_runtime_version;
    struct pe_data_directory meta_data;
    uint32_t flags;
    uint32_t entry_point_token_or_rva;
    struct pe_data_directory resources, strong_name_signature, code_manager_table, vtable_fixups;
    struct pe_data_directory export_address_table_jumps, managed_native_header;
};
_Static_assert(sizeof(struct pe_cor20_header) == 72, "CLR header");

#define PE_COR_ILONLY           0x00000001u
#define PE_COR_32BIT_REQUIRED   0x00000002u
#define PE_COR_32BIT_PREFERRED  0x00020000u

/* ---- Statuses that the system answers where a file breaks a rule (pe_error.ntstatus) ---- */

#define PE_STATUS_INVALID_IMAGE_FORMAT     0xc000007bu
#define PE_STATUS_INVALID_FILE_FOR_SECTION 0xc0000020u
#define PE_STATUS_SECTION_TOO_BIG          0xc0000040u
#define PE_STATUS_INVALID_IMAGE_NE_FORMAT  0xc000011bu
#define PE_STATUS_INVALID_IMAGE_LE_FORMAT  0xc000012eu
#define PE_STATUS_INVALID_IMAGE_NOT_MZ     0xc000012fu
#define PE_STATUS_INVALID_IMAGE_PROTECT    0xc0000130u
#define PE_STATUS_INVALID_IMAGE_WIN_16     0xc0000131u
#define PE_STATUS_INVALID_IMAGE_WIN_64     0xc000035au
#define PE_STATUS_ACCESS_VIOLATION         0xc0000005u
#define PE_STATUS_CONFLICTING_ADDRESSES    0xc0000018u

#endif
