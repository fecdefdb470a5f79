// SPDX-License-Identifier: GPL-2.0-only
// "neigh-replace": a step between checks. A neighbour of a VTEP is written by hand.
#include <fmt/format.h>

#include "user/lab/check.h"
#include "user/lab/values.h"

namespace xvtep {

namespace {

class NeighReplace : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("device", device_, names.vtep());
        json.need("ip", ip_);
        mac_ = names.mac(json, "mac");
        json.take("nud", state_, read_neigh_state);
    }

    void run(CheckRun &run) override
    {
        const auto mac = run.mac_of(mac_);
        run.report(
            fmt::format("by hand: neigh replace {} lladdr {} dev {} nud {}", ip_.text(),
                        mac ? mac->text() : mac_.text(), device_.text(),
                        state_ == NeighState::permanent ? "permanent" : "reachable"),
            mac ? run.driver(device_.node)
                      .replace_neigh(run.node(device_.node), device_.device, {ip_, *mac, state_})
                : Result<>(std::unexpected(mac.error())));
    }

  private:
    LabDevice device_;
    Ip ip_;
    LabMac mac_;
    NeighState state_ = NeighState::permanent;
};

const CheckType<NeighReplace> neigh_replace_check("neigh-replace");

} // namespace

} // namespace xvtep
