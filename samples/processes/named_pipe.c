/* A named pipe between processes: messages, a server that waits for its client without blocking, a client that waits for a
 * server, one question in one call, and what is left when the client is ended. */
#include "start.h"

#define NAME "\\\\.\\pipe\\peload sample"

static HANDLE server_make(DWORD open_mode)
{
    return CreateNamedPipeA(NAME, PIPE_ACCESS_DUPLEX | open_mode, PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE | PIPE_WAIT, 1, 4096, 4096, 0,
                            NULL);
}

/* Two messages, then a question whose answer is longer than its buffer. */
static int talk(void)
{
    DWORD mode = PIPE_READMODE_MESSAGE, done;
    char answer[8];
    HANDLE pipe;

    if (!WaitNamedPipeA(NAME, PATIENCE))
        return 1;
    pipe = CreateFileA(NAME, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
    if (pipe == INVALID_HANDLE_VALUE || !SetNamedPipeHandleState(pipe, &mode, NULL, NULL))
        return 2;
    if (!WriteFile(pipe, "first", 5, &done, NULL) || !WriteFile(pipe, "second one", 10, &done, NULL))
        return 3;
    if (TransactNamedPipe(pipe, "how much?", 9, answer, 4, &done, NULL) || GetLastError() != ERROR_MORE_DATA || memcmp(answer, "very", 4))
        return 4;
    if (!ReadFile(pipe, answer, sizeof answer, &done, NULL) || done != 5 || memcmp(answer, " much", 5))
        return 5;
    CloseHandle(pipe);
    return 0;
}

static void message(HANDLE pipe)
{
    char text[64] = "";
    DWORD done = 0;

    if (ReadFile(pipe, text, sizeof text - 1, &done, NULL))
        printf("  \"%s\"\n", text);
    else
        printf("  error %lu\n", GetLastError());
}

static void messages(void)
{
    OVERLAPPED connected = { .hEvent = CreateEventA(NULL, TRUE, FALSE, NULL) };
    PROCESS_INFORMATION child;
    DWORD done, client = 0;
    HANDLE pipe = server_make(FILE_FLAG_OVERLAPPED);
    OVERLAPPED io = { .hEvent = CreateEventA(NULL, TRUE, FALSE, NULL) };
    char text[64];

    check("a pipe", pipe != INVALID_HANDLE_VALUE);
    check("no second one of the name", server_make(0) == INVALID_HANDLE_VALUE && GetLastError() == ERROR_PIPE_BUSY);
    check("it waits for a client", !ConnectNamedPipe(pipe, &connected) && GetLastError() == ERROR_IO_PENDING);
    check("a client process", start(start_own_path(), 0, FALSE, &child, "talk"));
    check("comes", WaitForSingleObject(connected.hEvent, PATIENCE) == WAIT_OBJECT_0);
    check("and is known", GetNamedPipeClientProcessId(pipe, &client) && client == child.dwProcessId);
    for (int i = 0; i < 3; i++) {
        memset(text, 0, sizeof text);
        if (!ReadFile(pipe, text, sizeof text - 1, NULL, &io) && GetLastError() != ERROR_IO_PENDING)
            printf("  error %lu\n", GetLastError());
        else if (GetOverlappedResult(pipe, &io, &done, TRUE))
            printf("  \"%s\"\n", text);
    }
    WriteFile(pipe, "very much", 9, NULL, &io);
    check("answered", GetOverlappedResult(pipe, &io, &done, TRUE) && done == 9);
    show("the client's exit code", start_finish(&child));
    check("it is gone", !ReadFile(pipe, text, sizeof text, NULL, &io) && GetLastError() == ERROR_BROKEN_PIPE);
    CloseHandle(pipe);
    CloseHandle(connected.hEvent);
    CloseHandle(io.hEvent);
}

/* Connects, says so, and is ended while it waits for an answer. */
static int hang(void)
{
    char text[8];
    DWORD done;
    HANDLE pipe = CreateFileA(NAME, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);

    if (pipe == INVALID_HANDLE_VALUE || !WriteFile(pipe, "here", 4, &done, NULL))
        return 1;
    return ReadFile(pipe, text, sizeof text, &done, NULL) ? 2 : 3;
}

static void a_killed_client(void)
{
    PROCESS_INFORMATION child;
    DWORD done;
    HANDLE pipe = server_make(0);

    check("a client that hangs", start(start_own_path(), 0, FALSE, &child, "hang"));
    check("connected", ConnectNamedPipe(pipe, NULL) || GetLastError() == ERROR_PIPE_CONNECTED);
    message(pipe);
    TerminateProcess(child.hProcess, 9);
    message(pipe);
    show("its exit code", start_finish(&child));
    check("writing fails", !WriteFile(pipe, "x", 1, &done, NULL) && GetLastError() == ERROR_NO_DATA);
    check("disconnected", DisconnectNamedPipe(pipe));
    check("a client process once more", start(start_own_path(), 0, FALSE, &child, "talk"));
    check("is served by the same instance", ConnectNamedPipe(pipe, NULL) || GetLastError() == ERROR_PIPE_CONNECTED);
    for (int i = 0; i < 3; i++)
        message(pipe);
    check("answered", WriteFile(pipe, "very much", 9, &done, NULL));
    show("its exit code", start_finish(&child));
    CloseHandle(pipe);
    check("no pipe is left", CreateFileA(NAME, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL) == INVALID_HANDLE_VALUE &&
                                 GetLastError() == ERROR_FILE_NOT_FOUND);
}

int main(int argc, char **argv)
{
    if (start_is(argc, argv, "talk"))
        return talk();
    if (start_is(argc, argv, "hang"))
        return hang();
    messages();
    a_killed_client();
    return sample_wrong_facts;
}
