// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/description.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "user/lab/capture.h"
#include "user/lab/check.h"
#include "user/lab/json_reader.h"
#include "user/lab/labs.h"
#include "user/lab/picture.h"

namespace xvtep {
namespace {

constexpr std::string_view two_hosts = R"({
  "name": "two", "description": "two hosts",
  "switches": ["lan"],
  "wires": [{"ends": ["a:eth0", "lan"], "mtu": 9000}, {"ends": ["b:eth0", "lan"]}],
  "hosts": [
    {"name": "a", "sysctls": {"net/ipv4/ip_forward": "1"},
     "addresses": {"eth0": ["192.0.2.1/24"]},
     "routes": [{"to": "198.51.100.0/24", "via": "192.0.2.2"}],
     "bridges": [{"name": "br0", "mtu": 1400, "mac": "02:00:00:00:00:01"}],
     "containers": [{"name": "c", "host_device": "veth0", "bridge": "br0", "mtu": 1400,
                     "addresses": ["10.0.0.1/24", "fd00::1/64"], "gateways": ["10.0.0.254"]}],
     "vteps": [{"vni": 5, "devices": ["eth0"], "remote": "192.0.2.2", "local": "192.0.2.1",
                "dstport": 8472, "srcport": [50000, 50010], "ttl": "inherit", "tos": 8,
                "df": "set", "learning": false, "ageing": 30, "bridge": "br0", "mtu": 1400,
                "mac": "02:00:00:00:00:02", "mode": "tc", "ports": ["veth0"]}]},
    {"name": "b", "vteps": [{"name": "vx", "vni": 5, "devices": ["eth0"],
                             "addresses": ["10.0.0.2/24"]}]}
  ],
  "checks": [{"type": "ping", "from": "c", "to": "b", "count": 5, "ttl": 64},
             {"type": "fdb", "device": "b:vx", "mac_of": "c:eth0", "dst": "192.0.2.1",
              "learned": true}]
})";

std::string replaced(std::string_view what, std::string_view with)
{
    std::string text(two_hosts);
    const std::size_t at = text.find(what);
    EXPECT_NE(at, std::string::npos) << what;
    if (at != std::string::npos)
        text.replace(at, what.size(), with);
    return text;
}

void expect_refusal(std::string_view what, std::string_view with, const std::string &message)
{
    const auto lab = parse_lab(replaced(what, with), "two.json");
    ASSERT_FALSE(lab) << with;
    EXPECT_EQ(lab.error().kind, ErrorKind::usage);
    EXPECT_EQ(lab.error().message(), "read lab two.json: " + message);
}

TEST(LabDescription, NamesTheDirectory)
{
    const std::string_view switches = R"("switches": ["lan"])";
    expect_refusal(switches, R"("switches": ["lan"], "directory": "file")",
                   "directory: \"directory\" and hosts' \"agent\" go together");
    expect_refusal(R"("name": "b", )", R"("name": "b", "agent": true, )",
                   "directory: \"directory\" and hosts' \"agent\" go together");
    expect_refusal(switches, R"("switches": ["lan"], "directory": "etcd")",
                   "directory: neither \"file\" nor an object");
}

TEST(LabDescription, IsRead)
{
    const auto lab = parse_lab(two_hosts, "two.json");
    ASSERT_TRUE(lab) << lab.error().message();
    EXPECT_EQ(lab->name, "two");
    EXPECT_EQ(lab->nodes(), (std::vector<std::string>{"lan", "a", "c", "b"}));
    ASSERT_EQ(lab->wires.size(), 2u);
    EXPECT_EQ(lab->wires[0].mtu, 9000u);
    EXPECT_EQ(lab->wires[0].ends[0].device, "eth0");
    EXPECT_EQ(lab->wires[0].ends[1].device, "");
    EXPECT_FALSE(lab->wires[1].mtu);

    const LabHost &a = lab->hosts[0];
    EXPECT_EQ(a.sysctls[0].first, "net/ipv4/ip_forward");
    EXPECT_EQ(a.addresses.at("eth0"), std::vector{*Prefix::parse("192.0.2.1/24")});
    EXPECT_EQ(a.routes[0].via, Ip::parse("192.0.2.2"));
    EXPECT_EQ(a.bridges[0].mtu, 1400u);
    EXPECT_EQ(a.containers[0].device, "eth0");
    EXPECT_EQ(a.containers[0].gateways, std::vector{*Ip::parse("10.0.0.254")});

    const AttachRequest &request = a.vteps[0].request;
    EXPECT_EQ(request.name, "xvtep5");
    EXPECT_EQ(request.vni, 5u);
    EXPECT_EQ(request.remote, Ip::parse("192.0.2.2"));
    EXPECT_EQ(request.dstport, 8472);
    EXPECT_EQ(request.srcport_min, 50000);
    EXPECT_EQ(request.srcport_max, 50010);
    EXPECT_TRUE(request.ttl.inherit);
    EXPECT_EQ(request.tos.value, 8);
    EXPECT_EQ(request.df, Df::set);
    EXPECT_FALSE(request.learning);
    EXPECT_EQ(request.ageing, 30u);
    EXPECT_EQ(request.bridge, "br0");
    EXPECT_EQ(request.mode, Mode::tc);
    EXPECT_EQ(a.vteps[0].ports, (std::vector{LabPort{"veth0", {}}}));
    // What is not said is as attach has it.
    EXPECT_EQ(lab->hosts[1].vteps[0].request.dstport, 4789);
    EXPECT_TRUE(lab->hosts[1].vteps[0].request.learning);

    EXPECT_EQ(lab->overlay_addresses("c").size(), 2u);
    EXPECT_EQ(lab->overlay_addresses("b"), std::vector{*Ip::parse("10.0.0.2")});
    EXPECT_TRUE(lab->overlay_addresses("a").empty());
    EXPECT_EQ(lab->checks.size(), 2u);
}

constexpr std::string_view tables = R"({
  "name": "tables", "switches": ["lan"],
  "wires": [{"ends": ["a:eth0", "lan"]}, {"ends": ["b:eth0", "lan"]},
            {"ends": ["a:tun", "i:int"]}],
  "hosts": [
    {"name": "a",
     "vteps": [{"name": "vx", "vni": 5, "devices": ["eth0"], "group": "239.1.1.1",
                "proxy": true, "rsc": true, "l2miss": true, "l3miss": true, "gbp": true,
                "maxaddress": 7, "hard_ageing": 300, "reachable_time": 4, "accept": "known",
                "reserved_bits": 255,
                "ports": [{"name": "tun", "vlan": 9}],
                "fdb": [{"mac": "00:00:00:00:00:00", "dst": "192.0.2.2"}],
                "neigh": [{"ip": "10.0.0.2", "mac": "02:00:00:00:00:02"},
                          {"ip": "10.0.0.3", "mac": "02:00:00:00:00:03", "nud": "reachable"}]}]},
    {"name": "i", "containers": [{"name": "c", "host_device": "veth0", "trunk": "int",
                                  "vlan": 9}]},
    {"name": "b", "vteps": [{"name": "vx", "vni": 5, "devices": ["eth0"]}]}
  ],
  "checks": [
    {"type": "group-member", "device": "a:eth0", "group": "239.1.1.1"},
    {"type": "frame", "from": "c:eth0", "to_of": "b:vx", "vlan": 3, "wire": "a:eth0",
     "vteps": ["192.0.2.2"], "reaches": ["b:vx"], "tagged": "i:int", "tag": 9,
     "counted": "a:tun", "reason": "unknown_vlan"},
    {"type": "arp", "from": "c:eth0", "to": "10.0.0.2", "mac_of": "b:vx", "wire": "a:eth0",
     "vteps": []},
    {"type": "ageing", "device": "a:vx", "hard_ageing": 300},
    {"type": "nothing-learned", "device": "a:vx"},
    {"type": "fdb-expires", "device": "a:vx", "mac": "02:00:00:00:00:02", "within": 15},
    {"type": "neigh-expires", "device": "a:vx", "ip": "10.0.0.2", "within": 15},
    {"type": "fdb-add", "device": "a:vx", "mac_of": "b:vx", "dst": "192.0.2.2"},
    {"type": "neigh-replace", "device": "a:vx", "ip": "10.0.0.2", "mac_of": "b:vx",
     "nud": "reachable"},
    {"type": "fdb-flush", "device": "a:vx"},
    {"type": "neigh-flush", "device": "c:eth0"},
    {"type": "expect-miss", "device": "a:vx", "from": "c", "to": "10.0.0.2", "ip": "10.0.0.2"},
    {"type": "expect-miss", "device": "a:vx", "from": "c", "to": "10.0.0.2",
     "mac": "02:00:00:00:00:09"},
    {"type": "expect-no-ping", "from": "c", "to": "10.0.0.2"}]
})";

TEST(LabDescription, HasTablesTrunksAndSteps)
{
    const auto lab = parse_lab(tables, "tables.json");
    ASSERT_TRUE(lab) << lab.error().message();
    const LabVtep &vtep = lab->hosts[0].vteps[0];
    EXPECT_TRUE(vtep.request.proxy && vtep.request.rsc && vtep.request.l2miss &&
                vtep.request.l3miss && vtep.request.gbp);
    EXPECT_EQ(vtep.request.maxaddress, 7u);
    EXPECT_EQ(vtep.request.hard_ageing, 300u);
    EXPECT_EQ(vtep.request.accept, Accept::known);
    EXPECT_EQ(vtep.request.reachable_time, 4u);
    EXPECT_EQ(vtep.request.reserved_bits, 255u);
    EXPECT_EQ(vtep.ports, (std::vector{LabPort{"tun", 9}}));
    ASSERT_EQ(vtep.fdb.size(), 1u);
    EXPECT_TRUE(vtep.fdb[0].mac.is_zero());
    EXPECT_EQ(vtep.fdb[0].dst, Ip::parse("192.0.2.2"));
    ASSERT_EQ(vtep.neighbours.size(), 2u);
    EXPECT_EQ(vtep.neighbours[0].state, NeighState::permanent);
    EXPECT_EQ(vtep.neighbours[1].state, NeighState::reachable);
    EXPECT_EQ(lab->hosts[1].containers[0].trunk, "int");
    EXPECT_EQ(lab->hosts[1].containers[0].vlan, 9);

    ASSERT_EQ(lab->checks.size(), 14u);
}

TEST(LabDescription, RefusesWrongTablesTrunksAndSteps)
{
    const auto refused = [](std::string_view what, std::string_view with,
                            const std::string &message) {
        std::string text(tables);
        const std::size_t at = text.find(what);
        ASSERT_NE(at, std::string::npos) << what;
        text.replace(at, what.size(), with);
        const auto lab = parse_lab(text, "f");
        ASSERT_FALSE(lab) << with;
        EXPECT_EQ(lab.error().message(), "read lab f: " + message);
    };
    refused("\"proxy\": true", "\"proxy\": 1", "hosts[0].vteps[0].proxy: neither true nor false");
    refused("\"accept\": \"known\"", "\"accept\": \"some\"",
            "hosts[0].vteps[0].accept: none of \"any\" and \"known\"");
    refused("\"vlan\": 9}],", "\"vlan\": 4095}],",
            "hosts[0].vteps[0].ports[0].vlan: 4095 is not in 1 .. 4094");
    refused("\"name\": \"tun\"", "\"name\": \"tin\"", "a.vteps: no device \"tin\"");
    refused("\"nud\": \"reachable\"", "\"nud\": \"stale\"",
            "hosts[0].vteps[0].neigh[1].nud: neither \"permanent\" nor \"reachable\"");
    refused("\"trunk\": \"int\"", "\"bridge\": \"int\"",
            "hosts[1].containers[0]: \"trunk\" and \"vlan\" go together, and without "
            "\"bridge\"");
    refused("\"trunk\": \"int\"", "\"trunk\": \"out\"", "c: no device \"out\"");
    refused("\"a:eth0\", \"group\": \"239.1.1.1\"", "\"a:eth0\", \"group\": \"239.1.1.2\"",
            "checks[0].group: no VTEP of 239.1.1.2 on a eth0");
    refused("\"a:eth0\", \"group\": \"239.1.1.1\"", "\"a:eth0\", \"group\": \"192.0.2.1\"",
            "checks[0].group: not a multicast address");
    refused("\"to_of\": \"b:vx\"", "\"to_of\": \"b:vx\", \"to\": \"02:00:00:00:00:01\"",
            "checks[1]: needs either \"to\" or \"to_of\"");
    refused("\"tag\": 9,", "", "checks[1]: \"tagged\" and \"tag\" go together");
    refused(", \"reason\": \"unknown_vlan\"", "",
            "checks[1]: \"counted\" and \"reason\" go together");
    refused("\"reaches\": [\"b:vx\"]", "\"reaches\": [\"b:vy\"]",
            "checks[1].reaches[0]: no device \"vy\" in \"b\"");
    refused("\"hard_ageing\": 300}", "\"x\": 300}",
            "checks[3]: needs \"ageing\" or \"hard_ageing\"");
    refused("\"within\": 15", "\"within\": 0", "checks[5].within: 0 is not in 1 .. 120");
    refused("\"neigh-flush\", \"device\": \"c:eth0\"", "\"neigh-flush\", \"device\": \"c:eth1\"",
            "checks[10].device: no device \"eth1\" in \"c\"");
    refused("\"expect-no-ping\", \"from\": \"c\"", "\"expect-no-ping\", \"from\": \"d\"",
            "checks[13].from: no host or container \"d\"");
}

TEST(LabDescription, RefusesWhatIsNoJson)
{
    for (const char *text : {"", "{", "{} {}", "[1,", "\xff"}) {
        const auto lab = parse_lab(text, "f");
        ASSERT_FALSE(lab) << text;
        EXPECT_EQ(lab.error().kind, ErrorKind::usage);
        EXPECT_TRUE(lab.error().message().starts_with("read lab f: not JSON at byte "))
            << lab.error().message();
    }
    EXPECT_EQ(parse_lab("[]", "f").error().message(), "read lab f: not an object");
    EXPECT_EQ(parse_lab("{}", "f").error().message(), "read lab f: \"name\" is missing");
    EXPECT_EQ(parse_lab(R"({"name": "x", "hosts": []})", "f").error().message(),
              "read lab f: \"hosts\" is empty");
}

TEST(LabDescription, RefusesUnknownKeys)
{
    expect_refusal("\"switches\"", "\"swiches\"", "unknown key \"swiches\"");
    expect_refusal("\"tos\"", "\"dscp\"", "hosts[0].vteps[0]: unknown key \"dscp\"");
    expect_refusal("\"gateways\"", "\"gateway\"",
                   "hosts[0].containers[0]: unknown key \"gateway\"");
    expect_refusal("\"count\"", "\"cuont\"", "checks[0]: unknown key \"cuont\"");
    expect_refusal("\"type\": \"ping\"", "\"type\": \"pong\"",
                   "checks[0].type: no check is called \"pong\"");
}

TEST(LabDescription, RefusesWrongTypesAndValues)
{
    expect_refusal("\"vni\": 5", "\"vni\": \"5\"", "hosts[0].vteps[0].vni: not a whole number");
    expect_refusal("\"vni\": 5", "\"vni\": -5", "hosts[0].vteps[0].vni: not a whole number");
    expect_refusal("\"vni\": 5", "\"vni\": 5.5", "hosts[0].vteps[0].vni: not a whole number");
    expect_refusal("\"vni\": 5", "\"vni\": 0", "hosts[0].vteps[0].vni: 0 is not in 1 .. 16777215");
    expect_refusal("\"vni\": 5", "\"vni\": 16777216",
                   "hosts[0].vteps[0].vni: 16777216 is not in 1 .. 16777215");
    expect_refusal("8472", "84720", "hosts[0].vteps[0].dstport: 84720 is not in 1 .. 65535");
    expect_refusal("[50000, 50010]", "[50010, 50000]",
                   "hosts[0].vteps[0].srcport: not a list of the lowest and the highest port");
    expect_refusal("\"inherit\"", "\"inherits\"",
                   "hosts[0].vteps[0].ttl: neither a number nor \"inherit\"");
    expect_refusal("\"set\"", "\"yes\"",
                   "hosts[0].vteps[0].df: none of \"unset\", \"set\" and \"inherit\"");
    expect_refusal("false", "0", "hosts[0].vteps[0].learning: neither true nor false");
    expect_refusal("192.0.2.1/24", "192.0.2.256/24",
                   "hosts[0].addresses.eth0[0]: not an IP address with a prefix length");
    expect_refusal("10.0.0.254", "fd00:::1",
                   "hosts[0].containers[0].gateways[0]: not an IP address");
    expect_refusal("02:00:00:00:00:01", "02:00", "hosts[0].bridges[0].mac: not a MAC address");
    expect_refusal("[\"lan\"]", "\"lan\"", "switches: not a list");
    expect_refusal("\"mtu\": 9000", "\"mtu\": 90000", "wires[0].mtu: 90000 is not in 68 .. 65535");
    expect_refusal("\"name\": \"two\"", "\"name\": \"../two\"",
                   "name: not a name of up to 32 of a-z, 0-9 and '-'");
    expect_refusal("veth0", "veth-of-the-container",
                   "hosts[0].containers[0].host_device: not an interface name");
}

TEST(LabDescription, KeepsOffTheMachinesSysctls)
{
    for (const char *key : {"kernel/sysrq", "net/core/somaxconn", "net/ipv4/../../kernel/sysrq"})
        expect_refusal("net/ipv4/ip_forward", key,
                       std::string("hosts[0].sysctls.") + key +
                           ": not a key under net/ipv4/ or net/ipv6/");
}

TEST(LabDescription, RefusesNamesThatNothingHas)
{
    expect_refusal("\"b:eth0\"", "\"d:eth0\"", "wires: no host \"d\"");
    expect_refusal("\"b:eth0\", \"lan\"", "\"b:eth0\", \"wan\"", "wires: no switch \"wan\"");
    expect_refusal("\"b:eth0\"", "\"a:eth0\"", "a: device \"eth0\" is there twice");
    expect_refusal("\"name\": \"b\"", "\"name\": \"c\"", "hosts: \"c\" is there twice");
    expect_refusal("{\"eth0\": [", "{\"eth7\": [", "a.addresses: no device \"eth7\"");
    expect_refusal("\"bridge\": \"br0\"", "\"bridge\": \"br9\"", "c: no bridge \"br9\"");
    expect_refusal("\"ports\": [\"veth0\"]", "\"ports\": [\"veth1\"]",
                   "a.vteps: no device \"veth1\"");
    expect_refusal("\"from\": \"c\"", "\"from\": \"x\"",
                   "checks[0].from: no host or container \"x\"");
    expect_refusal("\"to\": \"b\"", "\"to\": \"a\"", "checks[0]: \"a\" has no overlay address");
    expect_refusal("b:vx", "b:eth0", "checks[1].device: no VTEP \"b eth0\"");
    expect_refusal("c:eth0", "c:eth1", "checks[1].mac_of: no device \"eth1\" in \"c\"");
}

TEST(LabDescription, BuiltInLabsAreWhole)
{
    for (const auto &[name, text] : builtin_labs()) {
        const auto lab = parse_lab(text, "a built-in lab");
        ASSERT_TRUE(lab) << lab.error().message();
        EXPECT_EQ(lab->name, name) << "the name of its file";
        EXPECT_FALSE(lab->summary.empty()) << lab->name;
        EXPECT_FALSE(lab->checks.empty()) << lab->name;
        EXPECT_EQ(find_lab(lab->name), std::string(text));
    }
}

TEST(LabDescription, IsFoundByNameOrFile)
{
    const auto none = find_lab("nosuchlab");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().kind, ErrorKind::usage);
    EXPECT_EQ(none.error().message(), "read lab nosuchlab: neither a built-in lab nor a file");
    const auto missing = find_lab("/nonexistent/lab.json");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().kind, ErrorKind::system);
    EXPECT_EQ(find_lab("/").error().message(), "read lab /: is a directory");

    const std::string path = testing::TempDir() + "/xvtep-lab-test.json";
    std::ofstream(path).flush();
    EXPECT_EQ(find_lab(path).error().message(), "read lab " + path + ": it is empty");
    std::ofstream(path) << two_hosts;
    EXPECT_EQ(find_lab(path), std::string(two_hosts));
    std::remove(path.c_str());
}

TEST(LabDescription, HasAFileForEachCheck)
{
    EXPECT_EQ(check_names(), (std::vector<std::string>{"ageing",
                                                       "agent-outage",
                                                       "arp",
                                                       "bridge-untouched",
                                                       "capture",
                                                       "counted",
                                                       "directory-outage",
                                                       "expect-miss",
                                                       "expect-no-ping",
                                                       "fdb",
                                                       "fdb-add",
                                                       "fdb-expires",
                                                       "fdb-flush",
                                                       "first-ping",
                                                       "frame",
                                                       "group-member",
                                                       "move",
                                                       "mtu",
                                                       "neigh-expires",
                                                       "neigh-flush",
                                                       "neigh-replace",
                                                       "no-requests-cross",
                                                       "nothing-learned",
                                                       "nothing-preloaded",
                                                       "only-talkers",
                                                       "ping",
                                                       "route",
                                                       "tcp"}));
}

struct Settings {
    unsigned count = 3;
    std::optional<std::uint16_t> vlan;
    bool on = false;
    std::vector<Ip> addresses;
    std::optional<Mac> mac;
    std::string word;
};

void fields(JsonObject &json, Settings &settings)
{
    json.take("count", settings.count, number_in(1u, 10u));
    json.take("vlan", settings.vlan);
    json.take("on", settings.on);
    json.take("addresses", settings.addresses);
    json.take("mac", settings.mac);
    json.need("word", settings.word,
              one_of<std::string>({{"one", "first"}, {"two", "second"}, {"three", "third"}}));
}

Result<Settings> read_settings(std::string_view text)
{
    Settings settings;
    TRY(read_json(text, "read", "f", [&](const JsonValue &value) { from_json(value, settings); }));
    return settings;
}

TEST(LabJsonReader, ReadsWhatIsThereAndKeepsDefaults)
{
    const auto some = read_settings(R"({"word": "two"})");
    ASSERT_TRUE(some) << some.error().message();
    EXPECT_EQ(some->count, 3u);
    EXPECT_FALSE(some->vlan || some->on || some->mac);
    EXPECT_TRUE(some->addresses.empty());
    EXPECT_EQ(some->word, "second");
    const auto all = read_settings(R"({"count": 10, "vlan": 65535, "on": true, "word": "one",
        "addresses": ["10.0.0.1", "fd00::1"], "mac": "02:00:00:00:00:01"})");
    ASSERT_TRUE(all) << all.error().message();
    EXPECT_EQ(all->count, 10u);
    EXPECT_EQ(all->vlan, 65535);
    EXPECT_TRUE(all->on);
    EXPECT_EQ(all->addresses, (std::vector{*Ip::parse("10.0.0.1"), *Ip::parse("fd00::1")}));
    EXPECT_EQ(all->mac, Mac::parse("02:00:00:00:00:01"));
}

TEST(LabJsonReader, NamesThePlaceOfWhatIsWrong)
{
    const std::pair<const char *, const char *> cases[] = {
        {R"({})", "\"word\" is missing"},
        {R"({"word": "four"})", "word: none of \"one\", \"two\" and \"three\""},
        {R"({"word": "one", "count": 11})", "count: 11 is not in 1 .. 10"},
        {R"({"word": "one", "vlan": 65536})", "vlan: 65536 is not in 0 .. 65535"},
        {R"({"word": "one", "on": "yes"})", "on: neither true nor false"},
        {R"({"word": "one", "addresses": ["10.0.0.1", 7]})", "addresses[1]: not a string"},
        {R"({"word": "one", "mac": "02"})", "mac: not a MAC address"},
        {R"({"word": "one", "more": 1})", "unknown key \"more\""},
    };
    for (const auto &[text, why] : cases) {
        const auto settings = read_settings(text);
        ASSERT_FALSE(settings) << text;
        EXPECT_EQ(settings.error().kind, ErrorKind::usage);
        EXPECT_EQ(settings.error().message(), std::string("read f: ") + why);
    }
}

TEST(LabPicture, ShowsHostsAndWires)
{
    const LabState state{*parse_lab(two_hosts, "two.json"), LabEnds::kernel_peer};
    EXPECT_EQ(draw_lab(state), R"(two: two hosts

┌─ xvtep-two-a ───────────────────────┐
│ ┌─ c ─────────────────┐             │
│ │ eth0    10.0.0.1/24 ├─ veth0      │
│ │         fd00::1/64  │             │
│ └─────────────────────┘             │
│ br0     bridge: veth0 xvtep5        │   ┌─ xvtep-two-b ───────────┐
│ xvtep5  xvtep                       │   │ vx      kernel vxlan    │
│         VNI 5 → 192.0.2.2 port 8472 │   │         VNI 5 port 4789 │
│ eth0    192.0.2.1/24                │   │         10.0.0.2/24     │
└──┬──────────────────────────────────┘   └──┬──────────────────────┘
   └─────────────────────────────────────────┘ switch lan
)");
}

TEST(LabCapture, ParsesVxlan)
{
    // An echo request, 10.0.0.1 to 10.0.0.2, in VXLAN to port 4789, VNI 42.
    const std::vector<std::uint8_t> frame = {
        2,    0, 0,  0,   0, 1, 2,  0, 0,  0,  0, 2, 8,   0,                     // outer
        0x45, 0, 0,  0,   0, 0, 0,  0, 9,  17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, // IPv4
        0xc0, 0, 18, 181, 0, 0, 0,  0,                                           // UDP
        8,    0, 0,  0,   0, 0, 42, 0,                                           // VXLAN
        2,    0, 0,  0,   0, 3, 2,  0, 0,  0,  0, 4, 8,   0,                     // inner
        0x45, 0, 0,  0,   0, 0, 0,  0, 64, 1,  0, 0, 10,  0, 0, 1, 10,  0, 0, 2, // IPv4
        8,    0, 0,  0,   0, 7, 0,  1,                                           // ICMP
    };
    const auto packet = parse_vxlan(frame);
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->vni, 42u);
    EXPECT_EQ(packet->outer.udp->destination, 4789);
    EXPECT_EQ(packet->outer.ttl, 9u);
    EXPECT_EQ(packet->outer.source.text(), "02:00:00:00:00:02");
    EXPECT_EQ(packet->inner.destination.text(), "02:00:00:00:00:03");
    EXPECT_EQ(packet->inner.to, *Ip::parse("10.0.0.2"));
    EXPECT_EQ(packet->inner.ttl, 64u);
    ASSERT_TRUE(packet->inner.echo);
    EXPECT_TRUE(packet->inner.echo->request);
    EXPECT_EQ(packet->inner.echo->id, 7);
    for (std::size_t size = 0; size < frame.size() - 8; size++)
        EXPECT_FALSE(parse_vxlan(std::span(frame).first(size))) << size;
}

} // namespace
} // namespace xvtep
