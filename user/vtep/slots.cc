// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/slots.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cstddef>

#include <fmt/format.h>

#include "user/vtep/grow.h"

namespace xvtep {

namespace {

Result<UsedSlots> read_used_slots(const Session &session)
{
    const Tables &tables = *session.tables;
    UsedSlots used;
    used.taken.resize(tables.vteps.capacity());
    const auto take = [&](__u32 slot) {
        if (slot < used.taken.size())
            used.taken[slot] = true;
    };
    take(0);
    TRY_ASSIGN(const auto vteps, session.vteps());
    for (const auto &vtep : vteps)
        take(vtep.slot);
    TRY_ASSIGN(const auto devices, tables.devices.entries());
    for (const auto &[ifindex, slot] : devices)
        take(slot);
    TRY_ASSIGN(const auto underlays, tables.underlays.entries());
    for (const auto &[ifindex, underlay] : underlays)
        take(underlay.slot);
    TRY_ASSIGN(const auto ports, tables.ports.entries());
    for (const auto &[ifindex, port] : ports)
        take(port.slot);
    return used;
}

Result<> clear_counters(const Session &session, __u32 slot)
{
    TRY_ASSIGN(const auto cpus, session.wrap(possible_cpus()));
    const std::vector<xv_counters> zeros(cpus);
    if (bpf_map_update_elem(session.tables->counters.fd(), &slot, zeros.data(), BPF_ANY) != 0)
        return session.refused("counters: " + errno_text(errno), errno);
    session.tables->retired_counts[slot] = {};
    return {};
}

} // namespace

Result<__u32> free_slot(Session &session)
{
    auto &used = session.resources->used_slots;
    if (!used)
        TRY_SET(used, session.wrap(read_used_slots(session)));
    const auto free = std::find(used->taken.begin() + static_cast<std::ptrdiff_t>(used->first),
                                used->taken.end(), false);
    const auto slot = static_cast<__u32>(free - used->taken.begin());
    if (free == used->taken.end()) {
        if (slot == largest_sizes.slots)
            return session.refused(
                fmt::format("the namespace has {} VTEPs and ports already", slot - 1), ENOSPC);
        TRY(grow(session, &Sizes::slots, std::min(slot + vteps_of_batch(), largest_sizes.slots)));
        used->taken.resize(session.tables->sizes().slots);
    }
    TRY(clear_counters(session, slot));
    used->taken[slot] = true;
    used->first = slot + 1;
    return slot;
}

void give_back_slot(Session &session, __u32 slot)
{
    auto &used = session.resources->used_slots;
    if (!used || slot >= used->taken.size())
        return;
    used->taken[slot] = false;
    used->first = std::min<std::size_t>(used->first, slot);
}

} // namespace xvtep
