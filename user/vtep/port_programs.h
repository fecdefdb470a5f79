// SPDX-License-Identifier: GPL-2.0-only
// Programs on a port: which mode suits it, and getting it there. Shared by underlay and local
// ports.
#pragma once

#include "user/datapath/tc_attach.h"
#include "user/net/netlink.h"
#include "user/vtep/session.h"
#include "xvtep/vtep.h"

namespace xvtep {

// What runs on TC; XDP comes on top, in its modes.
struct ProgramAt {
    Hook hook;
    Program program;
};
constexpr ProgramAt underlay_programs[] = {{Hook::ingress, Program::tc_underlay_ingress},
                                           {Hook::egress, Program::tc_underlay_egress}};
constexpr ProgramAt device_programs[] = {{Hook::egress, Program::tc_device_egress},
                                         {Hook::ingress, Program::tc_device_ingress}};
constexpr ProgramAt port_programs[] = {{Hook::ingress, Program::tc_port_ingress},
                                       {Hook::egress, Program::tc_port_egress}};

enum class Role { underlay, local };

struct PortAttachment {
    Mode mode = Mode::tc;
    bool auto_mode = false;
    bool made_clsact = false;
};

// Attaches what `wanted` says; automatic takes native XDP for hardware whose driver has it, TC for
// everything else. Undoes itself on failure.
Result<PortAttachment> attach_programs(Session &session, const Link &link, Role role, Mode wanted);

// Switches the underlay port's GRO on and notes in its entry, which is `entry`, if it was off.
Result<> merge_packets(Session &session, const Link &port, xv_underlay entry);
// And off again, if that was so.
Result<> put_gro_back(const Link &port, const xv_underlay &entry);

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

__u32 to_table_mode(Mode mode);
Mode from_table_mode(__u32 mode);

} // namespace xvtep
