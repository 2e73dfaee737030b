/* The real machine: Linux, any processor. */
#ifndef LOADER_HOST_LINUX_H
#define LOADER_HOST_LINUX_H

#include "loader/host.h"

/* A host over this very process. NULL: no memory. What it mapped stays mapped after the close. */
struct host *host_linux_open(void);
void host_linux_close(struct host *host);

#endif
