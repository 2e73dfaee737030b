/* References that a process has under way: of calls, of operations that end later, of what it keeps for itself. No handle, name
 * or other object explains them, so they are written down in the arena while they are held: whoever clears up after a process
 * that was killed gives back what it held, no more and no less.
 *
 * A journal is a thread's place to write; everything in it changes under the lock, with the count it stands for, so that it
 * does not matter which thread of the process gives a reference back. One store makes an entry, and one takes it out. */
#include "loader/nt/ob/arena.h"
#include "loader/nt/ps.h"

#include <pthread.h>
#include <unistd.h>

enum { HELD_BUSY = 1 };              /* beside the nt_ref, whose low bits are 0: an operation on the object goes with it */
_Static_assert(sizeof(struct ob_journal) == 256, "the same in 32- and 64-bit processes");

void (*nt_type_abandoned[NT_TYPE_COUNT])(struct nt_object *object);

static __thread struct ob_journal *own;
static uint32_t own_process;         /* Linux process ID; 0: not asked yet */
static pthread_key_t thread_end;

static void journal_leave(void *journal)
{
    nt_lock();
    ((struct ob_journal *)journal)->taken = 0;
    nt_unlock();
}

/* What the parent holds is the parent's. */
static void parent_forget(void)
{
    own = NULL;
    own_process = 0;
    pthread_setspecific(thread_end, NULL);
}

static void process_ask(void)
{
    static bool registered;
    if (!registered) {
        registered = true;
        pthread_atfork(NULL, NULL, parent_forget);
        pthread_key_create(&thread_end, journal_leave);
    }
    own_process = (uint32_t)getpid();
}

/* A full one stays the process's: what is in it is found there. NULL: no room in the arena, then nothing is written down. */
static struct ob_journal *journal_take(void)
{
    struct ob_journal *journal;
    if (!own_process)
        process_ask();
    if (own)
        own->taken = 0;
    for (journal = ob_at(ob_arena->journals); journal; journal = ob_at(journal->next))
        if (!journal->process || (journal->process == own_process && !journal->taken && journal->count < OB_JOURNAL_ROOM))
            break;
    if (!journal) {
        nt_ref ref = nt_arena_allocate(sizeof *journal);
        if (!(journal = ob_at(ref)))
            return own = NULL;
        journal->next = ob_arena->journals;
        OB_ORDER();
        ob_arena->journals = ref;
    }
    journal->process = own_process;
    journal->taken = 1;
    pthread_setspecific(thread_end, journal);
    return own = journal;
}

static void entry_add(nt_ref entry)
{
    struct ob_journal *journal = own;
    if ((!journal || journal->count == OB_JOURNAL_ROOM) && !(journal = journal_take()))
        return;
    journal->held[journal->count] = entry;
    OB_ORDER();
    journal->count++;
}

/* The last one first: calls are nested. */
static nt_ref *entry_in(struct ob_journal *journal, nt_ref entry)
{
    for (uint32_t i = journal->count; i-- > 0;)
        if (journal->held[i] == entry)
            return &journal->held[i];
    return NULL;
}

static nt_ref *entry_find(nt_ref entry, struct ob_journal **journal)
{
    nt_ref *found = NULL;
    if ((*journal = own) && (found = entry_in(own, entry)))
        return found;
    for (*journal = ob_at(ob_arena->journals); *journal; *journal = ob_at((*journal)->next))
        if ((*journal)->process == own_process && (found = entry_in(*journal, entry)))
            break;
    return found;
}

static void entry_remove(nt_ref entry)
{
    struct ob_journal *journal;
    nt_ref *found = entry_find(entry, &journal);
    if (!found)
        return;
    uint32_t count = (uint32_t)(found - journal->held);
    if (count + 1 < journal->count) {
        *found = 0;
        return;
    }
    while (count && !journal->held[count - 1])
        count--;
    journal->count = count;
}

void ob_journal_add(struct nt_object *object)
{
    entry_add(ob_ref(object));
}

/* ---- holding ----------------------------------------------------------------------------------------- */

void nt_object_hold(struct nt_object *object)
{
    object->references++;
    entry_add(ob_ref(object));
}

void nt_object_drop(struct nt_object *object)
{
    entry_remove(ob_ref(object));
    ob_object_unreference(object);
}

void nt_object_settle(struct nt_object *object)
{
    entry_remove(ob_ref(object));
}

void nt_object_hold_busy(struct nt_object *object)
{
    object->references++;
    entry_add(ob_ref(object) | HELD_BUSY);
}

void nt_object_hold_idle(struct nt_object *object)
{
    struct ob_journal *journal;
    nt_ref *found = entry_find(ob_ref(object) | HELD_BUSY, &journal);
    if (found)
        *found = ob_ref(object);
}

void nt_object_hand(struct nt_object *object, uint32_t process)
{
    const struct nt_process_object *to = (struct nt_process_object *)ob_id_find(process, NT_PROCESS);
    struct ob_journal *journal = to && to->life != NT_PROCESS_ENDED ? ob_at(ob_arena->journals) : NULL;
    while (journal && (journal->process != to->host_pid || journal->count == OB_JOURNAL_ROOM))
        journal = ob_at(journal->next);
    if (!journal) {
        nt_object_drop(object); /* who asked is gone */
        return;
    }
    journal->held[journal->count] = ob_ref(object);
    OB_ORDER();
    journal->count++;
    entry_remove(ob_ref(object));
}

/* ---- after the end of a process ------------------------------------------------------------------------ */

void ob_journals_give_back(uint32_t process)
{
    for (struct ob_journal *journal = ob_at(ob_arena->journals); journal; journal = ob_at(journal->next)) {
        if (!process || journal->process != process)
            continue;
        while (journal->count) {
            nt_ref entry = journal->held[journal->count - 1];
            struct nt_object *object = ob_at(entry & ~(nt_ref)HELD_BUSY);
            if (object && entry & HELD_BUSY && nt_type_abandoned[object->type])
                nt_type_abandoned[object->type](object);
            OB_ORDER();
            journal->count--;
            OB_ORDER();
            if (object)
                ob_object_unreference(object);
        }
        journal->taken = 0;
        OB_ORDER();
        journal->process = 0;
    }
}

void ob_journals_visit(void (*visit)(struct nt_object *object, bool busy))
{
    for (struct ob_journal *journal = ob_at(ob_arena->journals); journal; journal = ob_at(journal->next))
        for (uint32_t i = 0; i < journal->count; i++)
            if (journal->held[i])
                visit(ob_at(journal->held[i] & ~(nt_ref)HELD_BUSY), journal->held[i] & HELD_BUSY);
}
