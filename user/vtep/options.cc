// SPDX-License-Identifier: GPL-2.0-only
#include "xvtep/option.h"

#include <linux/if_link.h>
#include <net/if.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include <fmt/format.h>

#include "bpf/abi/tables.h"
#include <fmt/ranges.h>

#include "user/base/result.h"

namespace xvtep {
namespace {

using R = AttachRequest;
using Group = OptionGroup;
using Cause = std::unexpected<std::string>;

constexpr int vxlan_reserved_bits = 33; // IFLA_VXLAN_RESERVED_BITS, which old headers lack
constexpr std::uint64_t max32 = 0xffffffff;
constexpr std::uint64_t max64 = ~std::uint64_t{0};

constexpr AttachOption options[] = {
    {.word = "dev",
     .field = &R::devices,
     .value = "DEV",
     .group = Group::tunnel,
     .help = "Underlay port. The word dev may be left out; up to 16 ports may be given.",
     .headline = true,
     .kept = "the underlay ports stay until detach"},
    {.word = "vni",
     .alias = "id",
     .field = &R::vni,
     .value = "N",
     .group = Group::tunnel,
     .help = "VXLAN network identifier.",
     .lowest = 1,
     .highest = vni_max,
     .kernel = {.type = IFLA_VXLAN_ID, .fixed = true},
     .noun = "VNI",
     .headline = true},
    {.word = "name",
     .field = &R::name,
     .value = "IFNAME",
     .group = Group::tunnel,
     .help = "Name of the VTEP's device.",
     .initial = "xvtepN, N is the VNI",
     .headline = true,
     .kept = "ip link set IFNAME name NAME renames the device"},
    {.word = "local",
     .field = &R::local,
     .value = "IP|any",
     .group = Group::tunnel,
     .help = "Source address of the outer header.",
     .initial = "the source of the route to the remote, or the first address of DEV",
     .kernel = {.type = IFLA_VXLAN_LOCAL, .other = IFLA_VXLAN_LOCAL6}},
    {.word = "remote",
     .field = &R::remote,
     .value = "IP",
     .group = Group::tunnel,
     .help = "Peer that receives broadcast frames and frames to unknown MAC addresses.",
     .kernel = {.type = IFLA_VXLAN_GROUP, .other = IFLA_VXLAN_GROUP6}},
    {.word = "group",
     .field = &R::group,
     .value = "IP",
     .group = Group::tunnel,
     .help = "Multicast group that receives these frames; excludes remote.",
     .kernel = {.type = IFLA_VXLAN_GROUP, .other = IFLA_VXLAN_GROUP6}},
    {.word = "dstport",
     .field = &R::dstport,
     .value = "PORT",
     .group = Group::tunnel,
     .help = "UDP destination port, also the port that is listened on.",
     .initial = "4789",
     .lowest = 1,
     .highest = 65535,
     .kernel = {.type = IFLA_VXLAN_PORT, .fixed = true}},
    {.word = "srcport",
     .field = PortRangeField{&R::srcport_min, &R::srcport_max},
     .value = "MIN MAX",
     .group = Group::tunnel,
     .help = "Range of UDP source ports; the flow decides which.",
     .initial = "49152 65535",
     .lowest = 1,
     .highest = 65535,
     .kernel = {.type = IFLA_VXLAN_PORT_RANGE, .fixed = true}},

    {.word = "ttl",
     .alias = "hoplimit",
     .field = &R::ttl,
     .value = "N|inherit|auto",
     .group = Group::outer_headers,
     .help = "Outer TTL or hop limit; inherit copies it from the inner packet.",
     .initial = "auto or 0: the host's default",
     .highest = 255,
     .kernel = {.type = IFLA_VXLAN_TTL, .other = IFLA_VXLAN_TTL_INHERIT}},
    {.word = "tos",
     .alias = "dsfield",
     .field = &R::tos,
     .value = "N|inherit",
     .group = Group::outer_headers,
     .help = "Outer TOS octet, read as hexadecimal as ip does; inherit copies the inner one.",
     .initial = "0",
     .highest = 255,
     .kernel = {.type = IFLA_VXLAN_TOS},
     .hexadecimal = true},
    {.word = "df",
     .field = &R::df,
     .value = "set|unset|inherit",
     .group = Group::outer_headers,
     .help = "DF bit of the outer IPv4 header.",
     .initial = "unset",
     .kernel = {.type = IFLA_VXLAN_DF}},
    {.word = "flowlabel",
     .field = &R::flowlabel,
     .value = "N",
     .group = Group::outer_headers,
     .help = "Flow label of the outer IPv6 header.",
     .initial = "0",
     .highest = flowlabel_max,
     .kernel = {.type = IFLA_VXLAN_LABEL, .network_order = true},
     .hexadecimal = true},
    {.word = "udpcsum",
     .field = &R::udpcsum,
     .group = Group::outer_headers,
     .help = "Send UDP checksums.",
     .initial = "off over IPv4, on over IPv6",
     .kernel = {.type = IFLA_VXLAN_UDP_CSUM, .fixed = true}},
    {.word = "udp6zerocsumtx",
     .field = &R::udp6zerocsumtx,
     .group = Group::outer_headers,
     .help = "Send no UDP checksums over IPv6.",
     .initial = "off",
     .kernel = {.type = IFLA_VXLAN_UDP_ZERO_CSUM6_TX, .fixed = true}},
    {.word = "udp6zerocsumrx",
     .field = &R::udp6zerocsumrx,
     .group = Group::outer_headers,
     .help = "Accept IPv6 packets without UDP checksum.",
     .initial = "off",
     .kernel = {.type = IFLA_VXLAN_UDP_ZERO_CSUM6_RX, .fixed = true}},

    {.word = "gbp",
     .field = &R::gbp,
     .group = Group::vxlan_header,
     .help = "Group policy extension; the group identifier is the packet's mark.",
     .initial = "off",
     .kernel = {.type = IFLA_VXLAN_GBP, .by_presence = true, .fixed = true}},
    {.word = "reserved-bits",
     .field = &R::reserved_bits,
     .value = "MASK",
     .group = Group::vxlan_header,
     .help = "Bits of the VXLAN header that must be 0 on receipt.",
     .initial = "all bits without a meaning",
     .highest = max64,
     .kernel = {.type = vxlan_reserved_bits, .fixed = true},
     .hexadecimal = true},

    {.word = "learning",
     .field = &R::learning,
     .group = Group::learning,
     .help = "Learn MAC addresses and their VTEPs from received packets.",
     .initial = "on",
     .kernel = {.type = IFLA_VXLAN_LEARNING}},
    {.word = "ageing",
     .field = &R::ageing,
     .value = "SECONDS",
     .group = Group::learning,
     .help = "Lifetime of a learned entry that is not heard of again; 0: forever.",
     .initial = "300",
     .highest = max32,
     .kernel = {.type = IFLA_VXLAN_AGEING}},
    {.word = "hard-ageing",
     .field = &R::hard_ageing,
     .value = "SECONDS",
     .group = Group::learning,
     .help = "Lifetime of a learned entry even if it is heard of; 0: no limit.",
     .initial = "0",
     .highest = max32},
    {.word = "maxaddress",
     .field = &R::maxaddress,
     .value = "N",
     .group = Group::learning,
     .help = "Bound on FDB entries, the default entry included; 0: none.",
     .initial = "0",
     .highest = max32,
     .kernel = {.type = IFLA_VXLAN_LIMIT, .by_programs = true}},
    {.word = "fdb-size",
     .field = &R::fdb_size,
     .value = "N",
     .group = Group::learning,
     .help = "Make room for so many FDB entries, of all VTEPs of the namespace together. Commands "
             "that write entries make the table larger by themselves; learning does not.",
     .initial = "32768",
     .lowest = 1,
     .highest = XV_FDB_ENTRIES},
    {.word = "accept",
     .field = &R::accept,
     .value = "any|known",
     .group = Group::learning,
     .help = "From which VTEPs packets are taken: from any, as the kernel does, or only from those "
             "that a static or written FDB entry, the default destination, the agent or \"xvtep "
             "remote add\" names. Packets from others are dropped as unknown_remote, and nothing "
             "is learned from them.",
     .initial = "any"},

    {.word = "proxy",
     .field = &R::proxy,
     .group = Group::misses,
     .help = "Answer ARP requests and neighbour solicitations from the neighbour table.",
     .initial = "off",
     .kernel = {.type = IFLA_VXLAN_PROXY, .by_programs = true}},
    {.word = "rsc",
     .field = &R::rsc,
     .group = Group::misses,
     .help = "Route short circuit: skip a router if the destination's MAC is known.",
     .initial = "off",
     .kernel = {.type = IFLA_VXLAN_RSC, .by_programs = true}},
    {.word = "l2miss",
     .field = &R::l2miss,
     .group = Group::misses,
     .help = "Raise an event for a MAC address without an entry.",
     .initial = "off",
     .kernel = {.type = IFLA_VXLAN_L2MISS, .by_programs = true}},
    {.word = "l3miss",
     .field = &R::l3miss,
     .group = Group::misses,
     .help = "Raise an event for an IP address without a neighbour entry.",
     .initial = "off",
     .kernel = {.type = IFLA_VXLAN_L3MISS, .by_programs = true}},
    {.word = "reachable-time",
     .field = &R::reachable_time,
     .value = "SECONDS",
     .group = Group::misses,
     .help = "Lifetime of a reachable neighbour entry.",
     .initial = "30",
     .lowest = 1,
     .highest = max32},

    {.word = "bridge",
     .alias = "master",
     .field = &R::bridge,
     .value = "BR",
     .group = Group::device,
     .help = "Bridge that the device joins; it is made if it does not exist.",
     .shown = "master",
     .kept = "ip link set IFNAME master BR moves the device to another bridge"},
    {.word = "mac",
     .alias = "address",
     .field = &R::mac,
     .value = "MAC",
     .group = Group::device,
     .help = "MAC address of the device.",
     .initial = "random",
     .headline = true},
    {.word = "mtu",
     .field = &R::mtu,
     .value = "N",
     .group = Group::device,
     .help = "MTU of the device.",
     .initial = "the underlay's less 50, over IPv6 less 70",
     .lowest = 68,
     .highest = 65535,
     .headline = true},
    {.word = "mode",
     .field = &R::mode,
     .value = "auto|xdp|tc|skb",
     .group = Group::device,
     .help = "How programs are attached to the underlay ports, for all VNIs on them.",
     .initial = "auto",
     .headline = true,
     .kept = "it belongs to the underlay ports, and stays until their last VTEP is detached"},
};

constexpr RefusedOption refused[] = {
    {"gpe", "its packets carry no Ethernet header, so there is no MAC for the forwarding "
            "database to go by"},
    {"external", "it would accept every VNI of the port, while xvtep takes only those attached "
                 "(attach each VNI by itself)"},
    {"vnifilter", "it belongs to external; attach each VNI with a device of its own"},
    {"remcsumtx", "remote checksum offload is an expired draft that no other VTEP understands"},
    {"remcsumrx", "remote checksum offload is an expired draft that no other VTEP sends"},
};

template <class... Cases> struct Overloaded : Cases... {
    using Cases::operator()...;
};
template <class... Cases> Overloaded(Cases...) -> Overloaded<Cases...>;

const char *df_name(Df df)
{
    return df == Df::set ? "set" : df == Df::inherit ? "inherit" : "unset";
}

std::optional<Df> parse_df(std::string_view text)
{
    for (const Df df : {Df::unset, Df::set, Df::inherit})
        if (text == df_name(df))
            return df;
    return std::nullopt;
}

const char *accept_name(Accept accept)
{
    return accept == Accept::known ? "known" : "any";
}

std::optional<Accept> parse_accept(std::string_view text)
{
    for (const Accept accept : {Accept::any, Accept::known})
        if (text == accept_name(accept))
            return accept;
    return std::nullopt;
}

std::string noun(const AttachOption &option)
{
    return *option.noun != '\0' ? option.noun : option.word;
}

bool has_hex_prefix(std::string_view text)
{
    return text.starts_with("0x") || text.starts_with("0X");
}

std::optional<std::uint64_t> parse_number(std::string_view text, int base)
{
    if (has_hex_prefix(text)) {
        text.remove_prefix(2);
        base = 16;
    }
    std::uint64_t value = 0;
    const auto [stop, problem] =
        std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (text.empty() || stop != text.data() + text.size() || problem != std::errc())
        return std::nullopt;
    return value;
}

bool is_within(const AttachOption &option, std::uint64_t value)
{
    return value >= option.lowest && value <= option.highest;
}

// Reads one word as the value of the option, for set_option().
std::expected<OptionValue, std::string> number_of(const AttachOption &option,
                                                  const std::string &word)
{
    const auto value = parse_number(word, 10);
    if (!value || !is_within(option, *value))
        return Cause(fmt::format("{} {} is not within {} to {}", noun(option), word, option.lowest,
                                 option.highest));
    return *value;
}

std::expected<OptionValue, std::string> number_or_inherit_of(const AttachOption &option,
                                                             const std::string &word)
{
    if (word == "inherit")
        return word;
    if (word == "auto" && std::string_view(option.value).contains("auto"))
        return std::uint64_t{0};
    const auto value = parse_number(word, option.hexadecimal ? 16 : 10);
    if (value && is_within(option, *value))
        return *value;
    std::string cause = fmt::format("{} {} is not within {} to {} nor \"inherit\"", noun(option),
                                    word, option.lowest, option.highest);
    if (value && option.hexadecimal && !has_hex_prefix(word))
        cause += fmt::format(" (it is read as hexadecimal: {:#x})", *value);
    return Cause(cause);
}

std::expected<OptionValue, std::string> value_of(const AttachOption &option,
                                                 std::span<const std::string> words)
{
    using Value = std::expected<OptionValue, std::string>;
    const std::string &word = words.front();
    const auto wrong = [&](std::string_view what) {
        return Cause(fmt::format("{} \"{}\" is not {}", noun(option), word, what));
    };
    const Overloaded read{
        [&](const PortRangeField &) -> Value {
            std::array<std::uint64_t, 2> range{};
            for (std::size_t i = 0; i < range.size(); i++) {
                const auto value = number_of(option, words[i]);
                if (!value)
                    return Cause(value.error());
                range[i] = std::get<std::uint64_t>(*value);
            }
            return range;
        },
        [&](OrInherit R::*) -> Value { return number_or_inherit_of(option, word); },
        [&](Df R::*) -> Value {
            return parse_df(word) ? Value(word) : wrong("set, unset or inherit");
        },
        [&](Accept R::*) -> Value {
            return parse_accept(word) ? Value(word) : wrong("any or known");
        },
        [&](Mode R::*) -> Value {
            return parse_mode(word) ? Value(word) : wrong("auto, xdp, tc or skb");
        },
        [&](std::optional<Ip> R::*) -> Value {
            if (word == "any")
                return std::monostate();
            return Ip::parse(word) ? Value(word) : wrong("an IP address");
        },
        [&](std::optional<Mac> R::*) -> Value {
            return Mac::parse(word) ? Value(word) : wrong("a MAC address");
        },
        [&](std::string R::*) -> Value { return word; },
        [&](std::vector<std::string> R::*) -> Value {
            return std::vector<std::string>(words.begin(), words.end());
        },
        [&](auto) -> Value { return number_of(option, word); },
    };
    return std::visit(read, option.field);
}

// A number that JSON has, within the option's range.
std::expected<std::uint64_t, std::string> in_range(const AttachOption &option,
                                                   const OptionValue &value)
{
    const auto *const number = std::get_if<std::uint64_t>(&value);
    if (number == nullptr)
        return Cause("not a whole number");
    if (!is_within(option, *number))
        return Cause(fmt::format("{} is not in {} .. {}", *number, option.lowest, option.highest));
    return *number;
}

std::string word_of(const OptionValue &value)
{
    const auto *const word = std::get_if<std::string>(&value);
    return word == nullptr ? "" : *word;
}

// Assigns a value to the field of a request.
struct Setter {
    R &request;
    const AttachOption &option;
    const OptionValue &value;

    OptionResult operator()(bool R::*field) const { return set_switch(request.*field); }
    OptionResult operator()(std::optional<bool> R::*field) const
    {
        return set_switch(request.*field);
    }
    OptionResult operator()(OrInherit R::*field) const
    {
        if (std::holds_alternative<std::string>(value) && word_of(value) != "inherit")
            return Cause("neither a number nor \"inherit\"");
        const bool inherit = word_of(value) == "inherit";
        std::uint64_t number = 0;
        if (!inherit)
            TRY_SET(number, in_range(option, value));
        request.*field = {.value = static_cast<std::uint8_t>(number), .inherit = inherit};
        return {};
    }
    OptionResult operator()(Df R::*field) const
    {
        const auto df = parse_df(word_of(value));
        if (!df)
            return Cause("none of \"unset\", \"set\" and \"inherit\"");
        request.*field = *df;
        return {};
    }
    OptionResult operator()(Accept R::*field) const
    {
        const auto accept = parse_accept(word_of(value));
        if (!accept)
            return Cause("none of \"any\" and \"known\"");
        request.*field = *accept;
        return {};
    }
    OptionResult operator()(Mode R::*field) const
    {
        const auto mode = parse_mode(word_of(value));
        if (!mode)
            return Cause("none of \"auto\", \"xdp\", \"tc\" and \"skb\"");
        request.*field = *mode;
        return {};
    }
    OptionResult operator()(std::optional<Ip> R::*field) const
    {
        return set_parsed(request.*field, "not an IP address");
    }
    OptionResult operator()(std::optional<Mac> R::*field) const
    {
        return set_parsed(request.*field, "not a MAC address");
    }
    OptionResult operator()(std::string R::*field) const
    {
        if (!std::holds_alternative<std::string>(value) &&
            !std::holds_alternative<std::monostate>(value))
            return Cause("not a string");
        if (!word_of(value).empty() && !is_interface_name(word_of(value)))
            return Cause("not an interface name");
        request.*field = word_of(value);
        return {};
    }
    OptionResult operator()(std::vector<std::string> R::*field) const
    {
        if (const auto *const words = std::get_if<std::vector<std::string>>(&value))
            request.*field = *words;
        else if (const auto word = word_of(value); !word.empty())
            request.*field = {word};
        else
            return Cause("not a list");
        return {};
    }
    OptionResult operator()(const PortRangeField &field) const
    {
        const auto *const range = std::get_if<std::array<std::uint64_t, 2>>(&value);
        if (range == nullptr || (*range)[0] > (*range)[1])
            return Cause("not a list of the lowest and the highest port");
        for (const std::uint64_t port : *range)
            TRY(in_range(option, port));
        request.*field.low = static_cast<std::uint16_t>((*range)[0]);
        request.*field.high = static_cast<std::uint16_t>((*range)[1]);
        return {};
    }
    template <class T> OptionResult operator()(T R::*field) const
    {
        TRY_ASSIGN(const auto number, in_range(option, value));
        request.*field = static_cast<T>(number);
        return {};
    }
    template <class T> OptionResult operator()(std::optional<T> R::*field) const
    {
        request.*field = std::nullopt;
        if (std::holds_alternative<std::monostate>(value))
            return {};
        // Lab files have the number, `show` prints the mask as a word.
        OptionValue wanted = value;
        if (const auto number = parse_number(word_of(value), 10))
            wanted = *number;
        TRY_ASSIGN(const auto number, in_range(option, wanted));
        request.*field = static_cast<T>(number);
        return {};
    }

  private:
    template <class T> OptionResult set_switch(T &target) const
    {
        const auto *const on = std::get_if<bool>(&value);
        if (on == nullptr)
            return Cause("neither true nor false");
        target = *on;
        return {};
    }
    template <class T> OptionResult set_parsed(std::optional<T> &target, const char *why) const
    {
        target = T::parse(word_of(value));
        if (!target && !std::holds_alternative<std::monostate>(value))
            return Cause(why);
        return {};
    }
};

// Reads the field of a request as a value.
struct Getter {
    const R &request;
    const AttachOption &option;

    OptionValue operator()(bool R::*field) const { return request.*field; }
    OptionValue operator()(OrInherit R::*field) const
    {
        const OrInherit &value = request.*field;
        return value.inherit ? OptionValue("inherit") : OptionValue(std::uint64_t{value.value});
    }
    OptionValue operator()(Df R::*field) const { return std::string(df_name(request.*field)); }
    OptionValue operator()(Accept R::*field) const
    {
        return std::string(accept_name(request.*field));
    }
    OptionValue operator()(Mode R::*field) const { return std::string(mode_name(request.*field)); }
    OptionValue operator()(std::string R::*field) const
    {
        return (request.*field).empty() ? OptionValue() : OptionValue(request.*field);
    }
    OptionValue operator()(std::vector<std::string> R::*field) const
    {
        const auto &words = request.*field;
        return words.size() == 1 ? OptionValue(words.front()) : OptionValue(words);
    }
    OptionValue operator()(const PortRangeField &field) const
    {
        return std::array<std::uint64_t, 2>{request.*field.low, request.*field.high};
    }
    OptionValue operator()(std::optional<std::uint64_t> R::*field) const
    {
        const auto &mask = request.*field;
        return mask ? OptionValue(fmt::format("{:#018x}", *mask)) : OptionValue();
    }
    template <class T> OptionValue operator()(T R::*field) const
    {
        return std::uint64_t{request.*field};
    }
    template <class T> OptionValue operator()(std::optional<T> R::*field) const
    {
        const auto &value = request.*field;
        if (!value)
            return std::monostate();
        if constexpr (std::is_same_v<T, bool>)
            return *value;
        else if constexpr (std::is_integral_v<T>)
            return std::uint64_t{*value};
        else
            return value->text();
    }
};

} // namespace

const char *option_group_title(OptionGroup group)
{
    switch (group) {
    case Group::tunnel:
        return "Tunnel";
    case Group::outer_headers:
        return "Outer headers";
    case Group::vxlan_header:
        return "VXLAN header";
    case Group::learning:
        return "Learning";
    case Group::misses:
        return "Neighbours and misses";
    case Group::device:
        return "Device and underlay";
    }
    return "";
}

std::span<const AttachOption> attach_options()
{
    return options;
}

bool is_device_name(std::string_view name)
{
    return !name.empty() && name.size() < IFNAMSIZ && name != "." && name != ".." &&
           std::ranges::none_of(name, [](char c) {
               return c == '/' || c == ':' || std::isspace(static_cast<unsigned char>(c)) != 0;
           });
}

bool is_interface_name(std::string_view name)
{
    return is_device_name(name) && std::ranges::none_of(name, [](char c) {
               return c == '%' || std::iscntrl(static_cast<unsigned char>(c)) != 0;
           });
}

std::span<const RefusedOption> refused_options()
{
    return refused;
}

const AttachOption *find_option(std::string_view word)
{
    std::string wanted(word);
    std::ranges::replace(wanted, '_', '-');
    const auto *const found = std::ranges::find_if(
        options, [&](const AttachOption &o) { return wanted == o.word || wanted == o.alias; });
    return wanted.empty() || found == std::end(options) ? nullptr : found;
}

std::string option_key(const AttachOption &option)
{
    std::string key = option.word;
    std::ranges::replace(key, '-', '_');
    return key;
}

std::string_view why_kept(const AttachOption &option)
{
    return option.kernel.fixed ? "the kernel cannot change it on a living device" : option.kept;
}

unsigned option_arity(const AttachOption &option)
{
    if (std::holds_alternative<PortRangeField>(option.field))
        return 2;
    return *option.value == '\0' ? 0 : 1;
}

OptionResult read_option(AttachRequest &request, const AttachOption &option,
                         std::span<const std::string> words)
{
    if (switch_option(request, option, true))
        return {};
    if (const auto *const name = std::get_if<std::string R::*>(&option.field)) {
        request.**name = words.front(); // validate() judges it
        return {};
    }
    const auto value = value_of(option, words);
    if (!value)
        return Cause(value.error());
    if (const auto *const range = std::get_if<PortRangeField>(&option.field)) {
        const auto &ports = std::get<std::array<std::uint64_t, 2>>(*value);
        request.*range->low = static_cast<std::uint16_t>(ports[0]); // validate() compares them
        request.*range->high = static_cast<std::uint16_t>(ports[1]);
        return {};
    }
    return set_option(request, option, *value);
}

OptionResult set_option(AttachRequest &request, const AttachOption &option,
                        const OptionValue &value)
{
    return std::visit(Setter{request, option, value}, option.field);
}

bool switch_option(AttachRequest &request, const AttachOption &option, bool on)
{
    return option_arity(option) == 0 && set_option(request, option, on).has_value();
}

OptionValue option_value(const AttachRequest &request, const AttachOption &option)
{
    return std::visit(Getter{request, option}, option.field);
}

std::string option_text(const AttachRequest &request, const AttachOption &option)
{
    const std::string word = *option.shown != '\0' ? option.shown : option.word;
    const auto with = [&](const std::string &value) { return word + " " + value; };
    const Overloaded print{
        [](std::monostate) { return std::string(); },
        [&](bool on) { return (on ? "" : "no") + word; },
        [&](std::uint64_t number) {
            return with(option.hexadecimal && number != 0 ? fmt::format("{:#x}", number)
                                                          : std::to_string(number));
        },
        [&](const std::string &text) { return with(text); },
        [&](const std::vector<std::string> &words) {
            return fmt::format("{}", fmt::join(words, " "));
        },
        [&](const std::array<std::uint64_t, 2> &range) {
            return with(fmt::format("{} {}", range[0], range[1]));
        },
    };
    return std::visit(print, option_value(request, option));
}

bool option_is_default(const AttachRequest &request, const AttachOption &option)
{
    constexpr std::uint8_t usual_ttl = 64; // of a host whose sysctl settings nobody has changed
    static const AttachRequest defaults;
    const auto is = [&](auto field) { return option.field == OptionField(field); };
    if (is(&AttachRequest::ttl) && !request.ttl.inherit && request.ttl.value == usual_ttl)
        return true;
    if (is(&AttachRequest::udpcsum) && request.udpcsum)
        return *request.udpcsum == (request.local && request.local->is_v6());
    if (is(&AttachRequest::reserved_bits) && request.reserved_bits)
        return *request.reserved_bits == ~used_bits(request.gbp);
    return option_value(request, option) == option_value(defaults, option);
}

} // namespace xvtep
