// SPDX-License-Identifier: GPL-2.0-only
// A layout that is in use stays as it is, and each older one can be carried over: README.md.

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "bpf/abi/tables.h"
#include "tests/upgrade/old_xvtep.h"
#include "user/datapath/bpf_object.h"
#include "user/datapath/datapath.h"
#include "user/datapath/sizes.h"
#include "user/vtep/carry.h"

namespace xvtep::test {
namespace {

constexpr __u32 layout = layout_of(XV_LAYOUT);

struct ReasonName {
    int number;
    const char *name;
};
constexpr ReasonName reasons[] = {
#define X(name, words, meaning) {XV_##name, words},
    XV_PASSED_REASONS(X) XV_DROPPED_REASONS(X)
#undef X
};

std::string here(const std::string &name)
{
    return fmt::format("{}/tests/upgrade/{}", XVTEP_SOURCE_DIR, name);
}

// Types in C's words; and a table of the members of the structs that were named.
class Types {
  public:
    explicit Types(const btf *types) : btf_(types) {}

    std::string name_of(__u32 id)
    {
        const btf_type *const type = btf__type_by_id(btf_, id);
        const std::string name = btf__name_by_offset(btf_, type->name_off);
        switch (btf_kind(type)) {
        case BTF_KIND_STRUCT:
        case BTF_KIND_UNION:
            if (std::ranges::count(wanted_, id) == 0)
                wanted_.push_back(id);
            return "struct " + (name.empty() ? "(no name)" : name);
        case BTF_KIND_ARRAY: {
            const struct btf_array *const array = btf_array(type);
            return fmt::format("{}[{}]", name_of(array->type), array->nelems);
        }
        case BTF_KIND_ENUM:
            return "enum " + name;
        case BTF_KIND_CONST:
        case BTF_KIND_VOLATILE:
            return name_of(type->type);
        default:
            return name;
        }
    }

    // The structs that were named so far, and those in them.
    std::string structs()
    {
        std::string text;
        for (std::size_t n = 0; n < wanted_.size(); n++) {
            const btf_type *const type = btf__type_by_id(btf_, wanted_[n]);
            text += fmt::format("\n{}: {} bytes\n", name_of(wanted_[n]), type->size);
            for (__u32 m = 0; m < btf_vlen(type); m++) {
                const struct btf_member &member = btf_members(type)[m];
                const __u32 bit = btf_member_bit_offset(type, m),
                            bits = btf_member_bitfield_size(type, m);
                const std::string at =
                    bits != 0 ? fmt::format("{}.{}", bit / 8, bit % 8) : std::to_string(bit / 8);
                text += fmt::format("  {:>5}  {} {}{}\n", at, name_of(member.type),
                                    btf__name_by_offset(btf_, member.name_off),
                                    bits != 0 ? fmt::format(" : {}", bits) : "");
            }
        }
        return text;
    }

  private:
    const btf *btf_;
    std::vector<__u32> wanted_;
};

std::string read(const std::string &path)
{
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

// Flags and modes, whose names no map knows.
std::string enums()
{
    std::string source = read(fmt::format("{}/bpf/abi/tables.h", XVTEP_SOURCE_DIR));
    for (auto from = source.find("/*"); from != std::string::npos; from = source.find("/*", from))
        source.erase(from, source.find("*/", from) + 2 - from);
    std::istringstream lines(source);
    std::string text;
    bool inside = false;
    for (std::string line; std::getline(lines, line);) {
        line.erase(line.find_last_not_of(' ') + 1);
        if (line.starts_with("enum "))
            text += "\n";
        inside = inside || line.starts_with("enum ");
        if (inside && line.find("XV_") != std::string::npos)
            text += line + "\n";
        else if (inside && line.starts_with("enum "))
            text += line.substr(0, line.find(" {")) + "\n";
        inside = inside && line.find('}') == std::string::npos;
    }
    return text;
}

std::string describe()
{
    const auto object = got(open_bpf_object());
    Types types(bpf_object__btf(object.get()));
    std::set<std::string> maps;
    bpf_map *map = nullptr;
    bpf_object__for_each_map(map, object.get())
    {
        if (bpf_map__is_internal(map))
            continue;
        const std::string name = bpf_map__name(map);
        const auto named = [&](__u32 id, __u32 size) {
            return id != 0 ? types.name_of(id) : fmt::format("{} bytes", size);
        };
        const std::string entries = size_of(name, {}) ? "as many as user space says"
                                                      : std::to_string(bpf_map__max_entries(map));
        maps.insert(fmt::format(
            "map {}: {}, {} -> {}, {}{}\n", name, libbpf_bpf_map_type_str(bpf_map__type(map)),
            named(bpf_map__btf_key_type_id(map), bpf_map__key_size(map)),
            named(bpf_map__btf_value_type_id(map), bpf_map__value_size(map)), entries,
            bpf_map__map_flags(map) != 0 ? fmt::format(", flags {:#x}", bpf_map__map_flags(map))
                                         : ""));
    }
    std::string text = fmt::format(
        "What the maps of layout {} hold: README.md. `keep_layout describe` writes this.\n\n",
        layout);
    for (const auto &line : maps)
        text += line;
    text += types.structs() + enums();
    text += "\nreasons\n";
    for (const auto &[number, name] : reasons)
        text += fmt::format("  {:>5}  {}\n", number, name);
    return text;
}

// What differs, as a diff would say it.
std::string difference(const std::string &was, const std::string &is)
{
    std::string text;
    std::istringstream before(was), now(is);
    std::multiset<std::string> old, fresh;
    for (std::string line; std::getline(before, line);)
        old.insert(line);
    for (std::string line; std::getline(now, line);)
        fresh.insert(line);
    const auto only = [&](const auto &a, const auto &b, char sign) {
        for (const auto &line : a)
            if (a.count(line) > b.count(line))
                text += fmt::format("{}{}\n", sign, line);
    };
    only(old, fresh, '-');
    only(fresh, old, '+');
    return text;
}

TEST(Layout, IsAsDescribed)
{
    const std::string is = describe();
    if (const char *const path = std::getenv("XVTEP_DESCRIBE_LAYOUT"); path != nullptr) {
        std::ofstream(path) << is;
        return;
    }
    const std::string name = fmt::format("layout_{}.txt", layout);
    const std::string was = read(here(name));
    ASSERT_FALSE(was.empty()) << name << " is missing (tests/upgrade/README.md)";
    EXPECT_EQ(difference(was, is), "")
        << "The layout has changed. A layout that is in use needs another XV_LAYOUT\n"
           "and a migration: tests/upgrade/README.md. For one that is still in work:\n"
           "tests/upgrade/keep_layout describe";
    EXPECT_TRUE(was == is) << "their order";
}

// 6 to 9 were never released.
TEST(Layout, AllOlderOnesCanBeCarriedOverAndAreTested)
{
    std::set<__u32> kept;
    for (const auto &entry : std::filesystem::directory_iterator(here("")))
        if (unsigned number = 0;
            std::sscanf(entry.path().filename().c_str(), "layout_%u.tar.xz", &number) == 1)
            kept.insert(number);
    std::set<__u32> wanted{5};
    for (__u32 number = 10; number < layout; number++)
        wanted.insert(number);
    for (const __u32 number : wanted) {
        EXPECT_TRUE(can_carry(number)) << "layout " << number << ": user/vtep/carry.cc";
        EXPECT_TRUE(kept.contains(number)) << "layout " << number << ": tests/upgrade/README.md";
    }
    EXPECT_TRUE(can_carry(layout));
    EXPECT_FALSE(can_carry(layout + 1));
}

TEST(Layout, NumbersOfLayoutsThatCountedTheirReasons)
{
    EXPECT_EQ(layout_of(5), 5U);
    EXPECT_EQ(layout_of(10'040), 10U);
    EXPECT_EQ(layout_of(11), 11U);
}

} // namespace
} // namespace xvtep::test
