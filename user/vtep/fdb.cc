// SPDX-License-Identifier: GPL-2.0-only
#include "xvtep/fdb.h"

#include <arpa/inet.h>
#include <linux/neighbour.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "user/base/parallel.h"
#include "user/datapath/bulk.h"
#include "user/vtep/clock.h"
#include "user/vtep/session.h"
#include "user/vtep/shown.h"
#include "xvtep/batch.h"
#include "xvtep/vtep.h"

namespace xvtep {
namespace {

xv_fdb_key key_of(const xv_vtep &vtep, const Mac &mac)
{
    xv_fdb_key key{};
    key.vni = vtep.vni;
    key.dstport = vtep.dstport;
    std::ranges::copy(mac.octets, key.mac);
    return key;
}

// In the order of the bytes.
std::uint64_t number_of(const __u8 (&mac)[6])
{
    std::uint64_t number = 0;
    for (const __u8 octet : mac)
        number = number << 8 | octet;
    return number;
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

// `flags`: enum xv_fdb_flag.
std::uint16_t kernel_state(unsigned flags)
{
    if ((flags & XV_FDB_PERMANENT) != 0)
        return NUD_PERMANENT | NUD_NOARP;
    return (flags & XV_FDB_STATIC) != 0 ? NUD_REACHABLE | NUD_NOARP : NUD_REACHABLE;
}

// An entry as the VTEP's own device has it: what the programs leave to that device (remotes, GSO
// packets that want checksums, packets to split) goes the same way, and by it the host's routing
// is asked for next hops.
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

class Writer {
  public:
    Writer(Session &session, const xv_vtep &vtep, const Mac &mac)
        : session_(session), vtep_(vtep), mac_(mac), key_(key_of(vtep, mac))
    {
    }

    [[nodiscard]] Result<std::optional<xv_fdb>> current() const
    {
        return session_.in_words(session_.tables->fdb.look_up(key_));
    }

    [[nodiscard]] Result<std::vector<xv_remote>> remotes(const xv_fdb &entry) const
    {
        std::vector<xv_remote> all{entry.dest};
        for (__u32 n = 1; n < entry.remotes; n++) {
            TRY_ASSIGN(const auto dest,
                       session_.in_words(session_.tables->remotes.look_up({key_, n})));
            if (dest)
                all.push_back(*dest);
        }
        return all;
    }

    // Writes the whole entry; further destinations first, so that no reader sees a gap.
    Result<> put(xv_fdb entry, const std::vector<xv_remote> &remotes)
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
            // Learned, or aged out, in the meantime: once more.
            if (done.error().code != (before ? ENOENT : EEXIST))
                return done;
        }
    }

    Result<> remove()
    {
        TRY_ASSIGN(const auto entry, current());
        TRY(session_.in_words(remove_entry(*session_.tables, vtep_.slot, key_)));
        for (__u32 n = 1; entry && n < entry->remotes; n++)
            TRY(session_.in_words(session_.tables->remotes.remove({key_, n})));
        return {};
    }

    // The same in the kernel's device. `flags`: of the entry.
    Result<> mirror(const std::vector<xv_remote> &before, const std::vector<xv_remote> &after,
                    unsigned flags)
    {
        const auto ifindex = static_cast<int>(vtep_.ifindex);
        if (!keeps_several(mac_))
            return after.empty() ? forget_in_kernel() : mirror_one(after.front(), flags);
        const auto missing = [](const std::vector<xv_remote> &list, const xv_remote &dest) {
            return std::ranges::none_of(list,
                                        [&](const xv_remote &d) { return same_dest(d, dest); });
        };
        for (const auto &dest : before)
            if (missing(after, dest))
                (void)session_.netlink.delete_fdb(ifindex, kernel_entry(vtep_, mac_, dest));
        for (const auto &dest : after)
            if (missing(before, dest))
                if (auto done =
                        session_.netlink.append_fdb(ifindex, kernel_entry(vtep_, mac_, dest));
                    !done && done.error().code != EEXIST)
                    return session_.wrap(done.error());
        return {};
    }

  private:
    Result<> mirror_one(const xv_remote &dest, unsigned flags)
    {
        KernelFdbEntry entry = kernel_entry(vtep_, mac_, dest);
        entry.state = kernel_state(flags);
        if (auto done = session_.netlink.replace_fdb(static_cast<int>(vtep_.ifindex), entry); !done)
            return session_.wrap(done.error());
        return {};
    }

    // A MAC that it learned, too. It may have forgotten it by itself.
    Result<> forget_in_kernel()
    {
        KernelFdbEntry entry{};
        entry.mac = mac_;
        const auto done = session_.netlink.delete_fdb(static_cast<int>(vtep_.ifindex), entry);
        if (!done && done.error().code != ENOENT)
            return session_.wrap(done.error());
        return {};
    }

    Result<> write(xv_fdb entry, const std::vector<xv_remote> &remotes,
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

    // Removes expired entries that the programs' ageing has not come to yet.
    Result<> make_room()
    {
        const auto now = monotonic();
        TRY_ASSIGN(const auto entries, session_.in_words(session_.tables->fdb.entries()));
        for (const auto &[key, entry] : entries)
            if (key.vni == vtep_.vni && key.dstport == vtep_.dstport && !is_live(vtep_, entry, now))
                TRY(session_.in_words(remove_entry(*session_.tables, vtep_.slot, key)));
        if (std::atomic_ref(session_.tables->fdb_count[vtep_.slot]).load() <= vtep_.maxaddress)
            return {};
        return session_.refused(
            fmt::format("the VTEP has {} entries already (maxaddress)", vtep_.maxaddress), ENOSPC);
    }

    Session &session_;
    const xv_vtep &vtep_;
    Mac mac_;
    xv_fdb_key key_;
};

// But for the port to leave by.
xv_remote far_end(const xv_vtep &vtep, const FdbEntry &entry)
{
    xv_remote dest{};
    dest.addr = to_addr(entry.dst);
    dest.vni = entry.vni != 0 ? entry.vni : vtep.vni;
    dest.port = entry.port != 0 ? htons(entry.port) : vtep.dstport;
    return dest;
}

Result<xv_remote> dest_of(Session &session, const xv_vtep &vtep, const FdbEntry &entry)
{
    xv_remote dest = far_end(vtep, entry);
    if (!entry.via.empty()) {
        const auto via = session.netlink.link(entry.via);
        if (!via)
            return system_failure(session.operation, entry.via, via.error().cause,
                                  via.error().code);
        dest.ifindex = static_cast<__u32>(via->index);
    }
    return dest;
}

// Adds one for each destination of a live entry that is not a local port's.
Result<> append_lines(std::vector<FdbEntry> &all, const Session &session, const DeviceNames &names,
                      const ShownVtep &at, const xv_fdb_key &key, const xv_fdb &entry,
                      std::uint64_t now)
{
    if ((entry.flags & XV_FDB_LOCAL) != 0 || !is_live(at.vtep, entry, now) ||
        !addr_is_set(entry.dest.addr)) // known to the kernel's device alone
        return {};
    for (__u32 n = 0; n < entry.remotes; n++) {
        std::optional dest(entry.dest);
        if (n != 0)
            TRY_SET(dest, session.in_words(session.tables->remotes.look_up({key, n})));
        if (!dest)
            continue;
        FdbEntry &line = all.emplace_back();
        std::ranges::copy(key.mac, line.mac.octets.begin());
        line.device = at.device;
        line.dst = to_ip(dest->addr);
        line.port = dest->port == at.vtep.dstport ? std::uint16_t{0} : ntohs(dest->port);
        line.vni = dest->vni == at.vtep.vni ? 0 : dest->vni;
        line.via = names.of(dest->ifindex);
        line.router = (entry.flags & XV_FDB_ROUTER) != 0;
        line.state = (entry.flags & XV_FDB_PERMANENT) != 0 ? FdbState::permanent
                     : (entry.flags & XV_FDB_STATIC) != 0  ? FdbState::static_
                                                           : FdbState::dynamic;
        line.used = seconds_ago(entry.used, now);
        line.updated = seconds_ago(entry.updated, now);
        line.learned = (entry.flags & XV_FDB_USER) == 0;
    }
    return {};
}

const char *verb_name(FdbVerb verb)
{
    return verb == FdbVerb::add      ? "fdb add"
           : verb == FdbVerb::append ? "fdb append"
                                     : "fdb replace";
}

// What an entry is in the map, but for its destination.
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

// Needs nothing but its place in the map, provided that is free.
bool is_plain(const xv_vtep &vtep, const FdbEntry &entry)
{
    return entry.state != FdbState::dynamic && vtep.maxaddress == 0 && entry.via.empty() &&
           entry.vni <= vni_max && !keeps_several(entry.mac) && !entry.dst.is_any() &&
           !entry.dst.is_multicast() && entry.dst.is_v6() == ((vtep.flags & XV_VTEP_V6) != 0);
}

// A plain entry, as it goes into the table.
xv_fdb_row plain_row(const xv_vtep &vtep, const FdbEntry &entry, std::uint64_t now)
{
    xv_fdb_row row{};
    row.key = key_of(vtep, entry.mac);
    row.value = fresh_entry(entry, now);
    row.value.dest = far_end(vtep, entry);
    return row;
}

// Plain entries up to the first whose place is taken, by several CPUs: most of the time is the
// kernel's allocation of each. Returns how many. What is behind is removed again; after a kill it
// may be there.
std::size_t put_side_by_side(const Session &session, const FdbBulk &bulk, const xv_vtep &vtep,
                             std::span<const FdbEntry> entries)
{
    constexpr std::size_t worth = 1024; // entries
    struct Part {
        std::size_t from = 0, to = 0, done = 0;
    };
    std::vector<Part> parts(parts_of(entries.size(), worth));
    const auto now = monotonic();
    side_by_side(entries.size(), parts.size(),
                 [&](std::size_t n, std::size_t from, std::size_t to) {
                     std::array<xv_fdb_row, FdbBulk::most> rows;
                     Part &part = parts[n];
                     part = {from, to, 0};
                     for (std::size_t count = 1, put = 1; count == put && from + part.done < to;) {
                         count = std::min(rows.size(), to - from - part.done);
                         for (std::size_t i = 0; i < count; i++)
                             rows[i] = plain_row(vtep, entries[from + part.done + i], now);
                         put = bulk.put(std::span(rows).first(count));
                         part.done += put;
                     }
                 });
    std::size_t there = 0;
    bool whole = true;
    for (const auto &part : parts) {
        if (whole)
            there += part.done;
        else
            for (const auto &entry : entries.subspan(part.from, part.done))
                (void)session.tables->fdb.remove(key_of(vtep, entry.mac));
        whole = whole && part.from + part.done == part.to;
    }
    return there;
}

// Plain entries up to the first that the kernel's device has already. How many. Where one's place
// in our table is taken all the same, it is written again, one by one.
std::size_t add_to_kernel(Session &session, const xv_vtep &vtep, std::span<const FdbEntry> entries)
{
    std::vector<KernelFdbEntry> rows;
    rows.reserve(entries.size());
    for (const auto &entry : entries) {
        rows.push_back(kernel_entry(vtep, entry.mac, far_end(vtep, entry)));
        rows.back().state = kernel_state(fresh_entry(entry, 0).flags);
    }
    return session.netlink.add_fdb(static_cast<int>(vtep.ifindex), rows).value_or(0);
}

// How many of them, from the first, could be written so.
std::size_t write_plain(Session &session, std::span<const FdbEntry> entries)
{
    const auto vtep = session.vtep_named(entries.front().device);
    if (!vtep)
        return 0;
    const auto fits = [&](const FdbEntry &entry) {
        return entry.device == entries.front().device && is_plain(*vtep, entry);
    };
    auto plain = entries.first(
        static_cast<std::size_t>(std::ranges::find_if_not(entries, fits) - entries.begin()));
    if (plain.size() < 2)
        return 0;
    const auto bulk = FdbBulk::open(session.directory);
    if (!bulk)
        return 0;
    plain = plain.first(add_to_kernel(session, *vtep, plain));
    const auto count = put_side_by_side(session, *bulk, *vtep, plain);
    add_fdb_count(*session.tables, vtep->slot, static_cast<std::int64_t>(count));
    return count;
}

} // namespace

Result<> write_fdb(FdbVerb verb, std::span<const FdbEntry> entries, std::size_t &written)
{
    constexpr std::size_t window = 16384; // others want the lock too
    const Batch batch;
    std::size_t most = window; // fewer at a time where places are taken
    for (written = 0; written < entries.size();) {
        if (verb != FdbVerb::append) {
            TRY_ASSIGN(auto session, Session::writer(verb_name(verb), entries[written].mac.text()));
            const auto next = entries.subspan(written, std::min(most, entries.size() - written));
            const auto count = write_plain(session, next);
            written += count;
            most = count == next.size() ? std::min(2 * most, window) : 1;
            if (count != 0)
                continue;
        }
        TRY(write_fdb(verb, entries[written]));
        written++;
    }
    return {};
}

Result<> write_fdb(FdbVerb verb, const FdbEntry &entry)
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

    TRY_ASSIGN(auto session, Session::writer(verb_name(verb), entry.mac.text()));
    TRY_ASSIGN(const auto vtep, session.vtep_named(entry.device));
    if (entry.dst.is_v6() != ((vtep.flags & XV_VTEP_V6) != 0))
        return wrong(fmt::format("dst {} is not of the VTEP's family", entry.dst.text()));
    TRY_ASSIGN(const auto dest, dest_of(session, vtep, entry));

    Writer writer(session, vtep, entry.mac);
    const std::uint64_t now = monotonic();
    TRY_ASSIGN(auto old, writer.current());
    if (old && !is_live(vtep, *old, now)) {
        TRY(writer.remove());
        old.reset();
    }
    // What a port or the tunnel taught gives way to what is said by hand.
    const bool by_hand = old && (old->flags & XV_FDB_USER) != 0;
    if (verb == FdbVerb::add && by_hand)
        return session.refused("the entry exists", EEXIST);

    xv_fdb fresh = fresh_entry(entry, now);
    if (entry.state == FdbState::dynamic) {
        fresh.gc_seq = add_shared(session.tables->gc_state[0].tail, __u64{1});
        TRY(session.in_words(session.tables->gc_queue.put(fresh.gc_seq, key_of(vtep, entry.mac))));
    }
    std::vector<xv_remote> before;
    if (by_hand)
        TRY_SET(before, writer.remotes(*old));
    std::vector<xv_remote> after{dest};
    if (verb == FdbVerb::append && by_hand) {
        if (!keeps_several(entry.mac))
            return session.refused(
                "a unicast MAC has one destination (several only for the default entry and "
                "multicast MACs); replace changes it",
                EINVAL);
        if (std::ranges::any_of(before, [&](const xv_remote &d) { return same_dest(d, dest); }))
            return session.refused("the destination is there already", EEXIST);
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
    return {};
}

Result<> delete_fdb(const Mac &mac, const std::string &device, const std::optional<Ip> &dst)
{
    TRY_ASSIGN(auto session, Session::writer("fdb del", mac.text()));
    TRY_ASSIGN(const auto vtep, session.vtep_named(device));
    Writer writer(session, vtep, mac);
    TRY_ASSIGN(const auto entry, writer.current());
    if (!entry || (entry->flags & XV_FDB_LOCAL) != 0 || !is_live(vtep, *entry, monotonic()))
        return session.refused("no such entry", ENOENT);
    TRY_ASSIGN(const auto before, writer.remotes(*entry));
    std::vector<xv_remote> after = before;
    if (dst)
        std::erase_if(after, [&](const xv_remote &d) { return to_ip(d.addr) == *dst; });
    else
        after.clear();
    if (after.size() == before.size())
        return session.refused("no such destination", ENOENT);
    if (after.empty())
        TRY(writer.remove());
    else
        TRY(session.in_words(writer.put(*entry, after)));
    return writer.mirror(before, after, entry->flags);
}

Result<std::vector<FdbEntry>> show_fdb(const std::optional<std::string> &device)
{
    TRY_ASSIGN(auto session, Session::reader("fdb show", device.value_or("")));
    std::vector<FdbEntry> all;
    if (!session.tables && !device)
        return all;
    TRY_ASSIGN(const auto names, DeviceNames::read(session));
    TRY_ASSIGN(const auto vteps, ShownVteps::read(session, names, device));
    TRY_ASSIGN(const auto entries, session.in_words(session.tables->fdb.entries()));

    // Sorted as they are in the map: what is shown has several times the bytes.
    struct Row {
        const ShownVtep *at;
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

Result<std::vector<FdbEntry>> get_fdb(const Mac &mac, const std::string &device)
{
    TRY_ASSIGN(auto session, Session::reader("fdb get", mac.text()));
    TRY_ASSIGN(const auto vtep, session.vtep_named(device));
    TRY_ASSIGN(const auto names, DeviceNames::read(session));
    const auto key = key_of(vtep, mac);
    std::vector<FdbEntry> found;
    TRY_ASSIGN(const auto entry, session.in_words(session.tables->fdb.look_up(key)));
    if (entry)
        TRY(append_lines(found, session, names, {vtep, device}, key, *entry, monotonic()));
    if (found.empty())
        return session.refused("no such entry", ENOENT);
    return found;
}

Result<> flush_fdb(const std::string &device, bool dynamic_only)
{
    TRY_ASSIGN(auto session, Session::writer("fdb flush", device));
    TRY_ASSIGN(const auto vtep, session.vtep_named(device));
    TRY_ASSIGN(const auto entries, session.in_words(session.tables->fdb.entries()));
    for (const auto &[key, entry] : entries) {
        if (key.vni != vtep.vni || key.dstport != vtep.dstport || (entry.flags & XV_FDB_LOCAL) != 0)
            continue;
        const bool kept = (entry.flags & (XV_FDB_STATIC | XV_FDB_PERMANENT)) != 0;
        if (dynamic_only && kept)
            continue;
        Mac mac;
        std::ranges::copy(key.mac, mac.octets.begin());
        Writer writer(session, vtep, mac);
        TRY_ASSIGN(const auto before, writer.remotes(entry));
        TRY(writer.remove());
        TRY(writer.mirror(before, {}, 0));
    }
    return {};
}

} // namespace xvtep
