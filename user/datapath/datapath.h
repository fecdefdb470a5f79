// SPDX-License-Identifier: GPL-2.0-only
// The loaded programs and maps of one network namespace.
#pragma once

#include <string>

#include "bpf/abi/tables.h"
#include "user/base/fd.h"
#include "user/base/result.h"
#include "user/datapath/port_table.h"
#include "user/datapath/shared.h"
#include "user/datapath/table.h"

namespace xvtep {

struct Tables {
    Table<__u32, __u64> dstports;
    Table<__u32, xv_vtep> vteps;
    Table<xv_vni_key, __u32> vnis;
    Table<__u32, __u32> vni_hints;
    Table<__u32, __u32> devices;
    Table<xv_addr, __u32> local_addrs;
    Table<__u32, bpf_devmap_val> alive; // see mark_alive()
    Table<__u32, xv_underlay> underlays;
    PortTable ports;
    Table<xv_vlan_key, __u32> vlans;
    Table<xv_member_key, xv_member> members;
    Table<xv_fdb_key, xv_fdb> fdb;
    Table<xv_flood_key, xv_remote> remotes;
    Table<__u64, xv_fdb_key> gc_queue;
    Shared<__u64> fdb_count;
    Shared<xv_gc> gc_state; // one
    Table<xv_neigh_key, xv_neigh> neighs;
    Table<__u32, __u32> listener_mask;
    Table<__u32, __u32> wakeup_taps;
    Fd counters; // per CPU, read by stats.cc only

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
    tc_underlay_ingress,
    tc_underlay_egress,
    tc_device_egress,
    tc_device_ingress,
    tc_port_ingress,
    tc_port_egress,
    xdp_underlay,
    xdp_port,
    fdb_put
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
    LoadedPrograms(LoadedPrograms &&) noexcept;
    ~LoadedPrograms();
    [[nodiscard]] int fd(Program program) const;
    // Replaces the pinned programs by these.
    Result<> pin(const std::string &directory) const;

  private:
    struct Impl;
    explicit LoadedPrograms(Impl *impl) : impl_(impl) {}
    Impl *impl_;
};

// How many values a per-CPU map has for a key.
Result<std::size_t> possible_cpus();

// A pinned program: all but XDP's.
Result<Fd> open_program(const std::string &directory, Program program);

} // namespace xvtep
