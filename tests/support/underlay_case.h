// SPDX-License-Identifier: GPL-2.0-only
// Two hosts that reach each other by two routers, and two tenants at once: VNI 42 over IPv4 and
// VNI 46 over IPv6. A third host has VTEPs of both VNIs, which nothing is for. The routers are at
// one switch on either side; the second has a wire of its own to host 1, too.
//
//   c1, d1 --- h1 ==u=== s --w0- g1 -w1-- t ===u== h2 --- c2, d2     c: VNI 42, d: VNI 46
//                ==v==x========= g2 -w1-- t ===u== h3
//                        s --w0- g2
//     198.51.100.0/24, fd51::/64   203.0.113.0/24, fd53::/64
//
// Without routers ("direct") the hosts are at the switch s. With "l3" there are none, u is a tun
// device, and the hosts 1 and 2 have the wire between v and v.
#pragma once

#include <atomic>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/overlay_case.h"
#include "tests/support/tun_hub.h"
#include "user/net/ethtool.h"
#include "user/net/sysctl.h"

namespace xvtep::test {

// Datagrams with numbers from one container to another.
class Flow {
  public:
    Flow(const std::string &from, const std::string &to, const std::string &address)
        : out_(socket_in(from, AF_INET, SOCK_DGRAM)), ear_(socket_in(to, AF_INET, SOCK_DGRAM)),
          mark_(new_mark())
    {
        const SocketAddress at(address, 9000);
        const int on = 1, buffer = 16 << 20;
        ::setsockopt(ear_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
        ::setsockopt(ear_.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
        EXPECT_EQ(::bind(ear_.get(), at.get(), at.size), 0) << address << std::strerror(errno);
        EXPECT_EQ(::connect(out_.get(), at.get(), at.size), 0) << address << std::strerror(errno);
    }

    void send()
    {
        Bytes data = mark_;
        put32(data, static_cast<std::uint32_t>(sent_.size()));
        sent_.push_back(WallClock::now());
        (void)::send(out_.get(), data.data(), data.size(), MSG_DONTWAIT); // lost, if it fails
    }

    struct Loss {
        milliseconds longest{}; // without a datagram that arrives
        int lost = 0, of = 0, twice = 0;
        bool before = false, after = false; // all arrived at the start, and at the end
    };
    // Of the datagrams from `start` on. `before` and `after` are about ten of them.
    Loss loss(std::size_t start)
    {
        hear();
        constexpr std::size_t some = 10;
        const std::size_t end = sent_.size();
        Loss loss{.of = static_cast<int>(end - std::min(start, end))};
        const auto all = [&](std::size_t from, std::size_t to) {
            for (std::size_t n = from; n < to; n++)
                if (!heard_.contains(n))
                    return false;
            return from < to;
        };
        loss.before = start >= some && all(start - some, start);
        loss.after = end >= start + some && all(end - some, end);
        for (std::size_t n = start; n < end; n++) {
            const std::size_t first = n;
            for (; n < end && !arrived(n); n++)
                loss.lost++;
            if (n != first)
                loss.longest = std::max(
                    loss.longest, milliseconds_of(sent_[std::min(n, end - 1)] - sent_[first]));
        }
        for (const auto &[number, heard] : heard_)
            loss.twice += heard.copies - 1;
        return loss;
    }

    [[nodiscard]] std::size_t sent() const { return sent_.size(); }
    [[nodiscard]] const Bytes &mark() const { return mark_; }

  private:
    using WallClock = std::chrono::system_clock; // that of time stamps of packets
    struct Heard {
        WallClock::time_point at{}; // the first
        int copies = 0;
    };

    static milliseconds milliseconds_of(WallClock::duration time)
    {
        return std::chrono::duration_cast<milliseconds>(time);
    }

    // What is so late is as good as lost.
    bool arrived(std::size_t number) const
    {
        const auto heard = heard_.find(number);
        return heard != heard_.end() && heard->second.at - sent_[number] < milliseconds(200);
    }

    void hear()
    {
        for (;;) {
            Bytes data(256);
            iovec piece{.iov_base = data.data(), .iov_len = data.size()};
            alignas(cmsghdr) std::array<char, 64> control{};
            msghdr message{};
            message.msg_iov = &piece;
            message.msg_iovlen = 1;
            message.msg_control = control.data();
            message.msg_controllen = control.size();
            const ssize_t size = ::recvmsg(ear_.get(), &message, MSG_DONTWAIT);
            if (size < 0)
                return;
            if (static_cast<std::size_t>(size) != mark_.size() + 4 ||
                !std::equal(mark_.begin(), mark_.end(), data.begin()))
                continue;
            std::size_t number = 0;
            for (std::size_t n = 0; n < 4; n++)
                number = number << 8 | data[mark_.size() + n];
            timespec stamp{};
            for (cmsghdr *c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c))
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS)
                    std::memcpy(&stamp, CMSG_DATA(c), sizeof(stamp));
            Heard &heard = heard_[number];
            if (heard.copies++ == 0)
                heard.at = WallClock::time_point(std::chrono::duration_cast<WallClock::duration>(
                    std::chrono::seconds(stamp.tv_sec) + std::chrono::nanoseconds(stamp.tv_nsec)));
        }
    }

    Fd out_, ear_;
    Bytes mark_;
    std::vector<WallClock::time_point> sent_;
    std::map<std::size_t, Heard> heard_;
};

// Sends one datagram of each flow every 5 ms while it lives.
class Steady {
  public:
    explicit Steady(std::vector<std::unique_ptr<Flow>> &flows)
        : thread_([this, &flows] {
              for (auto next = Clock::now(); !stop_; next += milliseconds(5)) {
                  for (const auto &flow : flows)
                      flow->send();
                  next = std::max(next, Clock::now() - milliseconds(5)); // no bursts
                  std::this_thread::sleep_until(next + milliseconds(5));
              }
          })
    {
    }
    Steady(const Steady &) = delete;
    Steady &operator=(const Steady &) = delete;
    ~Steady()
    {
        stop_ = true;
        thread_.join();
    }

  private:
    std::atomic<bool> stop_ = false;
    std::thread thread_;
};

struct UnderlayPlan {
    bool direct = false;   // no routers
    bool l3 = false;       // with `direct`: the hosts' ports are tun devices
    bool on_lo = false;    // the VTEPs' addresses; else they are the ports'
    std::string options{}; // of xvtep's attach at host 1
};

class UnderlayCase : public NetnsCase {
  protected:
    static constexpr int families = 2; // 0: VNI 42 over IPv4; 1: VNI 46 over IPv6
    static const char *family_name(int f) { return f == 0 ? "IPv4" : "IPv6"; }
    static int vni(int f) { return f == 0 ? 42 : 46; }
    static std::string device(int f) { return fmt::format("vxlan{}", vni(f)); }
    static std::string bridge(int f) { return fmt::format("br{}", vni(f)); }

    static std::string near(int f, int n)
    {
        return fmt::format("{}{}", f == 1 ? "fd51::" : "198.51.100.", n);
    }
    static std::string side(int f, int n) // of the wire between v and x
    {
        return fmt::format("{}{}", f == 1 ? "fd54::" : "198.51.101.", n);
    }
    static std::string far(int f, int n)
    {
        return fmt::format("{}{}", f == 1 ? "fd53::" : "203.0.113.", n);
    }
    static std::string own(int f, int n)
    {
        return fmt::format("{}{}", f == 1 ? "fd52::" : "192.0.2.", n);
    }
    static std::string net(int f) { return f == 1 ? "/64 nodad" : "/24"; }
    static std::string whole(int f) { return f == 1 ? "/128" : "/32"; }
    static std::string inner(int n) { return fmt::format("10.20.1.{}", n); }
    static std::string mac(int f, int n) { return fmt::format("02:00:00:00:0{}:0{}", f, n); }

    // The routers' numbers in the networks, and that of the next hop, which may be either's.
    static constexpr int router_of(int g) { return 240 + g; }
    static constexpr int next_hop = 251;

    struct World {
        System system = System::kernel;
        UnderlayPlan plan{};
        std::string h[4], g[3], n, c[families][3]{};
        std::vector<std::unique_ptr<Flow>> flows{}; // both ways, of both families
        std::unique_ptr<TunHub> hub{};              // with l3; its ends are the hosts, from 0 on

        [[nodiscard]] bool kernel() const { return system == System::kernel; }
        [[nodiscard]] bool xdp() const { return system == System::xdp; }
        [[nodiscard]] const char *mode() const { return xdp() ? "xdp" : "tc"; }
        [[nodiscard]] std::string vtep(int f, int host) const
        {
            if (plan.on_lo && host != 3)
                return own(f, host);
            return host == 1 || plan.direct ? near(f, host) : far(f, host);
        }
    };

    void batch(const std::string &host, const std::string &lines, const std::string &program = "ip")
    {
        const std::string path = file("batch");
        std::ofstream(path) << lines << "\n";
        must(fmt::format("{} {} -batch {}", program, host.empty() ? "" : "-n " + host, path));
    }

    static void set(const std::string &host, const std::vector<std::string> &keys,
                    const std::string &value)
    {
        const auto netns = Netns::open(host);
        const auto scope = netns->enter();
        for (const std::string &key : keys) {
            const auto done = set_sysctl(key, value);
            EXPECT_TRUE(done.has_value()) << host << " " << key;
        }
    }

    static void feature(const std::string &host, const std::string &of, const std::string &name,
                        FeatureSetting wanted)
    {
        const auto netns = Netns::open(host);
        const auto scope = netns->enter();
        EXPECT_TRUE(set_device_feature(of, name, wanted).has_value()) << host << " " << of;
    }

    // With ASSERT_NO_FATAL_FAILURE: nothing that follows would tell anything.
    void build(World &world, System system, const UnderlayPlan &plan = {})
    {
        world.system = system;
        world.plan = plan;
        namespaces(world);
        wires(world);
        addresses(world);
        routes(world);
        for (int f = 0; f < families; f++) {
            for (int n = 1; n <= 3; n++)
                vtep(world, f, n);
            if (HasFailure())
                FAIL() << "there is no VTEP";
            for (const int n : {1, 2})
                container(world, f, n);
        }
        for (int f = 0; f < families; f++)
            for (const int n : {1, 2}) // the other's carrier is there
                await_bridge(world, f, n);
        if (HasFailure())
            FAIL() << "the network is not there";
    }

    void open_flows(World &world)
    {
        for (int f = 0; f < families; f++)
            for (const int n : {1, 2})
                world.flows.push_back(
                    std::make_unique<Flow>(world.c[f][n], world.c[f][3 - n], inner(3 - n)));
    }

    // A router forwards, or drops all that is not for itself.
    static void forwarding(const World &world, int router, bool on)
    {
        set(world.g[router], {"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"},
            on ? "1" : "0");
    }

    // Says unasked, out of a device, that an address is at its MAC, as one that takes over an
    // address does: a gratuitous ARP request (RFC 5227 3), or an unsolicited advertisement
    // (RFC 4861 7.2.6) with the flags R (of routers) and O (override).
    static void announce(const std::string &host, const std::string &from,
                         const std::string &address, bool router)
    {
        const Ip ip = *Ip::parse(address);
        const std::string at = mac_of(host, from);
        Bytes body;
        if (ip.is_v4()) {
            put32(body, 0x00010800);
            put32(body, 0x06040001);
            put(body, *Mac::parse(at));
            put(body, ip);
            put(body, Bytes(6, 0));
            put(body, ip);
            send_raw(host, from,
                     Ether{.dst = "ff:ff:ff:ff:ff:ff", .src = at.c_str(), .type = 0x0806} / body);
            return;
        }
        put32(body, 0x88000000);
        put32(body, router ? 0xa0000000 : 0x20000000);
        put(body, ip);
        put16(body, 0x0201); // the target's address
        put(body, *Mac::parse(at));
        const auto sum = transport_checksum(ip, *Ip::parse("ff02::1"), 58, body);
        body[2] = static_cast<std::uint8_t>(sum >> 8);
        body[3] = static_cast<std::uint8_t>(sum & 0xff);
        send_raw(
            host, from,
            Ether{.dst = "33:33:00:00:00:01", .src = at.c_str(), .type = 0x86dd} /
                (Ipv6{.src = address.c_str(), .dst = "ff02::1", .next = 58, .hops = 255} / body));
    }

    static std::string mac_of(const std::string &host, const std::string &device)
    {
        const Fd socket = socket_in(host, AF_INET, SOCK_DGRAM);
        ifreq request{};
        device.copy(static_cast<char *>(request.ifr_name), IFNAMSIZ - 1);
        EXPECT_EQ(::ioctl(socket.get(), SIOCGIFHWADDR, &request), 0) << host << " " << device;
        Mac mac;
        std::memcpy(mac.octets.data(), &request.ifr_hwaddr.sa_data, mac.octets.size());
        return mac.text();
    }

  private:
    void namespaces(World &world)
    {
        static int worlds = 0;
        const int number = ++worlds;
        const auto made = [&](const std::string &name) {
            const std::string full = host(fmt::format("{}{}", name, number));
            set(full,
                {"net/ipv4/conf/all/rp_filter", "net/ipv4/conf/default/rp_filter",
                 "net/ipv4/conf/all/send_redirects", "net/ipv4/conf/default/send_redirects",
                 "net/ipv6/conf/all/accept_dad", "net/ipv6/conf/default/accept_dad",
                 "net/ipv6/conf/default/accept_ra"},
                "0");
            return full;
        };
        for (int n = 1; n <= 3; n++)
            world.h[n] = made(fmt::format("h{}", n));
        for (const int g : {1, 2}) {
            if (world.plan.direct)
                continue;
            world.g[g] = made(fmt::format("g{}", g));
            forwarding(world, g, true);
        }
        world.n = made("n");
        quiet(world.n);
        for (const int n : {1, 2})
            for (int f = 0; f < families; f++)
                quiet(world.c[f][n] = made(fmt::format("{}{}x", f == 0 ? "c" : "d", n)));
        for (const int n : {1, 2}) // addresses of a link that is set down stay
            set(world.h[n], {"net/ipv6/conf/default/keep_addr_on_down"}, "1");
    }
    static void quiet(const std::string &host)
    {
        set(host, {"net/ipv6/conf/all/disable_ipv6", "net/ipv6/conf/default/disable_ipv6"}, "1");
    }

    void wires(World &world)
    {
        const auto veth = [](const std::string &a, const std::string &a_name, const std::string &b,
                             const std::string &b_name, const std::string &words = "") {
            return fmt::format("link add {} netns {} type veth peer name {} netns {} {}\n", a_name,
                               a, b_name, b, words);
        };
        std::string links, ports = "link add name s type bridge mcast_snooping 0\n"
                                   "link add name t type bridge mcast_snooping 0\n"
                                   "link set dev s up\nlink set dev t up\n";
        const auto plug = [&](const std::string &host, const char *device, const char *into,
                              const std::string &port) {
            links += veth(host, device, world.n, port);
            ports += fmt::format("link set {0} master {1}\nlink set {0} up\n", port, into);
        };
        for (int n = 1; n <= 3 && !world.plan.l3; n++)
            plug(world.h[n], "u", n == 1 || world.plan.direct ? "s" : "t", fmt::format("u{}", n));
        if (world.plan.l3)
            links += veth(world.h[1], "v", world.h[2], "v");
        if (!world.plan.direct) {
            for (const int g : {1, 2}) {
                plug(world.g[g], "w0", "s", fmt::format("s{}", g));
                plug(world.g[g], "w1", "t", fmt::format("t{}", g));
            }
            links += veth(world.h[1], "v", world.g[2], "x");
        }
        for (const int n : {1, 2})
            for (int f = 0; f < families; f++)
                links += veth(world.h[n], fmt::format("p{}", vni(f)), world.c[f][n], "eth0",
                              "mtu 1430 address " + mac(f, n));
        batch("", links);
        batch(world.n, ports);
        if (world.plan.l3)
            tunnels(world);
        if (!world.xdp())
            return;
        // A veth takes XDP frames only where GRO is on, and nothing fills in checksums there.
        for (const int n : {1, 2, 3})
            feature(world.n, fmt::format("u{}", n), "rx-gro", FeatureSetting::on);
        if (!world.plan.direct) {
            feature(world.g[2], "x", "rx-gro", FeatureSetting::on);
            feature(world.h[1], "v", "tx-checksum-ip-generic", FeatureSetting::off);
        }
        for (const int n : {1, 2}) {
            feature(world.h[n], "u", "tx-checksum-ip-generic", FeatureSetting::off);
            for (int f = 0; f < families; f++)
                feature(world.c[f][n], "eth0", "tx-checksum-ip-generic", FeatureSetting::off);
        }
    }

    static void tunnels(World &world)
    {
        std::vector<TunHub::End> ends;
        for (int n = 1; n <= 3; n++) {
            TunHub::End end{.host = world.h[n], .device = "u", .addresses = {}, .merges = n == 1};
            for (int f = 0; f < families; f++) {
                end.addresses.push_back(near(f, n));
                end.addresses.push_back(own(f, n));
            }
            ends.push_back(std::move(end));
        }
        world.hub = std::make_unique<TunHub>(ends);
    }

    void addresses(World &world)
    {
        for (int n = 1; n <= 3; n++) {
            std::string lines = "link set u up\n";
            const bool beside = world.plan.l3 ? n != 3 : n == 1 && !world.plan.direct;
            if (beside)
                lines += "link set v up\n";
            for (int f = 0; f < families; f++) {
                const bool here = n == 1 || world.plan.direct;
                lines +=
                    fmt::format("addr add {}{} dev u\n", here ? near(f, n) : far(f, n), net(f));
                if (beside)
                    lines += fmt::format("addr add {}{} dev v\n", side(f, n), net(f));
                if (world.plan.on_lo && n != 3)
                    lines += fmt::format("addr add {}{} dev lo\n", own(f, n),
                                         f == 1 ? "/128 nodad" : "/32");
            }
            // Bridges and VTEPs' devices say nothing of their own, neither by IPv6 nor by IGMP.
            set(world.h[n], {"net/ipv6/conf/default/disable_ipv6"}, "1");
            for (int f = 0; f < families; f++)
                lines += fmt::format("link add {0} type bridge mcast_snooping 0\nlink set {0} up\n",
                                     bridge(f));
            batch(world.h[n], lines);
        }
        for (const int g : {1, 2}) {
            if (world.plan.direct)
                continue;
            std::string lines = "link set w0 up\nlink set w1 up\n";
            lines += g == 2 ? "link set x up\n" : "";
            for (int f = 0; f < families; f++) {
                lines += fmt::format("addr add {}{} dev w0\naddr add {}{} dev w1\n",
                                     near(f, router_of(g)), net(f), far(f, router_of(g)), net(f));
                if (g == 1) // the next hop, until another takes it over
                    lines += fmt::format("addr add {}{} dev w0\naddr add {}{} dev w1\n",
                                         near(f, next_hop), net(f), far(f, next_hop), net(f));
                else
                    lines += fmt::format("addr add {}{} dev x\n", side(f, 2), net(f));
            }
            batch(world.g[g], lines);
        }
    }

    // From each VTEP to the other by the next hop; routers know the addresses that no wire has.
    void routes(World &world)
    {
        for (const int n : {1, 2})
            for (int f = 0; f < families && world.plan.l3 && world.plan.on_lo; f++)
                ip(world.h[n],
                   fmt::format("route add {} dev u metric 10", own(f, 3 - n) + whole(f)));
        if (world.plan.direct)
            return;
        std::string there, back, first, second;
        for (int f = 0; f < families; f++) {
            there += fmt::format("route add {} via {} dev u metric 10\n",
                                 world.vtep(f, 2) + whole(f), near(f, next_hop));
            back += fmt::format("route add {} via {} dev u metric 10\n",
                                world.vtep(f, 1) + whole(f), far(f, next_hop));
            if (world.plan.on_lo) {
                for (std::string *router : {&first, &second})
                    *router += fmt::format("route add {} via {} dev w1\n", own(f, 2) + whole(f),
                                           far(f, 2));
                first +=
                    fmt::format("route add {} via {} dev w0\n", own(f, 1) + whole(f), near(f, 1));
                second +=
                    fmt::format("route add {} via {} dev x\n", own(f, 1) + whole(f), side(f, 1));
            }
        }
        batch(world.h[1], there);
        batch(world.h[2], back);
        if (world.plan.on_lo) {
            batch(world.g[1], first);
            batch(world.g[2], second);
        }
    }

    void vtep(World &world, int f, int n)
    {
        const std::string &host = world.h[n];
        const std::string remote = world.vtep(f, n == 2 ? 1 : 2);
        // The route alone decides.
        const bool several = (n == 1 || (n == 2 && world.plan.l3)) && world.plan.on_lo;
        if (world.kernel() || n == 3) {
            batch(host,
                  fmt::format("link add {} mtu 1430 type vxlan id {} dstport 4789 local {} "
                              "remote {} {} {}\nlink set {} master {} up",
                              device(f), vni(f), world.vtep(f, n), remote, several ? "" : "dev u",
                              f == 1 ? "" : "noudpcsum", device(f), bridge(f)));
            return;
        }
        must(fmt::format("{} -n {} attach {} --vni {} --name {} --local {} --remote {} --bridge {} "
                         "--mtu 1430 --mode {} {}",
                         xvtep(), host, several ? "u v" : "u", vni(f), device(f), world.vtep(f, n),
                         remote, bridge(f), world.mode(), n == 1 ? world.plan.options : ""));
    }

    void container(World &world, int f, int n)
    {
        const std::string port = fmt::format("p{}", vni(f));
        batch(world.h[n],
              fmt::format("link set {0} mtu 1430 master {1}\nlink set {0} up", port, bridge(f)));
        std::string lines = fmt::format("link set eth0 up\naddr add {}/24 dev eth0\n", inner(n));
        for (const int other : {1, 2, 3})
            if (other != n)
                lines += fmt::format("neigh replace {} lladdr {} dev eth0 nud permanent\n",
                                     inner(other), mac(f, other));
        batch(world.c[f][n], lines);
        // Of mode tc, host 2 has a bridge alone.
        if (world.xdp() || (world.system == System::ports && n == 1))
            must(fmt::format("{} -n {} port add {} --vni {}", xvtep(), world.h[n], port, vni(f)));
    }

    // Until the bridge has heard of the device's carrier, it forwards nothing of it.
    void await_bridge(World &world, int f, int n)
    {
        must(fmt::format("until bridge -n {} link show dev p{} | grep -q \"state forwarding\"; do "
                         "sleep 0.02; done",
                         world.h[n], vni(f)),
             10);
    }
};

} // namespace xvtep::test
