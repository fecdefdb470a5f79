// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/exec_directory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

namespace xvtep::agent {
namespace {

using namespace std::chrono_literals;

const Key of_mac{42, *Mac::parse("02:00:00:00:00:01")};
const Key of_ip{42, *Ip::parse("10.20.1.3")};

// What is logged meanwhile.
class Logged {
  public:
    Logged() : before_(spdlog::default_logger())
    {
        spdlog::set_default_logger(std::make_shared<spdlog::logger>(
            "test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_)));
    }
    ~Logged() { spdlog::set_default_logger(before_); }
    Logged(const Logged &) = delete;
    Logged &operator=(const Logged &) = delete;
    [[nodiscard]] std::string text() const { return text_.str(); }
    [[nodiscard]] std::ptrdiff_t lines(const std::string &with) const
    {
        std::istringstream in(text_.str());
        std::ptrdiff_t count = 0;
        for (std::string line; std::getline(in, line);)
            count += line.ends_with(with) ? 1 : 0;
        return count;
    }

  private:
    std::ostringstream text_;
    std::shared_ptr<spdlog::logger> before_;
};

class Exec : public ::testing::Test {
  protected:
    void make(const std::string &command, std::chrono::milliseconds timeout = 5s,
              unsigned most = 16)
    {
        directory_ = make_exec_directory(loop_, {command, timeout, most});
    }
    std::optional<Directory::Answer> ask(const Key &key, std::chrono::milliseconds most = 8s)
    {
        std::optional<Directory::Answer> got;
        directory_->look_up(key, [&](Directory::Answer answer) {
            got = std::move(answer);
            loop_.stop();
        });
        EXPECT_FALSE(got) << "not out of the call that asked";
        loop_.run(Loop::Clock::now() + most);
        return got;
    }
    std::string failure(const std::string &command, const Key &key = of_mac)
    {
        make(command);
        const auto got = ask(key);
        if (!got || *got)
            return "none";
        return fmt::format("{} {}", got->error().code == EBADMSG, got->error().cause);
    }
    static double processor_time()
    {
        rusage use{};
        ::getrusage(RUSAGE_SELF, &use);
        return static_cast<double>(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
               static_cast<double>(use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1e-6;
    }

    Loop loop_ = std::move(*Loop::make());
    std::unique_ptr<Directory> directory_;
};

TEST_F(Exec, AsksAndIsAnswered)
{
    make(R"(read q; case "$q" in '{"event":"l2miss","vni":42,"mac":"02:00:00:00:00:01"}') )"
         R"(echo '{"vtep":"192.168.8.101"}';; '{"event":"l3miss","vni":42,"ip":"10.20.1.3"}') )"
         R"(echo '{"vtep":"192.168.8.102","mac":"02:00:00:00:00:03"}';; *) exit 9;; esac)");
    const auto mac = ask(of_mac), ip = ask(of_ip);
    ASSERT_TRUE(mac && *mac && **mac);
    EXPECT_EQ((**mac)->vtep.text(), "192.168.8.101");
    ASSERT_TRUE(ip && *ip && **ip);
    EXPECT_EQ((**ip)->mac.text(), "02:00:00:00:00:03");
    EXPECT_FALSE(directory_->watches());
}

TEST_F(Exec, VnisHaveTurns)
{
    make("true", 5s, 1);
    std::vector<std::uint32_t> answered;
    const auto ask_for = [&](std::uint32_t vni, unsigned n) {
        directory_->look_up({vni, *Mac::parse(fmt::format("02:00:00:00:00:{:02x}", n))},
                            [&, vni](const Directory::Answer &) {
                                answered.push_back(vni);
                                if (answered.size() == 10)
                                    loop_.stop();
                            });
    };
    for (unsigned n = 0; n < 7; n++)
        ask_for(7, n);
    ask_for(5, 1);
    ask_for(9, 1);
    ask_for(9, 2);
    loop_.run(Loop::Clock::now() + 8s);
    EXPECT_EQ(answered, (std::vector<std::uint32_t>{7, 9, 5, 7, 9, 7, 7, 7, 7, 7}));
}

TEST_F(Exec, NothingNullAndEmptyObjectsAreAbsence)
{
    for (const char *command : {"true", "echo", "echo null", "echo '{}'", "printf ' \\n\\t'"}) {
        make(command);
        const auto got = ask(of_mac);
        ASSERT_TRUE(got && *got) << command;
        EXPECT_FALSE(**got) << command;
    }
}

TEST_F(Exec, SaysWhatWentWrong)
{
    EXPECT_EQ(failure("exit 3"), "false exit status 3");
    EXPECT_EQ(failure("echo '{\"vtep\":\"192.168.8.101\"}'; exit 1"), "false exit status 1");
    EXPECT_EQ(failure("kill -9 $$"), "false killed by a signal");
    EXPECT_EQ(failure("/nonexistent/command 2>/dev/null"), "false exit status 127");
    EXPECT_EQ(failure("echo nonsense"), "true not a JSON object");
    EXPECT_TRUE(failure("echo '{\"vtep\":\"224.0.0.1\"}'").starts_with("true "));
    EXPECT_TRUE(failure("head -c 50000000 /dev/zero").ends_with("bytes are too many"));
}

TEST_F(Exec, ACommandNeedNotReadItsInput)
{
    make("exec <&-; echo '{\"vtep\":\"192.168.8.101\"}'");
    for (int i = 0; i < 5; i++) {
        const auto got = ask(of_mac);
        EXPECT_TRUE(got && *got && **got);
    }
}

TEST_F(Exec, IsKilledWithItsChildrenWhenItIsTooSlow)
{
    const std::string file = fmt::format("{}/xvtep-exec-{}", ::testing::TempDir(), ::getpid());
    make(fmt::format("sleep 60 & echo $! > {}; wait", file), 300ms);
    const auto began = Loop::Clock::now();
    const auto got = ask(of_mac);
    ASSERT_TRUE(got && !*got);
    EXPECT_EQ(got->error().cause, "no answer in time");
    EXPECT_LT(Loop::Clock::now() - began, 3s);
    int pid = 0;
    std::ifstream(file) >> pid;
    ASSERT_GT(pid, 0);
    bool gone = false; // or a zombie that waits for init
    for (int i = 0; i < 100 && !gone; i++) {
        std::ifstream status(fmt::format("/proc/{}/stat", pid));
        std::string word, name, state;
        status >> word >> name >> state;
        gone = !status || state == "Z";
        ::usleep(10'000);
    }
    EXPECT_TRUE(gone);
    ::unlink(file.c_str());
}

// Its death cannot be had by its process group.
TEST_F(Exec, IsKilledWhenItHasLeftItsGroup)
{
    make("exec python3 -c 'import os, time; os.setpgid(0, os.getpgid(os.getppid())); "
         "time.sleep(60)'",
         500ms);
    const auto began = Loop::Clock::now();
    const auto got = ask(of_mac);
    ASSERT_TRUE(got && !*got);
    EXPECT_EQ(got->error().cause, "no answer in time");
    EXPECT_LT(Loop::Clock::now() - began, 3s);
}

// Children may outlive it in a session of their own: they hold nothing of ours.
TEST_F(Exec, StandardErrorIsNotOurs)
{
    const Logged log;
    make("readlink /proc/self/fd/2 >&2; setsid sleep 5 & echo");
    const auto began = Loop::Clock::now();
    EXPECT_TRUE(ask(of_mac));
    directory_.reset();
    EXPECT_LT(Loop::Clock::now() - began, 3s);
    const auto text = log.text();
    const auto at = text.find("pipe:[");
    ASSERT_NE(at, std::string::npos) << text;
    std::array<char, 256> ours{};
    ASSERT_GT(::readlink("/proc/self/fd/2", ours.data(), ours.size() - 1), 0);
    EXPECT_FALSE(text.substr(at).starts_with(ours.data())) << text;
}

TEST_F(Exec, LogsAFewLinesOfStandardErrorASecond)
{
    const Logged log;
    make("printf 'one\\ntwo' >&2; echo");
    ASSERT_TRUE(ask(of_mac));
    EXPECT_EQ(log.lines("one"), 1);
    EXPECT_EQ(log.lines(": two"), 1) << "its last line has no end";

    make("yes much >&2", 1500ms);
    const double before = processor_time();
    const auto got = ask(of_mac);
    ASSERT_TRUE(got && !*got);
    EXPECT_GE(log.lines("much"), 10);
    EXPECT_LE(log.lines("much"), 20) << "in two seconds";
    EXPECT_EQ(log.lines("more lines of standard error were dropped"), 1) << log.text();
    EXPECT_LT(processor_time() - before, 0.7);

    make("head -c 10000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo");
    ASSERT_TRUE(ask(of_mac));
    EXPECT_LT(log.text().size(), 5000U);
}

TEST_F(Exec, ALongAnswerIsNotReadToItsEnd)
{
    make("yes");
    const auto began = Loop::Clock::now();
    const auto got = ask(of_mac);
    ASSERT_TRUE(got && !*got);
    EXPECT_EQ(got->error().code, EBADMSG);
    EXPECT_LT(Loop::Clock::now() - began, 2s);
}

TEST_F(Exec, WaitingForACommandThatClosedItsOutputCostsNothing)
{
    make("sleep 0.1; exec >&- <&-; sleep 0.5");
    loop_.after(50ms, [] { errno = EAGAIN; }); // as some read before it left it
    const double before = processor_time();
    const auto got = ask(of_mac);
    EXPECT_TRUE(got && *got && !**got);
    EXPECT_LT(processor_time() - before, 0.2);
}

TEST_F(Exec, AHundredQuestionsTakeTurns)
{
    make("sleep 0.01; echo '{\"vtep\":\"192.168.8.101\"}'", 20s, 8);
    unsigned answers = 0, good = 0;
    for (unsigned n = 0; n < 100; n++)
        directory_->look_up({42, *Mac::parse(fmt::format("2:0:0:0:1:{:x}", n))},
                            [&](const Directory::Answer &answer) {
                                good += answer && *answer;
                                if (++answers == 100)
                                    loop_.stop();
                            });
    loop_.run(Loop::Clock::now() + 20s);
    EXPECT_EQ(answers, 100U);
    EXPECT_EQ(good, 100U);
}

TEST_F(Exec, ItsCommandsHaveDefaultSignals)
{
    const auto before = ::signal(SIGPIPE, SIG_IGN);
    make("yes | head -n 1 >/dev/null; grep -q 'SigIgn:.*[1-9a-f][0-9a-f][0-9a-f][0-9a-f]$' "
         "/proc/self/status && exit 5; exit 0");
    const auto got = ask(of_mac);
    EXPECT_TRUE(got && *got);
    ::signal(SIGPIPE, before);
}

TEST_F(Exec, GoneWhileCommandsRun)
{
    make("sleep 60");
    unsigned answers = 0;
    for (int i = 0; i < 30; i++)
        directory_->look_up(of_mac, [&](const Directory::Answer &) { answers++; });
    loop_.run(Loop::Clock::now() + 20ms);
    directory_.reset();
    loop_.run(Loop::Clock::now() + 20ms);
    EXPECT_EQ(answers, 0U);
}

TEST(ExecCommand, IsCheckedIfItNamesAProgram)
{
    for (const char *good : {"true", "/bin/sh", "/bin/sh -c 'exit 0'", "/bin/sh;/proc/none",
                             "A=b /proc/none", "/$HOME/none", "nonexistent", "./nonexistent"})
        EXPECT_TRUE(check_command(good)) << good;
    for (const char *bad : {"/proc/none", "/proc/none word", "/proc/none|cat", "/dev/null", "/tmp"})
        EXPECT_FALSE(check_command(bad)) << bad;
    EXPECT_EQ(check_command("/proc/none x").error().message(),
              "run /proc/none: no such file or directory");
}

} // namespace
} // namespace xvtep::agent
