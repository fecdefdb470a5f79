// SPDX-License-Identifier: GPL-2.0-only
#include "user/datapath/libbpf_log.h"

#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <ranges>
#include <string_view>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace xvtep {
namespace {

thread_local std::string complaint, refusal;

// Of a warning with the verifier's log in it: the last line of that but for its statistics.
std::string refusal_in(std::string_view text)
{
    const auto begin = text.find(" -- BEGIN PROG LOAD LOG --\n");
    if (begin == std::string_view::npos)
        return {};
    std::string_view last;
    for (const auto part : std::views::split(text.substr(begin), '\n')) {
        const std::string_view line(part);
        if (line.starts_with("processed ") || line.starts_with("-- END"))
            break;
        last = line;
    }
    return fmt::format("{} {}", text.substr(0, begin), last);
}

int note(int level, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    const int size = std::vsnprintf(nullptr, 0, format, again);
    va_end(again);
    std::string text(static_cast<std::size_t>(std::max(size, 0)), '\0');
    std::vsnprintf(text.data(), text.size() + 1, format, arguments);
    while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
        text.pop_back();
    spdlog::debug("{}", text);
    if (level == 0 && !text.empty()) {
        complaint = text.substr(0, text.find('\n'));
        if (refusal.empty())
            refusal = refusal_in(text);
    }
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

void capture_libbpf_log()
{
    libbpf_set_print(note_bpf);
    libxdp_set_print(note_xdp);
    complaint.clear();
    refusal.clear();
}

std::string last_libbpf_error()
{
    return refusal.empty() ? complaint : refusal;
}

} // namespace xvtep
