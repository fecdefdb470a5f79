// SPDX-License-Identifier: GPL-2.0-only
// The table of remote VTEPs (bpf/remote.h). The programs make and free remotes at the same time.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "user/datapath/datapath.h"

namespace xvtep {

// Lives while a command changes entries that hold references. If the command is killed meanwhile,
// the next one finds the mark and counts the references again (user/vtep/remote_repair.h).
class RemoteChange {
  public:
    explicit RemoteChange(const Tables &tables);
    RemoteChange(const RemoteChange &) = delete;
    RemoteChange &operator=(const RemoteChange &) = delete;
    ~RemoteChange();

  private:
    const Tables &tables_; // which grow() may replace in the meantime
};

// Returns the remote with this id, or nullptr if it is none or is gone. The memory is shared with
// the programs, which go on writing to it.
xv_remote *find_remote(const Tables &tables, __u32 id);

// The destination of an entry with this id of a live remote.
std::optional<xv_remote_key> destination(const Tables &tables, const xv_vtep &vtep, __u32 id);
bool same_remote(const xv_remote_key &a, const xv_remote_key &b);
xv_remote_key key_of(const xv_remote &remote);

// Adds `refs` references to the remote, which is made if there is none, and returns its id, as an
// entry has it. With
// `accept known`, the plain remote of the address gets them, too: packets from there are accepted.
// With refs == 0, only says that an entry leads there that user space has written and that can
// expire.
//
// Errors: ENOSPC: the table is full. EBUSY: the remote is being freed, and that does not end.
Result<__u32> hold_remote(const Tables &tables, const xv_vtep &vtep, const xv_remote_key &key,
                          __u32 refs);
// Takes references back. A remote without any is freed by the programs, or with its VTEP.
void release_remote(const Tables &tables, __u32 id, __u32 refs);

// Frees the remote if no entry leads there. If some can expire, the programs free it later.
void free_unused_remote(const Tables &tables, xv_remote &remote);
// Adds what the remote, which is being freed, has counted to what its VTEP has of such.
void retire_counts(const Tables &tables, const xv_remote &remote);
// Makes the index free, which nothing leads to. `id`: its last one.
void give_back_remote(xv_remote &remote, __u32 id);

// The same for the destinations of an entry. Static and permanent entries hold references.
Result<std::vector<__u32>> hold_remotes(const Tables &tables, const xv_vtep &vtep,
                                        const std::vector<xv_remote_key> &keys, unsigned flags);
void release_remotes(const Tables &tables, const std::vector<__u32> &ids, unsigned flags);

// Returns what a remote has counted on all CPUs.
Result<xv_remote_counters> remote_counts(const Tables &tables, __u32 id);
// Adds the second to the first.
void add_counts(xv_remote_counters &sum, const xv_remote_counters &more);

// Frees all remotes of VTEPs that are detached, by their slots.
Result<> free_remotes(const Tables &tables, const std::set<__u32> &slots);

} // namespace xvtep
