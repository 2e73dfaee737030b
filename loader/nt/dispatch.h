/* The system-call table: names to handlers, numbers (the guest's ntdll decides them) to names. */
#ifndef NT_DISPATCH_H
#define NT_DISPATCH_H

#include "loader/nt/nt.h"

enum { NT_NUMBER_LIMIT = 0x1000 };

/* Makes number mean the service `name` (borrowed for ever: it points into the guest's ntdll or is constant).
 * A name that no area knows stays unimplemented and is told when it is called. */
bool nt_dispatch_bind(const char *name, size_t length, uint32_t number);

/* How many of the bound numbers have a handler; and whether this name has one. */
unsigned nt_dispatch_known(void);
bool nt_dispatch_has(const char *name, size_t length);

#endif
