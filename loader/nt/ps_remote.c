/* What a process does for another one of its session that has asked (ps_session.h). On the service thread. */
#include "loader/nt/ps_session.h"

#include <string.h>
#include <unistd.h>

void ps_serve(struct ps_message *message, int fd, int *give)
{
    const struct nt_process_object *self = nt_at(nt_process.object);
    (void)give;
    message->size = 0;
    message->status = STATUS_NOT_IMPLEMENTED;
    switch (message->operation) {
    case PS_POKE: break;
    case PS_CONTROL_C: nt_ps_control(0); break;
    case PS_CONTROL_BREAK: nt_ps_control(1); break;
    case PS_EXIT: nt_ps_process_exit(self->exit_status);
    }
    if (fd >= 0)
        close(fd);
}
