/* From the guest's call to a handler, and back by way of whatever must happen first: APCs, suspension, the end. */
#include "loader/nt/dispatch.h"
#include "loader/nt/arch.h"
#include "loader/nt/ps/private.h"

#include <string.h>

struct nt_config nt_config;
struct nt_process_state nt_process;

/* What the guest's numbers mean. Filled before the first guest instruction, read-only from then on. */
static struct {
    const struct nt_service *service;
    const char *name;
    unsigned name_length;
} numbers[NT_NUMBER_LIMIT];

static const struct nt_service *const areas[] = {
    nt_services_ob, nt_services_ke, nt_services_mm, nt_services_io, nt_services_cm, nt_services_ex, nt_services_ps,
};

static unsigned area_sizes[sizeof areas / sizeof *areas]; /* 0: not counted yet */

/* Names of all areas, hashed once: ntdll brings some 240 of them at every start. */
enum { HASH_SIZE = 2048 };
static const struct nt_service *hashed[HASH_SIZE];

static uint32_t hash_of(const char *name, size_t length)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (uint8_t)name[i]) * 16777619u;
    return hash ^ hash >> 15;
}

static void services_hash(void)
{
    if (hashed[hash_of("NtClose", 7) % HASH_SIZE])
        return;
    for (size_t a = 0; a < sizeof areas / sizeof *areas; a++)
        for (const struct nt_service *service = areas[a]; service->name; service++) {
            uint32_t at = hash_of(service->name, strlen(service->name)) % HASH_SIZE;
            while (hashed[at])
                at = (at + 1) % HASH_SIZE;
            hashed[at] = service;
        }
}

static const struct nt_service *service_find(const char *name, size_t length)
{
    services_hash();
    for (uint32_t at = hash_of(name, length) % HASH_SIZE; hashed[at]; at = (at + 1) % HASH_SIZE)
        if (!strncmp(hashed[at]->name, name, length) && !hashed[at]->name[length])
            return hashed[at];
    return NULL;
}

bool nt_dispatch_has(const char *name, size_t length)
{
    return service_find(name, length) != NULL;
}

bool nt_dispatch_bind(const char *name, size_t length, uint32_t number)
{
    if (number >= NT_NUMBER_LIMIT)
        return false;
    numbers[number].name = name;
    numbers[number].name_length = (unsigned)length;
    numbers[number].service = service_find(name, length);
    return numbers[number].service != NULL;
}

/* Four bits for the area, the rest for the place in it. */
enum { PLACE_BITS = 12 };

bool nt_dispatch_bind_known(const char *name, size_t length, uint32_t number, unsigned service)
{
    unsigned area = service >> PLACE_BITS, place = service & ((1u << PLACE_BITS) - 1);
    const struct nt_service *found = NULL;
    if (number >= NT_NUMBER_LIMIT || (service != NT_NO_SERVICE && area >= sizeof areas / sizeof *areas))
        return false;
    if (service != NT_NO_SERVICE) {
        if (!area_sizes[area])
            while (areas[area][area_sizes[area]].name)
                area_sizes[area]++;
        if (place >= area_sizes[area])
            return false;
        found = &areas[area][place];
    }
    numbers[number].name = name;
    numbers[number].name_length = (unsigned)length;
    numbers[number].service = found;
    return true;
}

const char *nt_dispatch_name(uint32_t number, unsigned *length, unsigned *service)
{
    const struct nt_service *handler = numbers[number].service;
    *length = numbers[number].name_length;
    *service = NT_NO_SERVICE;
    for (unsigned area = 0; handler && area < sizeof areas / sizeof *areas; area++)
        for (unsigned place = 0; areas[area][place].name; place++)
            if (&areas[area][place] == handler)
                *service = area << PLACE_BITS | place;
    return numbers[number].name;
}

unsigned nt_dispatch_known(void)
{
    unsigned known = 0;
    for (unsigned i = 0; i < NT_NUMBER_LIMIT; i++)
        known += numbers[i].service != NULL;
    return known;
}

/* The widest NT service has 17 arguments. Both Linux ABIs let a caller pass more words than the callee takes (the
 * caller removes them), which saves a switch over argument counts. */
enum { ARGUMENT_LIMIT = 18 };
typedef NTSTATUS (*any_service)(uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t,
                                uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t,
                                uintptr_t, uintptr_t);

static NTSTATUS service_call(const struct nt_service *service, const uintptr_t *a)
{
    any_service call = (any_service)service->function;
    return call(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12], a[13], a[14], a[15],
                a[16], a[17]);
}

static NTSTATUS unknown_call(uint32_t number)
{
    char name[80] = "system call out of range";
    if (number < NT_NUMBER_LIMIT && numbers[number].name) {
        size_t length = numbers[number].name_length < sizeof name ? numbers[number].name_length : sizeof name - 1;
        memcpy(name, numbers[number].name, length);
        name[length] = 0;
    }
    if (nt_config.missing)
        nt_config.missing(name);
    return STATUS_NOT_IMPLEMENTED;
}

/* Called by entry.S on the thread's kernel stack; the result goes back in the guest's eax. */
NTSTATUS nt_dispatch(struct nt_frame *frame)
{
    uintptr_t arguments[ARGUMENT_LIMIT];
    uint32_t number = nt_frame_number(frame);
    struct nt_thread *thread = nt_thread_self;
    NTSTATUS status;

    thread->in_kernel = 1;
    if (number < NT_NUMBER_LIMIT && numbers[number].service) {
        const struct nt_service *service = numbers[number].service;
        if (!nt_frame_arguments(frame, service->arguments, arguments))
            status = STATUS_ACCESS_VIOLATION;
        else
            status = service_call(service, arguments);
        if (nt_config.trace)
            nt_config.trace(service->name, arguments, service->arguments, status, thread->object->id);
    } else if (number >= NT_PRIVATE && nt_config.private_call) {
        status = nt_frame_arguments(frame, 6, arguments) ? nt_config.private_call(number, arguments) : STATUS_ACCESS_VIOLATION;
    } else {
        status = unknown_call(number);
    }
    return nt_ps_call_exit(thread, status);
}
