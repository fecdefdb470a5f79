// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/etcd_options.h"

#include <memory>

#include <curl/curl.h>

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

} // namespace xvtep::agent
