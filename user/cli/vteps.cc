// SPDX-License-Identifier: GPL-2.0-only
// The commands about VTEPs that are there: detach, show, set, reload, stats.
#include <algorithm>
#include <iterator>

#include "user/adopt/query.h"
#include "user/cli/attach.h"
#include "user/cli/commands.h"
#include "user/cli/output.h"
#include "user/cli/vni.h"
#include "user/cli/words.h"
#include "xvtep/stats.h"
#include "xvtep/vtep.h"

namespace xvtep::cli {
namespace {

Result<std::optional<std::uint32_t>> read_vni(const Arguments &arguments)
{
    const auto text = arguments.find("vni");
    if (!text)
        return std::nullopt;
    TRY_ASSIGN(const auto vni, Values(arguments).number("VNI", *text, 1, vni_max));
    return vni;
}

// Of xvtep's own VTEPs and ports, and of adopted devices. A port may be of both.
Result<std::vector<Stats>> stats_of(const std::optional<std::string> &device)
{
    if (!device) {
        TRY_ASSIGN(auto all, show_stats(device));
        TRY_ASSIGN(auto adopted, adopt::stats(device));
        std::ranges::move(adopted, std::back_inserter(all));
        return all;
    }
    TRY_ASSIGN(const bool adopted, adopt::is_adopted(*device));
    return adopted ? adopt::stats(device) : show_stats(device);
}

} // namespace

Result<> run_detach(const Context &context, const Arguments &arguments)
{
    const auto device = arguments.device();
    const bool force = arguments.has("force");
    if (force && (device || arguments.has("vni")))
        return Values(arguments).wrong("--force is about the whole namespace");
    if (!force && !device)
        return Values(arguments).wrong("no device given (xvtep detach DEV)");
    TRY_ASSIGN(const auto vni, read_vni(arguments));
    TRY_ASSIGN(const auto scope, context.enter());
    if (force)
        return detach_by_force();
    TRY(detach(*device, vni));
    return {};
}

Result<> run_show(const Context &context, const Arguments &arguments)
{
    TRY_ASSIGN(const auto vni, read_vni(arguments));
    TRY_ASSIGN(const auto scope, context.enter());
    TRY_ASSIGN(auto all, list_vteps(arguments.device(), Problems::looked_for));
    TRY_ASSIGN(auto adopted, adopt::list(arguments.device()));
    std::ranges::move(adopted, std::back_inserter(all));
    TRY_ASSIGN(const auto refused, adopt::list_refused(arguments.device()));
    if (vni)
        std::erase_if(all, [&](const VtepInfo &vtep) {
            return vtep.vni != *vni && !has_vni(vtep.vnis, *vni);
        });
    print(context, all, vni ? std::vector<adopt::RefusedDevice>() : refused);
    return {};
}

Result<> run_set(const Context &context, const Arguments &arguments)
{
    TRY_ASSIGN(const auto changes, parse_changes(arguments));
    TRY_ASSIGN(const auto scope, context.enter());
    TRY(change_vtep(arguments.device().value_or(""), changes));
    return {};
}

Result<> run_reload(const Context &context, const Arguments &arguments)
{
    TRY_ASSIGN(const auto scope, context.enter());
    TRY_ASSIGN(const auto count, reload(arguments.device()));
    print_replaced(context, count);
    return {};
}

Result<> run_stats(const Context &context, const Arguments &arguments)
{
    TRY_ASSIGN(const auto vni, read_vni(arguments));
    TRY_ASSIGN(const auto scope, context.enter());
    TRY_ASSIGN(auto all, stats_of(arguments.device()));
    if (vni)
        std::erase_if(all, [&](const Stats &stats) { return stats.vni != *vni; });
    print(context, all);
    return {};
}

} // namespace xvtep::cli
