/*
 * kubelet/events.c - Events as the kubelet records them: source component kubelet, host the node.
 */
#include "kubelet/worker.h"

#include <stdarg.h>
#include <stdio.h>

/* `c` NULL: about the pod itself. */
void event(turn *t, const container *c, const char *type, const char *reason, const char *format, ...)
{
    char path[128];
    if (c)
        snprintf(path, sizeof path, "spec.%s{%s}", c->role == ROLE_APP ? "containers" : "initContainers",
                 container_name(t->w, c)->s);
    ks_event e = {.type = type, .reason = reason, .component = "kubelet", .host = t->pod->node,
                  .field_path = c ? path : NULL};
    char small[512];
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (len < (int)sizeof small) {
        ks_record(&t->sim->server, t->pod, &e, "%s", small);
    } else {
        char *text = ks_alloc(t->heap, (size_t)len + 1);
        vsnprintf(text, (size_t)len + 1, format, again);
        ks_record(&t->sim->server, t->pod, &e, "%s", text);
        ks_free(t->heap, text, (size_t)len + 1);
    }
    va_end(again);
}
