/*
 * doc/go_text.c - see go_text.h.
 */
#include "doc/go_text.h"
#include "doc/number.h"
#include "doc/quote.h"

#include <math.h>

/* What both print alike: numbers and truth. */
static void put_plain(ks_buf *out, ks_val v) {
    char text[KS_NUMBER_MAX];
    if (v.type == KS_BOOL)
        ks_buf_puts(out, v.b ? "true" : "false");
    else if (v.type == KS_INT)
        ks_buf_printf(out, "%lld", (long long)v.i);
    else if (isfinite(v.f))
        ks_buf_add(out, text, (size_t)ks_float_general(v.f, false, text));
    else
        ks_buf_puts(out, isnan(v.f) ? "NaN" : v.f > 0 ? "+Inf" : "-Inf");
}

void ks_go_text(ks_buf *out, ks_val v) {
    const char *space = "";
    switch (v.type) {
    case KS_STRING: ks_buf_str(out, v.s); break;
    case KS_LIST:
        ks_buf_putc(out, '[');
        ks_each(item, v) {
            ks_buf_puts(out, space);
            ks_go_text(out, *item);
            space = " ";
        }
        ks_buf_putc(out, ']');
        break;
    case KS_MAP:
        ks_buf_puts(out, "map[");
        for (uint32_t i = 0; i < ks_len(v); i++) {
            const ks_pair *pair = ks_pair_at(v, i);
            ks_buf_printf(out, "%s%s:", i > 0 ? " " : "", pair->key->s);
            ks_go_text(out, pair->val);
        }
        ks_buf_putc(out, ']');
        break;
    case KS_NONE:
    case KS_NULL: ks_buf_puts(out, "<nil>"); break;
    default: put_plain(out, v);
    }
}

void ks_go_syntax(ks_buf *out, ks_val v, const char *map_type) {
    switch (v.type) {
    case KS_STRING: ks_buf_quote(out, v.s->s, v.s->len); break;
    case KS_LIST:
        ks_buf_puts(out, "[]interface {}{");
        for (uint32_t i = 0; i < ks_len(v); i++) {
            if (i > 0) ks_buf_puts(out, ", ");
            ks_go_syntax(out, ks_at(v, i), map_type);
        }
        ks_buf_putc(out, '}');
        break;
    case KS_MAP:
        ks_buf_printf(out, "%s{", map_type);
        for (uint32_t i = 0; i < ks_len(v); i++) {
            const ks_pair *pair = ks_pair_at(v, i);
            if (i > 0) ks_buf_puts(out, ", ");
            ks_buf_quote(out, pair->key->s, pair->key->len);
            ks_buf_putc(out, ':');
            ks_go_syntax(out, pair->val, map_type);
        }
        ks_buf_putc(out, '}');
        break;
    case KS_NONE:
    case KS_NULL: ks_buf_puts(out, "interface {}(nil)"); break;
    default: put_plain(out, v);
    }
}
