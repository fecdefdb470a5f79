// SPDX-License-Identifier: GPL-2.0-only
// A lab's namespaces, and what is common to work in them.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "user/base/result.h"
#include "user/lab/description.h"
#include "user/net/netlink.h"
#include "xvtep/netns.h"

namespace xvtep {

std::string namespace_of(const std::string &lab, const std::string &node);

// Adds to a failed Result where it happened.
template <class T> Result<T> in_namespace(const std::string &name, Result<T> result)
{
    if (!result)
        result.error().object += (result.error().object.empty() ? "in " : " in ") + name;
    return result;
}

struct LabNode {
    std::string name; // of the namespace
    Netns netns;
    Netlink netlink; // in the namespace

    static Result<LabNode> open(const std::string &netns_name);

    Result<int> index_of(const std::string &device);
    Result<> set_up(int index);
    Result<> add_addresses(int index, const std::vector<Prefix> &addresses);
    Result<> add_routes(const std::vector<LabRoute> &routes);
    Result<int> add_bridge(const LabBridge &bridge); // the bridge's ifindex
    // Removes the kernel's neighbour entries of a device.
    Result<> flush_neighbours(const std::string &device);
};

class LabNodes {
  public:
    // All nodes of a lab.
    static Result<LabNodes> open(const LabDescription &lab);
    LabNode &at(const std::string &node) { return nodes_.at(node); }

  private:
    std::map<std::string, LabNode> nodes_;
};

} // namespace xvtep
