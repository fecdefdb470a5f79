// SPDX-License-Identifier: GPL-2.0-only
#include "xvtep/stats.h"

#include <algorithm>
#include <map>

#include "user/vtep/queries.h"
#include "user/vtep/remote_table.h"
#include "user/vtep/session.h"

namespace xvtep {
namespace {

struct ReasonName {
    int reason;
    const char *name;
};

#define X(name, text, meaning) {XV_##name, text},
constexpr ReasonName passed_names[] = {XV_PASSED_REASONS(X)};
constexpr ReasonName dropped_names[] = {XV_DROPPED_REASONS(X)};
#undef X

Result<Stats> read(const Session &session, __u32 slot)
{
    TRY_ASSIGN(const auto count, session.wrap(possible_cpus()));
    std::vector<xv_counters> cpus(count);
    if (bpf_map_lookup_elem(session.tables->counters.fd(), &slot, cpus.data()) != 0)
        return session.refused("counters: " + errno_text(errno), errno);
    Stats stats;
    xv_counters sum{};
    for (const auto &cpu : cpus) {
        stats.rx_packets += cpu.rx_packets;
        stats.rx_bytes += cpu.rx_bytes;
        stats.tx_packets += cpu.tx_packets;
        stats.tx_bytes += cpu.tx_bytes;
        stats.events_lost += cpu.events_lost;
        stats.not_learned += cpu.not_learned;
        for (int reason = 0; reason < XV_REASONS; reason++)
            sum.reason[reason] += cpu.reason[reason];
    }
    for (const auto &[reason, name] : passed_names)
        stats.passed.push_back({name, sum.reason[reason]});
    for (const auto &[reason, name] : dropped_names)
        stats.drops.push_back({name, sum.reason[reason]});
    return stats;
}

using RemoteIds = std::multimap<__u32, __u32>; // by the slot of the VTEP

Result<RemoteIds> read_remotes(const Session &session)
{
    RemoteIds by_slot;
    if (!session.tables)
        return by_slot;
    TRY_ASSIGN(const auto ids, session.wrap(session.tables->remote_ids.entries()));
    for (const auto &[key, id] : ids)
        by_slot.emplace(key.slot, id);
    return by_slot;
}

// Adds what the remotes of the VTEP have counted: the live ones and those that were freed.
Result<> add_remotes(const Session &session, const RemoteIds &remotes, __u32 slot, Stats &stats)
{
    xv_remote_counters sum = session.tables->retired_counts[slot];
    const auto [first, last] = remotes.equal_range(slot);
    for (auto at = first; at != last; ++at) {
        TRY_ASSIGN(const auto counts, session.wrap(remote_counts(*session.tables, at->second)));
        add_counts(sum, counts);
    }
    stats.rx_packets += sum.rx_packets;
    stats.rx_bytes += sum.rx_bytes;
    stats.tx_packets += sum.tx_packets;
    stats.tx_bytes += sum.tx_bytes;
    return {};
}

} // namespace

Result<std::vector<Stats>> show_stats(const std::optional<std::string> &device)
{
    TRY_ASSIGN(auto session, Session::reader("stats", device.value_or("")));
    return show_stats(session, device);
}

Result<std::vector<Stats>> show_stats(Session &session, const std::optional<std::string> &device)
{
    auto links = session.netlink.links();
    if (!links)
        return session.wrap(links.error());
    std::vector<Stats> all;
    TRY_ASSIGN(const auto remotes, read_remotes(session));
    const auto add = [&](__u32 ifindex, __u32 slot, std::optional<__u32> vni) -> Result<> {
        const auto link = std::ranges::find(*links, static_cast<int>(ifindex), &Link::index);
        if (link == links->end() || (device && link->name != *device))
            return {};
        TRY_ASSIGN(auto stats, read(session, slot));
        stats.ifname = link->name;
        stats.vni = vni;
        if (vni)
            TRY(add_remotes(session, remotes, slot, stats));
        all.push_back(std::move(stats));
        return {};
    };
    TRY_ASSIGN(const auto vteps, session.wrap(session.vteps()));
    for (const auto &vtep : vteps)
        TRY(add(vtep.ifindex, vtep.slot, vtep.vni));
    TRY_ASSIGN(const auto devices, session.wrap(session.vni_devices()));
    for (const auto &record : devices) // what belongs to none of its VNIs
        TRY(add(record.ifindex, record.slot, std::nullopt));
    if (session.tables) {
        TRY_ASSIGN(const auto underlays, session.wrap(session.tables->underlays.entries()));
        for (const auto &[ifindex, underlay] : underlays)
            TRY(add(ifindex, underlay.slot, std::nullopt));
        TRY_ASSIGN(const auto ports, session.wrap(session.tables->ports.entries()));
        for (const auto &[ifindex, port] : ports)
            TRY(add(ifindex, port.slot, std::nullopt));
    }
    if (device && all.empty()) {
        const auto link = session.netlink.link(*device);
        return link ? Result<std::vector<Stats>>(session.refused("xvtep has nothing there", ENODEV))
                    : Result<std::vector<Stats>>(
                          session.refused(link.error().cause, link.error().code));
    }
    return all;
}

} // namespace xvtep
