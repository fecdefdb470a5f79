// SPDX-License-Identifier: GPL-2.0-only
// A million distinct misses, while a known pair goes on talking.
//
//   a ==u1======u2== b      addresses directly on the VTEPs' devices

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include <bpf/bpf.h>
#include <nlohmann/json.hpp>

#include "tests/support/netns_case.h"
#include "user/base/fd.h"

namespace xvtep::test {
namespace {

using Json = nlohmann::json;

class Storm : public NetnsCase {
  protected:
    static constexpr unsigned misses = 1'000'000;

    // Frames to made-up MACs, each another, out of `device`.
    static void send(const std::string &host, const std::string &device)
    {
        const auto netns = Netns::open(host);
        const auto scope = netns->enter();
        const Fd socket(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
        sockaddr_ll to{};
        to.sll_family = AF_PACKET;
        to.sll_ifindex = static_cast<int>(::if_nametoindex(device.c_str()));
        constexpr unsigned batch = 64;
        std::array<std::array<std::uint8_t, 60>, batch> frames{};
        std::array<iovec, batch> parts{};
        std::array<mmsghdr, batch> messages{};
        for (unsigned i = 0; i < batch; i++) {
            frames[i][11] = 1;
            frames[i][6] = 2;
            frames[i][12] = 0x88;
            frames[i][13] = 0xb5;
            parts[i] = {frames[i].data(), frames[i].size()};
            messages[i].msg_hdr.msg_name = &to;
            messages[i].msg_hdr.msg_namelen = sizeof(to);
            messages[i].msg_hdr.msg_iov = &parts[i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
        for (unsigned at = 0; at < misses; at += batch) {
            for (unsigned i = 0; i < batch; i++) {
                const std::uint32_t number = htonl(at + i);
                frames[i][0] = 2;
                frames[i][1] = 0x42;
                std::memcpy(frames[i].data() + 2, &number, 4);
            }
            for (unsigned done = 0; done < batch;) {
                const int got = ::sendmmsg(socket.get(), messages.data() + done, batch - done, 0);
                done += got > 0 ? static_cast<unsigned>(got) : 1; // ENOBUFS: it was dropped
            }
        }
    }

    // Bytes of all maps of the data path in `host`.
    static std::uint64_t map_memory(const std::string &host)
    {
        const auto cookie = Netns::open(host)->cookie();
        std::uint64_t sum = 0;
        for (const auto &entry : std::filesystem::directory_iterator(
                 fmt::format("/sys/fs/bpf/xvtep/{}/maps", *cookie))) {
            const Fd map(bpf_obj_get(entry.path().c_str()));
            std::ifstream info(fmt::format("/proc/self/fdinfo/{}", map.get()));
            for (std::string line; std::getline(info, line);)
                if (line.starts_with("memlock:"))
                    sum += std::stoull(line.substr(8));
        }
        return sum;
    }

    Json stats(const std::string &host)
    {
        return Json::parse(must(fmt::format("{} -j -n {} stats dev vxlan0", xvtep(), host)))[0];
    }
};

TEST_F(Storm, OfAMillionMisses)
{
    const std::string a = host("a"), b = host("b");
    wire(a, "u1", b, "u2");
    for (const auto &[name, port, n, other] :
         {std::tuple(a, "u1", 1, 2), std::tuple(b, "u2", 2, 1)}) {
        in(name, "sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
        ip(name, fmt::format("addr add 192.168.8.{}/24 dev {}", n, port));
        must(fmt::format("{} -n {} attach {} --vni 42 --name vxlan0 --l2miss --nolearning --mac "
                         "02:00:00:00:00:0{}",
                         xvtep(), name, port, n));
        ip(name, fmt::format("addr add 10.20.1.{}/24 dev vxlan0", n));
        ip(name, fmt::format("neigh add 10.20.1.{0} lladdr 02:00:00:00:00:0{0} dev vxlan0", other));
        must(fmt::format("{0} -n {1} fdb add 02:00:00:00:00:0{2} dev vxlan0 dst 192.168.8.{2}",
                         xvtep(), name, other));
    }
    ASSERT_EQ(pings_lost(a, "10.20.1.2"), 0);

    const std::string out = file("heard");
    ASSERT_EQ(
        sh(fmt::format("(exec {} -n {} monitor dev vxlan0 > {} 2>/dev/null) & echo $! > {}.pid; "
                       "sleep 1",
                       xvtep(), a, out, out))
            .status,
        0);
    const auto before = map_memory(a);
    int lost = -1;
    std::thread pinger([&] { lost = pings_lost(a, "10.20.1.2", 300, "-i 0.01"); });
    const auto start = std::chrono::steady_clock::now();
    send(a, "vxlan0");
    const auto took = std::chrono::steady_clock::now() - start;
    pinger.join();
    ::usleep(1'500'000); // the monitor reads on
    sh(fmt::format("kill -TERM $(cat {}.pid)", out));
    ::usleep(500'000);

    EXPECT_LT(took, std::chrono::minutes(1));
    EXPECT_EQ(lost, 0) << "of the pair that is known";
    EXPECT_EQ(map_memory(a), before);
    const Json counted = stats(a);
    EXPECT_EQ(counted["drops"]["no_tx_target"], misses) << "each was dropped for its reason";
    std::ifstream lines(out);
    const auto heard =
        static_cast<std::uint64_t>(std::count(std::istreambuf_iterator<char>(lines), {}, '\n'));
    EXPECT_GT(heard, 10'000U);
    EXPECT_EQ(heard + counted["events_lost"].get<std::uint64_t>(), misses)
        << "printed or counted as lost, to the last one";
}

} // namespace
} // namespace xvtep::test
