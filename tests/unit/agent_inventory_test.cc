// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/inventory.h"

#include <algorithm>
#include <array>

#include <gtest/gtest.h>

namespace xvtep::agent {
namespace {

Mac mac(unsigned n)
{
    return Mac{{2, 0, 0, 0, 0, static_cast<std::uint8_t>(n)}};
}
Ip ip(unsigned n)
{
    const std::array<std::uint8_t, 4> bytes{10, 0, 0, static_cast<std::uint8_t>(n)};
    return Ip::from_bytes(bytes.data(), bytes.size());
}
const Ip local = *Ip::parse("192.0.2.1");
EndpointId id(unsigned n, std::uint32_t vni = 42)
{
    return {vni, mac(n)};
}
Record at_mac(unsigned n, std::uint32_t vni = 42)
{
    return {vni, mac(n), std::nullopt, local, 4789};
}
Record at_ip(unsigned n, unsigned address, std::uint32_t vni = 42)
{
    return {vni, mac(n), ip(address), local, 4789};
}

// vxlan42 (1) and p1 (3) are in bridge br0 (2); p4 (4) is a trunk whose VLAN 7 is in VNI 43, which
// vxlan43 (5) serves without a bridge.
class AgentInventory : public ::testing::Test {
  protected:
    AgentInventory()
    {
        view_.vteps = {vtep(42, "vxlan42", 1), vtep(43, "vxlan43", 5)};
        view_.devices = {device(1, "vxlan42", 2), device(2, "br0", 0), device(3, "p1", 2),
                         device(4, "p4", 0), device(5, "vxlan43", 0)};
        view_.devices[0].is_vxlan = view_.devices[4].is_vxlan = true;
        view_.ports = {{"p4", 7, 43, {}}};
        view_.addresses.clear();
        make({});
    }
    static VtepInfo vtep(std::uint32_t vni, const std::string &name, int ifindex)
    {
        VtepInfo info;
        info.vni = vni;
        info.name = name;
        info.ifindex = ifindex;
        info.local = local;
        info.dstport = 4789;
        return info;
    }
    static SystemView::Device device(int index, const std::string &name, int master)
    {
        return {index, name, mac(100 + static_cast<unsigned>(index)), master, false, true};
    }
    void make(InventoryOptions options)
    {
        inventory_.emplace(std::move(options));
        inventory_->update(view_);
    }
    void update() { inventory_->update(view_); }
    bool hear(unsigned n, unsigned address)
    {
        return inventory_->add_heard({"p1", 0}, mac(n), ip(address));
    }
    [[nodiscard]] std::set<Record> records() const { return inventory_->records(); }

    SystemView view_;
    std::optional<Inventory> inventory_;
};

TEST_F(AgentInventory, FindsThePlaces)
{
    const auto &places = inventory_->places();
    EXPECT_EQ(places.vnis, (std::map<Place, std::uint32_t>{{{"p1", 0}, 42}, {{"p4", 7}, 43}}));
    EXPECT_EQ(places.devices, (std::map<int, std::string>{{3, "p1"}, {4, "p4"}}));
    EXPECT_EQ(places.bridges, (std::map<std::uint32_t, int>{{42, 2}}));
    EXPECT_EQ(inventory_->vni_at({"p1", 7}), std::nullopt);
    EXPECT_TRUE(records().empty());
}

TEST_F(AgentInventory, ADeviceThatIsDownIsNoPlace)
{
    view_.devices[2].is_up = view_.devices[3].is_up = false;
    EXPECT_TRUE(find_places(view_).vnis.empty());
}

// Which VTEP's would a port be?
TEST_F(AgentInventory, ABridgeOfTwoVtepsGivesNone)
{
    view_.devices[4].master = 2;
    const auto places = find_places(view_);
    EXPECT_FALSE(places.vnis.contains({"p1", 0}));
    EXPECT_TRUE(places.bridges.empty());
}

TEST_F(AgentInventory, OwnAddressesAreOfTheDeviceAndItsBridge)
{
    view_.addresses = {{1, ip(1)}, {2, ip(2)}, {3, ip(3)}, {5, ip(4)}};
    update();
    EXPECT_EQ(records(), (std::set{at_ip(101, 1), at_ip(102, 2), at_ip(105, 4, 43)}));
}

TEST_F(AgentInventory, GivenEndpointsAreCompletedAndWaitForTheirVni)
{
    const Ip elsewhere = *Ip::parse("198.51.100.1");
    make({.given = {{42, mac(1), ip(1), Ip{}, 0},
                    {42, mac(2), ip(2), elsewhere, 8472},
                    {44, mac(3), ip(3), Ip{}, 0}}});
    EXPECT_EQ(records(), (std::set{at_ip(1, 1), Record{42, mac(2), ip(2), elsewhere, 8472}}));
    make({.given = {{42, mac(1), ip(1), Ip{}, 0}}, .vtep = elsewhere});
    EXPECT_EQ(records(), (std::set{Record{42, mac(1), ip(1), elsewhere, 4789}}));
    view_.vteps[0].local.reset();
    make({.given = {{42, mac(1), ip(1), Ip{}, 0}}});
    EXPECT_TRUE(records().empty()) << "no address to be reached at";
}

TEST_F(AgentInventory, WhatIsHeardIsCertain)
{
    EXPECT_TRUE(hear(1, 1));
    EXPECT_FALSE(hear(1, 1)) << "nothing new";
    EXPECT_TRUE(hear(1, 2));
    EXPECT_EQ(records(), (std::set{at_ip(1, 1), at_ip(1, 2)}));
    EXPECT_TRUE(hear(2, 1)) << "the last that says so has the address";
    EXPECT_EQ(records(), (std::set{at_ip(2, 1), at_ip(1, 2)}));
    EXPECT_FALSE(inventory_->add_heard({"p9", 0}, mac(3), ip(3)));
    EXPECT_TRUE(inventory_->add_heard({"p4", 7}, mac(3), ip(2)));
    EXPECT_TRUE(records().contains(at_ip(1, 2))) << "another VNI's address";
    EXPECT_TRUE(records().contains(at_ip(3, 2, 43)));
    EXPECT_FALSE(inventory_->is_incomplete());
}

TEST_F(AgentInventory, WhatIsLearnedHasToBeConfirmed)
{
    view_.bridge_entries = {{3, mac(1)}, {3, Mac{{1, 0, 0, 0, 0, 1}}}, {9, mac(9)}};
    view_.ports[0].learned = {mac(2)};
    update();
    EXPECT_TRUE(records().empty());
    EXPECT_TRUE(inventory_->is_incomplete());
    EXPECT_EQ(inventory_->uncertain(), (std::vector{id(1), id(2, 43)}));
    inventory_->confirm(id(1));
    EXPECT_EQ(records(), (std::set{at_mac(1)}));
    EXPECT_EQ(inventory_->uncertain(), (std::vector{id(2, 43)}));
}

TEST_F(AgentInventory, AnEndpointGoesWithItsPort)
{
    hear(1, 1);
    inventory_->add_heard({"p4", 7}, mac(2), ip(2));
    view_.ports.clear();
    update();
    EXPECT_EQ(records(), (std::set{at_ip(1, 1)}));
    view_.devices[2].is_up = false;
    update();
    EXPECT_TRUE(records().empty());
}

TEST_F(AgentInventory, AClaimedMacStaysAwayUntilItIsHeard)
{
    view_.bridge_entries = {{3, mac(1)}};
    update();
    inventory_->confirm(id(1));
    EXPECT_TRUE(inventory_->give_up(id(1)));
    EXPECT_FALSE(inventory_->give_up(id(1)));
    update();
    EXPECT_EQ(inventory_->find(id(1)), nullptr) << "the bridge's entry is an old one";
    hear(1, 1);
    EXPECT_EQ(records(), (std::set{at_ip(1, 1)}));
}

TEST_F(AgentInventory, AClaimedMacComesBackWhenABridgeLearnsItAnew)
{
    view_.bridge_entries = {{3, mac(1)}};
    update();
    inventory_->give_up(id(1));
    view_.bridge_entries.clear();
    update();
    view_.bridge_entries = {{3, mac(1)}};
    update();
    EXPECT_EQ(inventory_->uncertain(), (std::vector{id(1)}));
}

TEST_F(AgentInventory, AClaimedIpLeavesTheMac)
{
    hear(1, 1);
    EXPECT_FALSE(inventory_->give_up_ip(43, ip(1)));
    EXPECT_TRUE(inventory_->give_up_ip(42, ip(1)));
    EXPECT_FALSE(inventory_->give_up_ip(42, ip(1)));
    EXPECT_EQ(records(), (std::set{at_mac(1)}));
}

TEST_F(AgentInventory, AnEarlierRunsRecordsAreReplacedByAWholeSet)
{
    using namespace std::chrono_literals;
    inventory_.emplace(InventoryOptions{});
    inventory_->remember({{"p1", 0, 42, mac(1), {ip(1)}}, {"p1", 0, 42, mac(2), {ip(2)}}});
    update();
    EXPECT_FALSE(inventory_->may_replace_earlier(29s)) << "it would withdraw everything";
    EXPECT_TRUE(inventory_->may_replace_earlier(30s));
    inventory_->confirm(id(1));
    EXPECT_FALSE(inventory_->may_replace_earlier(2s)) << "it would withdraw the second";
    EXPECT_TRUE(inventory_->may_replace_earlier(3s));
    inventory_->confirm(id(2));
    EXPECT_TRUE(inventory_->may_replace_earlier(0s));
}

TEST_F(AgentInventory, RemembersAnEarlierRun)
{
    inventory_.emplace(InventoryOptions{});
    const std::vector<SavedEndpoint> saved{{"p1", 0, 42, mac(1), {ip(1), ip(2)}},
                                           {"p4", 0, 43, mac(2), {}},  // not there
                                           {"p4", 7, 42, mac(3), {}}}; // another VNI by now
    inventory_->remember(saved);
    EXPECT_TRUE(inventory_->is_incomplete());
    EXPECT_EQ(inventory_->saved(), saved);
    update();
    EXPECT_EQ(inventory_->uncertain(), (std::vector{id(1)}));
    EXPECT_EQ(inventory_->saved(), (std::vector{saved[0], saved[1]}));
    inventory_->drop_uncertain_ip(id(1), ip(2));
    inventory_->confirm(id(1));
    inventory_->drop_uncertain_ip(id(1), ip(1)); // heard meanwhile, say
    EXPECT_EQ(records(), (std::set{at_ip(1, 1)}));
}

// A host can make addresses up.
TEST_F(AgentInventory, AddressesBehindAPortAreBounded)
{
    make({.most_per_port = 3}); // a MAC counts as one, and so does each of its IPs
    EXPECT_TRUE(hear(1, 1));
    EXPECT_TRUE(hear(1, 2));
    EXPECT_FALSE(hear(1, 3));
    EXPECT_FALSE(hear(2, 4));
    EXPECT_EQ(inventory_->find(id(2)), nullptr);
    EXPECT_TRUE(inventory_->add_heard({"p4", 7}, mac(5), ip(5))) << "another port";
    inventory_->give_up_ip(42, ip(1));
    update();
    EXPECT_TRUE(hear(1, 3)) << "there is room again";
}

} // namespace
} // namespace xvtep::agent
