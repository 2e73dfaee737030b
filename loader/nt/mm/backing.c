/* Backings: what this process holds of a section, so that its views can be changed and grow, and so that several views
 * agree on what is committed. */
#define _FILE_OFFSET_BITS 64
#include "loader/nt/mm/private.h"

#include <errno.h>
#include <fcntl.h>
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

/* The section object tells only the process that lets the last of it go: others notice here. An object's memory stays
 * readable, and an id is never used twice, so that no lock is needed to see that the section is another or none. */
static void unused_release(void)
{
    for (struct mm_backing *backing = backings, *next; backing; backing = next) {
        const struct nt_section_object *section = nt_at(backing->section);
        next = backing->next;
        /* The one holder may also be a view, whose section went in this process: that one is used. */
        if (backing->holders == 1 && !backing->first_view && (section->head.type != NT_SECTION || section->id != backing->id))
            mm_backing_release(backing);
    }
}

static struct mm_backing *backing_make(const struct nt_section_object *section, int fd)
{
    struct mm_backing *backing = mm_backing_new(section->id, fd, section->path ? nt_at(section->path) : NULL);
    if (!backing)
        return NULL;
    backing->section = nt_ref_of(section);
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
        unused_release();
        int fd = fcntl(handle_fd, F_DUPFD_CLOEXEC, 0);
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
