// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "user/base/debug_log.h"
#include "user/base/printable.h"
#include "user/base/result.h"
#include "user/lab/lab.h"
#include "user/lab/labs.h"
#include "user/lab/output.h"
#include "xvtep/netns.h"

namespace xvtep {

namespace {

struct Options {
    bool json = false, pretty = false, verbose = false, help = false;
    std::optional<std::string> netns;
    std::string command;
    std::vector<std::string> words; // behind the command

    [[nodiscard]] JsonLayout layout() const
    {
        return pretty ? JsonLayout::indented : JsonLayout::line;
    }
};

struct Output {
    const Options &options;
    std::FILE *file;

    void print(const std::string &text) const
    {
        std::fputs(options.json ? text.c_str() : printable(text, Newlines::kept).c_str(), file);
    }
    template <class T> void print_document(const T &document) const
    {
        print(options.json ? to_json(document, options.layout()) : to_text(document));
    }
};

Result<> up(const Options &options, const Output &output);
Result<> show(const Options &options, const Output &output);
Result<> test(const Options &options, const Output &output);
Result<> down(const Options &options, const Output &output);
Result<> list(const Options &options, const Output &output);
Result<> print(const Options &options, const Output &output);

struct Command {
    const char *name;
    const char *words;
    const char *help;
    std::size_t most_words;
    Result<> (*run)(const Options &, const Output &);
};

constexpr Command commands[] = {
    {"up", " NAME|FILE [--kernel-peer|--kernel]",
     "Builds a lab: a built-in one, or one that FILE describes in JSON.\n"
     "  --kernel-peer   the last host's VTEPs are the kernel's vxlan devices\n"
     "  --kernel        all VTEPs are the kernel's vxlan devices\n",
     SIZE_MAX, up}, // parse_up() counts them
    {"show", "", "Shows the labs that are up.\n", 0, show},
    {"test", "", "Runs the checks of the labs that are up. Exit status 2: a check failed.\n", 0,
     test},
    {"down", "", "Removes all labs.\n", 0, down},
    {"list", "", "Lists the built-in labs.\n", 0, list},
    {"print", " NAME", "Prints the JSON of a built-in lab, to start one of your own from.\n", 1,
     print},
};

const Command *find_command(const std::string &name)
{
    const auto found = std::ranges::find_if(
        commands, [&](const Command &command) { return name == command.name; });
    return found == std::end(commands) ? nullptr : found;
}

std::string usage(const Command &command)
{
    return fmt::format("Usage: xvtep lab {}{}\n\n{}", command.name, command.words, command.help);
}

std::string usage()
{
    std::string text;
    for (const Command &command : commands)
        text += fmt::format("{} xvtep lab {}{}\n", text.empty() ? "Usage:" : "      ", command.name,
                            command.words);
    text += "\nOptions:\n"
            "  -n, --netns NETNS   act in that network namespace\n"
            "  -j, --json          print one JSON document\n"
            "  -p, --pretty        indent it\n"
            "  -v, --verbose       a debug log on standard error\n"
            "  -h, --help          this text; also after a command\n"
            "\nLabs:\n";
    if (const auto labs = lab_list())
        for (const auto &[name, description] : *labs)
            text += fmt::format("  {:<14} {}\n", name, description);
    return text;
}

// True where `word` is one of the options that stand anywhere.
bool take_flag(Options &options, const std::string &word)
{
    if (word == "-j" || word == "-json" || word == "--json")
        options.json = true;
    else if (word == "-p" || word == "-pretty" || word == "--pretty")
        options.pretty = true;
    else if (word == "-v" || word == "--verbose")
        options.verbose = true;
    else if (word == "-h" || word == "-help" || word == "--help")
        options.help = true;
    else
        return false;
    return true;
}

Result<Options> parse(std::span<const char *const> arguments)
{
    Options options;
    for (std::size_t at = 1; at < arguments.size(); at++) {
        const std::string word = arguments[at];
        if (take_flag(options, word))
            continue;
        if (word == "-n" || word == "-netns" || word == "--netns") {
            if (++at == arguments.size())
                return usage_failure("lab", word, "needs the name of a network namespace");
            options.netns = arguments[at];
        } else if (!options.command.empty()) {
            options.words.push_back(word);
        } else if (word.starts_with('-')) {
            return usage_failure("lab", word, "unknown option (see xvtep lab --help)");
        } else {
            options.command = word;
        }
    }
    return options;
}

Result<> check_words(const Options &options, const Command &command)
{
    const std::string operation = "lab " + options.command;
    if (options.words.size() > command.most_words) {
        const std::string &extra = options.words[command.most_words];
        return usage_failure(operation, "",
                             extra.starts_with('-')
                                 ? "unknown option " + extra
                                 : fmt::format("what is \"{}\"? (usage: xvtep {}{})", extra,
                                               operation, command.words));
    }
    return {};
}

Result<LabOptions> parse_up(const Options &options)
{
    LabOptions lab;
    for (const std::string &word : options.words) {
        const bool is_ends = word == "--kernel-peer" || word == "--kernel";
        if (is_ends && lab.ends != LabEnds::xvtep)
            return usage_failure("lab up", lab.name_or_file,
                                 "either one end or all are the kernel's");
        if (is_ends)
            lab.ends = word == "--kernel" ? LabEnds::kernel : LabEnds::kernel_peer;
        else if (word.starts_with('-'))
            return usage_failure("lab up", lab.name_or_file, "unknown option " + word);
        else if (!lab.name_or_file.empty())
            return usage_failure("lab up", lab.name_or_file, fmt::format("what is \"{}\"?", word));
        else
            lab.name_or_file = word;
    }
    if (lab.name_or_file.empty())
        return usage_failure("lab up", "", "NAME|FILE is required");
    return lab;
}

Result<> up(const Options &options, const Output &output)
{
    TRY_ASSIGN(const LabOptions lab, parse_up(options));
    TRY_ASSIGN(const std::string picture, lab_up(lab));
    if (options.json)
        return show(options, output);
    output.print(picture);
    return {};
}

Result<> show(const Options &, const Output &output)
{
    TRY_ASSIGN(const std::vector<LabView> labs, lab_show());
    output.print_document(labs);
    return {};
}

Result<> test(const Options &options, const Output &output)
{
    TRY_ASSIGN(const LabVerdict verdict, lab_test());
    output.print_document(verdict);
    const auto failed = std::ranges::count_if(
        verdict.checks, [](const CheckResult &check) { return !check.passed; });
    if (failed != 0)
        return system_failure("lab test", "",
                              fmt::format("{} of {} checks failed", failed, verdict.checks.size()));
    if (!options.json)
        output.print(fmt::format("all {} checks passed\n", verdict.checks.size()));
    return {};
}

Result<> down(const Options &, const Output &)
{
    return lab_down();
}

Result<> list(const Options &, const Output &output)
{
    TRY_ASSIGN(const auto labs, lab_list());
    output.print_document(labs);
    return {};
}

Result<> print(const Options &options, const Output &output)
{
    if (options.words.empty())
        return usage_failure("lab print", "", "NAME is required");
    TRY_ASSIGN(const std::string text, find_lab(options.words.front()));
    output.print(text);
    return {};
}

Result<Netns> open_netns(const std::string &name)
{
    auto netns = Netns::open(name);
    if (!netns && netns.error().code == ENOENT)
        return system_failure("netns", name, "no such network namespace", ENOENT);
    return netns;
}

Result<> run_command(const Options &options, const Output &output)
{
    const bool help = options.help || options.command == "help";
    if (help && (options.command.empty() || options.command == "help")) {
        output.print(usage());
        return {};
    }
    if (options.command.empty())
        return usage_failure("lab", "", "up, show, test, down, list or print?");
    const Command *const command = find_command(options.command);
    if (!command)
        return usage_failure("lab", options.command,
                             "unknown command (up, show, test, down, list or print)");
    if (help || (options.words.size() == 1 && options.words.front() == "help")) {
        output.print(usage(*command));
        return {};
    }
    TRY(check_words(options, *command));
    if (options.command == "up")
        TRY(parse_up(options));
    std::optional<Netns> netns;
    std::optional<Netns::Scope> scope;
    if (options.netns) {
        TRY_SET(netns, open_netns(*options.netns));
        TRY_ASSIGN(Netns::Scope entered, netns->enter());
        scope.emplace(std::move(entered));
    }
    return command->run(options, output);
}

} // namespace

int run_lab(std::span<const char *const> arguments, std::FILE *out, std::FILE *err)
{
    const auto fail = [&](const Error &error) {
        std::fflush(out);
        std::fprintf(err, "%s\n", printable(error.message()).c_str());
        return static_cast<int>(error.kind);
    };
    const auto options = parse(arguments);
    if (!options)
        return fail(options.error());
    set_up_debug_log("xvtep-lab", options->verbose ? DebugLog::on : DebugLog::off);
    if (const auto done = run_command(*options, {*options, out}); !done)
        return fail(done.error());
    if (std::fflush(out) != 0 || std::ferror(out) != 0)
        return fail(errno_failure("write", "standard output", errno).error());
    return 0;
}

} // namespace xvtep
