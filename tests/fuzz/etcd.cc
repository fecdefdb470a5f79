// SPDX-License-Identifier: GPL-2.0-only
// Answers of an HTTP server that should be an etcd: the input has one or several, separated by a
// line of two hyphens. One that begins with "HTTP/" is sent as it is, another one as the body of a
// good answer.
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>

#include <fmt/format.h>

#include "tests/fuzz/target.h"
#include "user/agent/etcd/base64.h"
#include "user/agent/etcd/directory.h"
#include "user/agent/etcd/keys.h"
#include "user/agent/loop.h"
#include "user/base/fd.h"

namespace xvtep::fuzz {
namespace {

using namespace xvtep::agent;
using namespace std::chrono_literals;

const Key key{42, *Ip::parse("10.1.0.1")};

class Server {
  public:
    Server(Loop &loop, std::string_view input) : loop_(loop)
    {
        while (!input.empty()) {
            const auto at = input.find("\n--\n");
            answers_.emplace_back(input.substr(0, at));
            input.remove_prefix(at == std::string_view::npos ? input.size() : at + 4);
        }
        listener_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        sockaddr_in here{};
        here.sin_family = AF_INET;
        here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof(here);
        auto *const address = reinterpret_cast<sockaddr *>(&here);
        check(::bind(listener_.get(), address, size) == 0 && ::listen(listener_.get(), 16) == 0 &&
                  ::getsockname(listener_.get(), address, &size) == 0,
              "a socket can listen");
        port_ = ntohs(here.sin_port);
        loop_.watch(listener_.get(), EPOLLIN, [this](std::uint32_t) { accept(); });
    }
    Server(const Server &) = delete;
    Server &operator=(const Server &) = delete;
    ~Server()
    {
        loop_.forget(listener_.get());
        for (const auto &[fd, owner] : clients_)
            loop_.forget(fd);
    }

    [[nodiscard]] unsigned port() const { return port_; }
    [[nodiscard]] bool over() const { return next_ > answers_.size(); }

  private:
    void accept()
    {
        Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!client)
            return;
        const int fd = client.get();
        clients_.emplace(fd, std::move(client));
        loop_.watch(fd, EPOLLIN, [this, fd](std::uint32_t) { serve(fd); });
    }

    void serve(int fd)
    {
        char request[65536];
        const auto got = ::read(fd, request, sizeof(request));
        const bool over = got <= 0 || next_ >= answers_.size();
        if (!over && std::string_view(request, static_cast<std::size_t>(got)).find("\r\n\r\n") !=
                         std::string_view::npos) {
            const std::string &body = answers_[next_];
            const std::string whole =
                body.starts_with("HTTP/")
                    ? body
                    : fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", body.size(),
                                  body);
            (void)!::write(fd, whole.data(), whole.size());
            next_++;
            if (body.starts_with("HTTP/"))
                (void)::shutdown(fd, SHUT_WR);
        }
        if (over) {
            next_ = answers_.size() + 1;
            loop_.forget(fd);
            clients_.erase(fd);
            loop_.stop();
        }
    }

    Loop &loop_;
    std::vector<std::string> answers_;
    std::size_t next_ = 0;
    Fd listener_;
    unsigned port_ = 0;
    std::map<int, Fd> clients_;
};

struct Nobody : Directory::Client {
    void changed(const Key &, const std::optional<Record> &) override {}
    void resync() override {}
};

void run_etcd(std::string_view input)
{
    auto loop = Loop::make();
    Server server(*loop, input);
    Nobody nobody;
    auto options = parse_etcd_url(fmt::format("http://127.0.0.1:{}", server.port()));
    options->timeout = 100ms;
    auto directory = make_etcd_directory(*loop, nobody, *options);
    check(directory.has_value(), "a directory can be made");
    (*directory)->watch({42});
    (*directory)->look_up(key, [](const Directory::Answer &answer) {
        check(!answer || !*answer || answers(**answer, key), "an answer belongs to its key");
    });
    loop->run(Loop::Clock::now() + 20ms);
    directory->reset();
}

std::string header(unsigned revision)
{
    return fmt::format(R"("header":{{"cluster_id":"7","revision":"{}","raft_term":"2"}})",
                       revision);
}

std::string pair()
{
    return fmt::format(R"({{"key":"{}","mod_revision":"6","value":"{}"}})",
                       base64(etcd_key("/xvtep/v1", key)),
                       base64(R"({"vni":42,"mac":"02:00:00:00:00:01","vtep":"192.0.2.1"})"));
}

std::vector<std::string> seeds()
{
    const std::string hello = "{" + header(5) + "}";
    const std::string found = fmt::format(
        R"({{{},"responses":[{{"response_range":{{"kvs":[{}]}}}}]}})", header(6), pair());
    const std::string created = R"({"result":{)" + header(5) + ",\"created\":true}}\n";
    const std::string event =
        fmt::format("{{\"result\":{{{},\"events\":[{{\"kv\":{}}}]}}}}\n", header(7), pair());
    const std::string canceled =
        R"({"result":{)" + header(8) + R"(,"canceled":true,"compact_revision":"7"}})" + "\n";
    return {hello + "\n--\n" + created + event + "\n--\n" + found,
            hello + "\n--\n" + found + "\n--\n" + created + event + canceled,
            hello + "\n--\nHTTP/1.1 503 no\r\nContent-Length: 30\r\n\r\n"
                    R"({"error":"x","code":14,"message":"y"})",
            hello + "\n--\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"re"};
}

} // namespace

std::vector<Target> etcd_targets()
{
    return {{"etcd", run_etcd, seeds}};
}

} // namespace xvtep::fuzz
