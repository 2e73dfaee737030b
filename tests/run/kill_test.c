/* A session whose members are killed by SIGKILL, at any moment and again and again, from outside: the others go on, every count
 * is at every moment what handles, waits and the like explain, and at the end nothing of the dead is left. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "loader/nt/ob/arena.h"
#include "tests/support/arena_count.h"

#define PELOAD TEST_BUILD "/peload"
enum { SECONDS = 3, LIMIT = 120, CHILDREN_LIMIT = 64 };

/* The Linux processes whose parent is `parent`. */
static unsigned children_of(pid_t parent, pid_t *list)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc");
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) && count < CHILDREN_LIMIT;) {
        char path[300], text[512];
        int of = 0;
        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        FILE *file = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' ? fopen(path, "r") : NULL;
        char *end = file && fgets(text, sizeof text, file) ? strrchr(text, ')') : NULL;
        if (file)
            fclose(file);
        if (end && sscanf(end, ") %*c %d", &of) == 1 && of == parent)
            list[count++] = (pid_t)atoi(entry->d_name);
    }
    closedir(folder);
    return count;
}

static pid_t program_start(const char *machine, int output)
{
    char path[256], seconds[16];
    snprintf(path, sizeof path, TEST_BUILD "/samples/%s/killed.exe", machine);
    snprintf(seconds, sizeof seconds, "%d", SECONDS);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        alarm(LIMIT);
        dup2(open("/dev/null", O_RDONLY), 0);
        dup2(output, 1);
        execl(PELOAD, "peload", "run", path, seconds, (char *)NULL);
        _exit(125);
    }
    return pid;
}

/* ---- the session's arena, seen from here ---- */

static size_t arena_size;

/* As long as the session has not begun there is none. */
static bool arena_find(pid_t program)
{
    char path[64], target[64];
    struct stat facts;
    snprintf(path, sizeof path, "/proc/%d/fd", program);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && !arena_size && (entry = readdir(folder));) {
        ssize_t length = readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1);
        target[length > 0 ? length : 0] = 0;
        if (!strstr(target, OB_ARENA_NAME))
            continue;
        int fd = openat(dirfd(folder), entry->d_name, O_RDWR | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &facts))
            continue;
        void *base = mmap(NULL, (size_t)facts.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        if (base == MAP_FAILED)
            continue;
        ob_arena = base;
        arena_size = (size_t)facts.st_size;
    }
    if (folder)
        closedir(folder);
    return arena_size && ob_arena->magic == OB_ARENA_MAGIC;
}

static void arena_leave(void)
{
    if (arena_size)
        munmap(ob_arena, arena_size);
    arena_size = 0;
}

static void session_fail(pid_t program, const char *wrong)
{
    pid_t list[CHILDREN_LIMIT];
    kill(program, SIGSTOP); /* it would make others in their place */
    for (unsigned count = children_of(program, list); count-- > 0;)
        kill(list[count], SIGKILL);
    kill(program, SIGKILL);
    fail_msg("%s", wrong);
}

/* False: the lock was never free while we looked. Whoever was killed inside it is cleared up after by the session. */
static bool arena_is_counted(pid_t program)
{
    char wrong[256];
    if (!arena_size && !arena_find(program))
        return false;
    for (int i = 0; i < 500; i++, usleep(50))
        if (arena_lock_try()) {
            bool sound = arena_count(wrong, sizeof wrong);
            arena_lock_give();
            if (!sound)
                session_fail(program, wrong);
            return true;
        }
    return false;
}

static unsigned number_behind(const char *text, const char *word)
{
    const char *at = strstr(text, word);
    assert_non_null(at);
    return (unsigned)strtoul(at + strlen(word), NULL, 10);
}

/* `newborn`: as soon as they appear, many before they have become one of the session. */
static void killed_members(const char *machine, bool newborn)
{
    char text[4096];
    unsigned kills = 0, counts = 0;
    int status, ends[2];
    pid_t list[CHILDREN_LIMIT];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t program = program_start(machine, ends[1]);
    close(ends[1]);
    for (unsigned i = 0; !waitpid(program, &status, WNOHANG); i++) {
        unsigned count = children_of(program, list);
        usleep(newborn ? i % 5 * 800 : 20000 + i % 7 * 13000);
        /* A number is not used again so soon: the parent has it still, or it is gone. */
        if (count && !kill(list[i % count], SIGKILL))
            kills++;
        counts += arena_is_counted(program);
    }
    arena_leave();
    ssize_t length = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    text[length > 0 ? length : 0] = 0;
    print_message("%s: %u killed, counted %u times\n%s", machine, kills, counts, text);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(kills > 0);
    assert_true(counts > 0);
    assert_true(number_behind(text, "killed: ") > 0);
    assert_int_equal(number_behind(text, "otherwise: "), 0);
}

static void killed_x64(void **state)
{
    (void)state;
    killed_members("x64", false);
    killed_members("x64", true);
}

static void killed_x86(void **state)
{
    (void)state;
    if (access(TEST_BUILD "/peload32", X_OK))
        skip();
    killed_members("x86", false);
    killed_members("x86", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(killed_x64), cmocka_unit_test(killed_x86)};
    setenv("PELOAD_DRIVE_C", TEST_BUILD "/tests/drive_c", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
