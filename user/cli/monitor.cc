// SPDX-License-Identifier: GPL-2.0-only
#include <csignal>
#include <ctime>

#include <array>
#include <chrono>
#include <limits>

#include <fmt/format.h>

#include "user/cli/commands.h"
#include "user/cli/output.h"
#include "user/cli/words.h"
#include "xvtep/listener.h"

namespace xvtep::cli {
namespace {

using Clock = std::chrono::steady_clock;

volatile std::sig_atomic_t stopped = 0;

// Ends the loop on SIGINT and SIGTERM, so that MissSource can unsubscribe.
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

// The time of day, as `ip -t monitor` and `ip -ts monitor` print it.
std::string time_text(Timestamps timestamps)
{
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    tm local{};
    ::localtime_r(&now.tv_sec, &local);
    std::array<char, 64> text{};
    const char *const format =
        timestamps == Timestamps::brief ? "%Y-%m-%dT%H:%M:%S" : "%a %b %e %H:%M:%S %Y";
    if (std::strftime(text.data(), text.size(), format, &local) == 0)
        return "";
    const long microseconds = now.tv_nsec / 1000;
    return timestamps == Timestamps::brief
               ? fmt::format("[{}.{:06}] ", text.data(), microseconds)
               : fmt::format("Timestamp: {} {} usec\n", text.data(), microseconds);
}

class Printer : public MissListener {
  public:
    Printer(const Context &context, Device device) : context_(context), device_(device) {}

    void on_l2miss(const L2Miss &miss) override { print("l2miss", miss, "mac", miss.mac.text()); }
    void on_l3miss(const L3Miss &miss) override { print("l3miss", miss, "ip", miss.ip.text()); }

  private:
    void print(const char *name, const Miss &miss, const char *key, const std::string &address)
    {
        if (!context_.json && context_.timestamps != Timestamps::none)
            context_.print(time_text(context_.timestamps));
        cli::print(context_, MissEvent{name, miss.ifname, miss.vni, miss.vlan != 0, key, address},
                   device_);
        std::fflush(context_.out);
    }

    const Context &context_;
    Device device_;
};

Failure monitor_failure(const std::string &device, const Error &error)
{
    const bool is_named = error.operation == "listen" && error.object == device;
    return system_failure("monitor", device, is_named ? error.cause : error.message(), error.code);
}

} // namespace

Result<> run_monitor(const Context &context, const Arguments &arguments)
{
    const auto device = arguments.device().value_or("");
    const Values values{"monitor", device};
    unsigned count = std::numeric_limits<unsigned>::max();
    if (const auto text = arguments.find("count"))
        TRY_SET(count, values.number("count", *text, 1, 0xffffffff));
    std::optional<Clock::time_point> deadline;
    if (const auto text = arguments.find("timeout")) {
        TRY_ASSIGN(const auto seconds, values.number("timeout", *text, 0, 0x7fffffff));
        deadline = Clock::now() + std::chrono::seconds(seconds);
    }

    TRY_ASSIGN(const auto scope, context.enter());
    const StopSignals signals;
    auto source = MissSource::open(device);
    if (!source)
        return monitor_failure(device, source.error());
    std::fputs("ready\n", stderr);
    Printer printer(context, device.empty() ? Device::printed : Device::left_out);
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
            return monitor_failure(device, seen.error());
        count -= *seen;
        if (std::ferror(context.out) != 0)
            break; // the reader is gone; run() reports it
    }
    if (const auto lost = source->lost(); lost != 0)
        std::fputs(fmt::format("monitor: {} events were lost\n", lost).c_str(), stderr);
    return {};
}

} // namespace xvtep::cli
