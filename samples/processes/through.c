/* A, with another program between itself and B, which is to start B:  through inherit|suspended PROGRAM [WORDS]
 *   inherit    @ in the words becomes the number of an inheritable event, signalled, which resets itself: B's wait is seen here
 *   suspended  PROGRAM tells the ID of B's first thread on its standard error; it goes on when a line comes on its standard input */
#include "start.h"

enum { ROOM = 4096 };

/* Above all numbers that the two others have of their own. */
static HANDLE high_event(void)
{
    HANDLE made[512], last = NULL;
    int count = 0;

    while (count < 512 && (made[count] = start_event(FALSE, TRUE)))
        count++;
    if (count)
        last = made[--count];
    while (count)
        CloseHandle(made[--count]);
    return last;
}

static void words_join(char line[ROOM], char **words, HANDLE event)
{
    size_t used = 0;

    for (*line = 0; *words && used + 2 * MAX_PATH < ROOM; words++) {
        if (event && !strcmp(*words, "@"))
            used += (size_t)sprintf(line + used, START_HANDLE " ", start_number(event));
        else
            used += (size_t)snprintf(line + used, 2 * MAX_PATH, strchr(*words, ' ') ? "\"%s\" " : "%s ", *words);
    }
}

static int inherit(char **words)
{
    STARTUPINFOA startup = { .cb = sizeof startup };
    PROCESS_INFORMATION child = { 0 };
    char line[ROOM];
    HANDLE event = high_event();

    words_join(line, words, event);
    fflush(stdout);
    int created = CreateProcessA(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &child);
    DWORD code = start_finish(&child);
    check("A: the one between was created", created);
    show("A: exit code", code);
    DWORD state = WaitForSingleObject(event, 0);
    printf("A: the event is %s\n", state == WAIT_OBJECT_0 ? "signalled still" : state == WAIT_TIMEOUT ? "reset" : "gone");
    return sample_wrong_facts;
}

/* The text until it says `end`; what is read behind that is not looked at. */
static int read_until(HANDLE pipe, char *text, const char *end)
{
    DWORD got, used = 0;

    *text = 0;
    while (!strstr(text, end) && used < ROOM - 1 && ReadFile(pipe, text + used, ROOM - 1 - used, &got, NULL) && got)
        text[used += got] = 0;
    return strstr(text, end) != NULL;
}

static int suspended(char **words)
{
    SECURITY_ATTRIBUTES inherited = { sizeof inherited, NULL, TRUE };
    STARTUPINFOA startup = { .cb = sizeof startup, .dwFlags = STARTF_USESTDHANDLES };
    PROCESS_INFORMATION child = { 0 };
    HANDLE line_in, errors_out;
    char line[ROOM], text[ROOM];
    DWORD written, id = 0;

    words_join(line, words, NULL);
    if (!CreatePipe(&startup.hStdInput, &line_in, &inherited, 0) || !CreatePipe(&errors_out, &startup.hStdError, &inherited, 0))
        return 99;
    SetHandleInformation(line_in, HANDLE_FLAG_INHERIT, 0);
    SetHandleInformation(errors_out, HANDLE_FLAG_INHERIT, 0);
    startup.hStdOutput = GetStdHandle(STD_OUTPUT_HANDLE);
    fflush(stdout);
    check("A: the one between was created", CreateProcessA(NULL, line, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &child));
    CloseHandle(startup.hStdInput);
    CloseHandle(startup.hStdError);
    check("A: it says that B is suspended", read_until(errors_out, text, "suspended"));
    char *thread = strstr(text, "thread handle "), *number = thread ? strstr(thread, "ID ") : NULL;
    if (number)
        id = strtoul(number + 3, NULL, 10);
    HANDLE handle = OpenThread(THREAD_SUSPEND_RESUME, FALSE, id);
    check("A: B's first thread can be opened by its ID", handle != NULL);
    show("A: suspended so many times before", SuspendThread(handle));
    show("A: and with A's own", ResumeThread(handle));
    CloseHandle(handle);
    printf("A: lets it go\n");
    fflush(stdout); /* before B speaks */
    sample_wrong_facts += !WriteFile(line_in, "\n", 1, &written, NULL);
    CloseHandle(line_in);
    read_until(errors_out, text, "there is no such text"); /* to its end, so that nobody waits for room */
    CloseHandle(errors_out);
    show("A: exit code", start_finish(&child));
    return sample_wrong_facts;
}

int main(int argc, char **argv)
{
    if (argc > 2 && start_is(argc, argv, "inherit"))
        return inherit(argv + 2);
    if (argc > 2 && start_is(argc, argv, "suspended"))
        return suspended(argv + 2);
    fprintf(stderr, "through inherit|suspended PROGRAM [WORDS]\n");
    return 2;
}
