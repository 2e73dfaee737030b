/* The story: a file becomes a module that can run. See load.c, which is to be read first. */
#ifndef LOADER_LOAD_H
#define LOADER_LOAD_H

#include "loader/module.h"

/* The phases, one file each, in the order in which load.c calls them. Each returns false with *error filled; what it
 * did to the module is undone by ld_module_free, what it did to the list by load.c's rollback. */
/* name: as an import or LoadLibrary says it ("KERNEL32", "api-ms-win-core-file-l1-1-0.dll", "Z:/x/y.dll" is the lane's job to
 * turn into a host path). Resolves API sets (importer: for the schema's per-importer values), appends ".dll" where
 * there is no dot, and either returns a loaded module in *already or a host path in path[room]. */
bool ld_find(struct loader *loader, const char *name, const struct ld_module *importer, struct ld_module **already,
             char *path, size_t room, struct ld_error *error);
/* The same search for the next file, after `refused` files that were for another machine. */
bool ld_find_again(struct loader *loader, const char *name, const struct ld_module *importer, unsigned refused, char *path,
                   size_t room, struct ld_error *error);
#define LD_PATH_ROOM 4096u
bool ld_open(struct loader *loader, struct ld_module *module, struct ld_error *error);  /* in find.c: open, pe_open, machine check */
/* Opens a file and validates its headers: by its beginning, where the host would rather not show all of it; what that does not
 * suffice for, and whatever looks broken, is judged by the whole of it. HOST_OK: it is open, and error->code is PE_OK or says
 * what is wrong with it. Else nothing is open, and *file all zero. */
enum host_result ld_source_open(struct host *host, const char *path, struct host_file *file, struct pe_image *source,
                                struct pe_error *error);
bool ld_place(struct loader *loader, struct ld_module *module, struct ld_error *error);
bool ld_fill(struct loader *loader, struct ld_module *module, struct ld_error *error);
bool ld_relocate(struct loader *loader, struct ld_module *module, struct ld_error *error);
bool ld_cookie(struct loader *loader, struct ld_module *module, struct ld_error *error);
/* Which files the manifest of the program (resource 1) or of a DLL (resource 2) puts in the place of DLL names. A manifest
 * that cannot be understood redirects nothing. */
bool ld_manifest(struct loader *loader, struct ld_module *module, struct ld_error *error);
/* The file that stands for the DLL `name` now; NULL: no manifest that counts speaks of it. */
const char *ld_manifest_path(const struct loader *loader, const char *name);
/* Fills the IAT of one module whose needs are all mapped. Forwarders may load more: through ld_load_need. */
bool ld_bind(struct loader *loader, struct ld_module *module, struct ld_error *error);
bool ld_tls(struct loader *loader, struct ld_module *module, struct ld_error *error);
bool ld_protect(struct loader *loader, struct ld_module *module, struct ld_error *error);
/* Dependencies before dependents, cycles cut where they are met: writes at most `room` modules that are LD_READY and not
 * yet initialised into list, returns how many. */
size_t ld_order(struct loader *loader, struct ld_module *root, struct ld_module **list, size_t room);

/* Loads a program or a DLL and all it needs, to the point where only its own code is missing (LD_READY).
 * On failure the list is as it was before the call and no guest instruction has run. */
struct ld_module *ld_load(struct loader *loader, const char *name, const struct ld_module *importer, struct ld_error *error);
/* The same for a file whose host path is known (the EXE, or LoadLibrary with a path). */
struct ld_module *ld_load_path(struct loader *loader, const char *path, struct ld_error *error);
/* Maps a module and its needs while a load is under way (called by bind for forwarder targets). Outside a load it
 * is a whole load whose root nobody holds a reference to yet. */
struct ld_module *ld_load_need(struct loader *loader, const char *name, struct ld_module *importer, struct ld_error *error);

/* The address of an export, forwarders followed (through API sets, loading what they need; a loop is an error).
 * name == NULL: by ordinal. 0 with *error filled: not there. */
uint64_t ld_symbol(struct loader *loader, struct ld_module *module, const char *name, uint32_t name_len, uint32_t ordinal_or_hint,
                   struct ld_error *error);

/* A reference more; a reference less. ld_unload_plan lists what would go, in the order of detaching, without doing it;
 * the lane runs the detach calls and then frees the modules. */
void ld_reference(struct loader *loader, struct ld_module *module);
size_t ld_unload_plan(struct loader *loader, struct ld_module *module, struct ld_module **list, size_t room);

#endif
