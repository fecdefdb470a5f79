/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether the device that an ifindex in our tables stands for still exists, in this namespace. A
 * device that moves into another namespace takes its programs along; they check this before they
 * use an ifindex of the new namespace as if it were one of the old.
 */
#ifndef XVTEP_BPF_ALIVE_H
#define XVTEP_BPF_ALIVE_H

#include "bpf/common.h"
#include "bpf/maps.h"

static __always_inline int is_alive(__u32 ifindex)
{
    return bpf_map_lookup_elem(&alive, &ifindex) != NULL;
}

/*
 * As is_alive(), for each packet: the answer is valid until the coarse clock `now` ticks, which is
 * some milliseconds. Whichever CPU writes a hint has just asked, so a mixed one is right, too.
 */
XV_STEP int is_alive_now(__u32 ifindex, __u64 now)
{
    __u32 at = ifindex & (XV_ALIVE_HINTS - 1);
    struct xv_alive_hint *hint = bpf_map_lookup_elem(&alive_hints, &at);

    if (hint && hint->ifindex == ifindex && hint->asked == now)
        return 1;
    if (!is_alive(ifindex))
        return 0;
    if (hint) {
        hint->ifindex = ifindex;
        hint->asked = now;
    }
    return 1;
}

#endif
