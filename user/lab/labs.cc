// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/labs.h"

#include <cerrno>
#include <fstream>

namespace xvtep {

namespace {

constexpr const char *operation = "read lab";
constexpr std::size_t largest_file = 1u << 20;

} // namespace

Result<std::string> find_lab(const std::string &name_or_file)
{
    for (const BuiltInLab &lab : builtin_labs())
        if (lab.name == name_or_file)
            return std::string(lab.text);

    errno = 0;
    std::ifstream file(name_or_file, std::ios::binary);
    if (!file && !name_or_file.contains('/') && !name_or_file.ends_with(".json"))
        return usage_failure(operation, name_or_file, "neither a built-in lab nor a file");
    if (!file)
        return errno_failure(operation, name_or_file, errno != 0 ? errno : ENOENT);
    std::string text(largest_file + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (file.bad())
        return errno_failure(operation, name_or_file, errno != 0 ? errno : EIO);
    if (file.gcount() == 0)
        return usage_failure(operation, name_or_file, "it is empty");
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (text.size() > largest_file)
        return usage_failure(operation, name_or_file, "larger than 1 MiB");
    return text;
}

} // namespace xvtep
