// SPDX-License-Identifier: GPL-2.0-only
// The whole command line up to the system: exit status, and what is printed where. A namespace that
// does not exist stands for "the words were found good": it is entered after they were read.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "user/cli/cli.h"

namespace xvtep::cli {
namespace {

struct Outcome {
    int status;
    std::string out, err;
};

class Stream {
  public:
    Stream() : file_(::open_memstream(&text_, &size_)) {}
    Stream(const Stream &) = delete;
    Stream &operator=(const Stream &) = delete;
    ~Stream()
    {
        std::fclose(file_);
        std::free(text_);
    }
    [[nodiscard]] std::FILE *file() { return file_; }
    [[nodiscard]] std::string text()
    {
        std::fflush(file_);
        return {text_, size_};
    }

  private:
    char *text_ = nullptr;
    std::size_t size_ = 0;
    std::FILE *file_;
};

Outcome xvtep_with(const Words &words)
{
    std::vector<const char *> arguments = {"xvtep"};
    for (const auto &word : words)
        arguments.push_back(word.c_str());
    Stream out, err;
    const int status = run(arguments, out.file(), err.file());
    return {status, out.text(), err.text()};
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
        {{"attach", "a\nb", "--vni", "0"}, "attach a?b: VNI 0 is not within 1 to 16777215"},
        {{"detach"}, "detach: DEV is required"},
        {{"detach", "eth0", "eth1"}, "detach eth0: what is \"eth1\"?"},
        {{"detach", "--force", "eth0"}, "detach eth0: --force is about the whole namespace"},
        {{"detach", "eth0", "--vni", "0"}, "detach eth0: VNI 0 is not within 1 to 16777215"},
        {{"show", "a", "b"}, "show a: what is \"b\"?"},
        {{"reload", "--frob"}, "reload: unknown option --frob"},
        {{"stats", "dev"}, "stats: dev needs a value"},
        {{"stats", "eth0"}, "stats: what is \"eth0\"? (usage: xvtep stats [dev IFNAME])"},
        {{"port", "frob"}, "port frob: unknown command (add, del or show)"},
        {{"port", "add"}, "port add: IFNAME is required"},
        {{"port", "add", "v"}, "port add v: --vni is required"},
        {{"port", "add", "v", "--vni", "0"}, "port add v: VNI 0 is not within 1 to 16777215"},
        {{"port", "add", "v", "--vni", "5", "--vlan", "4095"},
         "port add v: VLAN 4095 is not within 1 to 4094"},
        {{"port", "del", "v", "--vlan", "0"}, "port del v: VLAN 0 is not within 1 to 4094"},
        {{"fdb", "frob"},
         "fdb frob: unknown command (add, append, replace, del, show, get or flush)"},
        {{"fdb", "del", "02:00:00:00:00:01", "dev", "v", "dst", "10.0.0.1", "port", "99999"},
         "fdb del 02:00:00:00:00:01: port 99999 is not within 1 to 65535"},
        {{"fdb", "get", "xx", "dev", "v"}, "fdb get xx: MAC \"xx\" is not a MAC address"},
        {{"fdb", "flush"}, "fdb flush: no device given (dev IFNAME)"},
        {{"lab"}, "lab: up, show, test or down?"},
        {{"lab", "frob"}, "lab frob: unknown command (up, show, test or down)"},
        {{"lab", "up"}, "lab up: NAME|FILE is required"},
    };
    for (const auto &[words, line] : cases) {
        const Outcome outcome = xvtep_with(words);
        EXPECT_EQ(outcome.status, 1) << line;
        EXPECT_EQ(outcome.err, std::string(line) + "\n");
        EXPECT_EQ(outcome.out, "") << line;
    }
}

TEST(Run, EntersTheNamespaceOnceTheWordsAreGood)
{
    const std::string mac = "02:00:00:00:00:01";
    const Words cases[] = {
        {"attach", "eth0", "--vni", "5"},
        {"attach", "eth0", "--vni", "5", "-j"},
        {"detach", "eth0"},
        {"detach", "eth0", "--vni", "5", "--vni", "6"},
        {"show"},
        {"show", "-j"},
        {"reload", "eth0"},
        {"stats", "dev", "eth0", "-j", "-p"},
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
        {"lab", "show"},
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
                           {"lab"},
                           {"lab", "up"},
                           {"lab", "show"},
                           {"lab", "test"},
                           {"lab", "down"}};
    for (Words words : cases) {
        words.emplace_back("--help");
        words.insert(words.begin(), {"-n", "xvtep-no-such"}); // help needs no system
        const Outcome outcome = xvtep_with(words);
        EXPECT_EQ(outcome.status, 0) << outcome.err;
        EXPECT_EQ(outcome.err, "");
        EXPECT_TRUE(outcome.out.contains("Usage:")) << outcome.out;
        EXPECT_TRUE(outcome.out.ends_with("\n"));
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
    EXPECT_EQ(printable("one\ntwo\n", true), "one\ntwo\n");
    EXPECT_EQ(printable("\u009b31m \u00e9 \u4e2d"), "??31m \u00e9 \u4e2d");
}

} // namespace
} // namespace xvtep::cli
