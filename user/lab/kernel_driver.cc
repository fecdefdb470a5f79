// SPDX-License-Identifier: GPL-2.0-only
#include <linux/neighbour.h>

#include "user/lab/driver.h"
#include "user/lab/vlan.h"
#include "user/lab/vtep_options.h"

namespace xvtep {

namespace {

class KernelDriver : public VtepDriver {
  public:
    [[nodiscard]] const char *name() const override { return "kernel vxlan"; }
    [[nodiscard]] bool has(Feature) const override { return false; }

    [[nodiscard]] Result<> make_vtep(LabNode &node, const LabVtep &vtep) const override
    {
        const AttachRequest &request = vtep.request;
        TRY_ASSIGN(const int lower, node.index_of(request.devices.front()));
        TRY_ASSIGN(
            const int index,
            node.netlink.add_vxlan({.name = request.name, .mac = request.mac, .mtu = request.mtu},
                                   kernel_options(request, lower)));
        if (!request.bridge.empty()) {
            auto bridge = node.index_of(request.bridge);
            if (!bridge)
                bridge = node.add_bridge({.name = request.bridge, .mac = {}, .mtu = {}});
            TRY(bridge);
            TRY(node.netlink.change_link(index, {.master = *bridge}));
        }
        return connect_trunks(node, index, vtep);
    }

    [[nodiscard]] Result<> remove_vtep(LabNode &node, const LabVtep &vtep) const override
    {
        TRY_ASSIGN(const int index, node.index_of(vtep.request.name));
        return node.netlink.delete_link(index);
    }

    [[nodiscard]] Result<std::vector<FdbLine>> list_fdb(LabNode &node,
                                                        const std::string &device) const override
    {
        TRY_ASSIGN(const int index, node.index_of(device));
        TRY_ASSIGN(const auto entries, node.netlink.fdb(index));
        std::vector<FdbLine> lines;
        for (const KernelFdbEntry &entry : entries) {
            std::string via;
            if (entry.via != 0) {
                TRY_ASSIGN(const Link port, node.netlink.link(entry.via));
                via = port.name;
            }
            if (entry.dst)
                lines.push_back({entry.mac, *entry.dst, via, !(entry.state & NUD_PERMANENT)});
        }
        return lines;
    }

    [[nodiscard]] Result<> add_fdb(LabNode &node, const std::string &device,
                                   const LabFdbEntry &added) const override
    {
        TRY_ASSIGN(const int index, node.index_of(device));
        KernelFdbEntry entry;
        entry.mac = added.mac;
        entry.dst = added.dst;
        return node.netlink.append_fdb(index, entry);
    }

    [[nodiscard]] Result<> flush_fdb(LabNode &node, const std::string &device) const override
    {
        TRY_ASSIGN(const int index, node.index_of(device));
        TRY_ASSIGN(const auto entries, node.netlink.fdb(index));
        for (const KernelFdbEntry &entry : entries)
            if (entry.dst)
                TRY(node.netlink.delete_fdb(index, entry));
        return {};
    }

    // Always permanent: the kernel's own probes would replace a reachable entry.
    [[nodiscard]] Result<> replace_neigh(LabNode &node, const std::string &device,
                                         const LabNeighbour &neighbour) const override
    {
        TRY_ASSIGN(const int index, node.index_of(device));
        return node.netlink.replace_neighbour(index, neighbour.ip, neighbour.mac);
    }

    [[nodiscard]] Result<> flush_neigh(LabNode &node, const std::string &device) const override
    {
        return node.flush_neighbours(device);
    }

    [[nodiscard]] Result<Ageing> ageing(LabNode &node, const std::string &device) const override
    {
        TRY_ASSIGN(const Link link, node.netlink.link(device));
        return Ageing{link.vxlan ? link.vxlan->ageing : 0, std::nullopt};
    }

  private:
    // What `xvtep port add TRUNK --vlan VID` does for xvtep's VTEPs.
    static Result<> connect_trunks(LabNode &node, int device, const LabVtep &vtep)
    {
        TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
        for (const LabPort &port : vtep.ports)
            if (port.vlan) {
                TRY_ASSIGN(const int trunk, node.index_of(port.name));
                TRY(connect_vlan(device, trunk, *port.vlan));
            }
        return {};
    }
};

} // namespace

const VtepDriver &kernel_driver()
{
    static const KernelDriver driver;
    return driver;
}

} // namespace xvtep
