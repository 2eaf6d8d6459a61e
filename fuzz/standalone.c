/*
 * fuzz/standalone.c - drives a fuzz target without libFuzzer: plays the files named as arguments, then, with
 * `-runs=N -seed=S`, N inputs: half of them random bytes, half of them files with random changes. The suites run every target
 * this way, so that each of them is exercised with any compiler.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t next_random(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* --- files --- */

enum { FILES = 256, ROOM = 8192 };

typedef struct file {
    uint8_t *data;
    size_t size;
} file;

static int read_file(const char *path, file *out) {
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) {
        perror(path);
        return 1;
    }
    fseek(stream, 0, SEEK_END);
    long size = ftell(stream);
    rewind(stream);
    out->data = malloc(size > 0 ? (size_t)size : 1);
    out->size = out->data == NULL ? 0 : fread(out->data, 1, (size_t)size, stream);
    fclose(stream);
    return out->data == NULL;
}

/* --- inputs --- */

static size_t random_bytes(uint64_t *state, uint8_t *data) {
    size_t size = next_random(state) % (ROOM / 2);
    for (size_t at = 0; at < size; at++) data[at] = (uint8_t)next_random(state);
    return size;
}

/* A piece of one file put into another at some place, or taken out, or a byte changed. */
static size_t change(uint64_t *state, uint8_t *data, size_t size, const file *files, int count) {
    static const uint8_t marks[] = "{}[]:,-'\"&*!|>#%@\\\n\t \0$01.eE";
    size_t at = size > 0 ? next_random(state) % size : 0;
    const file *other = &files[next_random(state) % (uint64_t)count];
    size_t len = next_random(state) % 24,
           from = other->size > len ? next_random(state) % (other->size - len) : 0;
    switch (next_random(state) % 4) {
    case 0:
        if (size > 0) data[at] = (uint8_t)next_random(state);
        return size;
    case 1:
        if (size > 0) data[at] = marks[next_random(state) % (sizeof marks - 1)];
        return size;
    case 2: /* out */
        if (len > size - at) len = size - at;
        memmove(data + at, data + at + len, size - at - len);
        return size - len;
    default: /* in */
        if (len > other->size - from) len = other->size - from;
        if (size + len > ROOM) return size;
        memmove(data + at + len, data + at, size - at);
        memcpy(data + at, other->data + from, len);
        return size + len;
    }
}

static size_t changed_file(uint64_t *state, uint8_t *data, const file *files, int count) {
    const file *chosen = &files[next_random(state) % (uint64_t)count];
    size_t size = chosen->size < ROOM ? chosen->size : ROOM;
    memcpy(data, chosen->data, size);
    for (uint64_t changes = 1 + next_random(state) % 6; changes > 0; changes--)
        size = change(state, data, size, files, count);
    return size;
}

int main(int argc, char **argv) {
    static file files[FILES];
    long runs = 0;
    uint64_t seed = 1;
    int failed = 0, count = 0;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-runs=", 6) == 0)
            runs = strtol(argv[i] + 6, NULL, 10);
        else if (strncmp(argv[i], "-seed=", 6) == 0)
            seed = strtoull(argv[i] + 6, NULL, 10);
        else if (count < FILES)
            failed |= read_file(argv[i], &files[count++]);
    }
    for (int i = 0; i < count; i++) LLVMFuzzerTestOneInput(files[i].data, files[i].size);
    for (long run = 0; run < runs; run++) {
        uint8_t data[ROOM];
        size_t size = count > 0 && run % 2 == 1 ? changed_file(&seed, data, files, count)
                                                : random_bytes(&seed, data);
        const char *kept =
            getenv("FUZZ_KEEP"); /* where the input at hand is kept, to look at after a crash */
        if (kept != NULL) {
            FILE *stream = fopen(kept, "wb");
            if (stream != NULL) {
                fwrite(data, 1, size, stream);
                fclose(stream);
            }
        }
        LLVMFuzzerTestOneInput(data, size);
    }
    for (int i = 0; i < count; i++) free(files[i].data);
    printf("%ld runs\n", runs);
    return failed;
}
