// SPDX-License-Identifier: GPL-2.0-only
// "frame": one frame of an experimental EtherType is sent. Where does it come out, and how often?
#include <fmt/format.h>

#include <set>

#include "user/lab/check.h"
#include "user/lab/copies.h"
#include "user/lab/test_frame.h"
#include "user/lab/values.h"
#include "xvtep/stats.h"

namespace xvtep {

namespace {

enum class Place { end, underlay, trunk };

struct Listening {
    Place place;
    LabDevice device;
    Capture capture;
};

// Where frames of the overlay end: containers, and VTEPs' devices without a bridge and ports.
std::vector<LabDevice> ends_of(const LabDescription &lab)
{
    std::vector<LabDevice> found;
    for (const LabHost &host : lab.hosts) {
        for (const LabContainer &container : host.containers)
            found.push_back({container.name, container.device});
        for (const LabVtep &vtep : host.vteps)
            if (vtep.request.bridge.empty() && vtep.ports.empty())
                found.push_back({host.name, vtep.request.name});
    }
    return found;
}

std::vector<LabDevice> underlays_of(const LabDescription &lab)
{
    std::vector<LabDevice> found;
    for (const LabHost &host : lab.hosts)
        for (const LabVtep &vtep : host.vteps)
            for (const std::string &device : vtep.request.devices)
                found.push_back({host.name, device});
    return found;
}

class FrameCheck : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("from", from_, names.device());
        to_ = names.mac(json, "to");
        json.take("vlan", vlan_, read_vlan);
        json.take("wire", wire_, names.device());
        json.take("vteps", vteps_);
        json.need("reaches", reaches_, list_of(names.device()));
        json.take("tagged", tagged_, names.device());
        json.take("tag", tag_, read_vlan);
        json.take("counted", counted_, names.device());
        json.take("reason", reason_);
        if (!vteps_.empty() && !wire_)
            json.refuse("\"vteps\" needs \"wire\"");
        if (tagged_.has_value() != (tag_ != 0))
            json.refuse("\"tagged\" and \"tag\" go together");
        if (counted_.has_value() == reason_.empty())
            json.refuse("\"counted\" and \"reason\" go together");
    }

    void run(CheckRun &run) override
    {
        std::string what = fmt::format("a frame from {} to {}", from_.text(), to_.text());
        if (vlan_)
            what += fmt::format(" in VLAN {}", *vlan_);
        if (reaches_.empty())
            what += " reaches no one";
        else
            what += reaches_.size() == 1 ? " reaches one" : " reaches each of its listeners once";
        if (!reason_.empty())
            what += fmt::format(", counted as {} at {}", reason_, counted_->text());
        run.report(what, count(run));
    }

  private:
    // Compares the counter, too, where there is one.
    Result<std::string> count(CheckRun &run)
    {
        if (!counted_ || !run.driver(counted_->node).has(Feature::counters))
            return follow(run);
        TRY_ASSIGN(const std::uint64_t before, read_counter(run));
        TRY_ASSIGN(std::string copies, follow(run));
        TRY_ASSIGN(const std::uint64_t after, read_counter(run));
        if (after <= before)
            return check_failure("counters", fmt::format("{} is {} still", reason_, after));
        return copies;
    }

    Result<std::uint64_t> read_counter(CheckRun &run)
    {
        TRY_ASSIGN(const Netns::Scope scope, run.node(counted_->node).netns.enter());
        TRY_ASSIGN(const std::vector<Stats> stats, show_stats(counted_->device));
        for (const Stats &counts : stats)
            if (counts.ifname == counted_->device)
                for (const auto *const group : {&counts.drops, &counts.passed})
                    for (const auto &count : *group)
                        if (count.name == reason_)
                            return count.packets;
        return check_failure("counters", fmt::format("no {} at {}", reason_, counted_->text()));
    }

    Result<std::string> follow(CheckRun &run)
    {
        TRY_ASSIGN(const Mac source, run.mac_of(from_));
        TRY_ASSIGN(const Mac destination, run.mac_of(to_));
        TRY_ASSIGN(const int from, run.node(from_.node).index_of(from_.device));
        const TestFrame frame = make_test_frame(destination, source, vlan_);
        TRY_ASSIGN(std::vector<Listening> captures, listen(run));
        {
            TRY_ASSIGN(const Netns::Scope scope, run.node(from_.node).netns.enter());
            TRY(send_frame(from, frame.bytes));
        }
        const Copies wanted = wanted_copies();
        Copies seen;
        const bool right = wait_for_copies(wanted, [&]() -> Copies & {
            for (Listening &listening : captures)
                for (const Frame &caught : listening.capture.drain())
                    if (const std::string where = place_of(listening, caught, frame);
                        !where.empty())
                        seen[where]++;
            return seen;
        });
        if (!right)
            return check_failure("copies",
                                 fmt::format("{}; wanted {}", text_of(seen), text_of(wanted)));
        return text_of(seen);
    }

    Result<std::vector<Listening>> listen(CheckRun &run)
    {
        std::vector<Listening> captures;
        std::set<std::string> known;
        const auto add = [&](Place place, const LabDevice &device) -> Result<> {
            if (!known.insert(device.text()).second)
                return {};
            TRY_ASSIGN(Capture capture, run.capture_on(device));
            captures.push_back({place, device, std::move(capture)});
            return {};
        };
        TRY(add(Place::end, from_));
        for (const LabDevice &device : ends_of(run.lab))
            TRY(add(Place::end, device));
        for (const LabDevice &device : underlays_of(run.lab))
            TRY(add(Place::underlay, device));
        if (tagged_)
            TRY(add(Place::trunk, *tagged_));
        return captures;
    }

    [[nodiscard]] Copies wanted_copies() const
    {
        Copies wanted;
        for (const LabDevice &device : reaches_)
            wanted["at " + device.text()] = 1;
        if (wire_)
            for (const Ip &vtep : vteps_)
                wanted[fmt::format("from {} to {}", wire_->text(), vtep.text())] = 1;
        if (tagged_)
            wanted[fmt::format("at {} in VLAN {}", tagged_->text(), tag_)] = 1;
        return wanted;
    }

    // The place where the test frame was caught; "" for other frames.
    [[nodiscard]] std::string place_of(const Listening &listening, const Frame &caught,
                                       const TestFrame &frame) const
    {
        const std::string device = listening.device.text();
        if (listening.place == Place::underlay) {
            const auto packet = parse_encapsulated(caught.bytes);
            if (!wire_ || !caught.outgoing || !packet || !frame.is_in(packet->inner))
                return "";
            return fmt::format("from {} to {}", device, packet->outer.to.text());
        }
        if (caught.outgoing || !frame.is_in(caught.bytes))
            return "";
        return listening.place == Place::trunk
                   ? fmt::format("at {} in VLAN {}", device, caught.vlan.value_or(0))
                   : "at " + device;
    }

    LabDevice from_;
    LabMac to_;
    std::optional<std::uint16_t> vlan_; // the frame is sent with this tag
    std::optional<LabDevice> wire_;     // an underlay port that the frame leaves by, encapsulated,
    std::vector<Ip> vteps_;             // once to each of these and to no other
    std::vector<LabDevice> reaches_;    // once each, and no other end of the overlay
    std::optional<LabDevice> tagged_;   // a trunk that the frame comes in by, with `tag_`
    std::uint16_t tag_ = 0;
    std::optional<LabDevice> counted_; // its counter of `reason_` goes up
    std::string reason_;
};

const CheckType<FrameCheck> frame_check("frame");

} // namespace

} // namespace xvtep
