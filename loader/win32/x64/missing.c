/* mov rcx, dll; mov rdx, function; mov rax, target; jmp rax: the return address and the alignment are the caller's. */
#include "loader/win32/win32.h"

#include <string.h>

void win32_missing_write(uint8_t *code, uintptr_t dll, uintptr_t function, uintptr_t target)
{
    static const uint8_t frame[WIN32_MISSING_SIZE] = {0x48, 0xb9, [10] = 0x48, 0xba, [20] = 0x48, 0xb8, [30] = 0xff, 0xe0};
    memcpy(code, frame, sizeof frame);
    memcpy(code + 2, &dll, sizeof dll);
    memcpy(code + 12, &function, sizeof function);
    memcpy(code + 22, &target, sizeof target);
}
