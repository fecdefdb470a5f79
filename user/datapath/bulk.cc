// SPDX-License-Identifier: GPL-2.0-only
#include "user/datapath/bulk.h"

#include <bpf/bpf.h>

#include <array>
#include <utility>

#include "user/datapath/programs.h"

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

void FdbBulk::start_timer() const
{
    const std::array<char, 14> no_row{}; // BPF_PROG_TEST_RUN wants an Ethernet header
    static_assert(no_row.size() < sizeof(xv_fdb_row));
    LIBBPF_OPTS(bpf_test_run_opts, run);
    run.data_in = no_row.data();
    run.data_size_in = no_row.size();
    (void)bpf_prog_test_run_opts(program_.get(), &run);
}

} // namespace xvtep
