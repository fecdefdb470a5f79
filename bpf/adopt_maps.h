/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps of `xvtep adopt`, besides those of bpf/maps.h, and when the fast path may be used. */
#ifndef XVTEP_BPF_ADOPT_MAPS_H
#define XVTEP_BPF_ADOPT_MAPS_H

#include "bpf/abi/adopt.h"
#include "bpf/common.h"
#include "bpf/maps.h"

XV_MAP_SHARED_ARRAY(adopt_service, __u32, struct xv_adopt_service, 1);
/* [slot]; the service makes it as large as `vteps` */
XV_MAP_SHARED_ARRAY(adopt_devices, __u32, struct xv_adopted, XV_SLOTS_START);
/* Keys that were deleted while a dump was read, which may still have them. The value is 1. */
XV_HASH(adopt_tombstones, struct xv_fdb_key, __u32, XV_ADOPT_TOMBSTONES);

static __always_inline struct xv_adopt_service *adopt_get_service(void)
{
    __u32 zero = 0;

    return bpf_map_lookup_elem(&adopt_service, &zero);
}

static __always_inline struct xv_adopted *adopted_by_slot(__u32 slot)
{
    return bpf_map_lookup_elem(&adopt_devices, &slot);
}

/* Whether the service is alive, and the record and the entries of the device are right. */
static __always_inline int adopt_is_valid(__u32 slot, __u64 now)
{
    struct xv_adopt_service *service = adopt_get_service();
    struct xv_adopted *device = adopted_by_slot(slot);

    return service && device && now < service->lease && device->seq == device->ready;
}

#endif
