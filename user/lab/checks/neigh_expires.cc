// SPDX-License-Identifier: GPL-2.0-only
// "neigh-expires": a reachable neighbour of a VTEP is removed by itself. The kernel's VTEPs keep
// theirs, as stale ones.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "user/lab/check.h"
#include "user/lab/waiting.h"
#include "xvtep/neigh.h"

namespace xvtep {

namespace {

class NeighExpires : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("device", device_, names.vtep());
        json.need("ip", ip_);
        json.need("within", within_, number_in(1u, 120u));
    }

    void run(CheckRun &run) override
    {
        if (run.driver(device_.node).has(Feature::neighbour_expiry))
            run.report(fmt::format("{} leaves the neighbours of {} within {} s", ip_.text(),
                                   device_.text(), within_),
                       wait(run));
    }

  private:
    Result<> wait(CheckRun &run)
    {
        const auto is_gone = [&]() -> Result<bool> {
            TRY_ASSIGN(const Netns::Scope scope, run.node(device_.node).netns.enter());
            TRY_ASSIGN(const auto entries, show_neigh(device_.device));
            return std::ranges::none_of(entries,
                                        [&](const NeighEntry &entry) { return entry.ip == ip_; });
        };
        TRY_ASSIGN(const bool gone, becomes_true(std::chrono::seconds(within_), is_gone));
        if (!gone)
            return check_failure("neigh", "it is there still");
        return {};
    }

    LabDevice device_;
    Ip ip_;
    unsigned within_ = 0; // seconds
};

const CheckType<NeighExpires> neigh_expires_check("neigh-expires");

} // namespace

} // namespace xvtep
