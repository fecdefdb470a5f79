// SPDX-License-Identifier: GPL-2.0-only
#include "bench/entries.h"

#include <unistd.h>

#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "bench/bare.h"
#include "bench/shell.h"
#include "bench/world.h"
#include "user/base/fd.h"

namespace xvtep::bench {

Mac numbered(const Mac &first, unsigned number)
{
    Mac mac = first;
    mac.octets[3] = static_cast<std::uint8_t>(number >> 16);
    mac.octets[4] = static_cast<std::uint8_t>(number >> 8);
    mac.octets[5] = static_cast<std::uint8_t>(number);
    return mac;
}

Result<LineFile> LineFile::write(const std::string &text)
{
    std::string name = scratch_pattern();
    const Fd fd(::mkstemp(name.data()));
    if (!fd)
        return errno_failure("create", name, errno);
    LineFile file;
    file.path_ = name;
    for (std::size_t done = 0; done < text.size();) {
        const auto size = ::write(fd.get(), text.data() + done, text.size() - done);
        if (size <= 0)
            return errno_failure("write", name, errno);
        done += static_cast<std::size_t>(size);
    }
    return file;
}

LineFile::LineFile(LineFile &&other) noexcept : path_(std::exchange(other.path_, ""))
{
}

LineFile::~LineFile()
{
    if (!path_.empty())
        ::unlink(path_.c_str());
}

Result<> add_entries(const World &world, const End &end, const Mac &first, unsigned from,
                     unsigned to)
{
    std::string text;
    if (end.system == System::kernel_external)
        return add_external_entries(end, first, from, to);
    if (end.system == System::bare)
        return add_bare_entries(end, first, from, to);
    for (unsigned n = from; n < to; n++) {
        const std::string mac = numbered(first, n).text();
        if (end.system == System::xvtep)
            text += fmt::format("fdb replace {} dev vxlan0 dst {}\n", mac, end.words.remote);
        if (end.system == System::kernel)
            text += fmt::format("fdb replace {0} dev vxlan0 dst {1} self static\n"
                                "fdb replace {0} dev vxlan0 master static\n",
                                mac, end.words.remote);
        if (end.system == System::no_tunnel)
            text += fmt::format("fdb replace {} dev u master static\n", mac);
    }
    if (text.empty())
        return {};
    TRY_ASSIGN(const auto file, LineFile::write(text));
    const std::string program = end.system == System::xvtep ? world.xvtep() : "bridge";
    TRY(sh(fmt::format("{} -n {} -batch {}", program, end.host, file.path()), 300));
    return {};
}

} // namespace xvtep::bench
