/* Language and locale: taken from the environment's LC_* variables by way of the name index in locale.nls. */
#include "loader/nt/ex/private.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LCID_ENGLISH_US = 0x409, LCID_UNSPECIFIED = 0x1000, NAME_LIMIT = 85 };

/* The part of locale.nls that leads from a name to its LCID (found in the file itself, version 7): the header's fifth
 * word is the offset of a table, and that table's words 10, 12 and 16 are count and place of the names' index, and
 * the place of the strings. An index entry is {string, locale, LCID}; a string is a count and its units. */
struct locale_file { const uint8_t *bytes; size_t size; uint32_t table, count, index, strings; };

static bool word_at(const struct locale_file *file, size_t at, uint32_t *value)
{
    if (file->size < sizeof *value || at > file->size - sizeof *value)
        return false;
    memcpy(value, file->bytes + at, sizeof *value);
    return true;
}

static bool locale_file_open(struct locale_file *file)
{
    char path[4200];
    struct stat status;
    snprintf(path, sizeof path, "%s/locale.nls", nt_config.nls_folder ? nt_config.nls_folder : "");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    file->bytes = MAP_FAILED;
    if (!fstat(fd, &status) && status.st_size > 0) {
        file->size = (size_t)status.st_size;
        file->bytes = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    close(fd);
    if (file->bytes == MAP_FAILED)
        return false;
    if (word_at(file, 16, &file->table) && word_at(file, (size_t)file->table + 40, &file->count) &&
        word_at(file, (size_t)file->table + 48, &file->index) && word_at(file, (size_t)file->table + 64, &file->strings))
        return true;
    munmap((void *)(uintptr_t)file->bytes, file->size);
    return false;
}

static bool name_is(const struct locale_file *file, uint32_t string, const char *name)
{
    size_t at = (size_t)file->table + file->strings + 2 * (size_t)string, length = strlen(name);
    uint16_t unit;
    if (at + 2 * (length + 1) > file->size)
        return false;
    memcpy(&unit, file->bytes + at, sizeof unit);
    if (unit != length)
        return false;
    for (size_t i = 0; i < length; i++) {
        memcpy(&unit, file->bytes + at + 2 * (i + 1), sizeof unit);
        if (unit != (uint8_t)name[i])
            return false;
    }
    return true;
}

/* 0: no such locale. */
static uint32_t lcid_find(const char *name)
{
    struct locale_file file;
    uint32_t found = 0, entry, lcid;
    if (!locale_file_open(&file))
        return 0;
    for (uint32_t i = 0; i < file.count && !found; i++) {
        size_t at = (size_t)file.table + file.index + 8 * (size_t)i;
        if (!word_at(&file, at, &entry) || !word_at(&file, at + 4, &lcid))
            break;
        if (name_is(&file, entry & 0xffff, name))
            found = lcid;
    }
    munmap((void *)(uintptr_t)file.bytes, file.size);
    return found;
}

/* "sr_RS.UTF-8@latin" -> "sr-Latn-RS". */
static void name_convert(const char *host, char *name, size_t room)
{
    size_t language = strcspn(host, "_.@"), country = 0;
    const char *after = host + language, *modifier = strchr(host, '@'), *script = "";
    if (*after == '_')
        country = strcspn(++after, ".@");
    if (modifier && !strcmp(modifier, "@latin"))
        script = "-Latn";
    else if (modifier && !strcmp(modifier, "@cyrillic"))
        script = "-Cyrl";
    snprintf(name, room, "%.*s%s%s%.*s", (int)language, host, script, country ? "-" : "", (int)country, after);
}

static uint32_t lcid_of_category(const char *category)
{
    const char *host = getenv("LC_ALL");
    char name[NAME_LIMIT];
    if (!host || !*host)
        host = getenv(category);
    if (!host || !*host)
        host = getenv("LANG");
    if (!host || !*host || !strncmp(host, "C.", 2) || !strcmp(host, "C") || !strcmp(host, "POSIX") || !strncmp(host, "en_US", 5))
        return LCID_ENGLISH_US;
    name_convert(host, name, sizeof name);
    uint32_t lcid = lcid_find(name);
    if (!lcid || lcid == LCID_UNSPECIFIED) { /* the language alone: its first sublanguage */
        name[strcspn(name, "-")] = 0;
        lcid = lcid_find(name);
    }
    if (lcid && lcid < 0x400)
        lcid |= 0x400;
    return lcid && lcid != LCID_UNSPECIFIED ? lcid : LCID_ENGLISH_US;
}

/* Set from the environment at the first question. */
static struct { bool known; uint32_t system, user; USHORT ui; } locale;

static void locale_know(void)
{
    if (locale.known)
        return;
    locale.system = lcid_of_category("LC_CTYPE");
    locale.user = lcid_of_category("LC_MESSAGES");
    locale.ui = (USHORT)locale.user;
    locale.known = true;
}

uint32_t nt_ex_system_lcid(void)
{
    locale_know();
    return locale.system;
}

uint32_t nt_ex_user_lcid(void)
{
    locale_know();
    return locale.user;
}

NTSTATUS NtQueryDefaultLocale(BOOLEAN user, ULONG *guest)
{
    ULONG lcid = user ? nt_ex_user_lcid() : nt_ex_system_lcid();
    return NT_PUT(guest, lcid) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

NTSTATUS NtSetDefaultLocale(BOOLEAN user, ULONG lcid)
{
    locale_know();
    if (user)
        locale.user = lcid;
    else
        locale.system = lcid;
    return STATUS_SUCCESS;
}

NTSTATUS NtQueryDefaultUILanguage(USHORT *guest)
{
    locale_know();
    return NT_PUT(guest, locale.ui) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

NTSTATUS NtSetDefaultUILanguage(USHORT language)
{
    locale_know();
    locale.ui = language;
    return STATUS_SUCCESS;
}

NTSTATUS NtQueryInstallUILanguage(USHORT *guest)
{
    USHORT language = (USHORT)nt_ex_system_lcid();
    return NT_PUT(guest, language) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}
