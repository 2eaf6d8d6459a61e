/*
 * doc/yaml_events.h - one YAML document: from libyaml's events straight to a value. Private to doc/: the
 * stream around it (separators, JSON, errors with their place) is yaml_read.c.
 */
#ifndef KS_DOC_YAML_EVENTS_H
#define KS_DOC_YAML_EVENTS_H

#include "base/tree.h"
#include "doc/builder.h"

#include <yaml.h>

/* What an anchor names. Its number is its place in the list, from 1 on. */
typedef struct ks_yaml_anchor {
    ks_val val;
    uint64_t nodes; /* values in it, aliases counted as what they stand for */
    bool open;      /* its container is not closed yet */
} ks_yaml_anchor;

/* How bad a problem is, that is, which of several Go would report: its decoder stops at the first of its
 * own, the conversion to JSON comes later, JSON's encoder last. */
typedef enum ks_yaml_rank {
    KS_YAML_DECODING,
    KS_YAML_CONVERTING,
    KS_YAML_ENCODING,
    KS_YAML_FINE
} ks_yaml_rank;

typedef struct ks_yaml_document {
    ks_heap *heap;
    const ks_text_limits *limits;
    ks_builder builder;
    yaml_parser_t parser; /* the caller's to open and delete */
    yaml_event_t
        event;    /* the one at hand: here, so that the caller can free it when memory ran out */
    size_t nodes; /* values read in the whole text, aliases counted as what they stand for */
    /* of this document, counted as go-yaml counts: what was decoded, and what of it through aliases */
    uint64_t decoded, aliased;
    ks_yaml_anchor *anchors;
    uint32_t anchor_count, anchor_cap;
    ks_tree anchor_names; /* interned name -> number */
    const ks_str *problem;
    ks_yaml_rank rank;
    int line; /* of the problem, from 1, in this document; 0: unknown */
    int column;
} ks_yaml_document;

/* Reads one document from an open parser into *out (KS_NULL when there is none). On failure `problem` is the
 * text behind "error converting YAML to JSON: ". The caller deletes the parser. */
bool ks_yaml_document_read(ks_yaml_document *doc, ks_val *out);
void ks_yaml_document_dispose(ks_yaml_document *doc);

#endif
