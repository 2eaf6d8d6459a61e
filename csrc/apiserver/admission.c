/*
 * apiserver/admission.c - the admission plugins that change or refuse objects: namespaces'
 * lifecycle, service accounts, priorities, tolerations, default storage classes, protection
 * finalizers, taints of new nodes, growth of claims.
 *
 * Sources: k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle,
 * k8s.io/kubernetes/plugin/pkg/admission/
 * {serviceaccount,priority,defaulttolerationseconds,runtimeclass,nodetaint,storage/...}. Called by
 * create.c and update.c.
 */
#include "api/values.h"
#include "apiserver/internal.h"

#include <string.h>

const ks_str *ks_admission_name(ks_val doc) {
    const ks_str *name = ks_str_or_null(ks_meta_get(doc, K(name)));
    if (name != NULL && name->len > 0) return name;
    name = ks_str_or_null(ks_meta_get(doc, K(generateName)));
    return name != NULL && name->len > 0 ? name : NULL;
}

static ks_refusal *forbid(const ks_request *r, ks_val doc, const char *why) {
    const ks_str *name = ks_admission_name(doc);
    if (name != NULL) return ks_refuse_forbidden(r->heap, r->kind, name, why);
    name = ks_str_of(r->heap, "Unknown");
    ks_refusal *refusal = ks_refuse_forbidden(r->heap, r->kind, name, why);
    ks_str_unref(r->heap, name);
    return refusal;
}

static ks_refusal *forbid_taking(const ks_request *r, ks_val doc, ks_buf *why) {
    ks_refusal *refusal = forbid(r, doc, why->s);
    ks_buf_dispose(why);
    return refusal;
}

/* --- namespaces --- */

ks_refusal *ks_admit_namespace(const ks_request *r, const ks_str *ns, ks_val doc) {
    if (ns == NULL) return NULL;
    const ks_object *object = ks_store_get(&r->s->store, KS_NAMESPACE, NULL, ns);
    if (object == NULL) return ks_refuse_not_found(r->heap, KS_NAMESPACE, ns);
    if (!ks_object_terminating(object)) return NULL;
    ks_heap *heap = r->heap;
    ks_buf why = {.heap = heap};
    ks_buf_printf(
        &why, "unable to create new content in namespace %s because it is being terminated", ns->s);
    ks_refusal *refusal = forbid_taking(r, doc, &why);
    ks_val cause = ks_map_of(heap, K(reason), ks_text(heap, "NamespaceTerminating"), K(message),
                             ks_format(heap, "namespace %s is being terminated", ns->s), K(field),
                             ks_text(heap, "metadata.namespace"), NULL);
    refusal->causes = ks_append(heap, refusal->causes, cause);
    return refusal;
}

/* --- service accounts --- */

static const char token_path[] = "/var/run/secrets/kubernetes.io/serviceaccount";
static const char token_volume[] = "kube-api-access-";

static ks_val list_of(ks_heap *heap, ks_val item) {
    return ks_append(heap, ks_list_new(heap, 1), item);
}

/* TokenVolumeSource. */
static ks_val make_token_volume(ks_heap *heap, ks_val name) {
    ks_val token =
        ks_map_of(heap, K(expirationSeconds), ks_int(3607), K(path), ks_text(heap, "token"), NULL);
    ks_val item =
        ks_map_of(heap, K(key), ks_text(heap, "ca.crt"), K(path), ks_text(heap, "ca.crt"), NULL);
    ks_val map = ks_map_of(heap, K(items), list_of(heap, item), K(name),
                           ks_text(heap, "kube-root-ca.crt"), NULL);
    ks_val field = ks_map_of(heap, K(apiVersion), ks_text(heap, "v1"), K(fieldPath),
                             ks_text(heap, "metadata.namespace"), NULL);
    ks_val file = ks_map_of(heap, K(fieldRef), field, K(path), ks_text(heap, "namespace"), NULL);
    ks_val downward = ks_map_of(heap, K(items), list_of(heap, file), NULL);
    ks_val sources = ks_list_new(heap, 3);
    sources = ks_append(heap, sources, ks_map_of(heap, K(serviceAccountToken), token, NULL));
    sources = ks_append(heap, sources, ks_map_of(heap, K(configMap), map, NULL));
    sources = ks_append(heap, sources, ks_map_of(heap, K(downwardAPI), downward, NULL));
    ks_val projected = ks_map_of(heap, K(defaultMode), ks_int(420), K(sources), sources, NULL);
    return ks_map_of(heap, K(name), name, K(projected), projected, NULL);
}

static bool mounts_token(ks_val container) {
    ks_each(mount, ks_get(container, K(volumeMounts))) {
        if (ks_text_is(ks_get(*mount, K(mountPath)), token_path)) return true;
    }
    return false;
}

/* Mounts the token in each container of spec.KEY; true when one needed it. */
static bool mount_token(ks_heap *heap, ks_val *spec, const ks_str *key, ks_val name) {
    bool needed = false;
    ks_val containers = ks_ref(ks_get(*spec, key));
    for (uint32_t i = 0; i < ks_len(containers); i++) {
        ks_val container = ks_at(containers, i);
        if (container.type != KS_MAP || mounts_token(container)) continue;
        needed = true;
        ks_val mount = ks_map_of(heap, K(mountPath), ks_text(heap, token_path), K(name),
                                 ks_ref(name), K(readOnly), ks_bool(true), NULL);
        ks_val mounts = ks_append(heap, ks_ref(ks_get(container, K(volumeMounts))), mount);
        container = ks_put(heap, ks_ref(container), K(volumeMounts), mounts);
        containers = ks_set_at(heap, containers, i, container);
    }
    if (needed)
        *spec = ks_put(heap, *spec, key, containers);
    else
        ks_unref(heap, containers);
    return needed;
}

static void mount_tokens(const ks_request *r, ks_val *spec) {
    ks_heap *heap = r->heap;
    ks_val name = KS_NOTHING;
    ks_each(volume, ks_get(*spec, K(volumes))) {
        ks_val its = ks_get(*volume, K(name));
        if (strncmp(ks_text_or(its, ""), token_volume, sizeof token_volume - 1) == 0) {
            name = ks_ref(its);
            break;
        }
    }
    bool has = name.type != KS_NONE;
    if (!has) {
        char suffix[6];
        ks_random_suffix(r->s->world, suffix, 5);
        name = ks_format(heap, "%s%s", token_volume, suffix);
    }
    bool needed = mount_token(heap, spec, K(initContainers), name);
    if (mount_token(heap, spec, K(containers), name)) needed = true;
    if (needed && !has) {
        ks_val volume = make_token_volume(heap, ks_ref(name));
        *spec = ks_put(heap, *spec, K(volumes),
                       ks_append(heap, ks_ref(ks_get(*spec, K(volumes))), volume));
    }
    ks_unref(heap, name);
}

static ks_refusal *admit_service_account(const ks_request *r, ks_val doc, ks_val *spec) {
    ks_heap *heap = r->heap;
    ks_val name = ks_ref(ks_get(*spec, K(serviceAccountName)));
    if (!ks_exists(name) || ks_text_is(name, "")) {
        ks_unref(heap, name);
        name = ks_ref(ks_get(*spec, K(serviceAccount)));
    }
    if (!ks_exists(name) || ks_text_is(name, "")) {
        ks_unref(heap, name);
        name = ks_string(K(default));
    }
    const ks_str *ns = ks_str_or_null(ks_meta_get(doc, K(namespace)));
    const ks_object *account =
        ks_store_get(&r->s->store, KS_SERVICEACCOUNT, ns, ks_str_or_null(name));
    *spec = ks_put(heap, *spec, K(serviceAccountName), name);
    *spec = ks_put(heap, *spec, K(serviceAccount), ks_ref(name));
    /* every namespace has its "default" account, whether or not somebody has looked at it */
    if (account == NULL && !ks_text_is(name, "default")) {
        ks_buf why = {.heap = heap};
        ks_buf_printf(&why,
                      "error looking up service account %s/%s: serviceaccount \"%s\" not found",
                      ns->s, ks_text_or(name, ""), ks_text_or(name, ""));
        return forbid_taking(r, doc, &why);
    }
    ks_val mine = ks_get(*spec, K(automountServiceAccountToken));
    ks_val its =
        account != NULL ? ks_get(ks_doc(account), K(automountServiceAccountToken)) : KS_NOTHING;
    if (ks_bool_or(mine, ks_bool_or(its, true))) mount_tokens(r, spec);
    ks_val secrets = account != NULL ? ks_get(ks_doc(account), K(imagePullSecrets)) : KS_NOTHING;
    if (ks_len(secrets) > 0 && ks_len(ks_get(*spec, K(imagePullSecrets))) == 0)
        *spec = ks_put(heap, *spec, K(imagePullSecrets), ks_ref(secrets));
    return NULL;
}

/* --- priorities --- */

/* The class that counts where none is named: the default one with the lowest value. Borrowed. */
static const ks_object *default_priority(const ks_server *s) {
    const ks_object *best = NULL;
    int64_t least = 0;
    if (ks_store_count(&s->store, KS_PRIORITYCLASS) == 0) return NULL;
    for (ks_walk w = ks_walk_kind(&s->store, KS_PRIORITYCLASS, NULL); ks_walk_next(&w);) {
        int64_t value = ks_int_or(ks_get(ks_doc(w.object), K(value)), 0);
        if (!ks_bool_or(ks_get(ks_doc(w.object), K(globalDefault)), false)) continue;
        if (best == NULL || value < least) {
            best = w.object;
            least = value;
        }
    }
    return best;
}

/* pkg/apis/scheduling/v1/helpers.go: the classes that are always there. */
static int64_t system_priority(const ks_str *name) {
    if (ks_str_is(name, "system-node-critical")) return 2000001000;
    if (ks_str_is(name, "system-cluster-critical")) return 2000000000;
    return -1;
}

static ks_refusal *admit_priority(const ks_request *r, ks_val doc, ks_val *spec) {
    ks_heap *heap = r->heap;
    ks_buf why = {.heap = heap};
    const ks_str *name = ks_str_or_null(ks_get(*spec, K(priorityClassName)));
    int64_t priority = 0;
    const char *policy = "PreemptLowerPriority";
    bool named = name != NULL && name->len > 0;
    const ks_object *class =
        named ? ks_store_get(&r->s->store, KS_PRIORITYCLASS, NULL, name) : default_priority(r->s);
    if (class != NULL) {
        priority = ks_int_or(ks_get(ks_doc(class), K(value)), 0);
        policy = ks_text_or(ks_get(ks_doc(class), K(preemptionPolicy)), policy);
        if (!named) *spec = ks_put(heap, *spec, K(priorityClassName), ks_string(class->name));
    } else if (named) {
        priority = system_priority(name);
        if (priority < 0) {
            ks_buf_printf(&why, "no PriorityClass with name %s was found", name->s);
            return forbid_taking(r, doc, &why);
        }
    }
    ks_val given = ks_get(*spec, K(priority)), rule = ks_get(*spec, K(preemptionPolicy));
    if (given.type == KS_INT && given.i != priority) {
        ks_buf_printf(
            &why,
            "the integer value of priority (%lld) must not be provided in pod spec; "
            "priority admission controller computed %lld from the given PriorityClass name",
            (long long)given.i, (long long)priority);
        return forbid_taking(r, doc, &why);
    }
    if (rule.type == KS_STRING && !ks_text_is(rule, policy)) {
        ks_buf_printf(&why,
                      "the string value of PreemptionPolicy (%s) must not be provided in pod spec; "
                      "priority admission controller computed %s from the given PriorityClass name",
                      rule.s->s, policy);
        return forbid_taking(r, doc, &why);
    }
    *spec = ks_put(heap, *spec, K(priority), ks_int(priority));
    *spec = ks_put(heap, *spec, K(preemptionPolicy), ks_text(heap, policy));
    return NULL;
}

/* --- tolerations --- */

static bool tolerates(ks_val tolerations, const char *taint) {
    ks_each(t, tolerations) {
        const char *key = ks_text_or(ks_get(*t, K(key)), "");
        const char *effect = ks_text_or(ks_get(*t, K(effect)), "");
        bool keyed = *key == '\0' || strcmp(key, taint) == 0;
        if (keyed && (*effect == '\0' || strcmp(effect, "NoExecute") == 0)) return true;
    }
    return false;
}

static void add_tolerations(ks_heap *heap, ks_val *spec) {
    static const char *const taints[] = {"node.kubernetes.io/not-ready",
                                         "node.kubernetes.io/unreachable"};
    for (int i = 0; i < 2; i++) {
        ks_val tolerations = ks_get(*spec, K(tolerations));
        if (tolerates(tolerations, taints[i])) continue;
        ks_val toleration = ks_map_of(
            heap, K(effect), ks_text(heap, "NoExecute"), K(key), ks_text(heap, taints[i]),
            K(operator), ks_text(heap, "Exists"), K(tolerationSeconds), ks_int(300), NULL);
        *spec =
            ks_put(heap, *spec, K(tolerations), ks_append(heap, ks_ref(tolerations), toleration));
    }
}

/* --- pods --- */

/* There are no RuntimeClasses here. */
static ks_refusal *admit_runtime_class(const ks_request *r, ks_val doc, ks_val spec) {
    const char *class = ks_text_or(ks_get(spec, K(runtimeClassName)), "");
    if (*class != '\0') {
        ks_buf why = {.heap = r->heap};
        ks_buf_printf(&why, "pod rejected: RuntimeClass \"%s\" not found", class);
        return forbid_taking(r, doc, &why);
    }
    if (ks_len(ks_get(spec, K(overhead))) > 0)
        return forbid(r, doc,
                      "pod rejected: Pod Overhead set without corresponding RuntimeClass "
                      "defined Overhead");
    return NULL;
}

/* plugin/pkg/admission/podtopologylabels. */
void ks_admit_topology(ks_server *s, const ks_str *node, ks_val *meta) {
    const ks_str *const keys[] = {K(topology_kubernetes_io_zone), K(topology_kubernetes_io_region)};
    if (!ks_since(&s->rules, KS_SINCE_TOPOLOGY_LABELS)) return;
    const ks_object *object = ks_store_get(&s->store, KS_NODE, NULL, node);
    if (object == NULL) return;
    for (int i = 0; i < 2; i++) {
        ks_val label = ks_get(object->labels, keys[i]);
        if (label.type == KS_STRING)
            *meta = ks_put2(s->heap, *meta, K(labels), keys[i], ks_ref(label));
    }
}

/* A pod that names its node itself. */
static void admit_place(const ks_request *r, ks_val *doc) {
    const ks_str *node = ks_str_or_null(ks_get2(*doc, K(spec), K(nodeName)));
    if (node == NULL || node->len == 0) return;
    ks_val meta = ks_ref(ks_get(*doc, K(metadata)));
    ks_admit_topology(r->s, node, &meta);
    *doc = ks_put(r->heap, *doc, K(metadata), meta);
}

static ks_refusal *admit_pod(const ks_request *r, ks_val *doc) {
    ks_limits_fill(r, doc);
    admit_place(r, doc);
    ks_val spec = ks_ref(ks_get(*doc, K(spec)));
    if (spec.type != KS_MAP) spec = ks_map_new(r->heap, 8);
    ks_refusal *refusal = admit_service_account(r, *doc, &spec);
    if (refusal == NULL) refusal = admit_priority(r, *doc, &spec);
    if (refusal == NULL) {
        add_tolerations(r->heap, &spec);
        refusal = admit_runtime_class(r, *doc, spec);
    }
    *doc = ks_put(r->heap, *doc, K(spec), spec);
    return refusal;
}

/* --- storage --- */

static bool is_default_class(const ks_object *class) {
    ks_val notes = ks_get(class->meta, K(annotations));
    return ks_text_is(ks_get(notes, K(storageclass_kubernetes_io_is_default_class)), "true") ||
           ks_text_is(ks_get(notes, K(storageclass_beta_kubernetes_io_is_default_class)), "true");
}

/* pkg/volume/util/storageclass.go: GetDefaultClass: the newest, of equals the first by name. */
static const ks_object *default_class(const ks_server *s) {
    const ks_object *best = NULL;
    for (ks_walk w = ks_walk_kind(&s->store, KS_STORAGECLASS, NULL); ks_walk_next(&w);)
        if (is_default_class(w.object) && (best == NULL || w.object->created > best->created))
            best = w.object;
    return best;
}

static void add_finalizer(ks_heap *heap, ks_val *doc, const ks_str *name) {
    ks_val finalizers = ks_meta_get(*doc, K(finalizers));
    if (ks_has_text(finalizers, name->s)) return;
    ks_meta_put(heap, doc, K(finalizers), ks_append(heap, ks_ref(finalizers), ks_string(name)));
}

static void admit_claim(const ks_request *r, ks_val *doc) {
    ks_val noted =
        ks_get(ks_meta_get(*doc, K(annotations)), K(volume_beta_kubernetes_io_storage_class));
    ks_val class = ks_get2(*doc, K(spec), K(storageClassName));
    if (noted.type != KS_STRING && class.type != KS_STRING) {
        const ks_object *found = default_class(r->s);
        if (found != NULL)
            *doc = ks_put2(r->heap, *doc, K(spec), K(storageClassName), ks_string(found->name));
    }
    add_finalizer(r->heap, doc, K(kubernetes_io_pvc_protection));
}

/* persistentvolume/resize/admission.go. */
static ks_refusal *admit_growth(const ks_request *r, ks_val doc, const ks_object *old) {
    ks_val after = ks_get3(ks_get(doc, K(spec)), K(resources), K(requests), K(storage));
    ks_val before = ks_get3(old->spec, K(resources), K(requests), K(storage));
    if (ks_quantity_cmp(ks_quantity_of(after), ks_quantity_of(before)) <= 0) return NULL;
    const ks_str *name = ks_str_or_null(ks_get(old->spec, K(storageClassName)));
    const ks_object *class = ks_store_get(&r->s->store, KS_STORAGECLASS, NULL, name);
    if (class != NULL && ks_bool_or(ks_get(ks_doc(class), K(allowVolumeExpansion)), false))
        return NULL;
    return forbid(r, doc,
                  "only dynamically provisioned pvc can be resized and the storageclass "
                  "that provisions the pvc must support resize");
}

/* --- nodes --- */

static void taint_new_node(ks_heap *heap, ks_val *doc) {
    ks_val taints = ks_get2(*doc, K(spec), K(taints));
    ks_each(taint, taints) {
        if (ks_text_is(ks_get(*taint, K(key)), "node.kubernetes.io/not-ready") &&
            ks_text_is(ks_get(*taint, K(effect)), "NoSchedule"))
            return;
    }
    ks_val taint = ks_map_of(heap, K(effect), ks_text(heap, "NoSchedule"), K(key),
                             ks_text(heap, "node.kubernetes.io/not-ready"), NULL);
    *doc = ks_put2(heap, *doc, K(spec), K(taints), ks_append(heap, ks_ref(taints), taint));
}

/* --- the doors --- */

ks_refusal *ks_admit_create(const ks_request *r, ks_val *doc) {
    switch (r->kind) {
    case KS_POD: return admit_pod(r, doc);
    case KS_PVC: admit_claim(r, doc); return NULL;
    case KS_PV: add_finalizer(r->heap, doc, K(kubernetes_io_pv_protection)); return NULL;
    case KS_NODE:
        if (!r->trusted) taint_new_node(r->heap, doc);
        return NULL;
    default: return NULL;
    }
}

ks_refusal *ks_admit_update(const ks_request *r, ks_val *doc, const ks_object *old) {
    if (r->kind != KS_POD || r->subresource != NULL) return NULL;
    ks_val spec = ks_ref(ks_get(*doc, K(spec)));
    if (!ks_exists(ks_get(spec, K(priority))))
        spec = ks_put(r->heap, spec, K(priority), ks_ref(ks_get(old->spec, K(priority))));
    if (!ks_exists(ks_get(spec, K(preemptionPolicy))))
        spec = ks_put(r->heap, spec, K(preemptionPolicy),
                      ks_ref(ks_get(old->spec, K(preemptionPolicy))));
    add_tolerations(r->heap, &spec);
    *doc = ks_put(r->heap, *doc, K(spec), spec);
    return NULL;
}

ks_refusal *ks_admit_updated(const ks_request *r, ks_val doc, const ks_object *old) {
    return r->kind == KS_PVC ? admit_growth(r, doc, old) : NULL;
}

/* --- quality of service --- */

/* Adds up cpu and memory of a list of containers; false: one lacks a limit. */
static bool add_containers(ks_val containers, const ks_str *resource, ks_quantity *requests,
                           ks_quantity *limits, bool *any) {
    bool all = true;
    ks_each(container, containers) {
        ks_val resources = ks_get(*container, K(resources));
        ks_quantity request = ks_quantity_of(ks_get2(resources, K(requests), resource));
        ks_quantity limit = ks_quantity_of(ks_get2(resources, K(limits), resource));
        if (request.nanos > 0 || limit.nanos > 0) *any = true;
        if (limit.nanos <= 0) all = false;
        ks_quantity_add(requests, request);
        ks_quantity_add(limits, limit);
    }
    return all;
}

const char *ks_pod_qos(ks_val spec) {
    const ks_str *const resources[] = {K(cpu), K(memory)};
    bool any = false, guaranteed = true;
    ks_val whole = ks_get(spec, K(resources));
    bool pod_level = ks_len(ks_get(whole, K(requests))) > 0 || ks_len(ks_get(whole, K(limits))) > 0;
    for (int i = 0; i < 2; i++) {
        ks_quantity requests = {0}, limits = {0};
        if (pod_level) {
            requests = ks_quantity_of(ks_get2(whole, K(requests), resources[i]));
            limits = ks_quantity_of(ks_get2(whole, K(limits), resources[i]));
            if (requests.nanos > 0 || limits.nanos > 0) any = true;
            if (limits.nanos <= 0) guaranteed = false;
        } else {
            if (!add_containers(ks_get(spec, K(containers)), resources[i], &requests, &limits,
                                &any))
                guaranteed = false;
            if (!add_containers(ks_get(spec, K(initContainers)), resources[i], &requests, &limits,
                                &any))
                guaranteed = false;
        }
        if (requests.nanos != limits.nanos) guaranteed = false;
    }
    if (!any) return "BestEffort";
    return guaranteed ? "Guaranteed" : "Burstable";
}
