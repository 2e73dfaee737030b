/* Between the processes of one session. Shared by ps/ only.
 *
 *   ps/session.c   joining a session; the service thread that every process of it has; asking another process
 *   ps/watch.c     who watches whom; cleaning up after the dead
 *   ps/create.c    NtCreateUserProcess      ps/capture.c   what its caller gives
 *   ps/remote.c    what a process does for another one that asked
 *   ps/end.c       the end of a process
 *
 * What one process wants another to do goes as a datagram to the other's socket, together with one end of a pair of sockets
 * for the answer: where the other one dies, that end closes. What only concerns objects needs none of this. */
#ifndef NT_PS_SESSION_H
#define NT_PS_SESSION_H

#include "loader/nt/ps/message.h"
#include "loader/nt/ps/private.h"

/* Asks and waits for the answer, which replaces *message. fd: a descriptor to send along, -1: none; *got: one that came back
 * (the caller's), may be NULL. STATUS_PROCESS_IS_TERMINATING: nobody there. */
NTSTATUS ps_ask(const struct nt_process_object *process, struct ps_message *message, int fd, int *got);
/* Tells without an answer. false: nobody there. */
bool ps_tell(const struct nt_process_object *process, uint32_t operation);
/* Makes the watching process look at the list again. */
void ps_watch_poke(void);

/* ps/remote.c: carries out what was asked; the answer replaces *message. fd: what came along, -1: none (taken over);
 * *give: a descriptor to send back, which stays this process's. */
void ps_serve(struct ps_message *message, int fd, int *give);

/* ---- ps/watch.c, called by the service thread ---- */
struct pollfd;
/* Fills `list` from its second place on with what is to be watched; *count: entries. The result: how long to sleep at most,
 * in milliseconds, -1: for ever. */
int ps_watch_prepare(struct pollfd **list, unsigned *count);
void ps_watch_look(const struct pollfd *list, unsigned count);
/* Start time of a Linux process, 0: it is not there or a zombie. */
uint64_t ps_host_started(uint32_t pid);
/* Ends a Linux process of the session for good, if it is still the one that the object means. */
void ps_host_kill(const struct nt_process_object *process);

#endif
