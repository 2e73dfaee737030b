/* Which processes are on the console of the session, and in which group of it. */
#include "loader/nt/ob/arena.h"
#include "loader/nt/ps.h"

enum { CONSOLE_REAL = 5 /* lower values ask for a new console */ };

bool nt_ps_has_console(const struct nt_process_object *process)
{
    const struct nt_birth *birth = nt_at(process->birth);
    return !birth || birth->console >= CONSOLE_REAL;
}

uint32_t nt_ps_group(const struct nt_process_object *process)
{
    const struct nt_birth *birth = nt_at(process->birth);
    return birth ? birth->process_group : process->id;
}

bool nt_ps_on_console(const struct nt_object *object)
{
    const struct nt_process_object *process = (const struct nt_process_object *)object;
    return object->type == NT_PROCESS && process->life != NT_PROCESS_ENDING && process->life != NT_PROCESS_ENDED &&
           nt_ps_has_console(process);
}

unsigned nt_ps_console_list(uint32_t *ids, unsigned room)
{
    uint32_t index = 0;
    unsigned count = 0;
    nt_lock();
    for (struct nt_object *object; (object = ob_id_next(&index));)
        if (nt_ps_on_console(object)) {
            if (count < room)
                ids[count] = ((struct nt_process_object *)object)->id;
            count++;
        }
    nt_unlock();
    return count;
}
