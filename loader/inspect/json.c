/* The writer of JSON, and text of a foreign process made fit for it. */
#include "loader/inspect/json.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *room_make(struct json *json, size_t more)
{
    if (json->failed)
        return NULL;
    if (json->length + more + 1 > json->room) {
        size_t room = (json->length + more + 1) * 2;
        char *data = realloc(json->data, room);
        if (!data) {
            json->failed = true;
            return NULL;
        }
        json->data = data;
        json->room = room;
    }
    return json->data + json->length;
}

static void put(struct json *json, const char *text, size_t length)
{
    char *at = room_make(json, length);
    if (!at)
        return;
    memcpy(at, text, length);
    at[length] = 0;
    json->length += length;
}

static void put_string(struct json *json, const char *text)
{
    put(json, "\"", 1);
    while (*text) {
        size_t plain = 0;
        while ((unsigned char)text[plain] >= 0x20 && text[plain] != '"' && text[plain] != '\\' && text[plain] != 0x7f)
            plain++;
        put(json, text, plain);
        text += plain;
        if (*text) {
            char escape[8];
            int length = *text == '"' || *text == '\\' ? snprintf(escape, sizeof escape, "\\%c", *text)
                         : *text == '\n'               ? snprintf(escape, sizeof escape, "\\n")
                                                       : snprintf(escape, sizeof escape, "\\u%04x", (unsigned char)*text);
            put(json, escape, (size_t)length);
            text++;
        }
    }
    put(json, "\"", 1);
}

/* What stands before a value: the comma, a new line, the key. */
static void begin(struct json *json, const char *key)
{
    static const char spaces[] = "                ";
    if (json->comma)
        put(json, ",", 1);
    if (json->depth && json->depth <= JSON_LINES) {
        put(json, "\n", 1);
        put(json, spaces, json->depth);
    } else if (json->comma)
        put(json, " ", 1);
    if (key) {
        put_string(json, key);
        put(json, ": ", 2);
    }
    json->comma = true;
}

void emit_open(struct json *json, const char *key, char bracket)
{
    assert(json->depth < JSON_DEPTH);
    begin(json, key);
    put(json, &bracket, 1);
    json->closing[json->depth++] = bracket == '{' ? '}' : ']';
    json->comma = false;
}

void emit_close(struct json *json)
{
    assert(json->depth);
    json->depth--;
    if (json->comma && json->depth < JSON_LINES) {
        put(json, "\n", 1);
        put(json, "                ", json->depth);
    }
    put(json, &json->closing[json->depth], 1);
    json->comma = true;
}

void emit_text(struct json *json, const char *key, const char *text)
{
    begin(json, key);
    if (text)
        put_string(json, text);
    else
        put(json, "null", 4);
}

static void put_format(struct json *json, const char *key, const char *format, uint64_t value)
{
    char text[32];
    begin(json, key);
    put(json, text, (size_t)snprintf(text, sizeof text, format, value));
}

void emit_hex(struct json *json, const char *key, uint64_t value) { put_format(json, key, "\"0x%" PRIx64 "\"", value); }
void emit_number(struct json *json, const char *key, int64_t value) { put_format(json, key, "%" PRId64, (uint64_t)value); }
void emit_null(struct json *json, const char *key) { emit_text(json, key, NULL); }

void emit_hex_or_null(struct json *json, const char *key, uint64_t value)
{
    if (value)
        emit_hex(json, key, value);
    else
        emit_null(json, key);
}

void emit_yes(struct json *json, const char *key, bool value)
{
    begin(json, key);
    put(json, value ? "true" : "false", value ? 4 : 5);
}

void emit_bytes(struct json *json, const char *key, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    begin(json, key);
    put(json, "\"", 1);
    char *at = room_make(json, size * 2);
    if (at) {
        for (size_t i = 0; i < size; i++) {
            *at++ = digits[bytes[i] >> 4];
            *at++ = digits[bytes[i] & 15];
        }
        *at = 0;
        json->length += size * 2;
    }
    put(json, "\"", 1);
}

bool emit_end(struct json *json)
{
    assert(!json->depth || json->failed);
    put(json, "\n", 1);
    return !json->failed;
}

/* ---- text of others ---- */

static size_t utf8_put(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    unsigned more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    out[0] = (char)(lead[more] | code >> (6 * more));
    for (unsigned i = 1; i <= more; i++)
        out[i] = (char)(0x80 | (code >> (6 * (more - i)) & 0x3f));
    return more + 1;
}

void utf8_from_utf16(const uint8_t *units, size_t count, char *out, size_t room)
{
    size_t used = 0;
    for (size_t i = 0; i < count && used + 5 <= room; i++) {
        uint32_t code = (uint32_t)units[2 * i] | (uint32_t)units[2 * i + 1] << 8;
        if (code >= 0xd800 && code < 0xdc00 && i + 1 < count && (units[2 * i + 3] & 0xfc) == 0xdc) {
            uint32_t low = (uint32_t)units[2 * i + 2] | (uint32_t)units[2 * i + 3] << 8;
            code = 0x10000 + ((code & 0x3ff) << 10) + (low & 0x3ff);
            i++;
        } else if (code >= 0xd800 && code < 0xe000)
            code = 0xfffd;
        used += utf8_put(code, out + used);
    }
    out[used] = 0;
}

/* The length of the sequence at `bytes` where it is well-formed UTF-8 (Unicode, table 3-7); 0: it is not. */
static size_t utf8_length(const uint8_t *bytes, size_t size)
{
    uint8_t first = bytes[0];
    size_t length = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3
                    : first >= 0xf0 && first < 0xf5 ? 4 : 0;
    if (!length || length > size)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    if ((first == 0xe0 && bytes[1] < 0xa0) || (first == 0xed && bytes[1] > 0x9f) || (first == 0xf0 && bytes[1] < 0x90) ||
        (first == 0xf4 && bytes[1] > 0x8f))
        return 0;
    return length;
}

size_t utf8_from_bytes(const uint8_t *bytes, size_t size, char *out)
{
    size_t used = 0;
    for (size_t i = 0; i < size;) {
        size_t length = bytes[i] ? utf8_length(bytes + i, size - i) : 0;
        if (length)
            memcpy(out + used, bytes + i, length), used += length;
        else
            used += utf8_put(0xfffd, out + used);
        i += length ? length : 1;
    }
    out[used] = 0;
    return used;
}
