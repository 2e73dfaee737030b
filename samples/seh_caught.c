/* Hardware and software exceptions, caught: by vectored handlers that repair the cause, and by handlers of frames that
 * unwind to themselves. Each handler prints what the system told it. */
#include <windows.h>
#include "sample.h"
#include "seh_frame.h"

static struct {
    char *page;                        /* where memory exceptions are expected */
    DWORD code, kind;
    int count, at_page, address_is_instruction;
    ULONG_PTR arguments[3];
    DWORD argument_count, flags;
} seen;

static void remember(const EXCEPTION_POINTERS *exception)
{
    const EXCEPTION_RECORD *record = exception->ExceptionRecord;

    seen.code = record->ExceptionCode;
    seen.flags = record->ExceptionFlags;
    seen.argument_count = record->NumberParameters;
    seen.count++;
    seen.address_is_instruction = record->ExceptionAddress == context_instruction(exception->ContextRecord);
    for (DWORD i = 0; i < 3; i++)
        seen.arguments[i] = i < record->NumberParameters ? record->ExceptionInformation[i] : 0;
    seen.kind = (DWORD)seen.arguments[0];
    seen.at_page = seen.arguments[1] == (ULONG_PTR)seen.page;
}

/* Takes away the cause of each exception and lets the instruction run again, or steps over it. */
static LONG CALLBACK repair(EXCEPTION_POINTERS *exception)
{
    DWORD old, code = exception->ExceptionRecord->ExceptionCode;

    remember(exception);
    if (code == EXCEPTION_ACCESS_VIOLATION)
        VirtualProtect(seen.page, 1, seen.kind == 8 ? PAGE_EXECUTE_READ : PAGE_READWRITE, &old);
    else if (code == EXCEPTION_INT_DIVIDE_BY_ZERO)
        context_set_divisor(exception->ContextRecord, 2);
    else if (code == EXCEPTION_ILLEGAL_INSTRUCTION)
        context_skip(exception->ContextRecord, 2);
    else if (code == EXCEPTION_BREAKPOINT || code == EXCEPTION_PRIV_INSTRUCTION)
        context_skip(exception->ContextRecord, 1);
    return EXCEPTION_CONTINUE_EXECUTION;
}

static void tell(const char *what)
{
    printf("%s: %08lx", what, seen.code);
    if (seen.code == EXCEPTION_ACCESS_VIOLATION || seen.code == STATUS_GUARD_PAGE_VIOLATION)
        printf(", access kind %lu, %s", seen.kind, seen.at_page ? "at the page" : "ELSEWHERE");
    printf(", seen %d time%s\n", seen.count, seen.count == 1 ? "" : "s");
    seen.count = 0;
}

static void set_rights(DWORD rights)
{
    DWORD old;

    VirtualProtect(seen.page, 1, rights, &old);
}

static void memory_exceptions(void)
{
    volatile char *page = seen.page = VirtualAlloc(NULL, 4096, MEM_COMMIT | MEM_RESERVE, PAGE_NOACCESS);
    int value = page[0];

    tell("read of a page without access");
    set_rights(PAGE_READONLY);
    page[0] = 'x';
    tell("write to a read-only page");
    check("the write arrived", page[0] == 'x' && value == 0);
    page[0] = (char)0xc3; /* ret */
    ((void (*)(void))(ULONG_PTR)page)();
    tell("execution of a data page");
    set_rights(PAGE_READWRITE | PAGE_GUARD);
    page[0] = 'y';
    tell("write to a guard page");
    page[0] = 'z';
    check("the guard works once", seen.count == 0);
}

static void instruction_exceptions(void)
{
    unsigned quotient = divide_by_zero();

    tell("division by zero");
    check("the repaired division gives 42", quotient == 42);
    __asm__ volatile("ud2");
    tell("illegal instruction");
    check("its address is the instruction", seen.address_is_instruction);
    __asm__ volatile("int3");
    tell("breakpoint");
    check("its address is the instruction", seen.address_is_instruction);
    __asm__ volatile("hlt");
    tell("privileged instruction");
}

static void raised_exceptions(void)
{
    static const ULONG_PTR arguments[] = { 11, 22, 33 };

    RaiseException(0xE0001234, 0, 3, arguments);
    tell("raised with arguments");
    check("the three arguments arrive", seen.argument_count == 3 && seen.arguments[0] == 11
          && seen.arguments[1] == 22 && seen.arguments[2] == 33);
    RaiseException(0xE0005678, EXCEPTION_NONCONTINUABLE, 0, NULL);
    tell("raised, not to be continued");
    check("the flag arrives", seen.flags == EXCEPTION_NONCONTINUABLE);
}

static int first_count;

static LONG CALLBACK first_handler(EXCEPTION_POINTERS *exception)
{
    (void)exception;
    first_count = seen.count == 0;
    return EXCEPTION_CONTINUE_SEARCH;
}

static void handler_order(void)
{
    void *first = AddVectoredExceptionHandler(1, first_handler);

    RaiseException(0xE0000001, 0, 0, NULL);
    check("a handler added in front is asked first", first_count == 1 && seen.count == 1);
    check("it can be removed", RemoveVectoredExceptionHandler(first) != 0);
    first_count = seen.count = 0;
    RaiseException(0xE0000001, 0, 0, NULL);
    check("and is not asked again", first_count == 0 && seen.count == 1);
}

static int catch_memory(const EXCEPTION_RECORD *record)
{
    printf("  outer filter: %08lx, access kind %lu, address %lu\n", record->ExceptionCode,
           (unsigned long)record->ExceptionInformation[0], (unsigned long)record->ExceptionInformation[1]);
    return record->ExceptionCode == EXCEPTION_ACCESS_VIOLATION;
}

static int catch_nothing(const EXCEPTION_RECORD *record)
{
    printf("  inner filter: %08lx, not mine\n", record->ExceptionCode);
    return 0;
}

static void clean_up(void)
{
    printf("  clean-up of the frame between\n");
}

static volatile int *volatile bad_address = (int *)64;

static void fault(void)
{
    *bad_address = 1;
    printf("  NEVER HERE\n");
}

static void fault_under_inner(void)
{
    frame_guard(fault, catch_nothing);
    printf("  NEVER HERE\n");
}

static void fault_under_cleanup(void)
{
    frame_finally(fault_under_inner, clean_up);
    printf("  NEVER HERE\n");
}

static void raise_nothing(void)
{
}

static int catch_raised(const EXCEPTION_RECORD *record)
{
    printf("  filter: %08lx with %lu\n", record->ExceptionCode, (unsigned long)record->ExceptionInformation[0]);
    return 1;
}

static void raise_one(void)
{
    static const ULONG_PTR argument = 77;

    RaiseException(0xE0000077, 0, 1, &argument);
}

int main(void)
{
    void *vectored = AddVectoredExceptionHandler(0, repair);

    memory_exceptions();
    instruction_exceptions();
    raised_exceptions();
    handler_order();
    RemoveVectoredExceptionHandler(vectored);

    printf("frames:\n");
    check("a fault three frames below is caught", frame_guard(fault_under_cleanup, catch_memory) == 1);
    check("a raised exception is caught", frame_guard(raise_one, catch_raised) == 1);
    check("nothing raised, nothing caught", frame_guard(raise_nothing, catch_raised) == 0);
    return sample_wrong_facts;
}
