// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/output.h"
#include "user/cli/vni.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "xvtep/option.h"

namespace xvtep::cli {
namespace {

constexpr const char *cyan = "36", *yellow = "33", *magenta = "35", *blue = "34", *green = "32",
                     *red = "31"; // as ANSI terminals have them

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

std::string joined_devices(const VtepInfo &vtep)
{
    std::vector<std::string> devices = vtep.devices;
    std::ranges::replace(devices, "", "(gone)");
    return fmt::format("{}", fmt::join(devices, ","));
}

// The VNI, or all VNIs and their VLANs.
std::string vni_text(const VtepInfo &vtep)
{
    if (vtep.vnis.empty())
        return vtep.vni == 0 ? "-" : std::to_string(vtep.vni); // "-": `vni del` has removed all
    return fmt::format("{} vlan {}", vnis_text(vtep.vnis), vlans_text(vtep.vnis));
}

std::string or_dash(const std::string &text)
{
    return text.empty() ? "-" : text;
}

std::uint64_t sum_of(const std::vector<VerdictCount> &counts)
{
    return std::accumulate(
        counts.begin(), counts.end(), std::uint64_t{0},
        [](std::uint64_t sum, const VerdictCount &one) { return sum + one.packets; });
}

std::string heard_text(const Remote &remote)
{
    return remote.heard ? fmt::format("{}s", *remote.heard) : "never";
}

// Packets and bytes of one direction, in the columns of `ip -s link`.
void append_traffic(std::string &text, const char *direction, std::uint64_t bytes,
                    std::uint64_t packets)
{
    const std::size_t heading = std::string_view("    RX: ").size();
    const auto bytes_end = std::max<std::size_t>(14, 4 + std::to_string(bytes).size());
    const auto packets_column = std::max<std::size_t>(7, std::to_string(packets).size());
    text += fmt::format("    {}: {:>{}} {:>{}}\n", direction, "bytes", bytes_end - heading,
                        "packets", packets_column);
    text += fmt::format("{:>{}} {:>{}}\n", bytes, bytes_end, packets, packets_column);
}

} // namespace

const char *state_name(FdbState state)
{
    return state == FdbState::permanent ? "permanent" : state == FdbState::static_ ? "static" : "";
}

const char *state_name(NeighState state)
{
    return state == NeighState::permanent ? "PERMANENT" : "REACHABLE";
}

std::string to_text(const Problem &problem)
{
    return problem.text + "; " + problem.remedy + "\n";
}

// Whether the option is the local address, which the VTEP chooses by itself.
bool follows_route(const VtepInfo &vtep, const AttachOption &option)
{
    return vtep.local_auto && option.field == OptionField(&AttachRequest::local);
}

std::string to_text(const VtepInfo &vtep, Detail detail)
{
    const bool is_gone =
        vtep.mtu.value_or(0) == 0; // else the device is here or was found elsewhere
    std::string text =
        fmt::format("{}: vni {} dev {} mode {}{} {}\n", vtep.name, vni_text(vtep),
                    or_dash(joined_devices(vtep)), mode_name(vtep.mode),
                    vtep.adopted     ? " (adopted)"
                    : vtep.auto_mode ? " (auto)"
                                     : "",
                    is_gone ? "(device gone)"
                            : fmt::format("mtu {} state {}", *vtep.mtu, vtep.up ? "UP" : "DOWN"));
    text += "    link/ether " + vtep.mac.value_or(Mac{}).text();
    for (const AttachOption &option : attach_options())
        if (!option.headline && (detail == Detail::all || !option_is_default(vtep, option)))
            if (const auto words = option_text(vtep, option); !words.empty())
                text += " " + words + (follows_route(vtep, option) ? " (auto)" : "");
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
    if (entry.src_vni != 0)
        text += fmt::format(" src_vni {}", entry.src_vni);
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
    if (entry.vni != 0)
        text += fmt::format(" vni {}", entry.vni);
    text += " lladdr " + entry.mac.text();
    if (statistics)
        text += fmt::format(" updated {}", entry.updated);
    return text + fmt::format(" {}\n", state_name(entry.state));
}

std::string to_text(const Remote &remote, bool with_device, bool statistics)
{
    std::string text = remote.ip.text();
    if (with_device)
        text += " dev " + remote.device;
    text += fmt::format(" vni {} port {}", remote.vni, remote.port);
    if (!remote.via.empty())
        text += " via " + remote.via;
    text += fmt::format(" entries {}", remote.entries);
    for (const RemoteNexthop &hop : remote.nexthops) {
        text += " nexthop dev " + hop.device;
        if (hop.mac)
            text += " lladdr " + hop.mac->text();
        if (remote.nexthops.size() > 1)
            text += fmt::format(" weight {}", hop.weight);
    }
    if (remote.mtu != 0)
        text += fmt::format(" mtu {}", remote.mtu);
    text += " heard " + heard_text(remote) + (remote.known ? " known\n" : "\n");
    if (statistics) {
        append_traffic(text, "RX", remote.rx_bytes, remote.rx_packets);
        append_traffic(text, "TX", remote.tx_bytes, remote.tx_packets);
    }
    return text;
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
    if (stats.not_learned != 0)
        text += fmt::format(", {} not learned", stats.not_learned);
    text += "\n";
    append_counts(text, "dropped", stats.drops);
    append_counts(text, "passed", stats.passed);
    return text;
}

std::string to_text(const std::vector<DeviceVnis> &devices)
{
    std::string text =
        fmt::format("{:<16}  {:<15}  {:<15}  {}\n", "dev", "vni", "vlan", "group/remote");
    for (const DeviceVnis &device : devices) {
        std::string name = device.device;
        for (const VniRange &range : device.vnis) {
            text += fmt::format("{:<16}  {:<15}  {:<15}  {}", name, vnis_text({range}),
                                vlans_text({range}), range.remote ? range.remote->text() : "");
            text.erase(text.find_last_not_of(' ') + 1);
            text += "\n";
            name.clear();
        }
    }
    return text;
}

std::string brief_text(const VtepInfo &vtep)
{
    const auto far = vtep.remote ? vtep.remote : vtep.group;
    return fmt::format(
        "{:<16} {:<6} {:<8} {:<16} {:<16} {}{}\n", or_dash(vtep.name),
        vtep.mtu.value_or(0) == 0 ? "GONE"
        : vtep.up                 ? "UP"
                                  : "DOWN",
        vtep.vnis.empty() ? std::to_string(vtep.vni) : vnis_text(vtep.vnis), joined_devices(vtep),
        vtep.local ? vtep.local->text() : "-", far ? far->text() : "-",
        vtep.problems.empty() ? "" : fmt::format(" problems: {}", vtep.problems.size()));
}

std::string brief_text(const PortInfo &port)
{
    return fmt::format("{:<16} {:<8} {:<6} {:<16} {}\n", port.name, port.vni,
                       port.vlan ? std::to_string(*port.vlan) : "-", port.vtep,
                       mode_name(port.mode));
}

std::string brief_text(const Remote &remote)
{
    std::vector<std::string> devices;
    for (const RemoteNexthop &hop : remote.nexthops)
        devices.push_back(hop.device);
    return fmt::format("{:<24} {:<16} {:<8} {:<16} entries {:<8} heard {}{}\n", remote.ip.text(),
                       remote.device, remote.vni,
                       or_dash(fmt::format("{}", fmt::join(devices, ","))), remote.entries,
                       heard_text(remote), remote.known ? " known" : "");
}

std::string brief_text(const Stats &stats)
{
    return fmt::format("{:<16} {:<8} rx {:<12} tx {:<12} dropped {:<10} passed {}\n", stats.ifname,
                       stats.vni ? std::to_string(*stats.vni) : "-", stats.rx_packets,
                       stats.tx_packets, sum_of(stats.drops), sum_of(stats.passed));
}

std::string on_one_line(std::string text)
{
    const std::string inner = "\n    ";
    for (std::size_t at = 0; (at = text.find(inner, at)) != std::string::npos; at += inner.size())
        text[at] = '\\';
    return text;
}

std::string to_text(const MissEvent &event, bool with_device)
{
    std::string device = with_device ? " dev " + event.ifname : "";
    if (event.names_vni)
        device += fmt::format(" vni {}", event.vni);
    // As `ip` prints them, an IP stands before the device, a MAC behind it.
    return event.key == std::string_view("ip")
               ? fmt::format("miss {}{} STALE\n", event.address, device)
               : fmt::format("miss{} lladdr {} STALE\n", device, event.address);
}

std::string colored(const std::string &text)
{
    const auto color_of = [&](const std::string &word, const std::string &before) -> const char * {
        if (before == "dev" || before == "master" || before == "vtep" || word.ends_with(':'))
            return cyan;
        if (Mac::parse(word))
            return yellow;
        if (const auto ip = Ip::parse(word))
            return ip->is_v4() ? magenta : blue;
        if (word == "UP" || word == "REACHABLE")
            return green;
        return word == "DOWN" || word == "problem:" || word == "dropped" ? red : nullptr;
    };
    std::string result, before;
    for (std::size_t at = 0; at < text.size();) {
        if (text[at] == ' ' || text[at] == '\n') {
            result += text[at++];
            continue;
        }
        const std::size_t end = std::min(text.find_first_of(" \n", at), text.size());
        const std::string word = text.substr(at, end - at);
        const char *const color = color_of(word, before);
        result += color == nullptr ? word : fmt::format("\033[{}m{}\033[0m", color, word);
        before = word;
        at = end;
    }
    return result;
}

} // namespace xvtep::cli
