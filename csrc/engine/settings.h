/*
 * engine/settings.h - named latencies, how images behave, which nodes are silent: what a user sets per cluster.
 *
 * X-macro: one line a latency: member, Lua name, default in milliseconds, what it is.
 */
#ifndef KS_ENGINE_SETTINGS_H
#define KS_ENGINE_SETTINGS_H

#include "base/tree.h"
#include "doc/val.h"

/* With `latency = 0` all are 0 (the lifetimes and flows recordings: a runtime that starts and stops at once). */
#define KS_LATENCIES(X)                                                                            \
    X(pull, "pull", 1500, "pulling an image that the node does not have")                          \
    X(registry, "registry", 1000,                                                                  \
      "asking the registry about an image that the node has, or that is not there")                \
    X(start, "start", 500, "sandbox, network and start of a container")                            \
    X(stop, "stop", 200, "exit of a process that obeys SIGTERM")                                   \
    X(cleanup, "cleanup", 800, "from the end of the last container to the pod leaving the API")    \
    X(provision, "provision", 800, "dynamic provisioning of a volume")                             \
    X(attach, "attach", 700, "attaching a volume to a node")                                       \
    X(detach, "detach", 700, "detaching a volume from a node")                                     \
    X(mount, "mount", 200, "mounting a volume into a pod")                                         \
    X(sync, "sync", 0, "the kubelet's way from a watch event to acting on it")

typedef struct ks_latencies {
#define KS_LATENCY_MEMBER(member, name, ms, what) int64_t member; /* ns */
    KS_LATENCIES(KS_LATENCY_MEMBER)
#undef KS_LATENCY_MEMBER
} ks_latencies;

/* An image's behaviour: cluster:image(name, {...}). Times in ns; KS_UNSET: the cluster's latency. */
#define KS_UNSET INT64_C(-1)
typedef enum ks_image_end {
    KS_ENDS_BY_ROLE, /* a server, or the work of an init container: that is done at once, with 0 */
    KS_RUNS_ON,      /* in any role */
    KS_ENDS,         /* by itself, in any role */
} ks_image_end;

typedef struct ks_image {
    uint32_t refs;
    const ks_str *name; /* "kubetm/app", as written in pods; "app:1" */
    uint64_t id;        /* names its Lua side (commands, http) to the hooks; 0: it has none */
    bool exists;        /* false: cannot be pulled */
    bool serves;        /* what it answers on HTTP is told: elsewhere nothing listens */
    int64_t pull, start;
    int64_t stop;        /* KS_NEVER: ignores SIGTERM */
    int64_t ready_after; /* without a readinessProbe: not ready before (an app that answers late) */
    ks_image_end end;
    int64_t exit_after; /* KS_ENDS: */
    int exit_code;
    const ks_str *exit_reason; /* "OOMKilled", or NULL: Completed / Error by code */
    const ks_str *start_error; /* the text of a start that fails, or NULL */
} ks_image;

/* Whether a node talks to the control plane. One that does renews its Lease every 10 s, which is not stored: what is stored counts only
 * for the others. */
typedef enum ks_silence {
    KS_TALKS,
    KS_SILENT,        /* it has a Lease because of that */
    KS_SILENT_LEASED, /* others had made one for it before */
} ks_silence;

typedef struct ks_settings {
    uint32_t refs;
    ks_latencies latency;
    bool manual_kubelet;
    ks_tree images; /* interned name -> ks_image */
    ks_tree
        silent; /* name of a node that is silent, or was -> ks_silence, or since when it talks */
} ks_settings;

ks_settings *ks_settings_new(ks_heap *heap);
ks_settings *ks_settings_ref(ks_settings *settings);
void ks_settings_unref(ks_heap *heap, ks_settings *settings);
/* A version that the caller alone may change (takes over `settings`; copies it when shared). */
ks_settings *ks_settings_own(ks_heap *heap, ks_settings *settings);
/* The behaviour of an image ("kubetm/app" is found for "kubetm/app:latest" too); a default one when unknown. Borrowed. */
const ks_image *ks_settings_image(const ks_settings *settings, const ks_str *name);
/* Takes over `image` (refs 1). */
void ks_settings_set_image(ks_heap *heap, ks_settings *settings, ks_image *image);
ks_silence ks_settings_silence(const ks_settings *settings, const ks_str *node);
/* Whether it was silent then, for who hears of what was written then only now: of several times only the last one is known. */
bool ks_settings_was_silent(const ks_settings *settings, const ks_str *node, int64_t instant);
/* From now on. Where that is something new, *settings is a version that nobody shares. */
void ks_settings_set_silence(ks_heap *heap, ks_settings **settings, const ks_str *node,
                             ks_silence silence, int64_t now);

#endif
