/* The order of a snapshot on Linux: start, stop, look, let go, wait for the end. */
#define _GNU_SOURCE
#include "loader/inspect/linux/take.h"
#include "loader/inspect/linux/target.h"
#include "loader/inspect/offsets.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

static bool start(struct target *target, const struct snapshot_wish *wish)
{
    size_t options = 0, arguments = 0, count = 0;
    while (wish->options && wish->options[options])
        options++;
    while (wish->arguments[arguments])
        arguments++;
    char lane[32], stop[32], status[64] = "--status-file=";
    /* The entry point is met by a breakpoint, which can be set as soon as the program is placed. */
    snprintf(lane, sizeof lane, "--lane=%s", wish->lane);
    snprintf(stop, sizeof stop, "--stop-at=%s", strcmp(wish->at, "entry") ? wish->at : "ready");
    char **words = calloc(options + arguments + 9, sizeof *words);
    if (!words) {
        target->why = "no memory";
        return false;
    }
    words[count++] = (char *)(uintptr_t)wish->host;
    words[count++] = (char *)(uintptr_t)"run";
    words[count++] = lane;
    words[count++] = stop;
    words[count++] = status;
    for (size_t i = 0; i < options; i++)
        words[count++] = wish->options[i];
    words[count++] = (char *)(uintptr_t)"--";
    words[count++] = (char *)(uintptr_t)wish->file;
    for (size_t i = 0; i < arguments; i++)
        words[count++] = wish->arguments[i];
    bool started = target_start(target, words, status + strlen(status));
    free(words);
    return started;
}

/* To where it is to be looked at. */
static enum target_state go_there(struct target *target, const struct snapshot_wish *wish)
{
    struct linux_reader reader;
    struct arena_process process;
    struct pe_image image;
    struct pe_error ignored = {0};
    enum target_state state = target_run(target, 0);
    if (state != TARGET_STOPPED || strcmp(wish->at, "entry"))
        return state;
    target->why = "the kernel's arena is not where it was expected";
    if (!linux_reader_open(&reader, target))
        return TARGET_FAILED;
    bool known = arena_process(&reader, &process) && pe_open(&image, wish->bytes, PE_FORM_FILE, &ignored);
    uint64_t base = known ? inspect_pointer(&reader.reader, process.peb + inspect_offsets_of(wish->is_64)->peb.image_base) : 0;
    linux_reader_close(&reader);
    return base ? target_run(target, base + image.entry.value) : TARGET_FAILED;
}

static bool look(struct target *target, const struct snapshot_wish *wish, struct json *json, const char **why)
{
    struct linux_reader reader;
    struct arena_process process = {0};
    struct inspect_facts facts = {.lane = wish->lane, .at = wish->at, .file = wish->file, .bytes = wish->bytes};
    if (!linux_reader_open(&reader, target)) {
        *why = "its memory cannot be read";
        return false;
    }
    if (arena_process(&reader, &process)) {
        facts.peb = process.peb;
        facts.id = process.id;
        facts.parent = process.parent;
    }
    bool done = inspect_snapshot(&reader.reader, &facts, json, why);
    linux_reader_close(&reader);
    return done;
}

static uint64_t milliseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

/* Of children that were waited for. */
static uint64_t processor_milliseconds(void)
{
    struct rusage used;
    getrusage(RUSAGE_CHILDREN, &used);
    return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 + (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000;
}

static void end_tell(struct target *target, enum target_state state, bool waited, struct json *json)
{
    struct inspect_end end = {.waited = waited, .how = "timeout", .knows_cpu = true, .cpu_ms = processor_milliseconds() - target->cpu_before,
                              .elapsed_ms = milliseconds() - target->begun + 1};
    char how[16];
    if (state == TARGET_ENDED && target_status(target, &end, how))
        end.how = how;
    else if (state == TARGET_ENDED) {
        end.how = WIFSIGNALED(target->wait_status) ? "killed" : "refused";
        end.code = (uint32_t)(WIFSIGNALED(target->wait_status) ? WTERMSIG(target->wait_status) : WEXITSTATUS(target->wait_status));
    }
    struct pe_span text[2] = {target_output(target, 0), target_output(target, 1)};
    for (unsigned i = 0; i < 2; i++) {
        end.text[i] = text[i].data;
        end.size[i] = (size_t)text[i].size;
    }
    inspect_finish(json, &end);
    for (unsigned i = 0; i < 2; i++)
        if (text[i].size)
            munmap((void *)(uintptr_t)text[i].data, (size_t)text[i].size);
}

static uint64_t deadline_of(unsigned seconds)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return seconds ? (uint64_t)(time.tv_sec + (time_t)seconds) * 1000000000u + (uint64_t)time.tv_nsec : 0;
}

enum snapshot_result snapshot_take(const struct snapshot_wish *wish, struct json *json, const char **why)
{
    struct target target = {.is_64 = wish->is_64, .output = {-1, -1}, .status = -1, .deadline = deadline_of(wish->seconds),
                            .begun = milliseconds(), .cpu_before = processor_milliseconds()};
    enum snapshot_result result = SNAPSHOT_FAILED;
    *why = NULL;
    if (!start(&target, wish)) {
        *why = target.why;
        target_close(&target);
        return SNAPSHOT_FAILED;
    }
    enum target_state state = go_there(&target, wish);
    if (state == TARGET_STOPPED && look(&target, wish, json, why)) {
        result = SNAPSHOT_TAKEN;
        if (!wish->stay)
            state = target_finish(&target);
        end_tell(&target, state, !wish->stay, json);
    } else if (state == TARGET_ENDED) {
        const struct inspect_facts facts = {.lane = wish->lane, .at = wish->at, .file = wish->file, .bytes = wish->bytes};
        result = SNAPSHOT_NOT_REACHED;
        *why = "it ended before it came there";
        inspect_nothing(wish->is_64, &facts, json);
        end_tell(&target, state, true, json);
    } else if (state == TARGET_TIMEOUT) {
        result = SNAPSHOT_TIMEOUT;
        *why = "it did not come there in time";
    } else if (!*why)
        *why = target.why ? target.why : "the child could not be looked at";
    target_close(&target);
    if (json->failed) {
        *why = "no memory";
        result = SNAPSHOT_FAILED;
    }
    return result;
}
