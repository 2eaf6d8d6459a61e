/*
 * api/names.c - the rules for names and labels, with upstream's texts.
 *
 * k8s.io/apimachinery/pkg/util/validation/validation.go, pkg/api/validate/content/{kube,dns}.go. Called by
 * validation, by selectors, and by components that make names. A name may break two rules at once (too
 * long, and of the wrong form): ks_name_errors tells both, the others the first.
 */
#include "api/values.h"

#include <string.h>

#define LABEL_1123     "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
#define SUBDOMAIN_1123 LABEL_1123 "(\\." LABEL_1123 ")*"
#define LABEL_1035     "[a-z]([-a-z0-9]*[a-z0-9])?"
#define KEY            "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"

#define SUBDOMAIN_FORM                                                                             \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "   \
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "  \
    "for validation is '" SUBDOMAIN_1123 "')"
#define KEY_FORM                                                                                   \
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "    \
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "         \
    "validation is '" KEY "')"

/* What a rule found wrong. */
typedef struct findings {
    const char *text[4];
    int count;
} findings;

static void find(findings *f, const char *text) { f->text[f->count++] = text; }

static bool lower(char c) { return c >= 'a' && c <= 'z'; }
static bool digit(char c) { return c >= '0' && c <= '9'; }
static bool alnum(char c) { return lower(c) || digit(c) || (c >= 'A' && c <= 'Z'); }

/* [a-z0-9]([-a-z0-9]*[a-z0-9])? */
static bool is_label(const char *s, size_t len) {
    if (len == 0 || s[0] == '-' || s[len - 1] == '-') return false;
    for (size_t i = 0; i < len; i++)
        if (!lower(s[i]) && !digit(s[i]) && s[i] != '-') return false;
    return true;
}

static bool is_subdomain(const char *s, size_t len) {
    for (;;) {
        const char *dot = len > 0 ? memchr(s, '.', len) : NULL;
        size_t part = dot != NULL ? (size_t)(dot - s) : len;
        if (!is_label(s, part)) return false;
        if (dot == NULL) return true;
        s += part + 1;
        len -= part + 1;
    }
}

/* ([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9] */
static bool is_key(const char *s, size_t len) {
    if (len == 0 || !alnum(s[0]) || !alnum(s[len - 1])) return false;
    for (size_t i = 0; i < len; i++)
        if (!alnum(s[i]) && s[i] != '-' && s[i] != '_' && s[i] != '.') return false;
    return true;
}

static findings check_dns1123_label(const char *s, size_t len) {
    findings f = {.count = 0};
    if (len > 63) find(&f, "must be no more than 63 characters");
    if (!is_label(s, len))
        find(&f, is_subdomain(s, len)
                     ? "must not contain dots"
                     : "a lowercase RFC 1123 label must consist of lower case alphanumeric "
                       "characters or '-', and must start and end with an alphanumeric character "
                       "(e.g. 'my-name',  or '123-abc', regex used for validation is '" LABEL_1123
                       "')");
    return f;
}

static findings check_dns1123_subdomain(const char *s, size_t len) {
    findings f = {.count = 0};
    if (len > 253) find(&f, "must be no more than 253 characters");
    if (!is_subdomain(s, len)) find(&f, SUBDOMAIN_FORM);
    return f;
}

static findings check_dns1035_label(const char *s, size_t len) {
    findings f = {.count = 0};
    if (len > 63) find(&f, "must be no more than 63 characters");
    if (!is_label(s, len) || digit(s[0]))
        find(&f, "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
                 "start with an alphabetic character, and end with an alphanumeric character (e.g. "
                 "'my-name',  or 'abc-123', regex used for validation is '" LABEL_1035 "')");
    return f;
}

static findings check_label_value(const char *s, size_t len) {
    findings f = {.count = 0};
    if (len > 63) find(&f, "must be no more than 63 bytes");
    if (len > 0 && !is_key(s, len))
        find(&f,
             "a valid label must be an empty string or consist of alphanumeric characters, "
             "'-', '_' or '.', and must start and end with an alphanumeric character (e.g. "
             "'MyValue',  or 'my_value',  or '12345', regex used for validation is '(" KEY ")?')");
    return f;
}

static findings check_qualified_name(const char *s, size_t len) {
    findings f = {.count = 0};
    const char *slash = len > 0 ? memchr(s, '/', len) : NULL;
    if (slash != NULL) {
        size_t prefix = (size_t)(slash - s);
        if (memchr(slash + 1, '/', len - prefix - 1) != NULL) {
            find(&f, "a valid label key " KEY_FORM
                     " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')");
            return f;
        }
        if (prefix == 0) {
            find(&f, "prefix part must be non-empty");
        } else {
            if (prefix > 253) find(&f, "prefix part must be no more than 253 bytes");
            if (!is_subdomain(s, prefix)) find(&f, "prefix part " SUBDOMAIN_FORM);
        }
        s = slash + 1;
        len -= prefix + 1;
    }
    if (len == 0)
        find(&f, "name part must be non-empty");
    else if (len > 63)
        find(&f, "name part must be no more than 63 bytes");
    if (!is_key(s, len)) find(&f, "name part " KEY_FORM);
    return f;
}

static findings check(ks_name_rule rule, const char *s, size_t len) {
    switch (rule) {
    case KS_DNS1123_LABEL: return check_dns1123_label(s, len);
    case KS_DNS1123_SUBDOMAIN: return check_dns1123_subdomain(s, len);
    case KS_DNS1035_LABEL: return check_dns1035_label(s, len);
    case KS_QUALIFIED_NAME: return check_qualified_name(s, len);
    case KS_LABEL_VALUE: return check_label_value(s, len);
    }
    return (findings){.count = 0};
}

int ks_name_errors(ks_name_rule rule, const char *s, size_t len, const char *texts[4]) {
    findings f = check(rule, s, len);
    for (int i = 0; i < f.count; i++) texts[i] = f.text[i];
    return f.count;
}

static const char *first(findings f) { return f.count > 0 ? f.text[0] : NULL; }

const char *ks_dns1123_label(const char *s, size_t len) {
    return first(check_dns1123_label(s, len));
}
const char *ks_dns1123_subdomain(const char *s, size_t len) {
    return first(check_dns1123_subdomain(s, len));
}
const char *ks_dns1035_label(const char *s, size_t len) {
    return first(check_dns1035_label(s, len));
}
const char *ks_label_value(const char *s, size_t len) { return first(check_label_value(s, len)); }

const char *ks_qualified_name(ks_heap *heap, const char *s, size_t len, const ks_str **made) {
    findings f = check_qualified_name(s, len);
    *made = NULL;
    if (f.count < 2) return first(f);
    ks_buf buf = {heap, NULL, 0, 0};
    for (int i = 0; i < f.count; i++) {
        if (i > 0) ks_buf_puts(&buf, "; ");
        ks_buf_puts(&buf, f.text[i]);
    }
    *made = ks_buf_take(&buf);
    return (*made)->s;
}
