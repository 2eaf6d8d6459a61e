/*
 * api/convert.c - what the way from a served version to the server's own one refuses, and what it changes: the conversions that
 * are more than copying.
 *
 * pkg/apis/apps/v1/conversion.go: a Deployment's annotation deprecated.deployment.rollback.to is a number there. What is stored,
 * and shown again, is that number printed.
 *
 * Called by decode.c, and by apiserver/ where a struct is converted that no decoder has read (strategic patches, server-side
 * apply).
 */
#include "api/codec.h"
#include "api/values.h"
#include "doc/number.h"
#include "doc/quote.h"

/* What strconv.ParseInt (base 10, 64 bits) finds wrong with a text that ks_int_parse does not take: digit by digit, and whatever
 * stands behind the one with which 64 bits are not enough is not looked at. */
static const char *what_is_wrong(const ks_str *text) {
    uint32_t at = text->len > 0 && (text->s[0] == '+' || text->s[0] == '-') ? 1 : 0;
    uint64_t number = 0;
    if (at == text->len) return "invalid syntax";
    for (; at < text->len; at++) {
        char c = text->s[at];
        if (c < '0' || c > '9') return "invalid syntax";
        uint64_t digit = (uint64_t)(c - '0');
        if (number > (UINT64_MAX - digit) / 10) return "value out of range";
        number = number * 10 + digit;
    }
    return "value out of range";
}

static ks_val rollback_of(ks_val object) {
    return ks_get(ks_get2(object, K(metadata), K(annotations)),
                  K(deprecated_deployment_rollback_to));
}

const ks_str *ks_unconvertible(ks_heap *heap, ks_kind kind, ks_val object) {
    if (kind != KS_DEPLOYMENT) return NULL;
    const ks_str *text = ks_str_or_null(rollback_of(object));
    int64_t number;
    if (text == NULL || text->len == 0 || ks_int_parse(text->s, text->len, &number)) return NULL;
    ks_buf why = {.heap = heap};
    ks_buf_printf(&why, "failed to parse annotation[%s]=", K(deprecated_deployment_rollback_to)->s);
    ks_buf_str(&why, text);
    ks_buf_puts(&why, " as int64: strconv.ParseInt: parsing ");
    ks_buf_quote(&why, text->s, text->len);
    ks_buf_printf(&why, ": %s", what_is_wrong(text));
    return ks_buf_take(&why);
}

ks_val ks_convert(ks_heap *heap, ks_kind kind, ks_val object) {
    if (kind != KS_DEPLOYMENT) return object;
    const ks_str *text = ks_str_or_null(rollback_of(object));
    int64_t number;
    if (text == NULL) return object;
    ks_val printed = ks_int_parse(text->s, text->len, &number)
                         ? ks_format(heap, "%lld", (long long)number)
                         : KS_NOTHING;
    if (printed.type == KS_STRING && ks_str_eq(printed.s, text)) {
        ks_unref(heap, printed);
        return object;
    }
    ks_val annotations = ks_ref(ks_get2(object, K(metadata), K(annotations)));
    annotations = ks_put(heap, annotations, K(deprecated_deployment_rollback_to), printed);
    if (ks_len(annotations) == 0) {
        ks_unref(heap, annotations);
        annotations = KS_NOTHING;
    }
    return ks_put2(heap, object, K(metadata), K(annotations), annotations);
}
