// SPDX-License-Identifier: GPL-2.0-only
// At which system calls of a command tests have faults happen (tests/support/faults.c).
#pragma once

#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace xvtep::test {

// The kernel's numbers of a program's system calls, as XVTEP_FAULT_COUNT has written them.
inline std::vector<int> calls_of(const std::string &count_file)
{
    std::ifstream file(count_file);
    std::size_t count = 0;
    file >> count;
    std::vector<int> calls;
    for (int call = 0; file >> call;)
        calls.push_back(call);
    return calls;
}

// Errors that the call may well have on a machine that is short of something, or interrupted.
inline const std::vector<int> &errors_of(int call)
{
    static const std::vector<int> of_open{EMFILE, ENOMEM, EIO, EINTR}, of_socket{EMFILE, ENOMEM},
        of_memory{ENOMEM}, of_process{EAGAIN, ENOMEM}, of_bpf{ENOMEM, EPERM},
        of_lock{ENOLCK, EINTR}, of_message{ENOBUFS, EINTR, ENOMEM}, of_files{ENOSPC, EPERM, EIO},
        of_data{EIO, EINTR, ENOMEM}, of_devices{ENOMEM, EBUSY}, others{ENOMEM, EIO, EPERM};
    switch (call) {
    case SYS_bpf:
        return of_bpf;
    case SYS_open:
    case SYS_openat:
        return of_open;
    case SYS_socket:
    case SYS_epoll_create1:
    case SYS_eventfd2:
    case SYS_pipe2:
        return of_socket;
    case SYS_mmap:
    case SYS_mprotect:
        return of_memory;
    case SYS_clone:
    case SYS_clone3:
    case SYS_fork:
    case SYS_vfork:
        return of_process;
    case SYS_ioctl: // EPERM would mean that this user may never
    case SYS_setns:
        return of_devices;
    case SYS_flock:
        return of_lock;
    case SYS_sendmsg:
    case SYS_sendto:
    case SYS_recvmsg:
    case SYS_recvfrom:
        return of_message;
    case SYS_read:
    case SYS_write:
    case SYS_writev:
    case SYS_poll:
        return of_data;
    case SYS_mkdir:
    case SYS_unlink:
    case SYS_unlinkat:
    case SYS_rmdir:
    case SYS_rename:
    case SYS_renameat2:
        return of_files;
    default:
        return others;
    }
}

struct FaultPoint {
    unsigned at; // 1 is the first call
    int error;   // 0: the command is killed
};

// `count` calls of one kind fail with an error, or kill (0), besides: of those in the second half
// of a command, the last one among them. A fault that was mended comes back there.
struct KnownFault {
    int call = 0;
    int error = 0;
    unsigned count = 0;
};

inline void add_known_points(std::vector<FaultPoint> &points, const std::vector<int> &calls,
                             const KnownFault &known)
{
    std::vector<unsigned> found;
    for (unsigned n = 0; n < calls.size(); n++)
        if (calls[n] == known.call)
            found.push_back(n + 1);
    for (unsigned n = 0; n < known.count && n < found.size(); n++)
        points.push_back(
            {found[found.size() - 1 - n * found.size() / (2 * known.count)], known.error});
}

// XVTEP_FAULT_POINTS is "all", or how many instead of `points`. They are spread over all calls, by
// XVTEP_FAULT_SEED and the command's name, and each second one kills.
inline std::vector<FaultPoint> fault_points(const std::vector<int> &calls, unsigned points,
                                            const std::string &name)
{
    const char *const wanted = std::getenv("XVTEP_FAULT_POINTS");
    const char *const seed = std::getenv("XVTEP_FAULT_SEED");
    const auto count = static_cast<unsigned>(calls.size());
    if (wanted != nullptr)
        points = std::string(wanted) == "all" ? count : static_cast<unsigned>(std::atoi(wanted));
    points = std::min(points, count);
    const auto salt = static_cast<unsigned>(seed != nullptr ? std::atoi(seed) : 16);
    std::mt19937 random(salt);
    for (const char letter : name)
        random.discard(static_cast<unsigned char>(letter));
    std::vector<FaultPoint> chosen;
    for (unsigned n = 0; n < 2 * points; n++) {
        const unsigned from = n / 2 * count / points, to = (n / 2 + 1) * count / points;
        const unsigned at = from + static_cast<unsigned>(random()) % (to - from);
        const auto &errors = errors_of(calls[at]);
        chosen.push_back({at + 1, n % 2 != 0 ? 0 : errors[(at + salt) % errors.size()]});
    }
    return chosen;
}

// Appends a line to the file XVTEP_FAULT_SUMMARY, if there is one.
inline void note_summary(const std::string &name, std::size_t calls, unsigned tried,
                         unsigned faults)
{
    if (const char *const path = std::getenv("XVTEP_FAULT_SUMMARY"))
        std::ofstream(path, std::ios::app) << fmt::format(
            "| {} | {} | {} | {} | {} |\n", name, calls, (tried + 1) / 2, tried / 2, faults);
}

} // namespace xvtep::test
