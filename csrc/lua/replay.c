/*
 * lua/replay.c - plays the journal that a file holds: a new cluster is told all that the saved one was told. (journal.c says how the file is
 * made.)
 *
 * Nothing of a file is put into a cluster. Its calls are made like anybody's, through the handle's methods, so a file that has been damaged
 * or forged can be refused, or come to a cluster that could have come about; no more. In the end the state must be the one that was saved.
 * Functions are not asked while that goes on: the file has their answers.
 */
#include "lua/binding.h"

#include "doc/text.h"

struct ks_replay {
    const char *text, *at, *end, *last; /* the file; the next line; where it ends; its last line */
    long long line;                     /* the number of the line at hand */
    ks_heap *heap;                      /* for reading lines */
    ks_val value;                       /* the line at hand; owned */
    const char *said;                   /* who wrote the file; borrowed from the text at SAID */
    ks_box *box;                        /* NULL: the cluster has not begun */
    const char *answers_at;             /* where to look for the next line of answers */
    ks_val answers;                     /* that at hand, in the cluster's heap; owned */
    uint32_t next;                      /* of these */
    ks_val answer;                      /* the last of them; owned */
    int64_t again;                      /* how many times more it is given */
    bool odd;                           /* they are not what functions in question have said */
};

enum { TEXT = 2, VERSION, SUPPLY, KEPT, SAID, HANDLE }; /* stack places of play() */

#define LINE_BEGINS(at, end, text)                                                                 \
    ((size_t)((end) - (at)) >= sizeof(text) - 1 && memcmp(at, text, sizeof(text) - 1) == 0)

static int refuse(lua_State *L, const ks_replay *r, const char *why) {
    lua_pushfstring(L, "line %I: %s", (LUAI_UACINT)r->line, why);
    return lua_error(L);
}

static const char *line_end(const char *at, const char *end) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    return newline != NULL ? newline + 1 : end;
}

/* --- one line --- */

/* The line from `at` to `end` as a value in a heap, within a guard; KS_NOTHING and what is wrong with it. */
static ks_val parse(ks_heap *heap, const char *at, const char *end, ks_lua_problem *problem) {
    ks_text_limits limits = {.max_bytes = SIZE_MAX, .exact = true};
    ks_text_error err = {0};
    ks_val v = KS_NOTHING;
    if (ks_json_read(heap, at, (size_t)(end - at), &limits, &v, &err)) return v;
    ks_nformat(problem->text, sizeof problem->text, "%s", err.message->s);
    ks_str_unref(heap, err.message);
    return KS_NOTHING;
}

/* Reads it into r->value; raises. */
static void read_line(lua_State *L, ks_replay *r, const char *at, const char *end) {
    ks_guard guard;
    ks_lua_problem problem = {.text = ""};
    ks_unref(r->heap, r->value);
    r->value = KS_NOTHING;
    if (KS_GUARD_ENTER(r->heap, &guard) != KS_OK) luaL_error(L, "not enough memory");
    r->value = parse(r->heap, at, end, &problem);
    ks_guard_leave(r->heap, &guard);
    if (problem.text[0] != '\0') refuse(L, r, problem.text);
}

static ks_val member(ks_val map, const char *name) { return ks_get_text(map, name, strlen(name)); }

/* --- the whole file --- */

static uint64_t hash_lines(const char *at, const char *end, long long *lines) {
    uint64_t sum = KS_HASH_SEED;
    for (const char *next; at < end; at = next) {
        next = line_end(at, end);
        sum = ks_hash_on(sum, at, (size_t)(next - at));
        ++*lines;
    }
    return sum;
}

static bool hex_is(ks_val v, uint64_t word) {
    char text[17];
    ks_put_hex(ks_put_hex(text, (uint32_t)(word >> 32)), (uint32_t)word);
    text[16] = '\0';
    return ks_text_is(v, text);
}

/* The first line: is it one of ours? */
static void read_head(lua_State *L, ks_replay *r) {
    r->line = 1;
    if (r->at == r->end) {
        lua_pushliteral(L, "the file is empty");
        lua_error(L);
    }
    const char *end = line_end(r->at, r->end);
    if (!LINE_BEGINS(r->at, end, "{\"format\":"))
        refuse(L, r, "this is no cluster that kubesim has saved");
    read_line(L, r, r->at, end);
    const char *format = ks_text_or(member(r->value, "format"), "");
    if (strcmp(format, KS_JOURNAL_FORMAT) != 0)
        refuse(L, r,
               lua_pushfstring(L, "the format of the file is '%s', and not '" KS_JOURNAL_FORMAT "'",
                               format));
    lua_pushstring(L, ks_text_or(member(r->value, "version"), "another kubesim"));
    r->said = lua_tostring(L, SAID);
    r->at = end;
}

/* Whether the file is whole, by its last line, which stays in r->value. */
static void check_whole(lua_State *L, ks_replay *r) {
    const char *last = r->end[-1] == '\n' ? r->end - 1 : r->end;
    while (last > r->text && last[-1] != '\n') last--;
    long long lines = 0;
    uint64_t sum = hash_lines(r->text, last, &lines);
    r->line = lines + 1;
    if (r->end[-1] != '\n' || !LINE_BEGINS(last, r->end, "{\"end\":"))
        refuse(L, r, "the file breaks off here: the line that ends it is missing");
    read_line(L, r, last, r->end);
    ks_val said = member(r->value, "end");
    if (ks_int_or(member(said, "lines"), 0) != r->line || !hex_is(member(said, "sum"), sum))
        refuse(
            L, r,
            "the lines before this one are not those that were saved: the file has been changed");
    r->last = last;
}

/* --- answers --- */

void ks_lua_replay_odd(ks_box *box) {
    if (box->replay != NULL) box->replay->odd = true;
}

/* The next line of answers; false: there is none. */
static bool more_answers(ks_replay *r, ks_heap *heap) {
    ks_unref(heap, r->answers);
    r->answers = KS_NOTHING;
    r->next = 0;
    while (r->answers_at < r->last) {
        ks_lua_problem problem;
        const char *at = r->answers_at, *end = line_end(at, r->last);
        r->answers_at = end;
        if (!LINE_BEGINS(at, end, "{\"answers\":")) continue;
        ks_val line = parse(heap, at, end, &problem);
        r->answers = ks_ref(member(line, "answers"));
        ks_unref(heap, line);
        return true;
    }
    return false;
}

/* The next item of the line: an answer, or how many times more the last is given. */
static void take_item(ks_replay *r, ks_heap *heap) {
    ks_val item = ks_at(r->answers, r->next++);
    if (item.type == KS_MAP) {
        r->again = ks_int_or(member(item, "again"), 0);
        if (r->again > 0) return;
    }
    ks_unref(heap, r->answer);
    r->answer = ks_ref(item);
    r->again = 1;
}

ks_val ks_lua_replayed(ks_box *box) {
    ks_replay *r = box->replay;
    ks_heap *heap = box->cluster->heap;
    while (r->again == 0) {
        if (r->next < ks_len(r->answers))
            take_item(r, heap);
        else if (!more_answers(r, heap))
            return KS_NOTHING;
    }
    r->again--;
    return ks_ref(r->answer);
}

static bool answers_are_left(const ks_replay *r) {
    if (r->again > 0 || r->next < ks_len(r->answers)) return true;
    for (const char *at = r->answers_at; at < r->last; at = line_end(at, r->last))
        if (LINE_BEGINS(at, r->last, "{\"answers\":")) return true;
    return false;
}

/* --- letting time pass --- */

typedef struct running {
    uint64_t steps, upto; /* to which number of steps in all, and in this slice */
    int64_t now;
    bool fine;
    const ks_replay *replay; /* NULL: none */
} running;

enum { SLICE = 4096 };

static bool is_odd(const running *r) { return r->replay != NULL && r->replay->odd; }

static bool run_slice(ks_cluster *cluster, void *arg) {
    running *r = arg;
    ks_sim *sim = cluster->sim;
    r->fine = true;
    while (r->fine && sim->steps < r->upto) {
        r->fine = ks_sim_next(sim) <= r->now && ks_sim_step(sim, NULL) && !is_odd(r);
        sim->pending_error = 0; /* a function had raised: whoever called was told, and went on */
    }
    if (r->upto < r->steps || !r->fine) return true;
    if (r->now > sim->world.now && ks_sim_next(sim) > r->now) sim->world.now = r->now;
    r->fine = sim->steps == r->steps && sim->world.now == r->now;
    return true;
}

/* run_to(self, steps, now): until so many steps have been run since the cluster began, and the clock shows so many ns */
int ks_lua_run_to(lua_State *L) {
    ks_box *box = ks_lua_idle_box(L);
    running r = {.steps = (uint64_t)luaL_checkinteger(L, 2), .now = luaL_checkinteger(L, 3)};
    r.replay = box->replay;
    luaL_argcheck(L, r.now <= KS_LAST, 3, "beyond the end of the clock");
    lua_settop(L, 3);
    do {
        r.upto = box->cluster->sim->steps + SLICE;
        if (r.upto > r.steps) r.upto = r.steps;
        ks_lua_do(L, box, (ks_call){.method = KS_RECORD_NONE}, run_slice, &r);
    } while (r.fine && r.upto < r.steps);
    if (!r.fine && !is_odd(&r)) luaL_error(L, "the run does not come to this place");
    return 0;
}

/* --- calls --- */

static bool is_known(const char *name) {
    for (int i = KS_RECORD_NONE + 1; i < KS_RECORD_new; i++)
        if (strcmp(ks_lua_recorded_name((ks_recorded)i), name) == 0) return true;
    return false;
}

/* Pushes the arguments of a call, items 1 and on of r->value; returns how many. */
static int push_arguments(lua_State *L, const ks_replay *r) {
    enum { MOST = 16 };
    uint32_t n = ks_len(r->value);
    if (n > MOST) refuse(L, r, "so many arguments has no call");
    luaL_checkstack(L, MOST + LUA_MINSTACK, NULL);
    for (uint32_t i = 1; i < n; i++) {
        ks_val v = ks_at(r->value, i);
        ks_lua_push(L, v.type == KS_NULL ? KS_NOTHING : v);
    }
    return (int)n - 1;
}

/* Functions are put into the table on top of the stack, a policy's, or an image's, whose name stands below it. */
static void supply(lua_State *L, const char *name) {
    int table = lua_gettop(L);
    lua_pushvalue(L, SUPPLY);
    lua_pushstring(L, name);
    lua_pushvalue(L, table);
    lua_pushvalue(L, table - 1);
    lua_call(L, 3, 0);
}

/* Calls what stands below `n` arguments; what it raises becomes a refusal of the line. */
static void call(lua_State *L, const ks_replay *r, const char *name, int n, int results) {
    if (lua_pcall(L, n, results, 0) == LUA_OK) return;
    const char *why = luaL_tolstring(L, -1, NULL);
    refuse(L, r,
           lua_pushfstring(L, "'%s' is refused: %s (the file is of %s, this is %s)", name, why,
                           r->said, lua_tostring(L, VERSION)));
}

static void begin(lua_State *L, ks_replay *r, const char *name) {
    if (strcmp(name, "new") != 0) refuse(L, r, "a cluster begins with 'new'");
    lua_pushvalue(L, lua_upvalueindex(1));
    call(L, r, name, push_arguments(L, r), 1);
    r->box = lua_touserdata(L, HANDLE);
    lua_pushvalue(L, HANDLE);
    lua_rawseti(L, KEPT, 1);
    r->box->replay = r;
}

static void make_call(lua_State *L, ks_replay *r) {
    const char *name = ks_text_or(ks_at(r->value, 0), "");
    if (r->box == NULL) {
        begin(L, r, name);
        return;
    }
    if (!is_known(name)) refuse(L, r, lua_pushfstring(L, "there is no call '%s'", name));
    lua_getfield(L, HANDLE, name);
    lua_pushvalue(L, HANDLE);
    int n = push_arguments(L, r);
    if (n > 0 && lua_istable(L, -1) && (strcmp(name, "policy") == 0 || strcmp(name, "image") == 0))
        supply(L, name);
    call(L, r, name, n + 1, 0);
}

static bool has_passed(const ks_sim *sim, int64_t steps, int64_t now) {
    return steps < (int64_t)sim->steps || now < sim->world.now;
}

static void make_run(lua_State *L, ks_replay *r, ks_val place) {
    ks_val steps = ks_at(place, 0), now = ks_at(place, 1);
    if (steps.type != KS_INT || now.type != KS_INT || r->box == NULL)
        refuse(L, r, "this says no place in the run of a cluster");
    else if (has_passed(r->box->cluster->sim, steps.i, now.i))
        refuse(L, r, "the run has come past this place already");
    lua_pushcfunction(L, ks_lua_run_to);
    lua_pushvalue(L, HANDLE);
    lua_pushinteger(L, steps.i);
    lua_pushinteger(L, now.i);
    call(L, r, "run", 3, 0);
}

static void play_line(lua_State *L, ks_replay *r, const char *at, const char *end) {
    if (LINE_BEGINS(at, end, "{\"answers\":")) return; /* taken when somebody asks */
    read_line(L, r, at, end);
    ks_val place = member(r->value, "run");
    if (r->value.type == KS_LIST)
        make_call(L, r);
    else if (place.type == KS_LIST)
        make_run(L, r, place);
    else
        refuse(L, r, "this is neither a call nor a place in the run");
    if (r->odd) refuse(L, r, "functions have been asked what the file has no answer to");
    lua_settop(L, r->box != NULL ? HANDLE : SAID);
}

/* --- the end --- */

typedef struct ending {
    uint64_t state;
} ending;

static bool take_state(ks_cluster *cluster, void *arg) {
    ((ending *)arg)->state = ks_sim_digest(cluster->sim);
    return true;
}

/* What the state comes to. Pushes something. */
static uint64_t state_of(lua_State *L, ks_box *box) {
    ending e;
    lua_pushvalue(L, HANDLE);
    lua_replace(L, 1); /* the box is argument 1 of whoever goes through the door */
    ks_result *result = ks_lua_result(L, box);
    ks_lua_call(L, box, KS_LOOK, result, take_state, &e);
    ks_lua_release(result);
    return e.state;
}

static void check_end(lua_State *L, ks_replay *r) {
    ++r->line;
    if (r->box == NULL) refuse(L, r, "the file has no cluster");
    read_line(L, r, r->last, r->end);
    uint64_t state = state_of(L, r->box);
    if (hex_is(member(member(r->value, "end"), "state"), state) && !answers_are_left(r)) return;
    refuse(L, r,
           lua_pushfstring(
               L,
               "the calls do not come to the state that was saved: the file is of %s, this is %s, "
               "and something is done otherwise",
               r->said, lua_tostring(L, VERSION)));
}

/* (replay, text, version, supply, table that keeps the handle, whatever happens) -> handle */
static int play(lua_State *L) {
    ks_replay *r = lua_touserdata(L, 1);
    size_t len;
    r->text = r->at = r->answers_at = lua_tolstring(L, TEXT, &len);
    r->end = r->text + len;
    read_head(L, r);
    check_whole(L, r);
    r->line = 1;
    while (r->at < r->last) {
        const char *at = r->at;
        r->at = line_end(at, r->last);
        r->line++;
        play_line(L, r, at, r->at);
    }
    check_end(L, r);
    lua_settop(L, HANDLE);
    return 1;
}

/* replay(text, version, supply) -> handle. `supply("policy" or "image", behaviour, image)` puts functions into the table that tells which
 * there are. Raises a text that says the line. The upvalue is core.new. */
int ks_lua_replay(lua_State *L) {
    ks_replay r = {.value = KS_NOTHING, .answers = KS_NOTHING, .answer = KS_NOTHING};
    luaL_checkstring(L, 1);
    luaL_checkstring(L, 2);
    luaL_checktype(L, 3, LUA_TFUNCTION);
    lua_settop(L, 3);
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushcclosure(L, play, 1);
    lua_pushlightuserdata(L, &r);
    for (int i = 1; i <= 4; i++) lua_pushvalue(L, i);
    r.heap = ks_heap_new(NULL, NULL);
    if (r.heap == NULL) luaL_error(L, "not enough memory");
    int err = lua_pcall(L, 5, 1, 0);
    ks_unref(r.heap, r.value);
    ks_heap_unref(r.heap);
    if (r.box != NULL) {
        ks_unref(r.box->cluster->heap, r.answers);
        ks_unref(r.box->cluster->heap, r.answer);
        r.box->replay = NULL;
    }
    return err == LUA_OK ? 1 : lua_error(L);
}
