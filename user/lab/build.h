// SPDX-License-Identifier: GPL-2.0-only
// Makes and removes the namespaces of a lab and what is in them.
#pragma once

#include <string>
#include <vector>

#include "user/base/result.h"
#include "user/lab/driver.h"
#include "user/lab/node.h"
#include "user/lab/state.h"

namespace xvtep {

// Makes one VTEP of a host, with its ports, entries, addresses, and routes.
Result<> make_vtep(const VtepDriver &driver, LabNode &node, const LabVtep &vtep);

// Makes a container's veth; the end in the host is up and in its bridge or trunk.
Result<> connect_container(LabNode &host, LabNode &inside, const LabContainer &container);

enum class Announce {
    no,
    yes, // by gratuitous ARP and unsolicited neighbour advertisements, as machines do that move
};
// Brings a container's own end up, with its addresses and routes.
Result<> bring_up_container(LabNode &inside, const LabContainer &container, Announce announce);

// On failure, what was made is removed again. None of the namespaces may exist.
Result<> build_lab(const LabState &state);

// The names of this machine's namespaces that build_lab() made, for any lab.
std::vector<std::string> lab_namespaces();

// Kills what build_lab() started in the namespaces, detaches VTEPs, then removes devices and
// namespaces. Goes on after a failure, and returns the first one. Ignores names that do not exist.
Result<> remove_namespaces(const std::vector<std::string> &names);

} // namespace xvtep
