/* The two ladders as rows, without any drawing. */
#ifndef CLI_MAP_H
#define CLI_MAP_H

#include "loader/cli/output.h"
#include "pe/layout.h"

enum { MAP_NAME = 24 };

/* One stretch of the image with the part of the file that it comes from, or a part of the file that stays outside. */
struct map_row {
    bool in_image;
    struct pe_region region; /* in_image */
    uint64_t offset, bytes;  /* in the file; bytes 0: none */
    char name[MAP_NAME];
};

struct map {
    const struct pe_image *image;
    struct map_row *rows; /* malloc'd, for the life of the process */
    unsigned count, room;
    bool is_last_behind; /* drawing: the image has ended above this row */
};

/* Rows in rising RVA order; a part of the file that is not mapped stands behind the one that it follows in the file. */
bool map_build(struct map *map, const struct pe_image *image); /* false: no memory, told */
/* The same as one JSON object. */
void map_json(FILE *stream, const struct pe_image *image, const char *file);
/* A section's name, the long one from the COFF string table where "/N" points there. */
void map_section_name(const struct pe_image *image, const char *name, char *out, size_t room);

#endif
