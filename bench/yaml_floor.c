/*
 * bench/yaml_floor.c - the floor for applying manifests: libyaml's own event parser over the same bytes, nothing else.
 *
 *     yaml_floor FILE ROUNDS      prints the seconds of processor time that one round took, the best of them
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <yaml.h>

static long parse(const unsigned char *text, size_t size) {
    yaml_parser_t parser;
    long events = 0;
    if (!yaml_parser_initialize(&parser)) return -1;
    yaml_parser_set_input_string(&parser, text, size);
    for (int done = 0; !done; events++) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            events = -1;
            break;
        }
        done = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return events;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    FILE *file = fopen(argv[1], "rb");
    if (file == NULL) return 2;
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    unsigned char *text = malloc(size);
    if (text == NULL || fread(text, 1, size, file) != size) return 2;
    fclose(file);
    double best = 1e9;
    for (long rounds = strtol(argv[2], NULL, 10); rounds > 0; rounds--) {
        clock_t from = clock();
        if (parse(text, size) < 0) return 1;
        double seconds = (double)(clock() - from) / CLOCKS_PER_SEC;
        if (seconds < best) best = seconds;
    }
    free(text);
    printf("%.6f\n", best);
    return 0;
}
