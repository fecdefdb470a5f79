// SPDX-License-Identifier: GPL-2.0-only
// One system call of a command fails, or the command is killed there. Exit 0 means that all is as
// after the command, at once. Exit 2 comes with one line, and with a state as before, at once where
// the command sets up; what a removal has left is put right by the next command, as is what a
// killed command has left. docs/testing.md tells how to try all calls rather than a sample.

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "tests/support/difference.h"
#include "tests/support/faults.h"
#include "tests/support/netns_case.h"
#include "tests/support/state.h"
#include "user/base/fd.h"
#include "user/datapath/xdp_attach.h"
#include "user/net/netlink.h"

namespace xvtep::test {
namespace {

enum class Kind {
    builds,  // what a failing command has begun is undone at once
    removes, // the next command goes on where a failing one has stopped
    flushes, // one entry after the other: the same command given again goes on
    reads,
    listens, // for misses: the next command takes back what it has left of that
};

struct Command {
    const char *name;
    std::vector<const char *> setup;
    const char *words;
    const char *back; // takes back what the command does; "": nothing is to be taken back
    Kind kind;
    unsigned points = 2; // of each kind, in the sample
    KnownFault known{};
};

void PrintTo(const Command &command, std::ostream *out)
{
    *out << command.name;
}

constexpr const char *stays = "attach u --vni 9 --name stays --remote 192.168.8.109 "
                              "--mac 02:00:00:00:00:09";
constexpr const char *many = "attach u --vni 1001-1020 --vlan 1-20 --name many --dstport 4790 "
                             "--bridge made --mac 02:00:00:00:00:43 --remote 192.168.8.101";
constexpr const char *ports = "attach u w --vni 42 --name v --local 192.168.8.100 --remote "
                              "192.168.8.101 --bridge made --mac 02:00:00:00:00:42";
constexpr const char *xdp = "attach w --vni 42 --name v --mode xdp --local 192.168.8.100 --remote "
                            "192.168.8.101 --mac 02:00:00:00:00:42";
constexpr const char *entry = "fdb add 02:00:00:00:00:01 dev stays dst 192.168.8.9 vni 8";
constexpr const char *flood = "fdb append 00:00:00:00:00:00 dev stays dst 192.168.8.9";
constexpr const char *neighbour = "neigh add 10.0.0.1 lladdr 02:00:00:00:00:01 dev stays";
constexpr const char *named = "remote add 192.168.8.6 dev stays";
constexpr const char *known = "attach u --vni 9 --name stays --remote 192.168.8.109 "
                              "--mac 02:00:00:00:00:09 --accept known";
constexpr const char *batch = "-batch BATCH", *unbatch = "-batch UNBATCH", *undo = "-batch UNDO";
constexpr const char *agent = "agent --directory file:DIRECTORY --state STATE --node one";

// NOLINTNEXTLINE(cert-err58-cpp): it throws only if there is no memory
const std::vector<Command> commands = {
    {"attach_first", {}, stays, "detach u", Kind::builds},
    {"attach_second",
     {stays},
     "attach u --vni 10 --name v --remote 192.168.8.101 --mac 02:00:00:00:00:42",
     "detach v",
     Kind::builds,
     2,
     {SYS_recvfrom, ENOBUFS, 3}},
    {"attach_ports", {stays}, ports, "detach u --vni 42", Kind::builds, 3},
    {"attach_xdp", {stays}, xdp, "detach v", Kind::builds, 3},
    {"attach_group",
     {stays},
     "attach w --vni 42 --name v --local 192.168.8.100 --group 239.1.1.1 --mac 02:00:00:00:00:42",
     "detach v",
     Kind::builds},
    {"attach_many", {stays}, many, "detach many", Kind::builds, 3},
    {"detach_last", {stays}, "detach u", stays, Kind::removes, 2, {SYS_openat, EMFILE, 3}},
    {"detach_ports", {stays, ports}, "detach u --vni 42", ports, Kind::removes, 3},
    {"detach_xdp", {stays, xdp}, "detach w", xdp, Kind::removes},
    {"detach_many", {stays, many}, "detach many", many, Kind::removes, 2, {SYS_bpf, 0, 4}},
    {"detach_force", {ports}, "detach --force", ports, Kind::removes, 2, {SYS_bpf, ENOMEM, 3}},
    {"reload", {stays, xdp}, "reload", "", Kind::builds, 3, {SYS_mkdir, EIO, 1}},
    {"reload_dev", {stays}, "reload dev u", "", Kind::builds},
    {"port_add", {stays}, "port add p --vni 9", "port del p", Kind::builds},
    {"port_add_xdp", {stays}, "port add p --vni 9 --mode xdp", "port del p", Kind::builds, 3},
    {"port_add_vlan", {stays}, "port add p --vni 9 --vlan 7", "port del p --vlan 7", Kind::builds},
    {"port_del",
     {stays, "port add p --vni 9 --mode xdp"},
     "port del p",
     "port add p --vni 9 --mode xdp",
     Kind::removes,
     3},
    {"port_del_vlan",
     {stays, "port add p --vni 9 --vlan 7", "port add p --vni 9 --vlan 8"},
     "port del p --vlan 7",
     "port add p --vni 9 --vlan 7",
     Kind::removes},
    {"port_show", {stays, "port add p --vni 9"}, "port show", "", Kind::reads, 1},
    {"fdb_add", {known}, entry, "fdb del 02:00:00:00:00:01 dev stays", Kind::builds, 4},
    {"fdb_append",
     {known},
     flood,
     "fdb del 00:00:00:00:00:00 dev stays dst 192.168.8.9",
     Kind::builds,
     4},
    {"fdb_replace",
     {known, entry},
     "fdb replace 02:00:00:00:00:01 dev stays dst 192.168.8.7",
     "fdb replace 02:00:00:00:00:01 dev stays dst 192.168.8.9 vni 8",
     Kind::builds,
     4},
    {"fdb_del",
     {known, entry},
     "fdb del 02:00:00:00:00:01 dev stays",
     entry,
     Kind::removes,
     4,
     {SYS_sendto, 0, 1}},
    {"fdb_del_dst",
     {known, flood},
     "fdb del 00:00:00:00:00:00 dev stays dst 192.168.8.9",
     flood,
     Kind::removes},
    {"fdb_flush", {known, entry, flood}, "fdb flush dev stays", unbatch, Kind::flushes},
    {"fdb_get", {known, entry}, "fdb get 02:00:00:00:00:01 dev stays", "", Kind::reads, 1},
    {"fdb_show", {known, entry, flood}, "fdb show", "", Kind::reads, 1},
    {"neigh_add", {stays}, neighbour, "neigh del 10.0.0.1 dev stays", Kind::builds},
    {"neigh_change",
     {stays, neighbour},
     "neigh change 10.0.0.1 lladdr 02:00:00:00:00:02 dev stays",
     "neigh change 10.0.0.1 lladdr 02:00:00:00:00:01 dev stays",
     Kind::builds},
    {"neigh_del", {stays, neighbour}, "neigh del 10.0.0.1 dev stays", neighbour, Kind::removes},
    {"neigh_flush", {stays, neighbour}, "neigh flush dev stays", neighbour, Kind::flushes, 1},
    {"neigh_get", {stays, neighbour}, "neigh get 10.0.0.1 dev stays", "", Kind::reads, 1},
    {"neigh_show", {stays, neighbour}, "neigh show", "", Kind::reads, 1, {SYS_setns, ENOMEM, 1}},
    {"remote_add", {known}, named, "remote del 192.168.8.6 dev stays", Kind::builds},
    {"remote_del", {known, named}, "remote del 192.168.8.6 dev stays", named, Kind::removes},
    {"remote_show", {known, named}, "remote show", "", Kind::reads, 1},
    {"vni_add",
     {many},
     "vni add dev many vni 2001-2005 vlan 101-105",
     "vni del dev many vni 2001-2005",
     Kind::builds,
     3,
     {SYS_bpf, EPERM, 2}},
    {"vni_del",
     {many},
     "vni del dev many vni 1011-1020",
     "vni add dev many vni 1011-1020 vlan 11-20",
     Kind::removes},
    {"set", {stays}, "set stays local 192.168.8.110", "set stays local any", Kind::builds, 3},
    {"set_many_options",
     {known},
     "set stays remote 192.168.8.105 ttl 9 ageing 33 tos 0x10 accept any",
     "set stays remote 192.168.8.109 ttl auto ageing 300 tos 0 accept known",
     Kind::builds,
     3,
     {SYS_bpf, 0, 40}},
    {"vni_show", {many}, "vni show", "", Kind::reads, 1},
    {"show", {stays, xdp}, "show", "", Kind::reads, 1},
    {"show_details", {stays, many}, "-d -j show", "", Kind::reads, 1},
    {"stats", {stays, xdp}, "stats", "", Kind::reads, 1},
    {"monitor", {stays}, "monitor --count 1 --timeout 1", "", Kind::listens, 1},
    {"batch", {known}, batch, undo, Kind::removes},
    {"agent", {stays}, agent, "", Kind::listens, 1, {SYS_signalfd4, EMFILE, 1}},
};

class Faults : public NetnsCase, public ::testing::WithParamInterface<Command> {
  protected:
    void SetUp() override
    {
        NetnsCase::SetUp();
        if (IsSkipped())
            return;
        make_hosts();
        // It can be given again.
        std::ofstream(file("BATCH"))
            << "fdb replace 02:00:00:00:00:01 dev stays dst 192.168.8.9 vni 8\n"
            << "neigh replace 10.0.0.1 lladdr 02:00:00:00:00:01 dev stays\n"
            << flood << "\n";
        std::ofstream(file("UNBATCH")) << entry << "\n"
                                       << "fdb add 00:00:00:00:00:00 dev stays dst 192.168.8.109 "
                                          "via u\n"
                                       << flood << "\n";
        std::ofstream(file("UNDO")) << "fdb del 02:00:00:00:00:01 dev stays\n"
                                    << "neigh del 10.0.0.1 dev stays\n"
                                    << "fdb del 00:00:00:00:00:00 dev stays dst 192.168.8.9\n";
        std::ofstream(file("DIRECTORY")) << "";
    }

    void make_hosts()
    {
        const std::string which = std::to_string(++made_);
        a_ = host("a" + which);
        c_ = host("c" + which);
        for (const auto &space : {a_, c_}) // whose packets would be learned from
            in(space, "sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 "
                      "net.ipv6.conf.default.disable_ipv6=1");
        for (const char *wire : {"u", "w"}) {
            ip(a_, fmt::format("link add {0} type veth peer name {0}peer", wire));
            ip(a_, fmt::format("link set {} up", wire));
        }
        ip(a_, "link set lo up");
        ip(a_, "addr add 192.168.8.100/24 dev u");
        ip(a_, "addr add 192.168.8.110/24 dev u");
        ip(a_, "link add br0 type bridge");
        wire(a_, "p", c_, "eth0");
        in(c_, "ethtool -K eth0 gro off");
    }

    // The words, with the files' names in place.
    [[nodiscard]] std::string whole(std::string words) const
    {
        for (const std::string name : {"UNBATCH", "BATCH", "UNDO", "DIRECTORY", "STATE"})
            if (const auto at = words.find(name);
                at != std::string::npos && (at == 0 || words[at - 1] < 'A' || words[at - 1] > 'Z'))
                words.replace(at, name.size(), file(name));
        return words;
    }

    int run(const std::string &words, const std::string &environment = "")
    {
        // An agent runs until it is told to stop.
        const char *const until =
            words.starts_with("agent") && !environment.empty() ? "timeout --preserve-status 1" : "";
        const Output output =
            sh(fmt::format("env {} {} {} {} -n {} {}", environment, until,
                           environment.empty() ? "" : XVTEP_FAULTS, xvtep(), a_, whole(words)));
        said_ = output.text;
        return output.status;
    }

    [[nodiscard]] std::string state() const { return state_of(a_, c_); }

    // All from the beginning, where a fault has left something.
    void start_again(const Command &command)
    {
        for (const auto &space : {a_, c_})
            EXPECT_TRUE(Netns::remove(space));
        std::filesystem::remove_all("/sys/fs/bpf/xvtep");
        make_hosts();
        for (const char *words : command.setup)
            ASSERT_EQ(run(words), 0) << said_;
    }

    // What is wrong after the command's call `at` has failed or killed it; "": nothing.
    std::string fault_at(const Command &command, const std::string &before,
                         const std::string &after, unsigned at, int error);
    // Whether what the command has left is what `status` and `said` promise.
    static std::string wrong_end(const Command &command, int status, const std::string &said,
                                 bool is_before, bool is_after);
    void look_between_lines(const Command &command);
    void sweep(const Command &command);

    std::vector<std::string> between_; // the states after some lines of a batch
    std::string a_, c_, said_;
    unsigned made_ = 0;
};

std::string Faults::wrong_end(const Command &command, int status, const std::string &said,
                              bool is_before, bool is_after)
{
    if (status != 0 && status != 2)
        return fmt::format("exit status {}: {}", status, said);
    const auto lines = std::ranges::count(said, '\n') - (said.starts_with("ready\n") ? 1 : 0);
    const bool changes = command.kind != Kind::reads && command.kind != Kind::listens;
    if (status == 2 && changes && lines != 1)
        return "not one line: " + said;
    if (status == 2 && said.find(": ") == std::string::npos)
        return "no cause: " + said;
    if (said.find("terminate") != std::string::npos)
        return said;
    if (command.kind == Kind::listens)
        return "";
    if (status == 0 && !is_after)
        return "exit status 0, but not as after it";
    if (status == 2 && command.kind == Kind::builds && !is_before)
        return "exit status 2, and not as before: " + said;
    return "";
}

// Without what a killed command may leave until it is given again: an entry in the kernel's table
// or in ours alone. One that it has counted too much stays counted.
std::string what_matters(const std::string &difference, bool is_given_again)
{
    std::istringstream lines(difference);
    std::string rest;
    for (std::string line; std::getline(lines, line);)
        if (!line.substr(1).starts_with("usage ") && // a listener takes its directory again
            line.find("pinned /listeners/") == std::string::npos &&
            (is_given_again ||
             (!line.ends_with("permanent") && line.find("problem of") == std::string::npos)))
            rest += line + "\n";
    return rest;
}

std::string Faults::fault_at(const Command &command, const std::string &before,
                             const std::string &after, unsigned at, int error)
{
    const int status = run(command.words, fmt::format("XVTEP_FAULT={}:{}", at, error));
    const std::string said = said_;
    std::string now = error == 0 ? "" : state();
    if (error != 0)
        if (const auto wrong = wrong_end(command, status, said, now == before, now == after);
            !wrong.empty())
            return wrong + "\n" + difference(status == 0 ? after : before, now);
    if (command.kind == Kind::reads && error != 0)
        return "";
    // Half of the time the next command is another one, which puts right what is not whole.
    const bool changes = command.kind != Kind::reads && command.kind != Kind::listens;
    if (at % 2 == 0 || !changes) {
        if (run("detach lo") != 2 || said_ != "detach lo: no VNI is attached\n")
            return "the next command: " + said_;
        now = state();
        const auto differs = [&](const std::string &from) {
            return !what_matters(difference(from, now), false).empty();
        };
        if (command.kind != Kind::flushes && differs(before) && differs(after) &&
            std::ranges::all_of(between_, differs))
            return fmt::format("{}to before:\n{}to after:\n{}", said, difference(before, now),
                               difference(after, now));
    }
    if (!changes)
        return "";
    const int again = run(command.words);
    now = state();
    if (now != after && (error != 0 || !what_matters(difference(after, now), true).empty()))
        return fmt::format("again: {} {}{}", again, said_, difference(after, now));
    return "";
}

// Fills between_. The command was run, and is run again at the end.
void Faults::look_between_lines(const Command &command)
{
    between_.clear();
    if (command.words != std::string_view(batch))
        return;
    std::ifstream whole(file("BATCH"));
    std::vector<std::string> lines;
    for (std::string line; std::getline(whole, line);)
        lines.push_back(line);
    std::string part;
    for (std::size_t n = 0; n + 1 < lines.size(); n++) {
        part += lines[n] + "\n";
        std::ofstream(file("PART")) << part;
        ASSERT_EQ(run(command.back), 0) << said_;
        ASSERT_EQ(run("-batch " + file("PART")), 0) << said_;
        between_.push_back(state());
        ASSERT_EQ(run(command.words), 0) << said_;
    }
}

void Faults::sweep(const Command &command)
{
    for (const char *words : command.setup)
        ASSERT_EQ(run(words), 0) << said_;
    const std::string before = state();
    ASSERT_EQ(run(command.words, "XVTEP_FAULT_COUNT=" + file("count")), 0) << said_;
    const std::string after = state();
    const auto calls = calls_of(file("count"));
    ASSERT_GT(calls.size(), 10U);
    ASSERT_NO_FATAL_FAILURE(look_between_lines(command));
    const bool changes = command.kind != Kind::reads && command.kind != Kind::listens;
    unsigned faults = 0, tried = 0;
    bool is_fresh = !changes;
    auto points = fault_points(calls, command.points, command.name);
    add_known_points(points, calls, command.known);
    for (const auto &[at, error] : points) {
        if (!is_fresh && *command.back != '\0') {
            ASSERT_EQ(run(command.back), 0) << said_;
        }
        if (tried++ % 16 == 0 && changes) {
            ASSERT_EQ(difference(before, state()), "") << command.back;
        }
        is_fresh = !changes;
        const auto wrong = fault_at(command, before, after, at, error);
        if (wrong.empty())
            continue;
        faults++;
        ADD_FAILURE() << command.words << ", call " << at << " of " << calls.size() << " ("
                      << calls[at - 1] << ") "
                      << (error == 0 ? "kills" : fmt::format("fails with {}", error)) << ":\n"
                      << wrong;
        start_again(command);
        is_fresh = true;
        if (HasFatalFailure() || !difference(before, state()).empty()) {
            ADD_FAILURE() << "cannot go on:\n" << difference(before, state());
            break;
        }
    }
    note_summary(command.name, calls.size(), tried, faults);
}

TEST_P(Faults, AtCalls)
{
    sweep(GetParam());
}

INSTANTIATE_TEST_SUITE_P(Commands, Faults, ::testing::ValuesIn(commands),
                         [](const auto &one) { return std::string(one.param.name); });

// Labs: namespaces, files and processes of their own.
class LabFaults : public NetnsCase {
  protected:
    static std::string state()
    {
        // Tables of namespaces that are gone go with the next command in any namespace.
        return must("ls /run/netns 2>/dev/null | grep -v ^xvt[0-9]; "
                    "find /run/xvtep -type f 2>/dev/null; true");
    }
    static Output run(const std::string &words, const std::string &environment = "")
    {
        return sh(fmt::format("env {} {} {} lab {}", environment,
                              environment.empty() ? "" : XVTEP_FAULTS, xvtep(), words));
    }
    // The state after it is `after`; `back` takes it back.
    void sweep(const std::string &words, const std::string &back, unsigned points)
    {
        const std::string before = state();
        const Output whole = run(words, "XVTEP_FAULT_COUNT=" + file("count"));
        ASSERT_EQ(whole.status, 0) << whole.text;
        const std::string after = state();
        const auto calls = calls_of(file("count"));
        unsigned tried = 0, faults = 0;
        for (const auto &[at, error] : fault_points(calls, points, "lab " + words)) {
            tried++;
            if (!back.empty()) {
                EXPECT_EQ(run(back).status, 0);
            }
            const Output output = run(words, fmt::format("XVTEP_FAULT={}:{}", at, error));
            const std::string now = state();
            const bool is_right = error == 0 || (output.status == 0 && now == after) ||
                                  (output.status == 2 && (back != "down" || now == before) &&
                                   std::ranges::count(output.text, '\n') == 1);
            const Output next = run(words); // "is up already", if the killed one had done all
            if (is_right && (next.status == 0 || next.status == 2) && state() == after)
                continue;
            faults++;
            ADD_FAILURE() << "lab " << words << ", call " << at << " of " << calls.size() << " ("
                          << calls[at - 1] << "), error " << error << ": " << output.status << " "
                          << output.text << difference(before, now) << "then: " << next.status
                          << " " << next.text << difference(after, state());
            run("down");
            if (back != "down") {
                EXPECT_EQ(run(back).status, 0);
            }
        }
        note_summary("lab " + words, calls.size(), tried, faults);
    }
};

TEST_F(LabFaults, AtCalls)
{
    sweep("up p2p", "down", 2);
    sweep("show", "", 1);
    sweep("down", "up p2p", 2);
}

class XdpFaults : public Faults {};

// In a process of its own, because libxdp remembers what has failed.
bool detaches_with(rlim_t descriptors, int ifindex)
{
    const pid_t child = ::fork();
    if (child == 0) {
        const rlimit few{descriptors, descriptors};
        const bool done = ::setrlimit(RLIMIT_NOFILE, &few) == 0 && detach_xdp(ifindex);
        ::_exit(done ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    return status == 0;
}

template <class T> T got(Result<T> result)
{
    if (!result)
        throw std::runtime_error(result.error().message());
    return std::move(*result);
}

// libxdp takes some failures to read what is attached for "nothing is attached". With one more
// descriptor each time, every step that opens one fails once.
TEST_P(XdpFaults, IsGoneWhereDetachingItSucceeds)
{
    ASSERT_EQ(run(stays), 0) << said_;
    ASSERT_EQ(run("port add p --vni 9 --mode xdp"), 0) << said_;
    const auto netns = got(Netns::open(a_));
    const auto scope = got(netns.enter());
    auto netlink = got(Netlink::open());
    const int index = got(netlink.link("p")).index;
    const auto first_free = static_cast<rlim_t>(Fd(::dup(netns.fd())).get());
    unsigned refused = 0;
    bool done = false;
    for (rlim_t spare = 0; spare < 64 && !done; spare++) {
        done = detaches_with(first_free + spare, index);
        refused += done ? 0 : 1;
        EXPECT_EQ(got(netlink.link(index)).xdp_program == 0, done) << spare << " descriptors";
    }
    EXPECT_TRUE(done);
    EXPECT_GT(refused, 1U);
}

INSTANTIATE_TEST_SUITE_P(Detach, XdpFaults, ::testing::Values(commands.front()),
                         [](const auto &) { return std::string("xdp"); });

} // namespace
} // namespace xvtep::test
