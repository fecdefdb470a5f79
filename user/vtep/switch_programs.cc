// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/switch_programs.h"

#include <algorithm>
#include <iterator>
#include <memory>

#include "user/datapath/tc_attach.h"
#include "user/datapath/xdp_attach.h"
#include "user/vtep/device.h"
#include "user/vtep/device_programs.h"

namespace xvtep {

Result<std::vector<ProgramGroup>> groups_in_use(const Session &session)
{
    std::vector<ProgramGroup> groups;
    TRY_ASSIGN(const auto underlays, session.tables->underlays.entries());
    TRY_ASSIGN(const auto devices, session.tables->devices.entries());
    TRY_ASSIGN(const auto ports, session.tables->ports.entries());
    const auto is_l3 = [](const auto &entry) { return (entry.second.xdp_xmit & XV_XMIT_L3) != 0; };
    if (!std::ranges::all_of(underlays, is_l3))
        groups.push_back(ProgramGroup::UNDERLAY);
    if (std::ranges::any_of(underlays, is_l3))
        groups.push_back(ProgramGroup::L3);
    if (!devices.empty())
        groups.push_back(ProgramGroup::DEVICE);
    if (!ports.empty())
        groups.push_back(ProgramGroup::PORT);
    const auto has_xdp = [](const auto &entry) { return entry.second.mode != XV_MODE_TC; };
    if (std::ranges::any_of(underlays, has_xdp) || std::ranges::any_of(ports, has_xdp))
        groups.push_back(ProgramGroup::XDP);
    return groups;
}

const Link *ProgramSwitch::find(__u32 ifindex) const
{
    const auto index = static_cast<int>(ifindex);
    return only_ == 0 || only_ == index ? find_link(links_, index) : nullptr;
}

Result<bool> ProgramSwitch::replace_tc(const Link &link, std::span<const ProgramAt> wanted)
{
    bool made_clsact = false;
    for (const auto &[hook, program] : wanted) {
        const TcPlace place{session_.directory, link.index, hook, link.name};
        auto before = attached_tc_program(place);
        if (!before) // no permission to look: take the one that is pinned
            before = open_pinned_program(session_.directory, program);
        TRY(attach_tc(place, fresh_.fd(program), &made_clsact));
        count_++;
        if (!before || !*before)
            continue;
        back_.push([place, old = std::make_shared<Fd>(std::move(*before))] {
            bool ignored = false;
            (void)attach_tc(place, old->get(), &ignored);
        });
    }
    return made_clsact;
}

Result<> ProgramSwitch::ports()
{
    TRY_ASSIGN(const auto underlays, session_.tables->underlays.entries());
    for (auto [ifindex, underlay] : underlays) {
        const Link *const link = find(ifindex);
        if (link == nullptr)
            continue;
        TRY_ASSIGN(const bool made, replace_tc(*link, programs_of(underlay)));
        underlay.made_clsact |= flag_if(made, 1);
        TRY(session_.tables->underlays.put(ifindex, underlay));
    }
    TRY_ASSIGN(const auto ports, session_.tables->ports.entries());
    for (auto [ifindex, port] : ports) {
        const Link *const link = find(ifindex);
        if (link == nullptr)
            continue;
        TRY_ASSIGN(const bool made, replace_tc(*link, port_programs));
        port.flags |= flag_if(made, XV_PORT_MADE_CLSACT);
        TRY(session_.tables->ports.put(ifindex, port));
    }
    return {};
}

// A device that an earlier version has attached keeps its TCX links.
Result<> ProgramSwitch::devices()
{
    TRY_ASSIGN(const auto pins, pinned_links(session_.directory));
    std::set<int> with_links;
    for (const auto &pin : pins)
        if (!pin.dead)
            with_links.insert(pin.ifindex);
    TRY_ASSIGN(const auto blocks, DeviceBlocks::read(session_.netlink));
    std::set<BlockPair> pairs;
    std::set<int> seen;
    TRY_ASSIGN(auto vteps, session_.vteps());
    TRY_ASSIGN(const auto many, session_.vni_devices()); // which may have no VNI
    std::ranges::copy(many, std::back_inserter(vteps));
    for (const auto &vtep : vteps) {
        const Link *const link = find(vtep.ifindex);
        if (link == nullptr || !is_device_of(*link, vtep) || !seen.insert(link->index).second)
            continue;
        auto pair = blocks.pair_of(link->index);
        // Somebody has removed the qdisc, or the device was moved away and back.
        if (!with_links.contains(link->index) && !blocks.has_qdisc(link->index))
            TRY_SET(pair, attach_device_programs(session_, *link));
        if (!pair || with_links.contains(link->index)) {
            TRY(replace_tc(*link, device_programs)); // the qdisc is removed with the device
            continue;
        }
        pairs.insert(*pair);
        count_ += static_cast<unsigned>(std::size(device_programs));
    }
    for (const auto &pair : pairs)
        TRY(replace_blocks(pair));
    return {};
}

Result<> ProgramSwitch::replace_blocks(const BlockPair &blocks)
{
    TRY(fill_blocks(session_.netlink, blocks,
                    {fresh_.fd(Program::tc_device_ingress), fresh_.fd(Program::tc_device_egress)},
                    OldFilter::replaced));
    back_.push([this, blocks] {
        const auto ingress = open_program(session_.directory, Program::tc_device_ingress);
        const auto egress = open_program(session_.directory, Program::tc_device_egress);
        if (ingress && egress)
            (void)fill_blocks(session_.netlink, blocks, {ingress->get(), egress->get()},
                              OldFilter::replaced);
    });
    return {};
}

Result<> ProgramSwitch::replace_xdp_of(const Link &link, __u32 mode, Program program)
{
    if (mode == XV_MODE_TC)
        return {};
    TRY(replace_xdp({maps_, link.index, mode == XV_MODE_SKB, link.name}, program,
                    fresh_.fd(program)));
    // The old program cannot be put back. TC does its work until the next reload.
    back_.push([ifindex = link.index] { (void)detach_xdp(ifindex); });
    count_++;
    return {};
}

Result<> ProgramSwitch::xdp()
{
    TRY_ASSIGN(const auto underlays, session_.tables->underlays.entries());
    for (const auto &[ifindex, underlay] : underlays)
        if (const Link *const link = find(ifindex))
            TRY(replace_xdp_of(*link, underlay.mode, Program::xdp_underlay));
    TRY_ASSIGN(const auto ports, session_.tables->ports.entries());
    for (const auto &[ifindex, port] : ports)
        if (const Link *const link = find(ifindex))
            TRY(replace_xdp_of(*link, port.mode, Program::xdp_port));
    return {};
}

Result<> ProgramSwitch::run(int only)
{
    only_ = only;
    TRY_SET(links_, session_.netlink.links());
    TRY(devices()); // first: what new programs of ports leave to the kernel is learned there
    return ports();
}

unsigned ProgramSwitch::commit()
{
    back_.commit();
    return count_;
}

} // namespace xvtep
