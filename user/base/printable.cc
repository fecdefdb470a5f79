// SPDX-License-Identifier: GPL-2.0-only
#include "user/base/printable.h"

#include <cctype>

namespace xvtep {

std::string printable(std::string text, Newlines newlines)
{
    for (std::size_t at = 0; at < text.size(); at++) {
        const auto octet = static_cast<unsigned char>(text[at]);
        const auto before = at > 0 ? static_cast<unsigned char>(text[at - 1]) : 0;
        // U+0080 to U+009F in UTF-8: a terminal reads each as an escape sequence's start.
        const bool c1 = before == 0xc2 && octet >= 0x80 && octet < 0xa0;
        if (std::iscntrl(octet) != 0 ? !(newlines == Newlines::kept && octet == '\n') : c1)
            text[at] = '?';
        if (c1)
            text[at - 1] = '?';
    }
    return text;
}

} // namespace xvtep
