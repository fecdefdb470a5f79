// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/metrics_server.h"

#include <charconv>
#include <chrono>
#include <thread>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
#include <httplib.h>
#pragma GCC diagnostic pop

namespace xvtep::agent {

struct MetricsServer::Impl {
    httplib::Server server;
    std::thread thread;
};

MetricsServer::MetricsServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<MetricsServer>> MetricsServer::start(const std::string &address,
                                                            const Metrics &metrics)
{
    const auto colon = address.rfind(':');
    int port = 0;
    const char *end = address.data() + address.size();
    if (colon == std::string::npos ||
        std::from_chars(address.data() + colon + 1, end, port).ptr != end || port < 1 ||
        port > 0xffff)
        return usage_failure("metrics", address, "not ADDRESS:PORT");
    std::string host = address.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']'))
        host = host.substr(1, host.size() - 2);
    if (host.empty())
        host = "::"; // IPv4 too

    auto impl = std::make_unique<Impl>();
    impl->server.new_task_queue = [] { return new httplib::ThreadPool(1); };
    // Not SO_REUSEPORT, the library's choice: a second agent would share the address unnoticed.
    impl->server.set_socket_options([](int socket) {
        const int on = 1;
        ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    });
    impl->server.set_keep_alive_max_count(1); // the one thread is not kept by an idle reader
    impl->server.set_read_timeout(1, 0);
    impl->server.set_write_timeout(1, 0);
    impl->server.Get("/metrics", [&metrics](const httplib::Request &, httplib::Response &answer) {
        answer.set_content(metrics.text(), "text/plain; version=0.0.4");
    });
    impl->server.Get("/healthz", [](const httplib::Request &, httplib::Response &answer) {
        answer.set_content("ok\n", "text/plain");
    });
    errno = 0;
    if (!impl->server.bind_to_port(host, port))
        return system_failure("metrics", address,
                              errno != 0 ? errno_text(errno) : "cannot listen there", errno);
    impl->thread = std::thread([server = &impl->server] { server->listen_after_bind(); });
    // A stop() before it runs would be forgotten.
    for (int i = 0; i < 1000 && !impl->server.is_running(); i++)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return std::unique_ptr<MetricsServer>(new MetricsServer(std::move(impl)));
}

MetricsServer::~MetricsServer()
{
    impl_->server.stop();
    impl_->thread.join();
}

} // namespace xvtep::agent
