// SPDX-License-Identifier: GPL-2.0-only
// Beside Open vSwitch: its datapath in user space, with daemons of the test's own in a namespace.

#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support/netns_case.h"
#include "user/lab/capture.h"
#include "user/lab/test_frame.h"
#include "user/net/netlink.h"

namespace xvtep::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr const char *schema = "/usr/share/openvswitch/vswitch.ovsschema";

// An Open vSwitch with its database, sockets and process ids in a directory that goes with it.
class OpenVSwitch {
  public:
    static bool installed()
    {
        return std::filesystem::exists(schema) && sh("command -v ovs-vswitchd").status == 0 &&
               sh("command -v ovsdb-server").status == 0 && std::filesystem::exists("/dev/net/tun");
    }

    explicit OpenVSwitch(std::string host) : host_(std::move(host))
    {
        char name[] = "/tmp/xvtep-ovs-XXXXXX";
        directory_ = ::mkdtemp(name) ? name : "";
    }
    OpenVSwitch(const OpenVSwitch &) = delete;
    OpenVSwitch &operator=(const OpenVSwitch &) = delete;
    ~OpenVSwitch()
    {
        stop("ovs-vswitchd");
        stop("ovsdb-server");
        if (!directory_.empty())
            std::filesystem::remove_all(directory_);
    }

    testing::AssertionResult start()
    {
        const std::string database = directory_ + "/conf.db";
        for (const std::string &command :
             {fmt::format("ovsdb-tool create {} {}", database, schema),
              fmt::format("ovsdb-server {} --remote=punix:{}/db.sock {} --no-chdir --detach",
                          database, directory_, files("ovsdb-server")),
              vsctl("--no-wait init"),
              fmt::format("ip netns exec {} ovs-vswitchd unix:{}/db.sock {} --no-chdir "
                          "--disable-system --detach",
                          host_, directory_, files("ovs-vswitchd"))})
            if (const Output output = sh(environment() + command); output.status != 0)
                return testing::AssertionFailure() << command << "\n" << output.text;
        return testing::AssertionSuccess();
    }

    // The words of ovs-vsctl; ovs-ofctl's for a bridge of it.
    [[nodiscard]] Output vsctl_run(const std::string &words) const
    {
        return sh(environment() + vsctl(words));
    }
    [[nodiscard]] Output add_flow(const std::string &bridge, const std::string &flow) const
    {
        return sh(environment() + fmt::format("ovs-ofctl add-flow unix:{}/{}.mgmt \"{}\"",
                                              directory_, bridge, flow));
    }
    [[nodiscard]] std::string log() const
    {
        return sh("tail -n 40 " + directory_ + "/ovs-vswitchd.log").text;
    }

    [[nodiscard]] const std::string &directory() const { return directory_; }

  private:
    [[nodiscard]] std::string environment() const
    {
        return fmt::format("OVS_RUNDIR={0} OVS_LOGDIR={0} OVS_DBDIR={0} OVS_SYSCONFDIR={0} ",
                           directory_);
    }
    [[nodiscard]] std::string files(const std::string &daemon) const
    {
        return fmt::format("--pidfile={0}/{1}.pid --unixctl={0}/{1}.ctl --log-file={0}/{1}.log "
                           "-vconsole:off",
                           directory_, daemon);
    }
    [[nodiscard]] std::string vsctl(const std::string &words) const
    {
        return fmt::format("ovs-vsctl --db=unix:{}/db.sock --timeout=10 {}", directory_, words);
    }

    void stop(const std::string &daemon) const
    {
        pid_t pid = 0;
        std::ifstream(directory_ + "/" + daemon + ".pid") >> pid;
        if (pid <= 1 || !is(pid, daemon))
            return;
        for (const int signal : {SIGTERM, SIGKILL}) {
            ::kill(pid, signal);
            for (int tries = 0; tries < 100 && is(pid, daemon); tries++)
                std::this_thread::sleep_for(milliseconds(20));
        }
        EXPECT_FALSE(is(pid, daemon)) << daemon << " is still there";
    }
    static bool is(pid_t pid, const std::string &daemon)
    {
        std::string name;
        std::getline(std::ifstream(fmt::format("/proc/{}/comm", pid)), name);
        return daemon.starts_with(name) && !name.empty();
    }

    std::string host_, directory_;
};

class Interop : public NetnsCase, public ::testing::WithParamInterface<const char *> {
  protected:
    void SetUp() override
    {
        NetnsCase::SetUp();
        if (IsSkipped())
            return;
        if (!OpenVSwitch::installed())
            GTEST_SKIP() << "needs the package openvswitch-switch, and /dev/net/tun";
    }

    void TearDown() override
    {
        if (ovs_) {
            if (HasFailure())
                std::cerr << ovs_->log();
            const std::string directory = ovs_->directory();
            ovs_.reset();
            EXPECT_FALSE(std::filesystem::exists(directory));
        }
        NetnsCase::TearDown();
    }

    // Hosts 1 .. n on one switch; the last is Open vSwitch's.
    void build(int n)
    {
        const std::string lan = host("lan");
        ip(lan, "link add br0 type bridge");
        ip(lan, "link set br0 up");
        hosts_.resize(static_cast<std::size_t>(n) + 1);
        containers_.resize(hosts_.size());
        for (int i = 1; i <= n; i++) {
            at(hosts_, i) = host(fmt::format("h{}", i));
            at(containers_, i) = host(fmt::format("c{}", i));
            wire(at(hosts_, i), "u0", lan, fmt::format("p{}", i));
            ip(lan, fmt::format("link set p{} master br0", i));
            wire(at(hosts_, i), "v0", at(containers_, i), "eth0", 1450);
            ip(at(containers_, i), fmt::format("addr add 10.20.1.{}/24 dev eth0", i));
            // User space gets packets as they are: whole, and with their checksums.
            in(at(hosts_, i), "ethtool -K u0 tx off tso off gso off");
            in(at(containers_, i), "ethtool -K eth0 tx off tso off gso off");
        }
        for (int i = 1; i < n; i++)
            attach(i, n);
        open_vswitch(n);
    }

    void attach(int i, int n)
    {
        ip(at(hosts_, i), fmt::format("addr add 192.168.8.{}/24 dev u0", i));
        must(fmt::format("{} -n {} attach u0 --vni 42 --name vxlan0 --local 192.168.8.{} "
                         "--bridge br0 --mode {}",
                         xvtep(), at(hosts_, i), i, GetParam()));
        ip(at(hosts_, i), "link set v0 master br0");
        for (int other = 1; other <= n; other++)
            if (other != i)
                must(fmt::format("{} -n {} fdb append 00:00:00:00:00:00 dev vxlan0 dst "
                                 "192.168.8.{}",
                                 xvtep(), at(hosts_, i), other));
    }

    // As Neutron has it: what comes from a tunnel goes to the container only, and is learned.
    void open_vswitch(int n)
    {
        ovs_ = std::make_unique<OpenVSwitch>(at(hosts_, n));
        ASSERT_TRUE(ovs_->start());
        vsctl("add-br br-phy -- set bridge br-phy datapath_type=netdev -- add-port br-phy u0");
        ip(at(hosts_, n), fmt::format("addr add 192.168.8.{}/24 dev br-phy", n));
        ip(at(hosts_, n), "link set br-phy up");
        vsctl("add-br br-tun -- set bridge br-tun datapath_type=netdev fail_mode=secure -- "
              "add-port br-tun v0 -- set interface v0 ofport_request=100");
        std::string all;
        for (int i = 1; i < n; i++) {
            vsctl(fmt::format("add-port br-tun vx{0} -- set interface vx{0} type=vxlan "
                              "options:remote_ip=192.168.8.{0} options:local_ip=192.168.8.{1} "
                              "options:key=42 ofport_request={0}",
                              i, n));
            all += fmt::format("{}output:{}", all.empty() ? "" : ",", i);
            flow(fmt::format("table=0,in_port={},actions=learn(table=20,hard_timeout=300,"
                             "priority=1,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],"
                             "output:NXM_OF_IN_PORT[]),output:100",
                             i));
        }
        flow("table=0,in_port=100,priority=2,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=" +
             all);
        flow("table=0,in_port=100,priority=1,actions=resubmit(,20)");
        flow("table=20,priority=0,actions=" + all);
    }

    void vsctl(const std::string &words) const
    {
        const Output output = ovs_->vsctl_run(words);
        EXPECT_EQ(output.status, 0) << words << "\n" << output.text;
    }
    void flow(const std::string &words) const
    {
        const Output output = ovs_->add_flow("br-tun", words);
        EXPECT_EQ(output.status, 0) << words << "\n" << output.text;
    }

    // Open vSwitch drops what waits for an underlay neighbour.
    void warm_up(int from, int to)
    {
        for (int tries = 0; tries < 20; tries++)
            if (pings_lost(at(containers_, from), fmt::format("10.20.1.{}", to), 1) == 0)
                return;
        ADD_FAILURE() << "container " << from << " has no reply from " << to;
    }

    template <class T> static T &at(std::vector<T> &list, int i)
    {
        return list[static_cast<std::size_t>(i)];
    }

    std::vector<std::string> hosts_, containers_; // from 1
    std::unique_ptr<OpenVSwitch> ovs_;
};

TEST_P(Interop, PointToPoint)
{
    build(2);
    if (HasFailure())
        return;
    warm_up(1, 2);
    EXPECT_EQ(pings_lost(containers_[1], "10.20.1.2", 5), 0);
    EXPECT_EQ(pings_lost(containers_[2], "10.20.1.1", 5), 0);
    EXPECT_EQ(pings_lost(containers_[1], "10.20.1.2", 3, "-M do -i 0.05 -s 1422"), 0)
        << "the largest that fits";
    EXPECT_EQ(pings_lost(containers_[2], "10.20.1.1", 3, "-M do -i 0.05 -s 1422"), 0);

    for (const auto &[from, to] : {std::pair(1, 2), std::pair(2, 1)}) {
        const std::string sums = must(
            fmt::format(
                "ip netns exec {0} timeout 40 python3 {2}/tests/support/receive.py 10.20.1.{1} & "
                "ip netns exec {3} timeout 40 python3 {2}/tests/support/send.py 10.20.1.{1}; wait",
                at(containers_, to), to, XVTEP_SOURCE_DIR, at(containers_, from)),
            60);
        const auto middle = sums.find('\n');
        ASSERT_NE(middle, std::string::npos) << sums;
        EXPECT_EQ(sums.substr(0, middle + 1), sums.substr(middle + 1)) << from << " to " << to;
    }
    const std::string fdb = must(fmt::format("{} -n {} fdb show dev vxlan0", xvtep(), hosts_[1]));
    const std::string learned = in(containers_[2], "cat /sys/class/net/eth0/address");
    EXPECT_NE(fdb.find(learned.substr(0, 17) + " dst 192.168.8.2 self"), std::string::npos) << fdb;
}

TEST_P(Interop, FloodsToThreeOnceEach)
{
    build(3);
    if (HasFailure())
        return;
    for (int from = 1; from <= 3; from++)
        for (int to = 1; to <= 3; to++)
            if (from != to)
                warm_up(from, to);
    for (int from = 1; from <= 3; from++)
        for (const char *const destination :
             {"ff:ff:ff:ff:ff:ff", "01:00:5e:01:02:03", "02:00:00:00:99:99"}) {
            std::vector<Capture> ears;
            for (int i = 1; i <= 3; i++) {
                const auto netns = Netns::open(at(containers_, i));
                const auto scope = netns->enter();
                ears.push_back(std::move(*Capture::open(Netlink::open()->link("eth0")->index)));
            }
            const TestFrame frame = make_test_frame(
                *Mac::parse(destination), *Mac::parse(fmt::format("02:00:00:00:00:0{}", from)), {});
            {
                const auto netns = Netns::open(at(containers_, from));
                const auto scope = netns->enter();
                ASSERT_TRUE(send_frame(Netlink::open()->link("eth0")->index, frame.bytes));
            }
            std::vector<int> wanted(3, 1), copies(3, 0);
            at(wanted, from - 1) = 0;
            // As long again as it took: a copy too many would come then.
            const auto deadline = steady_clock::now() + milliseconds(3000);
            auto end = deadline;
            while (steady_clock::now() < end) {
                std::this_thread::sleep_for(milliseconds(20));
                for (std::size_t i = 0; i < ears.size(); i++)
                    for (const Frame &heard : ears[i].drain())
                        copies[i] += !heard.outgoing && frame.is_in(heard.bytes);
                if (copies == wanted && end == deadline)
                    end = steady_clock::now() + milliseconds(200);
            }
            EXPECT_EQ(copies, wanted) << "from " << from << " to " << destination;
        }
}

INSTANTIATE_TEST_SUITE_P(Modes, Interop, ::testing::Values("tc", "xdp"),
                         [](const auto &test) { return std::string(test.param); });

} // namespace
} // namespace xvtep::test
