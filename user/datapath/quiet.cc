// SPDX-License-Identifier: GPL-2.0-only
#include "user/datapath/quiet.h"

#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include <cstdarg>
#include <cstdio>

#include <spdlog/spdlog.h>

namespace xvtep {
namespace {

thread_local std::string complaint;

int note(int level, const char *format, va_list arguments)
{
    char line[1024];
    const int size = std::vsnprintf(line, sizeof(line), format, arguments);
    std::string text(line);
    while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
        text.pop_back();
    spdlog::debug("{}", text);
    if (level == 0 && !text.empty())
        complaint = text.substr(0, text.find('\n'));
    return size;
}

int note_bpf(libbpf_print_level level, const char *format, va_list arguments)
{
    return note(static_cast<int>(level), format, arguments);
}

int note_xdp(libxdp_print_level level, const char *format, va_list arguments)
{
    return note(static_cast<int>(level), format, arguments);
}

} // namespace

void quiet_libraries()
{
    libbpf_set_print(note_bpf);
    libxdp_set_print(note_xdp);
    complaint.clear();
}

std::string last_complaint() { return complaint; }

} // namespace xvtep
