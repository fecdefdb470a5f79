// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/cli.h"
#include "xvtep/netns.h"

int main(int argc, char **argv)
{
    xvtep::set_libxdp_bpffs();
    return xvtep::cli::run({argv, static_cast<std::size_t>(argc)}, stdout, stderr);
}
