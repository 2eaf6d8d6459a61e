/*
 * doc/number.c - numbers as text; see number.h.
 *
 * Printing finds the shortest digits that read back as the same number: printf with ever more digits
 * until they do. Reading has a fast path for what fits 53 bits, and strtod, given digits and exponent
 * without a point (which would depend on the locale), for the rest.
 */
#include "doc/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DIGITS = 800 }; /* more cannot change how a double rounds, but for being non-zero */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

const char *ks_int_problem(const char *s, size_t len, int64_t *out) {
    size_t at = len > 0 && (*s == '-' || *s == '+') ? 1 : 0;
    if (at == len) return "invalid syntax";
    uint64_t value = 0;
    for (; at < len; at++) {
        if (!is_digit(s[at])) return "invalid syntax";
        uint64_t digit = (uint64_t)(s[at] - '0');
        if (value > (UINT64_MAX - digit) / 10) return "value out of range";
        value = value * 10 + digit;
    }
    if (value > (uint64_t)INT64_MAX + (*s == '-')) return "value out of range";
    *out = *s == '-' ? (int64_t)(0 - value) : (int64_t)value;
    return NULL;
}

bool ks_int_parse(const char *s, size_t len, int64_t *out) {
    return ks_int_problem(s, len, out) == NULL;
}

/* The base that a prefix names, skipping it. */
static unsigned base_of(const char *s, size_t len, size_t *at) {
    if (s[*at] != '0') return 10;
    char mark = len - *at >= 3 ? (char)(s[*at + 1] | 0x20) : '\0';
    unsigned base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 0;
    *at += base != 0 ? 2 : 1;
    return base != 0 ? base : 8;
}

static unsigned digit_of(char c) {
    if (is_digit(c)) return (unsigned)(c - '0');
    char low = (char)(c | 0x20);
    return low >= 'a' && low <= 'z' ? (unsigned)(low - 'a') + 10 : 99;
}

bool ks_int_parse_any(const char *s, size_t len, bool *negative, uint64_t *magnitude) {
    size_t at = len > 0 && (*s == '-' || *s == '+') ? 1 : 0;
    if (at == len) return false;
    bool sign = at == 1;
    *negative = *s == '-';
    unsigned base = base_of(s, len, &at);
    uint64_t value = 0;
    for (; at < len; at++) {
        unsigned digit = digit_of(s[at]);
        if (digit >= base || value > (UINT64_MAX - digit) / base) return false;
        value = value * base + digit;
    }
    *magnitude = value;
    return !sign || value <= (uint64_t)INT64_MAX + (*negative ? 1 : 0);
}

/* A decimal number taken apart: 0.d1 d2 d3 ... times 10^point. */
typedef struct decimal {
    char digits[MAX_DIGITS + 2];
    int count;
    bool more; /* a non-zero digit was left out */
    int64_t point;
} decimal;

static void add_digit(decimal *d, char c) {
    if (d->count == 0 && c == '0') return;
    if (d->count < MAX_DIGITS)
        d->digits[d->count++] = c;
    else if (c != '0')
        d->more = true;
}

static bool decimal_parse(const char *s, size_t len, decimal *d) {
    size_t at = 0, digits = 0;
    d->count = 0;
    d->more = false;
    d->point = 0;
    for (; at < len && is_digit(s[at]); at++, digits++) {
        add_digit(d, s[at]);
        if (d->count > 0) d->point++;
    }
    if (at < len && s[at] == '.') {
        for (at++; at < len && is_digit(s[at]); at++, digits++) {
            add_digit(d, s[at]);
            if (d->count == 0) d->point--;
        }
    }
    if (digits == 0) return false;
    if (at < len && (s[at] == 'e' || s[at] == 'E')) {
        bool negative = ++at < len && s[at] == '-';
        if (at < len && (s[at] == '-' || s[at] == '+')) at++;
        if (at == len) return false;
        int64_t exponent = 0;
        for (; at < len && is_digit(s[at]); at++)
            if (exponent < 1000000000) exponent = exponent * 10 + (s[at] - '0');
        d->point += negative ? -exponent : exponent;
    }
    return at == len;
}

bool ks_float_parse(const char *s, size_t len, double *out) {
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    bool negative = len > 0 && *s == '-';
    size_t sign = len > 0 && (*s == '-' || *s == '+') ? 1 : 0;
    decimal d;
    if (!decimal_parse(s + sign, len - sign, &d)) return false;
    double value;
    int64_t exponent = d.point - d.count; /* of the digits as an integer */
    if (d.count == 0) {
        value = 0;
    } else if (d.count <= 15 && exponent >= -22 && exponent <= 22) {
        int64_t whole = 0;
        for (int i = 0; i < d.count; i++) whole = whole * 10 + (d.digits[i] - '0');
        value = exponent < 0 ? (double)whole / tens[-exponent] : (double)whole * tens[exponent];
    } else {
        if (d.point > 310) return false;
        if (d.point < -400) {
            value = 0;
        } else {
            char text[MAX_DIGITS + 16];
            int used = d.count;
            memcpy(text, d.digits, (size_t)used);
            if (d.more) {
                text[used++] = '1';
                exponent--;
            }
            snprintf(text + used, sizeof text - (size_t)used, "e%d", (int)exponent);
            value = strtod(text, NULL);
        }
    }
    if (isinf(value)) return false;
    *out = negative ? -value : value;
    return true;
}

/* The shortest digits of a positive number, without trailing zeros, and where the point stands:
 * 0.digits times 10^point. Returns how many. */
static int shortest(double f, bool single, char *digits, int *point) {
    int least = single ? 6 : 15, most = single ? 9 : 17;
    if (single ? f < 1e-37 : f < 1e-300) least = 1; /* few bits are left there */
    for (int wanted = least;; wanted++) {
        char text[64];
        snprintf(text, sizeof text, "%.*e", wanted - 1, f);
        if (wanted < most) {
            bool same = single ? strtof(text, NULL) == (float)f : strtod(text, NULL) == f;
            if (!same) continue;
        }
        int count = 0;
        const char *at = text;
        for (; *at != 'e'; at++)
            if (is_digit(*at)) digits[count++] = *at;
        *point = atoi(at + 1) + 1;
        while (count > 1 && digits[count - 1] == '0') count--;
        return count;
    }
}

static int put_exponent(char *out, const char *digits, int count, int exponent, int least) {
    int len = 0;
    out[len++] = digits[0];
    if (count > 1) {
        out[len++] = '.';
        memcpy(out + len, digits + 1, (size_t)(count - 1));
        len += count - 1;
    }
    return len + sprintf(out + len, "e%c%0*d", exponent < 0 ? '-' : '+', least, abs(exponent));
}

static int put_fixed(char *out, const char *digits, int count, int point) {
    int len = 0;
    if (point <= 0) {
        out[len++] = '0';
        out[len++] = '.';
        for (int i = point; i < 0; i++) out[len++] = '0';
        memcpy(out + len, digits, (size_t)count);
        len += count;
    } else {
        for (int i = 0; i < point || i < count; i++) {
            if (i == point) out[len++] = '.';
            out[len++] = i < count ? digits[i] : '0';
        }
    }
    out[len] = '\0';
    return len;
}

int ks_float_json(double f, char *out) {
    char digits[24] = "0";
    int point, sign = signbit(f) ? 1 : 0;
    if (sign) *out = '-';
    if (f == 0) return sign + put_fixed(out + sign, "0", 1, 1);
    int count = shortest(fabs(f), false, digits, &point);
    if (fabs(f) < 1e-6 || fabs(f) >= 1e21)
        return sign + put_exponent(out + sign, digits, count, point - 1, 1);
    return sign + put_fixed(out + sign, digits, count, point);
}

int ks_float_general(double f, bool single, char *out) {
    char digits[24] = "0";
    int point, sign = signbit(f) ? 1 : 0;
    if (sign) *out = '-';
    if (f == 0) return sign + put_fixed(out + sign, "0", 1, 1);
    int count = shortest(fabs(f), single, digits, &point);
    /* strconv/ftoa.go: with the shortest digits, %e is used below 10^-4 and from 10^6 on */
    if (point - 1 < -4 || point - 1 >= 6)
        return sign + put_exponent(out + sign, digits, count, point - 1, 2);
    return sign + put_fixed(out + sign, digits, count, point);
}

bool ks_float_as_int(double f, int64_t *out) {
    if (f != floor(f) || fabs(f) >= 1e19) return false;
    if (fabs(f) < 9007199254740992.0) {
        *out = (int64_t)f;
        return true;
    }
    char text[KS_NUMBER_MAX];
    int len = ks_float_json(f, text);
    return ks_int_parse(text, (size_t)len, out);
}
