// SPDX-License-Identifier: GPL-2.0-only
#include "user/adopt/adopt.h"

#include "user/cli/commands.h"

namespace xvtep::cli {

Result<> run_adopt(const Context &context, const Words &words)
{
    TRY_ASSIGN(const auto arguments, parse(page("adopt"), words));
    adopt::Request request;
    request.devices = arguments.plain;
    request.all = arguments.has("all");
    request.underlays = arguments.all("underlay");
    request.udpcsum = arguments.has("udpcsum");
    if (request.devices.empty() != request.all)
        return usage_failure("adopt", "",
                             request.all ? "devices and --all exclude each other"
                                         : "no device given (xvtep adopt IFNAME, or --all)");
    TRY_ASSIGN(const auto scope, context.enter());
    return adopt::serve(request);
}

} // namespace xvtep::cli
