// SPDX-License-Identifier: GPL-2.0-only
// Many VTEPs on one underlay port: what a command costs, what stays apart, and what is put right.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tests/support/netns_case.h"
#include "user/datapath/bpffs.h"
#include "user/datapath/datapath.h"
#include "user/datapath/tc_attach.h"
#include "user/datapath/tc_block.h"
#include "user/net/netlink.h"
#include "user/vtep/session.h"
#include "xvtep/batch.h"
#include "xvtep/vtep.h"

namespace xvtep::test {
namespace {

using nlohmann::json;
using namespace std::string_literals;

constexpr __u32 first_block = 0x78760001;

template <class T> T got(Result<T> result)
{
    if (!result)
        throw std::runtime_error(result.error().message());
    return std::move(*result);
}

class Scale : public NetnsCase {
  protected:
    void SetUp() override
    {
        NetnsCase::SetUp();
        if (IsSkipped())
            return;
        // a, b and c are ports of one bridge, which stands for the underlay.
        const std::string net = host("net");
        ip(net, "link add under type bridge");
        ip(net, "link set under up");
        for (const char *name : {"a", "b", "c"}) {
            hosts_.push_back(host(name));
            const auto n = hosts_.size();
            in(hosts_.back(), "sysctl -q -w net.ipv6.conf.all.disable_ipv6=1");
            wire(hosts_.back(), "u", net, fmt::format("p{}", n), 1600);
            ip(net, fmt::format("link set p{} master under", n));
            ip(hosts_.back(), fmt::format("addr add 192.168.8.{}/24 dev u", n));
        }
    }

    [[nodiscard]] const std::string &a() const { return hosts_[0]; }
    [[nodiscard]] const std::string &b() const { return hosts_[1]; }
    [[nodiscard]] const std::string &c() const { return hosts_[2]; }

    static Output run(const std::string &host, const std::string &words,
                      const std::string &environment = "")
    {
        return sh(fmt::format("{} {} -n {} {}", environment, xvtep(), host, words), 120);
    }
    static std::string works(const std::string &host, const std::string &words)
    {
        const Output output = run(host, words);
        EXPECT_EQ(output.status, 0) << words << "\n" << output.text;
        return output.text;
    }

    // A file that attaches VTEPs of the VNIs `from` to `to`, each with a bridge of its own unless
    // `options` are others.
    [[nodiscard]] std::string attaches(unsigned from, unsigned to, unsigned remote = 2,
                                       const std::string &options = "--bridge br{}") const
    {
        std::string path = file(fmt::format("attach-{}-{}", from, remote));
        std::ofstream lines(path);
        for (unsigned vni = from; vni <= to; vni++)
            lines << fmt::format("attach u --vni {0} --name v{0} --remote 192.168.8.{1} {2}\n", vni,
                                 remote, fmt::format(fmt::runtime(options), vni));
        return path;
    }

    // How many system calls of those that the fault tests count a command makes.
    [[nodiscard]] unsigned calls_of(const std::string &host, const std::string &words) const
    {
        const std::string path = file("count");
        const Output output =
            run(host, words, fmt::format("XVTEP_FAULT_COUNT={} {}", path, XVTEP_FAULTS));
        EXPECT_EQ(output.status, 0) << words << "\n" << output.text;
        unsigned count = 0;
        std::ifstream(path) >> count;
        return count;
    }
    // Kills the command at one of these calls.
    static void kill_at(const std::string &host, const std::string &words, unsigned call)
    {
        const Output output =
            run(host, words, fmt::format("XVTEP_FAULT={}:0 {}", call, XVTEP_FAULTS));
        EXPECT_NE(output.status, 0) << words;
    }

    static std::vector<Link> links_of(const std::string &host)
    {
        const auto netns = got(Netns::open(host));
        const auto scope = got(netns.enter());
        return got(got(Netlink::open()).links());
    }
    static DeviceBlocks blocks_of(const std::string &host)
    {
        const auto netns = got(Netns::open(host));
        const auto scope = got(netns.enter());
        auto netlink = got(Netlink::open());
        return got(DeviceBlocks::read(netlink));
    }

    // The VNIs of a host, each of which must be whole: no problem, up, in its bridge.
    static std::set<unsigned> whole_vnis(const std::string &host)
    {
        std::set<unsigned> found;
        for (const json &vtep : json::parse(works(host, "-j show"))) {
            EXPECT_EQ(vtep["problems"], json::array()) << vtep.dump(1);
            const unsigned vni = vtep["vni"];
            EXPECT_TRUE(vtep["bridge"].is_null() || vtep["bridge"] == fmt::format("br{}", vni));
            found.insert(vni);
        }
        std::set<unsigned> devices;
        for (const Link &link : links_of(host)) {
            EXPECT_NE(link.group, unfinished_group) << link.name;
            EXPECT_TRUE(link.is_up() || link.name == "lo") << link.name;
            if (link.vxlan)
                devices.insert(link.vxlan->vni);
        }
        EXPECT_EQ(devices, found);
        return found;
    }

    static void nothing_is_left(const std::string &host)
    {
        for (const Link &link : links_of(host))
            EXPECT_TRUE(link.name == "lo" || link.name == "u") << link.name;
        const auto netns = got(Netns::open(host));
        const std::string directory = state_directory("/sys/fs/bpf", got(netns.cookie()));
        EXPECT_FALSE(got(datapath_exists(directory)));
        EXPECT_EQ(
            sh(fmt::format("tc -n {} filter show block {}", host, first_block)).text.find("handle"),
            std::string::npos);
    }

    std::vector<std::string> hosts_;
};

TEST_F(Scale, TenantsStayApartAmongMany)
{
    constexpr unsigned count = 64;
    const auto make = [&](const std::string &host, unsigned remote) {
        works(host, "-batch " + attaches(1, 62, remote, ""));
        works(host, "-batch " + attaches(63, count, remote));
    };
    make(a(), 2);
    make(b(), 1);
    works(c(), "-batch " + attaches(62, 63, 1));
    for (const char *device : {"v7", "br63"}) {
        ip(a(), fmt::format("addr add 10.0.{}.1/24 dev {}", device == "v7"s ? 7 : 63, device));
        ip(b(), fmt::format("addr add 10.0.{}.2/24 dev {}", device == "v7"s ? 7 : 63, device));
    }
    const auto received = [&](const std::string &host, unsigned vni) {
        for (const json &stats : json::parse(works(host, "-j stats")))
            if (stats["vni"] == vni)
                return stats["rx_packets"].get<unsigned>();
        return ~0U;
    };
    EXPECT_EQ(pings_lost(a(), "10.0.7.2", 20), 0);
    EXPECT_GE(received(b(), 7), 20U);
    for (unsigned vni = 1; vni <= count; vni += 9) // 64 is the last
        EXPECT_TRUE(vni == 7 || received(b(), vni) == 0) << vni;
    EXPECT_EQ(pings_lost(b(), "10.0.63.1", 20), 0);
    EXPECT_GE(received(a(), 63), 20U);
    EXPECT_EQ(received(c(), 62) + received(c(), 63), 0U);

    EXPECT_EQ(whole_vnis(a()).size(), count);
    const auto blocks = blocks_of(a());
    std::set<BlockPair> pairs;
    for (const Link &link : links_of(a())) {
        if (!link.vxlan)
            continue;
        EXPECT_TRUE(blocks.is_attached(link.index, Hook::ingress)) << link.name;
        EXPECT_TRUE(blocks.is_attached(link.index, Hook::egress)) << link.name;
        pairs.insert(blocks.pair_of(link.index).value_or(BlockPair{}));
    }
    EXPECT_EQ(pairs, (std::set{BlockPair{first_block, first_block + 1}}));

    // One goes, and the others go on.
    works(a(), "detach u --vni 23");
    EXPECT_EQ(whole_vnis(a()).size(), count - 1);
    works(a(), "reload");
    EXPECT_EQ(pings_lost(a(), "10.0.7.2"), 0);
    ip(a(), "addr flush dev br63"); // a bridge with an address stays
    works(a(), "detach u");
    nothing_is_left(a());
}

// An attach or detach costs as much among many VTEPs as among few.
TEST_F(Scale, CostsDoNotGrowWithTheNumber)
{
    works(a(), "-batch " + attaches(1, 1, 2, "")); // loads the programs
    const unsigned first = calls_of(a(), "-batch " + attaches(2, 21, 2, ""));
    const unsigned show = calls_of(a(), "show"), reload = calls_of(a(), "reload");
    const unsigned fdb = calls_of(a(), "fdb show"), stats = calls_of(a(), "stats");
    works(a(), "-batch " + attaches(22, 121, 2, ""));
    EXPECT_LT(calls_of(a(), "-batch " + attaches(122, 141, 2, "")), first * 3 / 2);
    // Seven times as many; commands that read also have a part that does not grow.
    EXPECT_LT(calls_of(a(), "show"), show * 8);
    EXPECT_LT(calls_of(a(), "fdb show"), fdb * 8);
    EXPECT_LT(calls_of(a(), "stats"), stats * 8);
    EXPECT_LT(calls_of(a(), "reload"), reload * 4);
    EXPECT_EQ(whole_vnis(a()).size(), 141U);
    const unsigned all = calls_of(a(), "detach u");
    nothing_is_left(a());
    works(a(), "-batch " + attaches(1, 20, 2, ""));
    EXPECT_LT(all, calls_of(a(), "detach u") * 8);
}

TEST_F(Scale, AKilledBatchLeavesWholeVteps)
{
    constexpr unsigned count = 9;
    works(a(), "-batch " + attaches(1, 1));
    const std::string batch = "-batch " + attaches(2, count);
    const unsigned calls = calls_of(a(), batch);
    std::size_t left = 0;
    for (const unsigned part : {1U, 4U, 6U, 7U}) {
        works(a(), "detach u");
        works(a(), "-batch " + attaches(1, 1));
        kill_at(a(), batch, calls * part / 8 + part);
        EXPECT_EQ(run(a(), "detach lo").status, 2); // repairs
        left = whole_vnis(a()).size();
        EXPECT_GE(left, 1U);
        EXPECT_LE(left, count);
    }
    // What is missing can be attached, and each line that cannot be says why.
    const Output rest = run(a(), "-force " + batch + " >/dev/null");
    EXPECT_EQ(rest.status, 2);
    EXPECT_EQ(std::ranges::count(rest.text, '\n'), static_cast<long>(left - 1)) << rest.text;
    EXPECT_EQ(whole_vnis(a()).size(), count);
}

TEST_F(Scale, AKilledDetachIsCompleted)
{
    const std::string batch = "-batch " + attaches(1, 8);
    works(a(), batch);
    const unsigned calls = calls_of(a(), "detach u");
    for (const unsigned part : {1U, 3U, 5U, 7U}) {
        works(a(), batch);
        kill_at(a(), "detach u", calls * part / 8);
        const Output again = run(a(), "detach u");
        EXPECT_TRUE(again.status == 0 || again.text == "detach u: no VNI is attached\n")
            << again.text;
        nothing_is_left(a());
    }
}

// The kernel deletes vxlan devices with the port that they are bound to.
TEST_F(Scale, ManyThatWentWithTheirPortAreRemoved)
{
    works(a(), "-batch " + attaches(1, 12, 2, ""));
    ip(a(), "link del u");
    const unsigned few = calls_of(a(), "detach u");
    wire(a(), "u", b(), "far");
    ip(a(), "addr add 192.168.8.1/24 dev u");
    works(a(), "-batch " + attaches(1, 80, 2, ""));
    works(a(), "-batch " + attaches(81, 84));
    ip(a(), "link del u");
    EXPECT_LT(calls_of(a(), "detach u"), few * 7);
    for (const Link &link : links_of(a()))
        EXPECT_EQ(link.name, "lo");
}

TEST_F(Scale, ALineThatFailsTakesBackItsOwnAlone)
{
    ip(a(), "link add taken type veth peer name taken2");
    const std::string path = file("lines");
    std::ofstream(path) << "attach u --vni 1 --name v1 --bridge br1\n"
                           "attach u --vni 1 --name again\n"
                           "attach u --vni 2 --name taken --bridge br2\n"
                           "attach u --vni 3 --name v3 --bridge taken\n"
                           "attach u --vni 4 --name v4 --bridge br4\n"
                           "attach nothing --vni 5 --name v5\n"
                           "attach u --vni 6 --name v6 --bridge br6\n";
    const Output output = run(a(), "-force -batch " + path);
    EXPECT_EQ(output.status, 2);
    EXPECT_NE(output.text.find("lines:2: attach u: VNI 1 on port 4789 is attached already (v1)"),
              std::string::npos)
        << output.text;
    EXPECT_NE(output.text.find("lines:3: attach u: the name taken is taken by"), std::string::npos);
    EXPECT_NE(output.text.find("lines:4: attach u: taken is not a bridge"), std::string::npos);
    EXPECT_NE(output.text.find("lines:6: attach nothing: "), std::string::npos);
    ip(a(), "link del taken");
    EXPECT_EQ(whole_vnis(a()), (std::set<unsigned>{1, 4, 6}));
    works(a(), "detach u");
    nothing_is_left(a());
}

// A failing first line leaves nothing, and the next one begins anew.
TEST_F(Scale, ABatchWhoseFirstAttachFails)
{
    const std::string path = file("lines");
    std::ofstream(path) << "attach u --vni 1 --name v1 --bridge lo\n"
                           "attach u --vni 2 --name v2 --bridge br2\n"
                           "attach u --vni 3 --name v3 --bridge br3\n";
    EXPECT_EQ(run(a(), "-force -batch " + path).status, 2);
    EXPECT_EQ(whole_vnis(a()), (std::set<unsigned>{2, 3}));
}

// Commands that take the lock by themselves do not wait for the one that their batch keeps.
TEST_F(Scale, ABatchReloadsAndDetachesByForce)
{
    const std::string path = file("lines");
    std::ofstream(path) << "attach u --vni 1 --name v1\n"
                           "reload\n"
                           "attach u --vni 2 --name v2\n"
                           "detach --force\n"
                           "attach u --vni 3 --name v3\n";
    const Output output = run(a(), "-batch " + path);
    EXPECT_EQ(output.status, 0) << output.text;
    EXPECT_EQ(whole_vnis(a()), (std::set<unsigned>{3}));
}

TEST_F(Scale, BlocksOfOthersAreLeftAlone)
{
    ip(a(), "link add theirs type bridge");
    ip(a(), "link set theirs up");
    must(fmt::format("tc -n {} qdisc add dev theirs ingress_block {} clsact", a(), first_block));
    works(a(), "-batch " + attaches(1, 2));
    const auto blocks = blocks_of(a());
    for (const Link &link : links_of(a())) {
        if (!link.vxlan)
            continue;
        EXPECT_EQ(blocks.pair_of(link.index), (BlockPair{first_block + 2, first_block + 3}));
    }
    EXPECT_EQ(whole_vnis(a()).size(), 2U);
    works(a(), "reload");
    EXPECT_FALSE(blocks_of(a()).is_attached(
        static_cast<int>(std::stoi(in(a(), "cat /sys/class/net/theirs/ifindex"))), Hook::ingress));
    works(a(), "detach u");
    EXPECT_NE(must(fmt::format("tc -n {} qdisc show dev theirs", a())).find("clsact"),
              std::string::npos);
    ip(a(), "link del theirs");
    nothing_is_left(a());
}

// As earlier versions attached all devices.
TEST_F(Scale, DevicesWithLinksKeepThem)
{
    works(a(), "-batch " + attaches(1, 2));
    const auto netns = got(Netns::open(a()));
    const std::string directory = state_directory("/sys/fs/bpf", got(netns.cookie()));
    must(fmt::format("tc -n {} qdisc del dev v1 clsact", a()));
    {
        const auto scope = got(netns.enter());
        const int index = got(got(Netlink::open()).link("v1")).index;
        for (const auto &[hook, which] : {std::pair(Hook::ingress, Program::tc_device_ingress),
                                          std::pair(Hook::egress, Program::tc_device_egress)}) {
            const auto program = got(open_program(directory, which));
            bool made_clsact = false;
            ASSERT_TRUE(attach_tc({directory, index, hook, "v1"}, program.get(), &made_clsact));
            if (made_clsact)
                GTEST_SKIP() << "no TCX here";
        }
    }
    EXPECT_EQ(got(pinned_links(directory)).size(), 4U); // with those of u
    EXPECT_EQ(whole_vnis(a()).size(), 2U);
    EXPECT_EQ(works(a(), "reload"), "6 attachments replaced\n");
    EXPECT_EQ(got(pinned_links(directory)).size(), 4U);
    EXPECT_EQ(must(fmt::format("tc -n {} qdisc show dev v1 clsact", a())), "");
    EXPECT_EQ(whole_vnis(a()).size(), 2U);
    works(a(), "detach v1");
    EXPECT_EQ(got(pinned_links(directory)).size(), 2U);
    works(a(), "detach u");
    nothing_is_left(a());
}

// Growing would load the programs anew.
TEST_F(Scale, AFileHasRoomForItsVtepsAtOnce)
{
    const auto replaced = [&] {
        const auto netns = got(Netns::open(a()));
        const auto scope = got(netns.enter());
        return got(replaced_count(state_directory("/sys/fs/bpf", got(netns.cookie())) + "/maps"));
    };
    works(a(), "-batch " + attaches(1, 70, 2, "--fdb-size 40000"));
    EXPECT_EQ(replaced(), 0U);
    EXPECT_EQ(whole_vnis(a()).size(), 70U);
    works(a(), "detach u");
    nothing_is_left(a());
}

TEST_F(Scale, TheLibraryAttachesManyUnderOneBatch)
{
    const auto netns = got(Netns::open(a()));
    const auto scope = got(netns.enter());
    {
        const Batch batch;
        std::weak_ptr<Resources> shared;
        for (unsigned vni = 1; vni <= 8; vni++) {
            AttachRequest request;
            request.devices = {"u"};
            request.vni = vni;
            request.name = fmt::format("v{}", vni);
            request.bridge = fmt::format("br{}", vni);
            const auto made = attach(request);
            ASSERT_TRUE(made.has_value()) << made.error().message();
            EXPECT_EQ(made->bridge, request.bridge);
            EXPECT_EQ(made->devices, request.devices);
            EXPECT_TRUE(made->up && made->here);
            const auto same = Session::writer("test", "", LockScope::batch);
            ASSERT_TRUE(same.has_value());
            EXPECT_TRUE(vni == 1 || same->resources == shared.lock());
            shared = same->resources;
        }
        const auto listed = list_vteps(std::nullopt);
        ASSERT_TRUE(listed.has_value());
        EXPECT_EQ(listed->size(), 8U);
    }
    EXPECT_EQ(detach("u", std::nullopt).value_or(0), 8U);
    nothing_is_left(a());
}

} // namespace
} // namespace xvtep::test
