// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/cli.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "user/base/debug_log.h"
#include "user/cli/batch.h"
#include "user/cli/commands.h"
#include "user/cli/globals.h"
#include "user/cli/help.h"
#include "user/cli/output.h"
#include "user/cli/version.h"

namespace xvtep::cli {
namespace {

std::vector<std::string> names_of(const std::vector<Page> &pages)
{
    std::vector<std::string> names;
    for (const Page &one : pages)
        names.push_back(one.last_name());
    return names;
}

Failure unknown_command(const std::string &typed)
{
    const std::string meant = nearest(typed, names_of(commands()));
    return usage_failure("xvtep", typed,
                         meant.empty() ? "unknown command (see xvtep --help)"
                                       : fmt::format("unknown command (did you mean {}?)", meant));
}

// "add, del or show"
std::string choices(const std::vector<Page> &pages)
{
    const auto names = names_of(pages);
    return fmt::format("{} or {}", fmt::join(names.begin(), names.end() - 1, ", "), names.back());
}

Failure unknown_sub_command(const Page &parent, const std::string &typed)
{
    const std::string meant = nearest(typed, names_of(parent.pages));
    const std::string offer = meant.empty() ? choices(parent.pages) : "did you mean " + meant + "?";
    return usage_failure(parent.name, typed, fmt::format("unknown command ({})", offer));
}

// `help`, `help fdb`, `help fdb add`, and the hidden `help man`.
Result<> run_help(const Context &context, const Words &words)
{
    if (words.empty()) {
        context.print(general_help());
        return {};
    }
    if (words.front() == "man") {
        context.print(man_page());
        return {};
    }
    const Page *found = find_page(commands(), words.front());
    if (found == nullptr)
        return unknown_command(words.front());
    if (words.size() > 1 && !found->pages.empty()) {
        const Page *const inner = find_page(found->pages, words[1]);
        if (inner == nullptr)
            return unknown_sub_command(*found, words[1]);
        found = inner;
    }
    context.print(help_of(*found));
    return {};
}

bool is_help(const std::string &word)
{
    return word == "help" || word == "-h" || word == "-help" || word == "--help";
}

// Runs a command that has sub-commands. Without a word it runs `show`, if there is one.
Result<> run_sub_command(const Context &context, const Page &parent, const Words &words)
{
    if (!words.empty() && is_help(words.front()))
        return run_help(context, {parent.name});
    const std::string verb = words.empty() ? "show" : words.front();
    const Page *const found = find_page(parent.pages, verb);
    if (words.empty() && found == nullptr)
        return usage_failure(parent.name, "", choices(parent.pages) + "?");
    if (found == nullptr)
        return unknown_sub_command(parent, verb);
    const Words rest(words.begin() + (words.empty() ? 0 : 1), words.end());
    if (asks_for_help(*found, rest)) {
        context.print(help_of(*found));
        return {};
    }
    TRY_ASSIGN(const auto arguments, parse(*found, rest));
    return found->run(context, arguments);
}

// Runs the command in every named namespace, below a line with the name, as `ip -all netns exec`.
Result<> run_everywhere(const Globals &globals)
{
    if (globals.context.json)
        return usage_failure("xvtep", "-all", "prints text only (use -n NETNS with -j)");
    if (globals.context.netns)
        return usage_failure("xvtep", "-all", "excludes -n");
    std::set<std::string> names;
    for (const Netns &netns : Netns::visible())
        if (!netns.name().starts_with("net:["))
            names.insert(netns.name());
    for (const std::string &name : names) {
        Context context = globals.context;
        context.netns = name;
        context.print("netns: " + name + "\n");
        if (auto done = run_command(context, globals.rest); !done) {
            Error error = std::move(done.error());
            error.operation = fmt::format("netns {}: {}", name, error.operation);
            return std::unexpected(std::move(error));
        }
    }
    return {};
}

Result<> dispatch(const Globals &globals)
{
    if (globals.help)
        return run_help(globals.context, globals.rest);
    if (globals.version) {
        globals.context.print(version_text());
        return {};
    }
    if (globals.rest.empty())
        return usage_failure("xvtep", "", "no command given (see xvtep --help)");
    return globals.all ? run_everywhere(globals) : run_command(globals.context, globals.rest);
}

} // namespace

Result<> run_command(const Context &context, const Words &words)
{
    Context own = context;
    TRY_ASSIGN(const auto all, take_output_options(own, words));
    if (all.empty())
        return usage_failure("xvtep", "", "no command given (see xvtep --help)");
    const Words rest(all.begin() + 1, all.end());
    if (all.front() == "help")
        return run_help(own, rest);
    const Page *const found = find_page(commands(), all.front());
    if (found == nullptr)
        return unknown_command(all.front());
    if (!found->pages.empty())
        return run_sub_command(own, *found, rest);
    // A program whose words are not in the table prints its help itself.
    const bool helps_itself = found->run_program != nullptr && found->words.empty();
    if (!helps_itself && asks_for_help(*found, rest)) {
        own.print(help_of(*found));
        return {};
    }
    if (found->run_program != nullptr)
        return found->run_program(own, rest);
    TRY_ASSIGN(const auto arguments, parse(*found, rest));
    return found->run(own, arguments);
}

void Context::print(const std::string &text) const
{
    if (json) {
        std::fputs(text.c_str(), out);
        return;
    }
    const std::string safe = printable(text, Newlines::kept);
    std::fputs(color ? colored(safe).c_str() : safe.c_str(), out);
}

Result<std::optional<Netns::Scope>> Context::enter() const
{
    std::optional<Netns::Scope> scope;
    if (!netns)
        return scope;
    const auto failed = [&](const Error &error) {
        return Failure(Error{error.kind, "netns", *netns,
                             error.code == ENOENT ? "no such network namespace" : error.cause,
                             error.code});
    };
    const auto opened = Netns::open(*netns);
    if (!opened)
        return failed(opened.error());
    auto entered = opened->enter();
    if (!entered)
        return failed(entered.error());
    scope.emplace(std::move(*entered));
    return scope;
}

int run(std::span<const char *const> arguments, std::FILE *out, std::FILE *err)
{
    const auto fail = [&](const Error &error) {
        std::fflush(out);
        // It is one line, whatever characters the words have.
        std::fprintf(err, "%s\n", printable(error.message()).c_str());
        return static_cast<int>(error.kind);
    };
    const auto globals = split(arguments, out);
    if (!globals)
        return fail(globals.error());
    set_up_debug_log("xvtep", globals->verbose ? DebugLog::on : DebugLog::off);
    if (globals->batch && !globals->help && !globals->version) {
        if (globals->all)
            return fail(usage_failure("xvtep", "-all",
                                      "excludes -batch (run the batch with -n NETNS in each)")
                            .error());
        if (!globals->rest.empty())
            return fail(usage_failure("xvtep", globals->rest.front(),
                                      "a command beside -batch (put it into the file)")
                            .error());
        if (const int status = run_batch(globals->context, *globals->batch, globals->force, err);
            status != 0)
            return status;
    } else if (const auto done = dispatch(*globals); !done) {
        return fail(done.error());
    }
    if (std::fflush(out) != 0 || std::ferror(out) != 0)
        return fail(errno_failure("write", "standard output", errno).error());
    return 0;
}

} // namespace xvtep::cli
