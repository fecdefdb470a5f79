// SPDX-License-Identifier: GPL-2.0-only
// "counted": a VTEP's own programs have carried frames both ways, not only the kernel's device.
#include <fmt/format.h>

#include "user/lab/check.h"
#include "xvtep/stats.h"

namespace xvtep {

namespace {

class Counted : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("device", device_, names.vtep());
    }

    void run(CheckRun &run) override
    {
        if (run.driver(device_.node).has(Feature::counters))
            run.report(fmt::format("{} carries frames by xvtep's programs", device_.text()),
                       read_counters(run));
    }

  private:
    Result<std::string> read_counters(CheckRun &run)
    {
        TRY_ASSIGN(const Netns::Scope scope, run.node(device_.node).netns.enter());
        TRY_ASSIGN(const std::vector<Stats> stats, show_stats(device_.device));
        for (const Stats &counts : stats)
            if (counts.vni) {
                const std::string text = fmt::format("{} packets received, {} sent",
                                                     counts.rx_packets, counts.tx_packets);
                if (counts.rx_packets == 0 || counts.tx_packets == 0)
                    return check_failure("counters", text);
                return text;
            }
        return check_failure("counters", "none of " + device_.device);
    }

    LabDevice device_;
};

const CheckType<Counted> counted_check("counted");

} // namespace

} // namespace xvtep
