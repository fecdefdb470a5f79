// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/output.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "xvtep/option.h"

namespace xvtep::cli {
namespace {

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

Json text_or_null(const std::string &text)
{
    return text.empty() ? Json(nullptr) : Json(text);
}

const char *state_name(FdbState state)
{
    return state == FdbState::permanent ? "permanent" : state == FdbState::static_ ? "static" : "";
}

const char *neigh_state_name(NeighState state)
{
    return state == NeighState::permanent ? "PERMANENT" : "REACHABLE";
}

Json counts(const std::vector<VerdictCount> &verdicts)
{
    Json object = Json::object();
    for (const auto &verdict : verdicts)
        object[verdict.name] = verdict.packets;
    return object;
}

void append_counts(std::string &text, const char *title, const std::vector<VerdictCount> &verdicts)
{
    for (const auto &verdict : verdicts)
        if (verdict.packets != 0)
            text += fmt::format("    {:<8} {:<19} {}\n", title, verdict.name, verdict.packets);
}

void append_problems(std::string &text, const std::vector<Problem> &problems)
{
    for (const auto &problem : problems)
        text += "    problem: " + to_text(problem);
}

Json list_of(const std::vector<Problem> &problems)
{
    Json list = Json::array();
    for (const auto &problem : problems)
        list.push_back(to_json(problem));
    return list;
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
    json["ifindex"] = vtep.ifindex;
    json["auto"] = vtep.auto_mode;
    json["up"] = vtep.up;
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
    json["lladdr"] = entry.mac.text();
    if (statistics)
        json["updated"] = entry.updated;
    json["state"] = Json::array({neigh_state_name(entry.state)});
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
    json["drops"] = counts(stats.drops);
    json["passed"] = counts(stats.passed);
    return json;
}

std::string to_text(const Problem &problem)
{
    return problem.text + "; " + problem.remedy + "\n";
}

std::string to_text(const VtepInfo &vtep, Detail detail)
{
    std::vector<std::string> devices = vtep.devices;
    std::ranges::replace(devices, "", "(gone)");
    std::string text =
        fmt::format("{}: vni {} dev {} mode {}{} mtu {} state {}\n", vtep.name, vtep.vni,
                    fmt::join(devices, ","), mode_name(vtep.mode), vtep.auto_mode ? " (auto)" : "",
                    vtep.mtu.value_or(0), vtep.up ? "UP" : "DOWN");
    text += "    link/ether " + vtep.mac.value_or(Mac{}).text();
    for (const AttachOption &option : attach_options())
        if (!option.headline && (detail == Detail::all || !option_is_default(vtep, option)))
            if (const auto words = option_text(vtep, option); !words.empty())
                text += " " + words;
    text += "\n";
    append_problems(text, vtep.problems);
    return text;
}

std::string to_text(const PortInfo &port)
{
    std::string text = fmt::format("{}: vni {} vtep {}", port.name, port.vni, port.vtep);
    if (port.vlan)
        text += fmt::format(" vlan {}", *port.vlan);
    text += fmt::format(" mode {}", mode_name(port.mode));
    if (!port.bridge.empty())
        text += " master " + port.bridge;
    for (const auto &mac : port.addresses)
        text += " " + mac.text();
    text += "\n";
    append_problems(text, port.problems);
    return text;
}

std::string to_text(const FdbEntry &entry, bool with_device, bool statistics)
{
    std::string text = entry.mac.text();
    if (with_device)
        text += " dev " + entry.device;
    text += " dst " + entry.dst.text();
    if (entry.port != 0)
        text += fmt::format(" port {}", entry.port);
    if (entry.vni != 0)
        text += fmt::format(" vni {}", entry.vni);
    if (!entry.via.empty())
        text += " via " + entry.via;
    if (statistics)
        text += fmt::format(" used {}/{}", entry.used, entry.updated);
    text += entry.router ? " self router" : " self";
    if (entry.state != FdbState::dynamic)
        text += fmt::format(" {}", state_name(entry.state));
    return text + "\n";
}

std::string to_text(const NeighEntry &entry, bool with_device, bool statistics)
{
    std::string text = entry.ip.text();
    if (with_device)
        text += " dev " + entry.device;
    text += " lladdr " + entry.mac.text();
    if (statistics)
        text += fmt::format(" updated {}", entry.updated);
    return text + fmt::format(" {}\n", neigh_state_name(entry.state));
}

std::string to_text(const Stats &stats)
{
    std::string text = stats.ifname;
    if (stats.vni)
        text += fmt::format(" vni {}", *stats.vni);
    text += fmt::format(": rx {} packets {} bytes, tx {} packets {} bytes", stats.rx_packets,
                        stats.rx_bytes, stats.tx_packets, stats.tx_bytes);
    if (stats.events_lost != 0)
        text += fmt::format(", {} events lost", stats.events_lost);
    text += "\n";
    append_counts(text, "dropped", stats.drops);
    append_counts(text, "passed", stats.passed);
    return text;
}

std::string document(const Json &json, bool pretty)
{
    // What the kernel took as a name may not be UTF-8; never throw over it.
    return json.dump(pretty ? 2 : -1, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace xvtep::cli
