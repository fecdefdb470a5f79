// SPDX-License-Identifier: GPL-2.0-only
/* The generator: sends the frame it is run on out of a device, varied first where asked to. */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define OUTER 50 /* Ethernet, IPv4, UDP, VXLAN */
#define SOURCE_PORT 34
#define VXLAN 42
#define MARK 42 /* of the payload, inside */

const volatile __u32 out;   /* ifindex */
const volatile __u32 vxlan; /* the frame has outer headers */
/* How many different ones, uniformly at random; 0 leaves the frame's own. */
const volatile __u32 flows; /* source ports, and with them the outer ones */
const volatile __u32 macs;  /* destinations: the last three bytes, from 0 */
const volatile __u32 vnis;  /* from 1000 */
const volatile __u32 vni;   /* where there is but one */
const volatile __u32 marks; /* each frame's number and VNI at the start of the payload */

static __u64 state;

/* When frames were sent: the first, and every 64th, which is the start of a batch. */
__u64 sent, first, last, last_at;

static __always_inline __u32 random_below(__u32 bound)
{
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (__u32)(((state >> 32) * bound) >> 32);
}

SEC("xdp")
int generate(struct xdp_md *ctx)
{
    __u8 *data = (__u8 *)(long)ctx->data;
    __u8 *end = (__u8 *)(long)ctx->data_end;
    __u8 *inner = vxlan ? data + OUTER : data;
    __u32 n, number;

    if (!(sent % 64)) {
        last = bpf_ktime_get_ns();
        last_at = sent;
        if (!sent)
            first = last;
    }
    number = sent++;
    if (inner + SOURCE_PORT + 2 > end)
        return XDP_ABORTED;
    if (flows) {
        n = random_below(flows);
        *(__be16 *)(inner + SOURCE_PORT) = bpf_htons(1024 + n);
        if (vxlan)
            *(__be16 *)(data + SOURCE_PORT) = bpf_htons(49152 + n % 16384);
    }
    if (macs) {
        n = random_below(macs);
        inner[3] = n >> 16;
        inner[4] = n >> 8;
        inner[5] = n;
    }
    n = vnis ? 1000 + random_below(vnis) : vni;
    if (vxlan) {
        /* Anew each time: pages come back as they went, and receivers write over this header. */
        *(__be32 *)(data + VXLAN) = bpf_htonl(0x08000000);
        *(__be32 *)(data + VXLAN + 4) = bpf_htonl(n << 8);
    }
    if (marks && inner + MARK + 8 <= end) {
        *(__be32 *)(inner + MARK) = bpf_htonl(number);
        *(__be32 *)(inner + MARK + 4) = bpf_htonl(n);
    }
    return bpf_redirect(out, 0);
}

char LICENSE[] SEC("license") = "GPL";
