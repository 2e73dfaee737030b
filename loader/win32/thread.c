/* The threads that there are, for their thread-local blocks. They are told of by Windows (notify.c); one that was ended from
 * outside is not, so that what is known of a thread is proved before it is used. Under the loader lock. */
#include "loader/win32/win32.h"

#include <stdlib.h>
#include <string.h>

static struct thread { struct thread *next; struct win32_teb *teb; uintptr_t id; } *threads;

void win32_thread_add(void)
{
    struct thread *thread = malloc(sizeof *thread);
    if (!thread)
        return;
    *thread = (struct thread){threads, win32_teb(), GetCurrentThreadId()};
    threads = thread;
}

static void remove_at(struct thread **at)
{
    struct thread *gone = *at;
    *at = gone->next;
    free(gone);
}

void win32_thread_remove(void)
{
    for (struct thread **at = &threads; *at; at = &(*at)->next)
        if ((*at)->teb == win32_teb()) {
            remove_at(at);
            return;
        }
}

static bool is_alive(const struct thread *thread)
{
    MEMORY_BASIC_INFORMATION facts;
    return VirtualQuery(thread->teb, &facts, sizeof facts) && facts.State == MEM_COMMIT && thread->teb->self == thread->teb &&
           thread->teb->thread_id == thread->id;
}

void win32_threads_fill(uint32_t slot, const void *data, uint32_t size, uint32_t zero_fill)
{
    for (struct thread **at = &threads; *at;) {
        if (!is_alive(*at)) {
            remove_at(at);
            continue;
        }
        uint8_t *block = (*at)->teb->thread_local_storage ? (*at)->teb->thread_local_storage[slot] : NULL;
        if (block) {
            memcpy(block, data, size);
            memset(block + size, 0, zero_fill);
        }
        at = &(*at)->next;
    }
}
