// SPDX-License-Identifier: GPL-2.0-only
// What a rogue VTEP can do, that is a host of the underlay which nobody has named: forged senders
// in numbers, and every way to hide who has sent a packet. (remote_test.cc has the plain ones;
// underlay_case.h has the network.)

#include <nlohmann/json.hpp>

#include "bpf/abi/tables.h"
#include "tests/support/blast.h"
#include "tests/support/underlay_case.h"
#include "user/datapath/bpffs.h"
#include "user/datapath/datapath.h"

namespace xvtep::test {
namespace {

using Json = nlohmann::json;

class Rogue : public UnderlayCase, public ::testing::WithParamInterface<System> {
  protected:
    void network(const std::string &options)
    {
        ASSERT_NO_FATAL_FAILURE(build(world_, GetParam(), {.direct = true, .options = options}));
    }
    std::string run(const std::string &words)
    {
        return must(fmt::format("{} -n {} {}", xvtep(), world_.h[1], words));
    }
    Json statistics(int f) { return Json::parse(run("-j stats dev " + device(f))).at(0); }

    // An outer packet from `source` to host 1's VTEP, with `head` between its IP header and `rest`.
    Bytes outer(int f, const std::string &source, const Bytes &rest, unsigned next = 17,
                bool options = false)
    {
        const std::string to = world_.vtep(f, 1), mac_from = mac_of(world_.h[3], "u"),
                          mac_to = mac_of(world_.h[1], "u");
        const Ether ether{
            .dst = mac_to.c_str(), .src = mac_from.c_str(), .type = f == 1 ? 0x86ddU : 0x0800U};
        if (f == 1)
            return ether / (Ipv6{.src = source.c_str(), .dst = to.c_str(), .next = next} / rest);
        return ether / (Ipv4{.src = source.c_str(),
                             .dst = to.c_str(),
                             .proto = next,
                             .id = 77,
                             .options = options} /
                        rest);
    }
    Bytes datagram(int f, const std::string &source, const Bytes &inside)
    {
        const std::string to = world_.vtep(f, 1);
        return Udp{.from = f == 1 ? source.c_str() : nullptr, .to = to.c_str()} /
               (Vxlan{.vni = static_cast<std::uint32_t>(vni(f))} / inside);
    }
    static Bytes inside(const std::string &to, const std::string &source, const Bytes &mark)
    {
        return Ether{.dst = to.c_str(), .src = source.c_str(), .type = 0x88b5} / marked(mark);
    }
    static Bytes in_front(const Bytes &head, const Bytes &rest)
    {
        Bytes all = head;
        put(all, rest);
        return all;
    }

    // Ways to wrap a datagram of host 3's.
    std::vector<std::pair<std::string, Bytes>> wrapped(int f, const Bytes &data)
    {
        const std::string source = world_.vtep(f, 3);
        std::vector<std::pair<std::string, Bytes>> all = {{"plain", outer(f, source, data)}};
        if (f == 0) {
            all.emplace_back("IP options", outer(f, source, data, 17, true));
            return all;
        }
        const auto options = [](unsigned next) { // padding
            return Bytes{static_cast<std::uint8_t>(next), 0, 1, 4, 0, 0, 0, 0};
        };
        const auto fragment = [](unsigned next) { // a whole packet in one ("atomic")
            return Bytes{static_cast<std::uint8_t>(next), 0, 0, 0, 0, 0, 0, 9};
        };
        all.emplace_back("hop-by-hop", outer(f, source, in_front(options(17), data), 0));
        all.emplace_back("destination options", outer(f, source, in_front(options(17), data), 60));
        all.emplace_back("atomic fragment", outer(f, source, in_front(fragment(17), data), 44));
        all.emplace_back("hop-by-hop, destination options",
                         outer(f, source, in_front(options(60), in_front(options(17), data)), 0));
        all.emplace_back(
            "hop-by-hop, destination options, fragment, destination options",
            outer(f, source,
                  in_front(
                      options(60),
                      in_front(options(44), in_front(fragment(60), in_front(options(17), data)))),
                  0));
        // More than the programs look through: the kernel's device decapsulates it.
        Bytes many = data;
        for (int n = 0; n < 7; n++)
            many = in_front(options(n == 0 ? 17 : 60), many);
        all.emplace_back("seven destination options", outer(f, source, many, 60));
        return all;
    }

    World world_;
};

// With `accept known` nothing of a rogue's arrives or is learned, by neither table; with the
// default, and with the kernel's device, all of it does.
class RogueSender : public Rogue {};

TEST_P(RogueSender, IsRefusedHoweverItsPacketsAreWrapped)
{
    ASSERT_NO_FATAL_FAILURE(network("--accept known"));
    for (int f = 0; f < families; f++) {
        Watch ear(world_.c[f][1], "eth0");
        const RawPort port(world_.h[3], "u");
        int number = 0;
        const auto ways = wrapped(f, {}).size();
        for (std::size_t way = 0; way < ways; way++) {
            const Bytes mark = new_mark();
            const std::string source = fmt::format("02:00:00:77:00:{:02x}", ++number);
            const auto [name, packet] =
                wrapped(f, datagram(f, world_.vtep(f, 3), inside(mac(f, 1), source, mark)))[way];
            SCOPED_TRACE(fmt::format("{} {}", family_name(f), name));
            const long before =
                world_.kernel() ? 0 : statistics(f)["drops"].value("unknown_remote", 0L);
            port.send(packet);
            if (world_.kernel())
                ear.wait([&] { return ear.copies(mark) > 0; }, milliseconds(200));
            else
                ::usleep(30'000);
            EXPECT_EQ(ear.copies(mark), world_.kernel() ? 1 : 0);
            if (world_.kernel())
                continue;
            EXPECT_EQ(statistics(f)["drops"].value("unknown_remote", 0L) - before, 1);
            EXPECT_EQ(run("fdb show dev " + device(f)).find(source), std::string::npos);
        }
        if (world_.kernel())
            continue;
        // What has the address of a VTEP that is named cannot be told from that VTEP's.
        const Bytes mark = new_mark();
        const std::string named = world_.vtep(f, 2);
        port.send(outer(f, named, datagram(f, named, inside(mac(f, 1), mac(f, 2), mark))));
        EXPECT_TRUE(ear.wait([&] { return ear.copies(mark) == 1; }));
    }
}

INSTANTIATE_TEST_SUITE_P(Systems, RogueSender,
                         ::testing::Values(System::kernel, System::ports, System::xdp),
                         [](const auto &test) { return name_of(test.param); });

// 10,000 forged senders, each with a MAC of its own. VTEPs that are named later find room, and
// known pairs do not notice.
class RogueSenders : public Rogue {
  protected:
    Tables tables()
    {
        return std::move(
            *Tables::open(state_directory("/sys/fs/bpf", *Netns::open(world_.h[1])->cookie())));
    }
    void batch_of(const std::string &words, const std::string &net, unsigned count)
    {
        std::ofstream out(file("lines"));
        for (unsigned n = 0; n < count; n++)
            out << fmt::format("{} {}.{}.{} dev {}\n", words, net, n >> 8, n & 255, device(0));
        out.close();
        run("-batch " + file("lines"));
    }
    // Makes the table of remotes as large as it gets, and leaves `free` of them.
    void fill(unsigned free)
    {
        batch_of("remote add", "10.100", 8 * XV_REMOTES_START);
        const Tables all = tables();
        for (__u32 index = 1; index < XV_REMOTES_MAX; index++) {
            xv_remote &remote = all.remotes[index];
            if (remote.claimed != 0)
                continue;
            if (free > 0)
                free--;
            else
                remote.claimed = 1;
        }
    }
};

TEST_P(RogueSenders, LeaveRoomInAFlood)
{
    constexpr unsigned left = 2'000;
    ASSERT_NO_FATAL_FAILURE(network(""));
    if (!world_.kernel())
        fill(left);
    Bytes packet = outer(0, "10.200.0.0",
                         datagram(0, "10.200.0.0", inside(mac(0, 1), "02:b1:00:00:00:00", {})));
    const auto changed = [](Bytes &b, std::uint32_t number) {
        b[28] = static_cast<std::uint8_t>(number >> 8);
        b[29] = static_cast<std::uint8_t>(number);
        const Bytes header(b.begin() + 14, b.begin() + 24), rest(b.begin() + 26, b.begin() + 34);
        const auto sum = internet_checksum(in_front(header, rest));
        b[24] = static_cast<std::uint8_t>(sum >> 8);
        b[25] = static_cast<std::uint8_t>(sum);
        write_number(b, 58, number);
    };
    int lost = -1;
    std::thread pinger([&] { lost = pings_lost(world_.c[0][2], inner(1), 40, "-i 0.02"); });
    blast(world_.h[3], "u", 10'000, packet, changed);
    pinger.join();
    EXPECT_LE(lost, 2);
    if (world_.kernel())
        return;
    unsigned learned = 0;
    {
        const Tables all = tables();
        for (__u32 index = 1; index < XV_REMOTES_MAX; index++)
            learned += all.remotes[index].id != 0 && all.remotes[index].refs == 0;
    }
    EXPECT_GT(learned, left / 8 * 6) << "the flood has filled its part";
    EXPECT_LE(learned, left / 8 * 7 + 10);
    batch_of("remote add", "10.101", 200);
    run(fmt::format("fdb add 02:00:00:00:0f:01 dev {} dst 10.102.0.1", device(0)));
    run(fmt::format("fdb add 02:00:00:00:0f:01 dev {} dst fd51::1:1", device(1)));
    for (int f = 0; f < families; f++)
        EXPECT_EQ(pings_lost(world_.c[f][2], inner(1)), 0);
}

INSTANTIATE_TEST_SUITE_P(Systems, RogueSenders, ::testing::Values(System::kernel, System::ports),
                         [](const auto &test) { return name_of(test.param); });

} // namespace
} // namespace xvtep::test
