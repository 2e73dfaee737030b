/* Delay loading with a descriptor written by hand and ResolveDelayLoadedAPI: the system loads the DLL, looks the function
 * up by name or ordinal and fills the slot. For what cannot be found it asks a hook of ours. */
#include <windows.h>
#include "sample.h"

#ifdef _WIN64
#define SYMBOL(name) #name
#define HIGH_HALF ".long 0\n" /* of a pointer that holds an RVA */
#define ORDINAL(number) ".long " #number ", 0x80000000\n"
#else
#define SYMBOL(name) "_" #name
#define HIGH_HALF
#define ORDINAL(number) ".long 0x80000000 + " #number "\n"
#endif
#define NAME(label) ".rva " label "\n" HIGH_HALF

/* Two descriptors and the end; the build enters delay_descriptors into the data directory. C has no RVAs, so: assembly. */
__asm__(
    ".section .rdata, \"dr\"\n"
    ".p2align 3\n"
    ".globl " SYMBOL(delay_descriptors) "\n"
    SYMBOL(delay_descriptors) ":\n"
    ".long 1\n"
    ".rva present_name, " SYMBOL(present_module) ", " SYMBOL(present_slots) ", present_functions\n"
    ".long 0, 0, 0\n"
    ".long 1\n"
    ".rva absent_name, " SYMBOL(absent_module) ", " SYMBOL(absent_slots) ", absent_functions\n"
    ".long 0, 0, 0\n"
    ".long 0, 0, 0, 0, 0, 0, 0, 0\n"
    "present_functions:\n"
    NAME("add_name") ORDINAL(7) NAME("renamed_name") ".long 0, 0\n"
    "absent_functions:\n"
    NAME("renamed_name") ".long 0, 0\n"
    "add_name: .byte 0, 0; .asciz \"delayed_add\"\n"
    ".p2align 1\n"
    "renamed_name: .byte 0, 0; .asciz \"delayed_renamed\"\n"
    "present_name: .asciz \"delay_dll.dll\"\n"
    "absent_name: .asciz \"delay_absent.dll\"\n"
    ".text\n");

extern const IMAGE_DELAYLOAD_DESCRIPTOR delay_descriptors[3];

/* From delayloadhandler.h, which mingw-w64 does not have. */
typedef struct {
    ULONG size;
    const IMAGE_DELAYLOAD_DESCRIPTOR *descriptor;
    IMAGE_THUNK_DATA *slot;
    const char *module_name;
    ULONG by_name;
    union { const char *name; ULONG ordinal; } function;
    void *module;
    void *unused;
    ULONG last_error;
} delay_load_info;

typedef void *(WINAPI *delay_load_hook)(ULONG reason, delay_load_info *info);
WINBASEAPI void *WINAPI ResolveDelayLoadedAPI(void *base, const IMAGE_DELAYLOAD_DESCRIPTOR *descriptor,
                                              delay_load_hook hook, void *system_hook, IMAGE_THUNK_DATA *slot, ULONG flags);

HMODULE present_module, absent_module;
extern IMAGE_THUNK_DATA present_slots[4], absent_slots[2];

static int answer_instead(void)
{
    return 99;
}

static void *WINAPI replace_missing(ULONG reason, delay_load_info *info)
{
    printf("hook: reason %lu, a function %s is wanted from %s\n", reason, info->by_name ? "with a name" : "without a name",
           info->module_name);
    return (void *)(ULONG_PTR)answer_instead;
}

static int resolve_and_call(int descriptor, IMAGE_THUNK_DATA *slot, int left, int right)
{
    int (*function)(int, int) = (int (*)(int, int))(ULONG_PTR)ResolveDelayLoadedAPI(
        GetModuleHandleA(NULL), &delay_descriptors[descriptor], replace_missing, NULL, slot, 0);

    return function(left, right);
}

/* Until its first call a slot holds a stub that resolves it. */
static int stub_add(int left, int right)
{
    return resolve_and_call(0, &present_slots[0], left, right);
}

static int stub_attach_count(void)
{
    return resolve_and_call(0, &present_slots[1], 0, 0);
}

static int stub_renamed(void)
{
    return resolve_and_call(0, &present_slots[2], 0, 0);
}

static int stub_absent(void)
{
    return resolve_and_call(1, &absent_slots[0], 0, 0);
}

IMAGE_THUNK_DATA present_slots[4] = {
    { { (ULONG_PTR)stub_add } }, { { (ULONG_PTR)stub_attach_count } }, { { (ULONG_PTR)stub_renamed } }, { { 0 } }
};
IMAGE_THUNK_DATA absent_slots[2] = { { { (ULONG_PTR)stub_absent } }, { { 0 } } };

static int call(const IMAGE_THUNK_DATA *slot, int left, int right)
{
    return ((int (*)(int, int))(ULONG_PTR)slot->u1.Function)(left, right);
}

int main(void)
{
    check("not loaded before", !GetModuleHandleA("delay_dll.dll") && !present_module);
    show("by name: delayed_add(40, 2)", (unsigned long)call(&present_slots[0], 40, 2));
    check("the module's handle is filled in", present_module && present_module == GetModuleHandleA("delay_dll.dll"));
    check("the slot is filled in", present_slots[0].u1.Function
          == (ULONG_PTR)GetProcAddress(present_module, "delayed_add"));
    show("again: delayed_add(1, 2)", (unsigned long)call(&present_slots[0], 1, 2));
    show("by ordinal: delayed_attach_count()", (unsigned long)call(&present_slots[1], 0, 0));
    show("a missing function", (unsigned long)call(&present_slots[2], 0, 0));
    show("a missing DLL", (unsigned long)call(&absent_slots[0], 0, 0));
    return sample_wrong_facts;
}
