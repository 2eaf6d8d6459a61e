/*
 * api/intstr.c - numbers that may be percentages: maxUnavailable, maxSurge, minAvailable.
 *
 * k8s.io/apimachinery/pkg/util/intstr: GetScaledValueFromIntOrPercent.
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
