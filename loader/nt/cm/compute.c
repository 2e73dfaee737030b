/* Default values that depend on the machine, the user or the version. */
#include "loader/nt/cm/private.h"
#include "loader/nt/ex.h"
#include "loader/nt/io.h"

#include <cpuid.h>
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* NetBIOS names have fifteen letters, upper case, up to the first dot. */
static void computer_name(char *name, size_t room, bool upper)
{
    struct utsname host;
    size_t i = 0, limit = upper && room > 16 ? 15 : room - 1;
    if (uname(&host))
        host.nodename[0] = 0;
    for (; i < limit && host.nodename[i] && host.nodename[i] != '.'; i++)
        name[i] = upper ? (char)toupper((unsigned char)host.nodename[i]) : host.nodename[i];
    name[i] = 0;
    if (!i)
        snprintf(name, room, "%s", upper ? "LOCALHOST" : "localhost");
}

/* From the host's own machine ID, so that it stays the same from run to run. */
static void machine_guid(char *text, size_t room)
{
    char id[33] = "";
    int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t got = read(fd, id, 32);
        id[got > 0 ? got : 0] = 0;
        close(fd);
    }
    if (strlen(id) != 32)
        snprintf(id, sizeof id, "%s", "7065656c6f6164000000000000000001");
    snprintf(text, room, "%.8s-%.4s-%.4s-%.4s-%.12s", id, id + 8, id + 12, id + 16, id + 20);
}

static void processor_text(bool vendor, char *text, size_t room)
{
    unsigned words[13] = {0};
    if (vendor) {
        unsigned highest;
        if (__get_cpuid(0, &highest, &words[0], &words[2], &words[1]))
            words[3] = 0;
    } else {
        for (unsigned i = 0; i < 3; i++)
            __get_cpuid(0x80000002 + i, &words[4 * i], &words[4 * i + 1], &words[4 * i + 2], &words[4 * i + 3]);
    }
    snprintf(text, room, "%s", (char *)words);
}

static bool wide_text(const WCHAR *text, char *out, size_t room)
{
    size_t length = 0;
    while (text[length])
        length++;
    nt_utf8_from_utf16(text, length, out, room);
    return true;
}

/* The text of those that are text; false: it is none. */
static bool text_of(enum cm_computed which, const char *prefix, char *text, size_t room)
{
    char name[256];
    switch (which) {
    case CM_USER_SID: snprintf(text, room, "%s", nt_ex_user_sid_text); return true;
    case CM_USER_NAME: snprintf(text, room, "%s", nt_user_name()); return true;
    case CM_USER_PROFILE: snprintf(text, room, "C:\\users\\%s%s", nt_user_name(), prefix); return true;
    case CM_COMPUTER_NAME: computer_name(text, room, true); return true;
    case CM_HOST_NAME: computer_name(text, room, false); return true;
    case CM_LOGON_SERVER:
        computer_name(name, sizeof name, true);
        snprintf(text, room, "\\\\%s", name);
        return true;
    case CM_BUILD: snprintf(text, room, "%u", nt_config.version_build); return true;
    case CM_BUILD_LAB: snprintf(text, room, "%u.vb_release.191206-1406", nt_config.version_build); return true;
    case CM_PROCESSORS: snprintf(text, room, "%ld", sysconf(_SC_NPROCESSORS_ONLN)); return true;
    case CM_PROCESSOR_NAME: processor_text(false, text, room); return true;
    case CM_PROCESSOR_VENDOR: processor_text(true, text, room); return true;
    case CM_MACHINE_GUID: machine_guid(text, room); return true;
    case CM_LANGUAGE: snprintf(text, room, "%04x", nt_ex_system_lcid() & 0xffff); return true;
    case CM_ZONE_KEY: return wide_text(nt_ex_zone()->key, text, room);
    case CM_ZONE_STANDARD: return wide_text(nt_ex_zone()->standard_name, text, room);
    case CM_ZONE_DAYLIGHT: return wide_text(nt_ex_zone()->daylight_name, text, room);
    default: return false;
    }
}

static void bytes_put(struct cm_computed_value *value, const void *bytes, uint32_t length)
{
    memcpy(value->bytes + value->length, bytes, length);
    value->length += length;
}

void cm_compute(enum cm_computed which, const char *prefix, struct cm_computed_value *value)
{
    const struct nt_zone *zone;
    LONG bias;
    ULONG id;
    *value = (struct cm_computed_value){.type = REG_SZ};
    if (text_of(which, prefix ? prefix : "", value->bytes, sizeof value->bytes)) {
        value->length = (uint32_t)strlen(value->bytes) + 1;
        return;
    }
    zone = nt_ex_zone();
    value->type = REG_DWORD;
    switch (which) {
    case CM_ZONE_BIAS: bytes_put(value, &zone->bias, sizeof zone->bias); break;
    case CM_ZONE_STANDARD_BIAS: bytes_put(value, &zone->standard_bias, sizeof zone->standard_bias); break;
    case CM_ZONE_DAYLIGHT_BIAS: bytes_put(value, &zone->daylight_bias, sizeof zone->daylight_bias); break;
    case CM_ZONE_ACTIVE_BIAS:
        nt_ex_zone_now(&bias, &id);
        bytes_put(value, &bias, sizeof bias);
        break;
    default:
        value->type = REG_BINARY;
        if (which == CM_ZONE_RULES) { /* TZI: the three biases, then the two dates */
            bytes_put(value, &zone->bias, sizeof zone->bias);
            bytes_put(value, &zone->standard_bias, sizeof zone->standard_bias);
            bytes_put(value, &zone->daylight_bias, sizeof zone->daylight_bias);
        }
        if (which != CM_ZONE_DAYLIGHT_START)
            bytes_put(value, &zone->standard_date, sizeof zone->standard_date);
        if (which != CM_ZONE_STANDARD_START)
            bytes_put(value, &zone->daylight_date, sizeof zone->daylight_date);
    }
}
