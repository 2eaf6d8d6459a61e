/*
 * kubelet/kubelet.h - the kubelets of all nodes, and what a person does to pods through them.
 *
 * The component runs pods that are bound to a node: volumes, images, containers, probes, restarts, the end.
 * The functions below are for cluster/ and lua/: driving pods by hand, crashing containers, exec, files, HTTP,
 * logs. They may write to the API server, as a kubelet does.
 */
#ifndef KS_KUBELET_KUBELET_H
#define KS_KUBELET_KUBELET_H

#include "engine/sim.h"
#include "kubelet/node.h"

extern const ks_component ks_kubelet;

/* Manual mode (settings->manual_kubelet): reports `pod` as "running", "ready", "unready", "failed", "succeeded", or as
 * "gone" (its containers have ended: the object leaves the API). Another word: 400. */
ks_refusal *ks_kubelet_drive(ks_sim *sim, const ks_object *pod, const char *state);

/* Ends the process of a running container (`container` NULL: the first one) with an exit code; `reason` NULL: by the code.
 * Refused (400) when it does not run. */
ks_refusal *ks_kubelet_crash(ks_sim *sim, const ks_object *pod, const ks_str *container,
                             int exit_code, const ks_str *reason);

/* --- a container from inside: the small core on which the shell (Lua) stands --- */

/* The container that exec means (`name` NULL: annotation kubectl.kubernetes.io/default-container, else the first), when it runs: its name, borrowed from
 * the pod, in *out. Refused with the API server's or kubelet's text when there is none of that name or it does not run. */
ks_refusal *ks_kubelet_container(ks_sim *sim, const ks_object *pod, const ks_str *name,
                                 const ks_str **out);

/* Its environment: a map name -> text: HOSTNAME, PATH, KUBERNETES_*, service variables (enableServiceLinks), envFrom, env with
 * $(NAME) expanded. A new reference. */
ks_val ks_kubelet_env(ks_sim *sim, const ks_object *pod, const ks_str *container);
/* Its hostname. A new reference. */
ks_val ks_kubelet_hostname(ks_sim *sim, const ks_object *pod);

/* An image's own command (cluster:image{commands=}): *handled false when it has none of that name. `argv` and `input` are
 * borrowed; *out, *err are new references. `err` NULL: only what a failure said is wanted, in *out. Returns false when the hook raised
 * (ks_sim_fail has been called). */
bool ks_kubelet_exec(ks_sim *sim, const ks_object *pod, const ks_str *container, ks_val argv,
                     ks_val input, bool *handled, ks_val *out, ks_val *err, int *code);

/* An HTTP request to a pod. `pod` NULL: the one with address `ip`. `request`: {method, path, body} (borrowed). `body` NULL: nobody wants
 * it, and any status that is fine is as good as another. */
typedef enum ks_http_answer {
    KS_HTTP_OK,          /* *status and *body (new reference) are set */
    KS_HTTP_REFUSED,     /* the pod runs, nothing listens there: connection refused */
    KS_HTTP_UNREACHABLE, /* no running pod has that address, or its node is lost: no route, time-out */
    KS_HTTP_RAISED,      /* the hook raised */
} ks_http_answer;
ks_http_answer ks_kubelet_http(ks_sim *sim, const ks_object *pod, const char *ip, int port,
                               ks_val request, int *status, ks_val *body);

/* What a container has written to its output, a new reference. `previous`: the instance before. Refused as the kubelet words it. */
ks_refusal *ks_kubelet_logs(ks_sim *sim, const ks_object *pod, const ks_str *container,
                            bool previous, ks_val *out);

/* --- files, as a container sees them: mounts, subPath and readOnly honoured --- */
typedef enum ks_file_error {
    KS_FILE_OK,
    KS_FILE_ABSENT, /* No such file or directory */
    KS_FILE_IS_DIRECTORY,
    KS_FILE_NOT_DIRECTORY,
    KS_FILE_READ_ONLY, /* Read-only file system */
    KS_FILE_EXISTS,
    KS_FILE_NOT_EMPTY,
    KS_FILE_BUSY, /* a mount point */
} ks_file_error;
/* The words of the C library for it ("No such file or directory"). */
const char *ks_file_error_text(ks_file_error error);
/* `path` is absolute; "." and ".." are resolved. The container must run (ks_kubelet_container). */
ks_file_error ks_kubelet_file_read(ks_sim *sim, const ks_object *pod, const ks_str *container,
                                   const char *path, ks_val *out);
ks_file_error ks_kubelet_file_write(ks_sim *sim, const ks_object *pod, const ks_str *container,
                                    const char *path, const char *bytes, size_t len, bool append);
/* Names in a directory, sorted: list of {name, directory, size, changed}. Of a file: a list with itself. */
ks_file_error ks_kubelet_file_list(ks_sim *sim, const ks_object *pod, const ks_str *container,
                                   const char *path, ks_val *out);
ks_file_error ks_kubelet_file_mkdir(ks_sim *sim, const ks_object *pod, const ks_str *container,
                                    const char *path, bool parents);
ks_file_error ks_kubelet_file_remove(ks_sim *sim, const ks_object *pod, const ks_str *container,
                                     const char *path, bool recursive);
/* What is at a path: *directory, *size, *changed (seconds since the epoch). Pointers may be NULL. */
ks_file_error ks_kubelet_file_stat(ks_sim *sim, const ks_object *pod, const ks_str *container,
                                   const char *path, bool *directory, int64_t *size,
                                   int64_t *changed);
/* The mounts of a container: list of {path, source, volume, readOnly}, for mount and df. A new reference. */
ks_val ks_kubelet_mounts(ks_sim *sim, const ks_object *pod, const ks_str *container);

/* --- nodes --- */
/* The kubelet of a node talks to the control plane again. Called by ks_node_recover(). */
void ks_kubelet_node_found(ks_sim *sim, const ks_str *name);
/* Deals out the next range of pod addresses for a node that holds up to `pods` pods: "10.244.3.0/24" into out (>= 20 bytes). */
void ks_kubelet_deal_net(ks_sim *sim, int64_t pods, char *out, size_t size);

#endif
