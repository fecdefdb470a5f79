// SPDX-License-Identifier: GPL-2.0-only
// The etcd directory and Debian's etcd, in a namespace of their own.

#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>

#include <netinet/in.h>
#include <spawn.h>
#include <sys/socket.h>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/support/netns_case.h"
#include "user/agent/etcd/base64.h"
#include "user/agent/etcd/directory.h"
#include "user/agent/etcd/keys.h"

namespace xvtep::test {
namespace {

using namespace xvtep::agent;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using Answer = Directory::Answer;

Mac mac(unsigned n)
{
    return Mac{{2, 0, 0, 0, static_cast<std::uint8_t>(n >> 8), static_cast<std::uint8_t>(n)}};
}
Ip address(unsigned n)
{
    return *Ip::parse(fmt::format("10.20.{}.{}", n >> 8, n & 255));
}
Ip vtep(unsigned n)
{
    return *Ip::parse(fmt::format("192.0.2.{}", n));
}
Key mac_key(unsigned n, std::uint32_t vni = 42)
{
    return {vni, mac(n)};
}
Key ip_key(unsigned n, std::uint32_t vni = 42)
{
    return {vni, address(n)};
}
Record endpoint(unsigned n, unsigned at, std::uint32_t vni = 42)
{
    return {vni, mac(n), address(n), vtep(at), 0};
}

// Whoever uses a directory: its loop, and what it was told.
class User : public Directory::Client {
  public:
    explicit User(EtcdOptions options)
    {
        auto made = make_etcd_directory(loop, *this, std::move(options));
        EXPECT_TRUE(made) << made.error().message();
        directory = std::move(*made);
        users.push_back(this);
    }
    ~User() override { std::erase(users, this); }

    void changed(const Key &key, const std::optional<Record> &record) override
    {
        changes.emplace_back(key, record);
        state[key] = record;
    }
    void resync() override { lost++; }

    bool until(const std::function<bool()> &condition, std::chrono::milliseconds most = 5s)
    {
        const auto end = Loop::Clock::now() + most;
        while (!condition()) {
            if (Loop::Clock::now() > end)
                return false;
            for (User *user : users)
                user->loop.run(Loop::Clock::now() + 2ms);
        }
        return true;
    }
    void spend(std::chrono::milliseconds time)
    {
        const auto end = Loop::Clock::now() + time;
        until([&] { return Loop::Clock::now() >= end; }, time);
    }

    Answer ask(const Key &key, std::chrono::milliseconds most = 5s)
    {
        std::optional<Answer> got;
        directory->look_up(key, [&](Answer answer) { got = std::move(answer); });
        EXPECT_FALSE(got) << "called back out of the call";
        EXPECT_TRUE(until([&] { return got.has_value(); }, most)) << "no answer";
        return got ? *got : Answer(std::optional<Record>());
    }
    // The VTEP of an endpoint, "none", or an error's text.
    std::string where(const Key &key)
    {
        const Answer answer = ask(key);
        if (!answer)
            return answer.error().message();
        return *answer ? (*answer)->vtep.text() : "none";
    }
    bool says(const Key &key, const std::string &what)
    {
        const auto found = state.find(key);
        return found != state.end() &&
               (found->second ? found->second->vtep.text() : "none") == what;
    }

    Loop loop = std::move(*Loop::make());
    std::vector<std::pair<Key, std::optional<Record>>> changes;
    std::map<Key, std::optional<Record>> state;
    int lost = 0;
    std::unique_ptr<EtcdDirectory> directory;

  private:
    static inline std::vector<User *> users; // all of them run while one waits
};

class EtcdCase : public NetnsCase {
  protected:
    struct Server {
        int pid = -1;
        unsigned port = 0;
        std::vector<std::string> words;
    };

    void SetUp() override
    {
        NetnsCase::SetUp();
        if (IsSkipped())
            return;
        if (sh("command -v etcd && command -v etcdctl").status != 0)
            GTEST_SKIP() << "etcd and etcdctl (etcd-server, etcd-client) are not installed";
        const std::string memory =
            ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : ::testing::TempDir();
        directory_ = fmt::format("{}/xvtep-etcd-{}", memory, ::getpid());
        std::filesystem::remove_all(directory_);
        std::filesystem::create_directory(directory_);
        auto entered = Netns::open(host("etcd"))->enter();
        ASSERT_TRUE(entered) << entered.error().message();
        scope_.emplace(std::move(*entered));
    }

    void TearDown() override
    {
        for (const int pid : pids_) {
            ::kill(pid, SIGKILL);
            ::waitpid(pid, nullptr, 0);
        }
        scope_.reset();
        if (!directory_.empty())
            std::filesystem::remove_all(directory_);
        NetnsCase::TearDown();
    }

    int spawn(const std::vector<std::string> &words, const std::string &output)
    {
        std::vector<char *> argv;
        for (const auto &word : words)
            argv.push_back(const_cast<char *>(word.c_str()));
        argv.push_back(nullptr);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_addopen(&actions, 1, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                         0600);
        posix_spawn_file_actions_adddup2(&actions, 1, 2);
        int pid = -1;
        EXPECT_EQ(::posix_spawnp(&pid, words[0].c_str(), &actions, nullptr, argv.data(), environ),
                  0);
        posix_spawn_file_actions_destroy(&actions);
        return pid;
    }

    void start(Server &server)
    {
        server.pid = spawn(server.words, fmt::format("{}/log-{}", directory_, server.port));
        pids_.push_back(server.pid);
    }

    void kill(Server &server)
    {
        ::kill(server.pid, SIGKILL);
        ::waitpid(server.pid, nullptr, 0);
        std::erase(pids_, server.pid);
    }

    Server server(unsigned port, const std::vector<std::string> &more = {},
                  const std::string &cluster = {}, const std::string &scheme = "http")
    {
        Server made;
        made.port = port;
        const std::string url = fmt::format("{}://127.0.0.1:{}", scheme, port);
        const std::string peer = fmt::format("http://127.0.0.1:{}", port + 1);
        const std::string name = fmt::format("n{}", port);
        made.words = {"etcd",
                      "--name",
                      name,
                      "--data-dir",
                      fmt::format("{}/data-{}", directory_, port),
                      "--listen-client-urls",
                      url,
                      "--advertise-client-urls",
                      url,
                      "--listen-peer-urls",
                      peer,
                      "--initial-advertise-peer-urls",
                      peer,
                      "--initial-cluster",
                      cluster.empty() ? name + "=" + peer : cluster,
                      "--heartbeat-interval",
                      "20",
                      "--election-timeout",
                      "200"};
        made.words.insert(made.words.end(), more.begin(), more.end());
        return made;
    }

    // One server, running.
    Server simple()
    {
        Server made = server(2379);
        start(made);
        wait_for_server();
        return made;
    }

    void wait_for_server()
    {
        const auto end = Loop::Clock::now() + 10s;
        while (!listens(2379) || etcdctl({"get", "/"}).status != 0) {
            if (Loop::Clock::now() > end)
                FAIL() << "etcd does not start";
            ::usleep(10'000);
        }
    }

    static bool listens(std::uint16_t port)
    {
        const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return ::connect(fd.get(), reinterpret_cast<sockaddr *>(&to), sizeof to) == 0;
    }

    Output etcdctl(std::vector<std::string> words)
    {
        words.insert(words.begin(), {"etcdctl", "--command-timeout=2s", "--dial-timeout=1s"});
        words.insert(words.begin() + 1, ctl_.begin(), ctl_.end());
        const std::string file = directory_ + "/ctl";
        const int pid = spawn(words, file);
        int status = 0;
        ::waitpid(pid, &status, 0);
        std::ifstream in(file);
        return {WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                std::string(std::istreambuf_iterator<char>(in), {})};
    }
    std::string ctl(const std::vector<std::string> &words)
    {
        const Output output = etcdctl(words);
        EXPECT_EQ(output.status, 0) << words[0] << ": " << output.text;
        return output.text;
    }

    void put(const Key &key, const std::string &value)
    {
        ctl({"put", etcd_key(prefix, key), "--", value});
    }
    void put(const Key &key, Record record) { put(key, to_json(record)); }
    std::string get(const Key &key)
    {
        std::string text = ctl({"get", "--print-value-only", etcd_key(prefix, key)});
        while (text.ends_with('\n'))
            text.pop_back();
        return text;
    }
    std::size_t count()
    {
        const std::string text = ctl({"get", "--prefix", "--keys-only", prefix});
        return static_cast<std::size_t>(std::count(text.begin(), text.end(), '/')) / 5;
    }

    static EtcdOptions options(const std::string &url = "http://127.0.0.1:2379")
    {
        auto parsed = parse_etcd_url(url);
        EXPECT_TRUE(parsed) << parsed.error().message();
        parsed->lease_ttl = 3s;
        return *parsed;
    }

    static constexpr const char *prefix = "/xvtep/v1";
    std::string directory_;
    std::vector<std::string> ctl_;

  private:
    std::optional<Netns::Scope> scope_;
    std::vector<int> pids_;
};

TEST_F(EtcdCase, LookUps)
{
    simple();
    put(mac_key(1), endpoint(1, 9));
    put(ip_key(1), endpoint(1, 9));
    put(ip_key(2), "{}");
    put(ip_key(3), endpoint(4, 9));
    put(ip_key(5), R"({"mac":"ff:ff:ff:ff:ff:ff","vtep":"192.0.2.1"})");
    put(ip_key(6), std::string(100'000, 'x'));
    User user(options());
    EXPECT_EQ(user.where(mac_key(1)), "192.0.2.9");
    EXPECT_EQ(user.where(ip_key(1)), "192.0.2.9");
    EXPECT_EQ(user.where(ip_key(1, 43)), "none");
    EXPECT_EQ(user.where(mac_key(2)), "none");
    EXPECT_THAT(user.where(ip_key(2)), HasSubstr("no vtep"));
    EXPECT_THAT(user.where(ip_key(3)), HasSubstr("it is for mac"));
    EXPECT_THAT(user.where(ip_key(5)), HasSubstr("no endpoint's MAC"));
    EXPECT_THAT(user.where(ip_key(6)), HasSubstr("too many"));
    EXPECT_EQ(user.directory->name(), "etcd http://127.0.0.1:2379");
}

TEST_F(EtcdCase, ManyLookUpsAreFewRequests)
{
    simple();
    User announcer(options());
    std::set<Record> own;
    for (unsigned n = 1; n <= 500; n++)
        own.insert(endpoint(n, 9));
    announcer.directory->announce(own);
    ASSERT_TRUE(announcer.until([&] { return announcer.directory->settled(); }));
    // Values of a megabyte in the midst of them: the others are answered all the same.
    put(ip_key(700), std::string(120'000, 'x'));
    std::string file = directory_ + "/big";
    std::ofstream(file) << std::string(1'200'000, 'x');
    sh(fmt::format("etcdctl put {} <{}", etcd_key(prefix, ip_key(701)), file));

    User user(options());
    EXPECT_EQ(user.where(ip_key(1)), "192.0.2.9");
    const auto before = user.directory->counters().requests;
    int found = 0, absent = 0, errors = 0;
    for (unsigned n = 1; n <= 1000; n++)
        user.directory->look_up(ip_key(n), [&](const Answer &answer) {
            (answer ? *answer ? found : absent : errors)++;
        });
    EXPECT_TRUE(user.until([&] { return found + absent + errors == 1000; }));
    EXPECT_EQ(found, 500);
    EXPECT_EQ(absent, 498);
    EXPECT_EQ(errors, 2);
    EXPECT_LT(user.directory->counters().requests - before, 40U);
}

TEST_F(EtcdCase, Watch)
{
    simple();
    put(ip_key(1), endpoint(1, 9));
    User user(options());
    EXPECT_EQ(user.where(ip_key(1)), "192.0.2.9");
    put(ip_key(1), endpoint(1, 10)); // between the answer and the watch
    user.directory->watch({42});
    EXPECT_TRUE(user.until([&] { return user.says(ip_key(1), "192.0.2.10"); }));
    EXPECT_TRUE(user.until([&] { return user.directory->watches(); }));
    put(mac_key(2), endpoint(2, 9));
    EXPECT_TRUE(user.until([&] { return user.says(mac_key(2), "192.0.2.9"); }));
    put(mac_key(2), endpoint(2, 11));
    EXPECT_TRUE(user.until([&] { return user.says(mac_key(2), "192.0.2.11"); }));
    put(mac_key(2), "nonsense");
    put(mac_key(3, 43), endpoint(3, 9, 43)); // nobody watches it
    ctl({"put", std::string(prefix) + "/42/other", "x"});
    ctl({"del", etcd_key(prefix, ip_key(1))});
    EXPECT_TRUE(user.until([&] { return user.says(ip_key(1), "none"); }));
    EXPECT_TRUE(user.says(mac_key(2), "192.0.2.11"));
    EXPECT_EQ(user.changes.size(), 4U);
    EXPECT_EQ(user.directory->counters().refused, 1U);

    user.directory->watch({42, 43});
    EXPECT_TRUE(user.until([&] { return user.directory->watches(); }));
    put(mac_key(3, 43), endpoint(3, 12, 43));
    EXPECT_TRUE(user.until([&] { return user.says(mac_key(3, 43), "192.0.2.12"); }));
    user.directory->watch({});
    user.spend(50ms);
    put(mac_key(3, 43), endpoint(3, 13, 43));
    user.spend(100ms);
    EXPECT_TRUE(user.says(mac_key(3, 43), "192.0.2.12"));
    EXPECT_EQ(user.lost, 0);
}

TEST_F(EtcdCase, WatchGoesOnAfterARestart)
{
    Server etcd = simple();
    EtcdOptions impatient = options();
    impatient.timeout = 600ms;
    User user(impatient);
    user.directory->watch({42});
    ASSERT_TRUE(user.until([&] { return user.directory->watches(); }));
    kill(etcd);
    ASSERT_TRUE(user.until([&] { return !user.directory->watches(); }));
    const auto asked = Loop::Clock::now();
    EXPECT_THAT(user.where(ip_key(1)), HasSubstr("connection refused"));
    EXPECT_LT(Loop::Clock::now() - asked, 900ms);
    start(etcd);
    wait_for_server();
    put(ip_key(1), endpoint(1, 9)); // may be before the watch is back
    const auto back = Loop::Clock::now();
    EXPECT_TRUE(user.until([&] { return user.says(ip_key(1), "192.0.2.9"); }));
    EXPECT_LT(Loop::Clock::now() - back, 1500ms);
    EXPECT_EQ(user.where(ip_key(1)), "192.0.2.9");
    EXPECT_EQ(user.lost, 0);
}

TEST_F(EtcdCase, CompactedWhileAway)
{
    simple();
    // A proxy that can be cut: the watch has to be away while etcd is there.
    Server gate;
    gate.port = 2390;
    gate.words = {"etcd", "gateway", "start", "--endpoints=127.0.0.1:2379",
                  "--listen-addr=127.0.0.1:2390"};
    start(gate);
    User user(options("http://127.0.0.1:2390"));
    user.directory->watch({42});
    ASSERT_TRUE(user.until([&] { return user.directory->watches(); }));
    kill(gate);
    ASSERT_TRUE(user.until([&] { return !user.directory->watches(); }));
    for (unsigned at = 9; at < 13; at++)
        put(ip_key(1), endpoint(1, at));
    const auto status = nlohmann::json::parse(ctl({"get", "/", "-w", "json"}));
    ctl({"compaction", std::to_string(status["header"]["revision"].get<std::uint64_t>())});
    start(gate);
    EXPECT_TRUE(user.until([&] { return user.lost == 1; }));
    EXPECT_EQ(user.where(ip_key(1)), "192.0.2.12");
    EXPECT_TRUE(user.until([&] { return user.directory->watches(); }));
    put(ip_key(1), endpoint(1, 13));
    EXPECT_TRUE(user.until([&] { return user.says(ip_key(1), "192.0.2.13"); }));
    EXPECT_EQ(user.lost, 1);
}

TEST_F(EtcdCase, DataLost)
{
    Server etcd = simple();
    for (unsigned at = 1; at < 6; at++)
        put(ip_key(9), endpoint(9, at));
    User user(options());
    user.directory->watch({42});
    user.directory->announce({endpoint(1, 9)});
    ASSERT_TRUE(user.until([&] { return user.directory->watches() && user.directory->settled(); }));
    EXPECT_EQ(get(ip_key(1)), to_json(endpoint(1, 9)));
    kill(etcd);
    std::filesystem::remove_all(fmt::format("{}/data-{}", directory_, etcd.port));
    start(etcd);
    EXPECT_TRUE(user.until([&] { return user.lost == 1; }));
    EXPECT_EQ(user.where(ip_key(9)), "none");
    EXPECT_TRUE(user.until([&] { return user.directory->watches() && user.directory->settled(); }));
    EXPECT_EQ(get(ip_key(1)), to_json(endpoint(1, 9)));
    put(ip_key(9), endpoint(9, 6));
    EXPECT_TRUE(user.until([&] { return user.says(ip_key(9), "192.0.2.6"); }));
}

TEST_F(EtcdCase, Announcements)
{
    simple();
    User user(options());
    Record second = endpoint(1, 9);
    second.ip = address(2);
    const Record only_mac{42, mac(5), {}, vtep(9), 4790};
    user.directory->announce({endpoint(1, 9), second, only_mac});
    ASSERT_TRUE(user.until([&] { return user.directory->settled(); }));
    EXPECT_EQ(count(), 4U);
    EXPECT_EQ(get(ip_key(1)), to_json(endpoint(1, 9)));
    EXPECT_EQ(get(ip_key(2)), to_json(second));
    EXPECT_EQ(get(mac_key(1)), R"({"vni":42,"mac":"02:00:00:00:00:01","vtep":"192.0.2.9"})");
    EXPECT_EQ(get(mac_key(5)), to_json(only_mac));

    user.directory->announce({second, only_mac});
    ASSERT_TRUE(user.until([&] { return user.directory->settled(); }));
    EXPECT_EQ(count(), 3U);
    put(mac_key(5), endpoint(5, 10)); // another host's now: not ours to delete
    user.directory->announce({});
    ASSERT_TRUE(user.until([&] { return user.directory->settled(); }));
    EXPECT_EQ(count(), 1U);
    EXPECT_EQ(get(mac_key(5)), to_json(endpoint(5, 10)));
}

TEST_F(EtcdCase, LeaseOutlivesItsHostForAWhile)
{
    simple();
    EtcdOptions short_lease = options();
    short_lease.lease_ttl = 1s;
    {
        User user(short_lease);
        user.directory->announce({endpoint(1, 9)});
        ASSERT_TRUE(user.until([&] { return user.directory->settled(); }));
        user.spend(2s); // kept alive
        EXPECT_EQ(count(), 2U);
    }
    EXPECT_EQ(count(), 2U);
    User watcher(options());
    watcher.directory->watch({42});
    // A restarted host's lease takes the keys over.
    User again(short_lease);
    again.directory->announce({endpoint(1, 9)});
    EXPECT_TRUE(again.until([&] { return again.directory->settled(); }));
    again.spend(1500ms);
    EXPECT_EQ(count(), 2U);
    again.directory.reset();
    EXPECT_TRUE(watcher.until([&] { return watcher.says(ip_key(1), "none"); }));
    EXPECT_EQ(count(), 0U);
}

TEST_F(EtcdCase, LeaseRevoked)
{
    simple();
    User seeing(options()), blind(options());
    seeing.directory->watch({42});
    seeing.directory->announce({endpoint(1, 9), endpoint(3, 9)});
    blind.directory->announce({endpoint(2, 9)});
    ASSERT_TRUE(
        seeing.until([&] { return seeing.directory->settled() && seeing.directory->watches(); }));
    ASSERT_TRUE(blind.until([&] { return blind.directory->settled(); }));
    const auto leases = nlohmann::json::parse(ctl({"lease", "list", "-w", "json"}));
    ASSERT_EQ(leases["leases"].size(), 2U);
    for (const auto &lease : leases["leases"])
        ctl({"lease", "revoke", fmt::format("{:x}", lease["id"].get<std::uint64_t>())});
    put(ip_key(3), endpoint(3, 10)); // another host was quicker
    // Gone, and put there again: both may have come by the time it is looked at.
    EXPECT_TRUE(seeing.until([&] {
        return std::ranges::count(seeing.changes, std::pair(ip_key(1), std::optional<Record>())) >
               0;
    }));
    EXPECT_TRUE(seeing.until([&] { return seeing.says(ip_key(1), "192.0.2.9"); }));
    EXPECT_EQ(get(ip_key(3)), to_json(endpoint(3, 10)));
    // Without a watch the lease tells.
    EXPECT_TRUE(blind.until([&] { return count() == 6; }));
    EXPECT_EQ(get(ip_key(2)), to_json(endpoint(2, 9)));
    EXPECT_EQ(get(ip_key(3)), to_json(endpoint(3, 10)));
}

TEST_F(EtcdCase, TakenOver)
{
    simple();
    User a(options()), b(options());
    a.directory->watch({42});
    b.directory->watch({42});
    a.directory->announce({endpoint(1, 9)});
    ASSERT_TRUE(a.until([&] { return a.directory->settled() && a.directory->watches(); }));
    b.directory->announce({endpoint(1, 10)});
    ASSERT_TRUE(b.until([&] { return b.directory->settled() && b.directory->watches(); }));
    ASSERT_TRUE(a.until([&] { return a.says(ip_key(1), "192.0.2.10"); }));
    EXPECT_EQ(get(ip_key(1)), to_json(endpoint(1, 10)));
    a.directory->announce({endpoint(1, 9), endpoint(2, 9)}); // no news of endpoint 1
    ASSERT_TRUE(a.until([&] { return a.directory->settled(); }));
    EXPECT_EQ(get(ip_key(1)), to_json(endpoint(1, 10)));
    a.directory->announce({endpoint(2, 9)});
    a.directory->announce({endpoint(1, 9), endpoint(2, 9)}); // it has come back
    ASSERT_TRUE(a.until([&] { return a.directory->settled(); }));
    EXPECT_EQ(get(ip_key(1)), to_json(endpoint(1, 9)));
    ASSERT_TRUE(b.until([&] { return b.says(ip_key(1), "192.0.2.9"); }));
    b.directory->announce({});
    b.spend(200ms);
    EXPECT_EQ(get(ip_key(1)), to_json(endpoint(1, 9)));
}

TEST_F(EtcdCase, FailsOver)
{
    const std::string cluster = "n2379=http://127.0.0.1:2380,n2389=http://127.0.0.1:2390,"
                                "n2399=http://127.0.0.1:2400";
    std::vector<Server> servers;
    for (const unsigned port : {2379U, 2389U, 2399U}) {
        servers.push_back(server(port, {}, cluster));
        start(servers.back());
    }
    wait_for_server();
    put(ip_key(1), endpoint(1, 9));
    // The first one is dead, the second one a black hole.
    must("ip link add d0 type veth peer name d1 && ip link set d1 up && ip addr add 203.0.113.2/24 "
         "dev d0 && ip link set d0 up && "
         "ip neigh add 203.0.113.1 lladdr 02:00:00:00:00:99 dev d0");
    User user(options("http://127.0.0.1:1,http://203.0.113.1:2379,http://127.0.0.1:2379,"
                      "http://127.0.0.1:2389,http://127.0.0.1:2399"));
    EXPECT_EQ(user.where(ip_key(1)), "192.0.2.9");
    EXPECT_EQ(user.directory->name(), "etcd http://127.0.0.1:2379");
    user.directory->watch({42});
    user.directory->announce({endpoint(2, 9)});
    ASSERT_TRUE(user.until([&] { return user.directory->watches() && user.directory->settled(); }));
    kill(servers[0]);
    ctl_ = {"--endpoints", "http://127.0.0.1:2399"};
    EXPECT_EQ(user.where(ip_key(1)), "192.0.2.9");
    put(ip_key(1), endpoint(1, 10));
    EXPECT_TRUE(user.until([&] { return user.says(ip_key(1), "192.0.2.10"); }));
    EXPECT_NE(user.directory->name(), "etcd http://127.0.0.1:2379");
    EXPECT_EQ(user.lost, 0);
    // Without a majority nobody knows.
    kill(servers[2]);
    ASSERT_TRUE(user.until([&] { return !user.directory->watches(); }));
    EXPECT_FALSE(user.ask(ip_key(1)));
    start(servers[2]);
    EXPECT_TRUE(user.until([&] { return user.directory->watches(); }));
    EXPECT_EQ(user.where(ip_key(1)), "192.0.2.10");
    EXPECT_EQ(user.lost, 0);
    EXPECT_EQ(get(ip_key(2)), to_json(endpoint(2, 9)));
}

TEST_F(EtcdCase, TlsAndUsers)
{
    const std::string d = directory_;
    const auto key = [](const std::string &file) {
        return fmt::format("-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout {}.key "
                           "-subj /O=$(basename {})",
                           file, file);
    };
    std::ofstream(d + "/ext")
        << "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n";
    must(fmt::format("openssl req -x509 {} -days 2 -out {}/ca.crt", key(d + "/ca"), d));
    for (const char *who : {"server", "client"})
        must(
            fmt::format("openssl req {0} -out {1}/{2}.csr && openssl x509 -req -in {1}/{2}.csr -CA "
                        "{1}/ca.crt -CAkey {1}/ca.key -CAcreateserial -days 2 -extfile {1}/ext "
                        "-out {1}/{2}.crt",
                        key(fmt::format("{}/{}", d, who)), d, who));
    Server etcd = server(2379,
                         {"--cert-file", d + "/server.crt", "--key-file", d + "/server.key",
                          "--trusted-ca-file", d + "/ca.crt", "--client-cert-auth",
                          "--bcrypt-cost=4", "--auth-token-ttl=1"},
                         {}, "https");
    start(etcd);
    ctl_ = {"--endpoints", "https://127.0.0.1:2379", "--cacert", d + "/ca.crt",
            "--cert",      d + "/client.crt",        "--key",    d + "/client.key"};
    wait_for_server();
    put(ip_key(1), endpoint(1, 9));
    ctl({"user", "add", "root:rootword"});
    ctl({"user", "add", "agent:agentword"});
    ctl({"role", "add", "agent"});
    ctl({"role", "grant-permission", "agent", "readwrite", "--prefix=true", "/xvtep/v1/"});
    ctl({"user", "grant-role", "agent", "agent"});
    ctl({"user", "grant-role", "root", "root"});
    ctl({"auth", "enable"});
    ctl_.insert(ctl_.end(), {"--user", "root:rootword"});

    EtcdOptions secure = options("https://127.0.0.1:2379");
    secure.timeout = 500ms;
    EXPECT_FALSE(User(secure).ask(ip_key(1))); // unknown authority
    secure.cacert = d + "/ca.crt";
    EXPECT_FALSE(User(secure).ask(ip_key(1))); // no certificate
    secure.cert = d + "/client.crt";
    secure.key = d + "/client.key";
    secure.user = "agent";
    secure.password = "wrong";
    EXPECT_THAT(User(secure).where(ip_key(1)), HasSubstr("authentication failed"));
    secure.password = "agentword";
    secure.timeout = 2s;
    User user(secure);
    EXPECT_EQ(user.where(ip_key(1)), "192.0.2.9");
    user.directory->watch({42});
    user.directory->announce({endpoint(2, 9)});
    ASSERT_TRUE(user.until([&] { return user.directory->watches() && user.directory->settled(); }));
    EXPECT_EQ(get(ip_key(2)), to_json(endpoint(2, 9)));
    // The token is good for a second; nothing breaks when it is not.
    user.spend(2500ms);
    EXPECT_EQ(user.where(ip_key(1)), "192.0.2.9");
    EXPECT_EQ(user.directory->counters().connects, 1U);
    put(ip_key(1), endpoint(1, 10));
    EXPECT_TRUE(user.until([&] { return user.says(ip_key(1), "192.0.2.10"); }));
    kill(etcd);
    start(etcd);
    ASSERT_TRUE(user.until([&] { return user.directory->counters().connects == 2; }));
    EXPECT_EQ(user.where(ip_key(1)), "192.0.2.10");
}

} // namespace
} // namespace xvtep::test
