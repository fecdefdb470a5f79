/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * skb->tc_index carries what one program tells the next one about a packet. The kernel keeps it
 * through its vxlan device, IP fragmentation, reassembly and segmentation. Where packets enter from
 * another namespace (tc_underlay_ingress, tc_port_ingress) it may be anything, and is set to 0.
 */
#ifndef XVTEP_BPF_MARKS_H
#define XVTEP_BPF_MARKS_H

enum xv_mark {
    /*
     * The other ports of the VTEP have had their copies of this frame.
     * Set by port_to_tunnel(), read by tc_device_egress.
     */
    XV_MARK_FROM_PORT = 0x7877,

    /*
     * The frame is delivered and counted; its MAC is the VTEP's device's, or a port's.
     * Set by to_port(), to_device() and answer(), read by tc_device_ingress and tc_port_egress,
     * which let it pass.
     */
    XV_MARK_DELIVERED = 0x7878,

    /*
     * As XV_MARK_DELIVERED, but the MAC is not the one that we know the VTEP's device by: if the
     * kernel takes it for the device's own, the device's MAC has changed.
     * Set by to_device() and to_bridge_or_flood(), read by tc_device_ingress.
     */
    XV_MARK_DELIVERED_OTHER_MAC = 0x7879,

    /*
     * Our FDB has no entry for the frame, and it was counted as no_tx_target; the kernel's device
     * may have one.
     * Set by device_to_tunnel(), read by tc_underlay_egress, which corrects the count.
     */
    XV_MARK_NO_ENTRY = 0x787a,

    /*
     * A copy from which the bridge learns the source; the frame itself is delivered.
     * Set by to_known_port(), read by tc_device_ingress, which lets it pass, and tc_port_egress,
     * which drops it.
     */
    XV_MARK_BRIDGE_COPY = 0x787b,

    /*
     * The copy of a flood has tunnel metadata, where no XV_MARK_SENDER could be given out.
     * Set by flood_by_key(), read by tc_device_egress, which lets it pass.
     */
    XV_MARK_KEYED = 0x787c,

    /*
     * The frame is of an adopted device, and has an entry without a next hop: bpf/adopt_egress.h.
     * Set by adopt_device_egress, read by adopt_underlay_egress, which learns the next hop.
     */
    XV_MARK_ADOPTED = 0x787d,

    /*
     * As XV_MARK_SENDER, for an adopted device: bpf/adopt_ingress.h. It is none of the kinds below.
     * Set by adopt_underlay_ingress, read by adopt_device_ingress.
     */
    XV_MARK_ADOPTED_SENDER = 0x2000,

    /* The two upper bits tell the kinds below, which carry data, from each other and the above. */
    XV_MARK_TYPE = 0xc000,

    /*
     * The VTEP that sent the packet is senders[the other bits].
     * Set by mark_sender() at tc_underlay_ingress, and by device_to_tunnel() and flood_by_key() for
     * other VTEPs of this host; read by tc_device_ingress.
     */
    XV_MARK_SENDER = 0x8000,

    /*
     * The kernel's device must send the frame to the VTEP that XV_MARK_EXPECT_HASH is a hash of.
     * Set by leave_to_kernel(), read by tc_underlay_egress, which drops it otherwise, and by
     * tc_device_ingress: there it is an ICMP error of the kernel about such a frame.
     */
    XV_MARK_EXPECT = 0xc000,
    XV_MARK_EXPECT_PORT = 0x2000, /* its FDB entry, or its VTEP, names the underlay port */
    XV_MARK_EXPECT_HASH = 0x1fef,
    XV_MARK_EXPECT_OTHER_VNI =
        0x10,                     /* it leaves with another VNI or UDP port than its VTEP's own */
    XV_MARK_EXPECT_TUNNEL = 0x0f, /* of the hash: VNI and UDP port, absent in later fragments */
    XV_MARK_EXPECT_ANY = 0,       /* a hash for any VTEP: the kernel's device may know better */
};

#endif
