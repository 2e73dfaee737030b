/* What NtCreateUserProcess's caller gives, copied here. Shared by ps/create.c and ps/capture.c only. */
#ifndef NT_PS_CREATE_H
#define NT_PS_CREATE_H

#include "loader/nt/ps/session.h"

enum { PS_LIST_LIMIT = 4096 };

struct ps_wish {
    WCHAR *image;                /* NT path of the EXE, malloc'd */
    unsigned image_length;       /* WCHARs */
    HANDLE parent, debug, token; /* 0: none given */
    HANDLE *list, *jobs;         /* NULL: none given */
    unsigned list_count, job_count;
    /* guest addresses of what is to be answered, and how long that may be */
    void *client, *teb, *facts;
    SIZE_T client_size, teb_size, facts_size;
};
/* PS_ATTRIBUTE_LIST. *wish is to be freed whatever the result. */
NTSTATUS ps_wish_capture(const SIZE_T *guest_list, struct ps_wish *wish);
void ps_wish_free(struct ps_wish *wish);

/* RTL_USER_PROCESS_PARAMETERS as a block without pointers, malloc'd. */
NTSTATUS ps_birth_capture(const struct nt_parameters *guest, struct nt_birth **birth);

#endif
