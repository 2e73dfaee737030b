/* Strings in a span: found where memchr finds their end, at every place, length and limit, and no byte behind the span is read
 * (each span is a heap block of its size: the sanitizer sees one byte too much). */
#include "pe/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SIZE = 40 };

static void expect(const uint8_t *bytes, uint64_t size, uint64_t off, uint32_t limit)
{
    struct pe_span span = {bytes, size};
    const char *text = NULL;
    uint32_t len = 0;
    uint64_t rest = off < size ? size - off : 0, most = rest <= limit ? rest : (uint64_t)limit + 1;
    const uint8_t *end = most ? memchr(bytes + off, 0, (size_t)most) : NULL;

    assert_int_equal(pe_span_string(span, off, limit, &text, &len), end != NULL);
    if (!end)
        return;
    assert_ptr_equal(text, bytes + off);
    assert_int_equal(len, end - (bytes + off));
}

/* Bytes beside a 0 that tricks with whole words take for one: 1 above it, and those with their top bit. */
static void where_a_string_ends(void **state)
{
    static const uint8_t others[] = {'a', 1, 0x80, 0x81, 0xff};
    (void)state;
    for (size_t other = 0; other < sizeof others; other++)
        for (size_t size = 1; size <= SIZE; size++) {
            uint8_t *bytes = malloc(size);
            assert_non_null(bytes);
            for (size_t zero = 0; zero <= size; zero++) {
                memset(bytes, others[other], size);
                if (zero < size)
                    bytes[zero] = 0;
                for (uint64_t off = 0; off <= size + 1; off++)
                    for (uint32_t limit = 0; limit <= SIZE + 1; limit += limit < 10 ? 1 : 7)
                        expect(bytes, size, off, limit);
                expect(bytes, size, 0, UINT32_MAX);
            }
            free(bytes);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(where_a_string_ends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
