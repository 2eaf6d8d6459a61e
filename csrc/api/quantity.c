/*
 * api/quantity.c - resource quantities: "100m", "1Gi", "5e3".
 *
 * k8s.io/apimachinery/pkg/api/resource: quantity.go (ParseQuantity, CanonicalizeBytes), suffix.go, amount.go.
 * A value is held in nanos, the finest that upstream keeps; what lies beyond 128 bits of them (about 10^29)
 * is held at that bound. Called by the codec, the scheduler, quotas, volumes and the Lua module.
 */
#include "api/values.h"
#include "doc/number.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

__extension__ typedef unsigned __int128 ks_uint128;

static const char wrong_form[] =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
static const char wrong_suffix[] = "unable to parse quantity's suffix";

enum { NANO = 9, KEPT_DIGITS = 160, MAX_INTEGER = 60 };

static const ks_int128 bound = ((ks_int128)1 << 126);

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static ks_uint128 power10(int exponent) {
    ks_uint128 power = 1;
    while (exponent-- > 0) power *= 10;
    return power;
}

/* --- the parts of a text --- */

typedef struct parts {
    bool negative;
    const char *whole, *fraction, *suffix;
    size_t whole_len, fraction_len, suffix_len;
} parts;

/* quantity.go: parseQuantityString. */
static bool split(const char *s, size_t len, parts *p) {
    const char *end = s + len;
    *p = (parts){.suffix = end, .fraction = end};
    if (s < end && (*s == '-' || *s == '+')) p->negative = *s++ == '-';
    while (s < end && *s == '0') s++;
    p->whole = s;
    while (s < end && is_digit(*s)) s++;
    p->whole_len = (size_t)(s - p->whole);
    if (s < end && *s == '.') {
        p->fraction = ++s;
        while (s < end && is_digit(*s)) s++;
        p->fraction_len = (size_t)(s - p->fraction);
    }
    p->suffix = s;
    p->suffix_len = (size_t)(end - s);
    while (s < end && *s != '\0' && strchr("eEinumkKMGTP", *s) != NULL) s++;
    if (s < end && (*s == '-' || *s == '+')) s++;
    while (s < end && is_digit(*s)) s++;
    return s == end;
}

typedef struct suffix {
    const char text[3];
    int base, exponent;
} suffix;

static const suffix suffixes[] = {
    {"", 10, 0},   {"m", 10, -3}, {"Gi", 2, 30}, {"Mi", 2, 20}, {"Ki", 2, 10}, {"n", 10, -9},
    {"u", 10, -6}, {"k", 10, 3},  {"M", 10, 6},  {"G", 10, 9},  {"T", 10, 12}, {"P", 10, 15},
    {"E", 10, 18}, {"Ti", 2, 40}, {"Pi", 2, 50}, {"Ei", 2, 60},
};

static bool interpret(const char *s, size_t len, int *base, int *exponent, ks_quantity *q) {
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        const suffix *known = &suffixes[i];
        if (strlen(known->text) != len || memcmp(known->text, s, len) != 0) continue;
        *base = known->base;
        *exponent = known->exponent;
        q->format = *base == 2 ? KS_BINARY_SI : KS_DECIMAL_SI;
        return true;
    }
    int64_t value;
    if (len < 2 || (*s != 'e' && *s != 'E') || !ks_int_parse(s + 1, len - 1, &value)) return false;
    *base = 10;
    *exponent = value > 100000 ? 100000 : value < -100000 ? -100000 : (int)value;
    q->format = KS_DECIMAL_EXPONENT;
    return true;
}

/* --- values --- */

/* Few digits, no fraction to a base of two: nearly all. False when it is not that easy. */
static bool evaluate_fast(const parts *p, int base, int exponent, ks_uint128 *nanos) {
    uint64_t digits = 0;
    if (p->whole_len + p->fraction_len > 18) return false;
    for (size_t i = 0; i < p->whole_len; i++) digits = digits * 10 + (uint64_t)(p->whole[i] - '0');
    if (base == 2) {
        if (p->fraction_len > 0 || digits > (UINT64_MAX >> 1) >> exponent) return false;
        *nanos = (ks_uint128)(digits << exponent) * 1000000000;
        return true;
    }
    for (size_t i = 0; i < p->fraction_len; i++)
        digits = digits * 10 + (uint64_t)(p->fraction[i] - '0');
    int shift = exponent + NANO - (int)p->fraction_len;
    if (shift > 19 || shift < -18) return false;
    ks_uint128 power = power10(shift < 0 ? -shift : shift);
    *nanos = shift >= 0 ? digits * power : (digits + power - 1) / power;
    return true;
}

/* A number as decimal digits: digits[0 .. whole) before the point, the rest behind it. */
typedef struct decimal {
    unsigned char digits[KEPT_DIGITS];
    int whole, count;
    bool more; /* something follows that was not kept */
} decimal;

static void put_digits(decimal *d, const char *s, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (d->count < KEPT_DIGITS - 40)
            d->digits[d->count++] = (unsigned char)(s[i] - '0');
        else
            d->more = d->more || s[i] != '0';
    }
}

static void twice(decimal *d) {
    int carry = 0;
    for (int i = d->count - 1; i >= 0; i--) {
        int value = d->digits[i] * 2 + carry;
        d->digits[i] = (unsigned char)(value % 10);
        carry = value / 10;
    }
    if (carry == 0) return;
    memmove(d->digits + 1, d->digits, (size_t)d->count);
    d->digits[0] = 1;
    d->count++;
    d->whole++;
}

/* Any number of digits, with every one counted. */
static ks_uint128 evaluate_slow(const parts *p, int base, int exponent) {
    decimal d = {.count = 0};
    const ks_uint128 most = (ks_uint128)bound;
    bool zero = true;
    for (size_t i = 0; i < p->whole_len; i++) zero = zero && p->whole[i] == '0';
    for (size_t i = 0; i < p->fraction_len; i++) zero = zero && p->fraction[i] == '0';
    if (zero) return 0;
    if (p->whole_len > MAX_INTEGER) return most;
    put_digits(&d, p->whole, p->whole_len);
    d.whole = d.count;
    put_digits(&d, p->fraction, p->fraction_len);
    if (base == 2)
        for (int i = 0; i < exponent; i++) twice(&d);
    else
        d.whole += exponent;
    ks_uint128 nanos = 0;
    bool fraction = d.more;
    for (int i = 0; i < d.whole + NANO; i++) {
        if (nanos > most / 10) return most;
        nanos = nanos * 10 + (i < d.count ? d.digits[i] : 0);
    }
    for (int i = d.whole + NANO; i < d.count; i++)
        if (i >= 0 && d.digits[i] != 0) fraction = true;
    if (d.whole + NANO < 0) fraction = true;
    return nanos + (fraction ? 1 : 0);
}

bool ks_quantity_parse(const char *s, size_t len, ks_quantity *out, const char **why) {
    parts p;
    int base, exponent;
    *out = (ks_quantity){.nanos = 0, .format = KS_DECIMAL_SI};
    if (len == 0 || !split(s, len, &p)) {
        *why = wrong_form;
        return false;
    }
    if (!interpret(p.suffix, p.suffix_len, &base, &exponent, out)) {
        *why = wrong_suffix;
        return false;
    }
    ks_uint128 nanos;
    if (!evaluate_fast(&p, base, exponent, &nanos)) {
        nanos = evaluate_slow(&p, base, exponent);
        const ks_uint128 most = (ks_uint128)INT64_MAX * 1000000000;
        if (base == 2 && nanos > most) nanos = most;
        if (base == 2 && nanos > 0 && nanos < 1000000000) out->format = KS_DECIMAL_SI;
    }
    out->nanos = p.negative ? -(ks_int128)nanos : (ks_int128)nanos;
    return true;
}

/* ParseQuantity: the fast path, and when it reuses the text. */
ks_quantity_form ks_quantity_form_of(const char *s, size_t len) {
    enum { MOST_DIGITS = 18, LEAST_SCALE = -9 };
    ks_quantity_form form = {.fast = true};
    parts p;
    ks_quantity q;
    int base = 10, exponent = 0;
    if (len == 1 && *s == '0') return (ks_quantity_form){.fast = true, .as_typed = true};
    if (!split(s, len, &p) || !interpret(p.suffix, p.suffix_len, &base, &exponent, &q)) return form;
    size_t count = (p.whole_len > 0 ? p.whole_len : 1) + p.fraction_len;
    int room = MOST_DIGITS - (int)count;
    if (base == 2) room = p.fraction_len > 0 ? -1 : 15 - (int)count - exponent * 3 / 10 - 1;
    form.scale = (base == 2 ? 0 : exponent) - (int)p.fraction_len;
    if (room < 0 || form.scale < LEAST_SCALE) return (ks_quantity_form){.fast = false};
    int64_t digits = 0;
    for (size_t i = 0; i < p.whole_len; i++) digits = digits * 10 + (p.whole[i] - '0');
    for (size_t i = 0; i < p.fraction_len; i++) digits = digits * 10 + (p.fraction[i] - '0');
    bool rounded = digits % 1000 == 0 && count >= 3;
    form.as_typed =
        base == 2 ? (digits & 7) != 0 : form.scale % 3 == 0 && !rounded && p.whole_len > 0;
    form.value = (p.negative ? -digits : digits) * (base == 2 ? INT64_C(1) << exponent : 1);
    return form;
}

ks_quantity ks_quantity_of(ks_val v) {
    ks_quantity q = {.nanos = 0, .format = KS_DECIMAL_SI};
    const char *why, *s;
    char text[KS_NUMBER_MAX];
    size_t len;
    switch (v.type) {
    case KS_INT: q.nanos = (ks_int128)v.i * 1000000000; return q;
    case KS_FLOAT:
        if (!isfinite(v.f)) return q;
        len = (size_t)ks_float_json(v.f, text);
        s = text;
        break;
    case KS_STRING:
        s = v.s->s;
        len = v.s->len;
        for (; len > 0 && (*s == ' ' || (*s >= '\t' && *s <= '\r')); len--) s++;
        while (len > 0 && (s[len - 1] == ' ' || (s[len - 1] >= '\t' && s[len - 1] <= '\r'))) len--;
        break;
    default: return q;
    }
    if (!ks_quantity_parse(s, len, &q, &why))
        q = (ks_quantity){.nanos = 0, .format = KS_DECIMAL_SI};
    return q;
}

void ks_quantity_add(ks_quantity *sum, ks_quantity q) {
    ks_int128 most = bound, nanos;
    if (__builtin_add_overflow(sum->nanos, q.nanos, &nanos)) nanos = q.nanos < 0 ? -most : most;
    sum->nanos = nanos > most ? most : nanos < -most ? -most : nanos;
}

void ks_quantity_sub(ks_quantity *from, ks_quantity q) {
    q.nanos = -q.nanos;
    ks_quantity_add(from, q);
}

/* Divided by `unit` nanos, rounded away from zero, held within int64. */
static int64_t scaled(ks_int128 nanos, int64_t unit) {
    ks_int128 value = nanos / unit;
    if (nanos % unit != 0) value += nanos > 0 ? 1 : -1;
    return value > INT64_MAX ? INT64_MAX : value < INT64_MIN ? INT64_MIN : (int64_t)value;
}

int64_t ks_quantity_value(ks_quantity q) { return scaled(q.nanos, 1000000000); }
int64_t ks_quantity_milli(ks_quantity q) { return scaled(q.nanos, 1000000); }
int ks_quantity_cmp(ks_quantity a, ks_quantity b) {
    return a.nanos < b.nanos ? -1 : a.nanos > b.nanos;
}

/* --- printing --- */

static const char *suffix_of(int base, int exponent) {
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (suffixes[i].base == base && suffixes[i].exponent == exponent) return suffixes[i].text;
    return "";
}

static int print_number(ks_uint128 value, bool negative, char *out) {
    char digits[48];
    int count = 0, len = 0;
    do digits[count++] = (char)('0' + (int)(value % 10));
    while ((value /= 10) > 0);
    if (negative) out[len++] = '-';
    while (count > 0) out[len++] = digits[--count];
    out[len] = '\0';
    return len;
}

int ks_quantity_print(ks_quantity q, char *out) {
    bool negative = q.nanos < 0;
    ks_uint128 value = negative ? (ks_uint128)-q.nanos : (ks_uint128)q.nanos;
    if (value == 0) return print_number(0, false, out);
    const ks_uint128 one = 1000000000;
    if (q.format == KS_BINARY_SI && value >= 1024 * one && value % one == 0) {
        int exponent = 0;
        for (value /= one; value >= 1024 && value % 1024 == 0; value /= 1024) exponent += 10;
        int len = print_number(value, negative, out);
        return len + sprintf(out + len, "%s", exponent > 0 ? suffix_of(2, exponent) : "");
    }
    /* the largest power of ten that leaves no fraction and is one of a thousand's */
    int exponent = -NANO;
    for (; value % 1000 == 0; value /= 1000) exponent += 3;
    int len = print_number(value, negative, out);
    if (q.format != KS_DECIMAL_EXPONENT)
        return len + sprintf(out + len, "%s", suffix_of(10, exponent));
    return exponent == 0 ? len : len + sprintf(out + len, "e%d", exponent);
}

ks_val ks_quantity_val(ks_heap *heap, ks_quantity q) {
    char text[64];
    return ks_textn(heap, text, (size_t)ks_quantity_print(q, text));
}
