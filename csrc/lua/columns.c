/*
 * lua/columns.c - lays cells out in columns, as Go's text/tabwriter does. lua/kubesim/kubectl/tabwriter.lua calls it.
 *
 * The last cell of a line belongs to no column. A column is a run of neighbouring lines that all have a cell there; it is as wide as the
 * widest of these cells, and as the padding.
 */
#include "lua/binding.h"

#include "doc/quote.h"

#include <string.h>

typedef struct cell {
    const char *s;
    size_t len, width;
    struct cell *top; /* the first cell of its column; NULL: it is the last one of its line */
    size_t column;    /* of the first cell of a column: the column's width */
} cell;

typedef struct layout {
    lua_State *L;
    size_t lines, padding, minimum;
    size_t *ends;        /* of each line: the place behind its last cell */
    cell *cells, **open; /* the first cells of the columns that the line before has */
    size_t open_count;
    bool remember; /* argument 4 has the widths of earlier columns, by place */
} layout;

/* Characters; of a text that is no UTF-8 its bytes. */
static size_t width_of(const char *s, size_t len) {
    size_t n = 0;
    for (size_t at = 0; at < len; n++) {
        int length = (unsigned char)s[at] < 0x80 ? 1 : ks_utf8_length(s + at, len - at);
        if (length == 0) return len;
        at += (size_t)length;
    }
    return n;
}

/* Room for all, as a userdata: argument 5. */
static void take_room(layout *l) {
    lua_State *L = l->L;
    size_t cells = 0, most = 0;
    for (size_t i = 1; i <= l->lines; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i);
        luaL_checktype(L, -1, LUA_TTABLE);
        size_t n = lua_rawlen(L, -1);
        lua_pop(L, 1);
        cells += n;
        if (n > most) most = n;
    }
    char *room = lua_newuserdatauv(
        L, cells * sizeof(cell) + most * sizeof(cell *) + l->lines * sizeof(size_t), 0);
    l->cells = (cell *)(void *)room;
    l->open = (cell **)(void *)(l->cells + cells);
    l->ends = (size_t *)(void *)(l->open + most);
}

static void close_columns(layout *l, size_t left) {
    for (size_t c = l->open_count; c-- > left;) {
        if (!l->remember) continue;
        cell *top = l->open[c];
        lua_geti(l->L, 4, (lua_Integer)c + 1);
        size_t before = (size_t)lua_tointeger(l->L, -1);
        lua_pop(l->L, 1);
        if (before > top->column) top->column = before;
        lua_pushinteger(l->L, (lua_Integer)top->column);
        lua_seti(l->L, 4, (lua_Integer)c + 1);
    }
    l->open_count = left;
}

/* The cells of the line that is on top of the stack. */
static cell *read_line(layout *l, cell *at) {
    size_t n = lua_rawlen(l->L, -1), columns = n > 0 ? n - 1 : 0;
    if (columns < l->open_count) close_columns(l, columns);
    for (size_t c = 0; c < n; c++, at++) {
        *at = (cell){0};
        lua_rawgeti(l->L, -1, (lua_Integer)c + 1);
        luaL_checktype(l->L, -1, LUA_TSTRING); /* which the line's table keeps */
        at->s = lua_tolstring(l->L, -1, &at->len);
        lua_pop(l->L, 1);
        if (c == columns) break;
        at->width = width_of(at->s, at->len);
        if (c >= l->open_count) {
            l->open[c] = at;
            at->column = l->minimum;
        }
        at->top = l->open[c];
        if (at->width + l->padding > at->top->column) at->top->column = at->width + l->padding;
    }
    l->open_count = columns;
    return n > 0 ? at + 1 : at;
}

static size_t size_of_text(const layout *l) {
    size_t size = 0, at = 0;
    for (size_t i = 0; i < l->lines; i++, size++)
        for (; at < l->ends[i]; at++) {
            const cell *c = &l->cells[at];
            size += c->len + (c->top != NULL ? c->top->column - c->width : 0);
        }
    return size;
}

static void write_text(const layout *l, char *out) {
    size_t at = 0;
    for (size_t i = 0; i < l->lines; i++) {
        for (; at < l->ends[i]; at++) {
            const cell *c = &l->cells[at];
            memcpy(out, c->s, c->len);
            out += c->len;
            if (c->top == NULL) continue;
            memset(out, ' ', c->top->column - c->width);
            out += c->top->column - c->width;
        }
        *out++ = '\n';
    }
}

/* columns(lines, minimum, padding, known|nil) -> text. Lines are lists of cells; `known` keeps the widths of columns by their places, and
 * none becomes narrower than it says. */
static int columns(lua_State *L) {
    layout l = {.L = L,
                .minimum = (size_t)luaL_checkinteger(L, 2),
                .padding = (size_t)luaL_checkinteger(L, 3)};
    luaL_checktype(L, 1, LUA_TTABLE);
    l.remember = !lua_isnoneornil(L, 4);
    if (l.remember) luaL_checktype(L, 4, LUA_TTABLE);
    lua_settop(L, 4);
    l.lines = lua_rawlen(L, 1);
    take_room(&l);
    cell *at = l.cells;
    for (size_t i = 0; i < l.lines; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        at = read_line(&l, at);
        l.ends[i] = (size_t)(at - l.cells);
        lua_pop(L, 1);
    }
    close_columns(&l, 0);
    luaL_Buffer buffer;
    size_t size = size_of_text(&l);
    write_text(&l, luaL_buffinitsize(L, &buffer, size));
    luaL_pushresultsize(&buffer, size);
    return 1;
}

static bool is_plain(const char *s, size_t len) {
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)s[i] < ' ' || s[i] == '\x7f') return false;
    return true;
}

/* cell_text(cell) -> a cell as a terminal may get it: absent ones are empty | nil: it has control characters in it */
static int cell_text(lua_State *L) {
    size_t len;
    if (lua_isnoneornil(L, 1)) {
        lua_pushliteral(L, "");
        return 1;
    }
    const char *s = luaL_tolstring(L, 1, &len);
    return is_plain(s, len) ? 1 : 0;
}

/* plain_cells(cells, places, count) -> whether what stands at these places, which grow, are texts without control characters: then they
 * are the first cells now, and the other ones of `count` are gone. Else nothing has changed, and the caller looks at each cell. */
static int plain_cells(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_Integer count = luaL_checkinteger(L, 3), n = (lua_Integer)lua_rawlen(L, 2), moved = n + 1;
    lua_settop(L, 2);
    bool plain = !lua_getmetatable(L, 1);
    for (lua_Integer i = 1; i <= n && plain; i++) {
        size_t len;
        lua_rawgeti(L, 2, i);
        lua_Integer place = lua_tointeger(L, -1);
        plain = lua_rawgeti(L, 1, place) == LUA_TSTRING;
        if (plain) {
            const char *s = lua_tolstring(L, -1, &len);
            plain = is_plain(s, len);
        }
        if (place != i && moved > i) moved = i;
        lua_pop(L, 2);
    }
    for (lua_Integer i = moved; i <= n && plain; i++) {
        lua_rawgeti(L, 2, i);
        lua_rawgeti(L, 1, lua_tointeger(L, -1));
        lua_rawseti(L, 1, i);
        lua_pop(L, 1);
    }
    for (lua_Integer i = n + 1; i <= count && plain; i++) {
        lua_pushnil(L);
        lua_rawseti(L, 1, i);
    }
    lua_pushboolean(L, plain);
    return 1;
}

const luaL_Reg ks_lua_columns[] = {
    {"columns", columns}, {"cell_text", cell_text}, {"plain_cells", plain_cells}, {NULL, NULL}};
