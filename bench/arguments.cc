// SPDX-License-Identifier: GPL-2.0-only
#include "bench/arguments.h"

#include <getopt.h>

#include <charconv>
#include <cstdio>
#include <string_view>

namespace xvtep::bench {
namespace {

bool is_flag(const Argument &argument)
{
    return std::holds_alternative<bool *>(argument.target);
}

template <class T> bool read_number(T &target, std::string_view text)
{
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), target);
    return error == std::errc() && stop == text.data() + text.size() && target > 0;
}

std::vector<std::string> split_at_commas(std::string_view text)
{
    std::vector<std::string> words;
    while (true) {
        const auto comma = text.find(',');
        words.emplace_back(text.substr(0, comma));
        if (comma == std::string_view::npos)
            return words;
        text.remove_prefix(comma + 1);
    }
}

struct Reader {
    const char *text; // of the value; null for a flag

    bool operator()(bool *target) const { return *target = true; }
    bool operator()(std::string *target) const
    {
        *target = text;
        return true;
    }
    bool operator()(unsigned *target) const { return read_number(*target, text); }
    bool operator()(double *target) const { return read_number(*target, text); }
    bool operator()(std::vector<std::string> *target) const
    {
        *target = split_at_commas(text);
        return true;
    }
};

void print_help(const char *program, const char *purpose, std::span<const Argument> arguments)
{
    std::printf("%s\n\nUsage: %s [OPTION ...]\n\n", purpose, program);
    for (const auto &argument : arguments)
        std::printf("  --%-20s %s\n",
                    (std::string(argument.name) + (is_flag(argument) ? "" : " VALUE")).c_str(),
                    argument.help);
}

} // namespace

std::optional<int> parse_arguments(int argc, char **argv, const char *purpose,
                                   std::span<const Argument> arguments)
{
    std::vector<option> options;
    for (const auto &argument : arguments)
        options.push_back(
            {argument.name, is_flag(argument) ? no_argument : required_argument, nullptr, 0});
    options.push_back({"help", no_argument, nullptr, 'h'});
    options.push_back({nullptr, 0, nullptr, 0});

    int index = 0;
    for (int found = 0; (found = ::getopt_long(argc, argv, "h", options.data(), &index)) != -1;) {
        if (found == 'h') {
            print_help(argv[0], purpose, arguments);
            return 0;
        }
        if (found != 0)
            return 1; // getopt_long() has printed why
        const auto &argument = arguments[static_cast<std::size_t>(index)];
        if (!std::visit(Reader{optarg}, argument.target)) {
            std::fprintf(stderr, "%s: --%s %s is not a number above 0\n", argv[0], argument.name,
                         optarg);
            return 1;
        }
    }
    if (optind < argc) {
        std::fprintf(stderr, "%s: unexpected argument %s\n", argv[0], argv[optind]);
        return 1;
    }
    return std::nullopt;
}

} // namespace xvtep::bench
