// SPDX-License-Identifier: GPL-2.0-only
// "move": a container moves to another host and back, and another one that talks to it follows.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "user/lab/build.h"
#include "user/lab/check.h"
#include "user/lab/echo.h"
#include "user/lab/services.h"
#include "user/lab/waiting.h"

namespace xvtep {

namespace {

constexpr std::chrono::milliseconds try_timeout{10};

class Move : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("container", container_, names.container());
        json.need("to", to_, names.agent());
        json.need("from", from_, names.container());
        json.need("within_ms", within_, number_in(1u, 60000u));
        const LabContainer &container = *names.lab().container(container_);
        const LabHost &to = *names.lab().host(to_);
        if (!container.mac)
            json.refuse("\"" + container_ + "\" has no \"mac\" to keep");
        if (&to == names.lab().host_of(container_))
            json.refuse("\"" + container_ + "\" is on \"" + to_ + "\" already");
        if (std::ranges::find(to.bridges, container.bridge, &LabBridge::name) == to.bridges.end())
            json.refuse("no bridge \"" + container.bridge + "\" on \"" + to_ + "\"");
        if (std::ranges::find(to.containers, container.host_device, &LabContainer::host_device) !=
            to.containers.end())
            json.refuse("\"" + container.host_device + "\" is another's on \"" + to_ + "\"");
    }

    void run(CheckRun &run) override
    {
        run.report(fmt::format("{} moves to {} and back: {} follows within {} ms", container_, to_,
                               from_, within_),
                   move_there_and_back(run));
    }

  private:
    Result<std::string> move_there_and_back(CheckRun &run)
    {
        const std::string home = run.lab.host_of(container_)->name;
        const Ip address = run.lab.overlay_addresses(container_).front();
        TRY(ping_once(run.node(from_).netns, address, first_reply_timeout));
        const auto there = move(run, home, to_);
        const auto back = move(run, to_, home); // also if the first move failed
        TRY(there);
        TRY(back);
        return fmt::format("{:.3f} ms after it says so there, {:.3f} ms after it is back", *there,
                           *back);
    }

    // Removes the veth and makes another like it. Returns the milliseconds until
    // `from_` has a reply again.
    Result<double> move(CheckRun &run, const std::string &old_host, const std::string &new_host)
    {
        const LabContainer &container = *run.lab.container(container_);
        LabNode &old_node = run.node(old_host), &new_node = run.node(new_host),
                &inside = run.node(container_);
        TRY_ASSIGN(const int index, old_node.index_of(container.host_device));
        TRY(old_node.netlink.delete_link(index));
        TRY(connect_container(new_node, inside, container));
        TRY(await_listener(new_node, container.host_device));
        const auto start = std::chrono::steady_clock::now();
        TRY(bring_up_container(inside, container, Announce::yes));
        return ping_until(run, start);
    }

    Result<double> ping_until(CheckRun &run, std::chrono::steady_clock::time_point start)
    {
        const Ip address = run.lab.overlay_addresses(container_).front();
        do {
            TRY_ASSIGN(const EchoOutcome outcome,
                       send_echoes(run.node(from_).netns, {.to = address, .timeout = try_timeout}));
            if (outcome.received == 1)
                return milliseconds_since(start);
        } while (milliseconds_since(start) < within_);
        return check_failure("ping", fmt::format("no reply in {} ms", within_));
    }

    std::string container_, to_, from_;
    unsigned within_ = 0; // milliseconds
};

const CheckType<Move> move_check("move");

} // namespace

} // namespace xvtep
