// SPDX-License-Identifier: GPL-2.0-only
// An HTTP client for POST requests within an event loop, with keep-alive connections, bounded
// replies, and streams.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "user/agent/loop.h"
#include "user/base/result.h"

namespace xvtep::agent {

class HttpClient {
  public:
    struct Tls {
        std::string cacert, cert, key; // PEM files; empty: the system's CAs, no client certificate
    };
    struct Request {
        std::string url;
        std::string body;
        std::vector<std::string> headers;
        std::chrono::milliseconds connect_timeout{1000};
        std::chrono::milliseconds timeout{0}; // of the whole request; 0: none, for a stream
        std::size_t most = 0;                 // bytes of a reply, or of a stream's chunk
    };
    struct Reply {
        long status = 0;        // 0: no answer
        std::string body;       // of a stream: the bytes after the last chunk
        std::string error;      // such as "connection refused"; empty: the answer is whole
        bool too_large = false; // more bytes than Request::most; `error` is set as well
    };
    using Id = std::uint64_t;
    using Done = std::function<void(Reply)>;
    using Chunk = std::function<void(std::string_view)>;

    static Result<std::unique_ptr<HttpClient>> make(Loop &loop, Tls tls);
    HttpClient(const HttpClient &) = delete;
    HttpClient &operator=(const HttpClient &) = delete;
    // Cancels all requests. Must not be called within a callback.
    ~HttpClient();

    // With `chunk`, the body is passed on as it arrives. Callbacks may post and cancel.
    Id post(Request request, Done done, Chunk chunk = {});
    // The callbacks of the request will not be called. Does nothing if it is done already.
    void cancel(Id id);

  private:
    struct Impl;
    explicit HttpClient(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace xvtep::agent
