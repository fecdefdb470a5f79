// SPDX-License-Identifier: GPL-2.0-only
// Writes one FDB entry to the table and to the kernel's device of the VTEP.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "user/net/netlink.h"
#include "user/vtep/remote_table.h"
#include "user/vtep/session.h"
#include "xvtep/fdb.h"

namespace xvtep {

xv_fdb_key key_of(const xv_vtep &vtep, const Mac &mac);
bool keeps_several(const Mac &mac);
bool is_live(const xv_vtep &vtep, const xv_fdb &entry, std::uint64_t now);

// `flags`: enum xv_fdb_flag.
std::uint16_t kernel_state(unsigned flags);

// Returns the entry for the kernel's device. It has a copy of the entry because the programs leave
// some packets to it (floods, GSO packets without checksums, packets to be fragmented), and because
// the packets that it sends make the host resolve next hops.
KernelFdbEntry kernel_entry(const xv_vtep &vtep, const Mac &mac, const xv_remote_key &dest);

// Returns the destination without the port to send from (`via`).
xv_remote_key far_end(const xv_vtep &vtep, const FdbEntry &entry);

// Returns the value for the map without its destination.
xv_fdb fresh_entry(const FdbEntry &entry, std::uint64_t now);

const char *verb_name(FdbVerb verb);

// Lets the programs look for expired entries, if they do not yet: the garbage collection must visit
// an entry that can expire, or its remote would be forgotten.
void start_expiry(const Session &session);

// Makes the FDB larger if it has not room for so many entries more.
Result<> make_room_for(Session &session, std::size_t entries);

// Writes the default entry of a new VTEP into the table, if it has a remote. `via`: the port to
// send from, or 0.
Result<> write_default(Session &session, const xv_vtep &vtep, __u32 via);

class FdbWriter {
  public:
    FdbWriter(Session &session, const xv_vtep &vtep, const Mac &mac)
        : session_(session), vtep_(vtep), mac_(mac), key_(key_of(vtep, mac))
    {
    }

    [[nodiscard]] Result<std::optional<xv_fdb>> current() const;
    // The destinations of an entry that is not behind a local port; none if only the kernel knows.
    [[nodiscard]] Result<std::vector<xv_remote_key>> remotes(const xv_fdb &entry) const;
    // Writes the whole entry. Further destinations go first, so that no reader misses one.
    Result<> put(xv_fdb entry, const std::vector<xv_remote_key> &remotes);
    Result<> remove();
    // Makes the same change in the kernel's device. `flags`: enum xv_fdb_flag of the entry.
    Result<> mirror(const std::vector<xv_remote_key> &before,
                    const std::vector<xv_remote_key> &after, unsigned flags);

  private:
    Result<> mirror_one(const xv_remote_key &dest, unsigned flags);
    // Deletes one destination, which the device may not have.
    Result<> delete_in_kernel(KernelFdbEntry entry);
    // Deletes a MAC, also one that the device learned. The device may have forgotten it by itself.
    Result<> forget_in_kernel();
    [[nodiscard]] Result<std::vector<__u32>> ids(const xv_fdb &entry) const;
    Result<> put_held(const xv_fdb &entry, const std::vector<__u32> &held);
    Result<> write(xv_fdb entry, const std::vector<__u32> &ids,
                   const std::optional<xv_fdb> &before);
    void release(const xv_fdb &entry, const std::vector<__u32> &ids);
    // Removes expired entries that the garbage collection of the programs has not reached yet.
    Result<> make_room();

    Session &session_;
    const xv_vtep &vtep_;
    Mac mac_;
    xv_fdb_key key_;
};

} // namespace xvtep
