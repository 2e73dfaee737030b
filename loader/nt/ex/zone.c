/* The machine's time zone in Windows' terms: its name from a table, its rules worked out of what the C library knows
 * of this year. */
#include "loader/nt/ex/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* IANA name -> name of the key under "Time Zones", as the Unicode CLDR's windowsZones table pairs them; the common
 * ones, sorted. */
static const struct { const char *host, *windows; } zones[] = {
    {"Africa/Abidjan", "Greenwich Standard Time"}, {"Africa/Algiers", "W. Central Africa Standard Time"},
    {"Africa/Cairo", "Egypt Standard Time"}, {"Africa/Casablanca", "Morocco Standard Time"},
    {"Africa/Johannesburg", "South Africa Standard Time"}, {"Africa/Khartoum", "Sudan Standard Time"},
    {"Africa/Lagos", "W. Central Africa Standard Time"}, {"Africa/Nairobi", "E. Africa Standard Time"},
    {"Africa/Tripoli", "Libya Standard Time"}, {"Africa/Tunis", "W. Central Africa Standard Time"},
    {"Africa/Windhoek", "Namibia Standard Time"}, {"America/Anchorage", "Alaskan Standard Time"},
    {"America/Araguaina", "Tocantins Standard Time"}, {"America/Argentina/Buenos_Aires", "Argentina Standard Time"},
    {"America/Asuncion", "Paraguay Standard Time"}, {"America/Bahia", "Bahia Standard Time"},
    {"America/Bogota", "SA Pacific Standard Time"}, {"America/Buenos_Aires", "Argentina Standard Time"},
    {"America/Cancun", "Eastern Standard Time (Mexico)"}, {"America/Caracas", "Venezuela Standard Time"},
    {"America/Cayenne", "SA Eastern Standard Time"}, {"America/Chicago", "Central Standard Time"},
    {"America/Chihuahua", "Central Standard Time (Mexico)"}, {"America/Cuiaba", "Central Brazilian Standard Time"},
    {"America/Denver", "Mountain Standard Time"}, {"America/Detroit", "Eastern Standard Time"},
    {"America/Edmonton", "Mountain Standard Time"}, {"America/Godthab", "Greenland Standard Time"},
    {"America/Grand_Turk", "Turks And Caicos Standard Time"}, {"America/Guatemala", "Central America Standard Time"},
    {"America/Halifax", "Atlantic Standard Time"}, {"America/Havana", "Cuba Standard Time"},
    {"America/Indiana/Indianapolis", "US Eastern Standard Time"}, {"America/La_Paz", "SA Western Standard Time"},
    {"America/Lima", "SA Pacific Standard Time"}, {"America/Los_Angeles", "Pacific Standard Time"},
    {"America/Mazatlan", "Mountain Standard Time (Mexico)"}, {"America/Mexico_City", "Central Standard Time (Mexico)"},
    {"America/Montevideo", "Montevideo Standard Time"}, {"America/Montreal", "Eastern Standard Time"},
    {"America/New_York", "Eastern Standard Time"}, {"America/Nuuk", "Greenland Standard Time"},
    {"America/Phoenix", "US Mountain Standard Time"}, {"America/Port-au-Prince", "Haiti Standard Time"},
    {"America/Punta_Arenas", "Magallanes Standard Time"}, {"America/Regina", "Canada Central Standard Time"},
    {"America/Santiago", "Pacific SA Standard Time"}, {"America/Sao_Paulo", "E. South America Standard Time"},
    {"America/St_Johns", "Newfoundland Standard Time"}, {"America/Tijuana", "Pacific Standard Time (Mexico)"},
    {"America/Toronto", "Eastern Standard Time"}, {"America/Vancouver", "Pacific Standard Time"},
    {"America/Winnipeg", "Central Standard Time"}, {"Asia/Almaty", "Central Asia Standard Time"},
    {"Asia/Amman", "Jordan Standard Time"}, {"Asia/Baghdad", "Arabic Standard Time"},
    {"Asia/Baku", "Azerbaijan Standard Time"}, {"Asia/Bangkok", "SE Asia Standard Time"},
    {"Asia/Beirut", "Middle East Standard Time"}, {"Asia/Calcutta", "India Standard Time"},
    {"Asia/Chita", "Transbaikal Standard Time"}, {"Asia/Colombo", "Sri Lanka Standard Time"},
    {"Asia/Damascus", "Syria Standard Time"}, {"Asia/Dhaka", "Bangladesh Standard Time"},
    {"Asia/Dubai", "Arabian Standard Time"}, {"Asia/Hebron", "West Bank Standard Time"},
    {"Asia/Ho_Chi_Minh", "SE Asia Standard Time"}, {"Asia/Hong_Kong", "China Standard Time"},
    {"Asia/Hovd", "W. Mongolia Standard Time"}, {"Asia/Irkutsk", "North Asia East Standard Time"},
    {"Asia/Jakarta", "SE Asia Standard Time"}, {"Asia/Jerusalem", "Israel Standard Time"},
    {"Asia/Kabul", "Afghanistan Standard Time"}, {"Asia/Kamchatka", "Russia Time Zone 11"},
    {"Asia/Karachi", "Pakistan Standard Time"}, {"Asia/Kathmandu", "Nepal Standard Time"},
    {"Asia/Kolkata", "India Standard Time"}, {"Asia/Krasnoyarsk", "North Asia Standard Time"},
    {"Asia/Kuala_Lumpur", "Singapore Standard Time"}, {"Asia/Magadan", "Magadan Standard Time"},
    {"Asia/Manila", "Singapore Standard Time"}, {"Asia/Novosibirsk", "N. Central Asia Standard Time"},
    {"Asia/Omsk", "Omsk Standard Time"}, {"Asia/Pyongyang", "North Korea Standard Time"},
    {"Asia/Qyzylorda", "Qyzylorda Standard Time"}, {"Asia/Riyadh", "Arab Standard Time"},
    {"Asia/Saigon", "SE Asia Standard Time"}, {"Asia/Sakhalin", "Sakhalin Standard Time"},
    {"Asia/Seoul", "Korea Standard Time"}, {"Asia/Shanghai", "China Standard Time"},
    {"Asia/Singapore", "Singapore Standard Time"}, {"Asia/Taipei", "Taipei Standard Time"},
    {"Asia/Tashkent", "West Asia Standard Time"}, {"Asia/Tbilisi", "Georgian Standard Time"},
    {"Asia/Tehran", "Iran Standard Time"}, {"Asia/Tokyo", "Tokyo Standard Time"},
    {"Asia/Ulaanbaatar", "Ulaanbaatar Standard Time"}, {"Asia/Vladivostok", "Vladivostok Standard Time"},
    {"Asia/Yakutsk", "Yakutsk Standard Time"}, {"Asia/Yangon", "Myanmar Standard Time"},
    {"Asia/Yekaterinburg", "Ekaterinburg Standard Time"}, {"Asia/Yerevan", "Caucasus Standard Time"},
    {"Atlantic/Azores", "Azores Standard Time"}, {"Atlantic/Cape_Verde", "Cape Verde Standard Time"},
    {"Atlantic/Reykjavik", "Greenwich Standard Time"}, {"Australia/Adelaide", "Cen. Australia Standard Time"},
    {"Australia/Brisbane", "E. Australia Standard Time"}, {"Australia/Darwin", "AUS Central Standard Time"},
    {"Australia/Eucla", "Aus Central W. Standard Time"}, {"Australia/Hobart", "Tasmania Standard Time"},
    {"Australia/Lord_Howe", "Lord Howe Standard Time"}, {"Australia/Melbourne", "AUS Eastern Standard Time"},
    {"Australia/Perth", "W. Australia Standard Time"}, {"Australia/Sydney", "AUS Eastern Standard Time"},
    {"Etc/GMT", "UTC"}, {"Etc/UTC", "UTC"}, {"Europe/Amsterdam", "W. Europe Standard Time"},
    {"Europe/Athens", "GTB Standard Time"}, {"Europe/Belgrade", "Central Europe Standard Time"},
    {"Europe/Berlin", "W. Europe Standard Time"}, {"Europe/Bratislava", "Central Europe Standard Time"},
    {"Europe/Brussels", "Romance Standard Time"}, {"Europe/Bucharest", "GTB Standard Time"},
    {"Europe/Budapest", "Central Europe Standard Time"}, {"Europe/Chisinau", "E. Europe Standard Time"},
    {"Europe/Copenhagen", "Romance Standard Time"}, {"Europe/Dublin", "GMT Standard Time"},
    {"Europe/Helsinki", "FLE Standard Time"}, {"Europe/Istanbul", "Turkey Standard Time"},
    {"Europe/Kaliningrad", "Kaliningrad Standard Time"}, {"Europe/Kiev", "FLE Standard Time"},
    {"Europe/Kyiv", "FLE Standard Time"}, {"Europe/Lisbon", "GMT Standard Time"},
    {"Europe/Ljubljana", "Central Europe Standard Time"}, {"Europe/London", "GMT Standard Time"},
    {"Europe/Luxembourg", "W. Europe Standard Time"}, {"Europe/Madrid", "Romance Standard Time"},
    {"Europe/Minsk", "Belarus Standard Time"}, {"Europe/Moscow", "Russian Standard Time"},
    {"Europe/Oslo", "W. Europe Standard Time"}, {"Europe/Paris", "Romance Standard Time"},
    {"Europe/Prague", "Central Europe Standard Time"}, {"Europe/Riga", "FLE Standard Time"},
    {"Europe/Rome", "W. Europe Standard Time"}, {"Europe/Samara", "Russia Time Zone 3"},
    {"Europe/Sarajevo", "Central European Standard Time"}, {"Europe/Sofia", "FLE Standard Time"},
    {"Europe/Stockholm", "W. Europe Standard Time"}, {"Europe/Tallinn", "FLE Standard Time"},
    {"Europe/Vienna", "W. Europe Standard Time"}, {"Europe/Vilnius", "FLE Standard Time"},
    {"Europe/Volgograd", "Volgograd Standard Time"}, {"Europe/Warsaw", "Central European Standard Time"},
    {"Europe/Zagreb", "Central European Standard Time"}, {"Europe/Zurich", "W. Europe Standard Time"},
    {"GMT", "UTC"}, {"Indian/Mauritius", "Mauritius Standard Time"}, {"Pacific/Apia", "Samoa Standard Time"},
    {"Pacific/Auckland", "New Zealand Standard Time"}, {"Pacific/Chatham", "Chatham Islands Standard Time"},
    {"Pacific/Easter", "Easter Island Standard Time"}, {"Pacific/Fiji", "Fiji Standard Time"},
    {"Pacific/Guadalcanal", "Central Pacific Standard Time"}, {"Pacific/Honolulu", "Hawaiian Standard Time"},
    {"Pacific/Kiritimati", "Line Islands Standard Time"}, {"Pacific/Marquesas", "Marquesas Standard Time"},
    {"Pacific/Norfolk", "Norfolk Standard Time"}, {"Pacific/Port_Moresby", "West Pacific Standard Time"},
    {"Pacific/Tongatapu", "Tonga Standard Time"}, {"US/Central", "Central Standard Time"},
    {"US/Eastern", "Eastern Standard Time"}, {"US/Mountain", "Mountain Standard Time"},
    {"US/Pacific", "Pacific Standard Time"}, {"UTC", "UTC"},
};
enum { ZONE_COUNT = sizeof zones / sizeof *zones };

static int zone_compare(const void *name, const void *entry)
{
    return strcmp(name, ((const char *const *)entry)[0]);
}

/* The zone's IANA name: TZ, else where /etc/localtime leads. "" where that is no name (TZ="CET-1CEST", a copied file). */
static void host_name(char *name, size_t room)
{
    const char *from = getenv("TZ");
    char target[256];
    name[0] = 0;
    if (!from) {
        ssize_t length = readlink("/etc/localtime", target, sizeof target - 1);
        target[length > 0 ? length : 0] = 0;
        from = length > 0 ? target : access("/etc/localtime", F_OK) ? "UTC" : "";
    } else if (!*from) {
        from = "UTC";
    }
    if (*from == ':')
        from++;
    const char *database = strstr(from, "zoneinfo/");
    if (database)
        from = database + 9;
    if (!strncmp(from, "posix/", 6) || !strncmp(from, "right/", 6))
        from += 6;
    if (strlen(from) < room)
        strcpy(name, from);
}

static void wide(WCHAR *to, size_t room, const char *text)
{
    size_t i = 0;
    for (; text[i] && i + 1 < room; i++)
        to[i] = (uint8_t)text[i];
    to[i] = 0;
}

/* The last second before the offset changes in [from, to), by halving; the caller knows that it does. */
static time_t change_find(time_t from, time_t to)
{
    struct tm low, middle;
    localtime_r(&from, &low);
    while (to - from > 1) {
        time_t half = from + (to - from) / 2;
        localtime_r(&half, &middle);
        if (middle.tm_gmtoff == low.tm_gmtoff)
            from = half;
        else
            to = half;
    }
    return from;
}

/* A change as a rule: local time by the clock that is left, and "the n-th such weekday of the month" (5: the last). */
static struct nt_system_time rule_of(time_t last_second)
{
    struct tm old;
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    time_t change = last_second + 1;
    localtime_r(&last_second, &old);
    change += old.tm_gmtoff;
    gmtime_r(&change, &old);
    bool last = old.tm_mday + 7 > days[old.tm_mon];
    return (struct nt_system_time){0, (USHORT)(old.tm_mon + 1), (USHORT)old.tm_wday,
                                   (USHORT)(last ? 5 : (old.tm_mday + 6) / 7), (USHORT)old.tm_hour, (USHORT)old.tm_min, 0, 0};
}

/* This year's changes, looked for week by week. Two of them make a rule, whose standard time is the one further west:
 * the C library calls Ireland's winter its daylight time, Windows does not. */
static void rules_find(struct nt_zone *zone, char *standard, char *daylight, size_t room)
{
    enum { WEEK = 7 * 86400, CHANGES = 2 };
    struct tm at, then, after;
    time_t now = time(NULL), changes[CHANGES + 1];
    unsigned count = 0;
    localtime_r(&now, &at);
    zone->bias = (LONG)(-at.tm_gmtoff / 60);
    snprintf(standard, room, "%s", at.tm_zone);
    snprintf(daylight, room, "%s", at.tm_zone);
    at = (struct tm){.tm_year = at.tm_year, .tm_mday = 1, .tm_isdst = -1};
    time_t start = mktime(&at);
    for (time_t week = start; week < start + 365 * 86400 && count <= CHANGES; week += WEEK) {
        time_t next = week + WEEK;
        localtime_r(&week, &then);
        localtime_r(&next, &after);
        if (then.tm_gmtoff != after.tm_gmtoff)
            changes[count++] = change_find(week, next);
    }
    if (count != CHANGES)
        return;
    for (unsigned i = 0; i < CHANGES; i++) {
        time_t later = changes[i] + 1;
        localtime_r(&changes[i], &then);
        localtime_r(&later, &after);
        if (after.tm_gmtoff > then.tm_gmtoff) {
            zone->daylight_date = rule_of(changes[i]);
            zone->daylight_bias = (LONG)((then.tm_gmtoff - after.tm_gmtoff) / 60);
            snprintf(daylight, room, "%s", after.tm_zone);
        } else {
            zone->standard_date = rule_of(changes[i]);
            zone->bias = (LONG)(-after.tm_gmtoff / 60);
            snprintf(standard, room, "%s", after.tm_zone);
        }
    }
}

/* "X Standard Time" has the summer name "X Daylight Time" for every zone that has one. */
static void names_fill(struct nt_zone *zone, const char *key)
{
    char daylight[64];
    const char *standard = strstr(key, "Standard");
    bool utc = !strcmp(key, "UTC");
    if (standard)
        snprintf(daylight, sizeof daylight, "%.*sDaylight%s", (int)(standard - key), key, standard + 8);
    else
        snprintf(daylight, sizeof daylight, "%s", utc ? "Coordinated Universal Time" : key);
    wide(zone->standard_name, 32, utc ? daylight : key);
    wide(zone->daylight_name, 32, daylight);
    wide(zone->key, 128, key);
}

const struct nt_zone *nt_ex_zone(void)
{
    static struct nt_zone zone;
    static bool known;
    char name[256], standard[64] = "", daylight[64] = "";
    if (known)
        return &zone;
    host_name(name, sizeof name);
    const char *const *entry = bsearch(name, zones, ZONE_COUNT, sizeof *zones, zone_compare);
    const char *key = entry ? entry[1] : NULL;
    if (!key || strcmp(key, "UTC"))
        rules_find(&zone, standard, daylight, sizeof standard);
    if (key) {
        names_fill(&zone, key);
    } else {
        wide(zone.standard_name, 32, standard);
        wide(zone.daylight_name, 32, daylight);
        wide(zone.key, 128, standard);
    }
    known = true;
    LONG bias;
    ULONG id;
    nt_ex_zone_now(&bias, &id);
    ex_shared_zone_set(bias, id);
    return &zone;
}

void nt_ex_zone_now(LONG *bias, ULONG *id)
{
    const struct nt_zone *zone = nt_ex_zone();
    struct tm local;
    time_t now = time(NULL);
    *bias = zone->bias;
    *id = 0;
    if (!zone->daylight_date.month)
        return;
    localtime_r(&now, &local);
    *id = local.tm_gmtoff > -60 * (long)zone->bias ? 2 : 1;
    if (*id == 2)
        *bias += zone->daylight_bias;
}
