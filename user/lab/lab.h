// SPDX-License-Identifier: GPL-2.0-only
// What `xvtep lab` does: networks of namespaces are built, shown, tested, and removed.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "user/base/result.h"
#include "user/lab/check.h"
#include "user/lab/processes.h"
#include "user/lab/state.h"

namespace xvtep {

struct LabOptions {
    std::string name_or_file; // a built-in lab's name, or a file that describes a lab
    LabEnds ends = LabEnds::xvtep;
};

// Builds the lab or nothing, and first removes what an interrupted run left of it. Returns the
// picture of the lab.
Result<std::string> lab_up(const LabOptions &options);

struct NodeView {
    std::string name, netns;
    std::vector<std::pair<std::string, std::vector<Prefix>>>
        devices; // without link-local addresses
    std::vector<LabProcess> processes;
};

// A lab as it is now.
struct LabView {
    LabState state;
    std::vector<NodeView> nodes;
};

// The labs that are up.
Result<std::vector<LabView>> lab_show();

struct LabVerdict {
    std::string picture;
    std::vector<CheckResult> checks;
    bool passed = true;
};

// Runs the checks of all labs that are up. Errors: system, no lab is up.
Result<LabVerdict> lab_test();

// Removes all labs, complete or not, whether or not their files in /run still exist.
Result<> lab_down();

// Names and one-line descriptions of the built-in labs.
Result<std::vector<std::pair<std::string, std::string>>> lab_list();

} // namespace xvtep
