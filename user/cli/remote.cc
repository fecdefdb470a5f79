// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/remote.h"

#include <optional>

#include "user/cli/commands.h"
#include "user/cli/output.h"
#include "user/cli/words.h"
#include "xvtep/remote.h"
#include "xvtep/vtep.h"

namespace xvtep::cli {
namespace {

Result<std::optional<Ip>> read_address(const Arguments &arguments)
{
    if (arguments.plain.empty())
        return std::nullopt;
    TRY_ASSIGN(const auto ip, Values(arguments).ip("address", arguments.plain.front()));
    return ip;
}

} // namespace

Result<RemotePlace> parse_remote(const Arguments &arguments)
{
    const Values values(arguments);
    RemotePlace place;
    TRY_SET(place.ip, values.ip("address", arguments.plain.front())); // the page needs the word
    const auto device = arguments.find("dev");
    if (!device)
        return values.wrong("no device given (dev IFNAME)");
    place.device = *device;
    if (const auto vni = arguments.find("vni"))
        TRY_SET(place.vni, values.number("VNI", *vni, 1, vni_max));
    return place;
}

Result<> run_remote_add(const Context &context, const Arguments &arguments)
{
    TRY_ASSIGN(const auto place, parse_remote(arguments));
    TRY_ASSIGN(const auto scope, context.enter());
    return add_remote(place.ip, place.device, place.vni);
}

Result<> run_remote_del(const Context &context, const Arguments &arguments)
{
    TRY_ASSIGN(const auto place, parse_remote(arguments));
    TRY_ASSIGN(const auto scope, context.enter());
    return delete_remote(place.ip, place.device, place.vni);
}

Result<> run_remote_show(const Context &context, const Arguments &arguments)
{
    TRY_ASSIGN(const auto ip, read_address(arguments));
    const auto device = arguments.find("dev");
    TRY_ASSIGN(const auto scope, context.enter());
    TRY_ASSIGN(auto remotes, show_remotes(device, ip));
    std::erase_if(remotes, [&](const Remote &remote) {
        return context.family != 0 && remote.ip.family() != context.family;
    });
    print(context, remotes, device ? Device::left_out : Device::printed);
    return {};
}

} // namespace xvtep::cli
