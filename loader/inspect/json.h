/* JSON that is only written: text that grows, with commas and indentation kept by the writer itself. Objects and arrays down
 * to JSON_LINES levels have a line for each member; deeper ones stand in the line of their owner, so that a diff of two
 * documents shows rows. Out of memory is remembered and told once, by emit_end. */
#ifndef INSPECT_JSON_H
#define INSPECT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_LINES = 3, JSON_DEPTH = 16 };

struct json {
    char *data;
    size_t length, room;
    bool failed, comma;
    unsigned depth;
    char closing[JSON_DEPTH];
};

/* key NULL: an element of an array, or the document itself. */
void emit_open(struct json *json, const char *key, char bracket /* '{' or '[' */);
void emit_close(struct json *json);
void emit_text(struct json *json, const char *key, const char *text); /* NULL: null; must be UTF-8 */
void emit_hex(struct json *json, const char *key, uint64_t value);
void emit_hex_or_null(struct json *json, const char *key, uint64_t value); /* 0: null */
void emit_number(struct json *json, const char *key, int64_t value);
void emit_yes(struct json *json, const char *key, bool value);
void emit_null(struct json *json, const char *key);
void emit_bytes(struct json *json, const char *key, const uint8_t *bytes, size_t size); /* as hexadecimal digits */
/* Ends the document with a new line. False: memory ran out. The text is the caller's to free, in either case. */
bool emit_end(struct json *json);

/* UTF-16 (little-endian, foreign) as UTF-8 with NUL; a half of a surrogate pair becomes U+FFFD. Cut at `room`. */
void utf8_from_utf16(const uint8_t *units, size_t count, char *out, size_t room);
/* Any bytes as UTF-8 with NUL: what is none becomes U+FFFD. `room` must be 3 * size + 1. Returns the length. */
size_t utf8_from_bytes(const uint8_t *bytes, size_t size, char *out);

#endif
