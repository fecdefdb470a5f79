// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/output.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "user/lab/driver.h"
#include "user/lab/picture.h"
#include "user/lab/services.h"

namespace xvtep {

namespace {

using Json = nlohmann::json;

// What is no UTF-8 (the kernel takes any bytes as a device's name) is replaced.
std::string document(const Json &json, JsonLayout layout)
{
    return json.dump(layout == JsonLayout::indented ? 2 : -1, ' ', false,
                     Json::error_handler_t::replace) +
           "\n";
}

std::string device_text(const LabView &lab, const NodeView &node, const std::string &device,
                        const std::vector<Prefix> &addresses)
{
    std::string line = fmt::format("    {:<16}", device);
    for (const Prefix &address : addresses)
        line += " " + address.text();
    if (const LabVtep *const vtep = lab.state.lab.vtep({node.name, device}))
        line +=
            fmt::format(" ({}, VNI {})", driver_of(lab.state, node.name).name(), vtep->request.vni);
    line.erase(line.find_last_not_of(' ') + 1);
    return line + "\n";
}

std::string to_text(const LabView &lab)
{
    std::string text = draw_lab(lab.state) + "\n";
    for (const NodeView &node : lab.nodes) {
        text += fmt::format("  {} (namespace {})\n", node.name, node.netns);
        for (const auto &[device, addresses] : node.devices)
            text += device_text(lab, node, device, addresses);
        for (const LabProcess &process : node.processes)
            text += fmt::format("    {:<16} pid {}, prints to {}\n", process.what, process.pid,
                                log_path(lab.state, node.name, process.what));
    }
    return text;
}

Json vteps_json(const LabView &lab, const LabHost &host)
{
    const bool kernel = &driver_of(lab.state, host.name) == &kernel_driver();
    Json list = Json::array();
    for (const LabVtep &vtep : host.vteps)
        list.push_back(
            {{"name", vtep.request.name}, {"vni", vtep.request.vni}, {"kernel", kernel}});
    return list;
}

Json node_json(const LabView &lab, const NodeView &node)
{
    Json json;
    json["name"] = node.name;
    json["namespace"] = node.netns;
    json["addresses"] = Json::object();
    for (const auto &[device, addresses] : node.devices) {
        Json texts = Json::array();
        for (const Prefix &address : addresses)
            texts.push_back(address.text());
        json["addresses"][device] = std::move(texts);
    }
    json["processes"] = Json::array();
    for (const LabProcess &process : node.processes)
        json["processes"].push_back({{"name", process.what},
                                     {"pid", process.pid},
                                     {"log", log_path(lab.state, node.name, process.what)}});
    if (const LabHost *const host = lab.state.lab.host(node.name))
        json["vteps"] = vteps_json(lab, *host);
    return json;
}

} // namespace

std::string to_text(const std::vector<LabView> &labs)
{
    std::string text;
    for (const LabView &lab : labs)
        text += (text.empty() ? "" : "\n") + to_text(lab);
    return text.empty() ? "no lab is up\n" : text;
}

std::string to_json(const std::vector<LabView> &labs, JsonLayout layout)
{
    Json list = Json::array();
    for (const LabView &lab : labs) {
        Json json;
        json["name"] = lab.state.lab.name;
        json["description"] = lab.state.lab.summary;
        json["hosts"] = Json::array();
        for (const NodeView &node : lab.nodes)
            json["hosts"].push_back(node_json(lab, node));
        list.push_back(std::move(json));
    }
    return document(list, layout);
}

std::string to_text(const LabVerdict &verdict)
{
    std::string text = verdict.picture;
    for (const auto &check : verdict.checks)
        text += fmt::format("{:<5} {}{}{}\n", check.passed ? "ok" : "FAIL", check.what,
                            check.detail.empty() ? "" : ": ", check.detail);
    return text;
}

std::string to_json(const LabVerdict &verdict, JsonLayout layout)
{
    Json json;
    json["passed"] = verdict.passed;
    json["checks"] = Json::array();
    for (const auto &check : verdict.checks)
        json["checks"].push_back(
            {{"what", check.what}, {"passed", check.passed}, {"detail", check.detail}});
    return document(json, layout);
}

std::string to_text(const std::vector<std::pair<std::string, std::string>> &list)
{
    std::string text;
    for (const auto &[name, description] : list)
        text += fmt::format("{:<14} {}\n", name, description);
    return text;
}

std::string to_json(const std::vector<std::pair<std::string, std::string>> &list, JsonLayout layout)
{
    Json json = Json::array();
    for (const auto &[name, description] : list)
        json.push_back({{"name", name}, {"description", description}});
    return document(json, layout);
}

} // namespace xvtep
