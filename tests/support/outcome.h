// SPDX-License-Identifier: GPL-2.0-only
// What a program's main function printed and returned.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

namespace xvtep::test {

struct Outcome {
    int status = 0;
    std::string out, err;
};

// A FILE whose text is kept in memory.
class Stream {
  public:
    Stream() : file_(::open_memstream(&text_, &size_)) {}
    Stream(const Stream &) = delete;
    Stream &operator=(const Stream &) = delete;
    ~Stream()
    {
        std::fclose(file_);
        std::free(text_);
    }
    [[nodiscard]] std::FILE *file() { return file_; }
    [[nodiscard]] std::string text()
    {
        std::fflush(file_);
        return {text_, size_};
    }

  private:
    char *text_ = nullptr;
    std::size_t size_ = 0;
    std::FILE *file_;
};

// Calls program(OUT, ERR), which returns an exit status.
template <class Program> Outcome outcome_of(Program program)
{
    Stream out, err;
    const int status = program(out.file(), err.file());
    return {status, out.text(), err.text()};
}

} // namespace xvtep::test
