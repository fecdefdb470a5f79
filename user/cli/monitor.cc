// SPDX-License-Identifier: GPL-2.0-only
#include <csignal>

#include <chrono>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "user/cli/output.h"
#include "user/cli/words.h"
#include "xvtep/listener.h"

namespace xvtep::cli {
namespace {

using Clock = std::chrono::steady_clock;

volatile std::sig_atomic_t stopped = 0;

// Ends the loop on SIGINT and SIGTERM, so that the subscription is taken back.
class StopSignals {
  public:
    StopSignals()
    {
        stopped = 0;
        struct sigaction action {};
        action.sa_handler = [](int) { stopped = 1; };
        ::sigaction(SIGINT, &action, &old_int_);
        ::sigaction(SIGTERM, &action, &old_term_);
    }
    ~StopSignals()
    {
        ::sigaction(SIGINT, &old_int_, nullptr);
        ::sigaction(SIGTERM, &old_term_, nullptr);
    }
    StopSignals(const StopSignals &) = delete;
    StopSignals &operator=(const StopSignals &) = delete;

  private:
    struct sigaction old_int_ {
    }, old_term_{};
};

// In `ip monitor neigh`'s words.
class Printer : public MissListener {
  public:
    Printer(const Context &context, bool with_device) : context_(context), with_device_(with_device)
    {
    }

    void on_l2miss(const L2Miss &miss) override
    {
        print("l2miss", miss, "", " lladdr " + miss.mac_text(), {"mac", miss.mac_text()});
    }
    void on_l3miss(const L3Miss &miss) override
    {
        print("l3miss", miss, " " + miss.ip_text(), "", {"ip", miss.ip_text()});
    }

  private:
    // As `ip` prints them, an IP stands in front of the device, a MAC behind it.
    void print(const char *event, const Miss &miss, const std::string &ip, const std::string &mac,
               const std::pair<const char *, std::string> &key)
    {
        if (context_.json) {
            Json json;
            json["event"] = event;
            json["ifname"] = miss.ifname;
            json["vni"] = miss.vni;
            json[key.first] = key.second;
            context_.print(document(json, context_.pretty));
        } else {
            const std::string device = with_device_ ? " dev " + miss.ifname : "";
            context_.print("miss" + ip + device + mac + " STALE\n");
        }
        std::fflush(context_.out);
    }

    const Context &context_;
    bool with_device_;
};

} // namespace

Result<> run_monitor(const Context &context, const Words &words)
{
    // --count and --timeout stand among the keywords.
    Words normal = words;
    for (auto &word : normal)
        if (word == "--count" || word == "--timeout")
            word.erase(0, 2);
    TRY_ASSIGN(const auto tail,
               parse_tail("monitor", normal, {"dev", "count", "timeout", "all!"}, context,
                          "xvtep monitor [all] [dev IFNAME] [--count N] [--timeout SECONDS]"));
    if (tail.helped)
        return {};
    const auto device = tail.find("dev").value_or("");
    const Values values{"monitor", device};
    unsigned count = std::numeric_limits<unsigned>::max();
    if (const auto text = tail.find("count"))
        TRY_SET(count, values.number("count", *text, 1, 0xffffffff));
    std::optional<Clock::time_point> deadline;
    if (const auto text = tail.find("timeout")) {
        TRY_ASSIGN(const auto seconds, values.number("timeout", *text, 0, 0x7fffffff));
        deadline = Clock::now() + std::chrono::seconds(seconds);
    }

    TRY_ASSIGN(const auto scope, context.enter());
    const StopSignals signals;
    auto source = MissSource::open(device);
    if (!source)
        return system_failure("monitor", device, source.error().message());
    std::fputs("ready\n", stderr);
    Printer printer(context, device.empty());
    while (stopped == 0 && count > 0) {
        auto wait = std::chrono::milliseconds(1000);
        if (deadline) {
            const auto left =
                std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now());
            if (left.count() <= 0)
                break;
            wait = std::min(wait, left);
        }
        const auto seen = source->poll(printer, wait, count);
        if (!seen)
            return system_failure("monitor", device, seen.error().message());
        count -= *seen;
        if (std::ferror(context.out) != 0)
            break; // nobody reads any more; run() says so
    }
    if (const auto lost = source->lost(); lost != 0)
        std::fputs(fmt::format("monitor: {} events were lost\n", lost).c_str(), stderr);
    return {};
}

} // namespace xvtep::cli
