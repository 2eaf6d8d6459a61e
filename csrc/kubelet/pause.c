/*
 * kubelet/pause.c - how long a lifecycle hook takes.
 *
 * No process runs here, but the commonest hook of all does nothing but let time pass, so that a pod is out of all balancers before
 * it is asked to end: `sleep: {seconds: 5}`, or a command such as `sleep 5` or `sh -c "sleep 5; nginx -s quit"`. Of a script's
 * commands those are counted that are run one after the other at its top level. Called by sync.c.
 */
#include "kubelet/worker.h"

#include <string.h>

/* "1.5", "90s", "2m", "1h", "1d" as coreutils' sleep reads them, from `s` to a blank or the end; 0: no number. */
static int64_t read_pause(const char *s, const char *end) {
    int64_t whole = 0, part = 0; /* seconds, ns */
    for (; s < end && *s >= '0' && *s <= '9'; s++)
        if (whole < INT32_MAX / 10) whole = whole * 10 + (*s - '0');
    if (s < end && *s == '.') {
        int64_t place = KS_SECOND / 10;
        for (s++; s < end && *s >= '0' && *s <= '9'; s++, place /= 10) part += (*s - '0') * place;
    }
    int64_t seconds = 1; /* of the unit */
    if (s < end && *s != 's') seconds = *s == 'm' ? 60 : *s == 'h' ? 3600 : *s == 'd' ? 86400 : 0;
    if (s < end) s++;
    return s == end ? ks_after(ks_seconds(whole * seconds), part * seconds) : 0;
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

/* The word that begins at or behind `s`, without the folders of a program's path: its end, or NULL. */
static const char *next_word(const char **s, const char *end) {
    while (*s < end && is_blank(**s)) (*s)++;
    const char *from = *s;
    while (*s < end && !is_blank(**s)) (*s)++;
    const char *stop = *s;
    *s = from;
    return stop > from ? stop : NULL;
}

static const char *program(const char *word, const char *end) {
    for (const char *p = end; p > word; p--)
        if (p[-1] == '/') return p;
    return word;
}

static bool is_program(const char *word, const char *end, const char *name) {
    const char *base = program(word, end);
    size_t len = strlen(name);
    return (size_t)(end - base) == len && memcmp(base, name, len) == 0;
}

/* One simple command of a script. */
static int64_t pause_of_command(const char *s, const char *end) {
    const char *stop = next_word(&s, end);
    if (stop == NULL || !is_program(s, stop, "sleep")) return 0;
    int64_t pause = 0;
    for (s = stop; (stop = next_word(&s, end)) != NULL; s = stop)
        pause = ks_after(pause, read_pause(s, stop));
    return pause;
}

static int64_t pause_of_script(const ks_str *script) {
    const char *s = script->s, *end = s + script->len;
    int64_t pause = 0;
    while (s < end) {
        size_t len = strcspn(s, ";&|\n");
        if (s + len > end) len = (size_t)(end - s);
        pause = ks_after(pause, pause_of_command(s, s + len));
        s += len + 1;
    }
    return pause;
}

static bool is_shell(const ks_str *word) {
    static const char *const shells[] = {"sh", "bash", "ash", "dash"};
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
        if (is_program(word->s, word->s + word->len, shells[i])) return true;
    return false;
}

static int64_t pause_of_words(ks_val argv) {
    const ks_str *first = ks_str_or_null(ks_at(argv, 0));
    if (first == NULL) return 0;
    size_t count = ks_len(argv);
    int64_t pause = 0;
    if (is_program(first->s, first->s + first->len, "sleep")) {
        for (size_t i = 1; i < count; i++) {
            const ks_str *word = ks_str_or_null(ks_at(argv, i));
            if (word != NULL) pause = ks_after(pause, read_pause(word->s, word->s + word->len));
        }
    } else if (is_shell(first) && count > 2) {
        const char *option = ks_text_or(ks_at(argv, 1), "");
        const ks_str *script = ks_str_or_null(ks_at(argv, 2));
        if (option[0] == '-' && strchr(option, 'c') != NULL && script != NULL)
            pause = pause_of_script(script);
    }
    return pause;
}

int64_t hook_pause(ks_val hook) {
    ks_val seconds = ks_get2(hook, K(sleep), K(seconds));
    if (ks_exists(seconds)) return ks_seconds(ks_int_or(seconds, 0));
    return pause_of_words(ks_get2(hook, K(exec), K(command)));
}
