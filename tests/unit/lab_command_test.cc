// SPDX-License-Identifier: GPL-2.0-only
// The command line of xvtep-lab: exit status, and what is printed where. A namespace that does not
// exist stands for "the words were found good": it is entered after they were read.
#include "user/lab/command.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/outcome.h"
#include "user/lab/labs.h"
#include "user/lab/output.h"

namespace xvtep {
namespace {

using Words = std::vector<const char *>;

using test::Outcome;

Outcome lab(Words words)
{
    words.insert(words.begin(), "xvtep-lab");
    return test::outcome_of(
        [&](std::FILE *out, std::FILE *err) { return run_lab(words, out, err); });
}

TEST(LabCommand, SaysUsageErrorsInOneLine)
{
    const std::pair<Words, const char *> cases[] = {
        {{}, "lab: up, show, test, down, list or print?"},
        {{"frob"}, "lab frob: unknown command (up, show, test, down, list or print)"},
        {{"--frob"}, "lab --frob: unknown option (see xvtep lab --help)"},
        {{"show", "-n"}, "lab -n: needs the name of a network namespace"},
        {{"up"}, "lab up: NAME|FILE is required"},
        {{"up", "--frob", "p2p"}, "lab up: unknown option --frob"},
        {{"up", "p2p", "bridge"}, "lab up p2p: what is \"bridge\"?"},
        {{"up", "p2p", "--kernel", "--kernel-peer"},
         "lab up p2p: either one end or all are the kernel's"},
        {{"up", "nosuchlab"}, "read lab nosuchlab: neither a built-in lab nor a file"},
        {{"show", "p2p"}, "lab show: what is \"p2p\"? (usage: xvtep lab show)"},
        {{"down", "--all"}, "lab down: unknown option --all"},
        {{"print"}, "lab print: NAME is required"},
        {{"print", "p2p", "x"}, "lab print: what is \"x\"? (usage: xvtep lab print NAME)"},
    };
    for (const auto &[words, line] : cases) {
        const Outcome outcome = lab(words);
        EXPECT_EQ(outcome.status, 1) << line;
        EXPECT_EQ(outcome.err, std::string(line) + "\n");
        EXPECT_EQ(outcome.out, "") << line;
    }
}

TEST(LabCommand, EntersTheNamespaceOnceTheWordsAreGood)
{
    const Words cases[] = {{"show"}, {"-j", "show"}, {"up", "p2p"}, {"test"}, {"down"}};
    for (Words words : cases) {
        words.insert(words.begin(), {"-n", "xvtep-no-such"});
        const Outcome outcome = lab(words);
        EXPECT_EQ(outcome.err, "netns xvtep-no-such: no such network namespace\n") << words[2];
        EXPECT_EQ(outcome.status, 2) << words[2];
        EXPECT_EQ(outcome.out, "");
    }
}

TEST(LabCommand, HelpsAtEveryLevel)
{
    const Words cases[] = {{}, {"up"}, {"show"}, {"test"}, {"down"}, {"list"}, {"print"}};
    for (const char *help : {"--help", "-h", "help"})
        for (Words words : cases) {
            words.insert(words.begin(), {"-n", "xvtep-no-such"}); // help needs no system
            words.push_back(help);
            const Outcome outcome = lab(words);
            EXPECT_EQ(outcome.status, 0) << outcome.err;
            EXPECT_EQ(outcome.err, "");
            EXPECT_TRUE(outcome.out.starts_with("Usage: xvtep lab")) << outcome.out;
            EXPECT_TRUE(outcome.out.ends_with("\n"));
        }
    EXPECT_NE(lab({"help"}).out.find("\n  routed-bridge "), std::string::npos);
}

TEST(LabCommand, ListsAndPrintsTheBuiltInLabs)
{
    const Outcome list = lab({"list"});
    EXPECT_EQ(list.status, 0) << list.err;
    EXPECT_EQ(std::ranges::count(list.out, '\n'), std::ssize(builtin_labs()));
    EXPECT_TRUE(lab({"list", "-j"}).out.contains(R"("name":"bridge"})"));
    for (const auto &[name, text] : builtin_labs()) {
        EXPECT_NE(list.out.find(std::string(name) + " "), std::string::npos) << name;
        EXPECT_EQ(lab({"print", name.data()}).out, text);
    }
}

std::string output_of(const std::string &command)
{
    std::FILE *const pipe = ::popen(command.c_str(), "r");
    if (!pipe)
        return "cannot be run";
    std::string text;
    for (int c = 0; (c = std::fgetc(pipe)) != EOF;)
        text += static_cast<char>(c);
    ::pclose(pipe);
    return text;
}

TEST(LabCommand, IsRunByXvtepWithTheOptionsBeforeIt)
{
    const std::string xvtep = XVTEP_BINARY;
    EXPECT_EQ(output_of(xvtep + " lab list"), lab({"list"}).out);
    EXPECT_EQ(output_of(xvtep + " -j -p lab list"), lab({"-j", "-p", "list"}).out);
    EXPECT_EQ(output_of(xvtep + " -n xvtep-no-such lab show 2>&1"),
              "netns xvtep-no-such: no such network namespace\n");
    EXPECT_EQ(output_of("echo lab list | " + xvtep + " -batch - 2>&1"),
              "-:1: lab: not in a batch: it is a program of its own\n");
}

TEST(LabOutput, MarksFailedChecks)
{
    const LabVerdict verdict{"PICTURE\n", {{"ping a b", true, ""}, {"MTU", false, "1300"}}, false};
    EXPECT_EQ(to_text(verdict), "PICTURE\nok    ping a b\nFAIL  MTU: 1300\n");
    EXPECT_EQ(to_json(verdict, JsonLayout::line),
              R"({"checks":[{"detail":"","passed":true,"what":"ping a b"},)"
              R"({"detail":"1300","passed":false,"what":"MTU"}],"passed":false})"
              "\n");
    EXPECT_EQ(to_text(std::vector<LabView>{}), "no lab is up\n");
    EXPECT_EQ(to_json(std::vector<LabView>{}, JsonLayout::indented), "[]\n");
}

} // namespace
} // namespace xvtep
