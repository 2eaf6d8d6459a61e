/*
 * base/format.c - printf for the plain conversions that messages are made of; see str.h.
 *
 * Events and messages are written by the thousand, with %s and whole numbers only: those are put
 * together here. A format with any other conversion goes to the C library as a whole.
 */
#include "base/str.h"

#include <stdio.h>

/* Where text goes; `at` counts on beyond the room, as snprintf does. */
typedef struct sink {
    char *out;
    size_t room, at;
} sink;

static void put(sink *to, const char *s, size_t len) {
    if (to->at < to->room) {
        size_t fits = to->room - to->at;
        memcpy(to->out + to->at, s, len < fits ? len : fits);
    }
    to->at += len;
}

static void put_number(sink *to, uint64_t value, bool negative) {
    char digits[24];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    if (negative) digits[--at] = '-';
    put(to, digits + at, sizeof digits - at);
}

static void put_signed(sink *to, int64_t value) {
    put_number(to, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, value < 0);
}

/* %.*s: at most `most` bytes of a text that may have no end. */
static void put_part(sink *to, const char *s, int most) {
    size_t len = 0;
    while ((most < 0 || len < (size_t)most) && s[len] != '\0') len++;
    put(to, s, len);
}

static bool begins(const char *at, const char *with, const char **rest) {
    size_t len = strlen(with);
    if (strncmp(at, with, len) != 0) return false;
    *rest = at + len;
    return true;
}

/* The conversion behind a '%'; NULL: not one of those that are made here. */
static const char *convert(sink *to, const char *at, va_list *args) {
    const char *rest;
    if (begins(at, "s", &rest)) {
        const char *s = va_arg(*args, const char *);
        put(to, s, strlen(s));
    } else if (begins(at, ".*s", &rest)) {
        int most = va_arg(*args, int);
        put_part(to, va_arg(*args, const char *), most);
    } else if (begins(at, "d", &rest)) {
        put_signed(to, va_arg(*args, int));
    } else if (begins(at, "u", &rest)) {
        put_number(to, va_arg(*args, unsigned), false);
    } else if (begins(at, "lld", &rest)) {
        put_signed(to, va_arg(*args, long long));
    } else if (begins(at, "llu", &rest)) {
        put_number(to, va_arg(*args, unsigned long long), false);
    } else if (begins(at, "%", &rest)) {
        put(to, "%", 1);
    } else {
        return NULL;
    }
    return rest;
}

int ks_vformat(char *out, size_t room, const char *format, va_list args) {
    sink to = {out, room, 0};
    va_list mine, whole;
    va_copy(mine, args);
    va_copy(whole, args);
    const char *at = format;
    while (at != NULL && *at != '\0') {
        const char *plain = at;
        while (*at != '\0' && *at != '%') at++;
        put(&to, plain, (size_t)(at - plain));
        if (*at == '%') at = convert(&to, at + 1, &mine);
    }
    int len = at == NULL ? vsnprintf(out, room, format, whole) : (int)to.at;
    if (at != NULL && room > 0) out[to.at < room ? to.at : room - 1] = '\0';
    va_end(mine);
    va_end(whole);
    return len;
}

int ks_nformat(char *out, size_t room, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int len = ks_vformat(out, room, format, args);
    va_end(args);
    return len;
}
