// SPDX-License-Identifier: GPL-2.0-only
#include "bench/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "user/base/fd.h"
#include "xvtep/netns.h"

namespace xvtep::bench {

Result<Process> Process::start(const std::string &netns, const std::vector<std::string> &words,
                               const std::string &log)
{
    TRY_ASSIGN(const auto space, Netns::open(netns));
    TRY_ASSIGN(const auto scope, space.enter());
    const Fd out(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    const Fd in(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!out || !in)
        return errno_failure("open", log, errno);
    std::vector<char *> arguments;
    for (const auto &word : words)
        arguments.push_back(const_cast<char *>(word.c_str()));
    arguments.push_back(nullptr);
    const pid_t harness = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0)
        return errno_failure("start", words[0], errno);
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::setpgid(0, 0); // a terminal's signals are for the harness, which ends this
        ::dup2(in.get(), 0);
        ::dup2(out.get(), 1);
        ::dup2(out.get(), 2);
        if (::getppid() == harness)
            ::execvp(arguments[0], arguments.data());
        ::_exit(127);
    }
    return Process(pid);
}

Process::Process(Process &&other) noexcept : pid_(std::exchange(other.pid_, -1))
{
}

Process::~Process()
{
    if (pid_ <= 0)
        return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

void Process::stop() const
{
    ::kill(pid_, SIGSTOP);
}

void Process::go_on() const
{
    ::kill(pid_, SIGCONT);
}

} // namespace xvtep::bench
