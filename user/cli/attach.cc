// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/attach.h"

#include <fmt/format.h>

#include "user/cli/commands.h"
#include "user/cli/output.h"
#include "xvtep/option.h"

namespace xvtep::cli {
namespace {

// A keyword that was mistyped counts as a device, which does not exist then.
Error with_hint(Error error, const Arguments &arguments)
{
    std::vector<std::string> words;
    for (const Word &word : page("attach").words)
        words.push_back(word.word);
    const std::string meant = nearest(error.object, words);
    if (error.code == ENODEV && error.object != arguments.object() && !meant.empty())
        error.cause += fmt::format(" (did you mean {}?)", meant);
    return error;
}

} // namespace

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
    const auto made = attach(request);
    if (!made)
        return std::unexpected(with_hint(made.error(), arguments));
    print_attached(context, *made);
    return {};
}

} // namespace xvtep::cli
