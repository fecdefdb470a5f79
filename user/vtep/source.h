// SPDX-License-Identifier: GPL-2.0-only
// The local address of a VTEP for which none was given. The kernel's device has none then, and
// chooses by the route of each packet; the programs take over what it chooses (bpf/source_addr.h).
// So user space only chooses the first one, and another one where no packet has done so yet.
#pragma once

#include <optional>
#include <set>
#include <span>

#include "user/vtep/session.h"

namespace xvtep {

// Where a VTEP sends to and from, as far as it is known.
struct Way {
    std::optional<Ip> remote{};     // of the default entry, if it is unicast
    std::span<const __u32> ports{}; // the underlay ports, by ifindex
    std::optional<bool> v6{};       // not set: IPv4 is preferred
    bool routed = false;            // the route decides which port, also if there is one
};

// Returns the source of the route to the remote, or the first address of the ports that is not
// link-local. Errors: EADDRNOTAVAIL there is none.
Result<Ip> choose_source(Session &session, const Way &way);

// The addresses of this host, read when they are first asked for.
class HostAddresses {
  public:
    explicit HostAddresses(Session &session) : session_(&session) {}
    // Also true of an address that a local route covers.
    Result<bool> has(const Ip &address);

  private:
    Session *session_;
    std::optional<std::set<Ip>> known_;
};

// If the VTEP chooses its local address by itself, and this host has lost that one: chooses
// another, if there is one. Changes `vtep` alone, and returns whether it did.
Result<bool> follow_source(Session &session, HostAddresses &addresses, xv_vtep &vtep);

} // namespace xvtep
