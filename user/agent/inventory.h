// SPDX-License-Identifier: GPL-2.0-only
// The endpoints of this host, worked out from what others have read: no system call is made here.
//
//   given            --endpoint
//   own addresses    of the VTEPs' devices, or of the bridges they are in
//   MACs             learned behind local ports, or by a bridge with one VTEP at its other ports
//   MAC and IP       heard in ARP and neighbour discovery at those ports
//
// An endpoint goes with its port, and when another host claims its MAC. An endpoint that was not
// heard since the agent started may have moved meanwhile: it is uncertain, and not announced until
// it is heard or confirmed.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "user/agent/record.h"
#include "user/agent/state_file.h"
#include "xvtep/vtep.h"

namespace xvtep::agent {

// What the system says now.
struct SystemView {
    struct Device {
        int index = 0;
        std::string name;
        Mac mac;
        int master = 0; // the index of its bridge, or 0
        bool is_vxlan = false, is_up = false;
    };
    struct Address {
        int device = 0;
        Ip ip;
    };
    struct BridgeEntry { // learned
        int port = 0;    // a device
        Mac mac;
    };
    struct Port { // added by `port add`
        std::string device;
        std::uint16_t vlan = 0; // 0: untagged
        std::uint32_t vni = 0;
        std::vector<Mac> learned;
    };
    std::vector<VtepInfo> vteps; // that the agent serves
    std::vector<Device> devices;
    std::vector<Address> addresses;
    std::vector<BridgeEntry> bridge_entries;
    std::vector<Port> ports;
};

// A VLAN of a device; 0: untagged frames.
struct Place {
    std::string device;
    std::uint16_t vlan = 0;
    auto operator<=>(const Place &) const = default;
};

struct EndpointId {
    std::uint32_t vni = 0;
    Mac mac;
    auto operator<=>(const EndpointId &) const = default;
};

// Where endpoints of this host can be.
struct Places {
    std::map<std::uint32_t, VtepInfo> vteps;
    std::map<std::uint32_t, int> bridges; // the index of the bridge that a VNI's VTEP is in
    std::map<Place, std::uint32_t> vnis;  // the VNI behind each place
    std::map<int, std::string> devices;   // of the places, by index
    std::set<Record> own_addresses;       // without VTEP address and port
    std::map<EndpointId, Place> bridged;  // learned by bridges
    std::map<EndpointId, Place> learned;  // learned behind ports
};
Places find_places(const SystemView &view);

struct InventoryOptions {
    std::vector<Record> given{};      // VTEP address and port are filled in where they are absent
    std::optional<Ip> vtep{};         // announced instead of the VTEPs' local addresses
    std::size_t most_per_port = 4096; // addresses; a host behind the port may make them up
};

class Inventory {
  public:
    struct Endpoint {
        Place place;
        std::set<Ip> ips;
        bool is_certain = false;
    };

    explicit Inventory(InventoryOptions options) : options_(std::move(options)) {}

    // Endpoints that an earlier run saved; they come back, uncertain, when their place does.
    void remember(std::vector<SavedEndpoint> saved) { remembered_ = std::move(saved); }
    // Replaces the view of the system.
    void update(const SystemView &view);

    // A host at the place said that it has these addresses. Returns whether records() changes.
    bool add_heard(const Place &place, const Mac &mac, const Ip &ip);
    // Another host has announced the MAC: until it is heard here again, or is learned elsewhere, it
    // is not an endpoint of this host. Returns whether the MAC was one.
    bool give_up(const EndpointId &id);
    // The directory says that another host or another MAC has the IP: removes it from the endpoint
    // of this host. Returns whether an endpoint of this host had the IP.
    bool give_up_ip(std::uint32_t vni, const Ip &ip);

    // Uncertain endpoints: the directory has to be asked whether they are elsewhere.
    [[nodiscard]] std::vector<EndpointId> uncertain() const;
    // The directory does not say that the MAC is elsewhere.
    void confirm(const EndpointId &id);
    // The directory says that another host has the IP of this uncertain endpoint.
    void drop_uncertain_ip(const EndpointId &id, const Ip &ip);
    // Whether endpoints may yet become certain.
    [[nodiscard]] bool is_incomplete() const;
    // Whether a run that lasts so long may announce its first records. They replace those of the
    // run before, so an endpoint that is not certain yet would be withdrawn, and lost to everybody
    // who talks to it.
    [[nodiscard]] bool may_replace_earlier(std::chrono::steady_clock::duration running) const;

    // What is to be announced.
    [[nodiscard]] std::set<Record> records() const;
    // All endpoints behind ports, for the next run.
    [[nodiscard]] std::vector<SavedEndpoint> saved() const;

    [[nodiscard]] const Places &places() const { return places_; }
    [[nodiscard]] const Endpoint *find(const EndpointId &id) const;
    [[nodiscard]] std::optional<std::uint32_t> vni_at(const Place &place) const;

  private:
    Endpoint *see(const EndpointId &id, const Place &place);
    void recall();
    void see_bridged(std::map<EndpointId, Place> before);
    [[nodiscard]] bool has_room(const std::string &device);
    [[nodiscard]] Record completed(Record record) const;

    const InventoryOptions options_;
    Places places_;
    std::map<EndpointId, Endpoint> endpoints_;
    std::map<EndpointId, Place> yielded_;             // to another host; where each was
    std::vector<SavedEndpoint> remembered_;           // of places that are not there yet
    std::map<std::string, std::size_t> addresses_of_; // each device, counted at each update
    std::set<std::string> full_;                      // devices with too many
};

} // namespace xvtep::agent
