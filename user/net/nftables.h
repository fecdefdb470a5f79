// SPDX-License-Identifier: GPL-2.0-only
// Rules of nftables, and so of iptables-nft, that name a UDP port.
#pragma once

#include <linux/netlink.h>

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace xvtep {

// A rule of the calling thread's network namespace that names the UDP port (host byte order) as a
// source or destination: its family, table and chain, as "inet filter input". The first such rule,
// but one that looks the port up in a set only if there is no other. Nothing if there is none, if
// the kernel does not tell (no nf_tables, no permission), or if none is found in half a second.
std::optional<std::string> find_rule_for_udp_port(std::uint16_t port);

// A set in which a rule looks a UDP port up.
struct NftSet {
    std::uint8_t family = 0;
    std::string table;
    std::string name;
    std::size_t port_offset = 0; // where the port is in the keys, in octets

    auto operator<=>(const NftSet &) const = default;
};

struct NftRule {
    std::uint8_t family = 0;
    std::string table;
    std::string chain;
    // An expression of the rule compares a UDP port with this port, or with a range that holds it.
    // A negated one names the port as well.
    bool names_port = false;
    std::vector<NftSet> sets{}; // if any of them holds the port, the rule names it, too

    [[nodiscard]] std::string text() const;
};

// Reads a message of a dump of rules. Nothing if it is none.
std::optional<NftRule> parse_nft_rule(const nlmsghdr &message, std::uint16_t port);

// Whether a set holds a port: reads the messages of a dump of its elements.
class NftSetSearch {
  public:
    NftSetSearch(std::size_t port_offset, std::uint16_t port);

    void read(const nlmsghdr &message);
    [[nodiscard]] bool found() const;
    // Nothing that may follow changes the result.
    [[nodiscard]] bool certain() const { return certain_; }

  private:
    using Octets = std::span<const std::uint8_t>;

    void element(Octets key, Octets last, bool ends_interval);

    const std::size_t port_offset_;
    const std::uint16_t port_;
    bool certain_ = false;
    // Of a set of intervals, the elements are the first value of an interval, or the first behind
    // its end, in any order. The last one that is not behind the port decides.
    bool intervals_ = false;
    std::optional<std::uint16_t> nearest_;
    bool nearest_ends_ = false;
};

} // namespace xvtep
