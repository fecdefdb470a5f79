// SPDX-License-Identifier: GPL-2.0-only
// "agent-outage", "directory-outage": a host's agent, or the directory, is killed and started
// again. Two containers that talk all the time lose nothing; then two talk that have not talked
// before.
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <thread>

#include "user/lab/check.h"
#include "user/lab/echo.h"
#include "user/lab/processes.h"
#include "user/lab/services.h"

namespace xvtep {

namespace {

constexpr std::chrono::milliseconds steady_interval{50};
constexpr std::chrono::milliseconds steady_timeout{1000};
constexpr std::chrono::milliseconds outage_time{1500};

// Sends one echo after another, until it is stopped.
class SteadyPing {
  public:
    SteadyPing(const Netns &from, const Ip &to)
        : thread_([this, &from, to](const std::stop_token &stop) {
              for (auto next = std::chrono::steady_clock::now(); !stop.stop_requested();
                   next += steady_interval) {
                  std::this_thread::sleep_until(next);
                  const auto outcome = send_echoes(from, {.to = to, .timeout = steady_timeout});
                  sent_++;
                  received_ += outcome ? outcome->received : 0;
              }
          })
    {
    }

    Result<std::string> stop()
    {
        thread_.request_stop();
        thread_.join();
        if (sent_ == 0 || received_ != sent_)
            return check_failure("ping", fmt::format("{} of {} lost", sent_ - received_, sent_));
        return fmt::format("{} pings, none lost", sent_);
    }

  private:
    unsigned sent_ = 0, received_ = 0; // used by the thread until it has ended
    std::jthread thread_;
};

class Outage : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("steady", steady_, names.two_containers());
        json.need("fresh", fresh_, names.two_containers());
        json.need("within_ms", within_, number_in(1u, 60000u));
    }

    void run(CheckRun &run) override
    {
        run.report(fmt::format("{} is killed and started again", what()), kill_and_start(run));
    }

  protected:
    [[nodiscard]] virtual std::string what() const = 0;
    virtual Result<> kill(CheckRun &run) = 0;
    virtual Result<> start(CheckRun &run) = 0;

  private:
    Result<std::string> kill_and_start(CheckRun &run)
    {
        const auto netns = [&](const std::string &name) -> const Netns & {
            return run.node(name).netns;
        };
        const auto address = [&](const std::string &name) {
            return run.lab.overlay_addresses(name).front();
        };
        TRY(ping_once(netns(steady_[0]), address(steady_[1]), first_reply_timeout));
        SteadyPing steady(netns(steady_[0]), address(steady_[1]));
        std::this_thread::sleep_for(steady_interval * 4);
        TRY(kill(run));
        std::this_thread::sleep_for(outage_time);
        TRY(start(run));
        const auto fresh =
            ping_once(netns(fresh_[0]), address(fresh_[1]), std::chrono::milliseconds(within_));
        std::this_thread::sleep_for(steady_interval * 4);
        TRY_ASSIGN(const std::string counts, steady.stop());
        TRY(fresh);
        return fmt::format("{} pings {}: {}; {} pings {} for the first time: {:.3f} ms", steady_[0],
                           steady_[1], counts, fresh_[0], fresh_[1], *fresh);
    }

    std::array<std::string, 2> steady_, fresh_;
    unsigned within_ = 0; // milliseconds, from the start on
};

class AgentOutage : public Outage {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("host", host_, names.agent());
        Outage::read(json, names);
    }

  private:
    [[nodiscard]] std::string what() const override { return "the agent of " + host_; }
    Result<> kill(CheckRun &run) override
    {
        return kill_processes({run.node(host_).name}, "agent");
    }
    Result<> start(CheckRun &run) override
    {
        return start_agent(run.state, *run.lab.host(host_), run.node(host_));
    }

    std::string host_;
};

class DirectoryOutage : public Outage {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        if (!names.lab().directory || names.lab().directory->host.empty())
            json.refuse("no directory that could be killed");
        Outage::read(json, names);
    }

  private:
    [[nodiscard]] std::string what() const override { return "the directory"; }
    Result<> kill(CheckRun &run) override
    {
        return kill_processes({run.node(run.lab.directory->host).name}, "etcd");
    }
    Result<> start(CheckRun &run) override
    {
        return start_directory(run.state, run.node(run.lab.directory->host));
    }
};

const CheckType<AgentOutage> agent_outage_check("agent-outage");
const CheckType<DirectoryOutage> directory_outage_check("directory-outage");

} // namespace

} // namespace xvtep
