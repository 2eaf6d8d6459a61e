/*
 * doc/yaml_block.h - a fast reader for the YAML that manifests are nearly always written in. Private to
 * doc/: yaml_read.c tries it first, and leaves to libyaml what it declines.
 */
#ifndef KS_DOC_YAML_BLOCK_H
#define KS_DOC_YAML_BLOCK_H

#include "doc/builder.h"

/* Reads one document, the text between separators (one at its beginning is skipped). False: declined, for
 * whatever reason, with nothing left in the builder but duplicates noted; nothing is said about the
 * text, which may be fine. *nodes counts on. */
bool ks_yaml_block_read(ks_builder *builder, const ks_text_limits *limits, size_t *nodes,
                        const char *s, size_t len, ks_val *out);

#endif
