/*
 * controllers/deployment/fence.c - numbers: pkg/controller/deployment/util/deployment_util.go.
 */
#include "controllers/deployment/internal.h"

#include "doc/number.h"

/* ResolveFenceposts: surge rounded up, unavailable rounded down, not both 0. */
static void resolve(const ks_object *d, int64_t *surge, int64_t *unavailable) {
    ks_val rolling = ks_get2(d->spec, K(strategy), K(rollingUpdate));
    ks_val s = ks_get(rolling, K(maxSurge)), u = ks_get(rolling, K(maxUnavailable));
    *surge = *unavailable = 0;
    if (ks_exists(s)) ks_scaled_value(s, dep_size(d), true, surge);
    if (ks_exists(u)) ks_scaled_value(u, dep_size(d), false, unavailable);
    if (*surge == 0 && *unavailable == 0) *unavailable = 1;
    *surge = dep_turned(*surge);
    *unavailable = dep_turned(*unavailable);
}

int64_t dep_max_surge(const ks_object *d) {
    if (!dep_is_rolling(d)) return 0;
    int64_t surge, unavailable;
    resolve(d, &surge, &unavailable);
    return surge;
}

int64_t dep_max_unavailable(const ks_object *d) {
    if (!dep_is_rolling(d) || dep_size(d) == 0) return 0;
    int64_t surge, unavailable;
    resolve(d, &surge, &unavailable);
    return unavailable < dep_size(d) ? unavailable : dep_size(d);
}

int64_t dep_most(const ks_object *d) { return dep_turned(dep_size(d) + dep_max_surge(d)); }

/* NewRSNewReplicas */
int64_t dep_new_size(const ks_object *d, int64_t total, int64_t size) {
    int64_t wanted = dep_size(d);
    if (!dep_is_rolling(d)) return wanted;
    int64_t room = dep_most(d) - total;
    if (room <= 0) return size;
    return size + (room < wanted - size ? room : wanted - size);
}

static int64_t number_of(const ks_object *set, bool of_spec, const ks_str *key) {
    if (set == NULL) return 0;
    return of_spec ? ks_count(set->spec, key, 1) : ks_count(set->status, key, 0);
}

int64_t dep_sum(const dep_sets *sets, bool of_spec, const ks_str *key) {
    int64_t sum = number_of(sets->fresh, of_spec, key);
    for (size_t i = 0; i < sets->old_count; i++) sum += number_of(sets->old[i], of_spec, key);
    return sum;
}

bool dep_int(ks_val text, int64_t *out) {
    return text.type == KS_STRING && ks_int_parse(text.s->s, text.s->len, out);
}

int64_t dep_annotation(const ks_object *object, const ks_str *key) {
    ks_val text = ks_get2(object->meta, K(annotations), key);
    int64_t number;
    if (!dep_int(text, &number) || number > INT32_MAX) return -1;
    return *text.s->s == '+' || *text.s->s == '-' ? -1 : number;
}

int64_t dep_revision(const ks_object *object) {
    int64_t number;
    ks_val text = ks_get2(object->meta, K(annotations), K(deployment_kubernetes_io_revision));
    return dep_int(text, &number) ? number : 0;
}

int dep_by_age(const void *a, const void *b) {
    const ks_object *x = *(const ks_object *const *)a, *y = *(const ks_object *const *)b;
    if (x->created != y->created) return x->created < y->created ? -1 : 1;
    return ks_str_cmp(x->name, y->name);
}

bool dep_has_deadline(const ks_object *d) {
    ks_val seconds = ks_get(d->spec, K(progressDeadlineSeconds));
    return ks_exists(seconds) && ks_int_or(seconds, 0) != INT32_MAX;
}
