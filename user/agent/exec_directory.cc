// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/exec_directory.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <deque>
#include <list>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace xvtep::agent {
namespace {

std::string question(const Key &key)
{
    nlohmann::ordered_json json;
    const auto *mac = std::get_if<Mac>(&key.what);
    json["event"] = mac != nullptr ? "l2miss" : "l3miss";
    json["vni"] = key.vni;
    if (mac != nullptr)
        json["mac"] = mac->text();
    else
        json["ip"] = std::get<Ip>(key.what).text();
    return json.dump() + "\n";
}

class ExecDirectory : public Directory {
  public:
    ExecDirectory(Loop &loop, ExecOptions options) : loop_(loop), options_(std::move(options)) {}
    ~ExecDirectory() override
    {
        for (auto &run : runs_) {
            loop_.cancel(run.timer);
            end(run);
        }
    }
    ExecDirectory(const ExecDirectory &) = delete;
    ExecDirectory &operator=(const ExecDirectory &) = delete;

    void look_up(const Key &key, std::function<void(Answer)> done) override
    {
        waiting_.emplace_back(key, std::move(done));
        start_more();
    }
    void announce(const std::set<Record> &) override {}
    [[nodiscard]] bool announces() const override { return false; }
    void watch(const std::set<std::uint32_t> &) override {}
    [[nodiscard]] bool watches() const override { return false; }
    [[nodiscard]] std::string name() const override { return "exec " + options_.command; }

  private:
    struct Run {
        Key key;
        std::function<void(Answer)> done;
        pid_t pid = -1;
        Fd socket, process; // the command's standard input and output; a pidfd
        Loop::Timer timer{};
        std::string out;
        std::optional<Error> trouble;
    };

    [[nodiscard]] Failure failure(const Key &key, const std::string &cause) const
    {
        return system_failure(options_.command, key.text(), cause);
    }

    void start_more()
    {
        while (!waiting_.empty() && runs_.size() < options_.most) {
            auto [key, done] = std::move(waiting_.front());
            waiting_.pop_front();
            runs_.push_back({});
            auto run = std::prev(runs_.end());
            run->key = key;
            run->done = std::move(done);
            if (auto started = start(*run); !started) {
                run->trouble = started.error();
                run->timer = loop_.after({}, [this, run] { finish(run); });
                continue;
            }
            loop_.watch(run->socket.get(), EPOLLIN, [this, run](std::uint32_t) { read_some(run); });
            loop_.watch(run->process.get(), EPOLLIN, [this, run](std::uint32_t) { finish(run); });
            run->timer = loop_.after(options_.timeout, [this, run] {
                run->trouble = failure(run->key, "no answer in time").error();
                finish(run);
            });
        }
    }

    Result<> start(Run &run) const
    {
        std::array<int, 2> ends{};
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0)
            return failure(run.key, errno_text(errno));
        run.socket = Fd(ends[0]);
        const Fd theirs(ends[1]);
        ::fcntl(theirs.get(), F_SETFL, 0); // a script expects to block

        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawnattr_init(&attributes);
        ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDIN_FILENO);
        ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDOUT_FILENO);
        // A process group of its own, with no signal blocked or ignored.
        sigset_t none;
        sigemptyset(&none);
        ::posix_spawnattr_setsigmask(&attributes, &none);
        sigset_t pipe; // ignored here
        sigemptyset(&pipe);
        sigaddset(&pipe, SIGPIPE);
        ::posix_spawnattr_setsigdefault(&attributes, &pipe);
        ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                    POSIX_SPAWN_SETSIGDEF);
        std::string shell = "sh", option = "-c", command = options_.command;
        const std::array<char *, 4> words{shell.data(), option.data(), command.data(), nullptr};
        const int error = ::posix_spawn(&run.pid, "/bin/sh", &actions, &attributes, words.data(),
                                        environ);
        ::posix_spawn_file_actions_destroy(&actions);
        ::posix_spawnattr_destroy(&attributes);
        if (error != 0) {
            run.pid = -1;
            return failure(run.key, errno_text(error));
        }
        run.process = Fd(static_cast<int>(::syscall(SYS_pidfd_open, run.pid, 0)));
        const std::string text = question(run.key);
        (void)::send(run.socket.get(), text.data(), text.size(), MSG_NOSIGNAL); // fits the buffer
        ::shutdown(run.socket.get(), SHUT_WR);
        if (!run.process) {
            end(run);
            return failure(run.key, errno_text(errno));
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

    // Kills what still runs. The exit status, as waitpid() has it.
    int end(Run &run) const
    {
        int status = 0;
        if (run.socket)
            loop_.forget(run.socket.get());
        if (run.process)
            loop_.forget(run.process.get());
        if (run.pid > 0) {
            ::kill(-run.pid, SIGKILL); // a command that left children behind, too
            ::waitpid(run.pid, &status, 0);
        }
        run.pid = -1;
        return status;
    }

    void finish(std::list<Run>::iterator run)
    {
        for (auto before = run->out.size() + 1; !run->trouble && run->out.size() != before;) {
            before = run->out.size(); // what it wrote last
            read_some(run);
        }
        loop_.cancel(run->timer);
        Run over = std::move(*run);
        runs_.erase(run);
        const int status = end(over);
        if (over.trouble)
            over.done(std::unexpected(*over.trouble));
        else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            over.done(failure(over.key, WIFEXITED(status)
                                            ? fmt::format("exit status {}", WEXITSTATUS(status))
                                            : "killed by a signal"));
        else
            over.done(parse(over.key, over.out));
        start_more();
    }

    static Answer parse(const Key &key, const std::string &out)
    {
        const auto json = nlohmann::json::parse(out, nullptr, false);
        if (out.find_first_not_of(" \t\r\n") == std::string::npos || json.is_null() ||
            (json.is_object() && json.empty()))
            return std::nullopt;
        TRY_ASSIGN(const auto record, parse_record(key, out));
        return record;
    }

    Loop &loop_;
    ExecOptions options_;
    std::deque<std::pair<Key, std::function<void(Answer)>>> waiting_;
    std::list<Run> runs_;
};

} // namespace

std::unique_ptr<Directory> make_exec_directory(Loop &loop, ExecOptions options)
{
    return std::make_unique<ExecDirectory>(loop, std::move(options));
}

} // namespace xvtep::agent
