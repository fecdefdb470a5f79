// SPDX-License-Identifier: GPL-2.0-only
// What calls of the library that write have in common: the lock, batches, and the verb refresh.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <vector>

#include <fmt/format.h>

#include "tests/support/netns_case.h"
#include "user/base/fd.h"
#include "user/datapath/grace_period.h"
#include "user/net/sysctl.h"
#include "user/vtep/session.h"
#include "xvtep/batch.h"
#include "xvtep/fdb.h"
#include "xvtep/neigh.h"
#include "xvtep/vtep.h"

namespace xvtep::test {
namespace {

class Writers : public NetnsCase {
  protected:
    void SetUp() override
    {
        NetnsCase::SetUp();
        if (IsSkipped())
            return;
        const std::string a = host("a");
        ip(a, "link add u type veth peer name upeer");
        ip(a, "link set u up");
        ip(a, "addr add 192.168.8.100/24 dev u");
        auto netns = Netns::open(a);
        ASSERT_TRUE(netns.has_value());
        netns_.emplace(std::move(*netns));
        scope_.emplace(std::move(*netns_->enter()));
        AttachRequest request;
        request.devices = {"u"};
        request.vni = 42;
        request.name = "vxlan0";
        const auto vtep = attach(request);
        ASSERT_TRUE(vtep.has_value()) << vtep.error().message();
    }

    void TearDown() override
    {
        scope_.reset();
        netns_.reset();
        NetnsCase::TearDown();
    }

    // Whether another process would get the lock now.
    static bool is_free()
    {
        const Fd other(::open("/sys/fs/bpf/xvtep", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        return other && ::flock(other.get(), LOCK_EX | LOCK_NB) == 0;
    }
    // The same after a while: the lock is the machine's, and other tests take it for milliseconds.
    static bool becomes_free()
    {
        for (int i = 0; i < 200; i++, ::usleep(20'000))
            if (is_free())
                return true;
        return false;
    }

    static FdbEntry entry(unsigned char last, const char *dst, FdbState state)
    {
        FdbEntry made;
        made.mac = Mac{{2, 0, 0, 0, 0, last}};
        made.device = "vxlan0";
        made.dst = *Ip::parse(dst);
        made.state = state;
        return made;
    }

    static std::string dst_of(unsigned char last)
    {
        const auto found = get_fdb(Mac{{2, 0, 0, 0, 0, last}}, "vxlan0");
        return found ? found->front().dst.text() : found.error().message();
    }

    std::optional<Netns> netns_;
    std::optional<Netns::Scope> scope_;
};

TEST_F(Writers, ShareTheLockOfABatchByTheirScopeAndNotByTheirName)
{
    {
        const Batch batch;
        const auto first = Session::writer("anything", "", LockScope::batch);
        ASSERT_TRUE(first.has_value());
        const auto second = Session::writer("something else", "", LockScope::batch);
        ASSERT_TRUE(second.has_value());
        EXPECT_EQ(first->resources, second->resources);
        EXPECT_FALSE(is_free());
    }
    EXPECT_TRUE(becomes_free());
    {
        const Batch batch;
        std::weak_ptr<Resources> shared;
        {
            const auto first = Session::writer("fdb add", "", LockScope::batch);
            ASSERT_TRUE(first.has_value());
            shared = first->resources;
        }
        EXPECT_FALSE(is_free()) << "the batch keeps the lock";
        {
            const auto alone = Session::writer("fdb add", "", LockScope::command);
            ASSERT_TRUE(alone.has_value());
            EXPECT_TRUE(shared.expired()) << "the batch has given the lock back";
        }
        EXPECT_TRUE(becomes_free()) << "a command's lock ends with the command";
    }
}

TEST_F(Writers, WithoutABatchTheLockEndsWithTheCall)
{
    {
        const auto one = Session::writer("fdb add", "", LockScope::batch);
        ASSERT_TRUE(one.has_value());
        EXPECT_FALSE(is_free());
    }
    EXPECT_TRUE(becomes_free());
}

TEST_F(Writers, RefreshReplacesDynamicEntriesAlone)
{
    const auto refresh = [](unsigned char last, const char *dst) {
        const auto done = write_fdb(FdbVerb::refresh, entry(last, dst, FdbState::dynamic));
        EXPECT_TRUE(done.has_value()) << done.error().message();
    };
    refresh(1, "192.168.8.101");
    EXPECT_EQ(dst_of(1), "192.168.8.101");
    refresh(1, "192.168.8.102");
    EXPECT_EQ(dst_of(1), "192.168.8.102");
    unsigned char last = 2;
    for (const FdbState state : {FdbState::static_, FdbState::permanent}) {
        ASSERT_TRUE(write_fdb(FdbVerb::add, entry(last, "192.168.8.101", state)).has_value());
        refresh(last, "192.168.8.102");
        EXPECT_EQ(dst_of(last), "192.168.8.101");
        last++;
    }
}

// The garbage collection says which remotes written entries name (`accept known`), and a program
// that learns starts it. Here none does.
TEST_F(Writers, ADynamicEntryIsVisitedThoughNothingIsLearned)
{
    ASSERT_TRUE(write_fdb(FdbVerb::add, entry(1, "192.168.8.9", FdbState::dynamic)));
    const auto tables = Tables::open(fmt::format("/sys/fs/bpf/xvtep/{}", *netns_->cookie()));
    ASSERT_TRUE(tables) << tables.error().message();
    const auto ids = *tables->remote_ids.entries();
    ASSERT_EQ(ids.size(), 1U);
    xv_remote &remote = tables->remotes[xv_remote_index(ids.front().second)];
    EXPECT_EQ(remote.refs, 0U) << "the entry goes by itself";
    const auto named = [&] { return std::atomic_ref(remote.named).load(); };
    const __u32 first = named();
    ASSERT_NE(first, 0U);
    for (int i = 0; i < 80 && named() == first; i++)
        ::usleep(100'000);
    EXPECT_NE(named(), first);
}

TEST_F(Writers, RefreshLeavesAPermanentNeighbour)
{
    const auto write = [](NeighVerb verb, unsigned char last, NeighState state) {
        NeighEntry made;
        made.ip = *Ip::parse("10.20.1.3");
        made.device = "vxlan0";
        made.mac = Mac{{2, 0, 0, 0, 0, last}};
        made.state = state;
        const auto done = write_neigh(verb, made);
        EXPECT_TRUE(done.has_value()) << done.error().message();
        return get_neigh(made.ip, made.device)->mac.octets[5];
    };
    EXPECT_EQ(write(NeighVerb::refresh, 1, NeighState::reachable), 1);
    EXPECT_EQ(write(NeighVerb::refresh, 2, NeighState::reachable), 2);
    EXPECT_EQ(write(NeighVerb::replace, 3, NeighState::permanent), 3);
    EXPECT_EQ(write(NeighVerb::refresh, 4, NeighState::reachable), 3);
}

TEST_F(Writers, ABulkWriteTellsHowManyCameBeforeItsError)
{
    std::vector<FdbEntry> entries;
    for (unsigned char n = 1; n <= 9; n++)
        entries.push_back(entry(n, n == 6 ? "fd08::1" : "192.168.8.101", FdbState::permanent));
    const auto done = write_fdb(FdbVerb::add, entries);
    EXPECT_EQ(done.written, 5U);
    ASSERT_FALSE(done.result.has_value());
    EXPECT_EQ(done.result.error().kind, ErrorKind::usage);
    entries.erase(entries.begin() + 5);
    const auto again = write_fdb(FdbVerb::refresh, entries);
    EXPECT_EQ(again.written, 8U);
    EXPECT_TRUE(again.result.has_value());
    EXPECT_EQ(dst_of(9), "192.168.8.101");
}

TEST_F(Writers, RunningProgramsAreWaitedForWithoutMoreThanTheLibraryNeeds)
{
    const auto done = wait_for_running_programs();
    EXPECT_TRUE(done.has_value()) << done.error().message();
}

// With `accept known` an entry names its VTEP as long as it lives, also if nothing else expires,
// and if packets to the VTEP have another VNI than packets from there.
TEST_F(Writers, DynamicEntriesGoOnNamingTheirVteps)
{
    AttachRequest request;
    request.devices = {"u"};
    request.vni = 43;
    request.name = "vxlan1";
    request.accept = Accept::known;
    request.learning = false;
    ASSERT_TRUE(attach(request).has_value());
    auto made = entry(1, "192.168.8.1", FdbState::dynamic);
    made.device = "vxlan1";
    made.vni = 77;
    ASSERT_TRUE(write_fdb(FdbVerb::add, made).has_value());
    made = entry(0, "192.168.8.2", FdbState::dynamic);
    made.mac = Mac{};
    made.device = "vxlan1";
    for (const char *dst : {"192.168.8.2", "192.168.8.3"}) {
        made.dst = *Ip::parse(dst);
        ASSERT_TRUE(write_fdb(FdbVerb::append, made).has_value());
    }
    auto session = Session::reader("test", "");
    ASSERT_TRUE(session.has_value());
    const auto ids = session->tables->remote_ids.entries();
    ASSERT_TRUE(ids.has_value());
    ASSERT_EQ(ids->size(), 4U); // the first VTEP's with VNI 77, and with its own
    std::vector<std::atomic_ref<__u32>> named;
    for (const auto &[key, id] : *ids)
        if (key.vni == 43)
            named.emplace_back(session->tables->remotes[xv_remote_index(id)].named);
    ASSERT_EQ(named.size(), 3U);
    for (const auto &stamp : named)
        stamp.store(1);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    const auto all = [&] {
        return std::ranges::all_of(named, [](const auto &stamp) { return stamp.load() != 1; });
    };
    while (!all() && std::chrono::steady_clock::now() < end)
        ::usleep(10'000);
    EXPECT_TRUE(all());
}

// What attach changes for its questions to the routing tables, the last detach changes back, but
// not on a host that has become a router.
TEST_F(Writers, LoForwardsWhileAVtepIsThere)
{
    const auto forwarding = [] {
        return sysctl("net/ipv4/conf/lo/forwarding").value_or("?") +
               sysctl("net/ipv6/conf/lo/forwarding").value_or("?");
    };
    EXPECT_EQ(forwarding(), "11");
    ASSERT_TRUE(detach("u", 42).has_value());
    EXPECT_EQ(forwarding(), "00");
    AttachRequest request;
    request.devices = {"u"};
    request.vni = 42;
    ASSERT_TRUE(attach(request).has_value());
    ASSERT_TRUE(set_sysctl("net/ipv4/conf/all/forwarding", "1").has_value());
    ASSERT_TRUE(detach("u", 42).has_value());
    EXPECT_EQ(forwarding(), "10");
}

} // namespace
} // namespace xvtep::test
