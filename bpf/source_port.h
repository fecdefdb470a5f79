/* SPDX-License-Identifier: GPL-2.0-only */
/* The outer UDP source port, which spreads flows over paths and receive queues (RFC 7348 5). */
#ifndef XVTEP_BPF_SOURCE_PORT_H
#define XVTEP_BPF_SOURCE_PORT_H

#include <bpf/bpf_endian.h>

#include "bpf/abi/tables.h"
#include "bpf/parse_inner.h"

/* The upper half of the flow's hash: source_port() scales it, as udp_flow_src_port() does. */
static __always_inline __u32 flow_hash(const struct inner *in)
{
    return in->flow >> 32;
}

/* The port of the flow, in srcport_min .. srcport_max - 1, in network byte order. */
static __always_inline __be16 source_port(const struct xv_vtep *vtep, const struct inner *in)
{
    __u32 size = vtep->srcport_max - vtep->srcport_min;

    return bpf_htons(vtep->srcport_min + ((__u64)flow_hash(in) * size >> 32));
}

#endif
