// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/serve.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "user/agent/files.h"
#include "user/agent/link_events.h"
#include "user/agent/local_host.h"
#include "user/agent/log.h"
#include "user/agent/metrics_server.h"

namespace xvtep::agent {
namespace {

using namespace std::chrono_literals;

constexpr unsigned misses_at_once = 512; // then other descriptors have a turn

// SIGINT and SIGTERM as a descriptor. The destructor restores the signal mask.
class Signals {
  public:
    Signals()
    {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGINT);
        sigaddset(&set, SIGTERM);
        ::pthread_sigmask(SIG_BLOCK, &set, &before_);
        fd_ = Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
        failed_ = fd_ ? 0 : errno;
    }
    ~Signals()
    {
        drain(); // pending signals would end the process when the mask is restored
        ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    Signals(const Signals &) = delete;
    Signals &operator=(const Signals &) = delete;
    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] Result<> failure() const
    {
        return failed_ == 0 ? Result<>() : errno_failure("receive", "signals", failed_);
    }
    void drain() const
    {
        signalfd_siginfo info{};
        while (::read(fd_.get(), &info, sizeof(info)) > 0) {
        }
    }

  private:
    sigset_t before_{};
    Fd fd_;
    int failed_ = 0; // errno
};

class Server {
  public:
    Server(ServeOptions options, Loop &loop, LocalHost &host)
        : options_(std::move(options)), loop_(loop), host_(host),
          agent_(loop, host, metrics_, options_.agent)
    {
    }

    Result<> run()
    {
        const Signals signals;
        TRY(signals.failure());
        if (auto listening = subscribe(); !listening && is_denied(listening.error()))
            return listening;
        if (!options_.metrics.empty())
            TRY_SET(metrics_server_, MetricsServer::start(options_.metrics, metrics_));
        TRY(drop_privileges(options_.foreign_files));
        TRY_SET(directory_, options_.directory(loop_, agent_));
        TRY(make_endpoints());
        TRY_SET(link_events_, LinkEvents::open(loop_, [this] { refresh(); }));
        agent_.start(*directory_);
        refresh_each_second();
        loop_.watch(signals.fd(), EPOLLIN, [this](std::uint32_t) { loop_.stop(); });
        log_info("ready: {}", directory_->name());
        ::sd_notify(0, "READY=1");
        ping_watchdog();
        loop_.run();
        ::sd_notify(0, "STOPPING=1");
        loop_.forget(signals.fd());
        if (options_.withdraw) {
            agent_.claimed = nullptr;
            agent_.claimed_ip = nullptr;
            agent_.installed = nullptr;
            agent_.moved = nullptr;
            endpoints_.reset(); // it would announce again when something changes
            agent_.announce({});
            loop_.run(Loop::Clock::now() + 1s);
        }
        endpoints_.reset();
        if (source_)
            loop_.forget(source_->fd());
        directory_.reset();
        return loop_.failure();
    }

  private:
    Result<> make_endpoints()
    {
        if (!options_.announce) // endpoints are still found, so that hosts get answers
            options_.endpoints.state_file.clear();
        TRY(check_regular(options_.endpoints.state_file));
        TRY_ASSIGN(auto netlink, Netlink::open());
        endpoints_.emplace(
            loop_, std::move(netlink), options_.endpoints,
            [this](const std::set<Record> &own) { agent_.announce(own); },
            [this](const Key &key, auto done) { is_elsewhere(key, std::move(done)); });
        agent_.claimed = [this](std::uint32_t vni, const Mac &mac) {
            endpoints_->give_up(vni, mac);
        };
        agent_.claimed_ip = [this](std::uint32_t vni, const Ip &ip) {
            endpoints_->give_up_ip(vni, ip);
        };
        agent_.installed = [this](const Record &record) { endpoints_->answer(record); };
        agent_.moved = [this](const Record &record) {
            if (host_.agrees(record))
                endpoints_->tell(record);
        };
        return {};
    }

    // Reads VTEPs and ports again, and subscribes to misses once a VTEP is attached.
    void refresh()
    {
        agent_.refresh();
        if (const auto done = subscribe(); !done && !std::exchange(waiting_, true))
            log_info("waiting: {}", done.error().message());
        if (endpoints_)
            endpoints_->refresh(host_.served());
    }

    void refresh_each_second()
    {
        refresh();
        loop_.after(1s, [this] { refresh_each_second(); });
    }

    // Whether further attempts would fail as well.
    static bool is_denied(const Error &error)
    {
        return error.code == EPERM || error.code == EACCES;
    }

    Result<> subscribe()
    {
        if (source_) {
            poll_misses(); // notices when the last VTEP was detached
            metrics_.events_lost = lost_before_ + (source_ ? source_->lost() : 0);
            return {};
        }
        TRY_ASSIGN(auto source, with_privileges_if_needed([] { return MissSource::open(); }));
        waiting_ = false;
        source_.emplace(std::move(source));
        loop_.watch(source_->fd(), EPOLLIN, [this](std::uint32_t) { poll_misses(); });
        return {};
    }

    void poll_misses()
    {
        const auto heard = source_->poll(agent_, 0ms, misses_at_once);
        if (heard)
            return;
        log_info("{}", heard.error().message());
        loop_.forget(source_->fd());
        lost_before_ = metrics_.events_lost;
        source_.reset();
    }

    void is_elsewhere(const Key &key, std::function<void(std::optional<bool>)> done)
    {
        if (!directory_->announces() || !options_.announce)
            return done(false);
        directory_->look_up(key, [this, done = std::move(done)](const Directory::Answer &answer) {
            if (!answer && answer.error().code != EBADMSG)
                return done(std::nullopt);
            const auto own = options_.endpoints.vtep;
            done(answer && *answer && !host_.is_own((*answer)->vtep) && (*answer)->vtep != own);
        });
    }

    void ping_watchdog()
    {
        std::uint64_t microseconds = 0;
        if (::sd_watchdog_enabled(0, &microseconds) <= 0)
            return;
        ::sd_notify(0, "WATCHDOG=1");
        loop_.after(std::chrono::microseconds(microseconds / 3), [this] { ping_watchdog(); });
    }

    ServeOptions options_;
    Loop &loop_;
    LocalHost &host_;
    Metrics metrics_;
    std::unique_ptr<MetricsServer> metrics_server_;
    Agent agent_;
    std::unique_ptr<Directory> directory_;
    std::optional<Endpoints> endpoints_;
    std::unique_ptr<LinkEvents> link_events_; // a container speaks soon after its port is added
    std::optional<MissSource> source_;
    std::uint64_t lost_before_ = 0;
    bool waiting_ = false;
};

} // namespace

Result<> serve(ServeOptions options)
{
    options.agent.announce = options.announce;
    TRY_ASSIGN(auto loop, Loop::make());
    TRY_ASSIGN(auto host, LocalHost::open(loop, options.vnis, options.endpoints.vtep));
    return Server(std::move(options), loop, host).run();
}

} // namespace xvtep::agent
