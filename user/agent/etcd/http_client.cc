// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/etcd/http_client.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cctype>
#include <map>
#include <utility>

#include <curl/curl.h>

namespace xvtep::agent {
namespace {

// Lets the kernel notice a peer that is gone, for streams as well.
int on_connected(void *, curl_socket_t fd, curlsocktype)
{
    const int probes = 3;
    const unsigned silent = 10'000; // ms
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silent, sizeof silent);
    return CURL_SOCKOPT_OK;
}

std::string lower_first(std::string text)
{
    if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1])))
        text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
    return text;
}

} // namespace

struct HttpClient::Impl {
    struct Transfer;

    Impl(Loop &loop, Tls tls, CURLM *multi);
    ~Impl();
    Impl(const Impl &) = delete;
    Impl &operator=(const Impl &) = delete;
    Id post(Request request, Done done, Chunk chunk);
    void cancel(Id id);
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
    std::vector<Id> fresh_; // streams with bytes to pass on
    std::vector<CURL *> idle_;
    std::map<curl_socket_t, std::uint32_t> sockets_; // watched sockets and their epoll events
    Loop::Timer timer_{};
    bool timing_ = false;
    Id next_ = 1;
};

struct HttpClient::Impl::Transfer {
    Impl *owner = nullptr;
    Id id = 0;
    CURL *easy = nullptr;
    Request request;
    curl_slist *headers = nullptr;
    std::array<char, CURL_ERROR_SIZE> trouble{};
    std::string body;
    bool too_large = false;
    Done done;
    Chunk chunk;

    Transfer() = default;
    Transfer(const Transfer &) = delete;
    Transfer &operator=(const Transfer &) = delete;
    ~Transfer() { curl_slist_free_all(headers); }

    // Called within curl, so no callback may be called from here.
    static std::size_t on_data(char *data, std::size_t, std::size_t size, void *self)
    {
        auto &transfer = *static_cast<Transfer *>(self);
        if (transfer.body.size() + size > transfer.request.most) {
            transfer.too_large = true;
            return 0;
        }
        if (transfer.chunk && transfer.body.empty())
            transfer.owner->fresh_.push_back(transfer.id);
        transfer.body.append(data, size);
        return size;
    }

    [[nodiscard]] std::string words(CURLcode code) const
    {
        if (too_large)
            return "the answer is too large";
        long number = 0;
        curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number);
        if (code == CURLE_COULDNT_CONNECT && number > 0)
            return errno_text(static_cast<int>(number));
        if (code == CURLE_OPERATION_TIMEDOUT)
            return "no answer in time";
        return lower_first(trouble[0] != 0 ? trouble.data() : curl_easy_strerror(code));
    }
};

Result<std::unique_ptr<HttpClient>> HttpClient::make(Loop &loop, Tls tls)
{
    static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLM *multi = started == CURLE_OK ? curl_multi_init() : nullptr;
    if (multi == nullptr)
        return system_failure("start", "HTTP client", "libcurl does not start");
    return std::unique_ptr<HttpClient>(
        new HttpClient(std::make_unique<Impl>(loop, std::move(tls), multi)));
}

HttpClient::HttpClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl))
{
}

HttpClient::~HttpClient() = default;

HttpClient::Id HttpClient::post(Request request, Done done, Chunk chunk)
{
    return impl_->post(std::move(request), std::move(done), std::move(chunk));
}

void HttpClient::cancel(Id id)
{
    impl_->cancel(id);
}

HttpClient::Impl::Impl(Loop &loop, Tls tls, CURLM *multi)
    : loop_(loop), tls_(std::move(tls)), multi_(multi)
{
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &on_socket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &on_timer);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, 16L);
}

HttpClient::Impl::~Impl()
{
    while (!transfers_.empty())
        cancel(transfers_.begin()->first);
    for (CURL *easy : idle_)
        curl_easy_cleanup(easy);
    curl_multi_cleanup(multi_);
    for (const auto &[fd, events] : sockets_)
        loop_.forget(fd);
    if (timing_)
        loop_.cancel(timer_);
}

CURL *HttpClient::Impl::handle()
{
    if (idle_.empty())
        return curl_easy_init();
    CURL *easy = idle_.back();
    idle_.pop_back();
    return easy;
}

void HttpClient::Impl::retire(CURL *easy)
{
    if (idle_.size() >= 16)
        return curl_easy_cleanup(easy);
    curl_easy_reset(easy);
    idle_.push_back(easy);
}

HttpClient::Id HttpClient::Impl::post(Request request, Done done, Chunk chunk)
{
    auto made = std::make_unique<Transfer>();
    Transfer &transfer = *made;
    transfer.owner = this;
    transfer.id = next_++;
    transfer.easy = handle();
    transfer.request = std::move(request);
    transfer.done = std::move(done);
    transfer.chunk = std::move(chunk);
    for (const auto &header : transfer.request.headers)
        transfer.headers = curl_slist_append(transfer.headers, header.c_str());
    transfer.headers = curl_slist_append(transfer.headers, "Expect:");
    transfer.headers = curl_slist_append(transfer.headers, "Content-Type: application/json");

    const auto set = [easy = transfer.easy](CURLoption option, auto value) {
        curl_easy_setopt(easy, option, value);
    };
    const auto file = [&](CURLoption option, const std::string &path) {
        if (!path.empty())
            set(option, path.c_str());
    };
    set(CURLOPT_PRIVATE, &transfer);
    set(CURLOPT_URL, transfer.request.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_PROXY, "");
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_HTTPHEADER, transfer.headers);
    set(CURLOPT_POSTFIELDSIZE, static_cast<long>(transfer.request.body.size()));
    set(CURLOPT_POSTFIELDS, transfer.request.body.data());
    set(CURLOPT_WRITEFUNCTION, &Transfer::on_data);
    set(CURLOPT_WRITEDATA, &transfer);
    set(CURLOPT_ERRORBUFFER, transfer.trouble.data());
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_QUICK_EXIT, 1L); // does not wait for a resolver that hangs
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(transfer.request.connect_timeout.count()));
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(transfer.request.timeout.count()));
    set(CURLOPT_TCP_KEEPALIVE, 1L);
    set(CURLOPT_TCP_KEEPIDLE, 5L);
    set(CURLOPT_TCP_KEEPINTVL, 2L);
    set(CURLOPT_SOCKOPTFUNCTION, &on_connected);
    file(CURLOPT_CAINFO, tls_.cacert);
    file(CURLOPT_SSLCERT, tls_.cert);
    file(CURLOPT_SSLKEY, tls_.key);

    const Id id = transfer.id;
    transfers_.emplace(id, std::move(made));
    curl_multi_add_handle(multi_, transfer.easy);
    return id;
}

void HttpClient::Impl::cancel(Id id)
{
    const auto found = transfers_.find(id);
    if (found == transfers_.end())
        return;
    curl_multi_remove_handle(multi_, found->second->easy);
    retire(found->second->easy);
    transfers_.erase(found);
}

int HttpClient::Impl::on_socket(CURL *, curl_socket_t fd, int what, void *self, void *)
{
    auto &client = *static_cast<Impl *>(self);
    if (what == CURL_POLL_REMOVE) {
        client.sockets_.erase(fd);
        client.loop_.forget(fd);
        return 0;
    }
    std::uint32_t events = 0;
    if ((what & CURL_POLL_IN) != 0)
        events |= EPOLLIN;
    if ((what & CURL_POLL_OUT) != 0)
        events |= EPOLLOUT;
    client.sockets_[fd] = events;
    client.loop_.watch(fd, events, [&client, fd](std::uint32_t came) {
        const int in = (came & EPOLLIN) != 0 ? CURL_CSELECT_IN : 0;
        const int out = (came & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0;
        const int error = (came & (EPOLLERR | EPOLLHUP)) != 0 ? CURL_CSELECT_ERR : 0;
        client.act(fd, in | out | error);
    });
    return 0;
}

int HttpClient::Impl::on_timer(CURLM *, long milliseconds, void *self)
{
    auto &client = *static_cast<Impl *>(self);
    if (client.timing_)
        client.loop_.cancel(client.timer_);
    client.timing_ = milliseconds >= 0;
    if (client.timing_)
        client.timer_ = client.loop_.after(std::chrono::milliseconds(milliseconds), [&client] {
            client.timing_ = false;
            client.act(CURL_SOCKET_TIMEOUT, 0);
        });
    return 0;
}

void HttpClient::Impl::act(curl_socket_t fd, int events)
{
    int running = 0;
    curl_multi_socket_action(multi_, fd, events, &running);
    deliver();
}

void HttpClient::Impl::deliver()
{
    for (const Id id : std::exchange(fresh_, {})) {
        const auto found = transfers_.find(id);
        if (found == transfers_.end())
            continue;
        const std::string bytes = std::exchange(found->second->body, {});
        const Chunk chunk = found->second->chunk; // it may cancel the transfer that owns it
        chunk(bytes);
    }
    int left = 0;
    while (const CURLMsg *message = curl_multi_info_read(multi_, &left)) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURL *easy = message->easy_handle;
        const CURLcode code = message->data.result;
        Transfer *transfer = nullptr;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer);
        Reply reply;
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &reply.status);
        if (code != CURLE_OK)
            reply.error = transfer->words(code);
        reply.body = std::move(transfer->body);
        reply.too_large = transfer->too_large;
        const Done done = std::move(transfer->done);
        cancel(transfer->id);
        done(std::move(reply));
    }
}

} // namespace xvtep::agent
