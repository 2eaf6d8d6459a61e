/*
 * doc/text.h - documents as text: JSON and YAML in and out.
 */
#ifndef KS_DOC_TEXT_H
#define KS_DOC_TEXT_H

#include "doc/val.h"

/* What was wrong with a text, and where. `message` is a new string. */
typedef struct ks_text_error {
    const ks_str
        *message; /* as kubectl words it: "error converting YAML to JSON: yaml: line 3: ..." */
    int document, line, column; /* from 1; document counts '---' parts */
} ks_text_error;

typedef struct ks_text_limits {
    size_t max_bytes; /* of the whole text; 0: default (64 MiB) */
    int max_depth;    /* nesting; 0: default (1000) */
    size_t max_nodes; /* values after alias expansion; 0: default */
    /* JSON: what KS_JSON_EXACT writes for bytes that are not UTF-8 is read as these bytes. */
    bool exact;
} ks_text_limits;

/* One JSON value. Integers stay integers; duplicate keys: the last wins and, if `duplicates` is not NULL, the path is appended to it. */
bool ks_json_read(ks_heap *heap, const char *s, size_t len, const ks_text_limits *limits,
                  ks_val *out, ks_text_error *err);
/* YAML (which JSON is a part of) as kubectl reads it: sigs.k8s.io/yaml on go-yaml v2: YAML 1.1 booleans, octals, merge keys, anchors. *out
 * is a list of documents; empty ones are left out. `duplicates`: NULL, or receives a list of {document, path "spec.x"} of
 * duplicate keys, for strict decoding. Text and numbers keep JSON's types. */
bool ks_yaml_read(ks_heap *heap, const char *s, size_t len, const ks_text_limits *limits,
                  ks_val *out, ks_val *duplicates, ks_text_error *err);

typedef enum ks_json_style {
    KS_JSON_COMPACT, /* no spaces */
    KS_JSON_EXACT, /* the same, but bytes that are not UTF-8 are not lost: 0xff is written \udcff, a surrogate without its first half */
    KS_JSON_GO,    /* compact, with <, >, &, U+2028/9 escaped as Go's encoder does */
    KS_JSON_INDENT /* four spaces, as kubectl -o json */
} ks_json_style;
void ks_json_write(ks_buf *out, ks_val v, ks_json_style style);
/* YAML as kubectl -o yaml prints it: sorted keys, two spaces, sequences not indented below their key, go-yaml's quoting rules, no leading '---'. */
void ks_yaml_write(ks_buf *out, ks_val v);

#endif
