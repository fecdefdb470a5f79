// SPDX-License-Identifier: GPL-2.0-only
// "mtu": a device's MTU is a number, or that of an underlay port less the encapsulation's octets.
#include <fmt/format.h>

#include "bpf/abi/wire.h"
#include "user/lab/check.h"
#include "user/lab/values.h"

namespace xvtep {

namespace {

class MtuCheck : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("device", device_, names.device());
        json.take("mtu", mtu_, read_mtu);
        json.take("below", below_, read_ifname);
        if (mtu_.has_value() == !below_.empty())
            json.refuse("needs either \"mtu\" or \"below\"");
        if (!below_.empty())
            names.check_device(json, {device_.node, below_});
    }

    void run(CheckRun &run) override
    {
        run.report(below_.empty() ? fmt::format("MTU of {} is {}", device_.text(), *mtu_)
                                  : fmt::format("MTU of {} is that of {} less {}", device_.text(),
                                                below_, overhead(run.lab)),
                   compare(run));
    }

  private:
    Result<std::string> compare(CheckRun &run)
    {
        LabNode &node = run.node(device_.node);
        TRY_ASSIGN(const Link link, node.netlink.link(device_.device));
        unsigned wanted = mtu_.value_or(0);
        if (!below_.empty()) {
            TRY_ASSIGN(const Link underlay, node.netlink.link(below_));
            wanted = underlay.mtu - overhead(run.lab);
        }
        if (link.mtu != wanted)
            return check_failure("MTU", fmt::format("{}, not {}", link.mtu, wanted));
        return fmt::format("{}", link.mtu);
    }

    // The outer IP, UDP, and VXLAN headers, and the inner Ethernet header.
    [[nodiscard]] unsigned overhead(const LabDescription &lab) const
    {
        if (const LabVtep *const vtep = lab.vtep(device_))
            for (const auto &ip : {vtep->request.remote, vtep->request.group, vtep->request.local})
                if (ip)
                    return ip->is_v6() ? XV_OUTER_V6 : XV_OUTER_V4;
        return XV_OUTER_V4;
    }

    LabDevice device_;
    std::optional<unsigned> mtu_;
    std::string below_; // an underlay port of the same host, or ""
};

const CheckType<MtuCheck> mtu_check("mtu");

} // namespace

} // namespace xvtep
