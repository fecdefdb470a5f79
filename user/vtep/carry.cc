// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/carry.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <span>

#include "user/vtep/clock.h"
#include "user/vtep/device.h"
#include "user/vtep/fdb_writer.h"
#include "user/vtep/indexes.h"
#include "user/vtep/layout_10.h"
#include "user/vtep/layout_5.h"
#include "user/vtep/remote_table.h"

namespace xvtep {
namespace {

constexpr unsigned holding = XV_FDB_STATIC | XV_FDB_PERMANENT;

struct ReasonName {
    int reason;
    std::string_view name;
};
constexpr ReasonName reasons_now[] = {
#define X(name, text, meaning) {XV_##name, text},
    XV_PASSED_REASONS(X) XV_DROPPED_REASONS(X)
#undef X
};

// The names of an older layout's reasons; empty: they are today's.
std::span<const char *const> reasons_of(__u32 layout)
{
    if (layout == 5)
        return layout_5::reasons;
    if (layout == 10)
        return layout_10::reasons;
    return {};
}

// Counters of an older layout: five numbers, and then those of reasons.
xv_counters counters_of(std::span<const __u64> old, __u32 layout)
{
    xv_counters counters{};
    const auto reasons = reasons_of(layout);
    if (reasons.empty()) {
        std::memcpy(&counters, old.data(), sizeof(counters));
        return counters;
    }
    std::memcpy(&counters, old.data(), 5 * sizeof(__u64));
    for (std::size_t n = 0; n < reasons.size(); n++) {
        const auto *const now = std::ranges::find(reasons_now, reasons[n], &ReasonName::name);
        if (now != std::end(reasons_now))
            counters.reason[now->reason] += old[5 + n + 1]; // the first reason is 1
    }
    return counters;
}

xv_vtep vtep_of_layout_5(const layout_5::Vtep &old, const std::vector<Link> &links)
{
    xv_vtep vtep{};
    vtep.flowlabel = old.flowlabel;
    vtep.reachable = old.reachable;
    vtep.slot = old.slot;
    vtep.vni = old.vni;
    vtep.ifindex = old.ifindex;
    vtep.flags = old.flags & ~layout_5::made_lo_forward;
    vtep.local = old.local;
    vtep.dstport = old.dstport;
    std::ranges::copy(old.mac, vtep.mac);
    vtep.reserved_flags = old.reserved_flags;
    vtep.reserved_vni = old.reserved_vni;
    std::ranges::copy(old.underlay_mac, vtep.underlay_mac);
    vtep.nonce = old.nonce;
    vtep.members = old.members;
    vtep.underlay_count = static_cast<__u16>(old.underlay_count);
    vtep.renew_shift = renew_shift(old.ageing);
    vtep.remote = old.remote;
    vtep.srcport_min = old.srcport_min;
    vtep.srcport_max = static_cast<__u16>(old.srcport_min + old.srcport_span - 1);
    vtep.ttl = old.ttl;
    vtep.tos = old.tos;
    vtep.ageing = old.ageing;
    vtep.hard_ageing = old.hard_ageing;
    vtep.maxaddress = old.maxaddress;
    vtep.bridge = old.bridge;
    std::ranges::copy(old.underlays, vtep.underlays);
    if (const auto link = std::ranges::find(links, static_cast<int>(vtep.ifindex), &Link::index);
        link != links.end())
        set_name(vtep, link->name);
    return vtep;
}

// Writes many elements of a hash at once.
template <class Key, class Value> class BatchWriter {
  public:
    explicit BatchWriter(const Table<Key, Value> &table) : table_(table) {}

    Result<> put(const Key &key, const Value &value)
    {
        keys_.push_back(key);
        values_.push_back(value);
        return keys_.size() < 4096 ? Result<>() : flush();
    }
    Result<> flush()
    {
        auto count = static_cast<__u32>(keys_.size());
        if (count != 0 &&
            bpf_map_update_batch(table_.fd(), keys_.data(), values_.data(), &count, nullptr) != 0)
            return errno_failure("update", "map", errno);
        keys_.clear();
        values_.clear();
        return {};
    }

  private:
    const Table<Key, Value> &table_;
    std::vector<Key> keys_;
    std::vector<Value> values_;
};

// Copies a map whose elements have not changed since layout 5.
template <class Key, class Value>
Result<> copy(const std::string &from, const char *name, const Table<Key, Value> &to)
{
    TRY_ASSIGN(const auto old, RawMap::open(from, name));
    BatchWriter writer(to);
    TRY(old.for_each([&](RawMap::Bytes key, RawMap::Bytes value) {
        return writer.put(value_of<Key>(key), value_of<Value>(value));
    }));
    return writer.flush();
}

bool is_newer(__u32 tick, __u32 other)
{
    return static_cast<std::int32_t>(tick - other) > 0;
}

} // namespace

bool can_carry(__u32 layout)
{
    return layout == 5 || layout == 10 || layout == layout_of(XV_LAYOUT);
}

Result<Sizes> sizes_for(const std::string &maps, __u32 layout)
{
    constexpr __u32 share = 8; // a part of the table that stays free for what comes
    Sizes sizes;
    struct Kind {
        const char *map;
        __u32 Sizes::*member;
    };
    for (const auto &[map, member] :
         {Kind{"fdb", &Sizes::fdb}, Kind{"floods", &Sizes::floods}, Kind{"neighs", &Sizes::neighs},
          Kind{"vlans", &Sizes::vlans}, Kind{"members", &Sizes::vlans},
          Kind{"ports", &Sizes::ports}, Kind{"underlays", &Sizes::ports},
          Kind{"remote_ids", &Sizes::remotes}}) {
        if (layout == 5 && member == &Sizes::remotes)
            continue;
        TRY_ASSIGN(const auto old, RawMap::open(maps, map));
        __u32 count = 0;
        TRY(old.for_each([&](RawMap::Bytes, RawMap::Bytes) -> Result<> {
            count++;
            return {};
        }));
        if (count + count / share >= sizes.*member)
            sizes = grown(sizes, member, std::min(count + count / share, largest_sizes.*member))
                        .value_or(sizes);
    }
    // Slots are indexes, and so are the remotes of later layouts.
    TRY_ASSIGN(const auto vteps, RawMap::open(maps, "vteps"));
    __u32 slot = 0, index = 0;
    const auto highest = [](__u32 &most) {
        return [&most](RawMap::Bytes key, RawMap::Bytes value) -> Result<> {
            if (std::ranges::any_of(value, [](std::byte b) { return b != std::byte{0}; }))
                most = std::max(most, value_of<__u32>(key));
            return {};
        };
    };
    TRY(vteps.for_each(highest(slot)));
    for (const char *name : {"underlays", "ports"}) { // their slots come first in the values
        TRY_ASSIGN(const auto ports, RawMap::open(maps, name));
        TRY(ports.for_each([&](RawMap::Bytes, RawMap::Bytes value) -> Result<> {
            slot = std::max(slot, value_of<__u32>(value));
            return {};
        }));
    }
    if (slot >= sizes.slots)
        sizes = grown(sizes, &Sizes::slots, slot + 1).value_or(sizes);
    if (layout == 5)
        return sizes;
    TRY_ASSIGN(const auto remotes, RawMap::open(maps, "remotes"));
    TRY(remotes.for_each(highest(index)));
    if (2 * index >= sizes.remotes)
        sizes = grown(sizes, &Sizes::remotes, std::min(2 * index + 1, largest_sizes.remotes))
                    .value_or(sizes);
    return sizes;
}

Result<> Carry::first()
{
    begun_ = xv_tick(monotonic()) - 1;
    TRY(carry_vteps());
    TRY(carry_alive());
    TRY(carry_ports());
    TRY(carry_remotes());
    TRY(carry_entries());
    TRY(carry_floods());
    TRY(copy(from_, "neighs", to_->neighs));
    if (layout_ == layout_of(XV_LAYOUT))
        return {}; // is_kept() of all others
    TRY(carry_host_changes());
    return carry_listeners();
}

Result<> Carry::look_again()
{
    all_ = true;
    return read_vteps();
}

Result<> Carry::read_vteps()
{
    TRY_ASSIGN(const auto vteps, to_->vteps.entries());
    for (const auto &[slot, vtep] : vteps)
        if (vtep.slot != 0)
            vteps_[{vtep.vni, vtep.dstport}] = vtep;
    return {};
}

Result<> Carry::carry_vteps()
{
    TRY_ASSIGN(const auto links, session_.netlink.links());
    TRY_ASSIGN(const auto old, RawMap::open(from_, "vteps"));
    TRY(old.for_each([&](RawMap::Bytes, RawMap::Bytes value) -> Result<> {
        const auto vtep = layout_ == 5 ? vtep_of_layout_5(value_of<layout_5::Vtep>(value), links)
                                       : value_of<xv_vtep>(value);
        return vtep.slot != 0 ? to_->vteps.put(vtep.slot, vtep) : Result<>();
    }));
    TRY(copy(from_, "devices", to_->devices));
    TRY(copy(from_, "vnis", to_->vnis));
    return read_vteps();
}

Result<> Carry::carry_alive()
{
    const auto mark = [&](RawMap::Bytes key, RawMap::Bytes) -> Result<> {
        // One that has just gone is left out, as the kernel would remove it.
        (void)to_->mark_alive(value_of<__u32>(key));
        return {};
    };
    if (layout_ != 5) {
        TRY_ASSIGN(const auto alive, RawMap::open(from_, "alive"));
        return alive.for_each(mark);
    }
    for (const char *name : {"devices", "underlays", "ports"}) {
        TRY_ASSIGN(const auto devices, RawMap::open(from_, name));
        TRY(devices.for_each(mark));
    }
    return {};
}

Result<> Carry::carry_ports()
{
    TRY_ASSIGN(const auto underlays, RawMap::open(from_, "underlays"));
    TRY(underlays.for_each([&](RawMap::Bytes key, RawMap::Bytes value) {
        return to_->underlays.put(value_of<__u32>(key), [&] {
            xv_underlay underlay{}; // later layouts add members at the end
            std::memcpy(&underlay, value.data(), std::min(value.size(), sizeof(underlay)));
            return underlay;
        }());
    }));
    TRY_ASSIGN(const auto ports, RawMap::open(from_, "ports"));
    TRY(ports.for_each([&](RawMap::Bytes key, RawMap::Bytes value) {
        xv_port port{};
        std::memcpy(&port, value.data(), std::min(value.size(), sizeof(port)));
        return to_->ports.put(value_of<__u32>(key), port);
    }));
    TRY(copy(from_, "vlans", to_->vlans));
    return copy(from_, "members", to_->members);
}

Result<> Carry::read_remotes()
{
    TRY_ASSIGN(const auto remotes, RawMap::open(from_, "remotes"));
    remotes_.clear();
    return remotes.for_each([&](RawMap::Bytes, RawMap::Bytes value) -> Result<> {
        remotes_.push_back(value_of<xv_remote>(value));
        return {};
    });
}

// They keep their indexes and ids. Remotes that the old programs still make, and those that the new
// ones make, get different indexes.
Result<> Carry::carry_remotes()
{
    if (layout_ == 5)
        return {};
    TRY(read_remotes());
    const auto most = std::min(remotes_.size(), to_->remotes.size());
    for (std::size_t index = 1; index < most; index++) {
        xv_remote remote = remotes_[index];
        remote.claimed = remote.id != 0 ? 1 : 0;
        to_->remotes[index] = remote;
    }
    TRY(copy(from_, "remote_ids", to_->remote_ids));
    TRY_ASSIGN(const auto state, RawMap::open(from_, "remote_state"));
    return state.for_each([&](RawMap::Bytes, RawMap::Bytes value) -> Result<> {
        const auto next = value_of<xv_remote_state>(value).next;
        to_->remote_state[0].next = static_cast<__u32>(next % most + to_->remotes.size() / 2);
        return {};
    });
}

const xv_vtep *Carry::vtep_of(const xv_fdb_key &key) const
{
    const auto found = vteps_.find({key.vni, key.dstport});
    return found == vteps_.end() ? nullptr : &found->second;
}

std::optional<xv_remote_key> Carry::key_of_old(const xv_vtep &vtep, __u32 id) const
{
    const __u32 index = xv_remote_index(id);
    if (index >= remotes_.size() || remotes_[index].id == 0 ||
        remotes_[index].id != (id & ~static_cast<__u32>(XV_TO_NAMES_PORT)))
        return std::nullopt;
    xv_remote_key key = key_of(remotes_[index]);
    if ((id & XV_TO_NAMES_PORT) != 0)
        key.via = vtep.underlays[0];
    return key;
}

std::optional<Carry::Entry> Carry::entry_of(RawMap::Bytes key, RawMap::Bytes value) const
{
    Entry entry{value_of<xv_fdb_key>(key), {}, {}};
    const xv_vtep *const vtep = vtep_of(entry.key);
    if (vtep == nullptr)
        return std::nullopt;
    if (layout_ != 5) {
        entry.value = value_of<xv_fdb>(value);
        if ((entry.value.flags & XV_FDB_LOCAL) == 0)
            entry.to = key_of_old(*vtep, entry.value.to);
        return entry;
    }
    const auto old = value_of<layout_5::Entry>(value);
    entry.value.flags = old.flags;
    entry.value.updated = xv_tick(old.updated);
    entry.value.used = xv_tick(old.used);
    entry.value.created = xv_tick(old.created);
    entry.value.gc_tag = old.ticket != 0 ? 1 : 0; // it gets another one
    if ((old.flags & XV_FDB_LOCAL) != 0) {
        entry.value.to = old.dest.ifindex;
        entry.value.several = old.dest.vid & 0xfff;
        return entry;
    }
    entry.value.several = old.dests & 0xfff;
    entry.to = xv_remote_key{.addr = old.dest.addr,
                             .slot = vtep->slot,
                             .vni = old.dest.vni,
                             .via = old.dest.ifindex,
                             .port = old.dest.port,
                             .zero = 0};
    return entry;
}

Result<__u32> Carry::hold(const xv_vtep &vtep, const xv_remote_key &key, __u32 refs)
{
    constexpr std::size_t most = 16;
    for (const auto &[known, id] : held_)
        if (same_remote(known, key)) {
            if (xv_remote *const remote = find_remote(*to_, id))
                std::atomic_ref(remote->refs).fetch_add(refs);
            return id;
        }
    TRY_ASSIGN(const __u32 id, hold_remote(*to_, vtep, key, refs));
    if (held_.size() == most)
        held_.erase(held_.begin());
    held_.emplace_back(key, id);
    return id;
}

// Sets the id of the entry's destination, if the entry has another id or none.
Result<> Carry::set_remote(Entry &entry, __u32 refs)
{
    if ((entry.value.flags & XV_FDB_LOCAL) != 0)
        return {};
    if (layout_ != 5 && entry.value.to != 0 && find_remote(*to_, entry.value.to) != nullptr)
        return {}; // it was carried with its id and references
    entry.value.to = 0;
    if (entry.to)
        TRY_SET(entry.value.to, hold(*vtep_of(entry.key), *entry.to, refs));
    return {};
}

Result<> Carry::carry_entries()
{
    TRY_ASSIGN(const auto old, RawMap::open(from_, "fdb"));
    BatchWriter entries(to_->fdb);
    BatchWriter queue(to_->gc_queue);
    std::vector<Entry> for_kernel;
    std::map<__u32, std::int64_t> counts; // by slot
    __u64 last = 0;                       // in the queue of the garbage collection
    const auto each = [&](RawMap::Bytes key, RawMap::Bytes value) -> Result<> {
        auto entry = entry_of(key, value);
        if (!entry)
            return {};
        TRY(set_remote(*entry, (entry->value.flags & holding) != 0 ? 1 : 0));
        if (entry->value.gc_tag != 0) {
            entry->value.gc_tag = xv_gc_tag(++last) & 0xf;
            TRY(queue.put(last, entry->key));
        }
        TRY(entries.put(entry->key, entry->value));
        counts[vtep_of(entry->key)->slot]++;
        if (layout_ == 5)
            for_kernel.push_back(*entry);
        return {};
    };
    TRY(old.for_each(each));
    TRY(entries.flush());
    TRY(queue.flush());
    to_->gc_state[0].tail = last;
    for (const auto &[slot, count] : counts)
        add_fdb_count(*to_, slot, count);
    return tell_kernel(for_kernel);
}

Result<> Carry::carry_floods()
{
    TRY_ASSIGN(const auto old, RawMap::open(from_, "floods"));
    BatchWriter floods(to_->floods);
    const auto each = [&](RawMap::Bytes key, RawMap::Bytes value) -> Result<> {
        const auto place = value_of<xv_flood_key>(key);
        const xv_vtep *const vtep = vtep_of(place.entry);
        if (vtep == nullptr)
            return {};
        auto id = value_of<__u32>(value);
        if (layout_ == 5) {
            const auto dest = value_of<layout_5::Destination>(value);
            TRY_ASSIGN(const auto entry, to_->fdb.look_up(place.entry));
            TRY_SET(id, hold(*vtep,
                             {.addr = dest.addr,
                              .slot = vtep->slot,
                              .vni = dest.vni,
                              .via = dest.ifindex,
                              .port = dest.port,
                              .zero = 0},
                             entry && (entry->flags & holding) != 0 ? 1 : 0));
        }
        return floods.put(place, id);
    };
    TRY(old.for_each(each));
    return floods.flush();
}

// With layout 5 the kernel's device of a VTEP learned nothing, and had no entries for unicast MACs
// over IPv4. Today's programs leave new and odd packets to it, which needs the same entries.
Result<> Carry::tell_kernel(const std::vector<Entry> &entries)
{
    if (layout_ != 5)
        return {};
    std::map<__u32, std::vector<KernelFdbEntry>> rows; // by the ifindex of the device
    for (const auto &[at, vtep] : vteps_) {
        rows[vtep.ifindex];
        if (auto set = session_.netlink.change_vxlan_learning(static_cast<int>(vtep.ifindex),
                                                              (vtep.flags & XV_VTEP_LEARNING) != 0,
                                                              kernel_ageing(vtep.ageing));
            !set && set.error().code != ENODEV)
            return set;
    }
    for (const auto &entry : entries) {
        const xv_vtep &vtep = *vtep_of(entry.key);
        Mac mac;
        std::ranges::copy(entry.key.mac, mac.octets.begin());
        const bool has_it =
            (vtep.flags & XV_VTEP_V6) != 0 && (entry.value.flags & XV_FDB_USER) != 0;
        if (!entry.to || has_it || keeps_several(mac))
            continue;
        rows[vtep.ifindex].push_back(kernel_entry(vtep, mac, *entry.to));
        rows[vtep.ifindex].back().state = kernel_state(entry.value.flags);
    }
    for (const auto &[ifindex, all] : rows)
        for (std::size_t at = 0; at < all.size(); at++) { // leaves out those that it has
            const auto added =
                session_.netlink.add_fdb(static_cast<int>(ifindex), std::span(all).subspan(at));
            if (!added)
                break; // the device is gone, or elsewhere
            at += *added;
        }
    return {};
}

Result<> Carry::carry_host_changes()
{
    if (layout_ != 5) {
        TRY(copy(from_, "host_changes", to_->host_changes));
        TRY(copy_raw("senders")); // marks on packets under way are indexes there
        return copy_raw("pmtus");
    }
    __u32 changes = 0;
    TRY_ASSIGN(const auto vteps, RawMap::open(from_, "vteps"));
    TRY(vteps.for_each([&](RawMap::Bytes, RawMap::Bytes value) -> Result<> {
        const auto vtep = value_of<layout_5::Vtep>(value);
        if ((vtep.flags & layout_5::made_lo_forward) != 0)
            changes |=
                (vtep.flags & XV_VTEP_V6) != 0 ? XV_HOST_FORWARDING_V6 : XV_HOST_FORWARDING_V4;
        return {};
    }));
    TRY(to_->host_changes.put(0, changes));
    return copy_raw("pmtus");
}

Result<> Carry::copy_raw(const char *name) const
{
    TRY_ASSIGN(const auto old, RawMap::open(from_, name));
    TRY_ASSIGN(const auto fresh, RawMap::open(into_, name));
    return old.for_each([&](RawMap::Bytes key, RawMap::Bytes value) -> Result<> {
        if (bpf_map_update_elem(fresh.fd(), key.data(), value.data(), BPF_ANY) != 0)
            return errno_failure("update", name, errno);
        return {};
    });
}

// The ring buffers belong to processes that go on reading them.
Result<> Carry::carry_listeners()
{
    TRY_ASSIGN(const auto old, RawMap::open(from_, "listeners"));
    TRY_ASSIGN(const auto fresh, RawMap::open(into_, "listeners"));
    TRY(old.for_each([&](RawMap::Bytes key, RawMap::Bytes value) -> Result<> {
        const Fd ring(bpf_map_get_fd_by_id(value_of<__u32>(value)));
        if (!ring)
            return errno == ENOENT ? Result<>() : errno_failure("open", "ring buffer", errno);
        const int fd = ring.get();
        if (bpf_map_update_elem(fresh.fd(), key.data(), &fd, BPF_ANY) != 0)
            return errno_failure("update", "listeners", errno);
        return {};
    }));
    TRY(copy(from_, layout_ == 5 ? "listening" : "listener_mask", to_->listener_mask));
    return copy(from_, layout_ == 5 ? "bells" : "wakeup_taps", to_->wakeup_taps);
}

Result<> Carry::put_again(Entry entry)
{
    TRY(set_remote(entry, 0));
    TRY_ASSIGN(const auto now, to_->fdb.look_up(entry.key));
    if (now) {
        // The new programs may have seen a frame whose sender only the old ones know.
        const bool unknown = (now->flags & XV_FDB_LOCAL) == 0 && now->to == 0 && entry.to;
        if ((now->flags & holding) != 0 ||
            (!unknown && !is_newer(entry.value.updated, now->updated)))
            return {};
        entry.value.gc_tag = now->gc_tag;
        (void)to_->fdb.put(entry.key, entry.value, BPF_EXIST); // or it has just expired
        return {};
    }
    if (entry.value.gc_tag != 0) {
        const __u64 seq = add_shared(to_->gc_state[0].tail, __u64{1});
        entry.value.gc_tag = xv_gc_tag(seq) & 0xf;
        TRY(to_->gc_queue.put(seq, entry.key));
    }
    if (to_->fdb.put(entry.key, entry.value, BPF_NOEXIST)) // or the programs have just learned it
        add_fdb_count(*to_, vtep_of(entry.key)->slot, 1);
    return {};
}

Result<> Carry::second(const LoadedPrograms &programs)
{
    held_.clear();
    if (layout_ != 5)
        TRY(read_remotes());
    TRY_ASSIGN(const auto old, RawMap::open(from_, "fdb"));
    TRY(old.for_each([&](RawMap::Bytes key, RawMap::Bytes value) -> Result<> {
        const auto entry = entry_of(key, value);
        const bool changed = entry && (all_ || is_newer(entry->value.updated, begun_) ||
                                       is_newer(entry->value.created, begun_));
        return changed ? put_again(*entry) : Result<>();
    }));
    return add_counters(programs);
}

Result<> Carry::add_counters(const LoadedPrograms &programs)
{
    constexpr std::size_t most = 3200 / sizeof(xv_counters_row); // as of FdbBulk
    std::vector<xv_counters_row> rows;
    const auto flush = [&]() -> Result<> {
        LIBBPF_OPTS(bpf_test_run_opts, run);
        run.data_in = rows.data();
        run.data_size_in = static_cast<__u32>(rows.size() * sizeof(rows[0]));
        if (!rows.empty() && bpf_prog_test_run_opts(programs.fd(Program::counters_add), &run) != 0)
            return errno_failure("add", "counters", errno);
        rows.clear();
        return {};
    };
    const auto add = [&](__u32 index, bool of_remote, const auto &counters) -> Result<> {
        xv_counters_row row{.index = index, .of_remote = of_remote ? 1U : 0U, .number = {}};
        std::memcpy(row.number, &counters, sizeof(counters));
        if (std::ranges::all_of(row.number, [](__u64 n) { return n == 0; }))
            return {};
        rows.push_back(row);
        return rows.size() < most ? Result<>() : flush();
    };
    const auto sum_of = [](RawMap::Bytes value, std::size_t numbers) {
        std::vector<__u64> sum(numbers);
        for (std::size_t at = 0; at < value.size() / sizeof(__u64); at++)
            sum[at % numbers] += value_of<__u64>(value.subspan(at * sizeof(__u64), sizeof(__u64)));
        return sum;
    };
    TRY_ASSIGN(const auto counters, RawMap::open(from_, "counters"));
    TRY(counters.for_each([&](RawMap::Bytes key, RawMap::Bytes value) {
        const auto sum = sum_of(value, sizeof(xv_counters) / sizeof(__u64));
        return add(value_of<__u32>(key), false, counters_of(sum, layout_));
    }));
    if (layout_ == 5)
        return flush();
    TRY_ASSIGN(const auto remote_counts, RawMap::open(from_, "remote_counts"));
    const auto each = [&](RawMap::Bytes key, RawMap::Bytes value) -> Result<> {
        const auto index = value_of<__u32>(key);
        if (index >= remotes_.size() || remotes_[index].id == 0)
            return {};
        TRY_ASSIGN(const auto id, to_->remote_ids.look_up(key_of(remotes_[index])));
        const auto sum = sum_of(value, sizeof(xv_remote_counters) / sizeof(__u64));
        xv_remote_counters number{};
        std::memcpy(&number, sum.data(), sizeof(number));
        if (id)
            return add(xv_remote_index(*id), true, number);
        if (remotes_[index].slot < to_->retired_counts.size())
            add_counts(to_->retired_counts[remotes_[index].slot], number);
        return {};
    };
    TRY(remote_counts.for_each(each));
    TRY(flush());
    TRY_ASSIGN(const auto retired, RawMap::open(from_, "retired_counts"));
    return retired.for_each([&](RawMap::Bytes key, RawMap::Bytes value) -> Result<> {
        const auto slot = value_of<__u32>(key);
        if (slot >= to_->retired_counts.size()) // it was used by none
            return {};
        xv_remote_counters &sum = to_->retired_counts[slot];
        const auto more = value_of<xv_remote_counters>(value);
        add_shared(sum.rx_packets, more.rx_packets);
        add_shared(sum.rx_bytes, more.rx_bytes);
        add_shared(sum.tx_packets, more.tx_packets);
        add_shared(sum.tx_bytes, more.tx_bytes);
        return {};
    });
}

} // namespace xvtep
