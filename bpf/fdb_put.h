/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bulk insertion of FDB entries: user space runs the program on a "packet" of rows. A system call
 * for each entry would cost half as much again as the entry itself. Without a whole row it only
 * starts the garbage collection, as user space cannot start a timer.
 */
#ifndef XVTEP_BPF_FDB_PUT_H
#define XVTEP_BPF_FDB_PUT_H

#include "bpf/common.h"
#include "bpf/gc.h"
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

/*
 * Returns how many rows, from the first on, were added: the first key that exists ends the loop.
 * Starts the garbage collection for entries that can expire, which user space has queued.
 */
static __always_inline __u32 put_rows(struct __sk_buff *skb)
{
    struct row_loop loop = {.skb = skb};

    bpf_loop(skb->len / sizeof(struct xv_fdb_row), put_row, &loop, 0);
    gc_start_timer();
    return loop.done;
}

#endif
