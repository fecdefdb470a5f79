// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/driver.h"
#include "xvtep/fdb.h"
#include "xvtep/neigh.h"
#include "xvtep/port.h"
#include "xvtep/vtep.h"

namespace xvtep {

namespace {

class XvtepDriver : public VtepDriver {
  public:
    [[nodiscard]] const char *name() const override { return "xvtep"; }
    [[nodiscard]] bool has(Feature) const override { return true; }

    [[nodiscard]] Result<> make_vtep(LabNode &node, const LabVtep &vtep) const override
    {
        TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
        TRY(attach(vtep.request));
        for (const LabPort &port : vtep.ports)
            TRY(add_port({.name = port.name,
                          .vni = vtep.request.vni,
                          .dstport = vtep.request.dstport,
                          .vlan = port.vlan,
                          .mode = vtep.request.mode}));
        return {};
    }

    [[nodiscard]] Result<> remove_vtep(LabNode &node, const LabVtep &vtep) const override
    {
        TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
        TRY(detach(vtep.request.devices.front(), vtep.request.vni));
        return {};
    }

    [[nodiscard]] Result<std::vector<FdbLine>> list_fdb(LabNode &node,
                                                        const std::string &device) const override
    {
        TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
        TRY_ASSIGN(const auto entries, show_fdb(device));
        std::vector<FdbLine> lines;
        for (const FdbEntry &entry : entries)
            lines.push_back({entry.mac, entry.dst, entry.via,
                             entry.state == FdbState::dynamic && entry.learned});
        return lines;
    }

    [[nodiscard]] Result<> add_fdb(LabNode &node, const std::string &device,
                                   const LabFdbEntry &added) const override
    {
        TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
        FdbEntry entry;
        entry.mac = added.mac;
        entry.device = device;
        entry.dst = added.dst;
        return write_fdb(added.mac.is_zero() ? FdbVerb::append : FdbVerb::add, entry);
    }

    [[nodiscard]] Result<> flush_fdb(LabNode &node, const std::string &device) const override
    {
        TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
        return xvtep::flush_fdb(device, FlushedFdb::all);
    }

    [[nodiscard]] Result<> replace_neigh(LabNode &node, const std::string &device,
                                         const LabNeighbour &neighbour) const override
    {
        TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
        return write_neigh(NeighVerb::replace,
                           {neighbour.ip, device, neighbour.mac, neighbour.state});
    }

    [[nodiscard]] Result<> flush_neigh(LabNode &node, const std::string &device) const override
    {
        TRY(node.flush_neighbours(device));
        TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
        return xvtep::flush_neigh(device);
    }

    [[nodiscard]] Result<Ageing> ageing(LabNode &node, const std::string &device) const override
    {
        TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
        TRY_ASSIGN(const auto vteps, list_vteps(device));
        if (vteps.empty())
            return system_failure("show", device, "no such VTEP");
        return Ageing{vteps.front().ageing, vteps.front().hard_ageing};
    }
};

} // namespace

const VtepDriver &xvtep_driver()
{
    static const XvtepDriver driver;
    return driver;
}

} // namespace xvtep
