// SPDX-License-Identifier: GPL-2.0-only
// "neigh-flush": a step between checks. The neighbours of a VTEP, or of any device, are removed.
#include <fmt/format.h>

#include "user/lab/check.h"

namespace xvtep {

namespace {

class NeighFlush : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("device", device_, names.device());
    }

    void run(CheckRun &run) override
    {
        LabNode &node = run.node(device_.node);
        run.report(fmt::format("by hand: neigh flush dev {}", device_.text()),
                   run.lab.vtep(device_)
                       ? run.driver(device_.node).flush_neigh(node, device_.device)
                       : node.flush_neighbours(device_.device));
    }

  private:
    LabDevice device_;
};

const CheckType<NeighFlush> neigh_flush_check("neigh-flush");

} // namespace

} // namespace xvtep
