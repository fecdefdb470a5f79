// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/lab.h"

#include <algorithm>

#include "user/lab/build.h"
#include "user/lab/description.h"
#include "user/lab/labs.h"
#include "user/lab/picture.h"
#include "user/lab/services.h"

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

// Removes what is left of a lab of this name, unless it is up.
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

// The file is written first, so that `lab down` finds what is made after it.
Result<> make(LabState &state, const std::string &text)
{
    TRY(write_lab_file(state, text));
    TRY(build_lab(state));
    state.complete = true;
    return write_lab_file(state, text);
}

Result<std::vector<LabState>> labs_up()
{
    TRY_ASSIGN(std::vector<LabFile> files, read_lab_files());
    std::vector<LabState> states;
    for (LabFile &file : files)
        if (file.state && file.state->complete)
            states.push_back(std::move(*file.state));
    return states;
}

Result<NodeView> view_node(LabNode &node, const std::string &name)
{
    NodeView view{name, node.name, {}, lab_processes({node.name})};
    TRY_ASSIGN(const std::vector<Link> links, node.netlink.links());
    for (const Link &link : links) {
        // Listeners for misses are woken by a tap device of their own, which is of no interest.
        if (link.kind.empty() || link.kind == "tun")
            continue;
        TRY_ASSIGN(std::vector<Prefix> addresses, node.netlink.addresses(link.index));
        std::erase_if(addresses,
                      [](const Prefix &prefix) { return prefix.address.is_link_local(); });
        view.devices.emplace_back(link.name, std::move(addresses));
    }
    return view;
}

} // namespace

Result<std::string> lab_up(const LabOptions &options)
{
    TRY_ASSIGN(const std::string text, find_lab(options.name_or_file));
    LabState state;
    TRY_SET(state.lab, parse_lab(text, options.name_or_file));
    state.ends = options.ends;
    if (state.lab.has_agents() && state.ends != LabEnds::xvtep)
        return usage_failure("lab up", state.lab.name,
                             "agents hear the misses of xvtep only, not those of the kernel's");
    TRY(find_services(state));

    TRY_ASSIGN(const LabLock lock, LabLock::take());
    TRY(make_room(state.lab));
    if (auto made = make(state, text); !made) {
        (void)remove_namespaces(namespaces_of(state.lab));
        (void)remove_lab_file(state.lab.name);
        return std::unexpected(std::move(made).error());
    }
    return draw_lab(state);
}

Result<std::vector<LabView>> lab_show()
{
    TRY_ASSIGN(std::vector<LabState> states, labs_up());
    std::vector<LabView> views;
    for (LabState &state : states) {
        LabView view{std::move(state), {}};
        TRY_ASSIGN(LabNodes nodes, LabNodes::open(view.state.lab));
        for (const std::string &name : view.state.lab.nodes()) {
            TRY_ASSIGN(NodeView node, view_node(nodes.at(name), name));
            view.nodes.push_back(std::move(node));
        }
        views.push_back(std::move(view));
    }
    return views;
}

Result<LabVerdict> lab_test()
{
    TRY_ASSIGN(const LabLock lock, LabLock::take());
    TRY_ASSIGN(const std::vector<LabState> states, labs_up());
    if (states.empty())
        return system_failure("lab test", "", "no lab is up");
    LabVerdict verdict;
    for (const LabState &state : states) {
        TRY_ASSIGN(LabNodes nodes, LabNodes::open(state.lab));
        verdict.picture += (verdict.picture.empty() ? "" : "\n") + draw_lab(state);
        for (CheckResult &check : run_checks(state, nodes)) {
            if (states.size() > 1)
                check.what = state.lab.name + ": " + check.what;
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

Result<std::vector<std::pair<std::string, std::string>>> lab_list()
{
    std::vector<std::pair<std::string, std::string>> names;
    for (const BuiltInLab &lab : builtin_labs()) {
        TRY_ASSIGN(const LabDescription description, parse_lab(lab.text, std::string(lab.name)));
        names.emplace_back(lab.name, description.summary);
    }
    return names;
}

} // namespace xvtep
