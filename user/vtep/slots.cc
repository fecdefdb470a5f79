// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/slots.h"

#include <bpf/bpf.h>

#include <set>

#include "user/vtep/grow.h"

namespace xvtep {

Result<__u32> free_slot(Session &session, __u32 promised)
{
    std::set<__u32> used{promised};
    TRY_ASSIGN(const auto vteps, session.wrap(session.tables->vteps.entries()));
    for (const auto &[slot, vtep] : vteps)
        if (vtep.slot != 0)
            used.insert(slot);
    TRY_ASSIGN(const auto devices, session.wrap(session.tables->devices.entries()));
    for (const auto &[ifindex, slot] : devices)
        used.insert(slot);
    TRY_ASSIGN(const auto underlays, session.wrap(session.tables->underlays.entries()));
    for (const auto &[ifindex, underlay] : underlays)
        used.insert(underlay.slot);
    TRY_ASSIGN(const auto ports, session.wrap(session.tables->ports.entries()));
    for (const auto &[ifindex, port] : ports)
        used.insert(port.slot);
    __u32 slot = 1;
    while (used.contains(slot))
        slot++;
    if (slot >= session.tables->sizes().slots) {
        auto more = grow(session, &Sizes::slots);
        if (!more)
            return session.wrap(more.error());
    }
    TRY_ASSIGN(const auto cpus, session.wrap(possible_cpus()));
    const std::vector<xv_counters> zeros(cpus);
    if (bpf_map_update_elem(session.tables->counters.fd(), &slot, zeros.data(), BPF_ANY) != 0)
        return session.refused("counters: " + errno_text(errno), errno);
    session.tables->retired_counts[slot] = {};
    return slot;
}

} // namespace xvtep
