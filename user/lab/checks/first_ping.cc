// SPDX-License-Identifier: GPL-2.0-only
// "first-ping": two containers that have not talked yet. The first ping has its reply; the detail
// tells what happened when.
#include <fmt/format.h>

#include <chrono>
#include <set>

#include "user/lab/check.h"
#include "user/lab/echo.h"
#include "user/lab/timeline.h"

namespace xvtep {

namespace {

class FirstPing : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("from", from_, names.container());
        json.need("to", to_, names.container());
        json.need("within_ms", within_, number_in(1u, 60000u));
    }

    void run(CheckRun &run) override
    {
        run.report(fmt::format("the first ping from {} to {} passes", from_, to_), ping(run));
    }

  private:
    Result<std::string> ping(CheckRun &run)
    {
        const Ip address = run.lab.overlay_addresses(to_).front();
        const std::set<std::string> hosts = {run.lab.host_of(from_)->name,
                                             run.lab.host_of(to_)->name};
        TRY_ASSIGN(Timeline timeline, Timeline::start(run.state, run.nodes, hosts));
        timeline.add(timeline.began(), fmt::format("{} pings {}", from_, address.text()));
        const auto took =
            ping_once(run.node(from_).netns, address, std::chrono::milliseconds(within_));
        timeline.add(std::chrono::steady_clock::now(),
                     took ? from_ + " has the reply" : "no reply");
        const std::string lines = timeline.text();
        if (!took)
            return check_failure("ping", fmt::format("no reply in {} ms{}", within_, lines));
        return fmt::format("after {:.3f} ms{}", *took, lines);
    }

    std::string from_, to_;
    unsigned within_ = 0; // milliseconds
};

const CheckType<FirstPing> first_ping_check("first-ping");

} // namespace

} // namespace xvtep
