/* The console: a terminal seen through Wine's console driver codes (its kernelbase knows no others). The terminal itself
 * keeps the screen; here are only modes, code pages and the translation of a few requests into escape sequences.
 *
 * Both code pages are UTF-8 from the start, because that is what the terminal speaks: bytes of WriteFile and of
 * ReadFile pass unchanged and mean what GetConsoleOutputCP says. */
#include "loader/nt/io/console.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { PAGE_UTF8 = 65001, INPUT_MODE = 0x1F7, OUTPUT_MODE = 3, COLOURS_DEFAULT = 7 };

/* Structures of Wine's driver, the same on both widths. */
struct input_info { uint32_t input_page, output_page, count; };
struct input_info_setting { uint32_t mask; struct input_info info; };
struct output_info {
    int16_t cursor_size, cursor_visible, x, y, width, height, attributes, popup, left, top, right, bottom, max_width, max_height,
        font_width, font_height, font_weight, font_family;
    uint32_t colours[16];
};
struct output_info_setting { uint32_t mask; struct output_info info; };
struct fill { int32_t x, y, mode, count, wrap; WCHAR character; uint16_t attributes; };
_Static_assert(sizeof(struct output_info) == 100 && sizeof(struct fill) == 24, "console driver");
enum { SET_CURSOR = 1, SET_POSITION = 2, SET_ATTRIBUTES = 8 };

/* ---- state --------------------------------------------------------------------------------------- */

/* Lock held. */
static struct io_root *state(void)
{
    struct io_root *root = io_root();
    if (root && !root->console_set) {
        root->console_set = true;
        root->console_input_mode = INPUT_MODE;
        root->console_output_mode = OUTPUT_MODE;
        root->console_input_page = root->console_output_page = PAGE_UTF8;
        root->console_attributes = COLOURS_DEFAULT;
    }
    return root;
}

uint32_t io_console_input_mode(void)
{
    nt_lock();
    struct io_root *root = state();
    uint32_t mode = root ? root->console_input_mode : INPUT_MODE;
    nt_unlock();
    return mode;
}

/* ---- opening ------------------------------------------------------------------------------------- */

/* A connection needs no terminal: kernelbase asks it for code pages only. */
NTSTATUS io_console_open(enum io_place place, ACCESS_MASK access, ULONG options, struct io_file **out, int *fd)
{
    *fd = io_open("/dev/tty", 2 /* O_RDWR */, 0);
    if (*fd < 0 && place != IO_PLACE_CONSOLE)
        return STATUS_INVALID_HANDLE;
    NTSTATUS status = io_file_create(NT_FILE_CONSOLE, options | FILE_SYNCHRONOUS_IO_NONALERT, NULL, out);
    if (status) {
        if (*fd >= 0)
            close(*fd);
        return status;
    }
    (*out)->device_type = FILE_DEVICE_CONSOLE;
    (*out)->screen = place == IO_PLACE_CONSOLE_OUTPUT;
    (*out)->input = place == IO_PLACE_CONSOLE_INPUT || (place == IO_PLACE_CONSOLE && !(access & FILE_WRITE_DATA));
    return STATUS_SUCCESS;
}

NTSTATUS nt_io_console(HANDLE *out)
{
    struct io_file *file;
    int fd;
    NTSTATUS status = io_console_open(IO_PLACE_CONSOLE, FILE_READ_DATA | FILE_WRITE_DATA, 0, &file, &fd);
    if (status)
        return status;
    status = nt_handle_create(&file->file.head, nt_access_map(NT_FILE, 0x10000000), OBJ_INHERIT, fd, out);
    file->opener = 0;
    io_file_release(file);
    if (status && fd >= 0)
        close(fd);
    return status;
}

/* ---- output -------------------------------------------------------------------------------------- */

static NTSTATUS send_all(int fd, const char *text, size_t length)
{
    while (length) {
        ssize_t put = write(fd, text, length);
        if (put < 0 && io_try_again(fd, POLLOUT))
            continue;
        if (put < 0)
            return io_status_of_errno(errno);
        text += put;
        length -= (size_t)put;
    }
    return STATUS_SUCCESS;
}

static NTSTATUS send_text(int fd, const char *text)
{
    return send_all(fd, text, strlen(text));
}

/* UTF-16 in pieces; a pair of surrogates stays together. */
static NTSTATUS write_wide(int fd, const WCHAR *guest, size_t length)
{
    enum { PIECE = 1024 };
    WCHAR wide[PIECE];
    char bytes[PIECE * 3 + 1];
    NTSTATUS status = STATUS_SUCCESS;
    for (size_t at = 0; at < length && !status;) {
        size_t part = length - at < PIECE ? length - at : PIECE;
        if (!nt_read(wide, guest + at, part * sizeof(WCHAR)))
            return STATUS_ACCESS_VIOLATION;
        if (at + part < length && wide[part - 1] >= 0xD800 && wide[part - 1] < 0xDC00)
            part--;
        status = send_all(fd, bytes, nt_utf8_from_utf16(wide, part, bytes, sizeof bytes));
        at += part;
    }
    return status;
}

static NTSTATUS write_bytes(int fd, const char *guest, size_t length)
{
    char bytes[1024];
    NTSTATUS status = STATUS_SUCCESS;
    for (size_t at = 0; at < length && !status;) {
        size_t part = length - at < sizeof bytes ? length - at : sizeof bytes;
        if (!nt_read(bytes, guest + at, part))
            return STATUS_ACCESS_VIOLATION;
        status = send_all(fd, bytes, part);
        at += part;
    }
    return status;
}

/* Windows counts blue 1, green 2, red 4; terminals red 1, green 2, blue 4. */
static unsigned colour(unsigned windows)
{
    return (windows >> 2 & 1) | (windows & 2) | (windows & 1) << 2;
}

static NTSTATUS attributes_send(int fd, uint32_t attributes)
{
    char text[32];
    unsigned front = attributes & 15, back = attributes >> 4 & 15;
    if (front == COLOURS_DEFAULT && !back)
        return send_text(fd, "\033[0m");
    int length = snprintf(text, sizeof text, "\033[0;%u", (front & 8 ? 90 : 30) + colour(front));
    if (back)
        length += snprintf(text + length, sizeof text - (size_t)length, ";%u", (back & 8 ? 100 : 40) + colour(back));
    snprintf(text + length, sizeof text - (size_t)length, "m");
    return send_text(fd, text);
}

static void size_of_terminal(int fd, int16_t *width, int16_t *height)
{
    struct winsize size = {0};
    bool known = !ioctl(fd, TIOCGWINSZ, &size) && size.ws_col && size.ws_row;
    *width = known ? (int16_t)size.ws_col : 80;
    *height = known ? (int16_t)size.ws_row : 25;
}

static NTSTATUS fill_output(int fd, const struct fill *fill)
{
    char text[64], bytes[8];
    int16_t width, height;
    if (fill->mode != 0 && fill->mode != 2)
        return STATUS_SUCCESS; /* attributes alone: the terminal keeps its own */
    size_of_terminal(fd, &width, &height);
    int left = width * height - (fill->y * width + fill->x), count = fill->count < left ? fill->count : left;
    if (fill->x < 0 || fill->y < 0 || count <= 0)
        return STATUS_SUCCESS;
    if (!fill->x && !fill->y && count == width * height && fill->character == ' ')
        return send_text(fd, "\0337\033[2J\0338");
    size_t size = nt_utf8_from_utf16(&fill->character, 1, bytes, sizeof bytes);
    snprintf(text, sizeof text, "\0337\033[%d;%dH", fill->y + 1, fill->x + 1);
    NTSTATUS status = send_text(fd, text);
    for (int i = 0; i < count && !status; i++)
        status = send_all(fd, bytes, size);
    return status ? status : send_text(fd, "\0338");
}

static NTSTATUS output_set(int fd, const struct output_info_setting *setting)
{
    char text[32];
    NTSTATUS status = STATUS_SUCCESS;
    nt_lock();
    struct io_root *root = state();
    if (root && setting->mask & SET_ATTRIBUTES)
        root->console_attributes = (uint16_t)setting->info.attributes;
    if (root && setting->mask & SET_POSITION) {
        root->console_x = (uint16_t)setting->info.x;
        root->console_y = (uint16_t)setting->info.y;
    }
    nt_unlock();
    if (setting->mask & SET_ATTRIBUTES)
        status = attributes_send(fd, (uint16_t)setting->info.attributes);
    if (setting->mask & SET_POSITION && !status) {
        snprintf(text, sizeof text, "\033[%d;%dH", setting->info.y + 1, setting->info.x + 1);
        status = send_text(fd, text);
    }
    if (setting->mask & SET_CURSOR && !status)
        status = send_text(fd, setting->info.cursor_visible ? "\033[?25h" : "\033[?25l");
    return status;
}

/* The cursor stands where it was last put: what was written since then only the terminal knows. */
static struct output_info output_get(int fd)
{
    static const uint32_t colours[16] = {0, 0x800000, 0x8000, 0x808000, 0x80, 0x800080, 0x8080, 0xC0C0C0, 0x808080, 0xFF0000,
                                         0xFF00, 0xFFFF00, 0xFF, 0xFF00FF, 0xFFFF, 0xFFFFFF};
    struct output_info info = {.cursor_size = 25, .cursor_visible = 1, .popup = 0xF5, .font_width = 8, .font_height = 16,
                               .font_weight = 400, .font_family = 0x30};
    memcpy(info.colours, colours, sizeof colours);
    size_of_terminal(fd, &info.width, &info.height);
    info.right = info.width - 1;
    info.bottom = info.height - 1;
    info.max_width = info.width;
    info.max_height = info.height;
    nt_lock();
    struct io_root *root = state();
    if (root) {
        info.attributes = (int16_t)root->console_attributes;
        info.x = (int16_t)root->console_x;
        info.y = (int16_t)root->console_y;
    }
    nt_unlock();
    return info;
}

static NTSTATUS title_set(int fd, const WCHAR *guest, ULONG length)
{
    WCHAR wide[256];
    char text[800];
    size_t units = length / 2 < 255 ? length / 2 : 255;
    if (!nt_read(wide, guest, units * sizeof(WCHAR)))
        return STATUS_ACCESS_VIOLATION;
    for (size_t i = 0; i < units; i++)
        wide[i] = wide[i] < 32 ? ' ' : wide[i];
    size_t done = (size_t)sprintf(text, "\033]0;");
    done += nt_utf8_from_utf16(wide, units, text + done, sizeof text - 8);
    text[done++] = '\a';
    return send_all(fd, text, done);
}

/* ---- modes and code pages ------------------------------------------------------------------------ */

static NTSTATUS mode_get(const struct io_file *file, uint32_t *mode)
{
    nt_lock();
    struct io_root *root = state();
    *mode = !root ? 0 : file->input ? root->console_input_mode : root->console_output_mode;
    nt_unlock();
    return STATUS_SUCCESS;
}

static NTSTATUS mode_set(const struct io_file *file, int fd, uint32_t mode)
{
    nt_lock();
    struct io_root *root = state();
    uint32_t *place = !root ? NULL : file->input ? &root->console_input_mode : &root->console_output_mode;
    uint32_t old = place ? *place : mode;
    if (place)
        *place = mode;
    nt_unlock();
    if (file->input && (old ^ mode) & (CONSOLE_PROCESSED | CONSOLE_LINE | CONSOLE_ECHO))
        io_console_terminal_mode(fd, mode);
    return STATUS_SUCCESS;
}

static NTSTATUS pages_set(const struct input_info_setting *setting)
{
    nt_lock();
    struct io_root *root = state();
    if (root && setting->mask & 1)
        root->console_input_page = setting->info.input_page;
    if (root && setting->mask & 2)
        root->console_output_page = setting->info.output_page;
    nt_unlock();
    return STATUS_SUCCESS;
}

static NTSTATUS pages_get(int fd, ULONG room, void *output, ULONG_PTR *done)
{
    struct input_info info = {PAGE_UTF8, PAGE_UTF8, 0};
    nt_lock();
    struct io_root *root = state();
    if (root)
        info = (struct input_info){root->console_input_page, root->console_output_page, 0};
    nt_unlock();
    if (room >= sizeof info && fd >= 0)
        info.count = io_console_record_count(fd);
    *done = room < sizeof info ? 8 : sizeof info; /* Wine 10 has no count there */
    return nt_write(output, &info, *done) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

/* ---- codes --------------------------------------------------------------------------------------- */

enum {
    GET_MODE = 0x504000, SET_MODE = 0x508004, READ_CONSOLE = 0x504028, READ_FILE = 0x50402C, READ_INPUT = 0x504030, PEEK = 0x504038,
    GET_INPUT_INFO = 0x50403C, SET_INPUT_INFO = 0x508040, GET_TITLE = 0x504044, SET_TITLE = 0x508048, CTRL_EVENT = 0x50004C, BEEP = 0x500050,
    FLUSH = 0x500054, GET_WINDOW = 0x500058, GET_PROCESS_LIST = 0x50005C, GET_INPUT_COUNT = 0x504064, BIND_PID = 0x5000CC,
    WRITE_CONSOLE = 0x508078, WRITE_FILE = 0x50807C, GET_OUTPUT_INFO = 0x504088, SET_OUTPUT_INFO = 0x50808C, ACTIVATE = 0x508090,
    FILL_OUTPUT = 0x508094,
};

struct control { struct io_file *file; int fd; const void *input; void *output; ULONG input_length, output_length; ULONG_PTR done; };

static NTSTATUS give(struct control *control, const void *data, size_t size)
{
    if (control->output_length < size)
        return STATUS_INVALID_PARAMETER;
    control->done = size;
    return nt_write(control->output, data, size) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

static NTSTATUS take(const struct control *control, void *data, size_t size)
{
    if (control->input_length < size)
        return STATUS_INVALID_PARAMETER;
    return nt_read(data, control->input, size) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

NTSTATUS (*nt_io_control_event)(uint32_t event, uint32_t group);

/* A list that is too long for the guest's room is not given in part: its length is. */
static NTSTATUS processes_give(struct control *control)
{
    uint32_t ids[256], room = sizeof ids / sizeof *ids;
    unsigned count = nt_ps_console_list(ids, room);
    if (count > room)
        return STATUS_INSUFFICIENT_RESOURCES;
    if (control->output_length >= count * sizeof *ids)
        return give(control, ids, count * sizeof *ids);
    NTSTATUS status = give(control, &count, sizeof count);
    return status ? status : STATUS_BUFFER_TOO_SMALL;
}

static NTSTATUS control_event(struct control *control)
{
    struct { uint32_t event, group; } wish;
    NTSTATUS status = take(control, &wish, sizeof wish);
    if (status)
        return status;
    if (wish.event > 1 || !nt_io_control_event)
        return STATUS_INVALID_PARAMETER;
    return nt_io_control_event(wish.event, wish.group);
}

static NTSTATUS control_settings(struct control *control, ULONG code)
{
    struct output_info_setting output;
    struct input_info_setting input;
    struct fill fill;
    uint32_t word = 0, zero[2] = {0};
    NTSTATUS status;
    switch (code) {
    case GET_MODE: mode_get(control->file, &word); return give(control, &word, 4);
    case SET_MODE: return (status = take(control, &word, 4)) ? status : mode_set(control->file, control->fd, word);
    case GET_INPUT_INFO: return control->output_length < 8 ? STATUS_INVALID_PARAMETER
                              : pages_get(control->fd, control->output_length, control->output, &control->done);
    case SET_INPUT_INFO:
        memset(&input, 0, sizeof input);
        return (status = take(control, &input, 12)) ? status : pages_set(&input);
    case GET_OUTPUT_INFO: output.info = output_get(control->fd); return give(control, &output.info, sizeof output.info);
    case SET_OUTPUT_INFO: return (status = take(control, &output, sizeof output)) ? status : output_set(control->fd, &output);
    case FILL_OUTPUT:
        if ((status = take(control, &fill, sizeof fill)) || (status = fill_output(control->fd, &fill)))
            return status;
        word = (uint32_t)fill.count;
        return control->output_length ? give(control, &word, 4) : STATUS_SUCCESS;
    case GET_TITLE: return give(control, zero, control->output_length < 4 ? 2 : 4); /* empty */
    case GET_WINDOW: return give(control, zero, 4);
    case GET_PROCESS_LIST: return processes_give(control);
    case CTRL_EVENT: return control_event(control);
    case GET_INPUT_COUNT: word = io_console_record_count(control->fd); return give(control, &word, 4);
    default: return STATUS_NOT_SUPPORTED; /* reading the screen back: only the terminal knows it */
    }
}

/* Which side does a request belong to? libuv asks an output handle for its input events to learn that it is none. */
static bool other_side(const struct io_file *file, ULONG code)
{
    switch (code) {
    case READ_CONSOLE: case READ_FILE: case READ_INPUT: case PEEK: case FLUSH: case GET_INPUT_INFO: case SET_INPUT_INFO:
    case GET_INPUT_COUNT: return file->screen;
    case WRITE_CONSOLE: case WRITE_FILE: case GET_OUTPUT_INFO: case SET_OUTPUT_INFO: case ACTIVATE: case FILL_OUTPUT:
        return file->input;
    default: return false;
    }
}

NTSTATUS io_console_control(struct io_file *file, int fd, ULONG code, const void *input, ULONG input_length, void *output,
                            ULONG output_length, ULONG_PTR *done)
{
    struct control control = {file, fd, input, output, input_length, output_length, 0};
    NTSTATUS status;
    if (other_side(file, code))
        return STATUS_INVALID_HANDLE;
    switch (code) {
    case WRITE_CONSOLE: return write_wide(fd, input, input_length / sizeof(WCHAR));
    case WRITE_FILE: return write_bytes(fd, input, input_length);
    case READ_CONSOLE: return io_console_read_wide(fd, output, output_length, done);
    case READ_FILE: return io_console_read(fd, output, output_length, done);
    case READ_INPUT: case PEEK: return io_console_records(fd, output, output_length, code == PEEK, done);
    case FLUSH: return io_console_flush(fd);
    case BEEP: return send_text(fd, "\a");
    case SET_TITLE: return title_set(fd, input, input_length);
    case ACTIVATE: case BIND_PID: return STATUS_SUCCESS;
    default:
        status = control_settings(&control, code);
        *done = control.done;
        return status;
    }
}
