/*
 * api/validate_text.c - rules for texts and numbers, with upstream's messages.
 *
 * k8s.io/apimachinery/pkg/util/validation/validation.go and pkg/api/validate/content. Each rule may
 * find several faults at once, so the checks here return lists, where api/values.h returns one
 * text.
 */
#include "api/decode_internal.h"
#include "api/validate_internal.h"

#include <stdio.h>
#include <string.h>

/* --- small tools --- */

ks_val ks_text_value(ks_val v) {
    return v.type == KS_STRING ? v : (ks_val){.type = KS_STRING, .s = &ks_decode_empty};
}

const char *ks_member(ks_val map, const ks_str *key) { return ks_text_or(ks_get(map, key), ""); }

bool ks_is_empty_text(ks_val v) { return v.type != KS_STRING || v.s->len == 0; }

bool ks_one_of(ks_val v, const char *const *allowed) {
    const char *text = ks_text_or(v, "");
    for (; *allowed != NULL; allowed++)
        if (strcmp(*allowed, text) == 0) return true;
    return false;
}

void ks_check_enum(ks_check *c, const char *field, ks_val v, const char *const *allowed,
                   bool required) {
    if (required && ks_is_empty_text(v))
        ks_need(c, field, "");
    else if (!ks_one_of(v, allowed))
        ks_unknown(c, field, ks_text_value(v), allowed);
}

/* --- characters --- */

static bool lower(char ch) { return (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9'); }
static bool alnum(char ch) { return lower(ch) || (ch >= 'A' && ch <= 'Z'); }

/* [a-z0-9]([-a-z0-9]*[a-z0-9])? */
static bool is_label(const char *s, size_t len) {
    if (len == 0 || !lower(s[0]) || !lower(s[len - 1])) return false;
    for (size_t i = 0; i < len; i++)
        if (!lower(s[i]) && s[i] != '-') return false;
    return true;
}

/* _?[a-z0-9]([-_a-z0-9]*[a-z0-9])? */
static bool is_underscore_label(const char *s, size_t len) {
    if (len > 0 && s[0] == '_') s++, len--;
    if (len == 0 || !lower(s[0]) || !lower(s[len - 1])) return false;
    for (size_t i = 0; i < len; i++)
        if (!lower(s[i]) && s[i] != '-' && s[i] != '_') return false;
    return true;
}

static bool all_parts(const char *s, size_t len, bool (*is_part)(const char *, size_t)) {
    for (;;) {
        const char *dot = memchr(s, '.', len);
        size_t part = dot == NULL ? len : (size_t)(dot - s);
        if (!is_part(s, part)) return false;
        if (dot == NULL) return true;
        s += part + 1;
        len -= part + 1;
    }
}

/* ([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9] */
static bool is_name_part(const char *s, size_t len) {
    if (len == 0 || !alnum(s[0]) || !alnum(s[len - 1])) return false;
    for (size_t i = 0; i < len; i++)
        if (!alnum(s[i]) && strchr("-_.", s[i]) == NULL) return false;
    return true;
}

/* --- the texts --- */

#define SUBDOMAIN_RULE                                                                             \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "   \
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "  \
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
#define NAME_RULE                                                                                  \
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "    \
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "         \
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"

static const char LABEL_RULE[] =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must "
    "start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for "
    "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
static const char DNS1035_RULE[] =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
static const char UNDERSCORE_RULE[] =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' "
    "or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for "
    "validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')";
static const char VALUE_RULE[] =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or "
    "'12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
static const char KEY_RULE[] =
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name', "
    " "
    "or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
static const char PERCENT_RULE[] =
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or "
    "'93%', regex used for validation is '[0-9]+%')";
static const char HEADER_RULE[] = "a valid HTTP header must consist of alphanumeric characters or "
                                  "'-' (e.g. 'X-Header-Name', regex "
                                  "used for validation is '[-A-Za-z0-9]+')";
static const char AT_MOST_253[] = "must be no more than 253 characters";
static const char AT_MOST_63[] = "must be no more than 63 characters";

/* --- the rules --- */

#define MANY_SLASHES                                                                               \
    NAME_RULE " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"

/* From 1.35 on, label keys and values are measured in "bytes". */
static bool says_bytes(const ks_check *c) { return ks_since(c->rules, KS_SINCE_LENGTHS_IN_BYTES); }

static int qualified_faults(const ks_check *c, const char *s, size_t len, const char **out) {
    int n = 0;
    const char *slash = memchr(s, '/', len), *name = s;
    size_t name_len = len;
    if (slash != NULL) {
        size_t prefix = (size_t)(slash - s);
        name = slash + 1;
        name_len = len - prefix - 1;
        if (memchr(name, '/', name_len) != NULL) {
            out[n++] = says_bytes(c) ? "a valid label key " MANY_SLASHES
                                     : "a qualified name " MANY_SLASHES;
            return n;
        }
        if (prefix == 0) {
            out[n++] = "prefix part must be non-empty";
        } else {
            if (prefix > 253)
                out[n++] = says_bytes(c) ? "prefix part must be no more than 253 bytes"
                                         : "prefix part must be no more than 253 characters";
            if (!all_parts(s, prefix, is_label)) out[n++] = "prefix part " SUBDOMAIN_RULE;
        }
    }
    if (name_len == 0)
        out[n++] = "name part must be non-empty";
    else if (name_len > 63)
        out[n++] = says_bytes(c) ? "name part must be no more than 63 bytes"
                                 : "name part must be no more than 63 characters";
    if (!is_name_part(name, name_len)) out[n++] = "name part " NAME_RULE;
    return n;
}

static int port_name_faults(const char *s, size_t len, const char **out) {
    int n = 0;
    bool charset = len > 0, letter = false;
    for (size_t i = 0; i < len; i++) {
        if (!lower(s[i]) && s[i] != '-') charset = false;
        if (s[i] >= 'a' && s[i] <= 'z') letter = true;
    }
    if (len > 15) out[n++] = "must be no more than 15 characters";
    if (!charset)
        out[n++] = "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)";
    if (!letter) out[n++] = "must contain at least one letter (a-z)";
    if (strstr(s, "--") != NULL) out[n++] = "must not contain consecutive hyphens";
    if (len > 0 && (s[0] == '-' || s[len - 1] == '-'))
        out[n++] = "must not begin or end with a hyphen";
    return n;
}

static int config_key_faults(const char *s, size_t len, const char **out) {
    int n = 0;
    bool charset = len > 0;
    for (size_t i = 0; i < len; i++)
        if (!alnum(s[i]) && strchr("-._", s[i]) == NULL) charset = false;
    if (len > 253) out[n++] = AT_MOST_253;
    if (!charset) out[n++] = KEY_RULE;
    if (len == 1 && s[0] == '.')
        out[n++] = "must not be '.'";
    else if (len == 2 && memcmp(s, "..", 2) == 0)
        out[n++] = "must not be '..'";
    else if (len > 2 && memcmp(s, "..", 2) == 0)
        out[n++] = "must not start with '..'";
    return n;
}

static int env_faults(const char *s, size_t len, const char **out) {
    if (len == 0) {
        out[0] = "environment variable name must be non-empty";
        return 1;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char ch = (unsigned char)s[i];
        if (ch >= ' ' && ch < 127 && ch != '=') continue;
        out[0] =
            "a valid environment variable name must consist only of printable ASCII characters "
            "other than '='";
        return 1;
    }
    return 0;
}

static int segment_faults(const char *s, size_t len, const char **out) {
    int n = 0;
    if (len == 1 && s[0] == '.')
        out[n++] = "may not be '.'";
    else if (len == 2 && memcmp(s, "..", 2) == 0)
        out[n++] = "may not be '..'";
    if (n > 0) return n;
    if (memchr(s, '/', len) != NULL) out[n++] = "may not contain '/'";
    if (memchr(s, '%', len) != NULL) out[n++] = "may not contain '%'";
    return n;
}

static bool is_percent(const char *s, size_t len) {
    if (len < 2 || s[len - 1] != '%') return false;
    for (size_t i = 0; i + 1 < len; i++)
        if (s[i] < '0' || s[i] > '9') return false;
    return true;
}

static bool is_header(const char *s, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (!alnum(s[i]) && s[i] != '-') return false;
    return len > 0;
}

int ks_faults(const ks_check *c, ks_rule rule, const char *s, size_t len,
              const char *faults[KS_FAULTS_MAX]) {
    int n = 0;
    switch (rule) {
    case KS_RULE_LABEL:
        if (len > 63) faults[n++] = AT_MOST_63;
        if (!is_label(s, len))
            faults[n++] = all_parts(s, len, is_label) ? "must not contain dots" : LABEL_RULE;
        break;
    case KS_RULE_SUBDOMAIN:
        if (len > 253) faults[n++] = AT_MOST_253;
        if (!all_parts(s, len, is_label)) faults[n++] = SUBDOMAIN_RULE;
        break;
    case KS_RULE_UNDERSCORE:
        if (len > 253) faults[n++] = AT_MOST_253;
        if (!all_parts(s, len, is_underscore_label)) faults[n++] = UNDERSCORE_RULE;
        break;
    case KS_RULE_DNS1035:
        if (len > 63) faults[n++] = AT_MOST_63;
        if (!is_label(s, len) || s[0] < 'a') faults[n++] = DNS1035_RULE;
        break;
    case KS_RULE_QUALIFIED: return qualified_faults(c, s, len, faults);
    case KS_RULE_LABEL_VALUE:
        if (len > 63) faults[n++] = says_bytes(c) ? "must be no more than 63 bytes" : AT_MOST_63;
        if (len > 0 && !is_name_part(s, len)) faults[n++] = VALUE_RULE;
        break;
    case KS_RULE_PORT_NAME: return port_name_faults(s, len, faults);
    case KS_RULE_CONFIG_KEY: return config_key_faults(s, len, faults);
    case KS_RULE_ENV: return env_faults(s, len, faults);
    case KS_RULE_PERCENT:
        if (!is_percent(s, len)) faults[n++] = PERCENT_RULE;
        break;
    case KS_RULE_HEADER:
        if (!is_header(s, len)) faults[n++] = HEADER_RULE;
        break;
    case KS_RULE_PATH_SEGMENT: return segment_faults(s, len, faults);
    }
    return n;
}

bool ks_follows(const ks_check *c, ks_rule rule, const ks_str *s) {
    const char *faults[KS_FAULTS_MAX];
    return ks_faults(c, rule, s->s, s->len, faults) == 0;
}

void ks_check_text(ks_check *c, const char *field, ks_rule rule, ks_val v) {
    const char *faults[KS_FAULTS_MAX];
    v = ks_text_value(v);
    int count = ks_faults(c, rule, v.s->s, v.s->len, faults);
    for (int i = 0; i < count; i++) ks_bad(c, field, v, faults[i]);
}

void ks_check_prefix(ks_check *c, const char *field, ks_rule rule, ks_val v) {
    const char *faults[KS_FAULTS_MAX];
    v = ks_text_value(v);
    if (v.s->len < 2 || v.s->s[v.s->len - 1] != '-') {
        ks_check_text(c, field, rule, v);
        return;
    }
    /* generic.go: maskTrailingDash puts an 'a' in the place of the last two bytes */
    ks_buf masked = {.heap = c->heap};
    ks_buf_add(&masked, v.s->s, v.s->len - 2);
    ks_buf_putc(&masked, 'a');
    int count = ks_faults(c, rule, masked.s, masked.len, faults);
    ks_buf_dispose(&masked);
    for (int i = 0; i < count; i++) ks_bad(c, field, v, faults[i]);
}

void ks_check_required_text(ks_check *c, const char *field, ks_rule rule, ks_val v) {
    if (ks_is_empty_text(v))
        ks_need(c, field, "");
    else
        ks_check_text(c, field, rule, v);
}

/* --- numbers --- */

void ks_bad_range(ks_check *c, const char *field, ks_val v, int64_t low, int64_t high) {
    char text[96];
    snprintf(text, sizeof text, "must be between %lld and %lld, inclusive", (long long)low,
             (long long)high);
    ks_bad(c, field, v, text);
}

void ks_check_port_number(ks_check *c, const char *field, int64_t number) {
    if (number < 1 || number > 65535) ks_bad_range(c, field, ks_int(number), 1, 65535);
}

void ks_check_port(ks_check *c, const char *field, ks_val number_or_name) {
    if (number_or_name.type == KS_STRING)
        ks_check_text(c, field, KS_RULE_PORT_NAME, number_or_name);
    else
        ks_check_port_number(c, field, ks_int_or(number_or_name, 0));
}

void ks_check_not_negative_int(ks_check *c, const char *field, int64_t number) {
    if (number < 0) ks_bad(c, field, ks_int(number), "must be greater than or equal to 0");
}

void ks_check_not_negative(ks_check *c, const char *field, ks_val number) {
    ks_check_not_negative_int(c, field, ks_int_or(number, 0));
}

void ks_check_user_id(ks_check *c, const char *field, ks_val id) {
    if (id.type == KS_INT && (id.i < 0 || id.i > INT32_MAX))
        ks_bad_range(c, field, id, 0, INT32_MAX);
}

/* --- comparing --- */

static bool is_nothing(ks_val v) {
    return !ks_exists(v) || ((v.type == KS_LIST || v.type == KS_MAP) && ks_len(v) == 0);
}

static bool same_map(ks_val a, ks_val b) {
    uint32_t i = 0, j = 0;
    while (i < ks_len(a) || j < ks_len(b)) {
        const ks_pair *x = i < ks_len(a) ? ks_pair_at(a, i) : NULL;
        const ks_pair *y = j < ks_len(b) ? ks_pair_at(b, j) : NULL;
        int order = x == NULL ? 1 : y == NULL ? -1 : ks_str_cmp(x->key, y->key);
        ks_val left = order <= 0 && x != NULL ? x->val : KS_NOTHING;
        ks_val right = order >= 0 && y != NULL ? y->val : KS_NOTHING;
        if (order == 0 ? !ks_same(left, right) : !is_nothing(left) || !is_nothing(right))
            return false;
        if (order <= 0) i++;
        if (order >= 0) j++;
    }
    return true;
}

bool ks_same(ks_val a, ks_val b) {
    if (is_nothing(a) && is_nothing(b)) return true;
    if (a.type == KS_MAP && b.type == KS_MAP) return a.m == b.m || same_map(a, b);
    if (a.type != KS_LIST || b.type != KS_LIST) return ks_equal(a, b);
    if (ks_identical(a, b)) return true;
    if (ks_len(a) != ks_len(b)) return false;
    for (uint32_t i = 0; i < ks_len(a); i++)
        if (!ks_same(ks_at(a, i), ks_at(b, i))) return false;
    return true;
}

void ks_check_immutable(ks_check *c, const char *field, const ks_spec *spec, ks_val now,
                        ks_val old) {
    if (ks_same(now, old)) return;
    if (spec == NULL) {
        ks_bad(c, field, now, "field is immutable");
        return;
    }
    const ks_str *printed = ks_print_value(c->heap, spec, now);
    ks_bad_printed(c, field, printed->s, "field is immutable");
    ks_str_unref(c->heap, printed);
}
