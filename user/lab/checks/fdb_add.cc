// SPDX-License-Identifier: GPL-2.0-only
// "fdb-add": a step between checks. A permanent entry is added by hand.
#include <fmt/format.h>

#include "user/lab/check.h"

namespace xvtep {

namespace {

class FdbAdd : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("device", device_, names.vtep());
        mac_ = names.mac(json, "mac");
        json.need("dst", dst_);
    }

    void run(CheckRun &run) override
    {
        const auto mac = run.mac_of(mac_);
        run.report(fmt::format("by hand: fdb add {} dev {} dst {}", mac ? mac->text() : mac_.text(),
                               device_.text(), dst_.text()),
                   mac ? run.driver(device_.node)
                             .add_fdb(run.node(device_.node), device_.device, {*mac, dst_})
                       : Result<>(std::unexpected(mac.error())));
    }

  private:
    LabDevice device_;
    LabMac mac_;
    Ip dst_;
};

const CheckType<FdbAdd> fdb_add_check("fdb-add");

} // namespace

} // namespace xvtep
