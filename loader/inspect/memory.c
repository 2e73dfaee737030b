/* Reads of single values by the width of the process that is looked at. */
#include "loader/inspect/json.h"
#include "loader/inspect/reader.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096, PIECE = 1 << 20 };

uint64_t inspect_number(struct inspect_reader *reader, uint64_t address, size_t width)
{
    uint64_t value = 0;
    return address && reader->read(reader, address, &value, width) ? value : 0;
}

uint64_t inspect_pointer(struct inspect_reader *reader, uint64_t address)
{
    return inspect_number(reader, address, reader->is_64 ? 8 : 4);
}

char *inspect_string(struct inspect_reader *reader, uint64_t address)
{
    size_t length = inspect_number(reader, address, 2) & ~(uint64_t)1;
    uint64_t buffer = inspect_pointer(reader, address + (reader->is_64 ? 8 : 4));
    uint8_t *units = malloc(length + 1);
    size_t room = length / 2 * 3 + 5;
    char *text = units ? malloc(room) : NULL;
    if (text) {
        bool there = length && buffer && reader->read(reader, buffer, units, length);
        utf8_from_utf16(units, there ? length / 2 : 0, text, room);
    }
    free(units);
    return text;
}

/* In large pieces first: a piece with a hole is then read page by page. */
void inspect_copy(struct inspect_reader *reader, uint64_t address, uint8_t *out, size_t size, uint8_t *present)
{
    for (size_t at = 0; at < size;) {
        size_t piece = size - at < PIECE ? size - at : PIECE;
        if (reader->read(reader, address + at, out + at, piece)) {
            if (present)
                memset(present + at / PAGE, 1, (piece + PAGE - 1) / PAGE);
        } else
            for (size_t page = 0; page < piece; page += PAGE) {
                size_t length = piece - page < PAGE ? piece - page : PAGE;
                bool there = reader->read(reader, address + at + page, out + at + page, length);
                if (!there)
                    memset(out + at + page, 0, length);
                if (present)
                    present[(at + page) / PAGE] = there;
            }
        at += piece;
    }
}
