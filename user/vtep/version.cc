// SPDX-License-Identifier: GPL-2.0-only
#include "xvtep/version.h"

#include <bpf/libbpf.h>

#include "bpf/abi/tables.h"

namespace xvtep {

unsigned map_layout()
{
    return XV_LAYOUT;
}

std::string libbpf_version()
{
    return libbpf_version_string() + 1; // behind the "v"
}

} // namespace xvtep
