// SPDX-License-Identifier: GPL-2.0-only
#include "xvtep/netns.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <net/if.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <system_error>
#include <thread>
#include <utility>

#include "user/base/fd.h"
#include "user/base/result.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 // Linux 5.14
#endif

namespace xvtep {

namespace {

constexpr const char *run_dir = "/run/netns";
constexpr const char *own_netns = "/proc/thread-self/ns/net";

bool is_name(std::string_view name)
{
    return !name.empty() && name.size() <= NAME_MAX && name != "." && name != ".." &&
           !name.contains('/') && !name.contains('\0');
}

std::string path_of(std::string_view name)
{
    return std::string(run_dir) + "/" + std::string(name);
}

// Returns an empty Fd and sets errno if the path is not a network namespace.
Fd open_netns(const std::string &path)
{
    // O_NONBLOCK, because the directory may also contain a FIFO.
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (fd && ::ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET) {
        fd.reset();
        errno = EINVAL;
    }
    return fd;
}

std::uint64_t inode_of(int fd)
{
    struct stat status {};
    return ::fstat(fd, &status) == 0 ? status.st_ino : 0;
}

// Makes the directory a shared mount, as iproute2 does, so that names made or removed in one mount
// namespace appear and vanish in the others.
Result<> prepare_run_dir(const char *operation)
{
    if (::mkdir(run_dir, 0755) < 0 && errno != EEXIST)
        return errno_failure(operation, run_dir, errno);
    const Fd lock(::open(run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock || ::flock(lock.get(), LOCK_EX) < 0)
        return errno_failure(operation, run_dir, errno);
    if (::mount("", run_dir, "none", MS_SHARED | MS_REC, nullptr) == 0)
        return {};
    if (errno != EINVAL || ::mount(run_dir, run_dir, "none", MS_BIND | MS_REC, nullptr) < 0 ||
        ::mount("", run_dir, "none", MS_SHARED | MS_REC, nullptr) < 0)
        return errno_failure(operation, run_dir, errno);
    return {};
}

// Acts in the calling thread's namespace. Returns 0 or an errno.
int loopback_up()
{
    const Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::memcpy(request.ifr_name, "lo", sizeof("lo"));
    if (!fd || ::ioctl(fd.get(), SIOCGIFFLAGS, &request) < 0)
        return errno;
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    return ::ioctl(fd.get(), SIOCSIFFLAGS, &request) < 0 ? errno : 0;
}

// Runs in a thread of its own, because the thread changes its namespace for good.
int make_namespace_at(const std::string &path)
{
    if (::unshare(CLONE_NEWNET) < 0)
        return errno;
    if (const int code = loopback_up())
        return code;
    return ::mount(own_netns, path.c_str(), "none", MS_BIND, nullptr) < 0 ? errno : 0;
}

// mountinfo writes blanks and backslashes in paths as \ooo.
std::string unescape(std::string_view text)
{
    std::string plain;
    while (!text.empty()) {
        unsigned value = 0;
        if (text[0] == '\\' && text.size() >= 4 &&
            std::from_chars(text.data() + 1, text.data() + 4, value, 8).ptr == text.data() + 4) {
            plain += static_cast<char>(value);
            text.remove_prefix(4);
        } else {
            plain += text[0];
            text.remove_prefix(1);
        }
    }
    return plain;
}

std::vector<std::string> nsfs_mounts(bool &all)
{
    std::vector<std::string> paths;
    std::ifstream mounts("/proc/self/mountinfo");
    all = all && mounts;
    for (std::string line; std::getline(mounts, line);) {
        // ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS … - FSTYPE SOURCE …
        std::istringstream fields(line);
        std::string id, parent, device, root, point;
        if (fields >> id >> parent >> device >> root >> point && root.starts_with("net:["))
            paths.push_back(unescape(point));
    }
    return paths;
}

std::vector<std::string> entries(const char *directory, bool &all)
{
    std::vector<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error))
        names.push_back(entry->path().filename());
    all = all && (!error || error == std::errc::no_such_file_or_directory);
    return names;
}

constexpr int most_tries = 20; // to leave a namespace

// Whether an errno says that there is no namespace, or none that this process may see, rather than
// that it could not be opened this time.
bool is_final(int error)
{
    return error == ENOENT || error == ESRCH || error == EINVAL || error == ENXIO ||
           error == ENOTDIR || error == ELOOP || error == EACCES || error == EPERM;
}

} // namespace

Result<Netns> Netns::current()
{
    Fd fd = open_netns(own_netns);
    if (!fd)
        return errno_failure("open namespace", own_netns, errno);
    return Netns(fd.release());
}

Result<Netns> Netns::open(const std::string &name)
{
    const bool is_path = name.contains('/') && !name.contains('\0');
    if (!is_path && !is_name(name))
        return usage_failure("open namespace", name, "not a namespace name");
    Fd fd = open_netns(is_path ? name : path_of(name));
    if (!fd && errno == EINVAL)
        return system_failure("open namespace", name, "not a network namespace", EINVAL);
    if (!fd && errno == ENOENT)
        return system_failure("open namespace", name, "no such namespace", ENOENT);
    if (!fd)
        return errno_failure("open namespace", name, errno);
    return Netns(fd.release());
}

Result<Netns> Netns::create(const std::string &name)
{
    constexpr const char *operation = "create namespace";
    if (!is_name(name))
        return usage_failure(operation, name, "not a namespace name");
    TRY(prepare_run_dir(operation));

    const std::string path = path_of(name);
    if (!Fd(::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0)))
        return errno_failure(operation, name, errno);
    int code = 0;
    try {
        std::thread([&] { code = make_namespace_at(path); }).join();
    } catch (const std::system_error &error) {
        code = error.code().value();
    }
    if (code != 0) {
        ::unlink(path.c_str());
        return errno_failure(operation, name, code);
    }
    return open(name);
}

Result<> Netns::remove(const std::string &name)
{
    if (!is_name(name))
        return usage_failure("remove namespace", name, "not a namespace name");
    const std::string path = path_of(name);
    // A file on which nothing is mounted is a stale name. Remove it too.
    if (::umount2(path.c_str(), MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT)
        return errno_failure("remove namespace", name, errno);
    if (::unlink(path.c_str()) < 0) {
        if (errno == ENOENT)
            return system_failure("remove namespace", name, "no such namespace", ENOENT);
        return errno_failure("remove namespace", name, errno);
    }
    return {};
}

bool Netns::exists(const std::string &name)
{
    return open(name).has_value();
}

std::vector<Netns> Netns::visible(bool *all)
{
    bool whole = true;
    std::vector<std::string> paths = {own_netns};
    for (const std::string &name : entries(run_dir, whole))
        paths.push_back(path_of(name));
    for (const std::string &name : entries("/proc", whole))
        if (std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; }))
            paths.push_back("/proc/" + name + "/ns/net");
    for (std::string &path : nsfs_mounts(whole))
        paths.push_back(std::move(path));

    std::vector<Netns> found;
    std::set<std::uint64_t> seen;
    for (const std::string &path : paths) {
        // Most processes share one namespace: compare inodes before opening.
        struct stat status {};
        const bool there = ::stat(path.c_str(), &status) == 0;
        if (there && seen.contains(status.st_ino))
            continue;
        Fd fd;
        if (there)
            fd = open_netns(path);
        if (!fd)
            whole = whole && is_final(errno);
        else if (seen.insert(inode_of(fd.get())).second)
            found.push_back(Netns(fd.release()));
    }
    if (all != nullptr)
        *all = whole;
    return found;
}

Netns::Netns(Netns &&other) noexcept : fd_(std::exchange(other.fd_, -1))
{
}

Netns &Netns::operator=(Netns &&other) noexcept
{
    std::swap(fd_, other.fd_);
    return *this;
}

Netns::~Netns()
{
    const Fd closed(fd_);
}

Netns::Scope::Scope(Scope &&other) noexcept : back_(std::exchange(other.back_, -1))
{
}

Netns::Scope::~Scope()
{
    const Fd back(back_);
    for (int tries = 0; back && ::setns(back.get(), CLONE_NEWNET) < 0; tries++) {
        if (tries == most_tries)
            std::abort(); // the thread would go on in the wrong namespace
        std::this_thread::sleep_for(std::chrono::milliseconds(tries)); // the kernel needs memory
    }
}

void Netns::Scope::stay()
{
    const Fd back(std::exchange(back_, -1));
}

Result<Netns::Scope> Netns::enter() const
{
    Fd back(::open(own_netns, O_RDONLY | O_CLOEXEC));
    if (!back)
        return errno_failure("enter namespace", own_netns, errno);
    if (::setns(fd_, CLONE_NEWNET) < 0)
        return errno_failure("enter namespace", "", errno);
    return Scope(back.release());
}

std::uint64_t Netns::inode() const
{
    return inode_of(fd_);
}

std::string Netns::name() const
{
    bool ignored = true;
    for (std::string &name : entries(run_dir, ignored))
        if (struct stat status{};
            ::stat(path_of(name).c_str(), &status) == 0 && status.st_ino == inode())
            return std::move(name);
    return "net:[" + std::to_string(inode()) + "]";
}

Result<std::uint64_t> Netns::cookie() const
{
    TRY_ASSIGN(const Scope scope, enter());
    return current_netns_cookie();
}

Result<std::uint64_t> current_netns_cookie()
{
    const Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    std::uint64_t cookie = 0;
    socklen_t size = sizeof(cookie);
    if (!fd || ::getsockopt(fd.get(), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) < 0)
        return errno_failure("read namespace cookie", "", errno);
    return cookie;
}

} // namespace xvtep
