// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/fdb_writer.h"

#include <arpa/inet.h>
#include <linux/neighbour.h>

#include <algorithm>
#include <atomic>

#include <fmt/format.h>

#include "user/datapath/bulk.h"
#include "user/vtep/clock.h"
#include "user/vtep/grow.h"

namespace xvtep {

xv_fdb_key key_of(const xv_vtep &vtep, const Mac &mac)
{
    xv_fdb_key key{};
    key.vni = vtep.vni;
    key.dstport = vtep.dstport;
    std::ranges::copy(mac.octets, key.mac);
    return key;
}

bool keeps_several(const Mac &mac)
{
    return mac.is_zero() || mac.is_multicast();
}

bool is_live(const xv_vtep &vtep, const xv_fdb &entry, std::uint64_t now)
{
    if ((entry.flags & (XV_FDB_STATIC | XV_FDB_PERMANENT)) != 0)
        return true;
    const bool idle = vtep.ageing != 0 && xv_since_tick(now, entry.updated) > vtep.ageing * second;
    const bool old = vtep.hard_ageing != 0 && (entry.flags & (XV_FDB_USER | XV_FDB_LOCAL)) == 0 &&
                     xv_since_tick(now, entry.created) > vtep.hard_ageing * second;
    return !idle && !old;
}

std::uint16_t kernel_state(unsigned flags)
{
    if ((flags & XV_FDB_PERMANENT) != 0)
        return NUD_PERMANENT | NUD_NOARP;
    return (flags & XV_FDB_STATIC) != 0 ? NUD_REACHABLE | NUD_NOARP : NUD_REACHABLE;
}

KernelFdbEntry kernel_entry(const xv_vtep &vtep, const Mac &mac, const xv_remote_key &dest)
{
    KernelFdbEntry entry{};
    entry.mac = mac;
    entry.dst = to_ip(dest.addr);
    entry.port = dest.port == vtep.dstport ? std::uint16_t{0} : ntohs(dest.port);
    entry.vni = dest.vni == vtep.vni ? 0 : dest.vni;
    entry.via = static_cast<int>(dest.via);
    entry.src_vni = vtep.vid != 0 ? vtep.vni : 0;
    return entry;
}

xv_remote_key far_end(const xv_vtep &vtep, const FdbEntry &entry)
{
    xv_remote_key dest{};
    dest.slot = vtep.slot;
    dest.addr = to_addr(entry.dst);
    dest.vni = entry.vni != 0 ? entry.vni : vtep.vni;
    dest.port = entry.port != 0 ? htons(entry.port) : vtep.dstport;
    return dest;
}

const char *verb_name(FdbVerb verb)
{
    switch (verb) {
    case FdbVerb::add:
        return "fdb add";
    case FdbVerb::append:
        return "fdb append";
    case FdbVerb::replace:
        return "fdb replace";
    case FdbVerb::refresh:
        return "fdb refresh";
    }
    return "?";
}

xv_fdb fresh_entry(const FdbEntry &entry, std::uint64_t now)
{
    xv_fdb fresh{};
    fresh.several = 1;
    fresh.flags = static_cast<__u16>(XV_FDB_USER | flag_if(entry.router, XV_FDB_ROUTER) |
                                     flag_if(entry.state == FdbState::permanent, XV_FDB_PERMANENT) |
                                     flag_if(entry.state == FdbState::static_, XV_FDB_STATIC));
    fresh.updated = fresh.used = fresh.created = xv_tick(now);
    return fresh;
}

void start_expiry(const Session &session)
{
    if (std::atomic_ref(session.tables->gc_state[0].timer_runs).load() != 0)
        return;
    if (const auto bulk = FdbBulk::open(session.directory))
        bulk->start_timer();
}

Result<> make_room_for(Session &session, std::size_t entries)
{
    const __u64 all = std::atomic_ref(session.tables->fdb_count[0]).load() + entries;
    if (all <= session.tables->sizes().fdb || all > largest_sizes.fdb)
        return {};
    return grow(session, &Sizes::fdb, static_cast<__u32>(all));
}

Result<> write_default(Session &session, const xv_vtep &vtep, __u32 via)
{
    if (!addr_is_set(vtep.remote))
        return {};
    const xv_remote_key to{.addr = vtep.remote,
                           .slot = vtep.slot,
                           .vni = vtep.vni,
                           .via = via,
                           .port = vtep.dstport,
                           .zero = 0};
    xv_fdb entry{};
    TRY_SET(entry.to, growing(session, &Sizes::remotes,
                              [&] { return hold_remote(*session.tables, vtep, to, 1); }));
    entry.flags = XV_FDB_PERMANENT | XV_FDB_USER;
    entry.several = 1;
    entry.updated = entry.used = entry.created = xv_tick(monotonic());
    TRY(make_room_for(session, 1));
    TRY(session.tables->fdb.put(key_of(vtep, Mac()), entry));
    add_fdb_count(*session.tables, vtep.slot, 1);
    return {};
}

Result<std::optional<xv_fdb>> FdbWriter::current() const
{
    return session_.wrap(session_.tables->fdb.look_up(key_));
}

Result<std::vector<__u32>> FdbWriter::ids(const xv_fdb &entry) const
{
    std::vector<__u32> all;
    if ((entry.flags & XV_FDB_LOCAL) != 0)
        return all;
    all.push_back(entry.to);
    for (__u32 n = 1; n < entry.several; n++) {
        TRY_ASSIGN(const auto id, session_.wrap(session_.tables->floods.look_up({key_, n})));
        if (id)
            all.push_back(*id);
    }
    return all;
}

Result<std::vector<xv_remote_key>> FdbWriter::remotes(const xv_fdb &entry) const
{
    TRY_ASSIGN(const auto all, ids(entry));
    std::vector<xv_remote_key> keys;
    for (const __u32 id : all)
        if (const auto key = destination(*session_.tables, vtep_, id))
            keys.push_back(*key);
    return keys;
}

void FdbWriter::release(const xv_fdb &entry, const std::vector<__u32> &ids)
{
    release_remotes(*session_.tables, ids, entry.flags);
}

Result<> FdbWriter::put(xv_fdb entry, const std::vector<xv_remote_key> &remotes)
{
    TRY_ASSIGN(const auto held, session_.wrap(growing(session_, &Sizes::remotes, [&] {
        return hold_remotes(*session_.tables, vtep_, remotes, entry.flags);
    })));
    TRY(make_room_for(session_, 1));
    const auto done = put_held(entry, held);
    if (!done)
        release(entry, held);
    return done;
}

Result<> FdbWriter::put_held(const xv_fdb &entry, const std::vector<__u32> &held)
{
    for (;;) {
        TRY_ASSIGN(const auto before, current());
        std::vector<__u32> old;
        if (before)
            TRY_SET(old, ids(*before));
        const bool counted = before.has_value();
        if (!counted && add_fdb_count(*session_.tables, vtep_.slot, 1) > vtep_.maxaddress &&
            vtep_.maxaddress != 0)
            if (auto room = make_room(); !room) {
                add_fdb_count(*session_.tables, vtep_.slot, -1);
                return room;
            }
        const auto done = write(entry, held, before);
        if (done && before)
            release(*before, old);
        if (done)
            return done;
        if (!counted)
            add_fdb_count(*session_.tables, vtep_.slot, -1);
        // The programs have learned or removed the entry in the meantime: try again.
        if (done.error().code != (before ? ENOENT : EEXIST))
            return done;
    }
}

Result<> FdbWriter::remove()
{
    TRY_ASSIGN(const auto entry, current());
    if (!entry)
        return {};
    TRY_ASSIGN(const auto held, ids(*entry));
    TRY(session_.wrap(remove_entry(*session_.tables, vtep_.slot, key_)));
    if ((entry->flags & XV_FDB_LOCAL) == 0)
        for (__u32 n = 1; n < entry->several; n++)
            (void)session_.tables->floods.remove({key_, n}); // as in write()
    release(*entry, held);
    return {};
}

Result<> FdbWriter::mirror(const std::vector<xv_remote_key> &before,
                           const std::vector<xv_remote_key> &after, unsigned flags)
{
    const auto ifindex = static_cast<int>(vtep_.ifindex);
    if (!keeps_several(mac_))
        return after.empty() ? forget_in_kernel() : mirror_one(after.front(), flags);
    const auto missing = [](const std::vector<xv_remote_key> &list, const xv_remote_key &dest) {
        return std::ranges::none_of(list,
                                    [&](const xv_remote_key &d) { return same_remote(d, dest); });
    };
    for (const auto &dest : before)
        if (missing(after, dest))
            TRY(delete_in_kernel(kernel_entry(vtep_, mac_, dest)));
    for (const auto &dest : after)
        if (missing(before, dest))
            if (auto done = session_.netlink.append_fdb(ifindex, kernel_entry(vtep_, mac_, dest));
                !done && done.error().code != EEXIST)
                return session_.wrap(done.error());
    return {};
}

Result<> FdbWriter::mirror_one(const xv_remote_key &dest, unsigned flags)
{
    KernelFdbEntry entry = kernel_entry(vtep_, mac_, dest);
    entry.state = kernel_state(flags);
    if (auto done = session_.netlink.replace_fdb(static_cast<int>(vtep_.ifindex), entry); !done)
        return session_.wrap(done.error());
    return {};
}

Result<> FdbWriter::delete_in_kernel(KernelFdbEntry entry)
{
    const auto ifindex = static_cast<int>(vtep_.ifindex);
    auto done = session_.netlink.delete_fdb(ifindex, entry);
    if (!done && vtep_.vid != 0) {
        // The kernel has made the default entry of a VNI with its remote, as `bridge vni add` does.
        entry.vni = vtep_.vni;
        entry.via = static_cast<int>(bound_port(vtep_));
        done = session_.netlink.delete_fdb(ifindex, entry);
    }
    // EADDRNOTAVAIL: the port to send from is gone, and the entry in the kernel's table leads
    // nowhere.
    if (!done && done.error().code != ENOENT && done.error().code != EADDRNOTAVAIL)
        return session_.wrap(done.error());
    return {};
}

Result<> FdbWriter::forget_in_kernel()
{
    KernelFdbEntry entry{};
    entry.mac = mac_;
    entry.src_vni = vtep_.vid != 0 ? vtep_.vni : 0;
    const auto done = session_.netlink.delete_fdb(static_cast<int>(vtep_.ifindex), entry);
    if (!done && done.error().code != ENOENT)
        return session_.wrap(done.error());
    return {};
}

Result<> FdbWriter::write(xv_fdb entry, const std::vector<__u32> &ids,
                          const std::optional<xv_fdb> &before)
{
    entry.to = ids.front();
    entry.several = static_cast<__u16>(ids.size() & (XV_FLOOD_MAX * 2 - 1));
    for (__u32 n = 1; n < ids.size(); n++)
        TRY(growing(session_, &Sizes::floods, [&] {
            return session_.tables->floods.put({key_, n}, ids[n]);
        }));
    TRY(growing(session_, &Sizes::fdb, [&] {
        return session_.tables->fdb.put(key_, entry, before ? BPF_EXIST : BPF_NOEXIST);
    }));
    // Nobody reads rows behind the last one, and the next flood of this MAC writes them anew.
    const bool had_several = before && (before->flags & XV_FDB_LOCAL) == 0;
    for (__u32 n = entry.several; had_several && n < before->several; n++)
        (void)session_.tables->floods.remove({key_, n});
    return {};
}

Result<> FdbWriter::make_room()
{
    const auto now = monotonic();
    TRY_ASSIGN(const auto entries, session_.wrap(session_.tables->fdb.entries()));
    for (const auto &[key, entry] : entries)
        if (key.vni == vtep_.vni && key.dstport == vtep_.dstport && !is_live(vtep_, entry, now))
            TRY(session_.wrap(remove_entry(*session_.tables, vtep_.slot, key)));
    if (std::atomic_ref(session_.tables->fdb_count[vtep_.slot]).load() <= vtep_.maxaddress)
        return {};
    return session_.refused(
        fmt::format("the VTEP has {} entries already (maxaddress)", vtep_.maxaddress), ENOSPC);
}

} // namespace xvtep
