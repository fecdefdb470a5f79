// SPDX-License-Identifier: GPL-2.0-only
// "ping": echo requests and their replies, and the TTL with which the requests arrive.
#include <fmt/format.h>

#include <set>

#include "user/lab/check.h"
#include "user/lab/echo.h"
#include "user/lab/waiting.h"

namespace xvtep {

namespace {

class Ping : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        pair_ = names.pair(json);
        json.take("count", count_, number_in(1u, 1000u));
        json.take("size", size_, number_in(8u, 65000u));
        json.take("ttl", ttl_, number_in(1u, 255u));
    }

    void run(CheckRun &run) override
    {
        for (const LabFlow &flow : run.lab.flows(pair_))
            run.report(fmt::format("{} pings {} at {}, {} octets", flow.from, flow.to,
                                   flow.address.text(), size_),
                       ping(run, flow));
    }

  private:
    Result<std::string> ping(CheckRun &run, const LabFlow &flow)
    {
        TRY_ASSIGN(const unsigned tries, warm_up(run.node(flow.from).netns, flow.address));
        TRY_ASSIGN(Capture capture, run.capture_on({flow.to, ""}));
        TRY_ASSIGN(const EchoOutcome outcome,
                   send_echoes(run.node(flow.from).netns,
                               {.to = flow.address, .count = count_, .size = size_}));
        const unsigned lost = outcome.sent - outcome.received;
        std::string text = fmt::format("{} sent, {} received, {} % loss", outcome.sent,
                                       outcome.received, lost * 100 / outcome.sent);
        if (!outcome.problem.empty())
            text += ", " + outcome.problem;
        if (lost != 0)
            return check_failure("ping", text);
        text += ", best " + milliseconds_text(outcome.best);
        if (tries > 1)
            text += fmt::format(", after {} tries", tries);
        if (!ttl_)
            return text;
        const std::set<unsigned> ttls = ttls_of(capture.drain(), flow.address, outcome.id);
        if (ttls != std::set<unsigned>{*ttl_})
            return check_failure("TTL", ttls.empty()
                                            ? "no request seen arriving"
                                            : fmt::format("{}, not {}", *ttls.begin(), *ttl_));
        return text + fmt::format(", arrived with TTL {}", *ttl_);
    }

    static std::set<unsigned> ttls_of(const std::vector<Frame> &frames, const Ip &to,
                                      std::uint16_t id)
    {
        std::set<unsigned> ttls;
        for (const Frame &frame : frames)
            if (const auto packet = parse_packet(frame.bytes);
                packet && !frame.outgoing && packet->to == to && packet->echo &&
                packet->echo->request && packet->echo->id == id)
                ttls.insert(packet->ttl);
        return ttls;
    }

    LabPair pair_;
    unsigned count_ = 3;
    unsigned size_ = 56; // octets of payload
    std::optional<unsigned> ttl_;
};

const CheckType<Ping> ping_check("ping");

} // namespace

} // namespace xvtep
