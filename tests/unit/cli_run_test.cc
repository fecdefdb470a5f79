// SPDX-License-Identifier: GPL-2.0-only
// The whole command line up to the system: exit status, and what is printed where. A namespace that
// does not exist stands for "the words were found good": it is entered after they were read.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "tests/support/outcome.h"
#include "user/cli/cli.h"
#include "user/cli/commands.h"

namespace xvtep::cli {
namespace {

using test::Outcome;
using test::Stream;

Outcome xvtep_with(const Words &words)
{
    std::vector<const char *> arguments = {"xvtep"};
    for (const auto &word : words)
        arguments.push_back(word.c_str());
    return test::outcome_of(
        [&](std::FILE *out, std::FILE *err) { return run(arguments, out, err); });
}

TEST(Run, SaysUsageErrorsInOneLine)
{
    const struct {
        Words words;
        const char *line;
    } cases[] = {
        {{}, "xvtep: no command given (see xvtep --help)"},
        {{"frob"}, "xvtep frob: unknown command (see xvtep --help)"},
        {{"--frob"}, "xvtep --frob: unknown option (see xvtep --help)"},
        {{"-n"}, "xvtep -n: needs the name of a network namespace"},
        {{"-n", "", "show"}, "netns: not a namespace name"},
        {{"-n", "no-such", "attach", "eth0", "--vni", "0"},
         "attach eth0: VNI 0 is not within 1 to 16777215"},
        {{"attach", "a\nb", "--vni", "0"}, "attach a?b: \"a?b\" is not an interface name"},
        {{"attach", "ua", "vni", "5", "dev", "sixteen-letters-"},
         "attach ua sixteen-letters-: \"sixteen-letters-\" is not an interface name"},
        {{"show", "a/b"}, "show a/b: \"a/b\" is not an interface name"},
        {{"detach", "dev", ".."}, "detach ..: \"..\" is not an interface name"},
        {{"monitor", "a/b"}, "monitor a/b: \"a/b\" is not an interface name"},
        {{"fdb", "show", "br", "a b"}, "fdb show: \"a b\" is not an interface name"},
        {{"fdb", "add", "02:00:00:00:00:01", "dev", "v", "dst", "10.0.0.1", "via", "a:1"},
         "fdb add 02:00:00:00:00:01: \"a:1\" is not an interface name"},
        {{"-n=nb-a", "show"}, "xvtep -n=nb-a: the value stands behind a space (-n NETNS)"},
        {{"-batch=x"}, "xvtep -batch=x: the value stands behind a space (-b FILE)"},
        {{"-j=1", "show"}, "xvtep -j=1: takes no value"},
        {{"show", "--json=1"}, "xvtep --json=1: takes no value"},
        {{"detach"}, "detach: no device given (xvtep detach DEV)"},
        {{"atach"}, "xvtep atach: unknown command (did you mean attach?)"},
        {{"fdb", "ad", "x"}, "fdb add x: MAC \"x\" is not a MAC address"},
        {{"fdb", "add", "02:00:00:00:00:01", "nhid", "7"},
         "fdb add 02:00:00:00:00:01: nhid is refused: xvtep has no next-hop groups (append "
         "destinations instead)"},
        {{"fdb", "shwo"}, "fdb shwo: unknown command (did you mean show?)"},
        {{"-jsn", "show"}, "xvtep -jsn: unknown option (did you mean -json?)"},
        {{"-all", "-j", "show"}, "xvtep -all: prints text only (use -n NETNS with -j)"},
        {{"-all", "-n", "a", "show"}, "xvtep -all: excludes -n"},
        {{"-all", "-batch", "/dev/null"},
         "xvtep -all: excludes -batch (run the batch with -n NETNS in each)"},
        {{"-c=pink", "show"}, "xvtep -c=pink: color is always, auto or never"},
        {{"agent", "directory", "file:x"},
         "agent: what is \"directory\"? (did you mean --directory?)"},
        {{"detach", "eth0", "eth1"}, "detach eth0: what is \"eth1\"? (see xvtep detach help)"},
        {{"detach", "--force", "eth0"}, "detach eth0: --force is about the whole namespace"},
        {{"detach", "eth0", "--vni", "0"}, "detach eth0: VNI 0 is not within 1 to 16777215"},
        {{"detach", "eth0", "vni", "5", "id", "6"}, "detach eth0: vni is given twice"},
        {{"show", "dev", "a", "dev", "b"}, "show a: dev is given twice"},
        {{"port", "add", "v", "vni", "5", "vni", "6"}, "port add v: vni is given twice"},
        {{"agent", "--node", "a", "--node", "b"}, "agent: node is given twice"},
        {{"neigh", "get", "10.0.0.1", "to", "10.0.0.2", "dev", "v"},
         "neigh get 10.0.0.1: IP is given twice"},
        {{"show", "a", "b"}, "show a: what is \"b\"? (see xvtep show help)"},
        {{"reload", "--frob"}, "reload: unknown option --frob"},
        {{"stats", "dev"}, "stats: dev needs a value"},
        {{"port", "frob"}, "port frob: unknown command (add, del or show)"},
        {{"port", "add"}, "port add: no device given (xvtep port add IFNAME vni N)"},
        {{"port", "add", "v"}, "port add v: no VNI given (vni N)"},
        {{"port", "add", "v", "--vni", "0"}, "port add v: VNI 0 is not within 1 to 16777215"},
        {{"port", "add", "v", "--vni", "5", "--vlan", "4095"},
         "port add v: VLAN 4095 is not within 1 to 4094"},
        {{"port", "del", "v", "--vlan", "0"}, "port del v: VLAN 0 is not within 1 to 4094"},
        {{"fdb", "frob"},
         "fdb frob: unknown command (add, append, replace, del, get, show or flush)"},
        {{"fdb", "del", "02:00:00:00:00:01", "dev", "v", "dst", "10.0.0.1", "port", "99999"},
         "fdb del 02:00:00:00:00:01: port 99999 is not within 1 to 65535"},
        {{"fdb", "get", "xx", "dev", "v"}, "fdb get xx: MAC \"xx\" is not a MAC address"},
        {{"fdb", "add", "dev", "v", "dst", "10.0.0.1"}, "fdb add v: no MAC address given"},
        {{"fdb", "append", "dev", "v", "dst", "10.0.0.1"}, "fdb append v: no MAC address given"},
        {{"fdb", "replace", "dev", "v", "dst", "10.0.0.1"}, "fdb replace v: no MAC address given"},
        {{"fdb", "del", "dev", "v"}, "fdb del v: no MAC address given"},
        {{"fdb", "get", "dev", "v"}, "fdb get v: no MAC address given"},
        {{"neigh", "get", "dev", "v"}, "neigh get: no IP address given"},
        {{"fdb", "get", "xx", "to", "yy", "dev", "v"}, "fdb get xx: MAC is given twice"},
        {{"fdb", "show", "state", "stale"},
         "fdb show: state \"stale\" is not permanent, static or dynamic"},
        {{"fdb", "show", "state", "static", "permanent"},
         "fdb show: static, permanent and dynamic exclude each other"},
        {{"fdb", "show", "brport", "v", "dev", "w"}, "fdb show v: dev is given twice"},
        {{"attach", "ua", "vni", "5", "nolocalbypass"},
         "attach ua: nolocalbypass is refused: packets to a VTEP of the same host are always "
         "delivered to it directly"},
        {{"attach", "x", "type", "vxlan", "id", "5", "dev", "ua", "name", "y"},
         "attach x ua: name is given twice"},
        {{"fdb", "flush"}, "fdb flush: no device given (dev IFNAME)"},
        {{"remote", "frob"}, "remote frob: unknown command (add, del or show)"},
        {{"remote", "del", "dev", "v"}, "remote del v: no IP address given"},
        {{"remote", "del", "10.0.0.1"}, "remote del 10.0.0.1: no device given (dev IFNAME)"},
        {{"remote", "show", "v"}, "remote show v: address \"v\" is not an IP address"},
        {{"remote", "show", "10.0.0.1", "10.0.0.2"},
         "remote show 10.0.0.1: what is \"10.0.0.2\"? (see xvtep remote show help)"},
        {{"remote", "show", "dev", "a/b"}, "remote show a/b: \"a/b\" is not an interface name"},
        {{"attach", "ua", "vni", "5", "accept", "all"},
         "attach ua: accept \"all\" is not any or known"},
    };
    for (const auto &[words, line] : cases) {
        const Outcome outcome = xvtep_with(words);
        EXPECT_EQ(outcome.status, 1) << line;
        EXPECT_EQ(outcome.err, std::string(line) + "\n");
        EXPECT_EQ(outcome.out, "") << line;
    }
}

// The examples of every command, by its name.
std::map<std::string, std::vector<std::string>> examples_of(const std::vector<Page> &pages)
{
    std::map<std::string, std::vector<std::string>> examples;
    for (const Page &one : pages) {
        examples[one.name] = one.examples;
        examples.merge(examples_of(one.pages));
    }
    return examples;
}

// The words of an example, without "xvtep" and the options about output before the command.
Words words_of_example(const std::string &example)
{
    Words words;
    for (std::size_t at = 0; at < example.size();) {
        const std::size_t end = std::min(example.find(' ', at), example.size());
        words.push_back(example.substr(at, end - at));
        at = end + 1;
    }
    words.erase(words.begin(), std::ranges::find_if(words, [](const std::string &word) {
                    return word != "xvtep" && !word.starts_with('-');
                }));
    return words;
}

TEST(Run, RefusesAnEmptyWordAnywhere)
{
    for (const auto &[name, examples] : examples_of(commands())) {
        if (name == "lab" || name == "completion")
            continue; // another program's words, and lines of the shell
        for (const std::string &example : examples) {
            const Words whole = words_of_example(example);
            for (std::size_t at = 0; at <= whole.size(); at++) {
                Words words = whole;
                words.insert(words.begin() + static_cast<std::ptrdiff_t>(at), "");
                words.insert(words.begin(), {"-n", "xvtep-no-such"});
                const Outcome outcome = xvtep_with(words);
                EXPECT_EQ(outcome.status, 1) << example << " at " << at << ": " << outcome.err;
                EXPECT_EQ(std::ranges::count(outcome.err, '\n'), 1) << outcome.err;
                EXPECT_EQ(outcome.out, "");
            }
        }
    }
    const struct {
        Words words;
        const char *line;
    } cases[] = {
        {{""}, "xvtep: unknown command (see xvtep --help)"},
        {{"show", ""}, "show: DEV is empty"},
        {{"attach", "ua", "vni", ""}, "attach ua: vni is empty"},
        {{"detach", ""}, "detach: DEV is empty"},
        {{"neigh", "add", ""}, "neigh add: IP is empty"},
        {{"completion", ""}, "completion: a word is empty"},
        {{"agent", "--node", ""}, "agent: --node is empty"},
        {{"agent", ""}, "agent: a word is empty"},
    };
    for (const auto &[words, line] : cases)
        EXPECT_EQ(xvtep_with(words).err, std::string(line) + "\n");
}

TEST(Run, EntersTheNamespaceOnceTheWordsAreGood)
{
    const std::string mac = "02:00:00:00:00:01";
    const Words cases[] = {
        {"attach", "eth0", "--vni", "5"},
        {"attach", "eth0", "--vni", "5", "-j"},
        {"detach", "eth0"},
        {"detach", "eth0", "--vni", "5"},
        {"show"},
        {"show", "-j"},
        {"reload", "eth0"},
        {"stats", "dev", "eth0", "-j", "-p"},
        // iproute2's words and abbreviations.
        {"attach", "eth0", "vni", "5"},
        {"attach", "dev", "eth0", "type", "vxlan", "id", "5", "rem", "10.0.0.1"},
        {"a", "eth0", "id", "5"},
        {"sh"},
        {"ls"},
        {"lst"},
        {"show", "dev", "eth0", "-d"},
        {"-br", "show"},
        {"-o", "-c", "show"},
        {"stats", "eth0"},
        {"detach", "dev", "eth0"},
        {"reload", "dev", "eth0"},
        {"port", "add", "dev", "v", "vni", "5"},
        {"f", "s"},
        {"n", "s"},
        {"neighbour", "list"},
        {"fdb", "a", mac, "dev", "v", "dst", "10.0.0.1", "perm"},
        {"fdb", "show", "v", "vni", "5", "dst", "10.0.0.1", "dynamic", "br", "br0"},
        {"fdb", "flush", "v", "dst", "10.0.0.1"},
        {"-4", "neigh", "show", "10.0.0.0/8", "nud", "stale", "dev", "v"},
        {"-t", "monitor", "neigh", "dev", "v", "timeout", "0"},
        {"set", "v", "local", "10.0.0.1"},
        {"port"},
        {"port", "add", "v", "--vni", "5", "--vlan", "1", "--dstport", "8472", "--mode", "tc"},
        {"port", "del", "v", "--vlan", "1"},
        {"port", "show"},
        {"fdb"},
        {"fdb", "add", mac, "dev", "v", "dst", "10.0.0.1"},
        {"fdb", "append", mac, "dst", "10.0.0.1", "dev", "v", "self"},
        {"fdb", "replace", mac, "dst", "10.0.0.1", "dev", "v"},
        {"fdb", "del", mac, "dev", "v"},
        {"fdb", "show", "dev", "add"},
        {"fdb", "get", mac, "dev", "v"},
        {"fdb", "flush", "dev", "v", "dynamic"},
        {"fdb", "get", "to", mac, "dev", "v"},
        {"fdb", "add", mac, "dev", "v", "dst", "10.0.0.1", "via", "\x1b[31mX"},
        {"fdb", "show", "state", "permanent"},
        {"fdb", "show", "brport", "v", "state", "static"},
        {"attach", "ua", "vni", "5", "localbypass"},
        {"attach", "ua", "vni", "5", "acc", "known"},
        {"remote"},
        {"remote", "add", "10.0.0.1", "dev", "v"},
        {"remote", "delete", "dev", "v", "fd00::1"},
        {"remote", "show", "-s", "-j"},
        {"-6", "rem", "lst", "fd00::1", "dev", "v"},
        {"-br", "remote", "list", "dev", "v"},
        {"attach", "vxlan0", "type", "vxlan", "id", "5", "dev", "ua"},
    };
    for (Words words : cases) {
        words.insert(words.begin(), {"-n", "xvtep-no-such"});
        const Outcome outcome = xvtep_with(words);
        EXPECT_EQ(outcome.err, "netns xvtep-no-such: no such network namespace\n") << words[2];
        EXPECT_EQ(outcome.status, 2) << words[2];
        EXPECT_EQ(outcome.out, "");
    }
}

TEST(Run, HelpsAtEveryLevel)
{
    const Words cases[] = {{},
                           {"attach"},
                           {"detach"},
                           {"show"},
                           {"reload"},
                           {"stats"},
                           {"port"},
                           {"port", "add"},
                           {"port", "del"},
                           {"port", "show"},
                           {"fdb"},
                           {"fdb", "add"},
                           {"fdb", "append"},
                           {"fdb", "replace"},
                           {"fdb", "del"},
                           {"fdb", "show"},
                           {"fdb", "get"},
                           {"fdb", "flush"},
                           {"remote"},
                           {"remote", "add"},
                           {"remote", "del"},
                           {"remote", "show"}};
    for (const Words &command : cases)
        for (const char *const help : {"--help", "-h", "help"}) {
            Words words = command;
            words.emplace_back(help);
            words.insert(words.begin(), {"-n", "xvtep-no-such"}); // help needs no system
            const Outcome outcome = xvtep_with(words);
            EXPECT_EQ(outcome.status, 0) << outcome.err;
            EXPECT_EQ(outcome.err, "");
            EXPECT_TRUE(outcome.out.contains("Usage:")) << outcome.out;
            EXPECT_TRUE(outcome.out.contains("Examples:\n  xvtep ")) << outcome.out;
            EXPECT_TRUE(outcome.out.ends_with("\n"));
            // "help fdb add" is "fdb add help".
            Words turned = command;
            turned.insert(turned.begin(), "help");
            EXPECT_EQ(xvtep_with(turned).out, outcome.out);
        }
}

TEST(Run, PrintsItsVersion)
{
    const Outcome outcome = xvtep_with({"-V"});
    EXPECT_EQ(outcome.status, 0);
    EXPECT_TRUE(outcome.out.starts_with("xvtep ")) << outcome.out;
    EXPECT_EQ(std::ranges::count(outcome.out, '\n'), 1);
}

TEST(Run, SurvivesAnEmptyArgv)
{
    EXPECT_EQ(run({}, stdout, stderr), 1);
}

TEST(Run, ReportsAFullDisk)
{
    std::FILE *full = std::fopen("/dev/full", "w");
    if (full == nullptr)
        GTEST_SKIP() << "needs /dev/full";
    Stream err;
    const char *const words[] = {"xvtep", "--help"};
    EXPECT_EQ(run(words, full, err.file()), 2);
    EXPECT_EQ(err.text(), "write standard output: no space left on device\n");
    std::fclose(full);
}

TEST(Printable, HasNothingThatSteersATerminal)
{
    EXPECT_EQ(printable("a\x1b[31mX\r\x07\x7f"), "a?[31mX???");
    EXPECT_EQ(printable("one\ntwo\n"), "one?two?");
    EXPECT_EQ(printable("one\ntwo\n", Newlines::kept), "one\ntwo\n");
    EXPECT_EQ(printable("\u009b31m \u00e9 \u4e2d"), "??31m \u00e9 \u4e2d");
}

} // namespace
} // namespace xvtep::cli
