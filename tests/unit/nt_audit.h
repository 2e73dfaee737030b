/* An independent audit of the arena: what must always be true of it, whoever was killed. Included by one file of a test
 * program only, behind nt_kernel.h. */
#ifndef TESTS_NT_AUDIT_H
#define TESTS_NT_AUDIT_H

#include "tests/support/arena_count.h"

static struct nt_object *counted[4096];
static uint32_t counted_handles[4096], counted_length;

static void handles_count(struct nt_object *object)
{
    uint32_t i = 0;
    while (i < counted_length && counted[i] != object)
        i++;
    assert_true(i < 4096);
    if (i == counted_length) {
        counted[counted_length] = object;
        counted_handles[counted_length++] = 0;
    }
}

/* Who has ended has nothing open and nothing left to himself. */
static void process_check(const struct nt_process_object *process)
{
    if (process->life != NT_PROCESS_ENDED)
        return;
    assert_true(process->head.signal > 0);
    assert_int_equal(process->handle_table, 0);
    assert_int_equal(process->thread_count, 0);
    assert_int_equal(process->held, 0);
}

static void thread_check(const struct nt_thread_object *thread)
{
    const struct nt_process_object *process = nt_at(thread->process);
    assert_true(thread->head.signal > 0 || !process || process->life != NT_PROCESS_ENDED);
    if (thread->head.signal <= 0)
        return;
    assert_false(ke_sleeping(thread));
    assert_int_equal(thread->mutants, 0);
}

static void mutant_check(const struct ke_mutant *mutant)
{
    const struct nt_thread_object *owner = nt_at(mutant->owner);
    assert_true((mutant->head.signal > 0) == !owner);
    if (owner)
        assert_int_equal(owner->head.type, NT_THREAD);
}

/* Lock held. What must always be true of the arena, told apart from the code that keeps it so. */
static void arena_check(void)
{
    char wrong[256];
    const struct ob_name_table *table = nt_at(ob_arena->names);
    uint32_t names = 0, listed = 0;
    if (!arena_count(wrong, sizeof wrong))
        fail_msg("%s", wrong);
    counted_length = 0;
    ob_objects_visit(handles_count);
    for (nt_ref at = ob_arena->processes, previous = 0; at; previous = at, at = ((struct ob_handle_table *)nt_at(at))->next) {
        const struct ob_handle_table *handles = nt_at(at);
        assert_int_equal(handles->prev, previous);
        for (uint32_t index = 1; index < handles->fresh; index++)
            for (uint32_t i = 0; ob_table_entry(handles, index)->object && i < counted_length; i++)
                counted_handles[i] += nt_ref_of(counted[i]) == ob_table_entry(handles, index)->object;
    }
    for (uint32_t i = 0; i < table->buckets; i++)
        for (nt_ref at = table->chains[i]; at; at = ((struct ob_name *)nt_at(at))->next[table->side], names++) {
            const struct ob_name *name = nt_at(at);
            assert_int_equal(((struct nt_object *)nt_at(name->object))->name, at);
            assert_int_equal(name->hash % table->buckets, i);
        }
    assert_int_equal(names, ob_arena->name_count);
    for (uint32_t i = 0; i < counted_length; i++) {
        const struct nt_object *object = counted[i];
        assert_true(object->type > NT_ANY && object->type < NT_TYPE_COUNT);
        assert_int_equal(object->handles, counted_handles[i]);
        assert_true(object->references >= object->handles + (object->name != 0));
        assert_true(!object->name || object->handles || object->flags & NT_OBJECT_PERMANENT);
        for (nt_ref at = object->waiters; at; at = ((struct nt_wait_block *)nt_at(at))->next) {
            const struct nt_wait_block *block = nt_at(at);
            assert_int_equal(block->object, nt_ref_of(object));
            assert_true(ke_sleeping(nt_at(block->thread)));
            nt_ref next = block->next ? block->next : object->waiters;
            assert_int_equal(((struct nt_wait_block *)nt_at(next))->prev, at);
        }
        if (object->type != NT_DIRECTORY)
            continue;
        const struct ob_directory *directory = (const struct ob_directory *)object;
        nt_ref previous = 0;
        for (nt_ref at = directory->first; at; previous = at, at = ((struct ob_name *)nt_at(at))->sibling_next, listed++) {
            assert_int_equal(((struct ob_name *)nt_at(at))->sibling_prev, previous);
            assert_int_equal(((struct ob_name *)nt_at(at))->directory, nt_ref_of(object));
        }
        assert_int_equal(directory->last, previous);
    }
    assert_int_equal(listed, names);
    for (uint32_t i = 0; i < counted_length; i++)
        if (counted[i]->type == NT_PROCESS)
            process_check((const struct nt_process_object *)counted[i]);
        else if (counted[i]->type == NT_THREAD)
            thread_check((const struct nt_thread_object *)counted[i]);
        else if (counted[i]->type == NT_MUTANT)
            mutant_check((const struct ke_mutant *)counted[i]);
}

#endif
