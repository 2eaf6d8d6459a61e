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
 * first item of a list whose fields are these texts). `#` before it asks for the length of the list there, 0 when there is none. Objects
 * are views or tables. What is not there, or null, is nil.
 */
#include "lua/binding.h"

#include <stdlib.h>
#include <string.h>

typedef enum step_type { STEP_MEMBER, STEP_ITEM, STEP_CHOICE } step_type;

typedef struct step {
    step_type type;
    const char *text; /* a key, or "name=text,..."; not ended by '\0' */
    size_t len;
    const ks_str *symbol; /* the key, when it is one that all documents share */
    lua_Integer place;    /* of an item, from 1 */
} step;

typedef struct path {
    const step *from, *to;
    bool length;
} path;

typedef struct reader {
    int count;
    path paths[];
} reader;

/* --- reading paths --- */

static const ks_str *symbol_of(const char *s, size_t len) {
    return ks_symbol_find(s, len, ks_hash_bytes(s, len));
}

/* The step at `text`; NULL: there is none. Returns the place behind it. */
static const char *read_step(const char *text, step *out) {
    bool bracket = *text == '[';
    const char *begin = bracket || *text == '.' ? text + 1 : text;
    size_t len = strcspn(begin, bracket ? "]" : ".[");
    if (len == 0 || (bracket && begin[len] != ']')) return NULL;
    char *behind;
    long place = strtol(begin, &behind, 10);
    *out = (step){.type = STEP_MEMBER, .text = begin, .len = len};
    if (bracket && behind == begin + len) {
        out->type = STEP_ITEM;
        out->place = place;
    } else if (bracket && memchr(begin, '=', len) != NULL) {
        out->type = STEP_CHOICE;
    } else {
        out->symbol = symbol_of(begin, len);
    }
    return begin + len + bracket;
}

static size_t most_steps(const char *text) {
    size_t n = 1;
    for (; *text != '\0'; text++) n += *text == '.' || *text == '[';
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
        r->paths[i].length = *text == '#';
        if (*text == '#') text++;
        r->paths[i].from = at;
        do {
            text = read_step(text, at++);
            if (text == NULL) return luaL_argerror(L, i + 1, "no path of fields");
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
    return s->symbol != NULL ? ks_get(v, s->symbol) : ks_get_text(v, s->text, s->len);
}

/* Are the fields of an item these texts? */
static bool is_chosen(ks_val item, const step *s) {
    for (const char *at = s->text, *end = at + s->len; at < end;) {
        size_t part = strcspn(at, ",]"), name = strcspn(at, "=");
        const ks_str *text = ks_str_or_null(ks_get_text(item, at, name));
        if (text == NULL || text->len != part - name - 1 ||
            memcmp(text->s, at + name + 1, text->len) != 0)
            return false;
        at += part + 1;
    }
    return true;
}

static ks_val walk(const path *p, ks_val v) {
    for (const step *s = p->from; s < p->to && v.type != KS_NONE; s++) {
        ks_val list = v;
        switch (s->type) {
        case STEP_MEMBER: v = member_of(v, s); break;
        case STEP_ITEM: v = ks_at(v, (uint32_t)(s->place - 1)); break;
        case STEP_CHOICE:
            v = KS_NOTHING;
            ks_each(item, list) {
                if (v.type == KS_NONE && is_chosen(*item, s)) v = *item;
            }
            break;
        }
    }
    return v;
}

static void push_of_view(lua_State *L, const path *p, ks_val v) {
    ks_val part = walk(p, v);
    if (p->length)
        lua_pushinteger(L, part.type == KS_LIST ? ks_len(part) : 0);
    else
        ks_lua_push_shown(L, part, 1);
}

/* --- tables: the same, on top of the stack --- */

static bool is_chosen_table(lua_State *L, const step *s) {
    bool chosen = lua_istable(L, -1);
    for (const char *at = s->text, *end = at + s->len; chosen && at < end;) {
        size_t part = strcspn(at, ",]"), name = strcspn(at, "="), len;
        lua_pushlstring(L, at, name);
        chosen = lua_gettable(L, -2) == LUA_TSTRING;
        const char *text = chosen ? lua_tolstring(L, -1, &len) : NULL;
        chosen = chosen && len == part - name - 1 && memcmp(text, at + name + 1, len) == 0;
        lua_pop(L, 1);
        at += part + 1;
    }
    return chosen;
}

/* Pushes the part of the table on top. */
static void push_step(lua_State *L, const step *s) {
    switch (s->type) {
    case STEP_MEMBER:
        lua_pushlstring(L, s->text, s->len);
        lua_gettable(L, -2);
        return;
    case STEP_ITEM: lua_geti(L, -1, s->place); return;
    case STEP_CHOICE: break;
    }
    lua_Integer n = luaL_len(L, -1);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_geti(L, -1, i);
        if (is_chosen_table(L, s)) return;
        lua_pop(L, 1);
    }
    lua_pushnil(L);
}

static void push_of_table(lua_State *L, const path *p) {
    lua_pushvalue(L, 1);
    for (const step *s = p->from; s < p->to; s++) {
        if (lua_istable(L, -1))
            push_step(L, s);
        else
            lua_pushnil(L);
        lua_remove(L, -2);
    }
    if (lua_islightuserdata(L, -1)) {
        lua_pop(L, 1);
        lua_pushnil(L);
    }
    if (!p->length) return;
    lua_Integer n = lua_istable(L, -1) ? luaL_len(L, -1) : 0;
    lua_pop(L, 1);
    lua_pushinteger(L, n);
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
