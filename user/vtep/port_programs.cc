// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/port_programs.h"

#include <linux/if_arp.h>

#include "user/base/undo.h"
#include "user/datapath/tc_attach.h"
#include "user/datapath/xdp_attach.h"
#include "user/net/ethtool.h"

namespace xvtep {
namespace {

constexpr const char *gro = "rx-gro";

// Only hardware delivers native frames. A frame of a local stack is an skb: native XDP would copy
// it, and GSO and GRO would be lost.
bool suits_native_xdp(const Link &link)
{
    return link.kind.empty() && link.type == ARPHRD_ETHER;
}

std::span<const ProgramAt> programs_for(const Link &link, Role role)
{
    if (role == Role::local)
        return port_programs;
    if (link.has_ethernet_header())
        return underlay_programs;
    return l3_underlay_programs;
}

// A tunnel without a far end of its own asks each packet's route for it, and lo needs that route to
// take the packet in. A program has no route to give. PPP is no L3 device to bpf_redirect() of all
// kernels, and nobody has tried the rest.
bool needs_route(const Link &link)
{
    switch (link.type) {
    case ARPHRD_ETHER:
        return false;
    case ARPHRD_NONE:
    case ARPHRD_TUNNEL:
    case ARPHRD_TUNNEL6:
    case ARPHRD_SIT:
    case ARPHRD_IPGRE:
    case ARPHRD_IP6GRE:
        return (link.flags & IFF_POINTOPOINT) == 0;
    default:
        return true;
    }
}

} // namespace

__u32 to_table_mode(Mode mode)
{
    return mode == Mode::xdp ? XV_MODE_XDP : mode == Mode::skb ? XV_MODE_SKB : XV_MODE_TC;
}

Mode from_table_mode(__u32 mode)
{
    return mode == XV_MODE_XDP ? Mode::xdp : mode == XV_MODE_SKB ? Mode::skb : Mode::tc;
}

Result<PortAttachment> attach_programs(Session &session, const Link &link, Role role, Mode wanted)
{
    const bool underlay = role == Role::underlay;
    PortAttachment made{.mode = wanted, .auto_mode = wanted == Mode::automatic};
    Undo undo;

    const auto attach_at = [&](Hook hook, Program program) -> Result<> {
        TRY_ASSIGN(const auto fd, open_program(session.directory, program));
        const TcPlace place{session.directory, link.index, hook, link.name};
        TRY(attach_tc(place, fd.get(), &made.made_clsact));
        undo.push([place, &made] { (void)detach_tc(place, clsact_after(made.made_clsact)); });
        return {};
    };
    // TC before XDP, because the TC program completes what XDP begins.
    for (const auto &[hook, program] : programs_for(link, role))
        if (auto done = attach_at(hook, program); !done)
            return session.wrap(done.error());

    if (made.auto_mode)
        made.mode = suits_native_xdp(link) ? Mode::xdp : Mode::tc;
    if (made.mode != Mode::tc) {
        auto done =
            attach_xdp({session.directory + "/maps", link.index, made.mode == Mode::skb, link.name},
                       underlay ? Program::xdp_underlay : Program::xdp_port);
        if (!done && made.auto_mode)
            made.mode = Mode::tc;
        else if (!done)
            return session.wrap(done.error());
    }
    undo.commit();
    return made;
}

__u16 xmit_of(const Link &link, Mode mode)
{
    unsigned xmit = 0;
    if (link.kind == "veth" || mode == Mode::xdp)
        xmit |= XV_XMIT_XDP;
    if (!link.has_ethernet_header())
        xmit |= XV_XMIT_L3;
    if (needs_route(link))
        xmit |= XV_XMIT_KERNEL;
    return static_cast<__u16>(xmit);
}

// TCP throughput depends on large packets. The kernel's device merges packets after decapsulation
// (gro_cells). A program cannot, so GRO of the underlay port has to merge them before it.
Result<> merge_packets(Session &session, const Link &port, xv_underlay entry)
{
    if (entry.mode != XV_MODE_TC) // XDP sees single packets
        return {};
    const auto on = device_feature(port.name, gro);
    if (!on && !is_unsupported(on.error()))
        return session.wrap(on.error());
    if (!on || *on)
        return {};
    const auto key = static_cast<__u32>(port.index);
    entry.made_gro = 1; // written first, so that recover() restores GRO after a kill
    TRY(session.tables->underlays.put(key, entry));
    const auto done = set_device_feature(port.name, gro, FeatureSetting::on);
    if (done || !is_unsupported(done.error()))
        return session.wrap(done);
    entry.made_gro = 0; // the port works without GRO
    return session.tables->underlays.put(key, entry);
}

Result<> put_gro_back(const Link &port, const xv_underlay &entry)
{
    return entry.made_gro != 0 ? set_device_feature(port.name, gro, FeatureSetting::off)
                               : Result<>();
}

} // namespace xvtep
