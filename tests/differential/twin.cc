// SPDX-License-Identifier: GPL-2.0-only
#include "tests/differential/twin.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <thread>

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "user/datapath/raw_map.h"
#include "user/net/netlink_message.h"
#include "user/net/sysctl.h"
#include "user/vtep/session.h"
#include "xvtep/fdb.h"
#include "xvtep/port.h"

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

namespace xvtep::differential {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const std::string &what)
{
    throw std::runtime_error(what);
}

void check(const Result<> &result, const std::string &what)
{
    if (!result)
        fail(what + ": " + result.error().message());
}

template <class T> T check(Result<T> result, const std::string &what)
{
    if (!result)
        fail(what + ": " + result.error().message());
    return std::move(*result);
}

// The kernel's options in xvtep's spelling.
std::string dashed(const std::string &options)
{
    std::string text, word;
    bool value = false;
    for (const char c : options + " ") {
        if (c != ' ') {
            word += c;
            continue;
        }
        text += (value ? " " : " --") + word;
        value = !value && (word == "ttl" || word == "tos" || word == "df");
        word.clear();
    }
    return options.empty() ? "" : text;
}

void set(const std::string &key, const std::string &value)
{
    (void)set_sysctl(key, value); // the key need not be there
}

} // namespace

void wait_a_tick()
{
    timespec tick{};
    ::clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
    std::this_thread::sleep_for(std::chrono::nanoseconds(tick.tv_nsec) + 1ms);
}

Ring::Ring(const Netns &netns, const std::string &ifname, std::size_t slot_size)
    : slot_size_(slot_size)
{
    const auto scope = netns.enter();
    const int index = static_cast<int>(::if_nametoindex(ifname.c_str()));
    receiver_ = Fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    sender_ = Fd(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    const int version = TPACKET_V2, on = 1, size = 8 << 20;
    ::setsockopt(receiver_.get(), SOL_PACKET, PACKET_VERSION, &version, sizeof(version));
    ::setsockopt(receiver_.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
    ::setsockopt(sender_.get(), SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on));
    ::setsockopt(sender_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
    size_ = (slot_size > 1 << 14 ? 64U : 16U) << 18;
    tpacket_req request{.tp_block_size = 1 << 18,
                        .tp_block_nr = static_cast<unsigned>(size_ >> 18),
                        .tp_frame_size = static_cast<unsigned>(slot_size),
                        .tp_frame_nr = static_cast<unsigned>(size_ / slot_size)};
    count_ = request.tp_frame_nr;
    if (::setsockopt(receiver_.get(), SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)) != 0)
        fail("packet ring of " + ifname + ": " + std::strerror(errno));
    void *at = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, receiver_.get(), 0);
    if (at == MAP_FAILED)
        fail("packet ring of " + ifname + ": " + std::strerror(errno));
    slots_ = static_cast<std::uint8_t *>(at);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_ifindex = index;
    if (::bind(sender_.get(), reinterpret_cast<sockaddr *>(&address), sizeof(address)) != 0)
        fail("bind to " + ifname + ": " + std::strerror(errno));
    address.sll_protocol = htons(ETH_P_ALL);
    if (::bind(receiver_.get(), reinterpret_cast<sockaddr *>(&address), sizeof(address)) != 0)
        fail("bind to " + ifname + ": " + std::strerror(errno));
}

Ring::~Ring()
{
    if (slots_ != nullptr)
        ::munmap(slots_, size_);
}

int Ring::send(const Bytes &bytes, const Shape &shape, std::uint32_t mark) const
{
    struct {
        std::uint8_t flags, type;
        std::uint16_t headers, size, csum_start, csum_offset;
    } header{shape.flags, shape.type,       shape.headers,
             shape.size,  shape.csum_start, shape.csum_offset};
    static_assert(sizeof(header) == 10);
    iovec parts[2]{{&header, sizeof(header)},
                   {const_cast<std::uint8_t *>(bytes.data()), bytes.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(mark))];
    if (mark != 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SO_MARK;
        c->cmsg_len = CMSG_LEN(sizeof(mark));
        std::memcpy(CMSG_DATA(c), &mark, sizeof(mark));
    }
    return ::sendmsg(sender_.get(), &message, 0) < 0 ? errno : 0;
}

bool Ring::receive(Bytes &into, bool &unfinished)
{
    std::uint8_t *slot = slots_ + next_ * slot_size_;
    auto *header = reinterpret_cast<tpacket2_hdr *>(slot);
    const std::uint32_t status = __atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE);
    if ((status & TP_STATUS_USER) == 0)
        return false;
    unfinished = (status & TP_STATUS_CSUMNOTREADY) != 0;
    const std::uint8_t *data = slot + header->tp_mac;
    into.assign(data, data + header->tp_snaplen);
    if ((status & TP_STATUS_VLAN_VALID) != 0 && into.size() >= 12) {
        const unsigned tpid =
            (status & TP_STATUS_VLAN_TPID_VALID) != 0 ? header->tp_vlan_tpid : 0x8100U;
        const std::array<std::uint8_t, 4> tag{static_cast<std::uint8_t>(tpid >> 8),
                                              static_cast<std::uint8_t>(tpid),
                                              static_cast<std::uint8_t>(header->tp_vlan_tci >> 8),
                                              static_cast<std::uint8_t>(header->tp_vlan_tci)};
        into.insert(into.begin() + 12, tag.begin(), tag.end());
    }
    __atomic_store_n(&header->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    next_ = (next_ + 1) % count_;
    return true;
}

Twin::Twin(System system, const Variant &variant) : system_(system), variant_(variant)
{
    const char *kind = system == System::kernel ? "k" : "x";
    sut_name_ = fmt::format("xvd{}{}-sut", ::getpid(), kind);
    far_name_ = fmt::format("xvd{}{}-far", ::getpid(), kind);
    sut_ = check(Netns::create(sut_name_), "namespace " + sut_name_);
    far_ = check(Netns::create(far_name_), "namespace " + far_name_);
    for (const Netns *netns : {&*sut_, &*far_}) {
        const auto scope = netns->enter();
        for (const char *family : {"ip", "ip6", "arp"})
            set(fmt::format("net/bridge/bridge-nf-call-{}tables", family), "0");
        set("net/ipv6/conf/default/disable_ipv6", netns == &*sut_ && variant.v6 ? "0" : "1");
        set("net/ipv6/conf/default/addr_gen_mode", "1");
        set("net/ipv6/conf/default/accept_dad", "0");
        set("net/ipv6/conf/default/accept_ra", "0");
        set("net/ipv6/conf/default/accept_redirects", "0");
        set("net/ipv6/conf/default/router_solicitations", "0");
        set("net/ipv4/conf/all/accept_redirects", "0");
        set("net/ipv4/conf/default/accept_redirects", "0");
        // Errors come as often as they have a cause.
        set("net/ipv4/icmp_ratemask", "0");
        set("net/ipv4/icmp_msgs_per_sec", "1000000000");
        set("net/ipv4/icmp_msgs_burst", "1000000");
        set("net/ipv6/icmp/ratelimit", "0");
        set("net/ipv4/tcp_challenge_ack_limit", "2147483647");
        set("net/ipv4/tcp_invalid_ratelimit", "0");
        set("net/ipv4/ip_forward", "0");
        set("net/ipv4/ipfrag_time", "5"); // a lost fragment does not stay for long
        set("net/ipv6/ip6frag_time", "5");
    }
    make_links();
    if (system == System::kernel)
        make_kernel_devices();
    else
        make_xvtep_devices();
    make_entries();
    const std::size_t slot = variant.gro || variant.layout != Layout::bridge ? 1 << 17 : 1 << 14;
    const auto open = [&](Side side, const Netns &netns, const char *name) {
        rings_.emplace_back(side, std::make_unique<Ring>(netns, name, slot));
        by_side_[static_cast<std::size_t>(side)] = rings_.back().second.get();
    };
    const bool trunks = variant.layout == Layout::trunk || variant.layout == Layout::many;
    open(Side::wire, *far_, "w0");
    open(Side::c0, *far_, "a0");
    open(Side::c2, *far_, "a2");
    if (!trunks)
        open(Side::c1, *far_, "a1");
    else if (system == System::xvtep)
        open(Side::trunk, *far_, "a3");
    else { // two access ports stand for the two VLANs
        open(Side::c1, *far_, "a1");
        open(Side::trunk, *far_, "a3");
    }
    if (variant.layout == Layout::host)
        open(Side::host, *sut_, "vxlan0");
    const auto scope = sut_->enter();
    netlink_ = check(NetlinkSocket::open(), "netlink");
}

Twin::~Twin()
{
    rings_.clear();
    netlink_.reset();
    if (system_ == System::xvtep)
        if (std::system(fmt::format("timeout 60 {} detach u0 >/dev/null 2>&1", xvtep()).c_str()) !=
            0)
            fmt::print(stderr, "detach failed\n");
    (void)Netns::remove(sut_name_);
    (void)Netns::remove(far_name_);
}

std::string Twin::xvtep() const
{
    return fmt::format("{} -n {}", XVTEP_BINARY, sut_name_);
}

void Twin::sh(const std::string &command) const
{
    std::string text;
    std::FILE *pipe = ::popen(fmt::format("timeout 60 sh -c '{}' 2>&1", command).c_str(), "r");
    if (pipe == nullptr)
        fail(command + ": " + std::strerror(errno));
    std::array<char, 4096> chunk{};
    while (const std::size_t size = std::fread(chunk.data(), 1, chunk.size(), pipe))
        text.append(chunk.data(), size);
    const int status = ::pclose(pipe);
    if (status != 0)
        fail(command + ": " + text);
    if (command.find(">&2") != std::string::npos)
        fmt::print("{}", text);
}

void Twin::print_counters() const
{
    sh(xvtep() + " stats >&2");
}

void Twin::run(const std::string &command) const
{
    sh(fmt::format("ip netns exec {} {}", sut_name_, command));
}

void Twin::batch(const std::string &netns, const std::vector<std::string> &lines) const
{
    sh(fmt::format("ip {} -batch - <<E\n{}\nE\n", netns.empty() ? "" : "-n " + netns,
                   fmt::join(lines, "\n")));
}

void Twin::make_links()
{
    std::vector<std::string> links, far, lines;
    for (const auto &[inner, outer] :
         {std::pair("u0", "w0"), std::pair("c0", "a0"), std::pair("c1", "a1"),
          std::pair("c2", "a2"), std::pair("c3", "a3")}) {
        links.push_back(fmt::format("link add {} netns {} mtu {} type veth peer name {} netns {} "
                                    "mtu {}",
                                    inner, sut_name_, variant_.mtu, outer, far_name_,
                                    variant_.mtu));
        far.push_back(fmt::format("link set {} up", outer));
        if (inner[0] == 'c')
            lines.push_back(fmt::format("link set {} up", inner));
    }
    batch("", links);
    lines.insert(lines.end(),
                 {fmt::format("link set u0 address {} up", sut_mac), "addr add 192.0.2.1/24 dev u0",
                  "addr add 192.0.2.11/24 dev u0", "route add default via 192.0.2.2"});
    // Whoever a frame says it is from has an address to answer to.
    for (int n = 0; n < 255; n++)
        if (n != 1 && n != 11)
            lines.push_back(fmt::format(
                "neigh add 192.0.2.{} lladdr 02:22:00:00:00:{:02x} dev u0 nud permanent", n, n));
    if (variant_.v6) {
        lines.insert(lines.end(),
                     {"addr add fd08::1/120 dev u0 nodad", "route add default via fd08::2 dev u0"});
        for (int n = 0; n < 256; n++)
            if (n != 1)
                lines.push_back(fmt::format(
                    "neigh add fd08::{:x} lladdr 02:22:00:00:00:{:02x} dev u0 nud permanent", n,
                    n));
    }
    batch(sut_name_, lines);
    batch(far_name_, far);
    // Who asks for a neighbour asks once, with the packet that it is for, and not again by a timer.
    const auto scope = sut_->enter();
    for (const char *family : {"ipv4", "ipv6"})
        set(fmt::format("net/{}/neigh/u0/mcast_solicit", family), "1");
}

// Native XDP needs GRO at the far end of a veth. Elsewhere frames come as they were sent.
void Twin::set_far_ends() const
{
    if (variant_.path_mtu != 0) {
        batch(sut_name_, {fmt::format("link set u0 mtu {}", variant_.path_mtu)});
        batch(far_name_, {fmt::format("link set w0 mtu {}", variant_.path_mtu)});
    }
    sh(fmt::format("ip netns exec {0} ethtool -K w0 gro on; for d in a0 a1 a2 a3; do ip netns exec "
                   "{0} ethtool -K $d gro {1}; done",
                   far_name_, variant_.port_mode == "xdp" ? "on" : "off"));
}

void Twin::make_kernel_devices()
{
    std::vector<std::string> lines;
    const bool host = variant_.layout == Layout::host;
    for (int n = 0; n < 2; n++) {
        const std::string mtu =
            variant_.mtu == 1500 ? "" : fmt::format(" mtu {}", variant_.mtu - 50);
        lines.push_back(fmt::format(
            "link add vxlan{0} address {1}{2} type vxlan id {3} local {4} {5} dstport 4789 srcport "
            "49152 65535 dev u0 ageing 1000000 {6} {7}",
            n, device_mac, mtu, first_vni + static_cast<unsigned>(n),
            variant_.v6 ? "fd08::1" : "192.0.2.1",
            variant_.group          ? "group 239.1.1.1"
            : !variant_.has_default ? ""
            : variant_.v6           ? "remote fd08::2"
                                    : "remote 192.0.2.2",
            variant_.udpcsum || variant_.v6 ? "" : "noudpcsum", variant_.options));
        lines.push_back(fmt::format("link add br{} address {} type bridge mcast_snooping 0 "
                                    "ageing_time 100000000",
                                    n, bridge_mac));
        if (n != 0 || !host)
            lines.push_back(fmt::format("link set vxlan{0} master br{0}", n));
    }
    if (!host)
        lines.insert(lines.end(), {"link set c0 master br0", "link set c1 master br0"});
    lines.insert(lines.end(),
                 {"link set c2 master br1", "link set c3 master br1", "link set br0 up",
                  "link set br1 up", "link set vxlan0 up", "link set vxlan1 up"});
    batch(sut_name_, lines);
    const char *gro = variant_.gro ? "on" : "off";
    sh(fmt::format("for d in u0 c0 c1 c2 c3; do ip netns exec {0} ethtool -K $d tx off tso off gso "
                   "off gro {1} >/dev/null; done; for d in vxlan0 vxlan1; do ip netns exec {0} "
                   "ethtool -K $d gro {1}; done",
                   sut_name_, gro));
    set_far_ends();
}

void Twin::make_xvtep_devices()
{
    const bool host = variant_.layout == Layout::host;
    const bool members = variant_.layout == Layout::trunk || variant_.layout == Layout::many;
    std::vector<std::string> lines;
    for (int n = 0; n < 2 && !members; n++)
        lines.push_back(fmt::format("link add br{} address {} type bridge mcast_snooping 0 "
                                    "ageing_time 100000000",
                                    n, bridge_mac));
    if (!host && !members)
        lines.insert(lines.end(), {"link set c0 master br0", "link set c1 master br0"});
    if (!members)
        lines.insert(lines.end(), {"link set c2 master br1", "link set c3 master br1",
                                   "link set br0 up", "link set br1 up"});
    // Frames are final when they leave; a port of xvtep changes the settings of its far end.
    batch(sut_name_, lines);
    const std::string common =
        fmt::format("--local {} {} --mac {} --ageing 1000000 --mode {} {}",
                    variant_.v6 ? "fd08::1" : "192.0.2.1",
                    variant_.group          ? "--group 239.1.1.1"
                    : !variant_.has_default ? ""
                    : variant_.v6           ? "--remote fd08::2"
                                            : "--remote 192.0.2.2",
                    device_mac, variant_.mode,
                    dashed(variant_.options) +
                        (variant_.mtu == 1500 ? "" : fmt::format(" --mtu {}", variant_.mtu - 50)));
    if (variant_.layout == Layout::many) {
        sh(fmt::format("{} attach u0 --vni {} --vlan {} --vni {} --vlan {} --name vxlan0 {}",
                       xvtep(), first_vni, first_vlan, second_vni, second_vlan, common));
    } else {
        for (int n = 0; n < 2; n++)
            sh(fmt::format("{} attach u0 --vni {} --name vxlan{} {} {}", xvtep(),
                           first_vni + static_cast<unsigned>(n), n,
                           (n == 0 && host) || members ? "" : fmt::format("--bridge br{}", n),
                           common));
    }
    const char *gro = variant_.gro ? "on" : "off";
    const auto port = [&](const char *name, unsigned vni, unsigned vlan) {
        sh(fmt::format("{} port add {} --vni {} --mode {}{}", xvtep(), name, vni,
                       variant_.port_mode, vlan != 0 ? fmt::format(" --vlan {}", vlan) : ""));
    };
    if (variant_.layout == Layout::ports || members)
        for (const char *name : {"c0", "c1", "c2"})
            if (!members || name[1] != '1')
                port(name, name[1] == '2' ? second_vni : first_vni, 0);
    if (members) {
        port("c3", first_vni, first_vlan);
        port("c3", second_vni, second_vlan);
    }
    sh(fmt::format(
        "for d in u0 c0 c1 c2 c3; do ip netns exec {0} ethtool -K $d tx off tso off gso "
        "off gro {1} >/dev/null; done; for d in $(cd /sys/class/net; echo vxlan0 vxlan1); "
        "do ip netns exec {0} ethtool -K $d gro {1} 2>/dev/null || true; done",
        sut_name_, gro));
    set_far_ends();
}

// Static and permanent entries, of which frames may not take the place.
void Twin::make_entries()
{
    if (variant_.layout == Layout::many && system_ == System::xvtep) {
        for (const unsigned vni : {first_vni, second_vni})
            for (const auto &[mac, dst, state] : {std::tuple("02:31:00:00:00:01", 3, "static"),
                                                  std::tuple("02:31:00:00:00:02", 4, "permanent")})
                sh(fmt::format("{} fdb add {} dev vxlan0 dst 192.0.2.{} src_vni {} {}", xvtep(),
                               mac, dst, vni, state));
        for (const unsigned vni : {first_vni, second_vni})
            for (const int n : {3, 4})
                sh(fmt::format(
                    "{} fdb append 01:00:5e:01:02:03 dev vxlan0 dst 192.0.2.{} src_vni {} "
                    "permanent",
                    xvtep(), n, vni));
        return;
    }
    const std::string tool = system_ == System::kernel ? "bridge -n " + sut_name_ : xvtep();
    const char *net = variant_.v6 ? "fd08::" : "192.0.2.";
    for (const char *device : {"vxlan0", "vxlan1"}) {
        sh(fmt::format("{} fdb append 02:31:00:00:00:01 dev {} dst {}3 static", tool, device, net));
        sh(fmt::format("{} fdb append 02:31:00:00:00:02 dev {} dst {}4 permanent", tool, device,
                       net));
        const bool bridged = device[5] == '1' ? variant_.layout != Layout::trunk
                                              : variant_.layout == Layout::bridge ||
                                                    variant_.layout == Layout::ports;
        if (system_ == System::kernel ? bridged || variant_.layout != Layout::host : bridged)
            for (const char *mac : {"02:31:00:00:00:01", "02:31:00:00:00:02"}) // or it would flood
                sh(fmt::format("bridge -n {} fdb add {} dev {} master static sticky", sut_name_,
                               mac, device));
        sh(fmt::format("{} fdb append 01:00:5e:01:02:03 dev {} dst {}3 permanent", tool, device,
                       net));
        sh(fmt::format("{} fdb append 01:00:5e:01:02:03 dev {} dst {}4 permanent", tool, device,
                       net));
        if (variant_.several)
            for (const char *n : {"3", "4"})
                sh(fmt::format("{} fdb append 00:00:00:00:00:00 dev {} dst {}{} permanent", tool,
                               device, net, n));
    }
    if (variant_.proxy) {
        if (system_ == System::kernel) // neighbours need it, and nothing else does
            for (const char *device : {"vxlan0", "vxlan1"})
                run(fmt::format("sysctl -qw net.ipv6.conf.{}.disable_ipv6=0", device));
        const std::string neigh = system_ == System::kernel ? "ip -n " + sut_name_ : xvtep();
        for (const char *device : {"vxlan0", "vxlan1"})
            for (int n = 0x30; n < 0x38; n++)
                for (const char *prefix : {"10.20.1.", "fd20::"})
                    sh(fmt::format("{} neigh add {}{} lladdr 02:30:00:00:00:{:02x} dev {} nud "
                                   "permanent",
                                   neigh, prefix, n, n & 15, device));
    }
}

int Twin::send(const Frame &frame)
{
    segment_ = frame.shape.size;
    Side side = frame.side;
    const bool trunks = variant_.layout == Layout::trunk || variant_.layout == Layout::many;
    if (side == Side::trunk && trunks && system_ == System::kernel) {
        // The port of the VLAN; a trunk takes no frames of other VLANs.
        const unsigned type = get16(frame.bytes, 12), tag = get16(frame.bytes, 14);
        const unsigned vlan = tag & 0xfff;
        if (type != 0x8100 || frame.bytes.size() < 18 ||
            (vlan != first_vlan && vlan != second_vlan))
            return frame.bytes.size() < 14 ? EINVAL : 0;
        scratch_ = frame.bytes;
        scratch_.erase(scratch_.begin() + 12, scratch_.begin() + 16);
        Shape shape = frame.shape;
        if (shape.headers != 0)
            shape.headers -= 4;
        if (shape.csum_start != 0)
            shape.csum_start -= 4;
        side = vlan == first_vlan ? Side::c1 : Side::trunk;
        return by_side_[static_cast<std::size_t>(side)]->send(scratch_, shape, 0);
    }
    Ring *ring = by_side_[static_cast<std::size_t>(side)];
    return ring != nullptr ? ring->send(frame.bytes, frame.shape, frame.mark) : ENODEV;
}

void Twin::take(Side side, Bytes &&frame, std::vector<Seen> &into) const
{
    if (side == Side::wire) {
        const Headers at = headers(frame);
        // Reports of groups, and errors about fragments that were never put together, come by
        // timers.
        if ((at.v4 && at.protocol == 2) ||
            (at.v4 && at.protocol == 1 && at.transport != 0 && at.transport < frame.size() &&
             frame[at.transport] == 11) ||
            (at.v6 && at.protocol == 58 && at.transport != 0 && at.transport < frame.size() &&
             frame[at.transport] == 3) ||
            (at.v6 && at.network + 48 < frame.size() && frame[at.network + 6] == 0 &&
             frame[at.network + 40] == 58))
            return;
    }
    const bool trunks = variant_.layout == Layout::trunk || variant_.layout == Layout::many;
    if (trunks && system_ == System::kernel && (side == Side::c1 || side == Side::trunk) &&
        frame.size() >= 12) {
        const unsigned vlan = side == Side::c1 ? first_vlan : second_vlan;
        const std::array<std::uint8_t, 4> tag{0x81, 0, static_cast<std::uint8_t>(vlan >> 8),
                                              static_cast<std::uint8_t>(vlan)};
        frame.insert(frame.begin() + 12, tag.begin(), tag.end());
        side = Side::trunk;
    }
    into.push_back(normal(side, std::move(frame)));
}

void Twin::collect(std::vector<Seen> &into)
{
    Bytes frame;
    bool unfinished = false;
    for (const auto &[side, ring] : rings_)
        while (ring->receive(frame, unfinished)) {
            // What skipped the device that would have finished it (bpf_redirect_peer()).
            if (!unfinished || side == Side::wire) {
                take(side, std::move(frame), into);
                continue;
            }
            for (Bytes &segment : segments(frame, segment_))
                take(side, std::move(segment), into);
        }
}

void Twin::settle(std::vector<Seen> &into, int rounds)
{
    const auto end = Clock::now() + 1s;
    std::size_t before = into.size();
    for (int quiet = 0; quiet < rounds && Clock::now() < end; quiet++) {
        std::this_thread::sleep_for(250us);
        collect(into);
        if (into.size() != std::exchange(before, into.size()))
            quiet = -1;
    }
}

void Twin::forget(int ifindex, const Row &row, bool with_vni)
{
    ndmsg header{};
    header.ndm_family = PF_BRIDGE;
    header.ndm_ifindex = ifindex;
    header.ndm_flags = NTF_SELF;
    Message message(RTM_DELNEIGH, NLM_F_ACK, header);
    message.put(NDA_LLADDR, *Mac::parse(row.mac));
    if (with_vni)
        message.put(NDA_SRC_VNI, std::uint32_t{row.vni});
    (void)netlink_->request(message);
}

// What was learned behind local ports, which no command forgets. A port remembers its last source
// for a tick of the clock.
void Twin::forget_local()
{
    auto session = Session::writer("reset", "", LockScope::batch);
    if (!session || !session->tables)
        fail("no tables");
    const auto entries = session->tables->fdb.entries();
    if (!entries)
        fail("the forwarding database cannot be read");
    for (const auto &[key, entry] : *entries)
        if ((entry.flags & XV_FDB_LOCAL) != 0)
            (void)remove_entry(*session->tables, key);
    wait_a_tick();
}

// The forged ones among them would leave no room for others, as docs/limits.md says.
void Twin::forget_senders()
{
    if (system_ != System::xvtep)
        return;
    const auto scope = sut_->enter();
    auto session = Session::writer("reset", "", LockScope::batch);
    if (!session || !session->tables)
        fail("no tables");
    const RawMap senders =
        check(RawMap::open(session->directory + "/maps", "senders"), "table of senders");
    for (__u32 n = 0; n < XV_SENDERS; n++) {
        const xv_sender none{};
        if (bpf_map_update_elem(senders.fd(), &n, &none, BPF_ANY) != 0)
            fail("table of senders");
    }
}

void Twin::repair(const Rows &differing, const Rows &wanted)
{
    const auto scope = sut_->enter();
    for (const Row &row : differing) {
        if (row.fixed)
            continue;
        const bool many = variant_.layout == Layout::many && system_ == System::xvtep;
        const char *device = many || row.vni == first_vni ? "vxlan0" : "vxlan1";
        const int ifindex = static_cast<int>(::if_nametoindex(device));
        forget(ifindex, row, many);
        for (const Row &other : wanted) {
            if (other.mac != row.mac || other.vni != row.vni || other.fixed)
                continue;
            ndmsg header{};
            header.ndm_family = PF_BRIDGE;
            header.ndm_ifindex = ifindex;
            header.ndm_flags = NTF_SELF;
            header.ndm_state = NUD_REACHABLE;
            Message message(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE, header);
            message.put(NDA_LLADDR, *Mac::parse(row.mac));
            message.put(NDA_DST, *Ip::parse(other.dst));
            if (many)
                message.put(NDA_SRC_VNI, std::uint32_t{row.vni});
            (void)netlink_->request(message);
        }
    }
}

void Twin::reset()
{
    const auto scope = sut_->enter();
    if (system_ == System::xvtep) {
        for (const char *device : {"vxlan0", "vxlan1"})
            if (variant_.layout != Layout::many || device[5] == '0')
                check(flush_fdb(device, FlushedFdb::dynamic), "flush");
    }
    // Also of xvtep's devices: what their programs have not learned, flush_fdb() does not know.
    for (const char *device : {"vxlan0", "vxlan1"}) {
        Rows rows;
        const int ifindex = static_cast<int>(::if_nametoindex(device));
        if (ifindex == 0)
            continue;
        add_bridge_rows(ifindex, 0, rows);
        for (const Row &row : rows) {
            if (row.fixed)
                continue;
            forget(ifindex, row, row.vni != 0);
        }
    }
    if (has_local_ports())
        forget_local();
    for (const char *bridge : {"br0", "br1"}) {
        ifinfomsg header{};
        header.ifi_index = static_cast<int>(::if_nametoindex(bridge));
        if (header.ifi_index == 0)
            continue;
        Message message(RTM_NEWLINK, NLM_F_ACK, header);
        {
            const Message::Nest info(message, IFLA_LINKINFO);
            message.put(IFLA_INFO_KIND, std::string("bridge"));
            const Message::Nest data(message, IFLA_INFO_DATA);
            message.put_flag(IFLA_BR_FDB_FLUSH);
        }
        if (const auto answer = netlink_->request(message); !answer)
            fail(fmt::format("flush of {}: errno {}", bridge, answer.error().code));
    }
    std::vector<Seen> nothing;
    collect(nothing);
}

void Twin::add_bridge_rows(int ifindex, unsigned vni, Rows &rows)
{
    ndmsg header{};
    header.ndm_family = PF_BRIDGE;
    header.ndm_ifindex = ifindex;
    Message message(RTM_GETNEIGH, NLM_F_DUMP, header);
    const auto lines =
        netlink_->dump<Row>(message, [&](const nlmsghdr &line) -> std::optional<Row> {
            const auto *entry = payload<ndmsg>(line);
            if (entry == nullptr || entry->ndm_ifindex != ifindex ||
                (entry->ndm_flags & NTF_SELF) == 0)
                return std::nullopt;
            const Attributes attributes(line, sizeof(ndmsg), NDA_MAX);
            const auto mac = attributes.mac(NDA_LLADDR);
            const auto dst = attributes.ip(NDA_DST);
            if (!mac || !dst)
                return std::nullopt;
            return Row{.vni = attributes.get_or<std::uint32_t>(NDA_SRC_VNI, vni),
                       .mac = mac->text(),
                       .dst = dst->text(),
                       .fixed = (entry->ndm_state & (NUD_PERMANENT | NUD_NOARP)) != 0};
        });
    if (!lines)
        fail(fmt::format("dump of the forwarding database: errno {}", lines.error().code));
    rows.insert(rows.end(), lines->begin(), lines->end());
}

bool Twin::bridge_knows(View mac)
{
    const auto scope = sut_->enter();
    ndmsg header{};
    header.ndm_family = PF_BRIDGE;
    Message message(RTM_GETNEIGH, NLM_F_DUMP, header);
    const auto lines =
        netlink_->dump<bool>(message, [&](const nlmsghdr &line) -> std::optional<bool> {
            const auto *entry = payload<ndmsg>(line);
            if (entry == nullptr || (entry->ndm_flags & NTF_SELF) != 0)
                return std::nullopt;
            const auto found = Attributes(line, sizeof(ndmsg), NDA_MAX).mac(NDA_LLADDR);
            if (!found || !std::ranges::equal(found->octets, mac))
                return std::nullopt;
            return true;
        });
    if (!lines)
        fail(fmt::format("dump of the bridges' tables: errno {}", lines.error().code));
    return !lines->empty();
}

Rows Twin::device_rows()
{
    const auto scope = sut_->enter();
    Rows rows;
    add_bridge_rows(static_cast<int>(::if_nametoindex("vxlan0")), first_vni, rows);
    if (const unsigned second = ::if_nametoindex("vxlan1"); second != 0)
        add_bridge_rows(static_cast<int>(second), second_vni, rows);
    std::ranges::sort(rows);
    return rows;
}

Rows Twin::program_rows()
{
    const auto scope = sut_->enter();
    Rows rows;
    for (const FdbEntry &entry : check(show_fdb(std::nullopt), "fdb show"))
        rows.push_back({.vni = entry.src_vni != 0         ? entry.src_vni
                               : entry.device == "vxlan0" ? first_vni
                                                          : second_vni,
                        .mac = entry.mac.text(),
                        .dst = entry.dst.text(),
                        .fixed = entry.state != FdbState::dynamic});
    if (has_local_ports())
        for (const PortInfo &port : check(show_ports(), "port show"))
            for (const Mac &mac : port.addresses)
                rows.push_back(
                    {.vni = port.vni, .mac = mac.text(), .dst = "local", .fixed = false});
    std::ranges::sort(rows);
    return rows;
}

} // namespace xvtep::differential
