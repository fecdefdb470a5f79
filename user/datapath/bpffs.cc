// SPDX-License-Identifier: GPL-2.0-only
#include "user/datapath/bpffs.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace xvtep {
namespace {

namespace fs = std::filesystem;

constexpr auto lock_patience = std::chrono::seconds(30);

Result<bool> is_bpffs(const std::string &path)
{
    struct statfs found {};
    if (::statfs(path.c_str(), &found) == 0)
        return found.f_type == BPF_FS_MAGIC;
    if (errno == ENOENT || errno == ENOTDIR)
        return false;
    return errno_failure("look for a bpf file system at", path, errno);
}

std::string base_of(const std::string &root)
{
    return root + "/xvtep";
}

// The owner of the pins controls the maps with which our programs run.
Result<> check_owner(const std::string &root)
{
    const std::string base = base_of(root);
    struct stat found {};
    if (::lstat(base.c_str(), &found) != 0)
        return errno == ENOENT ? Result<>() : errno_failure("look at", base, errno);
    if (S_ISDIR(found.st_mode) && (found.st_uid == 0 || found.st_uid == ::geteuid()))
        return {};
    return system_failure("use", base,
                          fmt::format("user {} has made it: remove it, and mount the bpf file "
                                      "system with mode=0700",
                                      found.st_uid),
                          EPERM);
}

// Makes and opens a directory that only its owner may open. Returns an empty Fd if the parent
// directory is gone.
Result<Fd> private_directory(const std::string &path)
{
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
        return errno == ENOENT ? Result<Fd>(Fd()) : errno_failure("make", path, errno);
    Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd && errno == EACCES)
        return errno_failure("open", path, EACCES, "another user's");
    if (!fd)
        return errno == ENOENT ? Result<Fd>(Fd()) : errno_failure("open", path, errno);
    struct stat found {};
    if (::fstat(fd.get(), &found) != 0)
        return errno_failure("open", path, errno);
    if ((found.st_mode & 077) != 0 && ::fchmod(fd.get(), 0700) != 0)
        return errno_failure("open", path, errno);
    return fd;
}

// Returns false if another command has just removed the directory.
Result<bool> lock(const Fd &fd, const std::string &path, std::chrono::microseconds again,
                  std::chrono::steady_clock::time_point deadline)
{
    while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return errno_failure("lock", path, errno);
        if (std::chrono::steady_clock::now() > deadline)
            return system_failure("lock", path, "another xvtep command has held it for 30 s",
                                  EBUSY);
        std::this_thread::sleep_for(again);
    }
    struct stat found {};
    if (::fstat(fd.get(), &found) != 0)
        return errno_failure("lock", path, errno);
    return found.st_nlink != 0;
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
    const std::string usual = usual_bpffs;
    std::string theirs = usual;
    Result<bool> found = is_bpffs(usual);
    TRY(found);
    for (int pid = ::getppid(); !(found && *found) && pid > 0; pid = parent_of(pid)) {
        theirs = fmt::format("/proc/{}/root{}", pid, usual);
        if (auto seen = is_bpffs(theirs); seen || found) // report the first that cannot be read
            found = std::move(seen);
    }
    TRY(found);
    if (!*found)
        return system_failure(
            "open", usual, "no bpf file system there (mount -t bpf -o mode=0700 bpf /sys/fs/bpf)",
            ENOENT);
    TRY(check_owner(theirs));
    return theirs;
}

Result<Lock> Lock::take(const std::string &root)
{
    const auto deadline = std::chrono::steady_clock::now() + lock_patience;
    const std::string base = base_of(root), queue = base + "/turn";
    for (;;) {
        TRY_ASSIGN(Fd directory, private_directory(base));
        TRY(check_owner(root));
        TRY_ASSIGN(const Fd turn, private_directory(queue));
        if (!directory || !turn)
            continue;
        // A waiting command locks `turn` first, so that a batch that gives the lock back and takes
        // it again at once has to queue.
        TRY(lock(turn, queue, std::chrono::milliseconds(3), deadline));
        // Only one command at a time waits here, so it may poll more often.
        TRY_ASSIGN(const bool ours,
                   lock(directory, base, std::chrono::microseconds(300), deadline));
        if (ours)
            return Lock(root, std::move(directory));
    }
}

// Whoever waits for the directory holds `turn`, and others wait for that.
bool Lock::is_wanted() const
{
    const std::string queue = base_of(root_) + "/turn";
    const Fd turn(::open(queue.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    return !turn || ::flock(turn.get(), LOCK_EX | LOCK_NB) != 0; // if in doubt, others get it
}

// Commands that wait for this directory notice when it is removed: see lock().
Lock::~Lock()
{
    if (!directory_)
        return;
    const std::string base = base_of(root_);
    if (const auto names = names_in(base);
        !names || std::ranges::any_of(*names, [](auto &name) { return name != "turn"; }))
        return;
    ::rmdir((base + "/turn").c_str());
    ::rmdir(base.c_str());
}

std::string state_directory(const std::string &root, std::uint64_t cookie)
{
    return fmt::format("{}/xvtep/{}", root, cookie);
}

Result<std::vector<std::uint64_t>> pinned_cookies(const std::string &root)
{
    std::vector<std::uint64_t> cookies;
    TRY_ASSIGN(const auto names, names_in(base_of(root)));
    for (const auto &name : names) {
        std::uint64_t cookie = 0;
        const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), cookie);
        if (problem == std::errc() && end == name.data() + name.size())
            cookies.push_back(cookie);
    }
    return cookies;
}

Result<> remove_state(const std::string &root, std::uint64_t cookie)
{
    const std::string directory = state_directory(root, cookie);
    // Remove `layout` first: without it the state counts as incomplete.
    if (::unlink((directory + "/maps/layout").c_str()) != 0 && errno != ENOENT)
        return errno_failure("remove", directory, errno);
    std::error_code error;
    fs::remove_all(directory, error);
    if (error)
        return errno_failure("remove", directory, error.value());
    return {};
}

Result<std::vector<std::string>> names_in(const std::string &directory)
{
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error))
        names.push_back(entry->path().filename());
    if (error && error != std::errc::no_such_file_or_directory)
        return errno_failure("read", directory, error.value());
    return names;
}

Result<> check_privileges(std::string_view operation, std::string_view object, Privilege wanted)
{
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    if (::syscall(SYS_capget, &header, data) != 0)
        return errno_failure(operation, object, errno);
    const auto has = [&](unsigned capability) {
        return (data[capability / 32].effective >> (capability % 32) & 1) != 0;
    };
    const bool all_of_bpf =
        has(CAP_SYS_ADMIN); // it included CAP_BPF and CAP_PERFMON before Linux 5.8
    std::vector<std::string_view> missing;
    if (!has(CAP_NET_ADMIN))
        missing.push_back("CAP_NET_ADMIN");
    if (!has(CAP_BPF) && !all_of_bpf)
        missing.push_back("CAP_BPF");
    if (wanted >= Privilege::load && !has(CAP_PERFMON) && !all_of_bpf)
        missing.push_back("CAP_PERFMON");
    if (wanted == Privilege::xdp && !all_of_bpf)
        missing.push_back("CAP_SYS_ADMIN, for XDP");
    if (missing.empty())
        return {};
    return system_failure(operation, object,
                          fmt::format("no permission (needs {})", fmt::join(missing, " and ")),
                          EPERM);
}

} // namespace xvtep
