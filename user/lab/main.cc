// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/command.h"

int main(int argc, char **argv)
{
    return xvtep::run_lab({argv, static_cast<std::size_t>(argc)}, stdout, stderr);
}
