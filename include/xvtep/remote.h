// SPDX-License-Identifier: GPL-2.0-only
// Remote VTEPs: the destinations of FDB entries, and the VTEPs that a VTEP has learned from, in the
// calling thread's network namespace.
//
// Numbers are in host byte order. Errors, threads, processes: result.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <xvtep/ip.h>
#include <xvtep/mac.h>
#include <xvtep/result.h>

namespace xvtep {

// Where packets to a remote VTEP leave. Several next hops share the flows by their weights.
struct RemoteNexthop {
    std::string device; // the underlay port
    // Of the router, or of the VTEP itself. Empty: packets leave without an Ethernet header.
    std::optional<Mac> mac;
    unsigned weight = 1; // relative to the others
};

// A remote VTEP as one VTEP of this host sees it.
struct Remote {
    Ip ip;
    std::uint16_t port = 0;    // UDP destination port
    std::string device;        // of the VTEP of this host
    std::uint32_t vni = 0;     // to send with
    std::string via;           // the underlay port that its entries name; "": the route decides
    std::uint64_t entries = 0; // FDB entries that lead there, the default entry too
    // By which frames without a packet mark have left in the last two seconds; else empty.
    std::vector<RemoteNexthop> nexthops;
    // Of the path, in octets of the outer packet: that of the underlay port, or a smaller one that
    // a router has told. 0: no way there is known.
    std::uint32_t mtu = 0;
    // Inner frames sent there and received from there, also those that a program has left to the
    // kernel's vxlan device. Copies of floods, and packets that GRO has merged behind an XDP
    // program, count at the VTEP alone: see stats.h.
    std::uint64_t rx_packets = 0, rx_bytes = 0, tx_packets = 0, tx_bytes = 0;
    // Seconds since the programs have last received from there. Empty: never.
    std::optional<std::uint64_t> heard;
    // Whether packets from there are accepted by a VTEP with `accept known`: an entry that was
    // written, the default destination, or add_remote() names the remote.
    bool known = false;
};

// Returns the remote VTEPs of the VTEP with this device, or of all, and only those with the address
// `ip` if it is given; sorted by device, address, port, VNI and `via`.
//
// Errors: ENODEV: there is no VTEP with this device.
Result<std::vector<Remote>> show_remotes(const std::optional<std::string> &device,
                                         const std::optional<Ip> &ip);

// Names a remote VTEP from which a VTEP with `accept known` takes packets, without an FDB entry.
// `vni` says which VTEP, on a device with many VNIs.
//
// Errors: ErrorKind::usage: the address is unspecified, multicast, or of the other address family.
// EEXIST: it was added before. ENOSPC: the table is full.
Result<> add_remote(const Ip &ip, const std::string &device, std::uint32_t vni = 0);

// Takes back add_remote().
//
// Errors: ENOENT: it was not added.
Result<> delete_remote(const Ip &ip, const std::string &device, std::uint32_t vni = 0);

} // namespace xvtep
