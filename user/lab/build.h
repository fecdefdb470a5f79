// SPDX-License-Identifier: GPL-2.0-only
// The namespaces of a lab and what is in them.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "user/base/result.h"
#include "user/lab/description.h"
#include "user/lab/state.h"
#include "user/net/netlink.h"
#include "xvtep/netns.h"

namespace xvtep {

std::string namespace_of(const std::string &lab, const std::string &node);

// Adds where it happened to a failed Result.
template <class T> Result<T> in_namespace(const std::string &name, Result<T> result)
{
    if (!result)
        result.error().object += (result.error().object.empty() ? "in " : " in ") + name;
    return result;
}

// A namespace of a lab, open.
struct LabNode {
    std::string name; // of the namespace
    Netns netns;
    Netlink netlink; // in it
};

class LabNodes {
  public:
    static Result<LabNode> open(const std::string &netns_name);
    // All of a lab's nodes.
    static Result<LabNodes> open(const LabDescription &lab);
    LabNode &at(const std::string &node) { return nodes_.at(node); }

  private:
    std::map<std::string, LabNode> nodes_;
};

// The hosts whose VTEPs are the kernel's.
std::set<std::string> kernel_hosts(const LabState &state);

// Makes and removes one VTEP of a host, its ports with it.
Result<> plug_vtep(LabNode &node, const LabVtep &vtep, bool kernel);
Result<> unplug_vtep(LabNode &node, const LabVtep &vtep, bool kernel);

// A container's veth, its end in the host up and in its bridge or trunk.
Result<> tie_container(LabNode &host, LabNode &inside, const LabContainer &container);
// Its own end. `announce`: it says its addresses as it comes up, as machines do that move.
Result<> raise_container(LabNode &inside, const LabContainer &container, bool announce);

// On failure, what was made is removed again. None of the namespaces may exist.
Result<> build_lab(const LabState &state);

// The namespaces of this machine that build_lab() made, whichever lab's; by name.
std::vector<std::string> lab_namespaces();

// Kills what build_lab() started in the namespaces, detaches what is attached, then removes devices
// and namespaces. Goes on where something fails and returns the first failure. Names that do not
// exist are passed over.
Result<> remove_namespaces(const std::vector<std::string> &names);

} // namespace xvtep
