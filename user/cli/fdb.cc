// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/fdb.h"

#include <fmt/format.h>

#include "user/cli/output.h"

namespace xvtep::cli {
namespace {

constexpr const char *entry_usage =
    "xvtep fdb {add|append|replace|del} MAC dev IFNAME dst IP [port PORT] [vni N] [via DEV] "
    "[router] [static|permanent|dynamic]";
constexpr const char *usage = "       xvtep fdb show [dev IFNAME]\n"
                              "       xvtep fdb get MAC dev IFNAME\n"
                              "       xvtep fdb flush dev IFNAME [dynamic]\n";

Result<Tail> entry_tail(const std::string &command, const Words &words, const Context &context)
{
    return parse_tail(command, words,
                      {"dev", "dst", "port", "vni", "via", "router!", "static!", "temp!",
                       "permanent!", "local!", "dynamic!", "self!"},
                      context, entry_usage, 1);
}

Result<std::pair<Mac, std::string>> place(const std::string &command, const Tail &tail)
{
    const Values values{command, tail.plain.empty() ? "" : tail.plain[0]};
    if (tail.plain.empty())
        return values.wrong("no MAC address given");
    TRY_ASSIGN(const auto mac, values.mac("MAC", tail.plain[0]));
    const auto device = tail.find("dev");
    if (!device)
        return values.wrong("no device given (dev IFNAME)");
    return std::pair(mac, *device);
}

Result<> fdb_write(FdbVerb verb, const std::string &command, const Context &context,
                   const Words &words)
{
    TRY_ASSIGN(const auto tail, entry_tail(command, words, context));
    if (tail.helped)
        return {};
    TRY_ASSIGN(const auto entry, parse_fdb_entry(command, tail));
    TRY_ASSIGN(const auto scope, context.enter());
    return write_fdb(verb, entry);
}

Result<> fdb_delete(const Context &context, const Words &words)
{
    TRY_ASSIGN(const auto tail, entry_tail("fdb del", words, context));
    if (tail.helped)
        return {};
    TRY_ASSIGN(const auto entry, parse_fdb_entry("fdb del", tail, false));
    TRY_ASSIGN(const auto scope, context.enter());
    return delete_fdb(entry.mac, entry.device,
                      tail.has("dst") ? std::optional(entry.dst) : std::nullopt);
}

// `vteps`: those whose devices were given entries with other tools are named at the end.
Result<> print(const Context &context, const std::vector<FdbEntry> &entries, bool with_device,
               const std::vector<VtepInfo> &vteps = {})
{
    Json list = to_json_list(entries, context.statistics);
    std::string text;
    for (const auto &entry : entries)
        text += to_text(entry, with_device, context.statistics);
    for (const auto &vtep : vteps)
        for (const auto &problem : vtep.problems)
            if (problem.kind == "foreign_entries") {
                list.push_back({{"ifname", vtep.name}, {"problem", to_json(problem)}});
                text += "# " + vtep.name + ": " + to_text(problem);
            }
    context.print(context.json ? document(list, context.pretty) : text);
    return {};
}

Result<> fdb_show(const Context &context, const Words &words)
{
    TRY_ASSIGN(const auto tail,
               parse_tail("fdb show", words, {"dev"}, context, "xvtep fdb show [dev IFNAME]"));
    if (tail.helped)
        return {};
    TRY_ASSIGN(const auto scope, context.enter());
    TRY_ASSIGN(const auto entries, show_fdb(tail.find("dev")));
    TRY_ASSIGN(const auto vteps, list_vteps(tail.find("dev"), true));
    return print(context, entries, !tail.has("dev"), vteps);
}

Result<> fdb_get(const Context &context, const Words &words)
{
    TRY_ASSIGN(const auto tail, parse_tail("fdb get", words, {"dev", "self!"}, context,
                                           "xvtep fdb get MAC dev IFNAME", 1));
    if (tail.helped)
        return {};
    TRY_ASSIGN(const auto where, place("fdb get", tail));
    TRY_ASSIGN(const auto scope, context.enter());
    TRY_ASSIGN(const auto entries, get_fdb(where.first, where.second));
    return print(context, entries, true);
}

Result<> fdb_flush(const Context &context, const Words &words)
{
    TRY_ASSIGN(const auto tail, parse_tail("fdb flush", words, {"dev", "dynamic!", "self!"},
                                           context, "xvtep fdb flush dev IFNAME [dynamic]"));
    if (tail.helped)
        return {};
    const auto device = tail.find("dev");
    if (!device)
        return usage_failure("fdb flush", "", "no device given (dev IFNAME)");
    TRY_ASSIGN(const auto scope, context.enter());
    return flush_fdb(*device, tail.has("dynamic"));
}

} // namespace

Result<FdbEntry> parse_fdb_entry(const std::string &command, const Tail &tail, bool needs_dst)
{
    TRY_ASSIGN(const auto where, place(command, tail));
    const Values values{command, tail.plain[0]};
    FdbEntry entry;
    entry.mac = where.first;
    entry.device = where.second;
    const auto dst = tail.find("dst");
    if (dst)
        TRY_SET(entry.dst, values.ip("dst", *dst));
    else if (needs_dst)
        return values.wrong("no destination given (dst IP)");
    if (const auto port = tail.find("port"))
        TRY_SET(entry.port, values.number<std::uint16_t>("port", *port, 1, 65535));
    if (const auto vni = tail.find("vni"))
        TRY_SET(entry.vni, values.number("VNI", *vni, 1, vni_max));
    entry.via = tail.find("via").value_or("");
    entry.router = tail.has("router");
    const bool fixed = tail.has("static") || tail.has("temp");
    const bool permanent = tail.has("permanent") || tail.has("local");
    if (fixed + permanent + tail.has("dynamic") > 1)
        return values.wrong("static, permanent and dynamic exclude each other");
    entry.state = fixed                 ? FdbState::static_
                  : tail.has("dynamic") ? FdbState::dynamic
                                        : FdbState::permanent;
    return entry;
}

Result<> run_fdb(const Context &context, const Words &words)
{
    const std::string verb = words.empty() ? "show" : words.front();
    const Words rest(words.begin() + (words.empty() ? 0 : 1), words.end());
    if (verb == "add")
        return fdb_write(FdbVerb::add, "fdb add", context, rest);
    if (verb == "append")
        return fdb_write(FdbVerb::append, "fdb append", context, rest);
    if (verb == "replace")
        return fdb_write(FdbVerb::replace, "fdb replace", context, rest);
    if (verb == "del" || verb == "delete")
        return fdb_delete(context, rest);
    if (verb == "show" || verb == "list" || verb == "lst")
        return fdb_show(context, rest);
    if (verb == "get")
        return fdb_get(context, rest);
    if (verb == "flush")
        return fdb_flush(context, rest);
    if (verb == "-h" || verb == "--help" || verb == "help") {
        context.print(std::string("Usage: ") + entry_usage + "\n" + usage);
        return {};
    }
    return usage_failure("fdb", verb,
                         "unknown command (add, append, replace, del, show, get or flush)");
}

} // namespace xvtep::cli
