#define _GNU_SOURCE
#include "tests/support/browser.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_SECONDS = 60 };

/* ---- HTTP ---------------------------------------------------------------------------------------- */

static int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = ANSWER_SECONDS};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (!connect(fd, (struct sockaddr *)&address, sizeof address))
        return fd;
    close(fd);
    return -1;
}

static bool send_all(int fd, const char *text, size_t size)
{
    for (ssize_t sent; size; text += sent, size -= (size_t)sent)
        if ((sent = send(fd, text, size, MSG_NOSIGNAL)) <= 0)
            return false;
    return true;
}

/* The body of an answer: chromedriver says its length. */
static char *receive(int fd)
{
    size_t room = 1 << 16, size = 0, head = 0, wanted = 0;
    char *text = malloc(room + 1);
    while (text && (!head || size < head + wanted)) {
        if (size == room) {
            char *grown = realloc(text, 2 * room + 1);
            if (!grown)
                break;
            text = grown;
            room *= 2;
        }
        ssize_t got = recv(fd, text + size, room - size, 0);
        if (got <= 0)
            break;
        size += (size_t)got;
        text[size] = 0;
        char *end = head ? NULL : strstr(text, "\r\n\r\n"), *length = end ? strcasestr(text, "content-length:") : NULL;
        if (end)
            head = (size_t)(end - text) + 4;
        if (length && length < end)
            wanted = strtoul(length + 15, NULL, 10);
    }
    if (!text || !head || size < head + wanted) {
        free(text);
        return NULL;
    }
    memmove(text, text + head, size - head + 1);
    return text;
}

/* Sends a command and returns the whole answer, malloc'd. */
static char *command(const struct browser *browser, const char *method, const char *path, const char *body)
{
    char *request = NULL, *answer = NULL;
    int fd = connect_to(browser->port);
    int length = asprintf(&request, "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n"
                                    "Connection: close\r\n\r\n%s", method, path, browser->port, body ? strlen(body) : 0, body ? body : "");
    if (fd >= 0 && length > 0 && send_all(fd, request, (size_t)length))
        answer = receive(fd);
    if (fd >= 0)
        close(fd);
    free(request);
    if (answer && strstr(answer, "\"error\":")) {
        fprintf(stderr, "browser: %s %s: %.600s\n", method, path, answer);
        free(answer);
        answer = NULL;
    }
    return answer;
}

/* {"value":X} -> X */
static char *value_of(char *answer)
{
    char *begin = answer ? strstr(answer, "\"value\":") : NULL, *end = answer ? strrchr(answer, '}') : NULL;
    if (begin && end) {
        *end = 0;
        memmove(answer, begin + 8, strlen(begin + 8) + 1);
        return answer;
    }
    free(answer);
    return NULL;
}

static char *in_session(struct browser *browser, const char *method, const char *path, const char *body)
{
    char whole[200];
    snprintf(whole, sizeof whole, "/session/%s%s", browser->session, path);
    return value_of(command(browser, method, whole, body));
}

/* Text as a JSON string. */
static char *quoted(const char *text)
{
    char *out = malloc(strlen(text) * 6 + 3), *at = out;
    if (!out)
        return NULL;
    *at++ = '"';
    for (; *text; text++)
        if (*text == '"' || *text == '\\')
            at += sprintf(at, "\\%c", *text);
        else if ((unsigned char)*text < 0x20)
            at += sprintf(at, "\\u%04x", (unsigned)*text);
        else
            *at++ = *text;
    strcpy(at, "\"");
    return out;
}

/* ---- starting and ending --------------------------------------------------------------------------- */

static const char *driver_path(void)
{
    static const char *const places[] = {"/usr/bin/chromedriver", "/usr/lib/chromium/chromedriver"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (!access(places[i], X_OK))
            return places[i];
    return NULL;
}

/* The driver picks a free port and says which: "... was started successfully on port 41234." */
static int port_told(int fd)
{
    char text[4096];
    size_t size = 0;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    while (size < sizeof text - 1 && poll(&ready, 1, 20000) > 0) {
        ssize_t got = read(fd, text + size, sizeof text - 1 - size);
        if (got <= 0)
            break;
        size += (size_t)got;
        text[size] = 0;
        char *told = strstr(text, "started successfully on port ");
        if (told && strchr(told, '\n'))
            return atoi(told + 29);
    }
    return 0;
}

static bool driver_start(struct browser *browser, const char *path)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC))
        return false;
    browser->driver = fork();
    if (browser->driver == 0) {
        int nothing = open("/dev/null", O_RDWR);
        setpgid(0, 0); /* the browser's processes with it */
        dup2(nothing, 0);
        dup2(ends[1], 1);
        dup2(nothing, 2);
        setenv("TMPDIR", browser->folder, 1); /* what is left there by whoever is killed goes with the folder */
        execl(path, path, "--port=0", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    browser->port = browser->driver > 0 ? port_told(ends[0]) : 0;
    close(ends[0]);
    return browser->port > 0;
}

bool browser_open(struct browser *browser)
{
    const char *path = driver_path();
    char *body = NULL;
    *browser = (struct browser){.driver = -1};
    strcpy(browser->folder, "/tmp/peload-browser-XXXXXX");
    if (!path || (access("/usr/bin/chromium", X_OK) && access("/usr/bin/google-chrome", X_OK)) || !mkdtemp(browser->folder))
        return false;
    bool started = driver_start(browser, path);
    if (started && asprintf(&body, "{\"capabilities\":{\"alwaysMatch\":{\"goog:loggingPrefs\":{\"browser\":\"ALL\"},\"goog:chromeOptions\":{\"args\":["
            "\"--headless\",\"--no-sandbox\",\"--disable-gpu\",\"--disable-quic\",\"--no-first-run\",\"--disable-background-networking\","
            "\"--disable-component-update\",\"--disable-sync\",\"--disable-dev-shm-usage\",\"--hide-scrollbars\",\"--user-data-dir=%s\"]}}}}", browser->folder) > 0) {
        char *answer = command(browser, "POST", "/session", body), *id = answer ? strstr(answer, "\"sessionId\":\"") : NULL;
        if (id)
            sscanf(id + 13, "%79[0-9a-fA-F-]", browser->session);
        free(answer);
        free(body);
    }
    if (browser->session[0])
        return true;
    browser_close(browser);
    return false;
}

void browser_close(struct browser *browser)
{
    if (browser->session[0])
        free(in_session(browser, "DELETE", "", NULL));
    if (browser->driver > 0) {
        kill(-browser->driver, SIGKILL); /* its own group: this driver, and browsers that it left */
        waitpid(browser->driver, NULL, 0);
    }
    if (strncmp(browser->folder, "/tmp/peload-browser-", 20) == 0) {
        char *const arguments[] = {"rm", "-rf", browser->folder, NULL};
        pid_t id = fork();
        if (id == 0) {
            execv("/bin/rm", arguments);
            _exit(127);
        }
        if (id > 0)
            waitpid(id, NULL, 0);
    }
    *browser = (struct browser){.driver = -1};
}

/* ---- steering -------------------------------------------------------------------------------------- */

bool browser_go(struct browser *browser, const char *path, const char *hash)
{
    char *whole = realpath(path, NULL), *url = NULL, *text = NULL, *body = NULL, *blank;
    /* Another hash alone would not load it anew. */
    if ((blank = in_session(browser, "POST", "/url", "{\"url\":\"about:blank\"}")))
        free(blank);
    size_t room = whole ? strlen(whole) * 3 + 1 : 0;
    char *escaped = whole ? malloc(room) : NULL, *at = escaped;
    for (const char *from = whole; escaped && *from; from++)
        if (isalnum((unsigned char)*from) || strchr("/._-", *from))
            *at++ = *from;
        else
            at += sprintf(at, "%%%02X", (unsigned char)*from);
    if (escaped)
        *at = 0;
    char *answer = NULL;
    if (escaped && asprintf(&url, "file://%s%s%s", escaped, hash ? "#" : "", hash ? hash : "") > 0 && (text = quoted(url)) &&
        asprintf(&body, "{\"url\":%s}", text) > 0)
        answer = in_session(browser, "POST", "/url", body);
    bool done = answer != NULL;
    free(whole), free(escaped), free(url), free(text), free(body), free(answer);
    return done;
}

char *browser_run(struct browser *browser, const char *script)
{
    char *text = quoted(script), *body = NULL, *answer = NULL;
    if (text && asprintf(&body, "{\"script\":%s,\"args\":[]}", text) > 0)
        answer = in_session(browser, "POST", "/execute/sync", body);
    free(text), free(body);
    return answer;
}

char *browser_text(struct browser *browser, const char *script)
{
    char *text = browser_run(browser, script);
    size_t length = text ? strlen(text) : 0;
    if (length >= 2 && text[0] == '"' && text[length - 1] == '"') {
        text[length - 1] = 0;
        memmove(text, text + 1, length - 1);
        return text;
    }
    free(text);
    return NULL;
}

double browser_number(struct browser *browser, const char *script)
{
    char *text = browser_run(browser, script);
    double number = text ? strtod(text, NULL) : -1;
    free(text);
    return number;
}

bool browser_size(struct browser *browser, unsigned width, unsigned height)
{
    char body[300];
    snprintf(body, sizeof body, "{\"cmd\":\"Emulation.setDeviceMetricsOverride\",\"params\":{\"width\":%u,\"height\":%u,\"deviceScaleFactor\":1,\"mobile\":false}}", width, height);
    char *answer = in_session(browser, "POST", "/goog/cdp/execute", body);
    free(answer);
    return answer != NULL;
}

char *browser_console(struct browser *browser) { return in_session(browser, "POST", "/se/log", "{\"type\":\"browser\"}"); }

bool browser_picture(struct browser *browser, const char *path)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = in_session(browser, "GET", "/screenshot", NULL);
    FILE *file = text ? fopen(path, "wb") : NULL;
    unsigned bits = 0, held = 0; /* base64: six bits a digit */
    for (const char *at = text; file && *at; at++) {
        const char *digit = strchr(digits, *at);
        if (!digit)
            continue;
        bits = bits << 6 | (unsigned)(digit - digits);
        if ((held += 6) >= 8)
            putc((int)(bits >> (held -= 8) & 0xff), file);
    }
    free(text);
    return file && !fclose(file);
}
