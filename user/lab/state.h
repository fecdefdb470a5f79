// SPDX-License-Identifier: GPL-2.0-only
// Which labs there are: /run/xvtep/labs holds a file for each, with the description as it was used.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "user/base/fd.h"
#include "user/base/result.h"
#include "user/lab/description.h"

namespace xvtep {

// Whose VTEPs a lab has.
enum class LabEnds {
    xvtep,
    kernel_peer, // those of the last host with VTEPs are the kernel's vxlan devices
    kernel,      // all are
};

struct LabState {
    LabDescription lab;
    LabEnds ends = LabEnds::xvtep;
    bool complete = false; // false: `lab up` was interrupted
};

// One lab. `state` is empty where its file does not exist or cannot be read.
struct LabFile {
    std::string name;
    std::optional<LabState> state;
};

// Held while working on labs. Its end removes the directory if that is empty.
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

Result<std::vector<LabFile>> read_lab_files(); // sorted by name
// `text`: the JSON that state.lab was read from.
Result<> write_lab_file(const LabState &state, const std::string &text);
// Removes the lab's directory, too.
Result<> remove_lab_file(const std::string &name);

// For the files of a lab's processes. Who writes into it makes it.
std::string lab_directory(const std::string &name);

} // namespace xvtep
