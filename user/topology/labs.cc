// SPDX-License-Identifier: GPL-2.0-only
#include "user/topology/labs.h"

namespace xvtep {

namespace {

// Guides 001 and 004: two machines, an address on the VTEP's own device.
constexpr std::string_view p2p = R"({
  "name": "p2p",
  "description": "point to point: VNI 42 between two hosts, addresses on the VTEP devices",
  "wires": [{"ends": ["node1:enp0s8", "node2:enp0s8"], "mtu": 1500}],
  "hosts": [
    {"name": "node1",
     "addresses": {"enp0s8": ["192.168.8.100/24"]},
     "vteps": [{"name": "vxlan0", "vni": 42, "devices": ["enp0s8"], "dstport": 4789,
                "local": "192.168.8.100", "remote": "192.168.8.101",
                "addresses": ["10.20.1.2/24", "fd42:10:20:1::2/64"]}]},
    {"name": "node2",
     "addresses": {"enp0s8": ["192.168.8.101/24"]},
     "vteps": [{"name": "vxlan0", "vni": 42, "devices": ["enp0s8"], "dstport": 4789,
                "local": "192.168.8.101", "remote": "192.168.8.100",
                "addresses": ["10.20.1.3/24", "fd42:10:20:1::3/64"]}]}
  ],
  "checks": [
    {"type": "route", "node": "node1", "to": "10.20.1.0/24", "dev": "vxlan0"},
    {"type": "route", "node": "node2", "to": "10.20.1.0/24", "dev": "vxlan0"},
    {"type": "fdb", "device": "node1:vxlan0", "mac": "00:00:00:00:00:00",
     "dst": "192.168.8.101", "via": "enp0s8"},
    {"type": "fdb", "device": "node2:vxlan0", "mac": "00:00:00:00:00:00",
     "dst": "192.168.8.100", "via": "enp0s8"},
    {"type": "mtu", "device": "node1:vxlan0", "below": "enp0s8"},
    {"type": "mtu", "device": "node2:vxlan0", "below": "enp0s8"},
    {"type": "ping", "from": "node1", "to": "node2", "ttl": 64},
    {"type": "ping", "from": "node1", "to": "node2", "size": 1400},
    {"type": "capture", "device": "node1:enp0s8", "from": "node1", "to": "10.20.1.3",
     "vni": 42, "dstport": 4789,
     "inner_source": "node1:vxlan0", "inner_destination": "node2:vxlan0",
     "outer_source": "node1:enp0s8", "outer_destination": "node2:enp0s8"},
    {"type": "tcp", "from": "node1", "to": "node2"},
    {"type": "fdb", "device": "node1:vxlan0", "mac_of": "node2:vxlan0",
     "dst": "192.168.8.101", "learned": true},
    {"type": "fdb", "device": "node2:vxlan0", "mac_of": "node1:vxlan0",
     "dst": "192.168.8.100", "learned": true},
    {"type": "counted", "device": "node1:vxlan0"},
    {"type": "counted", "device": "node2:vxlan0"}
  ]
})";

// Guides 000 and 001: containers on a Linux bridge, the VTEP's device a port of it.
constexpr std::string_view bridge = R"({
  "name": "bridge",
  "description": "containers on a bridge on each of two hosts, the VTEP a port of it, VNI 42",
  "wires": [{"ends": ["node1:enp0s8", "node2:enp0s8"], "mtu": 1500}],
  "hosts": [
    {"name": "node1",
     "addresses": {"enp0s8": ["192.168.8.100/24"]},
     "bridges": [{"name": "br0"}],
     "containers": [
       {"name": "container1", "host_device": "veth1", "bridge": "br0", "mtu": 1450,
        "addresses": ["10.20.1.2/24", "fd42:10:20:1::2/64"]},
       {"name": "container2", "host_device": "veth2", "bridge": "br0", "mtu": 1450,
        "addresses": ["10.20.1.4/24", "fd42:10:20:1::4/64"]}],
     "vteps": [{"name": "vxlan0", "vni": 42, "devices": ["enp0s8"], "dstport": 4789,
                "local": "192.168.8.100", "remote": "192.168.8.101", "bridge": "br0"}]},
    {"name": "node2",
     "addresses": {"enp0s8": ["192.168.8.101/24"]},
     "bridges": [{"name": "br1"}],
     "containers": [
       {"name": "container3", "host_device": "veth1", "bridge": "br1", "mtu": 1450,
        "addresses": ["10.20.1.3/24", "fd42:10:20:1::3/64"]},
       {"name": "container4", "host_device": "veth2", "bridge": "br1", "mtu": 1450,
        "addresses": ["10.20.1.5/24", "fd42:10:20:1::5/64"]}],
     "vteps": [{"name": "vxlan0", "vni": 42, "devices": ["enp0s8"], "dstport": 4789,
                "local": "192.168.8.101", "remote": "192.168.8.100", "bridge": "br1"}]}
  ],
  "checks": [
    {"type": "fdb", "device": "node1:vxlan0", "mac": "00:00:00:00:00:00",
     "dst": "192.168.8.101", "via": "enp0s8"},
    {"type": "mtu", "device": "node1:vxlan0", "below": "enp0s8"},
    {"type": "mtu", "device": "node2:vxlan0", "below": "enp0s8"},
    {"type": "ping", "from": "container1", "to": "container2", "ttl": 64},
    {"type": "ping", "from": "container3", "to": "container4", "ttl": 64},
    {"type": "capture", "device": "node1:enp0s8", "from": "container1", "to": "10.20.1.4",
     "absent": true},
    {"type": "ping", "from": "container1", "to": "container3", "ttl": 64},
    {"type": "ping", "from": "container2", "to": "container4", "ttl": 64},
    {"type": "ping", "from": "container1", "to": "container4", "size": 1400},
    {"type": "capture", "device": "node1:enp0s8", "from": "container1", "to": "10.20.1.3",
     "vni": 42, "dstport": 4789,
     "inner_source": "container1:eth0", "inner_destination": "container3:eth0",
     "outer_source": "node1:enp0s8", "outer_destination": "node2:enp0s8"},
    {"type": "tcp", "from": "container1", "to": "container3"},
    {"type": "fdb", "device": "node1:vxlan0", "mac_of": "container3:eth0",
     "dst": "192.168.8.101", "learned": true},
    {"type": "fdb", "device": "node2:vxlan0", "mac_of": "container1:eth0",
     "dst": "192.168.8.100", "learned": true},
    {"type": "counted", "device": "node1:vxlan0"},
    {"type": "counted", "device": "node2:vxlan0"}
  ]
})";

// Guide 002, first half: VyOS gateways under containerlab.
constexpr std::string_view gateways = R"({
  "name": "gateways",
  "description": "two servers behind routing gateways: VNI 10, port 8472, underlay MTU 9500",
  "wires": [{"ends": ["gw1:eth2", "gw2:eth2"], "mtu": 9500}],
  "hosts": [
    {"name": "gw1",
     "sysctls": {"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1"},
     "addresses": {"eth1": ["10.1.5.1/24", "fd10:1:5::1/64"], "eth2": ["172.12.1.10/24"]},
     "containers": [
       {"name": "server1", "device": "net0", "host_device": "eth1", "mtu": 9500,
        "addresses": ["10.1.5.10/24", "fd10:1:5::10/64"],
        "gateways": ["10.1.5.1", "fd10:1:5::1"]}],
     "vteps": [{"name": "vxlan0", "vni": 10, "devices": ["eth2"], "dstport": 8472,
                "remote": "172.12.1.11", "ttl": 16, "mtu": 1500,
                "addresses": ["1.1.1.1/24", "fd01:1:1:1::1/64"],
                "routes": [{"to": "10.1.8.0/24", "via": "1.1.1.2"},
                           {"to": "fd10:1:8::/64", "via": "fd01:1:1:1::2"}]}]},
    {"name": "gw2",
     "sysctls": {"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1"},
     "addresses": {"eth1": ["10.1.8.1/24", "fd10:1:8::1/64"], "eth2": ["172.12.1.11/24"]},
     "containers": [
       {"name": "server2", "device": "net0", "host_device": "eth1", "mtu": 9500,
        "addresses": ["10.1.8.10/24", "fd10:1:8::10/64"],
        "gateways": ["10.1.8.1", "fd10:1:8::1"]}],
     "vteps": [{"name": "vxlan0", "vni": 10, "devices": ["eth2"], "dstport": 8472,
                "remote": "172.12.1.10", "ttl": 16, "mtu": 1500,
                "addresses": ["1.1.1.2/24", "fd01:1:1:1::2/64"],
                "routes": [{"to": "10.1.5.0/24", "via": "1.1.1.1"},
                           {"to": "fd10:1:5::/64", "via": "fd01:1:1:1::1"}]}]}
  ],
  "checks": [
    {"type": "route", "node": "gw1", "to": "10.1.8.0/24", "via": "1.1.1.2", "dev": "vxlan0"},
    {"type": "route", "node": "gw2", "to": "10.1.5.0/24", "via": "1.1.1.1", "dev": "vxlan0"},
    {"type": "fdb", "device": "gw1:vxlan0", "mac": "00:00:00:00:00:00",
     "dst": "172.12.1.11", "via": "eth2"},
    {"type": "mtu", "device": "gw1:eth2", "mtu": 9500},
    {"type": "mtu", "device": "gw1:vxlan0", "mtu": 1500},
    {"type": "ping", "from": "server1", "to": "server2", "ttl": 62},
    {"type": "ping", "from": "server1", "to": "server2", "size": 1400},
    {"type": "ping", "from": "gw1", "to": "gw2", "ttl": 64},
    {"type": "capture", "device": "gw1:eth2", "from": "server1", "to": "10.1.8.10",
     "vni": 10, "dstport": 8472,
     "inner_source": "gw1:vxlan0", "inner_destination": "gw2:vxlan0",
     "outer_source": "gw1:eth2", "outer_destination": "gw2:eth2"},
    {"type": "capture", "device": "gw2:eth2", "from": "server2", "to": "10.1.5.10",
     "vni": 10, "dstport": 8472,
     "inner_source": "gw2:vxlan0", "inner_destination": "gw1:vxlan0",
     "outer_source": "gw2:eth2", "outer_destination": "gw1:eth2"},
    {"type": "tcp", "from": "server1", "to": "server2"},
    {"type": "fdb", "device": "gw1:vxlan0", "mac_of": "gw2:vxlan0",
     "dst": "172.12.1.11", "learned": true},
    {"type": "counted", "device": "gw1:vxlan0"},
    {"type": "counted", "device": "gw2:vxlan0"}
  ]
})";

// Guide 002, second half: the same by hand, the bridge being the containers' gateway.
constexpr std::string_view routed_bridge = R"({
  "name": "routed-bridge",
  "description": "containers whose gateway is the host's bridge, routed through VNI 20",
  "wires": [{"ends": ["host141:ens33", "host142:ens33"], "mtu": 1500}],
  "hosts": [
    {"name": "host141",
     "sysctls": {"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1"},
     "addresses": {"ens33": ["172.16.94.141/24"], "br0": ["10.1.5.1/24", "fd10:1:5::1/64"]},
     "bridges": [{"name": "br0"}],
     "containers": [
       {"name": "ns1", "device": "int0", "host_device": "br-int0", "bridge": "br0",
        "addresses": ["10.1.5.10/24", "fd10:1:5::10/64"],
        "gateways": ["10.1.5.1", "fd10:1:5::1"]}],
     "vteps": [{"name": "vxlan0", "vni": 20, "devices": ["ens33"], "dstport": 4789,
                "remote": "172.16.94.142",
                "addresses": ["1.1.1.1/24", "fd01:1:1:1::1/64"],
                "routes": [{"to": "10.1.8.0/24", "via": "1.1.1.2"},
                           {"to": "fd10:1:8::/64", "via": "fd01:1:1:1::2"}]}]},
    {"name": "host142",
     "sysctls": {"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1"},
     "addresses": {"ens33": ["172.16.94.142/24"], "br0": ["10.1.8.1/24", "fd10:1:8::1/64"]},
     "bridges": [{"name": "br0"}],
     "containers": [
       {"name": "ns2", "device": "int0", "host_device": "br-int0", "bridge": "br0",
        "addresses": ["10.1.8.10/24", "fd10:1:8::10/64"],
        "gateways": ["10.1.8.1", "fd10:1:8::1"]}],
     "vteps": [{"name": "vxlan0", "vni": 20, "devices": ["ens33"], "dstport": 4789,
                "remote": "172.16.94.141",
                "addresses": ["1.1.1.2/24", "fd01:1:1:1::2/64"],
                "routes": [{"to": "10.1.5.0/24", "via": "1.1.1.1"},
                           {"to": "fd10:1:5::/64", "via": "fd01:1:1:1::1"}]}]}
  ],
  "checks": [
    {"type": "route", "node": "host141", "to": "10.1.8.0/24", "via": "1.1.1.2", "dev": "vxlan0"},
    {"type": "route", "node": "host142", "to": "10.1.5.0/24", "via": "1.1.1.1", "dev": "vxlan0"},
    {"type": "mtu", "device": "host141:vxlan0", "below": "ens33"},
    {"type": "mtu", "device": "host142:vxlan0", "below": "ens33"},
    {"type": "fdb", "device": "host141:vxlan0", "mac": "00:00:00:00:00:00",
     "dst": "172.16.94.142", "via": "ens33"},
    {"type": "ping", "from": "ns1", "to": "ns2", "ttl": 62},
    {"type": "ping", "from": "ns1", "to": "ns2", "size": 1400},
    {"type": "capture", "device": "host141:ens33", "from": "ns1", "to": "10.1.8.10",
     "vni": 20, "dstport": 4789,
     "inner_source": "host141:vxlan0", "inner_destination": "host142:vxlan0",
     "outer_source": "host141:ens33", "outer_destination": "host142:ens33"},
    {"type": "tcp", "from": "ns1", "to": "ns2"},
    {"type": "fdb", "device": "host141:vxlan0", "mac_of": "host142:vxlan0",
     "dst": "172.16.94.142", "learned": true},
    {"type": "counted", "device": "host141:vxlan0"},
    {"type": "counted", "device": "host142:vxlan0"}
  ]
})";

// Guide 004: the VTEP joins the bridge that a container engine made and owns.
constexpr std::string_view engine = R"({
  "name": "engine",
  "description": "the VTEP joins a container engine's bridge, VNI 200, and leaves it as it was",
  "wires": [{"ends": ["vm1:eth0", "vm2:eth0"], "mtu": 1500}],
  "hosts": [
    {"name": "vm1",
     "addresses": {"eth0": ["172.31.0.106/20"], "br-3231f89d69f6": ["172.18.0.1/16"]},
     "bridges": [{"name": "br-3231f89d69f6", "mac": "02:42:1c:3a:06:01", "mtu": 1450}],
     "containers": [
       {"name": "centos1", "host_device": "veth1a2b3c4", "bridge": "br-3231f89d69f6",
        "mtu": 1450, "mac": "02:42:ac:12:00:02", "gateways": ["172.18.0.1"],
        "addresses": ["172.18.0.2/16", "fd00:172:18::2/64"]},
       {"name": "centos3", "host_device": "veth5d6e7f8", "bridge": "br-3231f89d69f6",
        "mtu": 1450, "mac": "02:42:ac:12:00:04", "gateways": ["172.18.0.1"],
        "addresses": ["172.18.0.4/16", "fd00:172:18::4/64"]}],
     "vteps": [{"name": "vxlan_docker", "vni": 200, "devices": ["eth0"], "dstport": 4789,
                "remote": "172.31.0.107", "bridge": "br-3231f89d69f6"}]},
    {"name": "vm2",
     "addresses": {"eth0": ["172.31.0.107/20"], "br-f4b35af34313": ["172.18.0.1/16"]},
     "bridges": [{"name": "br-f4b35af34313", "mac": "02:42:1c:3a:07:01", "mtu": 1450}],
     "containers": [
       {"name": "centos2", "host_device": "veth9a0b1c2", "bridge": "br-f4b35af34313",
        "mtu": 1450, "mac": "02:42:ac:12:00:03", "gateways": ["172.18.0.1"],
        "addresses": ["172.18.0.3/16", "fd00:172:18::3/64"]}],
     "vteps": [{"name": "vxlan_docker", "vni": 200, "devices": ["eth0"], "dstport": 4789,
                "remote": "172.31.0.106", "bridge": "br-f4b35af34313"}]}
  ],
  "checks": [
    {"type": "fdb", "device": "vm1:vxlan_docker", "mac": "00:00:00:00:00:00",
     "dst": "172.31.0.107", "via": "eth0"},
    {"type": "mtu", "device": "vm1:vxlan_docker", "below": "eth0"},
    {"type": "mtu", "device": "vm2:vxlan_docker", "below": "eth0"},
    {"type": "ping", "from": "centos1", "to": "centos3", "ttl": 64},
    {"type": "ping", "from": "centos1", "to": "centos2", "ttl": 64},
    {"type": "ping", "from": "centos3", "to": "centos2", "size": 1400},
    {"type": "capture", "device": "vm1:eth0", "from": "centos1", "to": "172.18.0.3",
     "vni": 200, "dstport": 4789,
     "inner_source": "centos1:eth0", "inner_destination": "centos2:eth0",
     "outer_source": "vm1:eth0", "outer_destination": "vm2:eth0"},
    {"type": "tcp", "from": "centos1", "to": "centos2"},
    {"type": "fdb", "device": "vm1:vxlan_docker", "mac_of": "centos2:eth0",
     "dst": "172.31.0.107", "learned": true},
    {"type": "bridge-untouched", "host": "vm1", "bridge": "br-3231f89d69f6"},
    {"type": "bridge-untouched", "host": "vm2", "bridge": "br-f4b35af34313"},
    {"type": "ping", "from": "centos1", "to": "centos2", "ttl": 64},
    {"type": "counted", "device": "vm1:vxlan_docker"},
    {"type": "counted", "device": "vm2:vxlan_docker"}
  ]
})";

} // namespace

const std::vector<std::string_view> &builtin_labs()
{
    static const std::vector<std::string_view> labs = {p2p, bridge, gateways, routed_bridge,
                                                       engine};
    return labs;
}

} // namespace xvtep
