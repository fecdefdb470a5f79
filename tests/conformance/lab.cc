// SPDX-License-Identifier: GPL-2.0-only
#include "tests/conformance/lab.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ranges>
#include <sstream>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "tests/conformance/frames.h"
#include "tests/support/netns_case.h"
#include "user/net/netlink_message.h"
#include "user/net/netlink_socket.h"
#include "user/net/sysctl.h"

#ifndef IFLA_VXLAN_RESERVED_BITS // Linux 6.14
#define IFLA_VXLAN_RESERVED_BITS 33
#endif
#ifndef SO_RCVMARK // Linux 5.19
#define SO_RCVMARK 75
#endif

namespace xvtep::conformance {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// Bridges leave this address on the link, and no VTEP takes the type.
constexpr const char *marker_dst = "01:80:c2:00:00:0e";
constexpr unsigned marker_type = 0x88b5;

void must(const std::string &command)
{
    const test::Output output = test::sh(command, 20);
    EXPECT_EQ(output.status, 0) << command << "\n" << output.text;
}

// One process for many `ip` lines.
void batch(const std::string &where, const std::vector<std::string> &lines)
{
    must(fmt::format("ip {} -batch - <<E\n{}\nE\n", where, fmt::join(lines, "\n")));
}

std::vector<std::string> split(const std::string &text, char at)
{
    std::vector<std::string> parts;
    std::istringstream in(text);
    for (std::string part; std::getline(in, part, at);)
        if (!part.empty())
            parts.push_back(part);
    return parts;
}

// The kernel's options in xvtep's spelling: a word that is no value gets its dashes.
std::string dashed(const std::string &options)
{
    std::string text;
    int values = 0;
    for (const std::string &word : split(options, ' ')) {
        if (values > 0) {
            values--;
            text += " " + word;
            continue;
        }
        text += " --" + word;
        if (word == "srcport")
            values = 2;
        else if (word == "ttl" || word == "tos" || word == "df" || word == "flowlabel" ||
                 word == "ageing" || word == "maxaddress" || word == "group")
            values = 1;
    }
    return text;
}

// A device with the attribute that iproute2 may be too old for, and that cannot be set later.
void add_with_reserved_bits(const Netns &netns, const Device &device, std::uint64_t bits)
{
    const auto scope = netns.enter();
    ASSERT_TRUE(scope.has_value());
    auto socket = NetlinkSocket::open();
    ASSERT_TRUE(socket.has_value());
    Message message(RTM_NEWLINK, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, ifinfomsg{});
    message.put(IFLA_IFNAME, device.name);
    message.put(IFLA_ADDRESS, *Mac::parse(device_mac));
    {
        const Message::Nest info(message, IFLA_LINKINFO);
        message.put(IFLA_INFO_KIND, std::string("vxlan"));
        const Message::Nest data(message, IFLA_INFO_DATA);
        const std::uint32_t words[2] = {htonl(static_cast<std::uint32_t>(bits >> 32)),
                                        htonl(static_cast<std::uint32_t>(bits))};
        message.put(IFLA_VXLAN_ID, std::uint32_t{device.vni});
        message.put(IFLA_VXLAN_LINK, std::uint32_t{::if_nametoindex("u0")});
        message.put(IFLA_VXLAN_LOCAL, *Ip::parse(device.local));
        message.put(IFLA_VXLAN_GROUP, *Ip::parse(device.remote));
        message.put(IFLA_VXLAN_PORT,
                    std::uint16_t{htons(static_cast<std::uint16_t>(device.dstport))});
        message.put(IFLA_VXLAN_UDP_CSUM, std::uint8_t{0});
        message.put(IFLA_VXLAN_RESERVED_BITS, words, sizeof(words));
    }
    const auto answer = socket->request(message);
    EXPECT_TRUE(answer.has_value()) << answer.error().code << " " << answer.error().detail;
}

} // namespace

Tap::Tap(const Netns &netns, const std::string &ifname)
{
    const auto scope = netns.enter();
    EXPECT_TRUE(scope.has_value());
    fd_ = Fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    ::setsockopt(fd_.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
    ::setsockopt(fd_.get(), SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on));
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVMARK, &on, sizeof(on));
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(ifname.c_str()));
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr *>(&address), sizeof(address)), 0)
        << ifname;
}

void Tap::send(const Bytes &frame, std::uint32_t mark) const
{
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
    EXPECT_EQ(::send(fd_.get(), frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()))
        << std::strerror(errno);
}

std::optional<Tap::Frame> Tap::receive() const
{
    Frame frame{.bytes = Bytes(65536 + 64), .mark = 0};
    alignas(cmsghdr) char control[256];
    iovec part{frame.bytes.data(), frame.bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    const ssize_t size = ::recvmsg(fd_.get(), &message, 0);
    if (size < 0)
        return std::nullopt;
    frame.bytes.resize(static_cast<std::size_t>(size));
    for (cmsghdr *c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_MARK)
            std::memcpy(&frame.mark, CMSG_DATA(c), sizeof(frame.mark));
        if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
            continue;
        tpacket_auxdata aux{};
        std::memcpy(&aux, CMSG_DATA(c), sizeof(aux));
        if ((aux.tp_status & TP_STATUS_VLAN_VALID) == 0 || frame.bytes.size() < 12)
            continue;
        Bytes tag;
        test::put16(tag,
                    (aux.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0 ? aux.tp_vlan_tpid : 0x8100U);
        test::put16(tag, aux.tp_vlan_tci);
        frame.bytes.insert(frame.bytes.begin() + 12, tag.begin(), tag.end());
    }
    return frame;
}

Lab::Lab(System system) : system_(system)
{
    sut_name_ = fmt::format("xvc{}-sut", ::getpid());
    wire_name_ = fmt::format("xvc{}-wire", ::getpid());
    auto sut = Netns::create(sut_name_);
    auto wire = Netns::create(wire_name_);
    if (!sut || !wire)
        throw std::runtime_error("no network namespaces");
    sut_ = std::move(*sut);
    wire_ = std::move(*wire);
    for (const Netns *netns : {&*sut_, &*wire_}) {
        const auto scope = netns->enter();
        // Without addresses of their own making devices are silent.
        for (const auto &[key, value] :
             {std::pair("addr_gen_mode", "1"), std::pair("accept_dad", "0"),
              std::pair("router_solicitations", "0")})
            (void)set_sysctl(fmt::format("net/ipv6/conf/default/{}", key), value);
        // Where br_netfilter is loaded it would judge and refragment what crosses the bridge.
        for (const char *family : {"ip", "ip6", "arp"})
            (void)set_sysctl(fmt::format("net/bridge/bridge-nf-call-{}tables", family), "0");
    }
    std::vector<std::string> links;
    for (const auto &[inner, outer] :
         {std::pair("u0", "w0"), std::pair("c0", "a0"), std::pair("c1", "a1")})
        links.push_back(fmt::format("link add {} netns {} mtu 1500 type veth peer name {} netns {} "
                                    "mtu 1500",
                                    inner, sut_name_, outer, wire_name_));
    batch("", links);
    std::vector<std::string> lines{fmt::format("link set u0 address {} up", sut_mac),
                                   "link set c0 up",
                                   "link set c1 up",
                                   "addr add 192.0.2.1/24 dev u0",
                                   "addr add 192.0.2.11/24 dev u0",
                                   "addr add fd08::1/64 dev u0 nodad"};
    for (int n = 2; n <= 5; n++)
        for (const char *net : {"192.0.2.", "fd08::"})
            lines.push_back(fmt::format("neigh add {}{} lladdr 02:22:00:00:00:{:02x} dev u0 nud "
                                        "permanent",
                                        net, n, n));
    batch("-n " + sut_name_, lines);
    batch("-n " + wire_name_, {"link set w0 up", "link set a0 up", "link set a1 up"});
    // Frames are final when they leave.
    must(fmt::format("for d in u0 c0 c1; do ip netns exec {} ethtool -K $d tx off tso off gso off "
                     "gro off >/dev/null; done",
                     sut_name_));
    if (system_ == System::xvtep) {
        // Another port keeps the programs loaded from case to case.
        batch("-n " + sut_name_, {"link add k0 type veth peer name k1", "link set k1 up",
                                  "link set k0 up", "addr add 203.0.113.1/24 dev k0"});
        must(fmt::format("{} attach k0 --vni 16000000 --name keep0 --local 203.0.113.1 --remote "
                         "203.0.113.2 --dstport 60000",
                         xvtep()));
    }
    w0_ = std::make_unique<Tap>(*wire_, "w0");
    a0_ = std::make_unique<Tap>(*wire_, "a0");
    a1_ = std::make_unique<Tap>(*wire_, "a1");
    u0_ = std::make_unique<Tap>(*sut_, "u0");
    c0_ = std::make_unique<Tap>(*sut_, "c0");
}

Lab::~Lab()
{
    tear_down();
    if (system_ == System::xvtep)
        must(xvtep() + " detach k0");
    for (auto *tap : {&w0_, &u0_, &a0_, &c0_, &a1_, &host_})
        tap->reset();
    (void)Netns::remove(sut_name_);
    (void)Netns::remove(wire_name_);
}

std::string Lab::xvtep() const
{
    return fmt::format("{} -n {}", XVTEP_BINARY, sut_name_);
}

void Lab::make(const Device &device, const Setup &setup) const
{
    const bool v6 = Ip::parse(device.local).value().is_v6();
    std::string options = device.options;
    const bool says = (" " + options + " ").find(" udpcsum ") != std::string::npos;
    const std::string remote =
        device.remote.empty() ? "" : (device.group ? " group " : " remote ") + device.remote;
    if (system_ == System::kernel) {
        if (options.find("srcport") == std::string::npos)
            options += " srcport 49152 65535";
        if (!says && !v6)
            options += " noudpcsum";
        std::vector<std::string> lines;
        if (setup.reserved_bits)
            add_with_reserved_bits(*sut_, device, *setup.reserved_bits);
        else
            lines.push_back(fmt::format(
                "link add {} address {} {} type vxlan id {} {} local {}{} dstport {} {}",
                device.name, device_mac, device.mtu.empty() ? "" : "mtu " + device.mtu, device.vni,
                // Bound to a port, the kernel's device takes no MTU above what fits through it.
                device.mtu.empty() ? "dev u0" : "", device.local, remote, device.dstport, options));
        if (!device.bridge.empty())
            lines.push_back(fmt::format("link set {} master {}", device.name, device.bridge));
        lines.push_back(fmt::format("link set {} up", device.name));
        batch("-n " + sut_name_, lines);
        return;
    }
    const test::Output output = test::sh(fmt::format(
        "{} attach u0 --vni {} --name {} --local {}{} --dstport {} --mac {}{}{}{}{}{}", xvtep(),
        device.vni, device.name, device.local,
        device.remote.empty() ? "" : (device.group ? " --group " : " --remote ") + device.remote,
        device.dstport, device_mac, device.mtu.empty() ? "" : " --mtu " + device.mtu,
        device.bridge.empty() ? "" : " --bridge " + device.bridge, dashed(options),
        setup.reserved_bits ? fmt::format(" --reserved-bits {:#018x}", *setup.reserved_bits) : "",
        []() -> std::string {
            const char *mode = std::getenv("XVTEP_MODE"); // to try the cases on another mode
            return mode != nullptr ? std::string(" --mode ") + mode : "";
        }()));
    ASSERT_EQ(output.status, 0) << output.text;
}

void Lab::set_up(const Setup &setup)
{
    std::vector<std::string> lines;
    if (setup.underlay_mtu != mtu_) {
        mtu_ = setup.underlay_mtu;
        batch("-n " + wire_name_, {fmt::format("link set w0 mtu {}", mtu_)});
        lines.push_back(fmt::format("link set u0 mtu {}", mtu_));
    }
    lines.insert(lines.end(),
                 {"link add br0 type bridge mcast_snooping 0", "link set c0 master br0",
                  "link set c1 master br0", "link set br0 up"});
    lines.insert(lines.end(), setup.before.begin(), setup.before.end());
    batch("-n " + sut_name_, lines);
    for (const Device &device : setup.devices) {
        devices_.push_back(device.name);
        make(device, setup);
        if (::testing::Test::HasFailure())
            return;
    }
    host_ = std::make_unique<Tap>(*sut_, devices_.front());
    // Frames go from wire to wire on one CPU, so that what is sent after comes out after.
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &cpus);
    ::sched_setaffinity(0, sizeof(cpus), &cpus);
    settle();
    seen_.clear();
}

void Lab::tear_down()
{
    if (monitor_pid_ > 0) {
        ::kill(-monitor_pid_, SIGTERM);
        ::waitpid(monitor_pid_, nullptr, 0);
        monitor_pid_ = -1;
        monitor_ = Fd();
        heard_.clear();
    }
    host_.reset();
    if (devices_.empty())
        return;
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    for (std::size_t n = 0; n < CPU_SETSIZE; n++)
        CPU_SET(n, &cpus);
    ::sched_setaffinity(0, sizeof(cpus), &cpus);
    std::vector<std::string> lines;
    if (system_ == System::xvtep)
        test::sh(xvtep() + " detach u0", 20);
    else
        for (const std::string &name : devices_)
            lines.push_back("link del " + name);
    lines.push_back("link del br0");
    test::sh(
        fmt::format("ip -n {} -force -batch - <<E\n{}\nE\n", sut_name_, fmt::join(lines, "\n")),
        20);
    devices_.clear();
}

Lab::Answer Lab::run(const std::string &command) const
{
    const test::Output output =
        test::sh(fmt::format("ip netns exec {} {}", sut_name_, command), 20);
    return {output.status, output.text};
}

Lab::Answer Lab::table(const std::string &words) const
{
    const bool fdb = words.starts_with("fdb");
    const test::Output output =
        test::sh(system_ == System::xvtep
                     ? fmt::format("{} {}", xvtep(), words)
                     : fmt::format("{} -n {} {}", fdb ? "bridge" : "ip", sut_name_, words),
                 20);
    return {output.status, output.text};
}

std::vector<std::string> Lab::fdb(const std::string &ifname) const
{
    std::vector<std::string> lines;
    for (const std::string &line : split(table("fdb show dev " + ifname).text, '\n')) {
        const std::vector<std::string> words = split(line, ' ');
        // The bridge's own entries for the port.
        if (std::ranges::find(words, "master") != words.end() ||
            std::ranges::find(words, "dst") == words.end())
            continue;
        lines.push_back(fmt::format("{}", fmt::join(words, " ")));
    }
    std::ranges::sort(lines);
    return lines;
}

void Lab::send(Side side, const Bytes &frame, std::uint32_t mark)
{
    const Tap *tap = side == Side::wire      ? w0_.get()
                     : side == Side::access  ? a0_.get()
                     : side == Side::access2 ? a1_.get()
                                             : host_.get();
    tap->send(frame, mark);
}

void Lab::drain(std::vector<Seen> &into)
{
    for (const auto &[side, tap] :
         {std::pair(Side::wire, w0_.get()), std::pair(Side::access, a0_.get()),
          std::pair(Side::access2, a1_.get()), std::pair(Side::host, host_.get())}) {
        if (tap == nullptr)
            continue;
        while (auto frame = tap->receive()) {
            if (frame->bytes.size() >= 14 && frame->bytes[12] == marker_type >> 8 &&
                frame->bytes[13] == (marker_type & 0xff) && frame->bytes[0] == 1)
                continue;
            if (side == Side::wire && !is_underlay_udp(frame->bytes))
                continue;
            Normal normal = side == Side::wire ? normal_wire(std::move(frame->bytes))
                                               : normal_inner(std::move(frame->bytes));
            into.push_back({side, std::move(normal.frame), normal.source_port, frame->mark,
                            std::move(normal.wrong)});
        }
    }
}

// A marker over one wire, in the queue behind all that was there before.
bool Lab::pass(const Tap &from, const Tap &to)
{
    Bytes text;
    test::put32(text, ++marker_);
    text.resize(46);
    const Bytes marker =
        test::Ether{.dst = marker_dst, .src = "02:ee:00:00:00:01", .type = marker_type} / text;
    from.send(marker);
    const auto end = Clock::now() + 2s;
    while (Clock::now() < end) {
        // The taps inside the host are read here alone; those of the test keep what they see.
        if (&to == u0_.get() || &to == c0_.get()) {
            while (const auto frame = to.receive())
                if (frame->bytes == marker)
                    return true;
        } else {
            while (auto frame = to.receive()) {
                if (frame->bytes == marker)
                    return true;
                const Side side = &to == w0_.get() ? Side::wire : Side::access;
                if (side == Side::wire && !is_underlay_udp(frame->bytes))
                    continue;
                Normal normal = side == Side::wire ? normal_wire(std::move(frame->bytes))
                                                   : normal_inner(std::move(frame->bytes));
                seen_.push_back({side, std::move(normal.frame), normal.source_port, frame->mark,
                                 std::move(normal.wrong)});
            }
        }
        pollfd wait{.fd = to.fd(), .events = POLLIN, .revents = 0};
        ::poll(&wait, 1, 100);
    }
    return false;
}

// Thrice in and out: a frame is queued at most at the wire, in the VTEP's device and at the other
// wire, and each round outlives one of the queues.
void Lab::settle()
{
    for (int round = 0; round < 3; round++) {
        EXPECT_TRUE(pass(*w0_, *u0_)) << "no marker through w0";
        EXPECT_TRUE(pass(*a0_, *c0_)) << "no marker through a0";
        EXPECT_TRUE(pass(*u0_, *w0_)) << "no marker through u0";
        EXPECT_TRUE(pass(*c0_, *a0_)) << "no marker through c0";
    }
}

std::vector<Seen> Lab::collect(std::size_t expected)
{
    settle();
    drain(seen_);
    const auto end = Clock::now() + 300ms;
    while (seen_.size() < expected && Clock::now() < end) {
        std::this_thread::sleep_for(5ms);
        drain(seen_);
    }
    return std::exchange(seen_, {});
}

void Lab::monitor()
{
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const std::string command =
        system_ == System::xvtep
            ? fmt::format("exec {} monitor dev vxlan0 2>&1", xvtep())
            : fmt::format("echo ready; exec stdbuf -oL ip -n {} monitor neigh dev vxlan0 2>&1",
                          sut_name_);
    monitor_pid_ = ::fork();
    ASSERT_GE(monitor_pid_, 0);
    if (monitor_pid_ == 0) {
        ::setpgid(0, 0);
        ::dup2(ends[1], 1);
        ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
        ::_exit(127);
    }
    ::setpgid(monitor_pid_, monitor_pid_);
    ::close(ends[1]);
    monitor_ = Fd(ends[0]);
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    const auto end = Clock::now() + 3s;
    while (heard_.find("ready") == std::string::npos && Clock::now() < end) {
        pollfd wait{.fd = monitor_.get(), .events = POLLIN, .revents = 0};
        ::poll(&wait, 1, 100);
        char chunk[512];
        if (const ssize_t size = ::read(monitor_.get(), chunk, sizeof(chunk)); size > 0)
            heard_.append(chunk, static_cast<std::size_t>(size));
        else if (size == 0)
            break;
    }
    EXPECT_NE(heard_.find("ready"), std::string::npos) << heard_;
    if (system_ == System::kernel) // has said so before it listens
        std::this_thread::sleep_for(60ms);
    heard_.clear();
}

std::vector<std::string> Lab::misses(std::size_t expected)
{
    std::vector<std::string> lines;
    const auto start = Clock::now();
    // What should not come has no end to wait for: a while longer than it takes what comes.
    while (Clock::now() < start + 1s && (lines.size() < expected || Clock::now() < start + 150ms)) {
        pollfd wait{.fd = monitor_.get(), .events = POLLIN, .revents = 0};
        ::poll(&wait, 1, 10);
        char chunk[4096];
        while (true) {
            const ssize_t size = ::read(monitor_.get(), chunk, sizeof(chunk));
            if (size <= 0)
                break;
            heard_.append(chunk, static_cast<std::size_t>(size));
        }
        lines.clear();
        for (const std::string &line : split(heard_, '\n')) {
            const auto words = split(line, ' ');
            if (!words.empty() && words.front() == "miss")
                lines.push_back(fmt::format("{}", fmt::join(words, " ")));
        }
    }
    heard_.clear();
    return lines;
}

} // namespace xvtep::conformance
