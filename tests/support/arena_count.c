#define _GNU_SOURCE
#include "tests/support/arena_count.h"

#include "loader/nt/cm/private.h"
#include "loader/nt/io/private.h"
#include "loader/nt/ke/objects.h"
#include "loader/nt/ps/job.h"

#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { GRAIN = 16 };                 /* blocks of the arena begin at multiples of it */
struct tally { uint32_t references, handles, busy, names, users; bool reached; };

static struct tally *tallies;        /* by offset / GRAIN */
static uint32_t tally_count;
static char *report;
static size_t report_room;
static bool sound;

static void *at(nt_ref ref)
{
    return ref ? (char *)ob_arena + ref : NULL;
}

static nt_ref ref_of(const void *address)
{
    return (nt_ref)((const char *)address - (const char *)ob_arena);
}

static void wrong_say(const char *what, nt_ref ref, uint32_t stored, uint32_t counted)
{
    const struct nt_object *object = at(ref);
    if (sound)
        snprintf(report, report_room, "%s of object %x (type %u, %u references, %u handles): %u stored, %u counted", what, ref,
                 object->type, object->references, object->handles, stored, counted);
    sound = false;
}

static struct tally *tally_of(nt_ref ref)
{
    return ref / GRAIN < tally_count ? &tallies[ref / GRAIN] : NULL;
}

static void object_reach(nt_ref ref);

static void link_count(nt_ref ref)
{
    struct tally *tally = tally_of(ref);
    if (!ref)
        return;
    if (!tally || ref % GRAIN) {
        if (sound)
            snprintf(report, report_room, "a link leads to %x", ref);
        sound = false;
        return;
    }
    tally->references++;
    object_reach(ref);
}

static void thread_links(const struct nt_thread_object *thread)
{
    link_count(thread->process);
    link_count(thread->held ? ref_of(thread) : 0);
    for (uint32_t i = 0; i < thread->wait_count; i++)
        link_count(thread->blocks[i].object);
}

static void object_links(const struct nt_object *object)
{
    switch (object->type) {
    case NT_THREAD:
        thread_links((const struct nt_thread_object *)object);
        break;
    case NT_PROCESS:
        link_count(((const struct nt_process_object *)object)->held ? ref_of(object) : 0);
        link_count(((const struct nt_process_object *)object)->job);
        break;
    case NT_JOB:
        link_count(((const struct ps_job *)object)->port);
        link_count(((const struct ps_job *)object)->parent);
        break;
    case NT_FILE:
        link_count(((const struct nt_file_object *)object)->completion);
        if (((const struct io_file *)object)->pipe && tally_of(((const struct io_file *)object)->pipe))
            tally_of(((const struct io_file *)object)->pipe)->users++;
        break;
    case NT_KEY:
        if (((const struct cm_key *)object)->node && tally_of(((const struct cm_key *)object)->node))
            tally_of(((const struct cm_key *)object)->node)->users++;
        break;
    }
}

static void object_reach(nt_ref ref)
{
    struct tally *tally = tally_of(ref);
    if (!ref || !tally || tally->reached)
        return;
    tally->reached = true;
    const struct nt_object *object = at(ref);
    if (object->type <= NT_ANY || object->type >= NT_TYPE_COUNT) {
        wrong_say("type", ref, object->type, 0);
        return;
    }
    object_links(object);
}

/* ---- where references come from ------------------------------------------------------------------------ */

static void handles_count(void)
{
    for (const struct ob_handle_table *table = at(ob_arena->processes); table; table = at(table->next))
        for (uint32_t index = 1; index < table->fresh; index++) {
            const nt_ref *chunks = at(table->chunks);
            const struct ob_handle *entries = at(chunks[index >> OB_HANDLE_CHUNK_BITS]);
            nt_ref object = entries[index & ((1 << OB_HANDLE_CHUNK_BITS) - 1)].object;
            link_count(object);
            if (object && tally_of(object))
                tally_of(object)->handles++;
        }
}

static void names_count(void)
{
    const struct ob_name_table *table = at(ob_arena->names);
    link_count(ob_arena->root);
    for (uint32_t i = 0; i < table->buckets; i++)
        for (const struct ob_name *name = at(table->chains[i]); name; name = at(name->next[table->side])) {
            link_count(name->object);
            link_count(name->directory);
            tally_of(name->object)->names++;
        }
}

static bool process_lives(uint32_t host)
{
    const nt_ref *chunks = at(ob_arena->ids);
    for (uint32_t index = 2; index < ob_arena->id_next; index++) {
        const struct ob_id_entry *entries = at(chunks[index >> OB_ID_CHUNK_BITS]);
        const struct nt_process_object *process = at(entries[index & ((1 << OB_ID_CHUNK_BITS) - 1)].object);
        if (process && process->head.type == NT_PROCESS && process->host_pid == host && process->life != NT_PROCESS_ENDED)
            return true;
    }
    return false;
}

/* Nobody who has ended holds anything. */
static void journals_count(void)
{
    for (const struct ob_journal *journal = at(ob_arena->journals); journal; journal = at(journal->next)) {
        if (journal->count && !process_lives(journal->process)) {
            if (sound)
                snprintf(report, report_room, "%u references held by process %u, which has ended", journal->count, journal->process);
            sound = false;
        }
        for (uint32_t i = 0; i < journal->count; i++) {
            nt_ref object = journal->held[i] & ~(nt_ref)1;
            link_count(object);
            if (journal->held[i] & 1)
                tally_of(object)->busy++;
        }
    }
}

static void watches_count(const struct cm_node *node)
{
    for (const struct cm_watch *watch = at(node->watches); watch; watch = at(watch->next))
        link_count(watch->event);
    for (uint32_t i = 0; i < node->child_count; i++)
        watches_count(at(((const nt_ref *)at(node->children))[i]));
}

static const struct io_pipe *pipes_first(void)
{
    const struct io_root *root = at(ob_arena->roots[NT_ROOT_IO]);
    return root ? at(root->pipes) : NULL;
}

static void ids_reach(void)
{
    const nt_ref *chunks = at(ob_arena->ids);
    for (uint32_t index = 2; index < ob_arena->id_next; index++) {
        const struct ob_id_entry *entries = at(chunks[index >> OB_ID_CHUNK_BITS]);
        object_reach(entries[index & ((1 << OB_ID_CHUNK_BITS) - 1)].object);
    }
}

/* ---- comparison ---------------------------------------------------------------------------------------- */

static void waiters_compare(nt_ref ref, const struct nt_object *object)
{
    uint32_t listed = 0, waiting = 0;
    for (const struct nt_wait_block *block = at(object->waiters); block; block = at(block->next), listed++)
        waiting += block->object == ref && ke_sleeping(at(block->thread));
    if (listed != waiting)
        wrong_say("waiters", ref, listed, waiting);
}

static void object_compare(nt_ref ref, const struct tally *tally)
{
    const struct nt_object *object = at(ref);
    if (object->references != tally->references || !tally->references)
        wrong_say("references", ref, object->references, tally->references);
    if (object->handles != tally->handles)
        wrong_say("handles", ref, object->handles, tally->handles);
    if (tally->names != (object->name != 0))
        wrong_say("names", ref, object->name != 0, tally->names);
    if (object->type == NT_FILE && ((const struct io_file *)object)->pending != tally->busy)
        wrong_say("operations", ref, ((const struct io_file *)object)->pending, tally->busy);
    if (object->type == NT_KEY && at(((const struct cm_key *)object)->node)) {
        const struct cm_node *node = at(((const struct cm_key *)object)->node);
        uint32_t users = tally_of(ref_of(node))->users;
        if (node->references != users)
            wrong_say("node", ref, node->references, users);
    }
    waiters_compare(ref, object);
}

bool arena_count(char *wrong, size_t room)
{
    tally_count = ob_arena->top / GRAIN + 1;
    tallies = calloc(tally_count, sizeof *tallies);
    report = wrong;
    report_room = room;
    sound = tallies != NULL;
    snprintf(wrong, room, "%s", sound ? "" : "no memory");
    if (!sound)
        return false;
    handles_count();
    names_count();
    journals_count();
    if (ob_arena->roots[NT_ROOT_CM])
        watches_count(at(ob_arena->roots[NT_ROOT_CM]));
    for (const struct io_pipe *pipe = pipes_first(); pipe; pipe = at(pipe->next))
        link_count(pipe->event);
    ids_reach();
    for (uint32_t i = 0; i < tally_count && sound; i++)
        if (tallies[i].reached)
            object_compare(i * GRAIN, &tallies[i]);
    for (const struct io_pipe *pipe = pipes_first(); pipe && sound; pipe = at(pipe->next))
        if (pipe->users != tally_of(ref_of(pipe))->users) {
            snprintf(report, report_room, "users of pipe %x: %u stored, %u counted", ref_of(pipe), pipe->users,
                     tally_of(ref_of(pipe))->users);
            sound = false;
        }
    free(tallies);
    return sound;
}

/* ---- the lock ------------------------------------------------------------------------------------------ */

bool arena_lock_try(void)
{
    uint32_t free_word = 0;
    return __atomic_compare_exchange_n(&ob_arena->lock, &free_word, (uint32_t)syscall(SYS_gettid), false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

void arena_lock_give(void)
{
    ob_arena->turns++;
    if (__atomic_exchange_n(&ob_arena->lock, 0, __ATOMIC_RELEASE) & OB_LOCK_WAITERS)
        syscall(SYS_futex, &ob_arena->lock, FUTEX_WAKE, 1, NULL, NULL, 0);
}
