// SPDX-License-Identifier: GPL-2.0-only
#include "bench/world.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <string_view>
#include <thread>

#include <fmt/format.h>

#include "bench/shell.h"
#include "user/datapath/bpffs.h"
#include "user/net/netlink.h"
#include "user/net/sysctl.h"
#include "xvtep/netns.h"

namespace xvtep::bench {

namespace {

// Process numbers are those of a PID namespace, which containers that share /tmp and /run/netns
// have one each of: it is in the names too.
std::string prefix_of(std::string_view kind)
{
    struct stat own {};
    (void)::stat("/proc/self/ns/pid", &own);
    return fmt::format("{}{:x}.", kind, own.st_ino);
}

std::string spaces()
{
    return prefix_of("xvb");
}
std::string scratch()
{
    return prefix_of("xvtep-bench-");
}

// Named for a process that has ended: PREFIX, its number, "-".
bool is_left_over(std::string_view name, std::string_view prefix)
{
    if (!name.starts_with(prefix))
        return false;
    pid_t pid = 0;
    const auto *const end = name.data() + name.size();
    const auto [last, error] = std::from_chars(name.data() + prefix.size(), end, pid);
    return error == std::errc() && pid > 0 && last != end && *last == '-' && ::kill(pid, 0) != 0 &&
           errno == ESRCH;
}

std::vector<std::filesystem::path> left_over(const char *directory, std::string_view prefix)
{
    std::vector<std::filesystem::path> found;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error))
        if (is_left_over(entry->path().filename().string(), prefix))
            found.push_back(entry->path());
    return found;
}

} // namespace

void remove_leftovers()
{
    for (const auto &path : left_over("/run/netns", spaces()))
        (void)Netns::remove(path.filename());
    std::error_code ignored;
    for (const auto &path : left_over("/tmp", scratch()))
        std::filesystem::remove_all(path, ignored);
}

std::string scratch_pattern()
{
    return fmt::format("/tmp/{}{}-XXXXXX", scratch(), ::getpid());
}

// The kernel takes a namespace down in its own time; only then is what is pinned for it removed.
World::~World()
{
    const auto root = bpffs_root();
    std::vector<std::string> pinned;
    for (const auto &name : hosts_) {
        const auto netns = Netns::open(name);
        const auto cookie = netns ? netns->cookie() : Result<std::uint64_t>(0);
        if (root && cookie)
            pinned.push_back(state_directory(*root, *cookie));
        (void)Netns::remove(name);
    }
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (made_ > 0) {
        (void)sh(xvtep_ + " detach lo"); // refused, but it removes the pins of dead namespaces
        if (std::ranges::none_of(
                pinned, [](const auto &path) { return ::access(path.c_str(), F_OK) == 0; }) ||
            std::chrono::steady_clock::now() > end)
            return;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
}

Result<std::string> World::host(const std::string &name)
{
    std::string full = fmt::format("{}{}-{}{}", spaces(), ::getpid(), name, made_++);
    TRY_ASSIGN(const auto netns, Netns::create(full));
    hosts_.push_back(full);
    TRY_ASSIGN(const auto scope, netns.enter());
    for (const char *key : {"net/ipv6/conf/all/disable_ipv6", "net/ipv6/conf/default/disable_ipv6"})
        (void)set_sysctl(key, "1"); // there may be no IPv6 at all
    return full;
}

void World::remove(const std::string &host)
{
    (void)Netns::remove(host);
    std::erase(hosts_, host);
}

Result<> World::wire(const std::string &a, const std::string &a_dev, const std::string &b,
                     const std::string &b_dev, unsigned mtu)
{
    TRY(sh(fmt::format("ip link add {} netns {} mtu {} type veth peer name {} netns {} mtu {}",
                       a_dev, a, mtu, b_dev, b, mtu)));
    TRY(ip(a, fmt::format("link set {} up", a_dev)));
    return ip(b, fmt::format("link set {} up", b_dev));
}

Result<Mac> mac_of(const std::string &netns, const std::string &device)
{
    TRY_ASSIGN(const auto space, Netns::open(netns));
    TRY_ASSIGN(const auto scope, space.enter());
    TRY_ASSIGN(auto netlink, Netlink::open());
    TRY_ASSIGN(const auto link, netlink.link(device));
    return link.mac;
}

Result<> set_gro(const std::string &netns, const std::string &device)
{
    TRY(sh_in(netns, fmt::format("ethtool -K {} gro on", device)));
    return {};
}

Result<int> index_of(const std::string &netns, const std::string &device)
{
    TRY_ASSIGN(const auto space, Netns::open(netns));
    TRY_ASSIGN(const auto scope, space.enter());
    TRY_ASSIGN(auto netlink, Netlink::open());
    TRY_ASSIGN(const auto link, netlink.link(device));
    return link.index;
}

} // namespace xvtep::bench
