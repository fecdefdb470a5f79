// SPDX-License-Identifier: GPL-2.0-only
// "bridge-untouched": VTEPs that are detached from a host's bridge and attached again leave its
// other ports and its settings as they were.
#include <fmt/format.h>

#include "user/lab/bridge_snapshot.h"
#include "user/lab/build.h"
#include "user/lab/check.h"
#include "user/lab/values.h"

namespace xvtep {

namespace {

class BridgeUntouched : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("host", host_, names.host());
        json.need("bridge", bridge_, read_ifname);
        names.check_device(json, {host_, bridge_});
    }

    void run(CheckRun &run) override
    {
        run.report(fmt::format("{} {} is left as it was by detach and attach", host_, bridge_),
                   attach_again(run));
    }

  private:
    // The VTEPs are attached again where a comparison fails, too.
    Result<std::string> attach_again(CheckRun &run)
    {
        LabNode &node = run.node(host_);
        const VtepDriver &driver = run.driver(host_);
        std::vector<const LabVtep *> vteps;
        std::vector<std::string> names;
        for (const LabVtep &vtep : run.lab.host(host_)->vteps)
            if (vtep.request.bridge == bridge_) {
                vteps.push_back(&vtep);
                names.push_back(vtep.request.name);
            }
        TRY_ASSIGN(const BridgeSnapshot attached, snapshot_bridge(node, bridge_, names));
        for (const LabVtep *const vtep : vteps)
            TRY(driver.remove_vtep(node, *vtep));
        const Result<BridgeSnapshot> detached = snapshot_bridge(node, bridge_, {});
        for (const LabVtep *const vtep : vteps)
            TRY(make_vtep(driver, node, *vtep));
        TRY(detached);
        TRY_ASSIGN(const BridgeSnapshot again, snapshot_bridge(node, bridge_, names));
        if (const std::string changed = difference(attached, *detached); !changed.empty())
            return check_failure("detach", changed);
        if (const std::string changed = difference(*detached, again); !changed.empty())
            return check_failure("attach", changed);
        return fmt::format("{} settings of it and its other ports compared", detached->size());
    }

    std::string host_;
    std::string bridge_;
};

const CheckType<BridgeUntouched> bridge_untouched_check("bridge-untouched");

} // namespace

} // namespace xvtep
