// SPDX-License-Identifier: GPL-2.0-only
#include "user/datapath/datapath.h"

#include <bpf/libbpf.h>
#include <sys/stat.h>

#include <filesystem>

#include <fmt/format.h>

#include "user/base/undo.h"
#include "user/datapath/libbpf_log.h"

namespace xvtep {
namespace {

namespace fs = std::filesystem;

enum class Pin { PINNED, UNPINNED };

struct ProgramLine {
    Program program;
    const char *name;
    Pin how;
};
constexpr ProgramLine programs[] = {
#define XV_PROGRAM(name, how) {Program::name, "xvtep_" #name, Pin::how},
#include "bpf/abi/programs.def"
#undef XV_PROGRAM
};

// Pinned last: without it the data path counts as incomplete.
constexpr const char *last_map = "layout";

std::string map_path(const std::string &directory, const char *name)
{
    return directory + "/maps/" + name;
}

std::string program_path(const std::string &directory, Program program)
{
    return fmt::format("{}/programs/{}", directory, program_name(program));
}

bpf_program *find(const BpfObject &object, Program program)
{
    return bpf_object__find_program_by_name(object.get(), program_name(program));
}

Result<> load(const BpfObject &object)
{
    const LibbpfLog log;
    if (const int error = bpf_object__load(object.get()); error != 0)
        return errno_failure("load", "BPF programs", -error, log.error());
    return {};
}

} // namespace

const char *program_name(Program program)
{
    for (const auto &line : programs)
        if (line.program == program)
            return line.name;
    return "?";
}

Result<Tables> Tables::open(const std::string &directory)
{
    const std::string maps = directory + "/maps";
    TRY_ASSIGN(const auto made_with, (Table<__u32, __u32>::open(maps, "layout")));
    TRY_ASSIGN(const auto version, made_with.look_up(0));
    if (version != XV_LAYOUT)
        return system_failure(
            "open", "data path",
            fmt::format("its maps have layout {}, this xvtep has {} (`xvtep detach "
                        "--force` removes it all; then attach again)",
                        version.value_or(0), XV_LAYOUT),
            EPROTO);
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

    TRY_ASSIGN(const auto object, open_bpf_object());
    TRY(load(object));
    bpf_map *const layout = bpf_object__find_map_by_name(object.get(), last_map);
    const __u32 zero = 0, version = XV_LAYOUT;
    if (bpf_map_update_elem(bpf_map__fd(layout), &zero, &version, BPF_ANY) != 0)
        return errno_failure("update", last_map, errno);

    for (const auto &[program, name, how] : programs)
        if (how == Pin::PINNED && bpf_obj_pin(bpf_program__fd(find(object, program)),
                                              program_path(directory, program).c_str()) != 0)
            return errno_failure("pin program", name, errno);
    bpf_map *map = nullptr;
    bpf_object__for_each_map(map, object.get())
    {
        if (map == layout || bpf_map__is_internal(map))
            continue;
        if (bpf_obj_pin(bpf_map__fd(map), map_path(directory, bpf_map__name(map)).c_str()) != 0)
            return errno_failure("pin map", bpf_map__name(map), errno);
    }
    if (bpf_obj_pin(bpf_map__fd(layout), map_path(directory, last_map).c_str()) != 0)
        return errno_failure("pin map", last_map, errno);
    undo.commit();
    return {};
}

Result<> reuse_pinned_maps(const BpfObject &object, const std::string &directory)
{
    bpf_map *map = nullptr;
    bpf_object__for_each_map(map, object.get())
    {
        if (bpf_map__is_internal(map))
            continue;
        const Fd pinned(bpf_obj_get(map_path(directory, bpf_map__name(map)).c_str()));
        if (!pinned)
            return errno_failure("open map", bpf_map__name(map), errno);
        if (const int error = bpf_map__reuse_fd(map, pinned.get()); error != 0)
            return errno_failure("reuse map", bpf_map__name(map), -error);
    }
    return {};
}

Result<LoadedPrograms> LoadedPrograms::load(const std::string &directory)
{
    TRY(Tables::open(directory)); // checks the layout
    TRY_ASSIGN(auto object, open_bpf_object());
    TRY(reuse_pinned_maps(object, directory));
    TRY(xvtep::load(object));
    return LoadedPrograms(std::move(object));
}

int LoadedPrograms::fd(Program program) const
{
    return bpf_program__fd(find(object_, program));
}

Result<> LoadedPrograms::pin(const std::string &directory) const
{
    for (const auto &[program, name, how] : programs) {
        if (how != Pin::PINNED)
            continue;
        const std::string path = program_path(directory, program), fresh = path + "~";
        ::unlink(fresh.c_str());
        if (bpf_obj_pin(fd(program), fresh.c_str()) != 0)
            return errno_failure("pin program", name, errno);
        if (::rename(fresh.c_str(), path.c_str()) != 0)
            return errno_failure("pin program", name, errno);
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
