// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/values.h"

#include <algorithm>
#include <string_view>

#include "xvtep/option.h"
#include "xvtep/vtep.h"

namespace xvtep {

namespace {

bool is_name(std::string_view text)
{
    const auto good = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    };
    return !text.empty() && text.size() <= 32 && text[0] != '-' && std::ranges::all_of(text, good);
}

std::string checked_name(const JsonValue &value, const std::string &text)
{
    if (!is_name(text))
        value.refuse("not a name of up to 32 of a-z, 0-9 and '-'");
    return text;
}

std::string checked_ifname(const JsonValue &value, const std::string &text)
{
    if (!is_interface_name(text))
        value.refuse("not an interface name");
    return text;
}

} // namespace

std::string read_name(const JsonValue &value)
{
    return checked_name(value, value.text());
}

std::string read_ifname(const JsonValue &value)
{
    return checked_ifname(value, value.text());
}

unsigned read_mtu(const JsonValue &value)
{
    return static_cast<unsigned>(value.number(68, 65535));
}

std::uint16_t read_udp_port(const JsonValue &value)
{
    return static_cast<std::uint16_t>(value.number(1, 65535));
}

std::uint32_t read_vni(const JsonValue &value)
{
    return static_cast<std::uint32_t>(value.number(1, vni_max));
}

std::uint16_t read_vlan(const JsonValue &value)
{
    return static_cast<std::uint16_t>(value.number(1, 4094));
}

NeighState read_neigh_state(const JsonValue &value)
{
    return one_of<NeighState>(
        {{"permanent", NeighState::permanent}, {"reachable", NeighState::reachable}})(value);
}

LabWireEnd read_wire_end(const JsonValue &value)
{
    const std::string text = value.text();
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos)
        return {checked_name(value, text), ""};
    return {checked_name(value, text.substr(0, colon)),
            checked_ifname(value, text.substr(colon + 1))};
}

LabDevice read_device(const JsonValue &value)
{
    const LabWireEnd end = read_wire_end(value);
    if (end.device.empty())
        value.refuse("not NODE:DEVICE");
    return {end.node, end.device};
}

} // namespace xvtep
