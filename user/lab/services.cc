// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/services.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include "user/base/fd.h"
#include "user/lab/processes.h"

namespace xvtep {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr auto start_timeout = 15s;
constexpr auto listen_timeout = 5s; // an agent looks for new ports every second
constexpr auto poll_interval = 5ms;

bool is_running(const std::string &netns_name)
{
    const auto running = lab_processes({netns_name});
    return std::ranges::find(running, "agent", &LabProcess::what) != running.end();
}

std::string url(const Ip &address, unsigned port)
{
    return fmt::format("http://{}:{}",
                       address.is_v4() ? address.text() : "[" + address.text() + "]", port);
}

std::string state_path(const LabState &state, const std::string &host)
{
    return lab_directory(state.lab.name) + "/" + host + ".endpoints.json";
}

std::string contents(const std::string &path)
{
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

bool becomes(std::chrono::milliseconds time, const std::function<bool()> &condition)
{
    const auto deadline = steady_clock::now() + time;
    while (!condition()) {
        if (steady_clock::now() >= deadline)
            return false;
        std::this_thread::sleep_for(poll_interval);
    }
    return true;
}

// In the calling thread's namespace.
bool is_healthy(const LabDirectory &directory)
{
    const bool v4 = directory.address.is_v4();
    const Fd socket(::socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval limit{1, 0};
    (void)::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    sockaddr_in in{};
    sockaddr_in6 in6{};
    in.sin_family = AF_INET;
    in6.sin6_family = AF_INET6;
    in.sin_port = in6.sin6_port = htons(directory.port);
    std::memcpy(v4 ? static_cast<void *>(&in.sin_addr) : &in6.sin6_addr, directory.address.bytes(),
                directory.address.size());
    const auto *const address =
        v4 ? reinterpret_cast<const sockaddr *>(&in) : reinterpret_cast<const sockaddr *>(&in6);
    if (::connect(socket.get(), address, v4 ? sizeof(in) : sizeof(in6)) < 0)
        return false;
    constexpr std::string_view request = "GET /health HTTP/1.0\r\n\r\n";
    if (::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0)
        return false;
    std::string answer;
    std::array<char, 512> part{};
    for (ssize_t got; (got = ::recv(socket.get(), part.data(), part.size(), 0)) > 0;)
        answer.append(part.data(), static_cast<std::size_t>(got));
    return answer.contains("\"health\":\"true\"");
}

// Whether there is a packet socket for all protocols on the device, in the calling thread's
// namespace.
bool is_listened_to(int ifindex)
{
    std::ifstream file("/proc/thread-self/net/packet");
    std::string line;
    while (std::getline(file, line)) {
        std::istringstream words(line);
        std::string socket, references, type, protocol;
        int device = 0;
        if (words >> socket >> references >> type >> protocol >> device && device == ifindex &&
            protocol == "0003")
            return true;
    }
    return false;
}

// A program that is installed in the directory of this one.
Result<std::string> beside_this_program(const char *program)
{
    std::error_code error;
    const auto own = std::filesystem::read_symlink("/proc/self/exe", error);
    if (error)
        return errno_failure("run", program, error.value());
    return (own.parent_path() / program).string();
}

Result<> make_directory(const std::string &path)
{
    if (::mkdir(path.c_str(), 0755) < 0 && errno != EEXIST)
        return errno_failure("create", path, errno);
    return {};
}

std::vector<std::string> etcd_command(const std::string &program, const std::string &data,
                                      const LabDirectory &directory)
{
    const std::string clients = url(directory.address, directory.port);
    const std::string peers =
        url(directory.address, directory.port == 65535 ? 65534u : directory.port + 1u);
    return {program,
            "--name=lab",
            "--data-dir=" + data,
            "--listen-client-urls=" + clients,
            "--advertise-client-urls=" + clients,
            "--listen-peer-urls=" + peers,
            "--initial-advertise-peer-urls=" + peers,
            "--initial-cluster=lab=" + peers,
            "--heartbeat-interval=50",
            "--election-timeout=250",
            "--logger=zap",
            "--log-level=warn"};
}

} // namespace

std::string log_path(const LabState &state, const std::string &host, const std::string &what)
{
    return fmt::format("{}/{}.{}.log", lab_directory(state.lab.name), host, what);
}

Result<> find_services(const LabState &state)
{
    if (state.lab.directory && !state.lab.directory->host.empty())
        if (const auto etcd = find_program("etcd"); !etcd)
            return system_failure("lab up", state.lab.name,
                                  "etcd is not installed (package etcd-server)", ENOENT);
    if (!state.lab.has_agents())
        return {};
    for (const char *program : {"xvtep", "xvtep-agent"}) {
        TRY_ASSIGN(const std::string path, beside_this_program(program));
        if (::access(path.c_str(), X_OK) < 0)
            return errno_failure("run", path, errno);
    }
    return {};
}

Result<> start_directory(const LabState &state, LabNode &node)
{
    const LabDirectory &directory = *state.lab.directory;
    const std::string own = lab_directory(state.lab.name);
    const std::string log = log_path(state, directory.host, "etcd");
    TRY(make_directory(own));
    TRY_ASSIGN(const std::string etcd, find_program("etcd"));
    TRY(start_process(node, "etcd", etcd_command(etcd, own + "/etcd", directory), log));
    TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
    if (!becomes(start_timeout, [&] { return is_healthy(directory); }))
        return system_failure("start etcd", url(directory.address, directory.port),
                              "it does not become healthy, see " + log);
    return {};
}

Result<> start_agent(const LabState &state, const LabHost &host, LabNode &node)
{
    const LabDirectory &directory = *state.lab.directory;
    const std::string own = lab_directory(state.lab.name);
    TRY(make_directory(own));
    const std::string log = log_path(state, host.name, "agent");
    const std::size_t before = contents(log).size();
    const std::string where = directory.host.empty()
                                  ? "file:" + own + "/directory"
                                  : "etcd:" + url(directory.address, directory.port);
    TRY_ASSIGN(const std::string xvtep, beside_this_program("xvtep"));
    TRY(start_process(node, "agent",
                      {xvtep, "agent", "--directory", where, "--node", host.name, "--state",
                       state_path(state, host.name), "--log", "json", "--log-level", "debug"},
                      log));
    if (!becomes(start_timeout,
                 [&] {
                     const std::string text = contents(log);
                     return text.find("\"ready: ", std::min(before, text.size())) !=
                                std::string::npos ||
                            !is_running(node.name);
                 }) ||
        !is_running(node.name))
        return system_failure("start agent", host.name, "it does not get ready, see " + log);
    for (const LabContainer &container : host.containers)
        if (!container.bridge.empty())
            TRY(await_listener(node, container.host_device));
    return {};
}

Result<> await_listener(LabNode &node, const std::string &device)
{
    TRY_ASSIGN(const Link link, node.netlink.link(device));
    TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
    if (!becomes(listen_timeout, [&] { return is_listened_to(link.index); }))
        return system_failure("agent", device, "it does not listen there");
    return {};
}

Result<> await_heard(const LabState &state, const std::string &host,
                     const std::vector<std::string> &containers)
{
    const std::string path = state_path(state, host);
    std::string missing;
    const bool all = becomes(listen_timeout, [&] {
        const std::string text = contents(path);
        missing.clear();
        for (const std::string &container : containers)
            for (const Ip &ip : state.lab.overlay_addresses(container))
                if (!text.contains("\"" + ip.text() + "\""))
                    missing = ip.text();
        return missing.empty();
    });
    if (!all)
        return system_failure("agent", host, "it has not heard " + missing);
    return {};
}

} // namespace xvtep
