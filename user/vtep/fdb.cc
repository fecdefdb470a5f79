// SPDX-License-Identifier: GPL-2.0-only
#include "xvtep/fdb.h"

#include <arpa/inet.h>

#include <algorithm>
#include <atomic>

#include <fmt/format.h>

#include "user/vtep/clock.h"
#include "user/vtep/fdb_writer.h"
#include "user/vtep/queries.h"
#include "user/vtep/session.h"
#include "user/vtep/underlay.h"
#include "user/vtep/vtep_index.h"
#include "xvtep/vtep.h"

namespace xvtep {
namespace {

// The octets as a number that sorts as they do.
std::uint64_t number_of(const __u8 (&mac)[6])
{
    std::uint64_t number = 0;
    for (const __u8 octet : mac)
        number = number << 8 | octet;
    return number;
}

// Returns the index of the port to send from, or 0 if it has no name.
Result<__u32> via_index(Session &session, const std::string &via)
{
    if (via.empty())
        return 0;
    const auto link = session.netlink.link(via);
    if (!link)
        return system_failure(session.operation, via, link.error().cause, link.error().code);
    return static_cast<__u32>(link->index);
}

Result<xv_remote_key> dest_of(Session &session, const xv_vtep &vtep, const FdbEntry &entry)
{
    xv_remote_key dest = far_end(vtep, entry);
    TRY_SET(dest.via, via_index(session, entry.via));
    return dest;
}

// Removes from the list the destinations that are to be deleted.
Result<> erase_destinations(Session &session, const xv_vtep &vtep,
                            const FdbDestination &destination, std::vector<xv_remote_key> &list)
{
    FdbEntry wanted;
    wanted.port = destination.port.value_or(0);
    wanted.vni = destination.vni.value_or(0);
    TRY_ASSIGN(const __u32 via, via_index(session, destination.via.value_or("")));
    const xv_remote_key far = far_end(vtep, wanted);
    const bool defaults = destination.dst.has_value(); // for what is not given
    const auto agrees = [&](const xv_remote_key &d) {
        return (!destination.dst || to_ip(d.addr) == *destination.dst) &&
               (!(defaults || destination.port) || d.port == far.port) &&
               (!(defaults || destination.vni) || d.vni == far.vni);
    };
    const auto leaves_by_via = [&](const xv_remote_key &d) { return d.via == via; };
    const bool any_via =
        !destination.via && (!defaults || std::ranges::none_of(list, [&](const xv_remote_key &d) {
            return agrees(d) && leaves_by_via(d);
        }));
    std::erase_if(
        list, [&](const xv_remote_key &d) { return agrees(d) && (any_via || leaves_by_via(d)); });
    return {};
}

// Refuses entries that are wrong for every VTEP.
Result<> check(FdbVerb verb, const FdbEntry &entry)
{
    const auto wrong = [&](const std::string &cause) {
        return usage_failure(verb_name(verb), entry.mac.text(), cause);
    };
    if (entry.dst.is_any())
        return wrong(fmt::format("dst {} is no host's address", entry.dst.text()));
    if (entry.vni > vni_max)
        return wrong(fmt::format("VNI {} is not within 1 to {}", entry.vni, vni_max));
    if (entry.dst.is_multicast() && !keeps_several(entry.mac))
        return wrong("a unicast MAC cannot be behind a multicast group");
    return {};
}

// Appends one FdbEntry for each destination of a live entry, unless it leads to a local port.
Result<> append_lines(std::vector<FdbEntry> &all, const Session &session, const DeviceNames &names,
                      const NamedVtep &at, const xv_fdb_key &key, const xv_fdb &entry,
                      std::uint64_t now)
{
    if ((entry.flags & XV_FDB_LOCAL) != 0 || !is_live(at.vtep, entry, now) ||
        entry.to == 0) // only the kernel's device knows where the MAC is
        return {};
    for (__u32 n = 0; n < entry.several; n++) {
        std::optional id(entry.to);
        if (n != 0)
            TRY_SET(id, session.wrap(session.tables->floods.look_up({key, n})));
        const auto dest = id ? destination(*session.tables, at.vtep, *id) : std::nullopt;
        if (!dest)
            continue;
        FdbEntry &line = all.emplace_back();
        std::ranges::copy(key.mac, line.mac.octets.begin());
        line.device = at.device;
        line.src_vni = at.vtep.vid != 0 ? at.vtep.vni : 0;
        line.dst = to_ip(dest->addr);
        line.port = dest->port == at.vtep.dstport ? std::uint16_t{0} : ntohs(dest->port);
        line.vni = dest->vni == at.vtep.vni ? 0 : dest->vni;
        line.via = names.of(dest->via);
        line.router = (entry.flags & XV_FDB_ROUTER) != 0;
        line.state = (entry.flags & XV_FDB_PERMANENT) != 0 ? FdbState::permanent
                     : (entry.flags & XV_FDB_STATIC) != 0  ? FdbState::static_
                                                           : FdbState::dynamic;
        line.used = xv_since_tick(now, entry.used) / second;
        line.updated = xv_since_tick(now, entry.updated) / second;
        line.learned = (entry.flags & XV_FDB_USER) == 0;
    }
    return {};
}

} // namespace

Result<> write_fdb(FdbVerb verb, const FdbEntry &entry)
{
    TRY(check(verb, entry));
    TRY_ASSIGN(auto session, Session::writer(verb_name(verb), entry.mac.text(), LockScope::batch));
    TRY_ASSIGN(const auto vtep, session.vtep_named(entry.device, entry.src_vni));
    if (vtep.vid != 0 && (entry.port != 0 || !entry.via.empty()))
        return session.usage("a device with many VNIs sends to its own UDP port, as the route says "
                             "(no port, no via)");
    if (entry.dst.is_v6() != ((vtep.flags & XV_VTEP_V6) != 0))
        return session.usage(fmt::format("dst {} is not of the VTEP's family", entry.dst.text()));
    TRY_ASSIGN(const auto dest, dest_of(session, vtep, entry));

    const RemoteChange change(*session.tables);
    FdbWriter writer(session, vtep, entry.mac);
    const std::uint64_t now = monotonic();
    TRY_ASSIGN(auto old, writer.current());
    if (old && !is_live(vtep, *old, now)) {
        TRY(writer.remove());
        old.reset();
    }
    // An entry that was learned from a port or the tunnel gives way to one that is written.
    const bool by_hand = old && (old->flags & XV_FDB_USER) != 0;
    if (verb == FdbVerb::add && by_hand)
        return session.refused("the entry exists", EEXIST);
    if (verb == FdbVerb::refresh && by_hand &&
        (old->flags & (XV_FDB_STATIC | XV_FDB_PERMANENT)) != 0)
        return {};

    xv_fdb fresh = fresh_entry(entry, now);
    if (entry.state == FdbState::dynamic) {
        const __u64 seq = add_shared(session.tables->gc_state[0].tail, __u64{1});
        fresh.gc_tag = xv_gc_tag(seq) & 15U;
        TRY(session.wrap(session.tables->gc_queue.put(seq, key_of(vtep, entry.mac))));
    }
    std::vector<xv_remote_key> before;
    if (by_hand)
        TRY_SET(before, writer.remotes(*old));
    std::vector<xv_remote_key> after{dest};
    if (verb == FdbVerb::append && by_hand) {
        if (!keeps_several(entry.mac))
            return session.refused(
                "a unicast MAC has one destination (several only for the default entry and "
                "multicast MACs); replace changes it",
                EINVAL);
        if (std::ranges::any_of(before,
                                [&](const xv_remote_key &d) { return same_remote(d, dest); }))
            return {}; // as vxlan_fdb_append() in the kernel
        if (before.size() >= XV_FLOOD_MAX)
            return session.refused(
                fmt::format("the entry has {} destinations already", XV_FLOOD_MAX), ENOSPC);
        after = before;
        after.push_back(dest);
        fresh.flags = old->flags;
    }
    TRY(writer.mirror(before, after, fresh.flags));
    if (auto done = writer.put(fresh, after); !done) {
        (void)writer.mirror(after, before, old ? old->flags : 0);
        return session.wrap(done.error());
    }
    if (entry.state == FdbState::dynamic)
        start_expiry(session);
    if (entry.via.empty())
        follow_route(session, vtep, entry.dst);
    return {};
}

Result<> delete_fdb(const Mac &mac, const std::string &device, const FdbDestination &destination,
                    std::uint32_t src_vni)
{
    TRY_ASSIGN(auto session, Session::writer("fdb del", mac.text(), LockScope::batch));
    TRY_ASSIGN(const auto vtep, session.vtep_named(device, src_vni));
    const RemoteChange change(*session.tables);
    FdbWriter writer(session, vtep, mac);
    TRY_ASSIGN(const auto entry, writer.current());
    if (!entry || (entry->flags & XV_FDB_LOCAL) != 0 || !is_live(vtep, *entry, monotonic()))
        return session.refused("no such entry", ENOENT);
    TRY_ASSIGN(const auto before, writer.remotes(*entry));
    std::vector<xv_remote_key> after = before;
    TRY(erase_destinations(session, vtep, destination, after));
    if (after.size() == before.size())
        return session.refused("no such destination", ENOENT);
    // In the kernel's table first: as long as the entry is in ours, this can be repeated.
    TRY(writer.mirror(before, after, entry->flags));
    const auto done = after.empty() ? writer.remove() : session.wrap(writer.put(*entry, after));
    if (!done)
        (void)writer.mirror(after, before, entry->flags);
    return done;
}

Result<std::vector<FdbEntry>> show_fdb(const std::optional<std::string> &device)
{
    TRY_ASSIGN(auto session, Session::reader("fdb show", device.value_or("")));
    return show_fdb(session, device);
}

Result<std::vector<FdbEntry>> show_fdb(Session &session, const std::optional<std::string> &device)
{
    std::vector<FdbEntry> all;
    if (!session.tables && !device)
        return all;
    TRY_ASSIGN(const auto names, session.wrap(DeviceNames::open()));
    TRY_ASSIGN(const auto vteps, VtepIndex::read(session, names, device));
    TRY_ASSIGN(const auto entries, session.wrap(session.tables->fdb.entries()));

    // Sort the values of the map, because an FdbEntry is several times as large.
    struct Row {
        const NamedVtep *at;
        std::uint64_t mac;
        const std::pair<xv_fdb_key, xv_fdb> *entry;
    };
    std::vector<Row> rows;
    rows.reserve(entries.size());
    for (const auto &entry : entries)
        if (const auto *at = vteps.find(entry.first.vni, entry.first.dstport))
            rows.push_back({at, number_of(entry.first.mac), &entry});
    std::ranges::sort(rows, {}, [](const Row &row) { return std::pair(row.at, row.mac); });

    all.reserve(rows.size());
    const std::uint64_t now = monotonic();
    for (const auto &row : rows)
        TRY(append_lines(all, session, names, *row.at, row.entry->first, row.entry->second, now));
    return all;
}

Result<std::vector<FdbEntry>> get_fdb(const Mac &mac, const std::string &device,
                                      std::uint32_t src_vni)
{
    TRY_ASSIGN(auto session, Session::reader("fdb get", mac.text()));
    TRY_ASSIGN(const auto vtep, session.vtep_named(device, src_vni));
    TRY_ASSIGN(const auto names, session.wrap(DeviceNames::open()));
    const auto key = key_of(vtep, mac);
    std::vector<FdbEntry> found;
    TRY_ASSIGN(const auto entry, session.wrap(session.tables->fdb.look_up(key)));
    if (entry)
        TRY(append_lines(found, session, names, {vtep, device}, key, *entry, monotonic()));
    if (found.empty())
        return session.refused("no such entry", ENOENT);
    return found;
}

Result<> flush_fdb(const std::string &device, FlushedFdb which, std::uint32_t src_vni)
{
    TRY_ASSIGN(auto session, Session::writer("fdb flush", device, LockScope::batch));
    TRY_ASSIGN(const auto vteps, VtepIndex::of_device(session, device, src_vni));
    const RemoteChange change(*session.tables);
    TRY_ASSIGN(const auto entries, session.wrap(session.tables->fdb.entries()));
    for (const auto &[key, entry] : entries) {
        const auto *const at = vteps.find(key.vni, key.dstport);
        if (at == nullptr || (entry.flags & XV_FDB_LOCAL) != 0)
            continue;
        const bool kept = (entry.flags & (XV_FDB_STATIC | XV_FDB_PERMANENT)) != 0;
        if (which == FlushedFdb::dynamic && kept)
            continue;
        Mac mac;
        std::ranges::copy(key.mac, mac.octets.begin());
        FdbWriter writer(session, at->vtep, mac);
        TRY_ASSIGN(const auto before, writer.remotes(entry));
        TRY(writer.mirror(before, {}, 0));
        TRY(writer.remove());
    }
    return {};
}

} // namespace xvtep
