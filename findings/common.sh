# SPDX-License-Identifier: GPL-2.0-only
# What the findings share: pinned packages, namespaces, the end. To be sourced by a bash script.
#
# It makes the temporary folder $work and removes it at the end, together with every namespace that
# `namespace` has made and every process that the script has put into $pids.

set -u
work=$(mktemp -d -t finding-XXXXXX) || exit 1
namespaces=()
pids=()

finish() {
    local pid name
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null; done
    for name in "${namespaces[@]}"; do ip netns del "$name" 2>/dev/null; done
    mountpoint -q "$work/bpf" && umount "$work/bpf"
    rm -rf --one-file-system "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT PIPE TERM

skip() { echo "skipped: $*"; exit 77; }
fail() { echo "the kernel or a tool behaves differently: $*" >&2; exit 1; }
# What must work for the finding to be tried at all.
must() { timeout 20 "$@" || { echo "cannot set up: $*" >&2; exit 1; }; }

# packages NAME=VERSION...: unpacks them into $work and uses their commands and libraries first.
packages() {
    local file root=$work/root
    [ "$(id -u)" = 0 ] || skip "this needs root"
    command -v apt-get dpkg perl >/dev/null || skip "this needs Debian's apt-get, dpkg and perl"
    mkdir -p "$root" "$work/debs"
    (cd "$work/debs" && timeout 120 apt-get -q download "$@") >"$work/apt" 2>&1 ||
        skip "apt-get cannot download what this needs: $(grep '^E:' "$work/apt" | head -1)"
    for file in "$work"/debs/*.deb; do must dpkg -x "$file" "$root"; done
    rm -rf "$work/debs"
    PATH=$root/usr/lib/llvm-14/bin:$root/usr/sbin:$root/usr/bin:$root/sbin:$root/bin:$PATH
    LD_LIBRARY_PATH=$root/usr/lib/$(uname -m)-linux-gnu:$root/lib/$(uname -m)-linux-gnu
    LD_LIBRARY_PATH=$LD_LIBRARY_PATH:$root/usr/lib/llvm-14/lib
    export PATH LD_LIBRARY_PATH
    ip -V >/dev/null 2>&1 || skip "the packages' programs do not run here (libraries missing?)"
}

# namespace LETTER: makes a network namespace and puts its name into the variable $LETTER.
namespace() {
    local name="finding-$$-$1"
    ip netns add "$name" 2>/dev/null || skip "no network namespace can be made"
    namespaces+=("$name")
    ip netns exec "$name" sysctl -qw net.ipv6.conf.default.disable_ipv6=1 2>/dev/null
    must ip -n "$name" link set lo up
    printf -v "$1" %s "$name"
}

# listen NAMESPACE DEVICE: writes what "bridge monitor fdb" says there into $work/news. DEVICE is a
# vxlan device of that namespace.
# heard NAMESPACE DEVICE: prints the news since the last call.
listen() {
    : >"$work/news"
    ip netns exec "$1" timeout 100 bridge monitor fdb >>"$work/news" 2>/dev/null &
    pids+=($!)
    heard "$1" "$2" >/dev/null
}
heard() {
    for _ in {1..200}; do # an entry of its own tells where the news so far end
        bridge -n "$1" fdb replace 02:00:00:00:ee:00 dev "$2" dst 192.0.2.254 2>/dev/null
        bridge -n "$1" fdb del 02:00:00:00:ee:00 dev "$2" 2>/dev/null
        grep -q '^Deleted 02:00:00:00:ee:00' "$work/news" && break
        sleep 0.05
    done
    sleep 0.1
    grep -v 02:00:00:00:ee:00 "$work/news"
    : >"$work/news"
}

# send_frames NAMESPACE DEVICE: sends the frames on standard input, a line in hexadecimal each.
send_frames() {
    must ip netns exec "$1" perl -MSocket -e '
        socket(my $s, 17, SOCK_RAW, 0) or die "socket: $!"; # AF_PACKET
        open(my $file, "<", "/sys/class/net/$ARGV[0]/ifindex") or die "ifindex: $!";
        chomp(my $ifindex = <$file>);
        while (<STDIN>) {
            my $frame = pack("H*", $_ =~ s/[^0-9a-f]//gr);
            my $to = pack("SnlSCCa8", 17, unpack("x12n", $frame), $ifindex, 0, 0, 6, "");
            defined(send($s, $frame, 0, $to)) or die "send: $!";
        }' "$2"
}

# capture NAMESPACE DEVICE: writes each frame that comes in there into $work/frames, a line in
# hexadecimal each; a VLAN tag beside the packet is not in it.
# captured: prints those since the last call, once none came for 0.3 s.
capture() {
    rm -f "$work/frames"
    ip netns exec "$1" timeout 100 perl -MSocket -e '
        socket(my $s, 17, SOCK_RAW, 0) or die "socket: $!";
        open(my $file, "<", "/sys/class/net/$ARGV[0]/ifindex") or die "ifindex: $!";
        chomp(my $ifindex = <$file>);
        setsockopt($s, SOL_SOCKET, SO_RCVBUF, 1 << 22);
        bind($s, pack("SnlSCCa8", 17, 3, $ifindex, 0, 0, 0, "")) or die "bind: $!";
        open(my $out, ">>", $ARGV[1]) or die "open: $!";
        $out->autoflush(1);
        while (my $from = recv($s, my $frame, 65536, 0)) {
            print $out unpack("H*", $frame), "\n" if (unpack("SnlSC", $from))[4] != 4; # OUTGOING
        }' "$2" "$work/frames" &
    pids+=($!)
    for _ in {1..100}; do [ -e "$work/frames" ] && return; sleep 0.05; done
}
captured() {
    local size=-1
    while [ "$size" != "$(stat -c %s "$work/frames")" ]; do
        size=$(stat -c %s "$work/frames")
        sleep 0.3
    done
    cat "$work/frames"
    : >"$work/frames"
}

# compile NAME: the BPF program in $work/NAME.c to $work/NAME.o.
compile() {
    must clang-14 -O2 -g -Wall -target bpf -idirafter "$work/root/usr/include/$(uname -m)-linux-gnu" \
        -I "$work/root/usr/include" -c "$work/$1.c" -o "$work/$1.o"
}

# bpffs: a BPF file system of the script's own in $work/bpf.
bpffs() {
    mkdir "$work/bpf"
    mount -t bpf bpf "$work/bpf" 2>/dev/null || skip "no BPF file system can be mounted"
}

# What a script with BPF programs needs.
# shellcheck disable=SC2034
bpf_packages="clang-14=1:14.0.6-12 libllvm14=1:14.0.6-12 libclang-cpp14=1:14.0.6-12
    libclang-common-14-dev=1:14.0.6-12 libbpf-dev=1:1.1.2-0+deb12u1 linux-libc-dev=6.1.192-2"

# A vxlan device vx0 in namespace N, with 198.51.100.1/24, whose remote 192.0.2.2 has two next hops
# by the ports u1 and u2; their other ends are in P. fib_multipath_hash_policy is 1.
two_next_hops() {
    local i
    namespace N; namespace P
    for i in 1 2; do
        must ip -n "$N" link add u$i type veth peer name p$i netns "$P"
        must ip -n "$N" addr add 203.0.113.$((16 * i + 1))/28 dev u$i
        must ip -n "$N" link set u$i up
        must ip -n "$P" link set p$i up
        must ip -n "$N" neigh replace 203.0.113.$((16 * i + 2)) lladdr 02:00:00:00:00:0$i dev u$i
    done
    must ip netns exec "$N" sysctl -qw net.ipv4.fib_multipath_hash_policy=1
    must ip -n "$N" addr add 192.0.2.1/32 dev lo
    must ip -n "$N" route add 192.0.2.2/32 src 192.0.2.1 \
        nexthop via 203.0.113.18 nexthop via 203.0.113.34
    must ip -n "$N" link add vx0 type vxlan id 7 dstport 4789 local 192.0.2.1 remote 192.0.2.2
    must ip -n "$N" addr add 198.51.100.1/24 dev vx0
    must ip -n "$N" link set vx0 up
    must ip -n "$N" neigh replace 198.51.100.2 lladdr 02:00:00:00:00:04 dev vx0
}

# packets PORT: how many have left by the port of namespace N.
packets() { ip -n "$N" -s link show "$1" | awk '/TX:/ { getline; print $2 }'; }
