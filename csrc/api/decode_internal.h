/*
 * api/decode_internal.h - what the files of decoding share (api/decode*.c).
 */
#ifndef KS_API_DECODE_INTERNAL_H
#define KS_API_DECODE_INTERNAL_H

#include "api/codec.h"
#include "api/values.h"

/* The empty text, immortal. */
extern const ks_str ks_decode_empty;

/* A time stamp in canonical form (UTC; whole seconds, or six decimals if `micro`) into *out, a new
 * reference. NULL, or the text of Go's time.ParseError (a new string). `raw` is a string. */
const ks_str *ks_decode_time_text(ks_heap *heap, ks_val raw, bool micro, ks_val *out);

/* Base64 text in canonical form, a new reference. What is none: KS_NOTHING, and the text of Go's
 * base64.CorruptInputError in *why, unless that has one already. `raw` is a string. */
ks_val ks_decode_base64(ks_heap *heap, ks_val raw, const ks_str **why);

#endif
