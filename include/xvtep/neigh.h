// SPDX-License-Identifier: GPL-2.0-only
// The neighbour table that proxy and rsc go by, in `ip neigh`'s words, ip-neighbour(8). It is the
// VTEP's own: the kernel's neighbour table is not looked at. Of the calling thread's network
// namespace. Errors, threads, processes: result.h; many writes: batch.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <xvtep/ip.h>
#include <xvtep/mac.h>
#include <xvtep/result.h>

namespace xvtep {

// A reachable entry counts as absent, and is a miss again, the VTEP's reachable_time after it was
// written; the kernel's would go on as NUD_FAILED, answer nothing and raise nothing.
enum class NeighState { permanent, reachable };

struct NeighEntry {
    Ip ip;              // a host's
    std::string device; // the VTEP's
    Mac mac;            // a host's
    NeighState state = NeighState::permanent;
    std::uint64_t updated = 0; // seconds since it was written; filled by queries
};

// How write_neigh() meets a live entry: add refuses, change wants one, replace takes either.
enum class NeighVerb { add, change, replace };

// ErrorKind::usage: an address that is no host's. EEXIST (add), ENOENT (change); ENOSPC: the table,
// for 2^20 entries of all VTEPs, is full.
Result<> write_neigh(NeighVerb verb, const NeighEntry &entry);

Result<> delete_neigh(const Ip &ip, const std::string &device); // ENOENT

// Live entries, of one VTEP's device or of all; by device and address, IPv6 and IPv4 as Ip::octets.
Result<std::vector<NeighEntry>> show_neigh(const std::optional<std::string> &device);

Result<NeighEntry> get_neigh(const Ip &ip, const std::string &device); // ENOENT

Result<> flush_neigh(const std::string &device); // permanent ones too

} // namespace xvtep
