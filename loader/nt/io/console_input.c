/* Console input: lines for ReadFile and ReadConsole, key events for ReadConsoleInput. One terminal, one queue. */
#include "loader/nt/io/console.h"
#include "loader/nt/ob/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* ---- the terminal's own settings ------------------------------------------------------------------ */

static int changed_fd = -1; /* a descriptor of ours for the terminal that was changed */
_Static_assert(sizeof(struct termios) == sizeof ((struct io_root *)NULL)->console_found, "the same for both widths");

/* A background process would be stopped for touching the terminal: with the signal blocked the call just works. */
static void settings_apply(int fd, const struct termios *settings)
{
    sigset_t stop, old;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &stop, &old);
    tcsetattr(fd, TCSANOW, settings);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

void io_console_terminal_mode(int fd, uint32_t mode)
{
    struct termios settings;
    if (tcgetattr(fd, &settings))
        return;
    nt_lock();
    struct io_root *root = io_root();
    if (root && !root->console_found_set) {
        memcpy(root->console_found, &settings, sizeof settings);
        OB_ORDER();
        root->console_found_set = true;
    }
    nt_unlock();
    if (changed_fd < 0)
        changed_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    settings.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
    settings.c_lflag |= (mode & CONSOLE_LINE ? ICANON : 0) | (mode & CONSOLE_ECHO ? ECHO : 0) |
                        (mode & CONSOLE_PROCESSED ? ISIG : 0);
    settings.c_cc[VMIN] = 1;
    settings.c_cc[VTIME] = 0;
    settings_apply(fd, &settings);
}

/* Modes belong to the console, not to who has set them: a child's outlive it. The session's first process, for whose end the
 * shell waits, gives the terminal back. Takes no lock: a signal handler calls it, and what it reads changes once. */
void nt_io_restore(void)
{
    const struct nt_process_object *process = nt_at(nt_process.object);
    const struct io_root *root = ob_arena ? nt_at(*nt_arena_root(NT_ROOT_IO)) : NULL;
    struct termios settings;
    if (!root || !root->console_found_set || !process || process->birth)
        return;
    int fd = changed_fd >= 0 ? changed_fd : open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return;
    memcpy(&settings, root->console_found, sizeof settings);
    settings_apply(fd, &settings);
    if (fd != changed_fd)
        close(fd);
}

/* ---- bytes --------------------------------------------------------------------------------------- */

static pthread_mutex_t input_mutex = PTHREAD_MUTEX_INITIALIZER;
static char pending[8192]; /* read from the terminal, ends of lines as Windows has them */
static size_t pending_at, pending_end;

/* Takes over what the terminal sent: a line ends with CR LF in line mode; a lone Enter is CR. */
static void pending_add(const char *bytes, size_t length, bool lines)
{
    if (pending_at) {
        memmove(pending, pending + pending_at, pending_end - pending_at);
        pending_end -= pending_at;
        pending_at = 0;
    }
    for (size_t i = 0; i < length && pending_end + 2 <= sizeof pending; i++) {
        if (bytes[i] == '\n')
            pending[pending_end++] = '\r';
        if (bytes[i] != '\n' || lines)
            pending[pending_end++] = bytes[i];
    }
}

/* Something is pending afterwards, or the input has ended (false, STATUS_SUCCESS). Control-Z at the beginning of a line is
 * the end, as on Windows. Mutex held; given up while waiting. */
static bool pending_fill(int fd, NTSTATUS *status)
{
    char bytes[1024];
    *status = STATUS_SUCCESS;
    while (pending_at == pending_end) {
        bool lines = io_console_input_mode() & CONSOLE_LINE;
        pthread_mutex_unlock(&input_mutex);
        ssize_t got = read(fd, bytes, sizeof bytes);
        int error = errno;
        bool again = got < 0 && io_try_again(fd, POLLIN);
        pthread_mutex_lock(&input_mutex);
        if (again)
            continue;
        if (got < 0)
            *status = error == EINTR ? STATUS_THREAD_IS_TERMINATING : error == EIO ? STATUS_SUCCESS : io_status_of_errno(error);
        if (got <= 0 || (lines && bytes[0] == 26))
            return false;
        pending_add(bytes, (size_t)got, lines);
    }
    return true;
}

NTSTATUS io_console_read(int fd, void *buffer, uint32_t length, ULONG_PTR *done)
{
    char bytes[sizeof pending];
    NTSTATUS status;
    size_t part = 0;
    *done = 0;
    pthread_mutex_lock(&input_mutex);
    if (length && pending_fill(fd, &status)) {
        part = pending_end - pending_at < length ? pending_end - pending_at : length;
        memcpy(bytes, pending + pending_at, part);
        pending_at += part;
    } else if (!length) {
        status = STATUS_SUCCESS;
    }
    pthread_mutex_unlock(&input_mutex);
    if (!status && part && !nt_write(buffer, bytes, part))
        return STATUS_ACCESS_VIOLATION;
    *done = part;
    return status;
}

/* Bytes of the character at the front: 0: its rest has not come yet. */
static size_t character_size(const char *bytes, size_t left)
{
    unsigned char lead = (unsigned char)bytes[0];
    size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    return size <= left ? size : 0;
}

NTSTATUS io_console_read_wide(int fd, WCHAR *guest, uint32_t length, ULONG_PTR *done)
{
    WCHAR wide[1024];
    size_t room = length / sizeof(WCHAR) < 1023 ? length / sizeof(WCHAR) : 1023, count = 0;
    NTSTATUS status = STATUS_SUCCESS;
    *done = 0;
    pthread_mutex_lock(&input_mutex);
    if (room && pending_fill(fd, &status)) {
        while (pending_at < pending_end && count < room) {
            size_t size = character_size(pending + pending_at, pending_end - pending_at);
            size = size ? size : 1;
            if (size == 4 && count + 2 > room)
                break;
            count += nt_utf16_from_utf8(pending + pending_at, size, wide + count, 1024 - count);
            pending_at += size;
        }
    }
    pthread_mutex_unlock(&input_mutex);
    if (!status && count && !nt_write(guest, wide, count * sizeof(WCHAR)))
        return STATUS_ACCESS_VIOLATION;
    *done = count * sizeof(WCHAR);
    return status;
}

NTSTATUS io_console_flush(int fd)
{
    pthread_mutex_lock(&input_mutex);
    pending_at = pending_end = 0;
    pthread_mutex_unlock(&input_mutex);
    tcflush(fd, TCIFLUSH);
    return STATUS_SUCCESS;
}

/* ---- key events ---------------------------------------------------------------------------------- */

/* INPUT_RECORD with a KEY_EVENT_RECORD. */
struct record { uint16_t type, pad; int32_t down; uint16_t repeat, key, scan; WCHAR character; uint32_t state; };
_Static_assert(sizeof(struct record) == 20, "INPUT_RECORD");
enum { KEY_EVENT = 1, SHIFT_PRESSED = 0x10, LEFT_CTRL_PRESSED = 8, ENHANCED_KEY = 0x100, RECORDS = 128 };

static struct record records[RECORDS];
static unsigned record_count;

static void key_add(uint16_t key, WCHAR character, uint32_t state)
{
    struct record record = {KEY_EVENT, 0, 1, 1, key, 0, character, state};
    if (record_count + 2 > RECORDS)
        return;
    records[record_count++] = record;
    record.down = 0;
    records[record_count++] = record;
}

static void character_add(WCHAR c)
{
    uint32_t state = c >= 'A' && c <= 'Z' ? SHIFT_PRESSED : 0;
    uint16_t key = c >= 'a' && c <= 'z' ? c - 32 : (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' ' ? c : 0;
    if (c == 0x7F || c == 8)
        key = 8, c = 8;
    else if (c == '\r' || c == '\t' || c == 27)
        key = c;
    else if (c && c < 27)
        key = c + 64, state = LEFT_CTRL_PRESSED;
    key_add(key, c, state);
}

/* "ESC [ A" and its like: how many bytes were a key; 0: none. */
static size_t sequence_add(const char *bytes, size_t length)
{
    static const struct { const char *text; uint16_t key; } keys[] = {
        {"A", 0x26}, {"B", 0x28}, {"C", 0x27}, {"D", 0x25}, {"H", 0x24}, {"F", 0x23}, {"3~", 0x2E}, {"2~", 0x2D}, {"5~", 0x21}, {"6~", 0x22},
        {"1~", 0x24}, {"4~", 0x23}, {"P", 0x70}, {"Q", 0x71}, {"R", 0x72}, {"S", 0x73}, {"15~", 0x74}, {"17~", 0x75},
    };
    if (length < 3 || bytes[0] != 27 || (bytes[1] != '[' && bytes[1] != 'O'))
        return 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        size_t size = strlen(keys[i].text);
        if (length >= 2 + size && !memcmp(bytes + 2, keys[i].text, size)) {
            key_add(keys[i].key, 0, keys[i].key < 0x70 ? ENHANCED_KEY : 0);
            return 2 + size;
        }
    }
    return 0;
}

/* Turns pending bytes into events. Mutex held. */
static void records_take(void)
{
    bool raw = io_console_input_mode() & CONSOLE_VIRTUAL_INPUT;
    while (pending_at < pending_end && record_count + 4 <= RECORDS) {
        const char *front = pending + pending_at;
        size_t left = pending_end - pending_at, used = raw ? 0 : sequence_add(front, left);
        if (!used) {
            WCHAR wide[4];
            used = character_size(front, left);
            if (!used)
                break;
            size_t count = nt_utf16_from_utf8(front, used, wide, 4);
            for (size_t i = 0; i < count; i++)
                character_add(wide[i]);
        }
        pending_at += used;
    }
}

static void records_poll(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    NTSTATUS status;
    records_take();
    if (!record_count && poll(&ready, 1, 0) > 0 && pending_fill(fd, &status))
        records_take();
}

uint32_t io_console_record_count(int fd)
{
    pthread_mutex_lock(&input_mutex);
    records_poll(fd);
    uint32_t count = record_count;
    pthread_mutex_unlock(&input_mutex);
    return count;
}

NTSTATUS io_console_records(int fd, void *guest, uint32_t length, bool peek, ULONG_PTR *done)
{
    struct record taken[RECORDS];
    unsigned room = length / sizeof(struct record) < RECORDS ? length / (unsigned)sizeof(struct record) : RECORDS;
    NTSTATUS status = STATUS_SUCCESS;
    pthread_mutex_lock(&input_mutex);
    records_poll(fd);
    while (!peek && !record_count && !status && pending_fill(fd, &status))
        records_take();
    unsigned count = record_count < room ? record_count : room;
    memcpy(taken, records, count * sizeof *taken);
    if (!peek) {
        record_count -= count;
        memmove(records, records + count, record_count * sizeof *records);
    }
    pthread_mutex_unlock(&input_mutex);
    if (status)
        return status;
    *done = count * sizeof *taken;
    return nt_write(guest, taken, *done) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}
