/*
 * doc/alike.h - a document that is made many times from the very same parts, made once.
 *
 * Ten thousand claims of one template take the same annotations and the same status, one after the
 * other. A component keeps one ks_alike per such step in its state: asked with the same parts again
 * (by identity: it holds them, so that no other document can lie where they lay), it hands out what
 * was made of them the last time. Forks begin with empty ones; nothing that is seen depends on them.
 */
#ifndef KS_DOC_ALIKE_H
#define KS_DOC_ALIKE_H

#include "doc/val.h"

typedef struct ks_alike {
    ks_val a, b, c, made; /* counted */
} ks_alike;

/* What was made of these parts, a new reference; KS_NOTHING: they are others than the last time. */
static inline ks_val ks_alike_get(const ks_alike *m, ks_val a, ks_val b, ks_val c) {
    bool hit = m->made.type != KS_NONE && ks_identical(m->a, a) && ks_identical(m->b, b) &&
               ks_identical(m->c, c);
    return hit ? ks_ref(m->made) : KS_NOTHING;
}

/* Takes back what is held. */
static inline void ks_alike_clear(ks_heap *heap, ks_alike *m) {
    ks_unref(heap, m->a);
    ks_unref(heap, m->b);
    ks_unref(heap, m->c);
    ks_unref(heap, m->made);
    *m = (ks_alike){.made = KS_NOTHING};
}

/* Keeps what was made of these parts (all borrowed); hands `made` on. */
static inline ks_val ks_alike_put(ks_heap *heap, ks_alike *m, ks_val a, ks_val b, ks_val c,
                                  ks_val made) {
    ks_alike held = {ks_ref(a), ks_ref(b), ks_ref(c), ks_ref(made)};
    ks_alike_clear(heap, m);
    *m = held;
    return made;
}

#endif
