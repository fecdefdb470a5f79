#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What XDP_TX sends back over a veth stays in the veth if the other end has GRO and no XDP program.
#
# About: XDP_TX in native mode on a veth whose peer has "gro on", which lets it take XDP frames
#   without an XDP program of its own.
# Versions: Linux 6.18.44 and 6.1.192; Debian's clang-14 1:14.0.6-12, libbpf 1:1.1.2-0+deb12u1,
#   iproute2 6.1.0-3, ethtool 1:6.1-1, bpftool 7.1.0+6.1.192-2.
# Behaviour: N's program sends each frame of S back. S sends five frames and receives none. N's end
#   counts five times "xdp_tx", no error and no drop. A frame that N sends itself arrives at S
#   alone. When N sends one with "tso off", which makes it take the way by S's GRO, the five arrive
#   with it. Without GRO they are lost for good, and counted ("xdp_tx_errors"). With an XDP program
#   at S, even one that only passes, they arrive at once.
# Source: veth_xdp_xmit() in drivers/net/veth.c takes frames wherever the other end has a NAPI,
#   which GRO gives it; veth_xdp_flush(), which is to wake that NAPI after XDP_TX, does so only if
#   the other end has an XDP program. (Frames that bpf_redirect_map() sends there have it woken by
#   veth_xdp_xmit() itself.) veth_skb_is_eligible_for_gro() tells which packets go by the NAPI.
# Output seen (frames of five that had arrived; counters of N's end):
#   gro off: at once 0, after another frame 0, after one with tso off 0; xdp_tx 0, xdp_tx_errors 5
#   gro on: at once 0, after another frame 0, after one with tso off 5; xdp_tx 5, xdp_tx_errors 0
#   XDP program: at once 5, after another frame 5, after one with tso off 5; xdp_tx 5, xdp_tx_errors 0

. "$(dirname "$0")/common.sh"
packages $bpf_packages iproute2=6.1.0-3 libbpf1=1:1.1.2-0+deb12u1 ethtool=1:6.1-1 \
    bpftool=7.1.0+6.1.192-2
bpffs

cat >"$work/back.c" <<'C'
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int tx(struct xdp_md *xdp)
{
    return XDP_TX;
}

SEC("xdp")
int pass(struct xdp_md *xdp)
{
    return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
C
compile back
must bpftool prog loadall "$work/back.o" "$work/bpf/programs"
namespace N; namespace S

frames() { # NUMBER: so many, for nobody
    local i
    for ((i = 0; i < $1; i++)); do
        echo 020000000001 0200000000ee 88b5 "$(printf '%092d' 0)"
    done
}
counter() { ip netns exec "$N" ethtool -S u0 | sed -n "s/ *rx_queue_0_$1: //p"; }
back() { captured | grep -c '0200000000ee88b5'; }
# try WHAT AT_ONCE AFTER_ONE AFTER_TSO_OFF XDP_TX ERRORS
try() {
    local once one off tx errors
    must ip -n "$N" link set dev u0 xdpdrv pinned "$work/bpf/programs/tx"
    capture "$S" u1
    frames 5 | send_frames "$S" u1
    sleep 1
    once=$(back) tx=$(counter xdp_tx) errors=$(counter xdp_tx_errors)
    frames 1 | send_frames "$N" u0
    one=$((once + $(back) - 1))
    must ip netns exec "$N" ethtool -K u0 tso off
    frames 1 | send_frames "$N" u0
    off=$((one + $(back) - 1))
    echo "$1: at once $once, after another frame $one, after one with tso off $off;" \
        "xdp_tx $tx, xdp_tx_errors $errors"
    [ "$once $one $off $tx $errors" = "$2 $3 $4 $5 $6" ] || fail "not $2, $3, $4; $5, $6"
    must ip -n "$N" link del u0
}
pair() {
    must ip -n "$N" link add u0 type veth peer name u1 netns "$S"
    must ip -n "$N" link set u0 up
    must ip -n "$S" link set u1 up
}
pair
try "gro off" 0 0 0 0 5
pair
must ip netns exec "$S" ethtool -K u1 gro on
try "gro on" 0 0 5 5 0
pair
must ip -n "$S" link set dev u1 xdpdrv pinned "$work/bpf/programs/pass"
try "XDP program" 5 5 5 5 0
