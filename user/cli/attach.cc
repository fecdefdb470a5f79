// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/attach.h"

#include <algorithm>

#include <fmt/format.h>

#include "user/cli/commands.h"
#include "user/cli/output.h"
#include "user/cli/vni.h"
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

// `ip link add NAME type vxlan ... dev DEV`: the first plain word is the name, if all others stand
// behind "dev".
bool begins_with_name(const Arguments &arguments)
{
    const Words devices = arguments.all("dev");
    return arguments.has("type") && !devices.empty() &&
           arguments.plain.size() == devices.size() + 1 &&
           std::equal(devices.begin(), devices.end(), arguments.plain.begin() + 1);
}

// Reads one word into the request. Returns the option, or nullptr for a word that has no effect, or
// a device.
Result<const AttachOption *> read_given(const Arguments &arguments, const Arguments::Given &given,
                                        AttachRequest &request)
{
    const AttachOption *const option = find_option(given.word);
    if (option == nullptr || option->field == OptionField(&AttachRequest::devices))
        return nullptr;
    if (given.negated)
        (void)switch_option(request, *option, false);
    else if (const auto done = read_option(request, *option, given.values); !done)
        return usage_failure(arguments.command, arguments.object(),
                             given.abbreviated.empty()
                                 ? done.error()
                                 : fmt::format("{} ({})", done.error(), given.abbreviated));
    return option;
}

// `type vxlan`, as `ip link` has it.
Result<> check_type(const Arguments &arguments)
{
    if (const auto type = arguments.find("type"); type && *type != "vxlan")
        return usage_failure(arguments.command, arguments.object(),
                             fmt::format("type {} is not vxlan", *type));
    return {};
}

} // namespace

Result<Changes> parse_changes(const Arguments &arguments)
{
    Changes changes;
    TRY(check_type(arguments));
    for (const auto &given : arguments.given) {
        TRY_ASSIGN(const auto *const option, read_given(arguments, given, changes.to));
        if (option != nullptr && !changes.has(option->field))
            changes.options.push_back(option);
    }
    return changes;
}

Result<AttachRequest> parse_attach(const Arguments &arguments)
{
    AttachRequest request;
    request.devices = arguments.plain;
    const auto wrong = [&](const std::string &cause) {
        return usage_failure("attach", arguments.object(), cause);
    };
    TRY(check_type(arguments));
    if (begins_with_name(arguments)) {
        request.name = arguments.plain.front();
        request.devices = arguments.all("dev");
        if (arguments.has("name"))
            return wrong("name is given twice");
    }
    const bool many = asks_for_many_vnis(arguments);
    if (many)
        TRY_SET(request.vnis, parse_vnis(arguments));
    else if (arguments.all("vni").size() > 1)
        return wrong("vni is given twice");
    for (const auto &given : arguments.given)
        if (!many || given.word != "vni")
            TRY(read_given(arguments, given, request));
    if (request.devices.empty() && !request.remote && !request.local)
        return wrong("no device given (xvtep attach DEV vni N)");
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
