/* SPDX-License-Identifier: GPL-2.0-only */
/* Definitions that every part of the BPF programs shares. */
#ifndef XVTEP_BPF_COMMON_H
#define XVTEP_BPF_COMMON_H

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/abi/reasons.h"

/*
 * A global function. The verifier checks it once, with any arguments, whereas it walks through a
 * static function again on each path of each caller, which Linux 6.1 gives up on. The price: a
 * pointer argument must point to a struct and may be NULL, and the function must check that. The
 * stack frames of a chain of calls may add up to 512 bytes; an XV_STEP releases its frame on
 * return, so steps in a row need only the room of the largest.
 */
#define XV_STEP __noinline

#define XV_SECOND 1000000000ULL /* ns */
#define XV_CLOCK_MONOTONIC 1    /* linux/time.h clashes with libc's */

/*
 * Returns 0, which the verifier does not know. It walks through code once for each set of values
 * that it can tell apart; a constant plus this zero is any value to it, and so paths that differ
 * in constants are one path from there on. `any`: a value that it does not know, either.
 */
static __always_inline __u64 unknown_zero(__u64 any)
{
    __u64 same = any;

    asm volatile("" : "+r"(same));
    return any ^ same;
}

/*
 * Results of a step besides enum xv_reason: another step has to follow. They are never counted, so
 * they are negative.
 */
enum xv_next_step {
    XV_RESOLVE = -1, /* no next hop is known for a packet of this size: the kernel's device sends */
    XV_LOCAL_VTEP = -2, /* the destination is a VTEP of this host */
    XV_RENEW_PATH = -4, /* the remote has no fresh path: see path_renew() */
    XV_NEIGH_MISS = -3, /* the neighbour table has no live entry for the target */
};

/* Whether the frame ends here; after any other reason it goes on to the kernel or a port. */
static __always_inline int reason_drops(int reason)
{
    return reason >= XV_FIRST_DROPPED;
}

/* Whether the frame goes on to the kernel's stack, bridge or vxlan device. */
static __always_inline int reason_passes(int reason)
{
    return reason != XV_CONTINUE && !reason_drops(reason);
}

#endif
