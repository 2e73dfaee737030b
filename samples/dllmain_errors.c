/* A library's DllMain refuses or raises: what LoadLibrary says, who is told to detach, what is left, and which notifications
 * come when. */
#include "teller.h"
#include "sample.h"

typedef struct { USHORT length, maximum; WCHAR *buffer; } counted_text;
typedef struct { ULONG flags; const counted_text *full, *base; void *module; ULONG size; } notification;
typedef LONG(NTAPI *register_function)(ULONG, void(NTAPI *)(ULONG, const notification *, void *), void *, void **);
typedef LONG(NTAPI *unregister_function)(void *);

static int is_right(const notification *data)
{
    const IMAGE_DOS_HEADER *dos = data->module;
    const IMAGE_NT_HEADERS *headers = (const void *)((const char *)data->module + dos->e_lfanew);
    unsigned full = data->full->length / 2, base = data->base->length / 2;

    return full > base && !memcmp(data->full->buffer + full - base, data->base->buffer, data->base->length)
           && data->full->buffer[full - base - 1] == '\\' && headers->OptionalHeader.SizeOfImage == data->size
           && headers->Signature == IMAGE_NT_SIGNATURE;
}

static void NTAPI on_notification(ULONG reason, const notification *data, void *context)
{
    char name[64] = "";

    for (unsigned i = 0; i < data->base->length / 2u && i < sizeof name - 1; i++)
        name[i] = (char)data->base->buffer[i];
    tell_line((const char *)context, reason == 1 ? ": loaded " : reason == 2 ? ": unloaded " : ": WHAT? ", name);
    if (!is_right(data))
        tell_line("the notification is WRONG", "", "");
}

static void attempt(const char *task, const char *name)
{
    HMODULE module;

    SetEnvironmentVariableA("TELLER", task);
    printf("-- %s\n", task ? task : "all well");
    SetLastError(0);
    module = LoadLibraryA(name);
    if (module)
        printf("loaded\n");
    else
        printf("not loaded, error %lu\n", GetLastError());
    printf("there now:%s%s%s\n", GetModuleHandleA("teller_a") ? " a" : "", GetModuleHandleA("teller_b") ? " b" : "",
           GetModuleHandleA("teller_c") ? " c" : "");
    if (module)
        FreeLibrary(module);
}

int main(void)
{
    HMODULE ntdll = GetModuleHandleA("ntdll");
    register_function add = (register_function)(void *)GetProcAddress(ntdll, "LdrRegisterDllNotification");
    unregister_function take_out = (unregister_function)(void *)GetProcAddress(ntdll, "LdrUnregisterDllNotification");
    void *first, *second;

    setvbuf(stdout, NULL, _IONBF, 0);
    check("registered twice", !add(0, on_notification, "first", &first) && !add(0, on_notification, "second", &second));
    check("no function: refused", add(0, NULL, NULL, &first) != 0);
    attempt(NULL, "teller_a.dll");
    check("one is taken out", take_out(first) == 0);
    attempt("teller_a=false", "teller_a.dll");
    attempt("teller_b=false", "teller_a.dll");
    attempt("teller_c=raise", "teller_a.dll");
    attempt("teller_c=crash", "teller_c.dll");
    check("the other is taken out", take_out(second) == 0);
    attempt(NULL, "teller_b.dll");
    return sample_wrong_facts;
}
