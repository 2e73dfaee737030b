/* The section between parent and child. */
#include "loader/win32/order.h"

static void section_name(WCHAR *name, DWORD id)
{
    static const WCHAR prefix[] = L"Local\\peload-order-", digits[] = L"0123456789abcdef";
    int at = 0;
    for (; prefix[at]; at++)
        name[at] = prefix[at];
    for (int shift = 28; shift >= 0; shift -= 4)
        name[at++] = digits[id >> shift & 15];
    name[at] = 0;
}

struct win32_order *win32_order_make(DWORD id, HANDLE *section)
{
    WCHAR name[64];
    section_name(name, id);
    *section = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, sizeof(struct win32_order), name);
    if (!*section)
        return NULL;
    struct win32_order *order = MapViewOfFile(*section, FILE_MAP_WRITE, 0, 0, sizeof *order);
    if (order)
        order->size = sizeof *order;
    else
        CloseHandle(*section);
    return order;
}

struct win32_order *win32_order_take(void)
{
    WCHAR name[64];
    section_name(name, GetCurrentProcessId());
    HANDLE section = OpenFileMappingW(FILE_MAP_WRITE, FALSE, name);
    if (!section)
        return NULL;
    struct win32_order *order = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, sizeof *order);
    CloseHandle(section);
    return order && order->size == sizeof *order ? order : NULL;
}
