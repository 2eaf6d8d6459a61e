/*
 * kubelet/mounts.c - files as a container sees them: which store a path lies in, and reading and changing what is there.
 *
 * A path belongs to the longest mount path that it begins with; what lies in no mount belongs to the container's own root, which
 * is new with every start. Contents are kept by backing storage: the volume handle, the NFS export, the node's path; so
 * all mounts of one volume see the same files, and a volume's files outlive pods and claims. Called by the binding (the shell).
 */
#include "engine/volumes.h"
#include "kubelet/worker.h"

#include <stdio.h>
#include <string.h>

/* Where a path lies. */
typedef struct place {
    ks_sim *sim;
    kubelet *k;
    const ks_object *pod;
    ks_val spec;    /* of the container */
    ks_buf path;    /* in the container, without "." and ".." */
    ks_buf store;   /* its store; empty: content that is made (config maps, ...) */
    ks_buf inside;  /* the path in the store, or in the made content ("" or "a/b") */
    size_t base;    /* so much of `inside` is the mount's root, which always exists */
    ks_val made;    /* map: path -> text */
    bool made_file; /* a sub path of made content: the mount point is itself a file */
    bool read_only, mounted, mount_point;
} place;

static void place_clear(place *p) {
    ks_buf_dispose(&p->path);
    ks_buf_dispose(&p->store);
    ks_buf_dispose(&p->inside);
    ks_unref(p->k->heap, p->made);
}

/* Appends the parts of `s` to `out` ("" is the root), resolving "." and "..". */
static void add_path(ks_buf *out, const char *s) {
    while (*s) {
        size_t len = strcspn(s, "/");
        if (len == 2 && s[0] == '.' && s[1] == '.') {
            while (out->len > 0 && out->s[--out->len] != '/')
                ;
            if (out->s) out->s[out->len] = '\0';
        } else if (len > 0 && !(len == 1 && s[0] == '.')) {
            ks_buf_putc(out, '/');
            ks_buf_add(out, s, len);
        }
        s += len;
        s += *s == '/';
    }
}

static const char *text_of(const ks_buf *b) { return b->s ? b->s : ""; }

/* `path` is `head` or lies below it; what follows in *rest. */
static bool below(const char *path, const char *head, const char **rest) {
    size_t len = strlen(head);
    while (len > 0 && head[len - 1] == '/') len--;
    if (strncmp(path, head, len) != 0 || (path[len] != '/' && path[len] != '\0')) return false;
    *rest = path + len;
    return true;
}

/* --- content that is made --- */

static ks_val put_file(ks_heap *heap, ks_val files, const char *path, ks_val text) {
    const ks_str *key = ks_intern_of(heap, path);
    files = ks_put(heap, files, key, text);
    ks_str_unref(heap, key);
    return files;
}

static ks_val object_files(place *p, ks_val files, ks_val source, ks_kind kind,
                           const ks_str *name) {
    ks_heap *heap = p->k->heap;
    const ks_object *o = name ? ks_store_get(&p->sim->server.store, kind, p->pod->ns, name) : NULL;
    ks_val items = ks_get(source, K(items));
    const ks_str *const parts[] = {K(data), K(binaryData)};
    for (int part = 0; o && part < 2; part++) {
        ks_val data = ks_get(ks_doc(o), parts[part]);
        for (uint32_t i = 0; i < ks_len(data); i++) {
            const ks_pair *pair = ks_pair_at(data, i);
            const char *path = ks_exists(items) ? NULL : pair->key->s;
            ks_each(item, items)
                if (ks_text_is(ks_get(*item, K(key)), pair->key->s))
                    path = ks_text_or(ks_get(*item, K(path)), NULL);
            bool encoded = part == 1 || kind == KS_SECRET;
            if (path)
                files = put_file(heap, files, path,
                                 encoded ? decode_base64(heap, pair->val) : ks_ref(pair->val));
        }
    }
    return files;
}

static ks_val downward_files(place *p, ks_val files, ks_val source) {
    ks_each(item, ks_get(source, K(items))) {
        ks_val field = ks_get(*item, K(fieldRef));
        ks_val text = ks_exists(field) ? field_value(p->sim, p->pod, field)
                                       : resource_value(p->sim, p->pod, p->spec,
                                                        ks_get(*item, K(resourceFieldRef)));
        files = put_file(p->k->heap, files, ks_text_or(ks_get(*item, K(path)), ""), text);
    }
    return files;
}

static ks_val source_files(place *p, ks_val files, ks_val source, bool projected) {
    ks_heap *heap = p->k->heap;
    ks_val part;
    if (ks_exists(part = ks_get(source, K(configMap))))
        return object_files(p, files, part, KS_CONFIGMAP, ks_str_or_null(ks_get(part, K(name))));
    if (ks_exists(part = ks_get(source, K(secret))))
        return object_files(p, files, part, KS_SECRET,
                            ks_str_or_null(ks_get(part, projected ? K(name) : K(secretName))));
    if (ks_exists(part = ks_get(source, K(downwardAPI)))) return downward_files(p, files, part);
    if (ks_exists(part = ks_get(source, K(serviceAccountToken))))
        return put_file(
            heap, files, ks_text_or(ks_get(part, K(path)), "token"),
            ks_format(heap, "kubesim.%016llx",
                      (unsigned long long)hash64(p->pod->uid->s, p->pod->uid->len, 31)));
    return files;
}

/* The files of a config map, secret, projected or downwardAPI volume; false: it is another kind of volume. */
static bool make_files(place *p, ks_val volume) {
    ks_val projected = ks_get(volume, K(projected));
    p->made = ks_map_new(p->k->heap, 4);
    if (ks_exists(projected)) {
        ks_each(source, ks_get(projected, K(sources)))
            p->made = source_files(p, p->made, *source, true);
        return true;
    }
    if (ks_exists(ks_get(volume, K(configMap))) || ks_exists(ks_get(volume, K(secret))) ||
        ks_exists(ks_get(volume, K(downwardAPI)))) {
        p->made = source_files(p, p->made, volume, false);
        return true;
    }
    ks_unref(p->k->heap, p->made);
    p->made = KS_NOTHING;
    return false;
}

/* --- stores --- */

static void host_store(place *p, const char *path) {
    ks_buf_printf(&p->store, "host:%s", p->pod && p->pod->node ? p->pod->node->s : "");
    add_path(&p->inside, path);
}

/* The store of a PersistentVolume, and where in it the volume begins. */
static void volume_store(place *p, const ks_object *pv) {
    ks_val source;
    if (ks_exists(source = ks_get(pv->spec, K(csi)))) {
        ks_buf_printf(&p->store, "csi:%s/%s", ks_text_or(ks_get(source, K(driver)), ""),
                      ks_text_or(ks_get(source, K(volumeHandle)), ""));
        p->read_only = p->read_only || ks_bool_or(ks_get(source, K(readOnly)), false);
    } else if (ks_exists(source = ks_get(pv->spec, K(nfs)))) {
        ks_buf_printf(&p->store, "nfs:%s", ks_text_or(ks_get(source, K(server)), ""));
        add_path(&p->inside, ks_text_or(ks_get(source, K(path)), ""));
        p->read_only = p->read_only || ks_bool_or(ks_get(source, K(readOnly)), false);
    } else if (ks_exists(source = ks_get(pv->spec, K(local)))) {
        host_store(p, ks_text_or(ks_get(source, K(path)), ""));
    } else if (ks_exists(source = ks_get(pv->spec, K(hostPath)))) {
        host_store(p, ks_text_or(ks_get(source, K(path)), ""));
    } else {
        ks_buf_printf(&p->store, "pv:%s", pv->uid->s);
    }
}

static void find_store(place *p, ks_val volume) {
    const ks_store *store = &p->sim->server.store;
    const char *name = ks_text_or(ks_get(volume, K(name)), "");
    ks_val source;
    if (make_files(p, volume)) {
        p->read_only = true;
    } else if (ks_exists(source = ks_get(volume, K(hostPath)))) {
        host_store(p, ks_text_or(ks_get(source, K(path)), ""));
    } else if (ks_exists(source = ks_get(volume, K(nfs)))) {
        ks_buf_printf(&p->store, "nfs:%s", ks_text_or(ks_get(source, K(server)), ""));
        add_path(&p->inside, ks_text_or(ks_get(source, K(path)), ""));
        p->read_only = ks_bool_or(ks_get(source, K(readOnly)), false);
    } else {
        const ks_str *claim = ks_volume_claim_name(p->k->heap, p->pod, volume);
        const ks_object *pvc = claim ? ks_store_claim_of(store, p->pod, claim) : NULL;
        const ks_object *pv = pvc ? ks_store_named_by(store, pvc) : NULL;
        p->read_only = ks_bool_or(ks_get2(volume, K(persistentVolumeClaim), K(readOnly)), false);
        if (pv)
            volume_store(p, pv);
        else
            ks_buf_printf(&p->store, "empty:%s/%s", p->pod->uid->s, name);
        ks_str_unref(p->k->heap, claim);
    }
}

static const ks_str *sub_path(place *p, ks_val mount, const ks_str *who) {
    ks_val sub = ks_get(mount, K(subPath)), expression = ks_get(mount, K(subPathExpr));
    if (ks_exists(expression)) {
        ks_val env = ks_kubelet_env(p->sim, p->pod, who);
        sub = expand(p->k->heap, expression, env);
        ks_unref(p->k->heap, env);
        return sub.s;
    }
    return ks_is(sub, KS_STRING) ? ks_str_ref(sub.s) : NULL;
}

static void enter_mount(place *p, ks_val mount, const ks_str *who, const char *rest) {
    ks_heap *heap = p->k->heap;
    p->mounted = true;
    p->mount_point = *rest == '\0';
    ks_each(volume, ks_get(p->pod->spec, K(volumes)))
        if (ks_equal(ks_get(*volume, K(name)), ks_get(mount, K(name)))) find_store(p, *volume);
    p->read_only = p->read_only || ks_bool_or(ks_get(mount, K(readOnly)), false);
    const ks_str *sub = sub_path(p, mount, who);
    if (sub) add_path(&p->inside, sub->s);
    ks_str_unref(heap, sub);
    p->base = p->inside.len;
    if (ks_exists(p->made) && p->inside.len > 0 &&
        ks_exists(ks_get_text(p->made, p->inside.s + 1, p->inside.len - 1)))
        p->made_file = true;
    add_path(&p->inside, rest);
}

/* Finds the place of a path. The container's name must be one of the pod's. */
static void locate(place *p, ks_sim *sim, const ks_object *pod, const ks_str *container_name_,
                   const char *path) {
    memset(p, 0, sizeof *p);
    p->sim = sim;
    p->k = ks_component_state(sim, &ks_kubelet);
    p->pod = pod;
    p->spec = spec_of_container(pod, container_name_);
    p->path.heap = p->store.heap = p->inside.heap = p->k->heap;
    add_path(&p->path, path);
    ks_val best = KS_NOTHING;
    const char *rest, *after = NULL;
    size_t longest = 0;
    ks_each(m, ks_get(p->spec, K(volumeMounts))) {
        ks_val at = ks_get(*m, K(mountPath));
        if (ks_is(at, KS_STRING) && at.s->len > longest &&
            below(text_of(&p->path), at.s->s, &rest)) {
            longest = at.s->len;
            best = *m;
            after = rest;
        }
    }
    if (ks_exists(best)) {
        enter_mount(p, best, container_name_, after);
        return;
    }
    const worker *w = ks_ids_get(&p->k->pods, pod->id);
    const container *c = w ? container_named(w, container_name_) : NULL;
    ks_buf_printf(&p->store, "root:%llu/%s/%d", (unsigned long long)pod->id, container_name_->s,
                  c ? c->restarts : 0);
    ks_buf_puts(&p->inside, text_of(&p->path));
}

/* --- what is there --- */

static const char *const standard[] = {
    "/bin", "/dev",  "/etc", "/home", "/lib", "/media", "/mnt", "/opt",     "/proc",   "/root",
    "/run", "/sbin", "/srv", "/sys",  "/tmp", "/usr",   "/var", "/var/log", "/var/run"};

/* Files that the kubelet puts into every container: pkg/kubelet/kubelet_pods.go (ensureHostsFile). New, or KS_NOTHING. */
static ks_val system_file(const place *p) {
    ks_heap *heap = p->k->heap;
    const char *path = text_of(&p->path);
    if (p->mounted || strncmp(path, "/etc/", 5) != 0) return KS_NOTHING;
    ks_val host = ks_kubelet_hostname(p->sim, p->pod);
    ks_val text = KS_NOTHING;
    const char *ns = p->pod->ns->s, *ip = ks_text_or(ks_get(p->pod->status, K(podIP)), "");
    if (!strcmp(path, "/etc/hostname")) {
        text = ks_format(heap, "%s\n", host.s->s);
    } else if (!strcmp(path, "/etc/resolv.conf")) {
        text = ks_format(
            heap,
            "search %s.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\n"
            "options ndots:5\n",
            ns);
    } else if (!strcmp(path, "/etc/hosts")) {
        const char *sub = ks_text_or(ks_get(p->pod->spec, K(subdomain)), "");
        ks_val own = *sub ? ks_format(heap, "%s\t%s.%s.%s.svc.cluster.local\t%s\n", ip, host.s->s,
                                      sub, ns, host.s->s)
                          : ks_format(heap, "%s\t%s\n", ip, host.s->s);
        text = ks_format(
            heap,
            "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost "
            "ip6-loopback\nfe00::\tip6-localnet\nfe00::\tip6-mcastprefix\nfe00::1\tip6-allnodes\n"
            "fe00::2\tip6-allrouters\n%s",
            own.s->s);
        ks_unref(heap, own);
    }
    ks_unref(heap, host);
    return text;
}

/* A directory that is there without having been made: roots, the usual ones, the way to a mount point. */
static bool implied_directory(const place *p) {
    const char *path = text_of(&p->path), *rest;
    if (!*path || (p->mounted && p->inside.len == p->base && !p->made_file)) return true;
    for (size_t i = 0; !p->mounted && i < sizeof standard / sizeof standard[0]; i++)
        if (!strcmp(path, standard[i])) return true;
    ks_each(m, ks_get(p->spec, K(volumeMounts))) {
        const char *at = ks_text_or(ks_get(*m, K(mountPath)), "");
        if (below(at, path, &rest) && *rest) return true;
    }
    return false;
}

typedef struct found {
    bool directory;
    ks_val text; /* new reference; of files */
    int64_t changed;
} found;

static const char *made_path(const place *p) {
    const char *s = text_of(&p->inside);
    return *s == '/' ? s + 1 : s;
}

static ks_file_error look_up(const place *p, found *f) {
    *f = (found){.text = KS_NOTHING};
    if (ks_exists(p->made)) {
        const char *path = made_path(p), *rest;
        ks_val text = ks_get_text(p->made, path, strlen(path));
        f->changed = p->pod->created;
        if (ks_exists(text)) {
            f->text = ks_ref(text);
            return KS_FILE_OK;
        }
        f->directory = true;
        for (uint32_t i = 0; i < ks_len(p->made); i++)
            if (below(ks_pair_at(p->made, i)->key->s, path, &rest) && *rest) return KS_FILE_OK;
        return implied_directory(p) ? KS_FILE_OK : KS_FILE_ABSENT;
    }
    const entry *e = store_find(p->k, text_of(&p->store), text_of(&p->inside));
    if (e) {
        f->directory = e->directory;
        f->changed = e->changed;
        if (!e->directory) f->text = e->bytes ? ks_string(e->bytes) : ks_text(p->k->heap, "");
        return KS_FILE_OK;
    }
    if (implied_directory(p)) {
        f->directory = true;
        f->changed = p->pod->created;
        return KS_FILE_OK;
    }
    f->text = system_file(p);
    f->changed = p->pod->created;
    return ks_exists(f->text) ? KS_FILE_OK : KS_FILE_ABSENT;
}

/* Whether the directory that the path lies in is there. */
static ks_file_error parent_there(ks_sim *sim, const ks_object *pod, const ks_str *who,
                                  const place *p) {
    ks_buf up = {p->k->heap, NULL, 0, 0};
    ks_buf_puts(&up, text_of(&p->path));
    ks_buf_puts(&up, "/..");
    place at;
    found f;
    locate(&at, sim, pod, who, up.s);
    ks_file_error error = look_up(&at, &f);
    if (!error && !f.directory) error = KS_FILE_NOT_DIRECTORY;
    ks_unref(p->k->heap, f.text);
    place_clear(&at);
    ks_buf_dispose(&up);
    return error;
}

const char *ks_file_error_text(ks_file_error error) {
    switch (error) {
    case KS_FILE_OK: return "Success";
    case KS_FILE_ABSENT: return "No such file or directory";
    case KS_FILE_IS_DIRECTORY: return "Is a directory";
    case KS_FILE_NOT_DIRECTORY: return "Not a directory";
    case KS_FILE_READ_ONLY: return "Read-only file system";
    case KS_FILE_EXISTS: return "File exists";
    case KS_FILE_NOT_EMPTY: return "Directory not empty";
    case KS_FILE_BUSY: return "Resource busy";
    }
    return "";
}

/* --- the calls --- */

ks_file_error ks_kubelet_file_read(ks_sim *sim, const ks_object *pod, const ks_str *who,
                                   const char *path, ks_val *out) {
    place p;
    found f;
    locate(&p, sim, pod, who, path);
    ks_file_error error = look_up(&p, &f);
    if (!error && f.directory) error = KS_FILE_IS_DIRECTORY;
    place_clear(&p);
    *out = f.text;
    return error;
}

ks_file_error ks_kubelet_file_stat(ks_sim *sim, const ks_object *pod, const ks_str *who,
                                   const char *path, bool *directory, int64_t *size,
                                   int64_t *changed) {
    place p;
    found f;
    locate(&p, sim, pod, who, path);
    ks_file_error error = look_up(&p, &f);
    if (directory) *directory = f.directory;
    if (size) *size = f.directory ? 4096 : ks_is(f.text, KS_STRING) ? f.text.s->len : 0;
    if (changed) *changed = ks_unix(&sim->world, f.changed);
    ks_unref(p.k->heap, f.text);
    place_clear(&p);
    return error;
}

ks_file_error ks_kubelet_file_write(ks_sim *sim, const ks_object *pod, const ks_str *who,
                                    const char *path, const char *bytes, size_t len, bool append) {
    place p;
    found f;
    locate(&p, sim, pod, who, path);
    ks_heap *heap = p.k->heap;
    ks_file_error error = look_up(&p, &f);
    if (!error && f.directory)
        error = KS_FILE_IS_DIRECTORY;
    else if (error == KS_FILE_ABSENT)
        error = parent_there(sim, pod, who, &p);
    if (!error && p.read_only) error = KS_FILE_READ_ONLY;
    if (!error) {
        ks_buf all = {heap, NULL, 0, 0};
        if (append && ks_is(f.text, KS_STRING)) ks_buf_str(&all, f.text.s);
        ks_buf_add(&all, bytes, len);
        store_put(p.k, text_of(&p.store), text_of(&p.inside), false, ks_buf_take(&all),
                  sim->world.now);
    }
    ks_unref(heap, f.text);
    place_clear(&p);
    return error;
}

ks_file_error ks_kubelet_file_mkdir(ks_sim *sim, const ks_object *pod, const ks_str *who,
                                    const char *path, bool parents) {
    place p;
    found f;
    locate(&p, sim, pod, who, path);
    ks_heap *heap = p.k->heap;
    ks_file_error error = look_up(&p, &f);
    ks_unref(heap, f.text);
    if (!error) {
        error = f.directory && parents ? KS_FILE_OK : KS_FILE_EXISTS;
        place_clear(&p);
        return error;
    }
    if (parents) {
        ks_buf up = {heap, NULL, 0, 0};
        ks_buf_printf(&up, "%s/..", text_of(&p.path));
        error = ks_kubelet_file_mkdir(sim, pod, who, up.s, true);
        ks_buf_dispose(&up);
    } else {
        error = parent_there(sim, pod, who, &p);
    }
    if (!error && p.read_only) error = KS_FILE_READ_ONLY;
    if (!error) store_put(p.k, text_of(&p.store), text_of(&p.inside), true, NULL, sim->world.now);
    place_clear(&p);
    return error;
}

/* --- listing --- */

static ks_val add_name(const place *p, ks_val list, const char *name, size_t len, bool directory,
                       int64_t size, int64_t changed) {
    ks_heap *heap = p->k->heap;
    uint32_t at = 0;
    for (; at < ks_len(list); at++) {
        const ks_str *other = ks_get(ks_at(list, at), K(name)).s;
        size_t least = other->len < len ? other->len : len;
        int order = memcmp(other->s, name, least);
        if (order == 0 && other->len == len) return list;
        if (order > 0 || (order == 0 && other->len > len)) break;
    }
    ks_val one = ks_map_of(heap, K(name), ks_textn(heap, name, len), K(directory),
                           ks_bool(directory), K(size), ks_int(size), K(changed),
                           ks_int(ks_unix(&p->sim->world, changed)), NULL);
    return ks_insert_at(heap, list, at, one);
}

static ks_val list_made(const place *p, ks_val list) {
    const char *dir = made_path(p), *rest;
    for (uint32_t i = 0; i < ks_len(p->made); i++) {
        const ks_pair *pair = ks_pair_at(p->made, i);
        rest = pair->key->s;
        if (*dir && (!below(pair->key->s, dir, &rest) || *rest++ != '/')) continue;
        size_t len = strcspn(rest, "/");
        bool directory = rest[len] == '/';
        list = add_name(p, list, rest, len, directory, directory ? 4096 : (int64_t)pair->val.s->len,
                        p->pod->created);
    }
    return list;
}

static ks_val list_store(const place *p, ks_val list) {
    ks_buf prefix = {p->k->heap, NULL, 0, 0};
    ks_buf_printf(&prefix, "%s/", text_of(&p->inside));
    const char *path = "";
    const entry *e;
    while ((e = store_next(p->k, text_of(&p->store), prefix.s, path, &path))) {
        const char *name = path + prefix.len;
        size_t len = strcspn(name, "/");
        bool deeper = name[len] == '/';
        int64_t size = deeper || e->directory ? 4096 : e->bytes ? (int64_t)e->bytes->len : 0;
        list = add_name(p, list, name, len, deeper || e->directory, size, e->changed);
    }
    ks_buf_dispose(&prefix);
    return list;
}

/* The usual directories, what the kubelet puts into /etc, and mount points. */
static ks_val list_implied(const place *p, ks_val list) {
    const char *dir = text_of(&p->path), *rest;
    for (size_t i = 0; !p->mounted && i < sizeof standard / sizeof standard[0]; i++)
        if (below(standard[i], dir, &rest) && *rest == '/' && !strchr(rest + 1, '/'))
            list = add_name(p, list, rest + 1, strlen(rest + 1), true, 4096, p->pod->created);
    static const char *const files[] = {"hostname", "hosts", "resolv.conf"};
    for (int i = 0; !p->mounted && i < 3 && !strcmp(dir, "/etc"); i++)
        list = add_name(p, list, files[i], strlen(files[i]), false, 64, p->pod->created);
    ks_each(m, ks_get(p->spec, K(volumeMounts))) {
        const char *at = ks_text_or(ks_get(*m, K(mountPath)), "");
        if (below(at, dir, &rest) && *rest == '/')
            list = add_name(p, list, rest + 1, strcspn(rest + 1, "/"), true, 4096, p->pod->created);
    }
    return list;
}

ks_file_error ks_kubelet_file_list(ks_sim *sim, const ks_object *pod, const ks_str *who,
                                   const char *path, ks_val *out) {
    place p;
    found f;
    locate(&p, sim, pod, who, path);
    ks_file_error error = look_up(&p, &f);
    ks_val list = ks_list_new(p.k->heap, 4);
    if (!error && !f.directory) {
        const char *slash = strrchr(text_of(&p.path), '/');
        list = add_name(&p, list, slash + 1, strlen(slash + 1), false,
                        ks_is(f.text, KS_STRING) ? f.text.s->len : 0, f.changed);
    } else if (!error) {
        list = ks_exists(p.made) ? list_made(&p, list) : list_store(&p, list);
        list = list_implied(&p, list);
    }
    ks_unref(p.k->heap, f.text);
    place_clear(&p);
    *out = list;
    return error;
}

ks_file_error ks_kubelet_file_remove(ks_sim *sim, const ks_object *pod, const ks_str *who,
                                     const char *path, bool recursive) {
    place p;
    found f;
    locate(&p, sim, pod, who, path);
    ks_file_error error = look_up(&p, &f);
    ks_unref(p.k->heap, f.text);
    const entry *e =
        error || ks_exists(p.made) ? NULL : store_find(p.k, text_of(&p.store), text_of(&p.inside));
    if (!error && f.directory && !recursive) error = KS_FILE_IS_DIRECTORY;
    if (!error && implied_directory(&p)) error = KS_FILE_BUSY;
    if (!error && p.read_only) error = KS_FILE_READ_ONLY;
    if (!error && !e)
        error = KS_FILE_BUSY; /* /etc/hosts and its like are mounts of the kubelet's */
    if (!error) store_remove(p.k, text_of(&p.store), text_of(&p.inside));
    place_clear(&p);
    return error;
}

ks_val ks_kubelet_mounts(ks_sim *sim, const ks_object *pod, const ks_str *who) {
    ks_val list = KS_NOTHING;
    ks_heap *heap = sim->world.heap;
    ks_each(m, ks_get(spec_of_container(pod, who), K(volumeMounts))) {
        place p;
        locate(&p, sim, pod, who, ks_text_or(ks_get(*m, K(mountPath)), "/"));
        list = ks_append(heap, list,
                         ks_map_of(heap, K(path), ks_ref(ks_get(*m, K(mountPath))), K(volume),
                                   ks_ref(ks_get(*m, K(name))), K(source),
                                   ks_text(heap, ks_exists(p.made) ? "tmpfs" : text_of(&p.store)),
                                   K(readOnly), ks_bool(p.read_only), NULL));
        place_clear(&p);
    }
    return ks_exists(list) ? list : ks_list_new(heap, 0);
}

/* --- what the kubelet makes and looks for --- */

void files_sub_paths(turn *t, const container *c) {
    ks_each(m, ks_get(container_spec(t->w, c), K(volumeMounts))) {
        if (!ks_exists(ks_get(*m, K(subPath))) && !ks_exists(ks_get(*m, K(subPathExpr)))) continue;
        place p;
        locate(&p, t->sim, t->pod, container_name(t->w, c),
               ks_text_or(ks_get(*m, K(mountPath)), "/"));
        if (p.store.len && p.inside.len && !store_find(t->k, text_of(&p.store), text_of(&p.inside)))
            store_put(t->k, text_of(&p.store), text_of(&p.inside), true, NULL, t->now);
        place_clear(&p);
    }
}

/* Whether a node has something at a path (hostPath volumes). */
bool files_on_node(const kubelet *k, const ks_str *node, const char *path, bool *directory) {
    ks_buf store = {k->heap, NULL, 0, 0}, at = {k->heap, NULL, 0, 0};
    ks_buf_printf(&store, "host:%s", node->s);
    add_path(&at, path);
    const entry *e = store_find(k, store.s, text_of(&at));
    *directory = !e || e->directory;
    bool there = e || !at.len;
    for (size_t i = 0; i < sizeof standard / sizeof standard[0]; i++)
        there = there || !strcmp(text_of(&at), standard[i]);
    ks_buf_putc(&at, '/');
    const char *any;
    there = there || store_next(k, store.s, at.s, "", &any);
    ks_buf_dispose(&store);
    ks_buf_dispose(&at);
    return there;
}

void files_make_directory(kubelet *k, const ks_str *node, const char *path, int64_t now) {
    ks_buf store = {k->heap, NULL, 0, 0}, at = {k->heap, NULL, 0, 0};
    ks_buf_printf(&store, "host:%s", node->s);
    add_path(&at, path);
    if (at.len) store_put(k, store.s, at.s, true, NULL, now);
    ks_buf_dispose(&store);
    ks_buf_dispose(&at);
}

/* --- ends --- */

/* A pod is gone: its empty directories and its containers' roots with it. */
void files_forget_pod(kubelet *k, const worker *w, uint64_t id) {
    if (!k->files.count) return;
    char name[512];
    for (uint32_t i = 0; i < w->count; i++)
        for (int32_t n = 0; n <= w->containers[i].restarts; n++) {
            snprintf(name, sizeof name, "root:%llu/%s/%d", (unsigned long long)id,
                     container_name(w, &w->containers[i])->s, n);
            store_drop(k, name);
        }
    ks_each(volume, spec_volumes(w))
        if (w->uid) {
            snprintf(name, sizeof name, "empty:%s/%s", w->uid->s,
                     ks_text_or(ks_get(*volume, K(name)), ""));
            store_drop(k, name);
        }
}

/* A volume whose storage is deleted with it loses its files; a recycled one is emptied. */
void files_volume_changed(kubelet *k, const ks_change *change) {
    const ks_object *pv = change->object;
    bool gone = change->type == KS_DELETED &&
                ks_text_is(ks_get(pv->spec, K(persistentVolumeReclaimPolicy)), "Delete");
    bool recycled = change->old && change->old->phase == 'R' && pv->phase == 'A' &&
                    ks_text_is(ks_get(pv->spec, K(persistentVolumeReclaimPolicy)), "Recycle");
    if (!k->files.count || (!gone && !recycled)) return;
    place p;
    memset(&p, 0, sizeof p);
    p.k = k;
    p.path.heap = p.store.heap = p.inside.heap = k->heap;
    if (ks_exists(ks_get(pv->spec, K(local))) || ks_exists(ks_get(pv->spec, K(hostPath))))
        return; /* a path on some node: nobody cleans it but the provisioner that made it */
    volume_store(&p, pv);
    if (p.inside.len)
        store_remove(k, text_of(&p.store), text_of(&p.inside));
    else
        store_drop(k, text_of(&p.store));
    place_clear(&p);
}
