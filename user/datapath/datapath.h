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
template <class Key, class Value> using ARRAY = Table<Key, Value>;
template <class Key, class Value> using DEVMAP_HASH = Table<Key, Value>;
template <class Key, class Value> using SHARED_ARRAY = Shared<Value>;
template <class Key, class Value> using PERCPU_ARRAY = PinnedMap;
} // namespace map_types

struct Tables {
#define XV_MAP(type, name, key, value, entries) map_types::type<key, value> name;
#include "bpf/abi/maps.def"
#undef XV_MAP

    // The device of this ifindex, in the calling thread's namespace, is one of ours from now until
    // it is deleted or leaves the namespace.
    Result<> mark_alive(__u32 ifindex) const;

    static Result<Tables> open(const std::string &directory);
};

// Counts `more` FDB entries of the VTEP in `slot`, fewer where it is negative. Returns the sum.
__u64 add_fdb_count(const Tables &tables, __u32 slot, std::int64_t more);
// An FDB entry of the VTEP in `slot`, and its place under maxaddress. Whether it was there.
Result<bool> remove_entry(const Tables &tables, __u32 slot, const xv_fdb_key &key);
// The same, of whichever VTEP.
Result<bool> remove_entry(const Tables &tables, const xv_fdb_key &key);

enum class Program {
#define XV_PROGRAM(name, how) name,
#include "bpf/abi/programs.def"
#undef XV_PROGRAM
};
const char *program_name(Program program);

// Is a data path pinned in `directory`, whole or in part?
Result<bool> datapath_exists(const std::string &directory);

// Loads the programs with fresh maps and pins both; on failure nothing is left pinned. A part
// that a killed command left is replaced.
Result<> create_datapath(const std::string &directory);

// This binary's programs, loaded against the pinned maps but not pinned or attached.
class LoadedPrograms {
  public:
    static Result<LoadedPrograms> load(const std::string &directory);
    [[nodiscard]] int fd(Program program) const;
    // Replaces the pinned programs by these.
    Result<> pin(const std::string &directory) const;

  private:
    explicit LoadedPrograms(BpfObject object) : object_(std::move(object)) {}
    BpfObject object_;
};

// Makes the maps of `object`, which is not loaded yet, the pinned ones.
Result<> reuse_pinned_maps(const BpfObject &object, const std::string &directory);

// How many values a per-CPU map has for a key.
Result<std::size_t> possible_cpus();

// A pinned program: all but XDP's.
Result<Fd> open_program(const std::string &directory, Program program);

} // namespace xvtep
