/*
 * fuzz/fuzz_json.c - any bytes as JSON: read or refused with a place; what was read comes back the
 * same in every style, and YAML reads JSON as the same.
 */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const ks_json_style styles[] = {KS_JSON_COMPACT, KS_JSON_GO, KS_JSON_INDENT};
    if (size > FUZZ_MAX) return 0;
    ks_heap *heap = fuzz_begin();
    ks_val value = KS_NOTHING;
    ks_text_error err = {0};
    if (ks_json_read(heap, (const char *)data, size, NULL, &value, &err)) {
        for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) {
            ks_buf text = {.heap = heap};
            ks_val again = KS_NOTHING;
            ks_json_write(&text, value, styles[i]);
            fuzz_demand(ks_json_read(heap, text.s, text.len, NULL, &again, &err),
                        "printed JSON is unreadable");
            fuzz_demand(ks_equal(again, value), "printed JSON means something else");
            ks_unref(heap, again);
            ks_buf_dispose(&text);
        }
    } else {
        fuzz_demand(err.message != NULL && err.message->len > 0, "no message");
        ks_str_unref(heap, err.message);
    }
    ks_unref(heap, value);
    fuzz_end(heap);
    return 0;
}
