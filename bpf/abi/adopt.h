/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs of `xvtep adopt` (bpf/adopt.bpf.c) and its service share, besides the tables of
 * bpf/abi/tables.h. The programs and the service are always of one binary.
 */
#ifndef XVTEP_ADOPT_H
#define XVTEP_ADOPT_H

#include <linux/types.h>

#include "bpf/abi/tables.h"

#define XV_ADOPT_TOMBSTONES 65536

/* [0]: of the service */
struct xv_adopt_service {
    __u64 lease;    /* CLOCK_MONOTONIC ns: until then the tables are known to be right */
    __u32 remotes;  /* counts remotes that got their first entry */
    __u32 not_kept; /* counts entries that found no room: the kernel's device has them alone */
};

/* [slot]: of a device. The filter writes the first three, the service the others. */
struct xv_adopted {
    __u32 seq;       /* counts messages about the device: each stops its fast path */
    __u32 deletions; /* counts entries that went while `dumping` */
    __u32 overflow;  /* counts deletions that found no room for a tombstone */
    __u32 ready;     /* the `seq` with which the record was read: the fast path needs it to be so */
    __u32 dumping;   /* deletions leave tombstones */
    __u32 zero;
};

enum xv_adopt_op {
    XV_ADOPT_PUT,    /* adds an entry, unless there is one, or a tombstone */
    XV_ADOPT_REMOVE, /* removes an entry */
    XV_ADOPT_SWEEP,  /* looks for remotes without entries; the key has no meaning */
};

/* What the service hands to xvtep_adopt_rows. */
struct xv_adopt_row {
    struct xv_fdb_key key;
    __u16 op;    /* enum xv_adopt_op */
    __u16 flags; /* of the entry */
    struct xv_addr addr;
};

XV_ASSERT(sizeof(struct xv_adopt_service) == 16, "no padding");
XV_ASSERT(sizeof(struct xv_adopted) == 24, "no padding");
XV_ASSERT(sizeof(struct xv_adopt_row) == 32, "no padding");

#endif
