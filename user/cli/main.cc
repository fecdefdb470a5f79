// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/cli.h"

int main(int argc, char **argv)
{
    return xvtep::cli::run({argv, static_cast<std::size_t>(argc)}, stdout, stderr);
}
