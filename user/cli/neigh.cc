// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/neigh.h"

#include <fmt/format.h>

#include "user/cli/output.h"

namespace xvtep::cli {
namespace {

constexpr const char *entry_usage = "xvtep neigh {add|change|replace|del} IP [lladdr MAC] "
                                    "dev IFNAME [nud permanent|reachable]";
constexpr const char *usage = "       xvtep neigh show [dev IFNAME]\n"
                              "       xvtep neigh get IP dev IFNAME\n"
                              "       xvtep neigh flush dev IFNAME\n";

Result<Tail> entry_tail(const std::string &command, const Words &words, const Context &context)
{
    // `to IP` and a bare state are iproute2's too.
    return parse_tail(command, words, {"to", "lladdr", "dev", "nud", "permanent!", "reachable!"},
                      context, entry_usage, 1);
}

Result<> neigh_write(NeighVerb verb, const std::string &command, const Context &context,
                     const Words &words)
{
    TRY_ASSIGN(const auto tail, entry_tail(command, words, context));
    if (tail.helped)
        return {};
    TRY_ASSIGN(const auto entry, parse_neigh_entry(command, tail));
    TRY_ASSIGN(const auto scope, context.enter());
    return write_neigh(verb, entry);
}

Result<> neigh_delete(const Context &context, const Words &words)
{
    TRY_ASSIGN(const auto tail, entry_tail("neigh del", words, context));
    if (tail.helped)
        return {};
    TRY_ASSIGN(const auto entry, parse_neigh_entry("neigh del", tail, false));
    TRY_ASSIGN(const auto scope, context.enter());
    return delete_neigh(entry.ip, entry.device);
}

Result<> print(const Context &context, const std::vector<NeighEntry> &entries, bool with_device)
{
    if (context.json) {
        Json list = Json::array();
        for (const auto &entry : entries)
            list.push_back(to_json(entry, with_device, context.statistics));
        context.print(document(list, context.pretty));
        return {};
    }
    std::string text;
    for (const auto &entry : entries)
        text += to_text(entry, with_device, context.statistics);
    context.print(text);
    return {};
}

Result<> neigh_show(const Context &context, const Words &words)
{
    TRY_ASSIGN(const auto tail,
               parse_tail("neigh show", words, {"dev"}, context, "xvtep neigh show [dev IFNAME]"));
    if (tail.helped)
        return {};
    TRY_ASSIGN(const auto scope, context.enter());
    TRY_ASSIGN(const auto entries, show_neigh(tail.find("dev")));
    return print(context, entries, !tail.has("dev"));
}

Result<> neigh_get(const Context &context, const Words &words)
{
    TRY_ASSIGN(const auto tail, entry_tail("neigh get", words, context));
    if (tail.helped)
        return {};
    TRY_ASSIGN(const auto entry, parse_neigh_entry("neigh get", tail, false));
    TRY_ASSIGN(const auto scope, context.enter());
    TRY_ASSIGN(const auto found, get_neigh(entry.ip, entry.device));
    return print(context, {found}, true);
}

Result<> neigh_flush(const Context &context, const Words &words)
{
    TRY_ASSIGN(const auto tail,
               parse_tail("neigh flush", words, {"dev"}, context, "xvtep neigh flush dev IFNAME"));
    if (tail.helped)
        return {};
    const auto device = tail.find("dev");
    if (!device)
        return usage_failure("neigh flush", "", "no device given (dev IFNAME)");
    TRY_ASSIGN(const auto scope, context.enter());
    return flush_neigh(*device);
}

} // namespace

Result<NeighEntry> parse_neigh_entry(const std::string &command, const Tail &tail, bool needs_mac)
{
    const std::string address = !tail.plain.empty() ? tail.plain[0] : tail.find("to").value_or("");
    const Values values{command, address};
    if (address.empty())
        return values.wrong("no IP address given");
    NeighEntry entry;
    TRY_SET(entry.ip, values.ip("address", address));
    const auto device = tail.find("dev");
    if (!device)
        return values.wrong("no device given (dev IFNAME)");
    entry.device = *device;
    if (const auto mac = tail.find("lladdr"))
        TRY_SET(entry.mac, values.mac("lladdr", *mac));
    else if (needs_mac)
        return values.wrong("no MAC address given (lladdr MAC)");
    std::string state = tail.find("nud").value_or("permanent");
    if (tail.has("permanent") + tail.has("reachable") + tail.has("nud") > 1)
        return values.wrong("more than one state given");
    if (tail.has("reachable"))
        state = "reachable";
    if (state != "permanent" && state != "reachable")
        return values.wrong(fmt::format("nud \"{}\" is not permanent or reachable", state));
    entry.state = state == "permanent" ? NeighState::permanent : NeighState::reachable;
    return entry;
}

Result<> run_neigh(const Context &context, const Words &words)
{
    const std::string verb = words.empty() ? "show" : words.front();
    const Words rest(words.begin() + (words.empty() ? 0 : 1), words.end());
    if (verb == "add")
        return neigh_write(NeighVerb::add, "neigh add", context, rest);
    if (verb == "change" || verb == "chg")
        return neigh_write(NeighVerb::change, "neigh change", context, rest);
    if (verb == "replace")
        return neigh_write(NeighVerb::replace, "neigh replace", context, rest);
    if (verb == "del" || verb == "delete")
        return neigh_delete(context, rest);
    if (verb == "show" || verb == "list" || verb == "lst")
        return neigh_show(context, rest);
    if (verb == "get")
        return neigh_get(context, rest);
    if (verb == "flush")
        return neigh_flush(context, rest);
    if (verb == "-h" || verb == "--help" || verb == "help") {
        context.print(std::string("Usage: ") + entry_usage + "\n" + usage);
        return {};
    }
    return usage_failure("neigh", verb,
                         "unknown command (add, change, replace, del, show, get or flush)");
}

} // namespace xvtep::cli
