// SPDX-License-Identifier: GPL-2.0-only
// Writes many FDB entries with few system calls, by the program of bpf/fdb_put.h.
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
        3200 / sizeof(xv_fdb_row); // BPF_PROG_TEST_RUN accepts about a page

    static Result<FdbBulk> open(const std::string &directory);

    // Inserts at most `most` rows, and stops at the first whose key exists or that fails for
    // another reason. Returns how many rows were inserted. Several threads may call it at once.
    [[nodiscard]] std::size_t put(std::span<const xv_fdb_row> rows) const;

    // Starts the timer of the garbage collection, after a write to `gc_queue`: bpf/gc.h.
    void start_timer() const;

  private:
    explicit FdbBulk(Fd program) : program_(std::move(program)) {}
    Fd program_;
};

} // namespace xvtep
