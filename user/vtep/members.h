// SPDX-License-Identifier: GPL-2.0-only
// The `members` table: ports of a VTEP that no bridge serves, numbered without gaps.
#pragma once

#include <functional>
#include <string>

#include "user/vtep/session.h"

namespace xvtep {

Result<> add_member(Session &session, __u32 slot, const xv_member &member);
Result<> remove_members(Session &session,
                        const std::function<bool(__u32 slot, const xv_member &)> &which);

// Of a veth's sender, what native XDP cannot do for it, and the flag that says we switched it off.
// A tag beside the packet XDP does not see, and takes the frame for an untagged one; a checksum
// that is unfinished nobody finishes behind it.
struct SenderOffload {
    const char *feature;
    __u32 flag;
};
constexpr SenderOffload sender_offloads[] = {{"tx-vlan-hw-insert", XV_PORT_MADE_CTAG},
                                             {"tx-vlan-stag-hw-insert", XV_PORT_MADE_STAG},
                                             {"tx-checksum-ip-generic", XV_PORT_MADE_CSUM},
                                             {"tx-checksum-sctp", XV_PORT_MADE_SCTP_CSUM}};

// Runs `action` with the name of a veth's other end, in that end's namespace. Where that is nowhere
// to be seen, is_out_of_reach() of the error.
Result<> with_veth_peer(Netlink &netlink, const Link &veth,
                        const std::function<Result<>(const std::string &peer)> &action);

bool is_out_of_reach(const Error &error);

} // namespace xvtep
