// SPDX-License-Identifier: GPL-2.0-only
// This host's own endpoints: what is announced to the directory.
//
//   given            --endpoint
//   own addresses    of the VTEPs' devices, or of the bridges they are in
//   MACs             behind local ports, and learned by the bridge at its other ports
//   MAC and IP       heard in ARP and neighbour discovery at those ports (snoop.h)
//
// An endpoint goes with its port, and when another host announces its MAC. One that is known only
// from before (the state file, a bridge's old entries) is announced once the directory does not
// say that it is elsewhere: it may have moved while nobody was watching.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "user/agent/loop.h"
#include "user/agent/record.h"
#include "user/agent/snoop.h"
#include "user/agent/state_file.h"
#include "user/net/netlink.h"
#include "xvtep/port.h"
#include "xvtep/vtep.h"

namespace xvtep::agent {

struct EndpointOptions {
    std::vector<Record> given;        // their vtep and port are filled in where they are absent
    std::optional<Ip> vtep;           // announced instead of the VTEPs' local addresses
    std::string state_file;           // what was heard, for the next run; "": none
    std::size_t most_per_port = 4096; // addresses; a host behind it may make them up
};

class Endpoints {
  public:
    // `announce` gets the whole set whenever it changed. `is_elsewhere` asks the directory for a
    // MAC and calls back, with no value where it does not answer.
    using Elsewhere = std::function<void(const Key &, std::function<void(std::optional<bool>)>)>;
    Endpoints(Loop &loop, Netlink netlink, EndpointOptions options,
              std::function<void(const std::set<Record> &)> announce, Elsewhere is_elsewhere);
    ~Endpoints();
    Endpoints(const Endpoints &) = delete;
    Endpoints &operator=(const Endpoints &) = delete;

    // Looks at devices, ports and bridges again: once a second.
    void refresh(const std::vector<VtepInfo> &vteps);
    // Another host has announced it; nothing counts but what is heard from now on.
    void claimed(std::uint32_t vni, const Mac &mac);
    void claimed(std::uint32_t vni, const Ip &ip); // by another MAC, or there
    // Its entry has been written: whoever asked for it at a local port is answered now, and need
    // not ask again, a second later.
    void answer(const Record &record);
    // Its IP has moved to this MAC, on another host: everybody behind local ports is told, and the
    // host itself. Twice, as one frame may be lost, and not more often than once a second for an
    // IP, and the last word is said.
    void tell(const Record &record);

  private:
    struct Place { // a device, and a VLAN of it (0: untagged)
        std::string device;
        std::uint16_t vlan = 0;
        auto operator<=>(const Place &) const = default;
    };
    struct Name {
        std::uint32_t vni = 0;
        Mac mac;
        auto operator<=>(const Name &) const = default;
    };
    struct Endpoint {
        Place place;
        std::set<Ip> ips;
        bool certain = false; // announced; if not, the directory is asked first
        bool asking = false;
    };
    struct Snoop {
        std::string device;
        Fd socket;
    };

    struct ArpRequester {
        int ifindex = 0;
        std::uint16_t vlan = 0;
        Mac mac;
        Ip ip;
        auto operator<=>(const ArpRequester &) const = default;
    };
    struct Tale { // what is told of an IP
        Mac mac;
        unsigned times = 0; // to be told yet
        Loop::Clock::time_point next{};
    };

    void heard(int ifindex, const std::string &device, const Heard &what);
    void remember_requester(const Key &wanted, const ArpRequester &requester);
    void forget_old_requesters();
    void tell_soon(Loop::Clock::duration delay);
    void tell_more();
    std::size_t tell_ports(const Key &key, const Mac &mac); // frames sent
    void tell_host(const Key &key, const Mac &mac);
    void forget_in_bridge(const Name &name);
    void seen(const Name &name, const Place &place, bool certain);
    void confirm(const Name &name);
    void confirm_addresses(const Name &name, std::vector<Ip> ips);
    [[nodiscard]] bool has_room(const std::string &device);
    void publish_soon();
    void publish();
    void load();
    void recall();
    void save();
    void watch_ports(const std::map<int, std::string> &devices);
    [[nodiscard]] Record placed(Record record) const;

    Loop &loop_;
    Netlink netlink_;
    EndpointOptions options_;
    std::function<void(const std::set<Record> &)> announce_;
    Elsewhere is_elsewhere_;
    std::map<std::uint32_t, VtepInfo> vteps_;
    std::map<std::uint32_t, int> bridges_;  // their ifindexes, by the VNI of the VTEP in them
    std::map<Place, std::uint32_t> places_; // the VNI behind each
    std::map<int, Snoop> snoops_;
    // By the IP they want; when they asked last.
    std::map<Key, std::map<ArpRequester, Loop::Clock::time_point>> requesters_;
    std::map<Key, Tale> tales_;
    bool telling_ = false;
    std::map<Name, Endpoint> endpoints_;
    std::set<Record> fixed_;                // given, and own addresses
    std::map<Name, Place> yielded_;         // taken, until seen elsewhere or heard
    std::map<Name, Place> bridged_;         // what the bridges said last
    std::vector<SavedEndpoint> remembered_; // of places that are not there yet
    std::optional<std::set<Record>> published_;
    Loop::Clock::time_point started_ = Loop::Clock::now(), published_at_{};
    std::map<std::string, std::size_t> known_; // addresses behind each device, counted each look
    std::map<int, std::size_t> requests_;      // requesters_ of each device
    std::set<std::string> full_;               // devices with too many
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    bool publishing_ = false, complained_of_saving_ = false;
};

} // namespace xvtep::agent
