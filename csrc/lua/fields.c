/*
 * lua/fields.c - readers: one call takes many fields out of an object.
 *
 * A row of kubectl get is made of a dozen fields that lie two or three levels deep. Indexed one after the other, each level on the way
 * would be a view of its own (lua/views.c), made for one look. A reader is told the paths once, and walks them where the document lies:
 *
 *     local read = core.reader("metadata.name", "#spec.containers", "status.conditions[type=Ready].status")
 *     local name, containers, ready = read(pod)
 *
 * A path is a field's name and what follows it: `.name`, `[key]` (of a map, any text), `[1]` (of a list, from 1), `[name=text,...]` (the
 * first item of a list whose fields are these texts). `#` before it asks for the length of the list there, 0 when there is none,
 * `?` whether there is anything. Objects are views or tables. What is not there, or null, is nil.
 */
#include "lua/binding.h"

#include <stdlib.h>
#include <string.h>

typedef enum step_type { STEP_MEMBER, STEP_ITEM, STEP_CHOICE, STEP_ALSO } step_type;

typedef struct step {
    step_type type;
    const char *key, *text; /* the text that a chosen item has there; neither ends with '\0' */
    size_t key_len, text_len;
    const ks_str *symbol; /* the key, when it is one that all documents share */
    lua_Integer place;    /* of an item, from 1 */
} step;

typedef struct path {
    const step *from, *to;
    char asks; /* '#': how long it is; '?': whether it is there; 0: what it is */
} path;

typedef struct reader {
    int count;
    path paths[];
} reader;

/* --- reading paths --- */

static step step_of(step_type type, const char *key, size_t len) {
    const ks_str *symbol = ks_symbol_find(key, len, ks_hash_bytes(key, len));
    return (step){.type = type, .key = key, .key_len = len, .symbol = symbol};
}

/* "name=text,...": one step for each. */
static step *read_choice(const char *text, const char *end, step *out) {
    for (step_type type = STEP_CHOICE; text < end; type = STEP_ALSO) {
        size_t key = strcspn(text, "="), len = strcspn(text, ",]");
        if (key >= len) return NULL;
        *out = step_of(type, text, key);
        out->text = text + key + 1;
        out->text_len = len - key - 1;
        out++;
        text += len + 1;
    }
    return out;
}

/* The step at `*text`, which is left behind it; the place behind what was written, or NULL: there is no step. */
static step *read_step(const char **text, step *out) {
    bool bracket = **text == '[';
    const char *begin = bracket || **text == '.' ? *text + 1 : *text;
    size_t len = strcspn(begin, bracket ? "]" : ".[");
    if (len == 0 || (bracket && begin[len] != ']')) return NULL;
    *text = begin + len + bracket;
    char *behind;
    lua_Integer place = strtol(begin, &behind, 10);
    if (bracket && behind != begin + len && memchr(begin, '=', len) != NULL)
        return read_choice(begin, begin + len, out);
    *out = step_of(STEP_MEMBER, begin, len);
    if (bracket && behind == begin + len) *out = (step){.type = STEP_ITEM, .place = place};
    return out + 1;
}

static size_t most_steps(const char *text) {
    size_t n = 1;
    for (; *text != '\0'; text++) n += *text == '.' || *text == '[' || *text == ',';
    return n;
}

static int read_fields(lua_State *L);

/* reader(path, ...) -> function(object [, i]): the fields of an object, or of a list's item `i` */
static int new_reader(lua_State *L) {
    int count = lua_gettop(L);
    size_t steps = 0;
    for (int i = 1; i <= count; i++) steps += most_steps(luaL_checkstring(L, i));
    size_t paths = sizeof(reader) + (size_t)count * sizeof(path);
    reader *r = lua_newuserdatauv(L, paths + steps * sizeof(step), count);
    step *at = (step *)(void *)&r->paths[count];
    r->count = count;
    for (int i = 0; i < count; i++) {
        const char *text = lua_tostring(L, i + 1);
        r->paths[i].asks = *text == '#' || *text == '?' ? *text++ : '\0';
        r->paths[i].from = at;
        do {
            at = read_step(&text, at);
            if (at == NULL) return luaL_argerror(L, i + 1, "no path of fields");
        } while (*text != '\0');
        r->paths[i].to = at;
        lua_pushvalue(L, i + 1); /* the steps point into it */
        lua_setiuservalue(L, -2, i + 1);
    }
    lua_pushcclosure(L, read_fields, 1);
    return 1;
}

/* --- documents --- */

static ks_val member_of(ks_val v, const step *s) {
    return s->symbol != NULL ? ks_get(v, s->symbol) : ks_get_text(v, s->key, s->key_len);
}

static bool is_text(const step *s, const char *text, size_t len) {
    return len == s->text_len && memcmp(text, s->text, len) == 0;
}

/* Has an item these texts? `s` is a choice. */
static bool is_chosen(ks_val item, const step *s, const step *end) {
    do {
        const ks_str *text = ks_str_or_null(member_of(item, s));
        if (text == NULL || !is_text(s, text->s, text->len)) return false;
    } while (++s < end && s->type == STEP_ALSO);
    return true;
}

static ks_val choose(ks_val list, const step *s, const step *end) {
    ks_each(item, list) {
        if (is_chosen(*item, s, end)) return *item;
    }
    return KS_NOTHING;
}

static ks_val walk(const path *p, ks_val v) {
    for (const step *s = p->from; s < p->to && v.type != KS_NONE; s++) {
        switch (s->type) {
        case STEP_MEMBER: v = member_of(v, s); break;
        case STEP_ITEM: v = ks_at(v, (uint32_t)(s->place - 1)); break;
        case STEP_CHOICE: v = choose(v, s, p->to); break;
        case STEP_ALSO: break; /* part of the choice before */
        }
    }
    return v;
}

static void push_of_view(lua_State *L, const path *p, ks_val v) {
    ks_val part = walk(p, v);
    if (p->asks == '#')
        lua_pushinteger(L, part.type == KS_LIST ? ks_len(part) : 0);
    else if (p->asks == '?')
        lua_pushboolean(L, part.type != KS_NONE && part.type != KS_NULL);
    else
        ks_lua_push_shown(L, part, 1);
}

/* --- tables: the same, on top of the stack --- */

static bool is_chosen_table(lua_State *L, const step *s, const step *end) {
    bool chosen = lua_istable(L, -1);
    if (!chosen) return false;
    do {
        size_t len;
        lua_pushlstring(L, s->key, s->key_len);
        chosen = lua_gettable(L, -2) == LUA_TSTRING;
        const char *text = chosen ? lua_tolstring(L, -1, &len) : NULL;
        chosen = chosen && is_text(s, text, len);
        lua_pop(L, 1);
    } while (chosen && ++s < end && s->type == STEP_ALSO);
    return chosen;
}

static void push_chosen(lua_State *L, const step *s, const step *end) {
    lua_Integer n = luaL_len(L, -1);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_geti(L, -1, i);
        if (is_chosen_table(L, s, end)) return;
        lua_pop(L, 1);
    }
    lua_pushnil(L);
}

/* Puts the part of the table on top in its place. */
static void take_step(lua_State *L, const step *s, const step *end) {
    if (!lua_istable(L, -1)) {
        lua_pushnil(L);
    } else if (s->type == STEP_MEMBER) {
        lua_pushlstring(L, s->key, s->key_len);
        lua_gettable(L, -2);
    } else if (s->type == STEP_ITEM) {
        lua_geti(L, -1, s->place);
    } else {
        push_chosen(L, s, end);
    }
    lua_remove(L, -2);
}

static void push_of_table(lua_State *L, const path *p) {
    lua_pushvalue(L, 1);
    for (const step *s = p->from; s < p->to; s++)
        if (s->type != STEP_ALSO) take_step(L, s, p->to);
    if (lua_islightuserdata(L, -1)) {
        lua_pop(L, 1);
        lua_pushnil(L);
    }
    if (p->asks == '\0') return;
    lua_Integer n = lua_istable(L, -1) ? luaL_len(L, -1) : 0;
    bool there = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (p->asks == '#')
        lua_pushinteger(L, n);
    else
        lua_pushboolean(L, there);
}

/* --- both --- */

static int read_fields(lua_State *L) {
    const reader *r = lua_touserdata(L, lua_upvalueindex(1));
    ks_val shown;
    bool view = ks_lua_is_view(L, 1, &shown);
    if (!view) luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer place = luaL_optinteger(L, 2, 0);
    luaL_checkstack(L, r->count + 8, "too many fields");
    lua_settop(L, 1);
    if (place > 0 && view) {
        shown = ks_at(shown, (uint32_t)(place - 1));
    } else if (place > 0) {
        lua_geti(L, 1, place);
        lua_replace(L, 1);
    }
    for (int i = 0; i < r->count; i++) {
        if (view)
            push_of_view(L, &r->paths[i], shown);
        else
            push_of_table(L, &r->paths[i]);
    }
    return r->count;
}

const luaL_Reg ks_lua_fields[] = {{"reader", new_reader}, {NULL, NULL}};
