/* Imports two thousand functions from one DLL and calls each: every slot must hold its own function. */
#include "bind2000.h"
#include "sample.h"

#define DECLARE(t, h, d, o) __declspec(dllimport) int bound_##t##h##d##o(void);
#define CALL(t, h, d, o) right += bound_##t##h##d##o() == BIND_NUMBER(t, h, d, o);

BIND_2000(DECLARE)

int main(void)
{
    unsigned long right = 0;

    BIND_2000(CALL)
    show("functions called", 2000);
    show("of them right", right);
    return right == 2000 ? 0 : 1;
}
