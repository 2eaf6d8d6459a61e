/*
 * lua/binding.h - what the files of the binding share.
 *
 * The binding checks nothing but types: lua/kubesim stands before it and words the errors
 * that people see. Each call has three parts: read the arguments (may raise), work inside the
 * core's door (must not raise: only Lua functions that allocate nothing), push the results (may
 * raise; what they are made of lies in a ks_result, which the collector frees).
 */
#ifndef KS_LUA_BINDING_H
#define KS_LUA_BINDING_H

#include <lauxlib.h>
#include <lua.h>

#include "cluster/cluster.h"
#include "cluster/filter.h"

#define KS_BOX_TYPE    "kubesim.core"
#define KS_RESULT_TYPE "kubesim.result"
#define KS_STATUS_TYPE                                                                             \
    "kubesim.Status"                  /* metatable of refusals; filled by lua/kubesim/status.lua */
#define KS_ARRAY_TYPE "kubesim.array" /* metatable of empty lists */

/* User values of a cluster's userdata. */
enum {
    KS_BOX_WATCHES = 1, /* watch id -> function */
    KS_BOX_IMAGES,      /* image id -> {commands, http} */
    KS_BOX_POLICIES,    /* list of {filter, score}; the userdata at [0] holds what C looks at */
    KS_BOX_ERROR,       /* what a hook raised */
    KS_BOX_SCRATCH,     /* a policy's state: the table of one scheduling attempt */
    KS_BOX_RESULT,      /* the result of the call before, for the next one */
    KS_BOX_VALUES = KS_BOX_RESULT,
};

typedef struct ks_watch {
    int64_t id;
    ks_kind kind;
    uint64_t since;   /* what happened up to this version is not for it */
    int64_t bookmark; /* the instant from which a bookmark is due; KS_NEVER: none wanted */
    ks_filter filter;
} ks_watch;

/* A change that waits to be told, and the last watch that has heard of it. */
typedef struct ks_told {
    const ks_change *change;
    int64_t heard;
} ks_told;

typedef struct ks_policies ks_policies;

typedef struct ks_replay ks_replay;

typedef struct ks_box {
    ks_cluster *cluster; /* NULL once closed */
    lua_State *L;        /* the Lua thread of the call in progress */
    int working;         /* calls in which the core is at work now: it may only be looked at */
    bool raised;         /* a hook has raised; the error is in KS_BOX_ERROR */
    bool stop;           /* a run has to return: there is something to tell */
    bool telling;        /* an outer call is telling watches */
    ks_watch *watches;
    size_t watch_count, watch_cap;
    int64_t last_watch;
    ks_told *queue; /* from `first` to `last` */
    size_t first, last, queue_cap;
    uint64_t next_image;
    const ks_policies *policies; /* anchored in KS_BOX_POLICIES */
    int64_t scratch_at;          /* the attempt that KS_BOX_SCRATCH belongs to */
    uint64_t scratch_pod;
    bool recording;    /* the call in progress is kept in the journal: so are answers of hooks */
    ks_replay *replay; /* whoever plays a journal answers for the hooks; NULL: they are asked */
} ks_box;

/* The methods that change a cluster, as the journal knows them. */
#define KS_RECORDED(X)                                                                             \
    X(write)                                                                                       \
    X(patch)                                                                                       \
    X(scale)                                                                                       \
    X(delete)                                                                                      \
    X(evict)                                                                                       \
    X(policy)                                                                                      \
    X(image)                                                                                       \
    X(drive)                                                                                       \
    X(crash)                                                                                       \
    X(file_write)                                                                                  \
    X(file_mkdir)                                                                                  \
    X(file_remove)                                                                                 \
    X(node_talks)                                                                                  \
    X(restart)                                                                                     \
    X(fail_writes)                                                                                 \
    X(lag)                                                                                         \
    X(route)
typedef enum ks_recorded {
    KS_RECORD_NONE, /* what the call does shows in how far the run has come: it lets time pass */
#define KS_RECORDED_ENUM(name) KS_RECORD_##name,
    KS_RECORDED(KS_RECORDED_ENUM)
#undef KS_RECORDED_ENUM
        KS_RECORD_new, /* the first entry: what core.new was given */
} ks_recorded;

/* A call as it comes into the journal: the method, and which of its arguments - from 2 to `args` - is a document that the body notes
 * (0: none). The others are written from the Lua stack, where they still are; KS_NOTED: the body has noted all. */
enum { KS_NOTED = -1 };
typedef struct ks_call {
    ks_recorded method;
    int args, document;
} ks_call;

/* What a call has made and not yet handed over. Everything in it is owned. */
typedef struct ks_result {
    ks_heap *heap;
    ks_val value, more, warnings;
    ks_refusal *refusal;
    const ks_object **objects; /* what was written, in order; NULL where there is none */
    size_t object_count, object_cap;
    bool idle; /* released: the next call may have it */
} ks_result;

/* --- convert.c --- */
/* Pushes a value: lists and maps as fresh tables. KS_NOTHING: nil. May raise. */
void ks_lua_push(lua_State *L, ks_val v);

/* What was wrong with a Lua value. */
typedef struct ks_lua_problem {
    char text[240];
} ks_lua_problem;
/* The value at an index as a document; `hint` (may be NULL) decides what {} means. Never raises;
 * within a guard. */
bool ks_lua_read(lua_State *L, int index, ks_heap *heap, const ks_spec *hint, ks_val *out,
                 ks_lua_problem *problem);
/* The same for a whole object of a kind: its own hint. */
bool ks_lua_read_object(lua_State *L, int index, ks_heap *heap, ks_kind kind, ks_val *out,
                        ks_lua_problem *problem);
/* A member of a table by text, without allocation or metamethods: pushes it (nil when absent). */
int ks_lua_member(lua_State *L, int index, const char *name);

/* --- views.c --- */
/* Pushes a value that the userdata at the stack place `result` owns: lists and maps as views, which read what they show where it
 * lies. What owns it must not let go of it early. */
void ks_lua_push_view(lua_State *L, ks_val v, int result);
/* The same for each item of a list, in a fresh table. */
void ks_lua_push_views(lua_State *L, ks_val list, int result);
/* Is there a view at this index, and of what? */
bool ks_lua_is_view(lua_State *L, int index, ks_val *out);
/* What the view at this index shows, in `heap`, as a new reference; false: there is no view. Never raises; within a guard. */
bool ks_lua_read_view(lua_State *L, int index, ks_heap *heap, ks_val *out);
/* Pushes a part of what the view at this index shows; null is nil. */
void ks_lua_push_shown(lua_State *L, ks_val part, int index);

/* --- unseen.c --- */
/* Pushes an object that was written, as a table that is filled when it is looked at. May raise. */
void ks_lua_push_unseen(lua_State *L, ks_heap *heap, const ks_object *object);
/* The object of a table that nobody has looked at, new, in `heap`; false for other tables. Never
 * raises; within a guard. */
bool ks_lua_read_unseen(lua_State *L, int index, ks_heap *heap, ks_val *out);
void ks_lua_open_unseen(lua_State *L);

/* --- status.c --- */
/* Pushes a refusal as a table of kubesim.Status. */
void ks_lua_push_refusal(lua_State *L, const ks_refusal *refusal);

/* --- cluster.c --- */
ks_box *ks_lua_box(lua_State *L);      /* argument 1, open; raises */
ks_box *ks_lua_idle_box(lua_State *L); /* the same, and the core is not at work */
/* A new, empty result on top of the stack. */
ks_result *ks_lua_result(lua_State *L, ks_box *box);
/* Runs `body` in the door. Raises what went wrong: no memory, a hook's error, the refusal. */
void ks_lua_call(lua_State *L, ks_box *box, ks_door door, ks_result *result,
                 bool (*body)(ks_cluster *cluster, void *arg), void *arg);
/* The same, through KS_CHANGE, for what changes the cluster: the journal has it if it is kept. */
void ks_lua_change(lua_State *L, ks_box *box, ks_call call, ks_result *result,
                   bool (*body)(ks_cluster *cluster, void *arg), void *arg);
/* The same, with a result of its own, for what gives nothing back. */
void ks_lua_do(lua_State *L, ks_box *box, ks_call call,
               bool (*body)(ks_cluster *cluster, void *arg), void *arg);
/* Keeps an object (taken over; may be NULL) as the next that was written. Within a guard. */
void ks_lua_keep(ks_result *result, const ks_object *object);
/* Frees what is in a result, early. */
void ks_lua_release(ks_result *result);
/* "default/web-0" arguments: texts at two stack places as borrowed strings made in the core's heap.
 * Within a guard. */
const ks_str *ks_lua_string(lua_State *L, int index, ks_heap *heap);

/* --- journal.c --- */
/* The document of the call in progress, borrowed, as it will be given to the method again: before anything is made of it. */
void ks_lua_note(ks_cluster *cluster, ks_val document);
/* Then comes the call, and the other arguments one by one (ks_pack); by the body itself if it is KS_NOTED. */
void ks_lua_note_call(ks_cluster *cluster, ks_call call);
ks_val ks_lua_patch_in_words(ks_heap *heap, ks_val call); /* of a patch; takes over, returns */
/* Puts the call into the journal. Within a guard; raises nothing. */
void ks_lua_record(lua_State *L, ks_cluster *cluster, ks_call call);
/* What a hook has answered. Within a guard. */
void ks_lua_record_answer(ks_box *box, ks_val answer);
int ks_lua_journal(lua_State *L);
/* The text of a call's name in journals. */
const char *ks_lua_recorded_name(ks_recorded method);
/* The first line says what the file is, the last one what it comes to. */
#define KS_JOURNAL_FORMAT "kubesim cluster, 1"

/* --- replay.c --- */
/* The next answer that the journal has, a new reference; KS_NOTHING: it has no more. Within a guard. */
ks_val ks_lua_replayed(ks_box *box);
/* An answer was not what the hook in question can have said. */
void ks_lua_replay_odd(ks_box *box);
int ks_lua_replay(lua_State *L);
int ks_lua_plain_file(lua_State *L); /* files.c */
int ks_lua_run_to(lua_State *L);

/* --- watch.c --- */
void ks_lua_hear(void *payload, const ks_change *change);
/* Calls the watches for all that waits; raises what they raise. The box is argument 1. */
void ks_lua_tell(lua_State *L, ks_box *box);
void ks_lua_forget(ks_box *box, size_t from);
void ks_lua_watches_free(ks_box *box);
int ks_lua_watch(lua_State *L);
int ks_lua_history(lua_State *L);
int ks_lua_unwatch(lua_State *L);

/* --- hooks.c --- */
extern const ks_hooks ks_lua_hooks;
int ks_lua_policy(lua_State *L);
int ks_lua_has_plugin(lua_State *L);
int ks_lua_image(lua_State *L);
/* Gives a fork the hooks of the box at `from`; the fork's userdata is on top of the stack. */
void ks_lua_share_hooks(lua_State *L, int from, const ks_box *original, ks_box *box);

/* --- the methods of the handle, by file --- */
extern const luaL_Reg ks_lua_verbs[], ks_lua_time[], ks_lua_looks[], ks_lua_inside[],
    ks_lua_network[], ks_lua_faults[];
/* --- the module's functions --- */
extern const luaL_Reg ks_lua_values[], ks_lua_types[], ks_lua_views[], ks_lua_unseen[],
    ks_lua_fields[], ks_lua_columns[];
/* Metatables of values.c and views.c. */
void ks_lua_open_values(lua_State *L);
void ks_lua_open_views(lua_State *L);

#endif
