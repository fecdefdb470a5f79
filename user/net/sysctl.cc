// SPDX-License-Identifier: GPL-2.0-only
#include "user/net/sysctl.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "user/base/fd.h"

namespace xvtep {

namespace {

Result<Fd> open_key(const char *operation, const std::string &key, int flags)
{
    if (key.empty() || key.starts_with('/') || key.contains("..") || key.contains('\0'))
        return usage_failure(operation, key, "not a sysctl key");
    // /proc/sys/net is that of the namespace of the thread that opens it.
    Fd fd(::open(("/proc/sys/" + key).c_str(), flags | O_CLOEXEC));
    if (!fd)
        return errno_failure(operation, key, errno);
    return fd;
}

} // namespace

Result<std::string> sysctl(const std::string &key)
{
    TRY_ASSIGN(const Fd fd, open_key("read sysctl", key, O_RDONLY));
    std::string value;
    std::array<char, 4096> part;
    for (;;) {
        const ssize_t got = ::read(fd.get(), part.data(), part.size());
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno_failure("read sysctl", key, errno);
        if (got == 0)
            break;
        value.append(part.data(), static_cast<std::size_t>(got));
    }
    while (value.ends_with('\n'))
        value.pop_back();
    return value;
}

Result<> set_sysctl(const std::string &key, const std::string &value)
{
    TRY_ASSIGN(const Fd fd, open_key("set sysctl", key, O_WRONLY));
    // The kernel takes each write(2) as a whole value.
    ssize_t put;
    do
        put = ::write(fd.get(), value.data(), value.size());
    while (put < 0 && errno == EINTR);
    if (put < 0)
        return errno_failure("set sysctl", key, errno);
    if (static_cast<std::size_t>(put) != value.size())
        return system_failure("set sysctl", key, "short write");
    return {};
}

} // namespace xvtep
