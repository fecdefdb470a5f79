#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# An entry of a vxlan device's forwarding database outlives a short ageing time by up to ten seconds,
# unless somebody changes the ageing time.
#
# About: the ageing time of the kernel's vxlan device ("ip link set ... type vxlan ageing SECONDS").
# Versions: Linux 6.18.44; Debian's iproute2 6.1.0-3.
# Behaviour: three devices come up at once and get a dynamic entry two seconds later. With an ageing
#   time of 1 second the entry is still there 6 seconds after it was due, and goes when the device
#   has been up for ten. With 12 seconds the entry goes on time. On the
#   third device the ageing time is set late, from 1 second to the same 1 second, which changes
#   nothing, and then to 2 seconds: the entry is gone at once, although 2 is longer than 1.
# Source: vxlan_cleanup() in drivers/net/vxlan/vxlan_core.c runs from a timer, which it sets to the
#   earliest expiry of the entries that it finds, ten seconds (FDB_AGE_INTERVAL) ahead at most. An
#   entry made after that does not bring the timer forward. vxlan_changelink() starts the timer at
#   once, but only if the new ageing time differs from the old one.
# Output seen (seconds since the devices came up):
#   ageing 1: entry made at 2.0, due at 3.0, gone at 10.1
#   ageing 12: entry made at 2.0, due at 14.0, gone at 14.2
#   ageing 1, then 1 again at 6.0, then 2 at 7.0: entry made at 2.0, due at 3.0, gone at 7.0

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1
namespace N

now() { # in milliseconds
    perl -MTime::HiRes=clock_gettime,CLOCK_MONOTONIC \
        -e 'printf "%d\n", 1000 * clock_gettime(CLOCK_MONOTONIC)'
}
since() { echo $(($(now) - start)); }
seconds() { printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100)); }
entry() { bridge -n "$N" fdb show dev "$1" | grep -q '^02:00:00:00:00:01 '; }
sleep_until() { # MILLISECONDS since the start
    local left=$(($1 - $(since)))
    [ "$left" -le 0 ] || sleep "$((left / 1000)).$(printf %03d $((left % 1000)))"
}
gone() { # DEVICE MILLISECONDS: when the entry went, or "never" if it is still there at that time
    while entry "$1"; do
        [ "$(since)" -lt "$2" ] || { echo never; return; }
        sleep 0.1
    done
    since
}
# between WHAT TIME FROM TO
between() {
    [ "$2" != never ] || fail "$1: the entry is still there"
    [ "$2" -ge "$3" ] && [ "$2" -le "$4" ] ||
        fail "$1: gone at $(seconds "$2"), not between $(seconds "$3") and $(seconds "$4")"
}

port=4789
for device in "short 1" "long 12" "changed 1"; do
    must ip -n "$N" link add ${device% *} type vxlan id 7 dstport $port ageing ${device#* }
    port=$((port + 1))
done
start=$(now)
for device in short long changed; do must ip -n "$N" link set $device up; done
sleep_until 2000
for device in short long changed; do
    must bridge -n "$N" fdb add 02:00:00:00:00:01 dev $device dst 192.0.2.1 dynamic
done
made=$(since)

sleep_until 6000
again=$(since)
must ip -n "$N" link set changed type vxlan ageing 1
sleep_until 7000
entry changed || fail "changed: gone before the ageing time was changed"
other=$(since)
must ip -n "$N" link set changed type vxlan ageing 2
changed=$(gone changed 9000)

sleep_until 9000
entry short || fail "short: gone before the timer's first run at ten seconds"
entry long || fail "long: gone before it was due"
short=$(gone short 13000)
long=$(gone long 18000)

tell() { # AGEING MILLISECONDS GONE
    local end=$3
    [ "$end" = never ] || end=$(seconds "$end")
    echo "ageing $1: entry made at $(seconds "$made"), due at $(seconds $((made + $2))), gone at $end"
}
tell 1 1000 "$short"
tell 12 12000 "$long"
tell "1, then 1 again at $(seconds "$again"), then 2 at $(seconds "$other")" 1000 "$changed"
between short "$short" 9000 12000
between long "$long" $((made + 11500)) $((made + 13500))
between changed "$changed" "$other" 8500
