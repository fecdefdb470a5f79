// SPDX-License-Identifier: GPL-2.0-only
#include "user/datapath/sizes.h"

#include <bpf/bpf.h>

#include <algorithm>

#include "user/base/fd.h"

namespace xvtep {
namespace {

constexpr __u32 step = 8; // the factor by which a table grows: each growth loads the programs anew
constexpr __u32 remotes_per_slot = 16;

struct GrowingMap {
    std::string_view name;
    __u32 Sizes::*member;
};

constexpr GrowingMap growing[] = {
    {"vteps", &Sizes::slots},
    {"counters", &Sizes::slots},
    {"retired_counts", &Sizes::slots},
    {"fdb_count", &Sizes::slots},
    {"vnis", &Sizes::slots},
    {"devices", &Sizes::slots},
    {"underlays", &Sizes::ports},
    {"ports", &Sizes::ports},
    {"vlans", &Sizes::vlans},
    {"members", &Sizes::vlans},
    {"fdb", &Sizes::fdb},
    {"gc_queue", &Sizes::fdb},
    {"floods", &Sizes::floods},
    {"neighs", &Sizes::neighs},
    {"remotes", &Sizes::remotes},
    {"remote_counts", &Sizes::remotes},
    {"remote_ids", &Sizes::remotes},
};

Result<__u32> entries_of(const std::string &maps, const char *name)
{
    const Fd fd(bpf_obj_get((maps + "/" + name).c_str()));
    bpf_map_info info{};
    __u32 size = sizeof(info);
    if (!fd || bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0)
        return errno_failure("open map", name, errno);
    return info.max_entries;
}

} // namespace

Result<Sizes> Sizes::of(const std::string &maps)
{
    Sizes sizes;
    TRY_SET(sizes.slots, entries_of(maps, "vteps"));
    TRY_SET(sizes.ports, entries_of(maps, "ports"));
    TRY_SET(sizes.vlans, entries_of(maps, "vlans"));
    TRY_SET(sizes.fdb, entries_of(maps, "fdb"));
    TRY_SET(sizes.floods, entries_of(maps, "floods"));
    TRY_SET(sizes.neighs, entries_of(maps, "neighs"));
    TRY_SET(sizes.remotes, entries_of(maps, "remotes"));
    return sizes;
}

std::optional<Sizes> grown(Sizes sizes, __u32 Sizes::*member, __u32 wanted)
{
    const __u32 most = largest_sizes.*member;
    if (sizes.*member >= most || wanted > most)
        return std::nullopt;
    do
        sizes.*member = std::min(sizes.*member * step, most);
    while (sizes.*member < wanted);
    sizes.remotes =
        std::clamp(sizes.slots * remotes_per_slot, sizes.remotes, largest_sizes.remotes);
    return sizes;
}

std::optional<__u32> size_of(std::string_view map, const Sizes &sizes)
{
    if (map == "alive")
        return sizes.slots + sizes.ports;
    if (map == "local_addrs") // a VTEP may have an address and a group
        return 2 * sizes.slots;
    const auto *const found = std::ranges::find(growing, map, &GrowingMap::name);
    if (found == std::end(growing))
        return std::nullopt;
    return sizes.*found->member;
}

bool is_kept(std::string_view map)
{
    constexpr std::string_view kept[] = {
        "dstports",  "host_changes",   "nexthops", "multipaths", "listener_mask", "wakeup_taps",
        "listeners", "miss_ratelimit", "senders",  "gro_flows",  "pmtus"};
    return std::ranges::count(kept, map) != 0;
}

} // namespace xvtep
