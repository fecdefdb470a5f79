// SPDX-License-Identifier: GPL-2.0-only
// What others do to VTEPs with other tools: `show` says what it is and what to do, and that helps.

#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "tests/support/two_hosts.h"
#include "user/base/fd.h"

namespace xvtep::test {
namespace {

using nlohmann::json;

class Health : public TwoHosts {
  protected:
    void SetUp() override
    {
        TwoHosts::SetUp();
        if (IsSkipped())
            return;
        ip(b_, "link add vxlan0 type vxlan id 42 dev u remote 192.168.8.100 dstport 4789");
        ip(b_, "addr add 10.20.1.2/24 dev vxlan0");
        ip(b_, "link set vxlan0 up");
    }

    void attach(const std::string &options = "")
    {
        works("attach u --vni 42 --name vxlan0 --remote 192.168.8.101 " + options);
        ip(a_, "addr add 10.20.1.1/24 dev vxlan0");
    }

    json problems(const std::string &command = "show")
    {
        const Output output = run("-j " + command);
        EXPECT_EQ(output.status, 0) << output.text;
        return json::parse(output.text)[0]["problems"];
    }
    // Of the only problem there is.
    std::string problem(const std::string &key, const std::string &command = "show")
    {
        const json all = problems(command);
        EXPECT_EQ(all.size(), 1U) << all.dump(1);
        return all.size() == 1 ? all[0][key].get<std::string>() : "";
    }

    std::string pins() const
    {
        return fmt::format("/sys/fs/bpf/xvtep/{}", *Netns::open(a_)->cookie());
    }
    void nothing_is_left()
    {
        EXPECT_EQ(run("show").text, "");
        EXPECT_EQ(sh("test -e " + pins()).status, 1);
    }
};

TEST_F(Health, OfAWholeVtep)
{
    attach("--bridge br0 --proxy");
    EXPECT_EQ(problems(), json::array());
    EXPECT_EQ(run("show").text.find("problem"), std::string::npos);
}

TEST_F(Health, ADeletedDeviceHasItsName)
{
    attach();
    ip(a_, "link set vxlan0 name other");
    works("fdb flush dev other dynamic"); // any command that changes something
    ip(a_, "link del other");
    EXPECT_EQ(problem("kind"), "device_gone");
    EXPECT_EQ(run("show").text.find("other: vni 42 dev u"), 0U) << run("show").text;
    EXPECT_EQ(problem("kind", "show other"), "device_gone");
    works("detach other");
    nothing_is_left();
    EXPECT_EQ(run("detach other").text, "detach other: no such device\n");

    attach();
    ip(a_, "link del vxlan0");
    works("detach u --vni 42");
    nothing_is_left();
}

TEST_F(Health, ADeviceThatWentWithItsPort)
{
    ip(a_, "link add p type veth peer name q");
    ip(a_, "addr add 10.9.0.1/24 dev p");
    ip(a_, "link set p up");
    works("attach p --vni 7 --name v7");
    ip(a_, "link del p");
    EXPECT_NE(run("show").text.find("v7: vni 7 dev (gone)"), std::string::npos) << run("show").text;
    works("detach p");
    nothing_is_left();
}

TEST_F(Health, DetachTakesTheDevicesNameToo)
{
    attach();
    works("attach u --vni 43 --name other");
    works("detach vxlan0");
    EXPECT_EQ(run("show").text.find("other"), 0U);
    EXPECT_EQ(run("detach other --vni 42").status, 2);
    works("detach other --vni 43");
    nothing_is_left();
}

TEST_F(Health, AMovedDeviceIsFoundAndDetached)
{
    const std::string c = host("c");
    attach();
    ip(a_, fmt::format("link set vxlan0 netns {}", c));
    EXPECT_EQ(problem("kind"), "device_moved");
    EXPECT_EQ(problem("object"), c);
    EXPECT_NE(run("show").text.find("namespace " + c), std::string::npos);
    // Commands leave it alone, and say what is the matter.
    EXPECT_EQ(run("fdb add 02:00:00:00:00:33 dev vxlan0 dst 192.168.8.9").text,
              "fdb add vxlan0: its device is not here (xvtep show says more)\n");
    EXPECT_EQ(run("attach u --vni 42 --remote 192.168.8.101").text,
              "attach u: VNI 42 on port 4789 is attached already (vxlan0)\n");
    works("reload");
    // Moved back it works, but the kernel has removed its qdisc, and with it the programs.
    ip(c, fmt::format("link set vxlan0 netns {}", a_));
    EXPECT_EQ(problems().size(), 2U);
    EXPECT_EQ(problems()[0]["kind"], "program_missing");
    works("reload");
    EXPECT_EQ(problems(), json::array());
    ip(a_, "link set vxlan0 up");
    ip(a_, "addr replace 10.20.1.1/24 dev vxlan0");
    EXPECT_EQ(pings_lost(a_, "10.20.1.2"), 0);

    ip(a_, fmt::format("link set vxlan0 netns {} name blue0", c));
    works("detach vxlan0");
    EXPECT_EQ(sh(fmt::format("ip -n {} link show blue0", c)).status, 1) << "removed there";
    nothing_is_left();
    attach();
    works("detach u");
}

TEST_F(Health, AMovedDeviceWhoseIndexIsTaken)
{
    const std::string c = host("c");
    attach();
    const std::string index = in(a_, "cat /sys/class/net/vxlan0/ifindex");
    ip(c, fmt::format("link add taken index {} type bridge", std::stoi(index)));
    ip(a_, fmt::format("link set vxlan0 netns {}", c));
    EXPECT_EQ(problem("object"), c);
    // Another vxlan device that has got its index here is not taken for it.
    ip(a_, fmt::format("link add mine index {} type vxlan id 99 dstport 4789", std::stoi(index)));
    EXPECT_EQ(problem("object"), c);
    works("detach vxlan0");
    ip(a_, "link show mine");
    ip(c, "link show taken");
    EXPECT_EQ(sh(fmt::format("ip -n {} link show vxlan0", c)).status, 1);
    nothing_is_left();
}

TEST_F(Health, AMovedDeviceThatGoesWithItsNamespace)
{
    const std::string c = host("c");
    attach();
    ip(a_, fmt::format("link set vxlan0 netns {}", c));
    ASSERT_TRUE(Netns::remove(c));
    for (int i = 0; i < 100 && problem("kind") != "device_gone"; i++)
        ::usleep(50'000); // the kernel takes namespaces down in its own time
    works("detach vxlan0");
    nothing_is_left();
}

// Held by a descriptor, which has no name that others see.
TEST_F(Health, AMovedDeviceOutOfSight)
{
    const std::string c = host("c");
    attach();
    ip(a_, fmt::format("link set vxlan0 netns {}", c));
    const Fd held(::open(("/run/netns/" + c).c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(Netns::remove(c));
    EXPECT_EQ(problem("kind"), "device_moved");
    EXPECT_NE(problem("text").find("cannot be seen"), std::string::npos);
    const Output refused = run("detach u");
    EXPECT_EQ(refused.text, "detach u: vxlan0 is in a namespace that cannot be seen from here\n");
    EXPECT_EQ(refused.status, 2);
    EXPECT_EQ(problem("kind"), "device_moved") << "all is as before";
}

TEST_F(Health, AMovedDeviceThatIsGoing)
{
    const std::string c = host("c");
    attach();
    ip(a_, fmt::format("link set vxlan0 netns {}", c));
    ASSERT_TRUE(Netns::remove(c));
    works("detach u"); // at once
    nothing_is_left();
    attach();
}

TEST_F(Health, ProgramsThatWereDetachedAreMissedAndPutBack)
{
    attach();
    works("attach u --vni 43 --name other");
    EXPECT_EQ(pings_lost(a_, "10.20.1.2"), 0);
    const auto index = [&](const char *device) {
        return std::stoi(in(a_, fmt::format("cat /sys/class/net/{}/ifindex", device)));
    };
    struct Case {
        const char *device, *hook, *program;
    };
    for (const Case &c : {Case{"u", "ingress", "xvtep_tc_underlay_ingress"},
                          Case{"u", "egress", "xvtep_tc_underlay_egress"}}) {
        const std::string pin = fmt::format("{}/links/{}_{}", pins(), index(c.device), c.hook);
        if (sh("test -e " + pin).status != 0)
            GTEST_SKIP() << "no TCX here";
        for (const std::string how : {"bpftool link detach pinned ", "rm "}) {
            must(how + pin);
            EXPECT_EQ(problem("kind", "show vxlan0"), "program_missing") << how << c.program;
            EXPECT_EQ(problem("text", "show vxlan0"),
                      fmt::format("program {} is missing at {}", c.program, c.device));
            works("reload");
            EXPECT_EQ(problems("show vxlan0"), json::array()) << how << c.program;
        }
    }
    EXPECT_EQ(pings_lost(a_, "10.20.1.2"), 0);
}

// The filters of a VTEP's device are in blocks that it shares with the other VTEPs' devices.
TEST_F(Health, FiltersOfDevicesThatWereDeleted)
{
    attach();
    works("attach u --vni 43 --name other");
    const std::string tc = "tc -n " + a_ + " ";
    must(tc + "filter del block 2020999170 pref 30838"); // 0x78760002
    for (const std::string device : {"vxlan0", "other"}) {
        EXPECT_EQ(problem("kind", "show " + device), "program_missing");
        EXPECT_EQ(problem("text", "show " + device),
                  "program xvtep_tc_device_egress is missing at " + device);
    }
    works("reload other"); // in the block, so for all devices
    EXPECT_EQ(problems("show vxlan0"), json::array());
    must(tc + "qdisc del dev vxlan0 clsact");
    EXPECT_EQ(problems("show vxlan0").size(), 2U);
    EXPECT_EQ(problems("show other"), json::array());
    works("reload");
    EXPECT_EQ(problems("show vxlan0"), json::array());
    // A qdisc of somebody else stays, and the programs are attached beside it.
    must(tc + "qdisc del dev vxlan0 clsact");
    must(tc + "qdisc add dev vxlan0 clsact");
    must(fmt::format(
        "nsenter --net=/run/netns/{} tc filter add dev vxlan0 egress pref 5 handle 5 bpf "
        "da object-pinned {}/maps/programs/xvtep_tc_underlay_egress",
        a_, pins()));
    EXPECT_EQ(problems("show vxlan0").size(), 2U);
    works("reload");
    EXPECT_EQ(problems("show vxlan0"), json::array());
    EXPECT_NE(must(tc + "filter show dev vxlan0 egress").find("pref 5"), std::string::npos);
    EXPECT_EQ(pings_lost(a_, "10.20.1.2"), 0);
}

// As it is where there is no TCX: a filter of clsact.
TEST_F(Health, AFilterThatWasDeleted)
{
    attach();
    const auto index = std::stoi(in(a_, "cat /sys/class/net/u/ifindex"));
    for (const auto &[hook, program] : {std::pair("ingress", "xvtep_tc_underlay_ingress"),
                                        std::pair("egress", "xvtep_tc_underlay_egress")}) {
        sh(fmt::format("rm {}/links/{}_{}; tc -n {} qdisc add dev u clsact", pins(), index, hook,
                       a_));
        // `tc -n` would not see the pins.
        must(fmt::format("nsenter --net=/run/netns/{} tc filter replace dev u {} pref 30838 handle "
                         "30838 bpf da object-pinned {}/maps/programs/{}",
                         a_, hook, pins(), program));
    }
    EXPECT_EQ(problems(), json::array());
    must(fmt::format("tc -n {} filter del dev u ingress", a_));
    EXPECT_EQ(problem("object"), "xvtep_tc_underlay_ingress");
    must(fmt::format("tc -n {} qdisc del dev u clsact", a_));
    EXPECT_EQ(problems().size(), 2U);
    works("reload");
    EXPECT_EQ(problems(), json::array());
    EXPECT_EQ(pings_lost(a_, "10.20.1.2"), 0);
    works("detach u");
    EXPECT_EQ(must(fmt::format("tc -n {} qdisc show dev u clsact", a_)), "");
}

TEST_F(Health, XdpProgramsThatWereDetached)
{
    attach("--mode xdp");
    const std::string c = host("c");
    wire(a_, "v", c, "eth0");
    works("port add v --vni 42 --mode xdp");
    EXPECT_EQ(problems(), json::array());
    ip(a_, "link set u xdp off");
    EXPECT_EQ(problem("text"), "program xvtep_xdp_underlay is missing at u");
    works("reload");
    ip(a_, "link set v xdp off");
    EXPECT_EQ(problem("text"), "program xvtep_xdp_port is missing at v");
    EXPECT_EQ(problem("text", "port show"), "program xvtep_xdp_port is missing at v");
    works("reload");
    EXPECT_EQ(problems(), json::array());
}

TEST_F(Health, EntriesByBridge)
{
    attach("--nolearning"); // what the peer says by itself is no part of this
    works("fdb add 02:00:00:00:00:01 dev vxlan0 dst 192.168.8.9");
    works("fdb append 00:00:00:00:00:00 dev vxlan0 dst 192.168.8.9");
    EXPECT_EQ(problems(), json::array());
    const std::string own = run("fdb show dev vxlan0").text;
    const auto bridge = [&](const char *words) {
        must(fmt::format("bridge -n {} fdb {}", a_, words));
    };
    bridge("add 02:00:00:00:00:02 dev vxlan0 dst 192.168.8.9 self dynamic"); // as if learned
    EXPECT_EQ(problems(), json::array());
    bridge("add 02:00:00:00:00:03 dev vxlan0 dst 192.168.8.9 self static");
    bridge("add 02:00:00:00:00:04 dev vxlan0 dst 192.168.8.9 self extern_learn dynamic"); // as FRR
    bridge("append 00:00:00:00:00:00 dev vxlan0 dst 192.168.8.10");
    EXPECT_EQ(problem("kind"), "foreign_entries");
    EXPECT_EQ(problems()[0]["count"], 3);
    EXPECT_EQ(run("fdb show dev vxlan0").text,
              own + "# vxlan0: the kernel's table has entries that xvtep does not know (bridge fdb "
                    "show dev vxlan0): 3; write them by \"xvtep fdb\" with the same words\n");
    const json last = json::parse(run("-j fdb show").text).back();
    EXPECT_EQ(last["ifname"], "vxlan0");
    EXPECT_EQ(last["problem"]["count"], 3);
    // With the same words they are xvtep's.
    works("fdb replace 02:00:00:00:00:03 dev vxlan0 dst 192.168.8.9 self static");
    works("fdb append 00:00:00:00:00:00 dev vxlan0 dst 192.168.8.10");
    EXPECT_EQ(problems()[0]["count"], 1);
    bridge("del 02:00:00:00:00:04 dev vxlan0");
    EXPECT_EQ(problems(), json::array());
}

// No entry of ours: counted as dropped, until it turns out that the kernel's device has one.
TEST_F(Health, FramesByEntriesOfBridgeAreNotDropped)
{
    in(a_, "sysctl -qw net.ipv6.conf.default.disable_ipv6=1"); // nothing but the pings
    attach("--nolearning");
    const std::string mac = in(b_, "cat /sys/class/net/vxlan0/address").substr(0, 17);
    works("fdb del 00:00:00:00:00:00 dev vxlan0");
    ip(a_, fmt::format("neigh add 10.20.1.2 lladdr {} dev vxlan0 nud permanent", mac));
    must(fmt::format("bridge -n {} fdb add {} dev vxlan0 dst 192.168.8.101 self static", a_, mac));
    const auto dropped = [&] {
        return json::parse(run("-j stats").text)[0]["drops"].value("no_tx_target", 0ULL);
    };
    const auto before = dropped();
    ASSERT_EQ(pings_lost(a_, "10.20.1.2"), 0);
    EXPECT_EQ(dropped(), before);
}

TEST_F(Health, NeighboursByIp)
{
    attach("--proxy");
    works("neigh add 10.20.1.5 lladdr 02:00:00:00:00:05 dev vxlan0");
    ip(a_, "neigh add 10.20.1.5 lladdr 02:00:00:00:00:05 dev vxlan0 nud permanent");
    ip(a_, "neigh add 10.20.1.6 lladdr 02:00:00:00:00:06 dev vxlan0 nud reachable");
    EXPECT_EQ(problems(), json::array());
    ip(a_, "neigh add 10.20.1.7 lladdr 02:00:00:00:00:07 dev vxlan0 nud permanent");
    ip(a_, "neigh add fd20::7 lladdr 02:00:00:00:00:07 dev vxlan0 extern_learn");
    EXPECT_EQ(problem("kind"), "foreign_neighbours");
    EXPECT_EQ(problems()[0]["count"], 2);
    works("detach u");
    attach(); // without proxy they are the host's own
    ip(a_, "neigh add 10.20.1.7 lladdr 02:00:00:00:00:07 dev vxlan0 nud permanent");
    EXPECT_EQ(problems(), json::array());
}

TEST_F(Health, OptionsByIp)
{
    attach("--local 192.168.8.100 --ttl 9 --tos 10 --df set --ageing 60 --maxaddress 5");
    EXPECT_EQ(problems(), json::array());
    for (const std::string words : {"ttl 10", "tos 0x20", "tos inherit", "df inherit", "ageing 61",
                                    "remote 192.168.8.9", "local 192.168.8.9"}) {
        must(fmt::format("ip -n {} link set vxlan0 type vxlan {}", a_, words));
        const json all = problems();
        ASSERT_EQ(all.size(), words.starts_with("remote") ? 2U : 1U) << words << all.dump(1);
        EXPECT_EQ(all.back()["kind"], "foreign_options");
        EXPECT_EQ(all.back()["object"], words);
        must(fmt::format("ip -n {} link set vxlan0 type vxlan ttl 9 tos 0x10 df set ageing 60 "
                         "remote 192.168.8.101 local 192.168.8.100",
                         a_));
    }
    works("detach u");
    attach(); // the kernel chooses the local address
    ip(a_, "link set vxlan0 type vxlan local 192.168.8.100");
    EXPECT_EQ(problem("kind"), "foreign_options");
    EXPECT_EQ(problems().back()["object"], "local 192.168.8.100");
    works("set vxlan0 local any");
    EXPECT_EQ(problems(), json::array());
}

// Else it forgets after 300 s what the programs go by for ever.
TEST_F(Health, WithoutAgeingTheDeviceForgetsNothingEither)
{
    for (const std::string ageing : {"0", "4294967295"}) {
        attach("--ageing " + ageing);
        EXPECT_EQ(problems(), json::array());
        const json link = json::parse(must(fmt::format("ip -n {} -d -j link show vxlan0", a_)));
        EXPECT_EQ(link[0]["linkinfo"]["info_data"]["ageing"], 4'000'000);
        works("detach u");
    }
}

TEST_F(Health, NamesThatSteerATerminal)
{
    const std::string name = "\x1b[31mX", c = host("c");
    attach();
    wire(a_, name, c, "eth0");
    ip(a_, fmt::format("addr add 10.9.0.1/24 dev {}", name));
    const Output refused = run(fmt::format("attach u --vni 5 --name {}", name));
    EXPECT_EQ(refused.status, 1);
    EXPECT_EQ(refused.text, "attach u: \"?[31mX\" is not an interface name\n");
    works(fmt::format("attach {} --vni 43 --name other", name));
    works("fdb add 02:00:00:00:00:01 dev other dst 10.9.0.2 via " + name);
    for (const char *command : {"show", "stats", "fdb show"}) {
        EXPECT_NE(run(command).text.find("?[31mX"), std::string::npos) << command;
        EXPECT_EQ(run(command).text.find('\x1b'), std::string::npos) << command;
    }
    EXPECT_EQ(json::parse(run("-j show other").text)[0]["dev"], name);
    works("detach other");
    works(fmt::format("port add {} --vni 42", name));
    EXPECT_EQ(run("port show").text.find("?[31mX: vni 42"), 0U);
}

// Both ends are renumbered, the far one as ip does it.
TEST_F(Health, ALocalAddressIsChangedWhileItRuns)
{
    attach();
    ASSERT_EQ(pings_lost(a_, "10.20.1.2"), 0);
    ip(a_, "addr add 192.168.8.110/24 dev u");
    ip(a_, "addr del 192.168.8.100/24 dev u");
    ip(a_, "addr add 192.168.8.110/24 dev u 2>/dev/null || true"); // it went with the first
    ip(b_, "link set vxlan0 type vxlan remote 192.168.8.110");
    in(b_, "ip neigh flush all");
    works("set vxlan0 local 192.168.8.110");
    EXPECT_EQ(problems(), json::array());
    EXPECT_EQ(json::parse(run("-j show").text)[0]["local"], "192.168.8.110");
    EXPECT_NE(in(a_, "ip -d link show vxlan0").find("local 192.168.8.110"), std::string::npos);
    EXPECT_EQ(pings_lost(a_, "10.20.1.2"), 0);
    const auto stats = json::parse(run("-j stats dev vxlan0").text)[0];
    EXPECT_GE(stats["rx_packets"], 6) << stats.dump(1);
    ip(a_, "addr del 192.168.8.110/24 dev u");
    EXPECT_EQ(problem("object"), "192.168.8.110");

    for (const auto &[words, status, line] :
         {std::tuple("set vxlan0 local fd00::1", 1,
                     "set vxlan0: local fd00::1 and 192.168.8.110, which it has, are of different "
                     "families\n"),
          std::tuple("set vxlan0 local 239.1.1.1", 1,
                     "set vxlan0: local 239.1.1.1 is no host's address\n"),
          std::tuple("set u local 192.168.8.1", 2, "set u: not a VTEP of xvtep\n"),
          std::tuple("set vxlan0", 1, "set vxlan0: nothing to set (xvtep set IFNAME local IP)\n"),
          std::tuple("set", 1, "set: no device given (xvtep set IFNAME local IP)\n")}) {
        const Output output = run(words);
        EXPECT_EQ(output.status, status) << words;
        EXPECT_EQ(output.text, line);
    }
    EXPECT_EQ(problem("object"), "192.168.8.110") << "as before";
}

// Random would be for udev to change (MACAddressPolicy).
TEST_F(Health, TheDevicesMacIsAssigned)
{
    attach();
    EXPECT_EQ(in(a_, "cat /sys/class/net/vxlan0/addr_assign_type"), "3\n");
    const auto first = in(a_, "cat /sys/class/net/vxlan0/address");
    EXPECT_NE(std::string("26ae").find(first[1]), std::string::npos) << first;
    works("detach u");
    attach();
    EXPECT_NE(in(a_, "cat /sys/class/net/vxlan0/address"), first);
    works("detach u");
    attach("--mac 02:00:00:00:00:07");
    EXPECT_EQ(in(a_, "cat /sys/class/net/vxlan0/address"), "02:00:00:00:00:07\n");
}

TEST_F(Health, TheDefaultEntryHasItsAge)
{
    attach();
    const std::string shown = run("-s fdb show dev vxlan0").text;
    unsigned used = 1000, updated = 1000;
    EXPECT_EQ(std::sscanf(shown.c_str(), "00:00:00:00:00:00 dst 192.168.8.101 via u used %u/%u",
                          &used, &updated),
              2)
        << shown;
    EXPECT_LT(used, 10U);
    EXPECT_LT(updated, 10U);
}

TEST_F(Health, AMissingLocalAddress)
{
    attach();
    ip(a_, "addr add 192.168.8.110/24 dev u");
    ip(a_, "addr del 192.168.8.100/24 dev u");
    EXPECT_EQ(problem("kind"), "local_missing");
    EXPECT_EQ(problem("object"), "192.168.8.100");
    ip(a_, "route add local 192.168.8.100 dev lo");
    EXPECT_EQ(problems(), json::array()) << "a local route has it";
}

} // namespace
} // namespace xvtep::test
