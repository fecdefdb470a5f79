// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/batch.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iostream>

#include <fmt/format.h>

#include "user/cli/batch_fdb.h"
#include "user/cli/commands.h"
#include "xvtep/batch.h"

namespace xvtep::cli {
namespace {

// Adds the words of one line; whether the next line goes on with it.
Result<bool> split(const std::string &text, Words &words)
{
    std::size_t at = 0;
    while (at < text.size()) {
        const char c = text[at];
        if (is_blank(c)) {
            at++;
        } else if (c == '#') {
            return false;
        } else if (c == '\\' && at + 1 == text.size()) {
            return true;
        } else if (c == '"' || c == '\'') {
            const auto end = text.find(c, at + 1);
            if (end == std::string::npos)
                return usage_failure("batch", "", "a quote is not closed");
            words.push_back(text.substr(at + 1, end - at - 1));
            at = end + 1;
        } else {
            const auto end = std::ranges::find_if(text.begin() + static_cast<std::ptrdiff_t>(at),
                                                  text.end(), is_blank);
            std::string word(text.begin() + static_cast<std::ptrdiff_t>(at), end);
            at += word.size();
            const bool goes_on = word.size() > 1 && word.back() == '\\' && at == text.size();
            if (goes_on)
                word.pop_back();
            words.push_back(std::move(word));
            if (goes_on)
                return true;
        }
    }
    return false;
}

bool has_input()
{
    pollfd input{STDIN_FILENO, POLLIN, 0};
    return ::poll(&input, 1, 0) != 0;
}

} // namespace

Result<std::optional<Words>> read_batch_line(std::istream &in, unsigned &line,
                                             std::optional<std::string> first)
{
    Words words;
    for (std::string text; first || std::getline(in, text); first.reset()) {
        if (first)
            text = std::move(*first);
        else
            line++;
        TRY_ASSIGN(const bool goes_on, split(text, words));
        if (!goes_on && !words.empty())
            return words;
    }
    return words.empty() ? std::optional<Words>() : std::optional(words);
}

int run_batch(const Context &context, const std::string &file, bool force, std::FILE *err)
{
    std::ifstream opened;
    const auto fail = [&](const std::string &where, const Error &error) {
        std::fflush(context.out);
        std::fprintf(err, "%s\n", printable(where + error.message()).c_str());
        return static_cast<int>(error.kind);
    };
    if (file != "-") {
        opened.open(file);
        if (!opened)
            return fail("", errno_failure("batch", file, errno).error());
    }
    std::istream &in = file == "-" ? std::cin : opened;
    const auto scope = context.enter();
    if (!scope)
        return fail("", scope.error());
    Context inside = context;
    inside.netns.reset();

    const Batch batch;
    FdbLines entries;
    int worst = 0;
    // Whether to go on.
    const auto failed_at = [&](unsigned line, const Error &error) {
        worst = std::max(worst, fail(fmt::format("{}:{}: ", file, line), error));
        return force;
    };
    const auto run = [&](const Words &words) {
        const Page *const command = find_page(commands(), words.front());
        // It would take the place of this process, and so of all lines behind it.
        return command != nullptr && command->run_program != nullptr
                   ? usage_failure(command->name, "", "not in a batch: it is a program of its own")
                   : run_command(inside, words);
    };
    const auto run_text = [&](const std::string &text) -> Result<> {
        Words words;
        TRY(split(text, words));
        return run(words);
    };
    const auto write_entries = [&] {
        while (const auto stopped = entries.write()) {
            const Result<> done =
                stopped->error ? std::unexpected(*stopped->error) : run_text(stopped->text);
            if (!done && !failed_at(stopped->line, done.error()))
                return false;
        }
        return true;
    };
    for (unsigned line = 0;;) {
        if (file == "-" && in.rdbuf()->in_avail() <= 0 && !has_input()) {
            if (!write_entries())
                break;
            Batch::unlock();
        }
        std::string text;
        errno = 0;
        if (!std::getline(in, text)) {
            const int error = errno != 0 ? errno : EIO;
            if (in.bad() || (file == "-" && std::ferror(stdin) != 0))
                failed_at(line + 1, errno_failure("batch", "", error).error());
            break;
        }
        line++;
        if (entries.take(text, line))
            continue;
        if (!write_entries())
            break;
        if (entries.take(text, line))
            continue;
        const auto words = read_batch_line(in, line, std::move(text));
        if (words && !*words)
            break;
        const Result<> done = words ? run(**words) : std::unexpected(words.error());
        if (!done && !failed_at(line, done.error()))
            break;
    }
    if (worst == 0 || force)
        write_entries();
    return worst;
}

} // namespace xvtep::cli
