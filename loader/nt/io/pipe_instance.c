/* Instances of named pipes, in a list that the session shares: found, left, mended after a killed owner of the lock, which is
 * held in most of what follows. */
#include "loader/nt/io/private.h"
#include "loader/nt/ob/arena.h"

#include <limits.h>
#include <string.h>

static bool pipe_is(const struct io_pipe *pipe, const WCHAR *name, unsigned length)
{
    return pipe->name_length && !io_name_compare(pipe->name, pipe->name_length, name, length);
}

struct io_pipe *io_pipe_find(const WCHAR *name, unsigned length, uint32_t state, unsigned *count)
{
    struct io_root *root = io_root();
    struct io_pipe *found = NULL;
    *count = 0;
    for (struct io_pipe *pipe = root ? nt_at(root->pipes) : NULL; pipe; pipe = nt_at(pipe->next)) {
        if (!pipe->server || !pipe_is(pipe, name, length))
            continue;
        ++*count;
        if (!state || pipe->state == state)
            found = pipe; /* the list runs from the newest to the oldest: the oldest waits longest */
    }
    return found;
}

/* Those who wait for an instance look again. */
void io_pipe_turn_tell(void)
{
    struct io_root *root = io_root();
    __atomic_add_fetch(&root->pipe_turns, 1, __ATOMIC_RELEASE);
    ob_futex_wake(&root->pipe_turns, INT_MAX);
}

static void pipe_leave(struct io_pipe *pipe)
{
    if (--pipe->users)
        return;
    nt_ref *link = &io_root()->pipes;
    while (*link != nt_ref_of(pipe))
        link = &((struct io_pipe *)nt_at(*link))->next;
    *link = pipe->next;
    OB_ORDER();
    if (pipe->event)
        nt_object_unreference(nt_at(pipe->event));
    nt_arena_free(nt_ref_of(pipe), sizeof *pipe);
}

/* An end was closed: the other one reads what is left and then finds the pipe broken (its socket says so). */
void io_pipe_closed(struct io_file *file)
{
    struct io_pipe *pipe = nt_at(file->pipe);
    if (pipe->server == nt_ref_of(file)) {
        pipe->server = 0;
        io_pipe_turn_tell();
    } else if (pipe->client == nt_ref_of(file)) {
        pipe->client = 0;
        if (pipe->state == PIPE_CONNECTED)
            __atomic_store_n(&pipe->state, PIPE_CLOSING, __ATOMIC_RELEASE);
    }
}

void io_pipe_objects(void (*visit)(struct nt_object *object))
{
    for (struct io_pipe *pipe = nt_at(io_root()->pipes); pipe; pipe = nt_at(pipe->next)) {
        const nt_ref objects[3] = {pipe->server, pipe->client, pipe->event};
        for (int i = 0; i < 3; i++)
            if (objects[i])
                visit(nt_at(objects[i]));
    }
}

void io_pipe_links(void (*visit)(struct nt_object *to))
{
    for (struct io_pipe *pipe = nt_at(io_root()->pipes); pipe; pipe = nt_at(pipe->next))
        if (pipe->event)
            visit(nt_at(pipe->event));
}

static void pipes_mend(uint32_t ended)
{
    for (struct io_pipe *pipe = nt_at(io_root()->pipes), *next; pipe; pipe = next) {
        struct io_file *ends[2] = {nt_at(pipe->server), nt_at(pipe->client)};
        next = nt_at(pipe->next);
        for (int i = 0; i < 2; i++)
            if (ends[i] && !ends[i]->file.head.handles && ends[i]->opener == ended)
                io_pipe_closed(ends[i]);
        if (!pipe->users) {
            pipe->users = 1;
            pipe_leave(pipe);
        }
    }
}

void io_pipe_users_reset(void)
{
    for (struct io_pipe *pipe = nt_at(io_root()->pipes); pipe; pipe = nt_at(pipe->next))
        pipe->users = 0;
}

static struct io_file *end_unheld(void)
{
    for (const struct io_pipe *pipe = nt_at(io_root()->pipes); pipe; pipe = nt_at(pipe->next)) {
        struct io_file *server = nt_at(pipe->server), *client = nt_at(pipe->client);
        if (server && !server->file.head.references)
            return server;
        if (client && !client->file.head.references)
            return client;
    }
    return NULL;
}

/* After a killed owner of the lock: an end whose handles are gone was being closed. */
void io_pipe_repair(void)
{
    for (struct io_file *file; (file = end_unheld());)
        io_file_lose(file);
    pipes_mend(0);
}

void io_pipe_process_ended(uint32_t id)
{
    pipes_mend(id);
}

/* An operation that is still on its way out may look at the pipe until the file object itself goes. */
void io_pipe_destroyed(struct io_file *file)
{
    struct io_pipe *pipe = nt_at(file->pipe);
    file->pipe = 0;
    pipe_leave(pipe);
}

bool io_pipe_name(struct io_file *file, WCHAR *out, unsigned *length)
{
    nt_lock();
    struct io_pipe *pipe = nt_at(file->pipe);
    bool named = pipe && pipe->name_length;
    if (named) {
        out[0] = '\\';
        memcpy(out + 1, pipe->name, pipe->name_length * sizeof(WCHAR));
        *length = pipe->name_length + 1;
    }
    nt_unlock();
    return named;
}
