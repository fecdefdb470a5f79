#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Open vSwitch in user space does not ask the kernel's neighbour table where its tunnels go, and
# drops what comes before an ARP reply.
#
# About: a vxlan port of Open vSwitch with datapath_type=netdev, whose underlay address is on a
#   bridge's own device of the host, as the manual wants it.
# Versions: Open vSwitch 3.1.0 (Debian's 3.1.0-2+deb12u1); Linux 6.18.44; Debian's iproute2 6.1.0-3.
# Behaviour: the host has a permanent neighbour entry for the tunnel's remote, by which its own
#   packets reach it over the same bridge. Of the frames for the tunnel none leaves: in their place
#   ARP requests go out, and whatever comes before the reply is dropped, not queued. Where nobody
#   answers ARP (static entries everywhere, "arp off") the tunnel never works, though ping between
#   the same two addresses does. Routes and addresses are taken from the kernel. "ovs-appctl
#   tnl/neigh/set" makes an entry in Open vSwitch's own table, and the tunnel works.
# Source: native_tunnel_output() in ofproto/ofproto-dpif-xlate.c looks in the cache of
#   lib/tnl-neigh-cache.c, which learns from ARP and ND packets that pass a bridge; without an entry
#   tnl_send_arp_request() sends one, and the translation ends. lib/route-table.c follows the
#   kernel's routes by netlink; nothing does that for neighbours.
# Output seen (the number of ARP requests varies):
#   permanent entry of the kernel: 3 of 3 packets of the host, 0 of 3 in the tunnel, 2 ARP requests
#   set in Open vSwitch, too: 3 of 3 packets of the host, 3 of 3 in the tunnel, 0 ARP requests

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1 openvswitch-switch=3.1.0-2+deb12u1 \
    openvswitch-common=3.1.0-2+deb12u1 libxdp1=1.3.1-1 libnuma1=2.0.16-1 libcap-ng0=0.8.3-1+b3 \
    libunbound8=1.17.1-2+deb12u4 libevent-2.1-7=2.1.12-stable-8
[ -c /dev/net/tun ] || skip "no /dev/net/tun"
ovs-vswitchd --version >/dev/null 2>&1 || skip "Open vSwitch does not run here (libraries missing?)"

# H (br-phy with u0 and the address, br-int with c0 and the tunnel) -- P (u1); C (c1: sends)
namespace H; namespace P; namespace C
must ip -n "$H" link add u0 type veth peer name u1 address 02:00:00:00:00:02 netns "$P"
must ip -n "$H" link add c0 type veth peer name c1 netns "$C"
for place in "$H u0" "$P u1" "$H c0" "$C c1"; do
    must ip -n ${place% *} link set ${place#* } up
done
capture "$P" u1

export OVS_RUNDIR=$work OVS_LOGDIR=$work OVS_DBDIR=$work OVS_SYSCONFDIR=$work
must ovsdb-tool create "$work/conf.db" "$work/root/usr/share/openvswitch/vswitch.ovsschema"
daemon() { # NAME WORDS...
    ip netns exec "$H" "$@" --no-chdir --pidfile="$work/$1.pid" --unixctl="$work/$1.ctl" \
        --log-file="$work/$1.log" -vconsole:off >>"$work/log" 2>&1 &
    pids+=($!)
    for _ in {1..100}; do [ -S "$work/$1.ctl" ] && return; sleep 0.1; done
    skip "$1 does not start: $(tail -n 1 "$work/$1.log" "$work/log")"
}
daemon ovsdb-server "$work/conf.db" --remote="punix:$work/db.sock"
vsctl() { must ovs-vsctl --db="unix:$work/db.sock" --timeout=15 "$@"; }
must ovs-vsctl --db="unix:$work/db.sock" --no-wait init
daemon ovs-vswitchd "unix:$work/db.sock" --disable-system
appctl() { must ovs-appctl -t "$work/ovs-vswitchd.ctl" --timeout=10 "$@"; }
vsctl add-br br-phy -- set bridge br-phy datapath_type=netdev -- add-port br-phy u0
vsctl add-br br-int -- set bridge br-int datapath_type=netdev -- add-port br-int c0 \
    -- add-port br-int vx0 -- set interface vx0 type=vxlan options:remote_ip=192.0.2.2 \
    options:local_ip=192.0.2.1 options:key=7
must ip -n "$H" addr add 192.0.2.1/24 dev br-phy
must ip -n "$H" link set br-phy up
must ip -n "$H" neigh replace 192.0.2.2 lladdr 02:00:00:00:00:02 dev br-phy nud permanent
for _ in {1..100}; do
    appctl tnl/ports/show -v 2>/dev/null | grep -q 192.0.2.1 && break
    sleep 0.1
done

# try WHAT TUNNEL; sets $arp
try() {
    local frames host tunnel
    captured >/dev/null
    must ip netns exec "$H" perl -MSocket -e '
        socket(my $s, PF_INET, SOCK_DGRAM, 17) or die "socket: $!";
        send($s, "x", 0, pack_sockaddr_in(9, inet_aton("192.0.2.2"))) for 1 .. 3'
    for _ in 1 2 3; do
        echo 02000000000b 02000000000c 88b5 "$(printf '%092d' 0)"
        sleep 0.4
    done | send_frames "$C" c1
    frames=$(captured)
    host=$(grep -cE '^020000000002.{12}0800.{44}0009' <<<"$frames")
    tunnel=$(grep -cE '^020000000002.{12}0800.{44}12b5' <<<"$frames")
    arp=$(grep -cE '^ffffffffffff.{12}0806' <<<"$frames")
    echo "$1: $host of 3 packets of the host, $tunnel of 3 in the tunnel, $arp ARP requests"
    [ "$host" = 3 ] || fail "$host packets of the host arrive"
    [ "$tunnel" = "$2" ] || fail "$tunnel packets come out of the tunnel, not $2"
}
try "permanent entry of the kernel" 0
[ "$arp" -gt 0 ] || fail "Open vSwitch asks for nobody"
appctl tnl/neigh/set br-phy 192.0.2.2 02:00:00:00:00:02 >/dev/null
try "set in Open vSwitch, too" 3
