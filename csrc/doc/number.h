/*
 * doc/number.h - numbers as text, read and printed exactly as Go's strconv and encoding/json do.
 *
 * Nothing here depends on the locale. Called by the readers and writers of doc/ and by api/.
 */
#ifndef KS_DOC_NUMBER_H
#define KS_DOC_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KS_NUMBER_MAX = 40 }; /* bytes that the printers need at most, the NUL included */

/* Decimal, with an optional sign; false when it is no number or does not fit. */
bool ks_int_parse(const char *s, size_t len, int64_t *out);
/* The same; NULL, or what Go's ParseInt finds wrong with it: what stands behind the digit with which 64 bits are not enough is not
 * looked at. */
const char *ks_int_problem(const char *s, size_t len, int64_t *out);
/* Go's ParseInt and ParseUint with base 0 (prefixes 0x, 0o, 0b, 0) without underscores: the magnitude
 * and its sign; false when it is no number or fits neither int64 nor (unsigned) uint64. */
bool ks_int_parse_any(const char *s, size_t len, bool *negative, uint64_t *magnitude);
/* [-+] digits [. digits] [e [-+] digits], digits on at least one side of the point; false when it is not of
 * that form or too large. Rounded correctly. */
bool ks_float_parse(const char *s, size_t len, double *out);
/* Whether a finite number's JSON text is an integer that fits, as Go's decoders then read it. */
bool ks_float_as_int(double f, int64_t *out);

/* Prints a finite number as encoding/json does; returns the length. */
int ks_float_json(double f, char *out);
/* strconv.FormatFloat(f, 'g', -1, 64), or with 32 bits if `single`. */
int ks_float_general(double f, bool single, char *out);

#endif
