// SPDX-License-Identifier: GPL-2.0-only
// Flows to one remote VTEP spread over all next hops of its route, by their inner headers and by
// the next hops' weights. (underlay_case.h has the network; both address families go at once.)

#include <map>
#include <set>

#include "tests/support/underlay_case.h"

namespace xvtep::test {
namespace {

// The kernel's device keeps to the next hop that it has found first, unless packets have a mark: so
// it shows what the network and the counting are worth, with marked packets of the host's own and
// the hash policy 1.
class Ecmp : public UnderlayCase, public ::testing::WithParamInterface<System> {
  protected:
    // With 64 flows, one in sixty shares would be out of bounds by chance.
    static constexpr unsigned flows = 256, each = 4, first_port = 20'000;

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
        std::map<unsigned, std::set<int>> ways{}; // of each flow
        int by[3]{}, sent = 0, came = 0, twice = 0;
        [[nodiscard]] int split() const
        {
            return static_cast<int>(
                std::ranges::count_if(ways, [](const auto &way) { return way.second.size() > 1; }));
        }
        [[nodiscard]] double first() const { return 100.0 * by[1] / std::max(by[1] + by[2], 1); }
    };
    Shares shares(int f)
    {
        // The next hops' addresses are asked for before anything counts.
        (void)round(f, 1);
        ::usleep(100'000);
        return round(f, each);
    }

    // That all went, by one router each, and came once; `first` percent of them by the first.
    void expect_shares(double first, double within, const std::string &what)
    {
        for (int f = 0; f < families; f++) {
            SCOPED_TRACE(fmt::format("{}, {}", what, family_name(f)));
            const Shares got = shares(f);
            EXPECT_EQ(got.by[1] + got.by[2], got.sent) << "by both routers together";
            EXPECT_EQ(got.came, got.sent);
            EXPECT_EQ(got.twice, 0);
            RecordProperty(fmt::format("{}, {}", what, family_name(f)),
                           static_cast<int>(got.first()));
            if (kernel() && !kernel_spreads_)
                continue;
            EXPECT_NEAR(got.first(), first, within);
            EXPECT_EQ(got.split(), 0) << "flows that went both ways";
        }
    }

    World world_;

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

    Shares round(int f, unsigned count)
    {
        Watch first(world_.g[1], "w0"), second(world_.g[2], one_port_ ? "w0" : "x");
        const Bytes mark = new_mark();
        Shares got;
        std::map<std::pair<unsigned, unsigned>, int> heard;
        for (unsigned n = 0; n < count; n++)
            for (unsigned flow = 0; flow < flows; flow++) {
                Bytes data = mark;
                put32(data, flow);
                put32(data, n);
                got.sent += ::send(mouths_[f][flow].get(), data.data(), data.size(), 0) > 0 ? 1 : 0;
                if (flow % 16 == 15) { // a veth's ring for XDP has room for 256
                    ::usleep(1000);
                    hear(f, mark, &heard);
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
                got->ways[packet->inner.udp->source].insert(router);
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
    routes(false, 3, 1);
    expect_shares(75, 12, "weights 3:1");
    ip(world_.h[1], "link set u down");
    for (int f = 0; f < families; f++) {
        SCOPED_TRACE(family_name(f));
        const Shares got = shares(f);
        EXPECT_EQ(got.by[2], got.sent) << "by the uplink that is up";
        EXPECT_EQ(got.came, got.sent);
        EXPECT_EQ(got.twice, 0);
    }
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
    routes(true, 1, 3);
    expect_shares(25, 12, "weights 1:3");
}

INSTANTIATE_TEST_SUITE_P(Systems, Ecmp,
                         ::testing::Values(System::kernel, System::bridge, System::ports,
                                           System::xdp),
                         [](const auto &test) { return name_of(test.param); });

} // namespace
} // namespace xvtep::test
