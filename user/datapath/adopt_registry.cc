// SPDX-License-Identifier: GPL-2.0-only
#include "user/datapath/adopt_registry.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <sstream>
#include <thread>

#include <fmt/format.h>

namespace xvtep::adopt {
namespace {

constexpr const char *directory = "/run/xvtep/adopt";

std::string path_of(std::uint64_t cookie)
{
    return fmt::format("{}/{}", directory, cookie);
}

std::string read_all(const Fd &file)
{
    std::string text;
    std::array<char, 4096> chunk{};
    for (;;) {
        const auto size =
            ::pread(file.get(), chunk.data(), chunk.size(), static_cast<off_t>(text.size()));
        if (size <= 0)
            return text;
        text.append(chunk.data(), static_cast<std::size_t>(size));
    }
}

// Removes the files of services that were killed. One that is just being taken is made again: see
// take().
void remove_dead()
{
    std::error_code error;
    for (const auto &one : std::filesystem::directory_iterator(directory, error)) {
        const std::string path = one.path();
        const Fd file(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
        if (file && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0)
            ::unlink(path.c_str());
    }
}

std::optional<Entry> parse(const std::string &text)
{
    std::istringstream lines(text);
    Entry entry;
    if (!(lines >> entry.pid >> entry.fd))
        return std::nullopt;
    std::string name, reason;
    while (lines >> name && std::getline(lines >> std::ws, reason))
        entry.refused.push_back({name, reason});
    return entry;
}

} // namespace

std::string Entry::root() const
{
    return fmt::format("/proc/{}/fd/{}", pid, fd);
}

Result<Registration> Registration::take(std::uint64_t cookie)
{
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error)
        return errno_failure("make", directory, error.value());
    remove_dead();
    const std::string path = path_of(cookie);
    for (int tries = 1;; tries++) {
        Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!file)
            return errno_failure("open", path, errno);
        if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
            if (errno != EWOULDBLOCK)
                return errno_failure("lock", path, errno);
            if (tries < 10) { // perhaps find_service() only looks whether somebody holds it
                std::this_thread::sleep_for(std::chrono::milliseconds(10));
                continue;
            }
            const auto other = parse(read_all(file));
            return system_failure(
                "adopt", "",
                fmt::format("another service serves this namespace{}",
                            other ? fmt::format(" (process {})", other->pid) : ""),
                EBUSY);
        }
        struct stat ours {
        }, there{};
        if (::fstat(file.get(), &ours) == 0 && ::stat(path.c_str(), &there) == 0 &&
            ours.st_ino == there.st_ino) {
            if (::ftruncate(file.get(), 0) != 0) // of a service that was killed
                return errno_failure("write", path, errno);
            return Registration(path, std::move(file));
        }
        // The service that had it has just removed it.
    }
}

Registration::~Registration()
{
    if (file_)
        ::unlink(path_.c_str());
}

Result<> Registration::write(const Entry &entry) const
{
    std::string text = fmt::format("{} {}\n", entry.pid, entry.fd);
    for (const auto &[name, reason] : entry.refused)
        text += fmt::format("{} {}\n", name, reason);
    if (::pwrite(file_.get(), text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
        ::ftruncate(file_.get(), static_cast<off_t>(text.size())) != 0)
        return errno_failure("write", path_, errno);
    return {};
}

Result<std::optional<Entry>> find_service(std::uint64_t cookie)
{
    const std::string path = path_of(cookie);
    const Fd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!file)
        return errno == ENOENT ? Result<std::optional<Entry>>(std::nullopt)
                               : errno_failure("open", path, errno);
    if (::flock(file.get(), LOCK_SH | LOCK_NB) == 0)
        return std::nullopt; // nobody holds it
    return parse(read_all(file));
}

} // namespace xvtep::adopt
