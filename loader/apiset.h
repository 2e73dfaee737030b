/* API sets: contract names ("api-ms-win-core-file-l1-1-0") that stand for a DLL, as the schema of Windows 10 maps them. */
#ifndef LOADER_APISET_H
#define LOADER_APISET_H

#include "pe/image.h"

/* Does the name have the form of one? Only the prefix counts, in any letter case. */
bool ld_apiset_is_name(const char *name);

enum ld_apiset_result {
    LD_APISET_FOUND,   /* host[room] is the DLL's name */
    LD_APISET_EMPTY,   /* the schema knows the contract, but no DLL of this system has it */
    LD_APISET_UNKNOWN, /* not in the schema, or the schema cannot be read */
};

/* Looks `name` up in the schema, section .apiset of the image. importer: base name of the importing module, for
 * contracts whose DLL depends on who asks; NULL: nobody. The host's name comes out in ASCII. */
enum ld_apiset_result ld_apiset_lookup(const struct pe_image *schema, const char *name, const char *importer, char *host,
                                       size_t room);

#endif
