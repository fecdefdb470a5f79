/* SPDX-License-Identifier: GPL-2.0-only */
/* What a capturing sink keeps: how many IPv4 UDP frames came, and the last one. */
#ifndef XVTEP_BENCH_CAPTURED_H
#define XVTEP_BENCH_CAPTURED_H

#include <linux/types.h>

struct captured {
    __u32 count;
    __u32 size;
    __u8 frame[2048];
};

#endif
