// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "user/lab/json_reader.h"

namespace xvtep {

namespace {

constexpr const char *run_dir = "/run/xvtep";
constexpr const char *lab_dir = "/run/xvtep/labs";

std::string path_of(const std::string &name)
{
    return std::string(lab_dir) + "/" + name + ".json";
}

Result<> make_lab_dir()
{
    for (const char *directory : {run_dir, lab_dir})
        if (::mkdir(directory, 0755) < 0 && errno != EEXIST)
            return errno_failure("create", directory, errno);
    return {};
}

const std::vector<std::pair<const char *, LabEnds>> ends_names = {
    {"xvtep", LabEnds::xvtep}, {"kernel-peer", LabEnds::kernel_peer}, {"kernel", LabEnds::kernel}};

const char *name_of(LabEnds ends)
{
    return std::ranges::find(ends_names, ends, &std::pair<const char *, LabEnds>::second)->first;
}

std::optional<LabState> parse_state(const std::string &text, const std::string &path)
{
    LabState state;
    const auto read = read_json(text, "read", path, [&](const JsonValue &value) {
        JsonObject json(value);
        json.need("complete", state.complete);
        json.need("ends", state.ends, one_of(ends_names));
        state.lab = read_lab(json.find_needed("lab"));
        json.finish();
    });
    return read ? std::optional(std::move(state)) : std::nullopt;
}

} // namespace

Result<LabLock> LabLock::take()
{
    for (;;) {
        TRY(make_lab_dir());
        Fd fd(::open(lab_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!fd && errno == ENOENT)
            continue;
        if (!fd)
            return errno_failure("lock", lab_dir, errno);
        while (::flock(fd.get(), LOCK_EX) < 0)
            if (errno != EINTR)
                return errno_failure("lock", lab_dir, errno);
        // The process that held the lock may have removed the directory.
        struct stat held {
        }, there{};
        if (::fstat(fd.get(), &held) == 0 && ::stat(lab_dir, &there) == 0 &&
            held.st_ino == there.st_ino)
            return LabLock(std::move(fd));
    }
}

LabLock::~LabLock()
{
    if (!directory_)
        return;
    // These fail where the directories are not empty.
    ::rmdir(lab_dir);
    ::rmdir(run_dir);
}

Result<std::vector<LabFile>> read_lab_files()
{
    std::vector<LabFile> files;
    std::error_code error;
    std::filesystem::directory_iterator entry(lab_dir, error), end;
    for (; !error && entry != end; entry.increment(error)) {
        const std::filesystem::path &path = entry->path();
        if (path.extension() != ".json") {
            // A killed command left it.
            const auto name = path.filename().string();
            const auto file = path.parent_path() / (name.substr(0, name.find('.')) + ".json");
            if (!std::filesystem::exists(file, error))
                files.push_back({file.stem(), std::nullopt});
            error.clear();
            continue;
        }
        std::ostringstream text;
        text << std::ifstream(path, std::ios::binary).rdbuf();
        LabFile file{path.stem(), parse_state(text.str(), path)};
        if (file.state && file.state->lab.name != file.name)
            file.state.reset();
        files.push_back(std::move(file));
    }
    if (error && error != std::errc::no_such_file_or_directory)
        return errno_failure("read", lab_dir, error.value());
    std::ranges::sort(files, {}, &LabFile::name);
    return files;
}

Result<> write_lab_file(const LabState &state, const std::string &text)
{
    TRY(make_lab_dir());
    const std::string path = path_of(state.lab.name), fresh = path + ".new";
    std::ofstream file(fresh, std::ios::binary | std::ios::trunc);
    file << fmt::format("{{\"complete\": {}, \"ends\": \"{}\", \"lab\":\n{}}}\n", state.complete,
                        name_of(state.ends), text);
    file.close();
    if (!file || ::rename(fresh.c_str(), path.c_str()) < 0) {
        const int code = errno;
        ::unlink(fresh.c_str());
        return errno_failure("write", path, code);
    }
    return {};
}

Result<> remove_lab_file(const std::string &name)
{
    ::unlink((path_of(name) + ".new").c_str());
    std::error_code error;
    std::filesystem::remove_all(lab_directory(name), error);
    if (error)
        return errno_failure("remove", lab_directory(name), error.value());
    if (::unlink(path_of(name).c_str()) < 0 && errno != ENOENT)
        return errno_failure("remove", path_of(name), errno);
    return {};
}

std::string lab_directory(const std::string &name)
{
    return std::string(lab_dir) + "/" + name + ".d";
}

} // namespace xvtep
