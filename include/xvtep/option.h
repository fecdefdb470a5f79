// SPDX-License-Identifier: GPL-2.0-only
// The options of attach and set, one row each. The command line, its help, the man page, `xvtep
// show`, the lab files and the messages to the kernel's vxlan device are derived from these rows.
//
// A new option needs its field in vtep.h, its row in user/vtep/options.cc and, where the programs
// use it, a field in bpf/abi/tables.h, a line in each direction in user/vtep/record.cc, and the
// program that uses it.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <xvtep/ip.h>
#include <xvtep/mac.h>
#include <xvtep/vtep.h>

namespace xvtep {

// The headings of the help page, in its order.
enum class OptionGroup { tunnel, outer_headers, vxlan_header, learning, misses, device };
[[nodiscard]] const char *option_group_title(OptionGroup group);

struct PortRangeField {
    std::uint16_t AttachRequest::*low;
    std::uint16_t AttachRequest::*high;
    bool operator==(const PortRangeField &) const = default;
};

// The field of an option. Its type decides how the value is read and printed.
using OptionField = std::variant<
    bool AttachRequest::*, std::optional<bool> AttachRequest::*, std::uint16_t AttachRequest::*,
    std::uint32_t AttachRequest::*, std::optional<std::uint32_t> AttachRequest::*,
    std::optional<std::uint64_t> AttachRequest::*, OrInherit AttachRequest::*, Df AttachRequest::*,
    Accept AttachRequest::*, Mode AttachRequest::*, std::optional<Ip> AttachRequest::*,
    std::optional<Mac> AttachRequest::*, std::string AttachRequest::*,
    std::vector<std::string> AttachRequest::*, PortRangeField>;

// The attribute of the kernel's vxlan device (linux/if_link.h).
struct OptionAttribute {
    int type = 0;  // IFLA_VXLAN_*; 0: the kernel's device does not have the option
    int other = 0; // the attribute for an IPv6 address, or for "inherit"
    bool network_order = false;
    bool by_presence = false; // the attribute has no value: it is there or not
    bool fixed = false;       // the kernel refuses to change it on a living device
    bool by_programs = false; // attach leaves it off on the device: the BPF programs do it
};

struct AttachOption {
    const char *word;       // on the command line: "hard-ageing"
    const char *alias = ""; // a second word: "id"
    OptionField field;
    const char *value = ""; // the name of the value in help: "N|inherit"; "": a switch
    OptionGroup group;
    const char *help;                      // a sentence
    const char *initial = "";              // the default, as help says it; "": none
    std::uint64_t lowest = 0, highest = 0; // of numbers
    OptionAttribute kernel{};
    const char *noun = "";    // in errors; "": the word
    const char *shown = "";   // the word in `show`; "": the word
    bool headline = false;    // `show` prints it in the first line of a VTEP
    bool hexadecimal = false; // printed so; `tos` is also read so
    const char *kept = "";    // why `set` does not change it; "": it does, unless kernel.fixed
};

// A value without its type: none, a switch, a number, a word, words, or a range.
using OptionValue = std::variant<std::monostate, bool, std::uint64_t, std::string,
                                 std::vector<std::string>, std::array<std::uint64_t, 2>>;

// All options in the order of the help page; `dev` is the first.
[[nodiscard]] std::span<const AttachOption> attach_options();

// By word or alias, with '_' as good as '-'; nullptr if there is none.
[[nodiscard]] const AttachOption *find_option(std::string_view word);

// The key in JSON and in lab files: the word with '_' for '-'.
[[nodiscard]] std::string option_key(const AttachOption &option);

// Why change_vtep() refuses to change the option, as a clause: "the kernel cannot change it on a
// living device"; "" if it may be changed.
[[nodiscard]] std::string_view why_kept(const AttachOption &option);

// How many words the value has on the command line: 0 for a switch, 2 for a range.
[[nodiscard]] unsigned option_arity(const AttachOption &option);

// Errors: the cause, without the object.
using OptionResult = std::expected<void, std::string>;

// From the words of a command line, as many as option_arity(). A switch is turned on.
OptionResult read_option(AttachRequest &request, const AttachOption &option,
                         std::span<const std::string> words);
// From a value of JSON. The cause does not name the option.
OptionResult set_option(AttachRequest &request, const AttachOption &option,
                        const OptionValue &value);
// Turns a switch on or off; false: the option is not a switch.
bool switch_option(AttachRequest &request, const AttachOption &option, bool on);

// `request` may be a VtepInfo, too.
[[nodiscard]] OptionValue option_value(const AttachRequest &request, const AttachOption &option);
// In the words of the command line: "ttl 64", "nolearning"; "" where the option has no value.
[[nodiscard]] std::string option_text(const AttachRequest &request, const AttachOption &option);
// Whether the value is what attach makes of a request without the option.
[[nodiscard]] bool option_is_default(const AttachRequest &request, const AttachOption &option);

// A name that a network device can have: the kernel's dev_valid_name().
[[nodiscard]] bool is_device_name(std::string_view name);
// The same for a device to be made: the kernel would replace '%', and control characters could
// steer a terminal.
[[nodiscard]] bool is_interface_name(std::string_view name);

// Options that `ip link add type vxlan` has and xvtep refuses, with the reason.
struct RefusedOption {
    const char *word;
    const char *reason;
};
[[nodiscard]] std::span<const RefusedOption> refused_options();

} // namespace xvtep
