// SPDX-License-Identifier: GPL-2.0-only
// What every call of the library returns: a value, or what failed, on which object, and why. The
// library never prints and never exits; of exceptions it lets out only the C++ library's own
// (std::bad_alloc) and what a MissListener throws.
//
// Namespaces: a call acts in the network namespace of the thread that makes it (see netns.h).
//
// Threads: any number may call at once; each call opens its own descriptors. What threads share is
// the lock, and the print functions of libbpf and libxdp, which go to spdlog's default logger at
// level debug from the first attach on. Objects (Batch, MissSource, Netns) belong to one thread at
// a time.
//
// Processes: a call that changes something holds a lock (flock(2) on xvtep/ in the bpf file system,
// which only its owner may open) against all other xvtep calls on the machine, and first puts right
// what a killed one left behind. Calls
// that only read take no lock and see what is there at that moment.
#pragma once

#include <expected>
#include <string>

namespace xvtep {

// The class of an error; also the command line's exit status.
enum class ErrorKind {
    usage = 1,  // the values given are wrong whatever the system
    system = 2, // the system, or what is set up on it, refused
};

// One line: "OPERATION OBJECT: CAUSE", as in "attach eth9: no such device".
//
// Any call may fail with ErrorKind::system and one of these codes:
//   EPERM   a capability is missing (all need CAP_NET_ADMIN and CAP_BPF; the first attach and
//   reload
//           CAP_PERFMON; XDP CAP_SYS_ADMIN), or another user made xvtep/ in the bpf file system
//   EACCES  the tables are another user's
//   ENOENT  no bpf file system at /sys/fs/bpf
//   ENODEV  no such device, or it is not a VTEP of xvtep
//   EPROTO  the tables in the kernel are of another version's layout
//   EBUSY   (calls that change something) the lock was not to be had within 30 s
// or with what a system call it needs has failed with. The headers name only the codes beyond.
struct Error {
    ErrorKind kind = ErrorKind::system;
    std::string operation; // as on the command line: "fdb add"
    std::string object;    // a device, a MAC, an IP; may be empty
    std::string cause;
    int code = 0; // a positive errno where one was the cause, else 0; 0 with ErrorKind::usage

    [[nodiscard]] std::string message() const; // the line, without a newline
};

template <class T = void> using Result = std::expected<T, Error>;
using Failure = std::unexpected<Error>;

// strerror(code) as part of a sentence: "no such device". `code`: a positive errno.
[[nodiscard]] std::string errno_text(int code);

} // namespace xvtep
