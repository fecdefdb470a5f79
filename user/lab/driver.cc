// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/driver.h"

namespace xvtep {

namespace {

std::string last_host_with_vteps(const LabDescription &lab)
{
    std::string last;
    for (const LabHost &host : lab.hosts)
        if (!host.vteps.empty())
            last = host.name;
    return last;
}

} // namespace

const VtepDriver &driver_of(const LabState &state, const std::string &host)
{
    const bool kernel = state.ends == LabEnds::kernel || (state.ends == LabEnds::kernel_peer &&
                                                          host == last_host_with_vteps(state.lab));
    return kernel ? kernel_driver() : xvtep_driver();
}

} // namespace xvtep
