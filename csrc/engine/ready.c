/*
 * engine/ready.c - the row of ready keys; see ready.h.
 */
#include "engine/ready.h"

#include <string.h>

enum { PAGE_LENGTH = 62 };

typedef struct ks_ready_page {
    uint32_t refs, len;
    ks_ready_key keys[PAGE_LENGTH];
} page;

static void page_ref(void *value) { ((page *)value)->refs++; }

static void page_unref(ks_heap *heap, void *value) {
    page *p = value;
    if (p != NULL && --p->refs == 0) ks_free(heap, p, sizeof *p);
}

static const ks_ids_type pages_type = {.ref = page_ref, .unref = page_unref};

static page *page_new(ks_heap *heap) {
    page *p = ks_alloc(heap, sizeof *p);
    p->refs = 1;
    p->len = 0;
    return p;
}

void ks_ready_init(ks_ready *r) { *r = (ks_ready){.full.type = &pages_type}; }

void ks_ready_copied(const ks_ready *r) {
    ks_ids_copied(&r->full, 1);
    if (r->page != NULL) r->page->refs++;
}

void ks_ready_clear(ks_heap *heap, ks_ready *r) {
    ks_ids_clear(heap, &r->full);
    page_unref(heap, r->page);
    ks_ready_init(r);
}

/* The last page is full, or there is none: begins another one. */
static void turn_page(ks_heap *heap, ks_ready *r) {
    page *before = r->page;
    r->page = page_new(heap);
    r->written = 0;
    if (before == NULL) return;
    if (r->full.count == 0 && r->read == PAGE_LENGTH) {
        page_unref(heap, before);
        r->read = 0;
        return;
    }
    if (r->full.count == 0) {
        r->first = r->next;
        r->front = before;
    }
    ks_ids_put(heap, &r->full, r->next++, before);
}

/* The last page, where this row may add a key: a copy, if somebody else has already added something behind what is ours. */
static page *open_page(ks_heap *heap, ks_ready *r) {
    if (r->page == NULL || r->written == PAGE_LENGTH) turn_page(heap, r);
    page *shared = r->page;
    if (shared->refs == 1) {
        shared->len = r->written;
    } else if (shared->len != r->written) {
        page *own = r->page = page_new(heap);
        own->len = r->written;
        memcpy(own->keys, shared->keys, own->len * sizeof *own->keys);
        shared->refs--;
    }
    return r->page;
}

void ks_ready_add(ks_heap *heap, ks_ready *r, ks_ready_key key) {
    page *last = open_page(heap, r);
    last->keys[last->len++] = key;
    r->written = last->len;
}

const ks_ready_key *ks_ready_first(const ks_ready *r) {
    if (r->front != NULL) return &r->front->keys[r->read];
    return r->read < r->written ? &r->page->keys[r->read] : NULL;
}

uint32_t ks_ready_front(const ks_ready *r, const ks_ready_key **keys) {
    *keys = ks_ready_first(r);
    if (*keys == NULL) return 0;
    return (r->full.count == 0 ? r->written : PAGE_LENGTH) - r->read;
}

uint32_t ks_ready_behind(const ks_ready *r, const ks_ready_key **keys) {
    if (r->full.count == 0) return 0;
    const page *behind = r->full.count > 1 ? ks_ids_get(&r->full, r->first + 1) : r->page;
    *keys = behind->keys;
    return r->full.count > 1 ? PAGE_LENGTH : r->written;
}

ks_ready_key ks_ready_take(ks_heap *heap, ks_ready *r) {
    ks_ready_key key = *ks_ready_first(r);
    r->read++;
    if (r->full.count == 0) {
        if (r->read == r->written && r->page->refs == 1) r->read = r->written = 0;
    } else if (r->read == PAGE_LENGTH) {
        ks_ids_del(heap, &r->full, r->first++);
        r->front = ks_ids_get(&r->full, r->first);
        r->read = 0;
    }
    return key;
}
