// SPDX-License-Identifier: GPL-2.0-only
// What every call returns: a value, or what failed, on which object, and why. The library never
// prints, never exits; of exceptions it throws only what the C++ library does (std::bad_alloc).
#pragma once

#include <expected>
#include <string>

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

} // namespace xvtep
