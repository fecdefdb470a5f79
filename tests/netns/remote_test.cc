// SPDX-License-Identifier: GPL-2.0-only
// Remote VTEPs: who may send to a VTEP, and what `xvtep remote` shows of them. (underlay_case.h has
// the network; both address families go at once.)

#include <set>

#include <nlohmann/json.hpp>

#include "tests/support/underlay_case.h"

namespace xvtep::test {
namespace {

using Json = nlohmann::json;

constexpr const char *everybody = "ff:ff:ff:ff:ff:ff";
const std::string zeros = "00:00:00:00:00:00"; // the default entry

// Host 1 is tested, host 2 is its peer, and host 3 is what nobody has named.
class Remotes : public UnderlayCase, public ::testing::WithParamInterface<System> {
  protected:
    void network(const std::string &options)
    {
        ASSERT_NO_FATAL_FAILURE(build(world_, GetParam(), {.direct = true, .options = options}));
    }

    // A command of xvtep's at host 1.
    std::string run(const std::string &words)
    {
        return must(fmt::format("{} -n {} {}", xvtep(), world_.h[1], words));
    }
    Output attempt(const std::string &words)
    {
        return sh(fmt::format("{} -n {} {}", xvtep(), world_.h[1], words));
    }

    long unknown_remotes(int f)
    {
        const Json stats = Json::parse(run("-j stats dev " + device(f)));
        return stats.at(0).at("drops").value("unknown_remote", 0L);
    }

    // A frame of a host's for the VTEP at host 1; sources are new ones unless they are given.
    Bytes tunnelled(int f, int from, const Bytes &frame)
    {
        const std::string source = world_.vtep(f, from), to = world_.vtep(f, 1);
        const Bytes datagram = Udp{.from = f == 1 ? source.c_str() : nullptr, .to = to.c_str()} /
                               (Vxlan{.vni = static_cast<std::uint32_t>(vni(f))} / frame);
        return outer(f, from, datagram, 17);
    }
    Bytes outer(int f, int from, const Bytes &packet, unsigned protocol, unsigned fragment = 0)
    {
        const std::string source = world_.vtep(f, from), to = world_.vtep(f, 1),
                          mac_from = mac_of(world_.h[from], "u"), mac_to = mac_of(world_.h[1], "u");
        const Ether ether{
            .dst = mac_to.c_str(), .src = mac_from.c_str(), .type = f == 1 ? 0x86ddU : 0x0800U};
        if (f == 1)
            return ether /
                   (Ipv6{.src = source.c_str(), .dst = to.c_str(), .next = protocol} / packet);
        return ether / (Ipv4{.src = source.c_str(),
                             .dst = to.c_str(),
                             .proto = protocol,
                             .id = 77,
                             .fragment = fragment} /
                        packet);
    }
    // The same in two fragments.
    std::vector<Bytes> in_fragments(int f, int from, const Bytes &frame)
    {
        constexpr std::size_t cut = 512;
        const Bytes whole_packet = tunnelled(f, from, frame);
        const Bytes datagram(whole_packet.begin() + (f == 1 ? 54 : 34), whole_packet.end());
        std::vector<Bytes> fragments;
        for (std::size_t at = 0; at < datagram.size(); at += cut) {
            const std::size_t end = std::min(at + cut, datagram.size());
            const bool more = end < datagram.size();
            const Bytes piece(datagram.begin() + static_cast<long>(at),
                              datagram.begin() + static_cast<long>(end));
            if (f == 1) {
                Bytes header;
                put16(header, 17 << 8);
                put16(header, static_cast<unsigned>(at) | (more ? 1 : 0));
                put32(header, 77);
                put(header, piece);
                fragments.push_back(outer(f, from, header, 44));
            } else {
                fragments.push_back(outer(f, from, piece, 17,
                                          static_cast<unsigned>(at / 8) | (more ? 0x2000U : 0)));
            }
        }
        return fragments;
    }

    std::string new_source()
    {
        sources_.push_back(fmt::format("02:00:00:77:00:{:02x}", sources_.size() + 1));
        return sources_.back();
    }

    Bytes frame(const std::string &to, const std::string &source, const Bytes &mark,
                bool v6 = false, std::size_t size = 100) const
    {
        const Ether ether{.dst = to.c_str(), .src = source.c_str(), .type = v6 ? 0x86ddU : 0x0800U};
        const Bytes data = Udp{.src = 1000, .dst = 9000} / marked(mark, size);
        if (v6)
            return ether / (Ipv6{.src = "fd20::3", .dst = "fd20::1"} / data);
        return ether / (Ipv4{.src = "10.20.1.3", .dst = "10.20.1.1"} / data);
    }

    // Puts frames on the wire at a host, and returns how often their mark comes to the container.
    int copies_of(int f, int from, const std::vector<Bytes> &frames, const Bytes &mark, bool hoped)
    {
        Watch ear(world_.c[f][1], "eth0");
        const RawPort port(world_.h[from], "u");
        for (const Bytes &bytes : frames)
            port.send(bytes);
        if (hoped)
            ear.wait([&] { return ear.copies(mark) > 0; });
        else
            ::usleep(30'000);
        return ear.copies(mark);
    }

    // Every kind of frame of a host's, and whether it comes to the container.
    void expect_frames(int f, int from, bool accepted)
    {
        struct Kind {
            const char *name;
            std::string to, source;
            bool v6 = false, fragments = false;
        };
        for (const Kind &kind : {Kind{"known MAC", mac(f, 1), new_source()},
                                 Kind{"unknown MAC", "02:00:00:66:00:01", new_source()},
                                 Kind{"broadcast", everybody, new_source()},
                                 Kind{"IPv6", mac(f, 1), new_source(), true},
                                 Kind{"fragments", mac(f, 1), new_source(), false, true},
                                 Kind{"another's MAC", mac(f, 1), mac(f, 2)}}) {
            SCOPED_TRACE(kind.name);
            const Bytes mark = new_mark();
            const Bytes inside =
                frame(kind.to, kind.source, mark, kind.v6, kind.fragments ? 900 : 100);
            const long before = accepted ? 0 : unknown_remotes(f);
            const int copies =
                copies_of(f, from,
                          kind.fragments ? in_fragments(f, from, inside)
                                         : std::vector<Bytes>{tunnelled(f, from, inside)},
                          mark, accepted);
            EXPECT_EQ(copies, accepted ? 1 : 0);
            if (accepted)
                continue;
            const long dropped = unknown_remotes(f) - before;
            EXPECT_TRUE(dropped == 1 || (kind.fragments && dropped == 2)) << dropped;
        }
    }

    // GSO packets of host 3's VTEP.
    void expect_gso(int f, bool accepted)
    {
        const std::string &host = world_.h[3];
        ip(host, fmt::format("addr add {}/24 dev {}", inner(3), bridge(f)));
        ip(host, fmt::format("neigh replace {} lladdr {} dev {} nud permanent", inner(1), mac(f, 1),
                             bridge(f)));
        must(fmt::format("bridge -n {} fdb replace {} dev {} dst {} self static", host, mac(f, 1),
                         device(f), world_.vtep(f, 1)));
        UdpEar ear(world_.c[f][1], inner(1), 9001);
        const long before = accepted ? 0 : unknown_remotes(f);
        send_datagrams(host, inner(1), 9001, 1000, 10);
        const Datagrams heard = ear.hear(accepted ? 10 : 1);
        EXPECT_EQ(heard, accepted ? (Datagrams{{{1000, 10}}}) : Datagrams{});
        if (!accepted) {
            EXPECT_GT(unknown_remotes(f), before);
        }
        ip(host, fmt::format("addr del {}/24 dev {}", inner(3), bridge(f)));
    }

    // Which of the stranger's MACs are in either table, or lead to it.
    std::string learned(int f)
    {
        std::string found;
        for (const std::string &table :
             {GetParam() == System::kernel ? std::string() : run("fdb show dev " + device(f)),
              must(fmt::format("bridge -n {} fdb show dev {}", world_.h[1], device(f)))}) {
            for (const std::string &source : sources_)
                if (table.find(source) != std::string::npos)
                    found += source + " ";
            if (table.find("dst " + world_.vtep(f, 3) + " ") != std::string::npos)
                found += world_.vtep(f, 3) + " ";
        }
        return found;
    }

    // Whether host 2's frames come to the container, or do so no more, within a while.
    bool passes(int f)
    {
        for (const auto end = Clock::now() + milliseconds(1000); Clock::now() < end;) {
            const Bytes mark = new_mark();
            if (copies_of(f, 2, {tunnelled(f, 2, frame(mac(f, 1), mac(f, 2), mark))}, mark, false) >
                0)
                return true;
        }
        return false;
    }
    bool stops(int f)
    {
        int none = 0; // in succession
        for (const auto end = Clock::now() + milliseconds(1500); none < 5;) {
            const Bytes mark = new_mark();
            const auto packet = tunnelled(f, 2, frame(mac(f, 1), mac(f, 2), mark));
            none = copies_of(f, 2, {packet}, mark, false) > 0 ? 0 : none + 1;
            if (none == 0 && Clock::now() > end)
                return false;
        }
        return true;
    }

    // Rows of `xvtep remote show`.
    Json rows(const std::string &words, int host = 1)
    {
        const std::string text =
            must(fmt::format("{} -n {} -j remote show {}", xvtep(), world_.h[host], words));
        const Json parsed = Json::parse(text, nullptr, false);
        return parsed.is_array() ? parsed : Json::array();
    }
    Json row(const std::string &remote, const std::string &of, int host = 1)
    {
        const Json found = rows(fmt::format("{} dev {}", remote, of), host);
        EXPECT_EQ(found.size(), 1U) << remote << " " << of << " " << found.dump();
        return found.size() == 1 ? found[0] : Json::object();
    }
    static long number(const Json &row, const std::string &key)
    {
        const auto found = row.find(key);
        return found != row.end() && found->is_number() ? found->get<long>() : -1;
    }

    World world_;

  private:
    std::vector<std::string> sources_;
};

// With the kernel's device, too: these frames are good.
TEST_P(Remotes, ByDefaultNobodyIsAStranger)
{
    ASSERT_NO_FATAL_FAILURE(network(""));
    for (int f = 0; f < families; f++) {
        SCOPED_TRACE(family_name(f));
        ASSERT_EQ(pings_lost(world_.c[f][1], inner(2)), 0);
        expect_gso(f, true);
        expect_frames(f, 2, true);
        expect_frames(f, 3, true);
        EXPECT_NE(learned(f), "");
        if (GetParam() != System::kernel) {
            EXPECT_EQ(unknown_remotes(f), 0);
        }
    }
}

class NamedRemotes : public Remotes {};

TEST_P(NamedRemotes, StrangersAreDropped)
{
    ASSERT_NO_FATAL_FAILURE(network("--accept known"));
    for (int f = 0; f < families; f++) {
        SCOPED_TRACE(family_name(f));
        ASSERT_EQ(pings_lost(world_.c[f][1], inner(2)), 0) << "of the default remote";
        expect_gso(f, false);
        expect_frames(f, 3, false);
        EXPECT_EQ(learned(f), "");
        EXPECT_EQ(pings_lost(world_.c[f][1], inner(2)), 0) << "its MAC was not taken over";
        const long before = unknown_remotes(f);
        expect_frames(f, 2, true);
        EXPECT_EQ(unknown_remotes(f), before);
    }
}

// What names host 2, and what ends it. Between them its MAC is learned, which names nobody.
struct Naming {
    const char *name;
    std::string add, del;
};

TEST_P(NamedRemotes, EachEntryNames)
{
    ASSERT_NO_FATAL_FAILURE(network("--accept known"));
    const auto namings = [&](int f) {
        const std::string dev = " dev " + device(f), dst = " dst " + world_.vtep(f, 2),
                          third = " dst " + world_.vtep(f, 3), fixed = "02:00:00:55:00:01",
                          remote = world_.vtep(f, 2);
        return std::vector{
            Naming{"attach --remote", "", "fdb del " + zeros + dev + dst},
            Naming{"static entry", "fdb add " + fixed + dev + dst + " static",
                   "fdb del " + fixed + dev},
            Naming{"remote add", "remote add " + remote + dev, "remote del " + remote + dev},
            Naming{"flood destination", "fdb append " + zeros + dev + dst,
                   "fdb del " + zeros + dev + dst},
            Naming{"replaced entry", "fdb replace " + fixed + dev + dst + " static",
                   "fdb replace " + fixed + dev + third + " static"},
            Naming{"remote add and flood destination",
                   "remote add " + remote + dev + ";fdb append " + zeros + dev + dst +
                       ";remote del " + remote + dev,
                   "fdb flush" + dev},
        };
    };
    for (std::size_t n = 0; n < namings(0).size(); n++) {
        SCOPED_TRACE(namings(0)[n].name);
        for (int f = 0; f < families; f++) {
            const std::string add = namings(f)[n].add;
            for (std::size_t at = 0, end = 0; at < add.size(); at = end + 1) {
                end = std::min(add.find(';', at), add.size());
                run(add.substr(at, end - at));
            }
        }
        for (int f = 0; f < families; f++)
            EXPECT_TRUE(passes(f)) << family_name(f) << ": named, but dropped";
        for (int f = 0; f < families; f++)
            run(namings(f)[n].del);
        for (int f = 0; f < families; f++)
            EXPECT_TRUE(stops(f)) << family_name(f) << ": named no more, but taken";
    }
}

class ShownRemotes : public Remotes {};

TEST_P(ShownRemotes, EntriesAndNextHops)
{
    ASSERT_NO_FATAL_FAILURE(network(""));
    for (int f = 0; f < families; f++) {
        SCOPED_TRACE(family_name(f));
        const std::string second = world_.vtep(f, 2), third = world_.vtep(f, 3), dev = device(f);
        Json shown = row(second, dev);
        EXPECT_EQ(shown.value("remote", ""), second);
        EXPECT_EQ(shown.value("ifname", ""), dev);
        EXPECT_EQ(number(shown, "vni"), vni(f));
        EXPECT_EQ(number(shown, "port"), 4789);
        EXPECT_EQ(number(shown, "entries"), 1) << "the default entry";
        EXPECT_TRUE(shown.contains("heard") && shown["heard"].is_null());
        EXPECT_TRUE(shown.value("known", false));
        EXPECT_TRUE(shown.contains("mtu") && shown["mtu"].is_null());
        for (const char *key : {"rx_packets", "rx_bytes", "tx_packets", "tx_bytes"})
            EXPECT_EQ(number(shown, key), 0) << key;
        EXPECT_EQ(rows(third + " dev " + dev).size(), 0U);

        ASSERT_EQ(pings_lost(world_.c[f][1], inner(2)), 0);
        shown = row(second, dev);
        EXPECT_EQ(number(shown, "entries"), 2) << "the default entry, and what was learned";
        const long heard = number(shown, "heard");
        EXPECT_TRUE(heard >= 0 && heard <= 2) << heard;
        const Json hops = shown.value("nexthops", Json::array());
        ASSERT_EQ(hops.size(), 1U) << shown.dump();
        EXPECT_EQ(hops[0].value("dev", ""), "u");
        EXPECT_EQ(hops[0].value("mac", ""), mac_of(world_.h[2], "u"));
        EXPECT_EQ(number(hops[0], "weight"), 1);

        // Learned alone, the third is not known; written, it is.
        const Bytes mark = new_mark();
        EXPECT_EQ(
            copies_of(f, 3, {tunnelled(f, 3, frame(mac(f, 1), new_source(), mark))}, mark, true),
            1);
        shown = row(third, dev);
        EXPECT_EQ(number(shown, "entries"), 1) << "what was learned";
        EXPECT_FALSE(shown.value("known", true));
        EXPECT_EQ(number(shown, "rx_packets"), 1);
        EXPECT_EQ(number(shown, "tx_packets"), 0);
        run(fmt::format("fdb append {} dev {} dst {}", zeros, dev, third));
        run(fmt::format("fdb add 02:00:00:55:00:01 dev {} dst {} static", dev, second));
        run(fmt::format("fdb add 02:00:00:55:00:02 dev {} dst {} static", dev, third));
        run(fmt::format("fdb add 02:00:00:55:00:03 dev {} dst {} static", dev, second));
        EXPECT_EQ(number(row(second, dev), "entries"), 4);
        shown = row(third, dev);
        EXPECT_EQ(number(shown, "entries"), 3);
        EXPECT_TRUE(shown.value("known", false));
        run(fmt::format("fdb del 02:00:00:55:00:01 dev {}", dev));
        EXPECT_EQ(number(row(second, dev), "entries"), 3);
    }
    // The other tenant's are others, by device and by address.
    EXPECT_EQ(rows("").size(), 4U);
    for (int f = 0; f < families; f++)
        for (const Json &shown : rows("dev " + device(f)))
            EXPECT_TRUE(shown.value("remote", "") == world_.vtep(f, 2) ||
                        shown.value("remote", "") == world_.vtep(f, 3))
                << shown.dump();
}

TEST_P(ShownRemotes, CountersAreOfEachVtep)
{
    ASSERT_NO_FATAL_FAILURE(network(""));
    // A third VNI to the same host.
    for (const int n : {1, 2})
        must(fmt::format(
            "{} -n {} attach u --vni 50 --name vxlan50 --local {} --remote {} --mode {}", xvtep(),
            world_.h[n], world_.vtep(0, n), world_.vtep(0, 3 - n), world_.mode()));
    std::set<std::string> devices;
    for (const Json &shown : rows(world_.vtep(0, 2)))
        devices.insert(shown.value("ifname", ""));
    EXPECT_EQ(devices, (std::set<std::string>{"vxlan42", "vxlan50"}));

    for (int f = 0; f < families; f++) {
        SCOPED_TRACE(family_name(f));
        ASSERT_EQ(pings_lost(world_.c[f][1], inner(2)), 0);
        const auto all = [&] {
            std::vector<Json> both;
            for (const int n : {1, 2})
                both.push_back(row(world_.vtep(f, 3 - n), device(f), n));
            both.push_back(row(world_.vtep(1 - f, 2), device(1 - f)));
            both.push_back(row(world_.vtep(0, 2), "vxlan50"));
            return both;
        };
        const auto before = all();
        ASSERT_EQ(pings_lost(world_.c[f][1], inner(2), 20, "-i 0.01"), 0);
        const auto after = all();
        for (const std::size_t at : {0U, 1U})
            for (const std::string way : {"rx", "tx"}) {
                EXPECT_EQ(
                    number(after[at], way + "_packets") - number(before[at], way + "_packets"), 20)
                    << way << " at host " << at + 1;
                EXPECT_EQ(number(after[at], way + "_bytes") - number(before[at], way + "_bytes"),
                          20 * (14 + 84))
                    << way << " at host " << at + 1;
            }
        for (const std::size_t at : {2U, 3U})
            for (const char *key : {"rx_packets", "tx_packets"})
                EXPECT_EQ(number(after[at], key), number(before[at], key)) << after[at].dump();
    }
}

TEST_P(ShownRemotes, AddAndDelete)
{
    ASSERT_NO_FATAL_FAILURE(network(""));
    const std::string other = near(0, 77);
    run("remote add " + other + " dev vxlan42");
    const Json shown = row(other, "vxlan42");
    EXPECT_EQ(number(shown, "entries"), 0);
    EXPECT_TRUE(shown.value("known", false));
    EXPECT_EQ(shown.value("nexthops", Json::array({1})).size(), 0U);
    for (const std::string &wrong :
         {"add " + other + " dev vxlan42", std::string("add 239.0.0.1 dev vxlan42"),
          std::string("add 0.0.0.0 dev vxlan42"), "add " + near(1, 77) + " dev vxlan42",
          "add " + other + " dev none", "del " + near(0, 78) + " dev vxlan42",
          std::string("show dev none"), std::string("show dev u")}) {
        const Output output = attempt("remote " + wrong);
        EXPECT_NE(output.status, 0) << wrong << "\n" << output.text;
        EXPECT_NE(output.status, 124) << wrong; // the time limit
    }
    run("remote del " + other + " dev vxlan42");
    EXPECT_EQ(rows(other).size(), 0U);
    EXPECT_NE(attempt("remote del " + other + " dev vxlan42").status, 0);
}

const auto name = [](const auto &test) { return name_of(test.param); };
const auto ours = ::testing::Values(System::ports, System::xdp);
INSTANTIATE_TEST_SUITE_P(Systems, Remotes,
                         ::testing::Values(System::kernel, System::bridge, System::ports,
                                           System::xdp),
                         name);
INSTANTIATE_TEST_SUITE_P(Systems, NamedRemotes, ours, name);
INSTANTIATE_TEST_SUITE_P(Systems, ShownRemotes, ours, name);

} // namespace
} // namespace xvtep::test
