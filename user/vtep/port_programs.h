// SPDX-License-Identifier: GPL-2.0-only
// Chooses the mode of an underlay or local port and attaches the programs.
#pragma once

#include <span>

#include "user/datapath/tc_attach.h"
#include "user/net/netlink.h"
#include "user/vtep/session.h"
#include "xvtep/vtep.h"

namespace xvtep {

// The TC programs of a device. The XDP modes attach an XDP program too.
struct ProgramAt {
    Hook hook;
    Program program;
};
constexpr ProgramAt underlay_programs[] = {{Hook::ingress, Program::tc_underlay_ingress},
                                           {Hook::egress, Program::tc_underlay_egress}};
constexpr ProgramAt l3_underlay_programs[] = {{Hook::ingress, Program::tc_l3_ingress},
                                              {Hook::egress, Program::tc_l3_egress}};
constexpr ProgramAt device_programs[] = {{Hook::egress, Program::tc_device_egress},
                                         {Hook::ingress, Program::tc_device_ingress}};
constexpr ProgramAt port_programs[] = {{Hook::ingress, Program::tc_port_ingress},
                                       {Hook::egress, Program::tc_port_egress}};

// Those of an underlay port, by its entry.
inline std::span<const ProgramAt> programs_of(const xv_underlay &underlay)
{
    if ((underlay.xdp_xmit & XV_XMIT_L3) != 0)
        return l3_underlay_programs;
    return underlay_programs;
}

enum class Role { underlay, local };

struct PortAttachment {
    Mode mode = Mode::tc;
    bool auto_mode = false;
    bool made_clsact = false;
};

// Attaches the programs of a mode. Mode::automatic is native XDP for hardware whose driver has it,
// and TC for everything else. On an error nothing is attached.
Result<PortAttachment> attach_programs(Session &session, const Link &link, Role role, Mode wanted);

// How packets leave by an underlay port: bits of enum xv_xmit.
__u16 xmit_of(const Link &link, Mode mode);

// Switches GRO of an underlay port on. If it was off, the port's entry, `entry`, says so first.
Result<> merge_packets(Session &session, const Link &port, xv_underlay entry);
// Switches GRO off again if merge_packets() switched it on.
Result<> put_gro_back(const Link &port, const xv_underlay &entry);

// Offloads of a veth's sending end that do not work with native XDP at the other end, and the flags
// that say that we switched them off. XDP does not see a VLAN tag beside the packet and would take
// the frame for an untagged one, and nobody completes a partial checksum behind XDP.
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
