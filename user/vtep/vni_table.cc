// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/vni_table.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>

#include <algorithm>
#include <iterator>
#include <numeric>
#include <set>

#include <fmt/format.h>

#include "user/base/undo.h"
#include "user/datapath/grace_period.h"
#include "user/vtep/clock.h"
#include "user/vtep/device.h"
#include "user/vtep/fdb_writer.h"
#include "user/vtep/grow.h"
#include "user/vtep/indexes.h"
#include "user/vtep/migrate.h"
#include "user/vtep/remote_table.h"
#include "user/vtep/slots.h"
#include "user/vtep/teardown.h"

namespace xvtep {
namespace {

__u32 count_of(const VniRange &range)
{
    return range.last - range.first + 1;
}

// A change of VNIs is all or nothing: first the VTEPs are marked, then their device is. If a
// command is killed while the device is marked, repair_vnis() removes the VTEPs that are.
enum class Mark { set, cleared };

Result<> mark(const Session &session, xv_vtep record, Mark wanted)
{
    record.flags &= ~static_cast<__u32>(XV_VTEP_CHANGING);
    record.flags |= flag_if(wanted == Mark::set, XV_VTEP_CHANGING);
    return session.tables->vteps.put(record.slot, record);
}

bool is_marked(const xv_vtep &record)
{
    return (record.flags & XV_VTEP_CHANGING) != 0;
}

// Clears marks of an earlier change, whose command was killed when it was done.
Result<> clear_old_marks(const Session &session, __u32 ifindex)
{
    TRY_ASSIGN(const auto vteps, vteps_on(session, ifindex));
    for (const auto &vtep : vteps)
        if (is_marked(vtep))
            TRY(mark(session, vtep, Mark::cleared));
    return {};
}

// Returns so many free slots.
Result<std::vector<__u32>> free_slots(Session &session, std::size_t count)
{
    std::vector<__u32> found;
    while (found.size() < count) {
        auto slot = free_slot(session);
        if (slot) {
            found.push_back(*slot);
            continue;
        }
        for (const __u32 other : found)
            give_back_slot(session, other);
        return std::unexpected(slot.error());
    }
    return found;
}

// Makes tables large enough for so many more VNIs at once, where growing() would do it in steps.
Result<> make_room(Session &session, std::size_t count)
{
    const Tables &tables = *session.tables;
    TRY_ASSIGN(const auto records, tables.vteps.entries());
    TRY_ASSIGN(const auto underlays, tables.underlays.entries());
    TRY_ASSIGN(const auto ports, tables.ports.entries());
    TRY_ASSIGN(const auto vlans, tables.vlans.entries());
    const auto vteps = static_cast<std::size_t>(
        std::ranges::count_if(records, [](const auto &entry) { return entry.second.slot != 0; }));
    const std::size_t slots = 1 + vteps + underlays.size() + ports.size(); // slot 0 is none
    Sizes sizes = tables.sizes();
    for (const auto &[kind, used] :
         {std::pair(&Sizes::slots, slots), std::pair(&Sizes::vlans, vlans.size())}) {
        const auto wanted = static_cast<__u32>(used + count);
        if (sizes.*kind < wanted)
            sizes = grown(sizes, kind, wanted).value_or(sizes);
    }
    if (sizes == tables.sizes())
        return {};
    TRY(check_privileges(session.operation, session.object, Privilege::load));
    TRY(replace_maps(session, sizes));
    if (auto &used = session.resources->used_slots)
        used->taken.resize(session.tables->sizes().slots);
    return {};
}

std::vector<xv_vtep> records_of(const xv_vtep &device, std::span<const VniRange> ranges,
                                const std::vector<__u32> &slots)
{
    std::vector<xv_vtep> made;
    for (const auto &range : ranges)
        for (__u32 n = 0; n < count_of(range); n++) {
            xv_vtep vtep = device;
            vtep.flags &= ~static_cast<__u32>(XV_VTEP_DEVICE | XV_VTEP_MADE_BRIDGE);
            vtep.flags |= XV_VTEP_CHANGING;
            vtep.slot = slots[made.size()];
            vtep.vni = range.first + n;
            vtep.vid = static_cast<__u16>(range.vlan + n);
            vtep.members = 0;
            if (range.remote)
                vtep.remote = to_addr(*range.remote);
            made.push_back(vtep);
        }
    return made;
}

std::vector<KernelVniRange> kernel_ranges(std::span<const xv_vtep> vteps)
{
    std::vector<KernelVniRange> ranges;
    for (const auto &range : ranges_of(vteps))
        ranges.push_back({range.first, range.last, range.remote});
    return ranges;
}

// Takes VNIs, some of which it may not have, off the kernel's device, with their entries.
Result<> take_from_kernel(Session &session, const std::vector<xv_vtep> &vteps,
                          const Leaving &leaving)
{
    const auto index = static_cast<int>(vteps.front().ifindex);
    const auto link = session.netlink.link(index);
    if (!link)
        return unless_gone(Failure(link.error()));
    if (!is_device_of(*link, vteps.front()))
        return {}; // it is in another namespace
    TRY_ASSIGN(const auto entries, session.tables->fdb.entries());
    for (const auto &[key, entry] : entries) {
        if (!leaving.vnis.contains({key.vni, key.dstport}) || (entry.flags & XV_FDB_LOCAL) != 0)
            continue;
        KernelFdbEntry there{};
        std::ranges::copy(key.mac, there.mac.octets.begin());
        there.src_vni = key.vni;
        if (const auto done = session.netlink.delete_fdb(index, there);
            !done && done.error().code != ENOENT) // it may have forgotten it
            return done;
    }
    if (session.netlink.delete_vnis(index, kernel_ranges(vteps)))
        return {};
    for (const auto &vtep : vteps) {
        const KernelVniRange one{vtep.vni, vtep.vni, {}};
        if (const auto done = session.netlink.delete_vnis(index, std::span(&one, 1));
            !done && done.error().code != ENOENT)
            return done;
    }
    return {};
}

Result<> leave_bridge(Session &session, const std::vector<xv_vtep> &vteps)
{
    const auto index = static_cast<int>(vteps.front().ifindex);
    const auto link = session.netlink.link(index);
    if (!link)
        return unless_gone(Failure(link.error()));
    if (link->master == 0)
        return {};
    TRY_ASSIGN(const bool filters, session.netlink.has_vlan_filtering(link->master));
    if (!filters)
        return {};
    for (const auto &range : ranges_of(vteps)) {
        const auto last = static_cast<std::uint16_t>(range.vlan + count_of(range) - 1);
        auto done = session.netlink.delete_bridge_vlans(index, range.vlan, last);
        if (!done && done.error().code != ENOENT) // somebody else has taken them off the device
            TRY(unless_gone(std::move(done)));
    }
    return {};
}

Result<> forget(Session &session, const std::vector<xv_vtep> &vteps, const Leaving &leaving)
{
    TRY(wait_for_running_programs()); // programs that run still may learn
    TRY(flush_entries(session, leaving));
    for (const auto &vtep : vteps) {
        add_fdb_count(*session.tables, vtep.slot,
                      -static_cast<std::int64_t>(session.tables->fdb_count[vtep.slot]));
        TRY(session.tables->vteps.put(vtep.slot, xv_vtep{}));
        give_back_slot(session, vtep.slot);
    }
    return {};
}

} // namespace

Result<std::vector<xv_vtep>> vteps_on(const Session &session, __u32 ifindex)
{
    TRY_ASSIGN(auto vteps, session.vteps());
    std::erase_if(vteps, [&](const xv_vtep &vtep) { return vtep.ifindex != ifindex; });
    return vteps;
}

std::vector<VniRange> ranges_of(std::span<const xv_vtep> vteps)
{
    std::vector<VniRange> ranges;
    for (const auto &vtep : vteps) {
        std::optional<Ip> remote;
        if (addr_is_set(vtep.remote))
            remote = to_ip(vtep.remote);
        if (!ranges.empty()) {
            VniRange &last = ranges.back();
            if (vtep.vni == last.last + 1 && vtep.vid == last.vlan + count_of(last) &&
                remote == last.remote) {
                last.last++;
                continue;
            }
        }
        ranges.push_back({vtep.vni, vtep.vni, vtep.vid, remote});
    }
    return ranges;
}

Result<> refuse_taken_vnis(const Session &session, const xv_vtep &device,
                           std::span<const VniRange> ranges)
{
    TRY_ASSIGN(const auto vteps, session.vteps());
    for (const auto &vtep : vteps) {
        const auto has_vni = [&](const VniRange &range) {
            return vtep.dstport == device.dstport && vtep.vni >= range.first &&
                   vtep.vni <= range.last;
        };
        const auto has_vlan = [&](const VniRange &range) {
            return vtep.vid != 0 && vtep.ifindex == device.ifindex && vtep.vid >= range.vlan &&
                   vtep.vid < range.vlan + count_of(range);
        };
        if (std::ranges::any_of(ranges, has_vni))
            return session.refused(fmt::format("VNI {} on port {} is attached already ({})",
                                               vtep.vni, ntohs(vtep.dstport), vtep.name),
                                   EEXIST);
        if (std::ranges::any_of(ranges, has_vlan))
            return session.refused(
                fmt::format("VLAN {} on {} is VNI {} already", vtep.vid, vtep.name, vtep.vni),
                EEXIST);
    }
    return {};
}

Result<> make_vnis(Session &session, const xv_vtep &device, std::span<const VniRange> ranges)
{
    const Tables &tables = *session.tables;
    TRY(refuse_taken_vnis(session, device, ranges));
    const auto count = std::accumulate(
        ranges.begin(), ranges.end(), std::size_t{0},
        [](std::size_t sum, const VniRange &range) { return sum + count_of(range); });
    TRY(make_room(session, count));
    TRY_ASSIGN(const auto slots, free_slots(session, count));
    TRY(make_room_for(session, count)); // a default entry each
    auto made = records_of(device, ranges, slots);
    std::ranges::sort(made, {}, &xv_vtep::vni);
    const RemoteChange change(tables);
    Undo undo;
    undo.push([&] { (void)remove_vnis(session, made); });
    TRY(clear_old_marks(session, device.ifindex));
    TRY(mark(session, device, Mark::set));
    for (const auto &vtep : made) {
        add_fdb_count(tables, vtep.slot, -static_cast<std::int64_t>(tables.fdb_count[vtep.slot]));
        TRY(tables.vteps.put(vtep.slot, vtep));
    }
    TRY(session.netlink.add_vnis(static_cast<int>(device.ifindex), kernel_ranges(made)));
    for (const auto &vtep : made) {
        TRY(write_default(session, vtep, 0));
        TRY(growing(session, &Sizes::vlans, [&] {
            return tables.vlans.put({vtep.ifindex, vtep.vid}, vtep.slot);
        }));
    }
    for (const auto &vtep : made)
        TRY(tables.vnis.put({vtep.vni, vtep.dstport, 0}, vtep.slot));
    TRY(derive_lookups(session)); // from here on packets are decapsulated
    TRY(mark(session, device, Mark::cleared));
    undo.commit();
    for (const auto &vtep : made)
        (void)mark(session, vtep, Mark::cleared); // or the next change of the device's VNIs does
    return {};
}

Result<> remove_vnis(Session &session, const std::vector<xv_vtep> &vteps)
{
    if (vteps.empty())
        return {};
    const Leaving leaving(vteps);
    const auto index = static_cast<int>(vteps.front().ifindex);
    TRY_ASSIGN(const auto device, session.vtep_of_device(index));
    if (device && !is_marked(*device)) {
        TRY(clear_old_marks(session, device->ifindex));
        for (const auto &vtep : vteps)
            TRY(mark(session, vtep, Mark::set));
        TRY(mark(session, *device, Mark::set));
    }
    TRY(stop_accepting(session, vteps, leaving));
    TRY(leave_bridge(session, vteps));
    TRY(take_from_kernel(session, vteps, leaving));
    TRY(forget(session, vteps, leaving));
    return device ? mark(session, *device, Mark::cleared) : Result<>();
}

Result<> repair_vnis(Session &session, const xv_vtep &device)
{
    if (!is_marked(device))
        return {};
    TRY_ASSIGN(auto vteps, vteps_on(session, device.ifindex));
    std::erase_if(vteps, [](const xv_vtep &vtep) { return !is_marked(vtep); });
    if (!vteps.empty())
        return remove_vnis(session, vteps);
    TRY(derive_lookups(session));
    return mark(session, device, Mark::cleared);
}

Result<> update_vni_device(Session &session, const xv_vtep &device)
{
    TRY_ASSIGN(const auto vteps, vteps_on(session, device.ifindex));
    for (xv_vtep vtep : vteps) {
        std::ranges::copy(device.mac, vtep.mac);
        std::ranges::copy(device.name, vtep.name);
        TRY(session.tables->vteps.put(vtep.slot, vtep));
    }
    return session.tables->vteps.put(device.slot, device);
}

Result<> add_to_bridge(Session &session, int bridge, int device, std::span<const VniRange> ranges)
{
    if (bridge == 0)
        return {};
    TRY_ASSIGN(const bool filters, session.netlink.has_vlan_filtering(bridge));
    if (!filters)
        return {};
    for (const auto &range : ranges)
        TRY(session.netlink.add_bridge_vlans(
            device, range.vlan, static_cast<std::uint16_t>(range.vlan + count_of(range) - 1)));
    return {};
}

} // namespace xvtep
