// SPDX-License-Identifier: GPL-2.0-only
// Three hosts at a switch, a container on each, and a second tenant on two of them. The same tests
// run with the kernel's device, which says what is right, and with xvtep.
//
//        c1  o1            c2  o2           c3           c: VNI 42, 10.20.1.N and fd20::N
//         v1  w1            v2  w2           v3          o: VNI 43
//         |   |             |   |            |
//   h1: br0   br1     h2: br0   br1    h3: br0           vxlan0 in br0, vxlan1 in br1
//            u                 u             u           192.168.8.N, fd08::N
//            s1                s2            s3
//            +---------- sw: sw ------------+
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "tests/program/packet.h"
#include "tests/support/netns_case.h"
#include "tests/support/sockets.h"
#include "user/lab/capture.h"

namespace xvtep::test {

enum class System {
    kernel,
    bridge,
    ports,
    xdp
}; // xvtep but for the first; the last two with ports
enum class Underlay { v4, v4_checksums, v6 };

struct OverlayParameter {
    System system;
    Underlay underlay;
};

inline const char *name_of(System system)
{
    static const char *const systems[] = {"kernel", "bridge", "ports", "xdp"};
    return systems[static_cast<int>(system)];
}
inline void PrintTo(System system, std::ostream *out)
{
    *out << name_of(system);
}

inline std::string name_of(const OverlayParameter &p)
{
    static const char *const underlays[] = {"v4", "v4_checksums", "v6"};
    return fmt::format("{}_{}", name_of(p.system), underlays[static_cast<int>(p.underlay)]);
}
inline void PrintTo(const OverlayParameter &p, std::ostream *out)
{
    *out << name_of(p);
}

inline std::vector<OverlayParameter> overlays(const std::vector<Underlay> &underlays)
{
    std::vector<OverlayParameter> all;
    for (const System system : {System::kernel, System::bridge, System::ports, System::xdp})
        for (const Underlay underlay : underlays)
            all.push_back({system, underlay});
    return all;
}

// Where the underlay's family is not the matter: not each with each.
inline std::vector<OverlayParameter> fewer_overlays()
{
    return {{System::kernel, Underlay::v4}, {System::kernel, Underlay::v6},
            {System::bridge, Underlay::v4}, {System::ports, Underlay::v4},
            {System::ports, Underlay::v6},  {System::xdp, Underlay::v4}};
}

// Those of `all` that `wanted` holds for.
template <class Predicate>
std::vector<OverlayParameter> only(std::vector<OverlayParameter> all, Predicate wanted)
{
    std::erase_if(all, [&](const auto &overlay) { return !wanted(overlay); });
    return all;
}

// What passes one device.
class Watch {
  public:
    Watch(const std::string &host, const std::string &device)
    {
        const auto netns = Netns::open(host);
        const auto scope = netns->enter();
        capture_.emplace_back(*Capture::open(static_cast<int>(::if_nametoindex(device.c_str()))));
    }

    const std::vector<Frame> &seen()
    {
        for (Frame &frame : capture_.front().drain())
            seen_.push_back(std::move(frame));
        return seen_;
    }
    // Until `done`, or not for longer than it may take on a busy machine.
    template <typename Done> bool wait(Done done, milliseconds patience = milliseconds(1000))
    {
        for (const auto deadline = Clock::now() + patience;; ::usleep(5000)) {
            seen();
            if (done())
                return true;
            if (Clock::now() > deadline)
                return false;
        }
    }
    void forget()
    {
        seen();
        seen_.clear();
    }

    static bool contains(const Frame &frame, const Bytes &mark)
    {
        return std::search(frame.bytes.begin(), frame.bytes.end(), mark.begin(), mark.end()) !=
               frame.bytes.end();
    }
    // Copies that come out of the device (to its owner), or go into it.
    int copies(const Bytes &mark, bool outgoing = false)
    {
        seen();
        return static_cast<int>(std::ranges::count_if(seen_, [&](const Frame &frame) {
            return frame.outgoing == outgoing && contains(frame, mark);
        }));
    }

  private:
    std::vector<Capture> capture_; // one
    std::vector<Frame> seen_;
};

// Bytes that no other frame has.
inline Bytes new_mark()
{
    static std::uint32_t made = 0;
    Bytes mark = {'x', 'v', 't'};
    put32(mark, static_cast<std::uint32_t>(::getpid()));
    put32(mark, ++made);
    return mark;
}

// A frame's inner payload: the mark, and what fills it up to the size.
inline Bytes marked(const Bytes &mark, std::size_t size = 46)
{
    Bytes out = mark;
    put(out, payload(size > mark.size() ? size - mark.size() : 0));
    return out;
}

struct OverlayPlan {
    // Of each host: both others; 1 -> 3 -> 2 -> 1, which is never the right way from 1 to 2; none.
    enum class Defaults { all, ring, none };
    Defaults defaults = Defaults::all;
    unsigned overlay_mtu = 0; // 0: what fits
    bool tenants = false;     // the second
    bool ipv6 = true;         // in containers
    std::string options{};    // of xvtep's attach
    std::string kernel_options{};
};

class OverlayCase : public NetnsCase, public ::testing::WithParamInterface<OverlayParameter> {
  protected:
    static bool kernel() { return GetParam().system == System::kernel; }
    static bool with_ports() { return GetParam().system >= System::ports; }
    static bool xdp() { return GetParam().system == System::xdp; }
    static bool underlay_v6() { return GetParam().underlay == Underlay::v6; }

    static std::string v4(int n) { return fmt::format("10.20.1.{}", n); }
    static std::string v6(int n) { return fmt::format("fd20::{}", n); }
    static std::string mac(int n) { return fmt::format("02:00:00:00:00:{:02x}", n); }
    static std::string outer(int n)
    {
        return fmt::format("{}{}", underlay_v6() ? "fd08::" : "192.168.8.", n);
    }
    static unsigned mtu_that_fits() { return underlay_v6() ? 1430 : 1450; }

    void batch(const std::string &host, const std::string &lines, const char *program = "ip")
    {
        const std::string path = file("batch");
        std::ofstream(path) << lines << "\n";
        must(fmt::format("{} -n {} -batch {}", program, host, path));
    }
    // A command of xvtep's at host `n`.
    std::string run(int n, const std::string &words)
    {
        return must(fmt::format("{} -n {} {}", xvtep(), h_[n], words));
    }

    // With ASSERT_NO_FATAL_FAILURE: nothing that follows would tell anything.
    void build(const OverlayPlan &plan = {})
    {
        build_all(plan);
        if (HasFailure())
            FAIL() << "the network is not there";
    }

    // A container `number` on host `n`, its host's end v`number`, known to all others.
    std::string container(int n, int number, const std::string &name)
    {
        const std::string made = host(name);
        connect(n, made, fmt::format("v{}", number), "br0", 42, number);
        return made;
    }

    // A veth for a namespace, in a bridge, and a port where the system has ports.
    void connect(int n, const std::string &made, const std::string &device,
                 const std::string &bridge, int vni, int number, bool port = true,
                 const std::string &words = "")
    {
        if (!plan_.ipv6)
            quiet(made);
        const unsigned mtu = plan_.overlay_mtu;
        must(fmt::format(
            "ip link add {} {} netns {} mtu {} type veth peer name eth0 netns {} mtu {} "
            "address {}",
            device, words, h_[n], mtu, made, mtu, mac(number)));
        batch(h_[n], fmt::format("link set {0} master {1}\nlink set {0} up", device, bridge));
        std::string lines = fmt::format("link set eth0 up\naddr add {}/24 dev eth0\n", v4(number));
        if (plan_.ipv6)
            lines += fmt::format("addr add {}/64 dev eth0 nodad\n", v6(number));
        for (const int other : {1, 2, 3, 4, 5, 6, 81, 82})
            if (other != number) {
                lines += fmt::format("neigh replace {} lladdr {} dev eth0 nud permanent\n",
                                     v4(other), mac(other));
                if (plan_.ipv6)
                    lines += fmt::format("neigh replace {} lladdr {} dev eth0 nud permanent\n",
                                         v6(other), mac(other));
            }
        batch(made, lines);
        if (xdp()) // nothing fills checksums in behind XDP
            in(made, "ethtool -K eth0 tx off");
        if (with_ports() && port)
            run(n, fmt::format("port add {} --vni {}", device, vni));
        await_bridge(n, device);
    }

    // Until the bridge has heard of the device's carrier, it forwards nothing of it.
    void await_bridge(int n, const std::string &device)
    {
        must(fmt::format("until bridge -n {} link show dev {} | grep -q \"state forwarding\"; do "
                         "sleep 0.02; done",
                         h_[n], device),
             10);
    }

    // An entry by hand.
    void entry(int n, const std::string &address, int to)
    {
        if (kernel())
            must(fmt::format("bridge -n {} fdb replace {} dev vxlan0 dst {} self static", h_[n],
                             address, outer(to)));
        else
            run(n, fmt::format("fdb replace {} dev vxlan0 dst {} static", address, outer(to)));
    }
    // Both ways between the containers 1 and 2.
    void entries()
    {
        entry(1, mac(2), 2);
        entry(2, mac(1), 1);
    }

    // What leaves the switch towards a host.
    Watch towards(int n) { return {sw_, fmt::format("s{}", n)}; }

    // Frames from host `from` to host `to`'s address but floods, whatever carries them.
    static std::vector<Frame> unicast_of(Watch &watch, int from, int to)
    {
        std::vector<Frame> found;
        const Bytes source = octets(outer(from)), destination = octets(outer(to));
        const std::size_t at = source.size() == 4 ? 26 : 22;
        for (const Frame &frame : watch.seen()) {
            const auto &b = frame.bytes;
            if (!frame.outgoing || b.size() < at + 2 * source.size() ||
                !std::equal(source.begin(), source.end(), b.begin() + static_cast<long>(at)) ||
                !std::equal(destination.begin(), destination.end(),
                            b.begin() + static_cast<long>(at + source.size())))
                continue;
            const bool neighbour = source.size() == 16 && b[20] == 58; // ND of the hosts
            const auto packet = parse_encapsulated(b);
            const bool flood = packet && !packet->inner.empty() && (packet->inner[0] & 1) != 0;
            if (!neighbour && !flood)
                found.push_back(frame);
        }
        return found;
    }

    // Frames of the first tenant's containers that another sees.
    static int overheard(Watch &watch, bool unicast_alone)
    {
        int count = 0;
        for (const Frame &frame : watch.seen()) {
            const auto &b = frame.bytes;
            const bool ours = b.size() > 12 && b[6] == 2 && b[10] == 0 && b[11] > 0 && b[11] < 80;
            if (ours && !frame.outgoing && !(unicast_alone && (b[0] & 1) != 0))
                count++;
        }
        return count;
    }

    static Bytes octets(const std::string &address)
    {
        Bytes out;
        put(out, *Ip::parse(address));
        return out;
    }

    static Bytes octets_of_macs(const std::string &first, const std::string &second)
    {
        Bytes out;
        put(out, *Mac::parse(first));
        put(out, *Mac::parse(second));
        return out;
    }

    std::string stats(int n) { return kernel() ? std::string() : run(n, "stats"); }

    static void quiet(const std::string &host)
    {
        in(host,
           "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
    }

    OverlayPlan plan_;
    std::string sw_, h_[4], c_[4], o_[3];

  private:
    void build_all(const OverlayPlan &plan)
    {
        plan_ = plan;
        if (plan_.overlay_mtu == 0)
            plan_.overlay_mtu = mtu_that_fits();
        sw_ = host("sw");
        quiet(sw_);
        batch(sw_, "link add sw type bridge mcast_snooping 0\nlink set sw up");
        for (int n = 1; n <= 3; n++)
            build_host(n);
        for (int n = 1; n <= 3; n++) {
            build_vtep(n, 42, "vxlan0", "br0");
            c_[n] = container(n, n, fmt::format("c{}", n));
        }
        if (plan_.tenants)
            for (int n = 1; n <= 2; n++) {
                build_vtep(n, 43, "vxlan1", "br1");
                o_[n] = host(fmt::format("o{}", n));
                connect(n, o_[n], fmt::format("w{}", n), "br1", 43, 80 + n);
            }
    }

    void build_host(int n)
    {
        h_[n] = host(fmt::format("h{}", n));
        if (!underlay_v6())
            quiet(h_[n]);
        wire(h_[n], "u", sw_, fmt::format("s{}", n));
        std::string lines = fmt::format("addr add 192.168.8.{}/24 dev u\n", n);
        if (underlay_v6())
            lines += fmt::format("addr add fd08::{}/64 dev u nodad\n", n);
        lines += "link add br0 type bridge mcast_snooping 0\nlink set br0 up\n"
                 "link add br1 type bridge mcast_snooping 0\nlink set br1 up";
        batch(h_[n], lines);
        ip(sw_, fmt::format("link set s{} master sw", n));
        if (xdp()) {
            in(h_[n], "ethtool -K u tx off");
            in(sw_, fmt::format("ethtool -K s{} gro on", n)); // a veth takes XDP frames only so
        }
    }

    [[nodiscard]] std::vector<int> defaults_of(int n) const
    {
        using enum OverlayPlan::Defaults;
        if (plan_.defaults == none)
            return {};
        if (plan_.defaults == ring)
            return {n == 1 ? 3 : n - 1};
        std::vector<int> others;
        for (int other = 1; other <= 3; other++)
            if (other != n)
                others.push_back(other);
        return others;
    }

    void build_vtep(int n, int vni, const std::string &name, const std::string &bridge)
    {
        const auto defaults = defaults_of(n);
        const bool checksums = GetParam().underlay != Underlay::v4;
        const std::string remote = defaults.empty() ? "" : "remote " + outer(defaults[0]);
        if (kernel()) {
            batch(h_[n], fmt::format("link add {} mtu {} type vxlan id {} dstport 4789 local {} {} "
                                     "{} {} {}\nlink set {} master {} up",
                                     name, plan_.overlay_mtu, vni, outer(n), remote,
                                     // With a device it takes no MTU that does not fit.
                                     plan_.overlay_mtu > mtu_that_fits() ? "" : "dev u",
                                     checksums ? "udpcsum" : "noudpcsum", plan_.kernel_options,
                                     name, bridge));
        } else {
            run(n, fmt::format("attach u --vni {} --name {} --local {} {} --bridge {} --mtu {} "
                               "--mode {} {} {}",
                               vni, name, outer(n), remote.empty() ? "" : "--" + remote, bridge,
                               plan_.overlay_mtu, xdp() ? "xdp" : "tc",
                               GetParam().underlay == Underlay::v4_checksums ? "--udpcsum" : "",
                               plan_.options));
        }
        for (std::size_t i = 1; i < defaults.size(); i++) {
            const std::string words =
                fmt::format("fdb append 00:00:00:00:00:00 dev {} dst {}", name, outer(defaults[i]));
            if (kernel())
                must(fmt::format("bridge -n {} {}", h_[n], words));
            else
                run(n, words);
        }
    }
};

} // namespace xvtep::test
