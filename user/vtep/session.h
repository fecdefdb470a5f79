// SPDX-License-Identifier: GPL-2.0-only
// What every command works on: the calling thread's namespace, its pinned state, and the lock.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "user/base/fd.h"
#include "user/base/result.h"
#include "user/datapath/bpffs.h"
#include "user/datapath/datapath.h"
#include "user/net/netlink.h"
#include "xvtep/netns.h"

namespace xvtep {

// The group of a link that attach has begun and not finished: a later command removes it.
constexpr std::uint32_t unfinished_group = 0x78767470;

// What a session holds, shared by the lines of a batch.
struct Resources {
    Netlink netlink;
    std::string root; // bpffs
    std::uint64_t cookie = 0;
    std::string directory;                // the namespace's state in root
    std::optional<Tables> tables;         // none: nothing is attached
    std::optional<Lock> lock;             // held by writers
    std::map<std::string, xv_vtep> named; // VTEPs looked up by a batch's table commands
    std::vector<xv_vtep> removed; // whose device was gone, by the repair before a writer's command
};

// How long a writer holds the lock: for its own command, or as long as the thread's Batch does. A
// command that only writes table entries of a VTEP may share the lock with others of its batch.
enum class LockScope { command, batch };

struct Session {
    std::string operation; // for errors
    std::string object;
    const std::shared_ptr<Resources> resources; // const, because the references lead into it
    Netlink &netlink;
    const std::string &root;
    const std::uint64_t &cookie;
    const std::string &directory;
    std::optional<Tables> &tables;

    Session(std::string operation_, std::string object_, std::shared_ptr<Resources> resources_)
        : operation(std::move(operation_)), object(std::move(object_)),
          resources(std::move(resources_)), netlink(resources->netlink), root(resources->root),
          cookie(resources->cookie), directory(resources->directory), tables(resources->tables)
    {
    }

    // To read: no lock, nothing is changed.
    static Result<Session> reader(std::string operation, std::string object);
    // To change: takes the lock, then repairs what a killed command or a removed device left.
    static Result<Session> writer(std::string operation, std::string object,
                                  LockScope scope = LockScope::command);
    // The lock alone; whatever the tables are.
    static Result<Session> locked(std::string operation, std::string object);

    Result<> open_tables(); // where there are any

    Result<> need_tables(); // makes the data path where there is none yet

    [[nodiscard]] Result<std::vector<xv_vtep>> vteps() const;
    [[nodiscard]] Result<std::optional<xv_vtep>> vtep_of_device(int ifindex) const;
    // The VTEP whose own device is `name`, or an error naming what is wrong with it.
    Result<xv_vtep> vtep_named(const std::string &name);

    [[nodiscard]] Failure usage(std::string_view cause) const
    {
        return usage_failure(operation, object, cause);
    }
    [[nodiscard]] Failure refused(std::string_view cause, int code = 0) const
    {
        return system_failure(operation, object, cause, code);
    }
    // An error of a step, in the command's own words: "attach eth0: create link v: file exists".
    [[nodiscard]] Failure wrap(const Error &step) const;
    template <class T> [[nodiscard]] Result<T> in_words(Result<T> done) const
    {
        return done ? std::move(done) : Result<T>(wrap(done.error()));
    }
};

// Whether the device is an underlay port of the VTEP.
bool uses(const xv_vtep &vtep, int ifindex);

// An interface's name, of at most 15 characters.
void set_name(xv_vtep &vtep, const std::string &name);

// A table flag, or none.
constexpr __u32 flag_if(bool on, __u32 flag)
{
    return on ? flag : 0;
}

xv_addr to_addr(const Ip &ip);
Ip to_ip(const xv_addr &addr);
bool addr_is_set(const xv_addr &addr);

} // namespace xvtep
