/*
 * kubelet/events.c - Events as the kubelet records them: source component kubelet, host the node.
 *
 * Called through event() of worker.h.
 */
#include "kubelet/worker.h"

/* What an event's head is; `c` NULL: about the pod itself. `path` has room for the field path. */
ks_event event_head(const turn *t, const container *c, const char *type, const char *reason,
                    char path[EVENT_PATH]) {
    if (c)
        ks_nformat(path, EVENT_PATH, "spec.%s{%s}",
                   c->role == ROLE_APP ? "containers" : "initContainers",
                   container_name(t->w, c)->s);
    return (ks_event){.type = type,
                      .reason = reason,
                      .component = "kubelet",
                      .host = t->pod->node,
                      .field_path = c ? path : NULL};
}
