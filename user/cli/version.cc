// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/version.h"

#include <sys/utsname.h>

#include <fmt/format.h>

#include "commit.h" // written by user/package/commit.cmake
#include "xvtep/version.h"

#ifndef XVTEP_LIBXDP
#define XVTEP_LIBXDP "unknown"
#endif

namespace xvtep::cli {

std::string version_date()
{
    return XVTEP_DATE;
}

std::string version_text()
{
    utsname system{};
    ::uname(&system);
    const std::string commit = XVTEP_COMMIT;
    return fmt::format("xvtep {}{}, map layout {}, libbpf {}, libxdp {}, kernel {}\n",
                       XVTEP_VERSION, commit.empty() ? "" : " (" + commit + ")", map_layout(),
                       libbpf_version(), XVTEP_LIBXDP, system.release);
}

} // namespace xvtep::cli
