/*
 * doc/yaml_scalar.c - what a plain YAML scalar means; see yaml_scalar.h.
 */
#include "doc/yaml_scalar.h"
#include "doc/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define STRING ((ks_yaml_scalar){.kind = KS_YAML_STRING})

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* --- words --- */

static bool one_of(const char *s, size_t len, const char *const *words) {
    for (; *words != NULL; words++)
        if (**words == *s && strlen(*words) == len && memcmp(s, *words, len) == 0) return true;
    return false;
}

static bool resolve_word(const char *s, size_t len, ks_yaml_scalar *out) {
    static const char *const yes[] = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                      "True", "TRUE", "on",  "On",  "ON",  NULL};
    static const char *const no[] = {"n",     "N",     "no",  "No",  "NO",  "false",
                                     "False", "FALSE", "off", "Off", "OFF", NULL};
    static const char *const null[] = {"~", "null", "Null", "NULL", NULL};
    static const char *const infinite[] = {"inf", "Inf", "INF", NULL};
    static const char *const nan[] = {".nan", ".NaN", ".NAN", NULL};
    if (len > 5 || (len > 0 && is_digit(*s))) return false;
    if (len == 0 || one_of(s, len, null)) {
        *out = (ks_yaml_scalar){.kind = KS_YAML_NULL};
    } else if (one_of(s, len, yes) || one_of(s, len, no)) {
        *out = (ks_yaml_scalar){.kind = KS_YAML_BOOL, .b = one_of(s, len, yes)};
    } else if (one_of(s, len, nan)) {
        *out = (ks_yaml_scalar){.kind = KS_YAML_FLOAT, .f = NAN};
    } else {
        size_t sign = *s == '+' || *s == '-' ? 1 : 0;
        if (len != sign + 4 || s[sign] != '.' || !one_of(s + sign + 1, 3, infinite)) return false;
        *out = (ks_yaml_scalar){.kind = KS_YAML_FLOAT, .f = *s == '-' ? -INFINITY : INFINITY};
    }
    return true;
}

/* --- time stamps: Go's time.Parse with go-yaml's layouts --- */

/* One or two digits, at most `most`; false when they are not there. */
static bool take_number(const char **s, const char *end, int least, int most, int *out) {
    if (*s == end || !is_digit(**s)) return false;
    int value = *(*s)++ - '0';
    if (*s < end && is_digit(**s)) value = value * 10 + (*(*s)++ - '0');
    if (out != NULL) *out = value;
    return value >= least && value <= most;
}

static bool take_byte(const char **s, const char *end, char c) {
    if (*s == end || **s != c) return false;
    (*s)++;
    return true;
}

static bool take_clock(const char **s, const char *end) {
    if (!take_number(s, end, 0, 23, NULL) || !take_byte(s, end, ':') ||
        !take_number(s, end, 0, 59, NULL) || !take_byte(s, end, ':') ||
        !take_number(s, end, 0, 59, NULL))
        return false;
    if (end - *s >= 2 && (**s == '.' || **s == ',') && is_digit((*s)[1]))
        for ((*s)++; *s < end && is_digit(**s);) (*s)++;
    return true;
}

static bool take_zone(const char **s, const char *end) {
    if (take_byte(s, end, 'Z')) return true;
    if (end - *s < 6 || (**s != '+' && **s != '-')) return false;
    const char *z = *s;
    if (!is_digit(z[1]) || !is_digit(z[2]) || z[3] != ':' || !is_digit(z[4]) || !is_digit(z[5]))
        return false;
    *s += 6;
    return (z[1] - '0') * 10 + (z[2] - '0') <= 24 && (z[4] - '0') * 10 + (z[5] - '0') <= 60;
}

static int days_in(int month, int year) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

static bool is_time(const char *s, size_t len) {
    const char *end = s + len;
    if (len < 8) return false;
    for (int i = 0; i < 4; i++)
        if (!is_digit(s[i])) return false;
    int year = (s[0] - '0') * 1000 + (s[1] - '0') * 100 + (s[2] - '0') * 10 + (s[3] - '0');
    int month, day;
    s += 4;
    if (!take_byte(&s, end, '-') || !take_number(&s, end, 1, 12, &month) ||
        !take_byte(&s, end, '-') || !take_number(&s, end, 1, 31, &day) ||
        day > days_in(month, year))
        return false;
    if (s == end) return true;
    if (take_byte(&s, end, 'T') || take_byte(&s, end, 't'))
        return take_clock(&s, end) && take_zone(&s, end) && s == end;
    if (*s != ' ') return false;
    while (s < end && *s == ' ') s++;
    return take_clock(&s, end) && s == end;
}

/* --- numbers --- */

static ks_yaml_scalar integer(bool negative, uint64_t magnitude) {
    ks_yaml_scalar out = {.kind = KS_YAML_INT};
    if (negative) {
        out.i = (int64_t)(0 - magnitude);
    } else {
        out.u = magnitude;
        out.big = magnitude > (uint64_t)INT64_MAX;
    }
    return out;
}

/* "0b" with a sign behind it, which go-yaml lets pass. */
static bool resolve_signed_binary(const char *s, size_t len, ks_yaml_scalar *out) {
    if (len < 4 || s[0] != '0' || s[1] != 'b' || (s[2] != '-' && s[2] != '+')) return false;
    uint64_t value = 0;
    for (size_t i = 3; i < len; i++) {
        if ((s[i] != '0' && s[i] != '1') || value > (uint64_t)INT64_MAX / 2) return false;
        value = value * 2 + (uint64_t)(s[i] - '0');
    }
    *out = integer(s[2] == '-', value);
    return true;
}

/* A number without underscores. */
static ks_yaml_scalar resolve_number(const char *s, size_t len) {
    ks_yaml_scalar out = {.kind = KS_YAML_FLOAT};
    bool negative;
    uint64_t magnitude;
    if (ks_int_parse_any(s, len, &negative, &magnitude)) return integer(negative, magnitude);
    if (ks_float_parse(s, len, &out.f)) return out;
    if (resolve_signed_binary(s, len, &out)) return out;
    return STRING;
}

/* Whether all bytes may stand in a number; notes underscores. */
static bool number_bytes(const char *s, size_t len, bool *underscores) {
    for (size_t i = 0; i < len; i++) {
        char c = s[i], low = (char)(c | 0x20);
        if (is_digit(c) || c == '+' || c == '-' || c == '.') continue;
        if ((low >= 'a' && low <= 'f') || low == 'x' || low == 'o') continue;
        if (c != '_') return false;
        *underscores = true;
    }
    return true;
}

ks_yaml_scalar ks_yaml_resolve_slow(const char *s, size_t len) {
    ks_yaml_scalar out = STRING;
    if (resolve_word(s, len, &out)) return out;
    if (*s == '.') {
        out.kind = KS_YAML_FLOAT;
        return ks_float_parse(s, len, &out.f) ? out : STRING;
    }
    if (!is_digit(*s) && *s != '+' && *s != '-') return STRING;
    if (is_time(s, len)) return (ks_yaml_scalar){.kind = KS_YAML_TIME};
    bool underscores = false;
    if (!number_bytes(s, len, &underscores)) return STRING;
    if (!underscores) return resolve_number(s, len);
    /* a number of more bytes than this has no need of underscores to be read */
    char plain[2048];
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '_') continue;
        if (used == sizeof plain) return STRING;
        plain[used++] = s[i];
    }
    return resolve_number(plain, used);
}

bool ks_yaml_base60(const char *s, size_t len) {
    size_t at = len > 0 && (*s == '+' || *s == '-') ? 1 : 0;
    if (at == len || !is_digit(s[at])) return false;
    while (at < len && (is_digit(s[at]) || s[at] == '_')) at++;
    size_t groups = 0;
    for (; at < len && s[at] == ':'; groups++) {
        size_t digits = 0;
        for (at++; at < len && is_digit(s[at]) && digits < 2; digits++) at++;
        if (digits == 0 || (digits == 2 && s[at - 2] > '5')) return false;
    }
    if (groups > 0 && at < len && s[at] == '.')
        for (at++; at < len && (is_digit(s[at]) || s[at] == '_');) at++;
    return groups > 0 && at == len;
}
