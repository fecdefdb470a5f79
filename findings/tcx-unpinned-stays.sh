#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A program whose TCX link has been unpinned is still attached for some time; closing the link
# detaches it at once.
#
# About: unlink(2) of the pin of a TCX link that nobody has open, as "rm" does.
# Versions: Linux 6.18.44; Debian's clang-14 1:14.0.6-12, libbpf 1:1.1.2-0+deb12u1, iproute2
#   6.1.0-3, bpftool 7.1.0+6.1.192-2.
# Behaviour: a program is attached to a device by a link, the link is given up, and the same program
#   is attached again. If the last reference was a file descriptor, that works right after close(2);
#   also if the link was pinned, and the pin has been removed before. If the last reference was the
#   pin, attaching fails with EEXIST after unlink(2) has succeeded, mostly, and works some
#   milliseconds later. BPF_LINK_DETACH before unlink(2) detaches at once, too.
# Source: bpf_link_release() in kernel/bpf/syscall.c, for a file descriptor, frees the link itself
#   (bpf_link_put_direct()). The inode of a pin gives it up by bpf_any_put() in kernel/bpf/inode.c,
#   that is by bpf_link_put(), which leaves that to a work queue (bpf_link_put_deferred()).
#   bpf_mprog_attach() in kernel/bpf/mprog.c refuses a program that is there already.
# Output seen (of 20 times; the numbers of the last line differ from run to run):
#   closed: 0 refused
#   unpinned, then closed: 0 refused
#   detached, closed, then unpinned: 0 refused
#   closed, then unpinned: 14 refused with EEXIST, for up to 171 ms

. "$(dirname "$0")/common.sh"
packages $bpf_packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1 bpftool=7.1.0+6.1.192-2
[ "$(uname -m)" = x86_64 ] || skip "the number of bpf(2) is known for x86_64 only"
bpffs

cat >"$work/pass.c" <<'C'
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int pass(struct __sk_buff *skb)
{
    return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "GPL";
C
compile pass
must bpftool prog load "$work/pass.o" "$work/bpf/program"

namespace N
must ip -n "$N" link add d0 index 201 type veth peer name d1

cat >"$work/links" <<'P'
use Errno qw(EEXIST);
use Time::HiRes qw(sleep time);

my ($folder) = @ARGV;
my ($program_path, $pin) = ("$folder/program\0", "$folder/link\0");

sub bpf { # command, attributes
    my ($command, $attr) = @_;
    return syscall(321, $command, $attr, length($attr));
}
sub must { $_[0] >= 0 or die "$_[1]: $!\n"; return $_[0] }
sub open_pin { must(bpf(7, pack("pLL", $_[0], 0, 0)), "BPF_OBJ_GET") }
my $program = open_pin($program_path);
sub attach { bpf(28, pack("LLLLx48", $program, 201, 46, 0)) } # BPF_LINK_CREATE, BPF_TCX_INGRESS
sub pin { must(bpf(6, pack("pLL", $pin, $_[0], 0)), "BPF_OBJ_PIN") }
sub detach { must(bpf(34, pack("L", $_[0])), "BPF_LINK_DETACH") }
sub shut { must(syscall(3, $_[0]), "close") }
sub unpin { unlink("$folder/link") or die "unlink: $!\n" }

sub try { # what, how a link is given up
    my ($what, $give_up) = @_;
    my ($refused, $longest) = (0, 0);
    for (1 .. 20) {
        my $link = attach();
        $link >= 0 or die "no TCX: $!\n";
        $give_up->($link);
        my $begin = time;
        $link = attach();
        if ($link < 0) {
            $refused++;
            while ($link < 0) {
                $! == EEXIST or die "attach: $!\n";
                time - $begin < 5 or die "refused for five seconds\n";
                sleep(0.001);
                $link = attach();
            }
            my $lasted = 1000 * (time - $begin);
            $longest = $lasted if $lasted > $longest;
        }
        shut($link);
    }
    print "$what: $refused refused";
    printf " with EEXIST, for up to %d ms", $longest if $refused;
    print "\n";
}
$| = 1;
try("closed", sub { shut($_[0]) });
try("unpinned, then closed", sub { pin($_[0]); unpin(); shut($_[0]) });
try("detached, closed, then unpinned", sub { pin($_[0]); detach($_[0]); shut($_[0]); unpin() });
try("closed, then unpinned", sub { pin($_[0]); shut($_[0]); unpin() });
P
ip netns exec "$N" timeout 100 perl "$work/links" "$work/bpf" >"$work/out" 2>"$work/error"
cat "$work/out"
grep -q '^no TCX' "$work/error" && skip "this kernel has no TCX"
[ -s "$work/error" ] && fail "$(cat "$work/error")"
[ "$(grep -c ': 0 refused$' "$work/out")" = 3 ] || fail "not at once where that was so"
grep -q '^closed, then unpinned: [1-9][0-9]* refused with EEXIST' "$work/out" ||
    fail "a link that is unpinned detaches at once"
