// SPDX-License-Identifier: GPL-2.0-only
// Many entries at once, as each system takes them.
#pragma once

#include <cstdint>
#include <string>

#include "bench/peers.h"

namespace xvtep::bench {

// XX:XX:XX and the number.
Mac numbered(const Mac &first, unsigned number);

// Writes `lines` lines to a file of this process, gone with it.
class LineFile {
  public:
    static Result<LineFile> write(const std::string &text);
    LineFile(LineFile &&) noexcept;
    LineFile &operator=(LineFile &&) = delete;
    ~LineFile();
    [[nodiscard]] const std::string &path() const { return path_; }

  private:
    LineFile() = default;
    std::string path_;
};

// Entries for MACs numbered from .. to-1 behind the other end: in everything that looks MACs up.
Result<> add_entries(const World &world, const End &end, const Mac &first, unsigned from,
                     unsigned to);

} // namespace xvtep::bench
