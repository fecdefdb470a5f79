// SPDX-License-Identifier: GPL-2.0-only
// Finds what other programs have done to a VTEP, its ports and its device. It changes nothing.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "user/datapath/tc_attach.h"
#include "user/datapath/tc_block.h"
#include "user/vtep/port_programs.h"
#include "user/vtep/session.h"
#include "xvtep/vtep.h"

namespace xvtep {

struct MovedDevice;

class Inspection {
  public:
    // `links` are those of the namespace, and must outlive the object.
    static Result<Inspection> begin(Session &session, const std::vector<Link> &links);

    // `moved`: where the VTEP's device is, if it is not in `links`.
    Result<std::vector<Problem>> of(const xv_vtep &vtep, const MovedDevice *moved);
    Result<std::vector<Problem>> of_port(__u32 ifindex, const xv_port &port);

  private:
    Inspection(Session &session, const std::vector<Link> &links, DeviceBlocks blocks);

    [[nodiscard]] Result<Problem> absence_of(const xv_vtep &vtep, const MovedDevice *moved) const;
    [[nodiscard]] Result<std::vector<Problem>> of_device(const xv_vtep &vtep, const Link &device);
    Result<> missing_programs(const Link &link, std::span<const ProgramAt> wanted,
                              std::vector<Problem> &found) const;
    void missing_xdp(const Link &link, __u32 mode, Program program,
                     std::vector<Problem> &found) const;
    [[nodiscard]] bool has_address(const Ip &address);
    // What the kernel has for the VTEP's device. After a few devices, these functions read what all
    // devices have, because the kernel looks at every device for one answer.
    Result<std::vector<KernelFdbEntry>> kernel_fdb(int ifindex);
    Result<std::vector<KernelNeighbour>> kernel_neighbours(int ifindex);
    [[nodiscard]] Result<std::size_t> foreign_entries(const xv_vtep &vtep);
    [[nodiscard]] Result<std::size_t> foreign_neighbours(const xv_vtep &vtep);
    Result<> read_ports();
    // Appends the problems of the ports of a VTEP.
    Result<> of_ports(__u32 slot, std::vector<Problem> &found);

    Session *session_;
    const std::vector<Link> *links_;
    std::map<std::pair<int, Hook>, bool> pinned_; // whether the link is dead
    DeviceBlocks blocks_;
    std::set<Ip> addresses_;
    std::multimap<__u32, std::pair<__u32, xv_port>> ports_; // by slot: ifindex and port
    unsigned fdbs_read_ = 0, neighbours_read_ = 0;          // of single devices
    std::optional<KernelFdbs> fdbs_;
    std::optional<std::multimap<int, KernelNeighbour>> neighbours_;
    std::map<__u32, std::vector<Problem>> of_underlays_; // that were looked at
};

} // namespace xvtep
