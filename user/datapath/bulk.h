// SPDX-License-Identifier: GPL-2.0-only
// Many FDB entries into the table in few system calls: bpf/fdb_put.h.
#pragma once

#include <span>
#include <string>

#include "bpf/abi/tables.h"
#include "user/base/fd.h"
#include "user/base/result.h"

namespace xvtep {

class FdbBulk {
  public:
    static constexpr std::size_t most =
        3200 / sizeof(xv_fdb_row); // what a program is run on is a page

    static Result<FdbBulk> open(const std::string &directory);

    // Puts each of up to `most` rows where nothing is yet, and stops at the first that cannot be
    // put, for whatever reason. Returns how many were. Several threads may.
    [[nodiscard]] std::size_t put(std::span<const xv_fdb_row> rows) const;

  private:
    explicit FdbBulk(Fd program) : program_(std::move(program)) {}
    Fd program_;
};

} // namespace xvtep
