/* Drives a fuzz target without libFuzzer: real files, damaged in a way that a seed repeats exactly.
 *   PROGRAM COUNT SEED FILE...           runs inputs 0 .. COUNT-1
 *   PROGRAM --only NUMBER SEED FILE...   runs that one again
 * Each input has memory of exactly its own size, so that the sanitizer sees a read one byte too far. */
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void __sanitizer_set_death_callback(void (*callback)(void));

enum { FILE_LIMIT = 1 << 20, SECONDS_PER_INPUT = 10 };

struct sample {
    const char *path;
    uint8_t *bytes;
    size_t size;
};

static struct {
    uint64_t number, seed;
    const char *path;
} running;

/* splitmix64: one multiplication chain, and every input can begin its own. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t random_below(uint64_t *state, size_t limit)
{
    return limit == 0 ? 0 : (size_t)(next_random(state) % limit);
}

/* Where a damaged byte matters: half of the time among the headers, else anywhere. */
static size_t random_place(uint64_t *state, size_t size)
{
    size_t head = size < 0x400 ? size : 0x400;
    return random_below(state, next_random(state) & 1 ? head : size);
}

/* Values at which sums overflow and comparisons turn. */
static const uint64_t edges[] = {
    0, 1, 2, 3, 4, 7, 8, 0xff, 0x1ff, 0x200, 0xfff, 0x1000, 0x1001, 0x7fff, 0x8000, 0xffff, 0x10000,
    0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 0xfffff000, 0x7fffffffffffffff, 0x8000000000000000, UINT64_MAX,
};

static void damage(uint64_t *state, uint8_t *bytes, size_t *size)
{
    if (*size == 0)
        return;
    size_t place = random_place(state, *size), rest = *size - place;
    uint64_t value = edges[random_below(state, sizeof edges / sizeof edges[0])];
    switch (next_random(state) % 6) {
    case 0:
        bytes[place] ^= (uint8_t)(1u << (next_random(state) & 7));
        break;
    case 1:
        bytes[place] = (uint8_t)next_random(state);
        break;
    case 2:
    case 3: {
        size_t width = (size_t)1 << (1 + next_random(state) % 3);
        memcpy(bytes + place, &value, width < rest ? width : rest);
        break;
    }
    case 4: {
        size_t from = random_place(state, *size), length = random_below(state, 64);
        length = length < rest ? length : rest;
        length = length < *size - from ? length : *size - from;
        memmove(bytes + place, bytes + from, length);
        break;
    }
    default:
        if (next_random(state) % 4 == 0)
            *size = place;
    }
}

static void run_input(uint64_t number, uint64_t seed, const struct sample *samples, size_t count)
{
    uint64_t state = seed * 0x100000001b3u + number;
    /* First every file as it is; all further inputs carry one to eight wounds. */
    const struct sample *sample = &samples[number < count ? number : random_below(&state, count)];
    uint8_t *work = malloc(sample->size + 1);
    if (work == NULL)
        abort();
    memcpy(work, sample->bytes, sample->size);
    size_t size = sample->size;
    for (size_t wounds = number < count ? 0 : 1 + random_below(&state, 8); wounds > 0; wounds--)
        damage(&state, work, &size);

    uint8_t *exact = malloc(size == 0 ? 1 : size);
    if (exact == NULL)
        abort();
    memcpy(exact, work, size);
    free(work);
    running.number = number;
    running.path = sample->path;
    alarm(SECONDS_PER_INPUT);
    LLVMFuzzerTestOneInput(exact, size);
    alarm(0);
    free(exact);
}

static void tell_where(void)
{
    fprintf(stderr, "fuzz: died at input %" PRIu64 " of seed %" PRIu64 ", from %s; repeat it with --only %" PRIu64 "\n",
            running.number, running.seed, running.path, running.number);
}

static void on_signal(int number)
{
    fprintf(stderr, "fuzz: %s\n", number == SIGALRM ? "an input takes too long" : "abort");
    tell_where();
    _exit(1);
}

static int read_sample(const char *path, struct sample *sample)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 0;
    }
    sample->path = path;
    sample->bytes = malloc(FILE_LIMIT);
    if (sample->bytes == NULL)
        abort();
    sample->size = fread(sample->bytes, 1, FILE_LIMIT, file);
    fclose(file);
    return 1;
}

int main(int argc, char **argv)
{
    int only = argc > 1 && strcmp(argv[1], "--only") == 0;
    if (argc < 4 + only) {
        fprintf(stderr, "usage: %s COUNT SEED FILE... | --only NUMBER SEED FILE...\n", argv[0]);
        return 2;
    }
    uint64_t number = strtoull(argv[1 + only], NULL, 0);
    running.seed = strtoull(argv[2 + only], NULL, 0);
    size_t count = 0;
    struct sample *samples = calloc((size_t)argc, sizeof *samples);
    if (samples == NULL)
        abort();
    for (int i = 3 + only; i < argc; i++)
        count += (size_t)read_sample(argv[i], &samples[count]);
    if (count == 0)
        return 2;

    __sanitizer_set_death_callback(tell_where);
    signal(SIGALRM, on_signal);
    signal(SIGABRT, on_signal);
    if (only)
        run_input(number, running.seed, samples, count);
    else
        for (uint64_t i = 0; i < number; i++)
            run_input(i, running.seed, samples, count);
    printf("%s: %" PRIu64 " inputs from %zu files, seed %" PRIu64 ": no fault\n", argv[0], only ? 1 : number, count,
           running.seed);
    for (size_t i = 0; i < count; i++)
        free(samples[i].bytes);
    free(samples);
    return 0;
}
