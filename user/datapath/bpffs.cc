// SPDX-License-Identifier: GPL-2.0-only
#include "user/datapath/bpffs.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fmt/format.h>

namespace xvtep {
namespace {

namespace fs = std::filesystem;

constexpr auto lock_patience = std::chrono::seconds(30);

bool is_bpffs(const std::string &path)
{
    struct statfs found {};
    return ::statfs(path.c_str(), &found) == 0 && found.f_type == BPF_FS_MAGIC;
}

int parent_of(int pid)
{
    std::ifstream status(fmt::format("/proc/{}/status", pid));
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("PPid:"))
            return std::atoi(line.c_str() + 5);
    return 0;
}

} // namespace

Result<std::string> bpffs_root()
{
    const std::string usual = "/sys/fs/bpf";
    if (is_bpffs(usual))
        return usual;
    for (int pid = ::getppid(); pid > 0; pid = parent_of(pid)) {
        const std::string theirs = fmt::format("/proc/{}/root{}", pid, usual);
        if (is_bpffs(theirs))
            return theirs;
    }
    return system_failure("open", usual, "no bpf file system there (mount -t bpf bpf /sys/fs/bpf)",
                          ENOENT);
}

Result<Fd> lock_bpffs(const std::string &root)
{
    const auto deadline = std::chrono::steady_clock::now() + lock_patience;
    const auto lock = [&](const Fd &fd, std::chrono::microseconds again) -> Result<> {
        while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
            if (errno != EWOULDBLOCK && errno != EINTR)
                return errno_failure("lock", root, errno);
            if (std::chrono::steady_clock::now() > deadline)
                return system_failure("lock", root, "another xvtep command has held it for 30 s",
                                      EBUSY);
            std::this_thread::sleep_for(again);
        }
        return {};
    };
    Fd fd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd)
        return errno_failure("open", root, errno);
    // Who waits for the lock holds the next turn: a batch that gives it back and takes it again at
    // once comes behind. Nobody waits long before the directory is there.
    const Fd turn(::open((root + "/xvtep").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (turn)
        TRY(lock(turn, std::chrono::milliseconds(3)));
    // One at a time, and all others wait for it: it may look more often.
    TRY(lock(fd, std::chrono::microseconds(300)));
    return fd;
}

std::string state_directory(const std::string &root, std::uint64_t cookie)
{
    return fmt::format("{}/xvtep/{}", root, cookie);
}

std::vector<std::uint64_t> pinned_cookies(const std::string &root)
{
    std::vector<std::uint64_t> cookies;
    std::error_code error;
    for (const auto &entry : fs::directory_iterator(root + "/xvtep", error)) {
        const std::string name = entry.path().filename();
        std::uint64_t cookie = 0;
        const auto [end, problem] =
            std::from_chars(name.data(), name.data() + name.size(), cookie);
        if (problem == std::errc() && end == name.data() + name.size())
            cookies.push_back(cookie);
    }
    return cookies;
}

void remove_state(const std::string &root, std::uint64_t cookie)
{
    std::error_code error;
    fs::remove_all(state_directory(root, cookie), error);
    fs::remove(root + "/xvtep", error); // only when empty
}

Result<> check_privileges(std::string_view operation, std::string_view object)
{
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    if (::syscall(SYS_capget, &header, data) != 0)
        return errno_failure(operation, object, errno);
    const auto has = [&](unsigned capability) {
        return (data[capability / 32].effective >> (capability % 32) & 1) != 0;
    };
    std::string missing;
    if (!has(CAP_NET_ADMIN))
        missing = "CAP_NET_ADMIN";
    if (!has(CAP_BPF) && !has(CAP_SYS_ADMIN))
        missing += missing.empty() ? "CAP_BPF" : " and CAP_BPF";
    if (!missing.empty())
        return system_failure(operation, object, "no permission (needs " + missing + ")", EPERM);
    return {};
}

} // namespace xvtep
