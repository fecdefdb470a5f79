// SPDX-License-Identifier: GPL-2.0-only
// One entry of the forwarding database, written to the table and to the VTEP's own device.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "user/net/netlink.h"
#include "user/vtep/session.h"
#include "xvtep/fdb.h"

namespace xvtep {

xv_fdb_key key_of(const xv_vtep &vtep, const Mac &mac);
bool keeps_several(const Mac &mac);
bool is_live(const xv_vtep &vtep, const xv_fdb &entry, std::uint64_t now);
bool same_dest(const xv_remote &a, const xv_remote &b);

// `flags`: enum xv_fdb_flag.
std::uint16_t kernel_state(unsigned flags);

// An entry as the VTEP's own device has it: what the programs leave to that device (remotes, GSO
// packets that want checksums, packets to split) goes the same way, and by it the host's routing
// is asked for next hops.
KernelFdbEntry kernel_entry(const xv_vtep &vtep, const Mac &mac, const xv_remote &dest);

// But for the port to leave by.
xv_remote far_end(const xv_vtep &vtep, const FdbEntry &entry);

// What an entry is in the map, but for its destination.
xv_fdb fresh_entry(const FdbEntry &entry, std::uint64_t now);

const char *verb_name(FdbVerb verb);

class FdbWriter {
  public:
    FdbWriter(Session &session, const xv_vtep &vtep, const Mac &mac)
        : session_(session), vtep_(vtep), mac_(mac), key_(key_of(vtep, mac))
    {
    }

    [[nodiscard]] Result<std::optional<xv_fdb>> current() const;
    [[nodiscard]] Result<std::vector<xv_remote>> remotes(const xv_fdb &entry) const;
    // Writes the whole entry; further destinations first, so that no reader sees a gap.
    Result<> put(xv_fdb entry, const std::vector<xv_remote> &remotes);
    Result<> remove();
    // The same in the kernel's device. `flags`: of the entry.
    Result<> mirror(const std::vector<xv_remote> &before, const std::vector<xv_remote> &after,
                    unsigned flags);

  private:
    Result<> mirror_one(const xv_remote &dest, unsigned flags);
    // A MAC that it learned, too. It may have forgotten it by itself.
    Result<> forget_in_kernel();
    Result<> write(xv_fdb entry, const std::vector<xv_remote> &remotes,
                   const std::optional<xv_fdb> &before);
    // Removes expired entries that the programs' ageing has not come to yet.
    Result<> make_room();

    Session &session_;
    const xv_vtep &vtep_;
    Mac mac_;
    xv_fdb_key key_;
};

} // namespace xvtep
