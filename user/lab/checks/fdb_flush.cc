// SPDX-License-Identifier: GPL-2.0-only
// "fdb-flush": a step between checks. All entries of a VTEP are removed by hand.
#include <fmt/format.h>

#include "user/lab/check.h"

namespace xvtep {

namespace {

class FdbFlush : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("device", device_, names.vtep());
    }

    void run(CheckRun &run) override
    {
        run.report(fmt::format("by hand: fdb flush dev {}", device_.text()),
                   run.driver(device_.node).flush_fdb(run.node(device_.node), device_.device));
    }

  private:
    LabDevice device_;
};

const CheckType<FdbFlush> fdb_flush_check("fdb-flush");

} // namespace

} // namespace xvtep
