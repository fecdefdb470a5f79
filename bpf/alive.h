/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether a device that an ifindex in our tables stands for is still there, and still the same.
 * A device that is moved into another namespace takes programs along: they ask for it, too, before
 * they take an ifindex of theirs for one of the namespace that they were made for.
 */
#ifndef XVTEP_BPF_ALIVE_H
#define XVTEP_BPF_ALIVE_H

#include "bpf/maps.h"

static __always_inline int is_alive(__u32 ifindex)
{
    return bpf_map_lookup_elem(&alive, &ifindex) != NULL;
}

#endif
