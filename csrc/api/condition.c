/*
 * api/condition.c - the conditions of a status by their type. Called by whoever asks whether a pod or node is ready, was scheduled, ...
 */
#include "api/values.h"

ks_val ks_condition_of(ks_val status, const char *type) {
    ks_each(condition, ks_get(status, K(conditions))) {
        if (ks_text_is(ks_get(*condition, K(type)), type)) return *condition;
    }
    return KS_NOTHING;
}

bool ks_condition_holds(ks_val status, const char *type) {
    return ks_text_is(ks_get(ks_condition_of(status, type), K(status)), "True");
}
