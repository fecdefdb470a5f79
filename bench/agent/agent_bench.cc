// SPDX-License-Identifier: GPL-2.0-only
// How long a new pair waits for the agent: from the ARP request of a container to its answer, which
// is sent when the entries are in the tables. Nothing of the agent's own clock is used.
//
//   container c0 ── br0 ── vxlan0 (proxy l2miss l3miss)      the agent, its directory, and this
//                          in one namespace of its own        program's sockets: all on one machine
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <httplib.h>
#include <nlohmann/json.hpp>

#include "bench/arguments.h"
#include "user/agent/etcd/base64.h"
#include "user/agent/record.h"
#include "user/agent/snoop.h"
#include "xvtep/netns.h"

namespace {

using namespace std::chrono_literals;
using namespace xvtep;
using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

constexpr std::uint32_t vni = 42;
constexpr unsigned etcd_port = 23790;

struct Options {
    std::string directory = "etcd";
    unsigned rate = 1000, seconds = 20, endpoints = 100'000, vteps = 1000;
    std::string xvtep = XVTEP_BINARY, json;
};

struct Failed : std::runtime_error {
    using std::runtime_error::runtime_error;
};

void run(const std::string &command)
{
    if (std::system((command + " >/dev/null 2>&1").c_str()) != 0)
        throw Failed(command);
}

// A process that ends with this object.
class Process {
  public:
    Process() = default;
    Process(const std::string &command, const std::string &log)
    {
        pid_ = ::fork();
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::execl("/bin/sh", "sh", "-c", ("exec " + command + " >" + log + " 2>&1").c_str(),
                    nullptr);
            ::_exit(127);
        }
    }
    Process(Process &&other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
    Process &operator=(Process &&other) noexcept
    {
        std::swap(pid_, other.pid_);
        return *this;
    }
    ~Process()
    {
        if (pid_ <= 0)
            return;
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, nullptr, 0);
    }
    [[nodiscard]] double resident_mb() const
    {
        std::ifstream in(fmt::format("/proc/{}/status", pid_));
        for (std::string line; std::getline(in, line);)
            if (line.starts_with("VmRSS:"))
                return std::stod(line.substr(6)) / 1024;
        return 0;
    }
    [[nodiscard]] double cpu_seconds() const
    {
        std::ifstream in(fmt::format("/proc/{}/stat", pid_));
        std::string text((std::istreambuf_iterator<char>(in)), {});
        std::istringstream rest(text.substr(std::min(text.rfind(')') + 2, text.size())));
        std::string word;
        double ticks = 0;
        for (int field = 3; rest >> word; field++)
            if (field == 14 || field == 15)
                ticks += std::stod(word);
        return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
    }

  private:
    pid_t pid_ = -1;
};

Ip endpoint_ip(unsigned n)
{
    return Ip::v4(htonl(0x0a400000U + n + 1));
} // 10.64.0.1 …
Mac endpoint_mac(unsigned n)
{
    return {{2, 0x10, 0, static_cast<std::uint8_t>(n >> 16), static_cast<std::uint8_t>(n >> 8),
             static_cast<std::uint8_t>(n)}};
}

agent::Record endpoint(unsigned n, const Options &options)
{
    return {vni, endpoint_mac(n), endpoint_ip(n),
            Ip::v4(htonl(0xc0a80000U + 2 + n % options.vteps)), 0};
}

void fill_etcd(const Options &options)
{
    httplib::Client client("127.0.0.1", etcd_port);
    client.set_keep_alive(true);
    for (unsigned n = 0; n < options.endpoints;) {
        Json puts = Json::array();
        for (; n < options.endpoints && puts.size() < 120; n++) {
            auto record = endpoint(n, options);
            const auto put = [&](const std::string &key, const agent::Record &value) {
                puts.push_back({{"requestPut",
                                 {{"key", agent::base64(fmt::format("/xvtep/v1/{}/{}", vni, key))},
                                  {"value", agent::base64(agent::to_json(value))}}}});
            };
            put("ip/" + record.ip->text(), record);
            record.ip.reset();
            put("mac/" + record.mac.text(), record);
        }
        const auto answer =
            client.Post("/v3/kv/txn", Json{{"success", puts}}.dump(), "application/json");
        if (!answer || answer->status != 200)
            throw Failed("fill etcd");
    }
}

void fill_file(const std::string &path, const Options &options)
{
    std::ofstream out(path);
    for (unsigned n = 0; n < options.endpoints; n++) {
        const auto record = endpoint(n, options);
        out << fmt::format("vni {} mac {} ip {} vtep {}\n", vni, record.mac.text(),
                           record.ip->text(), record.vtep.text());
    }
}

Clock::time_point wait_for_line(const std::string &file, const std::string &text)
{
    for (const auto end = Clock::now() + 30s; Clock::now() < end;) {
        std::ifstream in(file);
        const std::string all((std::istreambuf_iterator<char>(in)), {});
        if (all.find(text) != std::string::npos)
            return Clock::now();
        std::this_thread::sleep_for(1ms);
    }
    throw Failed("no \"" + text + "\" in " + file);
}

class Container {
  public:
    Container()
    {
        socket_ = ::socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ARP));
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(ETH_P_ARP);
        address.sll_ifindex = static_cast<int>(::if_nametoindex("c0"));
        if (::bind(socket_, reinterpret_cast<const sockaddr *>(&address), sizeof(address)) != 0)
            throw Failed("bind to c0");
    }
    ~Container() { ::close(socket_); }
    Container(const Container &) = delete;
    Container &operator=(const Container &) = delete;

    void ask(unsigned n) const
    {
        // A request is a reply but for its operation and who is meant.
        agent::Heard asker{endpoint_mac(n), endpoint_ip(n), 0, own_ip};
        auto frame = agent::answer_frame(asker, own_mac);
        std::fill_n(frame.begin(), 6, std::uint8_t{0xff});
        frame[21] = 1;
        std::fill_n(frame.begin() + 32, 6, std::uint8_t{0});
        (void)::send(socket_, frame.data(), frame.size(), 0);
    }

    // Who answered until `deadline`.
    template <class Answered> void listen(Clock::time_point deadline, Answered &&answered) const
    {
        for (;;) {
            const auto left =
                std::chrono::duration_cast<std::chrono::microseconds>(deadline - Clock::now());
            if (left.count() <= 0)
                return;
            pollfd ready{socket_, POLLIN, 0};
            const timespec wait{0, left.count() * 1000};
            if (::ppoll(&ready, 1, &wait, nullptr) <= 0)
                return;
            std::array<std::uint8_t, 128> frame{};
            const auto size = ::recv(socket_, frame.data(), frame.size(), MSG_DONTWAIT);
            if (size < 42 || frame[21] != 2)
                continue;
            const auto n = static_cast<unsigned>(frame[25] << 16 | frame[26] << 8 | frame[27]);
            answered(n, Clock::now());
        }
    }

  private:
    const Mac own_mac{{2, 0, 0, 0, 0, 1}};
    const Ip own_ip = *Ip::parse("10.200.0.1");
    int socket_ = -1;
};

double percentile(const std::vector<double> &sorted, double part)
{
    if (sorted.empty())
        return 0;
    return sorted[static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1))];
}

Json measure(const Options &options, const std::string &scratch)
{
    run("ip link set lo up");
    run("ip link add u0 type veth peer name u1 && ip link set u1 up");
    run("ip addr add 192.168.0.1/16 dev u0 && ip link set u0 up");
    run("ip link add h0 type veth peer name c0 && ip link set h0 up && ip link set c0 up");
    run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 || true");
    run(options.xvtep + fmt::format(" attach u0 --vni {} --name vxlan0 --proxy --l2miss --l3miss "
                                    "--nolearning --bridge br0",
                                    vni));
    run("ip link set h0 master br0");

    Process etcd;
    std::string where = "file:" + scratch + "/endpoints";
    if (options.directory == "etcd") {
        const auto url = fmt::format("http://127.0.0.1:{}", etcd_port);
        etcd = Process(
            fmt::format("etcd --data-dir {0}/etcd --listen-client-urls {1} "
                        "--advertise-client-urls {1} --listen-peer-urls "
                        "http://127.0.0.1:{2} --initial-advertise-peer-urls "
                        "http://127.0.0.1:{2} --initial-cluster default=http://127.0.0.1:{2}",
                        scratch, url, etcd_port + 1),
            scratch + "/etcd.log");
        httplib::Client client("127.0.0.1", etcd_port);
        for (int i = 0; i < 300 && !client.Get("/health"); i++)
            std::this_thread::sleep_for(50ms);
        fill_etcd(options);
        where = "etcd:" + url;
    } else {
        fill_file(scratch + "/endpoints", options);
    }

    const auto started = Clock::now();
    const Process agent(fmt::format("{} agent --directory {} --state none", options.xvtep, where),
                        scratch + "/agent.log");
    const double start_up =
        std::chrono::duration<double>(wait_for_line(scratch + "/agent.log", "ready") - started)
            .count();
    std::this_thread::sleep_for(1500ms); // it knows the port
    const double resident_before = agent.resident_mb();

    const unsigned pairs = std::min(options.rate * options.seconds, options.endpoints);
    std::vector<Clock::time_point> asked(pairs);
    std::vector<double> took(pairs, -1); // milliseconds
    const Container container;
    const auto answered = [&](unsigned mac, Clock::time_point when) {
        if (mac < pairs && took[mac] < 0)
            took[mac] = std::chrono::duration<double, std::milli>(when - asked[mac]).count();
    };
    const double cpu_before = agent.cpu_seconds(), etcd_cpu_before = etcd.cpu_seconds();
    const auto first = Clock::now();
    // Not one after another, as a cache would like it.
    const auto order = [&](unsigned i) {
        return static_cast<unsigned>(std::uint64_t{i} * 7919 % pairs);
    };
    for (unsigned i = 0; i < pairs; i++) {
        const unsigned n = order(i);
        asked[n] = Clock::now();
        container.ask(n);
        container.listen(
            first + std::chrono::nanoseconds(1'000'000'000ULL / options.rate * (i + 1)), answered);
    }
    container.listen(Clock::now() + 900ms, answered);
    const double cpu = agent.cpu_seconds() - cpu_before;
    const double etcd_cpu = etcd.cpu_seconds() - etcd_cpu_before;
    const double lasted = std::chrono::duration<double>(Clock::now() - first).count();

    std::vector<double> sorted;
    std::ranges::copy_if(took, std::back_inserter(sorted), [](double ms) { return ms >= 0; });
    std::ranges::sort(sorted);
    return {{"directory", options.directory},
            {"endpoints", options.endpoints},
            {"vteps", options.vteps},
            {"rate", options.rate},
            {"pairs", pairs},
            {"unanswered", pairs - sorted.size()},
            {"p50_ms", percentile(sorted, 0.5)},
            {"p90_ms", percentile(sorted, 0.9)},
            {"p99_ms", percentile(sorted, 0.99)},
            {"max_ms", percentile(sorted, 1)},
            {"start_up_s", start_up},
            {"agent_mb_before", resident_before},
            {"agent_mb_after", agent.resident_mb()},
            {"agent_cpu", cpu / lasted},
            {"etcd_cpu", etcd_cpu / lasted}};
}

} // namespace

int main(int argc, char **argv)
{
    Options options;
    const std::array arguments = {
        xvtep::bench::Argument{"directory", &options.directory, "etcd (default) or file"},
        xvtep::bench::Argument{"rate", &options.rate, "new pairs a second (default 1000)"},
        xvtep::bench::Argument{"seconds", &options.seconds, "how long (default 20)"},
        xvtep::bench::Argument{"endpoints", &options.endpoints,
                               "how many the directory holds (default 100000)"},
        xvtep::bench::Argument{"vteps", &options.vteps,
                               "how many VTEPs they are behind (default 1000)"},
        xvtep::bench::Argument{"json", &options.json, "write the figures to this file"},
    };
    if (const auto ended = xvtep::bench::parse_arguments(
            argc, argv,
            "Measures how long new pairs wait for xvtep's agent: from the ARP request to the\n"
            "answer, with the entries written.",
            arguments))
        return *ended;

    std::array<char, 32> scratch{"/tmp/xvtep-bench-XXXXXX"};
    if (::mkdtemp(scratch.data()) == nullptr)
        return 2;
    const std::string name = fmt::format("xvb{}", ::getpid());
    int status = 0;
    try {
        const auto netns = Netns::create(name);
        if (!netns)
            throw Failed(netns.error().message());
        const auto inside = netns->enter();
        const Json figures = measure(options, scratch.data());
        for (const auto &[key, value] : figures.items())
            fmt::print("{:<16} {}\n", key,
                       value.is_number_float() ? fmt::format("{:.3f}", value.get<double>())
                                               : value.dump());
        if (!options.json.empty())
            std::ofstream(options.json) << figures.dump(2) << "\n";
        run(options.xvtep + " detach u0");
    } catch (const std::exception &error) {
        fmt::print(stderr, "xvtep-agent-bench: {}\n", error.what());
        status = 2;
    }
    (void)Netns::remove(name);
    run(fmt::format("rm -rf {}", scratch.data()));
    return status;
}
