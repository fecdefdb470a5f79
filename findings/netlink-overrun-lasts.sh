#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# After ENOBUFS a netlink listener gets nothing until it has read its queue to the end; what happens
# meanwhile is lost without a second ENOBUFS.
#
# About: a listener to RTNLGRP_NEIGH whose receive buffer overflowed, and which goes on reading.
# Versions: Linux 6.18.44 and 6.1.192; Debian's iproute2 6.1.0-3.
# Behaviour: 1000 entries are added to a vxlan device, more than the buffer holds. recv() fails once
#   with ENOBUFS. The listener reads half of what is queued, so that there is room, and starts to
#   read the table anew. Ten more entries are added now. The rest of the queue is read: the ten are
#   not in it, and no error says so. Ten that are added when the queue is empty arrive. So a table
#   that is read before the queue was empty may lack what was added since. With NETLINK_NO_ENOBUFS
#   the ten arrive, as soon as there is room, but then nothing tells of the first loss.
# Source: netlink_overrun() in net/netlink/af_netlink.c marks the socket NETLINK_S_CONGESTED, and
#   netlink_broadcast_deliver() skips sockets with that mark; netlink_rcv_wake() takes it off only
#   when it finds the queue empty. With NETLINK_F_RECV_NO_ENOBUFS it is not set.
# Output seen (the number of those queued depends on the size of a message in memory):
#   1000 added: ENOBUFS 1 times, 157 queued
#   10 added when half was read: 0 arrive, ENOBUFS 0 times
#   10 added when all was read: 10 arrive, ENOBUFS 0 times
#   with NETLINK_NO_ENOBUFS:
#   1000 added: ENOBUFS 0 times, 157 queued
#   10 added when half was read: 10 arrive, ENOBUFS 0 times
#   10 added when all was read: 10 arrive, ENOBUFS 0 times

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1
namespace N
must ip -n "$N" link add vx0 type vxlan id 7 dstport 4789
must ip -n "$N" link set vx0 up
for batch in "1000 0" "10 1" "10 2"; do
    for ((i = 0; i < ${batch% *}; i++)); do
        printf 'fdb replace 02:00:00:%02x:%02x:%02x dev vx0 dst 192.0.2.1\n' \
            "${batch#* }" $((i >> 8)) $((i & 255))
    done >"$work/batch${batch#* }"
done

# try NO_ENOBUFS: prints three lines, of numbers
try() {
    bridge -n "$N" fdb show dev vx0 | sed 's/^\([^ ]*\) .*/fdb del \1 dev vx0/' >"$work/clear"
    must bridge -n "$N" -batch "$work/clear"
    work=$work must ip netns exec "$N" perl -MSocket -MErrno=ENOBUFS,EAGAIN -e '
        socket(my $s, 16, SOCK_RAW, 0) or die "socket: $!"; # AF_NETLINK, NETLINK_ROUTE
        setsockopt($s, SOL_SOCKET, SO_RCVBUF, 65536);
        setsockopt($s, 270, 5, pack("i", 1)) or die "NETLINK_NO_ENOBUFS: $!" if $ARGV[0];
        bind($s, pack("SSLL", 16, 0, 0, 4)) or die "bind: $!"; # RTMGRP_NEIGH
        sub add { system("bridge", "-batch", "$ENV{work}/batch$_[0]") == 0 or die "bridge failed\n" }
        my ($errors, %macs);
        sub get { # COUNT messages at most
            my $n = 0;
            $errors = 0;
            while ($n < $_[0]) {
                my $data;
                if (!defined(recv($s, $data, 65536, 0x40))) { # MSG_DONTWAIT
                    if ($! == ENOBUFS) { $errors++; next }
                    last if $! == EAGAIN;
                    die "recv: $!";
                }
                my $attributes = substr($data, 28);
                my $has_dst = 0; # Linux 6.1 sends one more for each, without a destination
                my $mac = "";
                while (length($attributes) >= 4) {
                    my ($length, $kind) = unpack("SS", $attributes);
                    $mac = unpack("x4 H12", $attributes) if $kind == 2; # NDA_LLADDR
                    $has_dst = 1 if $kind == 1;
                    $attributes = substr($attributes, ($length + 3) & ~3);
                }
                $macs{$mac}++ if $has_dst;
                $n++;
            }
            return $n;
        }
        sub of { my $start = "020000$_[0]"; scalar(grep { /^$start/ } keys %macs) } # of a batch
        add(0);
        my $half = get(40);
        my $first = $errors;
        add(1);
        my $rest = get(1e9);
        printf "1000 added: ENOBUFS %d times, %d queued\n", $first, $half + $rest - of("01");
        printf "10 added when half was read: %d arrive, ENOBUFS %d times\n", of("01"), $errors;
        add(2);
        get(1e9);
        printf "10 added when all was read: %d arrive, ENOBUFS %d times\n", of("02"), $errors;' "$1"
}
# expect LINES FIRST SECOND THIRD
expect() {
    local line
    echo "$1"
    for line in "$2" "$3" "$4"; do
        grep -q "^$line" <<<"$1" || fail "not \"$line\""
    done
}
lines=$(try 0) || exit 1
expect "$lines" "1000 added: ENOBUFS 1 times" "10 added when half was read: 0 arrive, ENOBUFS 0" \
    "10 added when all was read: 10 arrive, ENOBUFS 0"
echo "with NETLINK_NO_ENOBUFS:"
lines=$(try 1) || exit 1
expect "$lines" "1000 added: ENOBUFS 0 times" "10 added when half was read: 10 arrive, ENOBUFS 0" \
    "10 added when all was read: 10 arrive, ENOBUFS 0"
