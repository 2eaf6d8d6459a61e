/*
 * kubelet/images.c - images on nodes: pull policies, serial pulls, back-off after a failed pull.
 *
 * pkg/kubelet/images/image_manager.go. A node pulls one image at a time (serializeImagePulls); a pull that waited for
 * another one of the same image finds it there and costs nothing. Called by sync.c.
 */
#include "kubelet/worker.h"

#include <string.h>

static const ks_str *image_name(const turn *t, const container *c) {
    const ks_str *name = ks_str_or_null(ks_get(container_spec(t->w, c), K(image)));
    return name ? name : K(image);
}

static ks_key image_key(const turn *t, const ks_str *name) {
    return (ks_key){hash64(name->s, name->len, t->w->node), t->w->node};
}

/* From when the node has the image; KS_NEVER: it has not. */
static int64_t present_from(const turn *t, const ks_str *name) {
    const void *at = ks_table_get(&t->k->images, image_key(t, name));
    return at ? (int64_t)(intptr_t)at - 1 : KS_NEVER;
}

static int policy(const turn *t, const container *c) {
    const char *p = ks_text_or(ks_get(container_spec(t->w, c), K(imagePullPolicy)), "IfNotPresent");
    return p[0] == 'I' ? 'I' : p[0] == 'N' ? 'N' : 'A';
}

static pull_answer never_there(turn *t, container *c, const ks_str *name) {
    const ks_str *text = ks_str_printf(
        t->heap, "Container image \"%s\" is not present with pull policy of Never", name->s);
    event(t, c, "Warning", "ErrImageNeverPull", "%s", text->s);
    event(t, c, "Warning", "Failed", "Error: ErrImageNeverPull");
    set_wait(t, c, K(ErrImageNeverPull), text);
    t->w->retry_in = earlier(t->w->retry_in, RETRY_PERIOD);
    return PULL_FAILED;
}

static pull_answer backs_off(turn *t, container *c, const ks_str *name) {
    event(t, c, "Normal", "BackOff", "Back-off pulling image \"%s\"", name->s);
    event(t, c, "Warning", "Failed", "Error: ImagePullBackOff");
    /* Until the next pull the looks after the second one show nothing new. */
    t->w->moves = t->w->moves || !c->trouble->wait_reason ||
                  !ks_str_eq(c->trouble->wait_reason, K(ImagePullBackOff));
    set_wait(t, c, K(ImagePullBackOff),
             ks_str_printf(t->heap, "Back-off pulling image \"%s\": ErrImagePull: %s", name->s,
                           c->trouble->pull_error ? c->trouble->pull_error->s : ""));
    t->w->retry_in = earlier(t->w->retry_in, RETRY_PERIOD);
    return PULL_FAILED;
}

/* Makes the image of `c` be there. PULL_WAIT: w->op_until says when the pull ends; then pull_done(). */
pull_answer pull_image(turn *t, container *c) {
    const ks_str *name = image_name(t, c);
    int how = policy(t, c);
    int64_t from = present_from(t, name);
    const trouble *tr = c->trouble;
    if (how == 'N' && (from > t->now || !container_image(t, c)->exists))
        return never_there(t, c, name);
    if (how != 'A' && from <= t->now) {
        bool checked = ks_since(&t->sim->server.rules, KS_SINCE_PULLS_ARE_CHECKED);
        event_of_parts(
            t, c, "Normal", "Pulled",
            checked
                ? "Container image \"%s\" already present on machine and can be accessed by the pod"
                : "Container image \"%s\" already present on machine",
            name);
        return PULL_THERE;
    }
    if (tr && tr->pull_delay && t->now - tr->pull_at < tr->pull_delay) return backs_off(t, c, name);
    const ks_image *image = container_image(t, c);
    machine *n = node_own(t->k, t->w->node);
    t->node = n;
    const ks_latencies *latency = &t->sim->settings->latency;
    int64_t takes = image->pull == KS_UNSET ? latency->pull : image->pull;
    event_of_parts(t, c, "Normal", "Pulling", "Pulling image \"%s\"", name);
    t->w->pull_from = t->now;
    t->w->pull_begun = later(t->now, n->pulling);
    if (from <= t->w->pull_begun ||
        !image->exists) /* nothing to fetch: only the registry's word for it */
        takes = earlier(takes, latency->registry);
    n->pulling = t->w->op_until = ks_after(t->w->pull_begun, takes);
    if (image->exists && from > n->pulling)
        ks_table_put(t->heap, &t->k->images, image_key(t, name),
                     (void *)(intptr_t)(n->pulling + 1));
    return PULL_WAIT;
}

/* Go's text of a duration cut to milliseconds, a new reference: mostly the one that was asked for last. */
static const ks_str *milliseconds(turn *t, struct span *last, int64_t ns) {
    int64_t cut = ns / KS_MILLISECOND * KS_MILLISECOND;
    if (!last->text || last->ns != cut) {
        char text[32];
        ks_duration_print(cut, text);
        const ks_str *made = ks_str_of(t->heap, text);
        ks_str_unref(t->heap, last->text);
        *last = (struct span){cut, made};
    }
    return ks_str_ref(last->text);
}

pull_answer pull_done(turn *t, container *c) {
    const ks_str *name = image_name(t, c);
    if (container_image(t, c)->exists) {
        const ks_str *net = milliseconds(t, &t->k->memo->net, t->now - t->w->pull_begun);
        const ks_str *gross = milliseconds(t, &t->k->memo->gross, t->now - t->w->pull_from);
        event_of_parts(
            t, c, "Normal", "Pulled",
            "Successfully pulled image \"%s\" in %s (%s including waiting). Image size: 1000 bytes.",
            name, net, gross);
        ks_str_unref(t->heap, net);
        ks_str_unref(t->heap, gross);
        if (c->trouble) c->trouble->pull_delay = 0;
        return PULL_THERE;
    }
    trouble *tr = trouble_of(t->heap, c);
    /* Next() doubles an entry that is there; one that was not used for long is forgotten. */
    bool fresh = !tr->pull_delay || t->now - tr->pull_at > 2 * BACKOFF_LONGEST;
    tr->pull_delay = fresh ? BACKOFF_FIRST : earlier(2 * tr->pull_delay, BACKOFF_LONGEST);
    tr->pull_at = t->now;
    ks_str_unref(t->heap, tr->pull_error);
    tr->pull_error =
        ks_str_printf(t->heap,
                      "rpc error: code = NotFound desc = failed to pull and unpack image \"%s\": "
                      "failed to resolve reference \"%s\": %s: not found",
                      name->s, name->s, name->s);
    event(t, c, "Warning", "Failed", "Failed to pull image \"%s\": %s", name->s, tr->pull_error->s);
    event(t, c, "Warning", "Failed", "Error: ErrImagePull");
    set_wait(t, c, K(ErrImagePull), ks_str_ref(tr->pull_error));
    t->w->moves = true;
    t->w->retry_in = earlier(t->w->retry_in, RETRY_PERIOD);
    return PULL_FAILED;
}
