/*
 * apiserver/event.h - recorded Events in their short form, from which event.c makes documents when somebody looks.
 *
 * Called by record.c, which decides what is recorded. A short Event is what tells it apart from others, and pointers to what it has in
 * common with them: whom it is about, what kind of thing has happened, and the message where others say the same.
 */
#ifndef KS_APISERVER_EVENT_H
#define KS_APISERVER_EVENT_H

#include "apiserver/internal.h"

/* Whom Events are about: one for all that is recorded about an object. Counted; never changed. */
typedef struct ks_event_about {
    uint32_t refs;
    ks_kind kind;
    const ks_str *ns, *name, *uid; /* ns NULL: cluster-scoped; uid may be NULL */
    uint64_t hash;                 /* of the namespace and the beginning of its Events' names */
} ks_event_about;

/* What Events of one sort have in common. Counted; never changed. */
typedef struct ks_event_head {
    uint32_t refs;
    const ks_str *component, *type, *reason;
    const ks_str *action;          /* NULL: written by a core recorder */
    const ks_str *field_path;      /* of the object, or NULL */
    bool by_name;                  /* ks_event */
    const ks_event_about *related; /* or NULL */
    uint64_t related_version;
    uint64_t source, group,
        place; /* hashes: of component and type; and reason (and action); of the field path */
} ks_event_head;

/* What Events say: a constant format, each %s of which stands for a part. It is printed when somebody looks. A format is known by where it
 * stands: what may be said twice of an object stands at one place, or it is counted as two. Counted; never changed. */
typedef struct ks_saying {
    uint32_t refs, count;
    uint64_t hash; /* of what it says; 0: nobody has asked. Private to record.c */
    const char *format;
    const ks_str *parts[]; /* counted */
} ks_saying;

typedef struct ks_short_event {
    ks_brief brief;
    const ks_event_about *about;
    const ks_event_head *head;
    const ks_str *host; /* source.host, or NULL */
    const ks_saying *said;
    uint64_t about_version; /* of the object when this was recorded */
    uint64_t stamp;         /* the number in its name: when it was first recorded, of all times */
    int64_t last;           /* instant; of a series: when it was last observed */
} ks_short_event;

/* How often it was recorded (of a series that is its length, 1 being none), and whether it stands for similar ones, and says so. */
static inline uint32_t ks_event_count(const ks_short_event *e) { return e->brief.spare >> 1; }
static inline bool ks_event_is_combined(const ks_short_event *e) {
    return (e->brief.spare & 1) != 0;
}
static inline void ks_event_set_count(ks_short_event *e, uint32_t count, bool combined) {
    e->brief.spare = count << 1 | combined;
}

/* Counting up and down; NULL is fine but where it says otherwise. What frees them is private to these. */
void ks_event_about_free(ks_heap *heap, const ks_event_about *about);
void ks_event_head_free(ks_heap *heap, const ks_event_head *head);
void ks_saying_free(ks_heap *heap, const ks_saying *said);
static inline const ks_event_about *ks_event_about_ref(const ks_event_about *about) {
    if (about != NULL) ((ks_event_about *)about)->refs++;
    return about;
}
static inline void ks_event_about_unref(ks_heap *heap, const ks_event_about *about) {
    if (about != NULL && --((ks_event_about *)about)->refs == 0) ks_event_about_free(heap, about);
}
static inline const ks_event_head *ks_event_head_ref(const ks_event_head *head) {
    if (head != NULL) ((ks_event_head *)head)->refs++;
    return head;
}
static inline void ks_event_head_unref(ks_heap *heap, const ks_event_head *head) {
    if (head != NULL && --((ks_event_head *)head)->refs == 0) ks_event_head_free(heap, head);
}
static inline const ks_saying *ks_saying_ref(const ks_saying *said) { /* not NULL */
    ((ks_saying *)said)->refs++;
    return said;
}
static inline void ks_saying_unref(ks_heap *heap, const ks_saying *said) {
    if (said != NULL && --((ks_saying *)said)->refs == 0) ks_saying_free(heap, said);
}

ks_event_about *ks_event_about_new(ks_heap *heap, const ks_object *object);
/* `event` is borrowed, and so is its related object. */
ks_event_head *ks_event_head_new(ks_heap *heap, const ks_event *event);
/* Counts the parts up. */
const ks_saying *ks_saying_new(ks_heap *heap, const char *format, const ks_str *const *parts,
                               uint32_t count);
/* Whether it was made of these very parts; those that are not one and the same string are compared. */
bool ks_saying_is(const ks_saying *said, const char *format, const ks_str *const *parts,
                  uint32_t count);
/* The message, a new reference; `combined`: with the words that begin the message of an Event that stands for several. */
const ks_str *ks_saying_text(ks_heap *heap, const ks_saying *said, bool combined);

/* A new Event, to be stored with ks_store_write_brief(). Takes over `head` and `said`, counts up the others. Draws the
 * uid and the name here: nothing is left to chance for later. */
ks_short_event *ks_short_event_new(ks_server *s, const ks_event_about *about,
                                   uint64_t about_version, const ks_event_head *head,
                                   const ks_str *host, const ks_saying *said);
/* The next version of one, for `count`, `last` and `combined` to be put in, saying that (taken over). */
ks_short_event *ks_short_event_next(ks_heap *heap, const ks_short_event *before,
                                    const ks_saying *said);

#endif
