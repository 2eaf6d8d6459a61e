/*
 * engine/settings.c - a cluster's latencies, images and silent nodes: a counted value, copied when shared and changed.
 */
#include "engine/settings.h"
#include "base/world.h"

#include <string.h>

static void image_ref(void *value) { ((ks_image *)value)->refs++; }

static void image_unref(ks_heap *heap, void *value) {
    ks_image *image = value;
    if (--image->refs > 0) return;
    ks_str_unref(heap, image->name);
    ks_str_unref(heap, image->exit_reason);
    ks_str_unref(heap, image->start_error);
    ks_free(heap, image, sizeof *image);
}

static void name_ref(ks_key key) { ks_str_ref((const ks_str *)(uintptr_t)key.b); }
static void name_unref(ks_heap *heap, ks_key key) {
    ks_str_unref(heap, (const ks_str *)(uintptr_t)key.b);
}
static int name_compare(ks_key x, ks_key y) {
    return ks_str_cmp((const ks_str *)(uintptr_t)x.b, (const ks_str *)(uintptr_t)y.b);
}

static const ks_tree_type images_type = {name_compare, name_ref, name_unref, image_ref,
                                         image_unref};
static const ks_tree_type names_type = {name_compare, name_ref, name_unref, NULL, NULL};

static ks_key name_key(const ks_str *name) { return (ks_key){0, (uint64_t)(uintptr_t)name}; }

ks_settings *ks_settings_new(ks_heap *heap) {
    ks_settings *settings = ks_alloc_zero(heap, sizeof *settings);
    settings->refs = 1;
    settings->images.type = &images_type;
    settings->silent.type = &names_type;
#define SET_DEFAULT(member, name, ms, what) settings->latency.member = (ms)*KS_MILLISECOND;
    KS_LATENCIES(SET_DEFAULT)
#undef SET_DEFAULT
    return settings;
}

ks_settings *ks_settings_ref(ks_settings *settings) {
    settings->refs++;
    return settings;
}

void ks_settings_unref(ks_heap *heap, ks_settings *settings) {
    if (settings == NULL || --settings->refs > 0) return;
    ks_tree_clear(heap, &settings->images);
    ks_tree_clear(heap, &settings->silent);
    ks_free(heap, settings, sizeof *settings);
}

ks_settings *ks_settings_own(ks_heap *heap, ks_settings *settings) {
    if (settings->refs == 1) return settings;
    ks_settings *copy = ks_alloc(heap, sizeof *copy);
    *copy = *settings;
    copy->refs = 1;
    copy->images = ks_tree_copy(&settings->images);
    copy->silent = ks_tree_copy(&settings->silent);
    settings->refs--;
    return copy;
}

static const ks_image *look_up(const ks_settings *settings, const char *s, size_t len) {
    const ks_str name = {.len = (uint32_t)len, .s = s};
    return ks_tree_get(&settings->images, name_key(&name));
}

/* Where the tag or digest begins: behind the last '/', the first '@', else the last ':'. */
static size_t repository_len(const ks_str *name) {
    for (size_t i = 0; i < name->len; i++)
        if (name->s[i] == '@') return i;
    for (size_t i = name->len; i-- > 0 && name->s[i] != '/';)
        if (name->s[i] == ':') return i;
    return name->len;
}

const ks_image *ks_settings_image(const ks_settings *settings, const ks_str *name) {
    static const ks_image ordinary = {
        .refs = 1, .exists = true, .pull = KS_UNSET, .start = KS_UNSET, .stop = KS_UNSET};
    if (name == NULL || settings->images.count == 0) return &ordinary;
    const ks_image *image = look_up(settings, name->s, name->len);
    if (image == NULL) image = look_up(settings, name->s, repository_len(name));
    return image != NULL ? image : &ordinary;
}

void ks_settings_set_image(ks_heap *heap, ks_settings *settings, ks_image *image) {
    ks_tree_put(heap, &settings->images, name_key(image->name), image);
}

/* Behind the words of ks_silence those of instants. */
#define SINCE 3

static int64_t silence_word(const ks_settings *settings, const ks_str *node) {
    return (int64_t)(intptr_t)ks_tree_get(&settings->silent, name_key(node));
}

ks_silence ks_settings_silence(const ks_settings *settings, const ks_str *node) {
    int64_t word = silence_word(settings, node);
    return word < SINCE ? (ks_silence)word : KS_TALKS;
}

bool ks_settings_was_silent(const ks_settings *settings, const ks_str *node, int64_t instant) {
    int64_t word = silence_word(settings, node);
    return word < SINCE ? word != KS_TALKS : instant < word - SINCE;
}

void ks_settings_set_silence(ks_heap *heap, ks_settings **settings, const ks_str *node,
                             ks_silence silence, int64_t now) {
    if (silence == ks_settings_silence(*settings, node)) return;
    *settings = ks_settings_own(heap, *settings);
    int64_t word = silence == KS_TALKS ? now + SINCE : (int64_t)silence;
    ks_tree_put(heap, &(*settings)->silent, name_key(node), (void *)(intptr_t)word);
}
