// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/lab.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

#include "user/datapath/bpffs.h"
#include "user/lab/build.h"
#include "user/lab/labs.h"
#include "user/lab/output.h"
#include "user/lab/processes.h"
#include "user/net/netlink.h"
#include "xvtep/vtep.h"

namespace xvtep {
namespace {

template <class T> testing::AssertionResult works(const Result<T> &result)
{
    if (result)
        return testing::AssertionSuccess();
    return testing::AssertionFailure() << result.error().message();
}

std::string name_of(LabEnds ends)
{
    switch (ends) {
    case LabEnds::kernel_peer:
        return "KernelPeer";
    case LabEnds::kernel:
        return "Kernel";
    default:
        return "Xvtep";
    }
}

// Labs are the machine's, not a process's: this process has a /run of its own (private_mounts.cc).
class LabFixture : public testing::Test {
  protected:
    void SetUp() override
    {
        if (::geteuid() != 0)
            GTEST_SKIP() << "needs root, to make network namespaces";
        expect_nothing_left();
    }
    void TearDown() override
    {
        if (::geteuid() == 0) {
            EXPECT_TRUE(works(lab_down()));
        }
    }

    // Takes the labs down and looks for what they have left.
    static void expect_goes()
    {
        std::vector<std::uint64_t> cookies;
        for (const std::string &name : lab_namespaces())
            cookies.push_back(Netns::open(name)->cookie().value_or(0));
        EXPECT_TRUE(works(lab_down()));
        if (const auto root = bpffs_root()) {
            const auto pinned = pinned_cookies(*root);
            ASSERT_TRUE(pinned) << pinned.error().message();
            for (const std::uint64_t cookie : *pinned)
                EXPECT_EQ(std::ranges::count(cookies, cookie), 0) << "pins are left";
        }
        expect_nothing_left();
    }
    static void expect_nothing_left()
    {
        EXPECT_EQ(lab_namespaces(), std::vector<std::string>{});
        EXPECT_FALSE(std::filesystem::exists("/run/xvtep/labs"));
        EXPECT_TRUE(lab_show()->empty());
        const auto refused = lab_test();
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().kind, ErrorKind::system);
    }

    static void expect_passes()
    {
        const auto verdict = lab_test();
        ASSERT_TRUE(works(verdict));
        EXPECT_TRUE(verdict->passed);
        EXPECT_FALSE(verdict->checks.empty());
        for (const CheckResult &check : verdict->checks)
            EXPECT_TRUE(check.passed) << check.what << ": " << check.detail;
    }
};

const std::vector<std::string> built_in = {
    "bridge", "dove",  "engine",        "flood",  "gateways", "misses", "multicast",
    "p2p",    "proxy", "routed-bridge", "static", "tenants",  "trunk",
};

using Case = std::tuple<std::string, LabEnds>;

class BuiltInLab : public LabFixture, public testing::WithParamInterface<Case> {};

TEST_P(BuiltInLab, StandsPassesAndGoes)
{
    const auto &[name, ends] = GetParam();
    const LabOptions options{name, ends};
    if (name == "dove" && ends != LabEnds::xvtep) {
        const auto refused = lab_up(options);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().kind, ErrorKind::usage);
        expect_nothing_left();
        return;
    }
    if (name == "dove" && !find_program("etcd"))
        GTEST_SKIP() << "etcd is not installed (package etcd-server)";
    ASSERT_TRUE(works(lab_up(options)));
    expect_passes();
    expect_goes();
}

INSTANTIATE_TEST_SUITE_P(Labs, BuiltInLab,
                         testing::Combine(testing::ValuesIn(built_in),
                                          testing::Values(LabEnds::xvtep, LabEnds::kernel_peer,
                                                          LabEnds::kernel)),
                         [](const testing::TestParamInfo<Case> &param_info) {
                             std::string name = std::get<0>(param_info.param) +
                                                name_of(std::get<1>(param_info.param));
                             std::erase(name, '-');
                             return name;
                         });

using Lab = LabFixture;

TEST_F(Lab, AllBuiltInOnesHaveATest)
{
    const auto labs = lab_list();
    ASSERT_TRUE(works(labs));
    std::vector<std::string> names;
    for (const auto &[name, description] : *labs)
        names.push_back(name);
    EXPECT_EQ(names, built_in);
}

TEST_F(Lab, OfANameIsUpOnce)
{
    ASSERT_TRUE(works(lab_up({.name_or_file = "p2p", .ends = LabEnds::kernel})));
    const auto again = lab_up({.name_or_file = "p2p", .ends = LabEnds::kernel});
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().kind, ErrorKind::system);
    EXPECT_EQ(again.error().message(), "lab up p2p: this lab is up already");
    expect_passes(); // and is none the worse
}

TEST_F(Lab, IsShown)
{
    ASSERT_TRUE(works(lab_up({.name_or_file = "p2p", .ends = LabEnds::kernel})));
    ASSERT_TRUE(works(lab_up({.name_or_file = "gateways", .ends = LabEnds::kernel})));
    const auto json = nlohmann::json::parse(to_json(*lab_show(), JsonLayout::line));
    ASSERT_EQ(json.size(), 2u);
    EXPECT_EQ(json[0]["name"], "gateways");
    EXPECT_EQ(json[1]["name"], "p2p");
    const auto &node1 = json[1]["hosts"][0];
    EXPECT_EQ(node1["namespace"], "xvtep-p2p-node1");
    EXPECT_EQ(node1["addresses"]["vxlan0"][0], "10.20.1.2/24");
    EXPECT_EQ(node1["addresses"]["enp0s8"][0], "192.168.8.100/24");
    EXPECT_EQ(node1["vteps"][0]["kernel"], true);
    const std::string text = to_text(*lab_show());
    EXPECT_NE(text.find("1.1.1.1/24"), std::string::npos);
    EXPECT_NE(text.find("┌─ xvtep-p2p-node1"), std::string::npos) << "no picture";
    expect_goes();
}

TEST_F(Lab, ThatFailsLeavesNothing)
{
    // The second host's address cannot be added twice.
    const std::string path = testing::TempDir() + "/xvtep-lab-fails.json";
    std::ofstream(path) << R"({"name": "fails",
        "wires": [{"ends": ["a:eth0", "b:eth0"]}],
        "hosts": [{"name": "a"},
                  {"name": "b", "addresses": {"eth0": ["192.0.2.1/24", "192.0.2.1/24"]}}]})";
    const auto lab = lab_up({.name_or_file = path});
    std::filesystem::remove(path);
    ASSERT_FALSE(lab);
    EXPECT_EQ(lab.error().kind, ErrorKind::system);
    EXPECT_TRUE(lab.error().message().starts_with(
        "add address 192.0.2.1/24 dev eth0 in xvtep-fails-b: file exists"))
        << lab.error().message();
    expect_nothing_left();
}

TEST_F(Lab, LeavesForeignNamespacesAlone)
{
    ASSERT_TRUE(works(Netns::create("xvtep-p2p-node2")));
    const auto lab = lab_up({.name_or_file = "p2p", .ends = LabEnds::kernel});
    EXPECT_FALSE(lab);
    EXPECT_FALSE(Netns::exists("xvtep-p2p-node1"));
    EXPECT_TRUE(works(lab_down()));
    EXPECT_TRUE(Netns::exists("xvtep-p2p-node2"));
    EXPECT_TRUE(works(Netns::remove("xvtep-p2p-node2")));
}

TEST_F(Lab, WithALostDescriptionIsRemoved)
{
    ASSERT_TRUE(works(lab_up({.name_or_file = "p2p", .ends = LabEnds::kernel})));
    std::filesystem::remove("/run/xvtep/labs/p2p.json");
    expect_goes();

    ASSERT_TRUE(works(lab_up({.name_or_file = "p2p", .ends = LabEnds::kernel})));
    std::ofstream("/run/xvtep/labs/p2p.json") << "{";
    ASSERT_TRUE(works(lab_up({.name_or_file = "p2p", .ends = LabEnds::kernel})));
    expect_goes();
}

TEST_F(Lab, LeftHalfBuiltIsBuiltAnew)
{
    ASSERT_TRUE(works(lab_up({.name_or_file = "p2p", .ends = LabEnds::kernel})));
    const std::string path = "/run/xvtep/labs/p2p.json";
    nlohmann::json state = nlohmann::json::parse(std::ifstream(path));
    state["complete"] = false;
    std::ofstream(path) << state;
    ASSERT_TRUE(works(Netns::remove("xvtep-p2p-node2")));
    EXPECT_TRUE(lab_show()->empty());

    ASSERT_TRUE(works(lab_up({.name_or_file = "p2p", .ends = LabEnds::kernel})));
    expect_passes();
    expect_goes();
}

TEST_F(Lab, TellsWhatFails)
{
    ASSERT_TRUE(works(lab_up({.name_or_file = "p2p", .ends = LabEnds::kernel})));
    {
        auto node = LabNode::open("xvtep-p2p-node2");
        ASSERT_TRUE(works(node));
        const auto vxlan = node->netlink.link("vxlan0");
        ASSERT_TRUE(works(vxlan));
        ASSERT_TRUE(works(node->netlink.change_link(vxlan->index, {.mtu = 1300})));
    }
    const auto verdict = lab_test();
    ASSERT_TRUE(works(verdict));
    EXPECT_FALSE(verdict->passed);
    bool told = false;
    for (const CheckResult &check : verdict->checks)
        told |= !check.passed && check.detail == "check MTU: 1300, not 1450";
    EXPECT_TRUE(told);
}

TEST_F(Lab, TellsOfCopiesTooManyAndTooFew)
{
    nlohmann::json lab = nlohmann::json::parse(*find_lab("flood"));
    lab["name"] = "copies";
    nlohmann::json frame;
    for (const auto &check : lab["checks"])
        if (check["type"] == "frame" && check["to"] == "ff:ff:ff:ff:ff:ff" &&
            check["from"] == "ns1:tap2")
            frame = check;
    nlohmann::json too_many = frame, too_few = frame;
    too_many["reaches"] = {"ns2:tap2", "ns3:tap2"};
    too_few["vteps"].push_back("192.168.1.5");
    lab["checks"] = {frame, too_many, too_few};
    const std::string path = testing::TempDir() + "/xvtep-lab-copies.json";
    std::ofstream(path) << lab;
    const auto up = lab_up({.name_or_file = path});
    std::filesystem::remove(path);
    ASSERT_TRUE(works(up));
    const auto verdict = lab_test();
    ASSERT_TRUE(works(verdict));
    ASSERT_GE(verdict->checks.size(), 3u);
    const CheckResult *const checks = &verdict->checks[verdict->checks.size() - 3];
    EXPECT_TRUE(checks[0].passed) << checks[0].detail;
    EXPECT_FALSE(checks[1].passed) << "a listener too many";
    EXPECT_NE(checks[1].detail.find("1 at ns4 tap2"), std::string::npos) << checks[1].detail;
    EXPECT_FALSE(checks[2].passed) << "a copy too few";
    EXPECT_NE(checks[2].detail.find("to 192.168.1.5"), std::string::npos) << checks[2].detail;
    expect_goes();
}

// A built-in lab with its containers' veths on the fast path, or its VTEPs in another mode.
class ChangedLab : public LabFixture, public testing::WithParamInterface<bool> {
  protected:
    static void expect_stands(const std::string &name,
                              const std::function<void(nlohmann::json &vtep)> &change,
                              const nlohmann::json &checks = nlohmann::json::array())
    {
        nlohmann::json lab = nlohmann::json::parse(*find_lab(name));
        lab["name"] = "changed";
        for (auto &host : lab["hosts"])
            if (host.contains("vteps"))
                for (auto &vtep : host["vteps"])
                    change(vtep);
        if (!checks.empty())
            lab["checks"] = checks;
        const std::string path = testing::TempDir() + "/xvtep-lab-changed.json";
        std::ofstream(path) << lab;
        const auto up = lab_up(
            {.name_or_file = path, .ends = GetParam() ? LabEnds::kernel_peer : LabEnds::xvtep});
        std::filesystem::remove(path);
        ASSERT_TRUE(works(up));
        expect_passes();
        expect_goes();
    }
};

TEST_P(ChangedLab, StandsWithPorts)
{
    expect_stands("bridge", [](nlohmann::json &vtep) { vtep["ports"] = {"veth1", "veth2"}; });
}

TEST_P(ChangedLab, StandsInXdpMode)
{
    expect_stands("bridge", [](nlohmann::json &vtep) { vtep["mode"] = "xdp"; });
}

TEST_P(ChangedLab, StandsInXdpModeOnTheDevice)
{
    expect_stands("p2p", [](nlohmann::json &vtep) { vtep["mode"] = "xdp"; });
}

TEST_P(ChangedLab, StandsAsATrunkInXdpMode)
{
    expect_stands("trunk", [](nlohmann::json &vtep) { vtep["mode"] = "xdp"; });
}

TEST_P(ChangedLab, FloodsFromPorts)
{
    expect_stands("flood", [](nlohmann::json &vtep) { vtep["ports"] = {"tap1"}; });
}

// Nothing but a neighbour's last probes refreshes them, of which there are a few seconds' worth.
TEST_P(ChangedLab, ForgetsWhatItHasLearned)
{
    expect_stands("multicast", [](nlohmann::json &vtep) { vtep["ageing"] = 2; },
                  {{{"type", "ping"}, {"from", "node1"}, {"to", "node2"}},
                   {{"type", "ping"}, {"from", "node1"}, {"to", "node3"}},
                   {{"type", "ageing"}, {"device", "node1:vxlan0"}, {"ageing", 2}},
                   {{"type", "fdb-expires"},
                    {"device", "node1:vxlan0"},
                    {"mac_of", "node2:vxlan0"},
                    {"within", 30}},
                   {{"type", "fdb-expires"},
                    {"device", "node3:vxlan0"},
                    {"mac_of", "node1:vxlan0"},
                    {"within", 60}}});
}

INSTANTIATE_TEST_SUITE_P(Labs, ChangedLab, testing::Bool(),
                         [](const testing::TestParamInfo<bool> &kernel_peer) {
                             return kernel_peer.param ? "KernelPeer" : "Xvtep";
                         });

// Killed at any moment, `lab up` leaves what `lab down` finds.
TEST_F(Lab, KilledHalfwayIsRemoved)
{
    for (unsigned after = 20; after <= 400; after += 76) {
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            (void)lab_up({.name_or_file = "bridge"});
            ::_exit(0);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(after));
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        expect_goes();
    }
}

// Three hosts with agents and a file for a directory.
std::string lab_with_agents(const std::string &name)
{
    nlohmann::json lab = nlohmann::json::parse(*find_lab("dove"));
    lab["name"] = name;
    lab["directory"] = "file";
    nlohmann::json checks = nlohmann::json::array();
    for (const auto &check : lab["checks"])
        if (check["type"] != "directory-outage")
            checks.push_back(check);
    lab["checks"] = checks;
    const std::string path = testing::TempDir() + "/xvtep-lab-" + name + ".json";
    std::ofstream(path) << lab;
    return path;
}

std::size_t processes_of_labs()
{
    return lab_processes(lab_namespaces()).size();
}

TEST_F(Lab, WithAgentsAndAFilePassesTwice)
{
    const std::string path = lab_with_agents("agents");
    const auto up = lab_up({.name_or_file = path});
    std::filesystem::remove(path);
    ASSERT_TRUE(works(up));
    EXPECT_EQ(processes_of_labs(), 3u);
    const auto json = nlohmann::json::parse(to_json(*lab_show(), JsonLayout::line));
    EXPECT_EQ(json[0]["hosts"][1]["processes"][0]["name"], "agent");
    expect_passes();
    expect_passes();
    EXPECT_EQ(processes_of_labs(), 3u);
    expect_goes();
}

TEST_F(Lab, WithAgentsKilledHalfwayIsRemoved)
{
    const std::string path = lab_with_agents("agents");
    for (unsigned after = 100; after <= 1000; after += 150) {
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            (void)lab_up({.name_or_file = path});
            ::_exit(0);
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(after));
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        std::vector<pid_t> pids;
        for (const LabProcess &process : lab_processes(lab_namespaces()))
            pids.push_back(process.pid);
        expect_goes();
        for (const pid_t pid : pids) { // one that nobody has waited for yet has no program
            std::error_code gone;
            (void)std::filesystem::read_symlink(fmt::format("/proc/{}/exe", pid), gone);
            EXPECT_TRUE(gone) << pid << " runs still";
        }
    }
    std::filesystem::remove(path);
}

TEST_F(Lab, LeavesPeoplesProcessesAlone)
{
    const std::string path = lab_with_agents("agents");
    const auto up = lab_up({.name_or_file = path});
    std::filesystem::remove(path);
    ASSERT_TRUE(works(up));
    const auto netns = Netns::open("xvtep-agents-node1");
    ASSERT_TRUE(works(netns));
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        const auto scope = netns->enter();
        for (;;)
            ::pause();
    }
    EXPECT_TRUE(works(lab_down()));
    EXPECT_EQ(::waitpid(child, nullptr, WNOHANG), 0);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
}

TEST_F(Lab, HasSwitches)
{
    const std::string path = testing::TempDir() + "/xvtep-lab-switch.json";
    std::ofstream(path) << R"({"name": "switched", "switches": ["lan"],
        "wires": [{"ends": ["a:eth0", "lan"]}, {"ends": ["b:eth0", "lan"]},
                  {"ends": ["c:eth0", "lan"]}],
        "hosts": [
          {"name": "a", "addresses": {"eth0": ["192.168.8.100/24"]},
           "vteps": [{"name": "vxlan0", "vni": 42, "devices": ["eth0"], "group": "239.1.1.1",
                      "addresses": ["10.20.1.2/24"]}]},
          {"name": "b", "addresses": {"eth0": ["192.168.8.101/24"]},
           "vteps": [{"name": "vxlan0", "vni": 42, "devices": ["eth0"], "group": "239.1.1.1",
                      "addresses": ["10.20.1.3/24"]}]},
          {"name": "c", "addresses": {"eth0": ["192.168.8.102/24"]},
           "vteps": [{"name": "vxlan0", "vni": 42, "devices": ["eth0"], "group": "239.1.1.1",
                      "addresses": ["10.20.1.4/24"]}]}],
        "checks": [{"type": "ping", "from": "a", "to": "b"},
                   {"type": "ping", "from": "b", "to": "c"},
                   {"type": "ping", "from": "c", "to": "a"}]})";
    const auto lab = lab_up({.name_or_file = path, .ends = LabEnds::kernel});
    std::filesystem::remove(path);
    ASSERT_TRUE(works(lab));
    expect_passes();
    expect_goes();
}

} // namespace
} // namespace xvtep
