// SPDX-License-Identifier: GPL-2.0-only
// Replaces the programs of devices by those of this binary, without a frame that meets none.
#pragma once

#include <set>
#include <span>
#include <vector>

#include "user/base/undo.h"
#include "user/datapath/programs.h"
#include "user/datapath/tc_block.h"
#include "user/vtep/port_programs.h"
#include "user/vtep/session.h"

namespace xvtep {

// The groups of programs that the tables' devices and ports need.
Result<std::vector<ProgramGroup>> groups_in_use(const Session &session);

class ProgramSwitch {
  public:
    // `maps`: the directory of the maps that the programs `fresh` work on.
    ProgramSwitch(Session &session, const LoadedPrograms &fresh, std::string maps)
        : session_(session), fresh_(fresh), maps_(std::move(maps))
    {
    }

    // Replaces the programs of the device `only`, or of all if it is 0. TC programs are attached
    // also where somebody has detached them.
    Result<> run(int only);
    // Replaces the XDP programs, too. It comes last, because these cannot be put back.
    Result<> xdp();
    // Without it, the TC programs of before are put back at the end. Returns how many places have
    // new programs.
    unsigned commit();

  private:
    // Returns nullptr if the device is not wanted, or gone.
    [[nodiscard]] const Link *find(__u32 ifindex) const;
    Result<> ports();
    Result<> devices();
    // Returns whether it made a clsact qdisc.
    Result<bool> replace_tc(const Link &link, std::span<const ProgramAt> wanted);
    // Replaces the programs of all devices that are bound to these blocks.
    Result<> replace_blocks(const BlockPair &blocks);
    Result<> replace_xdp_of(const Link &link, __u32 mode, Program program);

    Session &session_;
    const LoadedPrograms &fresh_;
    std::string maps_;
    std::vector<Link> links_;
    int only_ = 0;
    Undo back_;
    unsigned count_ = 0;
};

} // namespace xvtep
