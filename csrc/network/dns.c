/*
 * network/dns.c - cluster DNS: what CoreDNS answers, as a function of the store.
 *
 * A name is cut into labels, looked up regardless of the type asked for (that decides whether it
 * exists), and what was found is turned into records of the type. Follows coredns plugin/kubernetes
 * (parse.go: parseRequest; kubernetes.go: Records, findServices, findPods; reverse.go) and
 * plugin/backend_lookup.go.
 */
#include "network/dns.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "network/endpoint.h"
#include "network/endpointslice.h"

enum { MAX_LABELS = 128, MAX_NAME = 255, MAX_CHAIN = 10, VERSION_TTL = 28800 };

const char *ks_dns_status_text(ks_dns_status status) {
    switch (status) {
    case KS_DNS_OK: return "NOERROR";
    case KS_DNS_NODATA: return "NODATA";
    case KS_DNS_NXDOMAIN: return "NXDOMAIN";
    case KS_DNS_REFUSED: return "REFUSED";
    }
    return "";
}

/* A name, and its labels in lower case. */
typedef struct dns_name {
    char text[MAX_NAME + 1];  /* as asked, without the trailing dot */
    char lower[MAX_NAME + 1]; /* the same, in lower case, cut at the dots */
    const char *labels[MAX_LABELS];
    int count;
} dns_name;

static bool parse_name(const char *s, size_t len, dns_name *name) {
    if (len && s[len - 1] == '.') len--;
    if (len > MAX_NAME) return false;
    memcpy(name->text, s, len);
    name->text[len] = 0;
    for (size_t i = 0; i < len; i++) name->lower[i] = (char)tolower((unsigned char)s[i]);
    name->lower[len] = 0;
    name->count = 0;
    for (char *at = name->lower; len && at;) {
        if (name->count == MAX_LABELS) return false;
        name->labels[name->count++] = at;
        char *dot = strchr(at, '.');
        if (dot) *dot++ = 0;
        at = dot;
    }
    return true;
}

/* Something a name leads to, before it becomes a record: CoreDNS's msg.Service. */
typedef struct candidate {
    const ks_str *address; /* an IP, or an external name; own reference */
    const ks_str *label;   /* the endpoint's name, own reference; NULL: the Service itself */
    int64_t port;          /* -1: none */
    bool external;         /* `address` is a name: CNAME */
} candidate;

/* One question being answered. */
typedef struct question {
    ks_sim *sim;
    ks_heap *heap;
    const dns_name *name;
    const char *type;
    int depth;                  /* of CNAMEs followed */
    const ks_str *service, *ns; /* own references; what the candidates belong to; NULL for pods */
    candidate *candidates;
    size_t count, capacity;
    ks_val records;
} question;

static ks_dns_status resolve(ks_sim *sim, const char *text, size_t len, const char *type, int depth,
                             ks_val *records);

static void add_candidate(question *q, const ks_str *address, const ks_str *label, int64_t port,
                          bool external) {
    if (q->count == q->capacity) {
        size_t capacity = q->capacity ? q->capacity * 2 : 8;
        q->candidates = ks_resize(q->heap, q->candidates, q->capacity * sizeof *q->candidates,
                                  capacity * sizeof *q->candidates);
        q->capacity = capacity;
    }
    q->candidates[q->count++] = (candidate){ks_str_ref(address), label, port, external};
}

static void question_dispose(question *q) {
    for (size_t i = 0; i < q->count; i++) {
        ks_str_unref(q->heap, q->candidates[i].address);
        ks_str_unref(q->heap, q->candidates[i].label);
    }
    ks_free(q->heap, q->candidates, q->capacity * sizeof *q->candidates);
    ks_str_unref(q->heap, q->service);
    ks_str_unref(q->heap, q->ns);
}

static bool is_ipv6(const ks_str *address) { return memchr(address->s, ':', address->len) != NULL; }

static bool is_ipv4_text(const char *s) {
    int parts = 0;
    while (parts < 4) {
        int value = 0, digits = 0;
        for (; isdigit((unsigned char)*s) && digits < 4; s++, digits++)
            value = value * 10 + (*s - '0');
        if (!digits || digits > 3 || value > 255 || (digits > 1 && s[-digits] == '0')) return false;
        parts++;
        if (parts < 4 && *s++ != '.') return false;
    }
    return !*s;
}

/* A plain form of IPv6: up to eight groups of hexadecimal digits, one '::'. */
static bool is_ipv6_text(const char *s) {
    int groups = 0, digits = 0;
    bool gap = false;
    if (s[0] == ':' && s[1] != ':') return false;
    for (; *s; s++) {
        if (*s == ':') {
            if (s[1] == ':') {
                if (gap) return false;
                gap = true;
                s++;
            } else if (!s[1]) {
                return false;
            }
            if (digits) groups++;
            digits = 0;
        } else if (!isxdigit((unsigned char)*s) || ++digits > 4) {
            return false;
        }
    }
    if (digits) groups++;
    return gap ? groups < 8 : groups == 8;
}

/* --- finding --- */

static const ks_object *find_namespace(const question *q, const char *name) {
    return ks_store_get_text(&q->sim->server.store, KS_NAMESPACE, NULL, name);
}

/* An endpoint's name: its hostname, else its address with dashes (kubernetes.go: endpointHostname).
 */
static const ks_str *endpoint_label(ks_heap *heap, ks_val endpoint, const ks_str *address) {
    const ks_str *hostname = ks_str_or_null(ks_get(endpoint, K(hostname)));
    if (hostname && hostname->len) return ks_str_ref(hostname);
    ks_buf label = {.heap = heap};
    for (size_t i = 0; i < address->len; i++)
        ks_buf_putc(&label, address->s[i] == '.' || address->s[i] == ':' ? '-' : address->s[i]);
    if (label.len && label.s[label.len - 1] == '-') ks_buf_putc(&label, '0');
    return ks_buf_take(&label);
}

/* A port filter's label may have one leading underscore. */
static const char *plain_label(const char *label) {
    return label && *label == '_' ? label + 1 : label;
}

/* Whether a port (of a Service or a slice) has that name and protocol; no filter: always. */
static bool port_matches(ks_val port, const char *name, const char *protocol) {
    if (!name) return true;
    return !strcasecmp(ks_text_or(ks_get(port, K(name)), ""), plain_label(name)) &&
           !strcasecmp(ks_text_or(ks_get(port, K(protocol)), "TCP"), plain_label(protocol));
}

static void add_endpoint(question *q, ks_val endpoint, ks_val ports, const char *wanted,
                         const char *port, const char *protocol) {
    if (!ks_bool_or(ks_get2(endpoint, K(conditions), K(ready)), true)) return;
    ks_each(address, ks_get(endpoint, K(addresses))) {
        const ks_str *text = ks_str_or_null(*address);
        if (!text) continue;
        const ks_str *label = endpoint_label(q->heap, endpoint, text);
        if (!wanted || !strcasecmp(label->s, wanted)) {
            if (!ks_len(ports) && !port) add_candidate(q, text, ks_str_ref(label), -1, false);
            ks_each(item, ports)
                if (port_matches(*item, port, protocol))
                    add_candidate(q, text, ks_str_ref(label), ks_int_or(ks_get(*item, K(port)), -1),
                                  false);
        }
        ks_str_unref(q->heap, label);
    }
}

static void add_cluster_ips(question *q, const ks_object *service, const char *port,
                            const char *protocol) {
    ks_each(item, ks_get(service->spec, K(ports))) {
        if (!port_matches(*item, port, protocol)) continue;
        ks_each(ip, ks_get(service->spec, K(clusterIPs)))
            add_candidate(q, ks_str_or_null(*ip), NULL, ks_int_or(ks_get(*item, K(port)), -1),
                          false);
    }
}

static bool is_address(const char *s) {
    return is_ipv4_text(s) || (strchr(s, ':') && is_ipv6_text(s));
}

/* default/kubernetes, whose port is https: what the API server puts back when somebody deletes it
 * (pkg/controlplane/controller/kubernetesservice) is known without the object, too. */
static ks_dns_status find_api_server(question *q, const char *endpoint, const char *port,
                                     const char *protocol) {
    bool is_https = !port || (!strcasecmp(plain_label(port), "https") &&
                              !strcasecmp(plain_label(protocol), "tcp"));
    if (endpoint || !is_https) return KS_DNS_NXDOMAIN;
    const ks_str *address = ks_str_of(q->heap, KS_API_SERVICE_ADDRESS);
    q->service = ks_str_of(q->heap, "kubernetes");
    q->ns = ks_str_of(q->heap, "default");
    add_candidate(q, address, NULL, 443, false);
    ks_str_unref(q->heap, address);
    return KS_DNS_OK;
}

/* kubernetes.go: findServices. */
static ks_dns_status find_service(question *q, const char *ns, const char *name,
                                  const char *endpoint, const char *port, const char *protocol) {
    if (!find_namespace(q, ns)) return KS_DNS_NXDOMAIN;
    const ks_object *service = ks_store_get_text(&q->sim->server.store, KS_SERVICE, ns, name);
    if (!service && !strcmp(ns, "default") && !strcmp(name, "kubernetes"))
        return find_api_server(q, endpoint, port, protocol);
    if (!service) return KS_DNS_NXDOMAIN;
    q->service = ks_str_ref(service->name);
    q->ns = ks_str_ref(service->ns);
    if (ks_text_is(ks_get(service->spec, K(type)), "ExternalName")) {
        const ks_str *target = ks_str_or_null(ks_get(service->spec, K(externalName)));
        if (endpoint || port || !target || is_address(target->s)) return KS_DNS_NXDOMAIN;
        add_candidate(q, target, NULL, -1, true);
    } else if (ks_service_is_headless(service) || endpoint) {
        for (ks_slice_walk walk = ks_slices_of(q->sim, service->ns, service->name);
             ks_slices_next(&walk);) {
            ks_val ports = ks_get(ks_doc(walk.slice), K(ports));
            ks_each(item, ks_get(ks_doc(walk.slice), K(endpoints)))
                add_endpoint(q, *item, ports, endpoint, port, protocol);
        }
    } else {
        add_cluster_ips(q, service, port, protocol);
    }
    return q->count ? KS_DNS_OK : KS_DNS_NXDOMAIN;
}

/* kubernetes.go: findPods, mode insecure: any address of a namespace that exists. */
static ks_dns_status find_pod(question *q, const char *ns, const char *label) {
    char address[MAX_NAME + 1];
    int dashes = 0;
    if (!find_namespace(q, ns)) return KS_DNS_NXDOMAIN;
    for (const char *s = label; *s; s++) dashes += *s == '-';
    bool v4 = dashes == 3 && !strstr(label, "--");
    size_t len = strlen(label);
    for (size_t i = 0; i <= len; i++) address[i] = label[i] == '-' ? (v4 ? '.' : ':') : label[i];
    if (v4 ? !is_ipv4_text(address) : !strchr(address, ':') || !is_ipv6_text(address))
        return KS_DNS_NXDOMAIN;
    const ks_str *text = ks_str_new(q->heap, address, len);
    add_candidate(q, text, NULL, 0, false);
    ks_str_unref(q->heap, text);
    return KS_DNS_OK;
}

/* Whether an inner node of the zone exists: it has no records of its own. */
static ks_dns_status inner_node(const question *q, bool exists) {
    if (!exists || !strcasecmp(q->type, "TXT")) return KS_DNS_NXDOMAIN;
    return KS_DNS_NODATA;
}

/* parse.go: parseRequest, with the labels in front of the zone. KS_DNS_OK: candidates were found.
 */
static ks_dns_status find_forward(question *q, int labels) {
    const char *const *l = q->name->labels;
    if (!labels) return inner_node(q, true);
    const char *kind = l[labels - 1];
    bool pod = !strcmp(kind, "pod"), service = !strcmp(kind, "svc");
    if (!pod && !service) return KS_DNS_NXDOMAIN;
    if (labels == 1) return inner_node(q, true);
    const char *ns = l[labels - 2];
    if (labels == 2) return inner_node(q, find_namespace(q, ns) != NULL);
    const char *name = l[labels - 3];
    if (pod) return labels <= 5 ? find_pod(q, ns, name) : KS_DNS_NXDOMAIN;
    switch (labels) {
    case 3: return find_service(q, ns, name, NULL, NULL, NULL);
    case 4: return find_service(q, ns, name, l[0], NULL, NULL);
    case 5: return find_service(q, ns, name, NULL, l[0], l[1]);
    default: return KS_DNS_NXDOMAIN;
    }
}

/* --- records --- */

static bool is_type(const question *q, const char *type) { return !strcasecmp(q->type, type); }

/* Adds a record {name, type, ttl, key: value}; takes over `value`. */
static void add_record(question *q, const char *name, const char *type, int64_t ttl,
                       const ks_str *key, ks_val value) {
    ks_heap *heap = q->heap;
    ks_val record = ks_map_of(heap, K(name), ks_text(heap, name), K(type), ks_text(heap, type),
                              K(ttl), ks_int(ttl), key, value, NULL);
    q->records = ks_append(heap, q->records, record);
}

static bool has_record(const question *q, const ks_str *key, const char *value) {
    ks_each(record, q->records)
        if (ks_text_is(ks_get(*record, key), value)) return true;
    return false;
}

/* A CNAME into the zone is given only if something of the type stands behind it; elsewhere it
 * always is. */
static void follow_cname(question *q, const char *target) {
    ks_val behind = KS_NOTHING;
    size_t len = strlen(target), zone_len = strlen(KS_DNS_ZONE);
    const char *zone = len > zone_len ? target + len - zone_len : NULL;
    bool inside = zone && zone[-1] == '.' && !strcasecmp(zone, KS_DNS_ZONE);
    if (q->depth >= MAX_CHAIN) return; /* names that lead to themselves, at the latest */
    if (inside && resolve(q->sim, target, len, q->type, q->depth + 1, &behind) != KS_DNS_OK) return;
    add_record(q, q->name->text, "CNAME", KS_DNS_TTL, K(target), ks_text(q->heap, target));
    ks_each(record, behind) q->records = ks_append(q->heap, q->records, ks_ref(*record));
    ks_unref(q->heap, behind);
}

/* backend_lookup.go: A, AAAA. */
static void address_records(question *q, bool v6) {
    for (size_t i = 0; i < q->count; i++) {
        const candidate *one = &q->candidates[i];
        if (one->external)
            follow_cname(q, one->address->s);
        else if (is_ipv6(one->address) == v6 && !has_record(q, K(address), one->address->s))
            add_record(q, q->name->text, v6 ? "AAAA" : "A", KS_DNS_TTL, K(address),
                       ks_string(one->address));
    }
}

static void cname_records(question *q) {
    for (size_t i = 0; i < q->count; i++)
        if (q->candidates[i].external)
            add_record(q, q->name->text, "CNAME", KS_DNS_TTL, K(target),
                       ks_string(q->candidates[i].address));
}

/* The zone as the client wrote it. */
static const char *zone_as_asked(const question *q) {
    return q->name->text + strlen(q->name->text) - strlen(KS_DNS_ZONE);
}

/* The name that an SRV record of this candidate points at. */
static ks_val srv_target(const question *q, const candidate *one) {
    if (!q->service) return ks_text(q->heap, q->name->text);
    return ks_format(q->heap, "%s%s%s.%s.svc.%s", one->label ? one->label->s : "",
                     one->label ? "." : "", q->service->s, q->ns->s, zone_as_asked(q));
}

/* backend_lookup.go: SRV. The weight counts all candidates, records are made of different ones. */
static void srv_records(question *q) {
    ks_heap *heap = q->heap;
    int64_t weight = q->count ? 100 / (int64_t)q->count : 0;
    if (weight < 1) weight = 1;
    for (size_t i = 0; i < q->count; i++) {
        const candidate *one = &q->candidates[i];
        if (one->external || one->port == -1) continue;
        ks_val target = srv_target(q, one);
        bool twice = false;
        ks_each(record, q->records)
            twice |= ks_equal(ks_get(*record, K(target)), target) &&
                     ks_int_or(ks_get(*record, K(port)), -1) == one->port;
        if (twice) {
            ks_unref(heap, target);
            continue;
        }
        ks_val record =
            ks_map_of(heap, K(name), ks_text(heap, q->name->text), K(type), ks_text(heap, "SRV"),
                      K(ttl), ks_int(KS_DNS_TTL), K(priority), ks_int(0), K(weight), ks_int(weight),
                      K(port), ks_int(one->port), K(target), target, NULL);
        q->records = ks_append(heap, q->records, record);
    }
}

static ks_dns_status answer(question *q) {
    if (is_type(q, "A"))
        address_records(q, false);
    else if (is_type(q, "AAAA"))
        address_records(q, true);
    else if (is_type(q, "SRV"))
        srv_records(q);
    else if (is_type(q, "CNAME"))
        cname_records(q);
    return ks_len(q->records) ? KS_DNS_OK : KS_DNS_NODATA;
}

/* --- special names --- */

static ks_dns_status version_record(question *q) {
    if (!is_type(q, "TXT")) return KS_DNS_NXDOMAIN;
    add_record(q, q->name->text, "TXT", VERSION_TTL, K(text), ks_text(q->heap, "\"1.1.0\""));
    return KS_DNS_OK;
}

/* plugin/backend_lookup.go: SOA. The serial is a Unix time; here that of the question. */
static ks_dns_status soa_record(question *q) {
    int64_t serial = ks_unix(&q->sim->world, q->sim->world.now);
    const char *zone = zone_as_asked(q);
    add_record(q, q->name->text, "SOA", KS_DNS_TTL, K(text),
               ks_format(q->heap, "ns.dns.%s. hostmaster.%s. %lld 7200 1800 86400 %d", zone, zone,
                         (long long)serial, KS_DNS_TTL));
    return KS_DNS_OK;
}

static ks_dns_status resolve_forward(question *q, int labels) {
    const char *const *l = q->name->labels;
    if (is_type(q, "SOA")) return labels ? KS_DNS_NODATA : soa_record(q);
    if (labels == 1 && !strcmp(l[0], "dns-version")) return version_record(q);
    if (labels == 2 && !strcmp(l[0], "ns") && !strcmp(l[1], "dns"))
        return is_type(q, "TXT") || is_type(q, "PTR") ? KS_DNS_NXDOMAIN : KS_DNS_NODATA;
    ks_dns_status status = find_forward(q, labels);
    return status == KS_DNS_OK ? answer(q) : status;
}

/* --- reverse names --- */

/* The address that a name below in-addr.arpa spells, into out (>= 16 bytes); false when it is none.
 */
static bool reverse_address(const dns_name *name, char *out) {
    if (name->count != 6) return false;
    for (int i = 3; i >= 0; i--) {
        size_t len = strlen(name->labels[i]);
        if (!len || len > 3) return false;
        memcpy(out, name->labels[i], len);
        out += len;
        *out++ = i ? '.' : 0;
    }
    return true;
}

static void add_pointer(question *q, ks_val target) {
    if (!has_record(q, K(target), ks_text_or(target, "")))
        add_record(q, q->name->text, "PTR", KS_DNS_TTL, K(target), target);
    else
        ks_unref(q->heap, target);
}

/* reverse.go: serviceRecordForIP. A cluster IP has one name; else every endpoint with that address
 * has one. */
static void reverse_records(question *q, const char *address) {
    const ks_store *store = &q->sim->server.store;
    if (!strcmp(address, KS_API_SERVICE_ADDRESS)) {
        add_pointer(q, ks_text(q->heap, "kubernetes.default.svc." KS_DNS_ZONE));
        return;
    }
    for (ks_walk walk = ks_walk_kind(store, KS_SERVICE, NULL); ks_walk_next(&walk);) {
        const ks_object *service = walk.object;
        ks_each(ip, ks_get(service->spec, K(clusterIPs)))
            if (ks_text_is(*ip, address)) {
                add_pointer(q, ks_format(q->heap, "%s.%s.svc." KS_DNS_ZONE, service->name->s,
                                         service->ns->s));
                return;
            }
    }
    for (ks_walk walk = ks_walk_kind(store, KS_ENDPOINTSLICE, NULL); ks_walk_next(&walk);) {
        const ks_object *slice = walk.object;
        const ks_str *service =
            ks_str_or_null(ks_get(slice->labels, K(kubernetes_io_service_name)));
        ks_each(endpoint, ks_get(ks_doc(slice), K(endpoints))) {
            if (!service || !ks_bool_or(ks_get2(*endpoint, K(conditions), K(ready)), true))
                continue;
            ks_each(ip, ks_get(*endpoint, K(addresses))) {
                if (!ks_text_is(*ip, address)) continue;
                const ks_str *label = endpoint_label(q->heap, *endpoint, ks_str_or_null(*ip));
                add_pointer(q, ks_format(q->heap, "%s.%s.%s.svc." KS_DNS_ZONE, label->s, service->s,
                                         slice->ns->s));
                ks_str_unref(q->heap, label);
            }
        }
    }
}

static ks_dns_status resolve_reverse(question *q) {
    char address[16];
    if (!reverse_address(q->name, address) || !is_ipv4_text(address)) return KS_DNS_NXDOMAIN;
    reverse_records(q, address);
    if (!ks_len(q->records)) return KS_DNS_NXDOMAIN;
    if (is_type(q, "PTR")) return KS_DNS_OK;
    ks_unref(q->heap, q->records);
    q->records = KS_NOTHING;
    return KS_DNS_NODATA;
}

/* --- the question --- */

static bool ends_with(const dns_name *name, const char *last, const char *top) {
    return name->count >= 2 && !strcmp(name->labels[name->count - 2], last) &&
           !strcmp(name->labels[name->count - 1], top);
}

static ks_dns_status resolve(ks_sim *sim, const char *text, size_t len, const char *type, int depth,
                             ks_val *records) {
    dns_name name;
    *records = KS_NOTHING;
    if (!strcasecmp(type, "AXFR") || !strcasecmp(type, "IXFR")) return KS_DNS_REFUSED;
    if (!parse_name(text, len, &name)) return KS_DNS_NXDOMAIN;
    question q = {.sim = sim, .heap = sim->world.heap, .name = &name, .type = type, .depth = depth};
    ks_dns_status status = KS_DNS_NXDOMAIN;
    if (ends_with(&name, "cluster", "local"))
        status = resolve_forward(&q, name.count - 2);
    else if (ends_with(&name, "in-addr", "arpa"))
        status = resolve_reverse(&q);
    *records = q.records;
    question_dispose(&q);
    return status;
}

ks_dns_status ks_dns_resolve(ks_sim *sim, const char *name, size_t len, const char *type,
                             ks_val *records) {
    return resolve(sim, name, len, type, 0, records);
}

ks_val ks_dns_additional(ks_sim *sim, ks_val records) {
    static const char *const types[] = {"A", "AAAA"};
    ks_heap *heap = sim->world.heap;
    ks_val additional = KS_NOTHING, found;
    ks_each(record, records) {
        const ks_str *target = ks_str_or_null(ks_get(*record, K(target)));
        if (target == NULL) continue;
        bool again = !ks_text_is(ks_get(*record, K(type)), "SRV");
        ks_each(other, additional)
            again |= ks_equal(ks_get(*other, K(name)), ks_get(*record, K(target)));
        for (size_t i = 0; i < 2 && !again; i++) {
            ks_dns_resolve(sim, target->s, target->len, types[i], &found);
            ks_each(item, found) additional = ks_append(heap, additional, ks_ref(*item));
            ks_unref(heap, found);
        }
    }
    return additional;
}
