/*
 * cluster/journal.h - what has been done to a cluster from outside, and when: the whole of what it takes to come to its state again.
 *
 * A cluster is deterministic. So its options, the calls that changed it, and the places in its run at which they came are its state:
 * queues, back-offs and random numbers included. An entry is the bytes that the embedder makes of a call, and the place, which is how
 * many steps had been run and what the clock showed. What the embedder's functions answered when the core asked them is kept as
 * well, in order: so nobody has to be asked again. An answer that is equal to the one before is counted.
 *
 * Entries stand in chunks that forks share. A call that is undone leaves none.
 */
#ifndef KS_CLUSTER_JOURNAL_H
#define KS_CLUSTER_JOURNAL_H

#include "doc/pack.h"
#include "engine/sim.h"

typedef struct ks_tape_chunk ks_tape_chunk;

/* Bytes that are only ever appended to. */
typedef struct ks_tape {
    ks_tape_chunk *last; /* counted; NULL: empty */
    size_t used;         /* of that one; other tapes that share it may have gone on behind */
    size_t tail;         /* of answers: bytes of the last, which is the end of these */
    uint64_t again;      /* how many times more that has come; written when another comes */
} ks_tape;

/* How far the run had come. */
typedef struct ks_place {
    uint64_t steps;
    int64_t now;
} ks_place;

typedef struct ks_journal {
    bool off; /* none is kept */
    ks_tape calls, answers;
    ks_place last; /* of the last call */
    ks_buf entry;  /* the call that is about to be kept; ks_journal_rest() behind it */
} ks_journal;

/* To what it is put back when a call is undone. */
typedef struct ks_journal_mark {
    ks_tape calls, answers;
    ks_place last;
} ks_journal_mark;

void ks_journal_share(ks_journal *out, const ks_journal *from); /* for a fork */
void ks_journal_dispose(ks_heap *heap, ks_journal *journal);

ks_journal_mark ks_journal_where(const ks_journal *journal);
/* `whole`: what has come since can be freed; not so when memory has run out. */
void ks_journal_restore(ks_heap *heap, ks_journal *journal, ks_journal_mark mark, bool whole);

/* What is in `entry` (which is empty then) has happened to `sim` as it now stands. Within a guard. */
void ks_journal_keep(ks_journal *journal, const ks_sim *sim);
/* What a function of the embedder's has answered; borrowed. `entry` is what it was. Within a guard. */
void ks_journal_answer(ks_journal *journal, const ks_sim *sim, ks_val answer);
/* A call is over: one that was large leaves no room behind. */
static inline void ks_journal_rest(ks_journal *journal) {
    enum { KS_ENTRY_STAYS = 16 << 10 };
    if (journal->entry.cap > KS_ENTRY_STAYS) ks_buf_dispose(&journal->entry);
}

/* Reading from the beginning: what stands in a tape now. The tape's owner must outlive it. */
typedef struct ks_tape_reader {
    const ks_tape_chunk **chunks; /* in order */
    size_t count, chunk;
    const char *at, *end;
    size_t used;    /* of the last chunk */
    uint64_t again; /* of the last answer */
} ks_tape_reader;
size_t ks_tape_chunks(const ks_tape *tape); /* how many: `chunks` needs room for them */
void ks_tape_read(ks_tape_reader *reader, const ks_tape *tape, const ks_tape_chunk **chunks);
/* Whether there is more: then reader->at is where the values of the next call or answer begin, for ks_unpack(). */
bool ks_tape_next(ks_tape_reader *reader);
/* Behind an answer: how many times more it has come. */
uint64_t ks_tape_again(ks_heap *heap, ks_tape_reader *reader);
/* Behind a call's values: its place; `last` is the place of the one before. */
ks_place ks_tape_place(ks_heap *heap, ks_tape_reader *reader, ks_place last);

/* A hash of the state: every object, the clock, the random numbers to come, all that has happened. Equal states have equal ones. Files on
 * volumes, what images do, and how late watches are, are not in it. Within a guard. */
uint64_t ks_sim_digest(ks_sim *sim);

#endif
