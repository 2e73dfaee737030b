#include "loader/host/sim/sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PAGE        0x1000u
#define GRANULARITY 0x10000u
#define USER_END    0x7fffffff0000u
#define FIRST_PLACE 0x20000000u /* where images without a wish are looked for, upwards */

struct sim_file {
    struct sim_file *next;
    const uint8_t *bytes;
    uint64_t size;
    enum host_result refusal; /* HOST_OK: can be opened */
    char path[];
};

struct sim_page {
    int rights; /* HOST_READ.. or SIM_NOT_COMMITTED */
};

struct sim_reservation {
    struct sim_reservation *next;
    uint64_t base, size;
    uint8_t *bytes;         /* what vm_at shows */
    uint8_t *sealed;        /* what each page held when it was last closed for writing */
    struct sim_page *pages; /* size / PAGE */
};

struct sim_host {
    struct host host;
    struct sim_file *files;
    struct sim_reservation *reservations;
    unsigned calls[SIM_CALL_COUNT];
    unsigned open_files, bad_writes;
    unsigned fail_in; /* calls until the one that fails, 0: none */
    enum host_result fail_result;
    bool has_failed;
    uint64_t part; /* sim_show_part */
    uint64_t now;
};

/* Counts a call, and says whether it is the one that is to fail. */
static bool fails(struct sim_host *self, enum sim_call call)
{
    self->calls[call]++;
    if (!self->fail_in || --self->fail_in)
        return false;
    self->has_failed = true;
    return true;
}

/* ---- Files ---- */

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool path_equal(const char *a, const char *b, bool exactly)
{
    for (; exactly ? *a == *b : fold(*a) == fold(*b); a++, b++)
        if (!*a)
            return true;
    return false;
}

static struct sim_file *file_at(struct sim_host *self, const char *path, bool exactly)
{
    for (struct sim_file *file = self->files; file; file = file->next)
        if (path_equal(file->path, path, exactly))
            return file;
    return NULL;
}

static enum host_result file_open(struct host *host, const char *path, struct host_file *out)
{
    struct sim_host *self = host->self;
    if (fails(self, SIM_FILE_OPEN))
        return self->fail_result;
    struct sim_file *file = file_at(self, path, true);
    if (!file)
        return HOST_NOT_FOUND;
    if (file->refusal != HOST_OK)
        return file->refusal;
    *out = (struct host_file){.handle = 1, .bytes = file->bytes, .size = file->size, .device = 1,
                              .there = file->size, .serial = (uint64_t)(uintptr_t)file->bytes};
    self->open_files++;
    return HOST_OK;
}

/* A copy, so that whoever reads behind its end is found by the memory checker. */
static enum host_result file_open_part(struct host *host, const char *path, struct host_file *out)
{
    struct sim_host *self = host->self;
    enum host_result result = file_open(host, path, out);
    if (result != HOST_OK || out->size <= self->part)
        return result;
    uint8_t *copy = malloc((size_t)self->part);
    assert(copy);
    out->bytes = memcpy(copy, out->bytes, (size_t)self->part);
    out->there = self->part;
    return HOST_OK;
}

static enum host_result file_read(struct host *host, const struct host_file *file, uint64_t off, void *to, uint64_t size)
{
    struct sim_host *self = host->self;
    const uint8_t *bytes = (const uint8_t *)(uintptr_t)file->serial;
    if (fails(self, SIM_FILE_READ))
        return self->fail_result;
    assert(off <= file->size && size <= file->size - off);
    memcpy(to, bytes + off, (size_t)size);
    return HOST_OK;
}

static enum host_result file_view(struct host *host, struct host_file *file)
{
    struct sim_host *self = host->self;
    if (fails(self, SIM_FILE_VIEW))
        return self->fail_result;
    if (file->there < file->size)
        free((void *)(uintptr_t)file->bytes);
    file->bytes = (const uint8_t *)(uintptr_t)file->serial;
    file->there = file->size;
    return HOST_OK;
}

static void file_close(struct host *host, struct host_file *file)
{
    struct sim_host *self = host->self;
    assert(file->bytes && self->open_files);
    if (file->there < file->size)
        free((void *)(uintptr_t)file->bytes);
    self->open_files--;
}

static enum host_result file_find(struct host *host, const char *folder, const char *name, char *path, size_t room)
{
    struct sim_host *self = host->self;
    size_t folder_length = strlen(folder), name_length = strlen(name);
    if (fails(self, SIM_FILE_FIND))
        return self->fail_result;
    if (folder_length + 1 + name_length + 1 > room)
        return HOST_NOT_FOUND;
    memcpy(path, folder, folder_length);
    path[folder_length] = '/';
    memcpy(path + folder_length + 1, name, name_length + 1);
    struct sim_file *file = file_at(self, path, true);
    if (!file)
        file = file_at(self, path, false);
    if (!file)
        return HOST_NOT_FOUND;
    memcpy(path, file->path, strlen(file->path) + 1);
    return HOST_OK;
}

static bool add_file(struct host *host, const char *path, const void *bytes, uint64_t size, enum host_result refusal)
{
    struct sim_host *self = host->self;
    struct sim_file *file = calloc(1, sizeof(*file) + strlen(path) + 1);
    if (!file)
        return false;
    strcpy(file->path, path);
    file->bytes = bytes;
    file->size = size;
    file->refusal = refusal;
    file->next = self->files;
    self->files = file;
    return true;
}

bool sim_file_add(struct host *host, const char *path, const void *bytes, uint64_t size)
{
    return add_file(host, path, bytes, size, HOST_OK);
}

bool sim_file_refuse(struct host *host, const char *path, enum host_result result)
{
    return add_file(host, path, NULL, 0, result);
}

/* ---- Memory ---- */

static struct sim_reservation *reservation_at(const struct sim_host *self, uint64_t address, uint64_t size)
{
    for (struct sim_reservation *reservation = self->reservations; reservation; reservation = reservation->next)
        if (address >= reservation->base && address - reservation->base <= reservation->size &&
            size <= reservation->size - (address - reservation->base))
            return reservation;
    return NULL;
}

static bool is_free(const struct sim_host *self, uint64_t base, uint64_t size)
{
    if (base < GRANULARITY || base > USER_END || size > USER_END - base)
        return false;
    for (const struct sim_reservation *other = self->reservations; other; other = other->next)
        if (base < other->base + other->size && other->base < base + size)
            return false;
    return true;
}

static enum host_result vm_reserve(struct host *host, uint64_t *base, uint64_t size, uint64_t limit)
{
    struct sim_host *self = host->self;
    uint64_t place = *base;
    assert(size && size % PAGE == 0 && place % PAGE == 0);
    if (fails(self, SIM_VM_RESERVE))
        return self->fail_result;
    if (place && !is_free(self, place, size))
        return HOST_TAKEN;
    if (!place) {
        uint64_t end = limit ? limit : USER_END;
        place = FIRST_PLACE;
        while (place <= end && size <= end - place && !is_free(self, place, size))
            place += GRANULARITY;
        if (place > end || size > end - place)
            return HOST_NO_MEMORY;
    }

    struct sim_reservation *made = calloc(1, sizeof(*made));
    if (made) {
        made->base = place;
        made->size = size;
        made->bytes = calloc(1, (size_t)size);
        made->sealed = calloc(1, (size_t)size);
        made->pages = calloc((size_t)(size / PAGE), sizeof(*made->pages));
    }
    if (!made || !made->bytes || !made->sealed || !made->pages) {
        if (made) {
            free(made->bytes);
            free(made->sealed);
            free(made->pages);
        }
        free(made);
        return HOST_NO_MEMORY;
    }
    for (uint64_t i = 0; i < size / PAGE; i++)
        made->pages[i].rights = SIM_NOT_COMMITTED;
    made->next = self->reservations;
    self->reservations = made;
    *base = place;
    return HOST_OK;
}

/* Compares a page that nobody may write to with what it held when that began. */
static void inspect(struct sim_host *self, const struct sim_reservation *reservation, uint64_t page)
{
    bool writable = reservation->pages[page].rights >= 0 && (reservation->pages[page].rights & HOST_WRITE);
    if (!writable && memcmp(reservation->bytes + page * PAGE, reservation->sealed + page * PAGE, PAGE) != 0)
        self->bad_writes++;
}

static void set_rights(struct sim_host *self, struct sim_reservation *reservation, uint64_t address, uint64_t size, int rights)
{
    for (uint64_t page = (address - reservation->base) / PAGE, end = page + size / PAGE; page < end; page++) {
        inspect(self, reservation, page);
        reservation->pages[page].rights = rights;
        memcpy(reservation->sealed + page * PAGE, reservation->bytes + page * PAGE, PAGE);
    }
}

/* New pages: nothing that was there before counts. */
static void renew(struct sim_host *self, struct sim_reservation *reservation, uint64_t address, uint64_t size)
{
    uint64_t at = address - reservation->base;
    for (uint64_t page = at / PAGE; page < (at + size) / PAGE; page++)
        inspect(self, reservation, page);
    memset(reservation->bytes + at, 0, (size_t)size);
    memset(reservation->sealed + at, 0, (size_t)size);
}

static enum host_result vm_map(struct host *host, uint64_t address, uint64_t size, const struct host_file *file, uint64_t off,
                               int rights)
{
    struct sim_host *self = host->self;
    struct sim_reservation *reservation = reservation_at(self, address, size);
    assert(reservation && size && size % PAGE == 0 && address % PAGE == 0 && off % PAGE == 0);
    /* A page wholly behind the file's end can be mapped, but not touched: no caller wants that. */
    assert(off < file->size && size - (file->size - off < size ? file->size - off : size) < PAGE);
    if (fails(self, SIM_VM_MAP))
        return self->fail_result;
    renew(self, reservation, address, size);
    uint64_t at = address - reservation->base, there = file->size - off < size ? file->size - off : size;
    const uint8_t *bytes = (const uint8_t *)(uintptr_t)file->serial;
    memcpy(reservation->bytes + at, bytes + off, (size_t)there);
    memcpy(reservation->sealed + at, bytes + off, (size_t)there);
    set_rights(self, reservation, address, size, rights);
    return HOST_OK;
}

static enum host_result vm_commit(struct host *host, uint64_t address, uint64_t size, int rights)
{
    struct sim_host *self = host->self;
    struct sim_reservation *reservation = reservation_at(self, address, size);
    assert(reservation && size && size % PAGE == 0 && address % PAGE == 0);
    if (fails(self, SIM_VM_COMMIT))
        return self->fail_result;
    renew(self, reservation, address, size);
    set_rights(self, reservation, address, size, rights);
    return HOST_OK;
}

static enum host_result vm_protect(struct host *host, uint64_t address, uint64_t size, int rights)
{
    struct sim_host *self = host->self;
    struct sim_reservation *reservation = reservation_at(self, address, size);
    assert(reservation && size && size % PAGE == 0 && address % PAGE == 0);
    if (fails(self, SIM_VM_PROTECT))
        return self->fail_result;
    for (uint64_t page = (address - reservation->base) / PAGE, i = 0; i < size / PAGE; i++)
        if (reservation->pages[page + i].rights == SIM_NOT_COMMITTED)
            return HOST_FAILED;
    set_rights(self, reservation, address, size, rights);
    return HOST_OK;
}

static void vm_release(struct host *host, uint64_t base, uint64_t size)
{
    struct sim_host *self = host->self;
    struct sim_reservation **link = &self->reservations;
    while (*link && (*link)->base != base)
        link = &(*link)->next;
    struct sim_reservation *reservation = *link;
    assert(reservation && reservation->size == size);
    for (uint64_t page = 0; page < size / PAGE; page++)
        inspect(self, reservation, page);
    *link = reservation->next;
    free(reservation->bytes);
    free(reservation->sealed);
    free(reservation->pages);
    free(reservation);
}

static void *vm_at(struct host *host, uint64_t address, uint64_t size)
{
    const struct sim_reservation *reservation = reservation_at(host->self, address, size);
    assert(reservation);
    return reservation->bytes + (address - reservation->base);
}

/* ---- The rest ---- */

static uint64_t sim_clock(struct host *host)
{
    struct sim_host *self = host->self;
    return self->now += 1000;
}

struct host *host_sim_open(void)
{
    struct sim_host *self = calloc(1, sizeof(*self));
    if (!self)
        return NULL;
    self->host = (struct host){
        .self = self,
        .file_open = file_open,
        .file_close = file_close,
        .file_find = file_find,
        .vm_reserve = vm_reserve,
        .vm_map = vm_map,
        .vm_commit = vm_commit,
        .vm_protect = vm_protect,
        .vm_release = vm_release,
        .vm_at = vm_at,
        .clock = sim_clock,
    };
    return &self->host;
}

void host_sim_close(struct host *host)
{
    struct sim_host *self = host->self;
    while (self->reservations)
        vm_release(host, self->reservations->base, self->reservations->size);
    while (self->files) {
        struct sim_file *file = self->files;
        self->files = file->next;
        free(file);
    }
    free(self);
}

void sim_show_part(struct host *host, uint64_t size, bool maps)
{
    struct sim_host *self = host->self;
    self->part = size;
    host->file_open_part = file_open_part;
    host->file_read = file_read;
    if (maps)
        host->file_view = file_view;
    else
        host->vm_map = NULL;
}

void sim_fail_at(struct host *host, unsigned n, enum host_result result)
{
    struct sim_host *self = host->self;
    self->fail_in = n;
    self->fail_result = result;
    self->has_failed = false;
}

bool sim_has_failed(const struct host *host)
{
    const struct sim_host *self = host->self;
    return self->has_failed;
}

unsigned sim_calls(const struct host *host, enum sim_call call)
{
    const struct sim_host *self = host->self;
    return self->calls[call];
}

int sim_rights(const struct host *host, uint64_t address)
{
    const struct sim_reservation *reservation = reservation_at(host->self, address, 1);
    return reservation ? reservation->pages[(address - reservation->base) / PAGE].rights : SIM_NOT_RESERVED;
}

unsigned sim_open_files(const struct host *host)
{
    const struct sim_host *self = host->self;
    return self->open_files;
}

unsigned sim_reservations(const struct host *host)
{
    const struct sim_host *self = host->self;
    unsigned count = 0;
    for (const struct sim_reservation *reservation = self->reservations; reservation; reservation = reservation->next)
        count++;
    return count;
}

unsigned sim_bad_writes(struct host *host)
{
    struct sim_host *self = host->self;
    for (struct sim_reservation *reservation = self->reservations; reservation; reservation = reservation->next)
        for (uint64_t page = 0; page < reservation->size / PAGE; page++) {
            inspect(self, reservation, page);
            memcpy(reservation->sealed + page * PAGE, reservation->bytes + page * PAGE, PAGE);
        }
    return self->bad_writes;
}
