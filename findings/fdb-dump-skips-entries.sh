#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A dump of a forwarding database leaves out entries that were there all the time, and does not say
# that it is incomplete.
#
# About: RTM_GETNEIGH dumps of a vxlan device's entries (as "bridge fdb show" makes them) while
#   others change the table; NLM_F_DUMP_INTR, which is to tell of inconsistent dumps.
# Versions: Linux 6.18.44 and 6.1.192; Debian's iproute2 6.1.0-3.
# Behaviour: 2000 entries; a program has read the first 64 kB or so of the dump when somebody
#   deletes 300 entries that it has read. Of the 1700 entries that stay, about 300 never appear in
#   the rest. Where 300 entries are added instead, some appear twice. Neither the messages nor
#   NLMSG_DONE have NLM_F_DUMP_INTR, whereas a dump of IP addresses that is changed in the middle
#   has. A table that is compared with such a dump, to delete what is "not there", loses entries
#   that are.
# Source: rtnl_fdb_dump() in net/core/rtnetlink.c goes on, part by part, at a count of entries (the
#   "idx" that vxlan_fdb_dump() in drivers/net/vxlan/vxlan_core.c and br_fdb_dump() count up from
#   the start), not at an entry: each part walks the whole table again, and whatever went from the
#   front moves the rest past the count. Neither calls nl_dump_check_consistent().
# Output seen (the counts differ where a part holds other MACs):
#   nothing changed: 2000 entries stayed, 0 of them missing, 0 twice, 0 messages with NLM_F_DUMP_INTR
#   300 of those read deleted: 1700 entries stayed, 300 of them missing, 0 twice, 0 messages with NLM_F_DUMP_INTR
#   300 added: 2000 entries stayed, 0 of them missing, 300 twice, 0 messages with NLM_F_DUMP_INTR

. "$(dirname "$0")/common.sh"
packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1
namespace N
must ip -n "$N" link add vx0 index 100 type vxlan id 7 dstport 4789
must ip -n "$N" link set vx0 up
lines() { # COMMAND, MACs on standard input
    sed "s/^/fdb $1 /; s/\$/ dev vx0 dst 192.0.2.1/"
}
for ((i = 0; i < 2000; i++)); do printf '02:00:00:00:%02x:%02x\n' $((i >> 8)) $((i & 255)); done |
    lines replace >"$work/all"
must bridge -n "$N" -batch "$work/all"

# dump CHANGE: dumps; after the first parts runs CHANGE, with the MACs read so far in $work/read
dump() {
    change=$1 must ip netns exec "$N" perl -MSocket -e '
        socket(my $s, 16, SOCK_RAW, 0) or die "socket: $!"; # AF_NETLINK, NETLINK_ROUTE
        setsockopt($s, 270, 12, pack("i", 1)) or die "NETLINK_GET_STRICT_CHK: $!";
        setsockopt($s, SOL_SOCKET, SO_RCVBUF, 16384); # the kernel is not to run ahead
        # nlmsghdr: RTM_GETNEIGH, NLM_F_REQUEST|NLM_F_DUMP; ndmsg: AF_BRIDGE, ifindex 100
        send($s, pack("LSSLLCx3lx4", 28, 30, 0x301, 1, 0, 7, 100), 0) or die "send: $!";
        my ($parts, $flagged, $done, %seen) = (0, 0, 0);
        until ($done) {
            defined(recv($s, my $data, 65536, 0)) or die "recv: $!";
            while (length($data) >= 16) {
                my ($size, $type, $flags) = unpack("LSS", $data);
                $flagged++ if $flags & 0x10; # NLM_F_DUMP_INTR
                die "refused\n" if $type == 2;
                $done = 1 if $type == 3;
                my $attributes = substr($data, 28, $size - 28);
                $data = substr($data, ($size + 3) & ~3);
                while ($type == 28 && length($attributes) >= 4) {
                    my ($length, $kind) = unpack("SS", $attributes);
                    if ($kind == 2) { # NDA_LLADDR
                        $seen{join ":", unpack("(H2)6", substr($attributes, 4, 6))}++;
                    }
                    $attributes = substr($attributes, ($length + 3) & ~3);
                }
            }
            if (++$parts == 2) {
                open(my $out, ">", "$ENV{work}/read");
                print $out "$_\n" for sort keys %seen;
                close($out);
                system($ENV{change}) == 0 or die "$ENV{change} failed\n";
            }
        }
        open(my $out, ">", "$ENV{work}/seen");
        print $out "$_ $seen{$_}\n" for sort keys %seen;
        print "$flagged\n"'
}
export work
# try WHAT BATCH STAYED MISSING TWICE: the least of the last two; 0 is exact
try() {
    local flagged stayed missing twice
    bridge -n "$N" fdb show dev vx0 | cut -d' ' -f1 | sort >"$work/before"
    flagged=$(dump "$2") || exit 1
    bridge -n "$N" fdb show dev vx0 | cut -d' ' -f1 | sort >"$work/after"
    comm -12 "$work/before" "$work/after" >"$work/stayed"
    stayed=$(wc -l <"$work/stayed")
    missing=$(cut -d' ' -f1 "$work/seen" | comm -23 "$work/stayed" - | wc -l)
    twice=$(grep -vc ' 1$' "$work/seen")
    echo "$1: $stayed entries stayed, $missing of them missing, $twice twice," \
        "$flagged messages with NLM_F_DUMP_INTR"
    [ "$stayed" = "$3" ] || fail "$stayed entries stayed, not $3"
    [ "$flagged" = 0 ] || fail "NLM_F_DUMP_INTR is set"
    [ "$missing" -ge "$4" ] && { [ "$4" != 0 ] || [ "$missing" = 0 ]; } ||
        fail "$missing are missing"
    [ "$twice" -ge "$5" ] && { [ "$5" != 0 ] || [ "$twice" = 0 ]; } || fail "$twice appear twice"
}
cat >"$work/delete" <<'S'
head -n 300 "$work/read" | sed 's/^/fdb del /; s/$/ dev vx0 dst 192.0.2.1/' >"$work/batch"
bridge -batch "$work/batch"
S
cat >"$work/add" <<'S'
for i in $(seq 300); do
    printf 'fdb add 02:00:00:01:%02x:%02x dev vx0 dst 192.0.2.1\n' $((i / 256)) $((i % 256))
done >"$work/batch"
bridge -batch "$work/batch"
S
try "nothing changed" true 2000 0 0
try "300 of those read deleted" "sh $work/delete" 1700 50 0
must bridge -n "$N" -batch "$work/all"
try "300 added" "sh $work/add" 2000 0 10
