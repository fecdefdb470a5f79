// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/lab.h"

#include <fmt/format.h>

#include "user/cli/commands.h"
#include "user/cli/lab_output.h"

namespace xvtep::cli {
namespace {

Result<> print_labs(const Context &context)
{
    TRY_ASSIGN(const auto text, lab_show(context.json));
    context.print(context.json ? document(Json::parse(text), context.pretty) : text);
    return {};
}

Result<> lab_up_command(const Context &context, const Words &words)
{
    TRY_ASSIGN(const auto arguments, parse(page("lab up"), words));
    const LabOptions options{.name_or_file = arguments.plain.front(),
                             .kernel_peer = arguments.has("kernel-peer"),
                             .kernel = arguments.has("kernel")};
    TRY_ASSIGN(const auto scope, context.enter());
    TRY_ASSIGN(const auto picture, lab_up(options));
    if (context.json)
        return print_labs(context);
    context.print(picture);
    return {};
}

Result<> lab_test_command(const Context &context)
{
    TRY_ASSIGN(const auto verdict, lab_test());
    context.print(context.json ? document(to_json(verdict), context.pretty) : to_text(verdict));
    std::size_t failed = 0;
    for (const auto &check : verdict.checks)
        failed += check.passed ? 0U : 1U;
    if (!verdict.passed)
        return system_failure("lab test", "",
                              fmt::format("{} of {} checks failed", failed, verdict.checks.size()));
    if (!context.json)
        context.print(fmt::format("all {} checks passed\n", verdict.checks.size()));
    return {};
}

} // namespace

std::string lab_notes()
{
    std::string text = "\nLabs:\n";
    for (const auto &[name, what] : lab_names())
        text += fmt::format("  {:<14} {}\n", name, what);
    return text;
}

// "up", "show", "test" or "down" and its words.
Result<> run_lab(const Context &context, const Words &words)
{
    const std::string &verb = words.front();
    const Words rest(words.begin() + 1, words.end());
    if (verb == "up")
        return lab_up_command(context, rest);
    TRY(parse(page("lab " + verb), rest));
    TRY_ASSIGN(const auto scope, context.enter());
    if (verb == "test")
        return lab_test_command(context);
    if (verb == "down")
        return lab_down();
    return print_labs(context);
}

} // namespace xvtep::cli
