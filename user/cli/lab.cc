// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/lab.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "user/cli/cli.h"
#include "user/cli/lab_output.h"
#include "user/cli/words.h"

namespace xvtep::cli {
namespace {

std::string usage()
{
    std::string text = "Usage: xvtep lab up NAME|FILE [--kernel-peer|--kernel]\n"
                       "       xvtep lab show\n"
                       "       xvtep lab test\n"
                       "       xvtep lab down\n\nLabs:\n";
    for (const auto &[name, what] : lab_names())
        text += fmt::format("  {:<14} {}\n", name, what);
    return text;
}

Result<> print_labs(const Context &context)
{
    TRY_ASSIGN(const auto text, lab_show(context.json));
    context.print(context.json ? document(Json::parse(text), context.pretty) : text);
    return {};
}

Result<> lab_up_command(const Context &context, const Words &words)
{
    LabOptions options;
    CLI::App app("Build a network of namespaces: a lab by name, or one described in a file.");
    app.add_option("NAME|FILE", options.name_or_file, "the lab (see xvtep lab --help)")->required();
    app.add_flag("--kernel-peer", options.kernel_peer,
                 "the last host's VTEP is the kernel's vxlan device");
    app.add_flag("--kernel", options.kernel, "all hosts' VTEPs are the kernel's vxlan devices");
    TRY_ASSIGN(const bool helped, parse_options(app, "lab up", words, context));
    if (helped)
        return {};
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

Result<> run_lab(const Context &context, const Words &words)
{
    if (words.empty())
        return usage_failure("lab", "", "up, show, test or down?");
    const std::string &verb = words.front();
    const Words rest(words.begin() + 1, words.end());
    if (verb == "-h" || verb == "--help" || verb == "help") {
        context.print(usage());
        return {};
    }
    if (verb == "up")
        return lab_up_command(context, rest);
    if (verb != "show" && verb != "test" && verb != "down")
        return usage_failure("lab", verb, "unknown command (up, show, test or down)");
    TRY_ASSIGN(const auto tail, parse_tail("lab " + verb, rest, {}, context, "xvtep lab " + verb));
    if (tail.helped)
        return {};
    TRY_ASSIGN(const auto scope, context.enter());
    if (verb == "test")
        return lab_test_command(context);
    if (verb == "down")
        return lab_down();
    return print_labs(context);
}

} // namespace xvtep::cli
