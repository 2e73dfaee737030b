/* Wine for a test: a prefix of the build folder's own, and its server's end. */
#ifndef TESTS_WINE_H
#define TESTS_WINE_H

#include <stdbool.h>

/* Sets PELOAD_WINEPREFIX; call it before the others. False: the current folder is unknown. */
bool wine_prefix_set(void);
/* Does a program for this machine ("x64", "x86") run on the lane os, and find its exceptions there? Wine's WoW64 mode ends
 * x86 ones silently. The first question makes the prefix. */
bool wine_runs(const char *machine);
/* Ends the prefix's server and whatever still runs on it; no other prefix is touched. */
void wine_server_end(void);

#endif
