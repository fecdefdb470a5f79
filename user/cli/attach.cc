// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/attach.h"

#include <fmt/format.h>

#include "user/cli/commands.h"
#include "user/cli/output.h"
#include "xvtep/option.h"

namespace xvtep::cli {

Result<AttachRequest> parse_attach(const Arguments &arguments)
{
    AttachRequest request;
    request.devices = arguments.plain;
    const auto wrong = [&](const std::string &cause) {
        return usage_failure("attach", arguments.object(), cause);
    };
    for (const auto &given : arguments.given) {
        const AttachOption &option = *find_option(given.word);
        if (given.negated)
            (void)switch_option(request, option, false);
        else if (const auto done = read_option(request, option, given.values); !done)
            return wrong(done.error());
    }
    if (!arguments.has("vni"))
        return wrong("no VNI given (vni N)");
    TRY(validate(request));
    return request;
}

Result<> run_attach(const Context &context, const Arguments &arguments)
{
    TRY_ASSIGN(const auto request, parse_attach(arguments));
    TRY_ASSIGN(const auto scope, context.enter());
    TRY_ASSIGN(const auto made, attach(request));
    print_attached(context, made);
    return {};
}

} // namespace xvtep::cli
