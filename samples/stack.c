/* Uses most of the stack that the EXE asks for in its header, and of the one that CreateThread was asked for. With
 * --overflow it uses more than there is. Windows' code for that is 0xC00000FD. */
#include <string.h>
#include <windows.h>
#include "sample.h"

#define FRAME 2000

static __attribute__((noinline)) unsigned long descend(unsigned long frames)
{
    volatile char frame[FRAME];
    unsigned long below;

    frame[0] = frame[FRAME - 1] = (char)frames;
    below = frames ? descend(frames - 1) : 0;
    return below + 1 + (frame[0] != (char)frames) + (frame[FRAME - 1] != (char)frames);
}

/* A frame is FRAME bytes and the compiler's own, well below 120 bytes. */
static int use(unsigned long kib)
{
    unsigned long frames = kib * 1024 / (FRAME + 120);

    return descend(frames) == frames + 1;
}

static DWORD WINAPI thread_main(void *kib)
{
    return (DWORD)use((unsigned long)(ULONG_PTR)kib);
}

static int thread_uses(SIZE_T stack_kib, unsigned long use_kib)
{
    HANDLE thread = CreateThread(NULL, stack_kib * 1024, thread_main, (void *)(ULONG_PTR)use_kib,
                                 STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
    DWORD code = 0;

    WaitForSingleObject(thread, INFINITE);
    GetExitCodeThread(thread, &code);
    return code == 1;
}

int main(int argc, char **argv)
{
    int overflow = argc > 1 && strcmp(argv[1], "--overflow") == 0;

    printf("stack of the header: %d KiB, used: %d KiB\n", STACK_KIB, STACK_USED_KIB);
    fflush(stdout);
    if (overflow)
        use(STACK_KIB * 2);
    check("the first thread has it", use(STACK_USED_KIB));
    check("and can use it again", use(STACK_USED_KIB));
    check("a thread made without a size has it", thread_uses(0, STACK_USED_KIB));
    check("a thread made with 4 MiB has those", thread_uses(4096, 3900));
    return sample_wrong_facts;
}
