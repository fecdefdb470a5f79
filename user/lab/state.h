// SPDX-License-Identifier: GPL-2.0-only
// Which labs there are: a file each under /run/xvtep/labs, with the description as it was used.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "user/base/fd.h"
#include "user/base/result.h"
#include "user/lab/description.h"

namespace xvtep {

struct LabState {
    LabDescription lab;
    std::string text; // the JSON that `lab` was read from
    bool complete = false;
    bool kernel_peer = false;
    bool kernel = false;
    std::string program; // xvtep, for the agents
};

// One lab; `state` is empty where its file is not there or cannot be read.
struct LabFile {
    std::string name;
    std::optional<LabState> state;
};

// Held while working on labs. Its end removes the directory where nothing is left in it.
class LabLock {
  public:
    // Waits until no other process works on labs.
    static Result<LabLock> take();
    LabLock(LabLock &&) noexcept = default;
    LabLock &operator=(LabLock &&) = delete;
    ~LabLock();

  private:
    explicit LabLock(Fd directory) : directory_(std::move(directory)) {}
    Fd directory_;
};

Result<std::vector<LabFile>> read_lab_files(); // by name
Result<> write_lab_file(const LabState &state);
Result<> remove_lab_file(const std::string &name); // and the directory

// For what runs in a lab: logs and the like. Made by who writes into it.
std::string lab_directory(const std::string &name);

} // namespace xvtep
