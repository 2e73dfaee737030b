/* The page of a run: begun before the first event, written when the first thread is about to run, so that it is there
 * whatever becomes of the guest, and once more at the end. */
#ifndef CLI_LINUX_PAGE_H
#define CLI_LINUX_PAGE_H

#include "loader/cli/report/report.h"

void cli_page_open(const char *program, const char *lane);
bool cli_page_started(const char *path);
bool cli_page_ended(const char *path, uint32_t code, const char *how);
bool cli_page_refused(const char *path, const struct ld_error *error);

/* The registers of a CONTEXT that a first thread begins with. */
#ifdef __x86_64__
#define CLI_CONTEXT_REGISTERS(X) X(rip) X(rsp) X(rcx) X(rdx) X(rax) X(rbx) X(rbp) X(rsi) X(rdi) X(eflags)
#else
#define CLI_CONTEXT_REGISTERS(X) X(eip) X(esp) X(eax) X(ebx) X(ecx) X(edx) X(ebp) X(esi) X(edi) X(eflags)
#endif

#endif
