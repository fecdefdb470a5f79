/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tunnel metadata of a packet. The kernel's device with many VNIs is external: it sends to the
 * address and with the VNI in the metadata, and gives a received frame its VNI there.
 */
#ifndef XVTEP_BPF_TUNNEL_KEY_H
#define XVTEP_BPF_TUNNEL_KEY_H

#include "bpf/abi/tables.h"
#include "bpf/addr.h"
#include "bpf/common.h"
#include "bpf/ecn.h"
#include "bpf/encap.h"
#include "bpf/parse_inner.h"
#include "bpf/skb.h"

/* For the frame's outer packets, except who gets them. */
struct tunnel_key {
    struct bpf_tunnel_key key; /* addresses in host byte order, if they are IPv4 */
    __u32 flags;               /* of bpf_skb_set_tunnel_key() */
};

static __always_inline void addr_to_host(__u32 *to, const struct xv_addr *addr)
{
    *to = bpf_ntohl(addr->word[3]);
}

/* Fills in what all outer packets of the frame have in common, as the options of the VTEP say. */
XV_STEP int tunnel_key_build(struct __sk_buff *skb, const struct xv_vtep *vtep,
                             struct tunnel_key *to)
{
    struct inner in = {};

    if (!vtep || !to || parse_frame(skb, &in))
        return XV_REWRITE_FAILED;
    to->key.tunnel_ttl = outer_ttl(vtep, &in);
    to->key.tunnel_tos = outer_tos(vtep, &in) & ~XV_ECN_MASK; /* the kernel adds the ECN bits */
    to->flags = (outer_df(vtep, &in) ? BPF_F_DONT_FRAGMENT : 0) |
                (needs_csum(vtep) ? 0 : BPF_F_ZERO_CSUM_TX);
    if (vtep->flags & XV_VTEP_V6) {
        to->flags |= BPF_F_TUNINFO_IPV6;
        to->key.tunnel_label = bpf_ntohl(vtep->flowlabel);
        if (!(vtep->flags & XV_VTEP_LOCAL_AUTO)) /* else the route decides */
            __builtin_memcpy(to->key.local_ipv6, &vtep->local, sizeof(vtep->local));
    } else if (!(vtep->flags & XV_VTEP_LOCAL_AUTO)) {
        addr_to_host(&to->key.local_ipv4, &vtep->local);
    }
    return XV_CONTINUE;
}

/* Makes the kernel's device send to `remote`. The helper cannot say another UDP port. */
static __always_inline int tunnel_key_set(struct __sk_buff *skb, struct tunnel_key *to,
                                          const struct xv_remote *remote)
{
    to->key.tunnel_id = remote->vni;
    if (to->flags & BPF_F_TUNINFO_IPV6)
        __builtin_memcpy(to->key.remote_ipv6, &remote->addr, sizeof(remote->addr));
    else
        addr_to_host(&to->key.remote_ipv4, &remote->addr);
    return bpf_skb_set_tunnel_key(skb, &to->key, sizeof(to->key), to->flags) ? XV_REWRITE_FAILED
                                                                             : XV_CONTINUE;
}

/*
 * The VNI that a bridge with vlan_tunnel gave to a frame, or 0. Its metadata has no addresses,
 * unlike what is left from another tunnel.
 */
static __always_inline __u32 tunnel_key_of_bridge(struct __sk_buff *skb)
{
    struct bpf_tunnel_key key = {};

    if (bpf_skb_get_tunnel_key(skb, &key, sizeof(key), 0) || key.remote_ipv4 || key.local_ipv4)
        return 0;
    return key.tunnel_id;
}

/* The VNI of a packet that the kernel's device has received, and its sender; 0: it is none. */
static __always_inline __u32 tunnel_key_received(struct __sk_buff *skb, int v6,
                                                 struct xv_addr *from)
{
    struct bpf_tunnel_key key = {};

    if (bpf_skb_get_tunnel_key(skb, &key, sizeof(key), v6 ? BPF_F_TUNINFO_IPV6 : 0))
        return 0;
    if (v6)
        __builtin_memcpy(from, key.remote_ipv6, sizeof(*from));
    else
        addr_from_v4(from, bpf_htonl(key.remote_ipv4));
    return key.tunnel_id;
}

#endif
