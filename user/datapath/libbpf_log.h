// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <string>

namespace xvtep {

// Collects what libbpf and libxdp report on the calling thread while the object lives, so that an
// error can quote it. Both libraries would otherwise print to standard error; from the first object
// on everything they say goes to the debug log instead. Objects of one thread may be nested: a
// message goes to the innermost one. Each object belongs to the thread that made it.
class LibbpfLog {
  public:
    LibbpfLog();
    ~LibbpfLog();
    LibbpfLog(const LibbpfLog &) = delete;
    LibbpfLog &operator=(const LibbpfLog &) = delete;

    // Returns the verifier's reason to refuse a program, or else the last warning, in one line.
    // Returns "" if there was no warning.
    [[nodiscard]] const std::string &error() const
    {
        return verifier_.empty() ? warning_ : verifier_;
    }

    // For the print functions of the libraries.
    static void add_warning(const std::string &text);

  private:
    LibbpfLog *outer_;
    std::string warning_, verifier_;
};

} // namespace xvtep
