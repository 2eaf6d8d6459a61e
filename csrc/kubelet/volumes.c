/*
 * kubelet/volumes.c - what a pod waits for before its containers start: claims, attachment, config maps, secrets.
 *
 * pkg/kubelet/volumemanager. A pod that has to wait notes what for; the change that it waits for wakes it.
 * Called by sync.c.
 */
#include "engine/volumes.h"
#include "kubelet/worker.h"

#include <stdio.h>
#include <string.h>

#define MOUNT_RETRY_FIRST   (500 * KS_MILLISECOND)
#define MOUNT_RETRY_LONGEST (122 * KS_SECOND)

ks_key wait_key(const char *what, const ks_str *ns, const ks_str *name) {
    uint64_t seed = (uint64_t)what[0] << 8 | (uint64_t)what[1];
    return (ks_key){ks_hash_text(name, ks_hash_text(ns, seed)), 0};
}

/* Notes in the pod's record what it waits for. False: there is no room, the retry finds the others. */
static bool note_wait(worker *w, int how, uint64_t what) {
    if (w->wait_count == WAITS) {
        w->waits_for_more = true;
        return false;
    }
    w->waits = true;
    w->wait_how[w->wait_count] = (uint8_t)how;
    w->wait_for[w->wait_count++] = what;
    return true;
}

uint8_t *waits_for(worker *w, int how, uint64_t what) {
    for (uint32_t i = 0; i < w->wait_count; i++)
        if (w->wait_how[i] == how && w->wait_for[i] == what) return &w->wait_how[i];
    return NULL;
}

static void wait_for(turn *t, const char *what, const ks_str *ns, const ks_str *name) {
    ks_key key = wait_key(what, ns, name);
    if (note_wait(t->w, WAITS_FOR_NAME, key.a))
        ks_links_add(t->heap, &t->k->waits, key, t->pod->id);
}

/* A claim that is there: those that name it are known to the store. */
static void wait_for_claim(turn *t, const ks_object *claim) {
    if (note_wait(t->w, WAITS_FOR_CLAIM, claim->id)) t->k->claim_waits++;
}

static uint64_t attached_word(const kubelet *k, ks_key key) {
    return (uint64_t)(uintptr_t)ks_table_get(&k->attached, key);
}

static void put_attached_word(kubelet *k, ks_key key, uint64_t word) {
    ks_table_put(k->heap, &k->attached, key, (void *)(uintptr_t)word);
}

/* Mostly one pod waits, and what will say that the volume is attached says that, too: `word`. */
static void wait_for_attached(turn *t, ks_key key, uint64_t word, const ks_object *pv) {
    kubelet *k = t->k;
    uint64_t own = t->pod->id * 2;
    if (!note_wait(t->w, WAITS_FOR_ATTACHED, key.a)) return;
    t->w->awaited = pv->id;
    if (word == 0) put_attached_word(k, key, own);
    if (word == 0 || word == own) return;
    if (word != SEVERAL_WAIT) {
        ks_links_add(k->heap, &k->waits, key, word / 2);
        put_attached_word(k, key, SEVERAL_WAIT);
    }
    ks_links_add(k->heap, &k->waits, key, t->pod->id);
}

static void leave_attached(kubelet *k, ks_key key, uint64_t id) {
    uint64_t word = attached_word(k, key);
    bool last = word == id * 2;
    if (!last && ks_links_any(&k->waits)) {
        ks_links_del(k->heap, &k->waits, key, id);
        ks_link others = ks_links_of(&k->waits, key);
        last = word == SEVERAL_WAIT && !ks_link_next(&others);
    }
    if (last) ks_table_del(k->heap, &k->attached, key);
}

void stop_waiting(kubelet *k, worker *w, uint64_t id) {
    if (!w->waits) return;
    /* A pod waits for few things: its entries are found by what it noted. */
    for (uint32_t i = 0; i < w->wait_count; i++) {
        const ks_key key = {w->wait_for[i], 0};
        if (w->wait_how[i] == WAITS_FOR_CLAIM)
            k->claim_waits--;
        else if (w->wait_how[i] == WAITS_FOR_NAME)
            ks_links_del(k->heap, &k->waits, key, id);
        else if (w->wait_how[i] == WAITS_FOR_ATTACHED)
            leave_attached(k, key, id);
    }
    w->wait_count = 0;
    w->waits = w->waits_for_more = false;
    w->attached_at = 0;
}

/* Volumes that no container mounts are none of the kubelet's business. */
static bool is_mounted(const worker *w, ks_val name) {
    for (uint32_t i = 0; i < w->count; i++) {
        ks_val spec = container_spec(w, &w->containers[i]);
        ks_each(m, ks_get(spec, K(volumeMounts)))
            if (ks_equal(ks_get(*m, K(name)), name)) return true;
        ks_each(m, ks_get(spec, K(volumeDevices)))
            if (ks_equal(ks_get(*m, K(name)), name)) return true;
    }
    return false;
}

static ks_key mount_key(const ks_object *pod, const ks_str *claim) {
    return (ks_key){ks_hash_text(claim, ks_hash_text(pod->ns, ks_hash_text(pod->node, 0))), 0};
}

/* Another pod on the node has the claim mounted; `mount`: its mount_key(). */
static bool others_use(turn *t, ks_key mount, const ks_str *claim) {
    for (ks_link l = ks_links_of(&t->k->mounts, mount); ks_link_next(&l);) {
        if (l.id == t->pod->id) continue;
        const ks_object *pod = ks_store_by_id(&t->sim->server.store, KS_POD, l.id);
        const worker *w = ks_ids_get(&t->k->pods, l.id);
        if (pod && w && w->mounted && w->stage != STAGE_ENDED && w->node == t->w->node &&
            ks_str_eq(pod->ns, t->pod->ns) && ks_pod_names_claim(t->heap, pod, claim))
            return true;
    }
    return false;
}

static ks_key left_key(const ks_object *pod, const ks_str *claim) {
    return (ks_key){ks_hash_text(claim, 0), pod->id};
}

void volumes_forget_pod(kubelet *k, const ks_object *pod) {
    if (!pod->claims || (!ks_links_any(&k->mounts) && !k->left.count)) return;
    ks_each(volume, ks_get(pod->spec, K(volumes))) {
        const ks_str *claim = ks_volume_claim_name(k->heap, pod, *volume);
        if (claim) ks_links_del(k->heap, &k->mounts, mount_key(pod, claim), pod->id);
        if (claim && k->left.count) ks_tree_del(k->heap, &k->left, left_key(pod, claim));
        ks_str_unref(k->heap, claim);
    }
}

/* --- what is wrong with a volume; NULL: it is ready --- */

enum { WRONG_NOTHING, WRONG_WAIT, WRONG_CLAIM, WRONG_SETUP };

typedef struct verdict {
    int what;
    const ks_str *text; /* new, for WRONG_CLAIM and WRONG_SETUP */
} verdict;

/* Whether the node's status says so; if not, the pod waits until it does. */
static bool wait_attached(turn *t, const ks_object *pv) {
    ks_key key = attached_key(t->node->name, pv->attached_as);
    uint64_t word = attached_word(t->k, key);
    if (word != IS_ATTACHED) wait_for_attached(t, key, word, pv);
    return word == IS_ATTACHED;
}

/* pkg/volume/hostpath (checkType); the kinds of devices and sockets are not simulated and taken to be there. */
static verdict host_path_verdict(turn *t, ks_val source) {
    verdict v = {WRONG_NOTHING, NULL};
    const char *type = ks_text_or(ks_get(source, K(type)), ""),
               *path = ks_text_or(ks_get(source, K(path)), "");
    bool directory = false, there = files_on_node(t->k, t->node->name, path, &directory);
    bool wants_directory = !strncmp(type, "Directory", 9), wants_file = !strncmp(type, "File", 4);
    if (!strcmp(type, "DirectoryOrCreate") && !there)
        files_make_directory(t->k, t->node->name, path, t->now);
    else if (wants_directory && !(there && directory))
        v = (verdict){
            WRONG_SETUP,
            ks_str_printf(t->heap, "hostPath type check failed: %s is not a directory", path)};
    else if (wants_file && there ? directory : !strcmp(type, "File"))
        v = (verdict){WRONG_SETUP,
                      ks_str_printf(t->heap, "hostPath type check failed: %s is not a file", path)};
    return v;
}

/* `made`: for this pod (an ephemeral volume). */
static verdict claim_verdict(turn *t, const ks_str *claim, bool made) {
    const ks_store *store = &t->sim->server.store;
    const ks_object *pvc = ks_store_claim_of(store, t->pod, claim);
    verdict v = {WRONG_CLAIM, NULL};
    const ks_str *volume = pvc ? ks_str_or_null(ks_get(pvc->spec, K(volumeName))) : NULL;
    if (!pvc) {
        wait_for(t, "pvc", t->pod->ns, claim);
        v.text = ks_str_printf(t->heap,
                               "error processing PVC %s/%s: failed to fetch PVC from API server: "
                               "persistentvolumeclaims \"%s\" not found",
                               t->pod->ns->s, claim->s, claim->s);
        return v;
    }
    if (!volume || pvc->phase != 'B') {
        wait_for_claim(t, pvc);
        v.text = ks_str_printf(t->heap, "error processing PVC %s/%s: PVC is not bound",
                               t->pod->ns->s, claim->s);
        return v;
    }
    if (made && (v.text = ks_claim_made_for_other(t->heap, pvc, t->pod)) != NULL) {
        wait_for_claim(t, pvc);
        return v;
    }
    const ks_object *pv = ks_store_named_by(store, pvc);
    if (!pv) {
        wait_for_claim(t, pvc);
        v.text = ks_str_printf(
            t->heap,
            "error processing PVC %s/%s: failed to fetch PV %s from API server: persistentvolumes "
            "\"%s\" not found",
            t->pod->ns->s, claim->s, volume->s, volume->s);
        return v;
    }
    v.what = WRONG_NOTHING;
    if (pv->attached_as && !wait_attached(t, pv)) {
        wait_for_claim(t, pvc);
        v.what = WRONG_WAIT;
    } else if (pv->alone && others_use(t, mount_key(t->pod, claim), claim)) {
        wait_for_claim(t, pvc);
        v.what = WRONG_SETUP;
        v.text = ks_str_of(
            t->heap,
            "volume uses the ReadWriteOncePod access mode and is already in use by another pod");
    }
    return v;
}

/* Whether what comes from a ConfigMap or a Secret needs that. */
static bool is_needed(ks_val source, const ks_str *name) {
    return name && !ks_bool_or(ks_get(source, K(optional)), false) &&
           !ks_str_is(name, "kube-root-ca.crt");
}

static verdict object_verdict(turn *t, ks_val source, ks_kind kind, const ks_str *name) {
    verdict v = {WRONG_NOTHING, NULL};
    const char *word = kind == KS_SECRET ? "secret" : "configmap";
    if (!is_needed(source, name)) return v;
    const ks_object *o = ks_store_get(&t->sim->server.store, kind, t->pod->ns, name);
    if (!o) {
        wait_for(t, word, t->pod->ns, name);
        v.what = WRONG_SETUP;
        v.text = ks_str_printf(t->heap, "%s \"%s\" not found", word, name->s);
        return v;
    }
    ks_each(item, ks_get(source, K(items))) {
        const ks_str *key = ks_str_or_null(ks_get(*item, K(key)));
        if (!key || ks_exists(ks_get_text(ks_get(ks_doc(o), K(data)), key->s, key->len)) ||
            ks_exists(ks_get_text(ks_get(ks_doc(o), K(binaryData)), key->s, key->len)))
            continue;
        wait_for(t, word, t->pod->ns, name);
        v.what = WRONG_SETUP;
        v.text = kind == KS_SECRET
                     ? ks_str_printf(t->heap, "references non-existent secret key: %s", key->s)
                     : ks_str_printf(t->heap, "configmap references non-existent config key: %s",
                                     key->s);
        return v;
    }
    return v;
}

static verdict projected_verdict(turn *t, ks_val projected) {
    verdict v = {WRONG_NOTHING, NULL};
    ks_each(source, ks_get(projected, K(sources))) {
        ks_val map = ks_get(*source, K(configMap)), secret = ks_get(*source, K(secret));
        if (ks_exists(map))
            v = object_verdict(t, map, KS_CONFIGMAP, ks_str_or_null(ks_get(map, K(name))));
        else if (ks_exists(secret))
            v = object_verdict(t, secret, KS_SECRET, ks_str_or_null(ks_get(secret, K(name))));
        if (v.what) return v;
    }
    return v;
}

static verdict volume_verdict(turn *t, ks_val volume) {
    verdict v = {WRONG_NOTHING, NULL};
    ks_val source = ks_get(volume, K(projected));
    if (ks_exists(source)) {
        v = projected_verdict(t, source);
    } else if (ks_exists(source = ks_get(volume, K(configMap)))) {
        v = object_verdict(t, source, KS_CONFIGMAP, ks_str_or_null(ks_get(source, K(name))));
    } else if (ks_exists(source = ks_get(volume, K(secret)))) {
        v = object_verdict(t, source, KS_SECRET, ks_str_or_null(ks_get(source, K(secretName))));
    } else if (ks_exists(source = ks_get(volume, K(hostPath)))) {
        v = host_path_verdict(t, source);
    } else {
        const ks_str *claim = ks_volume_claim_name(t->heap, t->pod, volume);
        if (claim) v = claim_verdict(t, claim, ks_exists(ks_get(volume, K(ephemeral))));
        ks_str_unref(t->heap, claim);
    }
    if (v.what && !is_mounted(t->w, ks_get(volume, K(name)))) {
        ks_str_unref(t->heap, v.text);
        return (verdict){WRONG_NOTHING, NULL};
    }
    return v;
}

/* Of a volume that is no claim, whether it can be wanting. */
static bool is_demanding(const ks_pair *source) {
    ks_val v = source->val;
    if (source->key == K(hostPath)) return true;
    if (source->key == K(configMap)) return is_needed(v, ks_str_or_null(ks_get(v, K(name))));
    if (source->key == K(secret)) return is_needed(v, ks_str_or_null(ks_get(v, K(secretName))));
    if (source->key != K(projected)) return false;
    ks_each(part, ks_get(v, K(sources))) {
        ks_val map = ks_get(*part, K(configMap)), secret = ks_get(*part, K(secret));
        ks_val from = ks_exists(map) ? map : secret;
        if (is_needed(from, ks_str_or_null(ks_get(from, K(name))))) return true;
    }
    return false;
}

void read_volumes(worker *w) {
    w->undemanding = true;
    w->mounts = false;
    ks_each(volume, spec_volumes(w)) {
        for (uint32_t i = 0; i < ks_len(*volume); i++) {
            const ks_pair *source = ks_pair_at(*volume, i);
            const ks_str *key = source->key;
            bool claim = key == K(persistentVolumeClaim) || key == K(ephemeral);
            if (claim || key == K(csi) || key == K(nfs)) w->mounts = true;
            if (claim ? !is_mounted(w, ks_get(*volume, K(name))) : is_demanding(source))
                w->undemanding = false;
        }
    }
}

/* Time that setting up the pod's volumes takes. */
int64_t mount_time(const turn *t) {
    int64_t takes = t->w->mounts ? t->sim->settings->latency.mount : 0;
    if (t->w->volumes == 0) return 0;
    if (takes > KS_LAST) return takes;
    return later((takes + VOLUME_POLL - 1) / VOLUME_POLL * VOLUME_POLL,
                 VOLUME_POLL); /* nothing is there at the first look */
}

/* The claim of a pod that has one, and nothing else that can be wanting, without a look at its spec; NULL: look at that. */
static const ks_object *only_claim(const turn *t) {
    return t->w->undemanding ? ks_store_only_claim(&t->sim->server.store, t->pod) : NULL;
}

/* What is wrong with the volumes, as far as their pod need not be told. `attached`: the id of a volume that is known to be. */
static int verdict_at_once(turn *t, uint64_t attached) {
    if (t->w->undemanding && t->pod->claims == 0) return WRONG_NOTHING;
    const ks_object *claim = only_claim(t), *pv = NULL;
    if (claim && claim->phase == 'B') pv = ks_store_named_by(&t->sim->server.store, claim);
    if (!pv || pv->alone) return WRONG_SETUP;
    if (!pv->attached_as || pv->id == attached || wait_attached(t, pv)) return WRONG_NOTHING;
    wait_for_claim(t, claim);
    return WRONG_WAIT;
}

/* Whether all volumes can be mounted. If not, w->op_until says when to look again (changes wake the pod earlier). */
bool volumes_ready(turn *t) {
    worker *w = t->w;
    bool told = t->now < w->mount_retry, setup = false;
    uint64_t attached = w->attached_at == t->k->detached + 1 ? w->awaited : 0;
    stop_waiting(t->k, w, t->pod->id);
    w->op_until = KS_NEVER;
    int at_once = verdict_at_once(t, attached);
    if (at_once == WRONG_WAIT) return false;
    bool ready = true, look = at_once != WRONG_NOTHING;
    ks_each(volume, look ? spec_volumes(w) : KS_NOTHING) {
        verdict v = volume_verdict(t, *volume);
        if (!v.what) continue;
        ready = false;
        const char *name = ks_text_or(ks_get(*volume, K(name)), "");
        if (v.what == WRONG_SETUP && !told)
            event(t, NULL, "Warning", "FailedMount",
                  "MountVolume.SetUp failed for volume \"%s\" : %s", name, v.text->s);
        else if (v.what == WRONG_CLAIM && !told)
            event(
                t, NULL, "Warning", "FailedMount",
                "Unable to attach or mount volumes: unmounted volumes=[%s], unattached volumes=[], failed to process "
                "volumes=[%s]: %s",
                name, name, v.text->s);
        setup = setup || v.what == WRONG_SETUP;
        if (v.what == WRONG_SETUP)
            w->op_until =
                earlier(w->op_until, t->now + later(w->mount_delay * 2, MOUNT_RETRY_FIRST));
        else if (v.what == WRONG_CLAIM)
            w->op_until = earlier(w->op_until, t->now + RETRY_PERIOD);
        ks_str_unref(t->heap, v.text);
    }
    if (ready && told && w->mount_failed) {
        w->op_until = w->mount_retry; /* a mount that failed is not tried again before its time */
        return false;
    }
    if (ready) {
        stop_waiting(t->k, w, t->pod->id);
        w->failing_since = KS_NEVER;
        return true;
    }
    if (w->op_until == KS_NEVER) /* waiting for the attach controller: silent */
        return false;
    bool long_since = fails_for_long(t);
    if (told) {
        w->op_until = w->mount_retry;
    } else {
        w->op_until = earlier(w->op_until, t->now + MOUNT_RETRY_LONGEST);
        w->mount_failed = setup;
        w->mount_delay = w->op_until - t->now;
        w->mount_retry = w->op_until;
    }
    if (long_since && !told)
        w->op_until = w->wait_count && !w->waits_for_more ? KS_NEVER : t->now + RETRY_PATIENT;
    return false;
}

/* --- what an environment needs --- */

static const ks_str *key_missing(turn *t, ks_val ref, ks_kind kind, const char *word,
                                 const char *kind_word) {
    const ks_str *name = ks_str_or_null(ks_get(ref, K(name))),
                 *key = ks_str_or_null(ks_get(ref, K(key)));
    if (!name || ks_bool_or(ks_get(ref, K(optional)), false)) return NULL;
    const ks_object *o = ks_store_get(&t->sim->server.store, kind, t->pod->ns, name);
    if (o && (!key || ks_exists(ks_get_text(ks_get(ks_doc(o), K(data)), key->s, key->len))))
        return NULL;
    wait_for(t, word, t->pod->ns, name);
    if (!o) return ks_str_printf(t->heap, "%s \"%s\" not found", word, name->s);
    return ks_str_printf(t->heap, "couldn't find key %s in %s %s/%s", key->s, kind_word,
                         t->pod->ns->s, name->s);
}

/* Why the environment of `c` cannot be made (new text), or NULL. */
const ks_str *missing_config(turn *t, container *c) {
    ks_val spec = container_spec(t->w, c);
    const ks_str *missing = NULL;
    ks_each(from, ks_get(spec, K(envFrom))) {
        ks_val map = ks_get(*from, K(configMapRef)), secret = ks_get(*from, K(secretRef));
        if (ks_exists(map))
            missing = key_missing(t, map, KS_CONFIGMAP, "configmap", "ConfigMap");
        else if (ks_exists(secret))
            missing = key_missing(t, secret, KS_SECRET, "secret", "Secret");
        if (missing) return missing;
    }
    ks_each(env, ks_get(spec, K(env))) {
        ks_val map = ks_get2(*env, K(valueFrom), K(configMapKeyRef)),
               secret = ks_get2(*env, K(valueFrom), K(secretKeyRef));
        if (ks_exists(map))
            missing = key_missing(t, map, KS_CONFIGMAP, "configmap", "ConfigMap");
        else if (ks_exists(secret))
            missing = key_missing(t, secret, KS_SECRET, "secret", "Secret");
        if (missing) return missing;
    }
    return NULL;
}

/* --- node.status.volumesInUse: while it names a volume, the volume is not detached --- */

static void name_ref(void *value) { ks_str_ref(value); }
static void name_unref(ks_heap *heap, void *value) { ks_str_unref(heap, value); }
const ks_tree_type name_type = {.ref = name_ref, .unref = name_unref};

/* Where the list has the name; its end: nowhere. Mostly it is one and the same text, which need not be read to see that. */
static uint32_t place_of(ks_val list, const ks_str *name) {
    for (uint32_t i = 0; i < ks_len(list); i++)
        if (ks_str_or_null(ks_at(list, i)) == name) return i;
    uint32_t at = 0;
    while (at < ks_len(list) && !ks_str_eq(ks_str_or_null(ks_at(list, at)), name)) at++;
    return at;
}

static ks_val with(ks_heap *heap, ks_val list, const ks_str *name, bool in, bool search) {
    uint32_t at = search ? place_of(list, name) : ks_len(list);
    if ((at < ks_len(list)) == in) return list;
    if (in) return ks_extend(heap, list, ks_string(name));
    if (ks_len(list) > 1) return ks_remove_at(heap, list, at);
    ks_unref(heap, list);
    return KS_NOTHING;
}

/* status.volumesInUse with what is untold of the node; `ours`: nobody else has written it, so that a volume that is mounted for
 * the first time need not be searched for. */
static ks_val brought_up_to_date(kubelet *k, ks_val list, uint64_t node_id, bool ours) {
    for (ks_tree_iter it = ks_tree_from(&k->untold, (ks_key){node_id, 0});
         ks_tree_next(&it) && it.key.a == node_id;) {
        bool in = it.key.b & 1;
        list = with(k->heap, list, it.value, in, !in || !ours);
    }
    return list;
}

bool tell_in_use(ks_sim *sim, kubelet *k, uint64_t node_id) {
    ks_key key;
    if (!k->untold.count || !ks_tree_ceiling(&k->untold, (ks_key){node_id, 0}, &key, NULL) ||
        key.a != node_id)
        return true;
    const ks_object *object = ks_store_by_id(&sim->server.store, KS_NODE, node_id);
    uint64_t node_key;
    machine *n = object ? node_of(k, object->name, &node_key) : NULL;
    if (n) {
        ks_val old = ks_get(object->status, K(volumesInUse));
        ks_val list = brought_up_to_date(k, ks_ref(old), node_id, ks_identical(old, n->in_use));
        n = node_own(k, node_key);
        ks_unref(k->heap, n->in_use);
        n->in_use = ks_ref(list);
        ks_val status = ks_put(k->heap, ks_ref(object->status), K(volumesInUse), list);
        ks_refusal *refused = ks_server_update_status(&sim->server, object, status, NULL);
        if (refused) { /* it may have been done all the same */
            ks_unref(k->heap, n->in_use);
            n->in_use = KS_NOTHING;
            ks_refusal_free(k->heap, refused);
            return false;
        }
    }
    ks_tree_del_all(k->heap, &k->untold, node_id);
    return true;
}

/* What the node's status calls the claim's volume, a new reference; NULL: nothing is attached (or there is no such claim). */
static const ks_str *attached_name(const ks_sim *sim, const ks_object *pvc) {
    const ks_object *pv = pvc ? ks_store_named_by(&sim->server.store, pvc) : NULL;
    return pv ? ks_str_ref(pv->attached_as) : NULL;
}

void volumes_keep_names(ks_sim *sim, kubelet *k, const ks_object *pod) {
    ks_each(volume, ks_get(pod->spec, K(volumes))) {
        const ks_str *claim = ks_volume_claim_name(k->heap, pod, *volume);
        const ks_object *pvc = claim ? ks_store_claim_of(&sim->server.store, pod, claim) : NULL;
        const ks_str *name = attached_name(sim, pvc);
        ks_key key = claim ? left_key(pod, claim) : (ks_key){0, 0};
        if (name) ks_tree_put(k->heap, &k->left, key, (void *)(uintptr_t)name);
        ks_str_unref(k->heap, claim);
    }
}

ks_val volumes_on(ks_sim *sim, kubelet *k, const ks_str *node) {
    ks_val list = KS_NOTHING;
    for (ks_walk w = ks_walk_node(&sim->server.store, node); ks_walk_next(&w);) {
        const worker *mounts = ks_ids_get(&k->pods, w.object->id);
        if (!mounts || !mounts->mounted || !w.object->claims) continue;
        ks_each(volume, spec_volumes(mounts)) {
            const ks_str *claim = ks_volume_claim_name(k->heap, w.object, *volume);
            const ks_str *name = NULL;
            if (claim)
                name = attached_name(sim, ks_store_claim_of(&sim->server.store, w.object, claim));
            if (name) list = with(k->heap, list, name, true, true);
            ks_str_unref(k->heap, name);
            ks_str_unref(k->heap, claim);
        }
    }
    return list;
}

/* What is unmounted, a new reference: of a pod that has gone it was kept. */
static const ks_str *left_name(turn *t, const ks_str *claim, const ks_object *pvc) {
    const ks_str *name = NULL;
    if (t->k->left.count) name = ks_tree_take(t->heap, &t->k->left, left_key(t->pod, claim));
    return name ? name : attached_name(t->sim, pvc);
}

/* An attached volume is mounted now, or not any more: to be told when this instant's other mounts are known. Takes over `unique`. */
static void note_in_use(turn *t, const ks_str *unique, bool in) {
    ks_key key = {t->node->id, ++t->k->sequence * 2 + in};
    ks_tree_put(t->heap, &t->k->untold, key, (void *)(uintptr_t)unique);
    ks_enqueue(t->sim, t->k->self, t->node->id);
}

/* `pvc` NULL: the claim is not there. */
static void claim_in_use(turn *t, const ks_str *claim, const ks_object *pvc, bool in) {
    ks_links *mounts = &t->k->mounts;
    ks_key key = mount_key(t->pod, claim);
    const ks_str *name = NULL;
    if (!in) {
        ks_links_del(t->heap, mounts, key, t->pod->id);
        name = left_name(t, claim, pvc);
    } else if (ks_links_add(t->heap, mounts, key, t->pod->id)) {
        name = attached_name(t->sim, pvc);
    }
    if (name && !others_use(t, key, claim))
        note_in_use(t, name, in);
    else
        ks_str_unref(t->heap, name);
}

/* The pod's claims are mounted now, or not any more. */
void volumes_in_use(turn *t, bool in) {
    const ks_object *only = only_claim(t);
    if (only) claim_in_use(t, only->name, only, in);
    if (only || !t->pod->claims) return;
    ks_each(volume, spec_volumes(t->w)) {
        const ks_str *claim = ks_volume_claim_name(t->heap, t->pod, *volume);
        if (!claim) continue;
        claim_in_use(t, claim, ks_store_claim_of(&t->sim->server.store, t->pod, claim), in);
        ks_str_unref(t->heap, claim);
    }
}
