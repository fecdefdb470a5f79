/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading a packet within its bounds, as the verifier wants it. */
#ifndef XVTEP_BPF_CURSOR_H
#define XVTEP_BPF_CURSOR_H

#include "bpf/common.h"

struct cursor {
    void *at;
    void *end;
};

/* Returns the next `size` bytes and advances, or NULL if the packet ends before. */
static __always_inline void *take(struct cursor *c, __u32 size)
{
    void *at = c->at;

    if (at + size > c->end)
        return NULL;
    c->at = at + size;
    return at;
}

#endif
