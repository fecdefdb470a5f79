// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/remote_table.h"

#include <arpa/inet.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "user/vtep/clock.h"
#include "user/vtep/session.h"

namespace xvtep {

xv_remote_key key_of(const xv_remote &remote)
{
    return xv_remote_key_of(&remote);
}

namespace {

constexpr std::uint64_t quiet_time = XV_REMOTE_QUIET + second; // clocks differ by a tick
constexpr unsigned freeing_time = 1000; // milliseconds: far more than it takes

template <class Number> std::atomic_ref<Number> shared(Number &number)
{
    return std::atomic_ref<Number>(number);
}

bool is_quiet(const xv_remote &remote, std::uint64_t now)
{
    return remote.freed == 0 || xv_since_tick(now, remote.freed) > quiet_time;
}

// Returns the index, or 0 if all are in use.
__u32 claim_once(const Tables &tables, std::uint64_t now)
{
    auto next = shared(tables.remote_state[0].next);
    for (unsigned tries = 0; tries < tables.remotes.size(); tries++) {
        const auto index = static_cast<__u32>(next.fetch_add(1) & (tables.remotes.size() - 1));
        xv_remote &remote = tables.remotes[index];
        if (index != 0 && shared(remote.claimed).load() == 0 && is_quiet(remote, now) &&
            shared(remote.claimed).exchange(1) == 0)
            return index;
    }
    return 0;
}

// The programs look for remotes that nobody uses only while entries can expire.
__u32 claim(const Tables &tables, std::uint64_t now)
{
    if (const __u32 index = claim_once(tables, now); index != 0)
        return index;
    for (__u32 index = 1; index < tables.remotes.size(); index++)
        if (shared(tables.remotes[index].id).load() != 0)
            free_unused_remote(tables, tables.remotes[index]);
    return claim_once(tables, now);
}

Result<> clear_counts(const Tables &tables, __u32 index)
{
    TRY_ASSIGN(const auto cpus, possible_cpus());
    const std::vector<xv_remote_counters> zeros(cpus);
    if (bpf_map_update_elem(tables.remote_counts.fd(), &index, zeros.data(), BPF_ANY) != 0)
        return errno_failure("update", "remote_counts", errno);
    return {};
}

// Returns the id, or nothing if the programs have made the remote meanwhile.
Result<std::optional<__u32>> make(const Tables &tables, const xv_remote_key &key, __u32 refs)
{
    const std::uint64_t now = monotonic();
    const __u32 index = claim(tables, now);
    if (index == 0)
        return system_failure("update", "remotes", "the table of remote VTEPs is full", ENOSPC);
    xv_remote &remote = tables.remotes[index];
    const __u32 id = index | ((remote.freed_id + 0x10000) & ~0xffffU);
    if (auto cleared = clear_counts(tables, index); !cleared) {
        give_back_remote(remote, id);
        return std::unexpected(cleared.error());
    }
    remote.path = {};
    remote.fresh_until = 0;
    remote.vxlan_vni = htonl(key.vni << 8);
    remote.port = key.port;
    remote.slot = static_cast<__u16>(key.slot);
    remote.admitted = 0;
    remote.addr = key.addr;
    remote.vni = key.vni;
    remote.via = key.via;
    remote.plain = 0;
    remote.heard = remote.named = 0;
    remote.seen = refs != 0 ? xv_tick(now) - xv_tick(XV_REMOTE_LIFE) - 1 : xv_tick(now);
    remote.refs = refs;
    remote.flags = 0;
    shared(remote.id).store(id);
    auto put = tables.remote_ids.put(key, id, BPF_NOEXIST);
    if (put)
        return id;
    give_back_remote(remote, id);
    if (put.error().code == EEXIST)
        return std::nullopt;
    return std::unexpected(put.error());
}

Result<__u32> hold_one(const Tables &tables, const xv_remote_key &key, __u32 refs)
{
    for (unsigned tries = 0; tries < freeing_time; tries++) {
        TRY_ASSIGN(const auto known, tables.remote_ids.look_up(key));
        if (!known) {
            TRY_ASSIGN(const auto made, make(tables, key, refs));
            if (made)
                return *made;
            continue;
        }
        // The programs look for references after they have taken the id away, and we look for the
        // id after the reference is there: one of us sees the other.
        xv_remote &remote = tables.remotes[xv_remote_index(*known)];
        shared(remote.refs).fetch_add(refs);
        if (refs == 0)
            shared(remote.seen).store(xv_tick(monotonic()));
        if (shared(remote.id).load() == *known)
            return *known;
        shared(remote.refs).fetch_sub(refs);
        std::this_thread::sleep_for(std::chrono::milliseconds(1)); // it is being freed
    }
    return system_failure("update", "remotes", "the remote VTEP is being freed", EBUSY);
}

void release_one(const Tables &tables, __u32 id, __u32 refs)
{
    xv_remote *const remote = find_remote(tables, id);
    if (remote == nullptr || shared(remote->refs).load() < refs)
        return;
    shared(remote->refs).fetch_sub(refs);
    free_unused_remote(tables, *remote);
}

xv_remote_key plain_key(const xv_vtep &vtep, const xv_addr &addr)
{
    xv_remote_key key{};
    key.addr = addr;
    key.slot = vtep.slot;
    key.vni = vtep.vni;
    key.port = vtep.dstport;
    return key;
}

bool needs_plain_one(const xv_vtep &vtep, const xv_remote_key &key)
{
    return (vtep.flags & XV_VTEP_ACCEPT_KNOWN) != 0 && !same_remote(key, plain_key(vtep, key.addr));
}

__u32 refs_of(unsigned flags)
{
    return (flags & (XV_FDB_STATIC | XV_FDB_PERMANENT)) != 0 ? 1 : 0;
}

} // namespace

RemoteChange::RemoteChange(const Tables &tables) : tables_(tables)
{
    shared(tables_.remote_state[0].changing).store(1);
}

RemoteChange::~RemoteChange()
{
    shared(tables_.remote_state[0].changing).store(0);
}

xv_remote *find_remote(const Tables &tables, __u32 id)
{
    if (xv_remote_index(id) >= tables.remotes.size())
        return nullptr;
    xv_remote &remote = tables.remotes[xv_remote_index(id)];
    const __u32 plain = id & ~static_cast<__u32>(XV_TO_NAMES_PORT);
    return plain != 0 && shared(remote.id).load() == plain ? &remote : nullptr;
}

std::optional<xv_remote_key> destination(const Tables &tables, const xv_vtep &vtep, __u32 id)
{
    const xv_remote *const remote = find_remote(tables, id);
    if (remote == nullptr)
        return std::nullopt;
    xv_remote_key key = key_of(*remote);
    if ((id & XV_TO_NAMES_PORT) != 0)
        key.via = vtep.underlays[0];
    return key;
}

bool same_remote(const xv_remote_key &a, const xv_remote_key &b)
{
    return std::memcmp(&a, &b, sizeof(a)) == 0;
}

void free_unused_remote(const Tables &tables, xv_remote &remote)
{
    const std::uint64_t now = monotonic();
    if (shared(remote.refs).load() != 0 || shared(remote.flags).load() != 0 ||
        xv_since_tick(now, shared(remote.seen).load()) < XV_REMOTE_LIFE)
        return;
    const xv_remote_key key = key_of(remote);
    const __u32 id = shared(remote.id).exchange(0);
    if (id == 0) // the programs free it
        return;
    if (!tables.remote_ids.remove(key)) {
        shared(remote.id).store(id); // the programs free it later
        return;
    }
    retire_counts(tables, remote);
    give_back_remote(remote, id);
}

void retire_counts(const Tables &tables, const xv_remote &remote)
{
    const auto index = static_cast<__u32>(&remote - &tables.remotes[0]);
    const auto counts = remote_counts(tables, index);
    if (!counts)
        return;
    xv_remote_counters &retired = tables.retired_counts[remote.slot];
    add_shared(retired.rx_packets, counts->rx_packets);
    add_shared(retired.rx_bytes, counts->rx_bytes);
    add_shared(retired.tx_packets, counts->tx_packets);
    add_shared(retired.tx_bytes, counts->tx_bytes);
}

void give_back_remote(xv_remote &remote, __u32 id)
{
    remote.freed_id = id;
    shared(remote.id).store(0);
    shared(remote.freed).store(xv_tick(monotonic()) | 1); // 0 means never
    shared(remote.claimed).store(0);
}

Result<__u32> hold_remote(const Tables &tables, const xv_vtep &vtep,
                          const xv_remote_key &destination, __u32 refs)
{
    xv_remote_key key = destination;
    const bool names_port = key.via != 0 && key.via == bound_port(vtep);
    if (names_port)
        key.via = 0;
    TRY_ASSIGN(const __u32 id, hold_one(tables, key, refs));
    __u32 plain = id;
    if (needs_plain_one(vtep, key)) {
        auto held = hold_one(tables, plain_key(vtep, key.addr), refs);
        if (!held) {
            release_one(tables, id, refs);
            return held;
        }
        plain = *held;
        shared(tables.remotes[xv_remote_index(id)].plain).store(plain);
    }
    if (refs == 0)
        shared(tables.remotes[xv_remote_index(plain)].named).store(xv_tick(monotonic()) | 1);
    return names_port ? id | XV_TO_NAMES_PORT : id;
}

void release_remote(const Tables &tables, __u32 id, __u32 refs)
{
    const xv_remote *const remote = find_remote(tables, id);
    if (remote == nullptr || refs == 0)
        return;
    release_one(tables, remote->plain, refs);
    release_one(tables, id, refs);
}

Result<std::vector<__u32>> hold_remotes(const Tables &tables, const xv_vtep &vtep,
                                        const std::vector<xv_remote_key> &keys, unsigned flags)
{
    std::vector<__u32> ids;
    for (const auto &key : keys) {
        auto id = hold_remote(tables, vtep, key, refs_of(flags));
        if (!id) {
            release_remotes(tables, ids, flags);
            return std::unexpected(id.error());
        }
        ids.push_back(*id);
    }
    return ids;
}

void release_remotes(const Tables &tables, const std::vector<__u32> &ids, unsigned flags)
{
    for (const __u32 id : ids)
        release_remote(tables, id, refs_of(flags));
}

Result<xv_remote_counters> remote_counts(const Tables &tables, __u32 id)
{
    const __u32 index = xv_remote_index(id);
    TRY_ASSIGN(const auto cpus, possible_cpus());
    std::vector<xv_remote_counters> counts(cpus);
    if (bpf_map_lookup_elem(tables.remote_counts.fd(), &index, counts.data()) != 0)
        return errno_failure("look up in", "remote_counts", errno);
    xv_remote_counters sum{};
    for (const auto &cpu : counts)
        add_counts(sum, cpu);
    return sum;
}

void add_counts(xv_remote_counters &sum, const xv_remote_counters &more)
{
    sum.rx_packets += more.rx_packets;
    sum.rx_bytes += more.rx_bytes;
    sum.tx_packets += more.tx_packets;
    sum.tx_bytes += more.tx_bytes;
}

Result<> free_remotes(const Tables &tables, const std::set<__u32> &slots)
{
    TRY_ASSIGN(const auto ids, tables.remote_ids.entries());
    for (const auto &[key, id] : ids)
        if (slots.contains(key.slot)) {
            TRY(tables.remote_ids.remove(key));
            if (xv_remote *const remote = find_remote(tables, id))
                give_back_remote(*remote, id);
        }
    return {};
}

} // namespace xvtep
