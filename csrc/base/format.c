/*
 * base/format.c - printf for the plain conversions that messages are made of; see str.h.
 *
 * Events and messages are written by the thousand, with %s and whole numbers only: those are put
 * together here. A format with any other conversion goes to the C library as a whole. Ids are made of
 * many hexadecimal digits: these are written eight at a time.
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

char *ks_put_digits(char *end, uint64_t number) {
    do *--end = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    return end;
}

static void put_number(sink *to, uint64_t value, bool negative) {
    char digits[24], *end = digits + sizeof digits, *first = ks_put_digits(end, value);
    if (negative) *--first = '-';
    put(to, first, (size_t)(end - first));
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
    switch (*at) {
    case 's': {
        const char *s = va_arg(*args, const char *);
        put(to, s, strlen(s));
        return at + 1;
    }
    case 'd': put_signed(to, va_arg(*args, int)); return at + 1;
    case 'u': put_number(to, va_arg(*args, unsigned), false); return at + 1;
    case '%': put(to, "%", 1); return at + 1;
    case 'c': {
        char c = (char)va_arg(*args, int);
        put(to, &c, 1);
        return at + 1;
    }
    default: break;
    }
    if (begins(at, ".*s", &rest)) {
        int most = va_arg(*args, int);
        put_part(to, va_arg(*args, const char *), most);
    } else if (begins(at, "lld", &rest)) {
        put_signed(to, va_arg(*args, long long));
    } else if (begins(at, "llu", &rest)) {
        put_number(to, va_arg(*args, unsigned long long), false);
    } else {
        return NULL;
    }
    return rest;
}

/* False: there is a conversion that is not made here. */
static bool make(sink *to, const char *format, va_list *args) {
    for (const char *at = format; at != NULL;) {
        const char *sign = strchr(at, '%');
        if (sign == NULL) {
            put(to, at, strlen(at));
            return true;
        }
        put(to, at, (size_t)(sign - at));
        at = convert(to, sign + 1, args);
    }
    return false;
}

int ks_vformat(char *out, size_t room, const char *format, va_list args) {
    sink to = {out, room, 0};
    va_list mine;
    va_copy(mine, args);
    bool made = make(&to, format, &mine);
    va_end(mine);
    if (!made) return vsnprintf(out, room, format, args);
    if (room > 0) out[to.at < room ? to.at : room - 1] = '\0';
    return (int)to.at;
}

int ks_nformat(char *out, size_t room, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int len = ks_vformat(out, room, format, args);
    va_end(args);
    return len;
}

/* Eight hexadecimal digits, all at once: a digit to a byte, then those above 9 are moved on to the
 * letters. */
char *ks_put_hex(char *out, uint32_t word) {
    uint64_t x = word;
    x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
    x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
    x = (x | x << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    uint64_t letters = (x + UINT64_C(0x0606060606060606)) >> 4 & UINT64_C(0x0101010101010101);
    x += UINT64_C(0x3030303030303030) + letters * ('a' - '0' - 10);
    /* one by one: compilers see a single store in it */
    out[0] = (char)(x >> 56);
    out[1] = (char)(x >> 48);
    out[2] = (char)(x >> 40);
    out[3] = (char)(x >> 32);
    out[4] = (char)(x >> 24);
    out[5] = (char)(x >> 16);
    out[6] = (char)(x >> 8);
    out[7] = (char)x;
    return out + 8;
}
