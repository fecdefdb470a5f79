// SPDX-License-Identifier: GPL-2.0-only
// The engine behind `xvtep lab`: networks of namespaces, built, tried and removed.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "user/base/result.h"

namespace xvtep {

struct LabOptions {
    std::string name_or_file; // a built-in lab's name, or a file that describes one
    bool kernel_peer = false; // the last host's VTEPs are the kernel's vxlan devices
    bool kernel = false;      // all hosts' are
    std::string program = {}; // xvtep, which runs as the labs' agents; "": this program
};

// Builds the lab, all or nothing; what an interrupted run left of it is removed first. Returns
// the picture of it.
Result<std::string> lab_up(const LabOptions &options);

// The labs that are up, their hosts and addresses: for people or as one JSON list.
Result<std::string> lab_show(bool json);

struct LabCheck {
    std::string what;
    bool passed;
    std::string detail;
};

struct LabVerdict {
    std::string picture;
    std::vector<LabCheck> checks;
    bool passed;
};

// Runs the checks of all labs that are up; refused where none is.
Result<LabVerdict> lab_test();

// Removes all labs, complete or not, their descriptions still there or not.
Result<> lab_down();

// Name and one-line description of the built-in labs.
std::vector<std::pair<std::string, std::string>> lab_names();

} // namespace xvtep
