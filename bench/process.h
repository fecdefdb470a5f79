// SPDX-License-Identifier: GPL-2.0-only
// Other programs that run on while the harness measures.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "user/base/result.h"

namespace xvtep::bench {

// Killed when this ends, and with the harness, however that ends.
class Process {
  public:
    // In a network namespace; what it says goes to the end of the file `log`.
    static Result<Process> start(const std::string &netns, const std::vector<std::string> &words,
                                 const std::string &log);
    Process(Process &&) noexcept;
    Process &operator=(Process &&) = delete;
    ~Process();

    void stop() const;  // it takes no time from then on,
    void go_on() const; // until this

  private:
    explicit Process(pid_t pid) : pid_(pid) {}
    pid_t pid_;
};

} // namespace xvtep::bench
