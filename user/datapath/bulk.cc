// SPDX-License-Identifier: GPL-2.0-only
#include "user/datapath/bulk.h"

#include <bpf/bpf.h>

#include <array>
#include <cstdint>
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
    LIBBPF_OPTS(bpf_test_run_opts, run);
    run.data_in = rows.data();
    run.data_size_in = static_cast<__u32>(rows.size_bytes());
    return bpf_prog_test_run_opts(program_.get(), &run) == 0 ? run.retval : 0;
}

void FdbBulk::start_collection() const
{
    const std::array<std::uint8_t, 14> no_rows{}; // as small as a packet may be
    LIBBPF_OPTS(bpf_test_run_opts, run);
    run.data_in = no_rows.data();
    run.data_size_in = no_rows.size();
    (void)bpf_prog_test_run_opts(program_.get(), &run);
}

} // namespace xvtep
