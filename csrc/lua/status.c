/*
 * lua/status.c - refusals as Lua tables: {code, reason, message, details = {name, group, kind,
 * causes, retryAfterSeconds}}.
 *
 * Their metatable is kubesim.Status in the registry; lua/kubesim/status.lua gives it its words.
 */
#include "lua/binding.h"

static void set_text(lua_State *L, const char *key, const ks_str *text) {
    if (text == NULL) return;
    lua_pushlstring(L, text->s, text->len);
    lua_setfield(L, -2, key);
}

static bool has_details(const ks_refusal *r) {
    return r->name != NULL || r->kind != NULL || r->group != NULL || ks_len(r->causes) > 0 ||
           r->retry_after > 0;
}

void ks_lua_push_refusal(lua_State *L, const ks_refusal *r) {
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, r->code);
    lua_setfield(L, -2, "code");
    lua_pushstring(L, r->reason);
    lua_setfield(L, -2, "reason");
    set_text(L, "message", r->message);
    if (has_details(r)) {
        lua_createtable(L, 0, 5);
        set_text(L, "name", r->name);
        set_text(L, "group", r->group);
        set_text(L, "kind", r->kind);
        if (ks_len(r->causes) > 0) {
            ks_lua_push(L, r->causes);
            lua_setfield(L, -2, "causes");
        }
        if (r->retry_after > 0) {
            lua_pushinteger(L, r->retry_after);
            lua_setfield(L, -2, "retryAfterSeconds");
        }
        lua_setfield(L, -2, "details");
    }
    if (r->continue_token != NULL) {
        lua_createtable(L, 0, 1);
        set_text(L, "continue", r->continue_token);
        lua_setfield(L, -2, "metadata");
    }
    luaL_setmetatable(L, KS_STATUS_TYPE);
}
