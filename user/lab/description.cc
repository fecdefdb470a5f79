// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/description.h"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "user/lab/labs.h"
#include "xvtep/option.h"

namespace xvtep {

namespace {

using Json = nlohmann::json;

constexpr const char *operation = "read lab";
constexpr std::size_t largest_file = 1u << 20;

// Thrown and caught in this file only.
struct Wrong {
    std::string where;
    std::string why;
};

class Value {
  public:
    Value(const Json &data, std::string where) : data_(&data), where_(std::move(where)) {}

    [[noreturn]] void wrong(const std::string &why) const { throw Wrong{where_, why}; }
    [[nodiscard]] const Json &data() const { return *data_; }
    [[nodiscard]] const std::string &where() const { return where_; }

    [[nodiscard]] std::string text() const
    {
        if (!data_->is_string())
            wrong("not a string");
        return data_->get<std::string>();
    }
    [[nodiscard]] bool boolean() const
    {
        if (!data_->is_boolean())
            wrong("neither true nor false");
        return data_->get<bool>();
    }
    template <class T>
    [[nodiscard]] T number(T lowest = 0, T highest = std::numeric_limits<T>::max()) const
    {
        if (!data_->is_number_unsigned())
            wrong("not a whole number");
        const auto value = data_->get<std::uint64_t>();
        if (value < lowest || value > highest)
            wrong(fmt::format("{} is not in {} .. {}", value, lowest, highest));
        return static_cast<T>(value);
    }
    // For an option of attach, which judges the type. A type that no option has is an empty list.
    [[nodiscard]] OptionValue option() const
    {
        if (data_->is_boolean())
            return data_->get<bool>();
        if (data_->is_number_unsigned())
            return data_->get<std::uint64_t>();
        if (data_->is_string())
            return data_->get<std::string>();
        if (data_->is_array() && data_->size() == 2 && (*data_)[0].is_number_unsigned() &&
            (*data_)[1].is_number_unsigned())
            return data_->get<std::array<std::uint64_t, 2>>();
        return std::vector<std::string>();
    }
    [[nodiscard]] std::vector<Value> items() const
    {
        if (!data_->is_array())
            wrong("not a list");
        std::vector<Value> items;
        for (const Json &item : *data_)
            items.emplace_back(item, fmt::format("{}[{}]", where_, items.size()));
        return items;
    }
    [[nodiscard]] std::vector<std::pair<std::string, Value>> members() const
    {
        if (!data_->is_object())
            wrong("not an object");
        std::vector<std::pair<std::string, Value>> members;
        for (const auto &[key, member] : data_->items())
            members.emplace_back(key, Value(member, where_.empty() ? key : where_ + "." + key));
        return members;
    }

    [[nodiscard]] Ip ip() const { return parsed<Ip>("not an IP address"); }
    [[nodiscard]] Mac mac() const { return parsed<Mac>("not a MAC address"); }
    [[nodiscard]] Prefix prefix() const
    {
        return parsed<Prefix>("not an IP address with a prefix length");
    }
    [[nodiscard]] unsigned mtu() const { return number<unsigned>(68, 65535); }

    // Of a node or a lab; it becomes part of a namespace's name.
    [[nodiscard]] std::string name() const
    {
        const std::string name = text();
        const auto good = [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
        };
        if (name.empty() || name.size() > 32 || name[0] == '-' || !std::ranges::all_of(name, good))
            wrong("not a name of up to 32 of a-z, 0-9 and '-'");
        return name;
    }
    [[nodiscard]] std::string ifname() const
    {
        const std::string name = text();
        if (name.empty() || name.size() >= IFNAMSIZ || name == "." || name == ".." ||
            name.find_first_of(std::string_view("/:% \t\n\v\f\r\0", 10)) != std::string::npos)
            wrong("not an interface name");
        return name;
    }

    template <class Read>
    [[nodiscard]] auto list(Read &&read) const -> std::vector<decltype(read(*this))>
    {
        std::vector<decltype(read(*this))> values;
        for (const Value &item : items())
            values.push_back(read(item));
        return values;
    }

  private:
    template <class T> [[nodiscard]] T parsed(const char *why) const
    {
        const std::optional<T> value = T::parse(text());
        if (!value)
            wrong(why);
        return *value;
    }

    const Json *data_;
    std::string where_;
};

// An object's members, each asked for by its key; the rest are unknown.
class Object {
  public:
    explicit Object(const Value &value) : value_(value)
    {
        for (auto &[key, member] : value.members())
            members_.emplace(key, std::move(member));
    }

    std::optional<Value> take(const std::string &key)
    {
        const auto found = members_.find(key);
        if (found == members_.end())
            return std::nullopt;
        Value value = std::move(found->second);
        members_.erase(found);
        return value;
    }
    Value need(const std::string &key)
    {
        std::optional<Value> value = take(key);
        if (!value)
            value_.wrong("\"" + key + "\" is missing");
        return *value;
    }
    // Leaves `target` alone where the key is absent.
    template <class T, class Read> void take(const std::string &key, T &target, Read &&read)
    {
        if (const std::optional<Value> value = take(key))
            target = read(*value);
    }
    void finish() const
    {
        if (!members_.empty())
            value_.wrong("unknown key \"" + members_.begin()->first + "\"");
    }
    [[noreturn]] void wrong(const std::string &why) const { value_.wrong(why); }

  private:
    Value value_;
    std::map<std::string, Value> members_;
};

std::vector<Prefix> read_prefixes(const Value &value)
{
    return value.list([](const Value &item) { return item.prefix(); });
}

std::vector<Ip> read_ips(const Value &value)
{
    return value.list([](const Value &item) { return item.ip(); });
}

std::vector<std::string> read_ifnames(const Value &value)
{
    return value.list([](const Value &item) { return item.ifname(); });
}

// Each of these is Value's member as a function.
unsigned read_mtu(const Value &value)
{
    return value.mtu();
}
bool read_boolean(const Value &value)
{
    return value.boolean();
}
Ip read_ip(const Value &value)
{
    return value.ip();
}
Mac read_mac(const Value &value)
{
    return value.mac();
}
std::string read_ifname(const Value &value)
{
    return value.ifname();
}
std::string read_name(const Value &value)
{
    return value.name();
}
std::uint16_t read_port(const Value &value)
{
    return value.number<std::uint16_t>(1);
}
std::uint32_t read_vni(const Value &value)
{
    return value.number<std::uint32_t>(1, vni_max);
}

LabRoute read_route(const Value &value)
{
    Object object(value);
    LabRoute route;
    route.to = object.need("to").prefix();
    object.take("via", route.via, read_ip);
    object.take("dev", route.dev, read_ifname);
    object.finish();
    if (!route.via && route.dev.empty())
        object.wrong("neither \"via\" nor \"dev\"");
    return route;
}

std::vector<LabRoute> read_routes(const Value &value)
{
    return value.list(read_route);
}

std::uint16_t read_vlan(const Value &value)
{
    return value.number<std::uint16_t>(1, 4094);
}

std::uint32_t read_number(const Value &value)
{
    return value.number<std::uint32_t>();
}

LabPort read_lab_port(const Value &value)
{
    if (value.data().is_string())
        return {value.ifname(), {}};
    Object object(value);
    LabPort port;
    port.name = object.need("name").ifname();
    object.take("vlan", port.vlan, read_vlan);
    object.finish();
    return port;
}

LabFdbEntry read_fdb_entry(const Value &value)
{
    Object object(value);
    LabFdbEntry entry;
    entry.mac = object.need("mac").mac();
    entry.dst = object.need("dst").ip();
    object.finish();
    return entry;
}

NeighState read_neigh_state(const Value &value)
{
    const std::string text = value.text();
    if (text == "permanent")
        return NeighState::permanent;
    if (text == "reachable")
        return NeighState::reachable;
    value.wrong("neither \"permanent\" nor \"reachable\"");
}

LabNeighbour read_neighbour(const Value &value)
{
    Object object(value);
    LabNeighbour neighbour;
    neighbour.ip = object.need("ip").ip();
    neighbour.mac = object.need("mac").mac();
    object.take("nud", neighbour.state, read_neigh_state);
    object.finish();
    return neighbour;
}

// The options of attach, by the keys of `xvtep show -j`; `devices` are their "dev".
void read_vtep_options(Object &object, AttachRequest &request)
{
    for (const AttachOption &option : attach_options())
        if (option.field != OptionField(&AttachRequest::devices))
            if (const std::optional<Value> value = object.take(option_key(option)))
                if (const auto done = set_option(request, option, value->option()); !done)
                    value->wrong(done.error());
}

LabVtep read_vtep(const Value &value)
{
    Object object(value);
    LabVtep vtep;
    AttachRequest &request = vtep.request;
    request.vni = read_vni(object.need("vni")); // required, as `devices` are
    request.devices = read_ifnames(object.need("devices"));
    if (request.devices.empty())
        object.wrong("\"devices\" is empty");
    read_vtep_options(object, request);
    if (request.name.empty())
        request.name = "xvtep" + std::to_string(request.vni);
    object.take("addresses", vtep.addresses, read_prefixes);
    object.take("routes", vtep.routes, read_routes);
    object.take("ports", vtep.ports, [](const Value &ports) { return ports.list(read_lab_port); });
    object.take("fdb", vtep.fdb, [](const Value &fdb) { return fdb.list(read_fdb_entry); });
    object.take("neigh", vtep.neighbours,
                [](const Value &neighbours) { return neighbours.list(read_neighbour); });
    object.finish();
    return vtep;
}

LabBridge read_bridge(const Value &value)
{
    Object object(value);
    LabBridge bridge;
    bridge.name = object.need("name").ifname();
    object.take("mac", bridge.mac, read_mac);
    object.take("mtu", bridge.mtu, read_mtu);
    object.finish();
    return bridge;
}

LabContainer read_container(const Value &value)
{
    Object object(value);
    LabContainer container;
    container.name = object.need("name").name();
    container.host_device = object.need("host_device").ifname();
    object.take("device", container.device, read_ifname);
    object.take("bridge", container.bridge, read_ifname);
    object.take("trunk", container.trunk, read_ifname);
    object.take("vlan", container.vlan, read_vlan);
    if (container.trunk.empty() != (container.vlan == 0) ||
        (!container.trunk.empty() && !container.bridge.empty()))
        object.wrong("\"trunk\" and \"vlan\" go together, and without \"bridge\"");
    object.take("mtu", container.mtu, read_mtu);
    object.take("mac", container.mac, read_mac);
    object.take("addresses", container.addresses, read_prefixes);
    object.take("gateways", container.gateways, read_ips);
    object.finish();
    return container;
}

std::pair<std::string, std::string> read_sysctl(const std::pair<std::string, Value> &member)
{
    const auto &[key, value] = member;
    // Anything else might be the whole machine's.
    if ((!key.starts_with("net/ipv4/") && !key.starts_with("net/ipv6/")) || key.contains(".."))
        value.wrong("not a key under net/ipv4/ or net/ipv6/");
    return {key, value.text()};
}

LabDirectory read_directory(const Value &value)
{
    if (value.data().is_string()) {
        if (value.text() != "file")
            value.wrong("neither \"file\" nor an object");
        return {};
    }
    Object object(value);
    LabDirectory directory;
    directory.host = object.need("etcd").name();
    directory.address = object.need("address").ip();
    object.take("port", directory.port, read_port);
    object.finish();
    return directory;
}

LabHost read_host(const Value &value)
{
    Object object(value);
    LabHost host;
    host.name = object.need("name").name();
    if (const auto sysctls = object.take("sysctls"))
        for (const auto &member : sysctls->members())
            host.sysctls.push_back(read_sysctl(member));
    if (const auto addresses = object.take("addresses"))
        for (const auto &[device, prefixes] : addresses->members())
            host.addresses[device] = read_prefixes(prefixes);
    object.take("bridges", host.bridges,
                [](const Value &bridges) { return bridges.list(read_bridge); });
    object.take("containers", host.containers,
                [](const Value &containers) { return containers.list(read_container); });
    object.take("routes", host.routes, read_routes);
    object.take("vteps", host.vteps, [](const Value &vteps) { return vteps.list(read_vtep); });
    object.take("agent", host.agent, read_boolean);
    object.finish();
    return host;
}

LabWireEnd read_wire_end(const Value &value)
{
    const std::string text = value.text();
    const std::size_t colon = text.find(':');
    if (colon == std::string::npos)
        return {value.name(), ""};
    const Json node = text.substr(0, colon), device = text.substr(colon + 1);
    return {Value(node, value.where()).name(), Value(device, value.where()).ifname()};
}

LabWire read_wire(const Value &value)
{
    Object object(value);
    LabWire wire;
    const Value ends = object.need("ends");
    const std::vector<LabWireEnd> both = ends.list(read_wire_end);
    if (both.size() != 2 || both[0].node == both[1].node)
        ends.wrong("not a list of two different nodes' ends");
    wire.ends = {both[0], both[1]};
    object.take("mtu", wire.mtu, read_mtu);
    object.finish();
    return wire;
}

LabDevice read_device(const Value &value)
{
    const LabWireEnd end = read_wire_end(value);
    if (end.device.empty())
        value.wrong("not NODE:DEVICE");
    return {end.node, end.device};
}

LabPair read_pair(Object &object)
{
    LabPair pair;
    pair.from = object.need("from").name();
    pair.to = object.need("to").name();
    object.take("addresses", pair.addresses, read_ips);
    object.take("both_ways", pair.both_ways, read_boolean);
    if (pair.both_ways && !pair.addresses.empty())
        object.wrong("\"addresses\" go one way only: \"both_ways\" must be false");
    return pair;
}

PingCheck read_ping(Object &object)
{
    PingCheck check;
    check.pair = read_pair(object);
    object.take("count", check.count,
                [](const Value &count) { return count.number<unsigned>(1, 1000); });
    object.take("size", check.size,
                [](const Value &size) { return size.number<unsigned>(8, 65000); });
    object.take("ttl", check.ttl, [](const Value &ttl) { return ttl.number<unsigned>(1, 255); });
    return check;
}

TcpCheck read_tcp(Object &object)
{
    TcpCheck check;
    check.pair = read_pair(object);
    object.take("bytes", check.bytes,
                [](const Value &bytes) { return bytes.number<std::size_t>(1, 1u << 30); });
    return check;
}

MtuCheck read_mtu_check(Object &object)
{
    MtuCheck check;
    check.device = read_device(object.need("device"));
    object.take("mtu", check.mtu, read_mtu);
    object.take("below", check.below, read_ifname);
    if (check.mtu.has_value() == !check.below.empty())
        object.wrong("needs either \"mtu\" or \"below\"");
    return check;
}

RouteCheck read_route_check(Object &object)
{
    RouteCheck check;
    check.node = object.need("node").name();
    check.route.to = object.need("to").prefix();
    check.route.dev = object.need("dev").ifname();
    object.take("via", check.route.via, read_ip);
    return check;
}

FdbCheck read_fdb(Object &object)
{
    FdbCheck check;
    check.device = read_device(object.need("device"));
    object.take("mac", check.mac, read_mac);
    object.take("mac_of", check.mac_of, read_device);
    check.dst = object.need("dst").ip();
    object.take("via", check.via, read_ifname);
    object.take("learned", check.learned, read_boolean);
    if (check.mac.has_value() == check.mac_of.has_value())
        object.wrong("needs either \"mac\" or \"mac_of\"");
    return check;
}

CaptureCheck read_capture(Object &object)
{
    CaptureCheck check;
    check.device = read_device(object.need("device"));
    check.from = object.need("from").name();
    check.to = object.need("to").ip();
    object.take("absent", check.absent, read_boolean);
    object.take("vni", check.vni, read_vni);
    object.take("dstport", check.dstport, read_port);
    object.take("df", check.df, read_boolean);
    object.take("inner_source", check.inner_source, read_device);
    object.take("inner_destination", check.inner_destination, read_device);
    object.take("outer_source", check.outer_source, read_device);
    object.take("outer_destination", check.outer_destination, read_device);
    return check;
}

BridgeCheck read_bridge_check(Object &object)
{
    BridgeCheck check;
    check.host = object.need("host").name();
    check.bridge = object.need("bridge").ifname();
    return check;
}

CountedCheck read_counted(Object &object)
{
    return {read_device(object.need("device"))};
}

std::vector<LabDevice> read_devices(const Value &value)
{
    return value.list(read_device);
}

// Under `key`, or of the device under `key`_of.
LabMac read_lab_mac(Object &object, const std::string &key)
{
    LabMac mac;
    const std::optional<Value> literal = object.take(key);
    object.take(key + "_of", mac.device, read_device);
    if (literal.has_value() == mac.device.has_value())
        object.wrong("needs either \"" + key + "\" or \"" + key + "_of\"");
    if (literal)
        mac.mac = literal->mac();
    return mac;
}

unsigned read_within(Object &object)
{
    return object.need("within").number<unsigned>(1, 120);
}

GroupCheck read_group(Object &object)
{
    GroupCheck check;
    check.device = read_device(object.need("device"));
    const Value group = object.need("group");
    check.group = group.ip();
    if (!check.group.is_multicast())
        group.wrong("not a multicast address");
    return check;
}

FrameCheck read_frame(Object &object)
{
    FrameCheck check;
    check.from = read_device(object.need("from"));
    check.to = read_lab_mac(object, "to");
    object.take("vlan", check.vlan, read_vlan);
    object.take("wire", check.wire, read_device);
    object.take("vteps", check.vteps, read_ips);
    if (!check.vteps.empty() && !check.wire)
        object.wrong("\"vteps\" needs \"wire\"");
    check.reaches = read_devices(object.need("reaches"));
    object.take("tagged", check.tagged, read_device);
    object.take("tag", check.tag, read_vlan);
    if (check.tagged.has_value() != (check.tag != 0))
        object.wrong("\"tagged\" and \"tag\" go together");
    object.take("counted", check.counted, read_device);
    object.take("reason", check.reason, [](const Value &reason) { return reason.text(); });
    if (check.counted.has_value() == check.reason.empty())
        object.wrong("\"counted\" and \"reason\" go together");
    return check;
}

ArpCheck read_arp(Object &object)
{
    ArpCheck check;
    check.from = read_device(object.need("from"));
    const Value to = object.need("to");
    check.to = to.ip();
    if (!check.to.is_v4())
        to.wrong("not an IPv4 address");
    check.answer = read_device(object.need("mac_of"));
    check.wire = read_device(object.need("wire"));
    check.vteps = read_ips(object.need("vteps"));
    return check;
}

AgeingCheck read_ageing(Object &object)
{
    AgeingCheck check;
    check.device = read_device(object.need("device"));
    object.take("ageing", check.ageing, read_number);
    object.take("hard_ageing", check.hard_ageing, read_number);
    if (!check.ageing && !check.hard_ageing)
        object.wrong("needs \"ageing\" or \"hard_ageing\"");
    return check;
}

FdbExpiresCheck read_fdb_expires(Object &object)
{
    FdbExpiresCheck check;
    check.device = read_device(object.need("device"));
    check.mac = read_lab_mac(object, "mac");
    check.within = read_within(object);
    return check;
}

NeighExpiresCheck read_neigh_expires(Object &object)
{
    NeighExpiresCheck check;
    check.device = read_device(object.need("device"));
    check.ip = object.need("ip").ip();
    check.within = read_within(object);
    return check;
}

FdbAddStep read_fdb_add(Object &object)
{
    FdbAddStep step;
    step.device = read_device(object.need("device"));
    step.mac = read_lab_mac(object, "mac");
    step.dst = object.need("dst").ip();
    return step;
}

NeighReplaceStep read_neigh_replace(Object &object)
{
    NeighReplaceStep step;
    step.device = read_device(object.need("device"));
    step.ip = object.need("ip").ip();
    step.mac = read_lab_mac(object, "mac");
    object.take("nud", step.state, read_neigh_state);
    return step;
}

MissCheck read_miss(Object &object)
{
    MissCheck check;
    check.device = read_device(object.need("device"));
    check.from = object.need("from").name();
    check.to = object.need("to").ip();
    object.take("ip", check.ip, read_ip);
    if (!check.ip)
        check.mac = read_lab_mac(object, "mac");
    return check;
}

NoPingCheck read_no_ping(Object &object)
{
    NoPingCheck check;
    check.from = object.need("from").name();
    check.to = object.need("to").ip();
    return check;
}

std::array<std::string, 2> read_two(const Value &value)
{
    const std::vector<std::string> both = value.list(read_name);
    if (both.size() != 2 || both[0] == both[1])
        value.wrong("not a list of two containers");
    return {both[0], both[1]};
}

unsigned read_milliseconds(Object &object)
{
    return object.need("within_ms").number<unsigned>(1, 60000);
}

FirstPingCheck read_first_ping(Object &object)
{
    FirstPingCheck check;
    check.from = object.need("from").name();
    check.to = object.need("to").name();
    check.within = read_milliseconds(object);
    return check;
}

OnlyTalkersCheck read_only_talkers(Object &object)
{
    return {object.need("pairs").list(read_two)};
}

MoveCheck read_move(Object &object)
{
    MoveCheck check;
    check.container = object.need("container").name();
    check.to = object.need("to").name();
    check.from = object.need("from").name();
    check.within = read_milliseconds(object);
    return check;
}

OutageCheck read_outage(Object &object, bool of_agent)
{
    OutageCheck check;
    if (of_agent)
        check.host = object.need("host").name();
    check.steady = read_two(object.need("steady"));
    check.fresh = read_two(object.need("fresh"));
    check.within = read_milliseconds(object);
    return check;
}

LabCheckDescription read_check(const Value &value)
{
    Object object(value);
    const Value type = object.need("type");
    const std::string name = type.text();
    LabCheckDescription check;
    if (name == "ping")
        check = read_ping(object);
    else if (name == "tcp")
        check = read_tcp(object);
    else if (name == "mtu")
        check = read_mtu_check(object);
    else if (name == "route")
        check = read_route_check(object);
    else if (name == "fdb")
        check = read_fdb(object);
    else if (name == "capture")
        check = read_capture(object);
    else if (name == "bridge-untouched")
        check = read_bridge_check(object);
    else if (name == "counted")
        check = read_counted(object);
    else if (name == "group-member")
        check = read_group(object);
    else if (name == "frame")
        check = read_frame(object);
    else if (name == "arp")
        check = read_arp(object);
    else if (name == "ageing")
        check = read_ageing(object);
    else if (name == "nothing-learned")
        check = NothingLearnedCheck{read_device(object.need("device"))};
    else if (name == "fdb-expires")
        check = read_fdb_expires(object);
    else if (name == "neigh-expires")
        check = read_neigh_expires(object);
    else if (name == "fdb-add")
        check = read_fdb_add(object);
    else if (name == "neigh-replace")
        check = read_neigh_replace(object);
    else if (name == "fdb-flush")
        check = FdbFlushStep{read_device(object.need("device"))};
    else if (name == "neigh-flush")
        check = NeighFlushStep{read_device(object.need("device"))};
    else if (name == "expect-miss")
        check = read_miss(object);
    else if (name == "expect-no-ping")
        check = read_no_ping(object);
    else if (name == "nothing-preloaded")
        check = NothingPreloadedCheck{};
    else if (name == "first-ping")
        check = read_first_ping(object);
    else if (name == "only-talkers")
        check = read_only_talkers(object);
    else if (name == "no-requests-cross")
        check = NoRequestsCheck{object.need("node").name()};
    else if (name == "move")
        check = read_move(object);
    else if (name == "agent-outage")
        check = read_outage(object, true);
    else if (name == "directory-outage")
        check = read_outage(object, false);
    else
        type.wrong("no check is called \"" + name + "\"");
    object.finish();
    return check;
}

// Whether the names in a description mean something.
class Names {
  public:
    explicit Names(const LabDescription &lab)
    {
        for (const std::string &name : lab.switches)
            add_node(name, "switches");
        for (const LabHost &host : lab.hosts) {
            add_node(host.name, "hosts");
            for (const LabContainer &container : host.containers) {
                add_node(container.name, host.name);
                add_device({container.name, container.device});
                add_device({host.name, container.host_device});
            }
            for (const LabBridge &bridge : host.bridges)
                add_device({host.name, bridge.name});
        }
        for (const LabWire &wire : lab.wires)
            add_wire(lab, wire);
        for (const LabHost &host : lab.hosts)
            check_host(host);
        check_directory(lab);
        for (const LabCheckDescription &check : lab.checks)
            std::visit([&](const auto &known) { check_names(lab, known); }, check);
    }

  private:
    [[noreturn]] static void wrong(const std::string &where, const std::string &why)
    {
        throw Wrong{where, why};
    }
    void add_node(const std::string &name, const std::string &where)
    {
        if (!devices_.try_emplace(name).second)
            wrong(where, "\"" + name + "\" is there twice");
    }
    void add_device(const LabDevice &device)
    {
        if (device.device == "lo" || !devices_[device.node].insert(device.device).second)
            wrong(device.node, "device \"" + device.device + "\" is there twice");
    }
    void add_wire(const LabDescription &lab, const LabWire &wire)
    {
        for (const LabWireEnd &end : wire.ends) {
            if (end.device.empty()) {
                if (std::ranges::find(lab.switches, end.node) == lab.switches.end())
                    wrong("wires", "no switch \"" + end.node + "\"");
            } else {
                if (!lab.host(end.node))
                    wrong("wires", "no host \"" + end.node + "\"");
                add_device({end.node, end.device});
            }
        }
    }
    void check_node(const std::string &node, const std::string &where) const
    {
        if (!devices_.contains(node))
            wrong(where, "no host or container \"" + node + "\"");
    }
    void check_device(const LabDevice &device, const std::string &where) const
    {
        check_node(device.node, where);
        if (!devices_.at(device.node).contains(device.device))
            wrong(where, "no device \"" + device.device + "\" in \"" + device.node + "\"");
    }
    void check_device(const std::optional<LabDevice> &device, const std::string &where) const
    {
        if (device)
            check_device(*device, where);
    }

    void check_host(const LabHost &host)
    {
        std::set<std::string> made = devices_[host.name];
        made.insert("lo");
        const auto check = [&](const std::string &device, const std::string &where) {
            if (!made.contains(device))
                wrong(host.name + "." + where, "no device \"" + device + "\"");
        };
        for (const auto &[device, prefixes] : host.addresses)
            check(device, "addresses");
        for (const LabRoute &route : host.routes)
            if (!route.dev.empty())
                check(route.dev, "routes");
        for (const LabContainer &container : host.containers) {
            if (!container.bridge.empty() &&
                std::ranges::find(host.bridges, container.bridge, &LabBridge::name) ==
                    host.bridges.end())
                wrong(container.name, "no bridge \"" + container.bridge + "\"");
            if (!container.trunk.empty() && !made.contains(container.trunk))
                wrong(container.name, "no device \"" + container.trunk + "\"");
        }
        for (const LabVtep &vtep : host.vteps) {
            for (const std::string &device : vtep.request.devices)
                check(device, "vteps");
            for (const LabPort &port : vtep.ports)
                check(port.name, "vteps");
            for (const LabRoute &route : vtep.routes)
                if (!route.dev.empty() && route.dev != vtep.request.name)
                    check(route.dev, "vteps");
            add_device({host.name, vtep.request.name});
        }
    }

    static void check_directory(const LabDescription &lab)
    {
        if (lab.has_agents() != lab.directory.has_value())
            wrong("directory", "\"directory\" and hosts' \"agent\" go together");
        if (!lab.directory || lab.directory->host.empty())
            return;
        const LabHost *const host = lab.host(lab.directory->host);
        if (!host)
            wrong("directory", "no host \"" + lab.directory->host + "\"");
        for (const auto &[device, prefixes] : host->addresses)
            for (const Prefix &prefix : prefixes)
                if (prefix.address == lab.directory->address)
                    return;
        wrong("directory",
              "\"" + host->name + "\" has no address " + lab.directory->address.text());
    }

    static void check_vtep(const LabDescription &lab, const LabDevice &device)
    {
        const LabHost *const host = lab.host(device.node);
        const auto is_it = [&](const LabVtep &vtep) { return vtep.request.name == device.device; };
        if (!host || std::ranges::none_of(host->vteps, is_it))
            wrong("checks", "no VTEP \"" + device.text() + "\"");
    }
    void check_pair(const LabDescription &lab, const LabPair &pair) const
    {
        check_node(pair.from, "checks");
        check_node(pair.to, "checks");
        if (pair.addresses.empty() && lab.overlay_addresses(pair.to).empty())
            wrong("checks", "\"" + pair.to + "\" has no overlay address");
        if (pair.both_ways && lab.overlay_addresses(pair.from).empty())
            wrong("checks", "\"" + pair.from + "\" has no overlay address");
    }
    void check_names(const LabDescription &lab, const PingCheck &check) const
    {
        check_pair(lab, check.pair);
    }
    void check_names(const LabDescription &lab, const TcpCheck &check) const
    {
        check_pair(lab, check.pair);
    }
    void check_names(const LabDescription &, const MtuCheck &check) const
    {
        check_device(check.device, "checks");
        if (!check.below.empty())
            check_device(LabDevice{check.device.node, check.below}, "checks");
    }
    void check_names(const LabDescription &, const RouteCheck &check) const
    {
        check_device(LabDevice{check.node, check.route.dev}, "checks");
    }
    void check_names(const LabDescription &lab, const FdbCheck &check) const
    {
        check_vtep(lab, check.device);
        check_device(check.mac_of, "checks");
    }
    void check_names(const LabDescription &, const CaptureCheck &check) const
    {
        check_device(check.device, "checks");
        check_node(check.from, "checks");
        check_device(check.inner_source, "checks");
        check_device(check.inner_destination, "checks");
        check_device(check.outer_source, "checks");
        check_device(check.outer_destination, "checks");
    }
    void check_names(const LabDescription &lab, const BridgeCheck &check) const
    {
        if (!lab.host(check.host))
            wrong("checks", "no host \"" + check.host + "\"");
        check_device(LabDevice{check.host, check.bridge}, "checks");
    }
    void check_names(const LabDescription &lab, const CountedCheck &check) const
    {
        check_vtep(lab, check.device);
    }

    void check_names(const LabDescription &lab, const GroupCheck &check) const
    {
        check_device(check.device, "checks");
        const LabHost *const host = lab.host(check.device.node);
        const auto is_on_it = [&](const LabVtep &vtep) {
            return vtep.request.group == check.group &&
                   std::ranges::find(vtep.request.devices, check.device.device) !=
                       vtep.request.devices.end();
        };
        if (!host || std::ranges::none_of(host->vteps, is_on_it))
            wrong("checks", "no VTEP of " + check.group.text() + " on " + check.device.text());
    }
    void check_names(const LabDescription &, const FrameCheck &check) const
    {
        check_device(check.from, "checks");
        check_device(check.to.device, "checks");
        check_device(check.wire, "checks");
        for (const LabDevice &device : check.reaches)
            check_device(device, "checks");
        check_device(check.tagged, "checks");
        check_device(check.counted, "checks");
    }
    void check_names(const LabDescription &, const ArpCheck &check) const
    {
        check_device(check.from, "checks");
        check_device(check.answer, "checks");
        check_device(check.wire, "checks");
    }
    void check_names(const LabDescription &lab, const AgeingCheck &check) const
    {
        check_vtep(lab, check.device);
    }
    void check_names(const LabDescription &lab, const NothingLearnedCheck &check) const
    {
        check_vtep(lab, check.device);
    }
    void check_names(const LabDescription &lab, const FdbExpiresCheck &check) const
    {
        check_vtep(lab, check.device);
        check_device(check.mac.device, "checks");
    }
    void check_names(const LabDescription &lab, const NeighExpiresCheck &check) const
    {
        check_vtep(lab, check.device);
    }
    void check_names(const LabDescription &lab, const FdbAddStep &step) const
    {
        check_vtep(lab, step.device);
        check_device(step.mac.device, "checks");
    }
    void check_names(const LabDescription &lab, const NeighReplaceStep &step) const
    {
        check_vtep(lab, step.device);
        check_device(step.mac.device, "checks");
    }
    void check_names(const LabDescription &lab, const FdbFlushStep &step) const
    {
        check_vtep(lab, step.device);
    }
    void check_names(const LabDescription &, const NeighFlushStep &step) const
    {
        check_device(step.device, "checks");
    }
    void check_names(const LabDescription &lab, const MissCheck &check) const
    {
        check_vtep(lab, check.device);
        check_node(check.from, "checks");
        check_device(check.mac.device, "checks");
    }
    void check_names(const LabDescription &, const NoPingCheck &check) const
    {
        check_node(check.from, "checks");
    }

    static void check_container(const LabDescription &lab, const std::string &name)
    {
        if (!lab.container(name))
            wrong("checks", "no container \"" + name + "\"");
        if (lab.overlay_addresses(name).empty())
            wrong("checks", "\"" + name + "\" has no overlay address");
    }
    static void check_agent(const LabDescription &lab, const std::string &name)
    {
        const LabHost *const host = lab.host(name);
        if (!host || !host->agent)
            wrong("checks", "no agent on \"" + name + "\"");
    }
    static void check_names(const LabDescription &, const NothingPreloadedCheck &) {}
    static void check_names(const LabDescription &lab, const FirstPingCheck &check)
    {
        check_container(lab, check.from);
        check_container(lab, check.to);
    }
    static void check_names(const LabDescription &lab, const OnlyTalkersCheck &check)
    {
        for (const auto &pair : check.pairs)
            for (const std::string &name : pair)
                check_container(lab, name);
    }
    static void check_names(const LabDescription &lab, const NoRequestsCheck &check)
    {
        if (std::ranges::find(lab.switches, check.node) == lab.switches.end())
            wrong("checks", "no switch \"" + check.node + "\"");
    }
    static void check_names(const LabDescription &lab, const MoveCheck &check)
    {
        check_container(lab, check.container);
        check_container(lab, check.from);
        check_agent(lab, check.to);
        const LabContainer &container = *lab.container(check.container);
        const LabHost &to = *lab.host(check.to);
        if (!container.mac)
            wrong("checks", "\"" + check.container + "\" has no \"mac\" to keep");
        if (&to == lab.host_of(check.container))
            wrong("checks", "\"" + check.container + "\" is on \"" + check.to + "\" already");
        if (std::ranges::find(to.bridges, container.bridge, &LabBridge::name) == to.bridges.end())
            wrong("checks", "no bridge \"" + container.bridge + "\" on \"" + check.to + "\"");
        if (std::ranges::find(to.containers, container.host_device, &LabContainer::host_device) !=
            to.containers.end())
            wrong("checks",
                  "\"" + container.host_device + "\" is another's on \"" + check.to + "\"");
    }
    static void check_names(const LabDescription &lab, const OutageCheck &check)
    {
        if (!check.host.empty())
            check_agent(lab, check.host);
        else if (!lab.directory || lab.directory->host.empty())
            wrong("checks", "no directory that could be killed");
        for (const auto *pair : {&check.steady, &check.fresh})
            for (const std::string &name : *pair)
                check_container(lab, name);
    }

    std::map<std::string, std::set<std::string>> devices_; // by node
};

LabDescription read_lab(const Value &value)
{
    Object object(value);
    LabDescription lab;
    lab.name = object.need("name").name();
    object.take("description", lab.summary, [](const Value &text) { return text.text(); });
    object.take("switches", lab.switches,
                [](const Value &switches) { return switches.list(read_name); });
    lab.hosts = object.need("hosts").list(read_host);
    object.take("wires", lab.wires, [](const Value &wires) { return wires.list(read_wire); });
    object.take("directory", lab.directory, read_directory);
    object.take("checks", lab.checks, [](const Value &checks) { return checks.list(read_check); });
    object.finish();
    if (lab.hosts.empty())
        object.wrong("\"hosts\" is empty");
    Names{lab};
    return lab;
}

} // namespace

std::vector<std::string> LabDescription::nodes() const
{
    std::vector<std::string> names = switches;
    for (const LabHost &host : hosts) {
        names.push_back(host.name);
        for (const LabContainer &container : host.containers)
            names.push_back(container.name);
    }
    return names;
}

const LabHost *LabDescription::host(std::string_view host_name) const
{
    const auto found = std::ranges::find(hosts, host_name, &LabHost::name);
    return found == hosts.end() ? nullptr : &*found;
}

const LabContainer *LabDescription::container(std::string_view container_name) const
{
    for (const LabHost &known : hosts)
        for (const LabContainer &container : known.containers)
            if (container.name == container_name)
                return &container;
    return nullptr;
}

const LabHost *LabDescription::host_of(std::string_view container_name) const
{
    const auto found = std::ranges::find_if(hosts, [&](const LabHost &known) {
        return std::ranges::find(known.containers, container_name, &LabContainer::name) !=
               known.containers.end();
    });
    return found == hosts.end() ? nullptr : &*found;
}

bool LabDescription::has_agents() const
{
    return std::ranges::any_of(hosts, &LabHost::agent);
}

std::vector<Ip> LabDescription::overlay_addresses(std::string_view node) const
{
    std::vector<Ip> found;
    const auto add = [&](const std::vector<Prefix> &prefixes) {
        for (const Prefix &prefix : prefixes)
            found.push_back(prefix.address);
    };
    for (const LabHost &host : hosts) {
        if (host.name == node)
            for (const LabVtep &vtep : host.vteps)
                add(vtep.addresses);
        for (const LabContainer &container : host.containers)
            if (container.name == node)
                add(container.addresses);
    }
    return found;
}

Result<LabDescription> parse_lab(std::string_view text, const std::string &source)
{
    try {
        const Json json = Json::parse(text);
        return read_lab(Value(json, ""));
    } catch (const Wrong &wrong) {
        return usage_failure(operation, source,
                             wrong.where.empty() ? wrong.why : wrong.where + ": " + wrong.why);
    } catch (const Json::parse_error &error) {
        return usage_failure(operation, source, fmt::format("not JSON at byte {}", error.byte));
    } catch (const Json::exception &) {
        return usage_failure(operation, source, "not a description of a lab");
    }
}

Result<std::string> find_lab(const std::string &name_or_file)
{
    for (const std::string_view text : builtin_labs())
        if (const auto lab = parse_lab(text, name_or_file); lab && lab->name == name_or_file)
            return std::string(text);

    errno = 0;
    std::ifstream file(name_or_file, std::ios::binary);
    if (!file && !name_or_file.contains('/') && !name_or_file.ends_with(".json"))
        return usage_failure(operation, name_or_file, "neither a built-in lab nor a file");
    if (!file)
        return errno_failure(operation, name_or_file, errno != 0 ? errno : ENOENT);
    std::string text(largest_file + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (file.bad())
        return errno_failure(operation, name_or_file, errno != 0 ? errno : EIO);
    if (file.gcount() == 0)
        return usage_failure(operation, name_or_file, "it is empty");
    text.resize(static_cast<std::size_t>(file.gcount()));
    if (text.size() > largest_file)
        return usage_failure(operation, name_or_file, "larger than 1 MiB");
    return text;
}

} // namespace xvtep
