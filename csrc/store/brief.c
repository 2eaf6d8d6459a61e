/*
 * store/brief.c - versions that are kept short, and what is made of them when somebody looks; see store.h.
 *
 * Where the store keeps a version - the map by id, a change in the log - there is one word: an ks_object's address, or a brief's with
 * its lowest bit set. Called by store.c, which lets none of these words out.
 */
#include "store/object_internal.h"

enum { MARK = 1 };

static uintptr_t word_of(const void *version) { return (uintptr_t)version; }

const ks_brief *ks_version__brief(const void *version) {
    return ks_version__is_brief(version) ? (const ks_brief *)(word_of(version) - MARK) : NULL;
}

ks_kind ks_version__kind(const void *version) {
    const ks_brief *brief = ks_version__brief(version);
    return brief != NULL ? brief->type->kind : ((const ks_object *)version)->kind;
}

void *ks_version__of_brief(const ks_brief *brief) { return (void *)(word_of(brief) + MARK); }

void ks_version__ref(const void *version) {
    const ks_brief *brief = ks_version__brief(version);
    if (brief != NULL)
        ((ks_brief *)brief)->refs++;
    else
        ks_object_ref(version);
}

void ks_version__unref(ks_heap *heap, const void *version) {
    const ks_brief *brief = ks_version__brief(version);
    if (brief != NULL)
        ks_brief_unref(heap, brief);
    else
        ks_object_unref(heap, version);
}

void ks_brief_unref(ks_heap *heap, const ks_brief *brief) {
    ks_brief *mutable = (ks_brief *)brief;
    if (mutable == NULL || --mutable->refs > 0) return;
    ks_object_unref(heap, mutable->whole);
    mutable->type->dispose(heap, mutable);
}

/* What is made stays with the brief: forks share both, and to either it is the same. */
const ks_object *ks_version__object(ks_world *world, const void *version) {
    const ks_brief *brief = ks_version__brief(version);
    if (brief == NULL) return version;
    if (brief->whole == NULL) {
        ks_val doc = brief->type->compose(world, brief);
        ((ks_brief *)brief)->whole =
            ks_object__new(world, brief->type->kind, doc, NULL, brief->id, brief->version);
    }
    return brief->whole;
}

/* Exchanges a word for the object, counted. */
static void settle(ks_world *world, const ks_object **version) {
    if (!ks_version__is_brief(*version)) return;
    const ks_brief *brief = ks_version__brief(*version);
    *version = ks_object_ref(ks_version__object(world, *version));
    ks_brief_unref(world->heap, brief);
}

const ks_change *ks_change__settle(ks_world *world, const ks_change *change) {
    if (change == NULL) return NULL;
    settle(world, &((ks_change *)change)->object);
    settle(world, &((ks_change *)change)->old);
    return change;
}
