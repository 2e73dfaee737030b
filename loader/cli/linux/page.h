/* The page of a run: begun before the first event, written when the first thread is about to run, so that it is there
 * whatever becomes of the guest, and once more at the end. */
#ifndef CLI_LINUX_PAGE_H
#define CLI_LINUX_PAGE_H

#include "loader/cli/report/report.h"

void cli_map_walk(void (*add)(const struct report_line *line)); /* a report_walk: this process's memory map */
void cli_page_open(const char *program, const char *lane);
bool cli_page_started(const char *path);
bool cli_page_ended(const char *path, uint32_t code, const char *how);
bool cli_page_refused(const char *path, const struct ld_error *error);

/* page_process.c: the process when its first thread is about to run, as one JSON object shaped like a snapshot. */
void cli_page_process(FILE *stream);

#endif
