// SPDX-License-Identifier: GPL-2.0-only
// Lab files.
#include "tests/fuzz/target.h"
#include "user/lab/description.h"
#include "user/lab/labs.h"

namespace xvtep::fuzz {
namespace {

void run_lab(std::string_view input)
{
    const auto lab = parse_lab(input, "input");
    if (!lab) {
        check(!lab.error().message().empty(), "an error has a text");
        check(lab.error().kind == ErrorKind::usage, "a wrong lab file is a wrong usage");
        return;
    }
    for (const auto &node : lab->nodes())
        (void)lab->overlay_addresses(node);
}

std::vector<std::string> lab_seeds()
{
    std::vector<std::string> seeds{"{}", R"({"name":"a","hosts":[],"wires":[]})"};
    for (const BuiltInLab &lab : builtin_labs())
        seeds.emplace_back(lab.text);
    return seeds;
}

} // namespace

std::vector<Target> lab_targets()
{
    return {{"lab", run_lab, lab_seeds}};
}

} // namespace xvtep::fuzz
