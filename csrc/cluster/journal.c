/*
 * cluster/journal.c - the journal of a cluster; see journal.h.
 */
#include "cluster/journal.h"

#include "doc/text.h"

/* An entry stands in one chunk. In the tape of answers KS_PACK_NOTHING, which is none, and a number say how often the answer before it came
 * again. */
struct ks_tape_chunk {
    uint32_t refs;
    size_t size, filled; /* bytes; those that some tape has written */
    ks_tape_chunk *before;
    size_t before_used; /* of that one */
    char bytes[];
};

/* A fork that is told one thing takes a small chunk of its own. */
enum { SMALLEST = 192, LARGEST = 256 << 10 };

static size_t block_size(const ks_tape_chunk *c) { return sizeof *c + c->size; }

static void let_go(ks_heap *heap, ks_tape_chunk *c) {
    while (c != NULL && --c->refs == 0) {
        ks_tape_chunk *before = c->before;
        ks_free(heap, c, block_size(c));
        c = before;
    }
}

/* A chunk behind the last, which goes over to it. */
static void add_chunk(ks_heap *heap, ks_tape *tape, size_t len) {
    const ks_tape_chunk *last = tape->last;
    bool own = last != NULL && last->filled == tape->used;
    size_t size = !own ? SMALLEST : last->size < LARGEST / 2 ? last->size * 2 : LARGEST;
    if (size < len) size = len;
    ks_tape_chunk *fresh = ks_alloc(heap, sizeof *fresh + size);
    *fresh = (ks_tape_chunk){.refs = 1, .size = size, .before = tape->last};
    fresh->before_used = tape->used;
    tape->last = fresh;
    tape->used = 0;
}

static inline void add(ks_heap *heap, ks_tape *tape, const char *bytes, size_t len) {
    ks_tape_chunk *c = tape->last;
    if (c == NULL || c->filled != tape->used || c->size - tape->used < len) {
        add_chunk(heap, tape, len);
        c = tape->last;
    }
    memcpy(c->bytes + tape->used, bytes, len);
    c->filled = tape->used += len;
}

static ks_tape share(const ks_tape *tape) {
    if (tape->last != NULL) tape->last->refs++;
    return *tape;
}

void ks_journal_share(ks_journal *out, const ks_journal *from) {
    *out = (ks_journal){.off = from->off,
                        .entry = {.heap = from->entry.heap},
                        .calls = share(&from->calls),
                        .answers = share(&from->answers),
                        .last = from->last};
}

void ks_journal_dispose(ks_heap *heap, ks_journal *journal) {
    let_go(heap, journal->calls.last);
    let_go(heap, journal->answers.last);
    ks_buf_dispose(&journal->entry);
}

ks_journal_mark ks_journal_where(const ks_journal *journal) {
    return (ks_journal_mark){journal->calls, journal->answers, journal->last};
}

/* Nobody shares what has come since: forks are not made while a call is under way. */
static void cut(ks_heap *heap, ks_tape *tape, ks_tape mark) {
    while (tape->last != mark.last) {
        ks_tape_chunk *c = tape->last;
        tape->last = c->before;
        tape->used = c->before_used;
        ks_free(heap, c, block_size(c));
    }
    if (tape->last != NULL && tape->last->filled == tape->used) tape->last->filled = mark.used;
    tape->used = mark.used;
}

void ks_journal_restore(ks_heap *heap, ks_journal *journal, ks_journal_mark mark, bool whole) {
    if (whole) {
        cut(heap, &journal->calls, mark.calls);
        cut(heap, &journal->answers, mark.answers);
    }
    journal->calls = mark.calls;
    journal->answers = mark.answers;
    journal->last = mark.last;
}

void ks_journal_keep(ks_journal *journal, const ks_sim *sim) {
    ks_buf *entry = &journal->entry;
    char *to = ks_buf_room(entry, 2 * KS_PACK_HEAD);
    to = ks_pack_put_int(to, (int64_t)(sim->steps - journal->last.steps));
    ks_pack_end(entry, ks_pack_put_int(to, sim->world.now - journal->last.now));
    add(sim->world.heap, &journal->calls, entry->s, entry->len);
    journal->last = (ks_place){sim->steps, sim->world.now};
    entry->len = 0;
}

static bool is_last(const ks_tape *tape, const char *bytes, size_t len) {
    return len == tape->tail && memcmp(tape->last->bytes + tape->used - len, bytes, len) == 0;
}

static void add_answer(ks_heap *heap, ks_tape *tape, const char *bytes, size_t len) {
    if (is_last(tape, bytes, len)) {
        tape->again++;
        return;
    }
    if (tape->again > 0) {
        char count[1 + KS_PACK_HEAD];
        char *end = ks_pack_put_byte(count, KS_PACK_NOTHING);
        end = ks_pack_put_int(end, (int64_t)tape->again);
        add(heap, tape, count, (size_t)(end - count));
        tape->again = 0;
    }
    add(heap, tape, bytes, len);
    tape->tail = len;
}

void ks_journal_answer(ks_journal *journal, const ks_sim *sim, ks_val answer) {
    ks_buf *entry = &journal->entry; /* behind what a call has noted there */
    size_t from = entry->len;
    if (answer.type == KS_NONE) return;
    ks_pack(entry, answer);
    add_answer(sim->world.heap, &journal->answers, entry->s + from, entry->len - from);
    entry->len = from;
}

/* --- reading --- */

size_t ks_tape_chunks(const ks_tape *tape) {
    size_t count = 0;
    for (const ks_tape_chunk *c = tape->last; c != NULL; c = c->before) count++;
    return count;
}

/* How much of chunk i is the tape's. */
static size_t used_of(const ks_tape_reader *r, size_t i) {
    return i + 1 < r->count ? r->chunks[i + 1]->before_used : r->used;
}

static void open_chunk(ks_tape_reader *r) {
    r->at = r->chunks[r->chunk]->bytes;
    r->end = r->at + used_of(r, r->chunk);
}

void ks_tape_read(ks_tape_reader *r, const ks_tape *tape, const ks_tape_chunk **chunks) {
    *r = (ks_tape_reader){
        .chunks = chunks, .count = ks_tape_chunks(tape), .used = tape->used, .again = tape->again};
    size_t i = r->count;
    for (const ks_tape_chunk *c = tape->last; c != NULL; c = c->before) chunks[--i] = c;
    if (r->count > 0) open_chunk(r);
}

bool ks_tape_next(ks_tape_reader *r) {
    while (r->chunk < r->count && r->at == r->end)
        if (++r->chunk < r->count) open_chunk(r);
    return r->chunk < r->count;
}

uint64_t ks_tape_again(ks_heap *heap, ks_tape_reader *r) {
    if (!ks_tape_next(r)) return r->again;
    if (*r->at != KS_PACK_NOTHING) return 0;
    r->at++;
    return (uint64_t)ks_unpack(heap, &r->at).i;
}

ks_place ks_tape_place(ks_heap *heap, ks_tape_reader *r, ks_place last) {
    last.steps += (uint64_t)ks_unpack(heap, &r->at).i;
    last.now += ks_unpack(heap, &r->at).i;
    return last;
}

/* --- what the state comes to --- */

/* An Event that is kept short has come of the rest. */
static bool hash_brief(void *payload, const ks_brief *brief) {
    uint64_t *hash = payload;
    *hash = ks_hash_word_on(ks_hash_word_on(*hash, brief->id), brief->version);
    return false;
}

static uint64_t hash_objects(ks_sim *sim, ks_kind kind, uint64_t hash) {
    ks_buf text = {.heap = sim->world.heap};
    ks_doc_room room;
    ks_walk walk = ks_walk_created(&sim->server.store, kind);
    walk.passes = hash_brief;
    walk.payload = &hash;
    while (ks_walk_next(&walk)) {
        text.len = 0;
        ks_json_write(&text, ks_doc_look(walk.object, &room), KS_JSON_EXACT);
        hash = ks_hash_word_on(ks_hash_word_on(hash, walk.object->id), walk.object->version);
        hash = ks_hash_on(hash, text.s, text.len);
    }
    ks_buf_dispose(&text);
    return hash;
}

uint64_t ks_sim_digest(ks_sim *sim) {
    const ks_world *world = &sim->world;
    uint64_t hash = ks_hash_on(KS_HASH_SEED, world->rng, sizeof world->rng);
    const uint64_t words[] = {world->trace, (uint64_t)world->now, (uint64_t)world->epoch,
                              sim->steps, sim->server.store.version};
    hash = ks_hash_on(hash, words, sizeof words);
    for (ks_kind kind = 0; kind < KS_KIND_COUNT; kind++) hash = hash_objects(sim, kind, hash);
    return hash;
}
