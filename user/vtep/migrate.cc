// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/migrate.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include <cstdio>
#include <filesystem>

#include <fmt/format.h>

#include "user/base/undo.h"
#include "user/datapath/bulk.h"
#include "user/datapath/grace_period.h"
#include "user/vtep/carry.h"
#include "user/vtep/indexes.h"
#include "user/vtep/port_programs.h"
#include "user/vtep/route_queries.h"
#include "user/vtep/switch_programs.h"

namespace xvtep {
namespace {

namespace fs = std::filesystem;

Result<std::optional<__u32>> layout_in(const std::string &maps)
{
    struct stat found {};
    const std::string path = maps + "/layout";
    if (::stat(path.c_str(), &found) != 0)
        return errno == ENOENT || errno == ENOTDIR ? Result<std::optional<__u32>>(std::nullopt)
                                                   : errno_failure("find", path, errno);
    TRY_ASSIGN(const auto layout, (Table<__u32, __u32>::open(maps, "layout")));
    return layout.look_up(0);
}

Result<> remove_directory(const std::string &path)
{
    // Without `layout` the maps count as incomplete, should this be interrupted.
    if (::unlink((path + "/layout").c_str()) != 0 && errno != ENOENT && errno != ENOTDIR)
        return errno_failure("remove", path, errno);
    std::error_code error;
    fs::remove_all(path, error);
    if (error)
        return errno_failure("remove", path, error.value());
    return {};
}

// After next/ and maps/ have changed places.
Result<> clean_up(const std::string &directory)
{
    if (const auto bulk = FdbBulk::open(directory))
        bulk->start_timer();                        // of the new maps
    TRY(remove_directory(directory + "/programs")); // where layouts before 11 had them
    return remove_directory(directory + "/next");   // last: it says that this is to be done
}

class Replacement {
  public:
    explicit Replacement(Session &session)
        : session_(session), maps_(session.directory + "/maps"), next_(session.directory + "/next")
    {
    }

    Result<unsigned> run(__u32 layout, const Sizes &sizes)
    {
        TRY(remove_directory(next_));
        Undo undo;
        undo.push([this] { (void)remove_directory(next_); });
        TRY(make_maps(next_, sizes, layout == layout_of(XV_LAYOUT) ? maps_ : ""));
        TRY_ASSIGN(auto fresh, Tables::open_maps(next_));
        Carry carry(session_, maps_, layout, next_, fresh);
        TRY(carry.first());
        TRY_ASSIGN(const __u32 replaced, replaced_count(maps_));
        TRY(complete_maps(next_, replaced + 1));
        return finish(std::move(fresh), carry, undo);
    }

    // After a kill somewhere in finish().
    Result<unsigned> resume(__u32 layout)
    {
        Undo undo;
        TRY_ASSIGN(auto fresh, Tables::open_maps(next_));
        Carry carry(session_, maps_, layout, next_, fresh);
        TRY(carry.look_again());
        return finish(std::move(fresh), carry, undo);
    }

  private:
    Result<unsigned> finish(Tables fresh, Carry &carry, Undo &undo)
    {
        before_ = std::exchange(session_.tables, std::move(fresh));
        undo.push([this] { session_.tables = std::move(before_); });
        carry.now_in(*session_.tables);
        TRY(derive_lookups(session_));
        TRY(allow_route_queries(session_));
        TRY_ASSIGN(auto groups, groups_in_use(session_));
        groups.push_back(ProgramGroup::TABLES);
        TRY_ASSIGN(const auto programs, LoadedPrograms::load(next_, groups));
        ProgramSwitch programs_of_devices(session_, programs, next_);
        TRY(programs_of_devices.run(0));
        TRY(programs.pin(next_));
        TRY(programs_of_devices.xdp());
        TRY(wait_for_running_programs());
        TRY(carry.second(programs));
        if (::renameat2(AT_FDCWD, next_.c_str(), AT_FDCWD, maps_.c_str(), RENAME_EXCHANGE) != 0)
            return errno_failure("replace", maps_, errno);
        const unsigned count = programs_of_devices.commit();
        undo.commit();
        TRY(clean_up(session_.directory));
        return count;
    }

    Session &session_;
    std::string maps_, next_;
    std::optional<Tables> before_;
};

} // namespace

Result<std::optional<unsigned>> migrate(const std::string &operation)
{
    TRY_ASSIGN(auto session, Session::locked(operation, ""));
    TRY(session.wrap(finish_replacement(session)));
    TRY_ASSIGN(const auto number, session.wrap(layout_in(session.directory + "/maps")));
    if (!number || *number == XV_LAYOUT)
        return std::nullopt;
    const __u32 layout = layout_of(*number);
    if (layout > layout_of(XV_LAYOUT))
        return session.refused(fmt::format("a newer xvtep has made the tables (layout {}; this one "
                                           "has {})",
                                           layout, layout_of(XV_LAYOUT)),
                               EPROTO);
    if (!can_carry(layout))
        return session.refused(
            fmt::format("tables of layout {} cannot be carried over (`xvtep detach --force` "
                        "removes them)",
                        layout),
            EPROTO);
    TRY_ASSIGN(const auto sizes, session.wrap(sizes_for(session.directory + "/maps", layout)));
    TRY_ASSIGN(const unsigned count, session.wrap(Replacement(session).run(layout, sizes)));
    return count;
}

Result<> replace_maps(Session &session, const Sizes &sizes)
{
    TRY(Replacement(session).run(layout_of(XV_LAYOUT), sizes));
    return {};
}

Result<> finish_replacement(Session &session)
{
    const std::string maps = session.directory + "/maps", next = session.directory + "/next";
    struct stat found {};
    if (::stat(next.c_str(), &found) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return {};
    TRY_ASSIGN(const auto begun, layout_in(next));
    TRY_ASSIGN(const auto before, layout_in(maps));
    if (begun == XV_LAYOUT && before && can_carry(layout_of(*before))) {
        TRY_ASSIGN(const __u32 newer, replaced_count(next));
        TRY_ASSIGN(const __u32 older, replaced_count(maps));
        if (newer > older) {
            TRY(Replacement(session).resume(layout_of(*before)));
            session.tables.reset(); // the caller opens them
            return {};
        }
    }
    return before == XV_LAYOUT ? clean_up(session.directory) : remove_directory(next);
}

} // namespace xvtep
