/*
 * kubelet/events.c - Events as the kubelet records them: source component kubelet, host the node.
 *
 * Called through event() of worker.h.
 */
#include "kubelet/worker.h"

/* What an event's head is; `c` NULL: about the pod itself. */
ks_event event_head(const turn *t, const container *c, const char *type, const char *reason) {
    ks_event e = {.type = type, .reason = reason, .component = "kubelet", .host = t->pod->node};
    if (c) {
        e.field = c->role == ROLE_APP ? "spec.containers" : "spec.initContainers";
        e.item = container_name(t->w, c);
    }
    return e;
}
