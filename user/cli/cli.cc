// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/cli.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "user/cli/batch.h"

#ifndef XVTEP_VERSION
#define XVTEP_VERSION "0.1.0"
#endif

namespace xvtep::cli {
namespace {

struct Command {
    const char *name;
    const char *summary;
    Result<> (*run)(const Context &, const Words &);
};

constexpr Command commands[] = {
    {"attach", "make a VTEP on underlay ports", run_attach},
    {"detach", "remove the VTEPs of an underlay port, or one", run_detach},
    {"show", "list VTEPs", run_show},
    {"set", "give a VTEP another local address", run_set},
    {"reload", "put this binary's programs in place of the running ones", run_reload},
    {"port", "add, del, show: local ports on the fast path", run_port},
    {"fdb", "add, append, replace, del, show, get, flush: forwarding entries", run_fdb},
    {"neigh", "add, change, replace, del, show, get, flush: neighbours for proxy and rsc",
     run_neigh},
    {"monitor", "print misses as they come", run_monitor},
    {"stats", "packets by VTEP and port, and why others were not forwarded", run_stats},
    {"agent", "answer misses from a directory, and announce this host's endpoints there",
     run_agent},
    {"lab", "up, show, test, down: example networks in namespaces", run_lab},
};

std::string usage()
{
    std::string text = "Usage: xvtep [-n NETNS] [-j] [-p] [-s] [-v] [-V] COMMAND ...\n"
                       "       xvtep [-n NETNS] [-force] -batch FILE\n\n"
                       "A VXLAN tunnel endpoint whose data path is eBPF.\n\nCommands:\n";
    for (const auto &command : commands)
        text += fmt::format("  {:<8} {}\n", command.name, command.summary);
    text += "\nOptions:\n"
            "  -n, --netns NETNS   act in that network namespace\n"
            "  -j, --json          print one JSON document\n"
            "  -p, --pretty        indent it\n"
            "  -s, --statistics    ages of entries too\n"
            "  -batch FILE         run the commands in FILE, a line each; - is standard input\n"
            "  -force              go on behind a line that fails\n"
            "  -v, --verbose       a debug log on standard error\n"
            "  -V, --version       print the version\n"
            "  -h, --help          this text; also after COMMAND\n";
    return text;
}

struct Globals {
    Context context;
    bool help = false, version = false, verbose = false, force = false;
    std::optional<std::string> batch;
    Words rest; // the command and its words
};

// Options about the output, which may also stand after the command ("show -j").
bool is_output_option(Context &context, const std::string &word)
{
    if (word == "-j" || word == "-json" || word == "--json")
        context.json = true;
    else if (word == "-p" || word == "-pretty" || word == "--pretty")
        context.pretty = true;
    else if (word == "-s" || word == "-stats" || word == "-statistics" || word == "--statistics")
        context.statistics = true;
    else
        return false;
    return true;
}

Result<Globals> split(std::span<const char *const> arguments, std::FILE *out)
{
    Globals globals;
    globals.context.out = out;
    std::size_t at = 1;
    for (; at < arguments.size() && arguments[at][0] == '-' && arguments[at][1] != '\0'; at++) {
        const std::string word = arguments[at];
        if (word == "-n" || word == "-netns" || word == "--netns") {
            if (++at == arguments.size())
                return usage_failure("xvtep", word, "needs the name of a network namespace");
            globals.context.netns = arguments[at];
        } else if (word == "-b" || word == "-batch" || word == "--batch") {
            if (++at == arguments.size())
                return usage_failure("xvtep", word, "needs a file name, or - for standard input");
            globals.batch = arguments[at];
        } else if (word == "-force" || word == "--force") {
            globals.force = true;
        } else if (word == "-v" || word == "--verbose") {
            globals.verbose = true;
        } else if (word == "-V" || word == "-Version" || word == "--version") {
            globals.version = true;
        } else if (word == "-h" || word == "-help" || word == "--help") {
            globals.help = true;
        } else if (!is_output_option(globals.context, word)) {
            return usage_failure("xvtep", word, "unknown option (see xvtep --help)");
        }
    }
    for (; at < arguments.size(); at++)
        if (!is_output_option(globals.context, arguments[at]))
            globals.rest.emplace_back(arguments[at]);
    return globals;
}

Result<> dispatch(const Globals &globals)
{
    if (globals.help) {
        globals.context.print(usage());
        return {};
    }
    if (globals.version) {
        globals.context.print("xvtep " XVTEP_VERSION "\n");
        return {};
    }
    if (globals.rest.empty())
        return usage_failure("xvtep", "", "no command given (see xvtep --help)");
    return run_command(globals.context, globals.rest);
}

} // namespace

Result<> run_command(const Context &context, const Words &words)
{
    const auto &name = words.front();
    if (name == "help") {
        context.print(usage());
        return {};
    }
    const auto command =
        std::ranges::find_if(commands, [&](const Command &c) { return name == c.name; });
    if (command == std::end(commands))
        return usage_failure("xvtep", name, "unknown command (see xvtep --help)");
    return command->run(context, Words(words.begin() + 1, words.end()));
}

void Context::print(const std::string &text) const
{
    std::fputs(json ? text.c_str() : printable(text, true).c_str(), out);
}

std::string printable(std::string text, bool keeps_lines)
{
    for (std::size_t at = 0; at < text.size(); at++) {
        const auto octet = static_cast<unsigned char>(text[at]);
        const auto before = at > 0 ? static_cast<unsigned char>(text[at - 1]) : 0;
        // U+0080 to U+009F in UTF-8: what follows an escape character, in one.
        const bool c1 = before == 0xc2 && octet >= 0x80 && octet < 0xa0;
        if (std::iscntrl(octet) != 0 ? !(keeps_lines && octet == '\n') : c1)
            text[at] = '?';
        if (c1)
            text[at - 1] = '?';
    }
    return text;
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

Result<bool> parse_options(CLI::App &app, const std::string &command, const Words &words,
                           const Context &context)
{
    const auto wrong = [&](const std::string &cause) {
        std::vector<std::string> object; // what the positional arguments name, as far as known
        for (const CLI::Option *option : app.get_options())
            if (option->get_positional())
                object.insert(object.end(), option->results().begin(), option->results().end());
        return usage_failure(command, fmt::format("{}", fmt::join(object, " ")), cause);
    };
    app.name("xvtep " + command);
    for (CLI::Option *option : app.get_options({}))
        if (!option->get_positional() &&
            option->get_expected_max() < CLI::detail::expected_max_vector_size)
            option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast); // as with ip
    Words reversed(words.rbegin(), words.rend());                          // as CLI11 wants them
    try {
        app.parse(reversed);
    } catch (const CLI::CallForHelp &) {
        context.print(app.help());
        return true;
    } catch (const CLI::ParseError &error) {
        const auto unknown = app.remaining();
        const auto option = std::ranges::find_if(
            unknown, [](const std::string &word) { return word.starts_with('-'); });
        if (option != unknown.end())
            return wrong("unknown option " + *option);
        if (!unknown.empty())
            return wrong(fmt::format("what is \"{}\"?", unknown.front()));
        std::string cause = error.what();
        if (error.get_name() == "ArgumentMismatch")
            cause = cause.substr(0, cause.find(':')) + " needs a value";
        while (!cause.empty() && (cause.back() == ' ' || cause.back() == '.'))
            cause.pop_back();
        return wrong(cause);
    }
    for (const CLI::Option *option : app.get_options())
        if (std::ranges::count(option->results(), "") != 0)
            return wrong(option->get_name() + " is empty");
    return false;
}

int run(std::span<const char *const> arguments, std::FILE *out, std::FILE *err)
{
    const auto fail = [&](const Error &error) {
        std::fflush(out);
        // One line, whatever the words given hold.
        std::fprintf(err, "%s\n", printable(error.message()).c_str());
        return static_cast<int>(error.kind);
    };
    const auto globals = split(arguments, out);
    if (!globals)
        return fail(globals.error());
    static const auto log = spdlog::stderr_logger_mt("xvtep");
    spdlog::set_default_logger(log);
    spdlog::set_level(globals->verbose ? spdlog::level::debug : spdlog::level::off);
    if (globals->batch && !globals->help && !globals->version) {
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
