/* What `ps`, `handles` and `run --handles` share. */
#ifndef CLI_LINUX_SESSION_H
#define CLI_LINUX_SESSION_H

#include "loader/cli/output.h"
#include "loader/nt/view.h"

/* A handle table at one moment: what two of them differ in is what happened between. */
struct session_table { struct nt_view_handle *rows; unsigned count; };
bool session_table_take(const struct nt_view *view, const struct nt_view_process *process, struct session_table *table);
void session_table_free(struct session_table *table);

/* The table as rows; before: NULL, or an older one, against which each row says whether it is new or gone. */
void session_table_tell(struct output *out, const char *title, const struct session_table *table, const struct session_table *before);

/* "x64", "x86", or "-". */
const char *session_machine(uint32_t machine);

#endif
