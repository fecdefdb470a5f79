// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/processes.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>

#include "user/base/fd.h"

namespace xvtep {

namespace {

constexpr const char *mark = "XVTEP_LAB_PROCESS=";
constexpr int kill_timeout = 5000; // milliseconds
constexpr std::array directories = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                    "/usr/bin",        "/sbin",          "/bin"};

// The mark's value in a process's environment, or none if the process is not a lab's. A process has
// no environment for a moment during execve(2).
std::optional<std::string> mark_of(pid_t pid)
{
    for (int tries = 0; tries < 20; tries++) {
        std::ifstream file("/proc/" + std::to_string(pid) + "/environ", std::ios::binary);
        bool any = false;
        for (std::string variable; std::getline(file, variable, '\0'); any = true)
            if (variable.starts_with(mark))
                return variable.substr(std::string_view(mark).size());
        if (any || !file.is_open())
            break;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return std::nullopt;
}

struct NetnsId {
    dev_t device = 0;
    ino_t inode = 0;
    bool operator==(const NetnsId &) const = default;
};

std::optional<NetnsId> netns_at(const std::string &path)
{
    struct stat status {};
    if (::stat(path.c_str(), &status) < 0)
        return std::nullopt;
    return NetnsId{status.st_dev, status.st_ino};
}

std::vector<pid_t> all_pids()
{
    std::vector<pid_t> pids;
    std::error_code error;
    for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string name = entry->path().filename();
        pid_t pid = 0;
        const auto [last, problem] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (problem == std::errc() && last == name.data() + name.size() && pid != ::getpid())
            pids.push_back(pid);
    }
    std::ranges::sort(pids);
    return pids;
}

// Runs in the child of a process with threads, and so makes system calls only. Returns an errno.
int become(int netns, int log, char *const *words, char *const *environment)
{
    sigset_t none;
    ::sigemptyset(&none);
    const Fd null(::open("/dev/null", O_RDONLY));
    if (::setsid() < 0 || ::setns(netns, CLONE_NEWNET) < 0 || ::chdir("/") < 0 || !null ||
        ::dup2(null.get(), 0) < 0 || ::dup2(log, 1) < 0 || ::dup2(log, 2) < 0 ||
        ::sigprocmask(SIG_SETMASK, &none, nullptr) < 0)
        return errno;
    for (const int number : {SIGPIPE, SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGCHLD})
        ::signal(number, SIG_DFL);
    // Descriptors of this process (a lock, a pipe) must not stay open in the program.
    ::syscall(SYS_close_range, 3u, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
    ::execve(words[0], words, environment);
    return errno;
}

std::vector<char *> pointers(std::vector<std::string> &texts)
{
    std::vector<char *> list;
    for (std::string &text : texts)
        list.push_back(text.data());
    list.push_back(nullptr);
    return list;
}

Result<> kill_process(const LabProcess &process, const NetnsId &netns)
{
    const std::string object = process.what + " " + std::to_string(process.pid);
    const Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
    if (!fd)
        return errno == ESRCH ? Result<>{} : Result<>(errno_failure("kill", object, errno));
    // The number may belong to another process by now.
    if (netns_at("/proc/" + std::to_string(process.pid) + "/ns/net") != netns ||
        mark_of(process.pid) != process.what)
        return {};
    if (::syscall(SYS_pidfd_send_signal, fd.get(), SIGKILL, nullptr, 0) < 0 && errno != ESRCH)
        return errno_failure("kill", object, errno);
    pollfd poller{fd.get(), POLLIN, 0};
    while (true) {
        const int ready = ::poll(&poller, 1, kill_timeout);
        if (ready > 0)
            return {};
        if (ready == 0)
            return system_failure("kill", object, "it does not end");
        if (errno != EINTR)
            return errno_failure("kill", object, errno);
    }
}

} // namespace

Result<std::string> find_program(const std::string &name)
{
    if (name.contains('/'))
        return name;
    for (const char *directory : directories)
        if (const std::string path = std::string(directory) + "/" + name;
            ::access(path.c_str(), X_OK) == 0)
            return path;
    return system_failure("run", name, "no such program in /usr and /usr/local");
}

Result<> start_process(const LabNode &node, const std::string &what,
                       const std::vector<std::string> &words, const std::string &log)
{
    std::vector<std::string> texts = words;
    std::vector<std::string> variables = {mark + what, "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                                          "LC_ALL=C"};
    const std::vector<char *> arguments = pointers(texts), environment = pointers(variables);
    const Fd file(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!file)
        return errno_failure("open", log, errno);
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) < 0)
        return errno_failure("run", words[0], errno);
    const Fd reader(ends[0]);
    Fd writer(ends[1]);
    // A grandchild, which init waits for when it ends.
    const pid_t child = ::fork();
    if (child < 0)
        return errno_failure("run", words[0], errno);
    if (child == 0) {
        const pid_t grandchild = ::fork();
        if (grandchild > 0)
            ::_exit(0);
        const int code = grandchild < 0 ? errno
                                        : become(node.netns.fd(), file.get(), arguments.data(),
                                                 environment.data());
        (void)!::write(writer.get(), &code, sizeof(code));
        ::_exit(127);
    }
    writer.reset();
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    int code = 0;
    ssize_t got = 0;
    while ((got = ::read(reader.get(), &code, sizeof(code))) < 0 && errno == EINTR) {
    }
    if (got != 0)
        return errno_failure("run", words[0], code);
    return {};
}

std::vector<LabProcess> lab_processes(const std::vector<std::string> &netns_names)
{
    std::vector<LabProcess> found;
    const std::vector<pid_t> pids = all_pids();
    for (const std::string &name : netns_names) {
        const auto netns = netns_at("/run/netns/" + name);
        if (!netns)
            continue;
        for (const pid_t pid : pids)
            if (netns_at("/proc/" + std::to_string(pid) + "/ns/net") == netns)
                if (const auto what = mark_of(pid))
                    found.push_back({name, *what, pid});
    }
    return found;
}

Result<> kill_processes(const std::vector<std::string> &netns_names, const std::string &what)
{
    Result<> first;
    for (const LabProcess &process : lab_processes(netns_names)) {
        const auto netns = netns_at("/run/netns/" + process.netns);
        if (!netns || (!what.empty() && process.what != what))
            continue;
        if (auto killed = kill_process(process, *netns); !killed && first)
            first = std::move(killed);
    }
    return first;
}

} // namespace xvtep
