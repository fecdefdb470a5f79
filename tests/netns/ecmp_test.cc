// SPDX-License-Identifier: GPL-2.0-only
// Flows to one remote VTEP spread over all next hops of its route, by their inner headers and by
// the next hops' weights. (underlay_case.h has the network; both address families go at once.)

#include <array>
#include <cmath>
#include <map>
#include <thread>

#include "tests/support/underlay_case.h"

namespace xvtep::test {
namespace {

// The kernel's device keeps to the next hop that it has found first, unless packets have a mark: so
// it shows what the network and the counting are worth, with marked packets of the host's own and
// the hash policy 1.
class Ecmp : public UnderlayCase, public ::testing::WithParamInterface<System> {
  protected:
    // With 64 flows, one in sixty shares would be out of bounds by chance.
    static constexpr unsigned flows = 256, first_port = 20'000;
    static constexpr int each = 4; // datagrams
    // In more than a second. Each packet that the kernel's device sends by its own choice is one.
    static constexpr int strays_allowed = 0;

    static bool kernel() { return GetParam() == System::kernel; }

    void network(const UnderlayPlan &plan)
    {
        ASSERT_NO_FATAL_FAILURE(build(world_, GetParam(), plan));
        for (int f = 0; f < families; f++) { // each knows the other's MAC
            ASSERT_EQ(pings_lost(world_.c[f][1], inner(2)), 0) << family_name(f);
            ASSERT_NO_FATAL_FAILURE(open(f));
        }
    }

    // Two next hops to host 2: one port's, or one of either's.
    void routes(bool one_port, unsigned first, unsigned second)
    {
        one_port_ = one_port;
        std::string lines;
        for (int f = 0; f < families; f++) {
            const std::string remote = world_.vtep(f, 2) + whole(f);
            lines += fmt::format(
                "route replace {} metric 5 nexthop via {} dev u weight {} nexthop via {} dev {} "
                "weight {}\n",
                remote, near(f, router_of(1)), first, one_port ? near(f, router_of(2)) : side(f, 2),
                one_port ? "u" : "v", second);
        }
        batch(world_.h[1], lines);
    }

    void hash_policy(const char *policy)
    {
        kernel_spreads_ = policy == std::string_view("1");
        set(world_.h[1],
            {"net/ipv4/fib_multipath_hash_policy", "net/ipv6/fib_multipath_hash_policy"}, policy);
    }

    // By which router each datagram went, and how many came.
    struct Shares {
        std::map<unsigned, std::array<int, 3>> ways{}; // of each flow, datagrams by each router
        int by[3]{}, sent = 0, came = 0, twice = 0;
        // Those that did not go the way of their flow's others.
        [[nodiscard]] int strays() const
        {
            int count = 0;
            for (const auto &[flow, way] : ways)
                count += std::min(way[1], way[2]);
            return count;
        }
        [[nodiscard]] double first() const { return 100.0 * by[1] / std::max(by[1] + by[2], 1); }
    };
    // Of both families at once, `count` datagrams of each flow and a pause between them.
    std::array<Shares, families> shares(int count = each, milliseconds pause = milliseconds(0))
    {
        std::array<Shares, families> got;
        const std::array<Bytes, families> marks{new_mark(), new_mark()};
        std::thread other([&] { got[1] = send(1, count, pause, marks[1]); });
        got[0] = send(0, count, pause, marks[0]);
        other.join();
        for (int f = 0; f < families; f++) {
            const Shares &of = got[static_cast<std::size_t>(f)];
            EXPECT_GE(of.by[1] + of.by[2], of.sent - lost_allowed_)
                << family_name(f) << ", by both routers";
            EXPECT_GE(of.came, of.sent - lost_allowed_) << family_name(f);
            EXPECT_EQ(of.twice, 0) << family_name(f);
        }
        return got;
    }

    // `first` percent of them go by the first router, each flow by one: about a second after a
    // change, and from then on.
    void expect_shares(double first, double within, const std::string &what)
    {
        SCOPED_TRACE(what);
        (void)shares(1); // the next hops' addresses are asked for
        const bool spreads = !kernel() || kernel_spreads_;
        const auto right = [&](const Shares &got) {
            return std::abs(got.first() - first) <= within && got.strays() == 0;
        };
        auto got = shares();
        for (const auto end = Clock::now() + milliseconds(1500);
             spreads && !std::ranges::all_of(got, right) && Clock::now() < end;)
            got = shares();
        for (int f = 0; f < families; f++) {
            const Shares &of = got[static_cast<std::size_t>(f)];
            RecordProperty(fmt::format("{}, {}", what, family_name(f)),
                           static_cast<int>(of.first()));
            if (!spreads)
                continue;
            EXPECT_NEAR(of.first(), first, within) << family_name(f);
            EXPECT_EQ(of.strays(), 0) << family_name(f) << ", not as the others of their flow";
        }
    }
    void expect_to_stay()
    {
        const auto got = shares(5, milliseconds(300));
        for (int f = 0; f < families; f++)
            EXPECT_LE(got[static_cast<std::size_t>(f)].strays(), strays_allowed)
                << family_name(f) << ", not as the others of their flow, in more than a second";
    }

    World world_;
    int lost_allowed_ = 0; // of each family, by shares()

  private:
    void open(int f)
    {
        const SocketAddress to(inner(2), 9000);
        ears_[f] = socket_in(world_.c[f][2], AF_INET, SOCK_DGRAM);
        const int buffer = 16 << 20;
        ::setsockopt(ears_[f].get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
        ASSERT_EQ(::bind(ears_[f].get(), to.get(), to.size), 0) << std::strerror(errno);
        const std::string source = inner(kernel() ? 3 : 1),
                          host = kernel() ? world_.h[1] : world_.c[f][1];
        if (kernel())
            batch(host, fmt::format("addr add {}/24 dev {}\nneigh replace {} lladdr {} dev {} nud "
                                    "permanent",
                                    source, bridge(f), inner(2), mac(f, 2), bridge(f)));
        for (unsigned n = 0; n < flows; n++) {
            const SocketAddress from(source, static_cast<std::uint16_t>(first_port + n));
            const Fd &socket = mouths_[f].emplace_back(socket_in(host, AF_INET, SOCK_DGRAM));
            if (kernel())
                mark(socket, bridge(f));
            ASSERT_EQ(::bind(socket.get(), from.get(), from.size), 0) << std::strerror(errno);
            ASSERT_EQ(::connect(socket.get(), to.get(), to.size), 0) << std::strerror(errno);
        }
    }
    static void mark(const Fd &socket, const std::string &device)
    {
        const int value = 7, on = 1;
        ASSERT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
        ASSERT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_MARK, &value, sizeof(value)), 0);
        ASSERT_EQ(::setsockopt(socket.get(), SOL_SOCKET, SO_BINDTODEVICE, device.data(),
                               static_cast<socklen_t>(device.size())),
                  0);
    }

    Shares send(int f, int count, milliseconds pause, const Bytes &mark)
    {
        Watch first(world_.g[1], "w0"), second(world_.g[2], one_port_ ? "w0" : "x");
        Shares got;
        std::map<std::pair<unsigned, unsigned>, int> heard;
        for (int n = 0; n < count; n++) {
            if (n > 0)
                std::this_thread::sleep_for(pause);
            for (unsigned flow = 0; flow < flows; flow++) {
                Bytes data = mark;
                put32(data, flow);
                put32(data, static_cast<std::uint32_t>(n));
                got.sent += ::send(mouths_[f][flow].get(), data.data(), data.size(), 0) > 0 ? 1 : 0;
                if (flow % 16 == 15) { // a veth's ring for XDP has room for 256
                    ::usleep(1000);
                    hear(f, mark, &heard);
                }
            }
        }
        for (const auto end = Clock::now() + milliseconds(1000);
             static_cast<int>(heard.size()) < got.sent && Clock::now() < end; ::usleep(5000))
            hear(f, mark, &heard);
        ::usleep(10'000); // for what comes twice
        hear(f, mark, &heard);
        got.came = static_cast<int>(heard.size());
        for (const auto &[datagram, copies] : heard)
            got.twice += copies - 1;
        look(first, 1, mark, &got);
        look(second, 2, mark, &got);
        return got;
    }

    void hear(int f, const Bytes &mark, std::map<std::pair<unsigned, unsigned>, int> *heard)
    {
        std::array<std::uint8_t, 256> data{};
        for (;;) {
            const ssize_t size = ::recv(ears_[f].get(), data.data(), data.size(), MSG_DONTWAIT);
            if (size < 0)
                return;
            if (static_cast<std::size_t>(size) == mark.size() + 8 &&
                std::equal(mark.begin(), mark.end(), data.begin()))
                (*heard)[{word(&data[mark.size()]), word(&data[mark.size() + 4])}]++;
        }
    }
    static unsigned word(const std::uint8_t *at)
    {
        return static_cast<unsigned>(at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3]);
    }

    static void look(Watch &watch, int router, const Bytes &mark, Shares *got)
    {
        for (const Frame &frame : watch.seen())
            if (const auto packet = parse_vxlan(frame.bytes);
                packet && !frame.outgoing && packet->inner.udp && Watch::contains(frame, mark)) {
                got->by[router]++;
                got->ways[packet->inner.udp->source].at(static_cast<std::size_t>(router))++;
            }
    }

    bool one_port_ = false, kernel_spreads_ = false;
    Fd ears_[families];
    std::vector<Fd> mouths_[families];
};

// The VTEPs' addresses are on `lo`: any port may send for them.
TEST_P(Ecmp, TwoUplinks)
{
    ASSERT_NO_FATAL_FAILURE(network({.on_lo = true}));
    routes(false, 1, 1);
    for (const char *policy : {"0", "1"}) {
        hash_policy(policy);
        expect_shares(50, 15, fmt::format("hash policy {}", policy));
    }
    expect_to_stay();
    routes(false, 3, 1);
    expect_shares(75, 12, "weights 3:1");
    ip(world_.h[1], "link set u down");
    for (const Shares &got : shares())
        EXPECT_EQ(got.by[2], got.sent) << "by the uplink that is up";
}

// The VTEPs' addresses are those of their ports.
TEST_P(Ecmp, TwoNextHopsOfOnePort)
{
    ASSERT_NO_FATAL_FAILURE(network({}));
    routes(true, 1, 1);
    for (const char *policy : {"0", "1"}) {
        hash_policy(policy);
        expect_shares(50, 15, fmt::format("hash policy {}", policy));
    }
    expect_to_stay();
    routes(true, 1, 3);
    expect_shares(25, 12, "weights 1:3");
}

// A packet a second asks for it, besides those of the kernel's device; the others take the next hop
// that is there.
// Of xvtep alone: the kernel gives such a next hop its share.
class EcmpOfOurs : public Ecmp {};

TEST_P(EcmpOfOurs, ANextHopThatDoesNotAnswer)
{
    ASSERT_NO_FATAL_FAILURE(network({}));
    for (int f = 0; f < families; f++) { // the kernel's device takes the one that answers
        const std::string remote = world_.vtep(f, 2), live = near(f, router_of(1)),
                          silent = near(f, 99);
        for (const auto &[first, second] : {std::pair(live, silent), std::pair(silent, live)}) {
            ip(world_.h[1],
               fmt::format("route replace {} metric 5 nexthop via {} dev u nexthop via {} dev u",
                           remote + whole(f), first, second));
            const auto way = must(fmt::format("ip -n {} route get {} from {} ipproto udp",
                                              world_.h[1], remote, world_.vtep(f, 1)));
            if (way.find("via " + live + " ") != std::string::npos)
                break;
        }
    }
    lost_allowed_ = flows * each;
    for (const auto end = Clock::now() + milliseconds(1500); Clock::now() < end;)
        (void)shares();
    lost_allowed_ = flows * each / 10;
    (void)shares();
}

INSTANTIATE_TEST_SUITE_P(Systems, Ecmp,
                         ::testing::Values(System::kernel, System::bridge, System::ports,
                                           System::xdp),
                         [](const auto &test) { return name_of(test.param); });
INSTANTIATE_TEST_SUITE_P(Systems, EcmpOfOurs,
                         ::testing::Values(System::bridge, System::ports, System::xdp),
                         [](const auto &test) { return name_of(test.param); });

class HostsOwnPackets : public NetnsCase {};

// A packet waits while its next hop is being resolved. One of the host itself has a route already,
// by the VTEP's device.
TEST_F(HostsOwnPackets, WaitForTheirNextHop)
{
    constexpr int flows = 12;
    const std::string a = host("a"), router = host("r"), b = host("b");
    wire(a, "u", router, "u");
    wire(b, "x", router, "x");
    ip(a, "addr add 192.0.2.1/24 dev u");
    ip(b, "addr add 203.0.113.2/24 dev x");
    ip(b, "route add default via 203.0.113.1");
    ip(router, "addr add 203.0.113.1/24 dev x");
    std::string hops;
    for (int n = 10; n < 18; n++) {
        ip(router, fmt::format("addr add 192.0.2.{}/24 dev u", n));
        hops += fmt::format(" nexthop via 192.0.2.{} dev u", n);
    }
    in(router, "sysctl -qw net.ipv4.ip_forward=1");
    ip(a, "route add 203.0.113.0/24" + hops);
    must(fmt::format("{} -n {} attach u --vni 42 --name v --remote 203.0.113.2", xvtep(), a));
    must(fmt::format("{} -n {} attach x --vni 42 --name v --remote 192.0.2.1", xvtep(), b));
    ip(a, "addr add 10.9.0.1/24 dev v");
    for (int flow = 0; flow < flows; flow++)
        ip(b, fmt::format("addr add 10.9.0.{}/24 dev v", 10 + flow));
    int lost = 0;
    for (int flow = 0; flow < flows; flow++)
        lost += pings_lost(a, fmt::format("10.9.0.{}", 10 + flow), 1);
    EXPECT_EQ(lost, 0);
}

} // namespace
} // namespace xvtep::test
