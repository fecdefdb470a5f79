// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/neigh.h"

#include <algorithm>
#include <cctype>
#include <climits>

#include <fmt/format.h>

#include "user/cli/commands.h"
#include "user/cli/output.h"
#include "user/cli/words.h"
#include "xvtep/vtep.h"

namespace xvtep::cli {
namespace {

// Returns 0 if it is not given.
Result<std::uint32_t> read_vni(const Arguments &arguments)
{
    const auto text = arguments.find("vni");
    return text ? Values(arguments).number("VNI", *text, 1, vni_max) : 0;
}

NeighVerb verb_of(const Arguments &arguments)
{
    return arguments.command == "neigh change"    ? NeighVerb::change
           : arguments.command == "neigh replace" ? NeighVerb::replace
                                                  : NeighVerb::add;
}

// `neigh show`'s PREFIX, of which `IP` is the shortest form.
Result<std::optional<Prefix>> read_prefix(const Arguments &arguments)
{
    if (arguments.plain.empty())
        return std::nullopt;
    const std::string &text = arguments.plain.front();
    const auto prefix = Prefix::parse(text);
    if (!prefix)
        return Values(arguments).wrong(fmt::format("\"{}\" is not an IP address or prefix", text));
    return prefix;
}

bool is_in(const Ip &ip, const Prefix &prefix)
{
    if (ip.is_v4() != prefix.address.is_v4())
        return false;
    for (unsigned bit = 0; bit < prefix.length; bit++) {
        const auto mask = static_cast<std::uint8_t>(0x80U >> bit % CHAR_BIT);
        const unsigned at = bit / CHAR_BIT;
        if ((ip.bytes()[at] & mask) != (prefix.address.bytes()[at] & mask))
            return false;
    }
    return true;
}

// The states that ip(8) knows; xvtep's entries are in two of them.
Result<std::string> read_nud(const Arguments &arguments)
{
    constexpr const char *states[] = {"all",   "permanent", "reachable",  "noarp",  "stale",
                                      "delay", "probe",     "incomplete", "failed", "none"};
    std::string state = arguments.find("nud").value_or("all");
    std::ranges::transform(state, state.begin(), [](char c) {
        return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    });
    if (std::ranges::count(states, state) == 0)
        return Values(arguments).wrong(fmt::format("nud \"{}\" is no state", state));
    return state;
}

} // namespace

Result<NeighEntry> parse_neigh_entry(const Arguments &arguments)
{
    const std::string address = arguments.plain.empty() ? "" : arguments.plain.front();
    const Values values(arguments.command, address);
    if (address.empty())
        return values.wrong("no IP address given");
    NeighEntry entry;
    TRY_SET(entry.ip, values.ip("address", address));
    const auto device = arguments.find("dev");
    if (!device)
        return values.wrong("no device given (dev IFNAME)");
    entry.device = *device;
    TRY_SET(entry.vni, read_vni(arguments));
    const bool needs_mac = arguments.command != "neigh del" && arguments.command != "neigh get";
    if (const auto mac = arguments.find("lladdr"))
        TRY_SET(entry.mac, values.mac("lladdr", *mac));
    else if (needs_mac)
        return values.wrong("no MAC address given (lladdr MAC)");
    std::string state = arguments.find("nud").value_or("permanent");
    if (arguments.has("permanent") + arguments.has("reachable") + arguments.has("nud") > 1)
        return values.wrong("more than one state given");
    if (arguments.has("reachable"))
        state = "reachable";
    if (state != "permanent" && state != "reachable")
        return values.wrong(fmt::format("nud \"{}\" is not permanent or reachable", state));
    entry.state = state == "permanent" ? NeighState::permanent : NeighState::reachable;
    return entry;
}

Result<> run_neigh_write(const Context &context, const Arguments &arguments)
{
    TRY_ASSIGN(const auto entry, parse_neigh_entry(arguments));
    TRY_ASSIGN(const auto scope, context.enter());
    return write_neigh(verb_of(arguments), entry);
}

Result<> run_neigh_del(const Context &context, const Arguments &arguments)
{
    TRY_ASSIGN(const auto entry, parse_neigh_entry(arguments));
    TRY_ASSIGN(const auto scope, context.enter());
    return delete_neigh(entry.ip, entry.device, entry.vni);
}

Result<> run_neigh_show(const Context &context, const Arguments &arguments)
{
    TRY_ASSIGN(const auto prefix, read_prefix(arguments));
    TRY_ASSIGN(const auto nud, read_nud(arguments));
    TRY_ASSIGN(const auto vni, read_vni(arguments));
    const auto device = arguments.find("dev");
    TRY_ASSIGN(const auto scope, context.enter());
    TRY_ASSIGN(auto entries, show_neigh(device));
    std::erase_if(entries, [&](const NeighEntry &entry) {
        std::string state = state_name(entry.state);
        std::ranges::transform(state, state.begin(),
                               [](char c) { return static_cast<char>(c | 0x20); });
        return (prefix && !is_in(entry.ip, *prefix)) || (vni != 0 && entry.vni != vni) ||
               (nud != "all" && nud != state) ||
               (context.family != 0 && entry.ip.family() != context.family);
    });
    print(context, entries, device ? Device::left_out : Device::printed);
    return {};
}

Result<> run_neigh_get(const Context &context, const Arguments &arguments)
{
    TRY_ASSIGN(const auto entry, parse_neigh_entry(arguments));
    TRY_ASSIGN(const auto scope, context.enter());
    TRY_ASSIGN(const auto found, get_neigh(entry.ip, entry.device, entry.vni));
    print(context, std::vector{found}, Device::printed);
    return {};
}

Result<> run_neigh_flush(const Context &context, const Arguments &arguments)
{
    TRY_ASSIGN(const auto vni, read_vni(arguments));
    TRY_ASSIGN(const auto scope, context.enter());
    return flush_neigh(arguments.device().value_or(""), context.family, vni);
}

} // namespace xvtep::cli
