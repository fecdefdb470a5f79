// SPDX-License-Identifier: GPL-2.0-only
// A device with many VNIs: VLAN 5 on it is the VNI 42.
#include "tests/program/program_case.h"

namespace xvtep::test {
namespace {

using Counted = std::map<std::string, std::uint64_t>;

class ManyVnis : public KnownCase {
  protected:
    void SetUp() override
    {
        KnownCase::SetUp();
        if (IsSkipped() || HasFatalFailure())
            return;
        vtep.vid = 5;
        write_vtep();
        xv_vtep record = vtep; // its counters are those of the port, which is not used here
        record.slot = port_slot;
        record.vni = record.vid = 0;
        record.flags |= XV_VTEP_DEVICE;
        write(skeleton->maps.vteps, record.slot, record);
        write(skeleton->maps.devices, device.index, record.slot);
        write(skeleton->maps.vlans, xv_vlan_key{static_cast<__u32>(device.index), 5},
              __u32{vtep_slot});
    }

    Outcome send(const Bytes &frame)
    {
        return tc(skeleton->progs.xvtep_tc_device_egress, device, frame);
    }

    static Bytes udp4(unsigned vlan, int size = 31)
    {
        const Bytes packet = Ipv4{} / (Udp{.dst = 9} / payload(static_cast<std::size_t>(size)));
        return vlan != 0 ? Ether{.vlan = vlan} / packet : Ether{} / packet;
    }
    static Bytes tagged(Bytes frame, std::uint16_t type, std::uint16_t tci)
    {
        const std::uint8_t tag[] = {
            static_cast<std::uint8_t>(type >> 8), static_cast<std::uint8_t>(type),
            static_cast<std::uint8_t>(tci >> 8), static_cast<std::uint8_t>(tci)};
        frame.insert(frame.begin() + 12, std::begin(tag), std::end(tag));
        return frame;
    }
    // What is behind the outer headers.
    static Bytes inner_of(const Bytes &packet)
    {
        return packet.size() < 50 ? Bytes() : Bytes(packet.begin() + 50, packet.end());
    }
};

TEST_F(ManyVnis, TheTagIsTakenOff)
{
    for (const unsigned priority : {0U, 0xe000U}) {
        const Outcome run =
            send(tagged(udp4(0), 0x8100, static_cast<std::uint16_t>(5U | priority)));
        EXPECT_EQ(run.action, tc_redirect);
        EXPECT_EQ(inner_of(run.packet), udp4(0));
        EXPECT_EQ(run.counted, (Counted{{"tx", 1}}));
    }
}

TEST_F(ManyVnis, AnInnerTagStays)
{
    const Outcome run = send(tagged(udp4(7), 0x8100, 5));
    EXPECT_EQ(run.action, tc_redirect);
    EXPECT_EQ(inner_of(run.packet), udp4(7));
}

TEST_F(ManyVnis, OtherVlansAndNoneAreDropped)
{
    for (const Bytes &frame : {udp4(0), udp4(6), tagged(udp4(0), 0x8100, 0xe000),
                               tagged(udp4(0), 0x88a8, 5), tagged(udp4(5), 0x88a8, 5)}) {
        const Outcome run = send(frame);
        EXPECT_EQ(run.action, tc_shot);
        EXPECT_EQ(run.counted, (Counted{{"unknown_vlan", 1}}));
    }
}

// The kernel's device would not know whom to send to.
TEST_F(ManyVnis, WithoutAnEntryIsDropped)
{
    const Bytes frame =
        tagged(Ether{.dst = "02:00:00:00:00:77"} / (Ipv4{} / payload(30)), 0x8100, 5);
    const Outcome run = send(frame);
    EXPECT_EQ(run.action, tc_shot);
    EXPECT_EQ(run.counted, (Counted{{"no_tx_target", 1}}));
}

TEST_F(ManyVnis, WithoutAHopTheKernelsDeviceSends)
{
    entry(container, "192.168.8.102");
    const Outcome run = send(udp4(5));
    EXPECT_EQ(run.action, tc_pass);
    EXPECT_EQ(run.packet, udp4(0)) << "without its tag";
    EXPECT_EQ(run.counted, (Counted{{"tx", 1}}));
}

TEST_F(ManyVnis, AnEntryThatOnlyTheKernelKnowsIsNotUsed)
{
    xv_fdb value{};
    value.several = 1;
    value.flags = XV_FDB_STATIC;
    write(skeleton->maps.fdb, key(container), value);
    EXPECT_EQ(send(udp4(5)).counted, (Counted{{"no_tx_target", 1}}));
    entry(Mac{}, "192.168.8.101");
    const Outcome run = send(udp4(5));
    EXPECT_EQ(run.action, tc_redirect);
    EXPECT_EQ(inner_of(run.packet), udp4(0));
}

TEST_F(ManyVnis, CutShortAtEveryByte)
{
    const Bytes whole = tagged(udp4(0), 0x8100, 5);
    for (std::size_t size = 14; size < whole.size(); size++) {
        const Outcome run = send(Bytes(whole.begin(), whole.begin() + static_cast<long>(size)));
        EXPECT_TRUE(run.action == tc_shot || run.action == tc_redirect || run.action == tc_pass);
    }
}

} // namespace
} // namespace xvtep::test
