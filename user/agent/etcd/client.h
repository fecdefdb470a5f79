// SPDX-License-Identifier: GPL-2.0-only
// The JSON gateway of one etcd cluster: all requests go to one server at a time, the next one is
// taken when it fails, with a pause when all have failed. One thread; callbacks come out of the
// loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "user/agent/etcd/http_client.h"
#include "user/agent/etcd/options.h"
#include "user/agent/json.h"
#include "user/agent/loop.h"

namespace xvtep::agent {

struct EtcdCounters {
    std::uint64_t requests = 0;   // sent, of all kinds
    std::uint64_t failures = 0;   // of them, without a usable answer
    std::uint64_t connects = 0;   // servers that were found to work; the first one included
    std::uint64_t look_ups = 0;   // asked for
    std::uint64_t unanswered = 0; // of them, errors
    std::uint64_t events = 0;     // that watches brought
    std::uint64_t refused = 0;    // of them, values that are no record
    std::uint64_t resyncs = 0;
};

// Where a cluster stands.
struct EtcdHeader {
    std::uint64_t cluster = 0, revision = 0, term = 0;
};

struct EtcdProblem {
    enum Kind {
        server,    // nobody knows whether it was done; ask again when the client is up
        too_large, // or too many operations: ask for less
        refused,   // by etcd, for good
    };
    Kind kind = server;
    std::uint64_t code = 0; // gRPC's
    std::string text;
};

class EtcdClient {
  public:
    using Answer = std::expected<Json, EtcdProblem>;
    using Done = std::function<void(Answer)>;

    struct Listener {
        virtual ~Listener() = default;
        // A server works. `now` is not older than anything that was acknowledged before.
        virtual void up(const EtcdHeader &now) = 0;
        // It does no more; its requests have been or will be called back with a problem.
        virtual void down() = 0;
    };

    static Result<std::unique_ptr<EtcdClient>> make(Loop &loop, EtcdOptions options,
                                                    Listener &listener);
    ~EtcdClient();

    [[nodiscard]] bool up() const { return state_ == State::up; }
    // Only while up.
    void post(std::string_view path, std::string body, std::chrono::milliseconds timeout,
              Done done);
    // A request whose answer does not end; its end is a failure of the server. One at a time.
    void stream(std::string_view path, std::string body, HttpClient::Chunk chunk);
    void stop_stream();
    // A read that no server answers out of an old state.
    void ask_header(std::function<void(std::expected<EtcdHeader, EtcdProblem>)> done);

    void fail(const std::string &cause); // the server is of no use: on to the next one
    [[nodiscard]] const std::string &server() const { return options_.endpoints[server_]; }
    [[nodiscard]] const std::string &trouble() const { return trouble_; } // why it is not up
    // Between half of it and all of it: many clients do not come at once.
    std::chrono::milliseconds jittered(std::chrono::milliseconds most);

    static EtcdHeader header_of(const Json &answer);

    EtcdCounters counters;

  private:
    enum class State { waiting, connecting, up };
    struct Call {
        std::string path, body;
        std::chrono::milliseconds timeout{};
        Done done;
        bool repeated = false; // with a new token
    };

    EtcdClient(Loop &loop, EtcdOptions options, Listener &listener,
               std::unique_ptr<HttpClient> http);
    HttpClient::Request request(std::string_view path, std::string body,
                                std::chrono::milliseconds timeout) const;
    void send(Call call);
    void answered(Call call, HttpClient::Reply reply);
    void wait(std::chrono::milliseconds pause);
    void connect();
    void authenticate(std::function<void()> then);
    void renew_token();

    Loop &loop_;
    const EtcdOptions options_;
    Listener &listener_;
    std::unique_ptr<HttpClient> http_;
    State state_ = State::waiting;
    std::size_t server_ = 0;
    std::size_t failed_ = 0; // servers, one after the other
    std::chrono::milliseconds pause_;
    Loop::Clock::time_point since_; // when it came up
    Loop::Timer timer_{};
    std::map<std::uint64_t, std::pair<HttpClient::Id, Done>> calls_;
    std::uint64_t next_ = 0;
    HttpClient::Id stream_ = 0;
    std::string token_;
    bool renewing_ = false;
    std::vector<Call> for_token_;
    std::vector<bool> told_; // of each server, that it is down
    std::string trouble_ = "not connected yet";
    std::mt19937 random_;
};

} // namespace xvtep::agent
