// SPDX-License-Identifier: GPL-2.0-only
#include "bench/ovs.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <thread>

#include <fmt/format.h>

#include "bench/process.h"
#include "bench/shell.h"
#include "bench/world.h"

namespace xvtep::bench {

class Ovs {
  public:
    static Result<std::shared_ptr<Ovs>> start(const std::string &netns);
    ~Ovs();

    [[nodiscard]] Result<std::string> vsctl(const std::string &words) const;
    [[nodiscard]] Result<std::string> appctl(const std::string &words) const;
    void run(bool on) const;

  private:
    Ovs() = default;
    std::string directory_;
    std::optional<Process> database_, daemon_;
};

namespace {

// Until `done` or 10 s have passed.
template <class Done> bool wait_for(Done done)
{
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!done()) {
        if (std::chrono::steady_clock::now() > end)
            return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
}

} // namespace

Result<std::shared_ptr<Ovs>> Ovs::start(const std::string &netns)
{
    std::string name = scratch_pattern();
    if (::mkdtemp(name.data()) == nullptr)
        return errno_failure("create", name, errno);
    std::shared_ptr<Ovs> made(new Ovs);
    made->directory_ = name;
    const std::string &d = made->directory_;
    const std::string log = d + "/log", socket = d + "/db.sock", control = d + "/control";
    const auto program = [&](std::vector<std::string> words) {
        words.insert(words.begin(), {"env", "OVS_RUNDIR=" + d, "OVS_DBDIR=" + d, "OVS_LOGDIR=" + d,
                                     "OVS_SYSCONFDIR=" + d});
        return Process::start(netns, words, log);
    };
    TRY(sh(fmt::format("ovsdb-tool create {}/conf.db", d)));
    TRY_ASSIGN(Process database,
               program({"ovsdb-server", d + "/conf.db", "--remote=punix:" + socket,
                        "--unixctl=" + d + "/db.control", "--log-file=" + log}));
    made->database_.emplace(std::move(database));
    if (!wait_for([&] { return std::filesystem::exists(socket); }))
        return system_failure("start", "ovsdb-server", "it does not listen");
    TRY_ASSIGN(Process daemon, program({"ovs-vswitchd", "unix:" + socket, "--unixctl=" + control,
                                        "--log-file=" + log}));
    made->daemon_.emplace(std::move(daemon));
    if (!wait_for([&] { return std::filesystem::exists(control); }))
        return system_failure("start", "ovs-vswitchd", "it does not listen");
    return made;
}

Ovs::~Ovs()
{
    daemon_.reset();
    database_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

Result<std::string> Ovs::vsctl(const std::string &words) const
{
    return sh(fmt::format("ovs-vsctl --db=unix:{}/db.sock --timeout=20 {}", directory_, words));
}

Result<std::string> Ovs::appctl(const std::string &words) const
{
    return sh(fmt::format("ovs-appctl -t {}/control --timeout=20 {}", directory_, words));
}

void Ovs::run(bool on) const
{
    if (on)
        daemon_->go_on();
    else
        daemon_->stop();
}

std::string missing_ovs()
{
    static const bool found =
        sh("for p in ovsdb-tool ovsdb-server ovs-vswitchd ovs-vsctl ovs-appctl; do "
           "command -v $p || exit 1; done")
            .has_value();
    return found ? "" : "not installed";
}

Result<> build_ovs(End &end)
{
    const auto &w = end.words;
    TRY_SET(end.ovs, Ovs::start(end.host));
    TRY_ASSIGN(const Mac port, mac_of(end.host, "u"));
    // The fastest there is without DPDK. Flows are not forgotten while others are measured.
    const std::string type = w.polled ? "afxdp" : "afxdp-nonpmd";
    TRY(end.ovs->vsctl(fmt::format(
        "set Open_vSwitch . other_config:pmd-cpu-mask={:#x} other_config:max-idle=3600000 "
        "other_config:smc-enable=true",
        1U << (::sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 1 : 0))));
    TRY(end.ovs->vsctl(
        fmt::format("add-br phy -- set bridge phy datapath_type=netdev fail_mode=standalone "
                    "other_config:hwaddr={} -- add-port phy u -- set interface u type={}",
                    port.text(), type)));
    TRY(end.ovs->vsctl(
        fmt::format("add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=standalone "
                    "-- add-port br0 v -- set interface v type={} "
                    "-- add-port br0 vxlan0 -- set interface vxlan0 type=vxlan "
                    "options:local_ip={} options:remote_ip={} options:key={} options:dst_port=4789",
                    type, w.local, w.remote, vni)));
    TRY(ip_batch(end.host, fmt::format("addr del {0}/24 dev u\naddr add {0}/24 dev phy\n"
                                       "link set phy up",
                                       w.local)));
    // What polls a device by AF_XDP gets no packet whose checksum is still to come.
    TRY(sh_in(end.container, "ethtool -K eth0 tx off"));
    for (const auto &entry : {fmt::format("fdb/add phy u 0 {}", w.next_hop.text()),
                              fmt::format("fdb/add br0 vxlan0 0 {}", w.other_mac.text()),
                              fmt::format("fdb/add br0 v 0 {}", w.mac.text())})
        TRY(end.ovs->appctl(entry));
    const bool ready = wait_for([&] {
        const auto listening = end.ovs->appctl("tnl/ports/show -v");
        return listening && listening->contains("ipv4(dst=" + w.local);
    });
    if (!ready)
        return system_failure("build", "ovs", "its tunnel does not listen");
    TRY(end.ovs->appctl(fmt::format("tnl/neigh/set phy {} {}", w.remote, w.next_hop.text())));
    end.ovs->run(false);
    return {};
}

Awake::Awake(const End &end) : ovs_(end.ovs)
{
    if (!ovs_)
        return;
    ovs_->run(true);
    std::this_thread::sleep_for(std::chrono::milliseconds(20)); // until it polls again
}

Awake::~Awake()
{
    if (ovs_)
        ovs_->run(false);
}

} // namespace xvtep::bench
