// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "user/lab/driver.h"
#include "user/lab/node.h"

namespace xvtep {

namespace {

// Lines of single-column characters.
using Block = std::vector<std::u32string>;

constexpr std::size_t edge_offset = 3, edge_distance = 4, host_gap = 3;

std::u32string wide(const std::string &text)
{
    std::u32string result;
    for (std::size_t i = 0; i < text.size();) {
        const auto byte = static_cast<unsigned char>(text[i++]);
        char32_t c = byte < 0x80 ? byte : byte < 0xe0 ? byte & 0x1f : byte & 0x0f;
        for (; i < text.size() && (static_cast<unsigned char>(text[i]) & 0xc0) == 0x80; i++)
            c = c << 6 | (static_cast<unsigned char>(text[i]) & 0x3f);
        result += c;
    }
    return result;
}

// Every character of a picture is in the basic multilingual plane.
std::string narrow(const std::u32string &text)
{
    std::string result;
    for (const char32_t c : text) {
        if (c < 0x80) {
            result += static_cast<char>(c);
        } else if (c < 0x800) {
            result += static_cast<char>(0xc0 | c >> 6);
            result += static_cast<char>(0x80 | (c & 0x3f));
        } else {
            result += static_cast<char>(0xe0 | c >> 12);
            result += static_cast<char>(0x80 | (c >> 6 & 0x3f));
            result += static_cast<char>(0x80 | (c & 0x3f));
        }
    }
    return result;
}

std::size_t width_of(const Block &block)
{
    std::size_t width = 0;
    for (const std::u32string &line : block)
        width = std::max(width, line.size());
    return width;
}

Block boxed(const std::u32string &title, const Block &content, std::size_t least_width)
{
    const std::size_t width = std::max({width_of(content), title.size() + 2, least_width});
    Block box;
    box.push_back(U"┌─ " + title + U" " + std::u32string(width - title.size() - 1, U'─') + U"┐");
    for (const std::u32string &line : content)
        box.push_back(U"│ " + line + std::u32string(width - line.size(), U' ') + U" │");
    box.push_back(U"└" + std::u32string(width + 2, U'─') + U"┘");
    return box;
}

std::string joined(const std::vector<Prefix> &prefixes)
{
    std::string text;
    for (const Prefix &prefix : prefixes)
        text += (text.empty() ? "" : "  ") + prefix.text();
    return text;
}

constexpr std::size_t least_device_width = 6;

std::string device_line(const std::string &device, const std::string &rest, std::size_t width)
{
    return fmt::format("{:<{}}  {}", device, width, rest);
}

std::size_t widest_device(const LabHost &host)
{
    std::size_t width = least_device_width;
    for (const LabBridge &bridge : host.bridges)
        width = std::max(width, bridge.name.size());
    for (const LabVtep &vtep : host.vteps)
        width = std::max(width, vtep.request.name.size());
    for (const auto &[device, addresses] : host.addresses)
        width = std::max(width, device.size());
    return width;
}

std::string peer_text(const AttachRequest &request)
{
    std::string text = fmt::format("VNI {}", request.vni);
    if (request.remote)
        text += " → " + request.remote->text();
    if (request.group)
        text += " → group " + request.group->text();
    return text + fmt::format(" port {}", request.dstport);
}

class Picture {
  public:
    explicit Picture(const LabState &state) : state_(state), lab_(state.lab) {}

    std::string draw()
    {
        for (const LabHost &host : lab_.hosts)
            add_host(host);
        add_nets();
        std::string text;
        for (std::u32string &line : canvas_) {
            while (line.ends_with(U' '))
                line.pop_back();
            text += narrow(line) + "\n";
        }
        return text;
    }

  private:
    // A wire between two hosts, or a switch with its wires.
    struct Net {
        std::string label;
        std::vector<std::size_t> columns; // where it meets the hosts' lower edges
    };

    char32_t &cell(std::size_t row, std::size_t column)
    {
        if (canvas_.size() <= row)
            canvas_.resize(row + 1);
        if (canvas_[row].size() <= column)
            canvas_[row].resize(column + 1, U' ');
        return canvas_[row][column];
    }
    void put(std::size_t row, std::size_t column, const std::u32string &text)
    {
        for (std::size_t i = 0; i < text.size(); i++)
            cell(row, column + i) = text[i];
    }

    static void add_container(Block &content, const LabContainer &container)
    {
        Block inside;
        for (std::size_t i = 0; i < std::max<std::size_t>(container.addresses.size(), 1); i++)
            inside.push_back(wide(
                device_line(i == 0 ? container.device : "",
                            i < container.addresses.size() ? container.addresses[i].text() : "",
                            std::max(container.device.size(), least_device_width))));
        Block box = boxed(wide(container.name), inside, 0);
        box[1].back() = U'├';
        box[1] += wide("─ " + container.host_device);
        content.insert(content.end(), box.begin(), box.end());
    }

    static std::vector<std::string> bridge_ports(const LabHost &host, const std::string &bridge)
    {
        std::vector<std::string> ports;
        for (const LabContainer &container : host.containers)
            if (container.bridge == bridge)
                ports.push_back(container.host_device);
        for (const LabVtep &vtep : host.vteps)
            if (vtep.request.bridge == bridge)
                ports.push_back(vtep.request.name);
        return ports;
    }

    [[nodiscard]] Block content_of(const LabHost &host) const
    {
        Block content;
        const std::size_t width = widest_device(host);
        const auto add = [&](const std::string &device, const std::string &rest) {
            content.push_back(wide(device_line(device, rest, width)));
        };
        for (const LabContainer &container : host.containers)
            add_container(content, container);
        std::set<std::string> told;
        for (const LabBridge &bridge : host.bridges) {
            std::string text = "bridge:";
            for (const std::string &port : bridge_ports(host, bridge.name))
                text += " " + port;
            add(bridge.name, text);
            told.insert(bridge.name);
            if (const auto found = host.addresses.find(bridge.name); found != host.addresses.end())
                add("", joined(found->second));
        }
        for (const LabVtep &vtep : host.vteps) {
            const AttachRequest &request = vtep.request;
            add(request.name, driver_of(state_, host.name).name());
            add("", peer_text(request));
            for (const Prefix &address : vtep.addresses)
                add("", address.text());
        }
        for (const auto &[device, addresses] : host.addresses)
            if (!told.contains(device))
                add(device, joined(addresses));
        return content;
    }

    [[nodiscard]] std::size_t wires_of(const LabHost &host) const
    {
        std::size_t count = 0;
        for (const LabWire &wire : lab_.wires)
            for (const LabWireEnd &end : wire.ends)
                count += end.node == host.name;
        return count;
    }

    void add_host(const LabHost &host)
    {
        const Block box = boxed(wide(namespace_of(lab_.name, host.name)), content_of(host),
                                wires_of(host) * edge_distance);
        blocks_.push_back(box);
        lefts_[host.name] = left_;
        left_ += width_of(box) + host_gap;
    }

    // The boxes have their lower edges on one line, so that the wires are short.
    void place_hosts()
    {
        for (const Block &block : blocks_)
            bottom_ = std::max(bottom_, block.size());
        for (std::size_t i = 0; i < blocks_.size(); i++)
            for (std::size_t row = 0; row < blocks_[i].size(); row++)
                put(bottom_ - blocks_[i].size() + row, lefts_[lab_.hosts[i].name], blocks_[i][row]);
    }

    std::size_t next_column(const std::string &host)
    {
        return lefts_[host] + edge_offset + edge_distance * used_columns_[host]++;
    }

    [[nodiscard]] std::vector<Net> nets()
    {
        std::vector<Net> found;
        std::map<std::string, std::size_t> switches; // index in `found`
        for (const std::string &name : lab_.switches) {
            switches[name] = found.size();
            found.push_back({"switch " + name, {}});
        }
        for (const LabWire &wire : lab_.wires) {
            std::string label;
            std::vector<std::size_t> columns;
            Net *net = nullptr;
            for (const LabWireEnd &end : wire.ends) {
                if (end.device.empty()) {
                    net = &found[switches[end.node]];
                } else {
                    label += (label.empty() ? "" : " ── ") + end.device;
                    columns.push_back(next_column(end.node));
                }
            }
            if (!net) {
                found.push_back({label + fmt::format(", MTU {}", wire.mtu.value_or(1500)), {}});
                net = &found.back();
            }
            net->columns.insert(net->columns.end(), columns.begin(), columns.end());
        }
        return found;
    }

    // The column for a net's label: to its right, where no later net's lines cross the label.
    static std::size_t free_column(const std::vector<Net> &all, std::size_t index,
                                   std::size_t width)
    {
        std::vector<std::size_t> columns;
        for (std::size_t i = index + 1; i < all.size(); i++)
            columns.insert(columns.end(), all[i].columns.begin(), all[i].columns.end());
        std::ranges::sort(columns);
        std::size_t start = all[index].columns.back() + 1;
        for (const std::size_t column : columns)
            if (column >= start && column < start + width)
                start = column + 1;
        return start;
    }

    void add_nets()
    {
        place_hosts();
        std::size_t row = bottom_;
        std::vector<Net> all = nets();
        for (std::size_t i = 0; i < all.size(); i++) {
            Net &net = all[i];
            if (net.columns.empty())
                continue;
            std::ranges::sort(net.columns);
            for (const std::size_t column : net.columns) {
                cell(bottom_ - 1, column) = U'┬';
                for (std::size_t above = bottom_; above < row; above++) {
                    char32_t &c = cell(above, column);
                    c = c == U'─' ? U'┼' : U'│';
                }
            }
            for (std::size_t column = net.columns.front(); column <= net.columns.back(); column++)
                cell(row, column) = U'─';
            for (const std::size_t column : net.columns)
                cell(row, column) = U'┴';
            cell(row, net.columns.front()) = U'└';
            cell(row, net.columns.back()) = U'┘';
            const std::u32string label = U" " + wide(net.label) + U" ";
            const std::size_t span = net.columns.back() - net.columns.front();
            if (span > label.size() + 4 && net.columns.size() == 2 && lab_.wires.size() == 1)
                put(row, net.columns.front() + (span - label.size()) / 2, label);
            else
                put(row, free_column(all, i, label.size()), label);
            row++;
        }
    }

    const LabState &state_;
    const LabDescription &lab_;
    std::vector<Block> blocks_;
    std::map<std::string, std::size_t> lefts_, used_columns_;
    std::size_t left_ = 0, bottom_ = 0;
    Block canvas_;
};

} // namespace

std::string draw_lab(const LabState &state)
{
    const LabDescription &lab = state.lab;
    return lab.name + (lab.summary.empty() ? "" : ": " + lab.summary) + "\n\n" +
           Picture(state).draw();
}

} // namespace xvtep
