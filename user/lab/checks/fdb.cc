// SPDX-License-Identifier: GPL-2.0-only
// "fdb": a VTEP has an entry, permanent or learned.
#include <fmt/format.h>

#include <algorithm>

#include "user/lab/check.h"
#include "user/lab/values.h"

namespace xvtep {

namespace {

class FdbCheck : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("device", device_, names.vtep());
        mac_ = names.mac(json, "mac");
        json.need("dst", dst_);
        json.take("via", via_, read_ifname);
        json.take("learned", learned_);
    }

    void run(CheckRun &run) override
    {
        run.report(fmt::format("fdb of {} has {} dev {} dst {}{} self{}", device_.node, mac_.text(),
                               device_.device, dst_.text(), via_.empty() ? "" : " via " + via_,
                               learned_ ? "" : " permanent"),
                   find(run));
    }

  private:
    Result<std::string> find(CheckRun &run)
    {
        TRY_ASSIGN(const auto lines,
                   run.driver(device_.node).list_fdb(run.node(device_.node), device_.device));
        TRY_ASSIGN(const Mac mac, run.mac_of(mac_));
        const auto is_it = [&](const FdbLine &line) {
            return line.mac == mac && line.dst == dst_ && line.learned == learned_ &&
                   (via_.empty() || line.via == via_);
        };
        if (std::ranges::none_of(lines, is_it))
            return check_failure("fdb", fmt::format("not among the {} there", lines.size()));
        return mac_.device ? mac.text() : std::string();
    }

    LabDevice device_;
    LabMac mac_;
    Ip dst_;
    std::string via_; // "": any
    bool learned_ = false;
};

const CheckType<FdbCheck> fdb_check("fdb");

} // namespace

} // namespace xvtep
