// SPDX-License-Identifier: GPL-2.0-only
// The differential fuzz: README.md.
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "tests/differential/frame.h"
#include "tests/differential/generator.h"
#include "tests/differential/rules.h"
#include "tests/differential/twin.h"
#include "tests/differential/variants.h"

namespace xvtep::differential {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t epoch_frames = 1024; // from one reset of the tables to the next
constexpr std::size_t table_frames = 64;   // from one look at the tables to the next

struct Arguments {
    std::uint64_t seed = 1;
    std::vector<std::string> variants{};
    std::size_t frames = 10000;
    std::optional<std::size_t> epoch{}; // this one alone
    std::size_t shown = 10;             // unexplained differences that are described
    bool minimise = true, verbose = false, list = false, check_rules = false;
    std::string summary{};
    std::vector<Frame> given{}; // these alone
};

struct Totals {
    std::size_t frames = 0, outputs = 0, failures = 0;
    double seconds = 0;
    std::map<std::string, std::size_t> by_rule{};
};

double rate(const Totals &totals)
{
    return static_cast<double>(totals.frames) / std::max(totals.seconds, 0.001);
}

// What is in `left` and not in `right`, as multisets.
template <class T> std::vector<T> without(std::vector<T> left, std::vector<T> right)
{
    for (const T &one : right)
        if (const auto found = std::ranges::find(left, one); found != left.end())
            left.erase(found);
    return left;
}

struct Step {
    std::vector<Seen> kernel, xvtep;
    int kernel_error = 0, xvtep_error = 0;
    [[nodiscard]] bool differs() const
    {
        return kernel_error != xvtep_error || !without(kernel, xvtep).empty() ||
               !without(xvtep, kernel).empty();
    }
};

class Fuzz {
  public:
    Fuzz(const Variant &variant, const Arguments &arguments)
        : variant_(variant), arguments_(arguments), kernel_(System::kernel, variant),
          xvtep_(System::xvtep, variant)
    {
    }

    Totals run()
    {
        const auto start = Clock::now();
        auto said = start;
        const std::size_t epochs = (arguments_.frames + epoch_frames - 1) / epoch_frames;
        for (std::size_t n = 0; n < epochs; n++) {
            if (arguments_.epoch && n != *arguments_.epoch)
                continue;
            epoch(n);
            const auto now = Clock::now();
            totals_.seconds = std::chrono::duration<double>(now - start).count();
            if (now - said > std::chrono::seconds(10)) {
                said = now;
                fmt::print("{}: {} frames, {:.0f} a second, {} unexplained\n", variant_.name,
                           totals_.frames, rate(totals_), totals_.failures);
                std::fflush(stdout);
            }
        }
        return totals_;
    }

    // These frames, and all that comes out.
    void show(const std::vector<Frame> &frames)
    {
        reset();
        for (const Frame &frame : frames) {
            const Step s = step(frame);
            fmt::print("kernel: errno {}\n{}xvtep: errno {}\n{}", s.kernel_error,
                       describe("kernel", s.kernel), s.xvtep_error, describe("xvtep", s.xvtep));
            if (const auto d = tables(frame))
                fmt::print("{}", describe(*d));
        }
        xvtep_.print_counters();
    }

  private:
    using Frames = std::vector<Frame>;

    void epoch(std::size_t number)
    {
        epoch_ = number;
        Random mixer(arguments_.seed * 0x100000001b3ULL + number);
        Generator generator(variant_, mixer.next());
        reset();
        xvtep_.forget_senders();
        Frames sent;
        const std::size_t count = std::min(epoch_frames, arguments_.frames - number * epoch_frames);
        std::optional<Frame> corrected;
        for (std::size_t n = 0; n < count; n++) {
            if (corrected)
                sent.push_back(*std::exchange(corrected, std::nullopt));
            else {
                sent.push_back(generator.next());
                corrected = with_right_sum(sent.back());
            }
            totals_.frames++;
            if (arguments_.verbose)
                fmt::print("{} {}\n", n, sent.back().what);
            one(sent, n);
            if ((n + 1) % table_frames == 0 || n + 1 == count)
                look_at_tables(sent, n);
        }
    }

    void reset()
    {
        kernel_.reset();
        xvtep_.reset();
        places_.clear();
        senders_.clear();
    }

    // xvtep takes packets with a wrong outer checksum. Of the same packet with a right one, which
    // follows, both bridges learn the same.
    static std::optional<Frame> with_right_sum(const Frame &frame)
    {
        const Headers at = headers(frame.bytes);
        if (frame.side != Side::wire || frame.shape != Shape{} || at.protocol != 17 ||
            at.fragment || at.transport == 0 || get16(frame.bytes, at.transport + 6) == 0 ||
            udp_checksum_right(frame.bytes, at))
            return std::nullopt;
        Frame right = frame;
        fix_udp_checksum(right.bytes, at);
        right.what += " (corrected)";
        if (right.bytes == frame.bytes)
            return std::nullopt;
        return right;
    }

    // What XDP has decided about a packet from a VTEP holds until the clock ticks. So a MAC that
    // comes back to a VTEP within a tick is not learned there again.
    void wait_for_return(const Frame &frame)
    {
        if (variant_.mode != "xdp" || frame.side != Side::wire)
            return;
        const auto t = tunnel(frame.bytes);
        if (!t || frame.bytes.size() < t->inner + 12)
            return;
        const View bytes = frame.bytes;
        Bytes mac(bytes.begin() + static_cast<std::ptrdiff_t>(t->inner + 6),
                  bytes.begin() + static_cast<std::ptrdiff_t>(t->inner + 12));
        mac.push_back(static_cast<std::uint8_t>(t->vni));
        const View from = t->outer.v4 ? bytes.subspan(t->outer.network + 12, 4)
                                      : bytes.subspan(t->outer.network + 8, 16);
        Bytes place(from.begin(), from.end());
        const auto now = Clock::now();
        auto &seen = senders_[mac];
        const auto [last, fresh] = seen.times.try_emplace(place, now);
        if (!fresh && seen.place != place && now - last->second < std::chrono::milliseconds(11))
            wait_a_tick();
        last->second = Clock::now();
        seen.place = std::move(place);
    }

    // Where a source was seen last. A local port looks at its source once a tick of the clock.
    void wait_for_move(const Frame &frame)
    {
        wait_for_return(frame);
        if (variant_.layout == Layout::bridge || variant_.layout == Layout::host)
            return;
        std::size_t at = 6;
        if (frame.side == Side::wire) {
            const auto t = tunnel(frame.bytes);
            if (!t)
                return;
            at += t->inner;
        }
        if (frame.bytes.size() < at + 6)
            return;
        const auto source = View(frame.bytes).subspan(at, 6);
        const auto [seen, fresh] =
            places_.try_emplace(Bytes(source.begin(), source.end()), frame.side);
        if (!fresh && std::exchange(seen->second, frame.side) != frame.side)
            wait_a_tick();
    }

    Step step(const Frame &frame)
    {
        wait_for_move(frame);
        Step s;
        s.kernel_error = kernel_.send(frame);
        kernel_.collect(s.kernel);
        s.xvtep_error = xvtep_.send(frame);
        xvtep_.collect(s.xvtep);
        if (s.differs()) // or it is late
            settle(s, 4);
        return s;
    }

    void settle(Step &s, int rounds)
    {
        kernel_.settle(s.kernel, rounds);
        xvtep_.settle(s.xvtep, rounds);
    }

    Difference outputs(const Frame &frame, const Step &s)
    {
        Difference d{.variant = &variant_,
                     .frame = &frame,
                     .kernel = without(s.kernel, s.xvtep),
                     .xvtep = without(s.xvtep, s.kernel)};
        d.common = s.xvtep.size() - d.xvtep.size();
        if (frame.side != Side::wire && frame.bytes.size() >= 6)
            d.bridge_knows = kernel_.bridge_knows(View(frame.bytes).first(6));
        return d;
    }

    std::optional<Difference> tables(const Frame &frame)
    {
        Rows kernel = kernel_.device_rows();
        const Rows device = xvtep_.device_rows();
        Rows programs = xvtep_.program_rows();
        programs_ = programs;
        // The kernel's device keeps what it has learned of a MAC that is now behind a bridge's
        // port.
        std::erase_if(kernel, [&](const Row &row) {
            return std::ranges::find(programs, Row{row.vni, row.mac, "local", false}) !=
                   programs.end();
        });
        std::erase_if(programs, [](const Row &row) { return row.dst == "local"; });
        Difference d{.variant = &variant_, .frame = &frame};
        d.kernel_rows = without(kernel, programs);
        d.xvtep_rows = without(programs, kernel);
        const Rows all = kernel_.device_rows();
        d.kernel_device_rows = without(all, device);
        d.device_rows = without(device, all);
        if (d.kernel_rows.empty() && d.xvtep_rows.empty() && d.kernel_device_rows.empty() &&
            d.device_rows.empty())
            return std::nullopt;
        return d;
    }

    const Rule *rule_of(const Difference &d)
    {
        for (const Rule &rule : rules())
            if (rule.explains(d))
                return &rule;
        return nullptr;
    }

    // Whether tenants have seen what is not theirs, whatever the kernel does.
    static std::string leak(const Frame &frame, const Step &s)
    {
        unsigned vni = frame.side == Side::c2                                  ? second_vni
                       : frame.side == Side::wire || frame.side == Side::trunk ? 0
                                                                               : first_vni;
        if (frame.side == Side::wire)
            if (const auto t = tunnel(frame.bytes))
                vni = t->vni;
        for (const Seen &seen : s.xvtep) {
            const bool first = seen.side == Side::c0 || seen.side == Side::c1;
            if (seen.side == Side::c2 && vni == first_vni)
                return "a frame of VNI 42 has come to the tenant of VNI 43";
            if (first && vni == second_vni)
                return "a frame of VNI 43 has come to the tenant of VNI 42";
        }
        return "";
    }

    std::string wrong_ports(const Step &s) const
    {
        for (const Seen &seen : s.xvtep)
            if (seen.source_port != 0 && seen.frame.size() > 42 &&
                get16(seen.frame, (variant_.v6 ? 54U : 34U) + 2) == 4789 &&
                (seen.source_port < 49152 || seen.source_port == 65535))
                return fmt::format("UDP source port {} is out of range", seen.source_port);
        return "";
    }

    // What a frame has led to.
    struct Verdict {
        std::string failure{}; // "": the twins agree, or a rule explains it
        const Rule *rule = nullptr;
        std::optional<Difference> difference{};
        std::size_t outputs = 0;
    };

    // Sends a frame, and judges what comes out.
    Verdict play(const Frame &frame)
    {
        Step s = step(frame);
        if (s.differs() && rule_of(outputs(frame, s)) == nullptr)
            settle(s, 80); // later still, on a busy host
        Verdict verdict{.failure = leak(frame, s), .outputs = s.xvtep.size()};
        if (verdict.failure.empty())
            verdict.failure = wrong_ports(s);
        if (verdict.failure.empty() && s.differs()) {
            Difference d = outputs(frame, s);
            verdict.rule = rule_of(d);
            if (verdict.rule == nullptr)
                verdict.failure = "output differs";
            else
                resync(frame);
            verdict.difference.emplace(std::move(d));
        } else if (verdict.failure.empty() && touches_tables(frame)) {
            if (auto d = tables(frame)) {
                verdict.rule = rule_of(*d);
                if (verdict.rule == nullptr)
                    verdict.failure = "tables differ";
                else
                    resync(frame);
                verdict.difference.emplace(std::move(*d));
            }
        }
        if (verdict.failure.empty() &&
            (changes_bridges(frame) || (verdict.rule != nullptr && verdict.rule->resets)))
            reset();
        return verdict;
    }

    bool touches_tables(const Frame &frame) const
    {
        return std::ranges::any_of(rules(), [&](const Rule &rule) {
            return rule.touches_tables != nullptr && rule.touches_tables(variant_, frame);
        });
    }

    // The kernel's device sends an ICMP error through its bridge, which learns from it; a local
    // port of xvtep gets it straight.
    bool changes_bridges(const Frame &frame) const
    {
        return variant_.layout != Layout::bridge && variant_.layout != Layout::host &&
               frame.side != Side::wire &&
               frame.bytes.size() >
                   (variant_.path_mtu != 0 ? variant_.path_mtu : variant_.mtu) - 50U + 14U;
    }

    // Sends the last frame of `sent`.
    void one(const Frames &sent, std::size_t n)
    {
        const Verdict verdict = play(sent[n]);
        totals_.outputs += verdict.outputs;
        if (verdict.rule != nullptr)
            explained(*verdict.rule);
        if (!verdict.failure.empty())
            failure(sent, n, verdict.failure, verdict.difference);
    }

    void explained(const Rule &rule) { totals_.by_rule[rule.id]++; }

    // After a difference in what came out the tables may differ as well.
    void resync(const Frame &frame)
    {
        const auto d = tables(frame);
        if (!d)
            return;
        // The tables of both kernel's devices as the programs' is.
        for (const Rows *rows : {&d->kernel_rows, &d->kernel_device_rows})
            kernel_.repair(*rows, programs_);
        for (const Rows *rows : {&d->kernel_rows, &d->xvtep_rows, &d->device_rows})
            xvtep_.repair(*rows, programs_);
        if (tables(frame))
            reset();
    }

    void look_at_tables(const Frames &sent, std::size_t n)
    {
        auto d = tables(sent[n]);
        if (!d)
            return;
        std::vector<Seen> late;
        kernel_.settle(late);
        xvtep_.settle(late);
        d = tables(sent[n]);
        if (!d)
            return;
        // After which frame?
        reset();
        for (std::size_t i = 0; i <= n; i++) {
            (void)play(sent[i]);
            const auto at = tables(sent[i]);
            if (!at)
                continue;
            if (const Rule *rule = rule_of(*at)) {
                explained(*rule);
                reset();
                return;
            }
            failure({sent.begin(), sent.begin() + static_cast<std::ptrdiff_t>(i) + 1}, i,
                    "tables differ", at);
            return;
        }
        failure(sent, n, "tables differ (not a second time)", d);
    }

    // Whether these frames, from the tables of the beginning, end in an unexplained difference.
    bool fails(const Frames &frames)
    {
        reset();
        for (std::size_t i = 0; i < frames.size(); i++) {
            Verdict verdict = play(frames[i]);
            if (verdict.failure.empty() && (i + 1 == frames.size() || frames.size() <= 24)) {
                auto d = tables(frames[i]);
                if (d && rule_of(*d) == nullptr) {
                    verdict.failure = "tables differ";
                    verdict.difference.emplace(std::move(*d));
                }
            }
            if (!verdict.failure.empty()) {
                last_ = std::move(verdict.difference);
                return i + 1 == frames.size();
            }
        }
        return false;
    }

    // Fewer frames that fail the same way.
    Frames smallest(Frames frames)
    {
        for (std::size_t last = 1; last < frames.size(); last *= 2) {
            Frames some(frames.end() - static_cast<std::ptrdiff_t>(last), frames.end());
            if (fails(some)) {
                frames = std::move(some);
                break;
            }
        }
        std::size_t tries = 200;
        for (std::size_t chunk = frames.size() / 2; chunk > 0; chunk /= 2)
            for (std::size_t at = 0; at + chunk < frames.size() && tries > 0;) {
                Frames some = frames;
                some.erase(some.begin() + static_cast<std::ptrdiff_t>(at),
                           some.begin() + static_cast<std::ptrdiff_t>(at + chunk));
                tries--;
                if (fails(some))
                    frames = std::move(some);
                else
                    at += chunk;
            }
        return frames;
    }

    static std::string describe(const Difference &d)
    {
        std::string text;
        for (const auto &[name, rows] :
             {std::pair("the kernel's table, not that of xvtep's programs", &d.kernel_rows),
              std::pair("the table of xvtep's programs", &d.xvtep_rows),
              std::pair("the kernel's table, not that of xvtep's device", &d.kernel_device_rows),
              std::pair("the table of xvtep's device", &d.device_rows)})
            for (const Row &row : *rows)
                text += fmt::format("  only in {}: {} dst {} vni {}{}\n", name, row.mac, row.dst,
                                    row.vni, row.fixed ? " static" : "");
        return text;
    }

    static std::string describe(const Frame &frame)
    {
        std::string shape;
        if (frame.shape != Shape{})
            shape = fmt::format(" (vnet {} {} {} {} {} {})", frame.shape.flags, frame.shape.type,
                                frame.shape.headers, frame.shape.size, frame.shape.csum_start,
                                frame.shape.csum_offset);
        if (frame.mark != 0)
            shape += fmt::format(" (mark {:#x})", frame.mark);
        return fmt::format(
            "  {} at {}{}\n    {}\n", frame.what, side_name(frame.side), shape,
            hex(View(frame.bytes).first(std::min<std::size_t>(frame.bytes.size(), 2000))));
    }

    static std::string describe(const char *who, const std::vector<Seen> &seen,
                                const std::vector<Seen> &other = {})
    {
        std::string text;
        if (seen.size() == 1 && other.size() == 1) {
            const Bytes &a = seen[0].frame, &b = other[0].frame;
            const auto at = std::ranges::mismatch(a, b).in1 - a.begin();
            text = fmt::format("  {} and {} bytes, which differ from byte {} on\n", a.size(),
                               b.size(), at);
        }
        for (const Seen &one : seen)
            text += fmt::format(
                "  only {}: {} bytes at {} {}\n    {}\n", who, one.frame.size(),
                side_name(one.side), one.wrong,
                hex(View(one.frame).first(std::min<std::size_t>(one.frame.size(), 400))));
        return text;
    }

    static std::string describe_whole(const Difference &d)
    {
        return describe("kernel", d.kernel, d.xvtep) + describe("xvtep", d.xvtep) + describe(d);
    }

    void failure(const Frames &sent, std::size_t n, const std::string &what,
                 const std::optional<Difference> &difference)
    {
        totals_.failures++;
        if (totals_.failures <= arguments_.shown) {
            fmt::print(
                "UNEXPLAINED {}: {} (--variant {} --seed {} --epoch {} --frames {}, frame {})\n",
                totals_.failures, what, variant_.name, arguments_.seed, epoch_, arguments_.frames,
                n);
            fmt::print("{}", describe(sent[n]));
            if (difference)
                fmt::print("{}", describe_whole(*difference));
            if (arguments_.minimise) {
                Frames frames(sent.begin(), sent.begin() + static_cast<std::ptrdiff_t>(n) + 1);
                frames = smallest(std::move(frames));
                if (fails(frames)) {
                    if (frames.size() == 1)
                        fmt::print("  the frame alone does it\n");
                    else {
                        fmt::print("  {} frames do it:\n", frames.size());
                        for (std::size_t i = frames.size() > 6 ? frames.size() - 6 : 0;
                             i < frames.size(); i++)
                            fmt::print("{}", describe(frames[i]));
                    }
                    if (last_)
                        fmt::print("{}", describe_whole(*last_));
                } else
                    fmt::print("  not a second time\n");
            }
            std::fflush(stdout);
        }
        reset();
    }

    const Variant &variant_;
    const Arguments &arguments_;
    Twin kernel_, xvtep_;
    Totals totals_;
    std::size_t epoch_ = 0;
    std::map<Bytes, Side> places_;
    struct Sender {
        Bytes place{};                              // the VTEP that has sent last
        std::map<Bytes, Clock::time_point> times{}; // when each has sent last
    };
    std::map<Bytes, Sender> senders_; // by MAC and VNI
    Rows programs_;
    std::optional<Difference> last_{}; // that fails() has found
};

void private_mounts()
{
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=0700") != 0 ||
        ::mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") != 0)
        throw std::runtime_error(std::string("private mounts: ") + std::strerror(errno));
}

// All on one CPU, so that a frame has gone its way when it is sent.
void one_cpu()
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &cpus);
    ::sched_setaffinity(0, sizeof(cpus), &cpus);
}

std::string table(const std::vector<std::pair<std::string, Totals>> &all)
{
    std::string text = "| variant | frames | frames a second | came out | explained, by rule | "
                       "unexplained |\n|---|---|---|---|---|---|\n";
    Totals sum;
    for (const auto &[name, totals] : all) {
        std::string by;
        for (const auto &[rule, count] : totals.by_rule) {
            by += fmt::format("{}{} {}", by.empty() ? "" : ", ", rule, count);
            sum.by_rule[rule] += count;
        }
        text += fmt::format("| {} | {} | {:.0f} | {} | {} | {} |\n", name, totals.frames,
                            rate(totals), totals.outputs, by, totals.failures);
        sum.frames += totals.frames;
        sum.outputs += totals.outputs;
        sum.failures += totals.failures;
        sum.seconds += totals.seconds;
    }
    std::string by;
    for (const auto &[rule, count] : sum.by_rule)
        by += fmt::format("{}{} {}", by.empty() ? "" : ", ", rule, count);
    return text + fmt::format("| all | {} | {:.0f} | {} | {} | {} |\n", sum.frames, rate(sum),
                              sum.outputs, by, sum.failures);
}

Arguments read(int argc, char **argv)
{
    Arguments a;
    for (int i = 1; i < argc; i++) {
        const std::string word = argv[i];
        const auto value = [&]() -> std::string {
            if (i + 1 == argc)
                throw std::invalid_argument(word + " needs a value");
            return argv[++i];
        };
        if (word == "--seed")
            a.seed = std::stoull(value());
        else if (word == "--frames")
            a.frames = std::stoull(value());
        else if (word == "--variant")
            a.variants.push_back(value());
        else if (word == "--epoch")
            a.epoch = std::stoull(value());
        else if (word == "--shown")
            a.shown = std::stoull(value());
        else if (word == "--summary")
            a.summary = value();
        else if (word == "--no-minimise")
            a.minimise = false;
        else if (word == "--check-rules")
            a.check_rules = true;
        else if (word == "--verbose")
            a.verbose = true;
        else if (word == "--frame") {
            const std::string text = value();
            const std::size_t colon = text.find(':');
            const auto side = side_of_name(text.substr(0, colon));
            if (!side || colon == std::string::npos)
                throw std::invalid_argument(text + ": not SIDE:HEX");
            a.given.push_back({.side = *side, .bytes = from_hex(text.substr(colon + 1))});
        } else if (word == "--list")
            a.list = true;
        else
            throw std::invalid_argument(
                word + "\nusage: [--seed N] [--frames M] [--variant NAME ...] [--epoch E] "
                       "[--shown N] [--summary FILE] [--no-minimise] [--verbose] [--list]");
    }
    return a;
}

int run(const Arguments &arguments)
{
    if (arguments.list) {
        for (const Variant &variant : variants())
            fmt::print("{}\n", variant.name);
        return 0;
    }
    if (const std::string missing = check_rules(XVTEP_SOURCE_DIR); !missing.empty()) {
        fmt::print("{}", missing);
        return 1;
    }
    if (arguments.check_rules)
        return 0;
    if (::geteuid() != 0) {
        fmt::print("skipped: needs root, for network namespaces and BPF\n");
        return 77;
    }
    private_mounts();
    one_cpu();
    unsigned shares = 0;
    for (const Variant &variant : variants())
        shares += variant.share;
    std::vector<std::pair<std::string, Totals>> all;
    bool failed = false;
    for (const Variant &variant : variants()) {
        Arguments own = arguments;
        if (!arguments.variants.empty()) {
            if (std::ranges::find(arguments.variants, variant.name) == arguments.variants.end())
                continue;
        } else {
            own.frames = arguments.frames * variant.share / shares;
        }
        Fuzz fuzz(variant, own);
        if (!arguments.given.empty()) {
            fuzz.show(arguments.given);
            continue;
        }
        all.emplace_back(variant.name, fuzz.run());
        failed = failed || all.back().second.failures > 0;
        if (!arguments.summary.empty())
            std::ofstream(arguments.summary) << table(all);
    }
    fmt::print("{}", table(all));
    return failed ? 1 : 0;
}

} // namespace
} // namespace xvtep::differential

int main(int argc, char **argv)
{
    try {
        return xvtep::differential::run(xvtep::differential::read(argc, argv));
    } catch (const std::exception &error) {
        fmt::print(stderr, "{}\n", error.what());
        return 2;
    }
}
