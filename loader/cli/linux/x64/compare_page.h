#ifndef CLI_LINUX_X64_COMPARE_PAGE_H
#define CLI_LINUX_X64_COMPARE_PAGE_H

#include "loader/inspect/compare/compare.h"

/* False: told why not. */
bool cli_compare_page(const char *path, const struct comparison *comparison);

#endif
