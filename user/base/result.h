// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cerrno>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace xvtep {

// Whose fault it was; the command line's exit status.
enum class Fault {
    usage = 1,  // the words or values given are wrong whatever the system
    system = 2, // the system, or what is set up on it, refused
};

// One line: "OPERATION OBJECT: CAUSE", as in "attach eth9: no such device".
struct Error {
    Fault fault = Fault::system;
    std::string operation;
    std::string object;
    std::string cause;
    int code = 0; // errno where one was the cause, else 0

    [[nodiscard]] std::string message() const;
};

template <class T = void> using Result = std::expected<T, Error>;
using Failure = std::unexpected<Error>;

[[nodiscard]] std::string errno_text(int code); // strerror in lower case

[[nodiscard]] Failure usage_failure(std::string_view operation, std::string_view object,
                                    std::string_view cause);
[[nodiscard]] Failure system_failure(std::string_view operation, std::string_view object,
                                     std::string_view cause, int code = 0);
// `code` is a positive errno; `detail`, where not empty, is appended in brackets.
[[nodiscard]] Failure errno_failure(std::string_view operation, std::string_view object, int code,
                                    std::string_view detail = {});

} // namespace xvtep

// Hands a failed Result on to the caller; TRY_ASSIGN also declares a variable for the value, and
// TRY_SET assigns it to one that is there.
#define XVTEP_CONCAT_(a, b) a##b
#define XVTEP_CONCAT(a, b) XVTEP_CONCAT_(a, b)
#define TRY(expression)                                                                            \
    do {                                                                                           \
        if (auto &&try_result_ = (expression); !try_result_)                                         \
            return std::unexpected(std::move(try_result_).error());                                \
    } while (0)
#define TRY_ASSIGN(declaration, expression)                                                        \
    auto XVTEP_CONCAT(try_, __LINE__) = (expression);                                              \
    if (!XVTEP_CONCAT(try_, __LINE__))                                                             \
        return std::unexpected(std::move(XVTEP_CONCAT(try_, __LINE__)).error());                   \
    declaration = std::move(*XVTEP_CONCAT(try_, __LINE__))
#define TRY_SET(target, expression)                                                                \
    do {                                                                                           \
        auto try_result_ = (expression);                                                           \
        if (!try_result_)                                                                          \
            return std::unexpected(std::move(try_result_).error());                                \
        target = std::move(*try_result_);                                                          \
    } while (0)
