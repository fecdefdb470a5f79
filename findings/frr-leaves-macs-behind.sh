#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# FRR watches the kernel's flood entries, not those of MACs: one that is deleted stays away, and one
# that a killed zebra leaves stays for ever.
#
# About: zebra with EVPN, and the entries that it puts into a vxlan device's forwarding database.
# Versions: FRR 8.4.4 (Debian's 8.4.4-1.1~deb12u2); Linux 6.18.44; Debian's iproute2 6.1.0-3.
# Behaviour: B announces three MACs, and A's zebra has put an entry for each, "extern_learn", and
#   one for B's floods into the vxlan device. Somebody deletes two of A's entries: the flood entry
#   is back within a second, MAC 1's is not, though zebra lists MAC 1 as before. Then A's zebra is
#   killed with -9, and its bgpd too, MAC 2 goes from B, and both are started again. All that B
#   announces is put in again, MAC 1's entry too. MAC 2's stays, though zebra does not know of a MAC
#   2, and frames for it go to B. It outlives even a clean end of both, which takes all others away.
# Source: netlink_macfdb_change() in zebra/rt_netlink.c ignores a deletion that names a destination,
#   since the MAC may have moved to the bridge, but for the all-zeros MAC, where
#   zebra_vxlan_check_readd_vtep() puts it in again. When it starts, it reads the kernel's table for
#   local MACs. Nothing marks what earlier runs have left, as the protocol number of a route does,
#   by which rib_sweep_route() finds those.
# Output seen (MACs with an entry to B; whether B is flooded to; MACs that zebra lists):
#   running: 1 2 3, flood yes; zebra has 1 2 3
#   entries of 1 and of the flood deleted: 2 3, flood yes; zebra has 1 2 3
#   killed, 2 gone from B, started: 1 2 3, flood yes; zebra has 1 3
#   ended: 2, flood no

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1 frr=8.4.4-1.1~deb12u2 libyang2=2.1.30-2 \
    libjson-c5=0.16-2 libc-ares2=1.18.1-3 libreadline8=8.2-1.3
LD_LIBRARY_PATH=$work/root/usr/lib/$(uname -m)-linux-gnu/frr:$LD_LIBRARY_PATH
[ -e "$work/root/usr/lib/frr/zebra" ] || skip "no FRR"

namespace A; namespace B
must ip -n "$A" link add u0 type veth peer name u0 netns "$B"
number=1
for letter in A B; do
    must ip -n "${!letter}" addr add 192.0.2.$number/24 dev u0
    must ip -n "${!letter}" link set u0 up
    must ip -n "${!letter}" link add br0 address 02:00:00:00:bb:0$number type bridge
    must ip -n "${!letter}" link add vni7 address 02:00:00:00:aa:0$number master br0 \
        type vxlan id 7 dstport 4789 local 192.0.2.$number nolearning
    must ip -n "${!letter}" link add p0 master br0 type veth peer name p1
    for device in br0 vni7 p0 p1; do must ip -n "${!letter}" link set $device up; done
    mkdir -p "$work/$letter"
    number=2
done
(cat /etc/group; echo frrvty:x:60001:root; echo frr:x:60002:) >"$work/group"
frr() { # LETTER DAEMON: starts it; its id is in $work/LETTER/DAEMON.pid
    local folder=$work/$1
    # FRR wants its groups; only its own mount namespace, which ip makes, has them.
    ip netns exec "${!1}" sh -c 'mount --bind "$0/group" /etc/group && exec "$@"' "$work" \
        "$work/root/usr/lib/frr/$2" -u root -g root -f "$folder/$2.conf" -i "$folder/$2.pid" \
        -z "$folder/zserv" --vty_socket "$folder" -P 0 "${@:3}" >>"$folder/log" 2>&1 &
    pids+=($!)
    disown $!
}
start() { # LETTER
    frr "$1" zebra
    for _ in {1..100}; do [ -S "$work/$1/zserv" ] && break; sleep 0.1; done
    frr "$1" bgpd
}
number=1
for letter in A B; do
    : >"$work/$letter/zebra.conf"
    cat >"$work/$letter/bgpd.conf" <<C
router bgp 64512
 bgp router-id 192.0.2.$number
 no bgp default ipv4-unicast
 neighbor 192.0.2.$((3 - number)) remote-as 64512
 neighbor 192.0.2.$((3 - number)) timers connect 1
 address-family l2vpn evpn
  neighbor 192.0.2.$((3 - number)) activate
  advertise-all-vni
 exit-address-family
C
    start $letter
    number=2
done

table() { # what A's vxlan device has of B
    local macs flood=no
    macs=$(bridge -n "$A" fdb show dev vni7 |
        sed -n 's/^02:00:00:00:00:0\(.\) dst 192.0.2.2 self .*/\1/p' | sort | xargs)
    bridge -n "$A" fdb show dev vni7 | grep -q '^00:00:00:00:00:00 dst 192.0.2.2 ' && flood=yes
    echo "$macs, flood $flood"
}
listed() { # by A's zebra as remote
    timeout 10 perl -MSocket -e '
        socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die "socket: $!";
        connect($s, pack_sockaddr_un($ARGV[0])) or exit;
        send($s, "show evpn mac vni 7\0", 0);
        my $answer = "";
        $answer .= $part while $answer !~ /\0\0\0./s && sysread($s, $part, 4096);
        print $answer =~ s/\0.*//sr' "$work/A/zebra.vty" |
        sed -n 's/^02:00:00:00:00:0\(.\) *remote .*/\1/p' | sort | xargs
}
# expect WHEN TABLE [LISTED]
expect() {
    for _ in {1..200}; do
        [ "$(table)" = "$2" ] && [ "${3:-}" = "${3:+$(listed)}" ] && break
        sleep 0.1
    done
    sleep 1 # whatever comes late
    echo "$1: $(table)${3:+; zebra has $(listed)}"
    [ "$(table)" = "$2" ] || fail "not $2"
    [ "${3:-}" = "${3:+$(listed)}" ] || fail "zebra has not $3"
}
for i in 1 2 3; do must bridge -n "$B" fdb add 02:00:00:00:00:0$i dev p0 master static; done
expect running "1 2 3, flood yes" "1 2 3"
must bridge -n "$A" fdb del 02:00:00:00:00:01 dev vni7 dst 192.0.2.2 self
must bridge -n "$A" fdb del 00:00:00:00:00:00 dev vni7 dst 192.0.2.2 self
expect "entries of 1 and of the flood deleted" "2 3, flood yes" "1 2 3"

end() { # SIGNAL DAEMONS: of A
    local daemon pid
    for daemon in "${@:2}"; do
        pid=$(cat "$work/A/$daemon.pid")
        must kill "-$1" "$pid"
        for _ in {1..100}; do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    done
}
end KILL zebra bgpd 2>/dev/null
must bridge -n "$B" fdb del 02:00:00:00:00:02 dev p0 master
rm -f "$work"/A/*.pid "$work/A/zserv"
start A
expect "killed, 2 gone from B, started" "1 2 3, flood yes" "1 3"
end TERM bgpd zebra
expect ended "2, flood no"
