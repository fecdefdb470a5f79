// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/switch_programs.h"

#include <algorithm>
#include <memory>
#include <span>

#include "user/datapath/tc_attach.h"
#include "user/datapath/xdp_attach.h"
#include "user/vtep/port_programs.h"

namespace xvtep {

Result<std::vector<ProgramGroup>> groups_in_use(const Session &session)
{
    std::vector<ProgramGroup> groups;
    TRY_ASSIGN(const auto underlays, session.tables->underlays.entries());
    TRY_ASSIGN(const auto devices, session.tables->devices.entries());
    TRY_ASSIGN(const auto ports, session.tables->ports.entries());
    if (!underlays.empty())
        groups.push_back(ProgramGroup::UNDERLAY);
    if (!devices.empty())
        groups.push_back(ProgramGroup::DEVICE);
    if (!ports.empty())
        groups.push_back(ProgramGroup::PORT);
    const auto has_xdp = [](const auto &entry) { return entry.second.mode != XV_MODE_TC; };
    if (std::ranges::any_of(underlays, has_xdp) || std::ranges::any_of(ports, has_xdp))
        groups.push_back(ProgramGroup::XDP);
    return groups;
}

Result<bool> ProgramSwitch::replace_tc(const Link &link, std::span<const ProgramAt> wanted)
{
    bool made_clsact = false;
    for (const auto &[hook, program] : wanted) {
        const TcPlace place{session_.directory, link.index, hook, link.name};
        TRY_ASSIGN(Fd before, attached_tc_program(place));
        TRY(attach_tc(place, fresh_.fd(program), &made_clsact));
        count_++;
        if (!before)
            continue;
        back_.push([place, old = std::make_shared<Fd>(std::move(before))] {
            bool ignored = false;
            (void)attach_tc(place, old->get(), &ignored);
        });
    }
    return made_clsact;
}

Result<> ProgramSwitch::tc(const Link &link)
{
    const auto key = static_cast<__u32>(link.index);
    TRY_ASSIGN(auto underlay, session_.tables->underlays.look_up(key));
    if (underlay) {
        TRY_ASSIGN(const bool made, replace_tc(link, underlay_programs));
        underlay->made_clsact |= flag_if(made, 1);
        TRY(session_.tables->underlays.put(key, *underlay));
    }
    TRY_ASSIGN(const auto vtep, session_.vtep_of_device(link.index));
    if (vtep)
        TRY(replace_tc(link, device_programs)); // the qdisc is removed with the device
    TRY_ASSIGN(auto port, session_.tables->ports.look_up(key));
    if (port) {
        TRY_ASSIGN(const bool made, replace_tc(link, port_programs));
        port->flags |= flag_if(made, XV_PORT_MADE_CLSACT);
        TRY(session_.tables->ports.put(key, *port));
    }
    return {};
}

Result<> ProgramSwitch::replace_xdp_of(const Link &link, __u32 mode, Program program)
{
    if (mode == XV_MODE_TC)
        return {};
    TRY(replace_xdp({maps_, link.index, mode == XV_MODE_SKB, link.name}, program,
                    fresh_.fd(program)));
    count_++;
    return {};
}

Result<> ProgramSwitch::xdp(const Link &link)
{
    const auto key = static_cast<__u32>(link.index);
    TRY_ASSIGN(const auto underlay, session_.tables->underlays.look_up(key));
    if (underlay)
        TRY(replace_xdp_of(link, underlay->mode, Program::xdp_underlay));
    TRY_ASSIGN(const auto port, session_.tables->ports.look_up(key));
    if (port)
        TRY(replace_xdp_of(link, port->mode, Program::xdp_port));
    return {};
}

Result<> ProgramSwitch::run(int wanted)
{
    TRY_ASSIGN(const auto links, session_.netlink.links());
    for (const auto &link : links)
        if (wanted == 0 || wanted == link.index)
            TRY(tc(link));
    for (const auto &link : links) // last, because it cannot be undone
        if (wanted == 0 || wanted == link.index)
            TRY(xdp(link));
    return {};
}

unsigned ProgramSwitch::commit()
{
    back_.commit();
    return count_;
}

} // namespace xvtep
