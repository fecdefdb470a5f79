// SPDX-License-Identifier: GPL-2.0-only
// The device of a VTEP. Other programs may delete it or move it to another namespace.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "user/vtep/session.h"

namespace xvtep {

// Whether the link is the device of the VTEP, and not another one that was given its index.
bool is_device_of(const Link &link, const xv_vtep &vtep);
// Returns nullptr if this namespace does not have the device under the index that is known.
const Link *find_device(const std::vector<Link> &links, const xv_vtep &vtep);

// Whether the device exists in any namespace, also in one that this process cannot see.
Result<bool> device_exists(Session &session, const xv_vtep &vtep);

struct MovedDevice {
    const Netns *netns;
    const Link *link; // as seen in `netns`
    bool away;        // false: it is in this namespace, under another index
};

// Looks in all namespaces that this process can see for devices that are not where they were. Reads
// the namespaces once, when the first device is looked for that exists.
class MovedDevices {
  public:
    explicit MovedDevices(Session &session) : session_(&session) {}

    // The result lives as long as this object.
    Result<std::optional<MovedDevice>> find(const xv_vtep &vtep);

  private:
    struct Place {
        Netns netns;
        Netlink netlink;
        std::vector<Link> links;
        bool is_here;
    };

    Result<> read();

    Session *session_;
    std::uint64_t home_ = 0; // inode
    bool all_ = false;       // all namespaces could be looked at
    std::optional<std::vector<Place>> places_;
};

// The ageing time for the kernel's device. 0 means "never" to xvtep but 300 s to the kernel, which
// also counts it in 32-bit jiffies.
constexpr std::uint32_t longest_kernel_ageing = 4'000'000; // s
constexpr std::uint32_t kernel_ageing(std::uint32_t ageing)
{
    return ageing == 0 || ageing > longest_kernel_ageing ? longest_kernel_ageing : ageing;
}

// The interval at which the kernel's device is told of a live entry again, as a power of two of
// nanoseconds: at most a quarter of the device's ageing.
constexpr std::uint16_t renew_shift(std::uint32_t ageing)
{
    return static_cast<std::uint16_t>(std::bit_width(kernel_ageing(ageing) * 1'000'000'000ULL / 4) -
                                      1);
}

// Fails if a device is in a namespace that this process cannot see. If that namespace is being
// removed, its devices go with it; so this function waits some seconds for their end. `links` are
// those of this namespace.
Result<> reach_devices(Session &session, const std::vector<Link> &links,
                       std::span<const xv_vtep> vteps);

// Returns the present name of the device, or else the last known name.
std::string device_name(const std::vector<Link> &links, const xv_vtep &vtep);

} // namespace xvtep
