// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/exec_directory.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <deque>
#include <list>
#include <map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "user/agent/json.h"
#include "user/agent/log.h"

namespace xvtep::agent {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t line_max = 512; // bytes of a line of standard error that are logged
constexpr std::size_t errors_at_once = 65536;
constexpr auto errors_rest = 10ms; // between two reads; a flood waits in the pipe

// Writes the standard error of all commands to the log, a few lines a second.
class ErrorLog {
  public:
    ErrorLog(Loop &loop, const ExecOptions &options) : loop_(loop), options_(options) {}
    ~ErrorLog() { loop_.cancel(timer_); }
    ErrorLog(const ErrorLog &) = delete;
    ErrorLog &operator=(const ErrorLog &) = delete;

    // Logs the lines in `bytes`. `line` keeps the beginning of an incomplete line.
    void add(std::string &line, std::string_view bytes)
    {
        while (!bytes.empty()) {
            const auto end = bytes.find('\n');
            line.append(bytes.substr(0, std::min(end, line_max - std::min(line.size(), line_max))));
            if (end == std::string_view::npos)
                return;
            say(std::exchange(line, {}));
            bytes.remove_prefix(end + 1);
        }
    }
    void say(const std::string &line)
    {
        if (line.empty())
            return;
        if (said_ < options_.lines_most)
            log_warning("{}: {}", options_.command, line);
        else
            dropped_++;
        if (said_++ == 0)
            timer_ = loop_.after(1s, [this] { turn(); });
    }

  private:
    void turn()
    {
        if (dropped_ != 0)
            log_warning("{}: {} more lines of standard error were dropped", options_.command,
                        dropped_);
        said_ = dropped_ = 0;
    }

    Loop &loop_;
    const ExecOptions &options_;
    std::uint64_t said_ = 0, dropped_ = 0; // lines in this second
    Loop::Timer timer_{};
};

std::string request_text(const Key &key)
{
    if (const auto *mac = std::get_if<Mac>(&key.what))
        return fmt::format("{{\"event\":\"l2miss\",\"vni\":{},\"mac\":\"{}\"}}\n", key.vni,
                           mac->text());
    return fmt::format("{{\"event\":\"l3miss\",\"vni\":{},\"ip\":\"{}\"}}\n", key.vni,
                       std::get<Ip>(key.what).text());
}

class ExecDirectory : public Directory {
  public:
    ExecDirectory(Loop &loop, ExecOptions options) : loop_(loop), options_(std::move(options)) {}
    ~ExecDirectory() override
    {
        for (auto &run : runs_)
            end(run);
        const auto until = Loop::Clock::now() + 1s; // a process that waits for a device cannot die
        for (auto &[pid, process] : dying_) {
            loop_.forget(process.get());
            pollfd death{process.get(), POLLIN, 0};
            const auto left =
                std::chrono::ceil<std::chrono::milliseconds>(until - Loop::Clock::now());
            ::poll(&death, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
            ::waitpid(pid, nullptr, WNOHANG);
        }
    }
    ExecDirectory(const ExecDirectory &) = delete;
    ExecDirectory &operator=(const ExecDirectory &) = delete;

    void look_up(const Key &key, std::function<void(Answer)> done) override
    {
        waiting_[key.vni].emplace_back(key, std::move(done));
        start_more();
    }
    void announce(const std::set<Record> &) override {}
    [[nodiscard]] bool announces() const override { return false; }
    void watch(const std::set<std::uint32_t> &) override {}
    [[nodiscard]] bool watches() const override { return false; }
    [[nodiscard]] std::string name() const override { return "exec " + options_.command; }

  private:
    using Waiting = std::pair<Key, std::function<void(Answer)>>;

    struct Run {
        Key key;
        std::function<void(Answer)> done;
        pid_t pid = -1;
        Fd socket, errors, process; // standard input and output; standard error; a pidfd
        Loop::Timer timer{}, pause{};
        std::string out, line; // standard output; an incomplete line of standard error
        std::optional<Error> trouble;
    };

    [[nodiscard]] Failure failure(const Key &key, const std::string &cause) const
    {
        return system_failure(options_.command, key.text(), cause);
    }

    Waiting take_next()
    {
        auto vni = waiting_.upper_bound(last_vni_);
        if (vni == waiting_.end())
            vni = waiting_.begin();
        last_vni_ = vni->first;
        Waiting next = std::move(vni->second.front());
        vni->second.pop_front();
        if (vni->second.empty())
            waiting_.erase(vni);
        return next;
    }

    void start_more()
    {
        while (!waiting_.empty() && runs_.size() < options_.most) {
            auto [key, done] = take_next();
            runs_.push_back({});
            auto run = std::prev(runs_.end());
            run->key = key;
            run->done = std::move(done);
            if (auto started = start(*run); !started) {
                run->trouble = started.error();
                run->timer = loop_.after({}, [this, run] { finish(run); });
                continue;
            }
            loop_.watch(run->socket.get(), EPOLLIN, [this, run](std::uint32_t) {
                read_some(run);
                if (run->out.size() <= record_size_max)
                    return;
                run->trouble = parse_record(run->key, run->out).error();
                finish(run);
            });
            watch_errors(run);
            loop_.watch(run->process.get(), EPOLLIN, [this, run](std::uint32_t) { finish(run); });
            run->timer = loop_.after(options_.timeout, [this, run] {
                run->trouble = failure(run->key, "no answer in time").error();
                finish(run);
            });
        }
    }

    Result<> start(Run &run)
    {
        std::array<int, 2> ends{};
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0)
            return failure(run.key, errno_text(errno));
        run.socket = Fd(ends[0]);
        const Fd theirs(ends[1]);
        if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0)
            return failure(run.key, errno_text(errno));
        run.errors = Fd(ends[0]);
        const Fd their_errors(ends[1]);
        for (const auto *end : {&theirs, &their_errors})
            ::fcntl(end->get(), F_SETFL, 0); // commands expect descriptors that block

        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawnattr_init(&attributes);
        ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDIN_FILENO);
        ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDOUT_FILENO);
        ::posix_spawn_file_actions_adddup2(&actions, their_errors.get(), STDERR_FILENO);
        // The command gets a process group of its own, and no signal is blocked or ignored.
        sigset_t none;
        sigemptyset(&none);
        ::posix_spawnattr_setsigmask(&attributes, &none);
        sigset_t pipe; // ignored in this process
        sigemptyset(&pipe);
        sigaddset(&pipe, SIGPIPE);
        ::posix_spawnattr_setsigdefault(&attributes, &pipe);
        ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                    POSIX_SPAWN_SETSIGDEF);
        std::string shell = "sh", option = "-c", command = options_.command;
        const std::array<char *, 4> words{shell.data(), option.data(), command.data(), nullptr};
        const int error =
            ::posix_spawn(&run.pid, "/bin/sh", &actions, &attributes, words.data(), environ);
        ::posix_spawn_file_actions_destroy(&actions);
        ::posix_spawnattr_destroy(&attributes);
        if (error != 0) {
            run.pid = -1;
            return failure(run.key, errno_text(error));
        }
        run.process = Fd(static_cast<int>(::syscall(SYS_pidfd_open, run.pid, 0)));
        const std::string text = request_text(run.key);
        // The socket's buffer has room for it.
        (void)::send(run.socket.get(), text.data(), text.size(), MSG_NOSIGNAL);
        ::shutdown(run.socket.get(), SHUT_WR);
        if (!run.process) {
            const auto refused = failure(run.key, errno_text(errno));
            ::kill(-run.pid, SIGKILL);
            ::waitpid(std::exchange(run.pid, -1), nullptr, 0);
            return refused;
        }
        return {};
    }

    void read_some(std::list<Run>::iterator run)
    {
        std::array<char, 4096> chunk{};
        const auto size = ::read(run->socket.get(), chunk.data(), chunk.size());
        if (size > 0 && run->out.size() <= record_size_max)
            run->out.append(chunk.data(), static_cast<std::size_t>(size));
        else if (size == 0 || (size < 0 && errno != EAGAIN))
            loop_.forget(run->socket.get());
    }

    void watch_errors(std::list<Run>::iterator run)
    {
        loop_.watch(run->errors.get(), EPOLLIN, [this, run](std::uint32_t) {
            loop_.forget(run->errors.get());
            if (read_errors(*run))
                run->pause = loop_.after(errors_rest, [this, run] { watch_errors(run); });
        });
    }

    // Returns whether there may be more to read later.
    bool read_errors(Run &run)
    {
        std::vector<char> chunk(errors_at_once);
        const auto size = ::read(run.errors.get(), chunk.data(), chunk.size());
        if (size > 0)
            error_log_.add(run.line, {chunk.data(), static_cast<std::size_t>(size)});
        return size > 0 || (size < 0 && errno == EAGAIN);
    }

    // Kills what still runs. Returns the status of waitpid(), or nothing if the process is still
    // dying.
    std::optional<int> end(Run &run)
    {
        loop_.cancel(run.timer);
        loop_.cancel(run.pause);
        for (const auto *fd : {&run.socket, &run.errors, &run.process})
            if (*fd)
                loop_.forget(fd->get());
        const pid_t pid = std::exchange(run.pid, -1);
        if (pid <= 0)
            return std::nullopt;
        ::kill(-pid, SIGKILL); // and the children that a command has left behind
        ::kill(pid, SIGKILL);  // the command may have left its process group
        int status = 0;
        if (::waitpid(pid, &status, WNOHANG) == pid)
            return status;
        // A process that waits for a device may take long to die.
        const int process = run.process.get();
        dying_[pid] = std::move(run.process);
        loop_.watch(process, EPOLLIN, [this, pid, process](std::uint32_t) {
            ::waitpid(pid, nullptr, WNOHANG);
            loop_.forget(process);
            dying_.erase(pid);
        });
        return std::nullopt;
    }

    void finish(std::list<Run>::iterator run)
    {
        for (auto before = run->out.size() + 1; !run->trouble && run->out.size() != before;) {
            before = run->out.size(); // reads the rest of its output
            read_some(run);
        }
        if (run->errors)
            read_errors(*run);
        error_log_.say(std::exchange(run->line, {}));
        Run over = std::move(*run);
        runs_.erase(run);
        const int status = end(over).value_or(SIGKILL);
        if (over.trouble)
            over.done(std::unexpected(*over.trouble));
        else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            over.done(failure(over.key, WIFEXITED(status)
                                            ? fmt::format("exit status {}", WEXITSTATUS(status))
                                            : "killed by a signal"));
        else
            over.done(parse_exec_answer(over.key, over.out));
        start_more();
    }

    Loop &loop_;
    ExecOptions options_;
    // By VNI, which have turns: a storm of misses in one does not delay those of others.
    std::map<std::uint32_t, std::deque<Waiting>> waiting_;
    std::uint32_t last_vni_ = 0; // that had the last turn
    std::list<Run> runs_;
    std::map<pid_t, Fd> dying_;
    ErrorLog error_log_{loop_, options_};
};

} // namespace

Result<> check_command(const std::string &command)
{
    constexpr std::string_view expanded = "\"'\\$`*?[{~=#"; // by the shell
    const std::string word = command.substr(0, command.find_first_of(" \t\r\n;|&<>()"));
    if (!word.starts_with('/') || word.find_first_of(expanded) != std::string::npos)
        return {};
    if (::access(word.c_str(), X_OK) != 0)
        return errno_failure("run", word, errno);
    struct stat found {};
    if (::stat(word.c_str(), &found) == 0 && S_ISDIR(found.st_mode))
        return errno_failure("run", word, EISDIR);
    return {};
}

Directory::Answer parse_exec_answer(const Key &key, const std::string &out)
{
    const auto json = Json::parse(out);
    if (out.find_first_not_of(" \t\r\n") == std::string::npos || json.is_null() ||
        (json.is_object() && json.size() == 0))
        return std::nullopt;
    TRY_ASSIGN(const auto record, parse_record(key, out));
    return record;
}

std::unique_ptr<Directory> make_exec_directory(Loop &loop, ExecOptions options)
{
    return std::make_unique<ExecDirectory>(loop, std::move(options));
}

} // namespace xvtep::agent
