/* The system-call table: names to handlers, numbers (the guest's ntdll decides them) to names. */
#ifndef NT_DISPATCH_H
#define NT_DISPATCH_H

#include "loader/nt/nt.h"

enum { NT_NUMBER_LIMIT = 0x1000 };

/* Makes number mean the service `name` (borrowed for ever: it points into the guest's ntdll or is constant).
 * A name that no area knows stays unimplemented and is told when it is called. */
bool nt_dispatch_bind(const char *name, size_t length, uint32_t number);

/* The same without looking for the name: `service` is what nt_dispatch_name told of it. False: there is no such service. */
bool nt_dispatch_bind_known(const char *name, size_t length, uint32_t number, unsigned service);
/* A number's name, NULL: it has none; where its handler stands among all services (NT_NO_SERVICE: it has none). */
enum { NT_NO_SERVICE = 0xffff };
const char *nt_dispatch_name(uint32_t number, unsigned *length, unsigned *service);

/* How many of the bound numbers have a handler; and whether this name has one. */
unsigned nt_dispatch_known(void);
bool nt_dispatch_has(const char *name, size_t length);

#endif
