// SPDX-License-Identifier: GPL-2.0-only
// Random commands of several processes at once in one namespace, some of them killed at a random
// time, and what other tools do to links and namespaces meanwhile. Each worker has a VTEP of its
// own on a shared underlay port, and a naive model of what the tables have for it: a command that
// was killed has done all or nothing once it is given again, or once the next one has run. A seed
// reproduces what each worker tries: docs/testing.md.

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include <fmt/ranges.h>

#include "tests/support/difference.h"
#include "tests/support/netns_case.h"
#include "tests/support/state.h"
#include "user/base/fd.h"
#include "user/net/netlink.h"
#include "xvtep/xvtep.h"

namespace xvtep::test {
namespace {

using namespace std::chrono_literals;

unsigned number_from(const char *variable, unsigned otherwise)
{
    const char *const text = std::getenv(variable);
    return text != nullptr ? static_cast<unsigned>(std::atoi(text)) : otherwise;
}

struct Ran {
    int status = -1; // 128 and the signal, if one ended it
    std::string text;
};

// Runs words as they are; SIGKILL after that time, if it is not 0.
Ran run_words(const std::string &words, std::chrono::microseconds until)
{
    std::vector<std::string> list;
    std::istringstream in(words);
    for (std::string word; in >> word;)
        list.push_back(word);
    std::vector<char *> arguments;
    for (auto &word : list)
        arguments.push_back(word.data());
    arguments.push_back(nullptr);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0)
        return {};
    Fd from(ends[0]), to(ends[1]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    for (const int fd : {1, 2})
        ::posix_spawn_file_actions_adddup2(&actions, to.get(), fd);
    pid_t pid = -1;
    const int error =
        ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        return {};
    to = Fd();
    if (until != 0us) {
        ::usleep(static_cast<useconds_t>(until.count()));
        ::kill(pid, SIGKILL);
    }
    Ran ran;
    char chunk[4096];
    for (ssize_t got = 0; (got = ::read(from.get(), chunk, sizeof(chunk))) > 0;)
        ran.text.append(chunk, static_cast<std::size_t>(got));
    int status = 0;
    ::waitpid(pid, &status, 0);
    ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return ran;
}

struct Model {
    bool attached = false;
    std::map<std::string, std::set<std::string>> fdb{}; // MAC: destinations
    std::map<std::string, std::string> neighs{};        // IP: MAC
    std::set<std::string> named{};                      // remotes
    std::set<unsigned> vlans{};                         // of the worker's local port

    bool operator==(const Model &) const = default;
    [[nodiscard]] std::string text() const
    {
        std::string all = fmt::format("attached {}\n", attached);
        for (const auto &[mac, dsts] : fdb)
            all += fmt::format("fdb {} {}\n", mac, fmt::join(dsts, " "));
        for (const auto &[ip, mac] : neighs)
            all += fmt::format("neigh {} {}\n", ip, mac);
        return all +
               fmt::format("named {}\nvlans {}\n", fmt::join(named, " "), fmt::join(vlans, " "));
    }
};

// A command, what the tables have after it, and whether it must be refused.
struct Step {
    std::string words;
    Model after;
    bool refused = false;
};

constexpr const char *zeros = "00:00:00:00:00:00";

class Worker {
  public:
    Worker(std::string host, unsigned number, unsigned seed)
        : host_(std::move(host)), number_(number), random_(seed * 1000 + number)
    {
    }

    void run(const std::atomic<bool> &over)
    {
        const auto netns = Netns::open(host_);
        ASSERT_TRUE(netns);
        const auto scope = netns->enter(); // of this thread
        ASSERT_TRUE(scope);
        while (!over && !::testing::Test::HasFailure()) {
            if (one_of(12) == 0)
                disturb();
            else
                take(next());
            if (one_of(4) == 0)
                compare();
        }
        if (!::testing::Test::HasFailure())
            compare();
    }

    [[nodiscard]] unsigned commands() const { return commands_; }
    [[nodiscard]] unsigned killed() const { return killed_; }

  private:
    unsigned one_of(unsigned count) { return static_cast<unsigned>(random_() % count); }
    std::string mac() { return fmt::format("02:00:00:00:{:02x}:{:02x}", number_, one_of(5)); }
    std::string dst() { return fmt::format("192.168.8.{}", 1 + one_of(9)); }
    std::string ip() { return fmt::format("10.{}.0.{}", number_, 1 + one_of(5)); }
    [[nodiscard]] unsigned vni() const { return 100 + number_; }

    Step next()
    {
        Step step{.words = "", .after = model_};
        Model &m = step.after;
        if (!m.attached) {
            m = {.attached = true};
            m.fdb[zeros] = {"192.168.8.109"};
            step.words = fmt::format("attach u --vni {} --name {} --local 192.168.8.100 --remote "
                                     "192.168.8.109 --accept known",
                                     vni(), name_);
            return step;
        }
        switch (one_of(16)) {
        case 0:
            m = {};
            step.words = fmt::format("detach {}", name_);
            break;
        case 1:
        case 2:
            write_fdb("add", step);
            break;
        case 3:
        case 4:
            write_fdb("replace", step);
            break;
        case 5:
        case 6:
            append_fdb(step);
            break;
        case 7:
        case 8:
            delete_fdb(step);
            break;
        case 9:
            m.fdb.clear();
            step.words = fmt::format("fdb flush dev {}", name_);
            break;
        case 10:
        case 11:
            write_neigh(step);
            break;
        case 12:
            m.neighs.clear();
            step.words = fmt::format("neigh flush dev {}", name_);
            break;
        case 13:
            name_remote(step);
            break;
        case 14:
            add_port(step);
            break;
        default:
            delete_port(step);
        }
        return step;
    }

    void write_fdb(const char *verb, Step &step)
    {
        const std::string at = one_of(6) == 0 ? zeros : mac(), to = dst();
        step.words = fmt::format("fdb {} {} dev {} dst {}", verb, at, name_, to);
        step.refused = std::string_view(verb) == "add" && model_.fdb.contains(at);
        if (!step.refused)
            step.after.fdb[at] = {to};
    }

    void append_fdb(Step &step)
    {
        const std::string to = dst();
        step.words = fmt::format("fdb append {} dev {} dst {}", zeros, name_, to);
        step.after.fdb[zeros].insert(to);
    }

    void delete_fdb(Step &step)
    {
        const std::string at = one_of(3) == 0 ? zeros : mac(), to = dst();
        const bool with_dst = one_of(2) == 0;
        auto &fdb = step.after.fdb;
        step.words = fmt::format("fdb del {} dev {}", at, name_);
        if (with_dst)
            step.words += " dst " + to;
        step.refused = !fdb.contains(at) || (with_dst && !fdb[at].contains(to));
        if (step.refused)
            step.after = model_;
        else if (with_dst && fdb[at].size() > 1)
            fdb[at].erase(to);
        else
            fdb.erase(at);
    }

    void write_neigh(Step &step)
    {
        const std::string of = ip(), at = mac();
        const unsigned verb = one_of(4);
        const bool there = model_.neighs.contains(of);
        step.words = verb == 3
                         ? fmt::format("neigh del {} dev {}", of, name_)
                         : fmt::format("neigh {} {} lladdr {} dev {}",
                                       std::array{"add", "change", "replace"}[verb], of, at, name_);
        step.refused = verb == 0 ? there : verb != 2 && !there;
        if (step.refused)
            return;
        step.after.neighs[of] = at;
        if (verb == 3)
            step.after.neighs.erase(of);
    }

    void name_remote(Step &step)
    {
        const std::string of = dst();
        const bool there = model_.named.contains(of);
        step.words = fmt::format("remote {} {} dev {}", there ? "del" : "add", of, name_);
        if (there)
            step.after.named.erase(of);
        else
            step.after.named.insert(of);
    }

    void add_port(Step &step)
    {
        const unsigned vid = 5 + one_of(3);
        step.words = fmt::format("port add p{} --vni {} --vlan {}", number_, vni(), vid);
        step.refused = !step.after.vlans.insert(vid).second;
    }

    void delete_port(Step &step)
    {
        const unsigned vid = 5 + one_of(3);
        step.words = fmt::format("port del p{} --vlan {}", number_, vid);
        step.refused = step.after.vlans.erase(vid) == 0;
    }

    Ran give(const std::string &words, std::chrono::microseconds until = 0us)
    {
        commands_++;
        return run_words(fmt::format("{} -n {} {}", XVTEP_BINARY, host_, words), until);
    }

    void take(const Step &step)
    {
        const bool kills = one_of(5) == 0;
        const Ran ran = give(step.words, std::chrono::microseconds(kills ? one_of(40'000) : 0));
        last_ = step.words;
        if (ran.status == 128 + SIGKILL) {
            killed_++;
            settle(step);
            return;
        }
        EXPECT_EQ(ran.status, step.refused ? 2 : 0) << step.words << "\n"
                                                    << ran.text << model_.text();
        if (ran.status == 0)
            model_ = step.after;
    }

    // Nobody knows how far the command has come: given again, it succeeds or finds all done.
    void settle(const Step &step)
    {
        const Ran again = give(step.words);
        EXPECT_TRUE(again.status == 0 || again.status == 2)
            << step.words << " again: " << again.status << " " << again.text;
        last_ += " (killed and given again: " + again.text + ")";
        if (!step.refused)
            model_ = step.after;
    }

    // What other tools do to the worker's own device.
    void disturb()
    {
        if (!model_.attached)
            return;
        const auto ip = [&](const std::string &words) {
            EXPECT_EQ(run_words(fmt::format("ip -n {} {}", host_, words), 0us).status, 0) << words;
        };
        switch (one_of(6)) {
        case 0:
            ip(fmt::format("link set {} down", name_));
            ip(fmt::format("link set {} up", name_));
            break;
        case 1: {
            const std::string fresh = fmt::format("v{}x{}", number_, one_of(100));
            if (fresh != name_)
                ip(fmt::format("link set {} name {}", name_, fresh));
            name_ = fresh;
            break;
        }
        case 2:
            ip(fmt::format("link set {} mtu {}", name_, 1200 + one_of(100)));
            break;
        case 3:
            ip(fmt::format("link set {} master br{}", name_, number_));
            break;
        case 4:
            ip(fmt::format("link set {} nomaster", name_));
            break;
        default:
            ip(fmt::format("link del {}", name_));
            last_ = "ip link del";
            // Another process may have removed what is left of it already.
            EXPECT_TRUE(std::set({0, 2}).contains(give(fmt::format("detach {}", name_)).status));
            model_ = {};
        }
    }

    template <class T> T got(Result<T> result)
    {
        EXPECT_TRUE(result) << (result ? "" : result.error().message());
        return result ? std::move(*result) : T();
    }

    // The tables, as the library sees them.
    Model seen()
    {
        Model m;
        const auto vteps = got(list_vteps({}));
        m.attached = std::ranges::any_of(vteps, [&](const VtepInfo &v) { return v.vni == vni(); });
        for (const auto &port : got(show_ports()))
            if (port.name == fmt::format("p{}", number_))
                m.vlans.insert(port.vlan.value_or(0));
        if (!m.attached)
            return m;
        for (const auto &entry : got(show_fdb(name_)))
            m.fdb[entry.mac.text()].insert(entry.dst.text());
        for (const auto &neigh : got(show_neigh(name_)))
            m.neighs[neigh.ip.text()] = neigh.mac.text();
        for (const auto &remote : got(show_remotes(name_, {})))
            if (remote.known)
                m.named.insert(remote.ip.text());
        return m;
    }

    void compare()
    {
        const Model now = seen();
        Model wanted = model_; // whoever an entry leads to is known, too
        for (const auto &[at, dsts] : wanted.fdb)
            wanted.named.insert(dsts.begin(), dsts.end());
        EXPECT_EQ(difference(wanted.text(), now.text()), "")
            << "worker " << number_ << ", after " << last_;
        if (!model_.attached)
            return;
        auto netlink = Netlink::open();
        const auto link = got(netlink->link(name_));
        std::map<std::string, std::set<std::string>> kernels;
        for (const auto &entry : got(netlink->fdb(link.index)))
            kernels[entry.mac.text()].insert(entry.dst ? entry.dst->text() : "");
        EXPECT_EQ(difference(Model{.attached = true, .fdb = model_.fdb}.text(),
                             Model{.attached = true, .fdb = kernels}.text()),
                  "")
            << "the kernel's table of worker " << number_ << ", after " << last_;
    }

    const std::string host_;
    const unsigned number_;
    std::mt19937 random_;
    Model model_;
    std::string name_ = fmt::format("v{}", number_), last_;
    unsigned commands_ = 0, killed_ = 0;
};

class RandomOperations : public NetnsCase {
  protected:
    // What happens beside the workers: to their underlay port, and in namespaces that come and go.
    void disturb(unsigned seed, const std::atomic<bool> &over)
    {
        std::mt19937 random(seed);
        const auto x = [&](const std::string &space, const std::string &words, bool kills) {
            return run_words(fmt::format("{} -n {} {}", xvtep(), space, words),
                             std::chrono::microseconds(kills ? random() % 60'000 : 0));
        };
        for (unsigned n = 0; !over && !HasFailure(); n++) {
            switch (random() % 6) {
            case 0:
                run_words(fmt::format("ip -n {} link set u down", a_), 0us);
                run_words(fmt::format("ip -n {} link set u up", a_), 0us);
                break;
            case 1:
                x(a_, "reload", true);
                break;
            case 2: {
                x(a_, "attach w --vni 90 --name x90 --mode xdp --local 192.168.8.100", true);
                const Ran ran = x(a_, "detach w", random() % 2 == 0);
                EXPECT_TRUE(ran.status == 0 || ran.status == 2 || ran.status == 128 + SIGKILL)
                    << ran.text;
                break;
            }
            case 3: {
                const std::string space = fmt::format("xvt{}-d{}", ::getpid(), n);
                EXPECT_TRUE(Netns::create(space));
                run_words(fmt::format("ip -n {} link add e type dummy", space), 0us);
                x(space, "attach e --vni 7 --local 10.0.0.1 --remote 10.0.0.2", random() % 2 == 0);
                EXPECT_TRUE(Netns::remove(space)); // its tables go with a later command
                break;
            }
            case 4:
                x(a_, "stats", false);
                x(a_, "monitor --timeout 1", true);
                break;
            default:
                run_words(fmt::format("ip -n {} link set u mtu {}", a_, 1400 + random() % 100),
                          0us);
            }
        }
    }

    std::string a_;
};

TEST_F(RandomOperations, OfSeveralProcesses)
{
    const unsigned seed = number_from("XVTEP_MODEL_SEED", 16),
                   seconds = number_from("XVTEP_MODEL_SECONDS", 8),
                   workers = number_from("XVTEP_MODEL_WORKERS", 3);
    a_ = host("a");
    in(a_, "sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
    for (const char *port : {"u", "w"}) {
        ip(a_, fmt::format("link add {0} type veth peer name {0}peer", port));
        ip(a_, fmt::format("link set {} up", port));
    }
    ip(a_, "link set lo up");
    ip(a_, "addr add 192.168.8.100/24 dev lo");
    for (unsigned n = 0; n < workers; n++) {
        ip(a_, fmt::format("link add p{0} type veth peer name q{0}", n));
        ip(a_, fmt::format("link add br{} type bridge", n));
    }
    std::atomic<bool> over = false;
    std::vector<Worker> all;
    all.reserve(workers);
    for (unsigned n = 0; n < workers; n++)
        all.emplace_back(a_, n, seed);
    {
        std::vector<std::jthread> threads;
        for (auto &worker : all)
            threads.emplace_back([&] { worker.run(over); });
        threads.emplace_back([&] { disturb(seed, over); });
        for (unsigned n = 0; n < 10 * seconds && !HasFailure(); n++)
            std::this_thread::sleep_for(100ms);
        over = true;
    }
    unsigned commands = 0, killed = 0;
    for (const auto &worker : all) {
        commands += worker.commands();
        killed += worker.killed();
    }
    fmt::print("seed {}: {} commands, {} of them killed\n", seed, commands, killed);
    EXPECT_GT(killed, 0U);

    // Nothing is left after all.
    ip(a_, fmt::format("link set u mtu 1500"));
    const Ran ran = run_words(fmt::format("{} -n {} detach u", xvtep(), a_), 0us);
    EXPECT_TRUE(ran.status == 0 || ran.text.ends_with("no VNI is attached\n")) << ran.text;
    run_words(fmt::format("{} -n {} detach w", xvtep(), a_), 0us);
    const std::string left = state_of(a_, "");
    for (const char *what : {"vxlan", "clsact", "pinned", "lo forwarding 1", "xdp true"})
        EXPECT_EQ(left.find(what), std::string::npos) << left;
    EXPECT_FALSE(std::filesystem::exists("/sys/fs/bpf/xvtep"));
}

} // namespace
} // namespace xvtep::test
