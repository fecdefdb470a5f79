// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/record.h"

#include <arpa/inet.h>

#include <cstdlib>

#include "user/net/sysctl.h"
#include "user/vtep/device.h"
#include "user/vtep/session.h"

namespace xvtep {
namespace {

struct Flag {
    bool AttachRequest::*field;
    __u32 flag;
};

constexpr Flag flags[] = {
    {&AttachRequest::learning, XV_VTEP_LEARNING},
    {&AttachRequest::udp6zerocsumrx, XV_VTEP_ZERO_CSUM6_RX},
    {&AttachRequest::proxy, XV_VTEP_PROXY},
    {&AttachRequest::rsc, XV_VTEP_RSC},
    {&AttachRequest::l2miss, XV_VTEP_L2MISS},
    {&AttachRequest::l3miss, XV_VTEP_L3MISS},
    {&AttachRequest::gbp, XV_VTEP_GBP},
};

// All flags that say an option of a request; the others say how the VTEP was made, and what becomes
// of it.
constexpr __u32 option_flags = [] {
    __u32 all = XV_VTEP_V6 | XV_VTEP_UDPCSUM | XV_VTEP_TTL_INHERIT | XV_VTEP_TOS_INHERIT |
                XV_VTEP_DF_SET | XV_VTEP_DF_INHERIT | XV_VTEP_ACCEPT_KNOWN;
    for (const auto &[field, flag] : flags)
        all |= flag;
    return all;
}();

} // namespace

std::uint8_t default_ttl(bool v6)
{
    const auto text = sysctl(v6 ? "net/ipv6/conf/all/hop_limit" : "net/ipv4/ip_default_ttl");
    const int ttl = text ? std::atoi(text->c_str()) : 0;
    return ttl > 0 && ttl < 256 ? static_cast<std::uint8_t>(ttl) : 64;
}

Ip no_address(bool v6)
{
    return v6 ? Ip() : Ip::v4(0);
}

void write_options(xv_vtep &vtep, const AttachRequest &request)
{
    const bool v6 = request.local->is_v6();
    vtep.vni = request.vni;
    vtep.flags &= ~option_flags;
    for (const auto &[field, flag] : flags)
        vtep.flags |= flag_if(request.*field, flag);
    vtep.flags |= flag_if(v6, XV_VTEP_V6) |
                  flag_if(*request.udpcsum && !(v6 && request.udp6zerocsumtx), XV_VTEP_UDPCSUM) |
                  flag_if(request.ttl.inherit, XV_VTEP_TTL_INHERIT) |
                  flag_if(request.tos.inherit, XV_VTEP_TOS_INHERIT) |
                  flag_if(request.df == Df::set, XV_VTEP_DF_SET) |
                  flag_if(request.df == Df::inherit, XV_VTEP_DF_INHERIT) |
                  flag_if(request.accept == Accept::known, XV_VTEP_ACCEPT_KNOWN);
    vtep.local = to_addr(*request.local);
    const auto remote = request.remote ? request.remote : request.group;
    vtep.remote = remote ? to_addr(*remote) : xv_addr{};
    vtep.dstport = htons(request.dstport);
    vtep.srcport_min = request.srcport_min;
    vtep.srcport_max = request.srcport_max;
    vtep.ttl = request.ttl.value;
    vtep.tos = request.tos.value;
    vtep.flowlabel = htonl(request.flowlabel);
    vtep.ageing = request.ageing;
    vtep.renew_shift = renew_shift(request.ageing);
    vtep.hard_ageing = request.hard_ageing;
    vtep.reachable = request.reachable_time;
    vtep.maxaddress = request.maxaddress;
    const auto reserved = request.reserved_bits.value_or(~used_bits(request.gbp));
    vtep.reserved_flags = static_cast<__u32>(reserved >> 32);
    vtep.reserved_vni = static_cast<__u32>(reserved);
}

void read_options(const xv_vtep &vtep, AttachRequest &request)
{
    const auto has = [&](__u32 flag) { return (vtep.flags & flag) != 0; };
    request.vni = vtep.vni;
    for (const auto &[field, flag] : flags)
        request.*field = has(flag);
    request.udpcsum = has(XV_VTEP_UDPCSUM);
    request.local = to_ip(vtep.local);
    if (addr_is_set(vtep.remote)) {
        const Ip remote = to_ip(vtep.remote);
        (remote.is_multicast() ? request.group : request.remote) = remote;
    }
    request.dstport = ntohs(vtep.dstport);
    request.srcport_min = vtep.srcport_min;
    request.srcport_max = vtep.srcport_max;
    request.ttl = {.value = vtep.ttl, .inherit = has(XV_VTEP_TTL_INHERIT)};
    request.tos = {.value = vtep.tos, .inherit = has(XV_VTEP_TOS_INHERIT)};
    request.df = has(XV_VTEP_DF_SET) ? Df::set : has(XV_VTEP_DF_INHERIT) ? Df::inherit : Df::unset;
    request.accept = has(XV_VTEP_ACCEPT_KNOWN) ? Accept::known : Accept::any;
    request.flowlabel = ntohl(vtep.flowlabel);
    request.ageing = vtep.ageing;
    request.hard_ageing = vtep.hard_ageing;
    request.reachable_time = vtep.reachable;
    request.maxaddress = vtep.maxaddress;
    request.reserved_bits =
        static_cast<std::uint64_t>(vtep.reserved_flags) << 32 | vtep.reserved_vni;
}

} // namespace xvtep
