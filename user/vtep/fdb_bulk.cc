// SPDX-License-Identifier: GPL-2.0-only
#include <algorithm>
#include <array>

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
            TRY_ASSIGN(auto session, Session::writer(verb_name(verb), entries[written].mac.text(),
                                                     LockScope::batch));
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

} // namespace xvtep
