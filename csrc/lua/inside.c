/*
 * lua/inside.c - nodes, and pods from inside: driving and crashing them, logs, files, processes. Only conversion; the kubelet's
 * header says what each does.
 */
#include "lua/binding.h"

#include "kubelet/kubelet.h"
#include "kubelet/node.h"

/* A call about one pod: self, namespace, pod name, container or nil, then its own arguments. */
typedef struct visit {
    lua_State *L;
    ks_result *result;
    const ks_object *pod;
    const ks_str *container; /* borrowed from the pod, or NULL */
    int64_t number;
    bool flag, directory;
    int status;
    int64_t size, changed;
    const char *why; /* what came instead of an answer */
    ks_refusal *(*act)(ks_cluster *cluster, struct visit *v);
    bool any_container; /* the container need not run, or is not meant at all */
} visit;

/* Finds pod and container, then acts. */
static bool enter_pod(ks_cluster *cluster, void *arg) {
    visit *v = arg;
    ks_heap *heap = cluster->heap;
    const ks_str *ns = ks_lua_string(v->L, 2, heap), *name = ks_lua_string(v->L, 3, heap);
    const ks_str *container = ks_lua_string(v->L, 4, heap);
    ks_refusal *refusal = NULL;
    v->pod = ks_store_get(&cluster->sim->server.store, KS_POD, ns, name);
    if (v->pod == NULL)
        refusal = ks_refuse_not_found(heap, KS_POD, name);
    else
        v->pod = ks_object_ref(v->pod);
    v->container = container;
    if (refusal == NULL && !v->any_container)
        refusal = ks_kubelet_container(cluster->sim, v->pod, container, &v->container);
    if (refusal == NULL) refusal = v->act(cluster, v);
    ks_object_unref(heap, v->pod);
    ks_str_unref(heap, ns);
    ks_str_unref(heap, name);
    ks_str_unref(heap, container);
    v->result->refusal = refusal;
    return refusal == NULL;
}

static void check_pod(lua_State *L, visit *v) {
    v->L = L;
    luaL_checkstring(L, 2);
    luaL_checkstring(L, 3);
    luaL_optstring(L, 4, NULL);
}

static void run_visit(lua_State *L, visit *v) {
    ks_box *box = ks_lua_box(L);
    v->result = ks_lua_result(L, box);
    ks_lua_call(L, box, KS_LOOK, v->result, enter_pod, v);
}

/* The same for what changes the cluster. */
static void run_deed(lua_State *L, visit *v, ks_call call) {
    ks_box *box = ks_lua_idle_box(L);
    lua_settop(L, call.args);
    v->result = ks_lua_result(L, box);
    ks_lua_change(L, box, call, v->result, enter_pod, v);
    ks_lua_tell(L, box);
}

/* And for what asks an image's functions: nothing of the cluster changes, so the journal need not know. */
static void run_asking(lua_State *L, visit *v) {
    ks_box *box = ks_lua_idle_box(L);
    v->result = ks_lua_result(L, box);
    ks_lua_call(L, box, KS_CHANGE, v->result, enter_pod, v);
    ks_lua_tell(L, box);
}

static int finish(lua_State *L, visit *v) {
    ks_lua_push(L, v->result->value);
    ks_lua_release(v->result);
    return 1;
}

/* What came instead: nil, why. */
static int fail(lua_State *L, visit *v) {
    ks_lua_release(v->result);
    luaL_pushfail(L);
    lua_pushstring(L, v->why);
    return 2;
}

/* --- states --- */

static ks_refusal *act_drive(ks_cluster *cluster, visit *v) {
    return ks_kubelet_drive(cluster->sim, v->pod, lua_tostring(v->L, 5));
}

/* drive(self, namespace, pod, nil, state) */
static int inside_drive(lua_State *L) {
    visit v = {.act = act_drive, .any_container = true};
    check_pod(L, &v);
    luaL_checkstring(L, 5);
    run_deed(L, &v, (ks_call){KS_RECORD_drive, 5, 0});
    ks_lua_release(v.result);
    return 0;
}

static ks_refusal *act_crash(ks_cluster *cluster, visit *v) {
    const ks_str *reason = ks_lua_string(v->L, 6, cluster->heap);
    ks_refusal *refusal =
        ks_kubelet_crash(cluster->sim, v->pod, v->container, (int)v->number, reason);
    ks_str_unref(cluster->heap, reason);
    return refusal;
}

/* crash(self, namespace, pod, container|nil, exit_code, reason|nil) */
static int inside_crash(lua_State *L) {
    visit v = {.act = act_crash, .any_container = true};
    check_pod(L, &v);
    v.number = luaL_checkinteger(L, 5);
    luaL_optstring(L, 6, NULL);
    run_deed(L, &v, (ks_call){KS_RECORD_crash, 6, 0});
    ks_lua_release(v.result);
    return 0;
}

static ks_refusal *act_logs(ks_cluster *cluster, visit *v) {
    return ks_kubelet_logs(cluster->sim, v->pod, v->container, v->flag, &v->result->value);
}

/* logs(self, namespace, pod, container|nil, previous) -> text */
static int inside_logs(lua_State *L) {
    visit v = {.act = act_logs, .any_container = true};
    check_pod(L, &v);
    v.flag = lua_toboolean(L, 5);
    run_visit(L, &v);
    return finish(L, &v);
}

static ks_refusal *act_container(ks_cluster *cluster, visit *v) {
    (void)cluster;
    v->result->value = ks_string(v->container);
    return NULL;
}

/* container(self, namespace, pod, container|nil) -> the name of the running container that is meant */
static int inside_container(lua_State *L) {
    visit v = {.act = act_container};
    check_pod(L, &v);
    run_visit(L, &v);
    return finish(L, &v);
}

static ks_refusal *act_env(ks_cluster *cluster, visit *v) {
    v->result->value = ks_kubelet_env(cluster->sim, v->pod, v->container);
    return NULL;
}

/* container_env(self, namespace, pod, container|nil) -> {NAME = text} */
static int inside_env(lua_State *L) {
    visit v = {.act = act_env};
    check_pod(L, &v);
    run_visit(L, &v);
    return finish(L, &v);
}

static ks_refusal *act_mounts(ks_cluster *cluster, visit *v) {
    v->result->value = ks_kubelet_mounts(cluster->sim, v->pod, v->container);
    return NULL;
}

/* mounts(self, namespace, pod, container|nil) -> list of {path, source, volume, readOnly} */
static int inside_mounts(lua_State *L) {
    visit v = {.act = act_mounts};
    check_pod(L, &v);
    run_visit(L, &v);
    return finish(L, &v);
}

/* --- commands and HTTP --- */

static ks_refusal *act_command(ks_cluster *cluster, visit *v) {
    ks_heap *heap = cluster->heap;
    ks_lua_problem problem;
    ks_val argv = KS_NOTHING;
    if (!ks_lua_read(v->L, 5, heap, NULL, &argv, &problem))
        return ks_refuse_bad_request(heap, problem.text);
    const ks_str *text = ks_lua_string(v->L, 6, heap);
    ks_val input = text != NULL ? ks_string_take(text) : KS_NOTHING;
    v->flag = false;
    ks_kubelet_exec(cluster->sim, v->pod, v->container, argv, input, &v->flag, &v->result->value,
                    &v->result->more, &v->status);
    ks_unref(heap, input);
    ks_unref(heap, argv);
    return NULL;
}

/* image_command(self, namespace, pod, container|nil, argv, stdin|nil) -> handled, stdout, stderr, code */
static int inside_command(lua_State *L) {
    visit v = {.act = act_command};
    check_pod(L, &v);
    luaL_checktype(L, 5, LUA_TTABLE);
    luaL_optstring(L, 6, NULL);
    run_asking(L, &v);
    lua_pushboolean(L, v.flag);
    ks_lua_push(L, v.result->value);
    ks_lua_push(L, v.result->more);
    lua_pushinteger(L, v.status);
    ks_lua_release(v.result);
    return 4;
}

static ks_refusal *act_http(ks_cluster *cluster, visit *v) {
    ks_lua_problem problem;
    ks_val request = KS_NOTHING;
    if (!ks_lua_read(v->L, 6, cluster->heap, NULL, &request, &problem))
        return ks_refuse_bad_request(cluster->heap, problem.text);
    switch (ks_kubelet_http(cluster->sim, v->pod, NULL, (int)v->number, request, &v->status,
                            &v->result->value)) {
    case KS_HTTP_OK:
    case KS_HTTP_RAISED: v->why = NULL; break;
    case KS_HTTP_REFUSED: v->why = "refused"; break;
    case KS_HTTP_UNREACHABLE: v->why = "unreachable"; break;
    }
    ks_unref(cluster->heap, request);
    return NULL;
}

/* http(self, namespace, pod, port, request) -> status, body | nil, "refused"/"unreachable" */
static int inside_http(lua_State *L) {
    visit v = {.act = act_http, .any_container = true};
    luaL_checkinteger(L, 4);
    luaL_checktype(L, 5, LUA_TTABLE);
    lua_settop(L, 5);
    v.number = lua_tointeger(L, 4);
    lua_pushnil(L);
    lua_insert(L, 4); /* no container; the request is 6 now */
    check_pod(L, &v);
    run_asking(L, &v);
    if (v.why != NULL) return fail(L, &v);
    lua_pushinteger(L, v.status);
    ks_lua_push(L, v.result->value);
    ks_lua_release(v.result);
    return 2;
}

/* --- files: self, namespace, pod, container|nil, path, ... --- */

static ks_refusal *end_file(visit *v, ks_file_error error) {
    v->why = error != KS_FILE_OK ? ks_file_error_text(error) : NULL;
    return NULL;
}

static const char *path_of(const visit *v) { return lua_tostring(v->L, 5); }

static ks_refusal *act_read(ks_cluster *cluster, visit *v) {
    return end_file(
        v, ks_kubelet_file_read(cluster->sim, v->pod, v->container, path_of(v), &v->result->value));
}

static ks_refusal *act_write(ks_cluster *cluster, visit *v) {
    size_t len;
    const char *bytes = lua_tolstring(v->L, 6, &len);
    return end_file(v, ks_kubelet_file_write(cluster->sim, v->pod, v->container, path_of(v), bytes,
                                             len, v->flag));
}

static ks_refusal *act_list(ks_cluster *cluster, visit *v) {
    return end_file(
        v, ks_kubelet_file_list(cluster->sim, v->pod, v->container, path_of(v), &v->result->value));
}

static ks_refusal *act_mkdir(ks_cluster *cluster, visit *v) {
    return end_file(v,
                    ks_kubelet_file_mkdir(cluster->sim, v->pod, v->container, path_of(v), v->flag));
}

static ks_refusal *act_remove(ks_cluster *cluster, visit *v) {
    return end_file(
        v, ks_kubelet_file_remove(cluster->sim, v->pod, v->container, path_of(v), v->flag));
}

static ks_refusal *act_stat(ks_cluster *cluster, visit *v) {
    return end_file(v, ks_kubelet_file_stat(cluster->sim, v->pod, v->container, path_of(v),
                                            &v->directory, &v->size, &v->changed));
}

static void check_file(lua_State *L, visit *v) {
    check_pod(L, v);
    luaL_checkstring(L, 5);
}

static void look_at_file(lua_State *L, visit *v) {
    check_file(L, v);
    run_visit(L, v);
}

static void change_file(lua_State *L, visit *v, ks_call call) {
    check_file(L, v);
    run_deed(L, v, call);
}

/* file_read(..., path) -> text | nil, why */
static int file_read(lua_State *L) {
    visit v = {.act = act_read};
    look_at_file(L, &v);
    return v.why != NULL ? fail(L, &v) : finish(L, &v);
}

/* file_list(..., path) -> list of {name, directory, size, changed} | nil, why */
static int file_list(lua_State *L) {
    visit v = {.act = act_list};
    look_at_file(L, &v);
    return v.why != NULL ? fail(L, &v) : finish(L, &v);
}

static int done(lua_State *L, visit *v) {
    if (v->why != NULL) return fail(L, v);
    lua_pushboolean(L, true);
    return 1;
}

/* file_write(..., path, text, append) -> true | nil, why */
static int file_write(lua_State *L) {
    visit v = {.act = act_write, .flag = lua_toboolean(L, 7)};
    luaL_checkstring(L, 6);
    change_file(L, &v, (ks_call){KS_RECORD_file_write, 7, 0});
    return done(L, &v);
}

/* file_mkdir(..., path, parents) -> true | nil, why */
static int file_mkdir(lua_State *L) {
    visit v = {.act = act_mkdir, .flag = lua_toboolean(L, 6)};
    change_file(L, &v, (ks_call){KS_RECORD_file_mkdir, 6, 0});
    return done(L, &v);
}

/* file_remove(..., path, recursive) -> true | nil, why */
static int file_remove(lua_State *L) {
    visit v = {.act = act_remove, .flag = lua_toboolean(L, 6)};
    change_file(L, &v, (ks_call){KS_RECORD_file_remove, 6, 0});
    return done(L, &v);
}

/* file_stat(..., path) -> {directory, size, changed} | nil, why */
static int file_stat(lua_State *L) {
    visit v = {.act = act_stat};
    look_at_file(L, &v);
    if (v.why != NULL) return fail(L, &v);
    lua_createtable(L, 0, 3);
    lua_pushboolean(L, v.directory);
    lua_setfield(L, -2, "directory");
    lua_pushinteger(L, v.size);
    lua_setfield(L, -2, "size");
    lua_pushinteger(L, v.changed);
    lua_setfield(L, -2, "changed");
    return 1;
}

/* --- nodes --- */

static bool node_talks(ks_cluster *cluster, void *arg) {
    visit *v = arg;
    const ks_str *name = ks_lua_string(v->L, 2, cluster->heap);
    v->result->refusal =
        v->flag ? ks_node_recover(cluster->sim, name) : ks_node_fail(cluster->sim, name);
    ks_str_unref(cluster->heap, name);
    return v->result->refusal == NULL;
}

/* node_talks(self, name, talks): the node stops (false) or starts talking to the control plane */
static int inside_node_talks(lua_State *L) {
    ks_box *box = ks_lua_idle_box(L);
    visit v = {.L = L, .flag = lua_toboolean(L, 3)};
    luaL_checkstring(L, 2);
    lua_settop(L, 3);
    v.result = ks_lua_result(L, box);
    ks_lua_change(L, box, (ks_call){KS_RECORD_node_talks, 3, 0}, v.result, node_talks, &v);
    ks_lua_release(v.result);
    ks_lua_tell(L, box);
    return 0;
}

const luaL_Reg ks_lua_inside[] = {{"drive", inside_drive},
                                  {"crash", inside_crash},
                                  {"logs", inside_logs},
                                  {"container", inside_container},
                                  {"container_env", inside_env},
                                  {"container_kill", inside_crash},
                                  {"mounts", inside_mounts},
                                  {"image_command", inside_command},
                                  {"http", inside_http},
                                  {"file_read", file_read},
                                  {"file_write", file_write},
                                  {"file_list", file_list},
                                  {"file_mkdir", file_mkdir},
                                  {"file_remove", file_remove},
                                  {"file_stat", file_stat},
                                  {"node_talks", inside_node_talks},
                                  {NULL, NULL}};
