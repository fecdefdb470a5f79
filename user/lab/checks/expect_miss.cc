// SPDX-License-Identifier: GPL-2.0-only
// "expect-miss": a ping raises an L3 miss for an IP, or an L2 miss for a MAC.
#include <fmt/format.h>

#include <chrono>
#include <memory>

#include "user/lab/check.h"
#include "user/lab/echo.h"
#include "user/lab/miss_log.h"
#include "user/lab/waiting.h"

namespace xvtep {

namespace {

class ExpectMiss : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("device", device_, names.vtep());
        json.need("from", from_, names.node());
        json.need("to", to_);
        json.take("ip", ip_);
        if (!ip_)
            mac_ = names.mac(json, "mac");
    }

    void run(CheckRun &run) override
    {
        if (run.driver(device_.node).has(Feature::misses))
            run.report(fmt::format("{} pings {}: {} raises a miss for {}", from_, to_.text(),
                                   device_.text(), ip_ ? ip_->text() : mac_.text()),
                       wait(run));
    }

  private:
    Result<std::string> wait(CheckRun &run)
    {
        TRY_ASSIGN(const Mac mac, ip_ ? Result<Mac>(Mac{}) : run.mac_of(mac_));
        const std::string wanted = device_.device + " misses " + (ip_ ? ip_->text() : mac.text());
        TRY_ASSIGN(const auto log, MissLog::start(run.node(device_.node)));
        const auto deadline = std::chrono::steady_clock::now() + ready_timeout;
        unsigned pings = 0, others = 0;
        do {
            TRY(send_echoes(run.node(from_).netns,
                            {.to = to_, .timeout = std::chrono::milliseconds(200)}));
            pings++;
            for (const LoggedMiss &miss : log->take()) {
                if (miss.text == wanted)
                    return fmt::format("after {} pings", pings);
                others++;
            }
        } while (std::chrono::steady_clock::now() < deadline);
        return check_failure("monitor",
                             fmt::format("not raised by {} pings, {} others were", pings, others));
    }

    LabDevice device_;
    std::string from_;
    Ip to_;
    std::optional<Ip> ip_; // of an L3 miss
    LabMac mac_;           // of an L2 miss, without `ip_`
};

const CheckType<ExpectMiss> expect_miss_check("expect-miss");

} // namespace

} // namespace xvtep
