/* Where the structures of a process have the fields that are looked at: offsets of Windows 10 (public symbols), which Wine
 * keeps too. A process of either width is read by these, so they are numbers here and not structures; a unit test holds them
 * against the structures of loader/nt/abi.h. */
#ifndef INSPECT_OFFSETS_H
#define INSPECT_OFFSETS_H

#include <stdint.h>

struct inspect_offsets {
    struct { uint16_t being_debugged, image_base, ldr, parameters, heap, fast_lock, api_set_map, tls_bitmap, processors,
                      loader_lock, os_major, os_minor, os_build, subsystem, subsystem_major, subsystem_minor, session; } peb;
    struct { uint16_t stack_base, stack_limit, self, process_id, thread_id, tls, peb, last_error, stack_allocation; } teb;
    struct { uint16_t flags, input, output, error, directory, dll_path, image, command_line, environment, title, desktop,
                      environment_size; } parameters;
    struct { uint16_t load_order, memory_order, init_order; } ldr;
    struct { uint16_t load_order, memory_order, init_order, base, entry, size, full_name, base_name, flags, load_count,
                      node, node_count; } entry;
};

static const struct inspect_offsets inspect_offsets_64 = {
    .peb = {0x02, 0x10, 0x18, 0x20, 0x30, 0x38, 0x68, 0x78, 0xb8, 0x110, 0x118, 0x11c, 0x120, 0x128, 0x12c, 0x130, 0x2c0},
    .teb = {0x08, 0x10, 0x30, 0x40, 0x48, 0x58, 0x60, 0x68, 0x1478},
    .parameters = {0x08, 0x20, 0x28, 0x30, 0x38, 0x50, 0x60, 0x70, 0x80, 0xb0, 0xc0, 0x3f0},
    .ldr = {0x10, 0x20, 0x30},
    .entry = {0x00, 0x10, 0x20, 0x30, 0x38, 0x40, 0x48, 0x58, 0x68, 0x6c, 0x98, 0x18},
};
static const struct inspect_offsets inspect_offsets_32 = {
    .peb = {0x02, 0x08, 0x0c, 0x10, 0x18, 0x1c, 0x38, 0x40, 0x64, 0xa0, 0xa4, 0xa8, 0xac, 0xb4, 0xb8, 0xbc, 0x1d4},
    .teb = {0x04, 0x08, 0x18, 0x20, 0x24, 0x2c, 0x30, 0x34, 0xe0c},
    .parameters = {0x08, 0x18, 0x1c, 0x20, 0x24, 0x30, 0x38, 0x40, 0x48, 0x70, 0x78, 0x290},
    .ldr = {0x0c, 0x14, 0x1c},
    .entry = {0x00, 0x08, 0x10, 0x18, 0x1c, 0x20, 0x24, 0x2c, 0x34, 0x38, 0x50, 0x0c},
};

static inline const struct inspect_offsets *inspect_offsets_of(int is_64)
{
    return is_64 ? &inspect_offsets_64 : &inspect_offsets_32;
}

#endif
