// SPDX-License-Identifier: GPL-2.0-only
// The tables of a lab's VTEPs, xvtep's and the kernel's alike.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "user/base/result.h"
#include "user/lab/build.h"

namespace xvtep {

// An FDB line of either kind of VTEP.
struct FdbLine {
    Mac mac;
    Ip dst;
    std::string via;
    bool learned;
};

Result<std::vector<FdbLine>> list_fdb(LabNode &node, const std::string &device, bool kernel);
Result<> add_fdb(LabNode &node, const std::string &device, const Mac &mac, const Ip &dst,
                 bool kernel);
Result<> flush_fdb(LabNode &node, const std::string &device, bool kernel);

Result<> replace_neigh(LabNode &node, const std::string &device, const LabNeighbour &neighbour,
                       bool kernel);
// The kernel's neighbours of any device; xvtep's own too where it is its VTEP.
Result<> flush_neigh(LabNode &node, const std::string &device, bool xvteps);
// xvtep's own.
Result<bool> has_neigh(LabNode &node, const std::string &device, const Ip &ip);

struct LabMiss {
    std::string device;
    std::optional<Ip> ip; // else an L2 miss
    Mac mac;
};

// Collects the misses of a namespace's VTEPs from open() on.
class MissWatch {
  public:
    static Result<MissWatch> open(LabNode &node);
    MissWatch(MissWatch &&) noexcept;
    ~MissWatch();
    Result<std::vector<LabMiss>> drain();

  private:
    struct Impl;
    explicit MissWatch(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace xvtep
