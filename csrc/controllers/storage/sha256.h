/*
 * controllers/storage/sha256.h - SHA-256 (FIPS 180-4): names of VolumeAttachments are made with it.
 */
#ifndef KS_CONTROLLERS_STORAGE_SHA256_H
#define KS_CONTROLLERS_STORAGE_SHA256_H

#include <stddef.h>

/* The digest of `s` in lower-case hexadecimal, NUL-terminated. */
void ks_sha256_hex(const char *s, size_t len, char out[65]);

#endif
