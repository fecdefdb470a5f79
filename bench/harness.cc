// SPDX-License-Identifier: GPL-2.0-only
#include "bench/harness.h"

#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <fmt/format.h>

namespace xvtep::bench {
namespace {

volatile sig_atomic_t stop = 0;

} // namespace

bool stopping()
{
    return stop != 0;
}

void stop_on_signals()
{
    struct sigaction action {};
    action.sa_handler = [](int) { stop = 1; };
    ::sigaction(SIGINT, &action, nullptr);
    ::sigaction(SIGTERM, &action, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
}

Pinned::Pinned(int core)
{
    cpu_set_t set;
    if (::sched_getaffinity(0, sizeof(set), &set) == 0)
        for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
            if (CPU_ISSET(cpu, &set))
                before_.push_back(cpu);
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    ::sched_setaffinity(0, sizeof(set), &set);
}

Pinned::~Pinned()
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const int cpu : before_)
        CPU_SET(cpu, &set);
    ::sched_setaffinity(0, sizeof(set), &set);
}

double median(std::vector<double> values)
{
    if (values.empty())
        return 0;
    std::ranges::sort(values);
    const std::size_t middle = values.size() / 2;
    return values.size() % 2 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

bool Harness::wants(const std::string &name) const
{
    return options_.cases.empty() ||
           std::ranges::find(options_.cases, name) != options_.cases.end();
}

bool Harness::wants_any(const std::vector<Case> &cases) const
{
    return std::ranges::any_of(cases, [&](const Case &c) { return wants(c.name); });
}

bool Harness::wants(System system) const
{
    return options_.systems.empty() ||
           std::ranges::find(options_.systems, name_of(system)) != options_.systems.end();
}

std::vector<System> Harness::here(const std::vector<System> &systems)
{
    std::vector<System> found;
    for (const System system : systems) {
        if (!wants(system))
            continue;
        const std::string why = missing(system);
        if (why.empty())
            found.push_back(system);
        else
            left_out_[system] = why;
    }
    return found;
}

CaseResult &Harness::of(const Case &about)
{
    const auto at =
        std::ranges::find(results_, about.name, [](const auto &r) { return r.about.name; });
    if (at != results_.end())
        return *at;
    return results_.emplace_back(CaseResult{.about = about});
}

const CaseResult *Harness::result(const std::string &name) const
{
    const auto at = std::ranges::find(results_, name, [](const auto &r) { return r.about.name; });
    return at == results_.end() ? nullptr : &*at;
}

void Harness::add(const Case &about, System system, const std::vector<double> &rounds)
{
    auto &all = of(about).rounds[system];
    all.insert(all.end(), rounds.begin(), rounds.end());
}

void Harness::fail(const Case &about, System system, const std::string &why)
{
    of(about).failed[system] = why;
    say(fmt::format("{} {}: {}", about.name, name_of(system), why));
}

bool Harness::failed() const
{
    return std::ranges::any_of(results_, [](const auto &r) { return !r.failed.empty(); });
}

void Harness::say(const std::string &line)
{
    std::fprintf(stderr, "%s\n", line.c_str());
}

void Harness::in_turn(const std::vector<Case> &cases, const std::vector<Contender> &contenders,
                      unsigned rounds, WarmUp warm_up)
{
    std::string names;
    for (const auto &c : cases)
        names += (names.empty() ? "" : " ") + c.name;
    say("measuring " + names);
    std::vector<const Contender *> well;
    const auto fail_all = [&](const Contender &contender, const std::string &why) {
        for (const auto &c : cases)
            fail(c, contender.system, why);
        std::erase(well, &contender);
    };
    for (const auto &contender : contenders)
        well.push_back(&contender);
    const unsigned last = rounds != 0 ? rounds : options_.rounds;
    // Round 0 is warm-up.
    for (unsigned round = warm_up == WarmUp::yes ? 0 : 1; round <= last; round++) {
        for (const auto *contender : std::vector(well)) {
            if (stopping())
                return;
            const auto figures = contender->round();
            if (!figures)
                fail_all(*contender, figures.error().message());
            else if (round > 0)
                for (std::size_t n = 0; n < cases.size(); n++)
                    if (!std::isnan((*figures)[n]))
                        add(cases[n], contender->system, {(*figures)[n]});
        }
    }
}

} // namespace xvtep::bench
