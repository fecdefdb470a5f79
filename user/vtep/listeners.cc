// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/listeners.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace xvtep {
namespace {

std::string directory_of(const Session &session, __u32 index)
{
    return fmt::format("{}/listeners/{}", session.directory, index);
}

Result<Fd> open_places(const Session &session)
{
    Fd map(bpf_obj_get((session.directory + "/maps/listeners").c_str()));
    if (!map)
        return errno_failure("open map", "listeners", errno);
    return map;
}

Result<__u32> taken(const Session &session)
{
    TRY_ASSIGN(const auto bits, session.tables->listener_mask.look_up(0));
    return bits.value_or(0);
}

} // namespace

Result<ListenerPlace> add_listener(Session &session, int ring)
{
    TRY_ASSIGN(const auto places, open_places(session));
    TRY_ASSIGN(const __u32 bits, taken(session));
    ListenerPlace place;
    while (place.index < XV_LISTENERS_MAX && (bits >> place.index & 1) != 0)
        place.index++;
    if (place.index == XV_LISTENERS_MAX)
        return session.refused(fmt::format("{} listeners already", XV_LISTENERS_MAX), ENOSPC);
    const std::string path = directory_of(session, place.index);
    ::mkdir((session.directory + "/listeners").c_str(), 0700);
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
        return session.refused("make " + path + ": " + errno_text(errno), errno);
    place.directory = Fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const auto give_up = [&](const std::string &what) {
        const int error = errno;
        for (const auto &made : {path, session.directory + "/listeners"})
            ::rmdir(made.c_str());
        return session.refused(what + ": " + errno_text(error), error);
    };
    if (!place.directory || ::flock(place.directory.get(), LOCK_EX | LOCK_NB) != 0)
        return give_up("lock " + path);
    if (bpf_map_update_elem(places.get(), &place.index, &ring, BPF_ANY) != 0)
        return give_up("subscribe");
    if (auto done = session.tables->listener_mask.put(0, bits | 1U << place.index); !done) {
        (void)remove_listener(session, place.index);
        return session.wrap(done.error());
    }
    return place;
}

Result<> remove_listener(Session &session, __u32 index)
{
    TRY_ASSIGN(const auto places, open_places(session));
    if (bpf_map_delete_elem(places.get(), &index) != 0 && errno != ENOENT)
        return errno_failure("remove from", "listeners", errno);
    TRY(session.tables->wakeup_taps.put(index, 0));
    for (const auto &path : {directory_of(session, index), session.directory + "/listeners"})
        if (::rmdir(path.c_str()) != 0 && errno != ENOENT && errno != ENOTEMPTY)
            return errno_failure("remove", path, errno);
    TRY_ASSIGN(const __u32 bits, taken(session)); // last: until then recover() finds the listener
    return session.tables->listener_mask.put(0, bits & ~(1U << index));
}

Result<> remove_dead_listeners(Session &session)
{
    TRY_ASSIGN(const __u32 all, taken(session));
    for (__u32 index = 0, bits = all; bits != 0; index++, bits >>= 1) {
        if ((bits & 1) == 0)
            continue;
        const std::string path = directory_of(session, index);
        const Fd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!directory && errno != ENOENT)
            return errno_failure("open", path, errno);
        const bool dead = !directory || ::flock(directory.get(), LOCK_EX | LOCK_NB) == 0;
        if (!dead && errno != EWOULDBLOCK)
            return errno_failure("lock", path, errno);
        if (dead)
            TRY(remove_listener(session, index));
    }
    return {};
}

} // namespace xvtep
