// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/file_directory.h"
#include "user/agent/files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

namespace xvtep::agent {
namespace {

using namespace std::chrono_literals;

Record record(unsigned n, unsigned behind, bool with_ip = true)
{
    Record made{42, *Mac::parse(fmt::format("02:00:00:00:00:{:02x}", n)), std::nullopt,
                *Ip::parse(fmt::format("192.168.8.{}", behind)), 4789};
    if (with_ip)
        made.ip = Ip::parse(fmt::format("10.20.1.{}", n));
    return made;
}
Key key(unsigned n)
{
    return {42, record(n, 1).mac};
}

struct Client : Directory::Client {
    std::map<Key, std::optional<Record>> told;
    unsigned times = 0;
    void changed(const Key &of, const std::optional<Record> &now) override
    {
        told[of] = now;
        times++;
    }
    void resync() override {}
};

class File : public ::testing::Test {
  protected:
    File()
    {
        level_ = spdlog::get_level();
        spdlog::set_level(spdlog::level::off);
        std::filesystem::remove_all(dir_);
        std::filesystem::create_directories(dir_ + "/elsewhere");
    }
    ~File() override
    {
        spdlog::set_level(level_);
        std::filesystem::remove_all(dir_);
    }
    std::unique_ptr<Directory> make(const std::string &node = "a", std::string path = "")
    {
        auto made = make_file_directory(loop_, client_, {path.empty() ? file_ : path, node});
        EXPECT_TRUE(made) << made.error().message();
        (*made)->watch({42});
        return std::move(*made);
    }
    void run(std::chrono::milliseconds time = 60ms) { loop_.run(Loop::Clock::now() + time); }
    [[nodiscard]] std::string text() const
    {
        std::ifstream in(file_);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    void put(const std::string &lines) const { std::ofstream(file_) << lines; }
    Directory::Answer ask(Directory &directory, const Key &of)
    {
        std::optional<Directory::Answer> got;
        directory.look_up(of, [&](Directory::Answer answer) { got = std::move(answer); });
        EXPECT_FALSE(got);
        run(5ms);
        return got ? *got : Directory::Answer(system_failure("ask", of.text(), "no answer"));
    }

    std::string dir_ = fmt::format("{}/xvtep-file-{}", ::testing::TempDir(), ::getpid());
    std::string file_ = dir_ + "/endpoints";
    Loop loop_ = std::move(*Loop::make());
    Client client_;
    spdlog::level::level_enum level_;
};

TEST(FileLine, RoundTrips)
{
    for (const char *node : {"", "host1"})
        for (const bool ip : {false, true}) {
            const FileLine line{record(7, 2, ip), node};
            const auto back = parse_line(to_line(line));
            ASSERT_TRUE(back && *back) << to_line(line);
            EXPECT_EQ((*back)->record, line.record);
            EXPECT_EQ((*back)->node, node);
        }
}

TEST(FileLine, TakesPeoplesHandwriting)
{
    for (const char *text : {"", "   ", "\t\r", "# vni 42", "  # nothing"}) {
        const auto parsed = parse_line(text);
        EXPECT_TRUE(parsed && !*parsed) << text;
    }
    const auto parsed = parse_line(" mac 2:0:0:0:0:7\tvtep fd00::2   vni 42 # mine\r");
    ASSERT_TRUE(parsed && *parsed);
    EXPECT_EQ((*parsed)->record.vtep.text(), "fd00::2");
    for (const char *text :
         {"x", "vni", "vni 42", "vni 42 mac 2:0:0:0:0:7", "vni 0 mac 2:0:0:0:0:7 vtep 10.0.0.1",
          "vni 16777216 mac 2:0:0:0:0:7 vtep 10.0.0.1", "vni 42x mac 2:0:0:0:0:7 vtep 10.0.0.1",
          "vni 42 mac 1:0:0:0:0:7 vtep 10.0.0.1", "vni 42 mac 2:0:0:0:0:7 vtep 224.0.0.1",
          "vni 42 mac 2:0:0:0:0:7 vtep 10.0.0.1 port 65536",
          "vni 42 mac 2:0:0:0:0:7 vtep 10.0.0.1 ip", "vni 42 mac 2:0:0:0:0:7 vtep 10.0.0.1 by",
          "vni 42 mac 2:0:0:0:0:7 vtep 10.0.0.1 color red",
          "vni 42 mac 2:0:0:0:0:7 vtep 10.0.0.1 ip 127.0.0.1"})
        EXPECT_FALSE(parse_line(text)) << text;
}

TEST_F(File, AnswersByMacAndByIp)
{
    put(to_line({record(7, 2), ""}) + "\ngarbage here\n");
    const auto directory = make();
    const auto by_mac = ask(*directory, key(7)), by_ip = ask(*directory, {42, *record(7, 1).ip});
    ASSERT_TRUE(by_mac && *by_mac && by_ip && *by_ip);
    EXPECT_EQ(**by_mac, record(7, 2));
    EXPECT_EQ(**by_ip, record(7, 2));
    const auto none = ask(*directory, key(8));
    EXPECT_TRUE(none && !*none);
    EXPECT_EQ(client_.times, 0U);
}

TEST_F(File, NeedNotExistButItsDirectoryMust)
{
    const auto directory = make();
    const auto none = ask(*directory, key(8));
    EXPECT_TRUE(none && !*none);
    EXPECT_FALSE(make_file_directory(loop_, client_, {dir_ + "/no/such/file", "a"}));
}

TEST_F(File, TellsOfEdits)
{
    const auto directory = make();
    put(to_line({record(7, 2), ""}) + "\n" + to_line({record(8, 2), ""}) + "\n");
    run();
    EXPECT_EQ(client_.told.size(), 4U);
    EXPECT_EQ(client_.told[key(7)], record(7, 2));
    client_ = {};
    put(to_line({record(7, 3), ""}) + "\n");
    run();
    EXPECT_EQ(client_.told[key(7)], record(7, 3)) << "moved";
    EXPECT_EQ(client_.told[key(8)], std::nullopt) << "gone";
    EXPECT_EQ(client_.times, 4U);
    std::filesystem::remove(file_);
    run();
    EXPECT_EQ(client_.told[key(7)], std::nullopt);
}

TEST_F(File, TellsOfNothingElse)
{
    put(to_line({record(7, 2), ""}) + "\n");
    const auto directory = make();
    Record foreign = record(9, 2);
    foreign.vni = 43;
    std::ofstream(file_, std::ios::app) << to_line({foreign, ""}) << "\n# a comment\n";
    std::ofstream(dir_ + "/other") << "x";
    run();
    EXPECT_EQ(client_.times, 0U);
}

TEST_F(File, ThatCannotBeReadAnswersNothing)
{
    const auto directory = make();
    for (const auto &spoil : std::vector<std::function<void()>>{
             [this] { std::filesystem::create_directories(file_); },
             [this] { ASSERT_EQ(::mkfifo(file_.c_str(), 0600), 0); },
             [this] { std::filesystem::create_symlink("/dev/zero", file_); },
             [this] {
                 put("");
                 std::filesystem::resize_file(file_, (64U << 20) + 1);
             }}) {
        spoil();
        std::filesystem::rename(file_, dir_ + "/spoiled");
        std::filesystem::rename(dir_ + "/spoiled", file_); // as an editor does
        run(100ms);
        EXPECT_FALSE(ask(*directory, key(7)));
        std::filesystem::remove(file_);
        run(100ms);
        EXPECT_TRUE(ask(*directory, key(7)));
    }
    put(to_line({record(7, 2), ""}) + "\n");
    run();
    const auto found = ask(*directory, key(7));
    EXPECT_TRUE(found && *found);
}

TEST_F(File, IsARegularOneOrRefusedAtOnce)
{
    ASSERT_EQ(::mkfifo((dir_ + "/fifo").c_str(), 0600), 0);
    for (const std::string &path : {dir_, dir_ + "/fifo", std::string("/dev/zero")}) {
        const auto made = make_file_directory(loop_, client_, {path, "a"});
        ASSERT_FALSE(made) << path;
        EXPECT_EQ(made.error().message(), "read " + path + ": not a regular file");
    }
}

TEST_F(File, ALineThatIsTooLongIsNoneButStays)
{
    const std::string longest = "vni 42 mac 2:0:0:0:0:8 vtep 192.168.8.2 #";
    const std::string good = longest + std::string(record_size_max - longest.size(), 'x'),
                      bad = to_line({record(9, 2), ""}) + "#" + std::string(1 << 20, 'x');
    put(bad + "\n" + good + "\n" + to_line({record(7, 2), ""}));
    const auto directory = make();
    for (const unsigned n : {7U, 8U}) {
        const auto found = ask(*directory, key(n));
        EXPECT_TRUE(found && *found) << n;
    }
    const auto none = ask(*directory, key(9));
    EXPECT_TRUE(none && !*none);
    const auto parsed = parse_line(bad);
    ASSERT_FALSE(parsed);
    EXPECT_LT(parsed.error().message().size(), 200U);
    const auto before = text();
    directory->announce({record(1, 1)});
    run();
    EXPECT_EQ(text(), before);
}

// One host's name, by mistake: two would take each other's lines away for ever.
TEST_F(File, TwoOfOneNameBothAnnounce)
{
    const auto one = make("a"), other = make("a");
    one->announce({record(7, 1)});
    run();
    other->announce({record(8, 2)});
    const auto both = [this] {
        return text().contains(to_line({record(7, 1), "a"})) &&
               text().contains(to_line({record(8, 2), "a"}));
    };
    for (int i = 0; i < 80 && !both(); i++)
        run(100ms);
    ASSERT_TRUE(both()) << text();
    const auto written = std::filesystem::last_write_time(file_);
    run(2500ms);
    EXPECT_EQ(std::filesystem::last_write_time(file_), written);
    // Each still has its own.
    one->announce({record(7, 3)});
    run();
    EXPECT_EQ(text(), to_line({record(8, 2), "a"}) + "\n" + to_line({record(7, 3), "a"}) + "\n");
}

TEST_F(File, OwnOnesThatComeAndGoAreNotTakenForAnothers)
{
    const auto directory = make();
    for (int i = 0; i < 5; i++) {
        directory->announce({record(7, 1)});
        run();
        directory->announce({});
        run();
    }
    EXPECT_EQ(text(), "");
}

TEST_F(File, IsReplacedWithoutFollowingLinks)
{
    const std::string victim = dir_ + "/victim", state = dir_ + "/state";
    std::ofstream(victim) << "mine";
    std::filesystem::create_symlink("victim", state + ".new");
    ASSERT_TRUE(replace_file(state, "one"));
    EXPECT_EQ(*read_regular(victim, 100), "mine");
    EXPECT_EQ(*read_regular(state, 3), "one");
    EXPECT_EQ(read_regular(state, 2).error().code, EFBIG);
    std::filesystem::create_directories(state + ".new");
    EXPECT_FALSE(replace_file(state, "two"));
    EXPECT_EQ(*read_regular(state, 3), "one");
    EXPECT_TRUE(check_regular(state) && check_regular(dir_ + "/none"));
    EXPECT_FALSE(check_regular(dir_));
}

TEST_F(File, AnnouncesBesideWhatPeopleWrote)
{
    put("# ours\n\n" + to_line({record(1, 9), ""}) + " # by hand\n" + to_line({record(2, 9), "b"}));
    ::chmod(file_.c_str(), 0640);
    const auto directory = make();
    directory->announce({record(7, 1), record(8, 1)});
    EXPECT_EQ(client_.times, 0U) << "not out of the call";
    run();
    const auto others = "# ours\n\n" + to_line({record(1, 9), ""}) + " # by hand\n" +
                        to_line({record(2, 9), "b"}) + "\n";
    EXPECT_EQ(text(),
              others + to_line({record(7, 1), "a"}) + "\n" + to_line({record(8, 1), "a"}) + "\n");
    struct stat now {};
    ::stat(file_.c_str(), &now);
    EXPECT_EQ(now.st_mode & 0777, 0640U);
    EXPECT_EQ(client_.told[key(7)], record(7, 1));
    directory->announce({record(8, 1)});
    run();
    EXPECT_EQ(text(), others + to_line({record(8, 1), "a"}) + "\n");
    directory->announce({});
    run();
    EXPECT_EQ(text(), others);
}

// It may be somebody else's.
TEST_F(File, WithALineThatIsNoRecordIsReadButNotWritten)
{
    const auto good = to_line({record(1, 9), ""}) + "\n", theirs = good + "127.0.0.1 localhost\n";
    put(theirs);
    const auto directory = make();
    directory->announce({record(7, 1)});
    run(1200ms);
    EXPECT_EQ(text(), theirs);
    const auto found = ask(*directory, key(1));
    EXPECT_TRUE(found && *found);
    put(good);
    run(1200ms);
    EXPECT_EQ(text(), good + to_line({record(7, 1), "a"}) + "\n");
    put(theirs);
    run(1200ms);
    EXPECT_EQ(text(), theirs) << "nor when it was put in place later";
    directory->announce({});
    run();
    EXPECT_EQ(text(), theirs);
}

TEST_F(File, WithoutAnyRecordIsRefusedUnlessItIsEmpty)
{
    for (const std::string theirs : {"127.0.0.1 localhost\n", "# comment\n\nroot:x:0:0\n",
                                     "\x7f"
                                     "ELF"}) {
        put(theirs);
        const auto made = make_file_directory(loop_, client_, {file_, "a"});
        ASSERT_FALSE(made) << theirs;
        EXPECT_EQ(made.error().message(), "read " + file_ + ": none of its lines is a record");
        EXPECT_EQ(text(), theirs);
    }
    for (const std::string empty : {"", "\n", "# comment\n"}) {
        put(empty);
        EXPECT_TRUE(make_file_directory(loop_, client_, {file_, "a"})) << empty;
    }
}

TEST_F(File, IsCheckedToBeWritable)
{
    EXPECT_TRUE(check_writable(file_) && check_writable(dir_ + "/not/made/yet"));
    put("");
    EXPECT_TRUE(check_writable(file_));
    EXPECT_FALSE(check_writable(dir_)) << "a directory";
    EXPECT_FALSE(check_writable(file_ + "/below")) << "a file is not a directory";
    EXPECT_FALSE(check_writable("/proc/xvtep-nope"));
    EXPECT_FALSE(make_file_directory(loop_, client_, {"/proc/xvtep-nope", "a"}));
    std::size_t left = 0;
    for ([[maybe_unused]] const auto &one : std::filesystem::directory_iterator(dir_))
        left++;
    EXPECT_EQ(left, 2U) << "the file and elsewhere";
}

TEST_F(File, AnEndpointThatMovesChangesItsLine)
{
    const auto a = make("a"), b = make("b");
    a->announce({record(7, 1)});
    run();
    b->announce({record(7, 2)});
    run(1200ms);
    EXPECT_EQ(text(), to_line({record(7, 2), "b"}) + "\n") << "left to the other";
    a->announce({record(7, 1), record(8, 1)});
    run();
    EXPECT_EQ(text(), to_line({record(7, 2), "b"}) + "\n" + to_line({record(8, 1), "a"}) + "\n");
    a->announce({record(8, 1)});
    a->announce({record(7, 1), record(8, 1)});
    run();
    EXPECT_EQ(text(), to_line({record(8, 1), "a"}) + "\n" + to_line({record(7, 1), "a"}) + "\n");
}

TEST_F(File, WhatWasAnnouncedStaysWhateverComes)
{
    const auto directory = make();
    directory->announce({record(7, 1)});
    run();
    std::filesystem::remove(file_);
    run(1200ms);
    EXPECT_EQ(text(), to_line({record(7, 1), "a"}) + "\n");
    put("# emptied\n");
    run(1200ms);
    EXPECT_EQ(text(), "# emptied\n" + to_line({record(7, 1), "a"}) + "\n");
}

TEST_F(File, ALinkStaysOneAndItsTargetIsWatched)
{
    const std::string target = dir_ + "/elsewhere/real";
    std::ofstream(target) << to_line({record(1, 9), ""}) << "\n";
    std::filesystem::create_symlink("elsewhere/real", file_);
    const auto directory = make();
    directory->announce({record(7, 1)});
    run();
    EXPECT_TRUE(std::filesystem::is_symlink(file_));
    EXPECT_EQ(text(), to_line({record(1, 9), ""}) + "\n" + to_line({record(7, 1), "a"}) + "\n");
    std::ofstream(target, std::ios::app) << to_line({record(2, 9), ""}) << "\n";
    run(2300ms);
    EXPECT_EQ(client_.told[key(2)], record(2, 9));
}

TEST_F(File, ALockThatIsHeldHoldsUpNobody)
{
    const int lock = ::open((file_ + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    ASSERT_EQ(::flock(lock, LOCK_EX), 0);
    const auto directory = make();
    const auto began = Loop::Clock::now();
    directory->announce({record(7, 1)});
    directory->announce({record(8, 1)});
    EXPECT_LT(Loop::Clock::now() - began, 1s);
    run();
    EXPECT_EQ(text(), "");
    ::close(lock);
    run();
    EXPECT_EQ(text(), to_line({record(8, 1), "a"}) + "\n");
}

TEST_F(File, AgentsShareOneFile)
{
    constexpr unsigned agents = 6, rounds = 10;
    std::vector<std::thread> threads;
    for (unsigned n = 1; n <= agents; n++)
        threads.emplace_back([this, n] {
            Client client;
            auto loop = std::move(*Loop::make());
            auto made = make_file_directory(loop, client, {file_, fmt::format("host{}", n)});
            if (!made)
                return;
            (*made)->watch({42});
            for (unsigned round = 1; round <= rounds; round++) {
                (*made)->announce({record(n * 16 + round, n), record(n * 16, n)});
                loop.run(Loop::Clock::now() + 5ms);
            }
            loop.run(Loop::Clock::now() + 600ms);
        });
    for (auto &thread : threads)
        thread.join();
    const auto all = text();
    EXPECT_EQ(std::ranges::count(all, '\n'), 2 * agents) << all;
    for (unsigned n = 1; n <= agents; n++)
        for (const unsigned one : {n * 16, n * 16 + rounds})
            EXPECT_TRUE(all.contains(to_line({record(one, n), fmt::format("host{}", n)}) + "\n"));
    for (const auto &left : std::filesystem::directory_iterator(dir_))
        EXPECT_TRUE(left.path() == file_ || left.path() == file_ + ".lock" || left.is_directory())
            << left.path();
}

} // namespace
} // namespace xvtep::agent
