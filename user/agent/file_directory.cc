// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/file_directory.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <map>
#include <vector>

#include <fmt/format.h>

#include "user/agent/files.h"
#include "user/agent/log.h"
#include "xvtep/vtep.h"

namespace xvtep::agent {
namespace {

using namespace std::chrono_literals;

std::vector<Key> keys_of(const Record &record)
{
    std::vector<Key> keys{{record.vni, record.mac}};
    if (record.ip)
        keys.push_back({record.vni, *record.ip});
    return keys;
}

constexpr std::size_t file_size_max = 64 << 20;
constexpr unsigned removals_most = 2; // of one record, until another agent is suspected
constexpr std::size_t removed_most = 65536;

void for_each_line(std::string_view text, const std::function<void(std::string_view)> &line)
{
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        line(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
}

class FileDirectory : public Directory {
  public:
    FileDirectory(Loop &loop, Client &client, FileOptions options, Fd inotify)
        : loop_(loop), client_(client), options_(std::move(options)), inotify_(std::move(inotify))
    {
        loop_.watch(inotify_.get(), EPOLLIN, [this](std::uint32_t) { drain(); });
        load();
        poll();
    }
    ~FileDirectory() override
    {
        loop_.forget(inotify_.get());
        *alive_ = false;
    }
    FileDirectory(const FileDirectory &) = delete;
    FileDirectory &operator=(const FileDirectory &) = delete;

    void look_up(const Key &key, std::function<void(Answer)> done) override
    {
        later(0ms, [this, key, done = std::move(done)] {
            if (trouble_)
                return done(std::unexpected(*trouble_));
            const auto found = records_.find(key);
            done(found == records_.end() ? std::nullopt : std::optional(found->second));
        });
    }

    void announce(const std::set<Record> &own) override
    {
        own_ = own;
        for (const auto &record : own_)
            removed_.erase(record); // now it is ours
        save();
    }

    void watch(const std::set<std::uint32_t> &vnis) override { vnis_ = vnis; }
    [[nodiscard]] bool watches() const override { return true; }
    [[nodiscard]] std::string name() const override { return "file " + options_.path; }

  private:
    // Does nothing if the directory is destroyed before.
    void later(Loop::Clock::duration delay, std::function<void()> what)
    {
        loop_.after(delay, [alive = alive_, what = std::move(what)] {
            if (*alive)
                what();
        });
    }

    void drain()
    {
        const auto name = std::filesystem::path(options_.path).filename().string();
        bool ours = false;
        alignas(inotify_event) std::array<char, 4096> events{};
        for (;;) {
            const auto size = ::read(inotify_.get(), events.data(), events.size());
            if (size <= 0)
                break;
            for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
                inotify_event event{};
                std::memcpy(&event, &events[at], sizeof(event));
                ours = ours || event.len == 0 || name == &events[at + sizeof(event)];
                at += sizeof(event) + event.len;
            }
        }
        // An editor may write in several steps.
        if (ours && !std::exchange(reload_due_, true))
            later(20ms, [this] {
                reload_due_ = false;
                load();
            });
    }

    struct Signature {
        dev_t device = 0;
        ino_t inode = 0;
        off_t size = 0;
        std::int64_t modified = 0, changed = 0;
        bool operator==(const Signature &) const = default;
    };
    [[nodiscard]] Signature signature() const
    {
        struct stat now {};
        if (::stat(options_.path.c_str(), &now) != 0)
            return {};
        constexpr std::int64_t second = 1'000'000'000;
        return {now.st_dev, now.st_ino, now.st_size,
                now.st_mtim.tv_sec * second + now.st_mtim.tv_nsec,
                now.st_ctim.tv_sec * second + now.st_ctim.tv_nsec};
    }

    // Notices changes that inotify does not report: of a link's target, by other hosts on a network
    // file system, or in a directory that was made anew. A file that is being written is not loaded
    // until it has been the same for a second.
    void poll()
    {
        const auto now = signature();
        if (now != loaded_ && now == polled_)
            load();
        polled_ = now;
        later(1s, [this] { poll(); });
    }

    void load()
    {
        loaded_ = signature();
        const auto text = read_regular(options_.path, file_size_max);
        if (!text && text.error().code != ENOENT) {
            if (!trouble_)
                log_warning("{}", text.error().message());
            trouble_ = text.error();
            return;
        }
        if (trouble_)
            log_info("read {}: back", options_.path);
        trouble_.reset();
        std::map<Key, Record> fresh;
        std::set<Record> missing = own_;
        for_each_line(text ? *text : "", [&](std::string_view line) {
            const auto parsed = parse_line(line);
            if (!parsed)
                return warn_once(parsed.error().message());
            if (!*parsed)
                return;
            const auto &[record, node] = **parsed;
            for (const auto &key : keys_of(record))
                fresh.insert_or_assign(key, record);
            std::erase_if(missing,
                          [&, &there = record, ours = node == options_.node](const Record &own) {
                              return ours ? own == there : same_endpoint(own, there);
                          });
        });
        if (!missing.empty() && saved_ == own_)
            save_later(1s); // somebody removed our lines
        const auto old = std::exchange(records_, std::move(fresh));
        for (const auto &[key, record] : old)
            if (vnis_.contains(key.vni) && !records_.contains(key))
                client_.changed(key, std::nullopt);
        for (const auto &[key, record] : records_)
            if (const auto before = old.find(key);
                vnis_.contains(key.vni) && (before == old.end() || before->second != record))
                client_.changed(key, record);
    }

    void warn_once(const std::string &of)
    {
        if (warned_.size() < 1000 && warned_.insert(of).second)
            log_warning("{}: {}", options_.path, of);
    }

    static bool same_endpoint(const Record &one, const Record &other)
    {
        return one.vni == other.vni && (one.mac == other.mac || (one.ip && one.ip == other.ip));
    }

    void save()
    {
        if (const auto done = edit(); !done) {
            const bool busy = done.error().code == EWOULDBLOCK;
            if (!busy && !std::exchange(warned_of_saving_, true))
                log_error("{}", done.error().message());
            save_later(busy ? 20ms : 1000ms);
            return;
        }
        warned_of_saving_ = false;
    }

    void save_later(Loop::Clock::duration delay)
    {
        if (!std::exchange(saving_, true))
            later(delay, [this] {
                saving_ = false;
                save();
            });
    }

    [[nodiscard]] std::string real_path() const
    {
        std::error_code error;
        const auto real = std::filesystem::weakly_canonical(options_.path, error);
        return error ? options_.path : real.string();
    }

    // Whether another agent has the same name: a line with our name that is not ours comes back
    // however often it is removed. The two agents would rewrite the file for ever.
    bool is_of_namesake(const Record &record)
    {
        const auto removed = removed_.find(record);
        if (own_.contains(record) || removed == removed_.end() || removed->second < removals_most)
            return false;
        warn_once(
            fmt::format("another agent announces by the name {}, too: give each a --node of its "
                        "own",
                        options_.node));
        return true;
    }

    // Adds and removes our lines. Another agent's line for one of our endpoints is replaced only if
    // the endpoint is new since the last edit.
    Result<> edit()
    {
        const std::string lock_path = real_path() + ".lock"; // the same for all links to the file
        const Fd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
        if (!lock || ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0)
            return errno_failure("lock", lock_path, errno);
        const auto text = read_regular(options_.path, file_size_max);
        if (!text && text.error().code != ENOENT)
            return std::unexpected(text.error());

        std::set<Record> news;
        std::ranges::set_difference(own_, saved_, std::inserter(news, news.end()));
        const auto is_news = [&](const Record &record) {
            return std::ranges::any_of(
                news, [&](const Record &fresh) { return same_endpoint(fresh, record); });
        };
        std::string after;
        std::set<Record> there, gone;
        std::set<Record> left;        // our endpoints that other agents or people have lines for
        std::optional<Error> refused; // the first line that is
        for_each_line(text ? *text : "", [&](std::string_view line) {
            const auto parsed = parse_line(line);
            if (!parsed && !refused)
                refused = parsed.error();
            if (parsed && *parsed) {
                const auto &[record, node] = **parsed;
                const bool ours = node == options_.node && !is_of_namesake(record);
                if (ours && !own_.contains(record))
                    return void(gone.insert(record));
                if (ours ? !there.insert(record).second : !node.empty() && is_news(record))
                    return;
                if (!ours)
                    std::ranges::copy_if(own_, std::inserter(left, left.end()),
                                         [&, &theirs = record](const Record &own) {
                                             return same_endpoint(own, theirs);
                                         });
            }
            after.append(line).append("\n");
        });
        for (const auto &record : own_)
            if (!there.contains(record) && (news.contains(record) || !left.contains(record)))
                after += to_line({record, options_.node}) + "\n";
        if (after != text.value_or("")) {
            if (refused)
                return system_failure("write", options_.path,
                                      "it may be another program's file: " + refused->message(),
                                      EBADMSG);
            TRY(replace(after));
            if (removed_.size() > removed_most)
                removed_.clear();
            for (const auto &record : gone)
                removed_[record]++;
            later(0ms, [this] { load(); });
        }
        saved_ = own_;
        return {};
    }

    [[nodiscard]] Result<> replace(const std::string &text) const
    {
        // Replaces the target of a symbolic link, not the link.
        const std::string path = real_path();
        std::string temporary = path + ".XXXXXX";
        const Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
        if (!fd)
            return errno_failure("write", temporary, errno);
        struct stat before {};
        const bool existed = ::stat(path.c_str(), &before) == 0;
        Result<> done = write_all(fd.get(), text, temporary);
        if (existed && ::fchown(fd.get(), before.st_uid, before.st_gid) != 0)
            log_debug("write {}: its owner is another now", path);
        if (done && (::fchmod(fd.get(), existed ? before.st_mode & 07777 : 0644) != 0 ||
                     ::rename(temporary.c_str(), path.c_str()) != 0))
            done = errno_failure("write", path, errno);
        if (!done)
            ::unlink(temporary.c_str());
        return done;
    }

    Loop &loop_;
    Client &client_;
    FileOptions options_;
    Fd inotify_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    std::map<Key, Record> records_;
    std::optional<Error> trouble_;
    std::set<std::string> warned_;
    std::set<std::uint32_t> vnis_;
    std::set<Record> own_, saved_;
    // How often each line that has our name but is not ours was removed.
    std::map<Record, unsigned> removed_;
    Signature loaded_, polled_;
    bool reload_due_ = false, saving_ = false, warned_of_saving_ = false;
};

// Refuses a file of which no line is a record, because it is likely another program's.
Result<> check_records(const std::string &path)
{
    TRY_ASSIGN(const auto text, read_regular(path, file_size_max));
    bool any_record = false, any_refused = false;
    for_each_line(text, [&](std::string_view line) {
        const auto parsed = parse_line(line);
        any_record |= parsed && *parsed;
        any_refused |= !parsed;
    });
    if (any_refused && !any_record)
        return system_failure("read", path, "none of its lines is a record", EBADMSG);
    return {};
}

} // namespace

Result<std::optional<FileLine>> parse_line(std::string_view line)
{
    const auto wrong = [&](const std::string &cause) {
        return system_failure("line", fmt::format("\"{}\"", line.substr(0, 100)), cause, EBADMSG);
    };
    if (line.size() > record_size_max)
        return wrong(fmt::format("more than {} bytes", record_size_max));
    std::string_view rest = line.substr(0, line.find('#'));
    const auto next_word = [&rest] {
        constexpr std::string_view blanks = " \t\r\v\f";
        rest.remove_prefix(std::min(rest.find_first_not_of(blanks), rest.size()));
        const auto word = rest.substr(0, rest.find_first_of(blanks));
        rest.remove_prefix(word.size());
        return word;
    };
    FileLine parsed;
    std::optional<Mac> mac;
    std::optional<Ip> vtep;
    bool any = false;
    for (auto word = next_word(); !word.empty(); word = next_word(), any = true) {
        const auto value = next_word();
        if (value.empty())
            return wrong(fmt::format("{} has no value", word));
        std::uint32_t number = 0;
        const auto [end, error] =
            std::from_chars(value.data(), value.data() + value.size(), number);
        const bool is_number = error == std::errc() && end == value.data() + value.size();
        bool good = true;
        if (word == "vni") {
            good = is_number && number >= 1 && number <= vni_max;
            parsed.record.vni = number;
        } else if (word == "port") {
            good = is_number && number <= 0xffff;
            parsed.record.port = static_cast<std::uint16_t>(number);
        } else if (word == "mac") {
            good = (mac = Mac::parse(value)).has_value();
        } else if (word == "ip") {
            good = (parsed.record.ip = Ip::parse(value)).has_value();
        } else if (word == "vtep") {
            good = (vtep = Ip::parse(value)).has_value();
        } else if (word == "by") {
            parsed.node = value;
        } else {
            return wrong(fmt::format("what is {}?", word));
        }
        if (!good)
            return wrong(fmt::format("{} is no {}", value, word));
    }
    if (!any)
        return std::nullopt;
    if (parsed.record.vni == 0 || !mac || !vtep)
        return wrong("vni, mac and vtep are needed");
    parsed.record.mac = *mac;
    parsed.record.vtep = *vtep;
    // The same rules as for the records of all other directories.
    if (const auto cause = what_is_wrong(parsed.record))
        return wrong(*cause);
    return parsed;
}

std::string to_line(const FileLine &line)
{
    const auto &record = line.record;
    std::string text = fmt::format("vni {} mac {}", record.vni, record.mac.text());
    if (record.ip)
        text += " ip " + record.ip->text();
    text += " vtep " + record.vtep.text();
    if (record.port != 0)
        text += fmt::format(" port {}", record.port);
    if (!line.node.empty())
        text += " by " + line.node;
    return text;
}

Result<std::unique_ptr<Directory>> make_file_directory(Loop &loop, Directory::Client &client,
                                                       FileOptions options)
{
    TRY(check_regular(options.path));
    if (auto checked = check_records(options.path); !checked && checked.error().code != ENOENT)
        return std::unexpected(std::move(checked).error());
    Fd inotify(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!inotify)
        return errno_failure("watch", options.path, errno);
    // Watches the file's directory, because editors replace the file.
    auto parent = std::filesystem::path(options.path).parent_path();
    if (parent.empty())
        parent = ".";
    if (::inotify_add_watch(inotify.get(), parent.c_str(),
                            IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE) < 0)
        return errno_failure("watch", parent.string(), errno);
    std::error_code error;
    if (!std::filesystem::exists(options.path, error))
        TRY(check_writable(options.path));
    return std::make_unique<FileDirectory>(loop, client, std::move(options), std::move(inotify));
}

} // namespace xvtep::agent
