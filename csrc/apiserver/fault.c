/*
 * apiserver/fault.c - writes that fail on purpose: for tests of what controllers make of it.
 *
 * Called at the beginning and the end of the verbs. Half of the faults are refusals; in the other
 * half the write is done and only its answer is lost, as when a connection breaks: a client that
 * tries again meets its own deed.
 */
#include "apiserver/internal.h"

ks_fault ks_server__fault(ks_server *s) {
    enum { OUT_OF = 1000 };
    if (s->fault_rate == 0 || ks_choose(s->world, KS_CHOOSE_FAULT, OUT_OF) >= s->fault_rate)
        return KS_FAULT_NONE;
    return ks_choose(s->world, KS_CHOOSE_FAULT, 2) == 0 ? KS_FAULT_REFUSED : KS_FAULT_LOST;
}

ks_refusal *ks_server__fail(ks_heap *heap, ks_fault fault) {
    if (fault == KS_FAULT_REFUSED)
        return ks_refuse(heap, 500, "InternalError",
                         "Internal error occurred: etcdserver: leader changed");
    return ks_refuse(
        heap, 504, "Timeout",
        "Timeout: request did not complete within requested timeout - context deadline "
        "exceeded");
}

ks_refusal *ks_server__lose(ks_heap *heap, ks_fault fault, ks_refusal *refusal,
                            const ks_object **out) {
    if (fault != KS_FAULT_LOST || refusal != NULL) return refusal;
    if (out != NULL) {
        ks_object_unref(heap, *out);
        *out = NULL;
    }
    return ks_server__fail(heap, fault);
}
