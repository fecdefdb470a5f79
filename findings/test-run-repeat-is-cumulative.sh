#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A BPF program that is run many times on a test packet runs once on that packet, and then on what
# it made of it.
#
# About: "repeat" of BPF_PROG_TEST_RUN ("bpftool prog run ... repeat N") with an XDP program that
#   changes the packet, as one measures how long a program takes.
# Versions: Linux 6.18.44 and 6.1.192; Debian's clang-14 1:14.0.6-12, libbpf 1:1.1.2-0+deb12u1,
#   bpftool 7.1.0+6.1.192-2.
# Behaviour: the program takes 4 bytes off the front of an IPv4 packet of 64 bytes and passes it;
#   anything else it aborts. Run once, it returns XDP_PASS and a packet of 60 bytes. With "repeat 2"
#   it returns XDP_ABORTED and 60 bytes, for the second run has the EtherType in another place. With
#   "repeat 1000" 999 runs take the short way, and the average duration that is reported is theirs.
# Source: bpf_test_run() in net/bpf/test_run.c calls the program in a loop with one and the same
#   context; bpf_prog_test_run_xdp() copies the packet in before that and out after it. (In live
#   mode, BPF_F_TEST_XDP_LIVE_FRAMES, xdp_test_run_batch() puts the pointers back for each frame,
#   but not the bytes.)
# Output seen (2 is XDP_PASS, 0 XDP_ABORTED):
#   repeat 1: returns 2, 60 bytes, saw IPv4 in 1 of 1 runs
#   repeat 2: returns 0, 60 bytes, saw IPv4 in 1 of 2 runs
#   repeat 1000: returns 0, 60 bytes, saw IPv4 in 1 of 1000 runs

. "$(dirname "$0")/common.sh"
packages $bpf_packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1 bpftool=7.1.0+6.1.192-2
bpffs

cat >"$work/cut.c" <<'C'
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 2);
    __type(key, __u32);
    __type(value, __u32);
} runs SEC(".maps");

static void count(__u32 key)
{
    __u32 *value = bpf_map_lookup_elem(&runs, &key);

    if (value)
        (*value)++;
}

SEC("xdp")
int cut(struct xdp_md *xdp)
{
    void *data = (void *)(long)xdp->data, *end = (void *)(long)xdp->data_end;
    struct ethhdr *eth = data;

    count(0);
    if (data + sizeof(*eth) > end || eth->h_proto != bpf_htons(ETH_P_IP))
        return XDP_ABORTED;
    count(1);
    return bpf_xdp_adjust_head(xdp, 4) ? XDP_ABORTED : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
C
compile cut
must bpftool prog loadall "$work/cut.o" "$work/bpf/programs" pinmaps "$work/bpf/maps"
perl -e 'print pack("H*", "0200000000010200000000020800"), "\0" x 50' >"$work/packet"

runs() {
    bpftool map lookup pinned "$work/bpf/maps/runs" key "$1" 0 0 0 |
        sed -n 's/.*"value": *\([0-9]*\).*/\1/p'
}
# try REPEAT RETURNED IPV4
try() {
    local returned size all ipv4
    for key in 0 1; do
        must bpftool map update pinned "$work/bpf/maps/runs" key $key 0 0 0 value 0 0 0 0
    done
    returned=$(timeout 20 bpftool prog run pinned "$work/bpf/programs/cut" data_in "$work/packet" \
        data_out "$work/out" repeat "$1" | sed -n 's/.*Return value: \([0-9]*\),.*/\1/p')
    size=$(stat -c %s "$work/out") all=$(runs 0) ipv4=$(runs 1)
    echo "repeat $1: returns $returned, $size bytes, saw IPv4 in $ipv4 of $all runs"
    [ "$returned $size $ipv4 $all" = "$2 60 $3 $1" ] || fail "not $2, 60 bytes, $3 of $1"
    rm "$work/out"
}
try 1 2 1
try 2 0 1
try 1000 0 1
