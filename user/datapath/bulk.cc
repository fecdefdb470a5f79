// SPDX-License-Identifier: GPL-2.0-only
#include "user/datapath/bulk.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <utility>

#include "user/datapath/datapath.h"

namespace xvtep {

Result<FdbBulk> FdbBulk::open(const std::string &directory)
{
    TRY_ASSIGN(auto program, open_program(directory, Program::fdb_put));
    return FdbBulk(std::move(program));
}

std::size_t FdbBulk::put(std::span<const xv_fdb_row> rows) const
{
    constexpr std::size_t most = 3200 / sizeof(xv_fdb_row); // a test run's packet is a page at most
    for (std::size_t done = 0;;) {
        const auto next = rows.subspan(done, std::min(most, rows.size() - done));
        if (next.empty())
            return done;
        LIBBPF_OPTS(bpf_test_run_opts, run);
        run.data_in = next.data();
        run.data_size_in = static_cast<__u32>(next.size_bytes());
        if (bpf_prog_test_run_opts(program_.get(), &run) != 0)
            return done;
        done += run.retval;
        if (run.retval < next.size())
            return done;
    }
}

} // namespace xvtep
