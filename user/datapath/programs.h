// SPDX-License-Identifier: GPL-2.0-only
// The BPF programs of one network namespace. They are loaded when they are first needed.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "user/base/fd.h"
#include "user/base/result.h"
#include "user/datapath/bpf_object.h"

namespace xvtep {

enum class Program {
#define XV_PROGRAM(name, group) name,
#include "bpf/abi/programs.def"
#undef XV_PROGRAM
};
const char *program_name(Program program);

// Programs that are loaded together: bpf/abi/programs.def.
enum class ProgramGroup { UNDERLAY, L3, DEVICE, PORT, XDP, TABLES };

// Opens a program that works on the maps in `directory`/maps, and loads and pins the programs of
// its group if they are not there yet. Not for the group XDP.
Result<Fd> open_program(const std::string &directory, Program program);

// The same without loading: an empty Fd if it is not pinned.
Result<Fd> open_pinned_program(const std::string &directory, Program program);

// Programs of this binary, loaded with the maps that are pinned in `maps`, but not pinned.
class LoadedPrograms {
  public:
    static Result<LoadedPrograms> load(const std::string &maps,
                                       const std::vector<ProgramGroup> &groups);
    // -1 if it is of another group.
    [[nodiscard]] int fd(Program program) const;
    // Pins these programs, and removes the pins of all others.
    Result<> pin(const std::string &maps) const;

  private:
    LoadedPrograms(BpfObject object, std::vector<ProgramGroup> groups)
        : object_(std::move(object)), groups_(std::move(groups))
    {
    }
    BpfObject object_;
    std::vector<ProgramGroup> groups_;
};

// Has `object`, which is not loaded yet, use the maps that are pinned in `maps`. Those that are not
// pinned are an error, or are left to be made when it is loaded.
enum class NewMaps { refused, made };
Result<> reuse_pinned_maps(const BpfObject &object, const std::string &maps,
                           NewMaps new_maps = NewMaps::refused);

} // namespace xvtep
