// SPDX-License-Identifier: GPL-2.0-only
// Carries what the maps of a data path hold into new maps, while programs work on the old ones:
//
//   first()   copies everything
//   ...       the caller switches the programs to the new maps, device by device
//   second()  adds what the old programs have learned and counted in the meantime
//
// The old maps may be of an older layout of bpf/abi/tables.h: layout_5.h and layout_10.h say what
// is different there. A change of the layout needs such a description, and a fixture in
// tests/upgrade/. Caches (next hops, senders, hints) are not carried: the programs fill them again.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "user/datapath/programs.h"
#include "user/datapath/raw_map.h"
#include "user/vtep/session.h"

namespace xvtep {

// Whether first() understands maps of this layout.
bool can_carry(__u32 layout);

// The sizes of maps that have room for all that is in those of an older layout.
Result<Sizes> sizes_for(const std::string &maps, __u32 layout);

class Carry {
  public:
    // From the maps pinned in `from` into those pinned in `into`, which are opened as `to`.
    Carry(Session &session, std::string from, __u32 layout, std::string into, const Tables &to)
        : session_(session), from_(std::move(from)), layout_(layout), into_(std::move(into)),
          to_(&to)
    {
    }

    // `to` is at another place from now on.
    void now_in(const Tables &to) { to_ = &to; }

    Result<> first();
    // `programs`: loaded with the new maps, among them those of the group TABLES.
    Result<> second(const LoadedPrograms &programs);
    // Instead of first(), for new maps that a killed command has filled with all that was there.
    Result<> look_again();

  private:
    // An entry in today's terms. `to`: the destination, where value.to is not its id yet.
    struct Entry {
        xv_fdb_key key;
        xv_fdb value;
        std::optional<xv_remote_key> to;
    };

    Result<> carry_vteps();
    Result<> carry_alive();
    Result<> carry_ports();
    Result<> carry_remotes();
    Result<> carry_entries();
    Result<> carry_floods();
    Result<> carry_listeners();
    // Copies a map that only programs use, and that has not changed since layout 5.
    Result<> copy_raw(const char *name) const;
    Result<> carry_host_changes();
    Result<> tell_kernel(const std::vector<Entry> &entries);
    Result<> add_counters(const LoadedPrograms &programs);

    Result<> read_vteps();
    Result<> read_remotes();
    [[nodiscard]] const xv_vtep *vtep_of(const xv_fdb_key &key) const;
    [[nodiscard]] std::optional<Entry> entry_of(RawMap::Bytes key, RawMap::Bytes value) const;
    [[nodiscard]] std::optional<xv_remote_key> key_of_old(const xv_vtep &vtep, __u32 id) const;
    // Returns the id that the remote has in the new maps.
    Result<__u32> hold(const xv_vtep &vtep, const xv_remote_key &key, __u32 refs);
    Result<> set_remote(Entry &entry, __u32 refs);
    Result<> put_again(Entry entry);

    Session &session_;
    std::string from_;
    __u32 layout_;
    std::string into_;
    const Tables *to_;
    __u32 begun_ = 0;                                   // xv_tick() before first() reads
    bool all_ = false;                                  // second() looks at all entries
    std::map<std::pair<__u32, __be16>, xv_vtep> vteps_; // by VNI and UDP port
    std::vector<xv_remote> remotes_;                    // of the old maps, by index
    std::vector<std::pair<xv_remote_key, __u32>> held_; // the last destinations that were held
};

} // namespace xvtep
