#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Behind a generic XDP program that can take fragments, TC programs see packets without their
# Ethernet header, and redirect them so.
#
# About: an XDP program of the section "xdp.frags" attached with "xdpgeneric", which returns
#   XDP_PASS for all, and a TC program at the ingress of the same device.
# Versions: Linux 6.18.44; Debian's clang-14 1:14.0.6-12, libbpf 1:1.1.2-0+deb12u1, iproute2
#   6.1.0-3, bpftool 7.1.0+6.1.192-2. Not so in Linux 6.1.192.
# Behaviour: without XDP, with native XDP, and with the same program as "xdp" instead of
#   "xdp.frags", the TC program has the Ethernet header at offset 0, as it should. With "xdp.frags"
#   in generic mode it has the IP header there, and skb->len is 14 less: an unchanged program takes
#   bytes of the IP header for MACs and EtherType. What it redirects to another device leaves that
#   device as a "frame" that begins with the IP header. (The stack behind is not disturbed.) It
#   happens to packets that are shared, not linear or have little headroom, such as all of a local
#   socket that come over a veth.
# Source: netif_skb_check_for_xdp() in net/core/dev.c has skb_pp_cow_data() in net/core/skbuff.c
#   make a new packet if the program takes fragments; skb_copy_header() does not copy mac_len, which
#   __netif_receive_skb_core() has set before. sch_handle_ingress() brings mac_len bytes, none, back
#   into view. A program that does not take fragments gets the packet enlarged in place.
# Output seen (length, first four bytes and EtherType as TC sees them; what was redirected):
#   no XDP: 43 bytes, 02000000, 0800; redirected 02000000000102000000000208004500
#   native xdp.frags: 43 bytes, 02000000, 0800; redirected 02000000000102000000000208004500
#   generic xdp: 43 bytes, 02000000, 0800; redirected 02000000000102000000000208004500
#   generic xdp.frags: 29 bytes, 4500001d, c000; redirected 4500001d

. "$(dirname "$0")/common.sh"
packages $bpf_packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1 bpftool=7.1.0+6.1.192-2
case $(uname -r) in
    [0-5].* | 6.[0-8].*) skip "before Linux 6.9 such a packet is enlarged in place" ;;
esac
bpffs

cat >"$work/mac.c" <<'C'
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct seen {
    __u32 len, first, ethertype;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct seen);
} seen SEC(".maps");

SEC("tc")
int look(struct __sk_buff *skb)
{
    __u32 zero = 0;
    struct seen *s = bpf_map_lookup_elem(&seen, &zero);
    __u16 ethertype = 0;

    if (!s || skb->protocol != bpf_htons(0x0800))
        return TC_ACT_OK;
    bpf_skb_load_bytes(skb, 0, &s->first, 4);
    bpf_skb_load_bytes(skb, 12, &ethertype, 2);
    s->first = bpf_ntohl(s->first);
    s->ethertype = bpf_ntohs(ethertype);
    s->len = skb->len;
    return bpf_redirect(103 /* p0 */, 0);
}

SEC("xdp")
int plain(struct xdp_md *xdp)
{
    return XDP_PASS;
}

SEC("xdp.frags")
int frags(struct xdp_md *xdp)
{
    return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
C
compile mac
must bpftool prog loadall "$work/mac.o" "$work/bpf/programs" pinmaps "$work/bpf/maps"

# S (u1: sends) -- N (u0, p0) -- S (p1)
namespace N; namespace S
must ip -n "$N" link add u0 index 101 address 02:00:00:00:00:01 type veth \
    peer name u1 index 102 address 02:00:00:00:00:02 netns "$S"
must ip -n "$N" link add p0 index 103 type veth peer name p1 index 104 netns "$S"
for device in u0 p0; do must ip -n "$N" link set $device up; done
for device in u1 p1; do must ip -n "$S" link set $device up; done
must ip -n "$S" addr add 192.0.2.2/24 dev u1
must ip -n "$S" neigh replace 192.0.2.1 lladdr 02:00:00:00:00:01 dev u1
must tc -n "$N" qdisc add dev u0 clsact
must tc -n "$N" filter add dev u0 ingress bpf da object-pinned "$work/bpf/programs/look"
capture "$S" p1

field() { bpftool map dump pinned "$work/bpf/maps/seen" | sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p"; }
# try WHAT LENGTH FIRST ETHERTYPE REDIRECTED
try() {
    local seen frame
    must ip netns exec "$S" perl -MSocket -e '
        socket(my $s, PF_INET, SOCK_DGRAM, 17) or die "socket: $!";
        send($s, "x", 0, pack_sockaddr_in(9, inet_aton("192.0.2.1")))'
    frame=$(captured | grep -m 1 -o "^$5")
    seen=$(printf '%d bytes, %08x, %04x' "$(field len)" "$(field first)" "$(field ethertype)")
    echo "$1: $seen; redirected ${frame:-something else}"
    [ "$seen" = "$2 bytes, $3, $4" ] || fail "not $2 bytes, $3, $4"
    [ -n "$frame" ] || fail "what was redirected does not begin with $5"
}
xdp() { must ip -n "$N" link set dev u0 "$@"; }
frame=02000000000102000000000208004500
try "no XDP" 43 02000000 0800 $frame
xdp xdpdrv pinned "$work/bpf/programs/frags"
try "native xdp.frags" 43 02000000 0800 $frame
xdp xdpdrv off
xdp xdpgeneric pinned "$work/bpf/programs/plain"
try "generic xdp" 43 02000000 0800 $frame
xdp xdpgeneric off
xdp xdpgeneric pinned "$work/bpf/programs/frags"
try "generic xdp.frags" 29 4500001d c000 4500001d
