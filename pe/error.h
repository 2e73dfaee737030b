/* What pe/ says when a file breaks a rule: a code, the rule's number in RULES.md, where in the file or image,
 * what was found and what was wanted. The text is constant; only the command line prints it. */
#ifndef PE_ERROR_H
#define PE_ERROR_H

#include <stdbool.h>
#include <stdint.h>

enum pe_code {
    PE_OK = 0,
    PE_NOT_PE,        /* no MZ, no PE signature: some other kind of file */
    PE_NOT_MZ,        /* no MZ at all */
    PE_OLD_FORMAT,    /* NE, LE, LX or a plain DOS program */
    PE_TRUNCATED,     /* a structure reaches beyond the end of the file */
    PE_BAD_MACHINE,   /* a processor that this build does not know */
    PE_BAD_HEADER,    /* a header field breaks a rule */
    PE_BAD_SECTION,   /* a section header breaks a rule */
    PE_BAD_DIRECTORY, /* a data directory, or what it points to, breaks a rule */
    PE_NOT_FOUND,     /* asked for something that is not there: no fault of the file */
    PE_LIMIT,         /* a count beyond any sane file, refused so that no loop runs unbounded */
};

enum pe_ladder { PE_LADDER_NONE = 0, PE_LADDER_OFF, PE_LADDER_RVA, PE_LADDER_VA };

struct pe_error {
    enum pe_code code;
    uint16_t rule;         /* number in RULES.md, 0 where none applies */
    enum pe_ladder ladder; /* what `where` counts */
    uint64_t where;
    uint64_t got, want;
    const char *text; /* constant, one short clause, no capital, no full stop */
    uint32_t ntstatus; /* what NtCreateSection or the loader answers for this defect; 0 where unknown */
};

/* `return pe_fail(error, .code = ..., .rule = ..., .text = ...)`: what is not named is 0. Always false. */
#define pe_fail(error, ...) pe_fail_with((error), (struct pe_error){__VA_ARGS__})
static inline bool pe_fail_with(struct pe_error *error, struct pe_error what)
{
    *error = what;
    return false;
}

/* The end of a walk without a fault: false with PE_OK. */
static inline bool pe_done(struct pe_error *error) { return pe_fail(error, .code = PE_OK, .text = ""); }

/* Our own bugs stop at once, without the C library. */
#define pe_assert(condition) ((condition) ? (void)0 : __builtin_trap())

/* "PE_BAD_SECTION" -> "bad section": for messages and JSON. */
const char *pe_code_name(enum pe_code code);

#endif
