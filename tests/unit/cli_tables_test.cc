// SPDX-License-Identifier: GPL-2.0-only
// The tables of options and commands, and what is derived from them.
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <set>

#include "user/cli/attach.h"
#include "user/cli/commands.h"
#include "user/cli/fdb.h"
#include "user/cli/help.h"
#include "user/cli/output.h"
#include "xvtep/option.h"

namespace xvtep::cli {
namespace {

// A value that differs from the default, for every option with a value.
Words value_for(const AttachOption &option)
{
    const std::string word = option.word;
    if (word == "vni")
        return {"42"};
    if (word == "name" || word == "bridge")
        return {word + "0"};
    if (word == "local" || word == "remote")
        return {word == "local" ? "fd00::1" : "fd00::2"};
    if (word == "group")
        return {"ff05::1"};
    if (word == "srcport")
        return {"1000", "2000"};
    if (word == "accept")
        return {"known"};
    if (word == "df")
        return {"inherit"};
    if (word == "mac")
        return {"02:00:00:00:00:07"};
    if (word == "mode")
        return {"tc"};
    if (word == "reserved-bits")
        return {"0xff"};
    return option_arity(option) == 0 ? Words{} : Words{"77"};
}

// The words that turn an option away from its default.
Words words_for(const AttachOption &option, const std::string &dashes)
{
    const bool is_on = option_value(AttachRequest(), option) == OptionValue(true);
    Words words{dashes + (is_on ? "no" : "") + option.word};
    const Words values = value_for(option);
    words.insert(words.end(), values.begin(), values.end());
    return words;
}

std::vector<const AttachOption *> given_options()
{
    std::vector<const AttachOption *> options;
    for (const AttachOption &option : attach_options())
        if (std::string(option.word) != "dev" && std::string(option.word) != "group")
            options.push_back(&option);
    return options;
}

Result<AttachRequest> attach_of(const Words &words)
{
    TRY_ASSIGN(const auto arguments, parse(page("attach"), words));
    return parse_attach(arguments);
}

void expect_same(const AttachRequest &one, const AttachRequest &other)
{
    for (const AttachOption &option : attach_options())
        EXPECT_TRUE(option_value(one, option) == option_value(other, option)) << option.word;
}

TEST(AttachWords, MeanTheSameWithAndWithoutDashes)
{
    for (const AttachOption *const option : given_options()) {
        Words plain{"eth0"}, dashed{"eth0"};
        for (const auto &[word, value] : {std::pair("vni", "5"), std::pair("local", "fd00::9")}) {
            if (std::string(option->word) == word)
                continue;
            plain.insert(plain.end(), {word, value});
            dashed.insert(dashed.end(), {std::string("--") + word, value});
        }
        for (const auto &word : words_for(*option, ""))
            plain.push_back(word);
        for (const auto &word : words_for(*option, "--"))
            dashed.push_back(word);
        const auto one = attach_of(plain), other = attach_of(dashed);
        ASSERT_TRUE(one) << one.error().message();
        ASSERT_TRUE(other) << other.error().message();
        expect_same(*one, *other);
        // Over IPv6 it is on without the word.
        EXPECT_EQ(option_is_default(*one, *option), std::string(option->word) == "udpcsum");
    }
}

TEST(AttachWords, StandInAnyOrder)
{
    auto options = given_options();
    std::mt19937 random(7);
    std::optional<AttachRequest> first;
    for (int round = 0; round < 50; round++) {
        Words words;
        for (const AttachOption *const option : options)
            for (const auto &word : words_for(*option, round % 2 != 0 ? "--" : ""))
                words.push_back(word);
        words.insert(words.begin(), "eth0");
        words.insert(round % 3 != 0 ? words.end() : words.begin() + 1, {"dev", "eth1"});
        const auto request = attach_of(words);
        ASSERT_TRUE(request) << request.error().message();
        EXPECT_EQ(request->devices, (std::vector<std::string>{"eth0", "eth1"}));
        if (first)
            expect_same(*first, *request);
        first = *request;
        std::ranges::shuffle(options, random);
    }
}

TEST(AttachWords, MayBeAbbreviatedBehindTheDevice)
{
    const auto request =
        attach_of({"eth0", "vni", "5", "rem", "10.0.0.1", "nolearn", "prox", "age", "9"});
    ASSERT_TRUE(request) << request.error().message();
    EXPECT_EQ(request->remote->text(), "10.0.0.1");
    EXPECT_FALSE(request->learning);
    EXPECT_TRUE(request->proxy);
    EXPECT_EQ(request->ageing, 9U);
    // The first plain word is a device, and so is a letter alone.
    EXPECT_EQ(attach_of({"lo", "v", "vni", "5"})->devices, (std::vector<std::string>{"lo", "v"}));
}

TEST(AttachWords, HaveIproute2sSpellings)
{
    const auto request =
        attach_of({"dev", "eth0", "type", "vxlan", "id", "5", "local", "any", "ttl", "auto"});
    ASSERT_TRUE(request) << request.error().message();
    EXPECT_EQ(request->vni, 5U);
    EXPECT_FALSE(request->local);
    EXPECT_EQ(request->ttl.value, 0);
    for (const RefusedOption &refused : refused_options()) {
        const auto no = attach_of({"eth0", "vni", "5", refused.word});
        ASSERT_FALSE(no) << refused.word;
        EXPECT_TRUE(no.error().message().starts_with(std::string("attach eth0: ") + refused.word +
                                                     " is refused: "))
            << no.error().message();
    }
    EXPECT_TRUE(attach_of({"eth0", "vni", "5", "noexternal", "nogpe"}));
}

TEST(AttachOptions, SurviveTheRoundTripThroughText)
{
    Words words{"eth0"};
    for (const AttachOption *const option : given_options())
        for (const auto &word : words_for(*option, ""))
            words.push_back(word);
    const auto request = attach_of(words);
    ASSERT_TRUE(request) << request.error().message();
    Words again{"eth0"};
    for (const AttachOption *const option : given_options()) {
        std::string text = option_text(*request, *option);
        for (std::size_t at = 0; at < text.size();) {
            const std::size_t end = std::min(text.find(' ', at), text.size());
            again.push_back(text.substr(at, end - at));
            at = end + 1;
        }
    }
    const auto other = attach_of(again);
    ASSERT_TRUE(other) << other.error().message();
    expect_same(*request, *other);
}

TEST(AttachOptions, SurviveTheRoundTripThroughValues)
{
    Words words{"eth0", "eth1"};
    for (const AttachOption *const option : given_options())
        for (const auto &word : words_for(*option, ""))
            words.push_back(word);
    const auto request = attach_of(words);
    ASSERT_TRUE(request) << request.error().message();
    AttachRequest other;
    for (const AttachOption &option : attach_options()) {
        const auto done = set_option(other, option, option_value(*request, option));
        EXPECT_TRUE(done) << option.word << ": " << done.error();
    }
    expect_same(*request, other);
}

TEST(AttachOptions, RefuseValuesOfAnotherType)
{
    AttachRequest request;
    for (const AttachOption &option : attach_options()) {
        EXPECT_FALSE(set_option(request, option, std::vector<std::string>{"x", "y"}) &&
                     std::string(option.word) != "dev")
            << option.word;
        EXPECT_EQ(option_value(request, option) == option_value(AttachRequest(), option),
                  std::string(option.word) != "dev")
            << option.word;
    }
    EXPECT_EQ(set_option(request, *find_option("dstport"), std::uint64_t{65536}).error(),
              "65536 is not in 1 .. 65535");
    EXPECT_EQ(set_option(request, *find_option("accept"), OptionValue("some")).error(),
              "none of \"any\" and \"known\"");
    EXPECT_EQ(set_option(request, *find_option("name"), OptionValue("a/b")).error(),
              "not an interface name");
}

TEST(AttachOptions, HaveUniqueWordsAndHelp)
{
    std::set<std::string> words;
    for (const AttachOption &option : attach_options()) {
        EXPECT_TRUE(words.insert(option.word).second) << option.word;
        if (*option.alias != '\0') {
            EXPECT_TRUE(words.insert(option.alias).second) << option.alias;
        }
        EXPECT_TRUE(std::string(option.help).ends_with('.')) << option.word;
        EXPECT_EQ(find_option(option.word), &option);
        EXPECT_EQ(find_option(option_key(option)), &option);
    }
}

template <class Visit> void for_each_page(const std::vector<Page> &pages, const Visit &visit)
{
    for (const Page &one : pages) {
        visit(one);
        for_each_page(one.pages, visit);
    }
}

std::string without_escapes(std::string text)
{
    for (std::size_t at; (at = text.find("\\-")) != std::string::npos;)
        text.erase(at, 1);
    return text;
}

// The section of one command in the man page.
std::string section_of(const std::string &man, const Page &page)
{
    const std::size_t from = man.find(".SS xvtep " + page.name + "\n");
    return from == std::string::npos ? "" : man.substr(from, man.find("\n.S", from) - from);
}

TEST(Help, HasEveryWordAndTwoExamplesAPage)
{
    const std::string man = without_escapes(man_page()), completion = bash_completion();
    for_each_page(commands(), [&](const Page &one) {
        const std::string help = help_of(one), section = section_of(man, one);
        EXPECT_FALSE(one.summary.empty()) << one.name;
        EXPECT_GE(std::max(one.examples.size(), one.pages.size()), 2U) << one.name;
        EXPECT_TRUE(man.contains("xvtep " + one.name + "\n")) << one.name;
        for (const Word &word : one.words) {
            const bool hidden = word.ignored || !word.refusal.empty();
            const std::string shown = (one.style == Style::options ? "--" : "") +
                                      std::string(word.negatable ? "[no]" + word.word : word.word) +
                                      (word.alias.empty() ? "" : "|" + word.alias) +
                                      (word.value.empty() ? "" : " " + word.value);
            EXPECT_EQ(help.contains("\n  " + shown), !hidden) << one.name << " " << shown;
            EXPECT_EQ(section.contains("\n.B " + shown + "\n"), !hidden)
                << one.name << " " << shown;
            if (!hidden) {
                EXPECT_TRUE(completion.contains(word.word)) << word.word;
                EXPECT_TRUE(word.help.ends_with('.')) << one.name << " " << word.word;
            }
        }
        for (std::size_t at = 0; at < help.size(); at = help.find('\n', at) + 1)
            EXPECT_LE(help.find('\n', at) - at, 100U) << help.substr(at, 120);
    });
}

TEST(Help, ShowsWhatIsRequired)
{
    const std::pair<const char *, const char *> cases[] = {
        {"fdb get", "xvtep fdb get [to] MAC dev IFNAME [src_vni|vni N]"},
        {"fdb add", "xvtep fdb add MAC dev IFNAME [src_vni N] dst|remote IP [port PORT] [vni N] "
                    "[via DEV] [router] [static|temp] [permanent|local] [dynamic]"},
        {"fdb del", "xvtep fdb del MAC dev IFNAME [src_vni N] [dst|remote IP] [port PORT] [vni N] "
                    "[via DEV]"},
        {"neigh add",
         "xvtep neigh add [to] IP dev IFNAME [vni N] lladdr MAC [nud permanent|reachable] "
         "[permanent] [reachable]"},
        {"neigh del", "xvtep neigh del [to] IP dev IFNAME [vni N]"},
        {"neigh get", "xvtep neigh get [to] IP dev IFNAME [vni N]"},
        {"neigh show",
         "xvtep neigh show [[to] PREFIX] [dev IFNAME] [vni N] [nud permanent|reachable]"},
        {"remote", "xvtep remote {add|del|show} ..."},
        {"remote add", "xvtep remote add IP dev IFNAME [vni N]"},
        {"remote del", "xvtep remote del IP dev IFNAME [vni N]"},
        {"remote show", "xvtep remote show [IP] [dev IFNAME]"},
        {"monitor", "xvtep monitor [[dev] IFNAME] [all] [count N] [timeout SECONDS]"},
    };
    for (const auto &[name, usage] : cases)
        EXPECT_EQ(usage_of(page(name)), usage);
    EXPECT_TRUE(man_page().contains("\"xvtep lab help\" lists its commands."));
    EXPECT_TRUE(help_of(page("port add")).contains("How programs are attached to this port."));
}

TEST(Help, IsACleanManPage)
{
    if (std::system("command -v mandoc >/dev/null") != 0)
        GTEST_SKIP() << "needs mandoc";
    std::FILE *const lint = ::popen("mandoc -Tlint -Wstyle >/dev/null", "w");
    ASSERT_NE(lint, nullptr);
    std::fputs(man_page().c_str(), lint);
    EXPECT_EQ(::pclose(lint), 0);
}

TEST(Completion, OffersWhatMayFollow)
{
    if (std::system("command -v bash >/dev/null") != 0)
        GTEST_SKIP() << "needs bash";
    const struct {
        Words words; // the last one is completed
        const char *offer;
    } cases[] = {
        {{"at"}, "attach"},
        {{"attach", "ua", "df", ""}, "set unset inherit"},
        {{"attach", "ua", "--df", ""}, "set unset inherit"},
        {{"attach", "ua", "mode", "x"}, "xdp"},
        {{"attach", "ua", "accept", ""}, "any known"},
        {{"attach", "ua", "--ac"}, "--accept"},
        {{"rem"}, "remote"},
        {{"remote", ""}, "add del show help"},
        {{"remote", "add", "10.0.0.1", "d"}, "dev"},
        {{"port", "add", "v", "mode", "t"}, "tc"},
        {{"neigh", "add", "10.0.0.1", "nud", ""}, "permanent reachable"},
        {{"agent", "--log", ""}, "text json"},
        {{"agent", "--log-level", "w"}, "warning"},
        {{"agent", "--no"}, "--node --no-announce"},
        {{"attach", "ua", "--l2"}, "--l2miss"},
        {{"attach", "ua", "--d"}, "--dev --dstport --df"},
        {{"attach", "ua", "mod"}, "mode"},
        {{"completion", ""}, "bash zsh fish help"},
        {{"-n", "xvtep-no-such", "detach", "dev", ""}, ""},
        {{"-n", "xvtep-no-such", "fdb", "f"}, "flush"},
    };
    std::string script = bash_completion(), expected;
    for (const auto &[words, offer] : cases) {
        script += "COMP_WORDS=(xvtep";
        for (const std::string &word : words)
            script += " '" + word + "'";
        script += ")\nCOMP_CWORD=" + std::to_string(words.size()) +
                  "\n_xvtep\necho \"${COMPREPLY[*]}\"\n";
        expected += std::string(offer) + "\n";
    }
    const std::string file = testing::TempDir() + "xvtep-completion." + std::to_string(::getpid());
    std::FILE *const written = std::fopen(file.c_str(), "w");
    ASSERT_NE(written, nullptr);
    std::fputs(script.c_str(), written);
    std::fclose(written);
    std::FILE *const bash = ::popen(("bash " + file + " 2>&1").c_str(), "r");
    ASSERT_NE(bash, nullptr);
    std::string offered;
    for (int c; (c = std::fgetc(bash)) != EOF;)
        offered += static_cast<char>(c);
    EXPECT_EQ(::pclose(bash), 0);
    std::remove(file.c_str());
    EXPECT_EQ(offered, expected);
}

TEST(Help, ExamplesAreUnderstood)
{
    for_each_page(commands(), [&](const Page &one) {
        for (const std::string &example : one.examples) {
            Words words;
            const std::string &text = example;
            for (std::size_t at = 0; at < text.size();) {
                const std::size_t end = std::min(text.find(' ', at), text.size());
                words.push_back(text.substr(at, end - at));
                at = end + 1;
            }
            if (one.name == "completion" || one.name == "lab" || text.contains(';'))
                continue; // a line of the shell, or the words of another program
            std::erase_if(words, [](const std::string &word) {
                return word == "xvtep" || word == "-j" || word == "-s" || word == "-d" ||
                       word == "-br" || word == "-ts" || word == "-4";
            });
            const auto parts = std::ranges::count(one.name, ' ') + 1;
            const auto parsed = parse(one, Words(words.begin() + parts, words.end()));
            EXPECT_TRUE(parsed) << example << ": " << parsed.error().message();
        }
    });
}

TEST(Commands, NeedTheirPlainWordEvenWithADevice)
{
    for_each_page(commands(), [](const Page &one) {
        if (one.missing.empty())
            return;
        const auto bare = parse(one, {});
        ASSERT_FALSE(bare) << one.name;
        EXPECT_EQ(bare.error().cause, one.missing);
        const auto with_device = parse(one, {"dev", "vxlan0"});
        EXPECT_EQ(with_device.has_value(), one.plain_is_device()) << one.name;
        if (!one.plain_is_device() && one.name != "completion") {
            EXPECT_EQ(with_device.error().cause, one.missing) << one.name;
        }
    });
}

TEST(Commands, MayBeAbbreviatedInTheTablesOrder)
{
    const std::pair<const char *, const char *> cases[] = {
        {"a", "attach"}, {"d", "detach"}, {"s", "show"},  {"sh", "show"},        {"st", "stats"},
        {"lst", "show"}, {"f", "fdb"},    {"n", "neigh"}, {"neighbor", "neigh"}, {"m", "monitor"},
        {"r", "reload"}, {"p", "port"},   {"se", "set"},  {"re", "reload"},      {"rem", "remote"}};
    for (const auto &[typed, meant] : cases) {
        const Page *const found = find_page(commands(), typed);
        ASSERT_NE(found, nullptr) << typed;
        EXPECT_EQ(found->name, meant) << typed;
    }
    EXPECT_EQ(find_page(page("fdb").pages, "a")->name, "fdb add");
    EXPECT_EQ(find_page(page("fdb").pages, "d")->name, "fdb del");
    EXPECT_EQ(find_page(page("fdb").pages, "delete")->name, "fdb del");
    EXPECT_EQ(find_page(page("neigh").pages, "lst")->name, "neigh show");
    EXPECT_EQ(find_page(page("remote").pages, "s")->name, "remote show");
    EXPECT_EQ(find_page(page("remote").pages, "lst")->name, "remote show");
    EXPECT_EQ(find_page(page("remote").pages, "delete")->name, "remote del");
    EXPECT_EQ(find_page(commands(), "x"), nullptr);
}

TEST(Commands, AreNearTheirMistypings)
{
    EXPECT_EQ(nearest("atach", {"attach", "detach"}), "attach");
    EXPECT_EQ(nearest("shwo", {"show", "set"}), "show");
    EXPECT_EQ(nearest("frobnicate", {"show", "set"}), "");
}

TEST(FdbFilters, ChooseEntries)
{
    const auto filter_of = [](const Words &words) {
        return parse_fdb_filter(*parse(page("fdb show"), words)).value();
    };
    FdbEntry entry;
    entry.dst = *Ip::parse("10.0.0.1");
    entry.state = FdbState::dynamic;
    VtepInfo vtep;
    vtep.vni = 5;
    vtep.bridge = "br0";
    const std::pair<Words, bool> cases[] = {
        {{}, true},
        {{"vni", "5"}, true},
        {{"vni", "6"}, false},
        {{"dst", "10.0.0.1"}, true},
        {{"dst", "10.0.0.2"}, false},
        {{"dynamic"}, true},
        {{"static"}, false},
        {{"permanent"}, false},
        {{"br", "br0"}, true},
        {{"master", "br1"}, false},
        {{"dst", "10.0.0.1", "vni", "5", "dynamic", "br", "br0"}, true},
    };
    for (const auto &[words, taken] : cases)
        EXPECT_EQ(filter_of(words).takes(entry, vtep), taken) << testing::PrintToString(words);
    entry.vni = 6;
    EXPECT_TRUE(filter_of({"vni", "6"}).takes(entry, vtep));
}

TEST(Output, HasColumnsAndColors)
{
    VtepInfo vtep;
    vtep.name = "vxlan0";
    vtep.devices = {"eth0"};
    vtep.vni = 42;
    vtep.local = Ip::parse("10.0.0.1");
    vtep.up = true;
    vtep.mtu = 1450;
    EXPECT_EQ(brief_text(vtep),
              "vxlan0           UP     42       eth0             10.0.0.1         -\n");
    EXPECT_EQ(on_one_line("a: b\n    c\n"), "a: b\\    c\n");
    EXPECT_EQ(colored("x: dev y 10.0.0.1 UP\n"),
              "\033[36mx:\033[0m dev \033[36my\033[0m \033[35m10.0.0.1\033[0m \033[32mUP\033[0m\n");
}

} // namespace
} // namespace xvtep::cli
