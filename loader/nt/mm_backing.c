/* Backings: what this process holds of a section, so that its views can be changed and grow, and so that several views
 * agree on what is committed. */
#define _FILE_OFFSET_BITS 64
#include "loader/nt/mm_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct mm_backing *backings; /* those with an id; the Mm lock's */

struct mm_backing *mm_backing_new(uint64_t id, int fd, const char *path)
{
    struct mm_backing *backing = calloc(1, sizeof *backing);
    if (backing && path && !(backing->path = strdup(path))) {
        free(backing);
        return NULL;
    }
    if (!backing)
        return NULL;
    backing->id = id;
    backing->fd = fd;
    backing->is_file = path != NULL;
    backing->holders = 1;
    mm_runs_open(&backing->committed, 0);
    if (id) {
        backing->next = backings;
        backings = backing;
    }
    return backing;
}

void mm_backing_hold(struct mm_backing *backing)
{
    backing->holders++;
}

void mm_backing_release(struct mm_backing *backing)
{
    if (--backing->holders)
        return;
    for (struct mm_backing **link = &backings; *link; link = &(*link)->next)
        if (*link == backing) {
            *link = backing->next;
            break;
        }
    if (backing->fd >= 0)
        close(backing->fd);
    mm_runs_close(&backing->committed);
    free(backing->path);
    free(backing);
}

struct mm_backing *mm_backing_find(uint64_t id)
{
    struct mm_backing *backing = backings;
    while (backing && backing->id != id)
        backing = backing->next;
    return backing;
}

/* The keeper's descriptor, opened anew: through /proc, which knows memory files as well. */
static int keeper_open(const struct nt_section_object *section)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%u/fd/%d", section->keeper_process, section->keeper_file);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    return fd >= 0 ? fd : open(path, O_RDONLY | O_CLOEXEC);
}

static struct mm_backing *backing_make(const struct nt_section_object *section, int fd)
{
    struct mm_backing *backing = mm_backing_new(section->id, fd, section->path ? nt_at(section->path) : NULL);
    if (!backing)
        return NULL;
    backing->size = section->size;
    backing->reserves = section->attributes & SEC_RESERVE && !section->path;
    return backing;
}

NTSTATUS mm_backing_of(const struct nt_section_object *section, int handle_fd, struct mm_backing **out)
{
    NTSTATUS status = STATUS_SUCCESS;
    mm_lock();
    *out = mm_backing_find(section->id);
    if (!*out) {
        int fd = handle_fd >= 0 ? fcntl(handle_fd, F_DUPFD_CLOEXEC, 0) : keeper_open(section);
        if (fd < 0)
            status = mm_linux_status(errno);
        else if (!(*out = backing_make(section, fd))) {
            close(fd);
            status = STATUS_NO_MEMORY;
        }
    }
    if (*out)
        mm_backing_hold(*out);
    mm_unlock();
    return status;
}

void mm_backing_view_add(struct mm_backing *backing, struct mm_area *area)
{
    area->backing = backing;
    area->next_view = backing->first_view;
    backing->first_view = area;
    mm_backing_hold(backing);
}

void mm_backing_view_remove(struct mm_area *area)
{
    struct mm_backing *backing = area->backing;
    struct mm_area **link = &backing->first_view;
    while (*link != area)
        link = &(*link)->next_view;
    *link = area->next_view;
    area->backing = NULL;
    mm_backing_release(backing);
}
