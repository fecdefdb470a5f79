// SPDX-License-Identifier: GPL-2.0-only
#include "bench/napi.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <set>

#include <fmt/format.h>

#include "bench/shell.h"

namespace xvtep::bench {
namespace {

// The kernel's threads that receive for devices of this name, in any namespace.
std::set<int> threads(const std::string &device)
{
    std::set<int> found;
    std::error_code ignored;
    for (const auto &entry : std::filesystem::directory_iterator("/proc", ignored)) {
        const std::string name = entry.path().filename();
        int number = 0;
        if (std::from_chars(name.data(), name.data() + name.size(), number).ptr !=
            name.data() + name.size())
            continue;
        std::string comm;
        std::getline(std::ifstream(entry.path() / "comm"), comm);
        if (comm.starts_with("napi/" + device + "-"))
            found.insert(number);
    }
    return found;
}

} // namespace

Result<> receive_on(const std::string &netns, const std::string &device, int core)
{
    const auto before = threads(device);
    TRY(sh_in(netns, fmt::format("sh -c 'echo 1 > /sys/class/net/{}/threaded'", device)));
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    bool any = false;
    for (const int thread : threads(device)) {
        if (before.contains(thread))
            continue;
        if (::sched_setaffinity(thread, sizeof(set), &set) != 0)
            return errno_failure("pin the NAPI thread of", device, errno);
        any = true;
    }
    if (!any)
        return system_failure("find the NAPI thread of", device, "there is none");
    return {};
}

} // namespace xvtep::bench
