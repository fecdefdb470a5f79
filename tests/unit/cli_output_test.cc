// SPDX-License-Identifier: GPL-2.0-only
// What is printed. The FDB lines and JSON are those of iproute2 6.1's `bridge [-s] [-j] fdb show`
// for the same entries on a kernel vxlan device.
#include <gtest/gtest.h>

#include <algorithm>

#include "user/cli/json.h"
#include "user/cli/output.h"

namespace xvtep::cli {
namespace {

FdbEntry entry(const char *mac, const char *dst, FdbState state)
{
    FdbEntry made;
    made.mac = *Mac::parse(mac);
    made.device = "vxlan0";
    made.dst = *Ip::parse(dst);
    made.state = state;
    return made;
}

FdbEntry full_entry()
{
    FdbEntry made = entry("02:00:00:00:00:01", "192.168.8.102", FdbState::static_);
    made.port = 8472;
    made.vni = 43;
    made.via = "eth0";
    made.router = true;
    made.used = 7;
    made.updated = 9;
    return made;
}

VtepInfo vtep()
{
    VtepInfo info;
    info.devices = {"eth0"};
    info.vni = 42;
    info.name = "vxlan0";
    info.ifindex = 7;
    info.local = Ip::parse("192.168.8.100");
    info.remote = Ip::parse("192.168.8.101");
    info.ttl.value = 64;
    info.udpcsum = false;
    info.reserved_bits = ~used_bits(false);
    info.mac = Mac::parse("02:00:00:00:00:07");
    info.mtu = 1450;
    info.mode = Mode::xdp;
    info.auto_mode = true;
    info.up = true;
    return info;
}

TEST(FdbText, IsBridges)
{
    const auto zeros = entry("00:00:00:00:00:00", "192.168.8.103", FdbState::permanent);
    EXPECT_EQ(to_text(zeros, true, false),
              "00:00:00:00:00:00 dev vxlan0 dst 192.168.8.103 self permanent\n");
    EXPECT_EQ(to_text(zeros, false, false), "00:00:00:00:00:00 dst 192.168.8.103 self permanent\n");
    EXPECT_EQ(to_text(full_entry(), true, false),
              "02:00:00:00:00:01 dev vxlan0 dst 192.168.8.102 port 8472 vni 43 via eth0 "
              "self router static\n");
    EXPECT_EQ(to_text(full_entry(), false, true),
              "02:00:00:00:00:01 dst 192.168.8.102 port 8472 vni 43 via eth0 used 7/9 "
              "self router static\n");
    // bridge leaves a blank after "self" here; the contract's line has none.
    EXPECT_EQ(to_text(entry("02:00:00:00:00:03", "fd00::1", FdbState::dynamic), true, false),
              "02:00:00:00:00:03 dev vxlan0 dst fd00::1 self\n");
}

TEST(FdbJson, HasBridgesKeysInItsOrder)
{
    EXPECT_EQ(to_json(full_entry(), false).dump(),
              R"({"mac":"02:00:00:00:00:01","ifname":"vxlan0","dst":"192.168.8.102","port":8472,)"
              R"("vni":43,"viaIf":"eth0","flags":["self","router"],"state":"static"})");
    EXPECT_EQ(to_json(entry("02:00:00:00:00:03", "192.168.8.102", FdbState::dynamic), true).dump(),
              R"({"mac":"02:00:00:00:00:03","ifname":"vxlan0","dst":"192.168.8.102","used":0,)"
              R"("updated":0,"flags":["self"],"state":""})");
    EXPECT_EQ(
        to_json(entry("00:00:00:00:00:00", "192.168.8.103", FdbState::permanent), false)["state"],
        "permanent");
    EXPECT_EQ(document(to_json_list(std::vector<FdbEntry>{}, false), false), "[]\n");
}

TEST(VtepJson, IsTheContracts)
{
    EXPECT_EQ(nlohmann::json(to_json(vtep())), nlohmann::json::parse(R"({
        "dev": "eth0", "vni": 42, "name": "vxlan0", "ifindex": 7,
        "local": "192.168.8.100", "local_auto": false, "routed": false, "adopted": false,
        "remote": "192.168.8.101", "group": null,
        "dstport": 4789, "srcport": [49152, 65535], "mode": "xdp", "auto": true,
        "learning": true, "ageing": 300, "hard_ageing": 0, "maxaddress": 0, "fdb_size": 32768, "accept": "any",
        "proxy": false, "rsc": false, "l2miss": false, "l3miss": false, "reachable_time": 30,
        "gbp": false, "reserved_bits": "0xf7ffffff000000ff",
        "ttl": 64, "tos": 0, "df": "unset", "flowlabel": 0,
        "udpcsum": false, "udp6zerocsumtx": false, "udp6zerocsumrx": false,
        "bridge": null, "mac": "02:00:00:00:00:07", "mtu": 1450, "up": true, "problems": []})"));

    VtepInfo other = vtep();
    other.devices = {"eth0", "eth1"};
    other.remote.reset();
    other.group = Ip::parse("239.1.1.1");
    other.ttl.inherit = true;
    other.tos.value = 16;
    other.df = Df::inherit;
    other.bridge = "br0";
    const Json json = to_json(other);
    EXPECT_EQ(json["dev"], Json({"eth0", "eth1"}));
    EXPECT_TRUE(json["remote"].is_null());
    EXPECT_EQ(json["group"], "239.1.1.1");
    EXPECT_EQ(json["ttl"], "inherit");
    EXPECT_EQ(json["tos"], 16);
    EXPECT_EQ(json["df"], "inherit");
    EXPECT_EQ(json["bridge"], "br0");

    other.problems = {{"device_moved", "blue", "its device is in blue", "move it back"}};
    EXPECT_EQ(to_json(other)["problems"], Json::parse(R"([{"kind": "device_moved",
        "object": "blue", "count": 1, "text": "its device is in blue",
        "remedy": "move it back"}])"));
}

TEST(VtepText, HasWhatIsNotAtItsDefault)
{
    EXPECT_EQ(to_text(vtep()), "vxlan0: vni 42 dev eth0 mode xdp (auto) mtu 1450 state UP\n"
                               "    link/ether 02:00:00:00:00:07 local 192.168.8.100 "
                               "remote 192.168.8.101\n");
    VtepInfo other = vtep();
    other.devices = {"eth0", ""};
    other.remote.reset();
    other.group = Ip::parse("ff05::1");
    other.local = Ip::parse("fd00::1");
    other.mode = Mode::tc;
    other.auto_mode = other.up = other.learning = false;
    other.ttl.inherit = true;
    other.tos.value = 0x28;
    other.flowlabel = 0xabcde;
    other.udpcsum = false;
    other.udp6zerocsumtx = other.udp6zerocsumrx = true;
    other.bridge = "br0";
    other.proxy = other.rsc = other.l2miss = other.l3miss = other.gbp = true;
    other.maxaddress = 9;
    other.hard_ageing = 60;
    other.accept = Accept::known;
    EXPECT_EQ(to_text(other),
              "vxlan0: vni 42 dev eth0,(gone) mode tc mtu 1450 state DOWN\n"
              "    link/ether 02:00:00:00:00:07 local fd00::1 group ff05::1 ttl inherit tos 0x28 "
              "flowlabel 0xabcde noudpcsum udp6zerocsumtx udp6zerocsumrx gbp "
              "reserved-bits 0xf7ffffff000000ff nolearning hard-ageing 60 maxaddress 9 "
              "accept known proxy rsc l2miss l3miss master br0\n");
}

TEST(VtepText, HasEveryOptionWithDetails)
{
    EXPECT_EQ(to_text(vtep(), Detail::all),
              "vxlan0: vni 42 dev eth0 mode xdp (auto) mtu 1450 state UP\n"
              "    link/ether 02:00:00:00:00:07 local 192.168.8.100 remote 192.168.8.101 "
              "dstport 4789 srcport 49152 65535 ttl 64 tos 0 df unset flowlabel 0 noudpcsum "
              "noudp6zerocsumtx noudp6zerocsumrx nogbp reserved-bits 0xf7ffffff000000ff learning "
              "ageing 300 hard-ageing 0 maxaddress 0 fdb-size 32768 accept any noproxy norsc "
              "nol2miss nol3miss "
              "reachable-time 30\n");
}

TEST(VtepText, SaysThatTheDeviceIsGone)
{
    VtepInfo info = vtep();
    info.mtu = 0;
    info.up = info.here = false;
    EXPECT_TRUE(
        to_text(info).starts_with("vxlan0: vni 42 dev eth0 mode xdp (auto) (device gone)\n"));
    EXPECT_TRUE(brief_text(info).starts_with("vxlan0           GONE   42 "));
}

TEST(VtepText, HasALineForEachProblem)
{
    VtepInfo info = vtep();
    const std::string before = to_text(info);
    info.problems = {{"device_gone", "", "its device is gone", "detach it"},
                     {"local_missing", "", "no such address", "give it another"}};
    EXPECT_EQ(to_text(info), before + "    problem: its device is gone; detach it\n"
                                      "    problem: no such address; give it another\n");
}

TEST(Neigh, IsIps)
{
    NeighEntry entry{
        .ip = *Ip::parse("10.20.1.3"), .device = "vxlan0", .mac = *Mac::parse("b2:ee:aa:42:8b:0b")};
    EXPECT_EQ(to_text(entry, true, false),
              "10.20.1.3 dev vxlan0 lladdr b2:ee:aa:42:8b:0b PERMANENT\n");
    entry.state = NeighState::reachable;
    entry.updated = 7;
    EXPECT_EQ(to_text(entry, false, true),
              "10.20.1.3 lladdr b2:ee:aa:42:8b:0b updated 7 REACHABLE\n");
    EXPECT_EQ(to_json(entry, true, false), Json::parse(R"({
        "dst": "10.20.1.3", "dev": "vxlan0", "lladdr": "b2:ee:aa:42:8b:0b",
        "state": ["REACHABLE"]})"));
}

TEST(Port, HasTextAndJson)
{
    PortInfo port;
    port.name = "veth0";
    port.vni = 42;
    port.vtep = "vxlan0";
    EXPECT_EQ(to_text(port), "veth0: vni 42 vtep vxlan0 mode tc\n");
    EXPECT_EQ(to_json(port), Json::parse(R"({"ifname": "veth0", "vni": 42, "vtep": "vxlan0",
        "vlan": null, "mode": "tc", "bridge": null, "addresses": [], "problems": []})"));
    port.vlan = 7;
    port.mode = Mode::xdp;
    port.bridge = "br0";
    port.addresses = {*Mac::parse("02:00:00:00:00:01"), *Mac::parse("02:00:00:00:00:02")};
    EXPECT_EQ(to_text(port), "veth0: vni 42 vtep vxlan0 vlan 7 mode xdp master br0 "
                             "02:00:00:00:00:01 02:00:00:00:00:02\n");
    EXPECT_EQ(to_json(port), Json::parse(R"({"ifname": "veth0", "vni": 42, "vtep": "vxlan0",
        "vlan": 7, "mode": "xdp", "bridge": "br0",
        "addresses": ["02:00:00:00:00:01", "02:00:00:00:00:02"], "problems": []})"));
}

Remote remote()
{
    Remote made;
    made.ip = *Ip::parse("192.0.2.9");
    made.port = 4789;
    made.device = "vxlan0";
    made.vni = 100;
    made.entries = 12;
    made.nexthops = {{.device = "eth0", .mac = *Mac::parse("02:00:00:00:00:01")}};
    made.mtu = 1450;
    made.rx_packets = 5;
    made.rx_bytes = 490;
    made.tx_packets = 7;
    made.tx_bytes = 686;
    made.heard = 3;
    made.known = true;
    return made;
}

// Of which nothing is known but an entry that names the port to send by.
Remote silent_remote()
{
    Remote made;
    made.ip = *Ip::parse("2001:db8::9");
    made.port = 8472;
    made.device = "vxlan1";
    made.vni = 101;
    made.via = "eth1";
    made.entries = 1;
    return made;
}

Remote remote_by_two_routers()
{
    Remote made = remote();
    made.nexthops[0].weight = 3;
    made.nexthops.push_back({.device = "eth1", .mac = *Mac::parse("02:00:00:00:00:02")});
    made.known = false;
    return made;
}

// By a port without Ethernet headers.
Remote remote_without_macs()
{
    Remote made = silent_remote();
    made.nexthops = {{.device = "wg0", .mac = {}}};
    made.mtu = 1420;
    return made;
}

TEST(RemoteText, IsOneLineInIproute2sManner)
{
    EXPECT_EQ(to_text(remote_without_macs(), false, false),
              "2001:db8::9 vni 101 port 8472 via eth1 entries 1 nexthop dev wg0 mtu 1420 heard "
              "never\n");
    EXPECT_EQ(to_text(remote(), true, false),
              "192.0.2.9 dev vxlan0 vni 100 port 4789 entries 12 "
              "nexthop dev eth0 lladdr 02:00:00:00:00:01 mtu 1450 heard 3s known\n");
    EXPECT_EQ(to_text(remote_by_two_routers(), false, false),
              "192.0.2.9 vni 100 port 4789 entries 12 "
              "nexthop dev eth0 lladdr 02:00:00:00:00:01 weight 3 "
              "nexthop dev eth1 lladdr 02:00:00:00:00:02 weight 1 mtu 1450 heard 3s\n");
    EXPECT_EQ(to_text(silent_remote(), true, false),
              "2001:db8::9 dev vxlan1 vni 101 port 8472 via eth1 entries 1 heard never\n");
    Remote now = silent_remote();
    now.heard = 0;
    EXPECT_TRUE(to_text(now, true, false).ends_with(" heard 0s\n"));
}

TEST(RemoteText, HasTheCountersOfIpLinkWithStatistics)
{
    const std::string line = to_text(remote(), true, false);
    EXPECT_EQ(to_text(remote(), true, true), line + "    RX:  bytes packets\n"
                                                    "           490       5\n"
                                                    "    TX:  bytes packets\n"
                                                    "           686       7\n");
    Remote busy = remote();
    busy.rx_bytes = 18446744073709551615U;
    busy.rx_packets = 1234567890;
    EXPECT_EQ(to_text(busy, true, true), line + "    RX:            bytes    packets\n"
                                                "    18446744073709551615 1234567890\n"
                                                "    TX:  bytes packets\n"
                                                "           686       7\n");
    EXPECT_EQ(std::ranges::count(on_one_line(to_text(busy, true, true)), '\n'), 1);
}

TEST(RemoteText, HasColumnsWhenBrief)
{
    EXPECT_EQ(brief_text(remote()),
              "192.0.2.9                vxlan0           100      eth0             "
              "entries 12       heard 3s known\n");
    EXPECT_EQ(brief_text(remote_by_two_routers()),
              "192.0.2.9                vxlan0           100      eth0,eth1        "
              "entries 12       heard 3s\n");
    EXPECT_EQ(brief_text(silent_remote()),
              "2001:db8::9              vxlan1           101      -                "
              "entries 1        heard never\n");
}

TEST(RemoteJson, IsTheContracts)
{
    EXPECT_EQ(to_json(remote()).dump(),
              R"({"remote":"192.0.2.9","port":4789,"ifname":"vxlan0","vni":100,"entries":12,)"
              R"("nexthops":[{"dev":"eth0","mac":"02:00:00:00:00:01","weight":1}],"mtu":1450,)"
              R"("rx_packets":5,"rx_bytes":490,"tx_packets":7,"tx_bytes":686,"heard":3,)"
              R"("known":true})");
    EXPECT_EQ(to_json(remote_without_macs())["nexthops"].dump(),
              R"([{"dev":"wg0","mac":null,"weight":1}])");
    EXPECT_EQ(to_json(silent_remote()).dump(),
              R"({"remote":"2001:db8::9","port":8472,"ifname":"vxlan1","vni":101,"via":"eth1",)"
              R"("entries":1,"nexthops":[],"mtu":null,"rx_packets":0,"rx_bytes":0,)"
              R"("tx_packets":0,"tx_bytes":0,"heard":null,"known":false})");
    EXPECT_EQ(to_json(remote_by_two_routers())["nexthops"].dump(),
              R"([{"dev":"eth0","mac":"02:00:00:00:00:01","weight":3},)"
              R"({"dev":"eth1","mac":"02:00:00:00:00:02","weight":1}])");
    EXPECT_EQ(document(to_json_list(std::vector<Remote>{}), false), "[]\n");
}

TEST(Stats, HideZerosInTextOnly)
{
    Stats stats;
    stats.ifname = "vxlan0";
    stats.vni = 42;
    stats.rx_packets = 1;
    stats.rx_bytes = 98;
    stats.drops = {{"pkt_too_big", 3}, {"rewrite_failed", 0}};
    stats.passed = {{"flooded", 18446744073709551615U}};
    EXPECT_EQ(to_text(stats), "vxlan0 vni 42: rx 1 packets 98 bytes, tx 0 packets 0 bytes\n"
                              "    dropped  pkt_too_big         3\n"
                              "    passed   flooded             18446744073709551615\n");
    EXPECT_EQ(
        to_json(stats).dump(),
        R"({"ifname":"vxlan0","vni":42,"rx_packets":1,"rx_bytes":98,"tx_packets":0,)"
        R"("tx_bytes":0,"events_lost":0,"not_learned":0,"drops":{"pkt_too_big":3,"rewrite_failed":0},)"
        R"("passed":{"flooded":18446744073709551615}})");
    stats.vni.reset();
    stats.events_lost = 2;
    stats.not_learned = 3;
    stats.drops.clear();
    stats.passed.clear();
    EXPECT_EQ(
        to_text(stats),
        "vxlan0: rx 1 packets 98 bytes, tx 0 packets 0 bytes, 2 events lost, 3 not learned\n");
    EXPECT_TRUE(to_json(stats)["vni"].is_null());
    EXPECT_EQ(to_json(stats)["drops"].dump(), "{}");
}

TEST(Document, IsOneLineUnlessPretty)
{
    EXPECT_EQ(document({{"a", 1}}, false), "{\"a\":1}\n");
    EXPECT_EQ(document({{"a", 1}}, true), "{\n  \"a\": 1\n}\n");
    EXPECT_NO_THROW((void)document({{"a", "\xff"}}, false)); // the kernel takes any bytes as a name
}

} // namespace
} // namespace xvtep::cli
