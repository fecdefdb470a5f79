// SPDX-License-Identifier: GPL-2.0-only
// VTEPs of the calling thread's network namespace: attach, detach, show, reload. What is attached
// lives on in the kernel without any process, until detach or reboot.
//
// Numbers are in host byte order. Errors, threads, processes: result.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <xvtep/ip.h>
#include <xvtep/mac.h>
#include <xvtep/result.h>

namespace xvtep {

constexpr std::uint16_t vxlan_port = 4789;       // UDP; IANA's. Linux's own default is 8472
constexpr std::uint32_t vni_max = 0xffffff;      // 24 bits, RFC 7348 section 5
constexpr std::uint32_t flowlabel_max = 0xfffff; // 20 bits, RFC 8200 section 3

// How programs stand on a port: TC alone, native XDP or generic (skb) XDP with TC behind it.
// `automatic` only in requests: XDP for hardware whose driver has it, else TC.
enum class Mode { automatic, tc, xdp, skb };
[[nodiscard]] const char *mode_name(Mode mode); // "auto", "tc", "xdp", "skb"
[[nodiscard]] std::optional<Mode> parse_mode(std::string_view text);

// The outer IPv4 header's DF bit; `inherit`: the inner IPv4 header's, set for IPv6. The kernel's
// IFLA_VXLAN_DF.
enum class Df { unset, set, inherit };

// A number, or "inherit" from the inner packet.
struct OrInherit {
    std::uint8_t value = 0;
    bool inherit = false;
};

// What a VTEP is to be; the defaults are the command line's. `devices` and `vni` must be set.
struct AttachRequest {
    std::vector<std::string> devices; // the underlay ports, 1 .. 16 Ethernet devices
    std::uint32_t vni = 0;            // 1 .. vni_max
    std::string name;                 // of the device to make; "": "xvtepN", N the VNI

    // Outer addresses, all of one family. Without `local`: the source of the route to `remote`,
    // else the first address of `devices` that is not link-local.
    std::optional<Ip> local;
    std::optional<Ip> remote; // unicast; the default entry's destination
    std::optional<Ip> group;  // multicast, joined by the kernel's device; instead of `remote`
    std::uint16_t dstport = vxlan_port;                     // UDP, 1 .. 65535
    std::uint16_t srcport_min = 49152, srcport_max = 65535; // UDP, both inclusive; by flow

    OrInherit ttl; // 0: the host's default, as it is at attach
    OrInherit tos; // the whole octet; its ECN bits are RFC 6040's
    Df df = Df::unset;
    std::uint32_t flowlabel = 0; // 0 .. flowlabel_max; IPv6 underlay only

    bool learning = true;          // from what is decapsulated: the kernel's vxlan_snoop()
    std::uint32_t ageing = 300;    // seconds since last heard of, 0: never (vxlan_cleanup())
    std::uint32_t hard_ageing = 0; // seconds since learned, whatever is heard; 0: none
    std::uint32_t maxaddress = 0;  // MACs in the FDB, the default entry included; 0: no bound

    // As the kernel's device: arp_reduce() and neigh_reduce(), route_shortcircuit(),
    // vxlan_fdb_miss(), vxlan_ip_miss().
    bool proxy = false, rsc = false, l2miss = false, l3miss = false;
    std::uint32_t reachable_time = 30; // seconds a reachable neighbour entry lives, 1 or more

    bool gbp = false; // group policy: draft-smith-vxlan-group-policy
    // Bits of the VXLAN header, flags word first and most significant, that must be 0 on receipt;
    // none of used_bits(). Default: all others. RFC 7348 would ignore them, vxlan_rcv() drops.
    std::optional<std::uint64_t> reserved_bits;

    // Outer UDP checksums. Default: off on IPv4 (RFC 7348 section 5), on on IPv6.
    std::optional<bool> udpcsum;
    bool udp6zerocsumtx = false; // send none on IPv6, RFC 6935
    bool udp6zerocsumrx = false; // accept none on IPv6

    std::string bridge;          // the device joins it; made where there is none; "": none
    std::optional<Mac> mac;      // of the device; default: random, but assigned as if given
    std::optional<unsigned> mtu; // of the device, bytes, 68 .. 65535; default: the lowest of
                                 // `devices` less 50 (IPv6: 70)
    Mode mode = Mode::automatic; // of `devices`: shared by all VTEPs on them
};

// Something that was done to a VTEP or a port from outside, and with what it is put right.
struct Problem {
    // "device_gone", "device_moved" (object: the namespace), "underlay_gone", "program_missing"
    // (object: the program), "local_missing" (object: the address); and what the kernel's device
    // was given with other tools, which the programs do not know: "foreign_entries",
    // "foreign_neighbours", "foreign_options" (object: they).
    std::string kind;
    std::string object;
    std::string text;      // "its device is gone"
    std::string remedy;    // "\"xvtep detach vxlan0\" removes what is left"
    std::size_t count = 1; // of options; of entries among the first 16,384 of the kernel's table
};

// A VTEP as it is in the kernel: the request with what attach chose where an option was not given.
// `devices` holds "" for an underlay port that is gone, `bridge` the device's master of now, `mode`
// that of the first underlay port; every optional field but `remote` and `group` is set.
struct VtepInfo : AttachRequest {
    int ifindex = 0;
    bool auto_mode = false; // the mode was chosen by Mode::automatic
    bool up = false;        // the device's IFF_UP
    bool here = true;       // the device is in this namespace; else `name` is the last known
    // Set by attach() alone: the namespace has IPsec policies. Packets that a policy covers take
    // the kernel's path.
    bool ipsec = false;
    std::vector<Problem> problems{}; // filled by list_vteps() alone, on request
};

// The bits that a VTEP with or without group policy gives a meaning to, as reserved_bits counts
// them: the I flag and the VNI; with `gbp` the G flag, "don't learn", "policy applied" and the id.
constexpr std::uint64_t used_bits(bool gbp)
{
    return gbp ? 0x88ffffff'ffffff00 : 0x08000000'ffffff00;
}

// What attach refuses before it looks at the system: ErrorKind::usage.
Result<> validate(const AttachRequest &request);

// Makes the VTEP's device and attaches programs to its underlay ports; all or nothing. validate()'s
// errors, and: EEXIST the VNI and port are attached already, or the name is taken; EBUSY another
// mode was asked for than a port has, or it is a local port; EADDRNOTAVAIL no address to send from;
// EINVAL not an Ethernet device, not a bridge, an MTU that does not fit.
Result<VtepInfo> attach(const AttachRequest &request);

// Removes the VTEPs of an underlay port or the one of a VTEP's own device (gone or moved to another
// namespace, too), or of these those with `vni`: devices, entries and, where nothing else needs
// them, programs. How many there were. ENOENT: none.
Result<unsigned> detach(const std::string &device, std::optional<std::uint32_t> vni);

// Removes all that the library has in the namespace, whatever the state of its tables: of another
// layout, unreadable, gone. VTEPs' devices are known by the program xvtep_tc_device_egress at their
// egress. What only tables tell is put back where they can be read: a bridge that attach made,
// features of underlay ports and of containers' devices. Needs CAP_SYS_ADMIN. Nothing there is no
// error.
Result<> detach_by_force();

// All VTEPs, or those of an underlay port or of one VTEP device; by VNI. None is no error.
// `problems`: look for them, which reads the kernel's tables too.
Result<std::vector<VtepInfo>> list_vteps(const std::optional<std::string> &device,
                                         bool problems = false);

// Gives a VTEP another outer source address, while frames go on: for one whose host's address has
// changed. Of the same family as before (ErrorKind::usage); others' tables are their own affair.
Result<> set_local(const std::string &device, const Ip &local);

// Puts this library's programs in place of the running ones, on all ports or on `device`; no frame
// meets a port without one, tables and counters are kept. Programs that somebody has detached are
// put back. How many programs were put; on an error none is. ENOENT: nothing is attached.
Result<unsigned> reload(const std::optional<std::string> &device);

} // namespace xvtep
