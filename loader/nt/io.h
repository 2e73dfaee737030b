/* Io: files, directories, pipes, consoles; drive letters onto the Unix tree. Z: is /, C: is nt_config.drive_c, with
 * C:\windows\system32 (and syswow64's 32-bit twin) shown from nt_config.system_folder. */
#ifndef NT_IO_H
#define NT_IO_H

#include "loader/nt/ob.h"

struct nt_file_object {
    struct nt_object head;
    uint32_t kind;              /* NT_FILE_DISK, _DIRECTORY, _PIPE, _CONSOLE, _DEVICE */
    uint32_t options;           /* FILE_* create options (synchronous, delete on close, ...) */
    uint32_t access, sharing;
    nt_ref path;                /* unix path, for names and sharing; 0: none */
    nt_ref completion;          /* port, 0: none */
    uint64_t completion_key;
    uint64_t device, serial;    /* identity */
    uint32_t extra[8];          /* the kind's own */
};
enum { NT_FILE_DISK, NT_FILE_DIRECTORY, NT_FILE_PIPE, NT_FILE_CONSOLE, NT_FILE_DEVICE };

/* A host descriptor becomes a handle (standard input and so on). Takes the descriptor over on success. */
NTSTATUS nt_io_adopt(int fd, ACCESS_MASK access, ULONG attributes, HANDLE *out);

/* "\??\C:\x\y" or "C:\x\y" -> unix path, letter case resolved (exact first, then cached listings).
 * must_exist false: the last component may be missing. Statuses as NtOpenFile gives them. */
NTSTATUS nt_path_to_unix(const WCHAR *path, unsigned length, bool must_exist, char *out, size_t room);
/* unix path -> "C:\windows\system32\x.dll" or "Z:\home\..."; absolute, canonical input. length in WCHARs, 0: no room. */
unsigned nt_path_to_dos(const char *unix_path, WCHAR *out, unsigned room);

/* A handle on the console, for the process parameters' ConsoleHandle (code pages, title, control events, who is on it). As on
 * Windows it is there even where no standard handle lies on it; without a terminal nothing can be read or shown. */
NTSTATUS nt_io_console(HANDLE *out);
/* GenerateConsoleCtrlEvent: the event for all of that group, 0: for all of the console. Set by the processes. */
extern NTSTATUS (*nt_io_control_event)(uint32_t event, uint32_t group);
/* Gives the terminal back as it was found; before the process ends. */
void nt_io_restore(void);
/* What a process that was killed was doing with files ends (lock held; its handles are closed already). */
void nt_io_process_ended(uint32_t id);
/* The name in C:\users\NAME. */
const char *nt_user_name(void);

/* UTF-16 <-> UTF-8, unpaired surrogates kept as WTF-8; both return what was written without NUL, and always write
 * a NUL; room in units. */
size_t nt_utf8_from_utf16(const WCHAR *text, size_t length, char *out, size_t room);
size_t nt_utf16_from_utf8(const char *text, size_t length, WCHAR *out, size_t room);
WCHAR nt_upcase(WCHAR c);       /* NLS upcase table's mapping (l_intl.nls), ASCII before it is read */

#endif
