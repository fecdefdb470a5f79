// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/validate.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bpf/abi/tables.h"
#include "bpf/abi/wire.h"
#include "user/base/result.h"
#include "user/vtep/vni_ranges.h"
#include "xvtep/option.h"

namespace xvtep {
namespace {

static_assert(vxlan_port == XV_VXLAN_PORT && vni_max == XV_VNI_MAX);

// Returns what is wrong with the underlay ports, the VNIs and the names, or "".
std::string wrong_identity(const AttachRequest &r)
{
    if (r.devices.empty() && !r.remote && !r.local)
        return "no device given, and neither remote nor local to find one by";
    if (r.devices.empty() && r.group)
        return "group needs a device";
    if (r.devices.size() > XV_UNDERLAYS_MAX)
        return fmt::format("more than {} devices", XV_UNDERLAYS_MAX);
    if (std::set<std::string>(r.devices.begin(), r.devices.end()).size() != r.devices.size())
        return "a device is given twice";
    if (!r.vnis.empty()) {
        if (r.vni != 0)
            return "one VNI and several exclude each other";
        if (const auto cause = wrong_ranges(r.vnis); !cause.empty())
            return cause;
        if (r.gbp)
            return "gbp needs a device for each VNI";
    } else if (r.vni == 0 || r.vni > vni_max) {
        return fmt::format("VNI {} is not within 1 to {}", r.vni, vni_max);
    }
    for (const auto *name : {&r.name, &r.bridge})
        if (!name->empty() && !is_interface_name(*name))
            return fmt::format("\"{}\" is not an interface name", *name);
    return "";
}

std::string wrong_addresses(const AttachRequest &r)
{
    if (r.remote && r.group)
        return "remote and group exclude each other";
    if (r.remote && r.remote->is_multicast())
        return fmt::format("remote {} is multicast (give it as group)", r.remote->text());
    if (r.remote && r.remote->is_any())
        return fmt::format("remote {} is no host's address", r.remote->text());
    if (r.group && !r.group->is_multicast())
        return fmt::format("group {} is not multicast (give it as remote)", r.group->text());
    if (r.local && (r.local->is_multicast() || r.local->is_any()))
        return fmt::format("local {} is no host's address", r.local->text());
    const auto far = r.remote ? r.remote : r.group;
    if (r.local && far && r.local->is_v6() != far->is_v6())
        return fmt::format("local {} and {} {} are of different families", r.local->text(),
                           r.remote ? "remote" : "group", far->text());
    return "";
}

} // namespace

std::string wrong_options(const AttachRequest &r)
{
    if (auto cause = wrong_addresses(r); !cause.empty())
        return cause;
    const auto far = r.remote ? r.remote : r.group;
    const bool v6 = (r.local && r.local->is_v6()) || (far && far->is_v6());
    if (r.dstport == 0)
        return "dstport 0 is not within 1 to 65535";
    if (r.srcport_min == 0 || r.srcport_min > r.srcport_max)
        return fmt::format("srcport {} {} is not a range within 1 to 65535", r.srcport_min,
                           r.srcport_max);
    if (r.flowlabel > flowlabel_max)
        return fmt::format("flowlabel {:#x} is not within 0 to 0xfffff", r.flowlabel);
    if (r.flowlabel != 0 && !v6)
        return "flowlabel needs an IPv6 underlay";
    if (r.reserved_bits && (*r.reserved_bits & used_bits(r.gbp)) != 0)
        return fmt::format("reserved-bits {:#018x} has bits that are in use ({:#018x})",
                           *r.reserved_bits, used_bits(r.gbp));
    if (r.reachable_time == 0)
        return "reachable-time 0 is not within 1 to 4294967295";
    if (r.mac && (r.mac->is_zero() || r.mac->is_multicast()))
        return fmt::format("mac {} is not a host's address", r.mac->text());
    if (r.mtu && (*r.mtu < 68 || *r.mtu > 65535))
        return fmt::format("mtu {} is not within 68 to 65535", *r.mtu);
    return "";
}

Result<> validate(const AttachRequest &r)
{
    std::string cause = wrong_identity(r);
    if (cause.empty())
        cause = wrong_options(r);
    if (!cause.empty())
        return usage_failure("attach", fmt::format("{}", fmt::join(r.devices, " ")), cause);
    return {};
}

} // namespace xvtep
