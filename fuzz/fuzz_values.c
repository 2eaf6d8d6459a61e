/*
 * fuzz/fuzz_values.c - the small texts of the API: quantities, durations, times, label selectors.
 * What parses is printed in its canonical form, and that form means the same. The first byte says
 * which.
 */
#include "fuzz.h"

#include "api/values.h"

static void quantity(const char *s, size_t len) {
    ks_quantity q, again;
    const char *why = NULL;
    char text[64], twice[64];
    if (!ks_quantity_parse(s, len, &q, &why)) {
        fuzz_demand(why != NULL && *why != '\0', "quantity: no reason");
        return;
    }
    int n = ks_quantity_print(q, text);
    /* beyond the largest suffix upstream's canonical form is wrong as well: it leaves the thousands
     * out */
    if (ks_quantity_value(q) == INT64_MAX || ks_quantity_value(q) == INT64_MIN) return;
    fuzz_demand(n > 0 && n < 64, "quantity: length");
    fuzz_demand(ks_quantity_parse(text, (size_t)n, &again, &why),
                "quantity: canonical form is refused");
    fuzz_demand(ks_quantity_cmp(q, again) == 0, "quantity: canonical form differs");
    int m = ks_quantity_print(again, twice);
    fuzz_demand(m == n && memcmp(text, twice, (size_t)n) == 0,
                "quantity: canonical form is not stable");
    (void)ks_quantity_value(q);
    (void)ks_quantity_milli(q);
}

static void duration(const char *s, size_t len) {
    int64_t ns, again;
    char text[64];
    if (!ks_duration_parse(s, len, &ns)) return;
    int n = ks_duration_print(ns, text);
    fuzz_demand(ks_duration_parse(text, (size_t)n, &again) && again == ns,
                "duration: printed form differs");
    ks_human_duration(ns, text);
}

static void instant(ks_heap *heap, const char *s, size_t len) {
    int64_t unix_ns;
    if (!ks_time_parse(s, len, &unix_ns)) return;
    ks_world world;
    ks_world_init(&world, heap, 1, 0);
    ks_val text = ks_time_val(&world, unix_ns);
    int64_t again;
    fuzz_demand(ks_time_parse(text.s->s, text.s->len, &again), "time: printed form is refused");
    fuzz_demand(again <= unix_ns && unix_ns - again < KS_SECOND, "time: printed form differs");
    ks_unref(heap, text);
    ks_world_dispose(&world);
}

static void selector(ks_heap *heap, const char *s, size_t len) {
    const ks_str *why = NULL;
    ks_selector *parsed = ks_selector_parse(heap, s, len, &why);
    if (parsed == NULL) {
        fuzz_demand(why != NULL && why->len > 0, "selector: no reason");
        ks_str_unref(heap, why);
        return;
    }
    ks_val text = ks_selector_text(heap, parsed);
    ks_selector *again = ks_selector_parse(heap, text.s->s, text.s->len, &why);
    fuzz_demand(again != NULL, "selector: canonical form is refused");
    ks_val twice = ks_selector_text(heap, again);
    fuzz_demand(ks_equal(text, twice), "selector: canonical form is not stable");
    ks_val labels =
        ks_map_of(heap, K(app), ks_text(heap, "web"), K(name), ks_text(heap, "1"), NULL);
    fuzz_demand(ks_selector_matches(parsed, labels) == ks_selector_matches(again, labels),
                "selector: matches differ");
    ks_unref(heap, labels);
    ks_unref(heap, text);
    ks_unref(heap, twice);
    ks_selector_unref(heap, parsed);
    ks_selector_unref(heap, again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > 4096) return 0;
    ks_heap *heap = fuzz_begin();
    /* a copy of exactly that length: reading beyond the end shows */
    char *s = malloc(size);
    memcpy(s, data + 1, size - 1);
    switch (data[0] & 3) {
    case 0: quantity(s, size - 1); break;
    case 1: duration(s, size - 1); break;
    case 2: instant(heap, s, size - 1); break;
    default: selector(heap, s, size - 1);
    }
    free(s);
    fuzz_end(heap);
    return 0;
}
