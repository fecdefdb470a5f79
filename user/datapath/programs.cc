// SPDX-License-Identifier: GPL-2.0-only
#include "user/datapath/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>

#include "user/datapath/bpffs.h"
#include "user/datapath/sizes.h"

namespace xvtep {
namespace {

struct ProgramLine {
    Program program;
    const char *name;
    ProgramGroup group;
};
constexpr ProgramLine programs[] = {
#define XV_PROGRAM(name, group) {Program::name, "xvtep_" #name, ProgramGroup::group},
#include "bpf/abi/programs.def"
#undef XV_PROGRAM
};

const ProgramLine &line_of(Program program)
{
    return *std::ranges::find(programs, program, &ProgramLine::program);
}

// They are pinned below their maps, so that both are replaced in one step.
std::string program_path(const std::string &maps, Program program)
{
    return fmt::format("{}/programs/{}", maps, program_name(program));
}

bpf_program *find(const BpfObject &object, Program program)
{
    return bpf_object__find_program_by_name(object.get(), program_name(program));
}

// Tells the programs how large the maps are.
Result<> set_sizes(const BpfObject &object, const std::string &maps)
{
    TRY_ASSIGN(const auto now, Sizes::of(maps));
    __u32 sizes[XV_SIZES];
    sizes[XV_SIZE_FDB] = now.fdb;
    sizes[XV_SIZE_REMOTES] = now.remotes;
    bpf_map *map = nullptr;
    bpf_object__for_each_map(map, object.get())
    {
        if (!std::string_view(bpf_map__name(map)).ends_with(".rodata.sizes"))
            continue;
        if (const int error = bpf_map__set_initial_value(map, &sizes, sizeof(sizes)); error != 0)
            return errno_failure("set", "the sizes of maps", -error);
        return {};
    }
    return system_failure("set", "the sizes of maps", "the BPF object has none", ENOENT);
}

Result<> pin_program(const std::string &maps, Program program, int fd)
{
    const std::string path = program_path(maps, program), fresh = path + "~";
    if (::mkdir((maps + "/programs").c_str(), 0700) != 0 && errno != EEXIST)
        return errno_failure("make", maps + "/programs", errno);
    ::unlink(fresh.c_str());
    if (bpf_obj_pin(fd, fresh.c_str()) != 0 || ::rename(fresh.c_str(), path.c_str()) != 0)
        return errno_failure("pin program", program_name(program), errno);
    return {};
}

} // namespace

const char *program_name(Program program)
{
    return line_of(program).name;
}

Result<Fd> open_pinned_program(const std::string &directory, Program program)
{
    Fd pinned(bpf_obj_get(program_path(directory + "/maps", program).c_str()));
    if (!pinned && errno != ENOENT)
        return errno_failure("open program", program_name(program), errno);
    return pinned;
}

Result<Fd> open_program(const std::string &directory, Program program)
{
    const std::string maps = directory + "/maps";
    TRY_ASSIGN(auto pinned, open_pinned_program(directory, program));
    if (pinned)
        return pinned;
    TRY(check_privileges("load", "BPF programs", Privilege::load));
    const ProgramGroup group = line_of(program).group;
    TRY_ASSIGN(const auto loaded, LoadedPrograms::load(maps, {group}));
    for (const auto &line : programs)
        if (line.group == group)
            TRY(pin_program(maps, line.program, loaded.fd(line.program)));
    Fd fd(bpf_obj_get(program_path(maps, program).c_str()));
    if (!fd)
        return errno_failure("open program", program_name(program), errno);
    return fd;
}

Result<> reuse_pinned_maps(const BpfObject &object, const std::string &maps, NewMaps new_maps)
{
    bpf_map *map = nullptr;
    bpf_object__for_each_map(map, object.get())
    {
        if (bpf_map__is_internal(map))
            continue;
        const Fd pinned(bpf_obj_get((maps + "/" + bpf_map__name(map)).c_str()));
        if (!pinned && errno == ENOENT && new_maps == NewMaps::made)
            continue;
        if (!pinned)
            return errno_failure("open map", bpf_map__name(map), errno);
        if (const int error = bpf_map__reuse_fd(map, pinned.get()); error != 0)
            return errno_failure("reuse map", bpf_map__name(map), -error);
    }
    return set_sizes(object, maps);
}

Result<LoadedPrograms> LoadedPrograms::load(const std::string &maps,
                                            const std::vector<ProgramGroup> &groups)
{
    TRY_ASSIGN(auto object, open_bpf_object());
    for (const auto &line : programs)
        bpf_program__set_autoload(find(object, line.program),
                                  std::ranges::count(groups, line.group) != 0);
    TRY(reuse_pinned_maps(object, maps));
    TRY(load_bpf_object(object));
    return LoadedPrograms(std::move(object), groups);
}

int LoadedPrograms::fd(Program program) const
{
    return bpf_program__fd(find(object_, program));
}

Result<> LoadedPrograms::pin(const std::string &maps) const
{
    for (const auto &line : programs) {
        if (line.group == ProgramGroup::XDP)
            continue;
        if (std::ranges::count(groups_, line.group) != 0)
            TRY(pin_program(maps, line.program, fd(line.program)));
        else if (const auto path = program_path(maps, line.program);
                 ::unlink(path.c_str()) != 0 && errno != ENOENT)
            return errno_failure("remove program", path, errno);
    }
    return {};
}

} // namespace xvtep
