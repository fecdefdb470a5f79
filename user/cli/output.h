// SPDX-License-Identifier: GPL-2.0-only
// What the library returns, as text in iproute2's manner, and printed as text or JSON.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "user/adopt/query.h"
#include "user/cli/cli.h"
#include "xvtep/fdb.h"
#include "xvtep/neigh.h"
#include "xvtep/port.h"
#include "xvtep/remote.h"
#include "xvtep/stats.h"
#include "xvtep/vni.h"
#include "xvtep/vtep.h"

namespace xvtep::cli {

// Of a VTEP's options: those that are not at their default, or all.
enum class Detail { usual, all };

struct MissEvent {
    const char *name; // "l3miss"
    std::string ifname;
    std::uint32_t vni = 0;
    bool names_vni = false; // the device has others, too
    const char *key;        // "ip" or "mac"
    std::string address;
};

// text.cc: pure functions.
const char *state_name(FdbState state);
const char *state_name(NeighState state);
std::string to_text(const Problem &problem);
std::string to_text(const VtepInfo &vtep, Detail detail = Detail::usual);
std::string to_text(const PortInfo &port);
// `bridge fdb show`'s line; `with_device`: no device was asked for.
std::string to_text(const FdbEntry &entry, bool with_device, bool statistics);
// `ip neigh show`'s line.
std::string to_text(const NeighEntry &entry, bool with_device, bool statistics);
// With `statistics`, the lines of `ip -s link` below.
std::string to_text(const Remote &remote, bool with_device, bool statistics);
std::string to_text(const Stats &stats);
// Columns as `bridge vni show` has them, and the VLANs.
std::string to_text(const std::vector<DeviceVnis> &devices);
// `ip monitor neigh`'s line.
std::string to_text(const MissEvent &event, bool with_device);
// One line in columns, for -br.
std::string brief_text(const VtepInfo &vtep);
std::string brief_text(const PortInfo &port);
std::string brief_text(const Remote &remote);
std::string brief_text(const Stats &stats);
std::string on_one_line(std::string text);    // for -o
std::string colored(const std::string &text); // for -c: MACs, IPs, names and states, as ip colors

// output.cc: prints in the form that the context asks for. The device is left out of entries where
// one was asked for.
enum class Device { left_out, printed };
void print(const Context &context, const std::vector<VtepInfo> &vteps,
           const std::vector<adopt::RefusedDevice> &refused = {});
void print(const Context &context, const std::vector<PortInfo> &ports);
void print(const Context &context, const std::vector<Stats> &stats);
void print(const Context &context, const std::vector<DeviceVnis> &devices); // as `bridge vni show`
// Names those of `vteps` at the end whose devices were given entries with other tools.
void print(const Context &context, const std::vector<FdbEntry> &entries, Device device,
           const std::vector<VtepInfo> &vteps = {});
void print(const Context &context, const std::vector<NeighEntry> &entries, Device device);
void print(const Context &context, const std::vector<Remote> &remotes, Device device);
void print(const Context &context, const MissEvent &event, Device device);
void print_attached(const Context &context, const VtepInfo &vtep); // JSON, or hints
void print_replaced(const Context &context, unsigned count);

} // namespace xvtep::cli
