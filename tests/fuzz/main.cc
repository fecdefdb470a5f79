// SPDX-License-Identifier: GPL-2.0-only
// libFuzzer calls this. XVTEP_FUZZ is the target's name, or "list". Where XVTEP_FUZZ_SEEDS names a
// directory, the target's seeds are written there first.
#include <cstdint>
#include <fstream>

#include <spdlog/spdlog.h>

#include "tests/fuzz/target.h"

namespace {

using xvtep::fuzz::Target;

Target target;

std::vector<Target> all_targets()
{
    using namespace xvtep::fuzz;
    std::vector<Target> all;
    for (const auto &some :
         {net_targets(), word_targets(), agent_targets(), etcd_targets(), lab_targets()})
        all.insert(all.end(), some.begin(), some.end());
    return all;
}

} // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's
extern "C" int LLVMFuzzerInitialize(int *, char ***)
{
    spdlog::set_level(spdlog::level::off);
    const char *const wanted = std::getenv("XVTEP_FUZZ");
    const char *const seeds = std::getenv("XVTEP_FUZZ_SEEDS");
    const std::string name = wanted != nullptr ? wanted : "list";
    for (const Target &one : all_targets())
        if (name == "list")
            std::puts(one.name);
        else if (name == one.name)
            target = one;
    if (target.run == nullptr)
        std::exit(name == "list" ? 0 : 2);
    if (seeds == nullptr)
        return 0;
    unsigned n = 0;
    for (const std::string &seed : target.seeds())
        std::ofstream(std::string(seeds) + "/seed" + std::to_string(n++), std::ios::binary) << seed;
    return 0;
}

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    // In memory of its own size: reading on is found.
    const std::string input(reinterpret_cast<const char *>(data), size);
    target.run(input);
    return 0;
}
