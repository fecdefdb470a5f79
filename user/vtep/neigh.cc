// SPDX-License-Identifier: GPL-2.0-only
#include "xvtep/neigh.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "user/vtep/clock.h"
#include "user/vtep/grow.h"
#include "user/vtep/session.h"
#include "user/vtep/vtep_index.h"

namespace xvtep {
namespace {

xv_neigh_key key_of(const xv_vtep &vtep, const Ip &ip)
{
    xv_neigh_key key{};
    key.vni = vtep.vni;
    key.dstport = vtep.dstport;
    key.addr = to_addr(ip);
    return key;
}

bool is_live(const xv_vtep &vtep, const xv_neigh &entry, std::uint64_t now)
{
    return (entry.flags & XV_NEIGH_PERMANENT) != 0 ||
           now <= entry.updated + vtep.reachable * second;
}

NeighEntry describe(const NamedVtep &at, const Ip &ip, const xv_neigh &value, std::uint64_t now)
{
    NeighEntry entry{.ip = ip, .device = at.device, .mac = {}};
    entry.vni = at.vtep.vid != 0 ? at.vtep.vni : 0;
    std::ranges::copy(value.mac, entry.mac.octets.begin());
    entry.state =
        (value.flags & XV_NEIGH_PERMANENT) != 0 ? NeighState::permanent : NeighState::reachable;
    entry.updated = seconds_ago(value.updated, now);
    return entry;
}

const char *verb_name(NeighVerb verb)
{
    switch (verb) {
    case NeighVerb::add:
        return "neigh add";
    case NeighVerb::change:
        return "neigh change";
    case NeighVerb::replace:
        return "neigh replace";
    case NeighVerb::refresh:
        return "neigh refresh";
    }
    return "?";
}

} // namespace

Result<> write_neigh(NeighVerb verb, const NeighEntry &entry)
{
    const auto wrong = [&](const std::string &cause) {
        return usage_failure(verb_name(verb), entry.ip.text(), cause);
    };
    if (entry.ip.is_any() || entry.ip.is_multicast())
        return wrong("not a host's address");
    if (entry.mac.is_zero() || entry.mac.is_multicast())
        return wrong(fmt::format("lladdr {} is not a host's address", entry.mac.text()));

    TRY_ASSIGN(auto session, Session::writer(verb_name(verb), entry.ip.text(), LockScope::batch));
    TRY_ASSIGN(const auto vtep, session.vtep_named(entry.device, entry.vni));
    const auto key = key_of(vtep, entry.ip);
    const std::uint64_t now = monotonic();
    TRY_ASSIGN(const auto old, session.wrap(session.tables->neighs.look_up(key)));
    const bool live = old && is_live(vtep, *old, now);
    if (verb == NeighVerb::add && live)
        return session.refused("the entry exists", EEXIST);
    if (verb == NeighVerb::change && !live)
        return session.refused("no such entry", ENOENT);
    if (verb == NeighVerb::refresh && live && (old->flags & XV_NEIGH_PERMANENT) != 0)
        return {};
    xv_neigh value{};
    std::ranges::copy(entry.mac.octets, value.mac);
    value.flags = entry.state == NeighState::permanent ? XV_NEIGH_PERMANENT : 0;
    value.updated = now;
    return session.wrap(
        growing(session, &Sizes::neighs, [&] { return session.tables->neighs.put(key, value); }));
}

Result<> delete_neigh(const Ip &ip, const std::string &device, std::uint32_t vni)
{
    TRY_ASSIGN(auto session, Session::writer("neigh del", ip.text(), LockScope::batch));
    TRY_ASSIGN(const auto vtep, session.vtep_named(device, vni));
    const auto key = key_of(vtep, ip);
    TRY_ASSIGN(const auto old, session.wrap(session.tables->neighs.look_up(key)));
    const bool live = old && is_live(vtep, *old, monotonic());
    TRY_ASSIGN(const bool was_there, session.wrap(session.tables->neighs.remove(key)));
    if (!was_there || !live)
        return session.refused("no such entry", ENOENT);
    return {};
}

Result<std::vector<NeighEntry>> show_neigh(const std::optional<std::string> &device)
{
    TRY_ASSIGN(auto session, Session::reader("neigh show", device.value_or("")));
    std::vector<NeighEntry> all;
    if (!session.tables && !device)
        return all;
    TRY_ASSIGN(const auto names, session.wrap(DeviceNames::open()));
    TRY_ASSIGN(const auto vteps, VtepIndex::read(session, names, device));
    const std::uint64_t now = monotonic();
    TRY_ASSIGN(const auto entries, session.wrap(session.tables->neighs.entries()));
    for (const auto &[key, value] : entries)
        if (const auto *at = vteps.find(key.vni, key.dstport); at && is_live(at->vtep, value, now))
            all.push_back(describe(*at, to_ip(key.addr), value, now));
    std::ranges::sort(all, [](const NeighEntry &a, const NeighEntry &b) {
        return std::tie(a.device, a.vni, a.ip.octets) < std::tie(b.device, b.vni, b.ip.octets);
    });
    return all;
}

Result<NeighEntry> get_neigh(const Ip &ip, const std::string &device, std::uint32_t vni)
{
    TRY_ASSIGN(auto session, Session::reader("neigh get", ip.text()));
    TRY_ASSIGN(const auto vtep, session.vtep_named(device, vni));
    TRY_ASSIGN(const auto value, session.wrap(session.tables->neighs.look_up(key_of(vtep, ip))));
    const std::uint64_t now = monotonic();
    if (!value || !is_live(vtep, *value, now))
        return session.refused("no such entry", ENOENT);
    return describe({vtep, device}, ip, *value, now);
}

Result<> flush_neigh(const std::string &device, int family, std::uint32_t vni)
{
    TRY_ASSIGN(auto session, Session::writer("neigh flush", device, LockScope::batch));
    TRY_ASSIGN(const auto vteps, VtepIndex::of_device(session, device, vni));
    TRY_ASSIGN(const auto entries, session.wrap(session.tables->neighs.entries()));
    for (const auto &[key, value] : entries)
        if (vteps.find(key.vni, key.dstport) != nullptr &&
            (family == 0 || to_ip(key.addr).family() == family))
            TRY(session.wrap(session.tables->neighs.remove(key)));
    return {};
}

} // namespace xvtep
