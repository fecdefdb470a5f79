// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "user/base/result.h"
#include "xvtep/ip.h"
#include "xvtep/mac.h"
#include "xvtep/netns.h"
#include "xvtep/vtep.h"

struct nl_sock;

namespace xvtep {

struct AttachOption;

// A kernel vxlan device: the options that it has (OptionAttribute in xvtep/option.h), and more.
struct VxlanOptions : AttachRequest {
    int lower = 0;          // ifindex of the underlay device, 0 for none
    bool gpe = false;       // IFLA_VXLAN_GPE
    bool external = false;  // IFLA_VXLAN_COLLECT_METADATA
    bool vnifilter = false; // IFLA_VXLAN_VNIFILTER: the device has many VNIs
    bool remcsum = false;   // IFLA_VXLAN_REMCSUM_TX or _RX; only read
};

struct Link {
    int index = 0;
    std::string name{};
    std::string kind{}; // IFLA_INFO_KIND: "veth", "vxlan", "bridge", …; "" for hardware
    Mac mac{};
    unsigned mtu = 0;
    unsigned type = 0;               // ARPHRD_*
    unsigned flags = 0;              // IFF_*
    int master = 0;                  // ifindex or 0
    int lower = 0;                   // IFLA_LINK: a veth's peer, a vxlan's underlay device
    std::optional<int> lower_nsid{}; // IFLA_LINK_NETNSID: set if `lower` is in another namespace
    std::uint32_t group = 0;
    std::uint32_t tx_queues = 0, rx_queues = 0;
    std::uint8_t xdp_mode = 0; // XDP_ATTACHED_*
    std::uint32_t xdp_program = 0;
    std::uint64_t rx_dropped = 0, tx_dropped = 0;
    std::optional<VxlanOptions> vxlan{};

    [[nodiscard]] bool is_up() const { return flags & 1; }
    // Whether each packet begins with an Ethernet header, as a program at the device sees it.
    [[nodiscard]] bool has_ethernet_header() const;
};

// Finds a link in what Netlink::links() has returned. Returns nullptr if there is none.
const Link *find_link(const std::vector<Link> &links, int index);

// Attributes of a new link, set by the message that creates it.
struct NewLink {
    std::string name{};
    std::optional<Mac> mac{};
    std::optional<unsigned> mtu{};
    std::uint32_t group = 0;
};

// Members without a value stay as they are.
struct LinkChange {
    std::optional<bool> up{};
    std::optional<unsigned> mtu{};
    std::optional<int> master{}; // 0: none
    std::optional<Mac> mac{};
    std::optional<std::uint32_t> group{};
    std::optional<std::string> name{};
    std::optional<int> netns_fd{};
};

struct Route {
    int oif = 0;
    std::optional<Ip> gateway{};
    std::optional<Ip> source{}; // RTA_PREFSRC
    bool is_local = false;      // RTN_LOCAL: an address of this host
};

// An entry of the forwarding database of a kernel vxlan device, or of a bridge for one of its
// ports.
struct KernelFdbEntry {
    Mac mac{};
    std::optional<Ip> dst{};
    std::uint16_t port = 0;
    std::uint32_t vni = 0;
    std::uint32_t src_vni = 0; // of a device with many VNIs: which one has the entry
    int via = 0;
    std::uint16_t state = 0; // NUD_*; to write, 0 is permanent
    std::uint8_t flags = 0;  // NTF_*
};

// VNIs of a device with many (`bridge vni`).
struct KernelVniRange {
    std::uint32_t first = 0, last = 0;
    std::optional<Ip> remote{}; // of their default entries, or a group that the kernel joins
};

struct KernelNeighbour {
    Ip ip{};
    Mac mac{};
    std::uint16_t state = 0; // NUD_*
    std::uint8_t flags = 0;  // NTF_*
};

// A clsact qdisc (or the older ingress). 0: its filters are its own, in no shared block.
struct ClsactQdisc {
    int ifindex = 0;
    std::uint32_t ingress_block = 0;
    std::uint32_t egress_block = 0;
};

// A filter of a shared block, for all protocols, with a BPF program whose result is the verdict.
struct BlockFilter {
    std::uint32_t handle = 0;
    std::uint16_t priority = 0;
    int program_fd = -1;
    std::string name{};
};

enum class OldFilter { kept, replaced };

// rtnetlink in the network namespace in which the calling thread was at open(). Errors carry the
// kernel's errno and its extended acknowledgement. An object is for one thread at a time.
class Netlink {
  public:
    static Result<Netlink> open();
    Netlink(Netlink &&) noexcept;
    Netlink &operator=(Netlink &&) noexcept;
    ~Netlink();

    Result<std::vector<Link>> links();          // in the order of their indexes
    Result<Link> link(const std::string &name); // Errors: ENODEV
    Result<Link> link(int index);
    Result<int> add_vxlan(const NewLink &link, const VxlanOptions &options); // returns the ifindex
    Result<int> add_bridge(const NewLink &link);
    // Makes the peer in the namespace `peer_netns_fd`, or in this one if that is -1. Returns the
    // ifindex of the first end.
    Result<int> add_veth(const NewLink &link, const NewLink &peer, int peer_netns_fd = -1);
    // Whether a vxlan device with these options' VNI, UDP port, address and kind of packets is
    // bound to this namespace, in whatever namespace it is now.
    Result<bool> has_vxlan(const VxlanOptions &options);
    Result<> delete_link(int index);
    // Puts the links into the group, and deletes all that are in it. Links that are gone do not
    // count.
    Result<> delete_links(std::span<const int> indexes, std::uint32_t group);
    Result<> change_link(int index, const LinkChange &change);
    // Gives the device the values of these rows of attach_options(), all or none. An address that
    // is any() of its family is none.
    Result<> change_vxlan(int index, const VxlanOptions &options,
                          std::span<const AttachOption *const> rows);
    Result<> change_vxlan_learning(int index, bool learning, std::uint32_t ageing); // seconds

    Result<std::vector<Prefix>> addresses(int index);
    Result<std::vector<std::pair<int, Prefix>>> addresses(); // of all links, by ifindex
    Result<> add_address(int index, const Prefix &address);  // IPv6: without DAD
    Result<> add_route(const Prefix &destination, const std::optional<Ip> &gateway, int oif);
    Result<bool> has_source_rules(); // whether an IPv4 rule (`ip rule`) looks at the source
    Result<Route> route_to(const Ip &destination, int oif = 0);
    Result<> replace_neighbour(int index, const Ip &address, const Mac &mac); // NUD_PERMANENT
    // Gives an existing entry the MAC and the state NUD_STALE, as a gratuitous ARP does. Entries
    // that were written by hand (NUD_PERMANENT, NUD_NOARP) stay as they are.
    Result<> correct_neighbour(int index, const Ip &address, const Mac &mac);

    Result<std::vector<KernelNeighbour>> neighbours(int index); // IPv4 and IPv6
    // Of all devices, by ifindex.
    Result<std::multimap<int, KernelNeighbour>> neighbours();

    Result<std::vector<KernelFdbEntry>> fdb(int index);
    // Adds a destination (NTF_SELF) to a permanent entry.
    Result<> append_fdb(int index, const KernelFdbEntry &entry);
    // Makes the entry, with its state, the only one of a unicast MAC.
    Result<> replace_fdb(int index, const KernelFdbEntry &entry);
    // Adds unicast entries up to the first that the kernel refuses, and returns how many. No entry
    // behind that one is left in the table.
    Result<std::size_t> add_fdb(int index, std::span<const KernelFdbEntry> entries);
    // Deletes one destination or, without `dst`, all of them.
    Result<> delete_fdb(int index, const KernelFdbEntry &entry);
    Result<std::vector<std::pair<int, KernelFdbEntry>>> bridge_fdb(); // of all bridges, by port
    Result<> delete_bridge_fdb(int port, const Mac &mac);

    // Adds VNIs to a device with `vnifilter`, or gives those that are there another remote. A
    // request has 64 ranges, and a part of them may stay if a later request fails.
    // Errors: EOPNOTSUPP before Linux 5.18. EEXIST: another device has a VNI on the same port.
    Result<> add_vnis(int index, std::span<const KernelVniRange> ranges);
    // `remote` has no meaning.
    Result<> delete_vnis(int index, std::span<const KernelVniRange> ranges);

    Result<bool> has_vlan_filtering(int bridge);
    // Tagged VLANs of a port of a bridge that has VLAN filtering.
    Result<> add_bridge_vlans(int port, std::uint16_t first, std::uint16_t last);
    Result<> delete_bridge_vlans(int port, std::uint16_t first, std::uint16_t last);

    // Sets the qdisc "noqueue": frames go to the driver at once.
    Result<> remove_queue(int index);
    // Whether clsact on the device has any filter.
    Result<bool> has_clsact_filters(int index);
    Result<std::vector<ClsactQdisc>> clsact_qdiscs(); // of all devices
    // Adds a clsact qdisc whose filters are those of two shared blocks, which it makes if there are
    // none. Errors: EEXIST: the device has such a qdisc.
    Result<> add_clsact(int index, std::uint32_t ingress_block, std::uint32_t egress_block);
    // Adds the filter to the block, which exists. A BPF filter with its handle is left as it is, or
    // replaced atomically.
    Result<> put_block_filter(std::uint32_t block, const BlockFilter &filter, OldFilter old);
    // The name of the BPF filter with this handle, or "" if there is none.
    Result<std::string> block_filter_name(std::uint32_t block, std::uint32_t handle,
                                          std::uint16_t priority);

    // Looks among Netns::visible() for the namespace that this namespace knows as `nsid`.
    Result<Netns> netns_by_id(int nsid);

  private:
    // Returns the ifindex of a link that was just made, or deletes the link if it cannot.
    Result<int> index_of_new(const std::string &name);

    struct Impl;
    explicit Netlink(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// Reads the first `most` entries (or a few more) of a device in the calling thread's namespace.
// Reading all of a large table would take the kernel time that grows with the square of its size.
Result<std::vector<KernelFdbEntry>> some_kernel_fdb(int index, std::size_t most);

// The tables of many devices, which the kernel gives in one answer.
struct KernelFdbs {
    std::map<int, std::vector<KernelFdbEntry>> of; // by ifindex
    // False: reading ended where a table has `most` entries. A device that is not in `of` may have
    // entries.
    bool complete = true;
};

// Reads the tables of all devices, up to the first that has `most` entries.
Result<KernelFdbs> some_kernel_fdbs(std::size_t most);

} // namespace xvtep
