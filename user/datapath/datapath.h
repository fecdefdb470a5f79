// SPDX-License-Identifier: GPL-2.0-only
// The loaded programs and maps of one network namespace.
#pragma once

#include <string>

#include "bpf/abi/tables.h"
#include "user/base/fd.h"
#include "user/base/result.h"
#include "user/datapath/bpf_object.h"
#include "user/datapath/port_table.h"
#include "user/datapath/shared.h"
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

    static Result<Tables> open(const std::string &directory);
};

// Adds `more`, which may be negative, to the FDB count of the VTEP in `slot`. Returns the sum.
__u64 add_fdb_count(const Tables &tables, __u32 slot, std::int64_t more);
// Removes and uncounts an FDB entry of the VTEP in `slot`. Returns whether it existed.
Result<bool> remove_entry(const Tables &tables, __u32 slot, const xv_fdb_key &key);
// The same for the VTEP that the key belongs to.
Result<bool> remove_entry(const Tables &tables, const xv_fdb_key &key);

enum class Program {
#define XV_PROGRAM(name, how) name,
#include "bpf/abi/programs.def"
#undef XV_PROGRAM
};
const char *program_name(Program program);

// Whether a complete data path is pinned in `directory`.
Result<bool> datapath_exists(const std::string &directory);

// Loads the programs with new maps and pins both, in place of what a killed command may have left.
// On an error nothing is left pinned.
Result<> create_datapath(const std::string &directory);

// The programs of this binary, loaded with the pinned maps, but not pinned or attached.
class LoadedPrograms {
  public:
    static Result<LoadedPrograms> load(const std::string &directory);
    [[nodiscard]] int fd(Program program) const;
    // Pins these programs in place of those that are pinned.
    Result<> pin(const std::string &directory) const;

  private:
    explicit LoadedPrograms(BpfObject object) : object_(std::move(object)) {}
    BpfObject object_;
};

// Has `object`, which is not loaded yet, use the pinned maps.
Result<> reuse_pinned_maps(const BpfObject &object, const std::string &directory);

// The number of values that a per-CPU map has for a key.
Result<std::size_t> possible_cpus();

// Opens a pinned program.
Result<Fd> open_program(const std::string &directory, Program program);

} // namespace xvtep
