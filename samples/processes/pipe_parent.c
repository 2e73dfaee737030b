/* Redirected standard handles: a child reads from one pipe and writes into two others. Who creates it closes the child's
 * ends of the pipes in his own table: else the end of the data never comes. */
#include "start.h"

struct pipe_pair { HANDLE ours, theirs; };

static struct pipe_pair pipe_make(BOOL child_reads)
{
    SECURITY_ATTRIBUTES attributes = { sizeof attributes, NULL, TRUE };
    HANDLE read = NULL, write = NULL;
    struct pipe_pair pair;

    check("a pipe", CreatePipe(&read, &write, &attributes, 0));
    pair.ours = child_reads ? write : read;
    pair.theirs = child_reads ? read : write;
    SetHandleInformation(pair.ours, HANDLE_FLAG_INHERIT, 0); /* the child must not hold both ends */
    return pair;
}

static int child_start(PROCESS_INFORMATION *child, const char *program, struct pipe_pair *input, struct pipe_pair *output,
                       struct pipe_pair *errors)
{
    STARTUPINFOA startup = { .cb = sizeof startup, .dwFlags = STARTF_USESTDHANDLES };
    int done;

    startup.hStdInput = input->theirs;
    startup.hStdOutput = output->theirs;
    startup.hStdError = errors->theirs;
    done = start_with(start_beside(program), 0, TRUE, &startup, child, "");
    CloseHandle(input->theirs);
    CloseHandle(output->theirs);
    CloseHandle(errors->theirs);
    return done;
}

/* Everything until the other end is closed, which is told as ERROR_BROKEN_PIPE. */
static DWORD drain(HANDLE pipe, char *text, DWORD room, DWORD *error)
{
    DWORD length = 0, got;

    while (length < room && ReadFile(pipe, text + length, room - length, &got, NULL) && got)
        length += got;
    *error = GetLastError();
    return length;
}

static void small(void)
{
    struct pipe_pair input = pipe_make(TRUE), output = pipe_make(FALSE), errors = pipe_make(FALSE);
    PROCESS_INFORMATION child;
    char text[256];
    DWORD written, length, error, available = 0;

    check("a child on three pipes", child_start(&child, "pipe_child.exe", &input, &output, &errors));
    check("nothing has come yet", PeekNamedPipe(output.ours, NULL, 0, NULL, &available, NULL) && available == 0);
    check("written", WriteFile(input.ours, "one line\nand another\n", 21, &written, NULL) && written == 21);
    check("it waits for the end of its input", start_running(child.hProcess));
    CloseHandle(input.ours);
    length = drain(output.ours, text, sizeof text - 1, &error);
    text[length] = 0;
    printf("%lu bytes came back, error %lu\n", length, error);
    for (char *line = strtok(text, "\r\n"); line; line = strtok(NULL, "\r\n"))
        printf("  [%s]\n", line);
    length = drain(errors.ours, text, sizeof text - 1, &error);
    text[length] = 0;
    printf("on standard error: [%s]\n", strtok(text, "\r\n"));
    show("exit code", start_finish(&child));
    CloseHandle(output.ours);
    CloseHandle(errors.ours);
}

enum { MUCH = 3 * 1024 * 1024 };
static char much[MUCH], back[MUCH + 16];

static DWORD WINAPI feed(void *pipe)
{
    DWORD written;

    for (DWORD done = 0; done < MUCH; done += written)
        if (!WriteFile(pipe, much + done, MUCH - done > 70000 ? 70000 : MUCH - done, &written, NULL))
            return 1;
    CloseHandle(pipe);
    return 0;
}

static void large(void)
{
    struct pipe_pair input = pipe_make(TRUE), output = pipe_make(FALSE), errors = pipe_make(FALSE);
    PROCESS_INFORMATION child;
    HANDLE writer;
    DWORD length, error, code = 1;
    int same = 1;

    for (int i = 0; i < MUCH; i++)
        much[i] = (char)('a' + i * 7 % 26);
    check("a child", child_start(&child, "pipe_child.exe", &input, &output, &errors));
    writer = CreateThread(NULL, 0, feed, input.ours, 0, NULL);
    length = drain(output.ours, back, sizeof back, &error);
    for (int i = 0; i < MUCH; i++)
        same &= back[i] == much[i] - 'a' + 'A';
    show("much more than a pipe holds came back", length);
    check("and all of it is right", same);
    check("the writer is done", WaitForSingleObject(writer, PATIENCE) == WAIT_OBJECT_0 && GetExitCodeThread(writer, &code) && !code);
    CloseHandle(writer);
    show("exit code", start_finish(&child));
    CloseHandle(output.ours);
    CloseHandle(errors.ours);
}

/* A reader that is gone: writing is an error, not the writer's end. */
static void broken(void)
{
    struct pipe_pair input = pipe_make(TRUE), output = pipe_make(FALSE), errors = pipe_make(FALSE);
    PROCESS_INFORMATION child;
    DWORD written;

    check("a child that reads nothing", child_start(&child, "create_child.exe", &input, &output, &errors));
    show("it ends", start_finish(&child));
    check("writing fails", !WriteFile(input.ours, "x", 1, &written, NULL));
    show("with error", GetLastError());
    CloseHandle(input.ours);
    CloseHandle(output.ours);
    CloseHandle(errors.ours);
}

int main(void)
{
    small();
    large();
    broken();
    return sample_wrong_facts;
}
