// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cerrno>
#include <string_view>
#include <utility>

#include "xvtep/result.h"

namespace xvtep {

[[nodiscard]] Failure usage_failure(std::string_view operation, std::string_view object,
                                    std::string_view cause);
[[nodiscard]] Failure system_failure(std::string_view operation, std::string_view object,
                                     std::string_view cause, int code = 0);
// `code` is a positive errno. `detail` is appended in brackets, unless it is empty.
[[nodiscard]] Failure errno_failure(std::string_view operation, std::string_view object, int code,
                                    std::string_view detail = {});

} // namespace xvtep

// Return the error of a failed Result to the caller. TRY_ASSIGN also declares a variable for the
// value, and TRY_SET assigns the value to an existing variable.
#define XVTEP_CONCAT_(a, b) a##b
#define XVTEP_CONCAT(a, b) XVTEP_CONCAT_(a, b)
#define TRY(expression)                                                                            \
    do {                                                                                           \
        if (auto &&try_result_ = (expression); !try_result_)                                       \
            return std::unexpected(std::move(try_result_).error());                                \
    } while (0)
#define TRY_ASSIGN(declaration, expression)                                                        \
    XVTEP_TRY_ASSIGN_(declaration, expression, XVTEP_CONCAT(try_, __COUNTER__))
#define XVTEP_TRY_ASSIGN_(declaration, expression, result)                                         \
    auto result = (expression);                                                                    \
    if (!result)                                                                                   \
        return std::unexpected(std::move(result).error());                                         \
    declaration = std::move(*result)
#define TRY_SET(target, expression)                                                                \
    do {                                                                                           \
        auto try_result_ = (expression);                                                           \
        if (!try_result_)                                                                          \
            return std::unexpected(std::move(try_result_).error());                                \
        target = std::move(*try_result_);                                                          \
    } while (0)
