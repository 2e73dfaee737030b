/* A child's memory by /proc/ID/mem, its regions by /proc/ID/maps, its threads by ptrace.
 *
 * The process holds peload itself too, above the guest's user space (loader/native/process.c): that part is not the program's
 * and is left out. Linux knows no reservation and no allocation base; memory without access is told as reserved. */
#define _GNU_SOURCE
#include "loader/inspect/linux/target.h"
#include "loader/inspect/offsets.h"
#include "pe/layout.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <unistd.h>

/* Where the host begins: 64-bit hosts of the guest's space lie above USER_HIGH, the 32-bit host at its link address. */
#define GUEST_END_64 ((uint64_t)0x7e0000000000)
#define GUEST_END_32 ((uint64_t)0xe0000000)

static struct linux_reader *own(struct inspect_reader *reader) { return reader->self; }
static uint64_t guest_end(const struct inspect_reader *reader) { return reader->is_64 ? GUEST_END_64 : GUEST_END_32; }

static bool memory_read(struct inspect_reader *reader, uint64_t address, void *out, size_t size)
{
    if (address >= (uint64_t)1 << 47 || size > ((uint64_t)1 << 47) - address)
        return false;
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(own(reader)->memory, (char *)out + done, size - done, (off_t)(address + done));
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

/* ---- regions ---- */

static const char *line_path(const char *line)
{
    for (unsigned field = 0; field < 5; field++) {
        line += strcspn(line, " \n");
        line += strspn(line, " ");
    }
    return line;
}

static bool line_parse(const char *line, struct inspect_region *out)
{
    uint64_t from, to;
    char rights[5];
    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &from, &to, rights) != 3)
        return false;
    *out = (struct inspect_region){.base = from, .size = to - from, .allocation_rights = -1};
    out->rights = (rights[0] == 'r' ? PE_R : 0) | (rights[1] == 'w' ? PE_W : 0) | (rights[2] == 'x' ? PE_X : 0);
    out->committed = out->rights != 0;
    const char *path = line_path(line);
    out->type = path[0] == '/' ? INSPECT_MAPPED : INSPECT_PRIVATE;
    if (path[0] == '/')
        snprintf(out->path, sizeof out->path, "%.*s", (int)strcspn(path, "\n"), path);
    return true;
}

static bool region_next(struct inspect_reader *reader, uint64_t *address, struct inspect_region *out)
{
    struct linux_reader *self = own(reader);
    if (*address == 0)
        self->at = self->maps;
    while (*self->at) {
        char *line = self->at;
        self->at += strcspn(line, "\n");
        self->at += *self->at == '\n';
        if (!line_parse(line, out) || out->base < *address || !strncmp(line_path(line), "[heap]", 6))
            continue; /* the heap of Linux is peload's own */
        if (out->base >= guest_end(reader))
            return false;
        if (out->base + out->size > guest_end(reader))
            out->size = guest_end(reader) - out->base;
        *address = out->base + out->size;
        return true;
    }
    return false;
}

/* ---- threads ---- */

static void registers_take(struct inspect_thread *thread, const struct user_regs_struct *from, bool is_64)
{
    const struct inspect_register wide[] = {
        {"rip", from->rip}, {"rsp", from->rsp}, {"rbp", from->rbp}, {"rax", from->rax}, {"rbx", from->rbx}, {"rcx", from->rcx},
        {"rdx", from->rdx}, {"rsi", from->rsi}, {"rdi", from->rdi}, {"r8", from->r8},   {"r9", from->r9},   {"r10", from->r10},
        {"r11", from->r11}, {"r12", from->r12}, {"r13", from->r13}, {"r14", from->r14}, {"r15", from->r15}, {"eflags", from->eflags}};
    const struct inspect_register narrow[] = {
        {"eip", from->rip}, {"esp", from->rsp}, {"ebp", from->rbp}, {"eax", from->rax}, {"ebx", from->rbx},
        {"ecx", from->rcx}, {"edx", from->rdx}, {"esi", from->rsi}, {"edi", from->rdi}, {"eflags", from->eflags}};
    thread->register_count = is_64 ? sizeof wide / sizeof *wide : sizeof narrow / sizeof *narrow;
    memcpy(thread->registers, is_64 ? wide : narrow, thread->register_count * sizeof *wide);
    for (unsigned i = 0; !is_64 && i < thread->register_count; i++)
        thread->registers[i].value &= 0xffffffffu;
}

/* The guest's TEB is at GS on x64 and at FS on x86 from its first instruction on; it says so itself. 0: it has none yet. */
static uint64_t teb_of(struct linux_reader *self, pid_t id, struct user_regs_struct *registers)
{
    struct inspect_reader *reader = &self->reader;
    if (ptrace(PTRACE_GETREGS, id, NULL, registers))
        return 0; /* it is going away */
    uint64_t teb = reader->is_64 ? registers->gs_base : registers->fs_base;
    bool good = teb && teb < guest_end(reader) && inspect_pointer(reader, teb + inspect_offsets_of(reader->is_64)->teb.self) == teb;
    return good ? teb : 0;
}

static bool thread_at(struct inspect_reader *reader, unsigned index, struct inspect_thread *out)
{
    struct linux_reader *self = own(reader);
    struct user_regs_struct registers;
    if (index >= self->own_count)
        return false;
    out->teb = teb_of(self, self->target->threads[self->own_threads[index]].id, &registers);
    if (out->teb) {
        arena_thread(self, out->teb, &out->id, &out->start);
        if (registers.rip < guest_end(reader))
            registers_take(out, &registers, reader->is_64);
    }
    return true;
}

static bool handle_at(struct inspect_reader *reader, unsigned index, struct inspect_handle *out)
{
    return arena_handle(own(reader), index, out);
}

/* ---- files ---- */

static bool file_map(const char *path, struct pe_span *bytes)
{
    struct stat facts;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bytes->data = NULL;
    if (fd >= 0 && !fstat(fd, &facts) && S_ISREG(facts.st_mode) && facts.st_size) {
        void *data = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data != MAP_FAILED)
            *bytes = (struct pe_span){data, (uint64_t)facts.st_size};
    }
    if (fd >= 0)
        close(fd);
    return bytes->data != NULL;
}

/* What the system itself says is behind the image's first page is the truth; an image that was copied has no such file,
 * and then it is where its own name says: "Z:\..." is "/...". */
/* The system's folder of the guest is the one that its ntdll was mapped from. */
static bool system_file(const struct linux_reader *reader, const char *name, char *text, size_t room)
{
    static const char *const folders[] = {"C:\\windows\\system32\\", "C:\\windows\\syswow64\\"};
    const char *end = strstr(reader->maps, "/ntdll.dll\n"), *begin = end;
    while (begin && begin > reader->maps && begin[-1] != '\n')
        begin--;
    begin = begin ? memchr(begin, '/', (size_t)(end - begin)) : NULL;
    for (unsigned i = 0; i < 2 && begin; i++) {
        size_t length = strlen(folders[i]);
        if (!strncasecmp(name, folders[i], length) && !strpbrk(name + length, "/\\"))
            return (size_t)snprintf(text, room, "%.*s/%s", (int)(end - begin), begin, name + length) < room;
    }
    return false;
}

static bool file_open(struct inspect_reader *reader, const char *path, const char *name, struct pe_span *bytes, char *text, size_t room)
{
    if (!path) /* here every image has its file's path, in a list or in its mapping */
        return false;
    if (path[0] == '/' && (size_t)snprintf(text, room, "%s", path) < room && file_map(text, bytes))
        return true;
    if (!name)
        return false;
    if (system_file((const struct linux_reader *)reader, name, text, room) && file_map(text, bytes))
        return true;
    bool is_drive = (name[0] == 'Z' || name[0] == 'z') && name[1] == ':';
    if ((size_t)snprintf(text, room, "%s", is_drive ? name + 2 : name) >= room)
        return false;
    for (char *at = text; is_drive && *at; at++)
        *at = *at == '\\' ? '/' : *at;
    return file_map(text, bytes);
}

static void file_close(struct inspect_reader *reader, struct pe_span bytes)
{
    (void)reader;
    munmap((void *)(uintptr_t)bytes.data, (size_t)bytes.size);
}

/* ---- open, close ---- */

static char *text_read(const char *path)
{
    FILE *file = fopen(path, "re");
    size_t room = 1 << 16, length = 0;
    char *text = file ? malloc(room) : NULL;
    for (size_t got; text && (got = fread(text + length, 1, room - length - 1, file)) > 0;) {
        length += got;
        if (room - length < 4096) {
            char *grown = realloc(text, room *= 2);
            if (!grown)
                free(text);
            text = grown;
        }
    }
    if (text)
        text[length] = 0;
    if (file)
        fclose(file);
    return text;
}

/* The guest's threads: the first one, and whoever has a TEB of his own. Others are the kernel's (the clock's ticker, pipes); one that
 * was cloned without care has still its maker's TEB. */
static void threads_sort(struct linux_reader *reader)
{
    const struct target *target = reader->target;
    struct user_regs_struct ignored;
    for (unsigned i = 0; i < target->thread_count; i++) {
        unsigned at = reader->own_count;
        uint64_t teb = teb_of(reader, target->threads[i].id, &ignored);
        bool own_teb = teb != 0;
        for (unsigned k = 0; k < target->thread_count && own_teb; k++)
            own_teb = target->threads[k].id >= target->threads[i].id || teb_of(reader, target->threads[k].id, &ignored) != teb;
        if (target->threads[i].id != target->id && !own_teb)
            continue;
        for (; at && target->threads[reader->own_threads[at - 1]].id > target->threads[i].id; at--)
            reader->own_threads[at] = reader->own_threads[at - 1];
        reader->own_threads[at] = i;
        reader->own_count++;
    }
}

bool linux_reader_open(struct linux_reader *reader, struct target *target)
{
    char path[64];
    *reader = (struct linux_reader){
        .reader = {.self = reader, .is_64 = target->is_64, .read = memory_read, .region_next = region_next, .thread_at = thread_at,
                   .handle_at = handle_at, .file_open = file_open, .file_close = file_close},
        .target = target};
    snprintf(path, sizeof path, "/proc/%d/mem", (int)target->id);
    reader->memory = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "/proc/%d/maps", (int)target->id);
    reader->maps = text_read(path);
    if (reader->memory < 0 || !reader->maps) {
        linux_reader_close(reader);
        return false;
    }
    threads_sort(reader);
    reader->reader.sees_handles = arena_open(reader);
    return true;
}

void linux_reader_close(struct linux_reader *reader)
{
    if (reader->memory >= 0)
        close(reader->memory);
    free(reader->maps);
    arena_close(reader);
}
