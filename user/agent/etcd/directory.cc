// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/etcd/directory.h"

#include <unistd.h>

#include <set>
#include <string>
#include <utility>

#include "user/agent/etcd/announcer.h"
#include "user/agent/etcd/keys.h"
#include "user/agent/etcd/lookup.h"
#include "user/agent/etcd/watch.h"
#include "user/agent/log.h"

namespace xvtep::agent {
namespace {

constexpr std::size_t warned_max = 1000; // keys with bad values that have been logged

class Etcd final : public EtcdDirectory, public EtcdClient::Listener, public EtcdWatch::Listener {
  public:
    Etcd(Loop &loop, Directory::Client &client, EtcdOptions options)
        : loop_(loop), client_(client), options_(std::move(options))
    {
    }

    Result<> start()
    {
        TRY_SET(etcd_, EtcdClient::make(loop_, options_, *this));
        watch_ = std::make_unique<EtcdWatch>(loop_, *etcd_, options_, *this);
        lookup_ = std::make_unique<EtcdLookup>(loop_, *etcd_, *watch_, options_);
        announcer_ = std::make_unique<EtcdAnnouncer>(loop_, *etcd_, options_);
        return {};
    }

    void look_up(const Key &key, std::function<void(Answer)> done) override
    {
        lookup_->ask(key, std::move(done));
    }
    void announce(const std::set<Record> &own) override { announcer_->announce(own); }
    void watch(const std::set<std::uint32_t> &vnis) override { watch_->set(vnis); }
    [[nodiscard]] bool watches() const override { return watch_->live(); }
    [[nodiscard]] std::string name() const override { return "etcd " + etcd_->server(); }
    [[nodiscard]] const EtcdCounters &counters() const override { return etcd_->counters; }
    [[nodiscard]] bool settled() const override { return announcer_->settled(); }

  private:
    void up(const EtcdHeader &now) override
    {
        const bool first = last_.cluster == 0;
        const bool other =
            now.cluster != last_.cluster || now.revision < last_.revision || now.term < last_.term;
        last_ = now;
        if (!first && other) {
            log_warning("{}: other data than before", name());
            watch_->restart(now);
            announcer_->lost();
            resync();
        }
        watch_->up(now);
        announcer_->up();
        lookup_->send();
    }

    void down() override
    {
        watch_->down();
        announcer_->down();
    }

    void event(const std::string &text, const Json &kv, bool deleted,
               std::uint64_t revision) override
    {
        last_.revision = std::max(last_.revision, revision);
        announcer_->event(text, kv, deleted, revision);
        const auto key = parse_etcd_key(options_.prefix, text);
        if (!key)
            return;
        Answer answer = std::optional<Record>();
        if (!deleted) {
            const auto record = etcd_record(*key, kv);
            if (record)
                answer = *record;
            else
                answer = std::unexpected(record.error());
        }
        lookup_->event(*key, answer, revision);
        if (answer) {
            warned_.erase(text);
            return client_.changed(*key, *answer);
        }
        etcd_->counters.refused++;
        if (warned_.size() < warned_max && warned_.insert(text).second)
            log_warning("{}: {}", name(), answer.error().message());
    }

    void watch_resynced() override { resync(); }

    void resync()
    {
        etcd_->counters.resyncs++;
        client_.resync();
    }

    Loop &loop_;
    Directory::Client &client_;
    const EtcdOptions options_;
    std::unique_ptr<EtcdClient> etcd_;
    std::unique_ptr<EtcdWatch> watch_;
    std::unique_ptr<EtcdLookup> lookup_;
    std::unique_ptr<EtcdAnnouncer> announcer_;
    EtcdHeader last_;
    std::set<std::string> warned_;
};

Result<> check(const EtcdOptions &options)
{
    const auto refuse = [](const std::string &object, std::string_view cause) {
        return usage_failure("directory", object, cause);
    };
    if (options.endpoints.empty())
        return refuse("etcd", "no server is given");
    if (options.lease_ttl < std::chrono::seconds(1) ||
        options.timeout < std::chrono::milliseconds(10))
        return refuse("etcd", "a lease lasts 1 s at least, a look-up 10 ms");
    for (const auto &file : {options.cacert, options.cert, options.key})
        if (!file.empty() && ::access(file.c_str(), R_OK) != 0)
            return errno_failure("read", file, errno);
    if (options.cert.empty() != options.key.empty())
        return refuse("etcd", "a certificate and its key go together");
    return {};
}

} // namespace

Result<std::unique_ptr<EtcdDirectory>> make_etcd_directory(Loop &loop, Directory::Client &client,
                                                           EtcdOptions options)
{
    TRY(check(options));
    auto made = std::make_unique<Etcd>(loop, client, std::move(options));
    TRY(made->start());
    return made;
}

} // namespace xvtep::agent
