// SPDX-License-Identifier: GPL-2.0-only
// The forwarding database, in `bridge fdb`'s words, bridge(8): the kernel's vxlan_fdb_add(),
// vxlan_fdb_delete(), vxlan_fdb_dump(). Of the calling thread's network namespace.
//
// Numbers are in host byte order. Errors, threads, processes: result.h; many writes: batch.h.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <xvtep/ip.h>
#include <xvtep/mac.h>
#include <xvtep/result.h>

namespace xvtep {

// permanent and static entries stay, and frames do not move them; dynamic ones age as learned ones.
enum class FdbState { permanent, static_, dynamic };

// An entry with one destination; one with several is as many of these.
struct FdbEntry {
    Mac mac;                // all zeros: the default entry
    std::string device;     // the VTEP's
    Ip dst;                 // of the VTEP's family; a group only for the default and multicast MACs
    std::uint16_t port = 0; // UDP; 0: the VTEP's own
    std::uint32_t vni = 0;  // to send with, up to vni_max; 0: the VTEP's own
    std::string via;        // the underlay port to leave by, or "": as the VTEP does
    bool router = false;    // NTF_ROUTER, for rsc and proxy
    FdbState state = FdbState::permanent;
    // Seconds since a frame was last sent there; since it was made or a frame last came from there
    // (as the kernel counts from 6.15 on). Filled by queries, not looked at by write_fdb().
    std::uint64_t used = 0, updated = 0;
    // By the programs, from a frame of the tunnel; else written by a call or attach. Filled by
    // queries, not looked at by write_fdb(). `state` cannot tell: dynamic ones may be written too.
    bool learned = false;
};

// How write_fdb() meets an entry for the MAC that was written before: add refuses, append adds a
// destination (default entry and multicast MACs only), replace takes its place. A learned one is
// replaced by each of them.
enum class FdbVerb { add, append, replace };

// ErrorKind::usage: `dst` unspecified, of the other family, or a group for a unicast MAC; a VNI out
// of range. EEXIST: the entry, or the destination to append, is there; EINVAL: a second destination
// for a unicast MAC; ENOSPC: maxaddress, 512 destinations, or the table is full.
Result<> write_fdb(FdbVerb verb, const FdbEntry &entry);
// One after another, until one fails; `written` says how many came before it. The fastest way to
// write many: permanent and static unicast entries cost one update of the map each.
Result<> write_fdb(FdbVerb verb, std::span<const FdbEntry> entries, std::size_t &written);

// The entry, or of its destinations those with the address `dst`. ENOENT.
Result<> delete_fdb(const Mac &mac, const std::string &device, const std::optional<Ip> &dst);

// Live entries, one per destination; of one VTEP's device, or of all; by device and MAC. What is
// behind local ports is not among them: show_ports() has it.
Result<std::vector<FdbEntry>> show_fdb(const std::optional<std::string> &device);

// One for each destination of the MAC's own entry; the default entry does not stand in. ENOENT.
Result<std::vector<FdbEntry>> get_fdb(const Mac &mac, const std::string &device);

// Everything, the default entry too; `dynamic_only`: learned and dynamic ones.
Result<> flush_fdb(const std::string &device, bool dynamic_only);

} // namespace xvtep
