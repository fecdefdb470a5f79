/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Entries by the dozen: user space runs a program on a "packet" of rows of the FDB. A system call
 * for each would cost half as much again as the entry.
 */
#ifndef XVTEP_BPF_BULK_H
#define XVTEP_BPF_BULK_H

#include "bpf/maps.h"

struct row_loop {
    struct __sk_buff *skb;
    __u32 done;
};

static long put_row(__u32 index, void *context)
{
    struct row_loop *loop = context;
    struct xv_fdb_row row;

    if (bpf_skb_load_bytes(loop->skb, index * sizeof(row), &row, sizeof(row)) ||
        bpf_map_update_elem(&fdb, &row.key, &row.value, BPF_NOEXIST))
        return 1;
    loop->done++;
    return 0;
}

/* How many, from the first, found their places free. */
static __always_inline __u32 put_rows(struct __sk_buff *skb)
{
    struct row_loop loop = {.skb = skb};

    bpf_loop(skb->len / sizeof(struct xv_fdb_row), put_row, &loop, 0);
    return loop.done;
}

#endif
