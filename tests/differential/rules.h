// SPDX-License-Identifier: GPL-2.0-only
// What the documents say about differences from the kernel's device. A difference that no rule
// explains is a failure.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "tests/differential/frame.h"
#include "tests/differential/twin.h"
#include "tests/differential/variants.h"

namespace xvtep::differential {

// A frame after which the twins differ.
struct Difference {
    const Variant *variant = nullptr;
    const Frame *frame = nullptr;
    std::vector<Seen> kernel{}, xvtep{}; // what only one of the twins has put out
    // What the kernel's table and that of xvtep's programs have without the other; the same of the
    // kernel's table and that of xvtep's device.
    Rows kernel_rows{}, xvtep_rows{}, kernel_device_rows{}, device_rows{};
    // Whether a bridge of the kernel's twin knows the frame's destination.
    bool bridge_knows = true;
    std::size_t common = 0; // what both have put out
};

struct Rule {
    const char *id;
    const char *document; // where it is said
    const char *heading;
    const char *words; // of the document, on one line or across several
    // Whether the frame may make the twins' tables differ by this rule, which is looked at right
    // after it. May be null.
    bool (*touches_tables)(const Variant &variant, const Frame &frame);
    bool (*explains)(const Difference &difference);
    // A bridge may have learned from the frame what local ports have not, or not: both start again.
    bool resets = false;
};

std::span<const Rule> rules();

// Whether the documents say what the rules name; returns what is missing, or "".
std::string check_rules(const std::string &source_directory);

} // namespace xvtep::differential
