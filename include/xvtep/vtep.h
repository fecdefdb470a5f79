// SPDX-License-Identifier: GPL-2.0-only
// VTEPs of the calling thread's network namespace: attach, detach, list, reload. A VTEP needs no
// process: it lives in the kernel until it is detached or the host reboots.
//
// Numbers are in host byte order. Errors, threads, processes: result.h. The options of attach as a
// table: option.h.
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

constexpr std::uint16_t vxlan_port = 4789;       // UDP, assigned by IANA; Linux defaults to 8472
constexpr std::uint32_t vni_max = 0xffffff;      // 24 bits, RFC 7348 section 5
constexpr std::uint32_t flowlabel_max = 0xfffff; // 20 bits, RFC 8200 section 3

// How programs are attached to a port: TC alone, or native or generic (skb) XDP with TC behind it.
// Requests alone have `automatic`: XDP on hardware whose driver supports it, else TC.
enum class Mode { automatic, tc, xdp, skb };
[[nodiscard]] const char *mode_name(Mode mode); // "auto", "tc", "xdp", "skb"
[[nodiscard]] std::optional<Mode> parse_mode(std::string_view text);

// The DF bit of the outer IPv4 header. `inherit` copies the bit of an inner IPv4 header and sets it
// for inner IPv6. The values are those of the kernel's IFLA_VXLAN_DF.
enum class Df { unset, set, inherit };

// The remote VTEPs whose packets a VTEP takes: all of them, as the kernel's device does, or only
// those that are known (Remote::known in remote.h).
enum class Accept { any, known };

// An octet of the outer header: a number, or a copy of the inner packet's.
struct OrInherit {
    std::uint8_t value = 0;
    bool inherit = false;
};

// VNIs of a device with many, in a row, and the VLANs that they are on the device: VNI first + n is
// VLAN vlan + n.
struct VniRange {
    std::uint32_t first = 0, last = 0; // 1 .. vni_max
    std::uint16_t vlan = 0;            // 1 .. 4094
    std::optional<Ip> remote{};        // of their default entries; a group, if it is multicast
    bool operator==(const VniRange &) const = default;
};

// The options of a VTEP, with the defaults of the command line. `vni` or `vnis` must be set.
struct AttachRequest {
    // The underlay ports, at most 16. None: the ports are those that routes lead
    // to, now and whenever a call writes an entry or a remote; it needs `remote` or `local`.
    std::vector<std::string> devices;
    std::uint32_t vni = 0; // 1 .. vni_max
    // Instead of `vni`: one device with many VNIs, each of which is a VTEP. See vni.h.
    std::vector<VniRange> vnis{};
    std::string name; // of the device to make; "": "xvtepN" where N is the (first) VNI

    // Outer addresses of one family. Without `local`, the source of the route is used, as by the
    // kernel's device, and followed when it changes; until a packet was sent, that of the route to
    // `remote`, or the first address of `devices` that is not link-local.
    std::optional<Ip> local;
    std::optional<Ip> remote; // unicast; the destination of the default entry
    std::optional<Ip> group;  // multicast, joined by the kernel's device; excludes `remote`
    std::uint16_t dstport = vxlan_port;                     // UDP, 1 .. 65535
    std::uint16_t srcport_min = 49152, srcport_max = 65535; // UDP, inclusive; the flow decides

    OrInherit ttl; // 0: the host's default at the time of attach
    OrInherit tos; // the whole octet; RFC 6040 governs its ECN bits
    Df df = Df::unset;
    std::uint32_t flowlabel = 0; // 0 .. flowlabel_max; IPv6 underlay only

    bool learning = true;       // from received packets, as the kernel's vxlan_snoop()
    std::uint32_t ageing = 300; // seconds since an entry was heard of (vxlan_cleanup()); 0: never
    std::uint32_t hard_ageing = 0; // seconds since an entry was learned; 0: never
    std::uint32_t maxaddress = 0;  // MACs in the FDB, the default entry included; 0: no bound
    // Entries that the FDB of the namespace has room for at least, up to 1,048,576. Learning leaves
    // some of it free. Calls that write entries make the table larger when it is full.
    std::uint32_t fdb_size = 32768;

    // With `known`, packets from others are dropped, and nothing is learned from them.
    Accept accept = Accept::any;

    // As in the kernel's arp_reduce() and neigh_reduce(), route_shortcircuit(), vxlan_fdb_miss(),
    // vxlan_ip_miss().
    bool proxy = false, rsc = false, l2miss = false, l3miss = false;
    std::uint32_t reachable_time = 30; // seconds a reachable neighbour entry lives, 1 or more

    bool gbp = false; // group policy: draft-smith-vxlan-group-policy
    // Bits of the VXLAN header that must be 0 on receipt, the flags word in the high half;
    // used_bits() may not be among them. Default: all other bits. RFC 7348 ignores them,
    // vxlan_rcv() drops.
    std::optional<std::uint64_t> reserved_bits;

    // Send outer UDP checksums. Default: off over IPv4 (RFC 7348 section 5), on over IPv6.
    std::optional<bool> udpcsum;
    bool udp6zerocsumtx = false; // send none on IPv6, RFC 6935
    bool udp6zerocsumrx = false; // accept none on IPv6

    std::string bridge;          // the device joins it; it is made if it does not exist; "": none
    std::optional<Mac> mac;      // of the device; default: random
    std::optional<unsigned> mtu; // of the device, bytes, 68 .. 65535; default: the lowest of
                                 // `devices` less 50, over IPv6 less 70
    Mode mode = Mode::automatic; // of `devices`; all VTEPs on a port share it
};

// A change to a VTEP or a port that something other than xvtep made, and its remedy.
struct Problem {
    // "device_gone", "device_moved" (object: the namespace), "underlay_gone", "underlay_unattached"
    // (object: the port that a route leads to), "program_missing" (object: the program),
    // "local_missing" (object: the address); "foreign_entries",
    // "foreign_neighbours", "foreign_options" (object: the options): other tools gave them to the
    // kernel's device, and the programs do not know them.
    std::string kind;
    std::string object;
    std::string text;      // "its device is gone"
    std::string remedy;    // "\"xvtep detach vxlan0\" removes what is left"
    std::size_t count = 1; // options, or entries among the first 16,384 of the kernel's table
};

// Whether a query also looks for problems, for which it reads the kernel's tables.
enum class Problems { left_out, looked_for };

// A VTEP as it is in the kernel: the request with what attach chose where an option was not given.
// `devices` holds "" for an underlay port that is gone, `bridge` the device's master of now, `mode`
// that of the first underlay port; every optional field but `remote` and `group` is set.
struct VtepInfo : AttachRequest {
    int ifindex = 0;
    bool auto_mode = false; // the mode was chosen by Mode::automatic
    // No local address was given: `local` is the one that packets have now, and follows the routes.
    bool local_auto = false;
    bool routed = false; // no underlay port was given: `devices` are those that routes have led to
    bool up = false;     // the device's IFF_UP
    // The device is another program's, and `xvtep adopt` serves it. list_vteps() has no such ones.
    bool adopted = false;
    bool here = true; // the device is in this namespace; else `name` is the last known
    // Set by attach() alone: the namespace has IPsec policies. Packets that a policy covers take
    // the kernel's path.
    bool ipsec = false;
    // Set by attach() alone: where a rule of nftables names the UDP port, as "inet filter input"
    // (family, table and chain), or "". The fast path passes most packets by such rules.
    std::string filter_rule{};
    std::vector<Problem> problems{}; // filled by list_vteps() alone, on request
};

// The bits that have a meaning, in the order of AttachRequest::reserved_bits: the I flag and the
// VNI; with `gbp` also the G flag, "don't learn", "policy applied" and the group identifier.
constexpr std::uint64_t used_bits(bool gbp)
{
    return gbp ? 0x88ffffff'ffffff00 : 0x08000000'ffffff00;
}

// Checks a request without looking at the system.
// Errors: ErrorKind::usage.
Result<> validate(const AttachRequest &request);

// Makes the VTEP's device and attaches programs to its underlay ports; all or nothing.
// Errors: those of validate();
//   EEXIST         the VNI and port are attached already, or the device's name or VNI is taken
//   EADDRINUSE     another device or program holds the UDP port
//   EBUSY          a port has another mode, or is a local port
//   EADDRNOTAVAIL  there is no address to send from
//   EINVAL         an XDP mode without Ethernet headers, not a bridge, or an MTU that does not fit
Result<VtepInfo> attach(const AttachRequest &request);

// Removes the VTEPs of an underlay port, or the VTEP whose device is `device`, also one that is
// gone or in another namespace; with `vni` only that VNI. Removes devices, entries, and the
// programs that nothing else needs. Returns the number of VTEPs. Errors: ENOENT no VTEP.
Result<unsigned> detach(const std::string &device, std::optional<std::uint32_t> vni);

// Removes all that the library has in the namespace, also where its tables have another layout or
// cannot be read. The program xvtep_tc_device_egress at their egress identifies the devices of
// VTEPs. Where the tables can be read, a bridge that attach made goes too, and the features of
// underlay ports and containers' devices are put back. Needs CAP_SYS_ADMIN. No error if there is
// nothing.
Result<> detach_by_force();

// Lists all VTEPs, or those of an underlay port, or that of a VTEP's device, in the order of their
// VNIs; returns an empty list if there are none. A device with many VNIs is one of them, with
// `vnis` and without `vni`.
Result<std::vector<VtepInfo>> list_vteps(const std::optional<std::string> &device,
                                         Problems problems = Problems::left_out);

// Gives a VTEP another outer source address while packets go on: change_vtep() of change.h with one
// option. The tables of other hosts are not changed.
// Errors: ErrorKind::usage an address of the other family.
Result<> set_local(const std::string &device, const Ip &local);

// Puts this library's programs in place of the running ones, on all ports or on `device`, and puts
// back programs that were detached. No packet meets a port without a program; tables and counters
// are kept. Returns the number of programs; on an error none is replaced.
// Errors: ENOENT nothing is attached.
Result<unsigned> reload(const std::optional<std::string> &device);

} // namespace xvtep
