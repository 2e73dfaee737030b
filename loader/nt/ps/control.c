/* Ctrl+C and Ctrl+Break: from the terminal (SIGINT, SIGQUIT), or from a process of the console by GenerateConsoleCtrlEvent.
 * As on Windows, each gets a thread of its own in the guest, which calls the handlers; who has none ends.
 *
 * A thread cannot be made inside a signal handler that has interrupted the kernel, which may hold any lock. There the signal
 * only leaves a note: it is read on the way out of a system call and by whoever was woken from a wait in one. A wait that
 * begins right after the note was left is woken by an alarm, which comes until somebody has read it. */
#include "loader/nt/io.h"
#include "loader/nt/ob/arena.h"
#include "loader/nt/ps/session.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

enum { ALARM_US = 10000 };

/* ---- in this process ------------------------------------------------------------------------------- */

/* Before the guest's own start has come that far there is nobody to ask, and nothing to be undone. */
static bool guest_ready(void)
{
    const struct nt_peb *peb = nt_process.peb;
    void *lock = NULL;
    return nt_process.control_entry && peb && nt_read(&lock, &peb->loader_lock, sizeof lock) && lock;
}

void nt_ps_control(uint32_t event)
{
    if (!guest_ready() || nt_ps_start_thread(nt_process.control_entry, event))
        nt_ps_process_exit(STATUS_CONTROL_C_EXIT);
}

/* A note is a set of events, bit 1 << event. */
static void note_read(void)
{
    uint32_t noted = __atomic_exchange_n(&nt_ke_note, 0, __ATOMIC_ACQ_REL);
    for (uint32_t event = 0; event < 2; event++)
        if (noted & 1u << event)
            nt_ps_control(event);
}

/* ---- signals --------------------------------------------------------------------------------------- */

/* The guest was interrupted in its own code: nothing of the host's is under way in this thread. */
static void read_in_guest(struct nt_thread *thread)
{
    thread->in_kernel = 1;
    note_read();
    thread->in_kernel = 0;
    if (thread->ending || thread->object->suspend_count > 0) /* told so meanwhile */
        syscall(SYS_tgkill, getpid(), thread->object->host_tid, NT_SIGNAL_STOP);
}

static void on_signal(int number, siginfo_t *info, void *data)
{
    static const struct itimerval again = {.it_value = {0, ALARM_US}};
    int saved_errno = errno;
    struct nt_thread *thread = nt_current();
    (void)data;
    if (number != SIGALRM && info->si_code == SI_KERNEL && !nt_ps_has_console(nt_at(nt_process.object)))
        return; /* the keys of a terminal that is not its console */
    if (number != SIGALRM)
        __atomic_or_fetch(&nt_ke_note, number == SIGQUIT ? 2u : 1u, __ATOMIC_ACQ_REL);
    if (thread && !thread->in_kernel && nt_ke_note)
        read_in_guest(thread);
    if (__atomic_load_n(&nt_ke_note, __ATOMIC_ACQUIRE))
        setitimer(ITIMER_REAL, &again, NULL);
    errno = saved_errno;
}

/* ---- to others ------------------------------------------------------------------------------------- */

/* One after the other, so that the list may change meanwhile; this process last, because it may be its end. */
static NTSTATUS control_send(uint32_t event, uint32_t group)
{
    uint32_t index = 0;
    bool self = false, any = false;
    for (;;) {
        struct nt_object *object;
        nt_lock();
        while ((object = ob_id_next(&index)) && !(nt_ps_on_console(object) && (!group || nt_ps_group((struct nt_process_object *)object) == group)))
            continue;
        if (object)
            nt_object_hold(object);
        nt_unlock();
        if (!object)
            break;
        any = true;
        if (nt_ref_of(object) == nt_process.object)
            self = true;
        else
            ps_tell((struct nt_process_object *)object, event ? PS_CONTROL_BREAK : PS_CONTROL_C);
        nt_object_release(object);
    }
    if (self)
        nt_ps_control(event);
    return any ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

/* ---- at start --------------------------------------------------------------------------------------- */

/* Somebody ends the process from outside, or the terminal is gone. */
static void on_end(int number)
{
    nt_io_restore();
    signal(number, SIG_DFL);
    raise(number);
}

static void caught(int number, const struct sigaction *action)
{
    struct sigaction before;
    if (!sigaction(number, action, &before) && before.sa_handler != SIG_DFL)
        sigaction(number, &before, NULL);
}

/* Without SA_RESTART: a read that waits comes back, looks, and waits again. A signal that the parent had ignored (nohup,
 * a background job of a plain shell) stays so. */
void nt_ps_control_open(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    nt_ke_note_read = note_read;
    nt_io_control_event = control_send;
    caught(SIGINT, &action);
    caught(SIGQUIT, &action);
    caught(SIGALRM, &action);
    action.sa_handler = on_end;
    action.sa_flags = SA_ONSTACK;
    caught(SIGTERM, &action);
    caught(SIGHUP, &action);
}
