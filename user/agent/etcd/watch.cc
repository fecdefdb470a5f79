// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/etcd/watch.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "user/agent/etcd/base64.h"
#include "user/agent/etcd/keys.h"
#include "user/agent/log.h"

namespace xvtep::agent {
namespace {

// etcd splits answers at the size of its greatest request, 1.5 MiB before base64.
constexpr std::size_t line_max = 8 << 20;

} // namespace

EtcdWatch::EtcdWatch(Loop &loop, EtcdClient &client, const EtcdOptions &options, Listener &listener)
    : loop_(loop), client_(client), options_(options), listener_(listener)
{
}

EtcdWatch::~EtcdWatch()
{
    stop();
}

std::uint64_t EtcdWatch::reported(std::uint32_t vni) const
{
    const auto found = vnis_.find(vni);
    return found == vnis_.end() || found->second.next == 0 ? 0 : found->second.next - 1;
}

std::uint64_t EtcdWatch::base(std::uint32_t vni) const
{
    const auto found = vnis_.find(vni);
    return found == vnis_.end() ? 0 : found->second.base;
}

void EtcdWatch::answered(std::uint32_t vni, std::uint64_t revision)
{
    if (base(vni) != 0)
        return;
    const auto [found, fresh] = oldest_.emplace(vni, revision);
    if (!fresh)
        found->second = std::min(found->second, revision);
}

void EtcdWatch::set(const std::set<std::uint32_t> &vnis)
{
    bool changed =
        std::erase_if(vnis_, [&](const auto &one) { return !vnis.contains(one.first); }) != 0;
    for (const auto vni : vnis)
        changed |= vnis_.try_emplace(vni).second;
    if (changed)
        schedule();
}

void EtcdWatch::schedule()
{
    live_ = false;
    if (std::exchange(scheduled_, true))
        return;
    starting_ = loop_.after(Loop::Clock::duration::zero(), [this] {
        scheduled_ = false;
        // The watch of a new VNI starts at the server's revision.
        const bool unknown = std::any_of(vnis_.begin(), vnis_.end(),
                                         [](const auto &one) { return one.second.next == 0; });
        if (!client_.up() || resyncing_)
            return; // up() starts the stream
        if (!unknown)
            return start();
        client_.ask_header([this](std::expected<EtcdHeader, EtcdProblem> now) {
            if (now)
                up(*now);
            else
                client_.fail(now.error().text);
        });
    });
}

void EtcdWatch::up(const EtcdHeader &now)
{
    for (auto &[vni, state] : vnis_) {
        if (state.next != 0 && !resyncing_)
            continue;
        std::uint64_t known = now.revision;
        if (const auto found = oldest_.find(vni); found != oldest_.end() && !resyncing_)
            known = std::min(known, found->second);
        oldest_.erase(vni);
        state.base = state.next = known + 1;
    }
    if (std::exchange(resyncing_, false))
        listener_.watch_resynced();
    start();
}

void EtcdWatch::down()
{
    stop();
}

void EtcdWatch::restart(const EtcdHeader &now)
{
    stop();
    oldest_.clear();
    resyncing_ = false;
    for (auto &[vni, state] : vnis_)
        state.base = state.next = now.revision + 1;
}

void EtcdWatch::stop()
{
    if (std::exchange(scheduled_, false))
        loop_.cancel(starting_);
    loop_.cancel(patience_);
    client_.stop_stream();
    stream_++;
    buffer_.clear();
    asked_.clear();
    created_.clear();
    live_ = false;
}

void EtcdWatch::start()
{
    stop();
    if (!client_.up() || vnis_.empty())
        return;
    std::string body;
    for (const auto &[vni, state] : vnis_) {
        const std::string prefix = etcd_vni_prefix(options_.prefix, vni);
        body +=
            fmt::format(R"({{"create_request":{{"key":"{}","range_end":"{}","start_revision":"{}",)"
                        R"("progress_notify":true,"fragment":true}}}})",
                        base64(prefix), base64(etcd_range_end(prefix)), state.next);
        asked_.push_back(vni);
    }
    client_.stream("/v3/watch", std::move(body), [this](std::string_view bytes) { got(bytes); });
    patience_ = loop_.after(options_.timeout, [this] { client_.fail("watch: no answer in time"); });
}

void EtcdWatch::got(std::string_view bytes)
{
    const auto stream = stream_;
    for (;;) {
        const auto end = bytes.find('\n');
        buffer_ += bytes.substr(0, end);
        if (buffer_.size() > line_max) {
            log_warning("etcd {}: watch: more than {} bytes at once", client_.server(), line_max);
            return resync();
        }
        if (end == std::string_view::npos)
            return;
        const std::string text = std::exchange(buffer_, {});
        bytes.remove_prefix(end + 1);
        line(text);
        if (stream != stream_)
            return;
    }
}

void EtcdWatch::line(std::string_view text)
{
    const Json json = Json::parse(text);
    const Json result = json.member("result");
    if (!result.is_object()) {
        const Json error = json.member("error");
        std::string why = error.is_string() ? error.text() : error.member("message").text();
        return client_.fail("watch: " + (why.empty() ? "not etcd's JSON" : why.substr(0, 120)));
    }
    const auto id = etcd_number(result, "watch_id");
    if (etcd_number(result, "compact_revision") != 0) {
        log_warning("etcd {}: watch: changes that were missed are compacted", client_.server());
        return resync();
    }
    if (result.member("canceled").is_true()) {
        const std::string why = result.member("cancel_reason").text();
        return client_.fail("watch: " + (why.empty() ? "canceled" : why.substr(0, 120)));
    }
    if (result.member("created").is_true()) {
        if (created_.size() < asked_.size())
            created_.emplace(id, asked_[created_.size()]);
        if (created_.size() == asked_.size()) {
            loop_.cancel(patience_);
            live_ = true;
        }
        return;
    }

    const auto created = created_.find(id);
    if (created == created_.end())
        return;
    const auto vni = created->second;
    const auto events = result.member("events").elements();
    std::uint64_t last = 0;
    const auto stream = stream_;
    const auto advance = [&](std::uint64_t next) {
        if (const auto found = vnis_.find(vni); found != vnis_.end() && found->second.next < next)
            found->second.next = next;
    };
    if (events.empty())
        return advance(EtcdClient::header_of(result).revision +
                       1); // there was no change up to here
    for (const Json &event : events) {
        const Json kv = event.member("kv");
        const auto revision = etcd_number(kv, "mod_revision");
        const auto key = from_base64(kv.member("key").text());
        if (!key || revision == 0)
            continue;
        // A revision may have several changes, of which others are yet to come.
        advance(revision);
        last = std::max(last, revision);
        client_.counters.events++;
        listener_.event(*key, kv, event.member("type").text() == "DELETE", revision);
        if (stream != stream_)
            return;
    }
    if (!result.member("fragment").is_true())
        advance(last + 1);
}

void EtcdWatch::resync()
{
    stop();
    resyncing_ = true;
    client_.ask_header([this](std::expected<EtcdHeader, EtcdProblem> now) {
        if (now)
            up(*now);
        else if (now.error().kind != EtcdProblem::server)
            client_.fail(now.error().text);
    });
}

} // namespace xvtep::agent
