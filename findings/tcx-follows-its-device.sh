#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A TCX link goes with its device into another network namespace, and its maps' ifindexes there mean
# other devices. A clsact filter does not go along, nor does a DEVMAP entry.
#
# About: "ip link set DEVICE netns NAMESPACE" for a device that BPF programs and maps refer to.
# Versions: Linux 6.18.44; Debian's clang-14 1:14.0.6-12, libbpf 1:1.1.2-0+deb12u1, iproute2 6.1.0-3,
#   bpftool 7.1.0+6.1.192-2.
# Behaviour: one program, which redirects to ifindex 203 as told by an array map, is attached to two
#   devices in namespace A: to tcx0 by a TCX link, to clsact0 as a filter of a clsact qdisc. Both
#   devices are also in a DEVMAP and a DEVMAP_HASH. In A, ifindex 203 is a device that is meant; a
#   device in namespace B has the same ifindex by chance. After both devices moved to B, the program
#   still runs on tcx0, and what it redirects leaves by B's device. On clsact0, qdisc and filter are
#   gone without a message, and stay away when the device moves back. The entries of both devices
#   are gone from both maps by the time the move returns, as the entry of a deleted device is, and
#   stay away, too.
# Source: __dev_change_net_namespace() in net/core/dev.c calls dev_shutdown(), which removes the
#   qdiscs, clsact's among them, but not dev_tcx_uninstall(), which only unregistering calls. It
#   sends NETDEV_UNREGISTER, upon which dev_map_notification() in kernel/bpf/devmap.c drops the
#   device. skb_do_redirect() looks an ifindex up in the namespace where the device is now.
# Output seen (of five packets; ifindexes read from user space):
#   in A: tcx0's left by A's device 5, by B's 0; clsact0's: 5, 0
#     devmap 201 202 203, devmap_hash 201 202 203
#   in B: tcx0's left by A's device 0, by B's 5; clsact0's: 0, 0
#     devmap none none 203, devmap_hash none none 203
#   in A again: tcx0's left by A's device 5, by B's 0; clsact0's: 0, 0
#     devmap none none 203, devmap_hash none none 203
#   203 deleted:
#     devmap none none none, devmap_hash none none none

. "$(dirname "$0")/common.sh"
packages $bpf_packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1 bpftool=7.1.0+6.1.192-2
[ "$(uname -m)" = x86_64 ] || skip "the number of bpf(2) is known for x86_64 only"
bpffs

cat >"$work/redirect.c" <<'C'
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, __u32);
} target SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_DEVMAP);
    __uint(max_entries, 8);
    __type(key, __u32);
    __type(value, __u32);
} devmap SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
    __uint(max_entries, 8);
    __type(key, __u32);
    __type(value, __u32);
} devmap_hash SEC(".maps");

SEC("tc")
int to_target(struct __sk_buff *skb)
{
    __u32 zero = 0;
    __u32 *ifindex = bpf_map_lookup_elem(&target, &zero);

    return ifindex ? bpf_redirect(*ifindex, 0) : TC_ACT_OK;
}

/* Not attached: it is there so that the two maps are loaded with the rest. */
SEC("xdp")
int maps(struct xdp_md *xdp)
{
    return bpf_redirect_map(&devmap, 0, XDP_PASS) | bpf_redirect_map(&devmap_hash, 0, XDP_PASS);
}

char LICENSE[] SEC("license") = "GPL";
C
compile redirect
must bpftool prog loadall "$work/redirect.o" "$work/bpf/programs" pinmaps "$work/bpf/maps"

# tcx NAMESPACE IFINDEX: attaches the program there by a link that is pinned, if the kernel has TCX.
tcx() {
    ip netns exec "$1" timeout 20 perl -e '
        my ($folder, $ifindex) = @ARGV;
        sub bpf { # command, attributes
            my ($command, $attr) = @_;
            my $fd = syscall(321, $command, $attr, length($attr));
            $fd >= 0 or die "bpf($command): $!\n";
            return $fd;
        }
        my $program = "$folder/programs/to_target\0";
        my $pin = "$folder/link\0";
        my $fd = bpf(7, pack("pLL", $program, 0, 0));                  # BPF_OBJ_GET
        my $link = bpf(28, pack("LLLLx48", $fd, $ifindex, 46, 0));     # BPF_LINK_CREATE, BPF_TCX_INGRESS
        bpf(6, pack("pLL", $pin, $link, 0));                           # BPF_OBJ_PIN
        ' "$work/bpf" "$2" || skip "this kernel has no TCX"
}

# set_entry MAP KEY IFINDEX, as seen in A; entry MAP KEY: what user space reads
set_entry() {
    must ip netns exec "$A" bpftool map update pinned "$work/bpf/maps/$1" \
        key "$2" 0 0 0 value "$3" 0 0 0
}
entry() {
    local bytes
    bytes=$(bpftool map lookup pinned "$work/bpf/maps/$1" key "$2" 0 0 0 2>/dev/null |
        sed -n 's/.*value: \(..\) 00 00 00.*/\1/p')
    echo "${bytes:+$((16#$bytes))}"
}
entries() {
    local map key value
    for map in devmap devmap_hash; do
        printf '%s' "$map"
        for key in 0 1 2; do value=$(entry $map $key); printf ' %s' "${value:-none}"; done
        [ $map = devmap_hash ] || printf ', '
    done
}

# P (the far ends of all) -- A and B (tcx0, clsact0: moved from A to B and back; an out0
# in each, both with ifindex 203)
namespace P; namespace A; namespace B
pair() { # NAMESPACE DEVICE IFINDEX FAR_END
    must ip -n "$1" link add "$2" index "$3" type veth peer name "$4" netns "$P"
    must ip -n "$1" link set "$2" up
    must ip -n "$P" link set "$4" up
}
pair "$A" tcx0 201 to_tcx0
pair "$A" clsact0 202 to_clsact0
pair "$A" out0 203 from_a
pair "$B" out0 203 from_b
way() { # FAR_END SUBNET: lets P send to SUBNET.2 through it
    must ip -n "$P" addr add "$2.1/24" dev "$1"
    must ip -n "$P" neigh add "$2.2" lladdr 02:00:00:00:00:02 dev "$1"
}
way to_tcx0 192.0.2
way to_clsact0 198.51.100

received() { ip -n "$P" -s link show "$1" | awk '/RX:/ { getline; print $2 }'; }
# sent ADDRESS: how many of five packets to that address came out of A's and of B's out0
sent() {
    local a b
    a=$(received from_a) b=$(received from_b)
    must ip netns exec "$P" perl -MSocket -e '
        socket(my $s, PF_INET, SOCK_DGRAM, 17) or die "socket: $!";
        for (1 .. 5) { send($s, "x", 0, pack_sockaddr_in(9, inet_aton($ARGV[0]))) or die "send: $!" }' "$1"
    sleep 0.3
    echo "$(($(received from_a) - a)), by B's $(($(received from_b) - b))"
}

must bpftool map update pinned "$work/bpf/maps/target" key 0 0 0 0 value 203 0 0 0
tcx "$A" 201
must tc -n "$A" qdisc add dev clsact0 clsact
must tc -n "$A" filter add dev clsact0 ingress bpf da object-pinned "$work/bpf/programs/to_target"
for map in devmap devmap_hash; do
    for key in 0 1 2; do set_entry $map $key $((201 + key)); done
done

# expect WHERE TCX CLSACT ENTRIES: ways of the packets, and what is in both maps
expect() {
    local tcx clsact found
    found=$(entries) # first: nothing has had the time to be late
    for device in tcx0 clsact0; do must ip -n "$where" link set $device up; done
    tcx=$(sent 192.0.2.2) clsact=$(sent 198.51.100.2)
    echo "$1: tcx0's left by A's device $tcx; clsact0's: ${clsact/by B\'s /}"
    echo "  $found"
    [ "$tcx" = "$2" ] || fail "tcx0's packets left by A's device $tcx, not $2"
    [ "$clsact" = "$3" ] || fail "clsact0's packets left by A's device $clsact, not $3"
    [ "$found" = "devmap $4, devmap_hash $4" ] || fail "the entries are $found, not $4 in each"
}
move() { # FROM TO
    for device in tcx0 clsact0; do must ip -n "$1" link set $device netns "$2"; done
    where=$2
}

where=$A
expect "in A" "5, by B's 0" "5, by B's 0" "201 202 203"
move "$A" "$B"
expect "in B" "0, by B's 5" "0, by B's 0" "none none 203"
tc -n "$B" qdisc show dev clsact0 | grep -q 'qdisc clsact' && fail "clsact0 kept its clsact qdisc"
move "$B" "$A"
expect "in A again" "5, by B's 0" "0, by B's 0" "none none 203"
must ip -n "$A" link del out0
found=$(entries)
printf '203 deleted:\n  %s\n' "$found"
[ "$found" = "devmap none none none, devmap_hash none none none" ] || fail "an entry stays"
