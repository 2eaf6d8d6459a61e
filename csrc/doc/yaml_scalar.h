/*
 * doc/yaml_scalar.h - what a plain YAML scalar means: YAML 1.1 as go-yaml v2 resolves it (go.yaml.in/yaml/v2,
 * resolve.go). Used by the YAML reader, and by the writer to know what needs quotes.
 */
#ifndef KS_DOC_YAML_SCALAR_H
#define KS_DOC_YAML_SCALAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ks_yaml_kind {
    KS_YAML_STRING,
    KS_YAML_NULL,
    KS_YAML_BOOL,
    KS_YAML_INT,   /* i; or, with `big`, u: above the range of int64 */
    KS_YAML_FLOAT, /* f, which may be infinite or NaN */
    KS_YAML_TIME,  /* a time stamp: kept as text */
} ks_yaml_kind;

typedef struct ks_yaml_scalar {
    ks_yaml_kind kind;
    bool big;
    union {
        bool b;
        int64_t i;
        uint64_t u;
        double f;
    };
} ks_yaml_scalar;

ks_yaml_scalar ks_yaml_resolve_slow(const char *s, size_t len);

/* The meaning of an untagged plain scalar. */
static inline ks_yaml_scalar ks_yaml_resolve(const char *s, size_t len) {
    /* most are words of which the first letter says that they are text */
    static const unsigned char hint[256] = {
        ['+'] = 1, ['-'] = 1, ['.'] = 1, ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1,
        ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1, ['y'] = 2, ['Y'] = 2, ['n'] = 2,
        ['N'] = 2, ['t'] = 2, ['T'] = 2, ['f'] = 2, ['F'] = 2, ['o'] = 2, ['O'] = 2, ['~'] = 2,
    };
    if (len > 0) {
        unsigned char first = hint[(unsigned char)*s];
        if (first == 0 || (first == 2 && len > 5)) return (ks_yaml_scalar){.kind = KS_YAML_STRING};
    }
    return ks_yaml_resolve_slow(s, len);
}

/* 1:30 and the like, which other YAML readers take for a number: the writer quotes them. */
bool ks_yaml_base60(const char *s, size_t len);

#endif
