#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# In which order two halves of eight bytes of the stack are written decides whether the verifier
# takes two ways through a program for one, or goes each further way twice.
#
# About: BPF programs that write two neighbouring 32-bit members of a variable on the stack in two
#   branches. The order is the compiler's, which is free to change it in one branch only.
# Versions: Linux 6.18.44; Debian's clang-14 1:14.0.6-12, libbpf 1:1.1.2-0+deb12u1, bpftool
#   7.1.0+6.1.192-2.
# Behaviour: a program has some branches one after another; both ways of each write the same value
#   into both halves of the same eight bytes of the stack, the lower of which is read at the end. If
#   both ways write the lower half first, a further branch costs some 10 to 30 instructions. If the
#   way that the verifier goes first (where the condition is false) writes the upper half first and
#   the other way the lower half, each further branch doubles the work. (With 16 branches it reaches
#   the limit of a million instructions, and the program is refused.) With these two exchanged
#   nothing is doubled.
# Source: check_stack_write_fixed_off() in kernel/bpf/verifier.c remembers the number written if it
#   begins at a multiple of eight bytes, as the lower half does. Writing the upper half after that
#   drops it, and all eight bytes are just "misc". (The log has fp-8=mmmmscalar() and
#   fp-8=mmmmmmmm.) stacksafe() finds a way that was gone with "misc" good for any other, but one
#   that was gone with a remembered number not good for "misc", even where nothing depends on the
#   number.
# Output seen (instructions processed, with 6, 7, and 8 branches):
#   lower half first in both ways: 104 114 142
#   upper half first in the way that is gone first: 1402 3066 6650
#   upper half first in the way that is gone second: 104 114 142

. "$(dirname "$0")/common.sh"
packages $bpf_packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1 bpftool=7.1.0+6.1.192-2
bpffs

# processed FIRST SECOND BRANCHES: the number of instructions, for halves in the order FIRST in the
# way that the verifier goes first and SECOND in the other
processed() {
    local branch body="r6 = *(u32 *)(r1 + 8); r7 = *(u32 *)(r1 + 0); r0 = 0;" # mark, len
    local LH HL
    for ((branch = 1; branch <= $3; branch++)); do
        LH="*(u32 *)(r10 - $((8 * branch))) = r7; *(u32 *)(r10 - $((8 * branch - 4))) = r7;"
        HL="*(u32 *)(r10 - $((8 * branch - 4))) = r7; *(u32 *)(r10 - $((8 * branch))) = r7;"
        body+="r8 = r6; r8 &= 1; r6 >>= 1; if r8 == 0 goto +3; ${!1} goto +2; ${!2}"
    done
    for ((branch = 1; branch <= $3; branch++)); do
        body+="r1 = *(u32 *)(r10 - $((8 * branch))); r0 += r1;"
    done
    cat >"$work/halves.c" <<C
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
__attribute__((naked)) int halves(struct __sk_buff *skb)
{
    asm volatile("$body exit;");
}

char LICENSE[] SEC("license") = "GPL";
C
    compile halves
    must bpftool -d prog load "$work/halves.o" "$work/bpf/halves" >"$work/log" 2>&1
    rm "$work/bpf/halves"
    sed -n 's/^processed \([0-9]*\) insns.*/\1/p' "$work/log" | tail -1
}
# try WHAT FIRST SECOND: sets $six, $seven, $eight
try() {
    six=$(processed "$2" "$3" 6) seven=$(processed "$2" "$3" 7) eight=$(processed "$2" "$3" 8)
    echo "$1: $six $seven $eight"
    [ -n "$six" ] && [ -n "$seven" ] && [ -n "$eight" ] || fail "the verifier does not tell"
}
try "lower half first in both ways" LH LH
[ "$eight" -lt $((3 * six / 2)) ] || fail "the work grows by more than the branches"
expected="$six $seven $eight"
try "upper half first in the way that is gone first" HL LH
[ "$seven" -gt $((18 * six / 10)) ] && [ "$eight" -gt $((18 * seven / 10)) ] ||
    fail "the work is not doubled"
try "upper half first in the way that is gone second" LH HL
[ "$six $seven $eight" = "$expected" ] || fail "the work is not the same, $expected"
