// SPDX-License-Identifier: GPL-2.0-only
// Counts the places where copies of a frame come out.
#pragma once

#include <functional>
#include <map>
#include <string>

namespace xvtep {

using Copies = std::map<std::string, unsigned>; // frames, by place

std::string text_of(const Copies &copies);

// Waits until `seen` returns what is wanted, and then for a while longer, as a copy too many may
// come late. Whether it is still as wanted.
bool wait_for_copies(const Copies &wanted, const std::function<Copies &()> &seen);

} // namespace xvtep
