/*
 * api/intstr.c - numbers that stand in texts: percentages (maxUnavailable, maxSurge, minAvailable) and what a pod's deletion costs.
 *
 * k8s.io/apimachinery/pkg/util/intstr: GetScaledValueFromIntOrPercent; see values.h.
 */
#include "api/values.h"
#include "doc/number.h"

#include <math.h>

bool ks_scaled_value(ks_val intstr, int64_t total, bool round_up, int64_t *out) {
    int64_t percent;
    *out = 0;
    if (intstr.type == KS_INT) {
        *out = intstr.i;
        return true;
    }
    if (intstr.type != KS_STRING || intstr.s->len < 2) return false;
    if (intstr.s->s[intstr.s->len - 1] != '%') return false;
    if (!ks_int_parse(intstr.s->s, intstr.s->len - 1, &percent)) return false;
    double scaled = (double)percent * (double)total / 100;
    scaled = round_up ? ceil(scaled) : floor(scaled);
    *out = scaled >= 9.2e18 ? INT64_MAX : scaled <= -9.2e18 ? INT64_MIN : (int64_t)scaled;
    return true;
}

bool ks_deletion_cost(const ks_str *text, int32_t *out) {
    int64_t cost;
    bool plain =
        ks_str_is(text, "0") || text->s[0] == '-' || (text->s[0] >= '1' && text->s[0] <= '9');
    if (!plain || !ks_int_parse(text->s, text->len, &cost)) return false;
    if (cost < INT32_MIN || cost > INT32_MAX) return false;
    *out = (int32_t)cost;
    return true;
}
