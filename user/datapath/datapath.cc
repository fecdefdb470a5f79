// SPDX-License-Identifier: GPL-2.0-only
#include "user/datapath/datapath.h"

#include <bpf/libbpf.h>
#include <sys/stat.h>

#include <filesystem>

#include <fmt/format.h>

#include "user/base/undo.h"
#include "user/datapath/bpf_object.h"
#include "user/datapath/libbpf_log.h"

namespace xvtep {
namespace {

namespace fs = std::filesystem;

// Its first number is 0 until the maps are complete.
constexpr const char *last_map = "layout";

std::string layout_path(const std::string &maps)
{
    return maps + "/" + last_map;
}

Result<> check_layout(const std::string &maps)
{
    TRY_ASSIGN(const auto made_with, (Table<__u32, __u32>::open(maps, last_map)));
    TRY_ASSIGN(const auto version, made_with.look_up(0));
    if (version == XV_LAYOUT)
        return {};
    return system_failure("open", "data path",
                          fmt::format("its maps have layout {}, this xvtep has {} (`xvtep reload` "
                                      "carries older ones over; `xvtep detach --force` removes it "
                                      "all)",
                                      layout_of(version.value_or(0)), layout_of(XV_LAYOUT)),
                          EPROTO);
}

} // namespace

Result<__u32> replaced_count(const std::string &maps)
{
    TRY_ASSIGN(const auto layout, (Table<__u32, __u32>::open(maps, last_map)));
    TRY_ASSIGN(const auto count, layout.look_up(1)); // before layout 11 there is none
    return count.value_or(0);
}

Result<Tables> Tables::open(const std::string &directory)
{
    // Another command may just replace the maps, which are opened one by one.
    for (;;) {
        const std::string maps = directory + "/maps";
        TRY(check_layout(maps));
        TRY_ASSIGN(const auto before, replaced_count(maps));
        auto tables = open_maps(maps);
        TRY_ASSIGN(const auto after, replaced_count(maps));
        if (before == after)
            return tables;
    }
}

Sizes Tables::sizes() const
{
    return {.slots = vteps.capacity(),
            .ports = underlays.capacity(),
            .vlans = vlans.capacity(),
            .fdb = fdb.capacity(),
            .floods = floods.capacity(),
            .neighs = neighs.capacity(),
            .remotes = static_cast<__u32>(remotes.size())};
}

Result<Tables> Tables::open_maps(const std::string &maps)
{
#define XV_MAP(type, name, key, value, entries)                                                    \
    TRY_ASSIGN(auto name, (map_types::type<key, value>::open(maps, #name)));
#include "bpf/abi/maps.def"
#undef XV_MAP
    return Tables{
#define XV_MAP(type, name, key, value, entries) .name = std::move(name),
#include "bpf/abi/maps.def"
#undef XV_MAP
    };
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
    const std::string path = layout_path(directory + "/maps");
    struct stat found {};
    if (::stat(path.c_str(), &found) == 0)
        return true;
    if (errno == ENOENT || errno == ENOTDIR)
        return false;
    return errno_failure("find", path, errno);
}

Result<> make_maps(const std::string &maps, const Sizes &sizes, const std::string &keep_from)
{
    std::error_code error;
    if (!fs::create_directories(maps, error) && error)
        return errno_failure("make", maps, error.value());
    TRY_ASSIGN(const auto object, open_bpf_object());
    bpf_program *program = nullptr;
    bpf_object__for_each_program(program, object.get()) bpf_program__set_autoload(program, false);
    bpf_map *map = nullptr;
    bpf_object__for_each_map(map, object.get())
    {
        const auto size = size_of(bpf_map__name(map), sizes);
        if (size && bpf_map__set_max_entries(map, *size) != 0)
            return errno_failure("size map", bpf_map__name(map), errno);
        if (keep_from.empty() || !is_kept(bpf_map__name(map)))
            continue;
        const Fd kept(bpf_obj_get((keep_from + "/" + bpf_map__name(map)).c_str()));
        if (!kept || bpf_map__reuse_fd(map, kept.get()) != 0)
            return errno_failure("keep map", bpf_map__name(map), errno);
    }
    TRY(load_bpf_object(object));
    bpf_object__for_each_map(map, object.get())
    {
        const std::string name = bpf_map__name(map);
        if (bpf_map__is_internal(map))
            continue;
        if (bpf_obj_pin(bpf_map__fd(map), (maps + "/" + name).c_str()) != 0)
            return errno_failure("pin map", name, errno);
    }
    return {};
}

Result<> complete_maps(const std::string &maps, __u32 replaced)
{
    TRY_ASSIGN(const auto layout, (Table<__u32, __u32>::open(maps, last_map)));
    TRY(layout.put(1, replaced));
    return layout.put(0, XV_LAYOUT);
}

Result<> create_datapath(const std::string &directory, const Sizes &sizes)
{
    std::error_code error;
    fs::remove_all(directory, error);
    Undo undo;
    undo.push([&] {
        std::error_code ignored;
        fs::remove_all(directory, ignored);
        fs::remove(fs::path(directory).parent_path(), ignored);
    });
    const std::string next = directory + "/next", maps = directory + "/maps";
    TRY(make_maps(next, sizes));
    const std::string links = directory + "/links";
    if (!fs::create_directories(links, error) && error)
        return errno_failure("make", links, error.value());
    TRY(complete_maps(next, 0));
    if (::rename(next.c_str(), maps.c_str()) != 0)
        return errno_failure("make", maps, errno);
    undo.commit();
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

} // namespace xvtep
