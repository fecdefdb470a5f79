// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/help.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "user/cli/commands.h"
#include "user/cli/globals.h"
#include "user/cli/version.h"

namespace xvtep::cli {
namespace {

constexpr std::size_t columns = 80;

// The text in lines of up to `width` columns; each but the first is indented.
std::string wrapped(const std::string &text, std::size_t indent, std::size_t width = columns)
{
    std::string lines;
    std::size_t column = indent;
    for (std::size_t from = 0; from < text.size();) {
        const std::size_t to = std::min(text.find(' ', from), text.size());
        const std::size_t size = to - from;
        if (column > indent && column + 1 + size > width) {
            lines += "\n" + std::string(indent, ' ');
            column = indent;
        } else if (column > indent) {
            lines += " ";
            column++;
        }
        lines += text.substr(from, size);
        column += size;
        from = to + 1;
    }
    return lines;
}

std::string row(const std::string &term, const std::string &text)
{
    constexpr std::size_t column = 26;
    std::string line = "  " + term;
    line += line.size() + 1 < column ? std::string(column - line.size(), ' ')
                                     : "\n" + std::string(column, ' ');
    return line + wrapped(text, column) + "\n";
}

std::string term_of(const Page &page, const Word &word)
{
    std::string term = page.style == Style::options ? "--" : "";
    term += word.negatable ? "[no]" + word.word : word.word;
    if (!word.alias.empty())
        term += "|" + word.alias;
    return word.value.empty() ? term : term + " " + word.value;
}

std::string help_of(const Word &word)
{
    return word.initial.empty() ? word.help
                                : fmt::format("{} (default: {})", word.help, word.initial);
}

bool is_shown(const Word &word)
{
    return !word.ignored && word.refusal.empty();
}

std::string term_of(const GlobalOption &option)
{
    std::string term = fmt::format("-{}", option.brief);
    if (*option.name != '\0' && std::string_view(option.brief) != option.name)
        term += fmt::format(", -{}", option.name);
    return *option.value == '\0' ? term : term + " " + option.value;
}

std::string options_text()
{
    std::string text = "\nOptions:\n";
    for (const GlobalOption &option : global_options())
        if (*option.help != '\0')
            text += row(term_of(option), option.help);
    return text;
}

// The headings in the order in which they come first.
template <class T> std::vector<std::string> groups_of(const std::vector<T> &items)
{
    std::vector<std::string> groups;
    for (const T &item : items)
        if (std::ranges::count(groups, item.group) == 0)
            groups.push_back(item.group);
    return groups;
}

std::string words_text(const Page &page)
{
    std::vector<Word> words;
    std::ranges::copy_if(page.words, std::back_inserter(words), is_shown);
    std::string text;
    for (const std::string &group : groups_of(words)) {
        text += "\n" +
                (!group.empty()                 ? group
                 : page.style == Style::options ? "Options"
                                                : "Words") +
                ":\n";
        for (const Word &word : words)
            if (word.group == group)
                text += row(term_of(page, word), help_of(word));
    }
    return text;
}

std::string joined_names(const std::vector<Page> &pages)
{
    std::vector<std::string> names;
    for (const Page &one : pages)
        names.push_back(one.last_name());
    return fmt::format("{}", fmt::join(names, "|"));
}

std::string sentence_without_stop(const std::string &sentence)
{
    return sentence.ends_with('.') ? sentence.substr(0, sentence.size() - 1) : sentence;
}

// A word of roff: no escapes, and a minus that can be copied.
std::string roff(const std::string &text)
{
    std::string safe;
    for (const char c : text)
        safe += c == '\\' ? "\\e" : c == '-' ? "\\-" : std::string(1, c);
    return safe.starts_with('.') || safe.starts_with('\'') ? "\\&" + safe : safe;
}

// Filled text, in input lines that mandoc(1) does not call long.
std::string man_text(const std::string &text)
{
    constexpr std::size_t room_for_escapes = 16;
    std::string lines;
    const std::string all = wrapped(text, 0, columns - room_for_escapes) + "\n";
    for (std::size_t at = 0; at < all.size();) {
        const std::size_t end = all.find('\n', at);
        lines += roff(all.substr(at, end - at)) + "\n";
        at = end + 1;
    }
    return lines;
}

std::string man_item(const std::string &term, const std::string &text)
{
    return fmt::format(".TP\n.B {}\n{}", roff(term), man_text(text));
}

std::string man_words(const Page &page)
{
    std::string text;
    for (const Word &word : page.words)
        if (is_shown(word))
            text += man_item(term_of(page, word), help_of(word));
    return text;
}

std::string man_section(const Page &page)
{
    std::string text = fmt::format(".SS {}\n", roff("xvtep " + page.name));
    if (page.pages.empty()) {
        const std::string name = "xvtep " + page.name, usage = usage_of(page);
        text += "\\fB" + roff(name) + "\\fR\n";
        if (usage.size() > name.size())
            text += man_text(usage.substr(name.size() + 1));
        text += ".PP\n";
    }
    text += man_text(page.summary);
    if (!page.about.empty())
        text += man_text(page.about);
    text += man_words(page);
    if (!page.examples.empty()) {
        text += ".PP\nExamples:\n.PP\n.nf\n.RS\n";
        for (const std::string &example : page.examples)
            text += roff(example) + "\n";
        text += ".RE\n.fi\n";
    }
    for (const Page &one : page.pages)
        text += man_section(one);
    return text;
}

// Calls `visit` with every page and the words of its path.
template <class Visit> void for_each_page(const std::vector<Page> &pages, const Visit &visit)
{
    for (const Page &one : pages) {
        visit(one);
        for_each_page(one.pages, visit);
    }
}

// The words among the alternatives: "inherit" of "N|inherit".
std::vector<std::string> choices_of(const std::string &value)
{
    std::vector<std::string> choices;
    for (std::size_t from = 0; value.contains('|') && from <= value.size();) {
        const std::size_t to = std::min(value.find('|', from), value.size());
        const std::string one = value.substr(from, to - from);
        if (std::ranges::all_of(one, [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; }))
            choices.push_back(one);
        from = to + 1;
    }
    return choices;
}

std::vector<std::string> completions_of(const Page &page)
{
    std::vector<std::string> words;
    for (const Page &one : page.pages)
        words.push_back(one.last_name());
    std::ranges::copy(choices_of(page.plain), std::back_inserter(words));
    for (const Word &word : page.words) {
        if (!is_shown(word))
            continue;
        const std::string dashes = page.style == Style::options ? "--" : "";
        words.push_back(dashes + word.word);
        if (word.negatable)
            words.push_back("no" + word.word);
    }
    words.emplace_back("help");
    return words;
}

// The lines of bash's "case PAGE:WORD" that offer the values of words.
std::string bash_values()
{
    std::string text;
    for_each_page(commands(), [&](const Page &one) {
        for (const Word &word : one.words) {
            const auto choices = choices_of(word.value);
            if (choices.empty() || !is_shown(word))
                continue;
            text += fmt::format("    \"{}:{}\"", one.name, word.word);
            if (!word.alias.empty())
                text += fmt::format("|\"{}:{}\"", one.name, word.alias);
            text += fmt::format(") words=\"{}\" ;;\n", fmt::join(choices, " "));
        }
    });
    return text;
}

std::vector<std::string> command_names()
{
    std::vector<std::string> names;
    for (const Page &one : commands())
        names.push_back(one.name);
    names.emplace_back("help");
    return names;
}

} // namespace

std::string usage_of(const Page &page)
{
    if (!page.pages.empty())
        return fmt::format("xvtep {} {{{}}} ...", page.name, joined_names(page.pages));
    std::string usage = "xvtep " + page.name;
    if (!page.plain.empty())
        usage += " " + page.plain;
    for (const Word &word : page.words)
        if (is_shown(word) && !word.is_plain &&
            !(word.word == "dev" && page.plain.find("dev") != std::string::npos))
            usage += word.required ? " " + term_of(page, word)
                                   : fmt::format(" [{}]", term_of(page, word));
    return usage;
}

std::string help_of(const Page &page)
{
    std::string text =
        "Usage: " + wrapped(usage_of(page), 7) + "\n\n" + wrapped(page.summary, 0) + "\n";
    if (!page.about.empty())
        text += wrapped(page.about, 0) + "\n";
    if (!page.pages.empty()) {
        text += "\nCommands:\n";
        for (const Page &one : page.pages)
            text += row(one.last_name(), one.summary);
    }
    text += words_text(page);
    std::vector<std::string> examples = page.examples;
    for (const Page &one : page.pages)
        if (!one.examples.empty())
            examples.push_back(one.examples.front());
    text += "\nExamples:\n";
    for (const std::string &example : examples)
        text += "  " + example + "\n";
    if (!page.pages.empty())
        text += fmt::format("\n\"xvtep {} COMMAND help\" says more.\n", page.name);
    return text;
}

std::string general_help()
{
    std::string text = "Usage: xvtep [OPTIONS] COMMAND ...\n"
                       "       xvtep [OPTIONS] -batch FILE\n\n"
                       "A VXLAN tunnel endpoint whose data path is eBPF.\n";
    for (const std::string &group : groups_of(commands())) {
        text += "\n" + group + ":\n";
        for (const Page &one : commands())
            if (one.group == group)
                text += row(one.pages.empty() ? one.name : one.name + " " + joined_names(one.pages),
                            sentence_without_stop(one.summary));
    }
    text +=
        row("help [COMMAND ...]", "Print help; \"COMMAND help\" and \"COMMAND --help\" do, too");
    text += options_text();
    text += "\nExamples:\n";
    for (const char *const name : {"attach", "fdb append", "fdb show", "stats"})
        text += "  " + page(name).examples.front() + "\n";
    text += "\nCommands and words may be abbreviated as with ip(8): \"xvtep f s\" is "
            "\"xvtep fdb show\".\n";
    return text;
}

std::string man_page()
{
    std::string text =
        ".\\\" Generated by \"xvtep help man\".\n"
        ".TH XVTEP 8 \"" +
        version_date() +
        "\" \"xvtep " XVTEP_VERSION "\" \"System Administration\"\n"
        ".SH NAME\nxvtep \\- VXLAN tunnel endpoint whose data path is eBPF\n"
        ".SH SYNOPSIS\n.B xvtep\n[\\fIOPTIONS\\fR] \\fICOMMAND\\fR ...\n.br\n"
        ".B xvtep\n[\\fIOPTIONS\\fR] \\fB\\-batch\\fR \\fIFILE\\fR\n"
        ".SH DESCRIPTION\n"
        "A command needs no daemon: what it sets up lives on in the kernel\nuntil it "
        "is removed.\nCommands and words may be abbreviated as with\n.BR ip (8).\n"
        ".SH OPTIONS\n";
    for (const GlobalOption &option : global_options())
        if (*option.help != '\0')
            text += man_item(term_of(option), option.help);
    text += ".SH COMMANDS\n";
    for (const Page &one : commands())
        text += man_section(one);
    text += ".SH EXIT STATUS\n"
            ".TP\n.B 0\nThe command is done.\n"
            ".TP\n.B 1\nThe command line, or a value in it, is wrong.\n"
            ".TP\n.B 2\nThe system refused.\n"
            ".SH SEE ALSO\n.BR ip (8),\n.BR ip\\-link (8),\n.BR ip\\-neighbour (8),\n"
            ".BR bridge (8)\n";
    return text;
}

std::string bash_completion()
{
    std::string text =
        "# Generated by \"xvtep completion bash\".\n"
        "_xvtep() {\n"
        "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
        "    local path= words= names= netns= word i\n"
        "    local devices='s/^[0-9]*: \\([^:@]*\\).*/\\1/'\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        word=${COMP_WORDS[i]}\n"
        "        case \"$path:$word\" in\n"
        "        :-n|:-netns) ((i++)); netns=\"-n ${COMP_WORDS[i]}\" ;;\n"
        "        :-b|:-batch) ((i++)) ;;\n";
    for_each_page(commands(), [&](const Page &one) {
        const auto space = one.name.rfind(' ');
        const std::string parent = space == std::string::npos ? "" : one.name.substr(0, space);
        text +=
            fmt::format("        \"{}:{}\") path=\"{}\" ;;\n", parent, one.last_name(), one.name);
    });
    text += "        esac\n    done\n"
            "    devices=$(ip $netns -o link 2>/dev/null | sed \"$devices\")\n"
            "    case \"$path:${previous#--}\" in\n" +
            bash_values() +
            "    *:dev|*:via|*:brport) words=$devices ;;\n"
            "    :-n|:-netns) words=$(ls /run/netns 2>/dev/null) ;;\n"
            "    *)\n        case $path in\n";
    text += fmt::format("        \"\") words=\"{}\" ;;\n", fmt::join(command_names(), " "));
    for_each_page(commands(), [&](const Page &one) {
        text += fmt::format("        \"{}\") words=\"{}\"{} ;;\n", one.name,
                            fmt::join(completions_of(one), " "),
                            one.plain_is_device() ? " names=$devices" : "");
    });
    // Words may have dashes, devices have none.
    text += "        esac\n"
            "        [[ $current != --* ]] || { words=\"--${words// / --}\"; names=; } ;;\n"
            "    esac\n"
            "    words=${words//----/--}\n"
            "    COMPREPLY=($(compgen -W \"$words $names\" -- \"$current\"))\n"
            "}\n"
            "complete -F _xvtep xvtep\n";
    return text;
}

std::string zsh_completion()
{
    return "autoload -U +X bashcompinit && bashcompinit\n" + bash_completion();
}

std::string fish_completion()
{
    std::string text = "# Generated by \"xvtep completion fish\".\ncomplete -c xvtep -f\n";
    const auto quoted = [](std::string what) {
        std::erase(what, '\'');
        return "'" + what + "'";
    };
    for (const Page &one : commands())
        text += fmt::format("complete -c xvtep -n __fish_use_subcommand -a {} -d {}\n", one.name,
                            quoted(one.summary));
    for_each_page(commands(), [&](const Page &one) {
        const auto space = one.name.find(' ');
        const std::string seen =
            space == std::string::npos
                ? fmt::format("__fish_seen_subcommand_from {}", one.name)
                : fmt::format("__fish_seen_subcommand_from {}; and __fish_seen_subcommand_from {}",
                              one.name.substr(0, space), one.last_name());
        text += fmt::format("complete -c xvtep -n '{}' -a '{}'\n", seen,
                            fmt::join(completions_of(one), " "));
        for (const Word &word : one.words)
            if (const auto choices = choices_of(word.value); !choices.empty() && is_shown(word))
                text += fmt::format("complete -c xvtep -n '{}; and __fish_prev_arg_in {} --{}' "
                                    "-a '{}'\n",
                                    seen, word.word, word.word, fmt::join(choices, " "));
    });
    return text;
}

} // namespace xvtep::cli
