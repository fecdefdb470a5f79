// SPDX-License-Identifier: GPL-2.0-only
// One system call of a command fails, or the command is killed there. What then stands is as before
// or as after it, once the next command has run; exit 0 means after, and at once; any other exit of
// a command that sets up means before.

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

#include <fmt/ranges.h>

#include "tests/support/difference.h"
#include "tests/support/netns_case.h"
#include "user/base/fd.h"
#include "user/datapath/bpffs.h"
#include "user/datapath/datapath.h"
#include "user/datapath/tc_attach.h"
#include "user/datapath/tc_block.h"
#include "user/datapath/xdp_attach.h"
#include "user/net/ethtool.h"
#include "user/net/netlink.h"
#include "user/vtep/session.h"
#include "xvtep/vtep.h"

namespace xvtep::test {
namespace {

class Faults : public NetnsCase {
  protected:
    void SetUp() override
    {
        NetnsCase::SetUp();
        if (IsSkipped())
            return;
        a_ = host("a");
        c_ = host("c");
        for (const char *wire : {"u", "w"}) {
            ip(a_, fmt::format("link add {0} type veth peer name {0}peer", wire));
            ip(a_, fmt::format("link set {} up", wire));
        }
        ip(a_, "link set lo up");
        ip(a_, "addr add 192.168.8.100/24 dev u");
        ip(a_, "link add br0 type bridge");
        wire(a_, "p", c_, "eth0");
        for (const auto &space : {a_, c_}) // whose packets would be learned from
            in(space, "sysctl -q -w net.ipv6.conf.all.disable_ipv6=1");
        in(c_, "ethtool -K eth0 gro off");
    }

    int run(const std::string &words, const std::string &environment = "")
    {
        const Output output = sh(fmt::format("{} {} -n {} {}", environment, xvtep(), a_, words));
        said_ = output.text;
        return output.status;
    }

    // All that xvtep may have changed in the namespace, but for what is another each time.
    [[nodiscard]] std::string state() const;

    // Points among the calls of a command that takes `before` to what it leaves.
    void at_points(const std::string &command, const std::string &back, unsigned points,
                   bool builds);

    std::string a_, c_, said_;
};

template <class T> T got(Result<T> result)
{
    if (!result)
        throw std::runtime_error(result.error().message());
    return std::move(*result);
}

std::string hex(const void *data, std::size_t size)
{
    const auto *const bytes = static_cast<const unsigned char *>(data);
    return fmt::format("{:02x}", fmt::join(bytes, bytes + size, ""));
}

using Names = std::map<__u32, std::string>; // of interfaces

std::vector<std::string> vtep_lines(const Tables &tables, Names &names)
{
    std::vector<std::string> lines;
    for (const auto &[ifindex, slot] : got(tables.devices.entries())) {
        const auto vtep = *got(tables.vteps.look_up(slot));
        lines.push_back(fmt::format("vtep {} slot {} vni {} flags {:x} members {}", names[ifindex],
                                    slot, vtep.vni, vtep.flags, vtep.members));
        lines.push_back(fmt::format("usage {} {}", slot, tables.fdb_count[slot]));
    }
    for (const auto &[key, slot] : got(tables.vnis.entries()))
        lines.push_back(fmt::format("vni {} slot {}", key.vni, slot));
    for (const auto &[word, bits] : got(tables.dstports.entries()))
        if (bits != 0)
            lines.push_back(fmt::format("dstport {} {:x}", word, bits));
    for (const auto &[hint, slot] : got(tables.vni_hints.entries()))
        if (slot != 0)
            lines.push_back(fmt::format("hint {} {}", hint, slot));
    for (const auto &[address, one] : got(tables.local_addrs.entries()))
        lines.push_back("local " + hex(&address, sizeof(address)));
    for (const auto &[key, entry] : got(tables.fdb.entries()))
        lines.push_back(
            fmt::format("fdb {} {} {}", key.vni, hex(key.mac, 6), __u32{entry.several}));
    for (const auto &[key, id] : got(tables.remote_ids.entries()))
        if (const auto refs = tables.remotes[xv_remote_index(id)].refs; refs != 0)
            lines.push_back(fmt::format("remote {} {} refs {}", key.slot,
                                        hex(&key.addr, sizeof(key.addr)), refs));
    return lines;
}

std::vector<std::string> port_lines(const Tables &tables, Names &names)
{
    std::vector<std::string> lines;
    for (const auto &[ifindex, underlay] : got(tables.underlays.entries()))
        lines.push_back(fmt::format("underlay {} mode {}", names[ifindex], underlay.mode));
    for (const auto &[ifindex, port] : got(tables.ports.entries()))
        lines.push_back(fmt::format("port {} slot {} vtep {} mode {} flags {:x}", names[ifindex],
                                    port.slot, port.vtep, port.mode, port.flags));
    for (const auto &[key, slot] : got(tables.vlans.entries()))
        lines.push_back(fmt::format("vlan {} {} slot {}", names[key.ifindex], key.vid, slot));
    for (const auto &[key, member] : got(tables.members.entries()))
        lines.push_back(fmt::format("member {} {} {} {}", key.slot, key.index,
                                    names[member.ifindex], member.vid));
    return lines;
}

std::vector<std::string> pin_lines(const std::string &directory, Names &names)
{
    std::vector<std::string> lines;
    for (const auto &link : got(pinned_links(directory)))
        lines.push_back(fmt::format("pinned {} {} dead {}", names[static_cast<__u32>(link.ifindex)],
                                    link.hook == Hook::ingress ? "ingress" : "egress", link.dead));
    // Not what is in maps/programs: programs stay loaded after the first need of them.
    for (const char *kind : {"", "/maps"})
        for (const auto &name : got(names_in(directory + kind)))
            lines.push_back(fmt::format("pinned {}/{}", kind, name));
    return lines;
}

// The filter blocks that devices are bound to.
std::vector<std::string> block_lines(const std::vector<Link> &links)
{
    auto netlink = got(Netlink::open());
    const auto blocks = got(DeviceBlocks::read(netlink));
    std::vector<std::string> lines;
    for (const auto &link : links)
        if (const auto pair = blocks.pair_of(link.index))
            lines.push_back(fmt::format("blocks of {} {:x} {:x} filled {} {}", link.name,
                                        pair->ingress, pair->egress,
                                        blocks.is_attached(link.index, Hook::ingress),
                                        blocks.is_attached(link.index, Hook::egress)));
    return lines;
}

std::string Faults::state() const
{
    const auto netns = got(Netns::open(a_));
    const std::string directory = state_directory("/sys/fs/bpf", got(netns.cookie()));
    const auto scope = got(netns.enter());
    const auto links = got(got(Netlink::open()).links());
    Names names;
    for (const auto &link : links)
        names[static_cast<__u32>(link.index)] = link.name;
    std::vector<std::string> lines;
    for (const auto &link : links)
        lines.push_back(fmt::format("link {} {} up {} group {:x} master {} xdp {}", link.name,
                                    link.kind, link.is_up(), link.group,
                                    names[static_cast<__u32>(link.master)], link.xdp_program != 0));
    for (const char *port : {"u", "w"})
        lines.push_back(fmt::format("{} rx-gro {}", port, got(device_feature(port, "rx-gro"))));
    const auto append = [&](const std::vector<std::string> &more) {
        lines.insert(lines.end(), more.begin(), more.end());
    };
    append(block_lines(links));
    append(pin_lines(directory, names));
    if (got(datapath_exists(directory))) {
        const auto tables = got(Tables::open(directory));
        append(vtep_lines(tables, names));
        append(port_lines(tables, names));
    }
    const auto container = got(Netns::open(c_));
    const auto there = got(container.enter());
    for (const char *feature : {"rx-gro", "tx-vlan-hw-insert", "tx-vlan-stag-hw-insert"})
        lines.push_back(fmt::format("{} {}", feature, got(device_feature("eth0", feature))));
    std::ranges::sort(lines);
    return fmt::format("{}\n", fmt::join(lines, "\n"));
}

void Faults::at_points(const std::string &command, const std::string &back, unsigned points,
                       bool builds)
{
    SCOPED_TRACE(command);
    const std::string before = state(), count_file = file("count");
    ASSERT_EQ(
        run(command, fmt::format("XVTEP_FAULT_COUNT={} LD_PRELOAD={}", count_file, XVTEP_FAULTS)),
        0)
        << said_;
    const std::string after = state();
    unsigned calls = 0;
    std::ifstream(count_file) >> calls;
    ASSERT_GT(calls, 20U);
    const char *const all = std::getenv("XVTEP_FAULT_POINTS"); // more, to find what is wrong
    if (all != nullptr)
        points = static_cast<unsigned>(std::atoi(all));
    points = std::min(points, calls);
    bool is_after = true;
    for (unsigned n = 0; n < 2 * points && (!HasFailure() || all != nullptr); n++) {
        if (is_after && !back.empty()) {
            ASSERT_EQ(run(back), 0) << said_;
            ASSERT_EQ(difference(before, state()), "") << back;
        }
        // Kills a half step behind errors.
        const bool kills = n % 2 != 0;
        const unsigned at = 1 + (2 * (n / 2) + (kills ? 1 : 0)) * calls / (2 * points);
        SCOPED_TRACE(fmt::format("call {} of {} {}", at, calls, kills ? "kills" : "fails"));
        const int status = run(command, fmt::format("XVTEP_FAULT={}:{} LD_PRELOAD={}", at,
                                                    kills ? 0 : ENOMEM, XVTEP_FAULTS));
        const std::string said = said_;
        std::string now = state();
        if (!kills) {
            ASSERT_TRUE(status == 0 || status == 2) << status << said;
            EXPECT_TRUE(status == 0 || std::ranges::count(said, '\n') == 1) << said;
        }
        if (status == 0) {
            EXPECT_EQ(difference(after, now), "");
        } else if (builds && !kills) {
            EXPECT_EQ(difference(before, now), "") << said;
        }
        // Whatever may change something puts right what is not whole.
        if (now != before && now != after) {
            EXPECT_EQ(run("detach lo"), 2);
            EXPECT_EQ(said_, "detach lo: no VNI is attached\n");
            now = state();
        }
        EXPECT_TRUE(now == before || now == after) << said << "to before:\n"
                                                   << difference(before, now) << "to after:\n"
                                                   << difference(after, now);
        is_after = now == after;
        if (!is_after) {
            EXPECT_EQ(run(command), 0) << said_;
            EXPECT_EQ(difference(after, state()), "") << said_;
            is_after = true;
        }
    }
    if (is_after && !back.empty()) {
        ASSERT_EQ(run(back), 0) << said_;
    }
}

constexpr const char *stays = "attach u --vni 9 --name stays --remote 192.168.8.109";

TEST_F(Faults, Attach)
{
    ASSERT_EQ(run(stays), 0) << said_;
    at_points(
        "attach u w --vni 42 --name v --local 192.168.8.100 --remote 192.168.8.101 --bridge made "
        "--mac 02:00:00:00:00:42",
        "detach u --vni 42", 6, true);
}

TEST_F(Faults, Detach)
{
    const std::string attach =
        "attach u w --vni 42 --name v --local 192.168.8.100 --remote 192.168.8.101 "
        "--bridge made --mac 02:00:00:00:00:42";
    ASSERT_EQ(run(stays), 0) << said_;
    ASSERT_EQ(run(attach), 0) << said_;
    at_points("detach u --vni 42", attach, 6, false);
}

TEST_F(Faults, Ports)
{
    ASSERT_EQ(run(stays), 0) << said_;
    at_points("port add p --vni 9 --mode xdp", "port del p", 5, true);
    at_points("port add p --vni 9 --vlan 7", "port del p --vlan 7", 3, true);
    ASSERT_EQ(run("port add p --vni 9 --mode xdp"), 0) << said_;
    at_points("port del p", "port add p --vni 9 --mode xdp", 4, false);
}

// In a process of its own, because libxdp remembers what has failed.
bool detaches_with(rlim_t descriptors, int ifindex)
{
    const pid_t child = ::fork();
    if (child == 0) {
        const rlimit few{descriptors, descriptors};
        const bool done = ::setrlimit(RLIMIT_NOFILE, &few) == 0 && detach_xdp(ifindex);
        ::_exit(done ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    return status == 0;
}

// libxdp takes some failures to read what is attached for "nothing is attached". With one more
// descriptor each time, every step that opens one fails once.
TEST_F(Faults, XdpIsGoneWhereDetachingItSucceeds)
{
    ASSERT_EQ(run(stays), 0) << said_;
    ASSERT_EQ(run("port add p --vni 9 --mode xdp"), 0) << said_;
    const auto netns = got(Netns::open(a_));
    const auto scope = got(netns.enter());
    auto netlink = got(Netlink::open());
    const int index = got(netlink.link("p")).index;
    const auto first_free = static_cast<rlim_t>(Fd(::dup(netns.fd())).get());
    unsigned refused = 0;
    bool done = false;
    for (rlim_t spare = 0; spare < 64 && !done; spare++) {
        done = detaches_with(first_free + spare, index);
        refused += done ? 0 : 1;
        EXPECT_EQ(got(netlink.link(index)).xdp_program == 0, done) << spare << " descriptors";
    }
    EXPECT_TRUE(done);
    EXPECT_GT(refused, 1U);
}

TEST_F(Faults, Entries)
{
    ASSERT_EQ(run(stays), 0) << said_;
    at_points("fdb add 02:00:00:00:00:01 dev stays dst 192.168.8.9",
              "fdb del 02:00:00:00:00:01 dev stays", 12, true);
    at_points("fdb append 00:00:00:00:00:00 dev stays dst 192.168.8.9",
              "fdb del 00:00:00:00:00:00 dev stays dst 192.168.8.9", 8, true);
}

// References to remote VTEPs: with them, packets from there are accepted.
TEST_F(Faults, References)
{
    ASSERT_EQ(run(std::string(stays) + " --accept known"), 0) << said_;
    const std::string add = "fdb add 02:00:00:00:00:01 dev stays dst 192.168.8.9 vni 8",
                      del = "fdb del 02:00:00:00:00:01 dev stays";
    at_points(add, del, 12, true);
    ASSERT_EQ(run(add), 0) << said_;
    at_points(del, add, 24, false);
    at_points("fdb replace 02:00:00:00:00:01 dev stays dst 192.168.8.7",
              "fdb replace 02:00:00:00:00:01 dev stays dst 192.168.8.9 vni 8", 12, false);
    at_points("remote add 192.168.8.6 dev stays", "remote del 192.168.8.6 dev stays", 6, true);
}

TEST_F(Faults, FirstAttachAndReload)
{
    at_points(stays, "detach u", 3, true);
    ASSERT_EQ(run(stays), 0) << said_;
    at_points("reload", "", 3, true);
}

} // namespace
} // namespace xvtep::test
