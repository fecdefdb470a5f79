// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/fdb_writer.h"

#include <arpa/inet.h>
#include <linux/neighbour.h>

#include <algorithm>
#include <atomic>

#include <fmt/format.h>

#include "user/vtep/clock.h"

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
    const bool idle = vtep.ageing != 0 && now > entry.updated + vtep.ageing * second;
    const bool old = vtep.hard_ageing != 0 && (entry.flags & (XV_FDB_USER | XV_FDB_LOCAL)) == 0 &&
                     xv_since(now, entry.created) > vtep.hard_ageing * second;
    return !idle && !old;
}

bool same_dest(const xv_remote &a, const xv_remote &b)
{
    return to_ip(a.addr) == to_ip(b.addr) && a.vni == b.vni && a.port == b.port &&
           a.ifindex == b.ifindex;
}

std::uint16_t kernel_state(unsigned flags)
{
    if ((flags & XV_FDB_PERMANENT) != 0)
        return NUD_PERMANENT | NUD_NOARP;
    return (flags & XV_FDB_STATIC) != 0 ? NUD_REACHABLE | NUD_NOARP : NUD_REACHABLE;
}

KernelFdbEntry kernel_entry(const xv_vtep &vtep, const Mac &mac, const xv_remote &dest)
{
    KernelFdbEntry entry{};
    entry.mac = mac;
    entry.dst = to_ip(dest.addr);
    entry.port = dest.port == vtep.dstport ? std::uint16_t{0} : ntohs(dest.port);
    entry.vni = dest.vni == vtep.vni ? 0 : dest.vni;
    entry.via = static_cast<int>(dest.ifindex);
    return entry;
}

xv_remote far_end(const xv_vtep &vtep, const FdbEntry &entry)
{
    xv_remote dest{};
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
    fresh.remotes = 1;
    fresh.flags = static_cast<__u16>(XV_FDB_USER | flag_if(entry.router, XV_FDB_ROUTER) |
                                     flag_if(entry.state == FdbState::permanent, XV_FDB_PERMANENT) |
                                     flag_if(entry.state == FdbState::static_, XV_FDB_STATIC));
    fresh.updated = fresh.used = now;
    fresh.created = xv_stamp(now);
    return fresh;
}

Result<std::optional<xv_fdb>> FdbWriter::current() const
{
    return session_.wrap(session_.tables->fdb.look_up(key_));
}

Result<std::vector<xv_remote>> FdbWriter::remotes(const xv_fdb &entry) const
{
    std::vector<xv_remote> all{entry.dest};
    for (__u32 n = 1; n < entry.remotes; n++) {
        TRY_ASSIGN(const auto dest, session_.wrap(session_.tables->remotes.look_up({key_, n})));
        if (dest)
            all.push_back(*dest);
    }
    return all;
}

Result<> FdbWriter::put(xv_fdb entry, const std::vector<xv_remote> &remotes)
{
    for (;;) {
        TRY_ASSIGN(const auto before, current());
        const bool counted = before.has_value();
        if (!counted && add_fdb_count(*session_.tables, vtep_.slot, 1) > vtep_.maxaddress &&
            vtep_.maxaddress != 0)
            if (auto room = make_room(); !room) {
                add_fdb_count(*session_.tables, vtep_.slot, -1);
                return room;
            }
        const auto done = write(entry, remotes, before);
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
    TRY(session_.wrap(remove_entry(*session_.tables, vtep_.slot, key_)));
    for (__u32 n = 1; entry && n < entry->remotes; n++)
        TRY(session_.wrap(session_.tables->remotes.remove({key_, n})));
    return {};
}

Result<> FdbWriter::mirror(const std::vector<xv_remote> &before,
                           const std::vector<xv_remote> &after, unsigned flags)
{
    const auto ifindex = static_cast<int>(vtep_.ifindex);
    if (!keeps_several(mac_))
        return after.empty() ? forget_in_kernel() : mirror_one(after.front(), flags);
    const auto missing = [](const std::vector<xv_remote> &list, const xv_remote &dest) {
        return std::ranges::none_of(list, [&](const xv_remote &d) { return same_dest(d, dest); });
    };
    for (const auto &dest : before)
        if (missing(after, dest))
            (void)session_.netlink.delete_fdb(ifindex, kernel_entry(vtep_, mac_, dest));
    for (const auto &dest : after)
        if (missing(before, dest))
            if (auto done = session_.netlink.append_fdb(ifindex, kernel_entry(vtep_, mac_, dest));
                !done && done.error().code != EEXIST)
                return session_.wrap(done.error());
    return {};
}

Result<> FdbWriter::mirror_one(const xv_remote &dest, unsigned flags)
{
    KernelFdbEntry entry = kernel_entry(vtep_, mac_, dest);
    entry.state = kernel_state(flags);
    if (auto done = session_.netlink.replace_fdb(static_cast<int>(vtep_.ifindex), entry); !done)
        return session_.wrap(done.error());
    return {};
}

Result<> FdbWriter::forget_in_kernel()
{
    KernelFdbEntry entry{};
    entry.mac = mac_;
    const auto done = session_.netlink.delete_fdb(static_cast<int>(vtep_.ifindex), entry);
    if (!done && done.error().code != ENOENT)
        return session_.wrap(done.error());
    return {};
}

Result<> FdbWriter::write(xv_fdb entry, const std::vector<xv_remote> &remotes,
                          const std::optional<xv_fdb> &before)
{
    entry.dest = remotes.front();
    entry.remotes = static_cast<__u16>(remotes.size());
    for (__u32 n = 1; n < remotes.size(); n++)
        TRY(session_.tables->remotes.put({key_, n}, remotes[n]));
    TRY(session_.tables->fdb.put(key_, entry, before ? BPF_EXIST : BPF_NOEXIST));
    for (__u32 n = entry.remotes; before && n < before->remotes; n++)
        TRY(session_.tables->remotes.remove({key_, n}));
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
