/* What happens between processes: a child created and ended, a ball played between two processes by two events, bytes through
 * a pipe. The child is this program again. */
#include "bench.h"
#include <string.h>

enum { CHILDREN = 8, BALLS = 500, ROUNDS = 7, PIECE = 65536, PIECES = 1024 };

static HANDLE inheritable_event(void)
{
    SECURITY_ATTRIBUTES attributes = { sizeof attributes, NULL, TRUE };
    HANDLE event = CreateEventA(&attributes, FALSE, FALSE, NULL);

    bench_need(event != NULL, "CreateEvent");
    return event;
}

static HANDLE child_start(STARTUPINFOA *startup, const char *words)
{
    PROCESS_INFORMATION child;
    char path[MAX_PATH], line[2 * MAX_PATH];

    startup->cb = sizeof *startup;
    GetModuleFileNameA(NULL, path, sizeof path);
    snprintf(line, sizeof line, "\"%s\" %s", path, words);
    bench_need(CreateProcessA(path, line, NULL, NULL, TRUE, 0, NULL, NULL, startup, &child), "CreateProcess");
    CloseHandle(child.hThread);
    return child.hProcess;
}

static void child_wait(HANDLE child)
{
    bench_need(WaitForSingleObject(child, 60000) == WAIT_OBJECT_0, "the child's end");
    CloseHandle(child);
}

static void create_and_end(void *unused)
{
    STARTUPINFOA startup = {0};

    (void)unused;
    child_wait(child_start(&startup, "nothing"));
}

static HANDLE there, back;

static void play(void *unused)
{
    (void)unused;
    SetEvent(there);
    bench_need(WaitForSingleObject(back, 60000) == WAIT_OBJECT_0, "the ball");
}

static void ping_pong(void)
{
    STARTUPINFOA startup = {0};
    char words[64];

    there = inheritable_event();
    back = inheritable_event();
    snprintf(words, sizeof words, "partner %llx %llx", (unsigned long long)(ULONG_PTR)there, (unsigned long long)(ULONG_PTR)back);
    HANDLE child = child_start(&startup, words);
    printf("ping_pong_ns %.1f\n", bench_repeat(play, NULL, BALLS));
    child_wait(child);
}

static int partner(char **argv)
{
    there = (HANDLE)(ULONG_PTR)strtoull(argv[2], NULL, 16);
    back = (HANDLE)(ULONG_PTR)strtoull(argv[3], NULL, 16);
    for (int i = 0; i < ROUNDS * BALLS; i++) {
        bench_need(WaitForSingleObject(there, 60000) == WAIT_OBJECT_0, "the ball");
        SetEvent(back);
    }
    return 0;
}

static char piece[PIECE];

static int pour(void)
{
    HANDLE output = GetStdHandle(STD_OUTPUT_HANDLE);
    DWORD written;

    for (int i = 0; i < PIECES; i++)
        if (!WriteFile(output, piece, PIECE, &written, NULL) || written != PIECE)
            return 1;
    return 0;
}

static void pipe_through(void)
{
    SECURITY_ATTRIBUTES attributes = { sizeof attributes, NULL, TRUE };
    STARTUPINFOA startup = { .dwFlags = STARTF_USESTDHANDLES };
    HANDLE read, write;
    double begin, got_all = 0;
    DWORD got;

    bench_need(CreatePipe(&read, &write, &attributes, PIECE), "CreatePipe");
    SetHandleInformation(read, HANDLE_FLAG_INHERIT, 0);
    startup.hStdInput = GetStdHandle(STD_INPUT_HANDLE);
    startup.hStdOutput = write;
    startup.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    HANDLE child = child_start(&startup, "pour");
    CloseHandle(write);
    bench_need(ReadFile(read, piece, PIECE, &got, NULL), "ReadFile"); /* it runs: from here on the pipe alone is timed */
    begin = bench_now();
    while (ReadFile(read, piece, PIECE, &got, NULL) && got)
        got_all += got;
    printf("pipe_rate %.1f\n", got_all / (bench_now() - begin) * 1e9 / (1024 * 1024));
    bench_need(got_all > (double)(PIECES - 2) * PIECE, "all of the bytes");
    CloseHandle(read);
    child_wait(child);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "nothing"))
        return 0;
    if (argc > 3 && !strcmp(argv[1], "partner"))
        return partner(argv);
    if (argc > 1 && !strcmp(argv[1], "pour"))
        return pour();
    printf("process_ms %.3f\n", bench_repeat(create_and_end, NULL, CHILDREN) / 1e6);
    ping_pong();
    pipe_through();
    return 0;
}
