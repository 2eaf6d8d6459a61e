/*
 * lua/types.c - the structure of the API's types, for kubectl explain and for what is printed in the order of their fields.
 */
#include "lua/binding.h"

#include <string.h>

/* What explain calls a shape that is no struct, list or map. */
static const char *plain_name(const ks_spec *spec) {
    switch (spec->shape) {
    case KS_SHAPE_BOOL: return "boolean";
    case KS_SHAPE_INT32:
    case KS_SHAPE_INT64: return "integer";
    case KS_SHAPE_QUANTITY: return "Quantity";
    case KS_SHAPE_INTSTR: return "IntOrString";
    case KS_SHAPE_ANY: {
        const char *dot = strrchr(ks_spec_go_type(spec), '.');
        return dot != NULL ? dot + 1 : "Object";
    }
    default: return "string";
    }
}

static void push_enum(lua_State *L, const ks_spec *spec) {
    if (spec->enum_count == 0) return;
    lua_newtable(L);
    const char *value = ks_schema_texts + spec->enums;
    for (int i = 1; i <= spec->enum_count; i++) {
        lua_pushstring(L, value);
        lua_rawseti(L, -2, i);
        value += strlen(value) + 1;
    }
    lua_setfield(L, -2, "enum");
}

/* {name, enum} of a plain value, {list = ITEM}, {map = ITEM}, {name, type = "core/v1.PodSpec"} of a struct. */
static void push_spec(lua_State *L, const ks_spec *spec) {
    luaL_checkstack(L, 4, "type too deep");
    lua_newtable(L);
    switch (spec->shape) {
    case KS_SHAPE_LIST:
        push_spec(L, ks_spec_item(spec));
        lua_setfield(L, -2, "list");
        break;
    case KS_SHAPE_MAP:
        push_spec(L, ks_spec_item(spec));
        lua_setfield(L, -2, "map");
        break;
    case KS_SHAPE_STRUCT:
        lua_pushstring(L, ks_type_name(ks_spec_type(spec)));
        lua_setfield(L, -2, "type");
        lua_pushstring(L, ks_type_go_name(ks_spec_type(spec)));
        lua_setfield(L, -2, "name");
        break;
    default:
        lua_pushstring(L, plain_name(spec));
        lua_setfield(L, -2, "name");
        push_enum(L, spec);
    }
}

static void push_field(lua_State *L, const ks_field *field) {
    lua_createtable(L, 0, 3);
    lua_pushlstring(L, ks_field_name(field)->s, ks_field_name(field)->len);
    lua_setfield(L, -2, "name");
    lua_pushboolean(L, !field->optional);
    lua_setfield(L, -2, "required");
    push_spec(L, &field->spec);
    lua_setfield(L, -2, "spec");
}

/* api_type("core/v1.PodSpec") -> list of {name, required, spec} in Go's order | nil */
static int api_type(lua_State *L) {
    const ks_type *type = ks_type_named(luaL_checkstring(L, 1));
    if (type == NULL) return 0;
    lua_createtable(L, type->count, 0);
    for (uint16_t i = 0; i < type->count; i++) {
        push_field(L, ks_type_at(type, i));
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

const luaL_Reg ks_lua_types[] = {{"api_type", api_type}, {NULL, NULL}};
