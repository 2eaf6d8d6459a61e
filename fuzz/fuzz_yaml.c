/*
 * fuzz/fuzz_yaml.c - any bytes as YAML: they are read or refused with a place; what was read comes
 * back the same after printing it as YAML and as JSON.
 */
#include "fuzz.h"

/* A refusal says what and where. */
static void check_error(ks_heap *heap, const ks_text_error *err) {
    fuzz_demand(err->message != NULL && err->message->len > 0, "no message");
    fuzz_demand(err->document >= 1 && err->line >= 1 && err->column >= 1, "no place");
    ks_str_unref(heap, err->message);
}

static void check_printing(ks_heap *heap, ks_val doc) {
    ks_buf yaml = {.heap = heap}, json = {.heap = heap};
    ks_text_error err = {0};
    ks_val again = KS_NOTHING;
    ks_yaml_write(&yaml, doc);
    fuzz_demand(ks_yaml_read(heap, yaml.s, yaml.len, NULL, &again, NULL, &err),
                "printed YAML is unreadable");
    fuzz_demand(ks_exists(doc) ? ks_len(again) == 1 && ks_equal(ks_at(again, 0), doc) : true,
                "printed YAML means something else");
    ks_unref(heap, again);
    ks_json_write(&json, doc, KS_JSON_GO);
    again = KS_NOTHING;
    fuzz_demand(ks_json_read(heap, json.s, json.len, NULL, &again, &err),
                "printed JSON is unreadable");
    fuzz_demand(ks_equal(again, doc), "printed JSON means something else");
    ks_unref(heap, again);
    ks_buf_dispose(&yaml);
    ks_buf_dispose(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > FUZZ_MAX) return 0;
    ks_heap *heap = fuzz_begin();
    ks_val list = KS_NOTHING, duplicates = KS_NOTHING;
    ks_text_error err = {0};
    ks_text_limits limits = {.max_nodes = 20000};
    if (ks_yaml_read(heap, (const char *)data, size, &limits, &list, &duplicates, &err)) {
        ks_each(doc, list) check_printing(heap, *doc);
    } else {
        check_error(heap, &err);
    }
    ks_unref(heap, list);
    ks_unref(heap, duplicates);
    fuzz_end(heap);
    return 0;
}
