/* Between the files of `peload info`. Each table function tells one table; a fault in it is kept and told at the end. */
#ifndef CLI_INFO_H
#define CLI_INFO_H

#include "loader/cli/output.h"
#include "pe/image.h"

enum { INFO_FAULT_ROOM = 16 };

struct info {
    struct output out;
    const struct pe_image *image;
    const char *file;
    bool summary; /* totals in the place of long tables */
    bool asked;   /* this table was asked for by name: an empty one is shown too */
    struct info_fault { const char *table; struct pe_error error; } faults[INFO_FAULT_ROOM];
    unsigned fault_count;
};

/* Keeps what broke `table`; PE_OK and PE_NOT_FOUND are no faults. */
void info_fault(struct info *info, const char *table, const struct pe_error *error);
/* Is there such a directory at all, or was it asked for? */
bool info_wants(const struct info *info, unsigned directory);
/* The section's name that holds rva, "headers", or NULL. The text is overwritten by the next call. */
const char *info_place(const struct pe_image *image, pe_rva rva);

/* Every table as one JSON object. */
void info_json(FILE *stream, const struct pe_image *image, const char *file);

/* info_head.c */
void info_header(struct info *info);
void info_sections(struct info *info);
void info_directories(struct info *info);
/* info_link.c */
void info_imports(struct info *info);
void info_delay(struct info *info);
void info_exports(struct info *info);
void info_bound(struct info *info);
/* info_data.c */
void info_relocs(struct info *info);
void info_tls(struct info *info);
void info_resources(struct info *info);
void info_load_config(struct info *info);
void info_debug(struct info *info);

#endif
