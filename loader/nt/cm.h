/* Cm: the registry. */
#ifndef NT_CM_H
#define NT_CM_H

#include "loader/nt/nt.h"

/* What processes of a session share of this area, in the arena: the root key; 0: nobody has asked yet. A child takes
 * over its parent's. */
extern uint32_t nt_cm_root;

#endif
