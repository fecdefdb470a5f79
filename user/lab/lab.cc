// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/lab.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "user/lab/build.h"
#include "user/lab/checks.h"
#include "user/lab/description.h"
#include "user/lab/labs.h"
#include "user/lab/picture.h"
#include "user/lab/processes.h"
#include "user/lab/services.h"
#include "user/lab/state.h"
#include "user/vtep/wakeup.h"

namespace xvtep {

namespace {

std::vector<std::string> namespaces_of(const LabDescription &lab)
{
    std::vector<std::string> names;
    for (const std::string &node : lab.nodes())
        names.push_back(namespace_of(lab.name, node));
    return names;
}

bool exists_any(const std::vector<std::string> &names)
{
    return std::ranges::any_of(names, [](const std::string &name) { return Netns::exists(name); });
}

// Takes away what is left of a lab of this name, unless it is up.
Result<> make_room(const LabDescription &lab)
{
    TRY_ASSIGN(const std::vector<LabFile> files, read_lab_files());
    const auto file = std::ranges::find(files, lab.name, &LabFile::name);
    if (file != files.end()) {
        if (file->state) {
            const std::vector<std::string> left = namespaces_of(file->state->lab);
            if (file->state->complete && exists_any(left))
                return system_failure("lab up", lab.name, "this lab is up already");
            TRY(remove_namespaces(left));
        }
        TRY(remove_lab_file(lab.name));
    }
    const std::vector<std::string> ours = lab_namespaces();
    for (const std::string &name : namespaces_of(lab)) {
        if (std::ranges::find(ours, name) != ours.end())
            TRY(remove_namespaces({name}));
        else if (Netns::exists(name))
            return system_failure("lab up", lab.name, "namespace " + name + " exists already");
    }
    return {};
}

Result<> make(LabState &state)
{
    // Written first: what is made after it is found again whatever happens.
    TRY(write_lab_file(state));
    TRY(build_lab(state));
    state.complete = true;
    return write_lab_file(state);
}

Result<std::vector<LabFile>> labs_up()
{
    TRY_ASSIGN(std::vector<LabFile> files, read_lab_files());
    std::erase_if(files, [](const LabFile &file) { return !file.state || !file.state->complete; });
    return files;
}

struct NodeView {
    std::string name, netns;
    std::vector<std::pair<std::string, std::vector<Prefix>>> devices;
    std::vector<LabProcess> processes;
};

struct LabView {
    const LabState &state;
    std::vector<NodeView> nodes;
};

Result<LabView> view_lab(const LabState &state)
{
    LabView view{state, {}};
    TRY_ASSIGN(LabNodes nodes, LabNodes::open(state.lab));
    for (const std::string &name : state.lab.nodes()) {
        LabNode &node = nodes.at(name);
        NodeView node_view{name, node.name, {}, lab_processes({node.name})};
        TRY_ASSIGN(const std::vector<Link> links, node.netlink.links());
        for (const Link &link : links) {
            if (link.kind.empty() || link.name.starts_with(wakeup_tap_name))
                continue;
            TRY_ASSIGN(std::vector<Prefix> addresses, node.netlink.addresses(link.index));
            std::erase_if(addresses,
                          [](const Prefix &prefix) { return prefix.address.is_link_local(); });
            node_view.devices.emplace_back(link.name, std::move(addresses));
        }
        view.nodes.push_back(std::move(node_view));
    }
    return view;
}

std::vector<std::string> texts(const std::vector<Prefix> &prefixes)
{
    std::vector<std::string> lines;
    for (const Prefix &prefix : prefixes)
        lines.push_back(prefix.text());
    return lines;
}

std::string vtep_text(const LabView &view, const std::string &node, const std::string &device)
{
    const LabHost *const host = view.state.lab.host(node);
    if (!host)
        return "";
    for (const LabVtep &vtep : host->vteps)
        if (vtep.request.name == device)
            return fmt::format("{}, VNI {}",
                               kernel_hosts(view.state).contains(node) ? "kernel vxlan" : "xvtep",
                               vtep.request.vni);
    return "";
}

std::string show_text(const LabView &view)
{
    std::string text = view.state.lab.name + "\n";
    for (const NodeView &node : view.nodes) {
        text += fmt::format("  {} (namespace {})\n", node.name, node.netns);
        for (const auto &[device, addresses] : node.devices) {
            const std::string vtep = vtep_text(view, node.name, device);
            std::string line = fmt::format("    {:<16}", device);
            for (const std::string &address : texts(addresses))
                line += " " + address;
            if (!vtep.empty())
                line += " (" + vtep + ")";
            line.erase(line.find_last_not_of(' ') + 1);
            text += line + "\n";
        }
        for (const LabProcess &process : node.processes)
            text += fmt::format("    {:<16} pid {}, prints to {}\n", process.what, process.pid,
                                log_path(view.state, node.name, process.what));
    }
    return text;
}

nlohmann::json show_json(const LabView &view)
{
    const std::set<std::string> kernel = kernel_hosts(view.state);
    nlohmann::json nodes = nlohmann::json::array();
    for (const NodeView &node : view.nodes) {
        nlohmann::json devices = nlohmann::json::object();
        for (const auto &[device, addresses] : node.devices)
            devices[device] = texts(addresses);
        nlohmann::json line = {
            {"name", node.name}, {"namespace", node.netns}, {"addresses", devices}};
        line["processes"] = nlohmann::json::array();
        for (const LabProcess &process : node.processes)
            line["processes"].push_back({{"name", process.what},
                                         {"pid", process.pid},
                                         {"log", log_path(view.state, node.name, process.what)}});
        if (const LabHost *const host = view.state.lab.host(node.name)) {
            line["vteps"] = nlohmann::json::array();
            for (const LabVtep &vtep : host->vteps)
                line["vteps"].push_back({{"name", vtep.request.name},
                                         {"vni", vtep.request.vni},
                                         {"kernel", kernel.contains(node.name)}});
        }
        nodes.push_back(std::move(line));
    }
    return {
        {"name", view.state.lab.name}, {"description", view.state.lab.summary}, {"hosts", nodes}};
}

} // namespace

Result<std::string> lab_up(const LabOptions &options)
{
    if (options.kernel && options.kernel_peer)
        return usage_failure("lab up", options.name_or_file,
                             "either one end or all are the kernel's");
    TRY_ASSIGN(const std::string text, find_lab(options.name_or_file));
    TRY_ASSIGN(LabDescription lab, parse_lab(text, options.name_or_file));
    if (lab.has_agents() && (options.kernel || options.kernel_peer))
        return usage_failure("lab up", lab.name,
                             "agents hear the misses of xvtep only, not those of the kernel's");
    LabState state{std::move(lab), text, false, options.kernel_peer, options.kernel, {}};
    if (state.lab.has_agents()) {
        std::error_code error;
        state.program = options.program.empty()
                            ? std::filesystem::read_symlink("/proc/self/exe", error).string()
                            : options.program;
        TRY(find_services(state));
    }

    TRY_ASSIGN(const LabLock lock, LabLock::take());
    TRY(make_room(state.lab));
    if (auto made = make(state); !made) {
        (void)remove_namespaces(namespaces_of(state.lab));
        (void)remove_lab_file(state.lab.name);
        return std::unexpected(std::move(made).error());
    }
    return draw_lab(state);
}

Result<std::string> lab_show(bool json)
{
    TRY_ASSIGN(const std::vector<LabFile> files, labs_up());
    std::string text;
    nlohmann::json list = nlohmann::json::array();
    for (const LabFile &file : files) {
        TRY_ASSIGN(const LabView view, view_lab(*file.state));
        text += (text.empty() ? "" : "\n") + show_text(view);
        list.push_back(show_json(view));
    }
    if (json)
        return list.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    return text.empty() ? "no lab is up\n" : text;
}

Result<LabVerdict> lab_test()
{
    TRY_ASSIGN(const LabLock lock, LabLock::take());
    TRY_ASSIGN(const std::vector<LabFile> files, labs_up());
    if (files.empty())
        return system_failure("lab test", "", "no lab is up");
    LabVerdict verdict{"", {}, true};
    for (const LabFile &file : files) {
        TRY_ASSIGN(LabNodes nodes, LabNodes::open(file.state->lab));
        verdict.picture += (verdict.picture.empty() ? "" : "\n") + draw_lab(*file.state);
        for (LabCheck &check : run_checks(*file.state, nodes)) {
            if (files.size() > 1)
                check.what = file.name + ": " + check.what;
            verdict.passed &= check.passed;
            verdict.checks.push_back(std::move(check));
        }
    }
    return verdict;
}

Result<> lab_down()
{
    TRY_ASSIGN(const LabLock lock, LabLock::take());
    TRY_ASSIGN(const std::vector<LabFile> files, read_lab_files());
    Result<> first;
    const auto keep = [&](Result<> result) {
        if (first && !result)
            first = std::move(result);
    };
    for (const LabFile &file : files) {
        if (file.state)
            keep(remove_namespaces(namespaces_of(file.state->lab)));
    }
    keep(remove_namespaces(lab_namespaces()));
    for (const LabFile &file : files)
        keep(remove_lab_file(file.name));
    return first;
}

std::vector<std::pair<std::string, std::string>> lab_names()
{
    std::vector<std::pair<std::string, std::string>> names;
    for (const std::string_view text : builtin_labs())
        if (const auto lab = parse_lab(text, "a built-in lab"))
            names.emplace_back(lab->name, lab->summary);
    return names;
}

} // namespace xvtep
