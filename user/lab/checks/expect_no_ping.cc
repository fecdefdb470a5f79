// SPDX-License-Identifier: GPL-2.0-only
// "expect-no-ping": a node gets no reply from an address.
#include <fmt/format.h>

#include "user/lab/check.h"
#include "user/lab/echo.h"

namespace xvtep {

namespace {

class ExpectNoPing : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("from", from_, names.node());
        json.need("to", to_);
    }

    void run(CheckRun &run) override
    {
        const auto outcome =
            send_echoes(run.node(from_).netns, {.to = to_, .count = 2, .timeout = warm_up_timeout});
        run.report(fmt::format("{} has no reply from {}", from_, to_.text()),
                   outcome && outcome->received == 0,
                   outcome ? fmt::format("{} sent, {} received", outcome->sent, outcome->received)
                           : outcome.error().message());
    }

  private:
    std::string from_;
    Ip to_;
};

const CheckType<ExpectNoPing> expect_no_ping_check("expect-no-ping");

} // namespace

} // namespace xvtep
