#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Deleting many bridges in one request waits anew for each of them, which takes some 18 ms.
#
# About: "ip link del group GROUP", by which many devices are deleted in one request, with bridges.
# Versions: Linux 6.18.44; Debian's iproute2 6.1.0-3.
# Behaviour: one request deletes 60 vxlan devices in less than 0.1 s, but takes more than a second
#   for 60 bridges, which have no port and were never set up. "mcast_snooping 0" changes nothing.
# Source: br_dev_uninit() in net/bridge/br_device.c calls br_multicast_dev_del() in
#   net/bridge/br_multicast.c for each bridge, whether it snoops or not. That ends in rcu_barrier(),
#   which waits for what all CPUs have put off with call_rcu(). unregister_netdevice_many_notify()
#   in net/core/dev.c, which itself waits once for all devices of a request, calls the device's
#   ndo_uninit, and so this, in a loop, under the lock of all network configuration (RTNL). The
#   script takes samples of the request's stack from /proc/PID/stack.
# Output seen (times and numbers of samples differ from run to run):
#   60 of vxlan: 49 ms, 0 of 1 samples in that wait
#   60 of bridge: 1063 ms, 49 of 50 samples in that wait
#   60 of bridge mcast_snooping 0: 1292 ms, 51 of 51 samples in that wait

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1
namespace N
cat /proc/self/stack >/dev/null 2>&1 || skip "this needs /proc/PID/stack"

# take TYPE: makes 60 devices, deletes them in one request, and sets $ms; counts samples of the
# request's stack in $samples and those of them that are in the wait of one bridge in $waits
take() {
    local i begin request
    for ((i = 0; i < 60; i++)); do
        echo "link add dev d$i group 5 type ${1/vxlan/vxlan dstport 4789 id $i}"
    done >"$work/batch"
    must ip -n "$N" -batch "$work/batch"
    samples=0 waits=0
    begin=$(date +%s%N)
    ip -n "$N" link del group 5 &
    request=$!
    while kill -0 $request 2>/dev/null; do
        case $(cat /proc/$request/stack 2>/dev/null) in
            *rcu_barrier*br_multicast_dev_del*rtnl_dellink*) ((samples++, waits++)) ;;
            *rtnl_dellink*) ((samples++)) ;;
        esac
        sleep 0.01
    done
    wait $request || fail "the devices cannot be deleted in one request"
    ms=$((($(date +%s%N) - begin) / 1000000))
    echo "60 of $1: $ms ms, $waits of $samples samples in that wait"
}
take vxlan
vxlan=$ms
for type in bridge "bridge mcast_snooping 0"; do
    take "$type"
    [ "$ms" -gt $((4 * vxlan)) ] || fail "bridges take $ms ms, vxlan devices $vxlan ms"
    [ "$waits" -gt $((samples / 2)) ] || fail "the time goes elsewhere"
done
