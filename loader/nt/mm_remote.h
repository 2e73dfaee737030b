/* Memory operations that another process of the session asks for. */
#ifndef NT_MM_REMOTE_H
#define NT_MM_REMOTE_H

#include "loader/nt/ps_message.h"

/* Carries out a PS_MEMORY_* operation; the answer replaces *message. */
NTSTATUS mm_serve(struct ps_message *message);

#endif
