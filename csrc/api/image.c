/*
 * api/image.c - references to images: whether one means the tag "latest".
 *
 * pkg/util/parsers/parsers.go: ParseImageName, on github.com/distribution/reference: normalize.go, regexp.go. Called by
 * default_pod.c: such images are pulled always.
 */
#include "api/default_internal.h"

#include <ctype.h>
#include <string.h>

enum { MAX_PATH = 255, MAX_TAG = 128, MIN_DIGEST = 32, HEX_ID = 64 };

static bool lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

/* One component of a path: words of letters and digits with one of . _ __ or dashes between them. */
static bool is_component(const char *s, size_t len) {
    for (size_t i = 0; i < len;) {
        size_t word = i;
        while (i < len && lower_or_digit(s[i])) i++;
        if (i == word) return false;
        if (i == len) return true;
        size_t mark = i;
        while (i < len && s[i] == s[mark] && strchr("._-", s[i]) != NULL) i++;
        size_t run = i - mark;
        if (run == 0 || (s[mark] == '.' && run > 1) || (s[mark] == '_' && run > 2)) return false;
    }
    return false;
}

static bool is_path(const char *s, size_t len) {
    for (size_t from = 0, at = 0; at <= len; at++) {
        if (at < len && s[at] != '/') continue;
        if (!is_component(s + from, at - from)) return false;
        from = at + 1;
    }
    return true;
}

/* Host names with dots between their parts, and a port; or an address in brackets. */
static bool is_domain(const char *s, size_t len) {
    const char *colon = len > 0 && s[0] != '[' ? memchr(s, ':', len) : NULL;
    size_t host = colon != NULL ? (size_t)(colon - s) : len;
    if (len > 0 && s[0] == '[') {
        const char *close = memchr(s, ']', len);
        if (close == NULL) return false;
        for (const char *c = s + 1; c < close; c++)
            if (!isxdigit((unsigned char)*c) && *c != ':') return false;
        if (close + 1 == s + len) return true;
        if (close[1] != ':') return false;
        colon = close + 1;
    } else {
        for (size_t from = 0, at = 0; at <= host; at++) {
            if (at < host && s[at] != '.') {
                if (!isalnum((unsigned char)s[at]) && s[at] != '-') return false;
                continue;
            }
            if (at == from || s[from] == '-' || s[at - 1] == '-') return false;
            from = at + 1;
        }
    }
    if (colon == NULL) return true;
    for (const char *c = colon + 1; c < s + len; c++)
        if (!isdigit((unsigned char)*c)) return false;
    return colon + 1 < s + len;
}

static bool is_tag(const char *s, size_t len) {
    if (len == 0 || len > MAX_TAG || *s == '.' || *s == '-') return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)s[i]) && strchr("_.-", s[i]) == NULL) return false;
    return true;
}

/* algorithm:hexadecimal */
static bool is_digest(const char *s, size_t len) {
    const char *colon = memchr(s, ':', len);
    if (colon == NULL || colon == s) return false;
    for (const char *c = s; c < colon; c++) {
        bool first = c == s || strchr("-_+.", c[-1]) != NULL;
        if (strchr("-_+.", *c) != NULL ? first : !isalnum((unsigned char)*c)) return false;
        if (first && !isalpha((unsigned char)*c)) return false;
    }
    if (strchr("-_+.", colon[-1]) != NULL || s + len - colon - 1 < MIN_DIGEST) return false;
    for (const char *c = colon + 1; c < s + len; c++)
        if (!isxdigit((unsigned char)*c)) return false;
    return true;
}

static bool is_hex_id(const char *s, size_t len) {
    if (len != HEX_ID) return false;
    for (size_t i = 0; i < len; i++)
        if (!(s[i] >= '0' && s[i] <= '9') && !(s[i] >= 'a' && s[i] <= 'f')) return false;
    return true;
}

/* Is what stands before the first slash a registry, not a part of the path? */
static bool is_registry(const char *s, size_t len) {
    if (memchr(s, '.', len) != NULL || memchr(s, ':', len) != NULL) return true;
    if (len == 9 && memcmp(s, "localhost", 9) == 0) return true;
    for (size_t i = 0; i < len; i++)
        if (isupper((unsigned char)s[i])) return true;
    return false;
}

bool ks_image_is_latest(const ks_str *image) {
    if (image == NULL || image->len == 0 || strlen(image->s) != image->len) return false;
    if (is_hex_id(image->s, image->len)) return false;
    const char *path = image->s, *end = image->s + image->len, *slash = strchr(path, '/');
    if (slash != NULL && is_registry(path, (size_t)(slash - path))) {
        if (!is_domain(path, (size_t)(slash - path))) return false;
        path = slash + 1;
    }
    const char *at = strchr(path, '@'), *name_end = at != NULL ? at : end;
    const char *tag = memchr(path, ':', (size_t)(name_end - path));
    size_t len = (size_t)((tag != NULL ? tag : name_end) - path);
    size_t library = memchr(path, '/', len) == NULL && path == image->s ? strlen("library/") : 0;
    if (!is_path(path, len) || len + library > MAX_PATH) return false;
    if (at != NULL && !is_digest(at + 1, (size_t)(end - at - 1))) return false;
    if (tag == NULL) return at == NULL;
    size_t tag_len = (size_t)(name_end - tag - 1);
    return is_tag(tag + 1, tag_len) && tag_len == 6 && memcmp(tag + 1, "latest", 6) == 0;
}
