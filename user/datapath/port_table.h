// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "user/datapath/table.h"
#include "xvtep/tables.h"

namespace xvtep {

// `ports`, and of each port the copy in `port_hints` that programs look at first. A copy is never
// older than its port, wherever a command is killed: it goes first and comes last.
class PortTable {
  public:
    PortTable(Table<__u32, xv_port> ports, Table<__u32, xv_port_hint> hints)
        : ports_(std::move(ports)), hints_(std::move(hints))
    {
    }

    [[nodiscard]] std::optional<xv_port> find(__u32 ifindex) const { return ports_.find(ifindex); }
    [[nodiscard]] std::vector<std::pair<__u32, xv_port>> entries() const
    {
        return ports_.entries();
    }

    Result<> put(__u32 ifindex, const xv_port &port) const
    {
        forget(ifindex);
        TRY(ports_.put(ifindex, port));
        if (const auto taken = hints_.find(place(ifindex)); taken && taken->ifindex == 0)
            TRY(hints_.put(place(ifindex), {.port = port, .ifindex = ifindex, .zero = 0}));
        return {};
    }

    void remove(__u32 ifindex) const
    {
        forget(ifindex);
        ports_.remove(ifindex);
        for (const auto &[other, port] : ports_.entries()) // its place is free for another
            if (place(other) == place(ifindex))
                return (void)put(other, port);
    }

  private:
    static __u32 place(__u32 ifindex) { return ifindex % XV_PORT_HINTS; }

    void forget(__u32 ifindex) const
    {
        auto hint = hints_.find(place(ifindex));
        if (!hint || hint->ifindex != ifindex)
            return;
        hint->ifindex = 0; // the rest stays: a program may be reading it
        (void)hints_.put(place(ifindex), *hint);
    }

    Table<__u32, xv_port> ports_;
    Table<__u32, xv_port_hint> hints_;
};

} // namespace xvtep
