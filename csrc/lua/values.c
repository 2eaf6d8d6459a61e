/*
 * lua/values.c - the module's functions without a cluster: YAML, JSON, quantities, selectors, durations, times, words.
 *
 * Documents need a heap: each Lua state has one, in the registry, with all that these values are made of.
 */
#include "lua/binding.h"

#include "doc/text.h"

#define HEAP_TYPE     "kubesim.heap"
#define QUANTITY_TYPE "kubesim.quantity"
#define SELECTOR_TYPE "kubesim.selector"

typedef struct heap_box {
    ks_heap *heap;
} heap_box;

static int heap_gc(lua_State *L) {
    heap_box *box = luaL_checkudata(L, 1, HEAP_TYPE);
    if (box->heap != NULL) ks_heap_unref(box->heap);
    box->heap = NULL;
    return 0;
}

static ks_heap *values_heap(lua_State *L) {
    if (lua_getfield(L, LUA_REGISTRYINDEX, "kubesim.values") != LUA_TUSERDATA)
        luaL_error(L, "kubesim.core is not open");
    heap_box *box = lua_touserdata(L, -1);
    lua_pop(L, 1);
    if (box->heap == NULL) luaL_error(L, "the Lua state is being closed");
    return box->heap;
}

/* One piece of work on documents: like ks_lua_call, without a cluster. */
typedef struct work {
    lua_State *L;
    ks_heap *heap;
    ks_result *result;
    ks_selector *selector;
    const char *words; /* an option */
    bool ok;
    ks_lua_problem problem;
} work;

static int guarded(work *w, void (*body)(work *)) {
    ks_guard guard;
    int err = KS_GUARD_ENTER(w->heap, &guard);
    if (err != KS_OK) return err;
    body(w);
    ks_guard_leave(w->heap, &guard);
    return KS_OK;
}

static void run(lua_State *L, work *w, void (*body)(work *)) {
    w->L = L;
    w->heap = values_heap(L);
    w->result = lua_newuserdatauv(L, sizeof *w->result, 0);
    *w->result = (ks_result){.value = KS_NOTHING, .more = KS_NOTHING, .warnings = KS_NOTHING};
    luaL_setmetatable(L, KS_RESULT_TYPE);
    w->result->heap = ks_heap_ref(w->heap);
    int top = lua_gettop(L);
    int err = guarded(w, body);
    lua_settop(L, top);
    if (err != KS_OK) luaL_error(L, "not enough memory");
    if (w->result->refusal != NULL) {
        ks_lua_push_refusal(L, w->result->refusal);
        ks_lua_release(w->result);
        lua_error(L);
    }
}

static int finish(lua_State *L, const work *w) {
    ks_lua_push(L, w->result->value);
    ks_lua_release(w->result);
    return 1;
}

/* --- text --- */

static ks_refusal *syntax(ks_heap *heap, const ks_text_error *err) {
    ks_refusal *refusal = ks_refuse_bad_request(heap, err->message->s);
    ks_val place = ks_map_of(heap, K(document), ks_int(err->document), K(line), ks_int(err->line),
                             K(column), ks_int(err->column), NULL);
    refusal->kind = ks_str_of(heap, "manifest");
    refusal->causes = ks_append(heap, refusal->causes, place);
    ks_str_unref(heap, err->message);
    return refusal;
}

static void read_yaml(work *w) {
    size_t len;
    ks_text_error err = {0};
    const char *s = lua_tolstring(w->L, 1, &len);
    if (!ks_yaml_read(w->heap, s, len, NULL, &w->result->value, NULL, &err))
        w->result->refusal = syntax(w->heap, &err);
}

static int yaml_decode(lua_State *L) {
    work w = {0};
    luaL_checkstring(L, 1);
    run(L, &w, read_yaml);
    return finish(L, &w);
}

static void read_json(work *w) {
    size_t len;
    ks_text_error err = {0};
    const char *s = lua_tolstring(w->L, 1, &len);
    if (!ks_json_read(w->heap, s, len, NULL, &w->result->value, &err))
        w->result->refusal = syntax(w->heap, &err);
}

static int json_decode(lua_State *L) {
    work w = {0};
    luaL_checkstring(L, 1);
    run(L, &w, read_json);
    return finish(L, &w);
}

/* The kind that a table at argument 1 says it is. */
static ks_kind said_kind(lua_State *L) {
    if (lua_type(L, 1) != LUA_TTABLE) return KS_NO_KIND;
    ks_kind kind = KS_NO_KIND;
    int version = ks_lua_member(L, 1, "apiVersion"), name = ks_lua_member(L, 1, "kind");
    if (version == LUA_TSTRING && name == LUA_TSTRING)
        kind = ks_kind_by_gvk(lua_tostring(L, -2), lua_tostring(L, -1));
    lua_pop(L, 2);
    return kind;
}

/* The value at argument 1 as text: "yaml", "json" (compact), "go" (compact, as Go's encoder escapes) or "indent" (kubectl -o
 * json). */
static void write_text(work *w) {
    ks_val v = KS_NOTHING;
    w->ok = ks_lua_read_object(w->L, 1, w->heap, said_kind(w->L), &v, &w->problem);
    if (!w->ok) return;
    if (v.type == KS_NONE) v = ks_null();
    ks_buf out = {.heap = w->heap};
    if (w->words[0] == 'y')
        ks_yaml_write(&out, v);
    else
        ks_json_write(&out, v,
                      w->words[0] == 'i'   ? KS_JSON_INDENT
                      : w->words[0] == 'g' ? KS_JSON_GO
                                           : KS_JSON_COMPACT);
    ks_unref(w->heap, v);
    w->result->value = ks_string_take(ks_buf_take(&out));
}

/* encode(v, "yaml"/"json"/"go"/"indent") -> text | nil, why */
static int encode(lua_State *L) {
    work w = {0};
    luaL_checkany(L, 1);
    w.words = luaL_checkstring(L, 2);
    run(L, &w, write_text);
    if (w.ok) return finish(L, &w);
    luaL_pushfail(L);
    lua_pushstring(L, w.problem.text);
    return 2;
}

/* --- kubectl's account of what it has applied --- */

static void annotate(work *w) {
    ks_val doc = KS_NOTHING;
    w->ok = ks_lua_read_object(w->L, 1, w->heap, said_kind(w->L), &doc, &w->problem);
    if (w->ok) w->result->value = ks_apply_annotated(w->heap, doc);
}

/* annotated(object) -> a view of the object with the text of its configuration in the annotation for it | nil, why */
static int annotated(lua_State *L) {
    work w = {0};
    luaL_checktype(L, 1, LUA_TTABLE);
    run(L, &w, annotate);
    if (w.ok) {
        ks_lua_push_view(L, w.result->value, lua_gettop(L));
        return 1;
    }
    luaL_pushfail(L);
    lua_pushstring(L, w.problem.text);
    return 2;
}

static bool has_null(ks_val v) {
    if (v.type == KS_LIST) {
        ks_each(item, v) {
            if (has_null(*item)) return true;
        }
    }
    if (v.type != KS_MAP) return false;
    for (uint32_t i = 0; i < ks_len(v); i++) {
        const ks_pair *pair = ks_pair_at(v, i);
        if (pair->val.type == KS_NULL || has_null(pair->val)) return true;
    }
    return false;
}

/* A new value without the members of maps that are null. */
static ks_val without_nulls(ks_heap *heap, ks_val v) {
    if (!has_null(v)) return ks_ref(v);
    uint32_t n = ks_len(v);
    ks_val out = v.type == KS_LIST ? ks_list_new(heap, n) : ks_map_new(heap, n);
    for (uint32_t i = 0; i < n; i++) {
        if (v.type == KS_LIST) {
            out = ks_append(heap, out, without_nulls(heap, ks_at(v, i)));
        } else if (ks_pair_at(v, i)->val.type != KS_NULL) {
            const ks_pair *pair = ks_pair_at(v, i);
            out = ks_put(heap, out, pair->key, without_nulls(heap, pair->val));
        }
    }
    return out;
}

static void prune(work *w) {
    ks_val doc = KS_NOTHING;
    w->ok = ks_lua_read(w->L, 1, w->heap, NULL, &doc, &w->problem);
    w->result->value = without_nulls(w->heap, doc);
    ks_unref(w->heap, doc);
}

/* pruned(view) -> the same without the members of maps that are null */
static int pruned(lua_State *L) {
    work w = {0};
    ks_val v;
    luaL_argexpected(L, ks_lua_is_view(L, 1, &v), 1, "view");
    lua_settop(L, 1);
    if (!has_null(v)) return 1;
    run(L, &w, prune);
    ks_lua_push_view(L, w.result->value, lua_gettop(L));
    return 1;
}

/* --- quantities --- */

static ks_quantity *check_quantity(lua_State *L, int index) {
    return luaL_checkudata(L, index, QUANTITY_TYPE);
}

static int push_quantity(lua_State *L, ks_quantity q) {
    ks_quantity *box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = q;
    luaL_setmetatable(L, QUANTITY_TYPE);
    return 1;
}

/* quantity(text or number) -> quantity | nil, why */
static int quantity_new(lua_State *L) {
    size_t len;
    const char *why = "";
    ks_quantity q;
    const char *s = luaL_checklstring(L, 1, &len);
    if (ks_quantity_parse(s, len, &q, &why)) return push_quantity(L, q);
    luaL_pushfail(L);
    lua_pushstring(L, why);
    return 2;
}

/* An operand: a quantity, or a text or number that is one. */
static ks_quantity operand(lua_State *L, int index) {
    const ks_quantity *box = luaL_testudata(L, index, QUANTITY_TYPE);
    if (box != NULL) return *box;
    size_t len;
    const char *why = "";
    ks_quantity q;
    const char *s = luaL_checklstring(L, index, &len);
    if (!ks_quantity_parse(s, len, &q, &why)) luaL_argerror(L, index, why);
    return q;
}

static int quantity_add(lua_State *L) {
    ks_quantity a = operand(L, 1), b = operand(L, 2);
    ks_quantity_add(&a, b);
    return push_quantity(L, a);
}
static int quantity_sub(lua_State *L) {
    ks_quantity a = operand(L, 1), b = operand(L, 2);
    ks_quantity_sub(&a, b);
    return push_quantity(L, a);
}
static int quantity_eq(lua_State *L) {
    lua_pushboolean(L, ks_quantity_cmp(operand(L, 1), operand(L, 2)) == 0);
    return 1;
}
static int quantity_lt(lua_State *L) {
    lua_pushboolean(L, ks_quantity_cmp(operand(L, 1), operand(L, 2)) < 0);
    return 1;
}
static int quantity_le(lua_State *L) {
    lua_pushboolean(L, ks_quantity_cmp(operand(L, 1), operand(L, 2)) <= 0);
    return 1;
}
static int quantity_text(lua_State *L) {
    char text[64];
    int len = ks_quantity_print(*check_quantity(L, 1), text);
    lua_pushlstring(L, text, (size_t)len);
    return 1;
}
static int quantity_value(lua_State *L) {
    lua_pushinteger(L, ks_quantity_value(*check_quantity(L, 1)));
    return 1;
}
static int quantity_milli(lua_State *L) {
    lua_pushinteger(L, ks_quantity_milli(*check_quantity(L, 1)));
    return 1;
}

/* --- selectors --- */

typedef struct selector_box {
    ks_heap *heap;
    ks_selector *selector;
} selector_box;

static int selector_gc(lua_State *L) {
    selector_box *box = luaL_checkudata(L, 1, SELECTOR_TYPE);
    if (box->selector != NULL) ks_selector_unref(box->heap, box->selector);
    if (box->heap != NULL) ks_heap_unref(box->heap);
    *box = (selector_box){0};
    return 0;
}

static void make_selector(work *w) {
    const ks_str *why = NULL;
    size_t len;
    ks_val doc = KS_NOTHING;
    const char *s = lua_tolstring(w->L, 1, &len);
    if (s != NULL) {
        w->selector = ks_selector_parse(w->heap, s, len, &why);
    } else {
        static const char type[] = "meta/v1.LabelSelector";
        ks_spec hint = ks_spec_of(ks_type_named(type));
        w->ok = ks_lua_read(w->L, 1, w->heap, hint.of != 0 ? &hint : NULL, &doc, &w->problem);
        if (!w->ok) return;
        w->selector = ks_selector_of(w->heap, doc, &why);
        ks_unref(w->heap, doc);
    }
    w->ok = w->selector != NULL;
    if (!w->ok && why != NULL) w->result->value = ks_string_take(why);
}

/* selector(text or LabelSelector) -> selector | nil, why */
static int selector_new(lua_State *L) {
    work w = {0};
    if (lua_type(L, 1) != LUA_TTABLE) luaL_checkstring(L, 1);
    lua_settop(L, 1);
    selector_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = (selector_box){0};
    luaL_setmetatable(L, SELECTOR_TYPE);
    run(L, &w, make_selector);
    if (w.ok) {
        box->heap = ks_heap_ref(w.heap);
        box->selector = w.selector;
        lua_settop(L, 2);
        return 1;
    }
    luaL_pushfail(L);
    if (w.result->value.type == KS_STRING)
        ks_lua_push(L, w.result->value);
    else
        lua_pushstring(L, w.problem.text);
    return 2;
}

static void match(work *w) {
    const selector_box *box = lua_touserdata(w->L, 1);
    ks_val labels = KS_NOTHING;
    if (!ks_lua_read(w->L, 2, w->heap, NULL, &labels, &w->problem)) return;
    w->ok = ks_selector_matches(box->selector, labels);
    ks_unref(w->heap, labels);
}

static int selector_matches(lua_State *L) {
    work w = {0};
    luaL_checkudata(L, 1, SELECTOR_TYPE);
    if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    run(L, &w, match);
    lua_pushboolean(L, w.ok);
    return 1;
}

static void print_selector(work *w) {
    const selector_box *box = lua_touserdata(w->L, 1);
    w->result->value = ks_selector_text(w->heap, box->selector);
}

static int selector_text(lua_State *L) {
    work w = {0};
    luaL_checkudata(L, 1, SELECTOR_TYPE);
    run(L, &w, print_selector);
    return finish(L, &w);
}

/* --- times --- */

/* duration(text) -> ns | nil */
static int duration_parse(lua_State *L) {
    size_t len;
    int64_t ns;
    const char *s = luaL_checklstring(L, 1, &len);
    if (!ks_duration_parse(s, len, &ns)) return 0;
    lua_pushinteger(L, ns);
    return 1;
}

/* duration_text(ns) -> "1m30s" */
static int duration_text(lua_State *L) {
    char text[48];
    int len = ks_duration_print(luaL_checkinteger(L, 1), text);
    lua_pushlstring(L, text, (size_t)len);
    return 1;
}

/* human_duration(ns) -> kubectl's AGE */
static int human_duration(lua_State *L) {
    char text[48];
    int len = ks_human_duration(luaL_checkinteger(L, 1), text);
    lua_pushlstring(L, text, (size_t)len);
    return 1;
}

/* time(RFC 3339 text) -> Unix ns | nil */
static int time_parse(lua_State *L) {
    size_t len;
    int64_t ns;
    const char *s = luaL_checklstring(L, 1, &len);
    if (!ks_time_parse(s, len, &ns)) return 0;
    lua_pushinteger(L, ns);
    return 1;
}

/* since(RFC 3339 text, Unix ns) -> the time between them as kubectl's AGE | nil: that is no time */
static int since(lua_State *L) {
    size_t len;
    int64_t then;
    const char *s = lua_type(L, 1) == LUA_TSTRING ? lua_tolstring(L, 1, &len) : NULL;
    if (s == NULL || !ks_time_parse(s, len, &then)) return 0;
    char text[48];
    int n = ks_human_duration(luaL_checkinteger(L, 2) - then, text);
    lua_pushlstring(L, text, (size_t)n);
    return 1;
}

/* --- words --- */

/* Nothing that a shell would make something of. */
static bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-./:=,_@", c) != NULL);
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/* plain_words(text) -> the words of a command line that has nothing but plain words and blanks | nil */
static int plain_words(lua_State *L) {
    size_t len;
    const char *at = luaL_checklstring(L, 1, &len), *end = at + len;
    for (const char *c = at; c < end; c++)
        if (!is_plain(*c) && !is_blank(*c)) return 0;
    lua_createtable(L, 4, 0);
    for (lua_Integer n = 1; at < end; n++) {
        const char *from;
        while (at < end && is_blank(*at)) at++;
        for (from = at; at < end && is_plain(*at);) at++;
        if (at == from) break;
        lua_pushlstring(L, from, (size_t)(at - from));
        lua_rawseti(L, -2, n);
    }
    return 1;
}

const luaL_Reg ks_lua_values[] = {{"yaml_decode", yaml_decode},
                                  {"json_decode", json_decode},
                                  {"encode", encode},
                                  {"annotated", annotated},
                                  {"pruned", pruned},
                                  {"quantity", quantity_new},
                                  {"selector", selector_new},
                                  {"duration", duration_parse},
                                  {"duration_text", duration_text},
                                  {"human_duration", human_duration},
                                  {"time", time_parse},
                                  {"since", since},
                                  {"plain_words", plain_words},
                                  {NULL, NULL}};

static const luaL_Reg heap_meta[] = {{"__gc", heap_gc}, {NULL, NULL}};
static const luaL_Reg quantity_meta[] = {{"__add", quantity_add},
                                         {"__sub", quantity_sub},
                                         {"__eq", quantity_eq},
                                         {"__lt", quantity_lt},
                                         {"__le", quantity_le},
                                         {"__tostring", quantity_text},
                                         {NULL, NULL}};
static const luaL_Reg quantity_methods[] = {
    {"value", quantity_value}, {"milli_value", quantity_milli}, {NULL, NULL}};
static const luaL_Reg selector_meta[] = {
    {"__gc", selector_gc}, {"__tostring", selector_text}, {NULL, NULL}};
static const luaL_Reg selector_methods[] = {{"matches", selector_matches}, {NULL, NULL}};

static void open_class(lua_State *L, const char *name, const luaL_Reg *meta,
                       const luaL_Reg *methods) {
    luaL_newmetatable(L, name);
    luaL_setfuncs(L, meta, 0);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

void ks_lua_open_values(lua_State *L) {
    open_class(L, QUANTITY_TYPE, quantity_meta, quantity_methods);
    open_class(L, SELECTOR_TYPE, selector_meta, selector_methods);
    luaL_newmetatable(L, HEAP_TYPE);
    luaL_setfuncs(L, heap_meta, 0);
    lua_pop(L, 1);
    if (lua_getfield(L, LUA_REGISTRYINDEX, "kubesim.values") == LUA_TUSERDATA) {
        lua_pop(L, 1);
        return;
    }
    lua_pop(L, 1);
    heap_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    box->heap = NULL;
    luaL_setmetatable(L, HEAP_TYPE);
    box->heap = ks_heap_new(NULL, NULL);
    if (box->heap == NULL) luaL_error(L, "not enough memory");
    lua_setfield(L, LUA_REGISTRYINDEX, "kubesim.values");
}
