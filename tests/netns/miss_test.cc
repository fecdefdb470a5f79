// SPDX-License-Identifier: GPL-2.0-only
// Misses and the neighbour table, seen from outside: monitors, listeners that die, batches.
//
//   a ==u1======u2== b        a: VTEP `vxlan0`, VNI 42, an address on it; b: a host of the wire

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <csignal>
#include <fstream>
#include <set>

#include <nlohmann/json.hpp>

#include "tests/support/netns_case.h"
#include "user/base/fd.h"
#include "user/datapath/bulk.h"
#include "user/datapath/datapath.h"
#include "xvtep/listener.h"

namespace xvtep::test {
namespace {

using Json = nlohmann::json;

class MissCase : public NetnsCase {
  protected:
    void SetUp() override
    {
        NetnsCase::SetUp();
        if (IsSkipped())
            return;
        a_ = host("a");
        b_ = host("b");
        in(a_, "sysctl -qw net.ipv6.conf.default.disable_ipv6=1"); // its solicitations are misses
        wire(a_, "u1", b_, "u2");
        ip(a_, "addr add 192.168.8.101/24 dev u1");
        ip(b_, "addr add 192.168.8.102/24 dev u2");
        attach("--proxy --l2miss --l3miss --reachable-time 2");
        ip(a_, "addr add 10.20.1.2/24 dev vxlan0");
    }

    void TearDown() override
    {
        for (const int pid : pids_)
            if (::kill(pid, SIGKILL) == 0)
                ::waitpid(pid, nullptr, 0);
        NetnsCase::TearDown();
    }

    void attach(const std::string &options)
    {
        must(fmt::format("{} -n {} attach u1 --vni 42 --name vxlan0 {}", xvtep(), a_, options));
    }

    std::string on_a(const std::string &command) const
    {
        return fmt::format("{} -n {} {}", xvtep(), a_, command);
    }

    struct Monitor {
        int pid = -1;
        std::string out, err; // files

        [[nodiscard]] std::string text() const { return read(out); }
        [[nodiscard]] static std::string read(const std::string &file)
        {
            std::ifstream in(file);
            return {std::istreambuf_iterator<char>(in), {}};
        }
    };

    // In the background, and listening. `words`: behind `monitor`.
    Monitor monitor(const std::string &words)
    {
        Monitor made;
        made.out = file(fmt::format("{}.out", count_));
        made.err = file(fmt::format("{}.err", count_++));
        made.pid = ::fork();
        if (made.pid == 0) {
            if (std::freopen(made.out.c_str(), "w", stdout) == nullptr ||
                std::freopen(made.err.c_str(), "w", stderr) == nullptr)
                ::_exit(127);
            ::execl("/bin/sh", "sh", "-c", ("exec " + on_a("monitor " + words)).c_str(), nullptr);
            ::_exit(127);
        }
        pids_.push_back(made.pid);
        for (int i = 0; i < 200 && Monitor::read(made.err).empty(); i++)
            ::usleep(20'000);
        EXPECT_EQ(Monitor::read(made.err), "ready\n") << words;
        return made;
    }

    int wait_for(Monitor &monitor)
    {
        int status = 0;
        for (int i = 0; i < 500; i++) {
            if (::waitpid(monitor.pid, &status, WNOHANG) == monitor.pid) {
                std::erase(pids_, monitor.pid);
                return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
            }
            ::usleep(20'000);
        }
        return -1;
    }

    void ping(const std::string &to) const
    {
        sh(fmt::format("ip netns exec {} ping -q -c 1 -W 0.2 {}", a_, to));
    }

    Json stats()
    {
        for (const auto &one : Json::parse(must(on_a("-j stats dev vxlan0"))))
            if (one["ifname"] == "vxlan0")
                return one;
        return {};
    }

    std::string a_, b_;

  private:
    std::vector<int> pids_;
    int count_ = 0;
};

constexpr const char *peer_mac = "02:00:00:00:00:03";

TEST_F(MissCase, TheGuidesSequence)
{
    auto first = monitor("dev vxlan0 --count 1 --timeout 8");
    ping("10.20.1.3");
    EXPECT_EQ(wait_for(first), 0);
    EXPECT_EQ(first.text(), "miss 10.20.1.3 STALE\n");

    auto second = monitor("all --count 1 --timeout 8"); // takes a while to start: before the entry
    must(on_a(fmt::format("neigh replace 10.20.1.3 lladdr {} dev vxlan0 nud reachable", peer_mac)));
    ping("10.20.1.3");
    EXPECT_NE(must(on_a("neigh show")).find("10.20.1.3 dev vxlan0 lladdr"), std::string::npos);
    EXPECT_EQ(wait_for(second), 0);
    EXPECT_EQ(second.text(), fmt::format("miss dev vxlan0 lladdr {} STALE\n", peer_mac));

    // The entry expires by itself, and the IP is a miss again.
    ::usleep(2'500'000);
    EXPECT_EQ(must(on_a("neigh show")), "");
    ip(a_, "neigh flush dev vxlan0"); // what the host's stack has learned from the answer
    auto third = monitor("dev vxlan0 --count 1 --timeout 8");
    ping("10.20.1.3");
    EXPECT_EQ(wait_for(third), 0);
    EXPECT_EQ(third.text(), "miss 10.20.1.3 STALE\n");
}

TEST_F(MissCase, EveryMonitorSeesEveryMiss)
{
    std::vector<Monitor> monitors;
    for (int i = 0; i < 3; i++)
        monitors.push_back(monitor("dev vxlan0 --count 4 --timeout 10"));
    auto json = monitor("-j --count 4 --timeout 10");
    for (const int n : {3, 4, 5, 6})
        ping(fmt::format("10.20.1.{}", n));
    for (auto &one : monitors) {
        EXPECT_EQ(wait_for(one), 0);
        EXPECT_EQ(one.text(), "miss 10.20.1.3 STALE\nmiss 10.20.1.4 STALE\nmiss 10.20.1.5 STALE\n"
                              "miss 10.20.1.6 STALE\n");
    }
    EXPECT_EQ(wait_for(json), 0);
    EXPECT_EQ(json.text().substr(0, json.text().find('\n')),
              R"({"event":"l3miss","ifname":"vxlan0","vni":42,"ip":"10.20.1.3"})");
}

TEST_F(MissCase, MissesOfOneKeyAreRaisedOnceASecond)
{
    auto one = monitor("dev vxlan0 --timeout 2");
    // Known to the host's stack, so that each ping is a frame to the missed MAC.
    ip(a_, fmt::format("neigh replace 10.20.1.3 lladdr {} dev vxlan0", peer_mac));
    sh(fmt::format("ip netns exec {} ping -q -c 30 -i 0.02 -W 0.1 10.20.1.3", a_));
    EXPECT_EQ(wait_for(one), 0);
    const auto text = one.text();
    const auto lines = std::ranges::count(text, '\n');
    EXPECT_GE(lines, 1);
    EXPECT_LE(lines, 3) << text;
}

// Of one VTEP, MACs and IPs that differ in their last bytes, as they do.
TEST_F(MissCase, SoAreMissesOfManyKeys)
{
    struct : MissListener {
        void on_l2miss(const L2Miss &miss) override { heard.push_back(miss.mac.text()); }
        void on_l3miss(const L3Miss &miss) override { heard.push_back(miss.ip.text()); }
        std::vector<std::string> heard;
    } listener;
    const auto scope = Netns::open(a_)->enter();
    auto source = MissSource::open("vxlan0");
    ASSERT_TRUE(source);
    const Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    sockaddr_ll to{};
    to.sll_family = AF_PACKET;
    to.sll_ifindex = static_cast<int>(::if_nametoindex("vxlan0"));
    const std::vector<std::uint8_t> l2{2, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0x08, 0x00};
    const std::vector<std::uint8_t> arp{
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0,  0,  0, 0, 2, 8, 6, 0, 1, 8, 0,  6,  4, 0,
        1,    2,    0,    0,    0,    0,    2, 10, 20, 1, 2, 0, 0, 0, 0, 0, 0, 10, 20, 0, 0};
    for (const auto &[start, at] : {std::pair(l2, 4), std::pair(arp, 40)}) {
        SCOPED_TRACE(at);
        auto frame = start;
        frame.resize(60);
        listener.heard.clear();
        constexpr unsigned keys = 3000, rounds = 4;
        const auto begin = std::chrono::steady_clock::now();
        for (unsigned n = 0; n < keys * rounds; n++) {
            frame[at] = static_cast<std::uint8_t>(3 + n % keys / 256);
            frame[at + 1] = static_cast<std::uint8_t>(n % keys);
            (void)::sendto(socket.get(), frame.data(), frame.size(), 0,
                           reinterpret_cast<const sockaddr *>(&to), sizeof(to)); // dropped: ENOBUFS
        }
        const bool within =
            std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(900);
        while (source->poll(listener, std::chrono::milliseconds(100)).value_or(0) != 0) {
        }
        EXPECT_EQ(std::set(listener.heard.begin(), listener.heard.end()).size(), keys);
        if (within) { // a set of keys that is full forgets one early
            EXPECT_LE(listener.heard.size(), keys + keys / 20);
        }
    }
}

TEST_F(MissCase, ListenersThatDieLeaveNothing)
{
    auto killed = monitor("dev vxlan0");
    ::kill(killed.pid, SIGKILL);
    EXPECT_EQ(wait_for(killed), -SIGKILL);
    auto stopped = monitor("dev vxlan0"); // cleans up after the other
    ::kill(stopped.pid, SIGTERM);
    EXPECT_EQ(wait_for(stopped), 0) << "a signal is a good end";
    must(on_a("neigh flush dev vxlan0"));
    const auto cookie = Netns::open(a_)->cookie();
    EXPECT_EQ(sh(fmt::format("test -e /sys/fs/bpf/xvtep/{}/listeners", *cookie)).status, 1);

    for (int i = 0; i < 16; i++)
        monitor("dev vxlan0");
    const Output refused = sh(on_a("monitor dev vxlan0 --timeout 1"));
    EXPECT_EQ(refused.status, 2);
    EXPECT_NE(refused.text.find("16 listeners already"), std::string::npos) << refused.text;
}

// A poll looks at the ring once a second anyway: ten lost wake-ups would take ten.
TEST_F(MissCase, ListenersAreWokenAtOnceByTheirWakeupTaps)
{
    const auto links = [&] { return in(a_, "ip -o link show"); };
    const Monitor first = monitor(""), second = monitor("");
    EXPECT_NE(links().find("xvtep-wakeup0"), std::string::npos);
    EXPECT_NE(links().find("xvtep-wakeup1"), std::string::npos);
    int late = 0;
    for (int n = 0; n < 10; n++) {
        const std::string to = fmt::format("10.20.1.{}", 100 + n);
        sh(fmt::format("ip netns exec {} ping -q -c 1 -W 0.05 {}", a_, to));
        ::usleep(200'000);
        for (const auto &one : {first, second})
            late += one.text().find(to) == std::string::npos;
    }
    EXPECT_LE(late, 2);
    for (const auto &one : {first, second})
        ::kill(one.pid, SIGKILL);
    for (int i = 0; i < 100 && links().find("xvtep-wakeup") != std::string::npos; i++)
        ::usleep(50'000);
    EXPECT_EQ(links().find("xvtep-wakeup"), std::string::npos) << "they go with their listeners";
}

// As an event loop has it: sleeps on fd(), takes one at a time, never waits for the next second.
TEST_F(MissCase, WhatIsLeftKeepsTheDescriptorReadable)
{
    struct : MissListener {
        void on_l3miss(const L3Miss &) override { count++; }
        unsigned count = 0;
    } listener;
    const auto scope = Netns::open(a_)->enter();
    auto source = MissSource::open("vxlan0");
    ASSERT_TRUE(source);
    const auto readable = [&](int timeout) {
        pollfd one{source->fd(), POLLIN, 0};
        return ::poll(&one, 1, timeout) == 1;
    };
    const auto miss = [&](int n) {
        sh(fmt::format("ip netns exec {} ping -q -c 1 -W 0.05 10.20.1.{}", a_, n));
    };
    in(a_, "sysctl -qw net.ipv4.neigh.vxlan0.retrans_time_ms=60000"); // each IP is asked for once
    int next = 50;
    for (const char *change : {"", "link set xvtep-wakeup0 down", "link del xvtep-wakeup0"}) {
        SCOPED_TRACE(change);
        if (*change != '\0')
            ip(a_, change);
        const unsigned before = listener.count;
        for (int n = 0; n < 3; n++)
            miss(next++);
        for (unsigned n = 1; n <= 3; n++) {
            ASSERT_TRUE(readable(300)) << n;
            for (int tries = 0; tries < 3 && listener.count < before + n; tries++)
                (void)source->poll(listener, std::chrono::milliseconds(0), 1);
            EXPECT_EQ(listener.count, before + n);
        }
        (void)source->poll(listener, std::chrono::milliseconds(0), 1);
        EXPECT_FALSE(readable(100)) << "nothing is left";
        miss(next++);
        EXPECT_TRUE(readable(300));
        (void)source->poll(listener, std::chrono::milliseconds(0));
        EXPECT_EQ(listener.count, before + 4);
    }
    const auto tap = Json::parse(must(fmt::format(
        "bpftool -j map lookup pinned /sys/fs/bpf/xvtep/{}/maps/wakeup_taps key 0 0 0 0",
        *Netns::open(a_)->cookie())));
    EXPECT_EQ(tap["formatted"]["value"], 0) << "the device's index may be another's by now";
}

// What a listener throws ends that poll, and loses nothing but the event it was thrown at.
TEST_F(MissCase, AListenerThatThrowsIsAskedAgain)
{
    struct : MissListener {
        void on_l3miss(const L3Miss &miss) override
        {
            heard.push_back(miss.ip.text());
            if (heard.size() == 2)
                throw std::runtime_error("no");
        }
        std::vector<std::string> heard;
    } listener;
    const auto scope = Netns::open(a_)->enter();
    auto source = MissSource::open("vxlan0");
    ASSERT_TRUE(source);
    for (int n = 3; n < 6; n++)
        ping(fmt::format("10.20.1.{}", n));
    const auto wait = std::chrono::seconds(1);
    EXPECT_THROW((void)source->poll(listener, wait), std::runtime_error);
    const auto rest = source->poll(listener, wait);
    ASSERT_TRUE(rest);
    EXPECT_EQ(*rest, 1U);
    EXPECT_EQ(listener.heard, (std::vector<std::string>{"10.20.1.3", "10.20.1.4", "10.20.1.5"}));
}

// The name is asked for once a while, not for each miss: but a new one is soon seen.
TEST_F(MissCase, ARenamedDeviceIsCalledByItsNewName)
{
    struct : MissListener {
        void on_l3miss(const L3Miss &miss) override { names.push_back(miss.ifname); }
        std::vector<std::string> names;
    } listener;
    const auto scope = Netns::open(a_)->enter();
    auto source = MissSource::open();
    ASSERT_TRUE(source);
    ping("10.20.1.3");
    ASSERT_TRUE(source->poll(listener, std::chrono::seconds(1)));
    ip(a_, "link set vxlan0 name vxlan9");
    ::usleep(150'000);
    ping("10.20.1.4");
    ASSERT_TRUE(source->poll(listener, std::chrono::seconds(1)));
    EXPECT_EQ(listener.names, (std::vector<std::string>{"vxlan0", "vxlan9"}));
}

TEST_F(MissCase, DetachEndsAMonitorWithALine)
{
    auto one = monitor("dev vxlan0");
    must(on_a("detach u1"));
    EXPECT_EQ(wait_for(one), 2);
    EXPECT_NE(Monitor::read(one.err).find("the VTEPs were detached"), std::string::npos);
    EXPECT_EQ(sh(on_a("monitor --timeout 1")).status, 2) << "nothing is attached";
}

TEST_F(MissCase, TheReadmesProgramHearsThem)
{
    const std::string out = file("readme");
    sh(fmt::format("(ip netns exec {0} timeout 5 {1} > {2} 2>&1 & sleep 0.5; "
                   "ip netns exec {0} ping -q -c 1 -W 0.2 10.20.1.3; sleep 0.2; {3}; wait)",
                   a_, XVTEP_DOCS_LISTENER, out, on_a("detach u1")));
    EXPECT_EQ(Monitor::read(out), "vxlan0 wants 10.20.1.3\ndetached\n");
}

TEST_F(MissCase, NeighboursAsIpPrintsThem)
{
    must(on_a(fmt::format("neigh add 10.20.1.3 lladdr {} dev vxlan0", peer_mac)));
    must(on_a(fmt::format("neigh add fd20::3 lladdr {} dev vxlan0 nud reachable", peer_mac)));
    ip(a_, fmt::format("neigh replace 10.20.1.3 lladdr {} dev vxlan0 nud permanent", peer_mac));
    EXPECT_EQ(must(on_a("neigh show")), fmt::format("10.20.1.3 dev vxlan0 lladdr {0} PERMANENT\n"
                                                    "fd20::3 dev vxlan0 lladdr {0} REACHABLE\n",
                                                    peer_mac));
    // The words and keys of `ip neigh`, blanks at a line's end aside.
    const auto line = in(a_, "ip -4 neigh show dev vxlan0");
    EXPECT_EQ(must(on_a("neigh show dev vxlan0")).substr(0, line.find_last_not_of(" \n") + 1),
              line.substr(0, line.find_last_not_of(" \n") + 1));
    EXPECT_EQ(Json::parse(must(on_a("-j neigh show")))[0],
              Json::parse(in(a_, "ip -4 -j neigh show nud permanent"))[0]);

    for (const auto &[words, status] :
         {std::pair("add 10.20.1.3 lladdr 02:00:00:00:00:09 dev vxlan0", 2),
          std::pair("change 10.20.1.9 lladdr 02:00:00:00:00:09 dev vxlan0", 2),
          std::pair("change 10.20.1.3 lladdr 02:00:00:00:00:09 dev vxlan0", 0),
          std::pair("get 10.20.1.3 dev vxlan0", 0), std::pair("get 10.20.1.9 dev vxlan0", 2),
          std::pair("del 10.20.1.9 dev vxlan0", 2), std::pair("del fd20::3 dev vxlan0", 0),
          std::pair("add 224.0.0.1 lladdr 02:00:00:00:00:09 dev vxlan0", 1),
          std::pair("add 10.20.1.9 lladdr 01:00:00:00:00:09 dev vxlan0", 1),
          std::pair("add 10.20.1.9 lladdr 02:00:00:00:00:09 dev u1", 2),
          std::pair("flush dev vxlan0", 0), std::pair("get 10.20.1.3 dev vxlan0", 2)})
        EXPECT_EQ(sh(on_a(fmt::format("neigh {}", words))).status, status) << words;
}

TEST_F(MissCase, ABatchStopsAtTheLineThatFails)
{
    const std::string lines = file("batch");
    std::ofstream(lines) << "fdb add 02:00:00:00:00:01 dev vxlan0 dst 192.168.8.102\n"
                            "# a remark\n"
                            "neigh add 10.20.1.3 lladdr 02:00:00:00:00:01 \\\n dev vxlan0\n"
                            "fdb add 02:00:00:00:00:01 dev vxlan0 dst 192.168.8.102\n"
                            "fdb add 02:00:00:00:00:02 dev vxlan0 dst 192.168.8.102\n";
    Output done = sh(on_a("-batch " + lines));
    EXPECT_EQ(done.status, 2);
    EXPECT_EQ(done.text, lines + ":5: fdb add 02:00:00:00:00:01: the entry exists\n");
    EXPECT_EQ(sh(on_a("fdb get 02:00:00:00:00:01 dev vxlan0")).status, 0) << "what came before";
    EXPECT_EQ(sh(on_a("neigh get 10.20.1.3 dev vxlan0")).status, 0);
    EXPECT_EQ(sh(on_a("fdb get 02:00:00:00:00:02 dev vxlan0")).status, 2);
    done = sh(on_a("-force -batch - < " + lines));
    EXPECT_EQ(done.status, 2);
    EXPECT_EQ(sh(on_a("fdb get 02:00:00:00:00:02 dev vxlan0")).status, 0);
    EXPECT_EQ(sh(on_a("-batch /nonexistent")).status, 2);
    EXPECT_EQ(sh(on_a("-batch /")).text, "/:1: batch: is a directory\n");
    done = sh(on_a("-batch - < /"));
    EXPECT_EQ(done.text, "-:1: batch: is a directory\n");
    EXPECT_EQ(done.status, 2);
}

// Many are written by several CPUs at once: what stands behind the line that fails is not there.
TEST_F(MissCase, ALargeBatchStopsAtTheLineThatFails)
{
    const auto mac = [](unsigned n) {
        return fmt::format("02:00:01:00:{:02x}:{:02x}", n >> 8, n & 255);
    };
    const auto add = [&](unsigned n) {
        return fmt::format("fdb add {} dev vxlan0 dst 192.168.8.102\n", mac(n));
    };
    for (const unsigned taken : {700U, 2000U}) {
        SCOPED_TRACE(taken);
        ASSERT_EQ(sh(on_a("fdb flush dev vxlan0")).status, 0);
        ASSERT_EQ(sh(on_a("fdb replace " + mac(taken) + " dev vxlan0 dst 192.168.8.103")).status,
                  0);
        const std::string lines = file("batch");
        {
            std::ofstream out(lines);
            for (unsigned n = 1; n <= 2600; n++)
                out << add(n);
        }
        Output done = sh(on_a("-batch " + lines));
        EXPECT_EQ(done.status, 2);
        EXPECT_EQ(done.text,
                  fmt::format("{}:{}: fdb add {}: the entry exists\n", lines, taken, mac(taken)));
        const auto count = [&] {
            return std::stoul(sh(on_a("fdb show dev vxlan0") + " | grep -c 192.168.8.102").text);
        };
        EXPECT_EQ(count(), taken - 1);
        EXPECT_EQ(sh(on_a("-force -batch " + lines)).status, 2);
        EXPECT_EQ(count(), 2599U);
        EXPECT_TRUE(
            sh(on_a("fdb get " + mac(taken) + " dev vxlan0")).text.contains("192.168.8.103"));
    }
    // The same MAC twice, in what different CPUs write.
    ASSERT_EQ(sh(on_a("fdb flush dev vxlan0")).status, 0);
    {
        std::ofstream out(file("batch"));
        for (unsigned n = 1; n <= 2600; n++)
            out << add(n == 2300 ? 2 : n);
    }
    EXPECT_TRUE(sh(on_a("-batch " + file("batch"))).text.contains(":2300: fdb add"));
    EXPECT_EQ(sh(on_a("fdb get " + mac(2299) + " dev vxlan0")).status, 0);
    EXPECT_EQ(sh(on_a("fdb get " + mac(2301) + " dev vxlan0")).status, 2);
}

// What a large batch is written by; where it fails entries go in one by one, and nobody would
// notice.
TEST_F(MissCase, RowsGoInUpToTheFirstPlaceThatIsTaken)
{
    const auto bulk =
        FdbBulk::open(fmt::format("/sys/fs/bpf/xvtep/{}", *Netns::open(a_)->cookie()));
    ASSERT_TRUE(bulk);
    // The remote of an entry that is there.
    must(on_a("fdb add 02:00:00:00:ff:ff dev vxlan0 dst 192.168.8.102"));
    const auto tables =
        Tables::open(fmt::format("/sys/fs/bpf/xvtep/{}", *Netns::open(a_)->cookie()));
    ASSERT_TRUE(tables) << tables.error().message();
    const auto ids = tables->remote_ids.entries();
    ASSERT_TRUE(ids);
    ASSERT_EQ(ids->size(), 1U);
    const __u32 remote = ids->front().second;
    std::array<xv_fdb_row, FdbBulk::most> rows{};
    const auto number = [&](unsigned first) {
        for (unsigned n = 0; n < rows.size(); n++) {
            rows[n].key = {.vni = 42, .dstport = htons(4789), .mac = {2, 0, 0, 0, 0, 0}};
            rows[n].key.mac[4] = static_cast<std::uint8_t>((first + n) >> 8);
            rows[n].key.mac[5] = static_cast<std::uint8_t>(first + n);
            rows[n].value.to = remote;
            rows[n].value.flags = XV_FDB_USER | XV_FDB_PERMANENT;
            rows[n].value.several = 1;
        }
    };
    number(100);
    EXPECT_EQ(bulk->put(rows), rows.size());
    EXPECT_EQ(bulk->put(rows), 0U);
    number(97);
    EXPECT_EQ(bulk->put(rows), 3U);
    const auto text = must(on_a("fdb show dev vxlan0"));
    EXPECT_EQ(std::ranges::count(text, '\n'), 1 + 3 + FdbBulk::most);
    EXPECT_NE(text.find("02:00:00:00:00:61 "), std::string::npos);
}

// Attaching and detaching inside a batch changes what the lines after it see.
TEST_F(MissCase, ABatchMayAttachAndDetach)
{
    const std::string lines = file("batch");
    std::ofstream(lines) << "detach u1\n"
                            "attach u1 --vni 43 --name vx43\n"
                            "fdb add 02:00:00:00:00:01 dev vx43 dst 192.168.8.102\n"
                            "attach u1 --vni 44 --name vx44\n"
                            "fdb add 02:00:00:00:00:01 dev vx44 dst 192.168.8.102\n"
                            "detach u1 --vni 43\n"
                            "fdb show\n";
    EXPECT_EQ(must(on_a("-batch " + lines)),
              "02:00:00:00:00:01 dev vx44 dst 192.168.8.102 self permanent\n");
}

TEST_F(MissCase, MaxaddressBoundsEntries)
{
    must(on_a("detach u1"));
    attach("--maxaddress 3 --remote 192.168.8.102"); // the default entry is one
    must(on_a("fdb add 02:00:00:00:00:01 dev vxlan0 dst 192.168.8.102"));
    must(on_a("fdb add 02:00:00:00:00:02 dev vxlan0 dst 192.168.8.102"));
    const Output full = sh(on_a("fdb add 02:00:00:00:00:03 dev vxlan0 dst 192.168.8.102"));
    EXPECT_EQ(full.status, 2);
    EXPECT_NE(full.text.find("3 entries already (maxaddress)"), std::string::npos) << full.text;
    must(on_a("fdb replace 02:00:00:00:00:02 dev vxlan0 dst 192.168.8.103"));
    must(on_a("fdb del 02:00:00:00:00:01 dev vxlan0"));
    must(on_a("fdb add 02:00:00:00:00:03 dev vxlan0 dst 192.168.8.102"));
    must(on_a("fdb flush dev vxlan0"));
    for (const int n : {1, 2, 3})
        must(on_a(fmt::format("fdb add 02:00:00:00:00:0{} dev vxlan0 dst 192.168.8.102", n)));
}

} // namespace
} // namespace xvtep::test
