/*
 * api/schema.c - looking things up in the tables of the API's types.
 *
 * Called by all that walk documents by type: decoding, patching, printing, explain.
 */
#include "api/schema_table.h"

#include <string.h>

const ks_field *ks_type_field(const ks_type *type, const ks_str *name) {
    /* Field names are symbols, and symbols stand sorted in their table: their places compare as texts.
     */
    uintptr_t at = (uintptr_t)name;
    if (at < (uintptr_t)ks_symbols || at >= (uintptr_t)(ks_symbols + KS_SYM_COUNT)) return NULL;
    uint16_t place = (uint16_t)(name - ks_symbols), low = 0, high = type->count;
    while (low < high) {
        uint16_t middle = (uint16_t)((low + high) / 2);
        const ks_field *field = ks_type_sorted(type, middle);
        if (field->name == place) return field;
        if (field->name < place)
            low = (uint16_t)(middle + 1);
        else
            high = middle;
    }
    return NULL;
}

const ks_type *ks_type_named(const char *name) {
    size_t low = 0, high = KS_TYPE_COUNT;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(ks_type_name(&ks_types[middle]), name);
        if (order == 0) return &ks_types[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
