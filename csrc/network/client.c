/*
 * network/client.c - the pod's side of names: its resolv.conf, its hosts file, and looking a name
 * up through them.
 */
#include "network/client.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "network/endpoint.h"

enum { MAX_NAMESERVERS = 3, MAX_SEARCHES = 32, HOSTNAME_MAX = 63 };

static bool has_item(ks_val list, ks_val item) {
    ks_each(other, list)
        if (ks_equal(*other, item)) return true;
    return false;
}

/* Appends what is not there yet, up to `max`. */
static ks_val append_new(ks_heap *heap, ks_val list, ks_val items, uint32_t max) {
    ks_each(item, items)
        if (!has_item(list, *item) && ks_len(list) < max)
            list = ks_append(heap, list, ks_ref(*item));
    return list;
}

/* What the policy gives, before dnsConfig: of the node, or of the cluster. */
static void policy_config(ks_heap *heap, const ks_str *ns, const ks_object *pod, ks_val *servers,
                          ks_val *searches, ks_val *options) {
    ks_val spec = pod ? pod->spec : KS_NOTHING;
    const char *policy = ks_text_or(ks_get(spec, K(dnsPolicy)), "ClusterFirst");
    bool host = ks_bool_or(ks_get(spec, K(hostNetwork)), false);
    bool cluster =
        !strcmp(policy, "ClusterFirstWithHostNet") || (!strcmp(policy, "ClusterFirst") && !host);
    *servers = ks_list_new(heap, 1);
    *searches = ks_list_new(heap, 4);
    *options = ks_list_new(heap, 1);
    if (cluster) {
        *servers = ks_append(heap, *servers, ks_text(heap, KS_DNS_ADDRESS));
        *searches = ks_append(heap, *searches, ks_format(heap, "%s.svc." KS_DNS_ZONE, ns->s));
        *searches = ks_append(heap, *searches, ks_text(heap, "svc." KS_DNS_ZONE));
        *searches = ks_append(heap, *searches, ks_text(heap, KS_DNS_ZONE));
        *options = ks_append(heap, *options, ks_text(heap, "ndots:5"));
    } else if (strcmp(policy, "None") != 0) {
        *servers = ks_append(heap, *servers, ks_text(heap, KS_NODE_DNS));
    }
}

/* An option as resolv.conf writes it: "name:value" or "name". */
static ks_val option_text(ks_heap *heap, ks_val option) {
    ks_val value = ks_get(option, K(value));
    const char *name = ks_text_or(ks_get(option, K(name)), "");
    if (ks_text_is(value, "") || !ks_exists(value)) return ks_text(heap, name);
    return ks_format(heap, "%s:%s", name, ks_text_or(value, ""));
}

/* dns.go: mergeDNSOptions. An option of the pod replaces one of the same name. */
static ks_val merge_options(ks_heap *heap, ks_val options, ks_val more) {
    ks_each(option, more) {
        const char *name = ks_text_or(ks_get(*option, K(name)), "");
        size_t len = strlen(name);
        for (uint32_t i = 0; i < ks_len(options);) {
            const char *there = ks_text_or(ks_at(options, i), "");
            if (!strncmp(there, name, len) && (!there[len] || there[len] == ':'))
                options = ks_remove_at(heap, options, i);
            else
                i++;
        }
        options = ks_append(heap, options, option_text(heap, *option));
    }
    return options;
}

ks_val ks_dns_config(ks_sim *sim, const ks_str *ns, const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    ks_val servers, searches, options;
    policy_config(heap, ns, pod, &servers, &searches, &options);
    ks_val own = pod ? ks_get(pod->spec, K(dnsConfig)) : KS_NOTHING;
    servers = append_new(heap, servers, ks_get(own, K(nameservers)), MAX_NAMESERVERS);
    searches = append_new(heap, searches, ks_get(own, K(searches)), MAX_SEARCHES);
    options = merge_options(heap, options, ks_get(own, K(options)));
    return ks_map_of(heap, K(nameservers), servers, K(searches), searches, K(options), options,
                     NULL);
}

static void add_line(ks_buf *out, const char *word, ks_val items) {
    if (!ks_len(items)) return;
    ks_buf_puts(out, word);
    ks_each(item, items) {
        ks_buf_putc(out, ' ');
        ks_buf_puts(out, ks_text_or(*item, ""));
    }
    ks_buf_putc(out, '\n');
}

ks_val ks_dns_resolv_conf(ks_sim *sim, const ks_str *ns, const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    ks_val config = ks_dns_config(sim, ns, pod);
    ks_buf out = {.heap = heap};
    add_line(&out, "search", ks_get(config, K(searches)));
    ks_each(server, ks_get(config, K(nameservers)))
        ks_buf_printf(&out, "nameserver %s\n", ks_text_or(*server, ""));
    add_line(&out, "options", ks_get(config, K(options)));
    ks_unref(heap, config);
    return ks_string_take(ks_buf_take(&out));
}

/* kubelet_pods.go: GeneratePodHostNameAndDomain, truncatePodHostnameIfNeeded. */
ks_val ks_pod_hostname(ks_sim *sim, const ks_object *pod, bool full) {
    ks_heap *heap = sim->world.heap;
    const ks_str *given = ks_str_or_null(ks_get(pod->spec, K(hostname)));
    const ks_str *override = ks_str_or_null(ks_get(pod->spec, K(hostnameOverride)));
    const ks_str *subdomain = ks_str_or_null(ks_get(pod->spec, K(subdomain)));
    bool as_fqdn = ks_bool_or(ks_get(pod->spec, K(setHostnameAsFQDN)), false);
    if (ks_bool_or(ks_get(pod->spec, K(hostNetwork)), false) && pod->node)
        return ks_string(pod->node);
    if (override && override->len) return ks_string(override);
    const ks_str *host = given && given->len ? given : pod->name;
    size_t len = host->len < HOSTNAME_MAX ? host->len : HOSTNAME_MAX;
    while (len && len < host->len && (host->s[len - 1] == '-' || host->s[len - 1] == '.')) len--;
    if (!(full || as_fqdn) || !subdomain || !subdomain->len) return ks_textn(heap, host->s, len);
    return ks_format(heap, "%.*s.%s.%s.svc." KS_DNS_ZONE, (int)len, host->s, subdomain->s,
                     pod->ns->s);
}

/* kubelet_pods.go: managedHostsFileContent, nodeHostsFileContent. */
ks_val ks_dns_hosts(ks_sim *sim, const ks_object *pod) {
    ks_heap *heap = sim->world.heap;
    bool host_network = ks_bool_or(ks_get(pod->spec, K(hostNetwork)), false);
    ks_buf out = {.heap = heap};
    ks_buf_puts(&out, host_network ? "# Kubernetes-managed hosts file (host network).\n"
                                   : "# Kubernetes-managed hosts file.\n");
    ks_buf_puts(
        &out,
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n"
        "fe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n");
    const ks_str *ip = ks_pod_ip(pod);
    if (ip) {
        ks_val host = ks_pod_hostname(sim, pod, false), full = ks_pod_hostname(sim, pod, true);
        if (host_network || ks_equal(host, full))
            ks_buf_printf(&out, "%s\t%s\n", ip->s, ks_text_or(host, ""));
        else
            ks_buf_printf(&out, "%s\t%s\t%s\n", ip->s, ks_text_or(full, ""), ks_text_or(host, ""));
        ks_unref(heap, host);
        ks_unref(heap, full);
    }
    ks_val aliases = ks_get(pod->spec, K(hostAliases));
    if (ks_len(aliases)) ks_buf_puts(&out, "\n# Entries added by HostAliases.\n");
    ks_each(alias, aliases) {
        ks_buf_puts(&out, ks_text_or(ks_get(*alias, K(ip)), ""));
        ks_each(name, ks_get(*alias, K(hostnames)))
            ks_buf_printf(&out, "\t%s", ks_text_or(*name, ""));
        ks_buf_putc(&out, '\n');
    }
    return ks_string_take(ks_buf_take(&out));
}

/* --- asking --- */

static int ndots(ks_val config) {
    int n = 1;
    ks_each(option, ks_get(config, K(options))) {
        const char *text = ks_text_or(*option, "");
        if (!strncmp(text, "ndots:", 6)) n = atoi(text + 6);
    }
    return n;
}

ks_val ks_dns_candidates(ks_sim *sim, ks_val config, const char *name, size_t len) {
    ks_heap *heap = sim->world.heap;
    int dots = 0;
    if (len && name[len - 1] == '.')
        return ks_append(heap, KS_NOTHING, ks_textn(heap, name, len - 1));
    for (size_t i = 0; i < len; i++) dots += name[i] == '.';
    ks_val list = KS_NOTHING;
    bool first = dots >= ndots(config);
    if (first) list = ks_append(heap, list, ks_textn(heap, name, len));
    ks_each(search, ks_get(config, K(searches)))
        list = ks_append(heap, list,
                         ks_format(heap, "%.*s.%s", (int)len, name, ks_text_or(*search, "")));
    if (!first) list = ks_append(heap, list, ks_textn(heap, name, len));
    return list;
}

/* Whether the first name server is the cluster's: only that one knows the cluster's names. */
static bool asks_cluster(ks_sim *sim, ks_val config) {
    const ks_object *service =
        ks_store_get_text(&sim->server.store, KS_SERVICE, "kube-system", "kube-dns");
    const ks_str *server = ks_str_or_null(ks_at(ks_get(config, K(nameservers)), 0));
    if (!server) return false;
    return ks_str_is(server, KS_DNS_ADDRESS) ||
           (service && ks_str_eq(server, ks_str_or_null(ks_get(service->spec, K(clusterIP)))));
}

ks_dns_status ks_dns_lookup(ks_sim *sim, const ks_str *ns, const ks_object *pod, const char *name,
                            size_t len, const char *type, ks_val *records, ks_val *asked) {
    ks_heap *heap = sim->world.heap;
    ks_val config = ks_dns_config(sim, ns, pod);
    ks_val candidates = ks_dns_candidates(sim, config, name, len);
    ks_dns_status status = KS_DNS_NXDOMAIN;
    bool nodata = false;
    ks_val answered = KS_NOTHING;
    *records = KS_NOTHING;
    ks_each(candidate, candidates) {
        const ks_str *text = ks_str_or_null(*candidate);
        status = asks_cluster(sim, config) ? ks_dns_resolve(sim, text->s, text->len, type, records)
                                           : KS_DNS_NXDOMAIN;
        nodata |= status == KS_DNS_NODATA;
        answered = *candidate;
        if (status == KS_DNS_OK) break;
    }
    if (status == KS_DNS_NXDOMAIN && nodata) status = KS_DNS_NODATA;
    if (asked) *asked = ks_ref(answered);
    ks_unref(heap, candidates);
    ks_unref(heap, config);
    return status;
}

static bool is_ipv4(const char *s, size_t len) {
    size_t dots = 0;
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '.')
            dots++;
        else if (s[i] < '0' || s[i] > '9')
            return false;
    }
    return dots == 3;
}

static bool is_word(ks_val v, const char *s, size_t len) {
    const ks_str *text = ks_str_or_null(v);
    return text && text->len == len && !strncasecmp(text->s, s, len);
}

/* The address that the pod's hosts file has for a name, or KS_NOTHING. A new reference. */
static ks_val hosts_address(ks_sim *sim, const ks_object *pod, const char *host, size_t len) {
    ks_heap *heap = sim->world.heap;
    if (len == 9 && !strncasecmp(host, "localhost", len)) return ks_text(heap, "127.0.0.1");
    if (!pod) return KS_NOTHING;
    for (int full = 0; full < 2; full++) {
        ks_val name = ks_pod_hostname(sim, pod, full);
        bool same = is_word(name, host, len);
        ks_unref(heap, name);
        if (same && ks_pod_ip(pod)) return ks_string(ks_pod_ip(pod));
    }
    ks_each(alias, ks_get(pod->spec, K(hostAliases)))
        ks_each(name, ks_get(*alias, K(hostnames)))
            if (is_word(*name, host, len)) return ks_ref(ks_get(*alias, K(ip)));
    return KS_NOTHING;
}

ks_val ks_host_addresses(ks_sim *sim, const ks_str *ns, const ks_object *pod, const char *host,
                         size_t len) {
    ks_heap *heap = sim->world.heap;
    if (is_ipv4(host, len)) {
        ks_val literal = ks_textn(heap, host, len);
        return ks_append(heap, KS_NOTHING, literal);
    }
    ks_val known = hosts_address(sim, pod, host, len);
    if (ks_exists(known)) return ks_append(heap, KS_NOTHING, known);
    ks_val records, addresses = KS_NOTHING;
    ks_dns_lookup(sim, ns, pod, host, len, "A", &records, NULL);
    ks_each(record, records) {
        ks_val address = ks_get(*record, K(address));
        if (ks_exists(address)) addresses = ks_append(heap, addresses, ks_ref(address));
    }
    ks_unref(heap, records);
    return addresses;
}
