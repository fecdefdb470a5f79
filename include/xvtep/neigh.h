// SPDX-License-Identifier: GPL-2.0-only
// The neighbour table of VTEPs in the calling thread's network namespace, with the verbs and states
// of `ip neigh`, ip-neighbour(8). proxy and rsc use this table; they do not look at the kernel's
// neighbour table.
//
// Errors, threads, processes: result.h. Many writes: batch.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <xvtep/ip.h>
#include <xvtep/mac.h>
#include <xvtep/result.h>

namespace xvtep {

// A reachable entry expires after the VTEP's reachable_time; from then on its IP is a miss again.
// (The kernel would keep the entry as NUD_FAILED, answer nothing and report nothing.)
enum class NeighState { permanent, reachable };

struct NeighEntry {
    Ip ip;              // unicast
    std::string device; // of the VTEP
    Mac mac;            // unicast
    NeighState state = NeighState::permanent;
    std::uint64_t updated = 0; // seconds since the entry was written; filled by queries
    std::uint32_t vni = 0;     // of the VTEP, on a device with many VNIs; else 0
};

// What write_neigh() does if there is a live entry for the IP, and if there is none.
enum class NeighVerb {
    add,     // fails if there is one
    change,  // fails if there is none
    replace, // writes the entry in both cases
    refresh, // writes the entry, but leaves a permanent one and succeeds
};

// Writes one entry.
//
// Errors: ErrorKind::usage: the IP or the MAC is not unicast. EEXIST: the entry exists (add).
// ENOENT: there is no such entry (change). ENOSPC: the table, which holds 2^20 entries of all
// VTEPs, is full.
Result<> write_neigh(NeighVerb verb, const NeighEntry &entry);

// `vni`: as in NeighEntry. Errors: ENOENT: there is no such entry.
Result<> delete_neigh(const Ip &ip, const std::string &device, std::uint32_t vni = 0);

// Returns the live entries of the VTEP with this device or of all VTEPs, sorted by device and by
// Ip::octets.
Result<std::vector<NeighEntry>> show_neigh(const std::optional<std::string> &device);

// Errors: ENOENT: there is no such entry.
Result<NeighEntry> get_neigh(const Ip &ip, const std::string &device, std::uint32_t vni = 0);

// Deletes all entries of a VTEP, permanent ones too; on a device with many VNIs, those of one, or
// of all if `vni` is 0. With the family AF_INET or AF_INET6 it deletes only the entries of that
// family; 0 (AF_UNSPEC) means both.
Result<> flush_neigh(const std::string &device, int family = 0, std::uint32_t vni = 0);

} // namespace xvtep
