/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What our programs tell each other about a packet: skb->tc_index. It stays with a packet through
 * the kernel's vxlan device, IP fragmentation, reassembly and segmentation, but is never believed
 * where packets of another namespace come in: there it is set to 0 first.
 */
#ifndef XVTEP_BPF_MARKS_H
#define XVTEP_BPF_MARKS_H

enum xv_mark {
    XV_MARK_FROM_PORT = 0x7877, /* to tc_device_egress: the other ports have had their copies */
    XV_MARK_DELIVERED =
        0x7878, /* to tc_device_ingress, tc_port_egress: delivered and counted by us */
    XV_MARK_DELIVERED_OTHER_MAC =
        0x7879,                   /* the same; the MAC is not the one we know the device by */
    XV_MARK_BRIDGE_COPY = 0x787b, /* to tc_device_ingress, tc_port_egress: a copy for the bridge;
                          its frame is delivered */
    XV_MARK_NO_ENTRY =
        0x787a, /* to tc_underlay_egress: our FDB has no entry; counted as no_tx_target */

    XV_MARK_TYPE = 0xc000,
    XV_MARK_SENDER = 0x8000, /* to tc_device_ingress: came from senders[the rest] */
    XV_MARK_EXPECT =
        0xc000, /* to tc_underlay_egress: must leave for the VTEP that the rest is a hash of */
    XV_MARK_EXPECT_PORT =
        0x2000, /* with XV_MARK_EXPECT: must leave by the port that it leaves by */
    XV_MARK_EXPECT_HASH = 0x1fff,
    XV_MARK_EXPECT_TUNNEL =
        0x1f,               /* of the hash: VNI and UDP port, which later fragments do not tell */
    XV_MARK_EXPECT_ANY = 0, /* as a hash: the kernel's device may know better */
};

#endif
