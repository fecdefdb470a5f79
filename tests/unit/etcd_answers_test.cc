// SPDX-License-Identifier: GPL-2.0-only
// Answers that a healthy etcd seldom gives: too old, too large, nonsense.
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <httplib.h>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "user/agent/etcd/base64.h"
#include "user/agent/etcd/directory.h"
#include "user/agent/etcd/keys.h"

namespace xvtep::agent {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

const Key key{42, *Ip::parse("10.1.0.1")};

Record at(unsigned n)
{
    return {42, *Mac::parse("02:00:00:00:00:01"), *Ip::parse("10.1.0.1"),
            *Ip::parse(fmt::format("192.0.2.{}", n)), 0};
}

std::string header(unsigned revision)
{
    return fmt::format(R"("header":{{"cluster_id":"7","revision":"{}","raft_term":"2"}})",
                       revision);
}

std::string pair(unsigned revision, const std::string &value, const Key &of = key)
{
    return fmt::format(R"({{"key":"{}","mod_revision":"{}","value":"{}"}})",
                       base64(etcd_key("/xvtep/v1", of)), revision, base64(value));
}

std::string found(unsigned revision, const std::string &kv)
{
    return fmt::format(R"({{{},"responses":[{{"response_range":{{"kvs":[{}]}}}}]}})",
                       header(revision), kv);
}

class FakeEtcd {
  public:
    FakeEtcd()
    {
        server_.Post("/v3/kv/range", [](const httplib::Request &, httplib::Response &response) {
            response.set_content("{" + header(5) + "}", "application/json");
        });
        server_.Post("/v3/kv/txn",
                     [this](const httplib::Request &request, httplib::Response &response) {
                         response.set_content(answer(request.body), "application/json");
                     });
        server_.Post("/v3/watch", [this](const httplib::Request &, httplib::Response &response) {
            {
                const std::lock_guard lock(mutex_);
                lines_ = R"({"result":{)" + header(5) + ",\"created\":true}}\n";
            }
            response.set_chunked_content_provider(
                "application/json", [this, watch = ++watch_](std::size_t, httplib::DataSink &sink) {
                    std::unique_lock lock(mutex_);
                    news_.wait_for(lock, 50ms, [this] { return !lines_.empty(); });
                    if (stop_ || watch != watch_)
                        return false;
                    const std::string text = std::exchange(lines_, {});
                    lock.unlock();
                    return text.empty() || sink.write(text.data(), text.size());
                });
        });
        port_ = server_.bind_to_any_port("127.0.0.1");
        thread_ = std::thread([this] { server_.listen_after_bind(); });
    }
    ~FakeEtcd()
    {
        stop_ = true;
        server_.stop();
        thread_.join();
    }

    void tell(const std::string &line)
    {
        const std::lock_guard lock(mutex_);
        lines_ += line + "\n";
        news_.notify_one();
    }
    void tell_event(unsigned revision, const std::string &kv)
    {
        tell(fmt::format(R"({{"result":{{{},"events":[{{"kv":{}}}]}}}})", header(revision), kv));
    }
    [[nodiscard]] std::string url() const { return fmt::format("http://127.0.0.1:{}", port_); }

    std::function<std::string(const std::string &)> answer = [](const std::string &) {
        return "{}";
    };

  private:
    httplib::Server server_;
    int port_ = 0;
    std::thread thread_;
    std::atomic<bool> stop_ = false;
    std::atomic<int> watch_ = 0;
    std::mutex mutex_;
    std::condition_variable news_;
    std::string lines_;
};

class EtcdAnswers : public ::testing::Test, public Directory::Client {
  protected:
    void start()
    {
        EtcdOptions options = *parse_etcd_url(etcd_.url());
        options.timeout = 1s;
        directory_ = std::move(*make_etcd_directory(loop_, *this, options));
    }

    void changed(const Key &, const std::optional<Record> &record) override
    {
        changes_.push_back(record);
    }
    void resync() override { lost_++; }

    bool until(const std::function<bool()> &condition)
    {
        const auto end = Loop::Clock::now() + 3s;
        while (!condition() && Loop::Clock::now() < end)
            loop_.run(Loop::Clock::now() + 2ms);
        return condition();
    }

    std::string where()
    {
        std::optional<Directory::Answer> got;
        directory_->look_up(key, [&](Directory::Answer answer) { got = std::move(answer); });
        EXPECT_TRUE(until([&] { return got.has_value(); }));
        if (!got || !*got)
            return got ? got->error().message() : "no answer";
        return **got ? (**got)->vtep.text() : "none";
    }

    Loop loop_ = std::move(*Loop::make());
    FakeEtcd etcd_;
    std::unique_ptr<EtcdDirectory> directory_;
    std::vector<std::optional<Record>> changes_;
    int lost_ = 0;
};

TEST_F(EtcdAnswers, OlderThanAnEventMeanwhile)
{
    etcd_.answer = [this](const std::string &) {
        etcd_.tell_event(7, pair(7, to_json(at(2))));
        std::this_thread::sleep_for(100ms);
        return found(6, pair(6, to_json(at(1))));
    };
    start();
    directory_->watch({42});
    ASSERT_TRUE(until([&] { return directory_->watches(); }));
    EXPECT_EQ(where(), "192.0.2.2");
    EXPECT_EQ(changes_.size(), 1U);
}

TEST_F(EtcdAnswers, OlderThanTheWatch)
{
    std::atomic<int> asked = 0;
    etcd_.answer = [&](const std::string &body) {
        asked++;
        return body.find("serializable") != std::string::npos ? found(6, pair(6, to_json(at(1))))
                                                              : found(8, pair(8, to_json(at(3))));
    };
    start();
    directory_->watch({42});
    ASSERT_TRUE(until([&] { return directory_->watches(); }));
    etcd_.tell_event(7, pair(7, to_json(at(2))));
    ASSERT_TRUE(until([&] { return !changes_.empty(); }));
    EXPECT_EQ(where(), "192.0.2.3");
    EXPECT_EQ(asked, 2);
}

TEST_F(EtcdAnswers, Nonsense)
{
    const std::string record = to_json(at(1));
    const Key other{42, *Ip::parse("10.1.0.2")};
    std::string text;
    etcd_.answer = [&](const std::string &) { return text; };
    start();
    const std::pair<std::string, std::string> cases[] = {
        {"", "not etcd's"},
        {"[]", "not etcd's"},
        {"{}", "not etcd's"},
        {"{" + header(6) + R"(,"responses":7})", "not etcd's"},
        {"{" + header(6) + R"(,"responses":[]})", "not etcd's"},
        {"{" + header(6) + R"(,"responses":[3]})", "not etcd's"},
        {"{" + header(6) + R"(,"responses":[{},{}]})", "not etcd's"},
        {"{" + header(6) + R"(,"responses":[{"response_range":{"kvs":{}}}]})", "not etcd's"},
        {found(6, "3"), "another key"},
        {found(6, pair(6, record, other)), "another key"},
        {found(6, pair(6, "\xff\xfe")), "not a JSON object"},
        {found(6, R"({"key":")" + base64(etcd_key("/xvtep/v1", key)) + R"(","value":[1]})"),
         "not a JSON object"},
        {std::string(200'000, '['), "not etcd's"},
        {std::string(3'000'000, ' '), "too large"},
    };
    for (const auto &[given, expected] : cases) {
        text = given;
        EXPECT_THAT(where(), HasSubstr(expected)) << given.substr(0, 100);
    }
    text = found(6, pair(6, record));
    EXPECT_EQ(where(), "192.0.2.1");
}

TEST_F(EtcdAnswers, AnEndlessLineOfTheWatch)
{
    start();
    directory_->watch({42});
    ASSERT_TRUE(until([&] { return directory_->watches(); }));
    etcd_.tell(R"({"result":")" + std::string(9'000'000, 'x'));
    EXPECT_TRUE(until([&] { return lost_ == 1; }));
    EXPECT_TRUE(until([&] { return directory_->watches(); }));
    etcd_.tell_event(7, pair(7, to_json(at(2))));
    EXPECT_TRUE(until([&] { return changes_.size() == 1; }));
    etcd_.tell("garbage");
    EXPECT_TRUE(until([&] { return !directory_->watches(); }));
    EXPECT_TRUE(until([&] { return directory_->watches(); }));
    EXPECT_EQ(lost_, 2); // revision 5 again, after 7
}

} // namespace
} // namespace xvtep::agent
