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

#include "user/base/debug_log.h"

namespace xvtep {
namespace {

// The innermost object of this thread. libbpf's print function has no argument to pass it by.
thread_local LibbpfLog *innermost = nullptr;

// A warning may contain the verifier's log. Its last line before the statistics says why the
// program was refused.
std::string verifier_reason(std::string_view text)
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
    debug_log(text);
    if (level == 0 && !text.empty()) // LIBBPF_WARN and LIBXDP_WARN
        LibbpfLog::add_warning(text);
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

LibbpfLog::LibbpfLog() : outer_(innermost)
{
    static const bool installed = [] {
        libbpf_set_print(note_bpf);
        libxdp_set_print(note_xdp);
        return true;
    }();
    (void)installed;
    innermost = this;
}

LibbpfLog::~LibbpfLog()
{
    innermost = outer_;
}

void LibbpfLog::add_warning(const std::string &text)
{
    if (innermost == nullptr)
        return;
    innermost->warning_ = text.substr(0, text.find('\n'));
    if (innermost->verifier_.empty())
        innermost->verifier_ = verifier_reason(text);
}

} // namespace xvtep
