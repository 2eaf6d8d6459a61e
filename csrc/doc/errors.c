/*
 * doc/errors.c - see errors.h.
 */
#include "doc/errors.h"

void ks_errors_add(ks_heap *heap, ks_val *errors, ks_val text) {
    ks_each(known, *errors) {
        if (ks_equal(*known, text)) {
            ks_unref(heap, text);
            return;
        }
    }
    *errors = ks_append(heap, *errors, text);
}

const ks_str *ks_errors_join(ks_heap *heap, ks_val errors) {
    ks_buf text = {heap, NULL, 0, 0};
    uint32_t count = ks_len(errors);
    if (count > 1) ks_buf_putc(&text, '[');
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0) ks_buf_puts(&text, ", ");
        ks_buf_str(&text, ks_at(errors, i).s);
    }
    if (count > 1) ks_buf_putc(&text, ']');
    ks_unref(heap, errors);
    return ks_buf_take(&text);
}
