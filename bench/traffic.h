// SPDX-License-Identifier: GPL-2.0-only
// Traffic of sockets between two namespaces: threads of this process, each in its own.
#pragma once

#include <string>
#include <vector>

#include "user/base/result.h"

namespace xvtep::bench {

struct Route {
    std::string from, to;             // namespaces
    std::string address;              // of `to`
    int from_core = -1, to_core = -1; // -1: any
};

struct Throughput {
    double gbit = 0;             // a second, received
    double cpu_per_gigabyte = 0; // seconds of all cores, whoever used them
};

// Known content is sent and looked at on arrival in the first 100 kB of each stream.
Result<Throughput> tcp_streams(const Route &route, unsigned streams, double seconds);

struct Datagrams {
    std::size_t size;
    std::size_t burst = 1; // in one packet, UDP GSO
    bool merged = false;   // the receiver takes several in a read, UDP GRO
};

// Datagrams as fast as one thread sends; those that arrive, in thousands a second.
Result<double> udp_datagrams(const Route &route, const Datagrams &kind, double seconds);

// Round-trip times of one byte over one connection, in microseconds, sorted.
Result<std::vector<double>> round_trips(const Route &route, double seconds);

// Connections made, used for one byte each way and ended, a second.
Result<double> connections(const Route &route, double seconds);

} // namespace xvtep::bench
