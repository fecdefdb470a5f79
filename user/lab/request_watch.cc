// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/request_watch.h"

#include <linux/if_ether.h>
#include <netinet/in.h>

#include <chrono>

namespace xvtep {

namespace {

constexpr std::chrono::milliseconds read_interval{50};
constexpr std::size_t arp_operation = ETH_HLEN + 6, next_header = ETH_HLEN + 6,
                      icmp_type = ETH_HLEN + 40;
constexpr std::uint8_t solicitation = 135;

std::uint16_t word(std::span<const std::uint8_t> bytes, std::size_t at)
{
    return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

bool is_arp_request(std::span<const std::uint8_t> frame)
{
    return frame.size() >= arp_operation + 2 && word(frame, 2 * ETH_ALEN) == ETH_P_ARP &&
           word(frame, arp_operation) == 1;
}

bool is_solicitation(std::span<const std::uint8_t> frame)
{
    return frame.size() > icmp_type && word(frame, 2 * ETH_ALEN) == ETH_P_IPV6 &&
           frame[next_header] == IPPROTO_ICMPV6 && frame[icmp_type] == solicitation;
}

} // namespace

RequestWatch::RequestWatch(Capture capture)
    : capture_(std::move(capture)), thread_([this](const std::stop_token &stop) {
          while (!stop.stop_requested()) {
              read();
              std::this_thread::sleep_for(read_interval);
          }
      })
{
}

Result<std::unique_ptr<RequestWatch>> RequestWatch::open(LabNode &node)
{
    TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
    TRY_ASSIGN(Capture capture, Capture::open(0));
    return std::unique_ptr<RequestWatch>(new RequestWatch(std::move(capture)));
}

void RequestWatch::read()
{
    const std::lock_guard lock(mutex_);
    for (const Frame &frame : capture_.drain()) {
        // Each frame comes in at one port and goes out at others: only the former is counted.
        const auto packet = frame.outgoing ? std::nullopt : parse_encapsulated(frame.bytes);
        if (!packet)
            continue;
        counts_.frames++;
        counts_.arp += is_arp_request(packet->inner);
        counts_.solicitations += is_solicitation(packet->inner);
    }
}

RequestWatch::Counts RequestWatch::counts()
{
    read();
    const std::lock_guard lock(mutex_);
    return counts_;
}

} // namespace xvtep
