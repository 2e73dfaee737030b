/* Shared by io_console*.c only. */
#ifndef NT_IO_CONSOLE_H
#define NT_IO_CONSOLE_H

#include "loader/nt/io/private.h"

enum { CONSOLE_PROCESSED = 1, CONSOLE_LINE = 2, CONSOLE_ECHO = 4, CONSOLE_VIRTUAL_INPUT = 0x200 };

uint32_t io_console_input_mode(void);
/* Makes the terminal behave as an input mode says; what it was before is kept for nt_io_restore. */
void io_console_terminal_mode(int fd, uint32_t mode);
NTSTATUS io_console_read_wide(int fd, WCHAR *guest, uint32_t length, ULONG_PTR *done); /* lengths in bytes */
NTSTATUS io_console_records(int fd, void *guest, uint32_t length, bool peek, ULONG_PTR *done);
uint32_t io_console_record_count(int fd);
NTSTATUS io_console_flush(int fd);

#endif
