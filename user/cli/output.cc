// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/json.h"

#include <fmt/format.h>

#include "user/cli/output.h"
#include "xvtep/option.h"

namespace xvtep::cli {
namespace {

Json text_or_null(const std::string &text)
{
    return text.empty() ? Json(nullptr) : Json(text);
}

Json option_json(const OptionValue &value)
{
    return std::visit(
        [](const auto &held) -> Json {
            if constexpr (std::is_same_v<std::decay_t<decltype(held)>, std::monostate>)
                return nullptr;
            else
                return held;
        },
        value);
}

Json counts(const std::vector<VerdictCount> &verdicts)
{
    Json object = Json::object();
    for (const auto &verdict : verdicts)
        object[verdict.name] = verdict.packets;
    return object;
}

Json list_of(const std::vector<Problem> &problems)
{
    Json list = Json::array();
    for (const auto &problem : problems)
        list.push_back(to_json(problem));
    return list;
}

// The text of each item, in the form that the context asks for.
template <class T, class Text>
std::string text_of(const Context &context, const std::vector<T> &items, const Text &text)
{
    std::string all;
    for (const T &item : items) {
        const std::string one = text(item);
        all += context.oneline ? on_one_line(one) : one;
    }
    return all;
}

void print_json(const Context &context, const Json &json)
{
    context.print(document(json, context.pretty));
}

} // namespace

Json to_json(const Problem &problem)
{
    return {{"kind", problem.kind},
            {"object", problem.object},
            {"count", problem.count},
            {"text", problem.text},
            {"remedy", problem.remedy}};
}

Json to_json(const VtepInfo &vtep)
{
    Json json;
    for (const AttachOption &option : attach_options())
        json[option_key(option)] = option_json(option_value(vtep, option));
    if (!vtep.vnis.empty()) {
        json["vni"] = nullptr;
        json["vnis"] = to_json_list(vtep.vnis);
    }
    json["ifindex"] = vtep.ifindex;
    json["auto"] = vtep.auto_mode;
    json["local_auto"] = vtep.local_auto;
    json["routed"] = vtep.routed;
    json["up"] = vtep.up;
    json["adopted"] = vtep.adopted;
    json["problems"] = list_of(vtep.problems);
    return json;
}

Json to_json(const PortInfo &port)
{
    Json json;
    json["ifname"] = port.name;
    json["vni"] = port.vni;
    json["vtep"] = port.vtep;
    json["vlan"] = port.vlan ? Json(*port.vlan) : Json(nullptr);
    json["mode"] = mode_name(port.mode);
    json["bridge"] = text_or_null(port.bridge);
    json["addresses"] = Json::array();
    for (const auto &mac : port.addresses)
        json["addresses"].push_back(mac.text());
    json["problems"] = list_of(port.problems);
    return json;
}

Json to_json(const FdbEntry &entry, bool statistics)
{
    Json json;
    json["mac"] = entry.mac.text();
    json["ifname"] = entry.device;
    json["dst"] = entry.dst.text();
    if (entry.port != 0)
        json["port"] = entry.port;
    if (entry.vni != 0)
        json["vni"] = entry.vni;
    if (entry.src_vni != 0)
        json["src_vni"] = entry.src_vni;
    if (!entry.via.empty())
        json["viaIf"] = entry.via;
    if (statistics) {
        json["used"] = entry.used;
        json["updated"] = entry.updated;
    }
    json["flags"] = Json::array({"self"});
    if (entry.router)
        json["flags"].push_back("router");
    json["state"] = state_name(entry.state);
    return json;
}

Json to_json(const NeighEntry &entry, bool with_device, bool statistics)
{
    Json json;
    json["dst"] = entry.ip.text();
    if (with_device)
        json["dev"] = entry.device;
    if (entry.vni != 0)
        json["vni"] = entry.vni;
    json["lladdr"] = entry.mac.text();
    if (statistics)
        json["updated"] = entry.updated;
    json["state"] = Json::array({state_name(entry.state)});
    return json;
}

Json to_json(const Remote &remote)
{
    Json json;
    json["remote"] = remote.ip.text();
    json["port"] = remote.port;
    json["ifname"] = remote.device;
    json["vni"] = remote.vni;
    if (!remote.via.empty())
        json["via"] = remote.via;
    json["entries"] = remote.entries;
    json["nexthops"] = Json::array();
    for (const auto &hop : remote.nexthops)
        json["nexthops"].push_back({{"dev", hop.device},
                                    {"mac", hop.mac ? Json(hop.mac->text()) : Json(nullptr)},
                                    {"weight", hop.weight}});
    json["mtu"] = remote.mtu != 0 ? Json(remote.mtu) : Json(nullptr);
    json["rx_packets"] = remote.rx_packets;
    json["rx_bytes"] = remote.rx_bytes;
    json["tx_packets"] = remote.tx_packets;
    json["tx_bytes"] = remote.tx_bytes;
    json["heard"] = remote.heard ? Json(*remote.heard) : Json(nullptr);
    json["known"] = remote.known;
    return json;
}

Json to_json(const Stats &stats)
{
    Json json;
    json["ifname"] = stats.ifname;
    json["vni"] = stats.vni ? Json(*stats.vni) : Json(nullptr);
    json["rx_packets"] = stats.rx_packets;
    json["rx_bytes"] = stats.rx_bytes;
    json["tx_packets"] = stats.tx_packets;
    json["tx_bytes"] = stats.tx_bytes;
    json["events_lost"] = stats.events_lost;
    json["not_learned"] = stats.not_learned;
    json["drops"] = counts(stats.drops);
    json["passed"] = counts(stats.passed);
    return json;
}

// As `bridge -j vni`, and the VLANs as `bridge -j vlan tunnelshow`.
Json to_json(const VniRange &range)
{
    Json json;
    json["vni"] = range.first;
    if (range.last != range.first)
        json["vniEnd"] = range.last;
    json["vlan"] = range.vlan;
    if (range.last != range.first)
        json["vlanEnd"] = range.vlan + (range.last - range.first);
    if (range.remote)
        json[range.remote->is_multicast() ? "group" : "remote"] = range.remote->text();
    return json;
}

Json to_json(const DeviceVnis &device)
{
    return {{"ifname", device.device}, {"vnis", to_json_list(device.vnis)}};
}

void print(const Context &context, const std::vector<DeviceVnis> &devices)
{
    if (context.json)
        return print_json(context, to_json_list(devices));
    context.print(to_text(devices));
}

void print(const Context &context, const std::vector<VtepInfo> &vteps,
           const std::vector<adopt::RefusedDevice> &refused)
{
    if (context.json) {
        Json list = to_json_list(vteps);
        for (const auto &[name, reason] : refused)
            list.push_back({{"name", name}, {"adopted", false}, {"refused", reason}});
        return print_json(context, list);
    }
    context.print(text_of(context, vteps, [&](const VtepInfo &vtep) {
        return context.brief ? brief_text(vtep)
                             : to_text(vtep, context.details ? Detail::all : Detail::usual);
    }));
    for (const auto &[name, reason] : refused)
        context.print(context.brief ? fmt::format("{:<16} REFUSED {}\n", name, reason)
                                    : fmt::format("{}: not adopted: {}\n", name, reason));
}

void print(const Context &context, const std::vector<PortInfo> &ports)
{
    if (context.json)
        return print_json(context, to_json_list(ports));
    context.print(text_of(context, ports, [&](const PortInfo &port) {
        return context.brief ? brief_text(port) : to_text(port);
    }));
}

void print(const Context &context, const std::vector<Stats> &stats)
{
    if (context.json)
        return print_json(context, to_json_list(stats));
    context.print(text_of(context, stats, [&](const Stats &one) {
        return context.brief ? brief_text(one) : to_text(one);
    }));
}

void print(const Context &context, const std::vector<FdbEntry> &entries, Device device,
           const std::vector<VtepInfo> &vteps)
{
    Json list = to_json_list(entries, context.statistics);
    std::string text = text_of(context, entries, [&](const FdbEntry &entry) {
        return to_text(entry, device == Device::printed, context.statistics);
    });
    for (const auto &vtep : vteps)
        for (const auto &problem : vtep.problems)
            if (problem.kind == "foreign_entries") {
                list.push_back({{"ifname", vtep.name}, {"problem", to_json(problem)}});
                text += "# " + vtep.name + ": " + to_text(problem);
            }
    if (context.json)
        return print_json(context, list);
    context.print(text);
}

void print(const Context &context, const std::vector<NeighEntry> &entries, Device device)
{
    const bool with_device = device == Device::printed;
    if (context.json)
        return print_json(context, to_json_list(entries, with_device, context.statistics));
    context.print(text_of(context, entries, [&](const NeighEntry &entry) {
        return to_text(entry, with_device, context.statistics);
    }));
}

void print(const Context &context, const std::vector<Remote> &remotes, Device device)
{
    if (context.json)
        return print_json(context, to_json_list(remotes));
    context.print(text_of(context, remotes, [&](const Remote &remote) {
        return context.brief ? brief_text(remote)
                             : to_text(remote, device == Device::printed, context.statistics);
    }));
}

void print(const Context &context, const MissEvent &event, Device device)
{
    if (context.json) {
        Json json;
        json["event"] = event.name;
        json["ifname"] = event.ifname;
        json["vni"] = event.vni;
        json[event.key] = event.address;
        return print_json(context, json);
    }
    context.print(to_text(event, device == Device::printed));
}

void print_attached(const Context &context, const VtepInfo &vtep)
{
    if (context.json) {
        Json json = to_json(vtep);
        json["ipsec"] = vtep.ipsec;
        json["filter_rule"] = vtep.filter_rule;
        return print_json(context, json);
    }
    if (vtep.ipsec)
        context.print(vtep.name + ": IPsec policies are in force here; packets that they wrap, or "
                                  "demand to be wrapped, take the kernel's path\n");
    if (!vtep.filter_rule.empty())
        context.print(
            fmt::format("{}: rules for UDP port {} are in force here ({}); most packets do "
                        "not meet them: see \"Firewalls\" in "
                        "docs/kernel-differences.md\n",
                        vtep.name, vtep.dstport, vtep.filter_rule));
}

void print_replaced(const Context &context, unsigned count)
{
    if (context.json)
        return print_json(context, {{"replaced", count}});
    context.print(fmt::format("{} attachments replaced\n", count));
}

std::string document(const Json &json, bool pretty)
{
    // What the kernel took as a name may not be UTF-8; never throw over it.
    return json.dump(pretty ? 2 : -1, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace xvtep::cli
