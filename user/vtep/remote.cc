// SPDX-License-Identifier: GPL-2.0-only
#include "xvtep/remote.h"

#include <arpa/inet.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <numeric>
#include <tuple>
#include <unordered_map>

#include <fmt/format.h>

#include "user/vtep/clock.h"
#include "user/vtep/fdb_writer.h"
#include "user/vtep/grow.h"
#include "user/vtep/remote_table.h"
#include "user/vtep/session.h"
#include "user/vtep/underlay.h"
#include "user/vtep/vtep_index.h"

namespace xvtep {
namespace {

// How many entries lead to each remote, by its id without XV_TO_NAMES_PORT.
Result<std::unordered_map<__u32, std::uint64_t>> count_entries(const Session &session,
                                                               std::uint64_t now)
{
    std::unordered_map<__u32, std::uint64_t> counts;
    const auto add = [&](__u32 id) { counts[id & ~static_cast<__u32>(XV_TO_NAMES_PORT)]++; };
    TRY_ASSIGN(const auto vteps, session.wrap(session.vteps()));
    std::unordered_map<std::uint64_t, const xv_vtep *> by_key;
    const auto place = [](__u32 vni, __be16 port) {
        return static_cast<std::uint64_t>(vni) << 16 | port;
    };
    for (const auto &vtep : vteps)
        by_key.emplace(place(vtep.vni, vtep.dstport), &vtep);
    TRY_ASSIGN(const auto entries, session.wrap(session.tables->fdb.entries()));
    for (const auto &[key, entry] : entries) {
        const auto vtep = by_key.find(place(key.vni, key.dstport));
        if ((entry.flags & XV_FDB_LOCAL) == 0 && vtep != by_key.end() &&
            is_live(*vtep->second, entry, now))
            add(entry.to);
    }
    TRY_ASSIGN(const auto floods, session.wrap(session.tables->floods.entries()));
    for (const auto &[key, id] : floods)
        add(id);
    return counts;
}

xv_nexthop_key nexthop_key(const xv_vtep &vtep, const xv_remote &remote)
{
    xv_nexthop_key key{};
    key.dst = remote.addr;
    key.src_hash = xv_address_mix(&vtep.local);
    key.oif = remote.via;
    if (key.oif == 0 && vtep.vid == 0)
        key.oif = bound_port(vtep);
    key.dstport = remote.port;
    key.tos = (vtep.flags & XV_VTEP_TOS_INHERIT) != 0 ? 0 : vtep.tos & 0xfcU;
    return key;
}

RemoteNexthop nexthop(const DeviceNames &names, const xv_hop &hop, unsigned weight)
{
    RemoteNexthop made;
    made.device = names.of(hop.ifindex);
    if (std::ranges::any_of(hop.smac, [](__u8 octet) { return octet != 0; }))
        std::ranges::copy(hop.dmac, made.mac.emplace().octets.begin());
    made.weight = weight;
    return made;
}

// A route's weights are small whole numbers. Returns the smallest that the samples, which are taken
// at random, agree with within two standard deviations.
std::vector<unsigned> small_weights(const xv_multipath &paths)
{
    const auto count = std::min<std::size_t>(paths.hops, XV_HOPS_MAX);
    const std::vector<double> samples(paths.weight, paths.weight + count);
    const double total = std::accumulate(samples.begin(), samples.end(), 0.0);
    const double least = std::max(1.0, std::ranges::min(samples));
    std::vector<unsigned> weights;
    for (unsigned by = 1; by <= 8; by++) {
        weights.clear();
        for (const double sample : samples)
            weights.push_back(
                std::max(1U, static_cast<unsigned>(std::lround(sample * by / least))));
        const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
        bool agrees = true;
        for (std::size_t n = 0; n < count; n++) {
            const double share = weights[n] / sum;
            const double deviation = std::sqrt(total * share * (1 - share));
            agrees = agrees && std::abs(samples[n] - total * share) <= 2 * deviation;
        }
        if (agrees)
            break;
    }
    return weights;
}

Result<std::vector<RemoteNexthop>> nexthops(const Session &session, const DeviceNames &names,
                                            const xv_vtep &vtep, const xv_remote &remote,
                                            std::uint64_t now)
{
    std::vector<RemoteNexthop> found;
    const auto key = nexthop_key(vtep, remote);
    TRY_ASSIGN(const auto last, session.wrap(session.tables->nexthops.look_up(key)));
    if (!last || now >= last->expires + second)
        return found;
    std::optional<xv_multipath> paths;
    if (last->path.hops > 1)
        TRY_SET(paths, session.wrap(session.tables->multipaths.look_up(key)));
    if (!paths) {
        found.push_back(nexthop(names, last->path.hop, 1));
        return found;
    }
    const auto weights = small_weights(*paths);
    for (std::size_t n = 0; n < weights.size(); n++)
        found.push_back(nexthop(names, paths->hop[n], weights[n]));
    return found;
}

// The smallest MTU that is known of the way there; 0: no way is known.
std::uint32_t path_mtu(const std::vector<Link> &links, const xv_remote &remote,
                       const std::vector<RemoteNexthop> &hops)
{
    std::uint32_t least = hops.empty() ? 0 : remote.path.mtu;
    for (const auto &hop : hops)
        if (const auto link = std::ranges::find(links, hop.device, &Link::name);
            link != links.end())
            least = least == 0 ? link->mtu : std::min(least, link->mtu);
    return least;
}

// Which remotes the users mean: not those that the programs have not removed yet.
bool is_in_use(const xv_remote &remote, std::uint64_t entries, std::uint64_t now)
{
    return entries != 0 || remote.refs != 0 || xv_since_tick(now, remote.seen) < second;
}

Result<xv_remote_key> added_key(Session &session, const xv_vtep &vtep, const Ip &ip)
{
    if (ip.is_any() || ip.is_multicast())
        return session.usage("not the address of a host");
    if (ip.is_v6() != ((vtep.flags & XV_VTEP_V6) != 0))
        return session.usage("not of the VTEP's address family");
    FdbEntry entry;
    entry.dst = ip;
    return far_end(vtep, entry);
}

} // namespace

Result<std::vector<Remote>> show_remotes(const std::optional<std::string> &device,
                                         const std::optional<Ip> &ip)
{
    TRY_ASSIGN(auto session, Session::reader("remote show", device.value_or("")));
    std::vector<Remote> all;
    if (!session.tables && !device)
        return all;
    TRY_ASSIGN(const auto names, session.wrap(DeviceNames::open()));
    TRY_ASSIGN(const auto links, session.wrap(session.netlink.links()));
    std::map<__u32, NamedVtep> vteps; // by slot
    TRY_ASSIGN(const auto every, session.wrap(session.vteps()));
    if (device)
        TRY(session.device_named(*device)); // says what is wrong with it
    for (const auto &vtep : every)
        if (const std::string &name = names.of(vtep.ifindex); !device || name == *device)
            vteps.emplace(vtep.slot, NamedVtep{vtep, name});
    const std::uint64_t now = monotonic();
    TRY_ASSIGN(const auto counts, count_entries(session, now));
    TRY_ASSIGN(const auto ids, session.wrap(session.tables->remote_ids.entries()));
    for (const auto &[key, id] : ids) {
        const auto vtep = vteps.find(key.slot);
        const xv_remote *const at = find_remote(*session.tables, id);
        if (vtep == vteps.end() || at == nullptr || (ip && to_ip(key.addr) != *ip))
            continue;
        const xv_remote remote = *at;
        const auto entries = counts.find(id);
        Remote line;
        line.entries = entries == counts.end() ? 0 : entries->second;
        if (!is_in_use(remote, line.entries, now))
            continue;
        line.ip = to_ip(key.addr);
        line.port = ntohs(key.port);
        line.device = vtep->second.device;
        line.vni = key.vni;
        line.via = names.of(key.via);
        TRY_SET(line.nexthops, nexthops(session, names, vtep->second.vtep, remote, now));
        line.mtu = path_mtu(links, remote, line.nexthops);
        TRY_ASSIGN(const auto sums, session.wrap(remote_counts(*session.tables, id)));
        line.rx_packets = sums.rx_packets;
        line.rx_bytes = sums.rx_bytes;
        line.tx_packets = sums.tx_packets;
        line.tx_bytes = sums.tx_bytes;
        if (remote.heard != 0)
            line.heard = xv_since_tick(now, remote.heard) / second;
        line.known = xv_remote_is_known(&remote, now) != 0;
        all.push_back(std::move(line));
    }
    std::ranges::sort(all, {}, [](const Remote &remote) {
        return std::tie(remote.device, remote.ip, remote.port, remote.vni, remote.via);
    });
    return all;
}

Result<> add_remote(const Ip &ip, const std::string &device, std::uint32_t vni)
{
    TRY_ASSIGN(auto session, Session::writer("remote add", ip.text(), LockScope::batch));
    TRY_ASSIGN(const auto vtep, session.vtep_named(device, vni));
    TRY_ASSIGN(const auto key, added_key(session, vtep, ip));
    const RemoteChange change(*session.tables);
    TRY_ASSIGN(const auto id, session.wrap(growing(session, &Sizes::remotes, [&] {
        return hold_remote(*session.tables, vtep, key, 1);
    })));
    xv_remote *const remote = find_remote(*session.tables, id);
    if (remote == nullptr || (remote->flags & XV_REMOTE_ADDED) != 0) {
        release_remote(*session.tables, id, 1);
        return session.refused("it was added before", EEXIST);
    }
    std::atomic_ref(remote->flags).fetch_or(XV_REMOTE_ADDED);
    follow_route(session, vtep, ip);
    return {};
}

Result<> delete_remote(const Ip &ip, const std::string &device, std::uint32_t vni)
{
    TRY_ASSIGN(auto session, Session::writer("remote del", ip.text(), LockScope::batch));
    TRY_ASSIGN(const auto vtep, session.vtep_named(device, vni));
    TRY_ASSIGN(const auto key, added_key(session, vtep, ip));
    TRY_ASSIGN(const auto id, session.wrap(session.tables->remote_ids.look_up(key)));
    xv_remote *const remote = id ? find_remote(*session.tables, *id) : nullptr;
    if (remote == nullptr || (remote->flags & XV_REMOTE_ADDED) == 0)
        return session.refused("it was not added", ENOENT);
    const RemoteChange change(*session.tables);
    std::atomic_ref(remote->flags).fetch_and(~static_cast<__u32>(XV_REMOTE_ADDED));
    release_remote(*session.tables, *id, 1);
    return {};
}

} // namespace xvtep
