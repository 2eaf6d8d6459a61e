/*
 * api/time.c - time stamps, durations and ages as text.
 *
 * k8s.io/apimachinery/pkg/apis/meta/v1/{time,micro_time}.go; Go's time.ParseDuration and
 * Duration.String; k8s.io/apimachinery/pkg/util/duration: HumanDuration.
 */
#include "api/values.h"

#include <stdio.h>
#include <string.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* --- calendar --- */

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back. Years count from March, so
 * that the odd day is a year's last. */
static int64_t days_of(int64_t year, int month, int day) {
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, int64_t *year, int *month, int *day) {
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097, of_era = days - era * 146097;
    int64_t years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * years + years / 4 - years / 100);
    int shifted = (int)((5 * of_year + 2) / 153);
    *day = (int)(of_year - (153 * shifted + 2) / 5 + 1);
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = years + era * 400 + (*month <= 2);
}

/* --- time stamps --- */

/* `digits` decimal digits of a value, leading zeros included. */
static char *put_digits(char *out, int64_t value, int digits) {
    for (int i = digits; i-- > 0; value /= 10) out[i] = (char)('0' + value % 10);
    return out + digits;
}

static ks_val stamp(ks_heap *heap, int64_t seconds, int64_t micros) {
    int64_t days = seconds / 86400, rest = seconds % 86400, year;
    int month, day;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    date_of(days, &year, &month, &day);
    char text[64], *at = text;
    if (year >= 0 && year <= 9999)
        at = put_digits(at, year, 4);
    else
        at += snprintf(at, 24, "%04lld", (long long)year);
    const int64_t parts[5] = {month, day, rest / 3600, rest / 60 % 60, rest % 60};
    for (int i = 0; i < 5; i++) {
        *at++ = "--T::"[i];
        at = put_digits(at, parts[i], 2);
    }
    if (micros >= 0) {
        *at++ = '.';
        at = put_digits(at, micros, 6);
    }
    *at++ = 'Z';
    return ks_textn(heap, text, (size_t)(at - text));
}

/* Seconds that lie near each other have places of their own. */
ks_val ks_time_val(ks_world *world, int64_t instant) {
    int64_t second = ks_unix(world, instant);
    size_t place = (uint64_t)second % KS_STAMPS;
    const ks_str *known = world->stamps[place].text;
    if (known == NULL || world->stamps[place].second != second) {
        ks_val text = stamp(world->heap, second, -1);
        ks_str_unref(world->heap, known);
        world->stamps[place].text = text.s;
        world->stamps[place].second = second;
    }
    return ks_string(world->stamps[place].text);
}

ks_val ks_microtime_val(ks_world *world, int64_t instant) {
    int64_t nanos = instant % KS_SECOND;
    if (nanos < 0) nanos += KS_SECOND;
    return stamp(world->heap, ks_unix(world, instant), nanos / 1000);
}

/* `least` to `most` digits as a number within [low, high]. */
static bool take(const char **s, const char *end, int least, int most, int low, int high,
                 int *out) {
    int digits = 0, value = 0;
    for (; digits < most && *s < end && is_digit(**s); digits++)
        value = value * 10 + (*(*s)++ - '0');
    *out = value;
    return digits >= least && value >= low && value <= high;
}

static bool take_byte(const char **s, const char *end, char c) {
    if (*s == end || **s != c) return false;
    (*s)++;
    return true;
}

/* Nanoseconds behind the point; further digits are dropped. */
static int64_t take_fraction(const char **s, const char *end) {
    int64_t nanos = 0, unit = KS_SECOND / 10;
    if (end - *s < 2 || (**s != '.' && **s != ',') || !is_digit((*s)[1])) return 0;
    for ((*s)++; *s < end && is_digit(**s); unit /= 10) nanos += unit * (*(*s)++ - '0');
    return nanos;
}

/* Z or +hh:mm; seconds east of Greenwich. */
static bool take_zone(const char **s, const char *end, int64_t *seconds) {
    int hours, minutes;
    *seconds = 0;
    if (take_byte(s, end, 'Z')) return true;
    bool west = take_byte(s, end, '-');
    if (!west && !take_byte(s, end, '+')) return false;
    if (!take(s, end, 2, 2, 0, 24, &hours) || !take_byte(s, end, ':') ||
        !take(s, end, 2, 2, 0, 60, &minutes))
        return false;
    *seconds = (west ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

static int days_in(int month, int year) {
    return (int)(days_of(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1) -
                 days_of(year, month, 1));
}

bool ks_time_parse(const char *s, size_t len, int64_t *unix_ns) {
    const char *end = s + len;
    int year, month, day, hour, minute, second;
    int64_t zone;
    *unix_ns = 0;
    if (!take(&s, end, 4, 4, 0, 9999, &year) || !take_byte(&s, end, '-') ||
        !take(&s, end, 2, 2, 1, 12, &month) || !take_byte(&s, end, '-') ||
        !take(&s, end, 2, 2, 1, days_in(month, year), &day) || !take_byte(&s, end, 'T'))
        return false;
    if (!take(&s, end, 1, 2, 0, 23, &hour) || !take_byte(&s, end, ':') ||
        !take(&s, end, 2, 2, 0, 59, &minute) || !take_byte(&s, end, ':') ||
        !take(&s, end, 2, 2, 0, 59, &second))
        return false;
    int64_t nanos = take_fraction(&s, end);
    if (!take_zone(&s, end, &zone) || s != end) return false;
    int64_t seconds = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone;
    if (seconds >= INT64_MAX / KS_SECOND)
        *unix_ns = INT64_MAX;
    else if (seconds <= INT64_MIN / KS_SECOND)
        *unix_ns = INT64_MIN;
    else
        *unix_ns = seconds * KS_SECOND + nanos;
    return true;
}

int64_t ks_instant_of(const ks_world *world, ks_val time) {
    int64_t unix_ns;
    if (time.type != KS_STRING) return KS_NEVER;
    for (int i = 0; i < KS_STAMPS; i++)
        if (time.s == world->stamps[i].text)
            return (world->stamps[i].second - world->epoch) * KS_SECOND;
    if (!ks_time_parse(time.s->s, time.s->len, &unix_ns)) return KS_NEVER;
    /* what is farther away than the clock runs is as far: sums and differences hold */
    ks_int128 apart = (ks_int128)unix_ns - (ks_int128)world->epoch * KS_SECOND;
    return apart <= -KS_LAST ? 1 - KS_LAST : apart >= KS_LAST ? KS_LAST : (int64_t)apart;
}

/* --- durations --- */

static bool take_unit(const char **s, const char *end, int64_t *unit) {
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {
        {"ns", 1},       {"us", 1000},     {"\xc2\xb5s", 1000},   {"\xce\xbcs", 1000},
        {"ms", 1000000}, {"s", KS_SECOND}, {"m", 60 * KS_SECOND}, {"h", 3600 * KS_SECOND},
    };
    const char *from = *s;
    while (*s < end && !is_digit(**s) && **s != '.') (*s)++;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t len = strlen(units[i].name);
        if ((size_t)(*s - from) != len || memcmp(from, units[i].name, len) != 0) continue;
        *unit = units[i].ns;
        return true;
    }
    return false;
}

/* One number and its unit, added to *total (at most 2^63). */
static bool take_term(const char **s, const char *end, uint64_t *total) {
    const uint64_t most = (uint64_t)1 << 63;
    uint64_t whole = 0, fraction = 0;
    double scale = 1;
    bool digits = false, full = false;
    for (; *s < end && is_digit(**s); (*s)++, digits = true) {
        uint64_t digit = (uint64_t)(**s - '0');
        if (whole > (most - digit) / 10) return false;
        whole = whole * 10 + digit;
    }
    if (take_byte(s, end, '.')) {
        for (; *s < end && is_digit(**s); (*s)++, digits = true) {
            uint64_t digit = (uint64_t)(**s - '0');
            full = full || fraction > (most - 1 - digit) / 10;
            if (full) continue;
            fraction = fraction * 10 + digit;
            scale *= 10;
        }
    }
    int64_t unit;
    if (!digits || !take_unit(s, end, &unit)) return false;
    if (whole > most / (uint64_t)unit) return false;
    uint64_t value = whole * (uint64_t)unit + (uint64_t)((double)fraction * ((double)unit / scale));
    if (value > most || *total > most - value) return false;
    *total += value;
    return true;
}

bool ks_duration_parse(const char *s, size_t len, int64_t *ns) {
    const char *end = s + len;
    bool negative = false;
    *ns = 0;
    if (s < end && (*s == '-' || *s == '+')) negative = *s++ == '-';
    if (end - s == 1 && *s == '0') return true;
    if (s == end) return false;
    uint64_t total = 0;
    while (s < end)
        if (!take_term(&s, end, &total)) return false;
    if (total > (uint64_t)INT64_MAX && !negative) return false;
    *ns = negative ? (int64_t)(0 - total) : (int64_t)total;
    return true;
}

/* A whole number; its length. */
static int print_whole(uint64_t value, char *out) {
    int digits = 1;
    for (uint64_t v = value; v >= 10; v /= 10) digits++;
    for (int i = digits; i-- > 0; value /= 10) out[i] = (char)('0' + value % 10);
    return digits;
}

/* `value` units of 10^digits parts as a decimal without trailing zeros. */
static int print_decimal(uint64_t value, int digits, const char *unit, char *out) {
    uint64_t scale = 1;
    for (int i = 0; i < digits; i++) scale *= 10;
    int len = print_whole(value / scale, out);
    uint64_t rest = value % scale;
    if (rest != 0) {
        for (; rest % 10 == 0; rest /= 10) digits--;
        out[len++] = '.';
        len = (int)(put_digits(out + len, (int64_t)rest, digits) - out);
    }
    size_t unit_len = strlen(unit);
    memcpy(out + len, unit, unit_len + 1);
    return len + (int)unit_len;
}

int ks_duration_print(int64_t ns, char *out) {
    uint64_t value = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    int len = 0;
    if (value == 0) return sprintf(out, "0s");
    if (ns < 0) out[len++] = '-';
    if (value < 1000) return len + print_decimal(value, 0, "ns", out + len);
    if (value < 1000000) return len + print_decimal(value, 3, "\xc2\xb5s", out + len);
    if (value < (uint64_t)KS_SECOND) return len + print_decimal(value, 6, "ms", out + len);
    uint64_t minutes = value / (60 * (uint64_t)KS_SECOND);
    if (minutes >= 60) len += sprintf(out + len, "%lluh", (unsigned long long)(minutes / 60));
    if (minutes > 0) len += sprintf(out + len, "%llum", (unsigned long long)(minutes % 60));
    return len + print_decimal(value % (60 * (uint64_t)KS_SECOND), 9, "s", out + len);
}

int ks_human_duration(int64_t ns, char *out) {
    long long seconds = ns / KS_SECOND, minutes = seconds / 60, hours = minutes / 60;
    long long days = hours / 24, years = days / 365;
    if (seconds < -1) return sprintf(out, "<invalid>");
    if (seconds < 0) return sprintf(out, "0s");
    if (seconds < 120) return sprintf(out, "%llds", seconds);
    if (minutes < 10 && seconds % 60 != 0) return sprintf(out, "%lldm%llds", minutes, seconds % 60);
    if (minutes < 180) return sprintf(out, "%lldm", minutes);
    if (hours < 8 && minutes % 60 != 0) return sprintf(out, "%lldh%lldm", hours, minutes % 60);
    if (hours < 48) return sprintf(out, "%lldh", hours);
    if (hours < 24 * 8 && hours % 24 != 0) return sprintf(out, "%lldd%lldh", days, hours % 24);
    if (hours < 24 * 365 * 2) return sprintf(out, "%lldd", days);
    if (hours < 24 * 365 * 8 && days % 365 != 0)
        return sprintf(out, "%lldy%lldd", years, days % 365);
    return sprintf(out, "%lldy", years);
}
