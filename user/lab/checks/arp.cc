// SPDX-License-Identifier: GPL-2.0-only
// "arp": an ARP request is answered, and crosses an underlay port to each VTEP once, or not at all.
#include <fmt/format.h>

#include <algorithm>

#include "user/lab/check.h"
#include "user/lab/copies.h"
#include "user/lab/test_frame.h"

namespace xvtep {

namespace {

class Arp : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("from", from_, names.device());
        const JsonValue to = json.find_needed("to");
        from_json(to, to_);
        if (!to_.is_v4())
            to.refuse("not an IPv4 address");
        json.need("mac_of", answer_, names.device());
        json.need("wire", wire_, names.device());
        json.need("vteps", vteps_);
    }

    void run(CheckRun &run) override
    {
        run.report(fmt::format("{} asks for {}, {} {}", from_.text(), to_.text(),
                               vteps_.empty() ? "and nothing crosses" : "one copy to each VTEP on",
                               wire_.text()),
                   resolve(run));
    }

  private:
    Result<std::string> resolve(CheckRun &run)
    {
        LabNode &node = run.node(from_.node);
        TRY_ASSIGN(const Mac source, run.mac_of(from_));
        TRY_ASSIGN(const Mac answer, run.mac_of(answer_));
        TRY_ASSIGN(const int from, node.index_of(from_.device));
        TRY_ASSIGN(const auto addresses, node.netlink.addresses(from));
        const auto own = std::ranges::find_if(
            addresses, [](const Prefix &prefix) { return prefix.address.is_v4(); });
        if (own == addresses.end())
            return check_failure(from_.text(), "has no IPv4 address");
        const TestFrame request = make_arp_request(source, own->address, to_);
        TRY_ASSIGN(Capture here, run.capture_on(from_));
        TRY_ASSIGN(Capture wire, run.capture_on(wire_));
        {
            TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
            TRY(send_frame(from, request.bytes));
        }
        const Copies wanted = wanted_copies(answer);
        Copies seen;
        const bool right = wait_for_copies(wanted, [&]() -> Copies & {
            count_here(here, seen);
            count_on_wire(wire, request, seen);
            return seen;
        });
        if (!right)
            return check_failure("ARP",
                                 fmt::format("{}; wanted {}", text_of(seen), text_of(wanted)));
        return text_of(seen);
    }

    [[nodiscard]] Copies wanted_copies(const Mac &answer) const
    {
        Copies wanted;
        for (const Ip &vtep : vteps_)
            wanted["request to " + vtep.text()] = 1;
        if (!vteps_.empty())
            wanted["reply by unicast"] = 1;
        wanted["answer " + answer.text()] = 1;
        return wanted;
    }

    void count_here(Capture &here, Copies &seen) const
    {
        for (const Frame &caught : here.drain())
            if (const auto reply = parse_arp_reply(caught.bytes);
                !caught.outgoing && reply && reply->ip == to_)
                seen["answer " + reply->mac.text()]++;
    }

    void count_on_wire(Capture &wire, const TestFrame &request, Copies &seen) const
    {
        for (const Frame &caught : wire.drain()) {
            const auto packet = parse_encapsulated(caught.bytes);
            if (!packet)
                continue;
            if (caught.outgoing && request.is_in(packet->inner))
                seen["request to " + packet->outer.to.text()]++;
            if (const auto reply = parse_arp_reply(packet->inner);
                !caught.outgoing && reply && reply->ip == to_)
                seen[packet->outer.to.is_multicast() ? "reply by multicast" : "reply by unicast"]++;
        }
    }

    LabDevice from_;
    Ip to_;
    LabDevice answer_;      // the device whose MAC is the answer
    LabDevice wire_;        // an underlay port of the same host
    std::vector<Ip> vteps_; // the request is sent there; none: it stays on the host
};

const CheckType<Arp> arp_check("arp");

} // namespace

} // namespace xvtep
