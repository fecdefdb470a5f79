// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/vni.h"

#include <algorithm>

#include <fmt/format.h>

#include "user/cli/commands.h"
#include "user/cli/output.h"
#include "user/cli/words.h"
#include "xvtep/vni.h"

namespace xvtep::cli {
namespace {

constexpr std::uint32_t vlan_max = 4094;

struct Range {
    std::uint32_t first = 0, last = 0;
};

// Reads "N" or "N-M".
Result<Range> read_range(const Values &values, const char *what, const std::string &text,
                         std::uint32_t most)
{
    const auto dash = text.find('-', 1);
    Range range;
    TRY_SET(range.first, values.number(what, text.substr(0, dash), 1, most));
    range.last = range.first;
    if (dash != std::string::npos)
        TRY_SET(range.last, values.number(what, text.substr(dash + 1), 1, most));
    if (range.last < range.first)
        return values.wrong(fmt::format("{}s {} end before they begin", what, text));
    return range;
}

Result<std::vector<Range>> read_ranges(const Arguments &arguments, const char *word,
                                       const char *what, std::uint32_t most)
{
    const Values values(arguments);
    std::vector<Range> ranges;
    for (const std::string &text : arguments.all(word)) {
        TRY_ASSIGN(const auto range, read_range(values, what, text, most));
        ranges.push_back(range);
    }
    return ranges;
}

// The remote or group of `vni add`.
Result<std::optional<Ip>> read_remote(const Arguments &arguments)
{
    const Values values(arguments);
    const auto remote = arguments.find("remote"), group = arguments.find("group");
    if (remote && group)
        return values.wrong("remote and group exclude each other");
    if (!remote && !group)
        return std::nullopt;
    TRY_ASSIGN(const auto ip, values.ip(remote ? "remote" : "group", remote ? *remote : *group));
    if (ip.is_multicast() != group.has_value())
        return values.wrong(
            group ? fmt::format("group {} is not multicast", ip.text())
                  : fmt::format("remote {} is multicast (give it as group)", ip.text()));
    return ip;
}

Result<std::string> read_device(const Arguments &arguments)
{
    const auto device = arguments.device();
    if (!device)
        return Values(arguments).wrong("no device given (dev IFNAME)");
    return *device;
}

std::string range_text(std::uint32_t first, std::uint32_t last)
{
    return first == last ? std::to_string(first) : fmt::format("{}-{}", first, last);
}

} // namespace

bool asks_for_many_vnis(const Arguments &arguments)
{
    const auto is_range = [](const std::string &text) {
        return text.find('-', 1) != std::string::npos;
    };
    const auto vnis = arguments.all("vni");
    return arguments.has("vlan") || std::ranges::any_of(vnis, is_range);
}

Result<std::vector<VniRange>> parse_vnis(const Arguments &arguments)
{
    const Values values(arguments);
    TRY_ASSIGN(const auto vnis, read_ranges(arguments, "vni", "VNI", vni_max));
    TRY_ASSIGN(const auto vlans, read_ranges(arguments, "vlan", "VLAN", vlan_max));
    if (vnis.empty())
        return values.wrong("no VNI given (vni N[-M])");
    if (vnis.size() != vlans.size())
        return values.wrong(vlans.size() < vnis.size()
                                ? "several VNIs need VLANs (a vlan V[-W] for each vni)"
                                : "more VLANs are given than VNIs");
    std::vector<VniRange> ranges;
    for (std::size_t n = 0; n < vnis.size(); n++) {
        if (vnis[n].last - vnis[n].first != vlans[n].last - vlans[n].first)
            return values.wrong(fmt::format("VNIs {} and VLANs {} are not equally many",
                                            range_text(vnis[n].first, vnis[n].last),
                                            range_text(vlans[n].first, vlans[n].last)));
        ranges.push_back(
            {vnis[n].first, vnis[n].last, static_cast<std::uint16_t>(vlans[n].first), {}});
    }
    return ranges;
}

std::string vnis_text(const std::vector<VniRange> &ranges)
{
    std::string text;
    for (const VniRange &range : ranges)
        text += (text.empty() ? "" : ",") + range_text(range.first, range.last);
    return text;
}

std::string vlans_text(const std::vector<VniRange> &ranges)
{
    std::string text;
    for (const VniRange &range : ranges)
        text += (text.empty() ? "" : ",") +
                range_text(range.vlan, range.vlan + (range.last - range.first));
    return text;
}

bool has_vni(const std::vector<VniRange> &ranges, std::uint32_t vni)
{
    return std::ranges::any_of(
        ranges, [&](const VniRange &range) { return vni >= range.first && vni <= range.last; });
}

Result<> run_vni_add(const Context &context, const Arguments &arguments)
{
    TRY_ASSIGN(const auto device, read_device(arguments));
    TRY_ASSIGN(auto ranges, parse_vnis(arguments));
    TRY_ASSIGN(const auto remote, read_remote(arguments));
    for (VniRange &range : ranges)
        range.remote = remote;
    TRY_ASSIGN(const auto scope, context.enter());
    return add_vnis(device, ranges);
}

Result<> run_vni_del(const Context &context, const Arguments &arguments)
{
    TRY_ASSIGN(const auto device, read_device(arguments));
    TRY_ASSIGN(const auto vnis, read_ranges(arguments, "vni", "VNI", vni_max));
    if (vnis.empty())
        return Values(arguments).wrong("no VNI given (vni N[-M])");
    std::vector<VniRange> ranges;
    for (const auto &[first, last] : vnis)
        ranges.push_back({first, last, 0, {}});
    TRY_ASSIGN(const auto scope, context.enter());
    return delete_vnis(device, ranges);
}

Result<> run_vni_show(const Context &context, const Arguments &arguments)
{
    TRY_ASSIGN(const auto scope, context.enter());
    TRY_ASSIGN(const auto all, list_vnis(arguments.device()));
    print(context, all);
    return {};
}

} // namespace xvtep::cli
