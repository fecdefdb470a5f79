// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/etcd/client.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "user/agent/etcd/base64.h"
#include "user/agent/etcd/keys.h"
#include "user/agent/jitter.h"
#include "user/agent/log.h"

namespace xvtep::agent {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds first_pause{50}, longest_pause{1000};
constexpr std::size_t reply_max = 1 << 20;
constexpr std::size_t chunk_max = 8 << 20; // bytes of a stream in one turn of the loop

// Status codes of gRPC.
constexpr std::uint64_t canceled = 1, invalid = 3, late = 4, unavailable = 14, unauthenticated = 16;

std::string shortened(std::string text)
{
    constexpr std::size_t most = 120;
    std::replace_if(
        text.begin(), text.end(), [](unsigned char c) { return c < ' ' || c == 127; }, ' ');
    return text.size() > most ? text.substr(0, most) + "…" : text;
}

EtcdProblem problem_of(const HttpClient::Reply &reply)
{
    const auto json = Json::parse(reply.body);
    EtcdProblem problem;
    problem.code = etcd_number(json, "code");
    problem.text = json.member("message").text();
    if (problem.text.empty())
        problem.text = json.member("error").text();
    const bool gateway = reply.status >= 502 && reply.status <= 504;
    if (problem.code == canceled || problem.code == late || problem.code == unavailable || gateway)
        problem.kind = EtcdProblem::server;
    else if (problem.text.find("too many operations") != std::string::npos)
        problem.kind = EtcdProblem::too_large;
    else
        problem.kind = EtcdProblem::refused;
    if (problem.text.empty()) // etcd itself answers with plain text
        problem.text = fmt::format("HTTP status {} {}", reply.status, reply.body);
    problem.text = shortened(problem.text);
    while (problem.text.ends_with(' '))
        problem.text.pop_back();
    return problem;
}

bool token_is_stale(const EtcdProblem &problem)
{
    return problem.code == unauthenticated ||
           (problem.code == invalid &&
            problem.text.find("revision of auth store is old") != std::string::npos);
}

} // namespace

EtcdHeader EtcdClient::header_of(const Json &answer)
{
    const Json header = answer.member("header");
    return {etcd_number(header, "cluster_id"), etcd_number(header, "revision"),
            etcd_number(header, "raft_term")};
}

Result<std::unique_ptr<EtcdClient>> EtcdClient::make(Loop &loop, EtcdOptions options,
                                                     Listener &listener)
{
    TRY_ASSIGN(auto http, HttpClient::make(loop, {options.cacert, options.cert, options.key}));
    return std::unique_ptr<EtcdClient>(
        new EtcdClient(loop, std::move(options), listener, std::move(http)));
}

EtcdClient::EtcdClient(Loop &loop, EtcdOptions options, Listener &listener,
                       std::unique_ptr<HttpClient> http)
    : loop_(loop), options_(std::move(options)), listener_(listener), http_(std::move(http)),
      pause_(first_pause), told_(options_.endpoints.size())
{
    wait(milliseconds(0));
}

EtcdClient::~EtcdClient()
{
    loop_.cancel(timer_);
}

milliseconds EtcdClient::jittered(milliseconds most)
{
    return random_between(most / 2, most);
}

HttpClient::Request EtcdClient::request(std::string_view path, std::string body,
                                        milliseconds timeout) const
{
    HttpClient::Request made;
    made.url = server() + std::string(path);
    made.body = std::move(body);
    // A server without contact to the leader answers with an error, not with old data.
    made.headers = {"Grpc-Metadata-hasleader: true"};
    if (!token_.empty())
        made.headers.push_back("Authorization: " + token_);
    made.connect_timeout = std::clamp(options_.timeout / 4, milliseconds(50), milliseconds(1000));
    made.timeout = timeout;
    made.most = reply_max;
    return made;
}

void EtcdClient::post(std::string_view path, std::string body, milliseconds timeout, Done done)
{
    send({std::string(path), std::move(body), timeout, std::move(done)});
}

void EtcdClient::send(Call call)
{
    const auto number = next_++;
    counters.requests++;
    auto done = call.done;
    auto made = request(call.path, call.body, call.timeout);
    const auto id =
        http_->post(std::move(made),
                    [this, number, call = std::move(call)](const HttpClient::Reply &reply) mutable {
                        calls_.erase(number);
                        answered(std::move(call), reply);
                    });
    calls_.emplace(number, std::pair(id, std::move(done)));
}

void EtcdClient::answered(Call call, const HttpClient::Reply &reply)
{
    EtcdProblem problem;
    if (!reply.error.empty()) {
        problem.kind = reply.too_large ? EtcdProblem::too_large : EtcdProblem::server;
        problem.text = reply.error;
    } else if (reply.status != 200) {
        problem = problem_of(reply);
    } else {
        Json json = Json::parse(reply.body);
        if (json.is_object())
            return call.done(std::move(json));
        problem.kind = EtcdProblem::refused;
        problem.text = "not etcd's JSON";
    }
    counters.failures++;
    if (token_is_stale(problem) && !options_.user.empty() && !call.repeated && up()) {
        call.repeated = true;
        for_token_.push_back(std::move(call));
        return renew_token();
    }
    if (problem.kind == EtcdProblem::server)
        fail(problem.text);
    call.done(std::unexpected(std::move(problem)));
}

void EtcdClient::fail(const std::string &cause)
{
    if (state_ == State::waiting)
        return;
    trouble_ = cause;
    if (!told_[server_])
        log_warning("etcd {}: {}", server(), cause);
    told_[server_] = true;
    const bool was_up = up();
    if (was_up && Loop::Clock::now() - since_ > longest_pause) {
        pause_ = first_pause;
        failed_ = 0;
    }
    state_ = State::waiting;
    server_ = (server_ + 1) % options_.endpoints.size();
    if (++failed_ >= options_.endpoints.size()) {
        failed_ = 0;
        wait(jittered(pause_));
        pause_ = std::min(pause_ * 2, longest_pause);
    } else {
        wait(milliseconds(0));
    }

    renewing_ = false;
    token_.clear();
    stop_stream();
    const auto calls = std::exchange(calls_, {});
    const auto for_token = std::exchange(for_token_, {});
    for (const auto &[number, call] : calls)
        http_->cancel(call.first);
    if (was_up)
        listener_.down();
    const EtcdProblem problem{EtcdProblem::server, 0, cause};
    for (const auto &[number, call] : calls)
        call.second(std::unexpected(problem));
    for (const auto &call : for_token)
        call.done(std::unexpected(problem));
}

void EtcdClient::wait(milliseconds pause)
{
    timer_ = loop_.after(pause, [this] { connect(); });
}

void EtcdClient::connect()
{
    state_ = State::connecting;
    authenticate([this] {
        ask_header([this](std::expected<EtcdHeader, EtcdProblem> header) {
            if (!header)
                return fail(header.error().text);
            state_ = State::up;
            since_ = Loop::Clock::now();
            counters.connects++;
            if (told_[server_])
                log_info("etcd {}: back", server());
            else if (counters.connects == 1)
                log_info("etcd {}: connected", server());
            told_[server_] = false;
            listener_.up(*header);
        });
    });
}

void EtcdClient::ask_header(std::function<void(std::expected<EtcdHeader, EtcdProblem>)> done)
{
    const std::string key = base64(options_.prefix + "/");
    post("/v3/kv/range", fmt::format(R"({{"key":"{}","limit":"1","keys_only":true}})", key),
         options_.timeout / 2, [done = std::move(done)](const Answer &answer) {
             if (!answer)
                 return done(std::unexpected(answer.error()));
             const auto header = header_of(*answer);
             if (header.cluster == 0 || header.revision == 0)
                 return done(std::unexpected(
                     EtcdProblem{EtcdProblem::refused, 0, "no etcd: an answer without a header"}));
             done(header);
         });
}

void EtcdClient::authenticate(std::function<void()> then)
{
    token_.clear();
    if (options_.user.empty())
        return then();
    send({"/v3/auth/authenticate",
          fmt::format(R"({{"name":{},"password":{}}})", json_string(options_.user),
                      json_string(options_.password)),
          options_.timeout,
          [this, then = std::move(then)](const Answer &answer) {
              constexpr std::uint64_t failed_precondition = 9;
              if (!answer && answer.error().code == failed_precondition)
                  return then(); // authentication is not enabled
              if (!answer)
                  return fail(answer.error().text);
              token_ = answer->member("token").text();
              if (token_.empty() || token_.find_first_of("\r\n") != std::string::npos)
                  return fail("no token");
              then();
          },
          true});
}

void EtcdClient::renew_token()
{
    if (std::exchange(renewing_, true))
        return;
    authenticate([this] {
        renewing_ = false;
        for (auto &call : std::exchange(for_token_, {}))
            send(std::move(call));
    });
}

void EtcdClient::stream(std::string_view path, std::string body, HttpClient::Chunk chunk)
{
    stop_stream();
    counters.requests++;
    auto made = request(path, std::move(body), milliseconds(0));
    made.most = chunk_max;
    stream_ = http_->post(
        std::move(made),
        [this](const HttpClient::Reply &reply) {
            stream_ = 0;
            counters.failures++;
            fail(reply.error.empty() ? "the watch has ended" : reply.error);
        },
        std::move(chunk));
}

void EtcdClient::stop_stream()
{
    if (stream_ != 0)
        http_->cancel(std::exchange(stream_, 0));
}

} // namespace xvtep::agent
