/*
 * lua/hooks.c - where the core asks Lua for an answer: scheduling policies, an image's commands and HTTP.
 *
 * A hook is called with the core at work. It runs a trampoline under lua_pcall; what was raised is kept in the box and raised again, unchanged, when
 * the core has returned. Inside the trampoline nothing of the core's heap is allocated: its unwinding must not cross Lua's.
 */
#include "lua/binding.h"

#include "scheduler/scheduler.h"

#include <string.h>

/* What C looks at of the policies; lives in a userdata in KS_BOX_POLICIES[0]. Never changed: adding makes a new one. */
struct ks_policies {
    int count;
    struct ks_policy_info list[];
};

/* One call: what goes in, in documents, and where Lua's functions stand. */
typedef struct asking {
    ks_box *box;
    int index; /* of a policy */
    bool score;
    uint64_t image;
    int port;
    bool brief;                  /* a probe asks, which wants no more than how it went */
    ks_val first, second, third; /* arguments, borrowed */
    bool absent;                 /* out: there is no such function */
    bool ok;
    lua_Integer number;
} asking;

enum { RESULTS = 2 };

static ks_box *box_of(void *payload) { return ((ks_cluster *)payload)->payload; }

/* Calls `trampoline` with the userdata's value `slot`; leaves RESULTS values on the stack when fine. */
static bool ask(ks_sim *sim, asking *a, int slot, lua_CFunction trampoline) {
    lua_State *L = a->box->L;
    if (L == NULL || !lua_checkstack(L, LUA_MINSTACK)) {
        ks_sim_fail(sim);
        return false;
    }
    lua_pushcfunction(L, trampoline);
    lua_pushlightuserdata(L, a);
    lua_getiuservalue(L, 1, slot);
    lua_getiuservalue(L, 1, KS_BOX_SCRATCH);
    if (lua_pcall(L, 3, RESULTS, 0) == LUA_OK) return true;
    lua_setiuservalue(L, 1, KS_BOX_ERROR);
    a->box->raised = true;
    ks_sim_fail(sim);
    return false;
}

/* The text at a stack place in the core's heap; other values: nothing. */
static ks_val text_at(lua_State *L, ks_heap *heap, int index) {
    size_t len;
    if (lua_type(L, index) != LUA_TSTRING) return KS_NOTHING;
    const char *s = lua_tolstring(L, index, &len);
    return ks_textn(heap, s, len);
}

/* There is no answer: the function has raised, then or now; or, in a journal, it is not one that can have been given. It is freed. */
static bool gave_up(ks_sim *sim, ks_box *box, ks_val answer) {
    if (answer.type != KS_BOOL || answer.b) ks_lua_replay_odd(box);
    ks_unref(sim->world.heap, answer);
    ks_sim_fail(sim);
    return false;
}

/* --- policies --- */

static int policy_count(void *payload) {
    const ks_box *box = box_of(payload);
    return box->policies != NULL ? box->policies->count : 0;
}

static struct ks_policy_info policy_info(void *payload, int index) {
    return box_of(payload)->policies->list[index];
}

/* (asking, policies, state) -> ok, reason | score */
static int policy_trampoline(lua_State *L) {
    asking *a = lua_touserdata(L, 1);
    const struct ks_policy_info *info = &a->box->policies->list[a->index];
    lua_rawgeti(L, 2, a->index + 1);
    lua_getfield(L, -1, a->score ? "score" : "filter");
    ks_lua_push(L, a->first);
    ks_lua_push(L, a->second);
    lua_pushvalue(L, 3);
    lua_call(L, 3, RESULTS);
    if (a->score) {
        lua_Number score = lua_tonumber(L, -2);
        if (lua_type(L, -2) != LUA_TNUMBER || !(score >= 0 && score <= 100))
            return luaL_error(L, "policy '%s': score must return a number from 0 to 100, not %s",
                              info->name, luaL_tolstring(L, -2, NULL));
        a->number = (lua_Integer)(score + 0.5);
    } else {
        if (!lua_isboolean(L, -2))
            return luaL_error(L,
                              "policy '%s': filter must return true, or false and a reason, not %s",
                              info->name, luaL_typename(L, -2));
        a->ok = lua_toboolean(L, -2);
        if (!lua_isnil(L, -1) && lua_type(L, -1) != LUA_TSTRING)
            return luaL_error(L, "policy '%s': filter's reason must be a text, not a %s",
                              info->name, luaL_typename(L, -1));
    }
    return RESULTS;
}

/* One table for all questions about one attempt to place a pod, as upstream's CycleState. */
static void renew_scratch(ks_box *box, const ks_sim *sim, const ks_object *pod) {
    if (box->scratch_at == sim->world.now && box->scratch_pod == pod->version) return;
    box->scratch_at = sim->world.now;
    box->scratch_pod = pod->version;
    lua_pushnil(box->L);
    lua_setiuservalue(box->L, 1, KS_BOX_SCRATCH);
}

static int scratch_trampoline(lua_State *L) {
    if (!lua_isnil(L, 3)) {
        lua_pushnil(L);
        lua_pushnil(L);
        return RESULTS;
    }
    lua_newtable(L);
    lua_pushnil(L);
    return RESULTS;
}

static bool ensure_scratch(ks_sim *sim, asking *a) {
    lua_State *L = a->box->L;
    if (!ask(sim, a, KS_BOX_POLICIES, scratch_trampoline)) return false;
    if (lua_istable(L, -2)) {
        lua_pushvalue(L, -2);
        lua_setiuservalue(L, 1, KS_BOX_SCRATCH);
    }
    lua_pop(L, RESULTS);
    return true;
}

/* Asks a policy: true or the reason, or the score; false: it has raised. */
static ks_val ask_policy(ks_sim *sim, asking *a, const ks_object *pod, const ks_object *node) {
    ks_heap *heap = sim->world.heap;
    ks_val answer = ks_bool(false);
    a->first = ks_object_doc(heap, pod);
    a->second = ks_object_doc(heap, node);
    renew_scratch(a->box, sim, pod);
    if (ensure_scratch(sim, a) && ask(sim, a, KS_BOX_POLICIES, policy_trampoline)) {
        if (a->score)
            answer = ks_int(a->number);
        else
            answer = a->ok ? ks_bool(true) : text_at(a->box->L, heap, -1);
        if (answer.type == KS_NONE)
            answer = ks_format(heap, "node(s) didn't satisfy policy %s",
                               a->box->policies->list[a->index].name);
        lua_pop(a->box->L, RESULTS);
    }
    ks_unref(heap, a->first);
    ks_unref(heap, a->second);
    return answer;
}

static ks_val answer_of_policy(ks_sim *sim, asking *a, const ks_object *pod,
                               const ks_object *node) {
    ks_val answer =
        a->box->replay != NULL ? ks_lua_replayed(a->box) : ask_policy(sim, a, pod, node);
    ks_lua_record_answer(a->box, answer);
    return answer;
}

static bool policy_filter(void *payload, ks_sim *sim, int index, const ks_object *pod,
                          const ks_object *node, bool *ok, ks_val *reason) {
    asking a = {.box = box_of(payload), .index = index};
    ks_val answer = answer_of_policy(sim, &a, pod, node);
    *reason = KS_NOTHING;
    *ok = answer.type == KS_BOOL && answer.b;
    if (*ok) return true;
    if (answer.type != KS_STRING) return gave_up(sim, a.box, answer);
    *reason = answer;
    return true;
}

static bool policy_score(void *payload, ks_sim *sim, int index, const ks_object *pod,
                         const ks_object *node, int64_t *score) {
    asking a = {.box = box_of(payload), .index = index, .score = true};
    ks_val answer = answer_of_policy(sim, &a, pod, node);
    if (answer.type != KS_INT || answer.i < 0 || answer.i > 100) return gave_up(sim, a.box, answer);
    *score = answer.i;
    return true;
}

/* --- images --- */

/* Leaves the image's table, or raises nothing and sets `absent`. */
static bool push_image(lua_State *L, asking *a, const char *part) {
    a->absent = true;
    if (lua_rawgeti(L, 2, (lua_Integer)a->image) != LUA_TTABLE) return false;
    if (lua_getfield(L, -1, part) == LUA_TNIL) return false;
    return true;
}

static int nothing(lua_State *L) {
    lua_pushnil(L);
    lua_pushnil(L);
    return RESULTS;
}

/* (asking, images) -> {stdout, stderr} as two values; the code in `number` */
static int command_trampoline(lua_State *L) {
    asking *a = lua_touserdata(L, 1);
    if (!push_image(L, a, "commands")) return nothing(L);
    ks_val name = ks_at(a->first, 0);
    const char *word = ks_text_or(name, "");
    const char *slash = strrchr(word, '/');
    if (lua_getfield(L, -1, slash != NULL ? slash + 1 : word) == LUA_TNIL) return nothing(L);
    a->absent = false;
    lua_createtable(L, (int)ks_len(a->first), 1);
    for (uint32_t i = 0; i < ks_len(a->first); i++) {
        ks_lua_push(L, ks_at(a->first, i));
        lua_rawseti(L, -2, i);
    }
    ks_lua_push(L, a->second);
    ks_lua_push(L, a->third);
    lua_call(L, 3, 3);
    if (!lua_isnil(L, -3))
        luaL_tolstring(L, -3, NULL);
    else
        lua_pushnil(L);
    if (!lua_isnil(L, -2))
        luaL_tolstring(L, -2, NULL);
    else
        lua_pushnil(L);
    a->number = lua_isnil(L, -4) ? 0 : lua_isinteger(L, -4) ? lua_tointeger(L, -4) : -1;
    if (a->number < 0 || a->number > 255)
        return luaL_error(L, "command '%s': the exit code must be an integer from 0 to 255, not %s",
                          word, luaL_tolstring(L, -4, NULL));
    return RESULTS;
}

/* Answers go into the journal, and most of them are those to probes: what a probe drops is not in them, and that all is well is the same
 * answer whoever says it, for one that is equal to the one before takes no room there. */
static bool is_well(const asking *a, ks_val answer) {
    return a->brief && answer.type == KS_BOOL && answer.b;
}

/* What was written at a stack place; nothing: an empty text. */
static ks_val output_at(lua_State *L, ks_heap *heap, int index) {
    ks_val text = text_at(L, heap, index);
    return text.type != KS_NONE ? text : ks_text(heap, "");
}

/* The one output that a probe reports. */
static int said_at(lua_State *L) { return lua_rawlen(L, -2) > 0 ? -2 : -1; }

static ks_val answer_of_command(const asking *a, ks_heap *heap) {
    lua_State *L = a->box->L;
    if (a->brief && (a->absent || a->number == 0)) return ks_bool(true);
    if (a->absent) return ks_null();
    ks_val answer = ks_list_new(heap, 3);
    if (a->brief) {
        answer = ks_append(heap, answer, output_at(L, heap, said_at(L)));
    } else {
        answer = ks_append(heap, answer, output_at(L, heap, -2));
        answer = ks_append(heap, answer, output_at(L, heap, -1));
    }
    return ks_append(heap, answer, ks_int(a->number));
}

/* What the image's function is: [stdout, stderr, code]; null: it has none of that name; false: it has raised. For a probe: true: it
 * went well; [what it said, code]; false. */
static ks_val ask_command(ks_sim *sim, asking *a) {
    if (!ask(sim, a, KS_BOX_IMAGES, command_trampoline)) return ks_bool(false);
    ks_val answer = answer_of_command(a, sim->world.heap);
    lua_pop(a->box->L, RESULTS);
    return answer;
}

static bool image_command(void *payload, ks_sim *sim, uint64_t image, ks_val argv,
                          const ks_object *pod, ks_val stdin_text, bool *handled, ks_val *out,
                          ks_val *err, int *code) {
    ks_heap *heap = sim->world.heap;
    asking a = {.box = box_of(payload), .image = image, .brief = err == NULL, .first = argv};
    a.third = stdin_text;
    a.second = pod != NULL ? ks_object_doc(heap, pod) : KS_NOTHING;
    ks_val answer = a.box->replay != NULL ? ks_lua_replayed(a.box) : ask_command(sim, &a);
    ks_unref(heap, a.second);
    ks_lua_record_answer(a.box, answer);
    *out = KS_NOTHING;
    if (err != NULL) *err = KS_NOTHING;
    *code = 0;
    *handled = answer.type != KS_NULL;
    if (!*handled || is_well(&a, answer)) return true;
    if (ks_at(answer, 0).type != KS_STRING || (!a.brief && ks_at(answer, 1).type != KS_STRING))
        return gave_up(sim, a.box, answer);
    *out = ks_ref(ks_at(answer, 0));
    if (err != NULL) *err = ks_ref(ks_at(answer, 1));
    *code = (int)ks_int_or(ks_at(answer, a.brief ? 1 : 2), 0);
    ks_unref(heap, answer);
    return true;
}

/* (asking, images) -> body; the status in `number` */
static int http_trampoline(lua_State *L) {
    asking *a = lua_touserdata(L, 1);
    if (!push_image(L, a, "http")) return nothing(L);
    if (!lua_isfunction(L, -1) && lua_geti(L, -1, a->port) == LUA_TNIL) return nothing(L);
    a->absent = false;
    ks_lua_push(L, a->first);
    ks_lua_push(L, a->second);
    lua_call(L, 2, 2);
    a->number = lua_isinteger(L, -2) ? lua_tointeger(L, -2) : 0;
    if (a->number < 100 || a->number > 999)
        return luaL_error(L,
                          "http on port %d: the status must be an integer from 100 to 999, not %s",
                          a->port, luaL_tolstring(L, -2, NULL));
    if (lua_isnil(L, -1))
        lua_pushliteral(L, "");
    else
        luaL_tolstring(L, -1, NULL);
    lua_pushnil(L);
    return RESULTS;
}

static ks_val answer_of_http(const asking *a, ks_heap *heap) {
    if (a->absent) return ks_null();
    if (a->brief) return ks_http_is_fine(a->number) ? ks_bool(true) : ks_int(a->number);
    ks_val answer = ks_append(heap, ks_list_new(heap, 2), ks_int(a->number));
    return ks_append(heap, answer, text_at(a->box->L, heap, -2));
}

/* [status, body]; null: nothing listens; false: the function has raised. For a probe: true: all is well; the status; null; false. */
static ks_val ask_http(ks_sim *sim, asking *a) {
    if (!ask(sim, a, KS_BOX_IMAGES, http_trampoline)) return ks_bool(false);
    ks_val answer = answer_of_http(a, sim->world.heap);
    lua_pop(a->box->L, RESULTS);
    return answer;
}

/* The status in an answer; 0: it has none. */
static int64_t status_of(const asking *a, ks_val answer) {
    if (is_well(a, answer)) return 200;
    int64_t status = ks_int_or(a->brief ? answer : ks_at(answer, 0), 0);
    bool whole = a->brief || ks_at(answer, 1).type == KS_STRING;
    return whole && status >= 100 && status <= 999 ? status : 0;
}

static bool image_http(void *payload, ks_sim *sim, uint64_t image, int port, ks_val request,
                       const ks_object *pod, int *status, ks_val *body) {
    ks_heap *heap = sim->world.heap;
    asking a = {.box = box_of(payload), .image = image, .port = port, .brief = body == NULL};
    a.first = request;
    a.second = pod != NULL ? ks_object_doc(heap, pod) : KS_NOTHING;
    ks_val answer = a.box->replay != NULL ? ks_lua_replayed(a.box) : ask_http(sim, &a);
    ks_unref(heap, a.second);
    ks_lua_record_answer(a.box, answer);
    if (body != NULL) *body = KS_NOTHING;
    *status = 0;
    if (answer.type == KS_NULL) return true;
    *status = (int)status_of(&a, answer);
    if (*status == 0) return gave_up(sim, a.box, answer);
    if (body != NULL) *body = ks_ref(ks_at(answer, 1));
    ks_unref(heap, answer);
    return true;
}

const ks_hooks ks_lua_hooks = {policy_count, policy_info,   policy_filter,
                               policy_score, image_command, image_http};

/* --- adding policies --- */

static const char *text_field(lua_State *L, int index, const char *name) {
    lua_getfield(L, index, name);
    const char *s = luaL_checkstring(L, -1);
    lua_pop(L, 1); /* the table, which is kept, holds it */
    return s;
}

/* The names of a list as a NULL-terminated array in a userdata, which is pushed. */
static const char *const *names_field(lua_State *L, int index, const char *name) {
    lua_getfield(L, index, name);
    lua_Integer n = lua_isnil(L, -1) ? 0 : luaL_len(L, -1);
    const char **names = lua_newuserdatauv(L, sizeof *names * ((size_t)n + 1), 0);
    for (lua_Integer i = 0; i < n; i++) {
        lua_geti(L, -2, i + 1);
        names[i] = luaL_checkstring(L, -1);
        lua_pop(L, 1);
    }
    names[n] = NULL;
    lua_remove(L, -2);
    return names;
}

static bool has_function(lua_State *L, int index, const char *name) {
    bool has = lua_getfield(L, index, name) != LUA_TNIL; /* or what can be called like one */
    lua_pop(L, 1);
    return has;
}

/* --- for the journal: what is said beside functions, and that there are these --- */

/* An integer's place in a sorted list. */
static ks_val with_integer(ks_heap *heap, ks_val list, int64_t i) {
    uint32_t at = ks_len(list);
    while (at > 0 && ks_at(list, at - 1).i > i) at--;
    return ks_insert_at(heap, list, at, ks_int(i));
}

/* The keys of a table of functions, sorted, first the integers; true: it is one function. */
static ks_val which_functions(lua_State *L, int index, ks_heap *heap) {
    if (lua_type(L, index) != LUA_TTABLE) return ks_bool(true);
    ks_val map = ks_map_new(heap, 4), list = ks_list_new(heap, 4);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        size_t len;
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tolstring(L, -2, &len) : NULL;
        if (name != NULL)
            ks_map_push(heap, &map, ks_intern(heap, name, len), ks_null());
        else
            list = with_integer(heap, list, lua_tointeger(L, -2));
    }
    ks_map_seal(heap, &map);
    for (uint32_t i = 0; i < ks_len(map); i++)
        list = ks_append(heap, list, ks_string(ks_pair_at(map, i)->key));
    ks_unref(heap, map);
    return list;
}

/* Raises where the table at `index`, a policy's or an image's, has other keys than texts: nothing may be raised once the core is at work. */
static void check_keys(lua_State *L, int index) {
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
        luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING, index, "names of fields expected");
}

static bool is_of_functions(const char *key) {
    static const char *const keys[] = {"filter", "score", "commands", "http", NULL};
    for (int i = 0; keys[i] != NULL; i++)
        if (strcmp(keys[i], key) == 0) return true;
    return false;
}

/* Notes the table at `index`, that of a policy or an image: instead of functions it says which there are. */
static void note_behaviour(lua_State *L, int index, ks_cluster *cluster) {
    ks_heap *heap = cluster->heap;
    ks_val map = ks_map_new(heap, 8);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        ks_lua_problem problem;
        ks_val v = KS_NOTHING;
        size_t len;
        const char *key = lua_tolstring(L, -2, &len);
        if (strcmp(key, "disable_words") == 0) continue;
        if (is_of_functions(key))
            v = which_functions(L, lua_gettop(L), heap);
        else
            ks_lua_read(L, -1, heap, NULL, &v, &problem);
        ks_map_push(heap, &map, ks_intern(heap, key, len), v);
    }
    ks_map_seal(heap, &map);
    ks_lua_note(cluster, map);
    ks_unref(heap, map);
}

static bool tell_scheduler(ks_cluster *cluster, void *arg) {
    note_behaviour(arg, 2, cluster);
    ks_scheduler_policies_changed(cluster->sim);
    return true;
}

/* has_plugin(self, name): whether the scheduler has a default plugin of that name. */
int ks_lua_has_plugin(lua_State *L) {
    lua_pushboolean(L, ks_scheduler_has_plugin(luaL_checkstring(L, 2)));
    return 1;
}

/* (handle, behaviour): the policies are others. */
static int change_policies(lua_State *L) {
    ks_box *box = ks_lua_box(L);
    ks_lua_do(L, box, (ks_call){KS_RECORD_policy, 2, 2}, tell_scheduler, L);
    return 0;
}

/* Those in the list at `list` and in `policies` for those that there are, which are put back when the scheduler cannot be told. */
static void exchange_policies(lua_State *L, ks_box *box, int list, const ks_policies *policies) {
    const ks_policies *before = box->policies;
    lua_getiuservalue(L, 1, KS_BOX_POLICIES);
    lua_pushvalue(L, list);
    lua_setiuservalue(L, 1, KS_BOX_POLICIES);
    box->policies = policies;
    lua_pushcfunction(L, change_policies);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    if (lua_pcall(L, 2, 0, 0) == LUA_OK) return;
    box->policies = before;
    lua_insert(L, -2); /* the list before is on top now */
    lua_setiuservalue(L, 1, KS_BOX_POLICIES);
    lua_error(L);
}

enum { MOST_WEIGHT = 10000 };

/* policy(self, {name, scheduler, weight, filter, score, disable}) -> true, or nothing when the profile has one of that name. The
 * table is kept; the caller made it for this. */
int ks_lua_policy(lua_State *L) {
    ks_box *box = ks_lua_idle_box(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    check_keys(L, 2);
    struct ks_policy_info info = {.name = text_field(L, 2, "name"),
                                  .scheduler = text_field(L, 2, "scheduler"),
                                  .has_filter = has_function(L, 2, "filter"),
                                  .has_score = has_function(L, 2, "score")};
    lua_getfield(L, 2, "weight");
    info.weight = luaL_checkinteger(L, -1);
    luaL_argcheck(L, info.weight >= 1 && info.weight <= MOST_WEIGHT, 2, "not a weight");
    info.disable = names_field(L, 2, "disable");
    lua_setfield(L, 2, "disable_words");
    int count = box->policies != NULL ? box->policies->count : 0;
    for (int i = 0; i < count; i++) {
        const struct ks_policy_info *other = &box->policies->list[i];
        if (strcmp(other->name, info.name) == 0 && strcmp(other->scheduler, info.scheduler) == 0)
            return 0;
    }
    lua_createtable(L, count + 1, 1);
    int list = lua_gettop(L);
    lua_getiuservalue(L, 1, KS_BOX_POLICIES);
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, list, i);
    }
    lua_pushvalue(L, 2);
    lua_rawseti(L, list, count + 1);
    ks_policies *policies =
        lua_newuserdatauv(L, sizeof *policies + sizeof info * ((size_t)count + 1), 0);
    lua_rawseti(L, list, 0);
    if (count > 0) memcpy(policies->list, box->policies->list, sizeof info * (size_t)count);
    policies->list[count] = info;
    policies->count = count + 1;
    exchange_policies(L, box, list, policies);
    lua_pushboolean(L, true);
    return 1;
}

/* --- image behaviours --- */

typedef struct imaging {
    lua_State *L;
    ks_image *image;
} imaging;

static int64_t optional_ns(lua_State *L, const char *name) {
    lua_getfield(L, 3, name);
    int64_t ns = lua_isnil(L, -1)       ? KS_UNSET
                 : lua_isboolean(L, -1) ? KS_NEVER
                                        : luaL_checkinteger(L, -1);
    luaL_argcheck(L, ns == KS_UNSET || ns == KS_NEVER || (ns >= 0 && ns <= KS_LAST), 3,
                  "not a duration");
    lua_pop(L, 1);
    return ns;
}

static bool set_image(ks_cluster *cluster, void *arg) {
    imaging *i = arg;
    ks_heap *heap = cluster->heap;
    size_t len;
    note_behaviour(i->L, 3, cluster);
    const char *name = lua_tolstring(i->L, 2, &len);
    ks_image *image = ks_alloc(heap, sizeof *image);
    *image = *i->image;
    image->refs = 1;
    image->name = ks_intern(heap, name, len);
    image->exit_reason = ks_lua_string(i->L, 4, heap);
    image->start_error = ks_lua_string(i->L, 5, heap);
    cluster->sim->settings = ks_settings_own(heap, cluster->sim->settings);
    ks_settings_set_image(heap, cluster->sim->settings, image);
    return true;
}

/* image(self, name, {exists=, pull=ns, start=ns, stop=ns|false, ready_after=ns, exits=, exit_after=ns, exit_code=, exit_reason=,
 * start_error=, commands=, serves=, http=}) */
int ks_lua_image(lua_State *L) {
    ks_box *box = ks_lua_idle_box(L);
    luaL_checkstring(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 3);
    check_keys(L, 3);
    ks_image image = {.pull = optional_ns(L, "pull"),
                      .start = optional_ns(L, "start"),
                      .stop = optional_ns(L, "stop"),
                      .ready_after = optional_ns(L, "ready_after"),
                      .exit_after = optional_ns(L, "exit_after")};
    lua_getfield(L, 3, "exists");
    image.exists = lua_isnil(L, -1) || lua_toboolean(L, -1);
    lua_getfield(L, 3, "serves");
    image.serves = lua_toboolean(L, -1);
    lua_getfield(L, 3, "exits");
    image.end = lua_isnil(L, -1) ? KS_ENDS_BY_ROLE : lua_toboolean(L, -1) ? KS_ENDS : KS_RUNS_ON;
    lua_getfield(L, 3, "exit_code");
    image.exit_code = (int)luaL_optinteger(L, -1, 0);
    lua_settop(L, 3);
    lua_getfield(L, 3, "exit_reason");
    lua_getfield(L, 3, "start_error");
    lua_getfield(L, 3, "commands");
    lua_getfield(L, 3, "http");
    if (!lua_isnil(L, 6) || !lua_isnil(L, 7)) {
        if (lua_getiuservalue(L, 1, KS_BOX_IMAGES) != LUA_TTABLE) {
            lua_newtable(L);
            lua_pushvalue(L, -1);
            lua_setiuservalue(L, 1, KS_BOX_IMAGES);
        }
        int images = lua_gettop(L);
        image.id = ++box->next_image;
        lua_createtable(L, 0, 2);
        lua_pushvalue(L, 6);
        lua_setfield(L, -2, "commands");
        lua_pushvalue(L, 7);
        lua_setfield(L, -2, "http");
        lua_rawseti(L, images, (lua_Integer)image.id);
    }
    imaging i = {L, &image};
    ks_lua_do(L, box, (ks_call){KS_RECORD_image, 3, 3}, set_image, &i);
    return 0;
}

/* --- forks --- */

void ks_lua_share_hooks(lua_State *L, int from, const ks_box *original, ks_box *box) {
    int to = lua_gettop(L);
    lua_getiuservalue(L, from, KS_BOX_POLICIES);
    lua_setiuservalue(L, to, KS_BOX_POLICIES);
    box->policies = original->policies;
    box->next_image = original->next_image;
    if (lua_getiuservalue(L, from, KS_BOX_IMAGES) == LUA_TTABLE) {
        lua_newtable(L);
        for (lua_Integer i = 1; i <= (lua_Integer)original->next_image; i++) {
            lua_rawgeti(L, -2, i);
            lua_rawseti(L, -2, i);
        }
        lua_setiuservalue(L, to, KS_BOX_IMAGES);
    }
    lua_settop(L, to);
}
