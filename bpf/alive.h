/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether the device that an ifindex in our tables stands for still exists, in this namespace. A
 * device that moves into another namespace takes its programs along; they check this before they
 * use an ifindex of the new namespace as if it were one of the old.
 */
#ifndef XVTEP_BPF_ALIVE_H
#define XVTEP_BPF_ALIVE_H

#include "bpf/maps.h"

static __always_inline int is_alive(__u32 ifindex)
{
    return bpf_map_lookup_elem(&alive, &ifindex) != NULL;
}

#endif
