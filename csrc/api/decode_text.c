/*
 * api/decode_text.c - time stamps and base64 as Go reads them, for api/decode.c.
 */
#include "api/decode_internal.h"

#include <stdio.h>
#include <string.h>

const ks_str ks_decode_empty = {KS_IMMORTAL, 0, 2166136261u, 0, ""};

/* --- time: Go's time.Parse with the layouts RFC3339 and metav1.RFC3339Micro --- */

typedef struct reader {
    const char *s, *end;
    const char *fault; /* what does not fit */
    const char *want;  /* the layout's part that it should have fitted, NULL: all has fitted yet */
    const char *range; /* "month": in form, but out of range */
} reader;

static int64_t days_from_civil(int64_t y, int m, int d) {
    y -= m <= 2;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400, doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void civil_from_days(int64_t z, int64_t *y, int *m, int *d) {
    z += 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    *d = (int)(doy - (153 * mp + 2) / 5 + 1);
    *m = (int)(mp < 10 ? mp + 3 : mp - 9);
    *y = yoe + era * 400 + (*m <= 2);
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static int read_number(reader *r, int digits, const char *want) {
    if (r->want != NULL) return 0;
    int value = 0;
    for (int i = 0; i < digits; i++) {
        if (r->s + i >= r->end || !is_digit(r->s[i])) {
            r->fault = r->s;
            r->want = want;
            return 0;
        }
        value = value * 10 + (r->s[i] - '0');
    }
    r->s += digits;
    return value;
}

static void read_literal(reader *r, const char *literal) {
    if (r->want != NULL) return;
    if (r->s < r->end && *r->s == *literal) {
        r->s++;
        return;
    }
    r->fault = r->s;
    r->want = literal;
}

static void check_range(reader *r, int value, int min, int max, const char *what) {
    if (r->want == NULL && r->range == NULL && (value < min || value > max)) r->range = what;
}

static int read_fraction(reader *r, bool required) {
    if (r->want != NULL) return 0;
    if (!required && (r->s + 1 >= r->end || *r->s != '.' || !is_digit(r->s[1]))) return 0;
    if (required && (r->end - r->s < 7 || *r->s != '.')) {
        r->fault = r->s;
        r->want = ".000000";
        return 0;
    }
    int micros = 0, digits = 0;
    for (r->s++; r->s < r->end && is_digit(*r->s); r->s++, digits++)
        if (digits < 6) micros = micros * 10 + (*r->s - '0');
    for (; digits < 6; digits++) micros *= 10;
    return micros;
}

/* Seconds east of UTC. */
static int read_zone(reader *r) {
    if (r->want != NULL) return 0;
    if (r->s < r->end && *r->s == 'Z') {
        r->s++;
        return 0;
    }
    const char *s = r->s;
    if (r->end - s < 6 || (*s != '+' && *s != '-') || s[3] != ':' || !is_digit(s[1]) ||
        !is_digit(s[2]) || !is_digit(s[4]) || !is_digit(s[5])) {
        r->fault = s;
        r->want = "Z07:00";
        return 0;
    }
    int seconds = ((s[1] - '0') * 10 + s[2] - '0') * 3600 + ((s[4] - '0') * 10 + s[5] - '0') * 60;
    r->s += 6;
    return *s == '-' ? -seconds : seconds;
}

static int days_in(int year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

static char *put_digits(char *out, int value, int digits) {
    for (int i = digits; i-- > 0; value /= 10) out[i] = (char)('0' + value % 10);
    return out + digits;
}

const ks_str *ks_decode_time_text(ks_heap *heap, ks_val raw, bool micro, ks_val *out) {
    const char *text = raw.s->s;
    const char *layout = micro ? "2006-01-02T15:04:05.000000Z07:00" : "2006-01-02T15:04:05Z07:00";
    reader r = {.s = text, .end = text + raw.s->len};
    int year = read_number(&r, 4, "2006");
    read_literal(&r, "-");
    int month = read_number(&r, 2, "01");
    check_range(&r, month, 1, 12, "month");
    read_literal(&r, "-");
    int day = read_number(&r, 2, "02");
    read_literal(&r, "T");
    int hour = read_number(&r, 2, "15");
    check_range(&r, hour, 0, 23, "hour");
    read_literal(&r, ":");
    int minute = read_number(&r, 2, "04");
    check_range(&r, minute, 0, 59, "minute");
    read_literal(&r, ":");
    int second = read_number(&r, 2, "05");
    check_range(&r, second, 0, 59, "second");
    int micros = read_fraction(&r, micro);
    int zone = read_zone(&r);
    if (r.range == NULL && r.want == NULL) check_range(&r, day, 1, days_in(year, month), "day");
    if (r.range != NULL)
        return ks_str_printf(heap, "parsing time \"%s\": %s out of range", text, r.range);
    if (r.want != NULL)
        return ks_str_printf(heap, "parsing time \"%s\" as \"%s\": cannot parse \"%s\" as \"%s\"",
                             text, layout, r.fault, r.want);
    if (r.s < r.end)
        return ks_str_printf(heap, "parsing time \"%s\": extra text: \"%s\"", text, r.s);
    int64_t unix_time =
        days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone;
    int64_t days = unix_time / 86400, rest = unix_time % 86400, y;
    if (rest < 0) days--, rest += 86400;
    int m, d;
    civil_from_days(days, &y, &m, &d);
    char canonical[64], *at = canonical;
    if (y < 0 || y > 9999)
        at += snprintf(at, 24, "%04lld", (long long)y);
    else
        at = put_digits(at, (int)y, 4);
    const int parts[5] = {m, d, (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60)};
    for (int i = 0; i < 5; i++) {
        *at++ = "--T::"[i];
        at = put_digits(at, parts[i], 2);
    }
    if (micro) {
        *at++ = '.';
        at = put_digits(at, (int)micros, 6);
    }
    *at++ = 'Z';
    size_t len = (size_t)(at - canonical);
    bool unchanged = raw.s->len == len && memcmp(text, canonical, len) == 0;
    *out = unchanged ? ks_ref(raw) : ks_textn(heap, canonical, len);
    return NULL;
}

/* --- base64: Go's encoding/base64, StdEncoding --- */

static bool is_base64(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || is_digit(c) || c == '+' || c == '/';
}

static bool is_newline(char c) { return c == '\r' || c == '\n'; }

/* The offset of the first byte that does not fit, or -1; *newlines: whether some are to be dropped.
 */
static int64_t base64_fault(const char *s, size_t len, bool *newlines) {
    size_t in_group = 0, at = 0;
    for (; at < len; at++) {
        if (is_newline(s[at])) {
            *newlines = true;
            continue;
        }
        if (is_base64(s[at])) {
            in_group = (in_group + 1) % 4;
            continue;
        }
        if (s[at] != '=' || in_group < 2) return (int64_t)at;
        size_t pads = 4 - in_group;
        for (size_t seen = 0; seen < pads; at++) {
            if (at >= len) return (int64_t)len;
            if (is_newline(s[at]))
                *newlines = true;
            else if (s[at] == '=')
                seen++;
            else
                return (int64_t)at - 1;
        }
        for (; at < len; at++) {
            if (!is_newline(s[at])) return (int64_t)at;
            *newlines = true;
        }
        return -1;
    }
    return in_group == 0 ? -1 : (int64_t)(len - in_group);
}

ks_val ks_decode_base64(ks_heap *heap, ks_val raw, const ks_str **why) {
    bool newlines = false;
    int64_t fault = base64_fault(raw.s->s, raw.s->len, &newlines);
    if (fault >= 0) {
        if (*why == NULL)
            *why = ks_str_printf(heap, "illegal base64 data at input byte %lld", (long long)fault);
        return KS_NOTHING;
    }
    if (!newlines) return ks_ref(raw);
    ks_buf clean = {.heap = heap};
    for (uint32_t i = 0; i < raw.s->len; i++)
        if (!is_newline(raw.s->s[i])) ks_buf_putc(&clean, raw.s->s[i]);
    if (clean.len == 0) ks_buf_puts(&clean, "");
    return ks_string_take(ks_buf_take(&clean));
}
