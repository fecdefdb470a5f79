// SPDX-License-Identifier: GPL-2.0-only
// The nodes and devices that a description makes, and readers for keys that name one of them.
#pragma once

#include <array>
#include <map>
#include <set>
#include <string>

#include "user/lab/description.h"
#include "user/lab/json_reader.h"

namespace xvtep {

class LabNames {
  public:
    // Throws JsonError where a name is used twice, and where hosts, wires, or the directory name
    // something that does not exist.
    explicit LabNames(const LabDescription &lab);

    [[nodiscard]] const LabDescription &lab() const { return lab_; }

    // Readers: json.need("device", device_, names.device()).
    [[nodiscard]] auto node() const
    {
        return [this](const JsonValue &value) { return read_node(value); };
    }
    [[nodiscard]] auto host() const
    {
        return [this](const JsonValue &value) { return read_host(value); };
    }
    [[nodiscard]] auto device() const
    {
        return [this](const JsonValue &value) { return read_known_device(value); };
    }
    [[nodiscard]] auto vtep() const
    {
        return [this](const JsonValue &value) { return read_vtep(value); };
    }
    // A container with an overlay address.
    [[nodiscard]] auto container() const
    {
        return [this](const JsonValue &value) { return read_container(value); };
    }
    // A list of two different containers.
    [[nodiscard]] auto two_containers() const
    {
        return [this](const JsonValue &value) { return read_two_containers(value); };
    }
    // A host on which an agent runs.
    [[nodiscard]] auto agent() const
    {
        return [this](const JsonValue &value) { return read_agent(value); };
    }

    // The keys "from", "to", "addresses", and "both_ways".
    [[nodiscard]] LabPair pair(JsonObject &json) const;
    // The key `key`, or `key`_of with a device.
    [[nodiscard]] LabMac mac(JsonObject &json, const std::string &key) const;
    // Refuses a device that the node does not have.
    void check_device(const JsonObject &json, const LabDevice &device) const;

  private:
    [[nodiscard]] std::string read_node(const JsonValue &value) const;
    [[nodiscard]] std::string read_host(const JsonValue &value) const;
    [[nodiscard]] LabDevice read_known_device(const JsonValue &value) const;
    [[nodiscard]] LabDevice read_vtep(const JsonValue &value) const;
    [[nodiscard]] std::string read_container(const JsonValue &value) const;
    [[nodiscard]] std::array<std::string, 2> read_two_containers(const JsonValue &value) const;
    [[nodiscard]] std::string read_agent(const JsonValue &value) const;

    void add_node(const std::string &name, const std::string &where);
    void add_device(const LabDevice &device);
    void add_wire(const LabWire &wire);
    void check_host(const LabHost &host);
    void check_directory() const;
    // Why the device cannot be named; "" where it can.
    [[nodiscard]] std::string problem_of(const LabDevice &device) const;

    const LabDescription &lab_;
    std::map<std::string, std::set<std::string>> devices_; // by node
};

} // namespace xvtep
