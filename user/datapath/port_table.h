// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "bpf/abi/tables.h"
#include "user/datapath/table.h"

namespace xvtep {

// The map `ports`, and the copies of ports in `port_hints` that programs look at first. A copy is
// removed before its port changes and written after it, so it is never older than its port,
// wherever a command is killed.
class PortTable {
  public:
    // `name`: of the ports' map; the copies are always in `port_hints`.
    static Result<PortTable> open(const std::string &maps, const char *name)
    {
        TRY_ASSIGN(auto ports, (Table<__u32, xv_port>::open(maps, name)));
        TRY_ASSIGN(auto hints, (Table<__u32, xv_port_hint>::open(maps, "port_hints")));
        return PortTable(std::move(ports), std::move(hints));
    }

    [[nodiscard]] Result<std::optional<xv_port>> look_up(__u32 ifindex) const
    {
        return ports_.look_up(ifindex);
    }
    [[nodiscard]] auto entries() const { return ports_.entries(); }

    Result<> put(__u32 ifindex, const xv_port &port) const
    {
        TRY(forget(ifindex));
        TRY(ports_.put(ifindex, port));
        TRY_ASSIGN(const auto taken, hints_.look_up(place(ifindex)));
        if (taken && taken->ifindex == 0)
            TRY(hints_.put(place(ifindex), {.port = port, .ifindex = ifindex, .zero = 0}));
        return {};
    }

    Result<> remove(__u32 ifindex) const
    {
        TRY(forget(ifindex));
        TRY(ports_.remove(ifindex));
        TRY_ASSIGN(const auto others, ports_.entries());
        for (const auto &[other, port] : others) // another port may have the free place
            if (place(other) == place(ifindex))
                return put(other, port);
        return {};
    }

  private:
    PortTable(Table<__u32, xv_port> ports, Table<__u32, xv_port_hint> hints)
        : ports_(std::move(ports)), hints_(std::move(hints))
    {
    }

    static __u32 place(__u32 ifindex) { return ifindex % XV_PORT_HINTS; }

    Result<> forget(__u32 ifindex) const
    {
        TRY_ASSIGN(auto hint, hints_.look_up(place(ifindex)));
        if (!hint || hint->ifindex != ifindex)
            return {};
        hint->ifindex = 0; // leave the rest, because a program may be reading it
        return hints_.put(place(ifindex), *hint);
    }

    Table<__u32, xv_port> ports_;
    Table<__u32, xv_port_hint> hints_;
};

} // namespace xvtep
