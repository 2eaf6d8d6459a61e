/*
 * api/validate_address.c - IP addresses and CIDR blocks in validation.
 *
 * k8s.io/apimachinery/pkg/util/validation/ip.go. Reading is as lenient as Go's old parser (leading
 * zeros); from 1.36 on what is not written strictly is refused all the same.
 */
#include "api/validate_internal.h"

#include <stdio.h>
#include <string.h>

static bool is_digit(char ch) { return ch >= '0' && ch <= '9'; }

static bool parse_v4(const char *s, size_t len, uint8_t out[4]) {
    size_t at = 0;
    for (int i = 0; i < 4; i++) {
        unsigned value = 0;
        size_t start = at;
        while (at < len && is_digit(s[at])) {
            value = value * 10 + (unsigned)(s[at++] - '0');
            if (value > 255) return false;
        }
        if (at == start) return false;
        out[i] = (uint8_t)value;
        if (i < 3 && (at >= len || s[at++] != '.')) return false;
    }
    return at == len;
}

static int hex_digit(char ch) {
    if (is_digit(ch)) return ch - '0';
    if (ch >= 'a' && ch <= 'f') return ch - 'a' + 10;
    return ch >= 'A' && ch <= 'F' ? ch - 'A' + 10 : -1;
}

static bool parse_v6(const char *s, size_t len, uint8_t out[16], bool *embedded) {
    uint8_t head[16] = {0};
    size_t count = 0, at = 0;
    int gap = -1;
    if (len >= 2 && s[0] == ':' && s[1] == ':') {
        gap = 0;
        at = 2;
    }
    while (at < len && count < 16) {
        unsigned value = 0;
        size_t start = at;
        while (at < len && hex_digit(s[at]) >= 0) {
            value = value * 16 + (unsigned)hex_digit(s[at++]);
            if (value > 0xffff) return false;
        }
        if (at == start) return false;
        if (at < len && s[at] == '.') {
            if (count > 12 || (gap < 0 && count != 12)) return false;
            if (!parse_v4(s + start, len - start, head + count)) return false;
            *embedded = true;
            count += 4;
            at = len;
            break;
        }
        if (at - start > 4) return false;
        head[count++] = (uint8_t)(value >> 8);
        head[count++] = (uint8_t)value;
        if (at == len) break;
        if (s[at++] != ':' || at == len) return false;
        if (s[at] == ':') {
            if (gap >= 0) return false;
            gap = (int)count;
            at++;
            if (at == len) break;
        }
    }
    if (at != len || (gap < 0 && count != 16) || (gap >= 0 && count >= 16)) return false;
    size_t tail = gap < 0 ? 0 : count - (size_t)gap, front = count - tail;
    memset(out, 0, 16);
    memcpy(out, head, front);
    memcpy(out + 16 - tail, head + front, tail);
    return true;
}

bool ks_ip_parse(const char *s, size_t len, ks_ip *out) {
    static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    bool embedded = false;
    memset(out, 0, sizeof *out);
    if (memchr(s, ':', len) == NULL) {
        memcpy(out->bytes, prefix, sizeof prefix);
        out->v4 = true;
        return parse_v4(s, len, out->bytes + 12);
    }
    if (!parse_v6(s, len, out->bytes, &embedded)) return false;
    out->v4 = out->v4_in_6 = memcmp(out->bytes, prefix, sizeof prefix) == 0;
    return true;
}

static bool has_leading_zero(const char *s, size_t len) {
    if (memchr(s, ':', len) != NULL) return false;
    for (size_t i = 0; i + 1 < len; i++)
        if (s[i] == '0' && is_digit(s[i + 1]) && (i == 0 || !is_digit(s[i - 1]))) return true;
    return false;
}

bool ks_check_ip(ks_check *c, const char *field, ks_val v) {
    ks_ip ip;
    v = ks_text_value(v);
    uint32_t before = ks_error_count(c);
    if (!ks_ip_parse(v.s->s, v.s->len, &ip)) {
        ks_bad(c, field, v, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
        return false;
    }
    if (ks_since(c->rules, KS_SINCE_STRICT_ADDRESSES) && has_leading_zero(v.s->s, v.s->len))
        ks_bad(c, field, v, "must not have leading 0s");
    if (ks_since(c->rules, KS_SINCE_STRICT_ADDRESSES) && ip.v4_in_6)
        ks_bad(c, field, v, "must not be an IPv4-mapped IPv6 address");
    return ks_error_count(c) == before;
}

/* Go's net.IP.String: RFC 5952. */
static void print_ip(const ks_ip *ip, char *out, size_t size) {
    const uint8_t *b = ip->bytes;
    if (ip->v4) {
        snprintf(out, size, "%d.%d.%d.%d", b[12], b[13], b[14], b[15]);
        return;
    }
    int zero_from = -1, zero_to = -1;
    for (int i = 0; i < 16; i += 2) {
        int j = i;
        while (j < 16 && b[j] == 0 && b[j + 1] == 0) j += 2;
        if (j - i > zero_to - zero_from) zero_from = i, zero_to = j;
        if (j > i) i = j - 2;
    }
    if (zero_to - zero_from <= 2) zero_from = zero_to = -1;
    size_t len = 0;
    out[0] = '\0';
    for (int i = 0; i < 16; i += 2) {
        if (i == zero_from) {
            len += (size_t)snprintf(out + len, size - len, "::");
            i = zero_to;
            if (i >= 16) break;
        } else if (i > 0) {
            len += (size_t)snprintf(out + len, size - len, ":");
        }
        len += (size_t)snprintf(out + len, size - len, "%x", b[i] << 8 | b[i + 1]);
    }
}

bool ks_check_canonical_ip(ks_check *c, const char *field, ks_val v) {
    ks_ip ip;
    char canonical[64], why[128];
    v = ks_text_value(v);
    if (!ks_ip_parse(v.s->s, v.s->len, &ip)) {
        ks_bad(c, field, v, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
        return false;
    }
    if (has_leading_zero(v.s->s, v.s->len) || ip.v4_in_6) {
        ks_bad(c, field, v,
               ip.v4_in_6 ? "must not be an IPv4-mapped IPv6 address" : "must not have leading 0s");
        return false;
    }
    print_ip(&ip, canonical, sizeof canonical);
    if (strcmp(canonical, v.s->s) == 0) return true;
    snprintf(why, sizeof why, "must be in canonical form (\"%s\")", canonical);
    ks_bad(c, field, v, why);
    return false;
}

const ks_str *ks_ip_warning(ks_heap *heap, ks_val v) {
    ks_ip ip;
    char canonical[64];
    v = ks_text_value(v);
    if (!ks_ip_parse(v.s->s, v.s->len, &ip)) return NULL;
    print_ip(&ip, canonical, sizeof canonical);
    if (strcmp(canonical, v.s->s) == 0) return NULL;
    if (ip.v4)
        return ks_str_printf(heap, "non-standard IP address \"%s\" is invalid: use \"%s\"", v.s->s,
                             canonical);
    return ks_str_printf(heap,
                         "IPv6 address \"%s\" should be in RFC 5952 canonical format (\"%s\")",
                         v.s->s, canonical);
}

void ks_check_cidr(ks_check *c, const char *field, ks_val v) {
    ks_ip ip;
    v = ks_text_value(v);
    const char *slash = strchr(v.s->s, '/');
    size_t len = slash == NULL ? v.s->len : (size_t)(slash - v.s->s);
    int bits = -1;
    if (slash != NULL && slash[1] != '\0' && strlen(slash + 1) <= 3) {
        bits = 0;
        for (const char *s = slash + 1; *s != '\0' && bits >= 0; s++)
            bits = is_digit(*s) ? bits * 10 + (*s - '0') : -1;
    }
    bool valid = bits >= 0 && ks_ip_parse(v.s->s, len, &ip);
    bool v6 = valid && memchr(v.s->s, ':', len) != NULL;
    if (!valid || bits > (v6 ? 128 : 32)) {
        ks_bad(c, field, v, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
        return;
    }
    if (!ks_since(c->rules, KS_SINCE_STRICT_ADDRESSES)) return;
    if (has_leading_zero(v.s->s, len) || (slash[1] == '0' && slash[2] != '\0')) {
        ks_bad(c, field, v, "must not have leading 0s in IP or prefix length");
        return;
    }
    if (ip.v4_in_6) {
        ks_bad(c, field, v, "must not have an IPv4-mapped IPv6 address");
        return;
    }
    for (int i = bits + (v6 ? 0 : 96); i < 128; i++) {
        if ((ip.bytes[i / 8] & 0x80 >> i % 8) == 0) continue;
        ks_bad(c, field, v, "must not have bits set beyond the prefix length");
        return;
    }
}

void ks_check_endpoint_ip(ks_check *c, const char *field, ks_val v) {
    ks_ip ip;
    v = ks_text_value(v);
    if (!ks_ip_parse(v.s->s, v.s->len, &ip)) {
        ks_bad(c, field, v, "must be a valid IP address");
        return;
    }
    static const uint8_t zero[16];
    const uint8_t *b = ip.bytes, *four = b + 12;
    bool any = memcmp(ip.v4 ? four : b, zero, ip.v4 ? 4 : 16) == 0;
    bool loop = ip.v4 ? four[0] == 127 : memcmp(b, zero, 15) == 0 && b[15] == 1;
    bool local = ip.v4 ? four[0] == 169 && four[1] == 254 : b[0] == 0xfe && (b[1] & 0xc0) == 0x80;
    bool multicast = ip.v4 ? four[0] == 224 && four[1] == 0 && four[2] == 0
                           : b[0] == 0xff && (b[1] & 0x0f) == 0x02;
    if (any) {
        char why[128];
        snprintf(why, sizeof why, "may not be unspecified (%.60s)", v.s->s);
        ks_bad(c, field, v, why);
    }
    if (loop) ks_bad(c, field, v, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    if (local)
        ks_bad(c, field, v, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    if (multicast)
        ks_bad(c, field, v,
               "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
}
