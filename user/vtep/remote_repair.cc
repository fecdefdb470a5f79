// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/remote_repair.h"

#include <algorithm>
#include <atomic>
#include <unordered_map>
#include <vector>

#include "user/datapath/grace_period.h"
#include "user/vtep/remote_table.h"

namespace xvtep {
namespace {

constexpr unsigned holding = XV_FDB_STATIC | XV_FDB_PERMANENT;

__u32 id_of(const xv_remote &remote)
{
    return std::atomic_ref(const_cast<__u32 &>(remote.id)).load();
}

// Indexes that are claimed, and that nobody finds by the key: programs may be just making or
// freeing some of them.
Result<std::vector<__u32>> lost_indexes(const Tables &tables)
{
    std::vector<__u32> lost;
    for (__u32 index = 1; index < tables.remotes.size(); index++) {
        xv_remote &remote = tables.remotes[index];
        if (std::atomic_ref(remote.claimed).load() == 0)
            continue;
        TRY_ASSIGN(const auto id, tables.remote_ids.look_up(key_of(remote)));
        if (const __u32 own = id_of(remote); own == 0 || !id || *id != own)
            lost.push_back(index);
    }
    return lost;
}

// Frees what is lost still when no program works on it any more. An index that a program has freed
// in the meantime is not claimed again for seconds.
Result<> free_lost(const Tables &tables)
{
    TRY_ASSIGN(const auto before, lost_indexes(tables));
    if (before.empty())
        return {};
    TRY(wait_for_running_programs());
    TRY_ASSIGN(const auto lost, lost_indexes(tables));
    for (const __u32 index : lost) {
        if (!std::ranges::binary_search(before, index))
            continue;
        xv_remote &remote = tables.remotes[index];
        const xv_remote_key key = key_of(remote);
        TRY_ASSIGN(const auto id, tables.remote_ids.look_up(key));
        if (id && xv_remote_index(*id) == index) { // killed while it was freed
            TRY(tables.remote_ids.remove(key));
            retire_counts(tables, remote);
        }
        const __u32 own = id_of(remote);
        give_back_remote(remote, own != 0 ? own : id.value_or(remote.freed_id + 0x10000));
    }
    return {};
}

using References = std::unordered_map<__u32, __u32>; // by id

// Counts what the destination of an entry holds: as hold_remote().
void count_one(const Tables &tables, __u32 id, References &references)
{
    const xv_remote *const remote = find_remote(tables, id);
    if (remote == nullptr)
        return;
    references[id_of(*remote)]++;
    if (remote->plain != 0)
        references[remote->plain]++;
}

Result<References> count_references(const Tables &tables)
{
    References references;
    TRY_ASSIGN(const auto entries, tables.fdb.entries());
    for (const auto &[key, entry] : entries) {
        if ((entry.flags & holding) == 0 || (entry.flags & XV_FDB_LOCAL) != 0)
            continue;
        count_one(tables, entry.to, references);
        for (__u32 n = 1; n < entry.several; n++) {
            TRY_ASSIGN(const auto id, tables.floods.look_up({key, n}));
            if (id)
                count_one(tables, *id, references);
        }
    }
    return references;
}

} // namespace

Result<> count_references_again(const Session &session)
{
    const Tables &tables = *session.tables;
    TRY_ASSIGN(const auto references, count_references(tables));
    TRY_ASSIGN(const auto ids, tables.remote_ids.entries());
    for (const auto &[key, id] : ids) {
        xv_remote *const remote = find_remote(tables, id);
        if (remote == nullptr)
            continue;
        const auto counted = references.find(id);
        const __u32 added = (std::atomic_ref(remote->flags).load() & XV_REMOTE_ADDED) != 0 ? 1 : 0;
        std::atomic_ref(remote->refs)
            .store(added + (counted == references.end() ? 0 : counted->second));
        free_unused_remote(tables, *remote);
    }
    return {};
}

Result<> repair_remotes(const Session &session)
{
    const Tables &tables = *session.tables;
    if (tables.remote_state[0].changing == 0)
        return {};
    TRY(free_lost(tables));
    TRY(count_references_again(session));
    tables.remote_state[0].changing = 0;
    return {};
}

} // namespace xvtep
