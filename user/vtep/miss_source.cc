// SPDX-License-Identifier: GPL-2.0-only
#include "xvtep/listener.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <optional>
#include <utility>

#include "user/datapath/libbpf_log.h"
#include "user/vtep/device_names.h"
#include "user/vtep/listeners.h"
#include "user/vtep/wakeup.h"
#include "xvtep/ip.h"
#include "xvtep/mac.h"
#include "xvtep/stats.h"

namespace xvtep {
namespace {

constexpr std::chrono::milliseconds look_again(1000);
constexpr std::chrono::milliseconds longest =
    std::chrono::hours(24 * 365); // more would overflow the clock
constexpr unsigned most_rounds = 8;
constexpr unsigned queue_size = 1 << 20; // bytes: 18,000 misses

std::uint64_t total_lost(const std::string &ifname)
{
    std::uint64_t sum = 0;
    if (const auto all = show_stats(ifname.empty() ? std::nullopt : std::optional(ifname)))
        for (const auto &stats : *all)
            sum += stats.events_lost;
    return sum;
}

template <class Kind> Kind describe(const xv_event &event, const std::string &ifname)
{
    Kind miss;
    miss.ifname = ifname;
    miss.ifindex = event.ifindex;
    miss.vni = event.vni;
    miss.dstport = ntohs(event.dstport);
    miss.vlan = static_cast<std::uint16_t>(event.vid);
    miss.time = event.time;
    return miss;
}

} // namespace

struct MissSource::Impl {
    struct Closer {
        void operator()(ring_buffer *ring) const { ring_buffer__free(ring); }
    };

    std::string ifname;
    unsigned ifindex = 0; // 0: all
    Fd map;
    std::optional<DeviceNameCache> names;
    std::optional<Wakeup> wakeup;
    ListenerPlace place;
    std::unique_ptr<ring_buffer, Closer> ring;
    std::uint64_t lost_before = 0;
    std::uint64_t cookie = 0; // of the namespace

    // Of the poll() in progress.
    MissListener *listener = nullptr;
    unsigned most = 0, seen = 0;
    std::exception_ptr thrown;

    static int sample(void *self, void *data, std::size_t size)
    {
        return static_cast<Impl *>(self)->take(data, size);
    }

    int take(const void *data, std::size_t size)
    {
        xv_event event{};
        if (size < sizeof(event))
            return 0;
        std::memcpy(&event, data, sizeof(event));
        if (ifindex != 0 && event.ifindex != ifindex)
            return 0;
        seen++;
        try {
            tell(event);
        } catch (...) { // an exception must not pass through libbpf
            thrown = std::current_exception();
        }
        return seen < most && !thrown ? 0 : -ECANCELED; // stops behind this event
    }

    void tell(const xv_event &event)
    {
        const std::string &name = names->of(event.ifindex, event.time);
        if (event.kind == XV_EVENT_L2MISS) {
            auto miss = describe<L2Miss>(event, name);
            std::ranges::copy(event.mac, miss.mac.octets.begin());
            listener->on_l2miss(miss);
        } else if (event.kind == XV_EVENT_L3MISS) {
            auto miss = describe<L3Miss>(event, name);
            miss.ip = Ip::from_bytes(&event.addr, sizeof(event.addr));
            listener->on_l3miss(miss);
        }
    }

    // Reads what is there, up to `most`. The programs raise no wakeup for a record that comes while
    // earlier ones are being read, so look again after each drain() until nothing is left.
    int consume()
    {
        int total = 0;
        for (unsigned round = 0;; round++) {
            const int found = ring_buffer__consume(ring.get());
            const bool all = found == 0 && round > 0;
            if (found < 0 || all || round == most_rounds) {
                wakeup->notify(!all);
                return found < 0 ? found : total + found;
            }
            total += found;
            wakeup->drain();
        }
    }

    // The directory is removed with the data path.
    [[nodiscard]] bool is_gone() const
    {
        struct stat found {};
        return ::fstat(place.directory.get(), &found) != 0 || found.st_nlink == 0;
    }

    Impl() = default;
    Impl(const Impl &) = delete;
    Impl &operator=(const Impl &) = delete;

    ~Impl()
    {
        // In another namespace the listener cannot be removed. The next command finds it unlocked
        // and removes it.
        if (!place.directory || is_gone() || current_netns_cookie() != cookie)
            return;
        if (auto session = Session::writer("unsubscribe", ifname); session && session->tables)
            (void)remove_listener(*session, place.index);
    }
};

MissSource::MissSource(std::unique_ptr<Impl> impl) : impl_(std::move(impl))
{
}
MissSource::MissSource(MissSource &&) noexcept = default;
MissSource &MissSource::operator=(MissSource &&) noexcept = default;
MissSource::~MissSource() = default;

Result<MissSource> MissSource::open(const std::string &ifname)
{
    auto impl = std::make_unique<Impl>();
    const auto subscribe = [&](Session &session) -> Result<> {
        if (!session.tables)
            return session.refused("nothing is attached", ENOENT);
        if (!ifname.empty()) {
            TRY_ASSIGN(const auto vtep, session.device_named(ifname));
            impl->ifindex = vtep.ifindex;
        }
        impl->ifname = ifname;
        impl->cookie = session.cookie;
        TRY_SET(impl->names, DeviceNameCache::open());
        impl->map =
            Fd(bpf_map_create(BPF_MAP_TYPE_RINGBUF, "xvtep_misses", 0, 0, queue_size, nullptr));
        if (!impl->map)
            return errno_failure("create", "ring buffer", errno);
        const LibbpfLog log;
        impl->ring.reset(ring_buffer__new(impl->map.get(), Impl::sample, impl.get(), nullptr));
        if (!impl->ring)
            return errno_failure("open", "ring buffer", errno);
        TRY_SET(impl->place, add_listener(session, impl->map.get()));
        TRY_SET(impl->wakeup, Wakeup::create(session, impl->place.index, impl->map));
        return {};
    };
    {
        TRY_ASSIGN(auto session, Session::writer("listen", ifname));
        TRY(session.wrap(subscribe(session)));
    }
    impl->lost_before = total_lost(ifname);
    return MissSource(std::move(impl));
}

Result<unsigned> MissSource::poll(MissListener &listener, std::chrono::milliseconds timeout,
                                  unsigned most)
{
    impl_->listener = &listener;
    impl_->most = most;
    impl_->seen = 0;
    const bool forever = timeout.count() < 0;
    const auto end = std::chrono::steady_clock::now() +
                     std::clamp(timeout, std::chrono::milliseconds(0), longest);
    for (;;) {
        // Read what is there before sleeping, because a wakeup takes longer than a miss.
        int found = impl_->consume();
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        const bool over = !forever && left.count() <= 0;
        if (found == 0 && !over) {
            // Nothing wakes the listener when the data path is removed, so look once a second.
            const auto step = forever ? look_again : std::min(left, look_again);
            epoll_event event{};
            if (::epoll_wait(impl_->wakeup->fd(), &event, 1, static_cast<int>(step.count())) < 0)
                found = -errno;
            else
                found = impl_->consume();
        }
        if (impl_->thrown)
            std::rethrow_exception(std::exchange(impl_->thrown, nullptr));
        if (found < 0 && found != -ECANCELED && found != -EINTR)
            return errno_failure("listen", impl_->ifname, -found);
        if (impl_->seen == 0 && impl_->is_gone())
            return system_failure("listen", impl_->ifname, "the VTEPs were detached", ENODEV);
        if (impl_->seen != 0 || found == -EINTR || over)
            return impl_->seen;
    }
}

int MissSource::fd() const
{
    return impl_->wakeup->fd();
}

std::uint64_t MissSource::lost() const
{
    const auto now = total_lost(impl_->ifname);
    return now > impl_->lost_before ? now - impl_->lost_before : 0;
}

} // namespace xvtep
