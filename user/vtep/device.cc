// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/device.h"

#include <arpa/inet.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "user/vtep/record.h"

namespace xvtep {
namespace {

// A vxlan device stays bound to the namespace in which it was made, also when it is moved.
bool is_bound_to(Netlink &there, const Link &link, bool is_here, std::uint64_t home)
{
    if (!link.lower_nsid)
        return is_here;
    const auto bound = there.netns_by_id(*link.lower_nsid);
    return bound && bound->inode() == home;
}

} // namespace

bool is_device_of(const Link &link, const xv_vtep &vtep)
{
    if (has_many_vnis(vtep) || vtep.vid != 0)
        return link.vxlan && link.vxlan->external && link.vxlan->dstport == ntohs(vtep.dstport);
    return vtep.vni != 0 && link.vxlan && link.vxlan->vni == vtep.vni &&
           link.vxlan->dstport == ntohs(vtep.dstport);
}

const Link *find_device(const std::vector<Link> &links, const xv_vtep &vtep)
{
    const Link *const link = find_link(links, static_cast<int>(vtep.ifindex));
    return link != nullptr && is_device_of(*link, vtep) ? link : nullptr;
}

Result<bool> device_exists(Session &session, const xv_vtep &vtep)
{
    if (has_many_vnis(vtep) || vtep.vid != 0) {
        MovedDevices moved(session);
        TRY_ASSIGN(const auto found, moved.find(vtep));
        return found.has_value();
    }
    if (vtep.vni == 0) // attach was killed before it had written the VTEP
        return false;
    VxlanOptions options;
    AttachRequest request;
    read_options(vtep, request);
    options.vni = request.vni;
    options.dstport = request.dstport;
    options.gbp = request.gbp;
    options.udp6zerocsumrx = request.udp6zerocsumrx;
    options.local = request.local;
    if (request.local && request.local->is_link_local()) // the kernel tells such by their ports
        options.lower = static_cast<int>(vtep.underlays[0]);
    return session.netlink.has_vxlan(options);
}

Result<> MovedDevices::read()
{
    TRY_ASSIGN(const auto home, Netns::current());
    home_ = home.inode();
    std::vector<Place> places;
    for (Netns &netns : Netns::visible(&all_)) {
        const auto scope = netns.enter();
        if (!scope && scope.error().code == EPERM) // CAP_SYS_ADMIN is missing
            continue;
        TRY(scope);
        TRY_ASSIGN(auto netlink, Netlink::open());
        TRY_ASSIGN(auto links, netlink.links());
        std::erase_if(links, [](const Link &link) { return !link.vxlan; });
        const bool is_here = netns.inode() == home_;
        places.push_back({std::move(netns), std::move(netlink), std::move(links), is_here});
    }
    places_ = std::move(places);
    return {};
}

Result<std::optional<MovedDevice>> MovedDevices::find(const xv_vtep &vtep)
{
    // The kernel does not tell whether there is a device with these VNIs.
    const bool many = has_many_vnis(vtep) || vtep.vid != 0;
    TRY_ASSIGN(const bool exists, many ? Result<bool>(true) : device_exists(*session_, vtep));
    if (!exists)
        return std::nullopt;
    if (!places_)
        TRY(read());
    for (Place &place : *places_)
        for (const Link &link : place.links)
            if (is_device_of(link, vtep) && is_bound_to(place.netlink, link, place.is_here, home_))
                return MovedDevice{&place.netns, &link, !place.is_here};
    if (!all_ && !many)
        return system_failure("find device", vtep.name, "not all namespaces could be looked at",
                              EAGAIN);
    return std::nullopt;
}

Result<> reach_devices(Session &session, const std::vector<Link> &links,
                       std::span<const xv_vtep> vteps)
{
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(3);
    std::vector<xv_vtep> away;
    for (const auto &vtep : vteps)
        if (find_device(links, vtep) == nullptr)
            away.push_back(vtep);
    for (;;) {
        MovedDevices moved(session);
        for (; !away.empty(); away.pop_back()) {
            TRY_ASSIGN(const auto found, session.wrap(moved.find(away.back())));
            TRY_ASSIGN(const bool exists, session.wrap(device_exists(session, away.back())));
            if (!found && exists)
                break;
        }
        if (away.empty())
            return {};
        if (std::chrono::steady_clock::now() > deadline)
            return session.refused(std::string(away.back().name) +
                                       " is in a namespace that cannot be seen from here",
                                   ENODEV);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

std::string device_name(const std::vector<Link> &links, const xv_vtep &vtep)
{
    if (const Link *link = find_device(links, vtep))
        return link->name;
    return {vtep.name, ::strnlen(vtep.name, sizeof(vtep.name))};
}

} // namespace xvtep
