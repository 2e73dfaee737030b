/* A simulated process: files from memory, address space in byte arrays, every call counted, and any call made to fail.
 * For tests of the phases; nothing here touches the machine.
 *
 * A VA of the simulated process is not a pointer: host->vm_at translates. Rights are kept per page, so a test sees
 * them, and a write to a page that had no write right is found when its rights change or at the end. */
#ifndef LOADER_HOST_SIM_SIM_H
#define LOADER_HOST_SIM_SIM_H

#include "loader/host.h"

enum sim_call { SIM_FILE_OPEN, SIM_FILE_FIND, SIM_FILE_READ, SIM_FILE_VIEW, SIM_VM_RESERVE, SIM_VM_MAP, SIM_VM_COMMIT, SIM_VM_PROTECT, SIM_CALL_COUNT };

#define SIM_NOT_RESERVED (-1)
#define SIM_NOT_COMMITTED (-2) /* reserved, no memory there */

struct host *host_sim_open(void); /* NULL: no memory */
void host_sim_close(struct host *host);

/* A file appears. The bytes stay the caller's; two paths with the same bytes are one file under two names. */
bool sim_file_add(struct host *host, const char *path, const void *bytes, uint64_t size);
/* A path that is there but cannot be opened, with this result: HOST_DENIED, HOST_NOT_A_FILE. */
bool sim_file_refuse(struct host *host, const char *path, enum host_result result);

/* From now on files are shown by so many bytes of their beginning only, and the rest is to be read; and nothing is mapped, or
 * all as before. */
void sim_show_part(struct host *host, uint64_t size, bool maps);

/* The n-th call from now on (1: the next) fails with this result and does nothing; 0: none. Calls that cannot fail
 * (close, release, at, clock) do not count. */
void sim_fail_at(struct host *host, unsigned n, enum host_result result);
bool sim_has_failed(const struct host *host); /* did the call that sim_fail_at meant come? */

unsigned sim_calls(const struct host *host, enum sim_call call);
/* Rights of the page at address, or one of the two constants above. */
int sim_rights(const struct host *host, uint64_t address);
unsigned sim_open_files(const struct host *host);
unsigned sim_reservations(const struct host *host);
/* Pages that were written while they were not writable, since the beginning. */
unsigned sim_bad_writes(struct host *host);

#endif
