/* Children: how a Linux process is started for one that the kernel has made, and what it finds when it begins.
 *
 * What concerns all processes of a session alike (where DLLs and our own programs are, what is traced) lies in the arena
 * once; what concerns the one child was put there by the kernel (struct nt_birth). The command line only says where. */
#include "loader/native/native.h"
#include "loader/nt/ps.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Fixed widths: both hosts read it. Texts are offsets from its beginning. */
struct lane {
    uint32_t reference, stub_missing, tell_handles;
    uint32_t trace_mask;
    int32_t trace_fd;
    uint32_t dll_set, companions, drive_c, host64, host32, cache;
    char text[];
};

static void text_put(struct lane *lane, uint32_t *at, uint32_t *place, const char *text)
{
    *place = 0;
    if (!text)
        return;
    *place = *at;
    memcpy((char *)lane + *at, text, strlen(text) + 1);
    *at += (uint32_t)strlen(text) + 1;
}

/* The first child's creator tells it for all. */
static struct lane *lane_get(void)
{
    const struct native_options *options = &native.options;
    const char *texts[] = {options->dll_set, options->companions, options->drive_c, options->host64, options->host32, options->cache};
    uint32_t size = sizeof(struct lane), at = sizeof(struct lane);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        size += texts[i] ? (uint32_t)strlen(texts[i]) + 1 : 0;
    nt_lock();
    nt_ref *root = nt_arena_root(NT_ROOT_LANE), made = *root ? 0 : nt_arena_allocate(size);
    if (made) {
        struct lane *lane = nt_at(made);
        uint32_t *places[] = {&lane->dll_set, &lane->companions, &lane->drive_c, &lane->host64, &lane->host32, &lane->cache};
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
            text_put(lane, &at, places[i], texts[i]);
        lane->reference = options->reference;
        lane->stub_missing = options->stub_missing;
        lane->tell_handles = options->tell_handles;
        lane->trace_mask = options->trace_mask;
        lane->trace_fd = options->trace_fd;
        *root = made;
    }
    struct lane *lane = nt_at(*root);
    nt_unlock();
    return lane;
}

static const char *text_get(const struct lane *lane, uint32_t place)
{
    return place ? (const char *)lane + place : NULL;
}

static void keep_open(int fd)
{
    int flags = fcntl(fd, F_GETFD);
    if (flags >= 0)
        fcntl(fd, F_SETFD, flags & ~FD_CLOEXEC);
}

/* Between vfork and exec: on the creator's memory, with descriptors and signal mask of its own. */
static _Noreturn void become(const struct nt_spawn *spawn, const struct lane *lane, const char *path, char **arguments,
                             volatile int *failure, const sigset_t *mask)
{
    /* Where its creator is killed this moment, its object is ended, and may be another's when it would write to it: it goes too. */
    const struct nt_process_object *creator = nt_at(nt_process.object);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if ((uint32_t)getppid() != creator->host_pid)
        _exit(125);
    ((struct nt_process_object *)nt_at(spawn->process))->host_pid = (uint32_t)getpid();
    keep_open(nt_arena_descriptor());
    keep_open(spawn->word);
    if (lane->trace_fd > 2)
        keep_open(lane->trace_fd);
    for (unsigned i = 0; i < spawn->count; i++)
        keep_open(spawn->descriptors[i]);
    /* A creator whose data may be executed leaves that to nobody. */
    int persona = personality(0xffffffff);
    if (persona >= 0 && persona & READ_IMPLIES_EXEC)
        personality((unsigned)persona & ~(unsigned)READ_IMPLIES_EXEC);
    prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0); /* from here on it may outlive its creator */
    sigprocmask(SIG_SETMASK, mask, NULL);
    execv(path, arguments);
    *failure = errno;
    _exit(125);
}

NTSTATUS native_spawn(const struct nt_spawn *spawn)
{
    static char name[] = "peload", command[] = ".member";
    const struct nt_process_object *process = nt_at(spawn->process);
    const struct lane *lane = lane_get();
    char arena[16], ref[16], word[16];
    if (!lane)
        return STATUS_NO_MEMORY;
    const char *path = text_get(lane, spawn->machine == PE_MACHINE_AMD64 ? lane->host64 : lane->host32);
    if (!path || (spawn->machine != PE_MACHINE_AMD64 && spawn->machine != PE_MACHINE_I386))
        return STATUS_INVALID_IMAGE_FORMAT; /* no host for such a machine */
    snprintf(arena, sizeof arena, "%d", nt_arena_descriptor());
    snprintf(word, sizeof word, "%d", spawn->word);
    snprintf(ref, sizeof ref, "%u", spawn->process);
    char *arguments[] = {name, command, arena, ref, word, nt_at(process->image_path), NULL};
    volatile int failure = 0;
    sigset_t all, old, none;
    sigfillset(&all);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &all, &old); /* no handler of ours may run in the child */
    pid_t child = vfork();
    if (child == 0)
        become(spawn, lane, path, arguments, &failure, &none);
    sigprocmask(SIG_SETMASK, &old, NULL);
    if (child < 0)
        return STATUS_INSUFFICIENT_RESOURCES;
    return failure == ENOENT ? STATUS_OBJECT_NAME_NOT_FOUND : failure ? STATUS_INSUFFICIENT_RESOURCES : STATUS_SUCCESS;
}

bool native_child_open(int arena, uint32_t process, int word, struct native_options *options)
{
    const NTSTATUS refused = STATUS_INSUFFICIENT_RESOURCES;
    if (fcntl(word, F_SETFD, FD_CLOEXEC) || !nt_arena_attach(arena) || !nt_session_attach(process, word)) {
        ssize_t told = write(word, &refused, sizeof refused); /* perhaps nobody listens any more */
        (void)told;
        return false;
    }
    nt_lock();
    const struct lane *lane = nt_at(*nt_arena_root(NT_ROOT_LANE));
    nt_unlock();
    const struct nt_process_object *object = nt_at(process);
    static char *nothing[] = {NULL};
    options->program = nt_at(object->image_path);
    options->arguments = options->environment = nothing;
    options->dll_set = text_get(lane, lane->dll_set);
    options->companions = text_get(lane, lane->companions);
    options->drive_c = text_get(lane, lane->drive_c);
    options->host64 = text_get(lane, lane->host64);
    options->host32 = text_get(lane, lane->host32);
    options->cache = text_get(lane, lane->cache);
    options->reference = lane->reference;
    options->stub_missing = lane->stub_missing;
    options->tell_handles = lane->tell_handles;
    options->trace_mask = lane->trace_mask;
    options->trace_fd = lane->trace_fd;
    return true;
}

/* What is wrong with the image itself, or with this machine, CreateProcess tells its caller. A DLL or a function that is not
 * there is found out by the new process, on Windows too: the call succeeds, and the process ends with that status. */
void native_child_refused(const struct ld_error *error)
{
    NTSTATUS status = error->ntstatus ? error->ntstatus : LD_STATUS_UNSUCCESSFUL;
    bool needs = status == LD_STATUS_DLL_NOT_FOUND || status == LD_STATUS_ENTRYPOINT_NOT_FOUND ||
                 status == LD_STATUS_ORDINAL_NOT_FOUND || error->needed_by[0];
    nt_session_tell(needs ? STATUS_SUCCESS : status);
    nt_ps_process_exit(status);
}
