/* Two snapshots of one program, held against each other: every difference gets a class by a rule that checks, or is unexplained.
 *
 *   compare.c     the order; which module is which. Read this file first.
 *   document.c    JSON in: checked once, so that the rules can believe its shape
 *   difference.c  the list of differences, and JSON out (comparison.schema.json)
 *   images.c      bases, relocations, headers, rights
 *   slots.c       import tables
 *   bytes.c       bytes that are not the file's: code, cookies, TLS indices, page tails
 *   data.c        writable data, word by word
 *   lists.c       orders, counts, flags
 *   process.c     PEB, parameters, handles, threads, what memory is for
 *   ending.c      exit code, and which rules the output is held against
 *   output.c      which line of one output is which of the other, and what each difference is
 *   numbers.c     numbers of two lines: what they stand for, or that they were measured
 *   expect.c      differences that a file names beforehand, with a reason for each
 *
 * A rule may only believe what the documents prove. That two lanes "may differ there" is no proof: each rule says at its place
 * what it checks and where the difference comes from. JSON is read with jansson: hostile text is its daily bread. */
#ifndef INSPECT_COMPARE_H
#define INSPECT_COMPARE_H

#include "loader/inspect/json.h"

#include <jansson.h>

enum compare_class {
    CLASS_UNEXPLAINED, CLASS_BASE, CLASS_RELOCATION, CLASS_IAT, CLASS_REDIRECTION, CLASS_COOKIE, CLASS_IMAGE_BASE, CLASS_TLS_INDEX,
    CLASS_GUARD, CLASS_PATCH, CLASS_EXPORTS, CLASS_DATA, CLASS_PAGE_TAIL, CLASS_PROTECTION, CLASS_LANE_LAYOUT, CLASS_LANE_MODULE,
    CLASS_LIST_ORDER, CLASS_SYSTEM_DLL, CLASS_LOAD_COUNT, CLASS_FLAGS, CLASS_HEADERS, CLASS_PROCESS, CLASS_PARAMETERS,
    CLASS_ENVIRONMENT, CLASS_HANDLES, CLASS_THREAD, CLASS_OUTPUT, CLASS_IDENTITY, CLASS_TIMING, CLASS_LINE_ORDER, CLASS_EXPECTED,
    CLASS_TIME_LIMIT, CLASS_EXIT, CLASS_COUNT
};
extern const char *const compare_class_name[CLASS_COUNT];
/* The class of that name, CLASS_COUNT: there is none. */
enum compare_class compare_class_of(const char *name);

/* ---- documents ---- */

struct module {
    json_t *json;
    const char *name;
    uint64_t base, size, preferred;
    bool listed, has_file;
    int64_t load_order, memory_order, init_order; /* -1: not in it */
    struct module *twin;         /* the same module in the other document; NULL: it has none */
    bool same_file;              /* as the twin's: all bytes of the two files agree */
};

struct area { uint64_t base, size; const char *use; bool committed; };

struct document {
    json_t *root;
    const char *lane, *at, *machine;
    bool is_64;
    unsigned width;              /* bytes of a pointer */
    struct module *modules;
    size_t module_count;
    struct area *areas;          /* regions, rising */
    size_t area_count;
    struct module *program;      /* NULL: it never came so far */
};

/* Takes a snapshot's text. False: *why, malloc'd, says what is wrong and where. */
bool document_open(struct document *document, const char *text, size_t length, char **why);
void document_close(struct document *document);
/* Of checked documents: what is not there is "", 0 or NULL. */
const char *member_text(const json_t *object, const char *key);
uint64_t member_hex(const json_t *object, const char *key);
int64_t member_number(const json_t *object, const char *key); /* -1: null */
bool member_yes(const json_t *object, const char *key);
/* The same value in both, or in neither. */
bool member_equal(const json_t *a, const json_t *b, const char *key);
struct module *document_module_at(const struct document *document, uint64_t address);
struct module *document_module(const struct document *document, const char *name); /* letters of either case */
const struct area *document_area_at(const struct document *document, uint64_t address);
bool name_equal(const char *a, const char *b);

/* ---- comparison ---- */

struct difference {
    enum compare_class class;
    char *module, *a, *b, *text;  /* malloc'd; module, a, b may be NULL */
    const char *cause;            /* constant; NULL: unexplained */
    bool has_rva;
    uint64_t rva, size;
    size_t found;                 /* the how many-th: lines of an output stay in their order */
};

struct comparison {
    struct document a, b;
    struct difference *list;
    size_t count;
    unsigned counts[CLASS_COUNT];
    struct { uint64_t modules, slots, fixups, ranges, bytes; } matched;
    json_t *again[2];             /* `output` of a second run of side a, of side b; NULL: there was none */
    const struct expectations *expectations; /* the caller's; outlives the comparison; NULL: none */
    int64_t exit_moved;           /* by how much the expected differences that were found move the exit code of b against a */
    bool exit_expected;           /* some say so */
    bool failed;                  /* out of memory */
};

/* Compares; the documents are the comparison's from then on. False: no memory. */
bool compare_documents(struct comparison *comparison);
/* What a second run may explain is unexplained: numbers of the output. */
bool compare_again_helps(const struct comparison *comparison);
/* Forgets what was found, to compare once more. */
void compare_reset(struct comparison *comparison);
void compare_close(struct comparison *comparison);
/* only: a class, or CLASS_COUNT for all. */
void compare_write(const struct comparison *comparison, enum compare_class only, struct json *json);
const char *compare_verdict(const struct comparison *comparison);

/* ---- expected differences (expect.c; the format stands in README, "Expected differences") ---- */

enum { LANE_NATIVE = 1, LANE_REFERENCE = 2, LANE_OS = 4, LANE_WIN32 = 8 };

struct expectation {
    char *reason, *source, *system, *machine; /* malloc'd; all but the reason may be NULL */
    unsigned lanes;              /* those that depart */
    struct expected_line { char *text; bool departs; } *lines; /* departs: + what these lanes write; else - what the others write */
    size_t line_count;
    bool has_exit, exit_is_sum;  /* a sum to be added (exit[0]), or the two codes: others', theirs */
    uint32_t exit[2];
};
struct expectations { struct expectation *list; size_t count; };

/* Takes a file's text, behind what is there already. False: *why, malloc'd, says what is wrong and in which line. */
bool expectations_take(struct expectations *expectations, const char *text, size_t length, char **why);
void expectations_free(struct expectations *expectations);

/* ---- between the files of this folder ---- */

/* Does it speak of these two lanes? *b_departs: of side b. */
bool expectation_applies(const struct comparison *comparison, const struct expectation *expectation, bool *b_departs);
bool expectation_fits(const char *pattern, const char *line); /* * is any text, \* a star */

/* Where a difference is. */
struct place { const struct module *module; bool has_rva; uint64_t rva, size; };
#define PLACE_OF(module_) ((struct place){.module = (module_)})
#define PLACE_AT(module_, rva_, size_) ((struct place){(module_), true, (rva_), (size_)})

/* cause NULL: unexplained, whatever the class says. a and b are copied, may be NULL; the rest is printf's. */
__attribute__((format(printf, 7, 8))) void difference_add(struct comparison *comparison, enum compare_class class, struct place place,
                                                          const char *a, const char *b, const char *cause, const char *format, ...);
void compare_sort(struct comparison *comparison);
/* Do the two sides run on one system (native and reference: our kernel; win32 and os: Windows or Wine)? */
bool same_system(const struct comparison *comparison);
bool is_lane(const struct document *document, const char *lane);
/* Has code of the module run at that moment? */
bool code_has_run(const struct document *document, const struct module *module);
bool module_imports(const struct module *module, const struct module *other); /* delayed ones left out */
/* The guest half of the native lane, or peload's own DLLs on the lane win32. */
bool is_own_half(const struct document *document, const struct module *module);

void compare_images(struct comparison *comparison, struct module *a, struct module *b);
void compare_slots(struct comparison *comparison, struct module *a, struct module *b);
void compare_bytes(struct comparison *comparison, struct module *a, struct module *b);
void compare_data(struct comparison *comparison, struct module *a, struct module *b);
void compare_lists(struct comparison *comparison);
void compare_list_fields(struct comparison *comparison, struct module *a, struct module *b);
void compare_process(struct comparison *comparison);
void compare_ending(struct comparison *comparison);
/* Texts of one stream; again_*: of second runs, or NULL; cut: behind these there is more that nobody can see. */
struct stream { const char *name, *a, *b, *again_a, *again_b; bool cut; };
void compare_stream(struct comparison *comparison, const struct stream *stream);
/* The number at *at where one stands there: decimal, perhaps with a fraction, or hexadecimal with 0x, or at least four hexadecimal
 * digits. Moves *at. */
bool number_take(const char **at, uint64_t *value, bool *whole);
/* Two lines that are one but for numbers (and the blanks that fill a column). CLASS_COUNT: they are equal. */
enum compare_class numbers_judge(const struct comparison *comparison, const char *a, const char *b, const char *again_a, const char *again_b,
                                 const char **cause);

#endif
