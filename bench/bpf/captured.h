/* SPDX-License-Identifier: GPL-2.0-only */
/* What a sink keeps of a frame that is to be looked at. */
#ifndef XVTEP_BENCH_CAPTURED_H
#define XVTEP_BENCH_CAPTURED_H

#include <linux/types.h>

struct captured {
    __u32 ifindex; /* where it came */
    __u32 size;
    __u8 frame[2048];
};

#endif
