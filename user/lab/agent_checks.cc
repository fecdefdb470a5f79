// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/agent_checks.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "user/lab/echo.h"
#include "user/lab/entries.h"
#include "user/lab/processes.h"
#include "user/lab/services.h"
#include "xvtep/listener.h"
#include "xvtep/neigh.h"

namespace xvtep {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using std::chrono::system_clock;

constexpr milliseconds steady_interval{50};
constexpr milliseconds steady_timeout{1000};
constexpr milliseconds outage_time{1500};
constexpr milliseconds try_timeout{10};
constexpr milliseconds listen_timeout{20};

Failure failed(const std::string &object, const std::string &cause)
{
    return system_failure("check", object, cause);
}

double milliseconds_of(auto duration)
{
    return std::chrono::duration<double, std::milli>(duration).count();
}

double milliseconds_since(steady_clock::time_point start)
{
    return milliseconds_of(steady_clock::now() - start);
}

Ip address_of(const LabState &state, const std::string &container)
{
    return state.lab.overlay_addresses(container).front();
}

std::vector<std::pair<const LabHost *, const LabVtep *>> agents_vteps(const LabState &state)
{
    std::vector<std::pair<const LabHost *, const LabVtep *>> vteps;
    for (const LabHost &host : state.lab.hosts)
        for (const LabVtep &vtep : host.vteps)
            if (host.agent)
                vteps.emplace_back(&host, &vtep);
    return vteps;
}

Result<std::vector<NeighEntry>> neighbours(LabNode &node, const std::string &device)
{
    TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
    return show_neigh(device);
}

// As after `lab up`.
Result<> start_over(const LabState &state, LabNodes &nodes)
{
    for (const LabHost &host : state.lab.hosts)
        if (host.agent)
            TRY(kill_processes({nodes.at(host.name).name}, "agent"));
    for (const auto &[host, vtep] : agents_vteps(state)) {
        TRY(flush_fdb(nodes.at(host->name), vtep->request.name, false));
        TRY(flush_neigh(nodes.at(host->name), vtep->request.name, true));
    }
    for (const LabHost &host : state.lab.hosts) {
        for (const LabContainer &container : host.containers)
            TRY(flush_neigh(nodes.at(container.name), container.device, false));
        if (host.agent)
            TRY(start_agent(state, host, nodes.at(host.name)));
    }
    return {};
}

// One echo after another, at 20 a second, until it is stopped.
class SteadyPing {
  public:
    SteadyPing(const Netns &from, const Ip &to)
        : thread_([this, &from, to](const std::stop_token &stop) {
              for (auto next = steady_clock::now(); !stop.stop_requested();
                   next += steady_interval) {
                  std::this_thread::sleep_until(next);
                  const auto outcome = send_echoes(from, {.to = to, .timeout = steady_timeout});
                  sent_++;
                  received_ += outcome ? outcome->received : 0;
              }
          })
    {
    }

    Result<std::string> stop()
    {
        thread_.request_stop();
        thread_.join();
        if (sent_ == 0 || received_ != sent_)
            return failed("ping", fmt::format("{} of {} lost", sent_ - received_, sent_));
        return fmt::format("{} pings, none lost", sent_);
    }

  private:
    unsigned sent_ = 0, received_ = 0; // the thread's until it has ended
    std::jthread thread_;
};

// The misses of a namespace as they are heard, from here on. Their own times are the kernel's
// coarse clock's.
class MissEar : private MissListener {
  public:
    static Result<std::unique_ptr<MissEar>> open(LabNode &node)
    {
        TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
        auto source = MissSource::open();
        if (!source)
            return system_failure("monitor", node.name, source.error().message());
        return std::unique_ptr<MissEar>(new MissEar(node, std::move(*source)));
    }

    std::vector<std::pair<steady_clock::time_point, std::string>> stop()
    {
        thread_.request_stop();
        thread_.join();
        return std::move(heard_);
    }

  private:
    MissEar(LabNode &node, MissSource source)
        : thread_([this, &node, moved = std::make_shared<MissSource>(std::move(source))](
                      const std::stop_token &stop) mutable {
              if (const auto scope = node.netns.enter()) {
                  while (!stop.stop_requested() && moved->poll(*this, listen_timeout)) {
                  }
                  moved.reset(); // unsubscribes there
              }
          })
    {
    }
    void on_l2miss(const L2Miss &miss) override { add(miss.ifname, miss.mac_text()); }
    void on_l3miss(const L3Miss &miss) override { add(miss.ifname, miss.ip_text()); }
    void add(const std::string &device, const std::string &what)
    {
        heard_.emplace_back(steady_clock::now(), device + " misses " + what);
    }

    std::vector<std::pair<steady_clock::time_point, std::string>>
        heard_; // the thread's until it ends
    std::jthread thread_;
};

// What happened when, from several sources.
class Timeline {
  public:
    static Result<Timeline> start(const LabState &state, LabNodes &nodes,
                                  const std::set<std::string> &hosts)
    {
        Timeline timeline;
        for (const std::string &host : hosts) {
            TRY_ASSIGN(auto misses, MissEar::open(nodes.at(host)));
            timeline.misses_.emplace_back(host, std::move(misses));
            const std::string log = log_path(state, host, "agent");
            std::error_code error;
            const auto size = std::filesystem::file_size(log, error);
            timeline.logs_[host] = {log, error ? 0 : static_cast<std::streamoff>(size)};
        }
        timeline.steady_ = steady_clock::now();
        timeline.system_ = system_clock::now();
        return timeline;
    }

    void add(steady_clock::time_point when, std::string what)
    {
        events_.emplace_back(milliseconds_of(when - steady_), std::move(what));
    }
    [[nodiscard]] steady_clock::time_point began() const { return steady_; }

    // A line each, in order.
    std::string text()
    {
        for (const auto &[host, log] : logs_)
            read_log(host, log.first, log.second);
        for (auto &[host, misses] : misses_)
            for (const auto &[when, what] : misses->stop())
                add_miss(host, when, what);
        std::ranges::stable_sort(events_, {}, &std::pair<double, std::string>::first);
        std::string lines;
        for (const auto &[time, what] : events_)
            lines += fmt::format("\n      {:9.3f} ms  {}", time, what);
        return lines;
    }

  private:
    // The agent may have heard it sooner than we did.
    void add_miss(const std::string &host, steady_clock::time_point when, const std::string &what)
    {
        double time = milliseconds_of(when - steady_);
        const std::string look_up = " " + what.substr(what.rfind(' ') + 1) + " is looked up";
        for (const auto &[other, text] : events_)
            if (text.starts_with(host + " agent: ") && text.ends_with(look_up))
                time = std::min(time, other);
        const auto at =
            std::ranges::find_if(events_, [&](const auto &event) { return event.first >= time; });
        events_.insert(at, {time, host + " " + what});
    }

    void read_log(const std::string &host, const std::string &path, std::streamoff offset)
    {
        std::ifstream file(path);
        file.seekg(offset);
        std::string line;
        while (std::getline(file, line)) {
            const auto json = nlohmann::json::parse(line, nullptr, false);
            if (!json.is_object() || json.value("level", "") != "debug")
                continue;
            const std::string message = json.value("message", "");
            if (const auto when = parse_time(json.value("time", "")))
                events_.emplace_back(milliseconds_of(*when - system_),
                                     fmt::format("{} agent: {}", host, message));
        }
    }

    // "2026-01-31T12:00:00.123456Z"
    static std::optional<system_clock::time_point> parse_time(const std::string &text)
    {
        std::tm parts{};
        const char *const rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
        if (!rest)
            return std::nullopt;
        const double fraction = *rest == '.' ? std::strtod(rest, nullptr) : 0;
        return system_clock::from_time_t(::timegm(&parts)) +
               std::chrono::duration_cast<system_clock::duration>(
                   std::chrono::duration<double>(fraction));
    }

    steady_clock::time_point steady_;
    system_clock::time_point system_;
    std::vector<std::pair<std::string, std::unique_ptr<MissEar>>> misses_;
    std::map<std::string, std::pair<std::string, std::streamoff>> logs_;
    std::vector<std::pair<double, std::string>> events_;
};

// One echo of a pair that has not talked. How long it took, in milliseconds.
Result<double> ping_once(const LabState &state, LabNodes &nodes, const std::string &from,
                         const std::string &to, unsigned within)
{
    const auto start = steady_clock::now();
    TRY_ASSIGN(const EchoOutcome outcome,
               send_echoes(nodes.at(from).netns,
                           {.to = address_of(state, to), .timeout = milliseconds(within)}));
    if (outcome.received != 1)
        return failed("ping", fmt::format("no reply in {} ms{}{}", within,
                                          outcome.problem.empty() ? "" : ", ", outcome.problem));
    return milliseconds_since(start);
}

// Until a reply comes, counted from `start`.
Result<double> ping_until(LabNodes &nodes, const std::string &from, const Ip &to,
                          steady_clock::time_point start, unsigned within)
{
    do {
        TRY_ASSIGN(const EchoOutcome outcome,
                   send_echoes(nodes.at(from).netns, {.to = to, .timeout = try_timeout}));
        if (outcome.received == 1)
            return milliseconds_since(start);
    } while (milliseconds_since(start) < within);
    return failed("ping", fmt::format("no reply in {} ms", within));
}

// Takes the veth away and makes another like it; how long until `from` has it again.
Result<double> move_to(LabNodes &nodes, const LabContainer &container, const std::string &old_host,
                       const std::string &new_host, const std::string &from, const Ip &address,
                       unsigned within)
{
    LabNode &old_node = nodes.at(old_host), &new_node = nodes.at(new_host),
            &inside = nodes.at(container.name);
    TRY_ASSIGN(const Link link, old_node.netlink.link(container.host_device));
    TRY(old_node.netlink.delete_link(link.index));
    TRY(tie_container(new_node, inside, container));
    TRY(await_listener(new_node, container.host_device));
    const auto start = steady_clock::now();
    TRY(raise_container(inside, container, true));
    return ping_until(nodes, from, address, start, within);
}

} // namespace

Result<std::string> check_nothing_preloaded(const LabState &state, LabNodes &nodes)
{
    const std::string mark = lab_directory(state.lab.name) + "/tested";
    const bool again = std::filesystem::exists(mark);
    if (again)
        TRY(start_over(state, nodes));
    std::ofstream(mark) << "";
    std::size_t count = 0;
    for (const auto &[host, vtep] : agents_vteps(state)) {
        TRY_ASSIGN(const auto entries, list_fdb(nodes.at(host->name), vtep->request.name, false));
        TRY_ASSIGN(const auto known, neighbours(nodes.at(host->name), vtep->request.name));
        if (!entries.empty() || !known.empty())
            return failed(
                host->name + " " + vtep->request.name,
                fmt::format("{} FDB entries, {} neighbours", entries.size(), known.size()));
        count++;
    }
    return fmt::format("{} VTEPs{}", count,
                       again ? "; emptied, for this lab was tested before" : "");
}

Result<std::string> check_first_ping(const LabState &state, LabNodes &nodes,
                                     const FirstPingCheck &check)
{
    const std::set<std::string> hosts = {state.lab.host_of(check.from)->name,
                                         state.lab.host_of(check.to)->name};
    TRY_ASSIGN(Timeline timeline, Timeline::start(state, nodes, hosts));
    timeline.add(timeline.began(),
                 fmt::format("{} pings {}", check.from, address_of(state, check.to).text()));
    const auto took = ping_once(state, nodes, check.from, check.to, check.within);
    timeline.add(steady_clock::now(), took ? check.from + " has the reply" : "no reply");
    const std::string lines = timeline.text();
    if (!took)
        return failed("ping", fmt::format("no reply in {} ms{}", check.within, lines));
    return fmt::format("after {:.3f} ms{}", *took, lines);
}

Result<std::string> check_only_talkers(const LabState &state, LabNodes &nodes,
                                       const OnlyTalkersCheck &check)
{
    std::map<std::string, std::set<std::string>> peers; // containers, by host
    for (const auto &[one, other] : check.pairs) {
        const std::string here = state.lab.host_of(one)->name,
                          there = state.lab.host_of(other)->name;
        if (here != there) {
            peers[here].insert(other);
            peers[there].insert(one);
        }
    }
    std::string text;
    for (const auto &[host, vtep] : agents_vteps(state)) {
        LabNode &node = nodes.at(host->name);
        std::set<std::pair<Mac, Ip>> wanted, found;
        std::set<Ip> addresses;
        for (const std::string &peer : peers[host->name]) {
            const LabContainer &container = *state.lab.container(peer);
            TRY_ASSIGN(const Link link, nodes.at(peer).netlink.link(container.device));
            for (const LabVtep &theirs : state.lab.host_of(peer)->vteps)
                if (theirs.request.vni == vtep->request.vni && theirs.request.local)
                    wanted.emplace(link.mac, *theirs.request.local);
            for (const Ip &ip : state.lab.overlay_addresses(peer))
                addresses.insert(ip);
        }
        TRY_ASSIGN(const auto entries, list_fdb(node, vtep->request.name, false));
        for (const FdbLine &line : entries)
            found.emplace(line.mac, line.dst);
        if (found != wanted)
            return failed(host->name + " fdb",
                          fmt::format("{} entries, wanted are {}", found.size(), wanted.size()));
        TRY_ASSIGN(const auto known, neighbours(node, vtep->request.name));
        for (const NeighEntry &entry : known)
            if (!addresses.contains(entry.ip))
                return failed(host->name + " neigh", entry.ip.text() + " is there");
        text += fmt::format("{}{} {} and {}", text.empty() ? "" : ", ", host->name, found.size(),
                            known.size());
    }
    return "FDB entries and neighbours: " + text;
}

Result<std::string> check_move(const LabState &state, LabNodes &nodes, const MoveCheck &check)
{
    const LabContainer &container = *state.lab.container(check.container);
    const std::string home = state.lab.host_of(check.container)->name;
    const Ip address = address_of(state, check.container);
    TRY(ping_once(state, nodes, check.from, check.container, 3000));
    const auto there = move_to(nodes, container, home, check.to, check.from, address, check.within);
    // Back, whatever came of it.
    const auto back = move_to(nodes, container, check.to, home, check.from, address, check.within);
    TRY(there);
    TRY(back);
    return fmt::format("{:.3f} ms after it says so there, {:.3f} ms after it is back", *there,
                       *back);
}

Result<std::string> check_outage(const LabState &state, LabNodes &nodes, const OutageCheck &check)
{
    const bool of_agent = !check.host.empty();
    const std::string host = of_agent ? check.host : state.lab.directory->host;
    LabNode &node = nodes.at(host);
    TRY(ping_once(state, nodes, check.steady[0], check.steady[1], 3000));
    SteadyPing steady(nodes.at(check.steady[0]).netns, address_of(state, check.steady[1]));
    std::this_thread::sleep_for(steady_interval * 4);
    TRY(kill_processes({node.name}, of_agent ? "agent" : "etcd"));
    std::this_thread::sleep_for(outage_time);
    TRY(of_agent ? start_agent(state, *state.lab.host(host), node) : start_directory(state, node));
    const auto fresh = ping_once(state, nodes, check.fresh[0], check.fresh[1], check.within);
    std::this_thread::sleep_for(steady_interval * 4);
    TRY_ASSIGN(const std::string counts, steady.stop());
    TRY(fresh);
    return fmt::format("{} pings {}: {}; {} pings {} for the first time: {:.3f} ms",
                       check.steady[0], check.steady[1], counts, check.fresh[0], check.fresh[1],
                       *fresh);
}

} // namespace xvtep
