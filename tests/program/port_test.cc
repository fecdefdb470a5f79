// SPDX-License-Identifier: GPL-2.0-only
// What the programs remember of a port besides its entry: the copy that they look up first, and the
// last source.
#include <chrono>
#include <thread>

#include "tests/program/program_case.h"

namespace xvtep::test {
namespace {

class Ports : public KnownCase {
  protected:
    Outcome send()
    {
        return tc(skeleton->progs.xvtep_tc_port_ingress, port,
                  Ether{} / (Ipv4{} / (Udp{} / payload(31))));
    }

    void hint(int ifindex, std::uint32_t slot)
    {
        write(skeleton->maps.port_hints, static_cast<std::uint32_t>(port.index) % XV_PORT_HINTS,
              xv_port_hint{{port_slot, slot, XV_MODE_TC, 0, 0, {}, 0, {}, 0},
                           static_cast<std::uint32_t>(ifindex),
                           0});
    }
};

TEST_F(Ports, ACopyIsTakenOnlyForItsOwnPort)
{
    EXPECT_EQ(send().action, tc_redirect) << "no copy";
    hint(port.index + XV_PORT_HINTS, 0);
    EXPECT_EQ(send().action, tc_redirect) << "another port's";
    hint(port.index, 0); // without a VTEP
    EXPECT_EQ(send().action, tc_pass) << "its own";
    hint(port.index, vtep_slot);
    EXPECT_EQ(send().action, tc_redirect);
}

TEST_F(Ports, ASourceIsLearnedAgainWithTheNextTickOfTheClock)
{
    const Mac source = *Mac::parse(Ether{}.src);
    send();
    ASSERT_TRUE(found(source));
    const xv_fdb_key at = key(source);
    ASSERT_EQ(bpf_map_delete_elem(bpf_map__fd(skeleton->maps.fdb), &at), 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(25)); // CONFIG_HZ=100 has ticks of 10
    send();
    EXPECT_TRUE(found(source));
    // Another source behind the same port is not mistaken for it.
    const Mac other = *Mac::parse("02:00:00:00:00:77");
    tc(skeleton->progs.xvtep_tc_port_ingress, port,
       Ether{.src = "02:00:00:00:00:77"} / (Ipv4{} / (Udp{} / payload(31))));
    EXPECT_TRUE(found(other));
}

// A MAC that was behind this port may have moved to another one, which the bridge alone knows.
TEST_F(Ports, TheBridgeIsAskedBeforeAFrameIsTakenForItsOwnPorts)
{
    write(skeleton->maps.ports, port.index,
          xv_port{port_slot, vtep_slot, XV_MODE_TC, XV_PORT_BRIDGED, 0, {}, 0, {}, 0});
    const auto to_itself = [&](bool agreed) {
        local_entry(*Mac::parse(Ether{}.src), XV_FDB_BRIDGED);
        local_entry(container, XV_FDB_BRIDGED);
        if (!agreed) {
            xv_fdb entry = *found(container);
            entry.bridge_seen = 0;
            write(skeleton->maps.fdb, key(container), entry);
        }
        return send();
    };
    const Outcome asked = to_itself(false);
    EXPECT_EQ(asked.action, tc_pass);
    EXPECT_EQ(asked.counted, (std::map<std::string, std::uint64_t>{{"to_bridge", 1}}));
    Outcome known = to_itself(true);
    if (known.action == tc_pass) // the bridge is shown the source twice a second
        known = to_itself(true);
    EXPECT_EQ(known.action, tc_shot);
    EXPECT_EQ(known.counted, (std::map<std::string, std::uint64_t>{{"hairpin", 1}}));
}

} // namespace
} // namespace xvtep::test
