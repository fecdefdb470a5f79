// SPDX-License-Identifier: GPL-2.0-only
// Finds this host's own endpoints and announces them: reads the system and listens at local ports
// for the inventory (inventory.h), and asks the directory about what is uncertain. Also answers
// hosts behind local ports that have asked for a remote endpoint, and tells them of moved IPs.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "user/agent/arp_requesters.h"
#include "user/agent/inventory.h"
#include "user/agent/loop.h"
#include "user/agent/move_announcer.h"
#include "user/agent/port_sockets.h"
#include "user/net/netlink.h"
#include "xvtep/vtep.h"

namespace xvtep::agent {

struct EndpointOptions : InventoryOptions {
    std::string state_file; // keeps what was heard for the next run; "": none
};

class Endpoints {
  public:
    // Asks the directory whether another host has the key, and calls back; with no value if the
    // directory does not answer.
    using Elsewhere = std::function<void(const Key &, std::function<void(std::optional<bool>)>)>;
    // `announce` gets the whole set whenever it has changed.
    Endpoints(Loop &loop, Netlink netlink, EndpointOptions options,
              std::function<void(const std::set<Record> &)> announce, Elsewhere is_elsewhere);
    ~Endpoints();
    Endpoints(const Endpoints &) = delete;
    Endpoints &operator=(const Endpoints &) = delete;

    // Reads devices, ports and bridges again. To be called once a second.
    void refresh(const std::vector<VtepInfo> &vteps);
    // Another host has announced the MAC, or the IP.
    void give_up(std::uint32_t vni, const Mac &mac);
    void give_up_ip(std::uint32_t vni, const Ip &ip);
    // The record is in the tables: hosts at local ports that have asked for its IP get an answer
    // now, and need not ask again a second later.
    void answer(const Record &record);
    // The record's IP has moved to its MAC, on another host: tells the hosts behind local ports,
    // and this host's own stack.
    void tell(const Record &record);

  private:
    void add_heard(int ifindex, const std::string &device, const Heard &heard);
    std::size_t tell_ports(const Key &ip, const Mac &mac);
    void tell_host(const Key &ip, const Mac &mac);
    void forget_in_bridge(const EndpointId &id);
    void confirm(const EndpointId &id);
    void confirm_addresses(const EndpointId &id, std::vector<Ip> ips);
    void publish_soon();
    void publish();
    void load();
    void save();

    Loop &loop_;
    Netlink netlink_;
    const std::string state_file_;
    std::function<void(const std::set<Record> &)> announce_;
    Elsewhere is_elsewhere_;
    Inventory inventory_;
    ArpRequesters requesters_;
    MoveAnnouncer moves_;
    PortSockets sockets_;
    std::set<EndpointId> asking_; // the directory, whether they are elsewhere
    std::optional<std::set<Record>> published_;
    Timers::Time started_, published_at_{};
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true); // for callbacks that come late
    bool publishing_ = false, warned_of_saving_ = false;
};

} // namespace xvtep::agent
