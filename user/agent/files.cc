// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>

#include "user/base/fd.h"

namespace xvtep::agent {
namespace {

Failure not_regular(const std::string &path)
{
    return system_failure("read", path, "not a regular file", EINVAL);
}

} // namespace

Result<std::string> read_regular(const std::string &path, std::size_t most)
{
    // O_NONBLOCK, because opening a FIFO would wait for a writer.
    const Fd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    struct stat found {};
    if (!fd || ::fstat(fd.get(), &found) != 0)
        return errno_failure("read", path, errno);
    if (!S_ISREG(found.st_mode))
        return not_regular(path);
    std::string text;
    std::array<char, 65536> chunk{};
    for (;;) {
        const auto size = ::read(fd.get(), chunk.data(), chunk.size());
        if (size < 0)
            return errno_failure("read", path, errno);
        if (size == 0)
            return text;
        text.append(chunk.data(), static_cast<std::size_t>(size));
        if (text.size() > most)
            return system_failure("read", path, fmt::format("more than {} bytes", most), EFBIG);
    }
}

Result<> check_regular(const std::string &path)
{
    struct stat found {};
    if (::stat(path.c_str(), &found) == 0 && !S_ISREG(found.st_mode))
        return not_regular(path);
    return {};
}

Result<> check_writable(const std::string &path)
{
    TRY(check_regular(path));
    std::error_code error;
    auto directory = std::filesystem::absolute(path, error).parent_path();
    while (!std::filesystem::exists(directory, error) && directory.has_relative_path())
        directory = directory.parent_path();
    std::string probe = (directory / ".xvtep.XXXXXX").string();
    const Fd fd(::mkostemp(probe.data(), O_CLOEXEC));
    if (!fd)
        return errno_failure("write", path, errno);
    ::unlink(probe.c_str());
    return {};
}

Result<> write_all(int fd, std::string_view text, const std::string &path)
{
    while (!text.empty()) {
        const auto size = ::write(fd, text.data(), text.size());
        if (size < 0)
            return errno_failure("write", path, errno);
        text.remove_prefix(static_cast<std::size_t>(size));
    }
    return {};
}

Result<> replace_file(const std::string &path, std::string_view text)
{
    const std::string temporary = path + ".new";
    ::unlink(temporary.c_str()); // left by a run that was killed
    const Fd fd(
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
    if (!fd)
        return errno_failure("write", temporary, errno);
    Result<> done = write_all(fd.get(), text, temporary);
    if (done && ::rename(temporary.c_str(), path.c_str()) != 0)
        done = errno_failure("write", path, errno);
    if (!done)
        ::unlink(temporary.c_str());
    return done;
}

} // namespace xvtep::agent
