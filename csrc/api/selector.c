/*
 * api/selector.c - label selectors, compiled: from objects, from plain maps, from kubectl's text.
 *
 * k8s.io/apimachinery/pkg/labels/selector.go, pkg/apis/meta/v1/helpers.go (LabelSelectorAsSelector). Keys are
 * interned, so that matching a label is comparing pointers. Called by controllers, the API server's
 * lists, the scheduler and the Lua module.
 */
#include "api/values.h"
#include "doc/number.h"
#include "doc/quote.h"
#include "doc/text.h"

#include <string.h>

typedef enum op {
    OP_EQUALS,
    OP_DOUBLE_EQUALS,
    OP_NOT_EQUALS,
    OP_IN,
    OP_NOT_IN,
    OP_EXISTS,
    OP_NOT_EXISTS,
    OP_GREATER,
    OP_LESS,
} op;

typedef struct requirement {
    const ks_str *key; /* interned */
    op op;
    int64_t bound; /* of OP_GREATER, OP_LESS */
    ks_val values; /* a list of texts, sorted; KS_NOTHING when there are none */
} requirement;

struct ks_selector {
    uint32_t refs, count, cap;
    bool nothing; /* matches no labels at all */
    requirement requirements[];
};

static size_t selector_size(uint32_t cap) {
    return sizeof(ks_selector) + cap * sizeof(requirement);
}

static ks_selector *selector_new(ks_heap *heap, uint32_t cap) {
    ks_selector *selector = ks_alloc(heap, selector_size(cap));
    *selector = (ks_selector){.refs = 1, .cap = cap};
    return selector;
}

static ks_selector *selector_nothing(ks_heap *heap) {
    ks_selector *selector = selector_new(heap, 0);
    selector->nothing = true;
    return selector;
}

ks_selector *ks_selector_ref(ks_selector *selector) {
    if (selector != NULL) selector->refs++;
    return selector;
}

void ks_selector_unref(ks_heap *heap, ks_selector *selector) {
    if (selector == NULL || --selector->refs > 0) return;
    for (uint32_t i = 0; i < selector->count; i++) {
        ks_str_unref(heap, selector->requirements[i].key);
        ks_unref(heap, selector->requirements[i].values);
    }
    ks_free(heap, selector, selector_size(selector->cap));
}

/* Adds a requirement in the order of keys, behind equal ones; takes it over. */
static ks_selector *add(ks_heap *heap, ks_selector *selector, requirement r) {
    if (selector->count == selector->cap) {
        uint32_t cap = selector->cap == 0 ? 4 : selector->cap * 2;
        selector = ks_resize(heap, selector, selector_size(selector->cap), selector_size(cap));
        selector->cap = cap;
    }
    uint32_t at = selector->count++;
    for (; at > 0 && ks_str_cmp(selector->requirements[at - 1].key, r.key) > 0; at--)
        selector->requirements[at] = selector->requirements[at - 1];
    selector->requirements[at] = r;
    return selector;
}

/* Adds a text to a sorted list; `once`: unless it is there (kubectl's text is read into a set, an object's values are kept as given). */
static ks_val insert_text(ks_heap *heap, ks_val list, const ks_str *text, bool once) {
    uint32_t low = 0, high = ks_len(list);
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        int order = ks_str_cmp(list.l->items[mid].s, text);
        if (order == 0 && once) return list;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return ks_insert_at(heap, list, low, ks_string(text));
}

/* --- validation: selector.go, NewRequirement --- */

/* Field errors in the making: "[a, b]" when there are several. */
typedef struct complaints {
    ks_buf buf;
    int count;
} complaints;

static void complain(complaints *c, const char *field, const ks_str *value, const char *detail) {
    if (c->count++ > 0) ks_buf_puts(&c->buf, ", ");
    ks_buf_printf(&c->buf, "%s: Invalid value: ", field);
    ks_buf_quote(&c->buf, value->s, value->len);
    ks_buf_printf(&c->buf, ": %s", detail);
}

static void complain_list(complaints *c, ks_val list, const char *detail) {
    if (c->count++ > 0) ks_buf_puts(&c->buf, ", ");
    ks_buf_puts(&c->buf, "values: Invalid value: ");
    ks_json_write(&c->buf, list, KS_JSON_GO);
    ks_buf_printf(&c->buf, ": %s", detail);
}

/* All complaints as a new text, or NULL. */
static const ks_str *conclude(complaints *c) {
    ks_heap *heap = c->buf.heap;
    const ks_str *text = c->count == 0   ? NULL
                         : c->count == 1 ? ks_str_new(heap, c->buf.s, c->buf.len)
                                         : ks_str_printf(heap, "[%s]", c->buf.s);
    ks_buf_dispose(&c->buf);
    return text;
}

static void check_key(complaints *c, const char *field, const ks_str *key) {
    const ks_str *made;
    const char *why = ks_qualified_name(c->buf.heap, key->s, key->len, &made);
    if (why != NULL) complain(c, field, key, why);
    ks_str_unref(c->buf.heap, made);
}

static void check_value(complaints *c, const requirement *r, uint32_t index, const ks_str *value) {
    const char *texts[4];
    int count = ks_name_errors(KS_LABEL_VALUE, value->s, value->len, texts);
    if (count == 0) return;
    const ks_str *field = ks_str_printf(c->buf.heap, "values[%u][%s]", (unsigned)index, r->key->s);
    const ks_str *why = ks_str_printf(c->buf.heap, "%s%s%s", texts[0], count > 1 ? "; " : "",
                                      count > 1 ? texts[1] : "");
    complain(c, field->s, value, why->s);
    ks_str_unref(c->buf.heap, field);
    ks_str_unref(c->buf.heap, why);
}

static void check_bound(complaints *c, requirement *r) {
    if (ks_len(r->values) != 1) {
        complain_list(c, r->values, "for 'Gt', 'Lt' operators, exactly one value is required");
        return;
    }
    const ks_str *text = ks_at(r->values, 0).s;
    if (!ks_int_parse(text->s, text->len, &r->bound))
        complain(c, "values[0]", text, "for 'Gt', 'Lt' operators, the value must be an integer");
}

/* NULL when the requirement is good, else why not: a new text. */
static const ks_str *check(ks_heap *heap, requirement *r) {
    complaints c = {.buf = {heap, NULL, 0, 0}};
    check_key(&c, "key", r->key);
    switch (r->op) {
    case OP_IN:
    case OP_NOT_IN:
        if (ks_len(r->values) == 0)
            complain_list(&c, r->values, "for 'in', 'notin' operators, values set can't be empty");
        break;
    case OP_EXISTS:
    case OP_NOT_EXISTS:
        if (ks_len(r->values) != 0)
            complain_list(&c, r->values, "values set must be empty for exists and does not exist");
        break;
    case OP_GREATER:
    case OP_LESS: check_bound(&c, r); break;
    default: break; /* those with one value have one */
    }
    for (uint32_t i = 0; i < ks_len(r->values); i++) check_value(&c, r, i, ks_at(r->values, i).s);
    return conclude(&c);
}

/* --- from documents --- */

static requirement equals(ks_heap *heap, const ks_str *key, ks_val value) {
    ks_val text = value.type == KS_STRING ? ks_ref(value) : ks_text(heap, "");
    return (requirement){.key = ks_str_ref(key),
                         .op = OP_EQUALS,
                         .values = ks_append(heap, ks_list_new(heap, 1), text)};
}

static ks_selector *add_map(ks_heap *heap, ks_selector *selector, ks_val map) {
    for (uint32_t i = 0; map.type == KS_MAP && i < ks_len(map); i++)
        selector =
            add(heap, selector, equals(heap, ks_pair_at(map, i)->key, ks_pair_at(map, i)->val));
    return selector;
}

static bool operator_of(ks_val text, op *out) {
    if (ks_text_is(text, "In"))
        *out = OP_IN;
    else if (ks_text_is(text, "NotIn"))
        *out = OP_NOT_IN;
    else if (ks_text_is(text, "Exists"))
        *out = OP_EXISTS;
    else if (ks_text_is(text, "DoesNotExist"))
        *out = OP_NOT_EXISTS;
    else
        return false;
    return true;
}

static const ks_str *bad_operator(ks_heap *heap, ks_val given) {
    ks_buf buf = {heap, NULL, 0, 0};
    ks_buf_quote(&buf, ks_text_or(given, ""), given.type == KS_STRING ? given.s->len : 0);
    ks_buf_puts(&buf, " is not a valid label selector operator");
    return ks_buf_take(&buf);
}

/* Adds one of matchExpressions; NULL when good, else why not. */
static const ks_str *add_expression(ks_heap *heap, ks_selector **selector, ks_val expression) {
    requirement r = {.values = KS_NOTHING};
    ks_val given = ks_get(expression, K(operator));
    if (!operator_of(given, &r.op)) return bad_operator(heap, given);
    const ks_str *key = ks_str_or_null(ks_get(expression, K(key)));
    r.key = key != NULL ? ks_intern(heap, key->s, key->len) : ks_intern(heap, "", 0);
    ks_each(v, ks_get(expression, K(values))) {
        if (v->type == KS_STRING) r.values = insert_text(heap, r.values, v->s, false);
    }
    const ks_str *why = check(heap, &r);
    *selector = add(heap, *selector, r);
    return why;
}

ks_selector *ks_selector_of(ks_heap *heap, ks_val label_selector, const ks_str **why) {
    *why = NULL;
    if (label_selector.type != KS_MAP) return selector_nothing(heap);
    ks_val labels = ks_get(label_selector, K(matchLabels));
    ks_val expressions = ks_get(label_selector, K(matchExpressions));
    ks_selector *selector = selector_new(heap, ks_len(labels) + ks_len(expressions));
    selector = add_map(heap, selector, labels);
    for (uint32_t i = 0; i < selector->count && *why == NULL; i++)
        *why = check(heap, &selector->requirements[i]);
    for (uint32_t i = 0; i < ks_len(expressions) && *why == NULL; i++)
        *why = add_expression(heap, &selector, ks_at(expressions, i));
    if (*why == NULL) return selector;
    ks_selector_unref(heap, selector);
    return NULL;
}

ks_val ks_selector_with_keys(ks_heap *heap, ks_val label_selector, ks_val keys,
                             const char *operator, ks_val labels) {
    ks_val expressions = ks_ref(ks_get(label_selector, K(matchExpressions)));
    uint32_t before = ks_len(expressions);
    ks_each(key, keys) {
        const ks_str *name = ks_str_or_null(*key);
        ks_val value = name == NULL ? KS_NOTHING : ks_get_text(labels, name->s, name->len);
        if (!ks_exists(value)) continue;
        ks_val values = ks_append(heap, ks_list_new(heap, 1), ks_ref(value));
        expressions = ks_append(heap, expressions,
                                ks_map_of(heap, K(key), ks_ref(*key), K(operator),
                                          ks_text(heap, operator), K(values), values, NULL));
    }
    if (ks_len(expressions) > before)
        return ks_put(heap, label_selector, K(matchExpressions), expressions);
    ks_unref(heap, expressions);
    return label_selector;
}

ks_selector *ks_selector_of_map(ks_heap *heap, ks_val map) {
    if (map.type != KS_MAP || ks_len(map) == 0) return selector_nothing(heap);
    return add_map(heap, selector_new(heap, ks_len(map)), map);
}

/* --- from text: Lexer, Parser --- */

typedef enum token {
    T_END,
    T_CLOSE,
    T_COMMA,
    T_NOT,
    T_DOUBLE_EQUALS,
    T_EQUALS,
    T_GREATER,
    T_LESS,
    T_NOT_EQUALS,
    T_OPEN,
    T_IN,
    T_NOT_IN,
    T_WORD,
} token;

typedef struct parser {
    ks_heap *heap;
    const char *s, *end;
    /* the token at hand */
    token token;
    const char *text;
    size_t len;
    const ks_str *why;
} parser;

static bool blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
static bool special(char c) { return c != '\0' && strchr("=!(),><", c) != NULL; }

static void scan_special(parser *p) {
    p->len = 1;
    switch (*p->text) {
    case ')': p->token = T_CLOSE; break;
    case ',': p->token = T_COMMA; break;
    case '(': p->token = T_OPEN; break;
    case '>': p->token = T_GREATER; break;
    case '<': p->token = T_LESS; break;
    default:
        p->token = *p->text == '!' ? T_NOT : T_EQUALS;
        if (p->text + 1 < p->end && p->text[1] == '=') {
            p->token = p->token == T_NOT ? T_NOT_EQUALS : T_DOUBLE_EQUALS;
            p->len = 2;
        }
    }
    p->s = p->text + p->len;
}

static void scan(parser *p) {
    while (p->s < p->end && blank(*p->s)) p->s++;
    p->text = p->s;
    if (p->s == p->end || *p->s == '\0') {
        p->token = T_END;
        p->len = 0;
        return;
    }
    if (special(*p->s)) {
        scan_special(p);
        return;
    }
    while (p->s < p->end && *p->s != '\0' && !special(*p->s) && !blank(*p->s)) p->s++;
    p->len = (size_t)(p->s - p->text);
    p->token = T_WORD;
    if (p->len == 2 && memcmp(p->text, "in", 2) == 0) p->token = T_IN;
    if (p->len == 5 && memcmp(p->text, "notin", 5) == 0) p->token = T_NOT_IN;
}

/* Where a name or a value may stand, "in" and "notin" are just that. */
static bool at_word(const parser *p) {
    return p->token == T_WORD || p->token == T_IN || p->token == T_NOT_IN;
}

static bool fail(parser *p, const char *before, const char *expected) {
    p->why = ks_str_printf(p->heap, "%sfound '%.*s'%s", before, (int)p->len, p->text, expected);
    return false;
}

static bool fail_requirement(parser *p, const char *expected) {
    return fail(p, "unable to parse requirement: ", expected);
}

static void take_value(parser *p, requirement *r) {
    const ks_str *text = ks_str_new(p->heap, p->text, p->len);
    r->values = insert_text(p->heap, r->values, text, true);
    ks_str_unref(p->heap, text);
    scan(p);
}

static void take_empty(parser *p, requirement *r) {
    const ks_str *text = ks_str_new(p->heap, "", 0);
    r->values = insert_text(p->heap, r->values, text, true);
    ks_str_unref(p->heap, text);
}

/* What stands between parentheses, the closing one included; empty members count as "". */
static bool parse_values(parser *p, requirement *r) {
    if (p->token != T_OPEN) return fail_requirement(p, " expected: '('");
    scan(p);
    if (p->token == T_CLOSE) take_empty(p, r);
    if (p->token != T_CLOSE && p->token != T_COMMA && !at_word(p))
        return fail_requirement(p, ", expected: ',', ')' or identifier");
    while (p->token != T_CLOSE) {
        if (at_word(p)) {
            take_value(p, r);
            if (p->token != T_COMMA && p->token != T_CLOSE)
                return fail_requirement(p, ", expected: ',' or ')'");
        } else if (p->token == T_COMMA) {
            scan(p);
            if (ks_len(r->values) == 0 || p->token == T_CLOSE || p->token == T_COMMA)
                take_empty(p, r);
        } else {
            return fail_requirement(p, ", expected: ',', or identifier");
        }
    }
    scan(p);
    return true;
}

static bool parse_exact(parser *p, requirement *r) {
    if (p->token == T_END || p->token == T_COMMA) {
        take_empty(p, r);
        return true;
    }
    if (!at_word(p)) return fail_requirement(p, ", expected: identifier");
    take_value(p, r);
    return true;
}

static bool parse_operator(parser *p, requirement *r) {
    switch (p->token) {
    case T_IN: r->op = OP_IN; break;
    case T_NOT_IN: r->op = OP_NOT_IN; break;
    case T_EQUALS: r->op = OP_EQUALS; break;
    case T_DOUBLE_EQUALS: r->op = OP_DOUBLE_EQUALS; break;
    case T_NOT_EQUALS: r->op = OP_NOT_EQUALS; break;
    case T_GREATER: r->op = OP_GREATER; break;
    case T_LESS: r->op = OP_LESS; break;
    default: return fail_requirement(p, ", expected: in, notin, =, ==, !=, gt, lt");
    }
    scan(p);
    return r->op == OP_IN || r->op == OP_NOT_IN ? parse_values(p, r) : parse_exact(p, r);
}

/* The complaint, if any, becomes the parser's. */
static bool judge(parser *p, const ks_str *why) {
    if (why == NULL) return true;
    p->why = ks_str_printf(p->heap, "unable to parse requirement: %s", why->s);
    ks_str_unref(p->heap, why);
    return false;
}

static bool parse_requirement(parser *p, requirement *r) {
    bool not = p->token == T_NOT;
    if (not ) scan(p);
    if (!at_word(p)) return fail_requirement(p, ", expected: identifier");
    r->key = ks_intern(p->heap, p->text, p->len);
    scan(p);
    complaints c = {.buf = {p->heap, NULL, 0, 0}};
    check_key(&c, "<nil>", r->key);
    if (!judge(p, conclude(&c))) return false;
    r->op = not ? OP_NOT_EXISTS : OP_EXISTS;
    if (!not &&p->token != T_END && p->token != T_COMMA && !parse_operator(p, r)) return false;
    return judge(p, check(p->heap, r));
}

/* Requirements with commas between them. */
static bool parse_all(parser *p, ks_selector **selector) {
    scan(p);
    if (p->token == T_END) return true;
    if (!at_word(p) && p->token != T_NOT)
        return fail(p, "", ", expected: !, identifier, or 'end of string'");
    for (;;) {
        requirement r = {.values = KS_NOTHING};
        bool good = parse_requirement(p, &r);
        if (r.key != NULL) *selector = add(p->heap, *selector, r);
        if (!good) return false;
        if (p->token == T_END) return true;
        if (p->token != T_COMMA) return fail(p, "", ", expected: ',' or 'end of string'");
        scan(p);
        if (!at_word(p) && p->token != T_NOT)
            return fail(p, "", ", expected: identifier after ','");
    }
}

ks_selector *ks_selector_parse(ks_heap *heap, const char *s, size_t len, const ks_str **why) {
    parser p = {.heap = heap, .s = s, .end = s + len};
    ks_selector *selector = selector_new(heap, 2);
    bool good = parse_all(&p, &selector);
    *why = p.why;
    if (good) return selector;
    ks_selector_unref(heap, selector);
    return NULL;
}

/* --- matching --- */

static bool has_value(ks_val values, ks_val value) {
    if (value.type != KS_STRING) return false;
    ks_each(v, values) {
        if (ks_str_eq(v->s, value.s)) return true;
    }
    return false;
}

static bool beyond(const requirement *r, ks_val value) {
    int64_t number;
    if (value.type != KS_STRING || !ks_int_parse(value.s->s, value.s->len, &number)) return false;
    return r->op == OP_GREATER ? number > r->bound : number < r->bound;
}

static bool matches(const requirement *r, ks_val labels) {
    ks_val value = ks_get(labels, r->key);
    switch (r->op) {
    case OP_EQUALS:
    case OP_DOUBLE_EQUALS:
    case OP_IN: return has_value(r->values, value);
    case OP_NOT_EQUALS:
    case OP_NOT_IN: return !has_value(r->values, value);
    case OP_EXISTS: return value.type != KS_NONE;
    case OP_NOT_EXISTS: return value.type == KS_NONE;
    case OP_GREATER:
    case OP_LESS: return beyond(r, value);
    }
    return false;
}

bool ks_selector_matches(const ks_selector *selector, ks_val labels) {
    if (selector == NULL || selector->nothing) return false;
    for (uint32_t i = 0; i < selector->count; i++)
        if (!matches(&selector->requirements[i], labels)) return false;
    return true;
}

bool ks_selector_empty(const ks_selector *selector) {
    return selector != NULL && !selector->nothing && selector->count == 0;
}

/* --- printing --- */

static void print(ks_buf *buf, const requirement *r) {
    static const char *const before[] = {
        [OP_EQUALS] = "=",    [OP_DOUBLE_EQUALS] = "==", [OP_NOT_EQUALS] = "!=",
        [OP_IN] = " in (",    [OP_NOT_IN] = " notin (",  [OP_EXISTS] = "",
        [OP_NOT_EXISTS] = "", [OP_GREATER] = ">",        [OP_LESS] = "<",
    };
    if (r->op == OP_NOT_EXISTS) ks_buf_putc(buf, '!');
    ks_buf_str(buf, r->key);
    ks_buf_puts(buf, before[r->op]);
    for (uint32_t i = 0; i < ks_len(r->values); i++) {
        if (i > 0) ks_buf_putc(buf, ',');
        ks_buf_str(buf, ks_at(r->values, i).s);
    }
    if (r->op == OP_IN || r->op == OP_NOT_IN) ks_buf_putc(buf, ')');
}

ks_val ks_selector_text(ks_heap *heap, const ks_selector *selector) {
    ks_buf buf = {heap, NULL, 0, 0};
    for (uint32_t i = 0; selector != NULL && i < selector->count; i++) {
        if (i > 0) ks_buf_putc(&buf, ',');
        print(&buf, &selector->requirements[i]);
    }
    return ks_string_take(ks_buf_take(&buf));
}
