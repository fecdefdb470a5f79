// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/port_programs.h"

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
    return link.kind.empty();
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
    if (auto done = attach_at(Hook::ingress,
                              underlay ? Program::tc_underlay_ingress : Program::tc_port_ingress);
        !done)
        return session.wrap(done.error());
    if (auto done = attach_at(Hook::egress,
                              underlay ? Program::tc_underlay_egress : Program::tc_port_egress);
        !done)
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
