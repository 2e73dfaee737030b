/* What the objects and waits of the NT kernel need around them, for tests without a guest: threads are plain pthreads
 * with a thread object each, and guest memory is this program's own. Included by one file of a test program only. */
#ifndef TESTS_NT_KERNEL_H
#define TESTS_NT_KERNEL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <assert.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "loader/nt/io.h"
#include "loader/nt/ke/objects.h"
#include "loader/nt/ob/arena.h"
#include "loader/nt/ps.h"

#define STATUS_IS(expression, expected) assert_int_equal((NTSTATUS)(expression), (NTSTATUS)(expected))

/* ---- stand-ins ---- */

struct nt_config nt_config;
struct nt_process_state nt_process;
static __thread struct nt_thread kernel_thread;

struct nt_thread *nt_current(void)
{
    return &kernel_thread;
}

bool nt_ps_ending(void)
{
    return kernel_thread.ending;
}

/* The first 64 KiB are never a program's. */
bool nt_read(void *to, const void *guest, size_t size)
{
    if ((uintptr_t)guest < 0x10000)
        return false;
    memcpy(to, guest, size);
    return true;
}

bool nt_write(void *guest, const void *from, size_t size)
{
    if ((uintptr_t)guest < 0x10000)
        return false;
    memcpy(guest, from, size);
    return true;
}

/* ---- processes and threads ---- */

static void kernel_thread_destroy(struct nt_object *object)
{
    nt_id_free(((struct nt_thread_object *)object)->id);
}

static void kernel_process_destroy(struct nt_object *object)
{
    nt_id_free(((struct nt_process_object *)object)->id);
}

/* Gives the calling pthread its thread object. */
static inline void kernel_thread_begin(void)
{
    struct nt_object *object;
    STATUS_IS(nt_object_create(NT_THREAD, sizeof(struct nt_thread_object), &object), STATUS_SUCCESS);
    kernel_thread = (struct nt_thread){.object = (struct nt_thread_object *)object};
    kernel_thread.object->process_id = nt_process.id;
    kernel_thread.object->exit_status = STATUS_PENDING;
    kernel_thread.object->id = nt_id_allocate(nt_ref_of(object));
    assert_int_not_equal(kernel_thread.object->id, 0);
}

static inline void kernel_thread_end(void)
{
    nt_ke_thread_ended(kernel_thread.object, 0);
    nt_object_release(&kernel_thread.object->head);
    kernel_thread.object = NULL;
}

static inline int kernel_open(void **state)
{
    struct nt_object *object;
    (void)state;
    if (!nt_arena_open() || nt_object_create(NT_PROCESS, sizeof(struct nt_process_object), &object))
        return -1;
    nt_type_destroy[NT_THREAD] = kernel_thread_destroy;
    nt_type_destroy[NT_PROCESS] = kernel_process_destroy;
    nt_process.object = nt_ref_of(object);
    nt_process.id = ((struct nt_process_object *)object)->id = nt_id_allocate(nt_process.object);
    ((struct nt_process_object *)object)->host_pid = (uint32_t)getpid();
    kernel_thread_begin();
    return 0;
}

/* What the session's watch does about a process that is gone (ps/end.c). */
static inline void kernel_process_clear(struct nt_process_object *process, uint32_t host)
{
    uint32_t index = 0;
    nt_lock();
    for (struct nt_object *object; (object = ob_id_next(&index));)
        if (object->type == NT_THREAD && ((struct nt_thread_object *)object)->process_id == process->id)
            ke_thread_end((struct nt_thread_object *)object, 1);
    ob_handles_close_all(&process->handle_table);
    ob_journals_give_back(host);
    nt_unlock();
}

/* A pthread that is a thread of the kernel while `body` runs. */
struct kernel_thread_start { void *(*body)(void *argument); void *argument; };

static void *kernel_thread_main(void *start)
{
    struct kernel_thread_start copy = *(struct kernel_thread_start *)start;
    free(start);
    kernel_thread_begin();
    void *result = copy.body(copy.argument);
    kernel_thread_end();
    return result;
}

static inline pthread_t kernel_thread_start(void *(*body)(void *argument), void *argument)
{
    pthread_t thread;
    struct kernel_thread_start *start = malloc(sizeof *start);
    assert_non_null(start);
    *start = (struct kernel_thread_start){body, argument};
    assert_int_equal(pthread_create(&thread, NULL, kernel_thread_main, start), 0);
    return thread;
}

static inline void *kernel_thread_join(pthread_t thread)
{
    void *result;
    assert_int_equal(pthread_join(thread, &result), 0);
    return result;
}

/* ---- system calls by name, as the dispatcher makes them ---- */

typedef NTSTATUS (*kernel_service)(uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t);

static inline kernel_service service_named(const char *name)
{
    const struct nt_service *areas[] = {nt_services_ob, nt_services_ke};
    for (int i = 0; i < 2; i++)
        for (const struct nt_service *service = areas[i]; service->name; service++)
            if (!strcmp(service->name, name))
                return (kernel_service)service->function;
    fail_msg("no service %s", name);
    return NULL;
}

#define WORD(value) ((uintptr_t)(value))

static inline NTSTATUS NtClose(HANDLE handle)
{
    return service_named("NtClose")(handle, 0, 0, 0, 0, 0, 0);
}

static inline NTSTATUS NtWaitForSingleObject(HANDLE handle, BOOLEAN alertable, const int64_t *timeout)
{
    return service_named("NtWaitForSingleObject")(handle, alertable, WORD(timeout), 0, 0, 0, 0);
}

enum { FOR_ALL, FOR_ANY };
static inline NTSTATUS NtWaitForMultipleObjects(ULONG count, const HANDLE *handles, ULONG type, BOOLEAN alertable,
                                                const int64_t *timeout)
{
    return service_named("NtWaitForMultipleObjects")(count, WORD(handles), type, alertable, WORD(timeout), 0, 0);
}

/* ---- names ---- */

/* OBJECT_ATTRIBUTES with an ASCII name; good until the caller's block ends. */
struct named { OBJECT_ATTRIBUTES attributes; UNICODE_STRING string; WCHAR text[512]; };

static inline const OBJECT_ATTRIBUTES *named_fill(struct named *named, HANDLE root, const char *text, ULONG flags)
{
    size_t length = text ? strlen(text) : 0;
    assert_true(length < 512);
    for (size_t i = 0; i <= length && text; i++)
        named->text[i] = (WCHAR)text[i];
    named->string = (UNICODE_STRING){(USHORT)(length * 2), (USHORT)(length * 2 + 2), named->text};
    named->attributes = (OBJECT_ATTRIBUTES){sizeof named->attributes, root, text ? &named->string : NULL, flags, NULL, NULL};
    return &named->attributes;
}
#define NAMED(root, text, flags) named_fill(&(struct named){0}, (root), (text), (flags))

/* ---- time ---- */

enum { MS = -10000 }; /* NT's relative timeouts, in milliseconds */
enum { PATIENCE = 20000 * MS }; /* for what comes for certain, on a machine however busy */

static inline double seconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline double seconds_now(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

/* What this thread has worked: others on the machine do not count. Bounds on it are far off, for a fall into searching. */
static inline double seconds_worked(void)
{
    return seconds_of(CLOCK_THREAD_CPUTIME_ID);
}

enum { GENERIC_ALL = 0x10000000, EVENT_ALL = 0x1F0003 };

/* ---- what many tests do ---- */

static inline HANDLE event_named(const OBJECT_ATTRIBUTES *attributes)
{
    HANDLE handle = 0;
    STATUS_IS(NtCreateEvent(&handle, EVENT_ALL, attributes, 0, 0), STATUS_SUCCESS);
    return handle;
}

struct object_basic { ULONG attributes, access, handles, references, rest[10]; };

static inline struct object_basic basic_of(HANDLE handle)
{
    struct object_basic basic;
    ULONG size = 0;
    STATUS_IS(NtQueryObject(handle, 0, &basic, sizeof basic, &size), STATUS_SUCCESS);
    assert_int_equal(size, 56);
    return basic;
}

static inline void text_is(const UNICODE_STRING *string, const char *expected)
{
    assert_int_equal(string->length, strlen(expected) * 2);
    for (size_t i = 0; expected[i]; i++)
        assert_int_equal(string->buffer[i], expected[i]);
}

#endif
