// SPDX-License-Identifier: GPL-2.0-only
// HTTP POSTs within a Loop: keep-alive connections, bounded replies, streams. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <curl/curl.h>

#include "user/agent/loop.h"
#include "user/base/result.h"

namespace xvtep::agent {

class HttpClient {
  public:
    struct Tls {
        std::string cacert, cert, key; // PEM files; empty: the system's authorities, no certificate
    };
    struct Request {
        std::string url;
        std::string body;
        std::vector<std::string> headers;
        std::chrono::milliseconds connect_timeout{1000};
        std::chrono::milliseconds timeout{0}; // of the whole; 0: none, for a stream
        std::size_t most = 0;                 // bytes of a reply, and of what a stream may pile up
    };
    struct Reply {
        long status = 0;        // 0: there was no answer
        std::string body;       // of a stream: what no chunk has brought
        std::string error;      // "connection refused"; empty: a whole answer
        bool too_large = false; // more than Request::most; then also an error
    };
    using Id = std::uint64_t;
    using Done = std::function<void(Reply)>;
    using Chunk = std::function<void(std::string_view)>;

    static Result<std::unique_ptr<HttpClient>> make(Loop &loop, Tls tls);
    HttpClient(const HttpClient &) = delete;
    HttpClient &operator=(const HttpClient &) = delete;
    ~HttpClient(); // cancels all; not to be called by a callback

    // With `chunk`, the body is handed over as it comes. Callbacks may post and cancel.
    Id post(Request request, Done done, Chunk chunk = {});
    void cancel(Id id); // its callbacks will not be called; one that is done: nothing

  private:
    struct Transfer;

    HttpClient(Loop &loop, Tls tls, CURLM *multi);
    static int on_socket(CURL *, curl_socket_t fd, int what, void *self, void *);
    static int on_timer(CURLM *, long milliseconds, void *self);
    void act(curl_socket_t fd, int events);
    void deliver();
    CURL *handle();
    void retire(CURL *easy);

    Loop &loop_;
    Tls tls_;
    CURLM *multi_;
    std::map<Id, std::unique_ptr<Transfer>> transfers_;
    std::vector<Id> fresh_; // streams that have got something
    std::vector<CURL *> idle_;
    std::map<curl_socket_t, std::uint32_t> sockets_; // being watched, and for what
    Loop::Timer timer_{};
    bool timing_ = false;
    Id next_ = 1;
};

} // namespace xvtep::agent
