/*
 * doc/go_text.h - values as Go's fmt prints them, for error texts that show what was found. Called by yaml_events.c and
 * apiserver/typed.c.
 */
#ifndef KS_DOC_GO_TEXT_H
#define KS_DOC_GO_TEXT_H

#include "doc/val.h"

/* As %v: a list as [a b], a map as map[k:v]. */
void ks_go_text(ks_buf *out, ks_val v);
/* As %#v; `map_type`: "map[string]interface {}" or what else the reader at hand makes of maps. */
void ks_go_syntax(ks_buf *out, ks_val v, const char *map_type);

#endif
