/* The real machine: Windows 7 or later, or Wine. */
#ifndef LOADER_HOST_WIN32_H
#define LOADER_HOST_WIN32_H

#include "loader/host.h"

/* A host over this very process. Its paths are UTF-8 with '/' between the components. NULL: no memory. What it
 * mapped stays mapped after the close. */
struct host *host_win32_open(void);
void host_win32_close(struct host *host);
/* An image that is mapped here already and that nobody needs any more: the next reservation at its base takes it over. */
void host_win32_adopt(struct host *host, uint64_t base, uint64_t size);

#endif
