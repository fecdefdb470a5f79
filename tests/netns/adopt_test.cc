// SPDX-License-Identifier: GPL-2.0-only
// `xvtep adopt`: vxlan devices that are made by `ip`, as other software makes them, and the
// service.
//
//   c1 ── br0 vni100 [a] u ==== sw [switch] ==== u [b] vni100 br0 ── c2
//                               ==== u [t] vni100 br0 ── c3        a third host, the same VNI

#include <linux/neighbour.h>
#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <set>

#include <nlohmann/json.hpp>

#include "tests/support/netns_case.h"
#include "tests/support/sockets.h"
#include "tests/support/traffic.h"
#include "user/datapath/adopt_registry.h"
#include "user/datapath/bpffs.h"
#include "user/datapath/datapath.h"
#include "user/net/netlink.h"
#include "user/vtep/session.h"

namespace xvtep::test {
namespace {

using Json = nlohmann::json;

constexpr std::array macs = {"", "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"};

std::string read(const std::string &file)
{
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

bool within(int limit, const std::function<bool()> &what)
{
    const auto deadline = Clock::now() + std::chrono::milliseconds(limit);
    while (Clock::now() < deadline) {
        if (what())
            return true;
        ::usleep(20'000);
    }
    return what();
}

std::uint64_t cookie_of(const std::string &host)
{
    return *Netns::open(host)->cookie();
}

// The mirror's entries, and the kernel's plain ones, as "MAC dst IP".
class Mirror {
  public:
    explicit Mirror(const std::string &host)
    {
        const auto cookie = cookie_of(host);
        const auto service = adopt::find_service(cookie);
        EXPECT_TRUE(service && *service) << host;
        if (service && *service)
            directory_ = state_directory((*service)->root(), cookie);
        auto tables = Tables::open(directory_);
        EXPECT_TRUE(tables.has_value());
        if (tables)
            tables_.emplace(std::move(*tables));
    }

    [[nodiscard]] std::set<std::string> entries(std::uint32_t vni = 100) const
    {
        std::set<std::string> found;
        const auto all = tables_->fdb.entries();
        for (const auto &[key, entry] : *all) {
            const auto &remote = tables_->remotes[xv_remote_index(entry.to)];
            Mac mac;
            std::ranges::copy(key.mac, mac.octets.begin());
            EXPECT_EQ(remote.id, entry.to) << mac.text();
            if (key.vni == vni)
                found.insert(mac.text() + " dst " + to_ip(remote.addr).text());
        }
        return found;
    }

    // References of all remotes: as many as entries.
    [[nodiscard]] std::size_t references() const
    {
        std::size_t sum = 0;
        for (std::size_t i = 1; i < tables_->remotes.size(); i++)
            sum += tables_->remotes[i].id != 0 ? tables_->remotes[i].refs : 0;
        return sum;
    }

  private:
    std::string directory_;
    std::optional<Tables> tables_;
};

std::set<std::string> plain_entries(Netlink &netlink, int index)
{
    std::set<std::string> found;
    const auto all = netlink.fdb(index);
    EXPECT_TRUE(all.has_value());
    for (const auto &entry : *all)
        if (entry.dst && !entry.mac.is_zero() && !entry.mac.is_multicast() && entry.port == 0 &&
            entry.vni == 0 && entry.via == 0)
            found.insert(entry.mac.text() + " dst " + entry.dst->text());
    return found;
}

struct Adopter {
    int pid = -1;
    std::string log;
};

class Adopt : public NetnsCase {
  protected:
    void SetUp() override
    {
        NetnsCase::SetUp();
        if (IsSkipped())
            return;
        switch_ = host("switch");
        ip(switch_, "link add sw type bridge mcast_snooping 0");
        ip(switch_, "link set sw up");
        for (const int n : {1, 2, 3}) {
            hosts_[n] = host(fmt::format("h{}", n));
            containers_[n] = host(fmt::format("c{}", n));
            wire(hosts_[n], "u", switch_, fmt::format("u{}", n));
            ip(switch_, fmt::format("link set u{} master sw", n));
            ip(hosts_[n], "link set lo up");
            ip(hosts_[n], fmt::format("addr add {}/24 dev u", address(n)));
            in(hosts_[n], "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.disable_ipv6=1 "
                          "net.ipv6.conf.default.disable_ipv6=1");
            in(containers_[n], "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 "
                               "net.ipv6.conf.default.disable_ipv6=1");
            must(fmt::format("ip link add v netns {} type veth peer name eth0 netns {} address {}",
                             hosts_[n], containers_[n], macs[static_cast<std::size_t>(n)]));
            ip(containers_[n], "link set eth0 mtu 1450 up");
            ip(containers_[n], fmt::format("addr add 10.20.1.{}/24 dev eth0", n));
        }
    }

    void TearDown() override
    {
        while (!adopters_.empty()) {
            const Adopter one = adopters_.back();
            ::kill(one.pid, SIGCONT);
            end(one);
        }
        NetnsCase::TearDown();
    }

    static std::string address(int n) { return fmt::format("192.168.8.10{}", n); }

    // A device and a bridge as FRR's users make them, with FRR's entries.
    void device(int n, const std::string &options = "")
    {
        const std::string &on = hosts_[n];
        // Else it joins groups at times of its own, and floods that.
        ip(on, "link add br0 type bridge mcast_snooping 0");
        ip(on, "link set br0 up");
        ip(on, fmt::format("link add vni100 type vxlan id 100 local {} dstport 4789 nolearning {}",
                           address(n), options));
        ip(on, "link set vni100 master br0 up");
        ip(on, "link set v master br0 up");
        for (const int other : {1, 2, 3})
            if (other != n) {
                in(on, fmt::format(
                           "bridge fdb append 00:00:00:00:00:00 dev vni100 dst {} self permanent",
                           address(other)));
                in(on,
                   fmt::format("bridge fdb replace {} dev vni100 dst {} self dynamic extern_learn",
                               macs[static_cast<std::size_t>(other)], address(other)));
            }
    }

    // Starts the service on a host, and waits until it is ready.
    Adopter adopt(int n, const std::string &words = "--all")
    {
        Adopter made = start(n, words);
        EXPECT_TRUE(within(20'000, [&] {
            return read(made.log).find("ready\n") != std::string::npos;
        })) << read(made.log);
        return made;
    }

    Adopter start(int n, const std::string &words)
    {
        Adopter made;
        made.log = file(fmt::format("adopt-{}", started_++));
        const auto command =
            fmt::format("exec {} -n {} adopt {} 2>{} >&2", xvtep(), hosts_[n], words, made.log);
        made.pid = ::fork();
        if (made.pid == 0) {
            ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
            ::_exit(127);
        }
        adopters_.push_back(made);
        return made;
    }

    // Sends the signal, and returns the exit status; -1 if a signal has killed it.
    int end(const Adopter &one, int signal = SIGTERM)
    {
        std::erase_if(adopters_, [&](const Adopter &other) { return other.pid == one.pid; });
        ::kill(one.pid, signal);
        int status = 0;
        EXPECT_TRUE(
            within(10'000, [&] { return ::waitpid(one.pid, &status, WNOHANG) == one.pid; }));
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

    Json json(int n, const std::string &words)
    {
        const std::string text = must(fmt::format("{} -n {} -j {}", xvtep(), hosts_[n], words));
        const Json parsed = Json::parse(text, nullptr, false);
        EXPECT_FALSE(parsed.is_discarded()) << text;
        return parsed;
    }

    // Frames that took the fast path.
    std::uint64_t fast(int n, const char *direction, const std::string &name = "vni100")
    {
        return json(n, "stats dev " + name).at(0).at(std::string(direction) + "_packets");
    }

    // Frames in the counters of the kernel's device.
    std::uint64_t kernel(int n, const char *direction, const std::string &name = "vni100")
    {
        const Json links =
            Json::parse(must(fmt::format("ip -n {} -j -s link show {}", hosts_[n], name)));
        return links.at(0).at("stats64").at(direction).at("packets");
    }

    // What `ip` says of the device of the first host, but for what its bridge has.
    std::string device_text()
    {
        return must(fmt::format("ip -n {} -d link show vni100 | head -n 3", hosts_[1]));
    }

    bool has_fast_path(int n, int to)
    {
        const auto before = fast(n, "tx");
        pings_lost(containers_[n], fmt::format("10.20.1.{}", to), 10, "-i 0.01");
        return fast(n, "tx") >= before + 5;
    }

    // Frames for the other container go on the fast path at once after two.
    void warm_up(int n, int to)
    {
        EXPECT_EQ(pings_lost(containers_[n], fmt::format("10.20.1.{}", to)), 0);
        EXPECT_TRUE(within(3000, [&] { return has_fast_path(n, to); }));
    }

    std::string hosts_[4], containers_[4], switch_;

  private:
    std::vector<Adopter> adopters_;
    unsigned started_ = 0;
};

TEST_F(Adopt, UnicastFramesTakeTheFastPath)
{
    for (const int n : {1, 2, 3})
        device(n);
    // Another tenant on the same hosts, with the same MACs on another VNI.
    for (const int n : {1, 2}) {
        ip(hosts_[n],
           fmt::format("link add vni200 type vxlan id 200 local {} dstport 4789 nolearning",
                       address(n)));
        ip(hosts_[n], "link set vni200 up");
        in(hosts_[n], fmt::format("bridge fdb replace {} dev vni200 dst {} self permanent", macs[1],
                                  address(3)));
    }
    adopt(1);
    adopt(2, "vni100");
    EXPECT_EQ(pings_lost(containers_[1], "10.20.1.2"), 0) << "not even the first may be lost";
    warm_up(1, 2);

    const auto fast1 = fast(1, "tx"), fast2 = fast(2, "tx"), in1 = fast(1, "rx");
    const auto kernel1 = kernel(1, "tx"), kernel2 = kernel(2, "tx"), third = kernel(3, "rx");
    const auto tenant = kernel(2, "rx", "vni200");
    EXPECT_EQ(pings_lost(containers_[1], "10.20.1.2", 1000, "-i 0.002"), 0);
    const auto sent = fast(1, "tx") - fast1, answered = fast(2, "tx") - fast2;
    EXPECT_GE(sent, 980U);
    EXPECT_GE(answered, 980U);
    EXPECT_GE(fast(1, "rx") - in1, 980U);
    EXPECT_EQ(kernel(1, "tx") - kernel1 + sent, 1000U) << "each frame took one path";
    EXPECT_EQ(kernel(2, "tx") - kernel2 + answered, 1000U);
    EXPECT_EQ(kernel(3, "rx"), third) << "the third host sees nothing of it";
    EXPECT_EQ(kernel(2, "rx", "vni200"), tenant) << "nor does the other tenant";

    // Content, not only arrival, in both directions.
    for (const auto &[from, to] : {std::pair(1, 2), std::pair(2, 1)}) {
        const std::string sums = must(fmt::format(
            "ip netns exec {0} timeout 20 python3 {3}/tests/support/receive.py {1}{2} & "
            "ip netns exec {4} timeout 20 python3 {3}/tests/support/send.py {1}{2}; wait",
            containers_[to], "10.20.1.", to, XVTEP_SOURCE_DIR, containers_[from]));
        const auto end_of_line = sums.find('\n');
        ASSERT_NE(end_of_line, std::string::npos) << sums;
        EXPECT_EQ(sums.substr(0, end_of_line + 1), sums.substr(end_of_line + 1)) << sums;
    }
    EXPECT_EQ(pings_lost(containers_[1], "10.20.1.2", 3, "-M do -i 0.05 -s 1422"), 0)
        << "the largest that fits";
    EXPECT_EQ(pings_lost(containers_[1], "10.20.1.2", 3, "-i 0.05 -s 4000"), 0) << "fragments";
}

TEST_F(Adopt, TheSourcePortIsTheKernels)
{
    for (const int n : {1, 2})
        device(n, "srcport 40000 50000");
    EXPECT_EQ(pings_lost(containers_[1], "10.20.1.2"), 0);
    const std::string script = file("send.py");
    std::ofstream(script) << "import socket, sys, time\n"
                             "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                             "s.bind(('10.20.1.1', int(sys.argv[1])))\n"
                             "for n in range(5):\n"
                             "    s.sendto(bytes(20), ('10.20.1.2', 7777))\n"
                             "    time.sleep(0.02)\n";
    const auto port_of = [&](int flow) {
        const std::string lines =
            must(fmt::format("ip netns exec {} timeout 5 tcpdump -nn -l -c 5 -i u "
                             "\"udp dst port 4789 and udp[52:2] = 7777\" 2>/dev/null & sleep 0.7; "
                             "ip netns exec {} python3 {} {}; wait",
                             hosts_[2], containers_[1], script, 20000 + flow));
        std::set<int> seen;
        for (std::size_t at = 0; (at = lines.find("192.168.8.101.", at)) != std::string::npos;
             at++) {
            int port = 0;
            std::sscanf(lines.c_str() + at, "192.168.8.101.%d", &port);
            seen.insert(port);
        }
        EXPECT_EQ(seen.size(), 1U) << lines;
        return seen.empty() ? 0 : *seen.begin();
    };
    std::vector<int> ports;
    for (int flow = 0; flow < 4; flow++) {
        ports.push_back(port_of(flow));
        EXPECT_GE(ports.back(), 40000);
        EXPECT_LT(ports.back(), 50000);
    }
    EXPECT_GT(std::set<int>(ports.begin(), ports.end()).size(), 1U);
    adopt(1);
    for (int flow = 0; flow < 4; flow++) {
        warm_up(1, 2);
        const auto sent = fast(1, "tx");
        EXPECT_EQ(port_of(flow), ports[static_cast<std::size_t>(flow)]) << flow;
        EXPECT_GT(fast(1, "tx"), sent) << flow;
    }
}

// Random changes; after each one that the kernel has acknowledged the mirror has the kernel's plain
// entries, and no others.
TEST_F(Adopt, TheMirrorIsNeverBehind)
{
    device(1);
    const auto netns = Netns::open(hosts_[1]);
    const auto scope = netns->enter();
    auto netlink = Netlink::open();
    ASSERT_TRUE(netlink);
    const int index = netlink->link("vni100")->index, port = netlink->link("u")->index;
    const Adopter service = adopt(1);
    const Mirror mirror(hosts_[1]);
    EXPECT_EQ(mirror.entries(), plain_entries(*netlink, index)) << "what was there before";
    EXPECT_EQ(mirror.entries().size(), 2U);

    std::mt19937 random(20261128);
    const auto below = [&](unsigned most) { return static_cast<unsigned>(random() % most); };
    unsigned done = 0, refused = 0, stopped = 0;
    for (unsigned turn = 0; turn < 4000 && !HasFailure(); turn++) {
        if (turn == 2000) { // the mirror needs no service that runs
            ::kill(service.pid, SIGSTOP);
            stopped = 1;
        }
        KernelFdbEntry entry;
        entry.mac = *Mac::parse(fmt::format("02:00:00:00:01:{:02x}", below(12)));
        entry.dst = Ip::parse(fmt::format("192.168.8.{}", 100 + below(5)));
        entry.state = below(2) != 0 ? NUD_PERMANENT : NUD_NOARP | NUD_REACHABLE;
        switch (below(8)) {
        case 0:
            entry.port = 1234;
            break;
        case 1:
            entry.vni = 77;
            break;
        case 2:
            entry.via = port;
            break;
        default:
            break;
        }
        Result<> changed;
        const unsigned what = below(100);
        if (what < 40)
            changed = netlink->replace_fdb(index, entry);
        else if (what < 60)
            changed = netlink->append_fdb(index, entry);
        else if (what < 95)
            changed = netlink->delete_fdb(index,
                                          below(2) != 0 ? KernelFdbEntry{.mac = entry.mac} : entry);
        else if (what < 97) {
            entry.mac = Mac{};
            changed = netlink->append_fdb(index, entry);
        } else if (what < 99) {
            entry.mac = *Mac::parse("01:00:5e:01:02:03");
            changed = netlink->append_fdb(index, entry);
        } else
            must(fmt::format("bridge -n {} fdb flush dev vni100", hosts_[1]));
        (changed ? done : refused)++;
        EXPECT_EQ(mirror.entries(), plain_entries(*netlink, index)) << "turn " << turn;
    }
    EXPECT_GT(done, 1500U);
    EXPECT_GT(refused, 100U) << "the kernel refuses some, which must change nothing";
    EXPECT_EQ(stopped, 1U);
    EXPECT_EQ(mirror.references(), mirror.entries().size());
    ::kill(service.pid, SIGCONT);
}

// A dump that is read while entries come and go, at every start.
TEST_F(Adopt, AServiceThatStartsUnderChangesHasTheKernelsEntries)
{
    device(1);
    const std::string batch = file("batch");
    {
        std::ofstream lines(batch);
        for (int round = 0; round < 6; round++)
            for (int n = 0; n < 3000; n++)
                lines << fmt::format(
                    "fdb {} 02:00:00:01:{:02x}:{:02x} dev vni100 dst 192.168.8.{}\n",
                    round % 3 == 2 ? "del" : "replace", n / 256, n % 256, 102 + (n + round) % 2);
    }
    const auto netns = Netns::open(hosts_[1]);
    const auto scope = netns->enter();
    auto netlink = Netlink::open();
    const int index = netlink->link("vni100")->index;
    for (int start = 0; start < 4; start++) {
        const int writer = ::fork();
        if (writer == 0) {
            ::execlp("bridge", "bridge", "-force", "-batch", batch.c_str(), nullptr);
            ::_exit(127);
        }
        ::usleep(static_cast<unsigned>(start) * 30'000);
        const Adopter service = adopt(1);
        ::waitpid(writer, nullptr, 0);
        const Mirror mirror(hosts_[1]);
        const auto kernel = plain_entries(*netlink, index);
        const auto mirrored = mirror.entries();
        EXPECT_TRUE(std::ranges::includes(kernel, mirrored)) << "an entry that the kernel has not";
        EXPECT_TRUE(
            within(5000, [&] { return mirror.entries() == plain_entries(*netlink, index); }))
            << mirror.entries().size() << " of " << kernel.size();
        EXPECT_EQ(end(service), 0);
    }
}

// Messages about links overflow the socket of a service that is stopped.
TEST_F(Adopt, LostMessagesHaveAllTablesReadAgain)
{
    for (const int n : {1, 2})
        device(n);
    const Adopter service = adopt(1);
    warm_up(1, 2);
    const std::string batch = file("batch");
    {
        std::ofstream lines(batch);
        for (int n = 0; n < 12000; n++)
            lines << fmt::format("link set dummy1 mtu {}\n", 1400 + n % 2);
    }
    ip(hosts_[1], "link add dummy1 type bridge mcast_snooping 0");
    ip(hosts_[1], "link set dummy1 up");
    ::kill(service.pid, SIGSTOP);
    ip(hosts_[1], "-batch " + batch);
    in(hosts_[1], "bridge fdb replace 02:00:00:00:00:09 dev vni100 dst 192.168.8.103");
    ::kill(service.pid, SIGCONT);
    EXPECT_TRUE(within(5000, [&] {
        return read(service.log).find("messages of the kernel were lost") != std::string::npos;
    })) << read(service.log);
    const auto netns = Netns::open(hosts_[1]);
    const auto scope = netns->enter();
    auto netlink = Netlink::open();
    const int index = netlink->link("vni100")->index;
    const Mirror mirror(hosts_[1]);
    EXPECT_TRUE(within(5000, [&] { return mirror.entries() == plain_entries(*netlink, index); }));
    EXPECT_EQ(mirror.entries().size(), 3U);
    EXPECT_EQ(mirror.references(), 3U);
    EXPECT_TRUE(within(3000, [&] { return has_fast_path(1, 2); }));
}

TEST_F(Adopt, AKilledServiceLeavesTheKernelsPath)
{
    for (const int n : {1, 2})
        device(n);
    const std::string before = device_text();
    const Adopter service = adopt(1);
    adopt(2);
    warm_up(1, 2);
    Pinger pinger(containers_[1], "10.20.1.2");
    ::usleep(500'000);
    const auto sent_by_kernel = kernel(1, "tx");
    EXPECT_EQ(end(service, SIGKILL), -1);
    ::usleep(500'000);
    EXPECT_GT(kernel(1, "tx"), sent_by_kernel + 50) << "the kernel's path at once";
    const auto [sent, lost] = pinger.end();
    EXPECT_GT(sent, 100);
    EXPECT_EQ(lost, 0);
    EXPECT_EQ(device_text(), before);
    // The file that it has left counts for nothing, and a new service takes it over.
    EXPECT_TRUE(json(1, "show").empty());
    adopt(1);
    EXPECT_TRUE(has_fast_path(1, 2));
}

TEST_F(Adopt, AStoppedServiceHasTheKernelsPathWithinASecond)
{
    for (const int n : {1, 2, 3})
        device(n);
    const Adopter service = adopt(1);
    warm_up(1, 2);
    {
        Pinger pinger(containers_[1], "10.20.1.2");
        ::usleep(300'000);
        ::kill(service.pid, SIGSTOP);
        ::usleep(1'200'000);
        const auto sent_by_kernel = kernel(1, "tx");
        ::usleep(500'000);
        EXPECT_GT(kernel(1, "tx"), sent_by_kernel + 50);
        ::kill(service.pid, SIGCONT);
        ::usleep(500'000);
        const auto sent_by_us = fast(1, "tx");
        ::usleep(500'000);
        EXPECT_GT(fast(1, "tx"), sent_by_us + 50) << "and the fast path again";
        EXPECT_EQ(pinger.end().second, 0);
    }
    // While its lease still holds, a stopped service does not send by an old entry either.
    in(hosts_[1],
       fmt::format("bridge fdb replace 02:00:00:00:00:02 dev vni100 dst {}", address(2)));
    warm_up(1, 2);
    const auto at_second = kernel(2, "rx");
    ::kill(service.pid, SIGSTOP);
    in(hosts_[1],
       fmt::format("bridge fdb replace 02:00:00:00:00:02 dev vni100 dst {}", address(3)));
    const auto at_third = kernel(3, "rx");
    sh(fmt::format("ip netns exec {} ping -q -c 20 -i 0.002 -W 0.1 10.20.1.2", containers_[1]));
    ::kill(service.pid, SIGCONT);
    EXPECT_EQ(kernel(2, "rx"), at_second);
    EXPECT_GE(kernel(3, "rx"), at_third + 20);
}

TEST_F(Adopt, ANormalEndLeavesNothing)
{
    for (const int n : {1, 2})
        device(n);
    const auto state = [&] {
        return device_text() +
               must(fmt::format(
                   "tc -n {0} qdisc show; bridge -n {0} fdb show dev vni100 | grep self; "
                   "ip netns exec {0} sysctl -a -r forwarding 2>/dev/null",
                   hosts_[1]));
    };
    const std::string before = state(),
                      place = fmt::format("/run/xvtep/adopt/{}", cookie_of(hosts_[1]));
    const Adopter service = adopt(1, "vni100");
    warm_up(1, 2);
    EXPECT_TRUE(std::filesystem::exists(place));
    EXPECT_FALSE(std::filesystem::exists(fmt::format("/sys/fs/bpf/xvtep/{}", cookie_of(hosts_[1]))))
        << "nothing is pinned where others could find it";

    const Adopter second = start(1, "--all");
    EXPECT_EQ(end(second, 0), 2) << "it ends by itself";
    EXPECT_EQ(read(second.log), fmt::format("adopt: another service serves this namespace (process "
                                            "{})\n",
                                            service.pid));
    Pinger pinger(containers_[1], "10.20.1.2");
    ::usleep(300'000);
    EXPECT_EQ(end(service), 0);
    ::usleep(300'000);
    EXPECT_EQ(pinger.end().second, 0);
    EXPECT_FALSE(std::filesystem::exists(place));
    EXPECT_EQ(state(), before);
}

TEST_F(Adopt, FollowsItsDevice)
{
    for (const int n : {1, 2})
        device(n);
    const Adopter service = adopt(1);
    warm_up(1, 2);
    // Options: the fast path has the new ones.
    ip(hosts_[1], "link set vni100 type vxlan ttl 33");
    EXPECT_TRUE(within(3000, [&] { return json(1, "show").at(0).at("ttl") == 33; }));
    EXPECT_TRUE(within(3000, [&] { return has_fast_path(1, 2); }));
    const std::string packets = must(fmt::format(
        "ip netns exec {} timeout 5 tcpdump -nn -v -l -c 20 -i u udp dst port 4789 and src host {} "
        "2>/dev/null & sleep 0.5; ip netns exec {} ping -q -c 30 -i 0.01 10.20.1.2 >/dev/null; "
        "wait",
        hosts_[2], address(1), containers_[1]));
    EXPECT_NE(packets.find("ttl 33"), std::string::npos) << packets;
    // Down and up: the kernel removes FRR's entries, and so they are not mirrored; FRR writes them.
    ip(hosts_[1], "link set vni100 down");
    EXPECT_TRUE(Mirror(hosts_[1]).entries().empty());
    ip(hosts_[1], "link set vni100 up");
    in(hosts_[1], fmt::format("bridge fdb replace {} dev vni100 dst {} self dynamic extern_learn",
                              macs[2], address(2)));
    EXPECT_TRUE(within(3000, [&] { return has_fast_path(1, 2); }));
    // A MAC and a name of its own.
    ip(hosts_[1], "link set vni100 address 02:00:00:00:00:77");
    ip(hosts_[1], "link set vni100 name other");
    EXPECT_TRUE(within(3000, [&] { return json(1, "show").at(0).at("name") == "other"; }));
    EXPECT_EQ(pings_lost(containers_[1], "10.20.1.2"), 0);
    ip(hosts_[1], "link set other name vni100");
    // The device is deleted, and made again by its owner.
    ip(hosts_[1], "link del vni100");
    EXPECT_TRUE(within(3000, [&] { return json(1, "show").empty(); }));
    ip(hosts_[1], fmt::format("link add vni100 type vxlan id 100 local {} dstport 4789 nolearning",
                              address(1)));
    ip(hosts_[1], "link set vni100 master br0 up");
    in(hosts_[1], fmt::format("bridge fdb append 00:00:00:00:00:00 dev vni100 dst {}", address(2)));
    EXPECT_TRUE(within(3000, [&] { return !json(1, "show").empty(); }));
    EXPECT_EQ(pings_lost(containers_[1], "10.20.1.2"), 0) << "flooded";
    in(hosts_[1], fmt::format("bridge fdb replace {} dev vni100 dst {} self dynamic extern_learn",
                              macs[2], address(2)));
    EXPECT_TRUE(within(3000, [&] { return has_fast_path(1, 2); }));
    EXPECT_EQ(end(service), 0);
}

TEST_F(Adopt, WhatIsNotCertainIsTheKernels)
{
    for (const int n : {1, 2})
        device(n);
    adopt(1);
    warm_up(1, 2);
    const auto is_slow = [&](const std::string &what) {
        const auto before = fast(1, "tx"), received = fast(1, "rx");
        EXPECT_EQ(pings_lost(containers_[1], "10.20.1.2", 20, "-i 0.01"), 0) << what;
        EXPECT_EQ(fast(1, "tx"), before) << what;
        EXPECT_EQ(fast(1, "rx"), received) << what << ": a sender without an entry";
    };
    const std::string at = "dev vni100 dst " + address(2) + " self permanent";
    in(hosts_[1], fmt::format("bridge fdb del {} dev vni100 self", macs[2]));
    is_slow("an unknown MAC is flooded");
    in(hosts_[1], fmt::format("bridge fdb replace {} {} port 4789", macs[2], at));
    EXPECT_TRUE(has_fast_path(1, 2)) << "the device's own port is plain";
    in(hosts_[1], fmt::format("bridge fdb replace {} {} via u", macs[2], at));
    is_slow("via");
    ip(hosts_[1], fmt::format("nexthop add id 12 via {} fdb", address(2)));
    ip(hosts_[1], "nexthop add id 102 group 12 fdb");
    in(hosts_[1], fmt::format("bridge fdb del {} dev vni100 self", macs[2]));
    in(hosts_[1], fmt::format("bridge fdb add {} dev vni100 nhid 102 self permanent", macs[2]));
    is_slow("a group of next hops");
    in(hosts_[1], fmt::format("bridge fdb del {} dev vni100 self", macs[2]));
    in(hosts_[1], fmt::format("bridge fdb replace {} {}", macs[2], at));
    EXPECT_TRUE(has_fast_path(1, 2));

    // Packets that the kernel refuses are refused: the firewall's list of hosts counts.
    in(hosts_[1], "nft add table ip f");
    in(hosts_[1], "nft \"add chain ip f in { type filter hook input priority 0; }\"");
    in(hosts_[1], fmt::format("nft add rule ip f in udp dport 4789 ip saddr {} drop", address(2)));
    ::usleep(1'100'000);
    EXPECT_EQ(pings_lost(containers_[1], "10.20.1.2", 5, "-i 0.05"), 5);
    in(hosts_[1], "nft delete table ip f");
    EXPECT_EQ(pings_lost(containers_[1], "10.20.1.2", 5, "-i 0.05"), 0);
    // And those that the host does not let out.
    in(hosts_[1], "nft add table ip f");
    in(hosts_[1], "nft \"add chain ip f out { type filter hook output priority 0; }\"");
    in(hosts_[1], "nft add rule ip f out udp dport 4789 drop");
    ::usleep(1'100'000);
    EXPECT_EQ(pings_lost(containers_[1], "10.20.1.2", 5, "-i 0.05"), 5);
}

TEST_F(Adopt, RefusesWithTheReason)
{
    const std::string &on = hosts_[1];
    device(1);
    ip(on, "link add learns type vxlan id 1 dstport 4789");
    ip(on, "link add v6 type vxlan id 2 dstport 4789 local fd00::1 nolearning");
    ip(on, "link add ext type vxlan dstport 4790 external nolearning");
    ip(on, "link add filter type vxlan dstport 4791 external vnifilter nolearning");
    ip(on, "link add gpe type vxlan dstport 4792 external gpe nolearning");
    ip(on, fmt::format("link add away type vxlan id 3 dstport 4789 nolearning"));
    ip(on, fmt::format("link set away netns {}", hosts_[2]));
    must(fmt::format("{} -n {} attach u vni 300 name own remote {}", xvtep(), on, address(2)));
    adopt(1);
    adopt(2);
    std::map<std::string, std::string> refused;
    const Json shown = json(1, "show");
    for (const auto &one : shown)
        if (one.contains("refused"))
            refused[one.at("name")] = one.at("refused");
    EXPECT_EQ(refused["learns"], "learns: not supported yet");
    EXPECT_EQ(refused["v6"], "an IPv6 underlay is not supported yet");
    EXPECT_EQ(refused["ext"], "external: metadata of each packet says where it goes");
    EXPECT_EQ(refused["filter"].substr(0, 8), "external");
    EXPECT_FALSE(refused.contains("own")) << "shown as what it is";
    EXPECT_EQ(json(2, "show").at(0).at("refused"), "its packets leave in another namespace");
    const auto adopted =
        std::ranges::find_if(shown, [](const Json &one) { return one.value("adopted", false); });
    ASSERT_NE(adopted, shown.end());
    EXPECT_EQ(adopted->at("name"), "vni100");
    const std::string text = must(fmt::format("{} -n {} show", xvtep(), on));
    EXPECT_NE(text.find("mode tc (adopted)"), std::string::npos) << text;
    EXPECT_NE(text.find("learns: not adopted: learns: not supported yet\n"), std::string::npos);
    must(fmt::format("{} -n {} attach u vni 301 name own2 nolearning remote {}", xvtep(), on,
                     address(2)));
    EXPECT_TRUE(within(3000, [&] {
        const Json own = json(1, "show dev own2");
        return own.size() == 1 && own.at(0).at("adopted") == false &&
               !own.at(0).contains("refused");
    })) << "made while the service runs";
    // One that stops to learn is taken up, and one that begins to learn is let go.
    ip(on, "link set learns up");
    ip(on, "link set learns type vxlan nolearning");
    ip(on, "link set vni100 type vxlan learning");
    const auto is_adopted = [&](const std::string &name) {
        return std::ranges::any_of(json(1, "show dev " + name),
                                   [](const Json &one) { return one.value("adopted", false); });
    };
    EXPECT_TRUE(within(3000, [&] { return is_adopted("learns"); }));
    EXPECT_TRUE(within(3000, [&] { return !is_adopted("vni100"); }));

    const auto refuses = [&](const std::string &words, const std::string &why) {
        const Output output = sh(fmt::format("{} -n {} adopt {}", xvtep(), hosts_[3], words));
        EXPECT_EQ(output.status, 2) << words;
        EXPECT_NE(output.text.find(why), std::string::npos) << output.text;
    };
    refuses("nosuch", "nosuch");
    refuses("u", "adopt u: not a vxlan device");
    ip(hosts_[3], "link add learns type vxlan id 1 dstport 4789");
    refuses("learns", "adopt learns: learns: not supported yet");
    refuses("--all --underlay lo", "adopt lo: it is the loopback device");
    must(fmt::format("{} -n {} attach u vni 300 name own remote {}", xvtep(), hosts_[3],
                     address(2)));
    refuses("own", "adopt own: it is xvtep's own (xvtep attach)");
}

TEST_F(Adopt, OtherCommandsNameTheKernels)
{
    device(1);
    adopt(1);
    const auto fails = [&](const std::string &words, const std::string &line) {
        const Output output = sh(fmt::format("{} -n {} {}", xvtep(), hosts_[1], words));
        EXPECT_EQ(output.status, 2) << words;
        EXPECT_NE(output.text.find("the device is adopted, and the kernel's (\"" + line),
                  std::string::npos)
            << output.text;
    };
    fails("fdb add 02:00:00:00:00:09 dev vni100 dst 192.168.8.102",
          "bridge fdb add ... dev vni100");
    fails("fdb del 02:00:00:00:00:02 dev vni100", "bridge fdb del ... dev vni100");
    fails("fdb flush dev vni100", "bridge fdb flush ... dev vni100");
    fails("neigh add 10.20.1.9 lladdr 02:00:00:00:00:09 dev vni100", "ip neigh add ... dev vni100");
    fails("set vni100 ttl 3", "ip link set vni100 type vxlan ...");
    fails("detach vni100", "ip link del vni100");
    const Json entries = json(1, "fdb show dev vni100");
    ASSERT_EQ(entries.size(), 2U);
    EXPECT_EQ(entries.at(0).at("mac"), macs[2]);
    EXPECT_EQ(entries.at(0).at("dst"), address(2));
    EXPECT_EQ(json(1, "fdb show").size(), 2U);
    EXPECT_EQ(json(1, "stats dev vni100").at(0).at("ifname"), "vni100");
    EXPECT_EQ(sh(fmt::format("{} -n {} adopt", xvtep(), hosts_[2])).status, 1);
    EXPECT_EQ(sh(fmt::format("{} -n {} adopt vni100 --all", xvtep(), hosts_[2])).status, 1);
}

// The devices of others, with their options and entries.
struct Shape {
    const char *name;
    const char *device; // %local% is the host's address
    bool bridge;
    const char *entry; // behind "dev NAME dst IP"
};

void PrintTo(const Shape &shape, std::ostream *out)
{
    *out << shape.name;
}

class AdoptShapes : public Adopt, public ::testing::WithParamInterface<Shape> {};

TEST_P(AdoptShapes, AreAdopted)
{
    const Shape &shape = GetParam();
    for (const int n : {1, 2}) {
        const std::string &on = hosts_[n];
        const int other = 3 - n;
        ip(on, fmt::format("link add x type vxlan {} local {}", shape.device, address(n)));
        if (shape.bridge) {
            ip(on, "link add br0 type bridge mcast_snooping 0");
            ip(on, "link set br0 up");
            ip(on, "link set x master br0 up");
            ip(on, "link set v master br0 up");
            in(on, fmt::format("bridge fdb append 00:00:00:00:00:00 dev x dst {}", address(other)));
            in(on, fmt::format("bridge fdb replace {} dev x dst {} {}",
                               macs[static_cast<std::size_t>(other)], address(other), shape.entry));
            continue;
        }
        // As flannel and Calico: routed, one entry for each node.
        ip(on, fmt::format("link set x address 02:00:00:00:0a:0{} mtu 1450 up", n));
        ip(on, fmt::format("addr add 10.244.{}.0/32 dev x", n));
        ip(containers_[n], "addr flush dev eth0");
        ip(containers_[n], fmt::format("addr add 10.244.{}.2/24 dev eth0", n));
        ip(on, fmt::format("addr add 10.244.{}.1/24 dev v", n));
        ip(on, "link set v up");
        ip(containers_[n], fmt::format("route add default via 10.244.{}.1", n));
        ip(on,
           fmt::format("neigh replace 10.244.{0}.0 lladdr 02:00:00:00:0a:0{0} dev x nud permanent",
                       other));
        in(on, fmt::format("bridge fdb replace 02:00:00:00:0a:0{} dev x dst {} {}", other,
                           address(other), shape.entry));
        ip(on, fmt::format("route add 10.244.{0}.0/24 via 10.244.{0}.0 dev x onlink", other));
    }
    adopt(1);
    adopt(2, "x");
    const std::string to = shape.bridge ? "10.20.1.2" : "10.244.2.2";
    EXPECT_EQ(pings_lost(containers_[1], to), 0);
    EXPECT_EQ(pings_lost(containers_[1], to, 300, "-i 0.005"), 0);
    EXPECT_GE(fast(1, "tx", "x"), 280U);
    EXPECT_GE(fast(1, "rx", "x"), 280U);
    EXPECT_GE(fast(2, "tx", "x"), 280U);
    EXPECT_GE(fast(2, "rx", "x"), 280U);
}

INSTANTIATE_TEST_SUITE_P(
    All, AdoptShapes,
    ::testing::Values(
        Shape{"flannel", "id 1 dstport 8472 dev u nolearning", false, "self permanent"},
        Shape{"calico", "id 4096 dstport 4789 dev u nolearning", false, "self permanent"},
        Shape{"frr", "id 100 dstport 4789 nolearning", true, "self extern_learn"},
        Shape{"proxmox_evpn", "id 100 dstport 4789 nolearning udpcsum", true, "self extern_learn"},
        Shape{"networkd", "id 100 dstport 8472 nolearning noudpcsum", true, "self permanent"}),
    [](const auto &of) { return std::string(of.param.name); });

// No local address, as Neutron and Docker make them: the source is the route's.
TEST_F(Adopt, ADeviceWithoutLocalAddressFollowsTheRoute)
{
    for (const int n : {1, 2}) {
        device(n);
        ip(hosts_[n], "link del vni100");
        ip(hosts_[n], "link add vni100 type vxlan id 100 dstport 4789 nolearning");
        ip(hosts_[n], "link set vni100 master br0 up");
        const int other = 3 - n;
        in(hosts_[n],
           fmt::format("bridge fdb append 00:00:00:00:00:00 dev vni100 dst {}", address(other)));
        in(hosts_[n], fmt::format("bridge fdb replace {} dev vni100 dst {}",
                                  macs[static_cast<std::size_t>(other)], address(other)));
    }
    adopt(1);
    adopt(2);
    warm_up(1, 2);
    EXPECT_TRUE(within(3000, [&] { return fast(1, "rx") > 10; }));
    EXPECT_EQ(json(1, "show").at(0).at("local"), address(1));
}

// Checksums of the device are kept on request: then large packets are the kernel's.
TEST_F(Adopt, ChecksumsAreLeftOutUnlessKept)
{
    for (const int n : {1, 2})
        device(n, "udpcsum");
    const auto without = [&] { // packets without a checksum
        const std::string lines = must(fmt::format(
            "ip netns exec {} timeout 3 tcpdump -nn -q -l -i u \"udp dst port 4789 and src host {} "
            "and "
            "udp[6:2] = 0\" 2>/dev/null & sleep 0.7; ip netns exec {} ping -q -c 100 -i 0.005 "
            "10.20.1.2 >/dev/null; wait; true",
            hosts_[2], address(1), containers_[1]));
        int count = 0;
        const std::string from = address(1) + ".";
        for (std::size_t at = 0; (at = lines.find(from, at)) != std::string::npos; at++)
            count++;
        return count;
    };
    EXPECT_EQ(without(), 0) << "the kernel's device has them";
    Adopter service = adopt(1);
    warm_up(1, 2);
    EXPECT_GE(without(), 90);
    EXPECT_FALSE(json(1, "show").at(0).at("udpcsum"));
    EXPECT_EQ(end(service), 0);
    service = adopt(1, "--all --udpcsum");
    warm_up(1, 2);
    const auto sent = fast(1, "tx");
    EXPECT_EQ(without(), 0);
    EXPECT_GE(fast(1, "tx"), sent + 90);
    EXPECT_TRUE(json(1, "show").at(0).at("udpcsum"));
    EXPECT_EQ(end(service), 0);
}

// FRR on three hosts, which makes the entries.
class AdoptFrr : public Adopt {
  protected:
    void SetUp() override
    {
        if (!std::filesystem::exists(daemon("zebra")) || !std::filesystem::exists(daemon("bgpd")))
            GTEST_SKIP() << "needs zebra and bgpd of FRR";
        Adopt::SetUp();
    }

    void TearDown() override
    {
        for (const int n : {1, 2, 3})
            for (const std::string name : {"bgpd", "zebra"})
                stop(n, name);
        Adopt::TearDown();
    }

    static std::string daemon(const std::string &name) { return "/usr/lib/frr/" + name; }

    // The daemons' files; they run as a user of their own.
    std::string directory(int n)
    {
        const std::string path = file(fmt::format("frr{}", n));
        std::filesystem::create_directories(path);
        ::chmod(std::filesystem::path(path).parent_path().c_str(), 0711);
        ::chmod(path.c_str(), 0777);
        return path;
    }

    void start_daemon(int n, const std::string &name)
    {
        const std::string at = directory(n);
        const std::string command = fmt::format(
            "exec ip netns exec {0} {1} -z {2}/zserv.api -i {2}/{3}.pid --vty_socket {2} -f "
            "{2}/{3}.conf -P 0 >{2}/{3}.log 2>&1 </dev/null",
            hosts_[n], daemon(name), at, name);
        const int pid = ::fork();
        if (pid == 0) {
            ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
            ::_exit(127);
        }
        daemons_[{n, name}] = pid;
        EXPECT_TRUE(within(10'000, [&] {
            return std::filesystem::exists(fmt::format("{}/{}.pid", at, name));
        })) << read(fmt::format("{}/{}.log", at, name));
    }

    void stop(int n, const std::string &name)
    {
        const auto found = daemons_.find({n, name});
        if (found == daemons_.end())
            return;
        ::kill(found->second, SIGTERM);
        if (!within(5000, [&] { return ::waitpid(found->second, nullptr, WNOHANG) != 0; })) {
            ::kill(found->second, SIGKILL);
            ::waitpid(found->second, nullptr, 0);
        }
        daemons_.erase(found);
        std::filesystem::remove(fmt::format("{}/{}.pid", directory(n), name));
    }

    void leaf(int n)
    {
        const std::string &on = hosts_[n], at = directory(n);
        ip(on, "link add br0 type bridge mcast_snooping 0");
        ip(on, "link set br0 up");
        ip(on, fmt::format("link add vni100 type vxlan id 100 local {} dstport 4789 nolearning",
                           address(n)));
        ip(on, "link set vni100 master br0 up");
        in(on, "bridge link set dev vni100 learning off neigh_suppress on");
        ip(on, "link set v master br0 up");
        std::ofstream(at + "/zebra.conf") << "frr defaults datacenter\n";
        std::ofstream bgp(at + "/bgpd.conf");
        bgp << "frr defaults datacenter\nrouter bgp 65001\n bgp router-id " << address(n)
            << "\n no bgp default ipv4-unicast\n";
        std::string activate;
        for (const int other : {1, 2, 3})
            if (other != n) {
                bgp << fmt::format(" neighbor {0} remote-as 65001\n neighbor {0} timers 1 3\n "
                                   "neighbor {0} timers connect 1\n",
                                   address(other));
                activate += fmt::format("  neighbor {} activate\n", address(other));
            }
        bgp << " address-family l2vpn evpn\n" << activate << "  advertise-all-vni\n";
        bgp.close();
        start_daemon(n, "zebra");
        start_daemon(n, "bgpd");
    }

    std::map<std::pair<int, std::string>, int> daemons_;
};

TEST_F(AdoptFrr, EvpnTakesTheFastPath)
{
    for (const int n : {1, 2, 3})
        leaf(n);
    adopt(1);
    adopt(2);
    const auto netns = Netns::open(hosts_[1]);
    const auto scope = netns->enter();
    auto netlink = Netlink::open();
    const int index = netlink->link("vni100")->index;
    const Mirror mirror(hosts_[1]);
    const auto has = [&](int mac, int at) {
        return mirror.entries().contains(
            fmt::format("{} dst {}", macs[static_cast<std::size_t>(mac)], address(at)));
    };
    // FRR may change the table between the two readings.
    const auto agrees = [&] {
        return within(2000, [&] { return mirror.entries() == plain_entries(*netlink, index); });
    };
    EXPECT_TRUE(within(20'000, [&] {
        pings_lost(containers_[2], "10.20.1.1", 1, "-W 0.2");
        return has(2, 2);
    })) << "the MAC is advertised";
    EXPECT_EQ(pings_lost(containers_[1], "10.20.1.2", 5), 0);
    const auto sent = fast(1, "tx"), received = fast(1, "rx");
    EXPECT_EQ(pings_lost(containers_[1], "10.20.1.2", 1000, "-i 0.002"), 0);
    EXPECT_GE(fast(1, "tx") - sent, 985U);
    EXPECT_GE(fast(1, "rx") - received, 985U);

    // bgpd ends at the other host, and comes back.
    stop(2, "bgpd");
    EXPECT_TRUE(within(10'000, [&] { return !has(2, 2); }));
    EXPECT_TRUE(agrees());
    start_daemon(2, "bgpd");
    EXPECT_TRUE(within(20'000, [&] {
        pings_lost(containers_[2], "10.20.1.1", 1, "-W 0.2");
        return has(2, 2);
    }));
    EXPECT_TRUE(within(5000, [&] { return pings_lost(containers_[1], "10.20.1.2", 5) == 0; }))
        << "once the other host has its entries, too";
    EXPECT_TRUE(within(3000, [&] { return has_fast_path(1, 2); }));
    // The device goes down and up: zebra writes its entries again.
    ip(hosts_[1], "link set vni100 down");
    EXPECT_TRUE(agrees());
    ip(hosts_[1], "link set vni100 up");
    EXPECT_TRUE(within(10'000, [&] { return has(2, 2); }));
    EXPECT_TRUE(within(3000, [&] { return has_fast_path(1, 2); }));

    // The MAC and its address move to the third host, which is not adopted.
    ip(containers_[2], "link set eth0 down");
    ip(containers_[3], "addr flush dev eth0");
    ip(containers_[3], fmt::format("link set eth0 address {} up", macs[2]));
    ip(containers_[3], "addr add 10.20.1.2/24 dev eth0");
    EXPECT_TRUE(within(20'000, [&] {
        pings_lost(containers_[3], "10.20.1.1", 1, "-W 0.2");
        return has(2, 3);
    }));
    EXPECT_TRUE(agrees());
    EXPECT_TRUE(within(5000, [&] { return pings_lost(containers_[1], "10.20.1.2", 5) == 0; }))
        << "once the other hosts know it, too";
    EXPECT_TRUE(within(3000, [&] { return has_fast_path(1, 2); }));
}

} // namespace
} // namespace xvtep::test
