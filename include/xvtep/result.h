// SPDX-License-Identifier: GPL-2.0-only
// The result of every call of the library: a value, or an Error. The library never prints and never
// exits. The only exceptions that leave it are those of the C++ library (std::bad_alloc) and those
// that a MissListener throws.
//
// Namespaces: a call acts in the network namespace of the calling thread (netns.h).
//
// Threads: any number of threads may call at once, because each call opens its own descriptors.
// Threads share the lock, and the print functions of libbpf and libxdp: the first call that needs
// these libraries replaces them, and what they say goes to spdlog's default logger at level debug.
// Objects (Batch, MissSource, Netns) belong to one thread at a time.
//
// Processes: a call that changes something holds a lock against all other xvtep calls on the
// machine (flock(2) on xvtep/ in the bpf file system, which only its owner may open). It first
// repairs what a killed call left behind. A call that only reads takes no lock; it sees what is
// there at that moment.
#pragma once

#include <expected>
#include <string>

namespace xvtep {

// The class of an error. The command line exits with it.
enum class ErrorKind {
    usage = 1,  // the arguments are wrong on any system
    system = 2, // the system, or what is set up on it, refused
};

// An error reads "OPERATION OBJECT: CAUSE", in one line: "attach eth9: no such device".
//
// Any call may fail with ErrorKind::system and the errno of a system call, and with these codes:
//   EPERM   A capability is missing: CAP_NET_ADMIN and CAP_BPF for every call, CAP_PERFMON too for
//           the first attach and for reload, CAP_SYS_ADMIN too for XDP. Or another user made xvtep/
//           in the bpf file system.
//   EACCES  The tables belong to another user.
//   ENOENT  There is no bpf file system at /sys/fs/bpf.
//   ENODEV  There is no such device, or it is not a VTEP of xvtep.
//   EPROTO  The tables in the kernel have the layout of another version.
//   EBUSY   The call changes something, and another process held the lock for 30 s.
// The "Errors:" lines of the headers name only what is special to a function.
struct Error {
    ErrorKind kind = ErrorKind::system;
    std::string operation; // as on the command line: "fdb add"
    std::string object;    // a device, a MAC, an IP; may be empty
    std::string cause;
    int code = 0; // a positive errno, or 0 if no errno is the cause (always with ErrorKind::usage)

    [[nodiscard]] std::string message() const; // the line, without a newline
};

template <class T = void> using Result = std::expected<T, Error>;
using Failure = std::unexpected<Error>;

// Returns strerror(code) as part of a sentence: "no such device". `code` is a positive errno.
[[nodiscard]] std::string errno_text(int code);

} // namespace xvtep
