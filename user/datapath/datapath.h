// SPDX-License-Identifier: GPL-2.0-only
// The maps of one network namespace. user/datapath/programs.h has the programs.
#pragma once

#include <string>

#include "bpf/abi/tables.h"
#include "user/base/fd.h"
#include "user/base/result.h"
#include "user/datapath/port_table.h"
#include "user/datapath/shared.h"
#include "user/datapath/sizes.h"
#include "user/datapath/table.h"

namespace xvtep {

// The class by which user space reaches a map, by its type in bpf/abi/maps.def.
namespace map_types {
template <class Key, class Value> struct TableOf {
    using Type = Table<Key, Value>;
};
template <> struct TableOf<__u32, xv_port> {
    using Type = PortTable; // keeps `port_hints` in step
};
template <class Key, class Value> using HASH = typename TableOf<Key, Value>::Type;
template <class Key, class Value> using LRU_HASH = Table<Key, Value>;
template <class Key, class Value> using ARRAY = Table<Key, Value>;
template <class Key, class Value> using DEVMAP_HASH = Table<Key, Value>;
template <class Key, class Value> using SHARED_ARRAY = Shared<Value>;
template <class Key, class Value> using PERCPU_ARRAY = PinnedMap;
} // namespace map_types

struct Tables {
#define XV_MAP(type, name, key, value, entries) map_types::type<key, value> name;
#include "bpf/abi/maps.def"
#undef XV_MAP

    // Enters a device of the calling thread's namespace into `alive`. The kernel removes the entry
    // when the device is deleted or leaves the namespace.
    Result<> mark_alive(__u32 ifindex) const;

    // How large they are.
    [[nodiscard]] Sizes sizes() const;

    // Opens the maps of the data path in `directory`.
    static Result<Tables> open(const std::string &directory);
    // Opens those pinned in `maps`.
    static Result<Tables> open_maps(const std::string &maps);
};

// Adds `more`, which may be negative, to the FDB count of the VTEP in `slot`. Returns the sum.
__u64 add_fdb_count(const Tables &tables, __u32 slot, std::int64_t more);
// Removes and uncounts an FDB entry of the VTEP in `slot`. Returns whether it existed.
Result<bool> remove_entry(const Tables &tables, __u32 slot, const xv_fdb_key &key);
// The same for the VTEP that the key belongs to.
Result<bool> remove_entry(const Tables &tables, const xv_fdb_key &key);

// The layout whose number is in the map `layout`. Layouts 6 to 10 are written as a thousandfold of
// it plus the number of reasons.
constexpr __u32 layout_of(__u32 number)
{
    return number >= 1000 ? number / 1000 : number;
}

// Whether a complete data path is pinned in `directory`.
Result<bool> datapath_exists(const std::string &directory);

// Makes maps and pins them in the directory `maps`, which is made, too. They count as incomplete.
// `keep_from`: pinned maps of the same layout, of which the new ones include those that keep their
// sizes and that the programs of both may use at once; or empty.
Result<> make_maps(const std::string &maps, const Sizes &sizes, const std::string &keep_from = "");
// Writes into the map `layout` that the maps are complete. `replaced`: its second number.
Result<> complete_maps(const std::string &maps, __u32 replaced);
// The second number of `layout`: how often the maps were replaced.
Result<__u32> replaced_count(const std::string &maps);

// Makes the maps of a new data path, in place of what a killed command may have left. On an error
// nothing is left pinned.
Result<> create_datapath(const std::string &directory, const Sizes &sizes);

// The number of values that a per-CPU map has for a key.
Result<std::size_t> possible_cpus();

} // namespace xvtep
