// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/attach.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "user/cli/cli.h"
#include "user/cli/output.h"
#include "user/cli/words.h"

namespace xvtep::cli {
namespace {

// A pair of switches, the last one given wins, as with ip.
void add_switch(CLI::App &app, const std::string &name, bool &value, const std::string &what)
{
    app.add_flag(fmt::format("--{},!--no{}", name, name), value, what);
}

} // namespace

Result<ParsedAttach> parse_attach(const Words &words, const Context &context)
{
    ParsedAttach parsed;
    AttachRequest &request = parsed.request;
    std::string vni, local, remote, group, dstport, ttl, tos, df, flowlabel, ageing, hard_ageing,
        maxaddress, reachable_time, reserved_bits, mac, mtu, mode;
    std::vector<std::string> srcport;
    bool udpcsum = false, gpe = false, external = false;

    CLI::App app(
        "Make a VTEP: a device IFNAME (default xvtepVNI) for VNI over underlay ports DEV.");
    app.add_option("DEV", request.devices, "underlay ports")->required();
    app.add_option("--vni", vni, "VXLAN network identifier, 1 to 16777215")->required();
    app.add_option("--name", request.name, "name of the VTEP's device");
    app.add_option("--local", local, "source address (default: from the route, or DEV's first)");
    app.add_option("--remote", remote, "the peer of a point-to-point VTEP");
    app.add_option("--group", group, "multicast group for unknown and broadcast frames");
    app.add_option("--dstport", dstport, "UDP port (default 4789)");
    app.add_option("--srcport", srcport, "range of UDP source ports (default 49152 65535)")
        ->expected(2);
    app.add_option("--ttl", ttl, "outer TTL, or inherit (default: the host's)");
    app.add_option("--tos", tos, "outer TOS, hexadecimal as with ip, or inherit (default 0)");
    app.add_option("--df", df, "outer DF: set, unset (default) or inherit");
    app.add_option("--flowlabel", flowlabel, "IPv6 flow label");
    add_switch(app, "learning", request.learning, "learn MAC to VTEP from packets (default on)");
    app.add_option("--ageing", ageing, "seconds a learned entry lives (default 300, 0: forever)");
    app.add_option("--hard-ageing", hard_ageing,
                   "seconds after which a learned entry goes even if heard of (default 0: never)");
    app.add_option("--maxaddress", maxaddress,
                   "bound on FDB entries, the default entry included (default 0: none)");
    add_switch(app, "proxy", request.proxy, "answer ARP and ND from the neighbour table");
    add_switch(app, "rsc", request.rsc, "route short circuit: skip routers whose target is known");
    add_switch(app, "l2miss", request.l2miss, "raise an event for a MAC without an entry");
    add_switch(app, "l3miss", request.l3miss, "raise an event for an IP without a neighbour entry");
    app.add_option("--reachable-time", reachable_time,
                   "seconds a reachable neighbour entry lives (default 30)");
    auto *csum = app.add_flag("--udpcsum,!--noudpcsum", udpcsum,
                              "send UDP checksums (default: off on IPv4, on on IPv6)");
    add_switch(app, "udp6zerocsumtx", request.udp6zerocsumtx, "IPv6: send without UDP checksum");
    add_switch(app, "udp6zerocsumrx", request.udp6zerocsumrx, "IPv6: accept without UDP checksum");
    add_switch(app, "gbp", request.gbp, "group policy extension: the group id is the packet mark");
    app.add_option("--reserved-bits,--reserved_bits", reserved_bits,
                   "mask of VXLAN header bits that must be 0 (default: all unused ones)");
    add_switch(app, "gpe", gpe, "refused: inner packets without Ethernet have no MAC to switch by");
    add_switch(app, "external", external,
               "refused: each VNI is attached by name, none by metadata");
    app.add_option("--bridge", request.bridge, "bridge to join; made if there is none");
    app.add_option("--mac", mac, "MAC of the VTEP's device");
    app.add_option("--mtu", mtu, "MTU of the VTEP's device (default: underlay - 50, IPv6 - 70)");
    app.add_option("--mode", mode, "auto (default), xdp, tc or skb");
    TRY_SET(parsed.helped, parse_options(app, "attach", words, context));
    if (parsed.helped)
        return parsed;

    Values values{"attach", fmt::format("{}", fmt::join(request.devices, " "))};
    TRY_SET(request.vni, values.number("VNI", vni, 1, vni_max));
    TRY(values.assign(request.local, "local", local));
    TRY(values.assign(request.remote, "remote", remote));
    TRY(values.assign(request.group, "group", group));
    if (!dstport.empty())
        TRY_SET(request.dstport, values.number<std::uint16_t>("dstport", dstport, 1, 65535));
    if (srcport.size() == 1)
        return values.wrong("--srcport needs two values");
    if (!srcport.empty()) {
        TRY_SET(request.srcport_min, values.number<std::uint16_t>("srcport", srcport[0], 1, 65535));
        TRY_SET(request.srcport_max, values.number<std::uint16_t>("srcport", srcport[1], 1, 65535));
    }
    TRY(values.assign(request.ttl, "ttl", ttl));
    TRY(values.assign(request.tos, "tos", tos));
    if (df == "set" || df == "inherit")
        request.df = df == "set" ? Df::set : Df::inherit;
    else if (!df.empty() && df != "unset")
        return values.wrong(fmt::format("df \"{}\" is not set, unset or inherit", df));
    if (!flowlabel.empty())
        TRY_SET(request.flowlabel, values.number("flowlabel", flowlabel, 0, 0xfffff));
    if (!ageing.empty())
        TRY_SET(request.ageing, values.number("ageing", ageing, 0, 0xffffffff));
    if (!hard_ageing.empty())
        TRY_SET(request.hard_ageing, values.number("hard-ageing", hard_ageing, 0, 0xffffffff));
    if (!maxaddress.empty())
        TRY_SET(request.maxaddress, values.number("maxaddress", maxaddress, 0, 0xffffffff));
    if (!reachable_time.empty())
        TRY_SET(request.reachable_time,
                values.number("reachable-time", reachable_time, 1, 0xffffffff));
    if (!reserved_bits.empty())
        TRY_SET(request.reserved_bits,
                values.number<std::uint64_t>("reserved-bits", reserved_bits, 0, ~std::uint64_t{0}));
    if (csum->count() != 0)
        request.udpcsum = udpcsum;
    if (!mac.empty())
        TRY_SET(request.mac, values.mac("mac", mac));
    if (!mtu.empty())
        TRY_SET(request.mtu, values.number("mtu", mtu, 68, 65535));
    if (!mode.empty()) {
        const auto found = parse_mode(mode);
        if (!found)
            return values.wrong(fmt::format("mode \"{}\" is not auto, xdp, tc or skb", mode));
        request.mode = *found;
    }
    if (gpe)
        return values.wrong(
            "--gpe is refused: its packets carry no Ethernet header, so there is no "
            "MAC for the forwarding database to go by");
    if (external)
        return values.wrong("--external is refused: it would accept every VNI of the port, while "
                            "xvtep takes only those attached (attach each with --vni)");
    TRY(validate(request));
    return parsed;
}

Result<> run_attach(const Context &context, const Words &words)
{
    TRY_ASSIGN(const auto parsed, parse_attach(words, context));
    if (parsed.helped)
        return {};
    TRY_ASSIGN(const auto scope, context.enter());
    TRY_ASSIGN(const auto made, attach(parsed.request));
    if (context.json) {
        auto json = to_json(made);
        json["ipsec"] = made.ipsec;
        context.print(document(json, context.pretty));
    } else if (made.ipsec) {
        context.print(made.name +
                      ": IPsec policies are in force here; packets that they wrap, or demand to be "
                      "wrapped, take the kernel's path\n");
    }
    return {};
}

Result<> run_detach(const Context &context, const Words &words)
{
    std::string device, vni;
    bool force = false;
    CLI::App app("Remove the VTEPs of an underlay port, or one: by its VNI, or by its own device.");
    app.add_option("DEV", device, "underlay port, or VTEP device (also one that is gone)");
    app.add_option("--vni", vni, "only this VNI");
    app.add_flag("--force", force,
                 "all that xvtep has in the namespace, whatever its tables are: no DEV");
    TRY_ASSIGN(const bool helped, parse_options(app, "detach", words, context));
    if (helped)
        return {};
    if (force != device.empty() || (force && !vni.empty()))
        return usage_failure("detach", device,
                             force ? "--force is about the whole namespace" : "DEV is required");
    std::optional<std::uint32_t> only;
    if (!vni.empty())
        TRY_SET(only, Values("detach", device).number("VNI", vni, 1, vni_max));
    TRY_ASSIGN(const auto scope, context.enter());
    if (force)
        return detach_by_force();
    TRY(detach(device, only));
    return {};
}

Result<> run_show(const Context &context, const Words &words)
{
    std::string device;
    CLI::App app("List VTEPs: all, or those of an underlay port or VTEP device.");
    app.add_option("DEV", device, "underlay port or VTEP device");
    TRY_ASSIGN(const bool helped, parse_options(app, "show", words, context));
    if (helped)
        return {};
    TRY_ASSIGN(const auto scope, context.enter());
    TRY_ASSIGN(const auto all,
               list_vteps(device.empty() ? std::nullopt : std::optional(device), true));
    if (context.json)
        context.print(document(to_json_list(all), context.pretty));
    else
        for (const auto &vtep : all)
            context.print(to_text(vtep));
    return {};
}

Result<> run_set(const Context &context, const Words &words)
{
    const std::string usage = "xvtep set IFNAME local IP";
    TRY_ASSIGN(const auto tail, parse_tail("set", words, {"local"}, context, usage, 1));
    if (tail.helped)
        return {};
    if (tail.plain.empty())
        return usage_failure("set", "", "no device given (" + usage + ")");
    const Values values{"set", tail.plain[0]};
    const auto local = tail.find("local");
    if (!local)
        return values.wrong("nothing to set (" + usage + ")");
    TRY_ASSIGN(const auto address, values.ip("local", *local));
    TRY_ASSIGN(const auto scope, context.enter());
    return set_local(tail.plain[0], address);
}

Result<> run_reload(const Context &context, const Words &words)
{
    std::string device;
    CLI::App app("Put this binary's programs in place of the running ones; no packet is lost.");
    app.add_option("DEV", device, "only this port (default: all)");
    TRY_ASSIGN(const bool helped, parse_options(app, "reload", words, context));
    if (helped)
        return {};
    TRY_ASSIGN(const auto scope, context.enter());
    TRY_ASSIGN(const auto count, reload(device.empty() ? std::nullopt : std::optional(device)));
    context.print(context.json ? document({{"replaced", count}}, context.pretty)
                               : fmt::format("{} attachments replaced\n", count));
    return {};
}

Result<> run_stats(const Context &context, const Words &words)
{
    TRY_ASSIGN(const auto tail,
               parse_tail("stats", words, {"dev"}, context, "xvtep stats [dev IFNAME]"));
    if (tail.helped)
        return {};
    TRY_ASSIGN(const auto scope, context.enter());
    TRY_ASSIGN(const auto all, show_stats(tail.find("dev")));
    if (context.json)
        context.print(document(to_json_list(all), context.pretty));
    else
        for (const auto &stats : all)
            context.print(to_text(stats));
    return {};
}

} // namespace xvtep::cli
