/* The one door for bytes. A number that came from a file becomes a pointer only through pe_span_slice,
 * which compares as `len > size - off`, so that no sum can wrap. Reads are little-endian and unaligned. */
#ifndef PE_BYTES_H
#define PE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A borrowed run of bytes: the owner of the memory outlives every span of it. */
struct pe_span {
    const uint8_t *data;
    uint64_t size; /* bytes */
};

/* The bytes [off, off + len) of `from`. False, and *out untouched, where they are not all there. */
static inline bool pe_span_slice(struct pe_span from, uint64_t off /* foreign */, uint64_t len /* foreign */,
                                 struct pe_span *out)
{
    if (off > from.size || len > from.size - off)
        return false;
    out->data = from.data + off;
    out->size = len;
    return true;
}

/* Everything of `from` behind `off`. */
static inline bool pe_span_rest(struct pe_span from, uint64_t off /* foreign */, struct pe_span *out)
{
    if (off > from.size)
        return false;
    out->data = from.data + off;
    out->size = from.size - off;
    return true;
}

/* Copies sizeof(*out) bytes into a structure of format.h, whatever the alignment. */
static inline bool pe_span_read(struct pe_span from, uint64_t off /* foreign */, void *out, size_t len)
{
    struct pe_span slice;
    if (!pe_span_slice(from, off, len, &slice))
        return false;
    memcpy(out, slice.data, len);
    return true;
}

static inline bool pe_span_u8(struct pe_span from, uint64_t off, uint8_t *out) { return pe_span_read(from, off, out, 1); }
static inline bool pe_span_u16(struct pe_span from, uint64_t off, uint16_t *out) { return pe_span_read(from, off, out, 2); }
static inline bool pe_span_u32(struct pe_span from, uint64_t off, uint32_t *out) { return pe_span_read(from, off, out, 4); }
static inline bool pe_span_u64(struct pe_span from, uint64_t off, uint64_t *out) { return pe_span_read(from, off, out, 8); }

/* The NUL-terminated string at `off`, its length without the NUL in *len (at most `limit`). The result
 * points into the span. False where no NUL comes within the span or within limit + 1 bytes. */
static inline bool pe_span_string(struct pe_span from, uint64_t off /* foreign */, uint32_t limit, const char **text,
                                  uint32_t *len)
{
    struct pe_span rest;
    if (!pe_span_rest(from, off, &rest))
        return false;
    /* A word at a time: this runs for every name that is imported, and memchr is a call of unknown speed. Subtracting one
     * borrows from a byte that is 0; above the lowest such byte other bytes can look like it. */
    const size_t ones = ~(size_t)0 / 255, tops = ones << 7;
    uint32_t most = rest.size < limit ? (uint32_t)rest.size : limit, at = 0;
    for (; most - at >= sizeof(size_t); at += (uint32_t)sizeof(size_t)) {
        size_t word;
        memcpy(&word, rest.data + at, sizeof(word));
        if (((word - ones) & ~word & tops) != 0)
            break;
    }
    while (at < most && rest.data[at] != 0)
        at++;
    if (at == rest.size || rest.data[at] != 0)
        return false;
    *text = (const char *)rest.data;
    *len = at;
    return true;
}

#endif
