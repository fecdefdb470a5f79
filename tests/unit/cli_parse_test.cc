// SPDX-License-Identifier: GPL-2.0-only
// Words to requests, without a system.
#include <gtest/gtest.h>

#include <sstream>

#include "user/cli/attach.h"
#include "user/cli/batch.h"
#include "user/cli/commands.h"
#include "user/cli/fdb.h"
#include "user/cli/neigh.h"
#include "user/cli/remote.h"

namespace xvtep::cli {
namespace {

Result<AttachRequest> attach_of(const Words &words)
{
    TRY_ASSIGN(const auto arguments, parse(page("attach"), words));
    return parse_attach(arguments);
}

// `eth0 --vni 5` and these, which may begin with another VNI.
Result<AttachRequest> attach_with(Words words)
{
    if (words.empty() || !words.front().ends_with("vni"))
        words.insert(words.begin(), {"--vni", "5"});
    words.insert(words.begin(), "eth0");
    return attach_of(words);
}

Result<FdbEntry> fdb_of(const Words &words, const char *command = "fdb add")
{
    TRY_ASSIGN(const auto arguments, parse(page(command), words));
    return parse_fdb_entry(arguments);
}

TEST(ParseAttach, HasTheContractsDefaults)
{
    const auto request = attach_of({"eth0", "--vni", "42"});
    ASSERT_TRUE(request) << request.error().message();
    EXPECT_EQ(request->devices, std::vector<std::string>{"eth0"});
    EXPECT_EQ(request->vni, 42U);
    EXPECT_EQ(request->name, "");
    EXPECT_FALSE(request->local || request->remote || request->group);
    EXPECT_EQ(request->dstport, 4789);
    EXPECT_EQ(request->srcport_min, 49152);
    EXPECT_EQ(request->srcport_max, 65535);
    EXPECT_EQ(request->ttl.value, 0);
    EXPECT_FALSE(request->ttl.inherit || request->tos.inherit);
    EXPECT_EQ(request->df, Df::unset);
    EXPECT_TRUE(request->learning);
    EXPECT_EQ(request->ageing, 300U);
    EXPECT_EQ(request->accept, Accept::any);
    EXPECT_FALSE(request->udpcsum || request->mac || request->mtu);
    EXPECT_EQ(request->mode, Mode::automatic);
}

TEST(ParseAttach, TakesEveryOption)
{
    const auto request = attach_of({"eth0",
                                    "eth1",
                                    "--vni",
                                    "0xffffff",
                                    "--name",
                                    "vxlan0",
                                    "--local",
                                    "fd00::1",
                                    "--remote",
                                    "fd00::2",
                                    "--dstport",
                                    "8472",
                                    "--srcport",
                                    "1",
                                    "65535",
                                    "--ttl",
                                    "255",
                                    "--tos",
                                    "0x10",
                                    "--df",
                                    "inherit",
                                    "--flowlabel",
                                    "0xfffff",
                                    "--nolearning",
                                    "--ageing",
                                    "4294967295",
                                    "--maxaddress",
                                    "0",
                                    "--fdb-size",
                                    "1048576",
                                    "--accept",
                                    "known",
                                    "--noproxy",
                                    "--norsc",
                                    "--nol2miss",
                                    "--nol3miss",
                                    "--udpcsum",
                                    "--udp6zerocsumtx",
                                    "--udp6zerocsumrx",
                                    "--bridge",
                                    "br0",
                                    "--mac",
                                    "2:0:0:0:0:1",
                                    "--mtu",
                                    "68",
                                    "--mode",
                                    "xdp"});
    ASSERT_TRUE(request) << request.error().message();
    EXPECT_EQ(request->devices, (std::vector<std::string>{"eth0", "eth1"}));
    EXPECT_EQ(request->vni, 16777215U);
    EXPECT_EQ(request->name, "vxlan0");
    EXPECT_EQ(request->local->text(), "fd00::1");
    EXPECT_EQ(request->remote->text(), "fd00::2");
    EXPECT_EQ(request->dstport, 8472);
    EXPECT_EQ(request->srcport_min, 1);
    EXPECT_EQ(request->srcport_max, 65535);
    EXPECT_EQ(request->ttl.value, 255);
    EXPECT_EQ(request->tos.value, 16);
    EXPECT_EQ(request->df, Df::inherit);
    EXPECT_EQ(request->flowlabel, 0xfffffU);
    EXPECT_FALSE(request->learning);
    EXPECT_EQ(request->ageing, 4294967295U);
    EXPECT_EQ(request->accept, Accept::known);
    EXPECT_EQ(request->udpcsum, true);
    EXPECT_TRUE(request->udp6zerocsumtx && request->udp6zerocsumrx);
    EXPECT_EQ(request->bridge, "br0");
    EXPECT_EQ(request->mac->text(), "02:00:00:00:00:01");
    EXPECT_EQ(request->mtu, 68U);
    EXPECT_EQ(request->mode, Mode::xdp);
}

TEST(ParseAttach, LetsTheLastSwitchWin)
{
    EXPECT_FALSE(attach_with({"--learning", "--nolearning"})->learning);
    EXPECT_TRUE(attach_with({"--nolearning", "--learning"})->learning);
    EXPECT_TRUE(attach_with({"--nolearning", "--nolearning", "--learning"})->learning);
    EXPECT_EQ(attach_with({"--udpcsum", "--noudpcsum"})->udpcsum, false);
    EXPECT_EQ(attach_with({"--noudpcsum", "--udpcsum"})->udpcsum, true);
    EXPECT_TRUE(attach_with({"--proxy", "--noproxy"}));
}

TEST(ParseAttach, TakesDevicesAnywhere)
{
    const auto request = attach_of({"--vni", "5", "eth0", "--learning", "eth1"});
    ASSERT_TRUE(request) << request.error().message();
    EXPECT_EQ(request->devices, (std::vector<std::string>{"eth0", "eth1"}));
    // A command's name is a device's name here.
    EXPECT_EQ(attach_of({"show", "--vni", "5", "--name", "attach"})->name, "attach");
}

TEST(ParseAttach, TakesTheNameInFrontAsIpLinkAddDoes)
{
    const struct {
        Words words;
        const char *name;
        std::vector<std::string> devices;
    } cases[] = {
        {{"vxlan0", "type", "vxlan", "id", "5", "dev", "ua"}, "vxlan0", {"ua"}},
        {{"vxlan0", "type", "vxlan", "id", "5", "dev", "ua", "dev", "ub"}, "vxlan0", {"ua", "ub"}},
        {{"name", "vxlan0", "type", "vxlan", "id", "5", "dev", "ua"}, "vxlan0", {"ua"}},
        {{"ua", "type", "vxlan", "id", "5"}, "", {"ua"}},
        {{"ua", "ub", "type", "vxlan", "id", "5"}, "", {"ua", "ub"}},
        {{"ua", "id", "5", "dev", "ub"}, "", {"ua", "ub"}},
        {{"type", "vxlan", "id", "5", "dev", "ua", "ub"}, "", {"ua", "ub"}},
    };
    for (const auto &[words, name, devices] : cases) {
        const auto request = attach_of(words);
        ASSERT_TRUE(request) << request.error().message();
        EXPECT_EQ(request->name, name);
        EXPECT_EQ(request->devices, devices);
    }
}

TEST(ParseAttach, RefusesWrongValuesInOneLine)
{
    const struct {
        Words words;
        const char *cause;
    } cases[] = {
        {{"--vni", "0"}, "VNI 0 is not within 1 to 16777215"},
        {{"--vni", "16777216"}, "VNI 16777216 is not within 1 to 16777215"},
        {{"--vni", "-1"}, "VNI -1 is not within 1 to 16777215"},
        {{"--vni", "4294967338"}, "VNI 4294967338 is not within 1 to 16777215"},
        {{"--vni", "18446744073709551658"}, "VNI 18446744073709551658 is not within 1 to 16777215"},
        {{"--vni", "5x"}, "VNI 5x is not within 1 to 16777215"},
        {{"--vni", "0x"}, "VNI 0x is not within 1 to 16777215"},
        {{"--vni", "1-5"}, "several VNIs need VLANs (a vlan V[-W] for each vni)"},
        {{"--vni", "1-5", "--vlan", "1-4"}, "VNIs 1-5 and VLANs 1-4 are not equally many"},
        {{"--vni", "1-5", "--vlan", "0-4"}, "VLAN 0 is not within 1 to 4094"},
        {{"--vni", "5-1", "--vlan", "1-5"}, "VNIs 5-1 end before they begin"},
        {{"--vni", ""}, "--vni is empty"},
        {{"--vni"}, "--vni needs a value"},
        {{"--ttl", "300"}, "ttl 300 is not within 0 to 255 nor \"inherit\""},
        {{"--tos", "-1"}, "tos -1 is not within 0 to 255 nor \"inherit\""},
        {{"--df", "maybe"}, "df \"maybe\" is not set, unset or inherit"},
        {{"--flowlabel", "1"}, "flowlabel needs an IPv6 underlay"},
        {{"--flowlabel", "1", "--remote", "10.0.0.1"}, "flowlabel needs an IPv6 underlay"},
        {{"--flowlabel", "0x100000"}, "flowlabel 0x100000 is not within 0 to 1048575"},
        {{"--ageing", "4294967296"}, "ageing 4294967296 is not within 0 to 4294967295"},
        {{"--dstport", "0"}, "dstport 0 is not within 1 to 65535"},
        {{"--dstport", "65536"}, "dstport 65536 is not within 1 to 65535"},
        {{"--srcport", "100"}, "--srcport needs two values"},
        {{"--srcport", "0", "1"}, "srcport 0 is not within 1 to 65535"},
        {{"--srcport", "2", "1"}, "srcport 2 1 is not a range within 1 to 65535"},
        {{"--remote", "x"}, "remote \"x\" is not an IP address"},
        {{"--remote", ""}, "--remote is empty"},
        {{"--remote", "239.1.1.1"}, "remote 239.1.1.1 is multicast (give it as group)"},
        {{"--remote", "0.0.0.0"}, "remote 0.0.0.0 is no host's address"},
        {{"--group", "10.0.0.1"}, "group 10.0.0.1 is not multicast (give it as remote)"},
        {{"--local", "ff02::1"}, "local ff02::1 is no host's address"},
        {{"--remote", "10.0.0.1", "--group", "239.1.1.1"}, "remote and group exclude each other"},
        {{"--local", "10.0.0.1", "--remote", "fd00::1"},
         "local 10.0.0.1 and remote fd00::1 are of different families"},
        {{"--local", "fd00::1", "--group", "239.1.1.1"},
         "local fd00::1 and group 239.1.1.1 are of different families"},
        {{"--mac", "x"}, "mac \"x\" is not a MAC address"},
        {{"--mac", "00:00:00:00:00:00"}, "mac 00:00:00:00:00:00 is not a host's address"},
        {{"--mac", "01:00:5e:00:00:01"}, "mac 01:00:5e:00:00:01 is not a host's address"},
        {{"--mtu", "67"}, "mtu 67 is not within 68 to 65535"},
        {{"--mtu", "65536"}, "mtu 65536 is not within 68 to 65535"},
        {{"--mode", "fast"}, "mode \"fast\" is not auto, xdp, tc or skb"},
        {{"--accept", "some"}, "accept \"some\" is not any or known"},
        {{"--accept"}, "--accept needs a value"},
        {{"accept", "any", "accept", "known"}, "accept is given twice"},
        {{"--noaccept"}, "unknown option --noaccept (did you mean --accept?)"},
        {{"--name", "sixteen-letters-"}, "\"sixteen-letters-\" is not an interface name"},
        {{"--name", "a b"}, "\"a b\" is not an interface name"},
        {{"--name", "a/b"}, "\"a/b\" is not an interface name"},
        {{"--bridge", "a/b"}, "\"a/b\" is not an interface name"},
        {{"--frob"}, "unknown option --frob"},
        {{"--frob", "7"}, "unknown option --frob 7"},
        {{"--lerning"}, "unknown option --lerning (did you mean --learning?)"},
        {{"--tos", "300"},
         "tos 300 is not within 0 to 255 nor \"inherit\" (it is read as hexadecimal: 0x300)"},
        {{"vni", "0"}, "VNI 0 is not within 1 to 16777215"},
        {{"vni"}, "vni needs a value"},
        {{"--lear"}, "unknown option --lear"},
        {{"--proxy", "--vni", "6"}, "vni is given twice"},
        {{"id", "6"}, "vni is given twice"},
        {{"--srcport", "1", "2", "--srcport", "3", "4"}, "srcport is given twice"},
        {{"--ttl", "3", "hoplimit", "inherit"}, "ttl is given twice"},
        {{"type", "gre"}, "type gre is not vxlan"},
        {{"vni", "5", "bogus"}, "what is \"bogus\"? (see xvtep attach help)"},
        {{"vni", "5", "bridgee"}, "what is \"bridgee\"? (did you mean bridge?)"},
        {{"vni", "5", "lo", "id", "42"}, "what is \"42\"? (lo is read as local)"},
        {{"vni", "5", "lo", "eth1"}, "local \"eth1\" is not an IP address (lo is read as local)"},
        {{"vni", "5", "lo"}, "local (lo) needs a value"},
        {{"-x"}, "unknown option -x"},
    };
    for (const auto &[words, cause] : cases) {
        const auto request = attach_with(words);
        ASSERT_FALSE(request) << cause;
        EXPECT_EQ(request.error().message(), std::string("attach eth0: ") + cause);
        EXPECT_EQ(request.error().kind, ErrorKind::usage) << cause;
    }
    EXPECT_EQ(attach_of({}).error().message(), "attach: no device given (xvtep attach DEV vni N)");
    EXPECT_EQ(attach_of({"eth0"}).error().message(), "attach eth0: no VNI given (vni N)");
    EXPECT_EQ(attach_of({"--frob"}).error().message(), "attach: unknown option --frob");
    EXPECT_EQ(attach_of({"", "--vni", "5"}).error().message(), "attach: DEV is empty");
    EXPECT_EQ(attach_of({"eth0", "eth0", "vni", "5"}).error().message(),
              "attach eth0 eth0: a device is given twice");
}

TEST(ParseAttach, TakesTheRestOfIproute2sOptions)
{
    const auto request =
        attach_with({"--proxy", "--rsc", "--l2miss", "--l3miss", "--gbp", "--maxaddress", "7",
                     "--hard-ageing", "60", "--reachable-time", "5", "--reserved_bits", "0xff"});
    ASSERT_TRUE(request) << request.error().message();
    EXPECT_TRUE(request->proxy && request->rsc && request->l2miss && request->l3miss);
    EXPECT_TRUE(request->gbp);
    EXPECT_EQ(request->maxaddress, 7U);
    EXPECT_EQ(request->hard_ageing, 60U);
    EXPECT_EQ(request->reachable_time, 5U);
    EXPECT_EQ(request->reserved_bits, 0xffU);
    EXPECT_FALSE(attach_with({"--proxy", "--noproxy"})->proxy) << "the last one counts";
}

TEST(ParseAttach, RefusesWhatHasNoMeaningHere)
{
    EXPECT_EQ(attach_with({"--gpe"}).error().message(),
              "attach eth0: --gpe is refused: its packets carry no Ethernet header, so there is no "
              "MAC for the forwarding database to go by");
    EXPECT_EQ(attach_with({"--external"}).error().message(),
              "attach eth0: --external is refused: it would accept every VNI of the port, while "
              "xvtep takes only those attached (attach each VNI by itself)");
    // The I flag and, with gbp, the group id are in use.
    EXPECT_FALSE(attach_with({"--reserved-bits", "0x0800000000000000"}));
    EXPECT_TRUE(attach_with({"--reserved-bits", "0x00ffffff00000000"}));
    EXPECT_FALSE(attach_with({"--gbp", "--reserved-bits", "0x00ffffff00000000"}));
}

TEST(ParseFdb, TakesWordsInAnyOrder)
{
    const auto plain = fdb_of({"b2:ee:aa:42:8b:0b", "dst", "192.168.8.101", "dev", "vxlan0"});
    ASSERT_TRUE(plain) << plain.error().message();
    EXPECT_EQ(plain->mac.text(), "b2:ee:aa:42:8b:0b");
    EXPECT_EQ(plain->device, "vxlan0");
    EXPECT_EQ(plain->dst.text(), "192.168.8.101");
    EXPECT_EQ(plain->port, 0);
    EXPECT_EQ(plain->vni, 0U);
    EXPECT_EQ(plain->via, "");
    EXPECT_FALSE(plain->router);
    EXPECT_EQ(plain->state, FdbState::permanent);

    const auto full = fdb_of({"dev", "dst", "self", "static", "dst", "fd00::1", "0:0:0:0:0:0",
                              "router", "vni", "16777215", "port", "8472", "via", "eth0"});
    ASSERT_TRUE(full) << full.error().message();
    EXPECT_TRUE(full->mac.is_zero());
    EXPECT_EQ(full->device, "dst"); // a device may be called like a keyword
    EXPECT_EQ(full->dst.text(), "fd00::1");
    EXPECT_EQ(full->port, 8472);
    EXPECT_EQ(full->vni, 16777215U);
    EXPECT_EQ(full->via, "eth0");
    EXPECT_TRUE(full->router);
    EXPECT_EQ(full->state, FdbState::static_);

    const Words base = {"2:0:0:0:0:1", "dev", "v", "dst", "10.0.0.1", "dynamic"};
    EXPECT_EQ(fdb_of(base)->state, FdbState::dynamic);
    EXPECT_TRUE(fdb_of({"2:0:0:0:0:1", "dev", "v"}, "fdb del"));
}

TEST(ParseFdb, RefusesWrongWordsInOneLine)
{
    const std::string mac = "02:00:00:00:00:01";
    const struct {
        Words words;
        const char *line;
    } cases[] = {
        {{}, "fdb add: no MAC address given"},
        {{mac}, "fdb add 02:00:00:00:00:01: no device given (dev IFNAME)"},
        {{mac, "dev", "v"}, "fdb add 02:00:00:00:00:01: no destination given (dst IP)"},
        {{mac, "dev"}, "fdb add 02:00:00:00:00:01: dev needs a value"},
        {{mac, "dev", ""}, "fdb add 02:00:00:00:00:01: dev is empty"},
        {{mac, "dev", "v", "dev", "w"}, "fdb add 02:00:00:00:00:01: dev is given twice"},
        {{mac, "frob"}, "fdb add 02:00:00:00:00:01: what is \"frob\"? (see xvtep fdb add help)"},
        {{"xx", "dev", "v", "dst", "10.0.0.1"}, "fdb add xx: MAC \"xx\" is not a MAC address"},
        {{mac, "dev", "v", "dst", "10.0.0"},
         "fdb add 02:00:00:00:00:01: dst \"10.0.0\" is not an IP address"},
        {{mac, "dev", "v", "dst", "10.0.0.1", "port", "65536"},
         "fdb add 02:00:00:00:00:01: port 65536 is not within 1 to 65535"},
        {{mac, "dev", "v", "dst", "10.0.0.1", "vni", "0"},
         "fdb add 02:00:00:00:00:01: VNI 0 is not within 1 to 16777215"},
        {{mac, "dev", "v", "dst", "10.0.0.1", "static", "permanent"},
         "fdb add 02:00:00:00:00:01: static, permanent and dynamic exclude each other"},
    };
    for (const auto &[words, line] : cases) {
        const auto entry = fdb_of(words);
        ASSERT_FALSE(entry) << line;
        EXPECT_EQ(entry.error().message(), line);
        EXPECT_EQ(entry.error().kind, ErrorKind::usage);
    }
}

Result<NeighEntry> neigh_of(const Words &words, const char *command = "neigh add")
{
    TRY_ASSIGN(const auto arguments, parse(page(command), words));
    return parse_neigh_entry(arguments);
}

TEST(ParseNeigh, TakesWordsInAnyOrder)
{
    const auto entry = neigh_of({"dev", "vxlan0", "lladdr", "b2:ee:aa:42:8b:0b", "10.20.1.3"});
    ASSERT_TRUE(entry) << entry.error().message();
    EXPECT_EQ(entry->ip.text(), "10.20.1.3");
    EXPECT_EQ(entry->mac.text(), "b2:ee:aa:42:8b:0b");
    EXPECT_EQ(entry->device, "vxlan0");
    EXPECT_EQ(entry->state, NeighState::permanent);
    const Words base = {"to", "fd20::3", "lladdr", "2:0:0:0:0:1", "dev", "v", "nud", "reachable"};
    EXPECT_EQ(neigh_of(base)->state, NeighState::reachable);
    EXPECT_TRUE(neigh_of({"10.20.1.3", "dev", "v"}, "neigh del"));
}

TEST(ParseNeigh, RefusesWrongWordsInOneLine)
{
    const struct {
        Words words;
        const char *line;
    } cases[] = {
        {{}, "neigh add: no IP address given"},
        {{"10.0.0"}, "neigh add 10.0.0: address \"10.0.0\" is not an IP address"},
        {{"10.0.0.1"}, "neigh add 10.0.0.1: no device given (dev IFNAME)"},
        {{"10.0.0.1", "dev", "v"}, "neigh add 10.0.0.1: no MAC address given (lladdr MAC)"},
        {{"10.0.0.1", "dev", "v", "lladdr", "2:0:0:0:0:1", "nud", "stale"},
         "neigh add 10.0.0.1: nud \"stale\" is not permanent or reachable"},
        {{"10.0.0.1", "dev", "v", "lladdr", "2:0:0:0:0:1", "permanent", "reachable"},
         "neigh add 10.0.0.1: more than one state given"},
    };
    for (const auto &[words, line] : cases) {
        const auto entry = neigh_of(words);
        ASSERT_FALSE(entry) << line;
        EXPECT_EQ(entry.error().message(), line);
        EXPECT_EQ(entry.error().kind, ErrorKind::usage);
    }
}

Result<RemotePlace> remote_of(const Words &words, const char *command = "remote add")
{
    TRY_ASSIGN(const auto arguments, parse(page(command), words));
    return parse_remote(arguments);
}

TEST(ParseRemote, TakesWordsInAnyOrder)
{
    for (const Words &words :
         {Words{"192.0.2.9", "dev", "vxlan0"}, Words{"dev", "vxlan0", "192.0.2.9"},
          Words{"192.0.2.9", "--dev", "vxlan0"}, Words{"192.0.2.9", "de", "vxlan0"}})
        for (const char *const command : {"remote add", "remote del"}) {
            const auto place = remote_of(words, command);
            ASSERT_TRUE(place) << place.error().message();
            EXPECT_EQ(place->ip.text(), "192.0.2.9");
            EXPECT_EQ(place->device, "vxlan0");
        }
    const auto six = remote_of({"2001:DB8:0::2", "dev", "add"});
    ASSERT_TRUE(six) << six.error().message();
    EXPECT_EQ(six->ip.text(), "2001:db8::2");
    EXPECT_EQ(six->device, "add"); // a device may be called like a command
}

TEST(ParseRemote, RefusesWrongWordsInOneLine)
{
    const struct {
        Words words;
        const char *line;
    } cases[] = {
        {{}, "remote add: no IP address given"},
        {{"dev", "v"}, "remote add v: no IP address given"},
        {{"10.0.0"}, "remote add 10.0.0: address \"10.0.0\" is not an IP address"},
        {{"10.0.0.0/8", "dev", "v"},
         "remote add 10.0.0.0/8: address \"10.0.0.0/8\" is not an IP address"},
        {{"10.0.0.1"}, "remote add 10.0.0.1: no device given (dev IFNAME)"},
        {{"10.0.0.1", "dev"}, "remote add 10.0.0.1: dev needs a value"},
        {{"10.0.0.1", "dev", "a/b"}, "remote add 10.0.0.1: \"a/b\" is not an interface name"},
        {{"10.0.0.1", "dev", "v", "dev", "w"}, "remote add 10.0.0.1: dev is given twice"},
        {{"10.0.0.1", "10.0.0.2"},
         "remote add 10.0.0.1: what is \"10.0.0.2\"? (see xvtep remote add help)"},
    };
    for (const auto &[words, line] : cases) {
        const auto place = remote_of(words);
        ASSERT_FALSE(place) << line;
        EXPECT_EQ(place.error().message(), line);
        EXPECT_EQ(place.error().kind, ErrorKind::usage);
    }
}

std::vector<Words> batch_of(const std::string &text)
{
    std::istringstream in(text);
    std::vector<Words> all;
    for (unsigned line = 0;;) {
        const auto words = read_batch_line(in, line);
        if (!words || !*words)
            return all;
        all.push_back(**words);
    }
}

TEST(ParseBatch, ReadsLinesAsIproute2Does)
{
    EXPECT_EQ(batch_of("a b\n"), (std::vector<Words>{{"a", "b"}}));
    EXPECT_EQ(batch_of("\n# all\n  a\tb # rest\r\n\nc"), (std::vector<Words>{{"a", "b"}, {"c"}}));
    EXPECT_EQ(batch_of("a \\\n  b\nc\\\nd"), (std::vector<Words>{{"a", "b"}, {"c", "d"}}));
    EXPECT_EQ(batch_of("a 'b c' \"d #e\""), (std::vector<Words>{{"a", "b c", "d #e"}}));
    std::istringstream in("a\nb 'c\n");
    unsigned line = 0;
    EXPECT_TRUE(read_batch_line(in, line));
    EXPECT_FALSE(read_batch_line(in, line)) << "a quote is not closed";
    EXPECT_EQ(line, 2U);
}

} // namespace
} // namespace xvtep::cli
