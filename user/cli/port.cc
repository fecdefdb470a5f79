// SPDX-License-Identifier: GPL-2.0-only
#include "xvtep/port.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "user/cli/cli.h"
#include "user/cli/output.h"
#include "user/cli/words.h"

namespace xvtep::cli {
namespace {

constexpr const char *usage = "xvtep port add IFNAME --vni N [--vlan VID] [--dstport PORT] [--mode "
                              "auto|xdp|tc|skb]\n"
                              "       xvtep port del IFNAME [--vlan VID]\n"
                              "       xvtep port show\n";

Result<> port_add(const Context &context, const Words &words)
{
    PortRequest request;
    std::string vni, vlan, dstport, mode;
    CLI::App app("Put a local port (a container's veth, or a trunk) on the fast path of a VNI.");
    app.add_option("IFNAME", request.name, "the host's end of the container's veth")->required();
    app.add_option("--vni", vni, "an attached VNI")->required();
    app.add_option("--vlan", vlan, "frames of this VLAN, the tag off inside the tunnel");
    app.add_option("--dstport", dstport, "where the VNI is attached on several UDP ports");
    app.add_option("--mode", mode, "auto (default), xdp, tc or skb");
    TRY_ASSIGN(const bool helped, parse_options(app, "port add", words, context));
    if (helped)
        return {};
    const Values values{"port add", request.name};
    TRY_SET(request.vni, values.number("VNI", vni, 1, vni_max));
    if (!vlan.empty())
        TRY_SET(request.vlan, values.number<std::uint16_t>("VLAN", vlan, 1, 4094));
    if (!dstport.empty())
        TRY_SET(request.dstport, values.number<std::uint16_t>("dstport", dstport, 1, 65535));
    if (!mode.empty()) {
        const auto found = parse_mode(mode);
        if (!found)
            return values.wrong(fmt::format("mode \"{}\" is not auto, xdp, tc or skb", mode));
        request.mode = *found;
    }
    TRY_ASSIGN(const auto scope, context.enter());
    return add_port(request);
}

Result<> port_del(const Context &context, const Words &words)
{
    std::string name, vlan;
    CLI::App app("Take a local port, or one VLAN of a trunk, off the fast path.");
    app.add_option("IFNAME", name, "the port")->required();
    app.add_option("--vlan", vlan, "only this VLAN");
    TRY_ASSIGN(const bool helped, parse_options(app, "port del", words, context));
    if (helped)
        return {};
    std::optional<std::uint16_t> vid;
    if (!vlan.empty())
        TRY_SET(vid, (Values("port del", name).number<std::uint16_t>("VLAN", vlan, 1, 4094)));
    TRY_ASSIGN(const auto scope, context.enter());
    return delete_port(name, vid);
}

} // namespace

Result<> run_port(const Context &context, const Words &words)
{
    const std::string verb = words.empty() ? "show" : words.front();
    const Words rest(words.begin() + (words.empty() ? 0 : 1), words.end());
    if (verb == "add")
        return port_add(context, rest);
    if (verb == "del" || verb == "delete")
        return port_del(context, rest);
    if (verb == "-h" || verb == "--help" || verb == "help") {
        context.print(std::string("Usage: ") + usage);
        return {};
    }
    if (verb != "show" && verb != "list")
        return usage_failure("port", verb, "unknown command (add, del or show)");
    TRY_ASSIGN(const auto tail, parse_tail("port show", rest, {}, context, "xvtep port show"));
    if (tail.helped)
        return {};
    TRY_ASSIGN(const auto scope, context.enter());
    TRY_ASSIGN(const auto all, show_ports(true));
    if (context.json)
        context.print(document(to_json_list(all), context.pretty));
    else
        for (const auto &port : all)
            context.print(to_text(port));
    return {};
}

} // namespace xvtep::cli
