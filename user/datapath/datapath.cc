// SPDX-License-Identifier: GPL-2.0-only
#include "user/datapath/datapath.h"

#include <bpf/libbpf.h>
#include <sys/stat.h>

#include <array>
#include <filesystem>

#include <fmt/format.h>

#include "user/base/undo.h"
#include "user/datapath/libbpf_log.h"
#include "xvtep.skel.h"

namespace xvtep {
namespace {

namespace fs = std::filesystem;

constexpr std::array pinned_programs = {Program::tc_underlay_ingress,
                                        Program::tc_underlay_egress,
                                        Program::tc_device_egress,
                                        Program::tc_device_ingress,
                                        Program::tc_port_ingress,
                                        Program::tc_port_egress,
                                        Program::fdb_put};

// Pinned last: while it is missing the set is half made.
constexpr const char *last_map = "layout";

std::string map_path(const std::string &directory, const char *name)
{
    return directory + "/maps/" + name;
}

std::string program_path(const std::string &directory, Program program)
{
    return fmt::format("{}/programs/{}", directory, program_name(program));
}

struct SkeletonCloser {
    void operator()(xvtep_bpf *skeleton) const { xvtep_bpf__destroy(skeleton); }
};
using Skeleton = std::unique_ptr<xvtep_bpf, SkeletonCloser>;

bpf_program *find(xvtep_bpf *skeleton, Program program)
{
    switch (program) {
    case Program::tc_underlay_ingress:
        return skeleton->progs.xvtep_tc_underlay_ingress;
    case Program::tc_underlay_egress:
        return skeleton->progs.xvtep_tc_underlay_egress;
    case Program::tc_device_egress:
        return skeleton->progs.xvtep_tc_device_egress;
    case Program::tc_device_ingress:
        return skeleton->progs.xvtep_tc_device_ingress;
    case Program::tc_port_ingress:
        return skeleton->progs.xvtep_tc_port_ingress;
    case Program::tc_port_egress:
        return skeleton->progs.xvtep_tc_port_egress;
    case Program::xdp_underlay:
        return skeleton->progs.xvtep_xdp_underlay;
    case Program::xdp_port:
        return skeleton->progs.xvtep_xdp_port;
    case Program::fdb_put:
        return skeleton->progs.xvtep_fdb_put;
    }
    return nullptr;
}

Result<Skeleton> open_skeleton()
{
    const LibbpfLog log;
    Skeleton skeleton(xvtep_bpf__open());
    if (!skeleton)
        return errno_failure("open", "BPF object", errno);
    return skeleton;
}

Result<> load(xvtep_bpf &skeleton)
{
    const LibbpfLog log;
    if (const int error = xvtep_bpf__load(&skeleton); error != 0)
        return errno_failure("load", "BPF programs", -error, log.error());
    return {};
}

} // namespace

const char *program_name(Program program)
{
    switch (program) {
    case Program::tc_underlay_ingress:
        return "xvtep_tc_underlay_ingress";
    case Program::tc_underlay_egress:
        return "xvtep_tc_underlay_egress";
    case Program::tc_device_egress:
        return "xvtep_tc_device_egress";
    case Program::tc_device_ingress:
        return "xvtep_tc_device_ingress";
    case Program::tc_port_ingress:
        return "xvtep_tc_port_ingress";
    case Program::tc_port_egress:
        return "xvtep_tc_port_egress";
    case Program::xdp_underlay:
        return "xvtep_xdp_underlay";
    case Program::xdp_port:
        return "xvtep_xdp_port";
    case Program::fdb_put:
        return "xvtep_fdb_put";
    }
    return "?";
}

Result<Tables> Tables::open(const std::string &directory)
{
    const std::string maps = directory + "/maps";
    auto layout = Table<__u32, __u32>::open(maps, "layout");
    TRY(layout);
    TRY_ASSIGN(const auto version, layout->look_up(0));
    if (version != XV_LAYOUT)
        return system_failure(
            "open", "data path",
            fmt::format("its maps have layout {}, this xvtep has {} (`xvtep detach "
                        "--force` removes it all; then attach again)",
                        version.value_or(0), XV_LAYOUT),
            EPROTO);
    TRY_ASSIGN(auto dstports, (Table<__u32, __u64>::open(maps, "dstports")));
    TRY_ASSIGN(auto vteps, (Table<__u32, xv_vtep>::open(maps, "vteps")));
    TRY_ASSIGN(auto vnis, (Table<xv_vni_key, __u32>::open(maps, "vnis")));
    TRY_ASSIGN(auto vni_hints, (Table<__u32, __u32>::open(maps, "vni_hints")));
    TRY_ASSIGN(auto devices, (Table<__u32, __u32>::open(maps, "devices")));
    TRY_ASSIGN(auto local_addrs, (Table<xv_addr, __u32>::open(maps, "local_addrs")));
    TRY_ASSIGN(auto alive, (Table<__u32, bpf_devmap_val>::open(maps, "alive")));
    TRY_ASSIGN(auto underlays, (Table<__u32, xv_underlay>::open(maps, "underlays")));
    TRY_ASSIGN(auto ports, (Table<__u32, xv_port>::open(maps, "ports")));
    TRY_ASSIGN(auto port_hints, (Table<__u32, xv_port_hint>::open(maps, "port_hints")));
    TRY_ASSIGN(auto vlans, (Table<xv_vlan_key, __u32>::open(maps, "vlans")));
    TRY_ASSIGN(auto members, (Table<xv_member_key, xv_member>::open(maps, "members")));
    TRY_ASSIGN(auto fdb, (Table<xv_fdb_key, xv_fdb>::open(maps, "fdb")));
    TRY_ASSIGN(auto remotes, (Table<xv_flood_key, xv_remote>::open(maps, "remotes")));
    TRY_ASSIGN(auto gc_queue, (Table<__u64, xv_fdb_key>::open(maps, "gc_queue")));
    TRY_ASSIGN(auto fdb_count, Shared<__u64>::open(maps, "fdb_count"));
    TRY_ASSIGN(auto gc_state, Shared<xv_gc>::open(maps, "gc_state"));
    TRY_ASSIGN(auto neighs, (Table<xv_neigh_key, xv_neigh>::open(maps, "neighs")));
    TRY_ASSIGN(auto listener_mask, (Table<__u32, __u32>::open(maps, "listener_mask")));
    TRY_ASSIGN(auto wakeup_taps, (Table<__u32, __u32>::open(maps, "wakeup_taps")));
    Fd counters(bpf_obj_get((maps + "/counters").c_str()));
    if (!counters)
        return errno_failure("open map", "counters", errno);
    return Tables{std::move(dstports),
                  std::move(vteps),
                  std::move(vnis),
                  std::move(vni_hints),
                  std::move(devices),
                  std::move(local_addrs),
                  std::move(alive),
                  std::move(underlays),
                  PortTable(std::move(ports), std::move(port_hints)),
                  std::move(vlans),
                  std::move(members),
                  std::move(fdb),
                  std::move(remotes),
                  std::move(gc_queue),
                  std::move(fdb_count),
                  std::move(gc_state),
                  std::move(neighs),
                  std::move(listener_mask),
                  std::move(wakeup_taps),
                  std::move(counters)};
}

Result<> Tables::mark_alive(__u32 ifindex) const
{
    bpf_devmap_val value{};
    value.ifindex = ifindex;
    return alive.put(ifindex, value);
}

__u64 add_fdb_count(const Tables &tables, __u32 slot, std::int64_t more)
{
    add_shared(tables.fdb_count[0], static_cast<__u64>(more));
    return add_shared(tables.fdb_count[slot], static_cast<__u64>(more));
}

Result<bool> remove_entry(const Tables &tables, __u32 slot, const xv_fdb_key &key)
{
    TRY_ASSIGN(const bool was_there, tables.fdb.remove(key));
    if (was_there)
        add_fdb_count(tables, slot, -1);
    return was_there;
}

Result<bool> remove_entry(const Tables &tables, const xv_fdb_key &key)
{
    TRY_ASSIGN(const auto slot, (tables.vnis.look_up({key.vni, key.dstport, 0})));
    return slot ? remove_entry(tables, *slot, key) : tables.fdb.remove(key);
}

Result<bool> datapath_exists(const std::string &directory)
{
    const std::string path = map_path(directory, last_map);
    struct stat found {};
    if (::stat(path.c_str(), &found) == 0)
        return true;
    if (errno == ENOENT || errno == ENOTDIR)
        return false;
    return errno_failure("find", path, errno);
}

Result<> create_datapath(const std::string &directory)
{
    std::error_code error;
    fs::remove_all(directory, error);
    Undo undo;
    undo.push([&] {
        std::error_code ignored;
        fs::remove_all(directory, ignored);
        fs::remove(fs::path(directory).parent_path(), ignored);
    });
    for (const char *part : {"maps", "programs", "links"}) {
        const std::string path = directory + "/" + part;
        if (!fs::create_directories(path, error) && error)
            return errno_failure("make", path, error.value());
    }

    TRY_ASSIGN(auto skeleton, open_skeleton());
    TRY(load(*skeleton));
    const __u32 zero = 0, layout = XV_LAYOUT;
    if (bpf_map_update_elem(bpf_map__fd(skeleton->maps.layout), &zero, &layout, BPF_ANY) != 0)
        return errno_failure("update", "layout", errno);

    for (const Program program : pinned_programs)
        if (bpf_obj_pin(bpf_program__fd(find(skeleton.get(), program)),
                        program_path(directory, program).c_str()) != 0)
            return errno_failure("pin program", program_name(program), errno);
    bpf_map *map = nullptr;
    bpf_object__for_each_map(map, skeleton->obj)
    {
        if (bpf_map__name(map) == std::string_view(last_map) || bpf_map__is_internal(map))
            continue;
        if (bpf_obj_pin(bpf_map__fd(map), map_path(directory, bpf_map__name(map)).c_str()) != 0)
            return errno_failure("pin map", bpf_map__name(map), errno);
    }
    if (bpf_obj_pin(bpf_map__fd(skeleton->maps.layout), map_path(directory, last_map).c_str()) != 0)
        return errno_failure("pin map", last_map, errno);
    undo.commit();
    return {};
}

struct LoadedPrograms::Impl {
    Skeleton skeleton;
};

LoadedPrograms::LoadedPrograms(LoadedPrograms &&other) noexcept
    : impl_(std::exchange(other.impl_, nullptr))
{
}

LoadedPrograms::~LoadedPrograms()
{
    delete impl_;
}

Result<LoadedPrograms> LoadedPrograms::load(const std::string &directory)
{
    TRY(Tables::open(directory)); // the layout must be ours before programs go near the maps
    TRY_ASSIGN(auto skeleton, open_skeleton());
    bpf_map *map = nullptr;
    bpf_object__for_each_map(map, skeleton->obj)
    {
        if (bpf_map__is_internal(map))
            continue;
        const Fd pinned(bpf_obj_get(map_path(directory, bpf_map__name(map)).c_str()));
        if (!pinned)
            return errno_failure("open map", bpf_map__name(map), errno);
        if (const int error = bpf_map__reuse_fd(map, pinned.get()); error != 0)
            return errno_failure("reuse map", bpf_map__name(map), -error);
    }
    TRY(xvtep::load(*skeleton));
    return LoadedPrograms(new Impl{std::move(skeleton)});
}

int LoadedPrograms::fd(Program program) const
{
    return bpf_program__fd(find(impl_->skeleton.get(), program));
}

Result<> LoadedPrograms::pin(const std::string &directory) const
{
    for (const Program program : pinned_programs) {
        const std::string path = program_path(directory, program), fresh = path + "~";
        ::unlink(fresh.c_str());
        if (bpf_obj_pin(fd(program), fresh.c_str()) != 0)
            return errno_failure("pin program", program_name(program), errno);
        if (::rename(fresh.c_str(), path.c_str()) != 0)
            return errno_failure("pin program", program_name(program), errno);
    }
    return {};
}

Result<std::size_t> possible_cpus()
{
    const LibbpfLog log;
    const int count = libbpf_num_possible_cpus();
    if (count <= 0)
        return errno_failure("read", "/sys/devices/system/cpu/possible", -count);
    return static_cast<std::size_t>(count);
}

Result<Fd> open_program(const std::string &directory, Program program)
{
    Fd fd(bpf_obj_get(program_path(directory, program).c_str()));
    if (!fd)
        return errno_failure("open program", program_name(program), errno);
    return fd;
}

} // namespace xvtep
