/*
 * network/porthash.c - FNV-1a of 128 bits (Go's hash/fnv: New128a) and, for releases before 1.35, MD5 (RFC 1321).
 */
#include "network/porthash.h"

#include "engine/sim.h"

#include <string.h>

static ks_port_hash fnv128a(const char *text, size_t len) {
    __extension__ typedef unsigned __int128 wide;
    const wide prime = (wide)0x0000000001000000 << 64 | 0x000000000000013B;
    wide hash = (wide)0x6c62272e07bb0142 << 64 | 0x62b821756295c58d;
    for (size_t i = 0; i < len; i++) hash = (hash ^ (unsigned char)text[i]) * prime;
    return (ks_port_hash){(uint64_t)(hash >> 64), (uint64_t)hash};
}

enum { MD5_BLOCK = 64 };

static uint32_t turned(uint32_t word, unsigned by) { return word << by | word >> (32 - by); }

static uint32_t word_at(const unsigned char *bytes) {
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static void md5_block(uint32_t state[4], const unsigned char *block) {
    /* floor(2^32 * |sin(i + 1)|) */
    static const uint32_t sines[64] = {
        0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613,
        0xfd469501, 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193,
        0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d,
        0x02441453, 0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed,
        0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681, 0x6d9d6122,
        0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa,
        0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244,
        0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
        0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb,
        0xeb86d391};
    static const unsigned char turns[4][4] = {
        {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    for (unsigned i = 0; i < 64; i++) {
        uint32_t mix;
        unsigned word;
        switch (i / 16) {
        case 0: mix = (b & c) | (~b & d), word = i; break;
        case 1: mix = (d & b) | (~d & c), word = (5 * i + 1) % 16; break;
        case 2: mix = b ^ c ^ d, word = (3 * i + 5) % 16; break;
        default: mix = c ^ (b | ~d), word = 7 * i % 16; break;
        }
        uint32_t sum = a + mix + sines[i] + word_at(block + (size_t)4 * word);
        a = d, d = c, c = b;
        b += turned(sum, turns[i / 16][i % 4]);
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
}

/* The words of the sum are stored with their last byte first; bytes are compared from the first on. */
static uint64_t bytes_of(uint32_t first, uint32_t second) {
    return (uint64_t)__builtin_bswap32(first) << 32 | __builtin_bswap32(second);
}

static ks_port_hash md5(const char *text, size_t len) {
    uint32_t state[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    const unsigned char *bytes = (const unsigned char *)text;
    size_t left = len;
    for (; left >= MD5_BLOCK; bytes += MD5_BLOCK, left -= MD5_BLOCK) md5_block(state, bytes);
    unsigned char tail[2 * MD5_BLOCK] = {0};
    if (left > 0) memcpy(tail, bytes, left);
    tail[left] = 0x80;
    size_t size = left < MD5_BLOCK - 8 ? MD5_BLOCK : 2 * MD5_BLOCK;
    for (unsigned i = 0; i < 8; i++)
        tail[size - 8 + i] = (unsigned char)((uint64_t)len * 8 >> 8 * i);
    for (size_t at = 0; at < size; at += MD5_BLOCK) md5_block(state, tail + at);
    return (ks_port_hash){bytes_of(state[0], state[1]), bytes_of(state[2], state[3])};
}

ks_port_hash ks_port_hash_of(const ks_rules *rules, const char *text, size_t len) {
    return ks_since(rules, KS_SINCE_PORTS_BY_FNV) ? fnv128a(text, len) : md5(text, len);
}

void ks_port_dump(ks_buf *out, ks_val port) {
    ks_buf_printf(
        out, "{Name:(string)%s Port:(int32)%lld Protocol:(v1.Protocol)%s AppProtocol:(*string)%s}",
        ks_text_or(ks_get(port, K(name)), ""), (long long)ks_int_or(ks_get(port, K(port)), 0),
        ks_text_or(ks_get(port, K(protocol)), "TCP"),
        ks_text_or(ks_get(port, K(appProtocol)), "<nil>"));
}

ks_port_hash ks_port_hash_of_endpoint(ks_heap *heap, const ks_rules *rules, ks_val port) {
    ks_buf dump = {.heap = heap};
    ks_buf_puts(&dump, "(v1.EndpointPort)");
    ks_port_dump(&dump, port);
    ks_port_hash hash = ks_port_hash_of(rules, dump.s, dump.len);
    ks_buf_dispose(&dump);
    return hash;
}

uintptr_t ks_port_mark(ks_val port) {
    return ks_is(port, KS_MAP) && ks_exists(ks_get(port, K(appProtocol))) ? (uintptr_t)port.m : 0;
}

typedef struct hashed_port {
    ks_port_hash hash;
    ks_val port; /* borrowed */
} hashed_port;

/* As Go prints a discovery/v1 EndpointPort. */
static ks_port_hash slice_port_hash(ks_heap *heap, const ks_rules *rules, ks_val port) {
    ks_buf dump = {.heap = heap};
    ks_buf_printf(&dump,
                  "(v1.EndpointPort){Name:(*string)%s Protocol:(*v1.Protocol)%s Port:(*int32)%lld "
                  "AppProtocol:(*string)%s}",
                  ks_text_or(ks_get(port, K(name)), ""),
                  ks_text_or(ks_get(port, K(protocol)), "TCP"),
                  (long long)ks_int_or(ks_get(port, K(port)), 0),
                  ks_text_or(ks_get(port, K(appProtocol)), "<nil>"));
    ks_port_hash hash = ks_port_hash_of(rules, dump.s, dump.len);
    ks_buf_dispose(&dump);
    return hash;
}

ks_val ks_sort_slice_ports(ks_heap *heap, const ks_rules *rules, ks_val ports) {
    uint32_t count = ks_len(ports);
    if (count < 2) return ports;
    hashed_port *all = ks_alloc(heap, count * sizeof *all);
    for (uint32_t i = 0; i < count; i++) {
        ks_val port = ks_at(ports, i);
        hashed_port one = {slice_port_hash(heap, rules, port), port};
        uint32_t at = i;
        for (; at > 0 && ks_port_hash_before(one.hash, all[at - 1].hash); at--)
            all[at] = all[at - 1];
        all[at] = one;
    }
    ks_val sorted = ks_list_new(heap, count);
    for (uint32_t i = 0; i < count; i++) sorted = ks_append(heap, sorted, ks_ref(all[i].port));
    ks_free(heap, all, count * sizeof *all);
    ks_unref(heap, ports);
    return sorted;
}
