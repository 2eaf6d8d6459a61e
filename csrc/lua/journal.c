/*
 * lua/journal.c - the journal of a cluster: calls go in as they are made, and come out as the lines of a file. (cluster/journal.h says what
 * a journal is, replay.c plays one.)
 *
 * The file is JSON, a line for each thing:
 *
 *      {"format":"kubesim cluster, 1","version":"kubesim 0.1.0"}
 *      ["new",{...}]                               what core.new was given
 *      ["patch","Pod","default","web-0",{...}]     a method of the handle, and its arguments
 *      {"run":[1532,12500000000]}                  until so many steps have been run, and the clock shows so many ns
 *      {"answers":[true,57,{"again":4},"no room"]} what functions answered, in order, whenever that was; 57 came five times
 *      {"end":{...}}                               what all lines before come to, and the state
 *
 * A text that is not UTF-8 is written so that its bytes come again (KS_JSON_EXACT).
 */
#include "lua/binding.h"

#include "doc/text.h"

#include <stdio.h>

const char *ks_lua_recorded_name(ks_recorded method) {
    static const char *const names[] = {"",
#define NAME(name) #name,
                                        KS_RECORDED(NAME)
#undef NAME
                                            "new"};
    return names[method];
}

/* --- in --- */

void ks_lua_note(ks_cluster *cluster, ks_val document) {
    if (!cluster->journal.off) ks_pack(&cluster->journal.entry, document);
}

/* An argument, from the stack. The method has looked at its type. */
static void record_argument(lua_State *L, int index, ks_cluster *cluster) {
    ks_buf *entry = &cluster->journal.entry;
    ks_lua_problem problem;
    ks_val v;
    size_t len;
    const char *s;
    switch (lua_type(L, index)) {
    case LUA_TNIL: ks_pack_nothing(entry); return;
    case LUA_TBOOLEAN: ks_pack_bool(entry, lua_toboolean(L, index)); return;
    case LUA_TSTRING:
        s = lua_tolstring(L, index, &len);
        ks_pack_text(entry, s, len);
        return;
    default:
        ks_lua_read(L, index, cluster->heap, NULL, &v, &problem);
        ks_pack(entry, v);
        ks_unref(cluster->heap, v);
    }
}

/* The entry is two values: the document that was noted, or nothing; and a list of the method, the document's place, and the other
 * arguments, but for nothing at their end. */
void ks_lua_note_call(ks_cluster *cluster, ks_call call) {
    ks_buf *entry = &cluster->journal.entry;
    if (entry->len == 0) ks_pack_nothing(entry);
    ks_pack_list(entry, (uint32_t)(call.args + 1 - (call.document != 0)));
    ks_pack_int(entry, call.method);
    ks_pack_int(entry, call.document);
}

void ks_lua_record(lua_State *L, ks_cluster *cluster, ks_call call) {
    ks_journal *journal = &cluster->journal;
    if (call.args != KS_NOTED) {
        while (call.args > 1 && call.args != call.document && lua_isnil(L, call.args)) call.args--;
        ks_lua_note_call(cluster, call);
        for (int i = 2; i <= call.args; i++)
            if (i != call.document) record_argument(L, i, cluster);
    }
    ks_journal_keep(journal, cluster->sim);
}

void ks_lua_record_answer(ks_box *box, ks_val answer) {
    ks_journal *journal = &box->cluster->journal;
    if (box->recording && !journal->off) ks_journal_answer(journal, box->cluster->sim, answer);
}

/* --- out --- */

enum { PIECE = 1 << 16, ANSWERS = 100 };

typedef struct writing {
    ks_result *result;
    const char *version;
    ks_tape_reader calls, answers;
    ks_place place; /* of the line before */
    size_t from;    /* where the line begins that is being written */
    uint64_t lines, sum;
} writing;

/* The sum goes line by line. */
static void end_line(writing *w, ks_buf *out) {
    ks_buf_putc(out, '\n');
    w->sum = ks_hash_on(w->sum, out->s + w->from, out->len - w->from);
    w->from = out->len;
    w->lines++;
}

static void write_head(writing *w, ks_heap *heap, ks_buf *out) {
    ks_val version = ks_text(heap, w->version);
    ks_buf_puts(out, "{\"format\":\"" KS_JOURNAL_FORMAT "\",\"version\":");
    ks_json_write(out, version, KS_JSON_EXACT);
    ks_buf_putc(out, '}');
    end_line(w, out);
    ks_unref(heap, version);
}

static void write_place(writing *w, ks_buf *out, ks_place place) {
    if (place.steps == w->place.steps && place.now == w->place.now) return;
    w->place = place;
    ks_buf_printf(out, "{\"run\":[%llu,%lld]}", (unsigned long long)place.steps,
                  (long long)place.now);
    end_line(w, out);
}

/* The next call as a list of its name and arguments, a new reference; its place, too. */
static ks_val next_call(ks_heap *heap, ks_tape_reader *calls, ks_place *place) {
    ks_val document = ks_unpack(heap, &calls->at), entry = ks_unpack(heap, &calls->at);
    *place = ks_tape_place(heap, calls, *place);
    uint32_t at = (uint32_t)ks_at(entry, 1).i; /* argument 2 of the method is item 1 */
    ks_val list = ks_list_new(heap, ks_len(entry));
    list =
        ks_append(heap, list, ks_text(heap, ks_lua_recorded_name((ks_recorded)ks_at(entry, 0).i)));
    for (uint32_t i = 2; i < ks_len(entry); i++) {
        if (ks_len(list) + 1 == at) list = ks_append(heap, list, ks_ref(document));
        list = ks_append(heap, list, ks_ref(ks_at(entry, i)));
    }
    if (ks_len(list) + 1 == at) list = ks_append(heap, list, ks_ref(document));
    if (ks_at(entry, 0).i == KS_RECORD_patch) list = ks_lua_patch_in_words(heap, list);
    ks_unref(heap, entry);
    ks_unref(heap, document);
    return list;
}

static void write_call(writing *w, ks_heap *heap, ks_buf *out) {
    ks_place place = w->place;
    ks_val call = next_call(heap, &w->calls, &place);
    write_place(w, out, place);
    ks_json_write(out, call, KS_JSON_EXACT);
    end_line(w, out);
    ks_unref(heap, call);
}

static ks_val times_more(ks_heap *heap, uint64_t again) {
    ks_val map = ks_map_new(heap, 1);
    ks_map_push(heap, &map, ks_intern(heap, "again", strlen("again")), ks_int((int64_t)again));
    ks_map_seal(heap, &map);
    return map;
}

static void write_answers(writing *w, ks_heap *heap, ks_buf *out) {
    ks_val list = ks_list_new(heap, ANSWERS);
    do {
        list = ks_append(heap, list, ks_unpack(heap, &w->answers.at));
        uint64_t again = ks_tape_again(heap, &w->answers);
        if (again > 0) list = ks_append(heap, list, times_more(heap, again));
    } while (ks_len(list) < ANSWERS && ks_tape_next(&w->answers));
    ks_buf_puts(out, "{\"answers\":");
    ks_json_write(out, list, KS_JSON_EXACT);
    ks_buf_putc(out, '}');
    end_line(w, out);
    ks_unref(heap, list);
}

/* Some lines; none: all have been written but the last. */
static bool write_piece(ks_cluster *cluster, void *arg) {
    writing *w = arg;
    ks_buf out = {.heap = cluster->heap};
    w->from = 0;
    if (w->lines == 0) write_head(w, cluster->heap, &out);
    while (out.len < PIECE) {
        if (ks_tape_next(&w->calls)) {
            write_call(w, cluster->heap, &out);
        } else if (ks_tape_next(&w->answers)) {
            write_answers(w, cluster->heap, &out);
        } else {
            write_place(w, &out, (ks_place){cluster->sim->steps, cluster->sim->world.now});
            break;
        }
    }
    if (out.len > 0) w->result->value = ks_string_take(ks_buf_take(&out));
    ks_buf_dispose(&out);
    return true;
}

static bool write_end(ks_cluster *cluster, void *arg) {
    writing *w = arg;
    ks_buf out = {.heap = cluster->heap};
    ks_buf_printf(&out,
                  "{\"end\":{\"lines\":%llu,\"sum\":\"%016llx\",\"resourceVersion\":\"%llu\","
                  "\"state\":\"%016llx\"}}\n",
                  (unsigned long long)w->lines + 1, (unsigned long long)w->sum,
                  (unsigned long long)cluster->sim->server.store.version,
                  (unsigned long long)ks_sim_digest(cluster->sim));
    w->result->value = ks_string_take(ks_buf_take(&out));
    return true;
}

/* Gives what `body` makes to the function at 3; whether that was anything. */
static bool give_more(lua_State *L, ks_box *box, writing *w,
                      bool (*body)(ks_cluster *cluster, void *arg)) {
    ks_lua_call(L, box, KS_LOOK, w->result, body, w);
    bool any = w->result->value.type == KS_STRING;
    if (any) {
        lua_pushvalue(L, 3);
        ks_lua_push(L, w->result->value);
        lua_call(L, 1, 0);
    }
    ks_lua_release(w->result);
    w->result->idle = false;
    return any;
}

/* Opens a tape, with room for its chunks in a userdata. */
static void open_tape(lua_State *L, ks_tape_reader *reader, const ks_tape *tape) {
    size_t count = ks_tape_chunks(tape);
    ks_tape_read(reader, tape, lua_newuserdatauv(L, (count + 1) * sizeof(void *), 0));
}

/* (handle, writing, write) */
static int give_all(lua_State *L) {
    ks_box *box = ks_lua_box(L);
    writing *w = lua_touserdata(L, 2);
    while (give_more(L, box, w, write_piece)) {
    }
    give_more(L, box, w, write_end);
    return 0;
}

/* journal(self, version, write) -> true; nil: none is kept. write(text) is called for one piece after the other. Whatever runs meanwhile - a
 * finalizer, too - can only look at the cluster: it counts as being at work. */
int ks_lua_journal(lua_State *L) {
    ks_box *box = ks_lua_idle_box(L);
    const char *version = luaL_checkstring(L, 2);
    luaL_checktype(L, 3, LUA_TFUNCTION);
    lua_settop(L, 3);
    if (box->cluster->journal.off) return 0;
    writing w = {.result = ks_lua_result(L, box), .version = version, .sum = KS_HASH_SEED};
    open_tape(L, &w.calls, &box->cluster->journal.calls);
    open_tape(L, &w.answers, &box->cluster->journal.answers);
    lua_pushcfunction(L, give_all);
    lua_pushvalue(L, 1);
    lua_pushlightuserdata(L, &w);
    lua_pushvalue(L, 3);
    box->working++;
    int status = lua_pcall(L, 3, 0, 0);
    box->working--;
    ks_lua_release(w.result);
    if (status != LUA_OK) return lua_error(L);
    lua_pushboolean(L, true);
    return 1;
}
