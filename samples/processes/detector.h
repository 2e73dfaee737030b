/* The detector of the injection samples. It looks at a child from outside, twice, and tells what is new:
 *   - a module in the child's list of modules: LoadLibrary brings an entry, whoever called it
 *   - executable memory of no module: private, and not an image section. A DLL stretched by hand leaves such, and nothing
 *     else; an MZ header at its beginning gives it away where it was not erased. */
#ifndef DETECTOR_H
#define DETECTOR_H

#include "remote.h"
#include <tlhelp32.h>

enum { DETECTOR_ROOM = 512 };

struct detector_view {
    int modules, regions;
    MODULEENTRY32 module[DETECTOR_ROOM];
    MEMORY_BASIC_INFORMATION region[DETECTOR_ROOM]; /* executable ones of no module */
};

static inline int detector_is_executable(const MEMORY_BASIC_INFORMATION *region)
{
    return region->State == MEM_COMMIT &&
           region->Protect & (PAGE_EXECUTE | PAGE_EXECUTE_READ | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY);
}

static inline int detector_in_module(const struct detector_view *view, const void *address)
{
    for (int i = 0; i < view->modules; i++)
        if ((const BYTE *)address >= view->module[i].modBaseAddr && (const BYTE *)address < view->module[i].modBaseAddr + view->module[i].modBaseSize)
            return 1;
    return 0;
}

/* False: the child cannot be looked at. */
static inline int detector_look(const PROCESS_INFORMATION *child, struct detector_view *view)
{
    MODULEENTRY32 entry = { .dwSize = sizeof entry };
    MEMORY_BASIC_INFORMATION region;
    HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPMODULE, child->dwProcessId);

    view->modules = view->regions = 0;
    if (snapshot == INVALID_HANDLE_VALUE)
        return 0;
    for (BOOL more = Module32First(snapshot, &entry); more && view->modules < DETECTOR_ROOM; more = Module32Next(snapshot, &entry))
        view->module[view->modules++] = entry;
    CloseHandle(snapshot);
    for (char *at = NULL; VirtualQueryEx(child->hProcess, at, &region, sizeof region) == sizeof region;) {
        char *next = (char *)region.BaseAddress + region.RegionSize;

        if (detector_is_executable(&region) && !detector_in_module(view, region.BaseAddress) && view->regions < DETECTOR_ROOM)
            view->region[view->regions++] = region;
        if (next <= at)
            break;
        at = next;
    }
    return view->modules > 0;
}

static inline int detector_knew_module(const struct detector_view *before, const MODULEENTRY32 *module)
{
    for (int i = 0; i < before->modules; i++)
        if (before->module[i].modBaseAddr == module->modBaseAddr)
            return 1;
    return 0;
}

static inline int detector_knew_region(const struct detector_view *before, const MEMORY_BASIC_INFORMATION *region)
{
    for (int i = 0; i < before->regions; i++)
        if (before->region[i].AllocationBase == region->AllocationBase)
            return 1;
    return 0;
}

static inline void detector_tell(const PROCESS_INFORMATION *child, const struct detector_view *before, const struct detector_view *now)
{
    int modules = 0, regions = 0;
    WORD magic = 0;

    for (int i = 0; i < now->modules; i++)
        if (!detector_knew_module(before, &now->module[i])) {
            printf("  detector: a module that was not there: %s\n", now->module[i].szModule);
            modules++;
        }
    for (int i = 0; i < now->regions; i++)
        if (!detector_knew_region(before, &now->region[i])) {
            int has_header = remote_read(child->hProcess, now->region[i].AllocationBase, &magic, sizeof magic) && magic == IMAGE_DOS_SIGNATURE;

            printf("  detector: executable memory of no module, %s%s\n", now->region[i].Type == MEM_PRIVATE ? "private" : "mapped",
                   has_header ? ", with a PE header in front" : "");
            regions++;
        }
    printf("  detector: %d new modules, %d new executable regions outside of modules\n", modules, regions);
}

#endif
