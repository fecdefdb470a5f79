// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/vni_ranges.h"

#include <algorithm>

#include <fmt/format.h>

namespace xvtep {
namespace {

constexpr std::uint32_t vlan_max = 4094;

std::uint32_t last_vlan(const VniRange &range)
{
    return range.vlan + (range.last - range.first);
}

} // namespace

std::string wrong_vnis(const VniRange &range)
{
    if (range.first == 0 || range.last > vni_max || range.first > range.last)
        return fmt::format("VNIs {}-{} are not a range within 1 to {}", range.first, range.last,
                           vni_max);
    return "";
}

std::string wrong_ranges(std::span<const VniRange> ranges)
{
    if (ranges.empty())
        return "no VNI given";
    for (std::size_t n = 0; n < ranges.size(); n++) {
        const VniRange &range = ranges[n];
        if (const auto cause = wrong_vnis(range); !cause.empty())
            return cause;
        if (range.vlan == 0 || range.last - range.first >= vlan_max || last_vlan(range) > vlan_max)
            return fmt::format("VLANs {}-{} are not a range within 1 to {}", range.vlan,
                               last_vlan(range), vlan_max);
        if (range.remote && range.remote->is_any())
            return fmt::format("remote {} is no host's address", range.remote->text());
        for (const VniRange &other : ranges.first(n)) {
            if (range.first <= other.last && other.first <= range.last)
                return fmt::format("VNI {} is given twice", std::max(range.first, other.first));
            if (range.vlan <= last_vlan(other) && other.vlan <= last_vlan(range))
                return fmt::format("VLAN {} is given twice", std::max(range.vlan, other.vlan));
        }
    }
    return "";
}

} // namespace xvtep
