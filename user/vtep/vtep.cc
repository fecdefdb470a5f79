// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/vtep.h"

#include <arpa/inet.h>
#include <linux/if_link.h>

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "user/vtep/device.h"
#include "user/vtep/health.h"
#include "user/vtep/indexes.h"
#include "user/vtep/port_programs.h"
#include "user/vtep/record.h"
#include "user/vtep/session.h"
#include "user/vtep/teardown.h"
#include "user/vtep/vni_table.h"

namespace xvtep {
namespace {

std::string name_of(const std::vector<Link> &links, __u32 ifindex)
{
    const Link *const link = find_link(links, static_cast<int>(ifindex));
    return link == nullptr ? "" : link->name;
}

// The VTEPs that a command's DEV means: those of an underlay port, or that of a VTEP's own device,
// which is known by its last name where it is not in this namespace.
class Choice {
  public:
    static Result<Choice> of(Session &session, const std::string &name)
    {
        auto link = session.netlink.link(name);
        if (!link && link.error().code != ENODEV)
            return session.refused(link.error().cause, link.error().code);
        TRY_ASSIGN(auto links, session.netlink.links());
        return Choice(name, link ? std::optional(std::move(*link)) : std::nullopt,
                      std::move(links));
    }

    bool operator()(const xv_vtep &vtep) const
    {
        if (link_ && (uses(vtep, link_->index) || is_own(vtep)))
            return true;
        return find_device(links_, vtep) == nullptr && name_ == vtep.name;
    }

    // One that was removed, as its device was gone: with an underlay port that is gone as well the
    // kernel took the device away, and then the name may be that port's.
    [[nodiscard]] bool was(const xv_vtep &vtep) const
    {
        const auto is_here = [&](__u32 ifindex) {
            return find_link(links_, static_cast<int>(ifindex)) != nullptr;
        };
        return (*this)(vtep) ||
               (!link_ && !std::ranges::all_of(vtep.underlays, vtep.underlays + vtep.underlay_count,
                                               is_here));
    }

    [[nodiscard]] const std::optional<Link> &link() const { return link_; }
    [[nodiscard]] const std::vector<Link> &links() const { return links_; }

  private:
    Choice(std::string name, std::optional<Link> link, std::vector<Link> links)
        : name_(std::move(name)), link_(std::move(link)), links_(std::move(links))
    {
    }

    [[nodiscard]] bool is_own(const xv_vtep &vtep) const
    {
        return static_cast<__u32>(link_->index) == vtep.ifindex && is_device_of(*link_, vtep);
    }

    std::string name_;
    std::optional<Link> link_;
    std::vector<Link> links_;
};

std::vector<xv_vtep> on_device(const std::vector<xv_vtep> &vteps, __u32 ifindex)
{
    std::vector<xv_vtep> found;
    std::ranges::copy_if(vteps, std::back_inserter(found),
                         [&](const xv_vtep &vtep) { return vtep.ifindex == ifindex; });
    return found;
}

// Returns the VTEPs, where a device with many VNIs stands for its own at the place of the first.
Result<std::vector<xv_vtep>> one_for_each_device(const Session &session,
                                                 const std::vector<xv_vtep> &vteps)
{
    TRY_ASSIGN(auto devices, session.vni_devices());
    std::vector<xv_vtep> all;
    for (const auto &vtep : vteps) {
        const auto device = std::ranges::find(devices, vtep.ifindex, &xv_vtep::ifindex);
        if (vtep.vid == 0)
            all.push_back(vtep);
        else if (device != devices.end()) {
            all.push_back(*device);
            devices.erase(device);
        }
    }
    std::ranges::copy(devices, std::back_inserter(all)); // those without any VNI
    return all;
}

} // namespace

Result<VtepInfo> describe(const Session &session, const xv_vtep &vtep,
                          const std::vector<Link> &links, const MovedDevice *moved)
{
    VtepInfo info;
    for (__u32 i = 0; i < vtep.underlay_count; i++)
        info.devices.push_back(name_of(links, vtep.underlays[i]));
    read_options(vtep, info);
    info.routed = (vtep.flags & XV_VTEP_ROUTED) != 0;
    info.local_auto = (vtep.flags & XV_VTEP_LOCAL_AUTO) != 0;
    info.fdb_size = session.tables->sizes().fdb;
    info.ifindex = static_cast<int>(vtep.ifindex);
    info.name = device_name(links, vtep);
    info.mac.emplace();
    std::ranges::copy(vtep.mac, info.mac->octets.begin());
    info.mtu = 0;
    const Link *device = find_device(links, vtep);
    info.here = device != nullptr;
    if (info.here)
        info.bridge = name_of(links, static_cast<__u32>(device->master));
    else if (moved != nullptr)
        device = moved->link;
    if (device != nullptr) {
        info.mac = device->mac;
        info.mtu = device->mtu;
        info.up = device->is_up();
        info.udp6zerocsumtx = device->vxlan && device->vxlan->udp6zerocsumtx;
    }
    TRY_ASSIGN(const auto underlay, session.tables->underlays.look_up(vtep.underlays[0]));
    if (underlay) {
        info.mode = from_table_mode(underlay->mode);
        info.auto_mode = underlay->auto_mode != 0;
    }
    return info;
}

const char *mode_name(Mode mode)
{
    switch (mode) {
    case Mode::automatic:
        return "auto";
    case Mode::tc:
        return "tc";
    case Mode::xdp:
        return "xdp";
    case Mode::skb:
        return "skb";
    }
    return "?";
}

std::optional<Mode> parse_mode(std::string_view text)
{
    for (const Mode mode : {Mode::automatic, Mode::tc, Mode::xdp, Mode::skb})
        if (text == mode_name(mode))
            return mode;
    return std::nullopt;
}

Result<unsigned> detach(const std::string &device, std::optional<std::uint32_t> vni)
{
    TRY_ASSIGN(auto session, Session::writer("detach", device));
    const auto choice = Choice::of(session, device);
    if (!choice)
        return session.wrap(choice.error());
    unsigned count = 0;
    for (const auto &vtep : session.resources->removed)
        if (choice->was(vtep) && (!vni || vtep.vni == *vni))
            count++;
    TRY_ASSIGN(auto chosen, session.wrap(session.vteps()));
    const auto is_meant = [&](const xv_vtep &vtep) {
        const bool by_port = choice->link() && uses(vtep, choice->link()->index);
        return (*choice)(vtep) && !(by_port && (vtep.flags & XV_VTEP_ROUTED) != 0);
    };
    std::erase_if(
        chosen, [&](const xv_vtep &vtep) { return !is_meant(vtep) || (vni && vtep.vni != *vni); });
    count += static_cast<unsigned>(chosen.size());
    if (!vni) { // the VTEPs of a device with many VNIs go with it
        std::erase_if(chosen, [](const xv_vtep &vtep) { return vtep.vid != 0; });
        TRY_ASSIGN(const auto devices, session.wrap(session.vni_devices()));
        std::ranges::copy_if(devices, std::back_inserter(chosen), is_meant);
        count += static_cast<unsigned>(std::ranges::count_if(chosen, has_many_vnis));
    }
    TRY(reach_devices(session, choice->links(), chosen)); // all or none
    TRY(session.wrap(remove_vteps(session, chosen)));
    if (session.tables) {
        TRY(session.wrap(release_unused_underlays(session)));
        TRY(session.wrap(release_empty_datapath(session)));
    }
    if (count == 0 && !choice->link())
        return session.refused(errno_text(ENODEV), ENODEV);
    if (count == 0)
        TRY(refuse_adopted("detach", device, choice->link()->index));
    if (count == 0)
        return session.refused(
            vni ? fmt::format("VNI {} is not attached", *vni) : "no VNI is attached", ENOENT);
    return count;
}

Result<std::vector<VtepInfo>> list_vteps(const std::optional<std::string> &device,
                                         Problems problems)
{
    TRY_ASSIGN(auto session, Session::reader("show", device.value_or("")));
    auto links = session.netlink.links();
    if (!links)
        return session.wrap(links.error());
    std::optional<Choice> choice;
    if (device) {
        auto found = Choice::of(session, *device);
        if (!found)
            return session.wrap(found.error());
        choice.emplace(std::move(*found));
    }
    std::optional<Inspection> inspection;
    if (problems == Problems::looked_for) {
        auto begun = Inspection::begin(session, *links);
        if (!begun)
            return session.wrap(begun.error());
        inspection.emplace(std::move(*begun));
    }
    std::vector<VtepInfo> all;
    MovedDevices moved_devices(session);
    TRY_ASSIGN(const auto every, session.wrap(session.vteps()));
    TRY_ASSIGN(const auto vteps, session.wrap(one_for_each_device(session, every)));
    for (const auto &vtep : vteps) {
        if (choice && !(*choice)(vtep))
            continue;
        std::optional<MovedDevice> moved;
        if (inspection && find_device(*links, vtep) == nullptr)
            TRY_SET(moved, session.wrap(moved_devices.find(vtep)));
        const MovedDevice *const where = moved ? &*moved : nullptr;
        TRY_ASSIGN(auto info, session.wrap(describe(session, vtep, *links, where)));
        if (has_many_vnis(vtep))
            info.vnis = ranges_of(on_device(every, vtep.ifindex));
        if (inspection)
            TRY_SET(info.problems, session.wrap(inspection->of(vtep, where)));
        all.push_back(std::move(info));
    }
    if (all.empty() && choice && !choice->link())
        return session.refused(errno_text(ENODEV), ENODEV);
    return all;
}

} // namespace xvtep
