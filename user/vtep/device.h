// SPDX-License-Identifier: GPL-2.0-only
// A VTEP's own device, which others may delete or move to another namespace.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "user/vtep/session.h"

namespace xvtep {

// Not another device that has got its index.
bool is_device_of(const Link &link, const xv_vtep &vtep);
// nullptr: it is not in this namespace under the index it had.
const Link *find_device(const std::vector<Link> &links, const xv_vtep &vtep);

struct MovedDevice {
    Netns netns;
    Link link; // as that namespace has it
    bool away; // else it is in this one, under another index
};

// Among all namespaces that can be seen: for a VTEP whose device is not where it was.
Result<std::optional<MovedDevice>> find_moved(const xv_vtep &vtep);

// Also where no namespace that can be seen has it, as far as the kernel's links tell.
Result<bool> device_lives_on(const Session &session, const xv_vtep &vtep);

// The ageing that it is given: 0, which is never here, is its own 300 s there, and it counts
// jiffies in 32 bits.
constexpr std::uint32_t longest_kernel_ageing = 4'000'000; // s
constexpr std::uint32_t kernel_ageing(std::uint32_t ageing)
{
    return ageing == 0 || ageing > longest_kernel_ageing ? longest_kernel_ageing : ageing;
}

// An error where it is in a namespace that cannot be seen. One that is going takes it along: that
// is waited for.
Result<> reach_device(Session &session, const xv_vtep &vtep);

// Here or wherever it was moved to. Fine where it is gone.
Result<> delete_device(Session &session, const xv_vtep &vtep);

// Its name at present, or the last that was known.
std::string device_name(const std::vector<Link> &links, const xv_vtep &vtep);

} // namespace xvtep
