/*
 * fuzz/standalone.c - drives a fuzz target without libFuzzer: plays the files named as arguments,
 * or, with
 * `-runs=N -seed=S`, N random inputs. The suites run every target this way, so that each of them is
 * exercised with any compiler.
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

static int play_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    size_t got = data == NULL ? 0 : fread(data, 1, (size_t)size, file);
    fclose(file);
    if (data != NULL) LLVMFuzzerTestOneInput(data, got);
    free(data);
    return data == NULL;
}

int main(int argc, char **argv) {
    long runs = 0;
    uint64_t seed = 1;
    int failed = 0;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "-runs=", 6) == 0)
            runs = strtol(argv[i] + 6, NULL, 10);
        else if (strncmp(argv[i], "-seed=", 6) == 0)
            seed = strtoull(argv[i] + 6, NULL, 10);
        else
            failed |= play_file(argv[i]);
    }
    for (long run = 0; run < runs; run++) {
        uint8_t data[4096];
        size_t size = next_random(&seed) % sizeof data;
        for (size_t at = 0; at < size; at++) data[at] = (uint8_t)next_random(&seed);
        LLVMFuzzerTestOneInput(data, size);
    }
    printf("%ld runs\n", runs);
    return failed;
}
