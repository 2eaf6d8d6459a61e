/*
 * doc/quote.c - text as Go shows it in messages, and UTF-8; see quote.h.
 */
#include "doc/quote.h"

int ks_utf8_length(const char *s, size_t len) {
    const unsigned char *u = (const unsigned char *)s;
    if (len == 0) return 0;
    if (u[0] < 0x80) return 1;
    int length = u[0] >= 0xc2 && u[0] < 0xe0 ? 2 : (u[0] & 0xf0) == 0xe0 ? 3 : 4;
    if (u[0] < 0xc2 || u[0] > 0xf4 || len < (size_t)length) return 0;
    for (int i = 1; i < length; i++)
        if ((u[i] & 0xc0) != 0x80) return 0;
    /* no overlong forms, no surrogates, nothing above U+10FFFF */
    if (u[0] == 0xe0 && u[1] < 0xa0) return 0;
    if (u[0] == 0xed && u[1] > 0x9f) return 0;
    if (u[0] == 0xf0 && u[1] < 0x90) return 0;
    if (u[0] == 0xf4 && u[1] > 0x8f) return 0;
    return length;
}

uint32_t ks_utf8_rune(const char *s, int length) {
    const unsigned char *u = (const unsigned char *)s;
    uint32_t rune = length == 1 ? u[0] : u[0] & (0xffu >> (length + 1));
    for (int i = 1; i < length; i++) rune = rune << 6 | (u[i] & 0x3f);
    return rune;
}

void ks_buf_rune(ks_buf *buf, uint32_t rune) {
    char out[4];
    size_t len;
    if (rune < 0x80) {
        out[0] = (char)rune;
        len = 1;
    } else if (rune < 0x800) {
        out[0] = (char)(0xc0 | rune >> 6);
        out[1] = (char)(0x80 | (rune & 0x3f));
        len = 2;
    } else if (rune < 0x10000) {
        out[0] = (char)(0xe0 | rune >> 12);
        out[1] = (char)(0x80 | (rune >> 6 & 0x3f));
        out[2] = (char)(0x80 | (rune & 0x3f));
        len = 3;
    } else {
        out[0] = (char)(0xf0 | rune >> 18);
        out[1] = (char)(0x80 | (rune >> 12 & 0x3f));
        out[2] = (char)(0x80 | (rune >> 6 & 0x3f));
        out[3] = (char)(0x80 | (rune & 0x3f));
        len = 4;
    }
    ks_buf_add(buf, out, len);
}

void ks_buf_utf8(ks_buf *buf, const char *s, size_t len) {
    size_t good = 0, at = 0;
    if (len == 0) return;
    while (at < len) {
        int length = ks_utf8_length(s + at, len - at);
        if (length > 0) {
            at += (size_t)length;
            continue;
        }
        ks_buf_add(buf, s + good, at - good);
        ks_buf_rune(buf, 0xfffd);
        good = ++at;
    }
    ks_buf_add(buf, s + good, len - good);
}

/* Whether Go's strconv.IsPrint shows it as it is. What lies beyond Latin-1 counts as printable, but for
 * separators, controls of direction, surrogates, private use and non-characters. */
static bool printable(uint32_t r) {
    if (r < 0x20 || r == 0x7f || (r >= 0x80 && r <= 0xa0) || r == 0xad) return false;
    if (r >= 0x2000 && r <= 0x200f) return false;
    if (r >= 0x2028 && r <= 0x202f) return false;
    if (r >= 0x205f && r <= 0x206f) return false;
    if (r == 0x1680 || r == 0x3000 || r == 0xfeff) return false;
    if (r >= 0xd800 && r <= 0xf8ff) return false;
    return r < 0xe0000 && (r & 0xfffe) != 0xfffe;
}

static void quote_rune(ks_buf *buf, uint32_t r, char quote) {
    static const char names[] = "abtnvfr"; /* 7..13 */
    if (r == (uint32_t)quote || r == '\\') {
        ks_buf_putc(buf, '\\');
        ks_buf_putc(buf, (char)r);
    } else if (printable(r)) {
        ks_buf_rune(buf, r);
    } else if (r >= 7 && r <= 13) {
        ks_buf_putc(buf, '\\');
        ks_buf_putc(buf, names[r - 7]);
    } else if (r < 0x20 || r == 0x7f) {
        ks_buf_printf(buf, "\\x%02x", (unsigned)r);
    } else {
        ks_buf_printf(buf, r < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)r);
    }
}

void ks_buf_quote(ks_buf *buf, const char *s, size_t len) {
    ks_buf_putc(buf, '"');
    for (size_t at = 0; at < len;) {
        int length = ks_utf8_length(s + at, len - at);
        if (length == 0) {
            ks_buf_printf(buf, "\\x%02x", (unsigned char)s[at++]);
            continue;
        }
        quote_rune(buf, ks_utf8_rune(s + at, length), '"');
        at += (size_t)length;
    }
    ks_buf_putc(buf, '"');
}

void ks_buf_quote_byte(ks_buf *buf, unsigned char c) {
    ks_buf_putc(buf, '\'');
    if (c == '\'')
        ks_buf_puts(buf, "\\'");
    else if (c == '"')
        ks_buf_putc(buf, '"');
    else
        quote_rune(buf, c, '"');
    ks_buf_putc(buf, '\'');
}
