// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/etcd/options.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>

#include <curl/curl.h>
#include <fmt/format.h>

#include "user/base/fd.h"
#include "xvtep/ip.h"

namespace xvtep::agent {
namespace {

constexpr const char *form = "not http://HOST[:PORT][/PREFIX] or https://…";

Failure refuse(const std::string &text, std::string_view cause)
{
    return usage_failure("directory", "etcd:" + text, cause);
}

class Url {
  public:
    explicit Url(const std::string &text)
    {
        valid_ = url_ && curl_url_set(url_.get(), CURLUPART_URL, text.c_str(), 0) == CURLUE_OK;
    }

    [[nodiscard]] bool valid() const { return valid_; }
    [[nodiscard]] std::string part(CURLUPart part) const
    {
        char *found = nullptr;
        if (curl_url_get(url_.get(), part, &found, 0) != CURLUE_OK)
            return {};
        std::string text = found;
        curl_free(found);
        return text;
    }

  private:
    std::unique_ptr<CURLU, void (*)(CURLU *)> url_{curl_url(), &curl_url_cleanup};
    bool valid_ = false;
};

constexpr std::size_t password_max = 4096;

// "http://127.0.0.1:2379"
bool is_loopback(const std::string &server)
{
    std::string host = Url(server).part(CURLUPART_HOST);
    if (host.starts_with('[') && host.ends_with(']'))
        host = host.substr(1, host.size() - 2);
    const auto ip = Ip::parse(host);
    return host == "localhost" || (ip && ip->is_loopback());
}

} // namespace

Result<EtcdOptions> parse_etcd_url(std::string_view text)
{
    EtcdOptions options;
    std::string prefix;
    for (std::size_t at = 0; at <= text.size();) {
        const std::size_t end = std::min(text.find(',', at), text.size());
        const std::string one(text.substr(at, end - at));
        at = end + 1;

        if (!one.starts_with("http://") && !one.starts_with("https://"))
            return refuse(one.find('@') == std::string::npos ? one : "…", form);
        const Url url(one);
        if (!url.valid() || url.part(CURLUPART_HOST).empty())
            return refuse(one.find('@') == std::string::npos ? one : "…", form);
        const std::string host = url.part(CURLUPART_SCHEME) + "://" + url.part(CURLUPART_HOST);
        if (!url.part(CURLUPART_USER).empty() || !url.part(CURLUPART_PASSWORD).empty())
            return refuse(host, "a URL is no place for credentials");
        if (one.find_first_of("?#%") != std::string::npos)
            return refuse(one, form);
        const std::string port = url.part(CURLUPART_PORT);
        options.endpoints.push_back(host + ":" + (port.empty() ? "2379" : port));

        std::string path = url.part(CURLUPART_PATH);
        while (path.ends_with('/'))
            path.pop_back();
        if (path.empty())
            continue;
        if (!prefix.empty() && path != prefix)
            return refuse(std::string(text), "two prefixes: " + prefix + ", " + path);
        prefix = path;
    }
    if (!prefix.empty())
        options.prefix = prefix;
    return options;
}

Result<std::string> read_password(const std::string &path)
{
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd)
        return errno_failure("read", path, errno);
    std::string text;
    while (!text.contains('\n')) {
        std::array<char, 512> chunk{};
        const auto size = ::read(fd.get(), chunk.data(), chunk.size());
        if (size < 0)
            return errno_failure("read", path, errno);
        if (size == 0)
            break;
        text.append(chunk.data(), static_cast<std::size_t>(size));
        if (text.size() > password_max)
            return system_failure("read", path, "too long for a password", EFBIG);
    }
    text.resize(std::min(text.find('\n'), text.size()));
    if (text.empty())
        return system_failure("read", path, "its first line is empty");
    return text;
}

std::vector<std::string> password_warnings(const EtcdOptions &options, const std::string &path)
{
    std::vector<std::string> warnings;
    struct stat found {};
    if (::stat(path.c_str(), &found) == 0 && (found.st_mode & S_IROTH) != 0)
        warnings.push_back(fmt::format("{}: every user of this host may read the password", path));
    for (const auto &server : options.endpoints)
        if (server.starts_with("http://") && !is_loopback(server))
            warnings.push_back(
                fmt::format("etcd {}: the password crosses the network in clear", server));
    return warnings;
}

} // namespace xvtep::agent
