// SPDX-License-Identifier: GPL-2.0-only
// A client of etcd's JSON gateway. All requests go to one server of the cluster; when it fails, the
// client changes to the next one, and pauses when all have failed. Callbacks come from the event
// loop.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "user/agent/etcd/http_client.h"
#include "user/agent/etcd/options.h"
#include "user/agent/json.h"
#include "user/agent/loop.h"

namespace xvtep::agent {

struct EtcdCounters {
    std::uint64_t requests = 0;   // sent
    std::uint64_t failures = 0;   // requests without a usable answer
    std::uint64_t connects = 0;   // times that a server was found to work
    std::uint64_t look_ups = 0;   // keys that were looked up
    std::uint64_t unanswered = 0; // look-ups that ended with an error
    std::uint64_t events = 0;     // changes that the watch reported
    std::uint64_t refused = 0;    // values that are not a record
    std::uint64_t resyncs = 0;
};

// The state of a cluster at the time of an answer.
struct EtcdHeader {
    std::uint64_t cluster = 0, revision = 0, term = 0;
};

struct EtcdProblem {
    enum Kind {
        server,    // the request may or may not have been executed; repeat it when the client is up
        too_large, // of bytes or operations; ask for fewer keys
        refused,   // by etcd; repeating the request does not help
    };
    Kind kind = server;
    std::uint64_t code = 0; // the gRPC status
    std::string text;
};

class EtcdClient {
  public:
    using Answer = std::expected<Json, EtcdProblem>;
    using Done = std::function<void(Answer)>;

    struct Listener {
        virtual ~Listener() = default;
        // A server works. `now` is not older than any answer before.
        virtual void up(const EtcdHeader &now) = 0;
        // The server has failed. Its requests end with a problem.
        virtual void down() = 0;
    };

    static Result<std::unique_ptr<EtcdClient>> make(Loop &loop, EtcdOptions options,
                                                    Listener &listener);
    ~EtcdClient();

    [[nodiscard]] bool up() const { return state_ == State::up; }
    // Sends a request. May be called only while up().
    void post(std::string_view path, std::string body, std::chrono::milliseconds timeout,
              Done done);
    // Sends a request whose answer does not end; if it does, the server has failed. There is at
    // most one stream.
    void stream(std::string_view path, std::string body, HttpClient::Chunk chunk);
    void stop_stream();
    // Asks for the cluster's state with a linearizable read, which no server answers from old data.
    void ask_header(std::function<void(std::expected<EtcdHeader, EtcdProblem>)> done);

    // Gives the server up and changes to the next one.
    void fail(const std::string &cause);
    [[nodiscard]] const std::string &server() const { return options_.endpoints[server_]; }
    [[nodiscard]] const std::string &trouble() const { return trouble_; } // why it is not up
    // A random time from half of `most` to `most`, so that many clients do not come at once.
    static std::chrono::milliseconds jittered(std::chrono::milliseconds most);

    static EtcdHeader header_of(const Json &answer);

    EtcdCounters counters;

  private:
    enum class State { waiting, connecting, up };
    struct Call {
        std::string path, body;
        std::chrono::milliseconds timeout{};
        Done done;
        bool repeated = false; // with a new token, once
    };

    EtcdClient(Loop &loop, EtcdOptions options, Listener &listener,
               std::unique_ptr<HttpClient> http);
    HttpClient::Request request(std::string_view path, std::string body,
                                std::chrono::milliseconds timeout) const;
    void send(Call call);
    void answered(Call call, const HttpClient::Reply &reply);
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
    std::size_t failed_ = 0; // the number of servers that have failed since one worked
    std::chrono::milliseconds pause_;
    Loop::Clock::time_point since_; // when it came up
    Loop::Timer timer_{};
    std::map<std::uint64_t, std::pair<HttpClient::Id, Done>> calls_;
    std::uint64_t next_ = 0;
    HttpClient::Id stream_ = 0;
    std::string token_;
    bool renewing_ = false;
    std::vector<Call> for_token_;
    std::vector<bool> told_; // for each server, that it failed
    std::string trouble_ = "not connected yet";
};

} // namespace xvtep::agent
