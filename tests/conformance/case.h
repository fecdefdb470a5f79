// SPDX-License-Identifier: GPL-2.0-only
// A case: a VTEP said in the kernel's words, what goes in, and what has to come out.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tests/program/packet.h"

namespace xvtep::conformance {

using test::Bytes;

enum class System { kernel, xvtep };

// Where frames go in and come out. `host` is the VTEP's own device: sent by the host's stack on
// it, received by the stack from it.
enum class Side { wire, access, access2, host };

struct Device {
    std::string name = "vxlan0";
    unsigned vni = 42;
    std::string remote = "192.0.2.2"; // empty: none
    std::string local = "192.0.2.1";
    unsigned dstport = 4789;
    std::string options{}; // words of `ip link add type vxlan`; checksums off unless they say so
    std::string mtu{};     // as the device has it by itself
    std::string bridge = "br0"; // empty: a port of none
    bool group = false;         // `remote` is a multicast group
};

struct Setup {
    std::vector<Device> devices{Device{}};
    unsigned underlay_mtu = 1500;
    std::vector<std::string> before{};            // `ip` lines in the host's namespace
    std::optional<std::uint64_t> reserved_bits{}; // bits of the VXLAN header that must be 0
};

struct Out {
    Side side;
    Bytes frame;
    std::optional<std::uint32_t> mark{}; // at `host`: the packet's mark
};

struct Step {
    enum class Kind {
        send,    // `in` at `side`; exactly `out` comes out
        table,   // `bridge fdb` or `ip neigh` words; must be accepted
        refused, // the same; must be refused
        fdb_is,  // the table's lines
        sut,     // a shell command in the host's namespace
        pause,
        misses, // what the monitor has printed since the last time
        anew,   // the devices are removed and made again
        ports,  // source ports of what went out on the wire since the last time
    } kind;
    Side side = Side::wire;
    std::vector<Bytes> in{};
    std::vector<Out> out{};
    std::optional<std::uint32_t> mark{};
    std::string words{};
    std::vector<std::string> lines{};
    unsigned milliseconds = 0;
    std::size_t least = 0, most = 0; // different ports
    unsigned low = 0, high = 0;      // their range
};

inline Step send(Side side, Bytes frame, std::vector<Out> out = {})
{
    return {
        .kind = Step::Kind::send, .side = side, .in = {std::move(frame)}, .out = std::move(out)};
}
inline Step send_all(Side side, std::vector<Bytes> frames, std::vector<Out> out)
{
    return {.kind = Step::Kind::send, .side = side, .in = std::move(frames), .out = std::move(out)};
}
inline Step send_marked(std::uint32_t mark, Bytes frame, std::vector<Out> out)
{
    return {.kind = Step::Kind::send,
            .side = Side::host,
            .in = {std::move(frame)},
            .out = std::move(out),
            .mark = mark};
}
inline Step table(std::string words)
{
    return {.kind = Step::Kind::table, .words = std::move(words)};
}
inline Step refused(std::string words)
{
    return {.kind = Step::Kind::refused, .words = std::move(words)};
}
inline Step fdb_is(std::vector<std::string> lines)
{
    return {.kind = Step::Kind::fdb_is, .lines = std::move(lines)};
}
inline Step sut(std::string words)
{
    return {.kind = Step::Kind::sut, .words = std::move(words)};
}
inline Step pause(unsigned milliseconds)
{
    return {.kind = Step::Kind::pause, .milliseconds = milliseconds};
}
inline Step anew()
{
    return {.kind = Step::Kind::anew};
}
inline Step misses(std::vector<std::string> lines)
{
    return {.kind = Step::Kind::misses, .lines = std::move(lines)};
}
inline Step ports(std::size_t least, std::size_t most, unsigned low = 49152, unsigned high = 65535)
{
    return {.kind = Step::Kind::ports, .least = least, .most = most, .low = low, .high = high};
}

struct Case {
    std::string group, name;
    Setup setup{};
    std::vector<Step> steps{};
    std::string differs{};           // why xvtep's answer is another, on purpose
    std::vector<Step> xvtep_steps{}; // what it is then
};

std::vector<Case> encap_cases();
std::vector<Case> header_cases();
std::vector<Case> decap_cases();
std::vector<Case> ecn_cases();
std::vector<Case> learning_cases();
std::vector<Case> neigh_cases();
std::vector<Case> gbp_cases();
std::vector<Case> network_cases();

} // namespace xvtep::conformance
