// SPDX-License-Identifier: GPL-2.0-only
// Offloads that a data path in BPF needs otherwise than devices have them: switched at attach and
// at port add, and put back.
//
//   c --eth0--v-- a ==u======u== b

#include <nlohmann/json.hpp>

#include "tests/support/two_hosts.h"

namespace xvtep::test {
namespace {

class Offload : public TwoHosts {
  protected:
    static std::string feature(const std::string &ns, const std::string &device,
                               const std::string &name)
    {
        const std::string all = in(ns, "ethtool -k " + device);
        const auto at = all.find(name + ": ");
        if (at == std::string::npos)
            return "none";
        const auto value = at + name.size() + 2;
        return all.substr(value, all.find_first_of(" \n", value) - value);
    }
    std::string gro() { return feature(a_, "u", "generic-receive-offload"); }
};

constexpr const char *first = "attach u --vni 42 --remote 192.168.8.101";

TEST_F(Offload, UnderlayPortsMergePacketsWhileAttached)
{
    ASSERT_EQ(gro(), "off") << "a veth's default";
    works(first);
    EXPECT_EQ(gro(), "on");
    works("attach u --vni 43 --remote 192.168.8.101");
    works("detach u --vni 42");
    EXPECT_EQ(gro(), "on") << "VNI 43 is there";
    works("detach u");
    EXPECT_EQ(gro(), "off");

    in(a_, "ethtool -K u gro on");
    works(first);
    works("detach u");
    EXPECT_EQ(gro(), "on") << "as it was";
}

TEST_F(Offload, AFailedAttachPutsThemBack)
{
    ip(a_, "link add kernel type vxlan id 42 dev u remote 192.168.8.101 dstport 4789");
    EXPECT_EQ(run(first).status, 2);
    EXPECT_EQ(gro(), "off");
}

TEST_F(Offload, AKilledAttachIsPutRight)
{
    for (int milliseconds = 1; milliseconds < 90; milliseconds += 4) {
        sh(fmt::format("timeout -s KILL 0.{:03} {} -n {} {}", milliseconds, xvtep(), a_, first));
        run("detach u");
        EXPECT_EQ(gro(), "off") << "killed after " << milliseconds << " ms";
    }
}

class PortOffload : public Offload {
  protected:
    void SetUp() override
    {
        Offload::SetUp();
        if (IsSkipped())
            return;
        c_ = host("c");
        wire(a_, "v", c_, "eth0");
        works(first);
    }

    std::string offloads()
    {
        std::string all;
        for (const char *name :
             {"generic-receive-offload", "tx-checksum-ip-generic", "tx-checksum-sctp",
              "tx-tcp-segmentation", "tx-vlan-offload", "tx-vlan-stag-hw-insert"})
            all += fmt::format("{} {}\n", name, feature(c_, "eth0", name));
        return all;
    }

    std::string c_;
};

TEST_F(PortOffload, XdpPortsGetFinishedPackets)
{
    const std::string before = offloads();
    ASSERT_EQ(feature(c_, "eth0", "tx-checksum-ip-generic"), "on") << "a veth's default";
    works("port add v --vni 42 --mode xdp");
    EXPECT_EQ(offloads(), "generic-receive-offload on\ntx-checksum-ip-generic off\n"
                          "tx-checksum-sctp off\ntx-tcp-segmentation off\ntx-vlan-offload off\n"
                          "tx-vlan-stag-hw-insert off\n");
    works("port del v");
    EXPECT_EQ(offloads(), before);

    in(c_, "ethtool -K eth0 tx-checksum-sctp off");
    works("port add v --vni 42 --mode xdp");
    works("detach u");
    EXPECT_EQ(feature(c_, "eth0", "tx-checksum-ip-generic"), "on");
    EXPECT_EQ(feature(c_, "eth0", "tx-checksum-sctp"), "off") << "as it was";
}

TEST_F(PortOffload, AKilledPortAddIsPutRight)
{
    const std::string before = offloads();
    for (int milliseconds = 1; milliseconds < 60; milliseconds += 3) {
        sh(fmt::format("timeout -s KILL 0.{:03} {} -n {} port add v --vni 42 --mode xdp",
                       milliseconds, xvtep(), a_));
        run("port del v");
        EXPECT_EQ(offloads(), before) << "killed after " << milliseconds << " ms";
    }
}

} // namespace
} // namespace xvtep::test
