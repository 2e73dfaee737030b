/* Two thousand functions, each answering its own number. The .def file is made by the build. */
#include "bind2000.h"

#define DEFINE(t, h, d, o) int bound_##t##h##d##o(void) { return BIND_NUMBER(t, h, d, o); }

BIND_2000(DEFINE)
