// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/globals.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "user/cli/grammar.h"

namespace xvtep::cli {
namespace {

using G = Globals;
using Text = std::string;

void set_color(Globals &globals, const std::string &when)
{
    globals.context.color =
        when == "auto" ? ::isatty(::fileno(globals.context.out)) != 0 : when != "never";
}

// In the order that abbreviations are resolved in.
constexpr GlobalOption options[] = {
    {"n", "netns", "NETNS", "act in this network namespace", false,
     [](G &g, const Text &name) { g.context.netns = name; }},
    {"a", "all", "", "run the command in every network namespace that has a name", false,
     [](G &g, const Text &) { g.all = true; }},
    {"j", "json", "", "print one JSON document", true,
     [](G &g, const Text &) { g.context.json = true; }},
    {"p", "pretty", "", "indent it", true, [](G &g, const Text &) { g.context.pretty = true; }},
    {"s", "statistics", "", "print the ages of entries, and the packets of remotes, too", true,
     [](G &g, const Text &) { g.context.statistics = true; }},
    {"s", "stats", "", "", true, [](G &g, const Text &) { g.context.statistics = true; }},
    {"d", "details", "", "print all options, those at their default too", true,
     [](G &g, const Text &) { g.context.details = true; }},
    {"br", "brief", "", "print one line for each object, in columns", true,
     [](G &g, const Text &) { g.context.brief = true; }},
    {"o", "oneline", "", "print each object on one line; \\ stands for a line's end", true,
     [](G &g, const Text &) { g.context.oneline = true; }},
    {"c", "color", "", "color the output; -c=WHEN: always, auto or never", true, set_color},
    {"t", "timestamp", "", "monitor: print the time before each event", true,
     [](G &g, const Text &) { g.context.timestamps = Timestamps::line; }},
    {"ts", "tshort", "", "monitor: the same, on the event's line", true,
     [](G &g, const Text &) { g.context.timestamps = Timestamps::brief; }},
    {"4", "", "", "neigh, remote: only IPv4", true,
     [](G &g, const Text &) { g.context.family = AF_INET; }},
    {"6", "", "", "neigh, remote: only IPv6", true,
     [](G &g, const Text &) { g.context.family = AF_INET6; }},
    {"b", "batch", "FILE", "run the commands in FILE, a line each; - is standard input", false,
     [](G &g, const Text &file) { g.batch = file; }},
    {"force", "force", "", "batch: go on behind a line that fails", false,
     [](G &g, const Text &) { g.force = true; }},
    {"v", "verbose", "", "write a debug log to standard error", false,
     [](G &g, const Text &) { g.verbose = true; }},
    {"V", "version", "", "print the versions", false, [](G &g, const Text &) { g.version = true; }},
    {"V", "Version", "", "", false, [](G &g, const Text &) { g.version = true; }},
    {"h", "help", "", "print help; also behind a command", false,
     [](G &g, const Text &) { g.help = true; }},
};

// "-j", "-json", "-js" and "--json"; an abbreviation has one dash.
const GlobalOption *find(std::string_view typed)
{
    if (!typed.starts_with('-'))
        return nullptr;
    const bool two_dashes = typed.starts_with("--");
    const auto name = typed.substr(two_dashes ? 2 : 1, typed.find('=') - (two_dashes ? 2 : 1));
    if (name.empty())
        return nullptr;
    for (const GlobalOption &option : options)
        if ((!two_dashes && name == option.brief) || name == option.name)
            return &option;
    for (const GlobalOption &option : options)
        if (!two_dashes && std::string_view(option.name).starts_with(name))
            return &option;
    return nullptr;
}

std::string value_behind(const std::string &typed)
{
    const auto at = typed.find('=');
    return at == std::string::npos ? "" : typed.substr(at + 1);
}

Result<> check_value(const GlobalOption &option, const std::string &typed)
{
    const std::string when = value_behind(typed);
    if (typed.find('=') == std::string::npos)
        return {};
    if (*option.value != '\0')
        return usage_failure(
            "xvtep", typed,
            fmt::format("the value stands behind a space (-{} {})", option.brief, option.value));
    if (option.apply != set_color)
        return usage_failure("xvtep", typed, "takes no value");
    if (when != "always" && when != "auto" && when != "never")
        return usage_failure("xvtep", typed, "color is always, auto or never");
    return {};
}

Failure unknown(const std::string &typed)
{
    std::vector<std::string> names;
    for (const GlobalOption &option : options)
        names.emplace_back(option.name);
    const std::string meant = nearest(typed.substr(typed.starts_with("--") ? 2 : 1), names);
    return usage_failure("xvtep", typed,
                         meant.empty() ? "unknown option (see xvtep --help)"
                                       : fmt::format("unknown option (did you mean -{}?)", meant));
}

} // namespace

std::span<const GlobalOption> global_options()
{
    return options;
}

Result<Globals> split(std::span<const char *const> arguments, std::FILE *out)
{
    Globals globals;
    globals.context.out = out;
    std::size_t at = 1;
    for (; at < arguments.size() && arguments[at][0] == '-' && arguments[at][1] != '\0'; at++) {
        const std::string word = arguments[at];
        const GlobalOption *const option = find(word);
        if (option == nullptr)
            return unknown(word);
        TRY(check_value(*option, word));
        const bool has_value = *option->value != '\0';
        if (has_value && ++at == arguments.size())
            return usage_failure("xvtep", word,
                                 option->value == std::string_view("FILE")
                                     ? "needs a file name, or - for standard input"
                                     : "needs the name of a network namespace");
        const std::string value = has_value ? arguments[at] : value_behind(word);
        option->apply(globals, value);
    }
    const Words rest(arguments.begin() +
                         static_cast<std::ptrdiff_t>(std::min(at, arguments.size())),
                     arguments.end());
    TRY_SET(globals.rest, take_output_options(globals.context, rest));
    return globals;
}

Result<Words> take_output_options(Context &context, const Words &words)
{
    Globals globals;
    globals.context = context;
    Words rest;
    for (const std::string &word : words) {
        const GlobalOption *const option = find(word);
        if (option == nullptr || !option->about_output) {
            rest.push_back(word);
            continue;
        }
        TRY(check_value(*option, word));
        option->apply(globals, value_behind(word));
    }
    context = globals.context;
    return rest;
}

} // namespace xvtep::cli
