// SPDX-License-Identifier: GPL-2.0-only
// Makes frames: a template, then mutations. A seed gives the same frames on every machine.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "tests/differential/frame.h"
#include "tests/differential/variants.h"

namespace xvtep::differential {

// splitmix64: the same numbers everywhere, unlike the standard library's distributions.
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next()
    {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
        return z ^ z >> 31;
    }
    unsigned below(unsigned bound) { return static_cast<unsigned>(next() % bound); }
    bool chance(unsigned of_1000) { return below(1000) < of_1000; }
    template <class T> const T &of(const T *list, std::size_t count)
    {
        return list[next() % count];
    }
    template <class T, std::size_t n> const T &of(const T (&list)[n]) { return of(list, n); }

  private:
    std::uint64_t state_;
};

class Generator {
  public:
    Generator(const Variant &variant, std::uint64_t seed) : variant_(variant), random_(seed) {}

    Frame next();

  private:
    struct Host;
    struct Inner {
        Bytes bytes{};
        std::string what{};
    };
    void wire_frame();
    void vxlan_packet();
    void underlay_packet();
    void container_frame();
    void gso_frame(Side side);
    void train();

    Inner inner(Side from, bool may_be_large);
    Bytes payload(unsigned protocol, bool v6, std::string &what);
    Bytes l3(std::string &what, std::uint16_t &type);
    Bytes l4(unsigned protocol, bool v6, const Bytes &source, const Bytes &target,
             std::string &what);
    Bytes arp(std::string &what);
    Bytes nd(std::string &what, const Bytes &source, const Bytes &target);
    Bytes mac(Side from, bool source);
    Bytes address(bool v6);
    std::size_t size();
    void add_tags(Bytes &frame, std::string &what, unsigned of_1000);
    void flip(Bytes &frame, std::size_t from, std::size_t to, std::string &what);
    Bytes outer(const Bytes &inner, std::string &what, Bytes *unfragmented = nullptr);
    void fragments(const Bytes &packet, const std::string &what);
    void put(Side side, Bytes bytes, std::string what, const Shape &shape = {});

    // No bridge serves the containers of xvtep's twin.
    [[nodiscard]] bool members() const
    {
        return variant_.layout == Layout::trunk || variant_.layout == Layout::many;
    }

    const Variant &variant_;
    Random random_;
    std::deque<Frame> queue_;
    std::uint16_t id_ = 1; // of fragmented packets
    unsigned flow_ = 0;
};

} // namespace xvtep::differential
