// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/indexes.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <map>

namespace xvtep {

Result<bool> is_committed(const Session &session, const xv_vtep &vtep)
{
    TRY_ASSIGN(const auto slot, (session.tables->vnis.look_up({vtep.vni, vtep.dstport, 0})));
    return slot == vtep.slot;
}

Result<> derive_lookups(Session &session)
{
    const Tables &tables = *session.tables;
    std::map<__u32, __u64> bits;
    std::map<__u32, __u32> hints;
    std::vector<xv_addr> wanted;
    const auto is = [](const xv_addr &address) {
        return [&address](const xv_addr &other) {
            return std::memcmp(&address, &other, sizeof(address)) == 0;
        };
    };
    TRY_ASSIGN(const auto vteps, session.vteps());
    for (const auto &vtep : vteps) {
        TRY_ASSIGN(const bool committed, is_committed(session, vtep));
        if (!committed)
            continue;
        const unsigned port = ntohs(vtep.dstport);
        bits[port / 64] |= __u64{1} << (port % 64);
        hints[vtep.vni % XV_VNI_HINTS] = vtep.slot;
        wanted.push_back(vtep.local);
        if (addr_is_set(vtep.remote) && to_ip(vtep.remote).is_multicast())
            wanted.push_back(vtep.remote);
    }
    TRY_ASSIGN(const auto words, tables.dstports.entries());
    for (const auto &[word, is_now] : words)
        if (const __u64 want = bits.contains(word) ? bits[word] : 0; is_now != want)
            TRY(tables.dstports.put(word, want));
    TRY_ASSIGN(const auto known, tables.vni_hints.entries());
    for (const auto &[hint, slot] : known)
        if (const __u32 want = hints.contains(hint) ? hints[hint] : 0; slot != want)
            TRY(tables.vni_hints.put(hint, want));
    TRY_ASSIGN(const auto local_addrs, tables.local_addrs.entries());
    for (const auto &[address, count] : local_addrs)
        if (std::ranges::none_of(wanted, is(address)))
            TRY(tables.local_addrs.remove(address));
    for (const auto &address : wanted)
        TRY(tables.local_addrs.put(address, 1));
    return {};
}

Result<> add_lookups(const Session &session, const xv_vtep &vtep)
{
    const Tables &tables = *session.tables;
    const unsigned port = ntohs(vtep.dstport);
    TRY_ASSIGN(const auto bits, tables.dstports.look_up(port / 64));
    const __u64 with_ours = bits.value_or(0) | __u64{1} << (port % 64);
    if (bits != with_ours)
        TRY(tables.dstports.put(port / 64, with_ours));
    const __u32 hint = vtep.vni % XV_VNI_HINTS;
    TRY_ASSIGN(const auto slot, tables.vni_hints.look_up(hint));
    TRY_ASSIGN(const auto other, tables.vteps.look_up(slot.value_or(0)));
    // As derive_lookups() decides: the last of those that share the place.
    if (!other || other->slot == 0 ||
        std::pair(other->vni, other->ifindex) < std::pair(vtep.vni, vtep.ifindex))
        TRY(tables.vni_hints.put(hint, vtep.slot));
    TRY(tables.local_addrs.put(vtep.local, 1));
    if (addr_is_set(vtep.remote) && to_ip(vtep.remote).is_multicast())
        TRY(tables.local_addrs.put(vtep.remote, 1));
    return {};
}

Result<> mark_trunk(Session &session, __u32 ifindex)
{
    TRY_ASSIGN(auto port, session.tables->ports.look_up(ifindex));
    if (!port || (port->flags & XV_PORT_TRUNK) != 0)
        return {};
    port->flags |= XV_PORT_TRUNK;
    return session.tables->ports.put(ifindex, *port);
}

Result<> unmark_trunk(Session &session, __u32 ifindex)
{
    TRY_ASSIGN(auto port, session.tables->ports.look_up(ifindex));
    if (!port || (port->flags & XV_PORT_TRUNK) == 0)
        return {};
    port->flags &= ~static_cast<__u32>(XV_PORT_TRUNK);
    return session.tables->ports.put(ifindex, *port);
}

} // namespace xvtep
