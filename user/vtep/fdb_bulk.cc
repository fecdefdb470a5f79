// SPDX-License-Identifier: GPL-2.0-only
#include <algorithm>
#include <array>
#include <map>

#include "user/base/parallel.h"
#include "user/datapath/bulk.h"
#include "user/vtep/clock.h"
#include "user/vtep/fdb_writer.h"
#include "user/vtep/session.h"
#include "xvtep/batch.h"
#include "xvtep/fdb.h"
#include "xvtep/vtep.h"

namespace xvtep {
namespace {

// Whether the entry takes a single insertion into each table, provided that its place is free.
bool is_plain(const xv_vtep &vtep, const FdbEntry &entry)
{
    return entry.state != FdbState::dynamic && vtep.maxaddress == 0 && entry.via.empty() &&
           entry.vni <= vni_max && !keeps_several(entry.mac) && !entry.dst.is_any() &&
           (vtep.vid == 0 || entry.port == 0) && !entry.dst.is_multicast() &&
           entry.dst.is_v6() == ((vtep.flags & XV_VTEP_V6) != 0);
}

// The remotes of entries that are written together. They are held first, and those of entries that
// were not written are released.
class HeldRemotes {
  public:
    HeldRemotes(const Session &session, const xv_vtep &vtep) : session_(session), vtep_(vtep) {}

    // Returns how many entries, from the first on, have their remotes now.
    std::size_t hold(std::span<const FdbEntry> entries)
    {
        std::map<std::pair<Ip, std::pair<std::uint32_t, std::uint16_t>>, __u32> known;
        for (const auto &entry : entries) {
            const auto at = std::pair(entry.dst, std::pair(entry.vni, entry.port));
            auto found = known.find(at);
            if (found == known.end()) {
                const auto id = hold_remote(*session_.tables, vtep_, far_end(vtep_, entry), 1);
                if (!id)
                    break;
                found = known.emplace(at, *id).first;
                counts_[*id] = 0;
            }
            ids_.push_back(found->second);
            counts_[found->second]++;
        }
        for (const auto &[at, id] : known)
            if (counts_[id] > 1)
                if (const auto key = destination(*session_.tables, vtep_, id))
                    (void)hold_remote(*session_.tables, vtep_, *key, counts_[id] - 1);
        return ids_.size();
    }
    [[nodiscard]] __u32 id(std::size_t n) const { return ids_[n]; }
    // Only so many entries, from the first on, were written.
    void keep(std::size_t written)
    {
        for (std::size_t n = written; n < ids_.size(); n++)
            release_remote(*session_.tables, ids_[n], 1);
    }

  private:
    const Session &session_;
    const xv_vtep &vtep_;
    std::vector<__u32> ids_;        // of each entry's remote
    std::map<__u32, __u32> counts_; // by id: of entries
};

// Returns the row of a plain entry for the table.
xv_fdb_row plain_row(const xv_vtep &vtep, const FdbEntry &entry, __u32 remote, std::uint64_t now)
{
    xv_fdb_row row{};
    row.key = key_of(vtep, entry.mac);
    row.value = fresh_entry(entry, now);
    row.value.to = remote;
    return row;
}

// Inserts plain entries up to the first whose place is taken, and returns how many. It uses several
// CPUs, because the kernel's allocations take most of the time. Entries behind the first that fails
// are removed again; if the process is killed they may stay.
std::size_t put_side_by_side(const Session &session, const FdbBulk &bulk, const xv_vtep &vtep,
                             std::span<const FdbEntry> entries, const HeldRemotes &remotes)
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
                             rows[i] = plain_row(vtep, entries[from + part.done + i],
                                                 remotes.id(from + part.done + i), now);
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

// Adds plain entries to the kernel's device up to the first that it has already, and returns how
// many. An entry whose place in our table is taken is written again later, on its own.
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

// Writes plain entries up to the first that is not plain or whose place is taken. Returns how many.
Result<std::size_t> write_plain(FdbVerb verb, std::span<const FdbEntry> entries)
{
    const FdbEntry &first = entries.front();
    TRY_ASSIGN(auto session, Session::writer(verb_name(verb), first.mac.text(), LockScope::batch));
    const auto vtep = session.vtep_named(first.device, first.src_vni);
    if (!vtep)
        return 0;
    const auto fits = [&](const FdbEntry &entry) {
        return entry.device == first.device && entry.src_vni == first.src_vni &&
               is_plain(*vtep, entry);
    };
    auto plain = entries.first(
        static_cast<std::size_t>(std::ranges::find_if_not(entries, fits) - entries.begin()));
    if (plain.size() < 2)
        return 0;
    TRY(make_room_for(session, plain.size()));
    const auto bulk = FdbBulk::open(session.directory);
    if (!bulk)
        return 0;
    const RemoteChange change(*session.tables);
    HeldRemotes remotes(session, *vtep);
    plain = plain.first(remotes.hold(plain));
    plain = plain.first(add_to_kernel(session, *vtep, plain));
    const auto count = put_side_by_side(session, *bulk, *vtep, plain, remotes);
    remotes.keep(count);
    add_fdb_count(*session.tables, vtep->slot, static_cast<std::int64_t>(count));
    return count;
}

} // namespace

FdbBulkResult write_fdb(FdbVerb verb, std::span<const FdbEntry> entries)
{
    constexpr std::size_t window = 16384; // then other processes get the lock
    const Batch batch;
    FdbBulkResult bulk;
    std::size_t most = window; // shrinks where places are taken
    while (bulk.written < entries.size()) {
        const auto rest = entries.subspan(bulk.written);
        if (verb != FdbVerb::append) {
            const auto next = rest.first(std::min(most, rest.size()));
            const auto count = write_plain(verb, next);
            if (!count) {
                bulk.result = std::unexpected(count.error());
                return bulk;
            }
            bulk.written += *count;
            most = *count == next.size() ? std::min(2 * most, window) : 1;
            if (*count != 0)
                continue;
        }
        bulk.result = write_fdb(verb, rest.front());
        if (!bulk.result)
            return bulk;
        bulk.written++;
    }
    return bulk;
}

} // namespace xvtep
