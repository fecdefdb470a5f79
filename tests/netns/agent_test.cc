// SPDX-License-Identifier: GPL-2.0-only
// The agent as a program, between hosts with nothing preloaded.
//
//   c1 ── br0 vxlan0 [a] u1 ===== u2 [b] vxlan0 br0 ── c2        VNI 42, proxy, l2miss, l3miss

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <nlohmann/json.hpp>

#include "tests/support/netns_case.h"
#include "user/datapath/sizes.h"

namespace xvtep::test {
namespace {

using Json = nlohmann::json;

constexpr const char *mac1 = "02:00:00:00:00:01", *mac2 = "02:00:00:00:00:02";

std::string read(const std::string &file)
{
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

bool within(int milliseconds, const std::function<bool()> &what)
{
    for (; milliseconds > 0; milliseconds -= 20) {
        if (what())
            return true;
        ::usleep(20'000);
    }
    return what();
}

class AgentCase : public NetnsCase {
  protected:
    void SetUp() override
    {
        NetnsCase::SetUp();
        if (IsSkipped())
            return;
        dir_ = fmt::format("{}/xvtep-agent-{}", ::testing::TempDir(), ::getpid());
        std::filesystem::remove_all(dir_);
        std::filesystem::create_directories(dir_);
        file_ = dir_ + "/endpoints";
        a_ = host("a");
        b_ = host("b");
        c1_ = host("c1");
        c2_ = host("c2");
        for (const auto &one : {a_, b_, c1_, c2_})
            in(one,
               "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
        wire(a_, "u1", b_, "u2");
        ip(a_, "addr add 192.168.8.100/24 dev u1");
        ip(b_, "addr add 192.168.8.101/24 dev u2");
        attach(a_, "u1");
        attach(b_, "u2");
        container(a_, c1_, mac1, "10.20.1.2/24");
        container(b_, c2_, mac2, "10.20.1.3/24");
    }

    void TearDown() override
    {
        for (const int pid : pids_)
            if (::kill(pid, SIGKILL) == 0)
                ::waitpid(pid, nullptr, 0);
        if (!dir_.empty())
            std::filesystem::remove_all(dir_);
        NetnsCase::TearDown();
    }

    static void attach(const std::string &on, const std::string &device)
    {
        must(fmt::format("{} -n {} attach {} --vni 42 --name vxlan0 --proxy --l2miss --l3miss "
                         "--nolearning --bridge br0",
                         xvtep(), on, device));
    }
    static void container(const std::string &on, const std::string &name, const char *mac,
                          const char *address)
    {
        wire(on, "p0", name, "eth0");
        ip(on, "link set p0 master br0");
        ip(name, fmt::format("link set eth0 address {}", mac));
        ip(name, fmt::format("addr add {} dev eth0", address));
    }

    struct Running {
        int pid = -1;
        std::string log; // a file
    };

    Running agent(const std::string &on, const std::string &words, bool ready = true)
    {
        Running made;
        made.log = fmt::format("{}/log{}", dir_, count_++);
        const auto command = fmt::format("exec {} -n {} agent --state none {}", xvtep(), on, words);
        made.pid = ::fork();
        if (made.pid == 0) {
            if (std::freopen("/dev/null", "r", stdin) == nullptr ||
                std::freopen(made.log.c_str(), "w", stderr) == nullptr)
                ::_exit(127);
            ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
            ::_exit(127);
        }
        pids_.push_back(made.pid);
        if (ready) {
            EXPECT_TRUE(within(10'000, [&] { return read(made.log).contains("ready: "); }))
                << words << "\n"
                << read(made.log);
        }
        return made;
    }

    int stop(const Running &agent, int signal)
    {
        ::kill(agent.pid, signal);
        int status = 0;
        if (!within(10'000, [&] { return ::waitpid(agent.pid, &status, WNOHANG) == agent.pid; }))
            return -1000;
        std::erase(pids_, agent.pid);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }

    // As an editor does.
    void put(const std::string &lines) const
    {
        std::ofstream(file_ + ".edit") << lines;
        std::filesystem::rename(file_ + ".edit", file_);
    }
    static std::string line(const char *mac, const char *address, const char *vtep)
    {
        return fmt::format("vni 42 mac {} ip {} vtep {}\n", mac, address, vtep);
    }
    static std::string both()
    {
        return line(mac1, "10.20.1.2", "192.168.8.100") + line(mac2, "10.20.1.3", "192.168.8.101");
    }
    static std::string fdb(const std::string &on)
    {
        return must(fmt::format("{} -n {} fdb show dev vxlan0", xvtep(), on));
    }
    static std::string neigh(const std::string &on)
    {
        return must(fmt::format("{} -n {} neigh show dev vxlan0", xvtep(), on));
    }
    [[nodiscard]] int first_ping_lost() const { return pings_lost(c1_, "10.20.1.3", 1, "-W 5"); }

    std::string a_, b_, c1_, c2_, dir_, file_;
    std::vector<int> pids_;
    int count_ = 0;
};

TEST_F(AgentCase, TheFirstPingPassesAndEndpointsGoWithTheirPorts)
{
    const auto words = [&](const char *node, const char *mac, const char *address) {
        return fmt::format("--directory file:{} --node {} --endpoint 42,{},{}", file_, node, mac,
                           address);
    };
    agent(a_, fmt::format("--directory file:{} --node a", file_));
    agent(b_, words("b", mac2, "10.20.1.3"));
    ASSERT_TRUE(within(5000, [&] { return read(file_).contains(mac2); })) << read(file_);
    EXPECT_EQ(first_ping_lost(), 0);
    EXPECT_EQ(pings_lost(c1_, "10.20.1.3", 20, "-i 0.02"), 0);
    // The pair alone, by unicast alone.
    EXPECT_TRUE(fdb(a_).starts_with(fmt::format("{} dst 192.168.8.101", mac2))) << fdb(a_);
    const auto there = fdb(a_);
    EXPECT_EQ(std::ranges::count(there, '\n'), 1) << there;
    EXPECT_EQ(neigh(a_), fmt::format("10.20.1.3 lladdr {} REACHABLE\n", mac2));
    for (const auto &one : Json::parse(must(fmt::format("{} -n {} -j stats", xvtep(), a_))))
        EXPECT_EQ(one.value("flooded", 0), 0);
    // c1 was heard; it goes with its port, and its entry at the other end with it.
    EXPECT_TRUE(read(file_).contains(fmt::format("vni 42 mac {} ip 10.20.1.2 vtep 192.168.8.100 "
                                                 "port 4789 by a",
                                                 mac1)))
        << read(file_);
    ASSERT_TRUE(within(3000, [&] { return fdb(b_).contains(mac1); }));
    ip(a_, "link del p0");
    EXPECT_TRUE(within(5000, [&] { return !read(file_).contains(mac1); })) << read(file_);
    EXPECT_TRUE(within(3000, [&] { return !fdb(b_).contains(mac1); })) << fdb(b_);
}

// An address that moves by gratuitous ARP or an unsolicited advertisement: whoever talked to it
// follows, on every host.
//
//   c1, d1 ── a ═════ b ── c2, d2
class MovingAddress : public AgentCase {
  protected:
    void SetUp() override
    {
        AgentCase::SetUp();
        if (IsSkipped())
            return;
        d1_ = host("d1");
        d2_ = host("d2");
        for (const auto &[on, name, port, mac, number] :
             {std::tuple(a_, c1_, "", mac1, 1), std::tuple(b_, c2_, "", mac2, 2),
              std::tuple(a_, d1_, "q1", mac3, 3), std::tuple(b_, d2_, "q2", mac4, 4)}) {
            if (*port != '\0') {
                wire(on, port, name, "eth0");
                ip(on, fmt::format("link set {} master br0", port));
                ip(name, fmt::format("link set eth0 address {}", mac));
                ip(name, fmt::format("addr add 10.20.1.1{}/24 dev eth0", number));
            }
            in(name, "sysctl -qw net.ipv6.conf.all.disable_ipv6=0");
            ip(name, fmt::format("addr add fd20::1{}/64 dev eth0 nodad", number));
        }
        agent(a_, fmt::format("--directory file:{} --node a", file_));
        agent(b_, fmt::format("--directory file:{} --node b", file_));
    }

    void move(const std::string &from, const std::string &to)
    {
        if (!from.empty())
            ip(from, fmt::format("addr del {} dev eth0", address_));
        ip(to, fmt::format("addr add {} dev eth0 {}", address_, is_v6() ? "nodad" : ""));
        in(to,
           fmt::format("python3 {}/tests/support/announce.py eth0 {}", XVTEP_SOURCE_DIR, bare()));
    }
    [[nodiscard]] bool is_v6() const { return address_.contains(':'); }
    [[nodiscard]] std::string bare() const { return address_.substr(0, address_.find('/')); }
    // What the container's own stack believes.
    [[nodiscard]] std::string believed(const std::string &by) const
    {
        return must(fmt::format("ip -n {} neigh show {} dev eth0", by, bare()));
    }
    void expect_followed(const std::string &by, const char *mac) const
    {
        EXPECT_TRUE(within(2000, [&] { return believed(by).contains(mac); }))
            << by << " " << address_ << " is at " << mac << ", not " << believed(by);
        EXPECT_EQ(pings_lost(by, bare(), 5), 0) << by << " " << address_;
    }

    void expect_followed_everywhere(const std::string &address)
    {
        address_ = address;
        move("", c1_);
        ASSERT_TRUE(within(3000, [&] { return read(file_).contains(" ip " + bare() + " "); }))
            << read(file_);
        for (const auto &client : {d1_, d2_}) {
            ASSERT_TRUE(within(3000, [&] { return pings_lost(client, bare(), 1) == 0; })) << client;
            ASSERT_TRUE(believed(client).contains(mac1)) << believed(client);
        }
        move(c1_, c2_); // d1 had it on its own bridge
        expect_followed(d1_, mac2);
        expect_followed(d2_, mac2);
        move(c2_, c1_);
        expect_followed(d2_, mac1);
        expect_followed(d1_, mac1);
        move(c1_, d1_); // behind the same VTEP, for d2
        expect_followed(d2_, mac3);
    }

    static constexpr const char *mac3 = "02:00:00:00:00:03", *mac4 = "02:00:00:00:00:04";
    std::string d1_, d2_, address_;
};

TEST_F(MovingAddress, Ip4)
{
    expect_followed_everywhere("10.20.1.100/24");
}
TEST_F(MovingAddress, Ip6)
{
    expect_followed_everywhere("fd20::100/64");
}

// As the first ones, but with the fast path at the ports, and the host in the overlay too.
TEST_F(MovingAddress, ThroughFastPathPortsAndTheHostItself)
{
    for (const auto &[on, port] :
         {std::pair(a_, "p0"), std::pair(a_, "q1"), std::pair(b_, "p0"), std::pair(b_, "q2")})
        must(fmt::format("{} -n {} port add {} --vni 42", xvtep(), on, port));
    ip(a_, "addr add 10.20.1.50/24 dev br0");
    const auto host_believes = [&] {
        return must(fmt::format("ip -n {} neigh show 10.20.1.100 dev br0", a_));
    };
    address_ = "10.20.1.100/24";
    move("", c1_);
    for (const auto &client : {d1_, d2_, a_})
        ASSERT_TRUE(within(3000, [&] { return pings_lost(client, bare(), 1) == 0; })) << client;
    ASSERT_TRUE(host_believes().contains(mac1)) << host_believes();
    move(c1_, c2_);
    expect_followed(d1_, mac2);
    expect_followed(d2_, mac2);
    EXPECT_TRUE(within(2000, [&] { return host_believes().contains(mac2); })) << host_believes();
    EXPECT_EQ(pings_lost(a_, bare(), 3), 0);
}

// A virtual router's MAC (RFC 5798) moves with its address: the old host's bridge had it at a port.
TEST_F(MovingAddress, WithItsMac)
{
    const char *const mac = "00:00:5e:00:01:07";
    for (const auto &name : {c1_, c2_})
        ip(name, fmt::format("link set eth0 address {}", name == c1_ ? mac : mac2));
    address_ = "10.20.1.100/24";
    move("", c1_);
    for (const auto &client : {d1_, d2_})
        ASSERT_TRUE(within(3000, [&] { return pings_lost(client, bare(), 1) == 0; })) << client;
    ip(c1_, "link set eth0 address " + std::string(mac1));
    ip(c2_, "link set eth0 address " + std::string(mac));
    move(c1_, c2_);
    EXPECT_TRUE(within(2000, [&] { return pings_lost(d1_, bare(), 1, "-W 0.2") == 0; }));
    EXPECT_TRUE(within(2000, [&] { return pings_lost(d2_, bare(), 1, "-W 0.2") == 0; }));
}

// It speaks IP alone: nothing but the bridge's table says that it is there.
TEST_F(AgentCase, WhatTheBridgeHasLearnedIsAnnounced)
{
    agent(a_, fmt::format("--directory file:{} --node a", file_));
    ip(c1_, "neigh add 10.20.1.9 lladdr 02:00:00:00:00:09 dev eth0");
    pings_lost(c1_, "10.20.1.9", 1, "-W 0.1");
    EXPECT_TRUE(within(3000, [&] {
        return read(file_).contains(fmt::format("vni 42 mac {} vtep 192.168.8.100", mac1));
    })) << read(file_);
}

TEST_F(AgentCase, WhoeverAskedIsAnsweredWhenTheRecordComes)
{
    agent(a_, fmt::format("--directory file:{} --node a", file_));
    const int ping = ::fork();
    if (ping == 0) {
        ::execlp("sh", "sh", "-c",
                 fmt::format("exec ip netns exec {} ping -c 1 -W 5 10.20.1.3 > {}/ping", c1_, dir_)
                     .c_str(),
                 nullptr);
        ::_exit(127);
    }
    // Its second question, a second after the first, has gone by as well; the third would come at 2
    // s.
    ::usleep(1'300'000);
    const auto state = [&] { return must(fmt::format("ip -n {} neigh show 10.20.1.3", c1_)); };
    EXPECT_TRUE(state().contains("INCOMPLETE")) << state();
    put(both());
    EXPECT_TRUE(within(400, [&] { return state().contains(mac2); })) << state();
    ::kill(ping, SIGTERM);
    ::waitpid(ping, nullptr, 0);
}

TEST_F(AgentCase, KilledInAFloodItLosesNothingAndIsTakenOver)
{
    put(both() + line("02:00:00:00:00:09", "10.20.1.9", "192.168.8.101"));
    const auto words = "--no-announce --directory file:" + file_;
    const auto first = agent(a_, words);
    agent(b_, words);
    ASSERT_EQ(first_ping_lost(), 0);
    sh(fmt::format("ip netns exec {} ping -q -c 1 -W 0.3 10.20.1.9", c1_));
    EXPECT_TRUE(within(3000, [&] { return fdb(a_).contains("02:00:00:00:00:09"); })) << fdb(a_);
    must(fmt::format("{} -n {} fdb add 02:00:00:00:00:0a dev vxlan0 dst 192.168.8.7 permanent",
                     xvtep(), a_));
    must(fmt::format("{} -n {} neigh add 10.20.1.10 lladdr 02:00:00:00:00:0a dev vxlan0", xvtep(),
                     a_));

    const int killer = ::fork();
    if (killer == 0) {
        ::usleep(300'000);
        ::kill(first.pid, SIGKILL);
        ::_exit(0);
    }
    EXPECT_EQ(pings_lost(c1_, "10.20.1.3", 1000, "-i 0.001"), 0);
    ::waitpid(killer, nullptr, 0);
    EXPECT_EQ(stop(first, 0), -SIGKILL);

    // .9 goes and the other moves, unheard; the permanent ones are none of the agent's.
    put(line(mac1, "10.20.1.2", "192.168.8.100") + line(mac2, "10.20.1.3", "192.168.8.77") +
        line("02:00:00:00:00:0a", "10.20.1.10", "192.168.8.101"));
    const auto second = agent(a_, words);
    EXPECT_TRUE(within(5000, [&] { return fdb(a_).contains("192.168.8.77"); })) << fdb(a_);
    EXPECT_TRUE(within(3000, [&] { return !fdb(a_).contains("02:00:00:00:00:09"); })) << fdb(a_);
    EXPECT_FALSE(neigh(a_).contains("10.20.1.9 "));
    EXPECT_TRUE(fdb(a_).contains("02:00:00:00:00:0a dst 192.168.8.7 ")) << fdb(a_);
    EXPECT_TRUE(neigh(a_).contains("10.20.1.10 lladdr 02:00:00:00:00:0a PERMANENT")) << neigh(a_);
    put(both());
    EXPECT_TRUE(within(3000, [&] { return fdb(a_).contains("192.168.8.101"); })) << fdb(a_);
    EXPECT_EQ(pings_lost(c1_, "10.20.1.3"), 0);
    EXPECT_EQ(stop(second, SIGTERM), 0);
    EXPECT_TRUE(fdb(a_).contains(mac2)) << "what it wrote stays";
}

TEST_F(AgentCase, ACommandAnswersAndTheAgentTellsOfItself)
{
    const std::string script = dir_ + "/answer";
    std::ofstream(script) << fmt::format(
        "#!/bin/sh\nread line\nls -l /proc/$$/fd > {0}/fds\ncase \"$line\" in\n"
        "*10.20.1.3*|*{1}*) echo "
        "\"{{\\\"mac\\\":\\\"{1}\\\",\\\"vtep\\\":\\\"192.168.8.101\\\"}}\";;\n"
        "*10.20.1.2*|*{2}*) echo "
        "\"{{\\\"mac\\\":\\\"{2}\\\",\\\"vtep\\\":\\\"192.168.8.100\\\"}}\";;\n"
        "esac\n",
        dir_, mac2, mac1);
    std::filesystem::permissions(script, std::filesystem::perms::owner_all);

    const std::string notify = dir_ + "/notify";
    const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    notify.copy(address.sun_path, sizeof(address.sun_path) - 1);
    sockaddr generic{};
    static_assert(sizeof(address) >= sizeof(generic));
    ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr *>(&address), sizeof(address)), 0);

    const auto words =
        fmt::format("--log json --metrics 127.0.0.1:9469 --directory exec:{}", script);
    ip(a_, "link set lo up");
    ::setenv("NOTIFY_SOCKET", notify.c_str(), 1);
    const auto one = agent(a_, words);
    ::unsetenv("NOTIFY_SOCKET");
    std::string told(100, '\0');
    EXPECT_TRUE(within(3000, [&] { return ::recv(socket, told.data(), told.size(), 0) > 0; }));
    EXPECT_TRUE(told.starts_with("READY=1")) << told;
    ::close(socket);
    agent(b_, fmt::format("--directory exec:{}", script));
    EXPECT_EQ(first_ping_lost(), 0);
    // Input and output; a socket more would be the agent's.
    const auto descriptors = read(dir_ + "/fds");
    EXPECT_EQ(descriptors.find("anon_inode"), std::string::npos) << descriptors;
    std::size_t sockets = 0;
    for (auto at = descriptors.find("socket:"); at != std::string::npos;
         at = descriptors.find("socket:", at + 1))
        sockets++;
    EXPECT_EQ(sockets, 2U) << descriptors;

    const auto taken = agent(a_, words, false);
    int status = 0;
    EXPECT_TRUE(within(5000, [&] { return ::waitpid(taken.pid, &status, WNOHANG) == taken.pid; }))
        << "the metrics' address is taken";
    std::erase(pids_, taken.pid);
    EXPECT_EQ(WEXITSTATUS(status), 2) << read(taken.log);

    const auto text = in(a_, "curl -s -m 5 http://127.0.0.1:9469/metrics");
    std::istringstream lines(text);
    std::set<std::string> families;
    for (std::string metric; std::getline(lines, metric);) {
        std::istringstream of_line(metric);
        std::string name, value, type;
        if (metric.starts_with("# ")) {
            of_line >> name >> type >> name >> value;
            if (type == "TYPE") {
                EXPECT_TRUE(families.insert(name).second) << metric;
            }
            continue;
        }
        EXPECT_TRUE(of_line >> name >> value) << metric;
        EXPECT_NO_THROW((void)std::stod(value)) << metric;
        const auto family = name.substr(0, name.find('{'));
        EXPECT_TRUE(std::ranges::any_of(families, [&](const auto &known) {
            return family == known || family.starts_with(known + "_");
        })) << metric;
    }
    EXPECT_TRUE(text.contains("\nxvtep_agent_misses_total{kind=\"l3\"} ")) << text;
    EXPECT_FALSE(text.contains("\nxvtep_agent_table_writes_total 0\n")) << text;
    EXPECT_TRUE(text.contains("\nxvtep_agent_miss_seconds_bucket{le=\"+Inf\"} ")) << text;

    EXPECT_EQ(stop(one, SIGTERM), 0);
    std::istringstream log(read(one.log));
    for (std::string entry; std::getline(log, entry);) {
        const auto json = Json::parse(entry, nullptr, false);
        EXPECT_TRUE(json.is_object() && json.contains("time") && json.contains("level") &&
                    json.contains("message"))
            << entry;
    }
}

// The lines about privileges of each thread, as /proc has them.
std::set<std::string> privileges_of(const std::string &process)
{
    std::set<std::string> all;
    for (const auto &thread : std::filesystem::directory_iterator("/proc/" + process + "/task")) {
        std::istringstream lines(read(thread.path() / "status"));
        std::string text;
        for (std::string entry; std::getline(lines, entry);)
            if (entry.starts_with("Cap") || entry.starts_with("NoNew"))
                text += entry.substr(entry.find('\t') + 1) + " ";
        all.insert(text);
    }
    return all;
}

// Inheritable, permitted, effective, bounding and ambient capabilities, and no_new_privs.
constexpr const char *no_privileges = "0000000000000000 0000000000000000 0000000000000000 "
                                      "0000000000000000 0000000000000000 1 ";

TEST_F(AgentCase, GivesPrivilegesUp)
{
    const std::string script = dir_ + "/answer", told = dir_ + "/told";
    std::ofstream(script) << "#!/bin/sh\ngrep -E \"^(Cap|NoNew)\" /proc/self/status | cut -f 2 | "
                             "tr \"\\n\" \" \" > "
                          << told << ".new\nmv " << told << ".new " << told << "\n";
    std::filesystem::permissions(script, std::filesystem::perms::owner_all);
    ip(a_, "link set lo up");
    const auto one = agent(a_, fmt::format("--metrics 127.0.0.1:9469 --directory exec:{}", script));
    EXPECT_EQ(privileges_of(std::to_string(one.pid)),
              (std::set<std::string>{// CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN, CAP_PERFMON and
                                     // CAP_BPF; without the third and fourth; none for metrics
                                     "0000000000000000 000000c000203000 0000008000003000 "
                                     "0000000000000000 0000000000000000 1 ",
                                     no_privileges}));
    (void)first_ping_lost();
    EXPECT_TRUE(within(3000, [&] { return std::filesystem::exists(told); }));
    EXPECT_EQ(read(told), no_privileges) << "of a command";
    EXPECT_EQ(stop(one, SIGTERM), 0) << read(one.log);

    put(both());
    const auto two = agent(a_, fmt::format("--directory file:{} --node a", file_));
    EXPECT_EQ(privileges_of(std::to_string(two.pid)),
              (std::set<std::string>{"0000000000000000 000000c00020300b 000000800000300b "
                                     "0000000000000000 0000000000000000 1 "}))
        << "files of others, too";
}

// The programs are loaded anew, and those in XDP mode take CAP_SYS_ADMIN.
TEST_F(AgentCase, AFullTableGrowsWithWhatItHasKept)
{
    wire(a_, "u3", b_, "u4");
    ip(a_, "addr add 192.168.9.100/24 dev u3");
    must(fmt::format("{} -n {} attach u3 --vni 43 --name vxlan1 --mode skb", xvtep(), a_));
    put(both());
    agent(a_, fmt::format("--directory file:{} --node a", file_));
    agent(b_, fmt::format("--directory file:{} --node b", file_));
    const auto maps = fmt::format("/sys/fs/bpf/xvtep/{}/maps", *Netns::open(a_)->cookie());
    std::ofstream lines(dir_ + "/lines");
    for (unsigned n = 0; n < XV_FDB_START; n++)
        lines << fmt::format("fdb add 02:f0:00:00:{:02x}:{:02x} dev vxlan1 dst 192.168.9.8\n",
                             n >> 8, n & 255);
    lines.close();
    must(fmt::format("{} -n {} -batch {}/lines", xvtep(), a_, dir_));
    ASSERT_EQ(Sizes::of(maps)->fdb, __u32{XV_FDB_START});
    EXPECT_EQ(first_ping_lost(), 0);
    EXPECT_GT(Sizes::of(maps)->fdb, __u32{XV_FDB_START}) << read(dir_ + "/log0");
}

TEST_F(AgentCase, VtepsComeAndGoAndTwoAgentsAgree)
{
    put(both());
    must(fmt::format("{} -n {} detach u1", xvtep(), a_));
    const auto words = "--no-announce --directory file:" + file_;
    const auto one = agent(a_, words), two = agent(a_, words);
    agent(b_, words);
    for (int round = 0; round < 2; round++) {
        attach(a_, "u1");
        ip(a_, "link set p0 master br0");
        // It looks for VTEPs once a second.
        EXPECT_TRUE(within(5000, [&] { return pings_lost(c1_, "10.20.1.3", 1, "-W 1") == 0; }))
            << round;
        EXPECT_EQ(pings_lost(c1_, "10.20.1.3", 5), 0) << round;
        must(fmt::format("{} -n {} detach u1", xvtep(), a_));
        EXPECT_TRUE(within(3000, [&] { return read(one.log).contains("detached"); }));
    }
    EXPECT_EQ(stop(one, SIGTERM), 0) << read(one.log);
    EXPECT_EQ(stop(two, SIGINT), 0) << read(two.log);
}

TEST_F(AgentCase, WithdrawsAtItsEndIfToldTo)
{
    put("# kept\nvni 42 mac 02:00:00:00:00:0b vtep 192.168.8.101\n");
    const auto words = fmt::format(
        "--withdraw --node a --endpoint 42,{},10.20.1.2 --directory file:{}", mac1, file_);
    const auto one = agent(a_, words);
    ASSERT_TRUE(within(3000, [&] { return read(file_).contains(mac1); })) << read(file_);
    // Somebody holds the lock for a moment.
    const int holder = ::fork();
    if (holder == 0) {
        ::execlp("flock", "flock", (file_ + ".lock").c_str(), "sleep", "0.4", nullptr);
        ::_exit(127);
    }
    ::usleep(100'000);
    EXPECT_EQ(stop(one, SIGTERM), 0);
    ::waitpid(holder, nullptr, 0);
    EXPECT_EQ(read(file_), "# kept\nvni 42 mac 02:00:00:00:00:0b vtep 192.168.8.101\n");
}

TEST_F(AgentCase, AFileOfSomebodyElseIsRefusedAndLeftAlone)
{
    const std::string theirs = "127.0.0.1 localhost\n10.0.0.1 host\n";
    put(theirs);
    const Output done =
        sh(fmt::format("{} -n {} agent --state none --directory file:{}", xvtep(), a_, file_), 5);
    EXPECT_EQ(done.status, 2);
    EXPECT_EQ(done.text, "read " + file_ + ": none of its lines is a record\n");
    EXPECT_EQ(read(file_), theirs);
    EXPECT_FALSE(std::filesystem::exists(file_ + ".lock"));

    put(both() + theirs);
    const auto running =
        agent(a_, fmt::format("--node a --endpoint 42,{},10.20.1.2 --directory file:{}",
                              "02:00:00:00:00:09", file_));
    EXPECT_TRUE(within(3000, [&] { return read(running.log).contains("another program"); }));
    ::usleep(1'500'000);
    EXPECT_EQ(read(file_), both() + theirs);
    const auto log = read(running.log);
    EXPECT_EQ(log.find("another program"), log.rfind("another program")) << log;
    EXPECT_EQ(first_ping_lost(), 1) << "b has no agent";
    EXPECT_TRUE(fdb(a_).contains(mac2)) << "the records are still answered: " << fdb(a_);
}

TEST_F(AgentCase, WithoutPermissionItEnds)
{
    const Output done = sh(fmt::format("nsenter --net=/run/netns/{} setpriv --inh-caps=-all "
                                       "--bounding-set=-all {} agent --state none --directory "
                                       "exec:true",
                                       a_, xvtep()),
                           5);
    EXPECT_EQ(done.status, 2);
    EXPECT_EQ(done.text, "listen: no permission (needs CAP_NET_ADMIN and CAP_BPF)\n");
}

TEST_F(AgentCase, WrongWordsAreSaidInOneLine)
{
    for (const auto &[words, status] :
         {std::pair("", 1),
          std::pair("--directory ftp:x", 1),
          std::pair("--directory file:", 1),
          std::pair("--directory exec:", 1),
          std::pair("--directory file:/nonexistent/dir/file", 2),
          std::pair("--directory file:/dev/zero", 2),
          std::pair("--directory file:/tmp", 2),
          std::pair("--directory exec:true --state /tmp", 2),
          std::pair("--directory exec:true --state /dev/zero", 2),
          std::pair("--directory exec:true --endpoint 42", 1),
          std::pair("--directory exec:true --endpoint 42,xx", 1),
          std::pair("--directory exec:true --endpoint 0,02:00:00:00:00:01", 1),
          std::pair("--directory exec:true --endpoint 42,01:00:00:00:00:01", 1),
          std::pair("--directory exec:true --endpoint 42,02:00:00:00:00:01,0.0.0.0", 1),
          std::pair("--directory exec:true --endpoint 42,02:00:00:00:00:01,10.0.0.1,224.0.0.1", 1),
          std::pair("--directory exec:true --endpoint 42,02:00:00:00:00:01,10.0.0.1,10.0.0.2,x", 1),
          std::pair("--directory exec:true --vni 0", 1),
          std::pair("--directory exec:true --vni 16777216", 1),
          std::pair("--directory exec:true --vtep nowhere", 1),
          std::pair("--directory exec:true --log xml", 1),
          std::pair("--directory exec:true --log-level loud", 1),
          std::pair("--directory exec:true --metrics 9469", 1),
          std::pair("--directory exec:true --metrics 127.0.0.1:0", 1),
          std::pair("--directory exec:/proc/none", 2),
          std::pair("--directory \"exec:/proc/none word\"", 2),
          std::pair("--directory exec:/dev/null", 2),
          std::pair("--directory exec:/tmp", 2),
          std::pair("--directory file:/proc/nope", 2),
          std::pair("--directory exec:true --state /proc/nope", 2),
          std::pair("--directory exec:true --state /proc/nope/file", 2),
          std::pair("--directory exec:true --lease 10", 1),
          std::pair("--directory file:/proc/nope --lease 1", 1),
          std::pair("--directory exec:true --etcd-user me", 1),
          std::pair("--directory exec:true --frob", 1)}) {
        const std::string state =
            std::string_view(words).contains("--state") ? "" : "--state none ";
        const Output done = sh(fmt::format("{} -n {} agent {}{}", xvtep(), a_, state, words), 5);
        EXPECT_EQ(done.status, status) << words << "\n" << done.text;
        EXPECT_EQ(std::ranges::count(done.text, '\n'), 1) << words << "\n" << done.text;
    }
    const Output node =
        sh(fmt::format("{} -n {} agent --directory exec:true --node \"a b\"", xvtep(), a_), 5);
    EXPECT_EQ(node.status, 1) << node.text;
    const Output batch = sh(fmt::format("echo agent --help | {} -batch -", xvtep()), 5);
    EXPECT_EQ(batch.status, 1) << batch.text;
    EXPECT_EQ(batch.text, "-:1: agent: not in a batch: it is a program of its own\n");
}

} // namespace
} // namespace xvtep::test
