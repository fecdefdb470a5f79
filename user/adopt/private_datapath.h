// SPDX-License-Identifier: GPL-2.0-only
// The tables and programs of an adopting service. They are pinned in a bpf file system that is
// mounted nowhere: all of it goes with the last descriptor, which is the service's.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "bpf/abi/adopt.h"
#include "user/base/fd.h"
#include "user/base/result.h"
#include "user/datapath/bpf_object.h"
#include "user/datapath/datapath.h"
#include "user/datapath/tc_attach.h"

namespace xvtep::adopt {

class PrivateDatapath {
  public:
    static Result<PrivateDatapath> make(std::uint64_t cookie, const Sizes &sizes);

    // Of the mount; other processes reach it as /proc/PID/fd/N.
    [[nodiscard]] int mount() const { return mount_.get(); }
    [[nodiscard]] Result<int> program(const char *name) const;
    // Attaches a program to a device until the descriptor is closed, in whatever way.
    [[nodiscard]] Result<Fd> attach(const char *program, int ifindex, Hook hook,
                                    const std::string &device) const;
    // Has xvtep_adopt_rows handle the rows.
    [[nodiscard]] Result<> run(std::span<const xv_adopt_row> rows) const;

  private:
    Fd mount_;
    BpfObject object_;

  public:
    Tables tables;
    Shared<xv_adopt_service> service; // [0]
    Shared<xv_adopted> devices;       // by slot
    Table<xv_fdb_key, __u32> tombstones;

  private:
    PrivateDatapath(Fd mount, BpfObject object, Tables tables_, Shared<xv_adopt_service> service_,
                    Shared<xv_adopted> devices_, Table<xv_fdb_key, __u32> tombstones_)
        : mount_(std::move(mount)), object_(std::move(object)), tables(std::move(tables_)),
          service(std::move(service_)), devices(std::move(devices_)),
          tombstones(std::move(tombstones_))
    {
    }
};

} // namespace xvtep::adopt
