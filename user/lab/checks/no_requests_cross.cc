// SPDX-License-Identifier: GPL-2.0-only
// "no-requests-cross": from the first check to this one, no ARP request and no neighbour
// solicitation was in the tunnels.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "user/lab/check.h"
#include "user/lab/request_watch.h"
#include "user/lab/values.h"

namespace xvtep {

namespace {

class NoRequestsCross : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        const JsonValue node = json.find_needed("node");
        node_ = read_name(node);
        const auto &switches = names.lab().switches;
        if (std::ranges::find(switches, node_) == switches.end())
            node.refuse("no switch \"" + node_ + "\"");
    }

    void prepare(CheckRun &run) override
    {
        if (auto watch = RequestWatch::open(run.node(node_)))
            watch_ = std::move(*watch);
    }

    void run(CheckRun &run) override
    {
        run.report(fmt::format("no ARP request and no solicitation has crossed {} in all this test",
                               node_),
                   count());
    }

  private:
    Result<std::string> count()
    {
        if (!watch_)
            return check_failure(node_, "cannot be listened to");
        const RequestWatch::Counts counts = watch_->counts();
        const std::string text =
            fmt::format("{} frames in VXLAN, {} ARP requests, {} solicitations", counts.frames,
                        counts.arp, counts.solicitations);
        if (counts.frames == 0 || counts.arp + counts.solicitations != 0)
            return check_failure("capture", text);
        return text;
    }

    std::string node_; // a switch
    std::unique_ptr<RequestWatch> watch_;
};

const CheckType<NoRequestsCross> no_requests_cross_check("no-requests-cross");

} // namespace

} // namespace xvtep
