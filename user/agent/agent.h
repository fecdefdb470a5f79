// SPDX-License-Identifier: GPL-2.0-only
// The agent: misses become questions, answers become entries, entries in use are kept.
//
//   miss ─▶ held? ──yes──▶ write again
//             │no
//             ├─ asked already, or known to be absent ─▶ nothing
//             └─▶ question ─▶ directory ─▶ found ─▶ checked ─▶ held ─▶ tables
//                    ▲                     absent ─▶ remembered briefly
//                    └─ later, backing off ─ failed
//   directory: changed ─▶ held? ─▶ tables          resync ─▶ every key held is asked for again
//   tick: entries in use are renewed before they expire; what expired is forgotten
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "user/agent/directory.h"
#include "user/agent/host.h"
#include "user/agent/loop.h"
#include "user/agent/metrics.h"
#include "xvtep/listener.h"

namespace xvtep::agent {

struct AgentOptions {
    bool announce = true;                         // to the directory
    std::chrono::milliseconds absent_for{2000};   // an absent key is not asked for again
    std::chrono::milliseconds refused_for{10000}; // nor one whose answer was refused
    std::chrono::milliseconds awaited_for{5000};  // but news of it is awaited since somebody asked
    std::chrono::milliseconds retry_first{100}, retry_most{2000};
    std::chrono::seconds retry_for{15}; // then the next miss starts anew
    std::size_t questions_most = 65536; // further misses are dropped; the data path repeats them
    std::size_t rechecks_most = 256;    // at a time
    std::size_t absent_most = 65536;    // remembered; then all of them are forgotten
    std::size_t believed_most = 65536;  // the same
};

class Agent : public Directory::Client, public MissListener {
  public:
    Agent(Loop &loop, Host &host, Metrics &metrics, AgentOptions options = {});
    ~Agent() override;
    Agent(const Agent &) = delete;
    Agent &operator=(const Agent &) = delete;

    // Takes over what an agent before this one wrote, asks for all of it, and begins to tick.
    void start(Directory &directory);
    // The VTEPs of the host may have changed.
    void refresh();
    // Misses went by unheard, or the tables may have changed otherwise.
    void recheck_all();

    // This host's own endpoints, all of them. `taken`: another host has announced this MAC.
    void announce(const std::set<Record> &own);
    std::function<void(std::uint32_t vni, const Mac &mac)> taken;
    std::function<void(std::uint32_t vni, const Ip &ip)> taken_ip; // the same of an IP
    // The entry that somebody missed is in the tables.
    std::function<void(const Record &record)> installed;
    // The IP is at another MAC or another place than hosts here may believe; the tables say so.
    std::function<void(const Record &record)> moved;

    void on_l2miss(const L2Miss &miss) override;
    void on_l3miss(const L3Miss &miss) override;
    void changed(const Key &key, const std::optional<Record> &record) override;
    void resync() override;

    [[nodiscard]] std::size_t held() const { return held_.size(); }

  private:
    using Time = Loop::Clock::time_point;

    struct Question {
        std::uint64_t id = 0;         // a late answer is none to the next question
        Time first{}, last{};         // asked
        std::optional<Time> missed{}; // in the data path
        unsigned attempts = 0;
        bool recheck = false; // has one of the places for those
        bool again = false;   // track was lost since it was asked
    };
    using Questions = std::map<Key, Question>;
    struct Held {
        Record record;
        std::set<Key> sources; // what was asked for; a MAC's entry goes with the last of them
        Time written{};        // or about to be
    };
    struct Reason {                   // for writing an entry
        std::optional<Time> missed{}; // in the data path
        bool awaited = false;         // asked for not long ago, and unknown then
        bool moved = false;           // away from where hosts here may believe it is
    };
    struct Due { // what the next flush writes
        std::optional<Record> record;
        Reason reason;
    };
    struct Absent {
        Time until{}; // not asked for again
        Time asked{}; // by somebody here
    };

    void missed(const Miss &miss, const Key &key);
    void open(const Key &key, Question question);
    void ask(const Key &key, std::uint64_t id);
    Question close(Questions::iterator question);
    void answered(const Key &key, std::uint64_t id, Directory::Answer answer);
    void failed(Questions::iterator question, const Error &error);
    void remember_absent(const Key &key, std::chrono::milliseconds time);
    // Another host has announced an endpoint of ours. Whether that is so.
    bool give_up(const Key &key, const Record &record);
    // Hosts here may have been told of the IP. Whether they were told something else before.
    bool believe(const Key &key, const Mac &mac);
    // Whether the record may be written here; the reason is logged once.
    bool check(const Key &key, const Record &record);
    void hold(const Key &key, const Record &record, Reason reason);
    void forget(const Key &key);
    // The MAC's entry is no longer there because of `source`.
    void release(const Key &mac, const Key &source);
    // Where it was remote, it is here now.
    void forget_moved_here(const Key &key, const Record &record);
    void write_soon(const Key &key, std::optional<Record> record, const Reason &reason);
    void written(const Record &record, const Reason &reason);
    void flush();
    void adopt();
    void recheck_more();
    void tick();
    void tick_soon();
    void tick_device(const VtepInfo &vtep, const TableCopy &tables, Time read);
    void tick_over();
    void log_once(const std::string &what);
    [[nodiscard]] bool serves(std::uint32_t vni) const;

    Loop &loop_;
    Host &host_;
    Metrics &metrics_;
    AgentOptions options_;
    Directory *directory_ = nullptr;
    std::vector<VtepInfo> vteps_;
    std::set<Record> own_;
    bool announced_ = false; // own_ is what is to be announced, if it is nothing
    Questions questions_;
    std::uint64_t next_question_ = 0;
    Time refreshed_{};
    std::map<Key, Absent> absent_;
    std::map<Key, Mac> believed_;                       // of IPs
    std::map<std::uint32_t, std::size_t> questions_of_; // open, by VNI
    std::map<Key, Held> held_;
    std::map<Key, Due> due_;
    std::set<Key> rechecks_;
    std::size_t rechecking_ = 0;
    std::map<std::string, Time> logged_;
    std::optional<Loop::Timer> next_tick_;
    bool ticking_ = false;
    std::minstd_rand random_;
    bool flushing_ = false;
};

} // namespace xvtep::agent
