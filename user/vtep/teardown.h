// SPDX-License-Identifier: GPL-2.0-only
// Takes VTEPs and ports down, for detach, for the undo steps of attach, and for recover().
#pragma once

#include <set>
#include <span>
#include <utility>

#include "user/vtep/session.h"

namespace xvtep {

// These functions also take down what is incomplete. If one fails, the tables still describe what
// is left, and the next recover() continues with it.
Result<> remove_vteps(Session &session, std::span<const xv_vtep> vteps);
Result<> remove_port(Session &session, int ifindex);
Result<> release_unused_underlays(Session &session);
Result<> release_empty_datapath(Session &session);

// VTEPs that are removed together, by what the tables know of them.
struct Leaving {
    std::set<__u32> slots;
    std::set<std::pair<__u32, __be16>> vnis; // with their UDP ports

    explicit Leaving(std::span<const xv_vtep> vteps);
};
// The first step of a removal, or packets would fill the tables again: no packet is accepted for
// the VTEPs any more, and they leave their ports. Ports that have no other VNI are removed.
Result<> stop_accepting(Session &session, std::span<const xv_vtep> vteps, const Leaving &leaving);
// Removes all that the tables have of the VTEPs, but for their records.
Result<> flush_entries(const Session &session, const Leaving &leaving);

// Turns ENODEV into success: what is to be removed is gone already.
Result<> unless_gone(Result<> removed);

} // namespace xvtep
