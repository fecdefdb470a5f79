// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/fdb.h"

#include <net/if.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>

#include "user/adopt/query.h"
#include "user/cli/commands.h"
#include "user/cli/output.h"
#include "user/cli/words.h"
#include "xvtep/batch.h"

namespace xvtep::cli {
namespace {

// The words for a state, of which one may be given.
Result<std::optional<FdbState>> read_state(const Arguments &arguments)
{
    constexpr std::pair<const char *, FdbState> states[] = {{"static", FdbState::static_},
                                                            {"permanent", FdbState::permanent},
                                                            {"dynamic", FdbState::dynamic}};
    std::optional<FdbState> found;
    const auto named = arguments.find("state");
    if (named && std::ranges::count(states, *named, &std::pair<const char *, FdbState>::first) == 0)
        return Values(arguments).wrong(
            fmt::format("state \"{}\" is not permanent, static or dynamic", *named));
    for (const auto &[word, state] : states) {
        if (!arguments.has(word) && named != word)
            continue;
        if (found)
            return Values(arguments).wrong("static, permanent and dynamic exclude each other");
        found = state;
    }
    return found;
}

// Returns 0 if it is not given.
Result<std::uint32_t> read_src_vni(const Arguments &arguments)
{
    const auto text = arguments.find("src_vni");
    return text ? Values(arguments).number("src_vni", *text, 1, vni_max) : 0;
}

Result<std::pair<Mac, std::string>> read_place(const Arguments &arguments)
{
    const Values values(arguments);
    TRY_ASSIGN(const auto mac, values.mac("MAC", arguments.plain.front()));
    const auto device = arguments.find("dev");
    if (!device)
        return values.wrong("no device given (dev IFNAME)");
    return std::pair(mac, *device);
}

FdbVerb verb_of(const Arguments &arguments)
{
    return arguments.command == "fdb append"    ? FdbVerb::append
           : arguments.command == "fdb replace" ? FdbVerb::replace
                                                : FdbVerb::add;
}

// Finds VTEPs by their devices.
class VtepsByDevice {
  public:
    explicit VtepsByDevice(const std::vector<VtepInfo> &vteps)
    {
        for (const VtepInfo &vtep : vteps)
            vteps_.emplace(vtep.name, &vtep);
    }

    [[nodiscard]] const VtepInfo &of(const FdbEntry &entry) const
    {
        static const VtepInfo none;
        const auto found = vteps_.find(entry.device);
        return found == vteps_.end() ? none : *found->second;
    }

  private:
    std::unordered_map<std::string, const VtepInfo *> vteps_;
};

} // namespace

bool FdbFilter::takes(const FdbEntry &entry, const VtepInfo &vtep) const
{
    const std::uint32_t own = entry.src_vni != 0 ? entry.src_vni : vtep.vni;
    if ((vni && (entry.vni != 0 ? entry.vni : own) != *vni) || (src_vni && own != *src_vni))
        return false;
    if (bridge && (bridge->empty() ? vtep.bridge.empty() : vtep.bridge != *bridge))
        return false;
    return (!dst || entry.dst == *dst) && (!state || entry.state == *state);
}

Result<FdbFilter> parse_fdb_filter(const Arguments &arguments)
{
    const Values values(arguments);
    FdbFilter filter;
    if (const auto vni = arguments.find("vni"))
        TRY_SET(filter.vni, values.number("VNI", *vni, 1, vni_max));
    TRY_ASSIGN(const auto src_vni, read_src_vni(arguments));
    if (src_vni != 0)
        filter.src_vni = src_vni;
    if (const auto dst = arguments.find("dst"))
        TRY_SET(filter.dst, values.ip("dst", *dst));
    filter.bridge = arguments.find("br");
    TRY_SET(filter.state, read_state(arguments));
    return filter;
}

Result<FdbEntry> parse_fdb_entry(const Arguments &arguments)
{
    const Values values(arguments);
    TRY_ASSIGN(const auto place, read_place(arguments));
    FdbEntry entry;
    entry.mac = place.first;
    entry.device = place.second;
    TRY_SET(entry.src_vni, read_src_vni(arguments));
    if (const auto dst = arguments.find("dst"))
        TRY_SET(entry.dst, values.ip("dst", *dst));
    else if (arguments.command != "fdb del")
        return values.wrong("no destination given (dst IP)");
    if (const auto port = arguments.find("port"))
        TRY_SET(entry.port, values.number<std::uint16_t>("port", *port, 1, 65535));
    if (const auto vni = arguments.find("vni"))
        TRY_SET(entry.vni, values.number("VNI", *vni, 1, vni_max));
    entry.via = arguments.find("via").value_or("");
    entry.router = arguments.has("router");
    TRY_ASSIGN(const auto state, read_state(arguments));
    entry.state = state.value_or(FdbState::permanent);
    return entry;
}

Result<> run_fdb_write(const Context &context, const Arguments &arguments)
{
    TRY_ASSIGN(const auto entry, parse_fdb_entry(arguments));
    TRY_ASSIGN(const auto scope, context.enter());
    return write_fdb(verb_of(arguments), entry);
}

Result<> run_fdb_del(const Context &context, const Arguments &arguments)
{
    TRY_ASSIGN(const auto entry, parse_fdb_entry(arguments));
    TRY_ASSIGN(const auto scope, context.enter());
    FdbDestination destination{.via = arguments.find("via")};
    if (arguments.has("dst"))
        destination.dst = entry.dst;
    if (arguments.has("port"))
        destination.port = entry.port;
    if (arguments.has("vni"))
        destination.vni = entry.vni;
    return delete_fdb(entry.mac, entry.device, destination, entry.src_vni);
}

Result<> run_fdb_show(const Context &context, const Arguments &arguments)
{
    TRY_ASSIGN(const auto filter, parse_fdb_filter(arguments));
    const auto device = arguments.device();
    TRY_ASSIGN(const auto scope, context.enter());
    if (filter.bridge && ::if_nametoindex(filter.bridge->c_str()) == 0)
        return system_failure("fdb show", *filter.bridge, "no such device", ENODEV);
    TRY_ASSIGN(const bool adopted, device ? adopt::is_adopted(*device) : Result<bool>(false));
    TRY_ASSIGN(auto entries, adopted ? Result<std::vector<FdbEntry>>() : show_fdb(device));
    TRY_ASSIGN(auto vteps, list_vteps(device, Problems::looked_for));
    if (adopted || !device) {
        TRY_ASSIGN(auto more_entries, adopt::fdb(device));
        TRY_ASSIGN(auto more_vteps, adopt::list(device));
        std::ranges::move(more_entries, std::back_inserter(entries));
        std::ranges::move(more_vteps, std::back_inserter(vteps));
    }
    if (!filter.is_empty()) {
        const VtepsByDevice by_device(vteps);
        std::erase_if(entries, [&](const FdbEntry &entry) {
            return !filter.takes(entry, by_device.of(entry));
        });
        vteps.clear(); // the hints are about all entries
    }
    print(context, entries, device ? Device::left_out : Device::printed, vteps);
    return {};
}

Result<> run_fdb_get(const Context &context, const Arguments &arguments)
{
    TRY_ASSIGN(const auto place, read_place(arguments));
    TRY_ASSIGN(const auto src_vni, read_src_vni(arguments));
    TRY_ASSIGN(const auto scope, context.enter());
    TRY_ASSIGN(const auto entries, get_fdb(place.first, place.second, src_vni));
    print(context, entries, Device::printed);
    return {};
}

Result<> run_fdb_flush(const Context &context, const Arguments &arguments)
{
    TRY_ASSIGN(const auto filter, parse_fdb_filter(arguments));
    const std::string device = arguments.device().value_or("");
    TRY_ASSIGN(const auto scope, context.enter());
    const bool whole = !filter.vni && !filter.dst && !filter.bridge;
    if (whole && (!filter.state || filter.state == FdbState::dynamic))
        return flush_fdb(device, filter.state ? FlushedFdb::dynamic : FlushedFdb::all,
                         filter.src_vni.value_or(0));
    const Batch batch; // one lock for all
    TRY_ASSIGN(const auto entries, show_fdb(device));
    TRY_ASSIGN(const auto vteps, list_vteps(device));
    const VtepsByDevice by_device(vteps);
    for (const FdbEntry &entry : entries) {
        if (!filter.takes(entry, by_device.of(entry)))
            continue;
        FdbDestination destination{.dst = entry.dst, .port = entry.port, .vni = entry.vni};
        if (!entry.via.empty()) // it is also empty if the port to send from is gone
            destination.via = entry.via;
        auto done = delete_fdb(entry.mac, entry.device, destination, entry.src_vni);
        if (!done && done.error().code != ENOENT) // it has expired since
            return done;
    }
    return {};
}

} // namespace xvtep::cli
