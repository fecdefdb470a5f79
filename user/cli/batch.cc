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

// Adds the words of one line. Returns whether the next line continues it.
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

int report(const Context &context, std::FILE *err, const std::string &where, const Error &error)
{
    std::fflush(context.out);
    std::fprintf(err, "%s\n", printable(where + error.message()).c_str());
    return static_cast<int>(error.kind);
}

// Counts the lines that attach something among the first ones, and goes back to the beginning.
// Returns 0 for a file that cannot go back, as a pipe.
Result<unsigned> count_attaches(const std::string &file, std::istream &in)
{
    const auto start = in.tellg();
    if (start == std::istream::pos_type(-1))
        return 0;
    constexpr int most_lines = 16384;
    unsigned count = 0;
    std::string line;
    for (int n = 0; n < most_lines && std::getline(in, line); n++)
        count += line.starts_with("attach ") ? 1 : 0;
    in.clear();
    errno = 0;
    if (!in.seekg(start))
        return errno_failure("batch", file, errno != 0 ? errno : EIO);
    return count;
}

// Runs the lines of one batch.
class Runner {
  public:
    Runner(const Context &context, const std::string &file, bool force, std::FILE *err,
           unsigned attaches)
        : context_(context), file_(file), force_(force), err_(err), batch_(attaches)
    {
    }

    int run(std::istream &in)
    {
        while (run_next(in)) {
        }
        if (worst_ == 0 || force_)
            write_entries();
        return worst_;
    }

  private:
    [[nodiscard]] bool reads_standard_input() const { return file_ == "-"; }

    // Reports the error and returns whether the batch goes on.
    bool failed_at(unsigned line, const Error &error)
    {
        const std::string where = fmt::format("{}:{}: ", file_, line);
        worst_ = std::max(worst_, report(context_, err_, where, error));
        return force_;
    }

    [[nodiscard]] Result<> run_words(const Words &words) const
    {
        const Page *const command = find_page(commands(), words.front());
        // A program would take the place of this process, and so of all lines behind it.
        return command != nullptr && command->run_program != nullptr
                   ? usage_failure(command->name, "", "not in a batch: it is a program of its own")
                   : run_command(context_, words);
    }

    [[nodiscard]] Result<> run_text(const std::string &text) const
    {
        Words words;
        TRY(split(text, words));
        return run_words(words);
    }

    // Writes the gathered FDB entries and returns whether the batch goes on.
    bool write_entries()
    {
        while (const auto stopped = entries_.write()) {
            const Result<> done =
                stopped->error ? std::unexpected(*stopped->error) : run_text(stopped->text);
            if (!done && !failed_at(stopped->line, done.error()))
                return false;
        }
        return true;
    }

    // Runs the next line, or gathers it. Returns whether the batch goes on.
    bool run_next(std::istream &in)
    {
        if (reads_standard_input() && in.rdbuf()->in_avail() <= 0 && !has_input()) {
            if (!write_entries())
                return false;
            Batch::unlock();
        }
        std::string text;
        errno = 0;
        if (!std::getline(in, text)) {
            const int error = errno != 0 ? errno : EIO;
            if (in.bad() || (reads_standard_input() && std::ferror(stdin) != 0))
                failed_at(line_ + 1, errno_failure("batch", "", error).error());
            return false;
        }
        line_++;
        if (entries_.take(text, line_))
            return true;
        if (!write_entries())
            return false;
        if (entries_.take(text, line_))
            return true;
        const auto words = read_batch_line(in, line_, std::move(text));
        if (words && !*words)
            return false;
        const Result<> done = words ? run_words(**words) : std::unexpected(words.error());
        return done || failed_at(line_, done.error());
    }

    const Context &context_;
    const std::string &file_;
    bool force_;
    std::FILE *err_;
    Batch batch_;
    FdbLines entries_;
    unsigned line_ = 0;
    int worst_ = 0;
};

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
    if (file != "-") {
        opened.open(file);
        if (!opened)
            return report(context, err, "", errno_failure("batch", file, errno).error());
    }
    const auto scope = context.enter();
    if (!scope)
        return report(context, err, "", scope.error());
    Context inside = context;
    inside.netns.reset();
    const auto attaches = file == "-" ? Result<unsigned>(0) : count_attaches(file, opened);
    if (!attaches)
        return report(context, err, "", attaches.error());
    return Runner(inside, file, force, err, *attaches).run(file == "-" ? std::cin : opened);
}

} // namespace xvtep::cli
