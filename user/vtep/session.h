// SPDX-License-Identifier: GPL-2.0-only
// A Session is what a command works with: the calling thread's namespace, its state, and the lock.
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
#include "user/datapath/tc_block.h"
#include "user/net/netlink.h"
#include "xvtep/netns.h"

namespace xvtep {

// The group of a link whose attach is not complete: recover() removes the link.
constexpr std::uint32_t unfinished_group = 0x78767470;

// Which slots of VTEPs and ports are in use: user/vtep/slots.h.
struct UsedSlots {
    std::vector<bool> taken;
    std::size_t first = 0; // all below are taken
};

// What attach asks of the host, and what holds for many attaches of a batch.
struct HostFacts {
    std::optional<bool> ipsec;                  // has_ipsec_policies()
    std::map<std::uint16_t, std::string> rules; // find_rule_for_udp_port(), by port
    bool route_queries_allowed = false;
};

// The descriptors of a session, and what it has found out. The calls of a batch share them.
struct Resources {
    Netlink netlink;
    std::string root; // bpffs
    std::uint64_t cookie = 0;
    std::string directory;                // of the namespace's state, in `root`
    std::optional<Tables> tables;         // empty: nothing is attached
    std::optional<Lock> lock;             // held by writers
    std::map<std::string, xv_vtep> named; // cache of vtep_named() in a batch
    std::vector<xv_vtep>
        removed; // by recover() before the command, because their devices were gone
    std::optional<BlockPair> blocks;     // cache of attach_device_programs()
    std::optional<UsedSlots> used_slots; // cache of free_slot()
    HostFacts host{};
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

    // For a command that only reads. It takes no lock and changes nothing.
    static Result<Session> reader(std::string operation, std::string object);
    // As reader(), on the tables of the service that has adopted devices of the namespace
    // (docs/adopt.md); nothing if there is none.
    static Result<std::optional<Session>> adopted(std::string operation, std::string object);
    // For a command that changes something. It takes the lock, then calls recover().
    static Result<Session> writer(std::string operation, std::string object,
                                  LockScope scope = LockScope::command);
    // Takes the lock and does not open the tables.
    static Result<Session> locked(std::string operation, std::string object);

    Result<> open_tables(); // if there are any

    Result<> need_tables(const Sizes &sizes = {}); // makes the data path if there is none

    [[nodiscard]] Result<std::vector<xv_vtep>> vteps() const; // one for each VNI of a device
    // Of devices with many VNIs (XV_VTEP_DEVICE), what their VTEPs have in common.
    [[nodiscard]] Result<std::vector<xv_vtep>> vni_devices() const;
    // Returns the VTEP of the device, or of a device with many VNIs what these have in common.
    [[nodiscard]] Result<std::optional<xv_vtep>> vtep_of_device(int ifindex) const;
    Result<xv_vtep> device_named(const std::string &name);
    // Returns the VTEP whose device is `name`. `vni` says which, if the device has many; 0: not
    // given. The error says what is wrong.
    Result<xv_vtep> vtep_named(const std::string &name, std::uint32_t vni = 0);

    [[nodiscard]] Failure usage(std::string_view cause) const
    {
        return usage_failure(operation, object, cause);
    }
    [[nodiscard]] Failure refused(std::string_view cause, int code = 0) const
    {
        return system_failure(operation, object, cause, code);
    }
    // Makes the error of a step one of the command: "attach eth0: create link v: file exists".
    [[nodiscard]] Failure wrap(const Error &step) const;
    template <class T> [[nodiscard]] Result<T> wrap(Result<T> done) const
    {
        return done ? std::move(done) : Result<T>(wrap(done.error()));
    }
};

// Fails if an adopting service has the device: the error names the command to use instead.
Result<> refuse_adopted(const std::string &operation, const std::string &name, int ifindex);

// Returns how many VTEPs the thread's batch wants room for, or 0.
unsigned vteps_of_batch();

// Whether the record is that of a device with many VNIs, and not of a VTEP.
bool has_many_vnis(const xv_vtep &record);

// Whether the device is an underlay port of the VTEP.
bool uses(const xv_vtep &vtep, int ifindex);

// Returns the port by which all packets of the VTEP leave, or 0: the routes decide. `record` is not
// that of a device with many VNIs, nor of one of its VTEPs.
__u32 bound_port(const xv_vtep &record);

// `name` has at most 15 characters.
void set_name(xv_vtep &vtep, const std::string &name);

// Returns `flag` if `on`, else 0.
constexpr __u32 flag_if(bool on, __u32 flag)
{
    return on ? flag : 0;
}

xv_addr to_addr(const Ip &ip);
Ip to_ip(const xv_addr &addr);
bool addr_is_set(const xv_addr &addr);

} // namespace xvtep
