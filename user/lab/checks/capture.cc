// SPDX-License-Identifier: GPL-2.0-only
// "capture": what an underlay port sends while a node pings an address.
#include <fmt/format.h>

#include "user/lab/check.h"
#include "user/lab/echo.h"
#include "user/lab/values.h"

namespace xvtep {

namespace {

class CaptureCheck : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("device", device_, names.device());
        json.need("from", from_, names.node());
        json.need("to", to_);
        json.take("absent", absent_);
        json.take("vni", vni_, read_vni);
        json.take("dstport", dstport_, read_udp_port);
        json.take("df", df_);
        json.take("inner_source", inner_source_, names.device());
        json.take("inner_destination", inner_destination_, names.device());
        json.take("outer_source", outer_source_, names.device());
        json.take("outer_destination", outer_destination_, names.device());
    }

    void run(CheckRun &run) override
    {
        where_ = fmt::format("{} pings {}, on {}", from_, to_.text(), device_.text());
        const Result<Seen> seen = watch(run);
        if (!seen) {
            run.fail(where_, seen.error().message());
            return;
        }
        const std::size_t count = seen->encapsulated.size();
        const std::string counts = fmt::format("{} in VXLAN, {} plain", count, seen->plain);
        if (absent_) {
            run.report(where_ + ": nothing of it passes", count == 0 && seen->plain == 0, counts);
            return;
        }
        run.report(where_ + ": 3 requests leave in VXLAN", count == 3 && seen->plain == 0, counts);
        if (count == 0)
            return;
        compare_numbers(run, *seen);
        compare_macs(run, *seen);
    }

  private:
    // The echo requests that leave the port.
    struct Seen {
        std::vector<Frame> frames; // the packets refer to them
        std::vector<VxlanPacket> encapsulated;
        unsigned plain = 0;
    };

    Result<Seen> watch(CheckRun &run) const
    {
        const Netns &from = run.node(from_).netns;
        TRY(warm_up(from, to_));
        TRY_ASSIGN(Capture capture, run.capture_on(device_));
        TRY_ASSIGN(const EchoOutcome outcome, send_echoes(from, {.to = to_, .count = 3}));
        if (outcome.received != outcome.sent)
            return check_failure("ping", "lost");
        const auto is_it = [&](const Packet &packet) {
            return packet.echo && packet.echo->request && packet.echo->id == outcome.id;
        };
        Seen seen{capture.drain(), {}, 0};
        for (const Frame &frame : seen.frames) {
            if (!frame.outgoing)
                continue;
            if (const auto packet = parse_vxlan(frame.bytes); packet && is_it(packet->inner))
                seen.encapsulated.push_back(*packet);
            else if (const auto plain = parse_packet(frame.bytes); plain && is_it(*plain))
                seen.plain++;
        }
        return seen;
    }

    // Reports whether `property` of each packet is the one that is wanted.
    template <class T>
    static void compare(CheckRun &run, const std::string &what, const Seen &seen, const T &wanted,
                        auto &&property, auto &&text)
    {
        for (const VxlanPacket &packet : seen.encapsulated)
            if (property(packet) != wanted) {
                run.fail(what, fmt::format("{}, not {}", text(property(packet)), text(wanted)));
                return;
            }
        run.pass(what, text(wanted));
    }

    void compare_numbers(CheckRun &run, const Seen &seen) const
    {
        const auto number = [](auto value) { return fmt::format("{}", value); };
        if (vni_)
            compare(
                run, where_ + ": VNI", seen, *vni_,
                [](const VxlanPacket &packet) { return packet.vni; }, number);
        if (dstport_)
            compare(
                run, where_ + ": destination port", seen, *dstport_,
                [](const VxlanPacket &packet) { return packet.outer.udp->destination; }, number);
        if (df_)
            compare(
                run, where_ + ": outer DF", seen, *df_,
                [](const VxlanPacket &packet) { return packet.outer.df; }, number);
    }

    void compare_macs(CheckRun &run, const Seen &seen) const
    {
        compare_mac(run, seen, "inner source MAC", inner_source_,
                    [](const VxlanPacket &packet) { return packet.inner.source; });
        compare_mac(run, seen, "inner destination MAC", inner_destination_,
                    [](const VxlanPacket &packet) { return packet.inner.destination; });
        compare_mac(run, seen, "outer source MAC", outer_source_,
                    [](const VxlanPacket &packet) { return packet.outer.source; });
        compare_mac(run, seen, "outer destination MAC", outer_destination_,
                    [](const VxlanPacket &packet) { return packet.outer.destination; });
    }

    void compare_mac(CheckRun &run, const Seen &seen, const char *which,
                     const std::optional<LabDevice> &device, auto &&property) const
    {
        if (!device)
            return;
        const std::string what = fmt::format("{}: {} is {}'s", where_, which, device->text());
        if (const Result<Mac> mac = run.mac_of(*device))
            compare(run, what, seen, *mac, property, [](const Mac &value) { return value.text(); });
        else
            run.fail(what, mac.error().message());
    }

    LabDevice device_;
    std::string from_;
    Ip to_;
    bool absent_ = false; // the requests do not pass the device
    std::optional<std::uint32_t> vni_;
    std::optional<std::uint16_t> dstport_;
    std::optional<bool> df_; // of the outer header
    // The devices whose MACs the headers have.
    std::optional<LabDevice> inner_source_, inner_destination_, outer_source_, outer_destination_;
    std::string where_;
};

const CheckType<CaptureCheck> capture_check("capture");

} // namespace

} // namespace xvtep
