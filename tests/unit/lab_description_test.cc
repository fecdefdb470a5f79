// SPDX-License-Identifier: GPL-2.0-only
#include "user/topology/description.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "user/topology/capture.h"
#include "user/topology/lab.h"
#include "user/topology/labs.h"
#include "user/topology/picture.h"

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
    EXPECT_EQ(lab.error().fault, Fault::usage);
    EXPECT_EQ(lab.error().message(), "read lab two.json: " + message);
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
    EXPECT_EQ(a.vteps[0].ports, std::vector<std::string>{"veth0"});
    // What is not said is as attach has it.
    EXPECT_EQ(lab->hosts[1].vteps[0].request.dstport, 4789);
    EXPECT_TRUE(lab->hosts[1].vteps[0].request.learning);

    EXPECT_EQ(lab->overlay_addresses("c").size(), 2u);
    EXPECT_EQ(lab->overlay_addresses("b"), std::vector{*Ip::parse("10.0.0.2")});
    EXPECT_TRUE(lab->overlay_addresses("a").empty());
    EXPECT_EQ(std::get<PingCheck>(lab->checks[0]).ttl, 64u);
    EXPECT_TRUE(std::get<FdbCheck>(lab->checks[1]).learned);
}

TEST(LabDescription, RefusesWhatIsNoJson)
{
    for (const char *text : {"", "{", "{} {}", "[1,", "\xff"}) {
        const auto lab = parse_lab(text, "f");
        ASSERT_FALSE(lab) << text;
        EXPECT_EQ(lab.error().fault, Fault::usage);
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
    expect_refusal("\"from\": \"c\"", "\"from\": \"x\"", "checks: no host or container \"x\"");
    expect_refusal("\"to\": \"b\"", "\"to\": \"a\"", "checks: \"a\" has no overlay address");
    expect_refusal("b:vx", "b:eth0", "checks: no VTEP \"b eth0\"");
    expect_refusal("c:eth0", "c:eth1", "checks: no device \"eth1\" in \"c\"");
}

TEST(LabDescription, BuiltInLabsAreWhole)
{
    EXPECT_EQ(lab_names().size(), builtin_labs().size());
    for (const std::string_view text : builtin_labs()) {
        const auto lab = parse_lab(text, "a built-in lab");
        ASSERT_TRUE(lab) << lab.error().message();
        EXPECT_FALSE(lab->summary.empty()) << lab->name;
        EXPECT_FALSE(lab->checks.empty()) << lab->name;
        EXPECT_EQ(find_lab(lab->name), std::string(text));
    }
}

TEST(LabDescription, IsFoundByNameOrFile)
{
    const auto none = find_lab("nosuchlab");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().fault, Fault::usage);
    EXPECT_EQ(none.error().message(), "read lab nosuchlab: neither a built-in lab nor a file");
    const auto missing = find_lab("/nonexistent/lab.json");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().fault, Fault::system);
    EXPECT_FALSE(find_lab("/"));

    const std::string path = testing::TempDir() + "/xvtep-lab-test.json";
    std::ofstream(path) << two_hosts;
    EXPECT_EQ(find_lab(path), std::string(two_hosts));
    std::remove(path.c_str());
}

TEST(LabPicture, ShowsHostsAndWires)
{
    const LabState state{*parse_lab(two_hosts, "two.json"), std::string(two_hosts), false, true,
                         false};
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
