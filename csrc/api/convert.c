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

static ks_val rollback_of(ks_val object) {
    return ks_get(ks_get2(object, K(metadata), K(annotations)),
                  K(deprecated_deployment_rollback_to));
}

const ks_str *ks_unconvertible(ks_heap *heap, ks_kind kind, ks_val object) {
    if (kind != KS_DEPLOYMENT) return NULL;
    const ks_str *text = ks_str_or_null(rollback_of(object));
    int64_t number;
    const char *problem =
        text == NULL || text->len == 0 ? NULL : ks_int_problem(text->s, text->len, &number);
    if (problem == NULL) return NULL;
    ks_buf why = {.heap = heap};
    ks_buf_printf(&why, "failed to parse annotation[%s]=", K(deprecated_deployment_rollback_to)->s);
    ks_buf_str(&why, text);
    ks_buf_puts(&why, " as int64: strconv.ParseInt: parsing ");
    ks_buf_quote(&why, text->s, text->len);
    ks_buf_printf(&why, ": %s", problem);
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
