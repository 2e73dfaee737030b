#include "pe/error.h"

const char *pe_code_name(enum pe_code code)
{
    switch (code) {
    case PE_OK: return "ok";
    case PE_NOT_PE: return "not a PE file";
    case PE_NOT_MZ: return "not an MZ file";
    case PE_OLD_FORMAT: return "old format";
    case PE_TRUNCATED: return "truncated";
    case PE_BAD_MACHINE: return "bad machine";
    case PE_BAD_HEADER: return "bad header";
    case PE_BAD_SECTION: return "bad section";
    case PE_BAD_DIRECTORY: return "bad directory";
    case PE_NOT_FOUND: return "not found";
    case PE_LIMIT: return "limit";
    }
    return "unknown";
}
