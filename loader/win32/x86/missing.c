/* push function; push dll; push 0 (a return address: target never returns); mov eax, target; jmp eax */
#include "loader/win32/win32.h"

#include <string.h>

void win32_missing_write(uint8_t *code, uintptr_t dll, uintptr_t function, uintptr_t target)
{
    static const uint8_t frame[WIN32_MISSING_SIZE] = {0x68, [5] = 0x68, [10] = 0x6a, 0x00, 0xb8, [17] = 0xff, 0xe0};
    memcpy(code, frame, sizeof frame);
    memcpy(code + 1, &function, sizeof function);
    memcpy(code + 6, &dll, sizeof dll);
    memcpy(code + 13, &target, sizeof target);
}
