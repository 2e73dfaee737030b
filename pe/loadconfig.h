/* The load configuration: security cookie, SafeSEH table, control-flow guard. The structure grew with every Windows;
 * its own `size` field says how far this file's linker knew it, and what lies behind reads as zero (rule 110). */
#ifndef PE_LOADCONFIG_H
#define PE_LOADCONFIG_H

#include "pe/image.h"

/* A table of the load configuration; rva 0: not there. */
struct pe_config_table {
    pe_rva rva;
    uint32_t count;
    uint32_t width; /* bytes of one entry */
};

struct pe_load_config {
    uint32_t size;              /* as the file says it, bytes */
    uint16_t dependent_load_flags;
    uint32_t global_flags_clear, global_flags_set;
    pe_va cookie_va;            /* 0: none */
    pe_rva cookie;              /* 4 bytes, 8 in a PE32+; 0: none, or outside the image */
    bool has_seh_table;         /* PE32: both SafeSEH fields are within `size` */
    struct pe_config_table seh; /* RVAs, sorted; count 0 with has_seh_table: no handler is safe */
    uint32_t guard_flags;       /* PE_GUARD_* */
    pe_rva guard_check, guard_dispatch;   /* slots that hold the address of the check and dispatch routine; 0: none */
    struct pe_config_table guard_functions, guard_iat_entries, guard_long_jumps, guard_eh_continuations;
    pe_va chpe_metadata;        /* 0: no hybrid image */
};

/* `base`: what the VAs in the directory count from. PE_NOT_FOUND: there is no directory. A pointer or table
 * that leaves the image is an error; so is a cookie. */
bool pe_load_config_read(const struct pe_image *image, pe_va base, struct pe_load_config *out, struct pe_error *error);

/* The index-th entry of a table: an RVA. False behind the end or outside the image. */
bool pe_config_table_at(const struct pe_image *image, const struct pe_config_table *table, uint32_t index, pe_rva *entry);

#endif
