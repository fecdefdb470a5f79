// SPDX-License-Identifier: GPL-2.0-only
#include "xvtep/port.h"

#include <algorithm>

#include <fmt/format.h>

#include "user/cli/commands.h"
#include "user/cli/output.h"
#include "user/cli/words.h"

namespace xvtep::cli {
namespace {

Result<std::optional<std::uint16_t>> read_vlan(const Arguments &arguments)
{
    const auto text = arguments.find("vlan");
    if (!text)
        return std::nullopt;
    TRY_ASSIGN(const auto vlan, Values(arguments).number<std::uint16_t>("VLAN", *text, 1, 4094));
    return vlan;
}

} // namespace

Result<> run_port_add(const Context &context, const Arguments &arguments)
{
    const Values values(arguments);
    PortRequest request;
    request.name = arguments.device().value_or("");
    const auto vni = arguments.find("vni");
    if (!vni)
        return values.wrong("no VNI given (vni N)");
    TRY_SET(request.vni, values.number("VNI", *vni, 1, vni_max));
    TRY_SET(request.vlan, read_vlan(arguments));
    if (const auto port = arguments.find("dstport"))
        TRY_SET(request.dstport, values.number<std::uint16_t>("dstport", *port, 1, 65535));
    if (const auto mode = arguments.find("mode")) {
        const auto found = parse_mode(*mode);
        if (!found)
            return values.wrong(fmt::format("mode \"{}\" is not auto, xdp, tc or skb", *mode));
        request.mode = *found;
    }
    TRY_ASSIGN(const auto scope, context.enter());
    return add_port(request);
}

Result<> run_port_del(const Context &context, const Arguments &arguments)
{
    TRY_ASSIGN(const auto vlan, read_vlan(arguments));
    TRY_ASSIGN(const auto scope, context.enter());
    return delete_port(arguments.device().value_or(""), vlan);
}

Result<> run_port_show(const Context &context, const Arguments &arguments)
{
    TRY_ASSIGN(const auto scope, context.enter());
    TRY_ASSIGN(auto all, show_ports(Problems::looked_for));
    if (const auto device = arguments.device()) {
        std::erase_if(all, [&](const PortInfo &port) { return port.name != *device; });
        if (all.empty())
            return system_failure("port show", *device, "not a local port", ENODEV);
    }
    print(context, all);
    return {};
}

} // namespace xvtep::cli
