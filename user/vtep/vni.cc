// SPDX-License-Identifier: GPL-2.0-only
#include "xvtep/vni.h"

#include <algorithm>

#include <fmt/format.h>

#include "user/vtep/device.h"
#include "user/vtep/teardown.h"
#include "user/vtep/vni_ranges.h"
#include "user/vtep/vni_table.h"

namespace xvtep {
namespace {

Result<xv_vtep> device_with_many(Session &session, const std::string &name)
{
    TRY_ASSIGN(const auto record, session.device_named(name));
    if (!has_many_vnis(record))
        return session.refused(fmt::format("it has one VNI, {}, and takes no others", record.vni),
                               EINVAL);
    return record;
}

Result<> check_remotes(const Session &session, const xv_vtep &device,
                       std::span<const VniRange> ranges)
{
    for (const auto &range : ranges)
        if (range.remote && range.remote->is_v6() != ((device.flags & XV_VTEP_V6) != 0))
            return session.usage(
                fmt::format("{} is not of the device's family", range.remote->text()));
    return {};
}

Result<> add_to_bridge_of(Session &session, const xv_vtep &device, std::span<const VniRange> ranges)
{
    const auto link = session.netlink.link(static_cast<int>(device.ifindex));
    if (!link)
        return unless_gone(Failure(link.error()));
    if (!is_device_of(*link, device))
        return {}; // it is in another namespace
    return add_to_bridge(session, link->master, link->index, ranges);
}

} // namespace

Result<> add_vnis(const std::string &device, std::span<const VniRange> ranges)
{
    if (const auto cause = wrong_ranges(ranges); !cause.empty())
        return usage_failure("vni add", device, cause);
    TRY_ASSIGN(auto session, Session::writer("vni add", device));
    TRY_ASSIGN(const auto record, device_with_many(session, device));
    TRY(check_remotes(session, record, ranges));
    TRY(session.wrap(make_vnis(session, record, ranges)));
    const auto done = add_to_bridge_of(session, record, ranges);
    if (!done) {
        TRY_ASSIGN(auto vteps, session.wrap(vteps_on(session, record.ifindex)));
        std::erase_if(vteps, [&](const xv_vtep &vtep) {
            return std::ranges::none_of(ranges, [&](const VniRange &range) {
                return vtep.vni >= range.first && vtep.vni <= range.last;
            });
        });
        (void)remove_vnis(session, vteps);
    }
    return session.wrap(done);
}

Result<> delete_vnis(const std::string &device, std::span<const VniRange> ranges)
{
    for (const auto &range : ranges)
        if (const auto cause = wrong_vnis(range); !cause.empty())
            return usage_failure("vni del", device, cause);
    TRY_ASSIGN(auto session, Session::writer("vni del", device));
    TRY_ASSIGN(const auto record, device_with_many(session, device));
    TRY_ASSIGN(auto vteps, session.wrap(vteps_on(session, record.ifindex)));
    std::vector<xv_vtep> chosen;
    for (const auto &range : ranges)
        for (std::uint32_t vni = range.first; vni <= range.last; vni++) {
            const auto found = std::ranges::lower_bound(vteps, vni, {}, &xv_vtep::vni);
            if (found == vteps.end() || found->vni != vni)
                return session.refused(fmt::format("it has no VNI {}", vni), ENOENT);
            chosen.push_back(*found);
        }
    std::ranges::sort(chosen, {}, &xv_vtep::vni);
    const auto twice = std::ranges::unique(chosen, {}, &xv_vtep::vni);
    chosen.erase(twice.begin(), twice.end());
    return session.wrap(remove_vnis(session, chosen));
}

Result<std::vector<DeviceVnis>> list_vnis(const std::optional<std::string> &device)
{
    TRY_ASSIGN(auto session, Session::reader("vni show", device.value_or("")));
    std::vector<DeviceVnis> all;
    std::vector<xv_vtep> devices;
    if (device) {
        TRY_ASSIGN(const auto record, device_with_many(session, *device));
        devices.push_back(record);
    } else {
        TRY_SET(devices, session.wrap(session.vni_devices()));
    }
    if (devices.empty())
        return all;
    TRY_ASSIGN(const auto links, session.wrap(session.netlink.links()));
    TRY_ASSIGN(const auto vteps, session.wrap(session.vteps()));
    for (const auto &record : devices) {
        std::vector<xv_vtep> own;
        std::ranges::copy_if(vteps, std::back_inserter(own),
                             [&](const xv_vtep &vtep) { return vtep.ifindex == record.ifindex; });
        all.push_back({device_name(links, record), ranges_of(own)});
    }
    std::ranges::sort(all, {}, &DeviceVnis::device);
    return all;
}

} // namespace xvtep
