// SPDX-License-Identifier: GPL-2.0-only
// The forwarding database (FDB) of VTEPs in the calling thread's network namespace, with the verbs
// and states of `bridge fdb`, bridge(8).
//
// Numbers are in host byte order. Errors, threads, processes: result.h. Many writes: batch.h.
// Source: the kernel's vxlan_fdb_add(), vxlan_fdb_delete(), vxlan_fdb_dump().
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <xvtep/ip.h>
#include <xvtep/mac.h>
#include <xvtep/result.h>

namespace xvtep {

// Permanent and static entries do not age, and frames do not move them. Dynamic entries age as
// learned ones do.
enum class FdbState { permanent, static_, dynamic };

// An entry with one destination. An entry with several destinations is as many of these.
struct FdbEntry {
    Mac mac;            // all zeros: the default entry
    std::string device; // of the VTEP
    Ip dst;             // of the VTEP's address family; a multicast group is allowed only for the
                        // default entry and multicast MACs
    std::uint16_t port = 0; // UDP destination port; 0: the VTEP's own
    std::uint32_t vni = 0;  // to send with, at most vni_max; 0: the VTEP's own
    std::string via;        // the underlay port to send from; "": as the VTEP does
    bool router = false;    // NTF_ROUTER, for rsc and proxy
    FdbState state = FdbState::permanent;
    std::uint32_t src_vni = 0; // of the VTEP, on a device with many VNIs; else 0

    // The following members are filled by queries and ignored by write_fdb().

    // Seconds since a frame was last sent to this MAC, and seconds since the entry was made or a
    // frame last came from this MAC (as the kernel counts since Linux 6.15).
    std::uint64_t used = 0, updated = 0;
    // Whether the programs learned the entry from a frame of the tunnel. `state` cannot tell,
    // because a call may write dynamic entries too.
    bool learned = false;
};

// What write_fdb() does if a call or attach has written an entry for the MAC before. Every verb
// replaces a learned entry.
enum class FdbVerb {
    add,     // fails
    append,  // adds a destination; only for the default entry and multicast MACs
    replace, // replaces the entry
    refresh, // replaces the entry if it is dynamic; leaves it and succeeds if it is static or
             // permanent
};

// Writes one entry.
//
// Errors: ErrorKind::usage: `src_vni` is missing on a device with many VNIs, or `port` or `via` is
// given there; `dst` is unspecified, of the other address family, or a multicast group
// for a unicast MAC; the VNI is out of range. EEXIST: the entry exists (add). EINVAL: append to a
// unicast MAC. ENOSPC: the VTEP has `maxaddress` entries, the entry has 512 destinations, or the
// table is full.
Result<> write_fdb(FdbVerb verb, const FdbEntry &entry);

struct FdbBulkResult {
    std::size_t written = 0; // entries that were written, from the first
    Result<> result;         // the error of the entry behind them, if one failed
};

// Writes entries one after another and stops at the first that fails. This is the fastest way to
// write many: a permanent or static unicast entry costs one map update.
//
// Errors: those of write_fdb() for one entry.
[[nodiscard]] FdbBulkResult write_fdb(FdbVerb verb, std::span<const FdbEntry> entries);

// The destinations of an entry that delete_fdb() deletes: those that agree with every member that
// is given. With `dst`, a port or VNI that is not given means the VTEP's own, as for `bridge fdb
// del`. With `dst` and without `via`, a destination without a port to send from goes before the
// others: they are deleted only if there is no such destination.
struct FdbDestination {
    std::optional<Ip> dst{};
    std::optional<std::uint16_t> port{}; // 0: the VTEP's own
    std::optional<std::uint32_t> vni{};  // 0: the VTEP's own
    std::optional<std::string> via{};    // "": none
};

// Deletes the entry of a MAC, or only some of its destinations. `src_vni`: as in FdbEntry.
//
// Errors: ENOENT: there is no such entry or destination.
Result<> delete_fdb(const Mac &mac, const std::string &device,
                    const FdbDestination &destination = {}, std::uint32_t src_vni = 0);

// Returns the live entries, one for each destination, of this device or of all VTEPs, sorted by
// device, VNI and MAC. It leaves out MACs behind local ports, which show_ports() returns.
Result<std::vector<FdbEntry>> show_fdb(const std::optional<std::string> &device);

// Returns the entry of a MAC, once for each destination. It does not fall back to the default
// entry.
//
// Errors: ENOENT: there is no such entry.
Result<std::vector<FdbEntry>> get_fdb(const Mac &mac, const std::string &device,
                                      std::uint32_t src_vni = 0);

enum class FlushedFdb {
    all,     // the default entry too
    dynamic, // learned and dynamic entries alone
};

// Deletes entries of a VTEP; on a device with many VNIs, those of one, or of all if `src_vni` is 0.
Result<> flush_fdb(const std::string &device, FlushedFdb which, std::uint32_t src_vni = 0);

} // namespace xvtep
