// SPDX-License-Identifier: GPL-2.0-only
#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bpf/abi/tables.h"
#include "bpf/abi/wire.h"
#include "user/base/result.h"
#include "user/vtep/vni_ranges.h"
#include "xvtep/option.h"
#include "xvtep/vtep.h"

namespace xvtep {
namespace {

static_assert(vxlan_port == XV_VXLAN_PORT && vni_max == XV_VNI_MAX);

} // namespace

Result<> validate(const AttachRequest &r)
{
    const std::string object = fmt::format("{}", fmt::join(r.devices, " "));
    const auto wrong = [&](const std::string &cause) {
        return usage_failure("attach", object, cause);
    };

    if (r.devices.empty())
        return wrong("no device given");
    if (r.devices.size() > XV_UNDERLAYS_MAX)
        return wrong(fmt::format("more than {} devices", XV_UNDERLAYS_MAX));
    if (std::set<std::string>(r.devices.begin(), r.devices.end()).size() != r.devices.size())
        return wrong("a device is given twice");
    if (!r.vnis.empty()) {
        if (r.vni != 0)
            return wrong("one VNI and several exclude each other");
        if (const auto cause = wrong_ranges(r.vnis); !cause.empty())
            return wrong(cause);
        if (r.gbp)
            return wrong("gbp needs a device for each VNI");
    } else if (r.vni == 0 || r.vni > vni_max)
        return wrong(fmt::format("VNI {} is not within 1 to {}", r.vni, vni_max));
    for (const auto *name : {&r.name, &r.bridge})
        if (!name->empty() && !is_interface_name(*name))
            return wrong(fmt::format("\"{}\" is not an interface name", *name));
    if (r.remote && r.group)
        return wrong("remote and group exclude each other");
    if (r.remote && r.remote->is_multicast())
        return wrong(fmt::format("remote {} is multicast (give it as group)", r.remote->text()));
    if (r.remote && r.remote->is_any())
        return wrong(fmt::format("remote {} is no host's address", r.remote->text()));
    if (r.group && !r.group->is_multicast())
        return wrong(fmt::format("group {} is not multicast (give it as remote)", r.group->text()));
    if (r.local && (r.local->is_multicast() || r.local->is_any()))
        return wrong(fmt::format("local {} is no host's address", r.local->text()));
    const auto far = r.remote ? r.remote : r.group;
    if (r.local && far && r.local->is_v6() != far->is_v6())
        return wrong(fmt::format("local {} and {} {} are of different families", r.local->text(),
                                 r.remote ? "remote" : "group", far->text()));
    const bool v6 = (r.local && r.local->is_v6()) || (far && far->is_v6());
    if (r.dstport == 0)
        return wrong("dstport 0 is not within 1 to 65535");
    if (r.srcport_min == 0 || r.srcport_min > r.srcport_max)
        return wrong(fmt::format("srcport {} {} is not a range within 1 to 65535", r.srcport_min,
                                 r.srcport_max));
    if (r.flowlabel > flowlabel_max)
        return wrong(fmt::format("flowlabel {:#x} is not within 0 to 0xfffff", r.flowlabel));
    if (r.flowlabel != 0 && !v6)
        return wrong("flowlabel needs an IPv6 underlay");
    if (r.reserved_bits && (*r.reserved_bits & used_bits(r.gbp)) != 0)
        return wrong(fmt::format("reserved-bits {:#018x} has bits that are in use ({:#018x})",
                                 *r.reserved_bits, used_bits(r.gbp)));
    if (r.reachable_time == 0)
        return wrong("reachable-time 0 is not within 1 to 4294967295");
    if (r.mac && (r.mac->is_zero() || r.mac->is_multicast()))
        return wrong(fmt::format("mac {} is not a host's address", r.mac->text()));
    if (r.mtu && (*r.mtu < 68 || *r.mtu > 65535))
        return wrong(fmt::format("mtu {} is not within 68 to 65535", *r.mtu));
    return {};
}

} // namespace xvtep
