// SPDX-License-Identifier: GPL-2.0-only
#include "user/base/result.h"

#include <cctype>
#include <cstring>

namespace xvtep {

std::string Error::message() const
{
    std::string line = operation;
    if (!object.empty())
        line += (line.empty() ? "" : " ") + object;
    return line + ": " + cause;
}

std::string errno_text(int code)
{
    std::string text =
        strerrordesc_np(code) ? strerrordesc_np(code) : "error " + std::to_string(code);
    // "No such device" reads as part of a sentence; "RFS specific error" keeps its capitals.
    if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])))
        text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    return text;
}

Failure usage_failure(std::string_view operation, std::string_view object, std::string_view cause)
{
    return Failure(Error{ErrorKind::usage, std::string(operation), std::string(object),
                         std::string(cause), 0});
}

Failure system_failure(std::string_view operation, std::string_view object, std::string_view cause,
                       int code)
{
    return Failure(Error{ErrorKind::system, std::string(operation), std::string(object),
                         std::string(cause), code});
}

Failure errno_failure(std::string_view operation, std::string_view object, int code,
                      std::string_view detail)
{
    std::string cause = errno_text(code);
    if (!detail.empty())
        cause += " (" + std::string(detail) + ")";
    return system_failure(operation, object, cause, code);
}

} // namespace xvtep
