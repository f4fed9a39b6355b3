// Team: the threads that take a step together. They meet at barriers and claim work from shared counters: item by item,
// or in stretches of their own part of a row of items, so that each reads memory from front to back, and then of others'.
//
// Between steps the members sleep; within one they spin, because a step has hundreds of barriers a millisecond or less
// apart. A member that waits long gives up its time slice, so that a busy machine is not made busier.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ostinato {

inline void relax(int& spins) {
    if (++spins > 4096) {
        std::this_thread::yield();
    } else {
#if defined(__x86_64__)
        _mm_pause();
#endif
    }
}

class Team {
   public:
    explicit Team(int size) : size_(size < 1 ? 1 : size), counters_(static_cast<size_t>(kCounters) * size_) {
        for (int member = 1; member < size_; ++member) threads_.emplace_back([this, member] { serve(member); });
    }

    ~Team() {
        is_over_ = true;
        start_.fetch_add(1);
        start_.notify_all();
        for (auto& thread : threads_) thread.join();
    }

    int size() const { return size_; }

    // Call body(member) on every member, the caller being member 0, and return when all are done.
    void run(const std::function<void(int)>& body) {
        body_ = &body;
        for (auto& counter : counters_) counter.taken.store(0, std::memory_order_relaxed);
        start_.fetch_add(1, std::memory_order_release);
        start_.notify_all();
        body(0);
        barrier();
    }

    // Wait until every member is here.
    void barrier() {
        if (size_ == 1) return;
        const uint32_t round = round_.load(std::memory_order_acquire);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
            arrived_.store(0, std::memory_order_relaxed);
            round_.store(round + 1, std::memory_order_release);
            return;
        }
        for (int spins = 0; round_.load(std::memory_order_acquire) == round;) relax(spins);
    }

    // Call work(item) for each of `count` items, whichever member comes first, and meet at a barrier.
    // `phase` numbers the shares of one run: every member must count them alike.
    template <typename Work>
    void share(int& phase, int count, Work work) {
        auto& next = counters_[phase % kCounters * size_].taken;
        for (uint64_t item; (item = next.fetch_add(1, std::memory_order_relaxed)) < static_cast<uint64_t>(count);)
            work(static_cast<int>(item));
        finish(phase);
    }

    // As above with work(begin, end). A member goes through its own part of the items from the front, `most` at a time,
    // fewer towards the end; when it is done it helps where most is left, from the back.
    template <typename Work>
    void divide(int& phase, int member, int count, int most, Work work) {
        Counter* parts = counters_.data() + static_cast<size_t>(phase % kCounters) * size_;
        int begin, end;
        while (take(parts[member], part(member, count), part(member + 1, count), most, true, begin, end)) work(begin, end);
        for (;;) {
            int fullest = -1;
            uint32_t most_left = 0;
            for (int other = 0; other < size_; ++other) {
                const uint32_t left = remaining(parts[other].taken.load(std::memory_order_relaxed),
                                                part(other + 1, count) - part(other, count));
                if (left > most_left) fullest = other, most_left = left;
            }
            if (fullest < 0) break;
            if (take(parts[fullest], part(fullest, count), part(fullest + 1, count), most, false, begin, end)) work(begin, end);
        }
        finish(phase);
    }

   private:
    static constexpr int kCounters = 64;
    struct alignas(64) Counter {
        std::atomic<uint64_t> taken{0};  // items; of a part, from its back in the upper half and from its front in the lower
    };

    int part(int member, int count) const { return static_cast<int>(static_cast<int64_t>(count) * member / size_); }

    static uint32_t remaining(uint64_t taken, int size) {
        return static_cast<uint32_t>(size) - static_cast<uint32_t>(taken) - static_cast<uint32_t>(taken >> 32);
    }

    // Take half of what is left of a part, `most` items at most; return false if nothing is.
    static bool take(Counter& counter, int first, int last, int most, bool is_front, int& begin, int& end) {
        uint64_t taken = counter.taken.load(std::memory_order_relaxed);
        for (;;) {
            const uint32_t left = remaining(taken, last - first);
            if (left == 0) return false;
            const uint32_t count = std::min(static_cast<uint32_t>(most), (left + 1) / 2);
            const uint64_t now = taken + (is_front ? uint64_t{count} : uint64_t{count} << 32);
            if (!counter.taken.compare_exchange_weak(taken, now, std::memory_order_relaxed)) continue;
            begin = is_front ? first + static_cast<int>(static_cast<uint32_t>(taken))
                             : last - static_cast<int>(static_cast<uint32_t>(taken >> 32)) - static_cast<int>(count);
            end = begin + static_cast<int>(count);
            return true;
        }
    }

    // Meet, and clear the counters once all are used; by then every member has left the earlier ones.
    void finish(int& phase) {
        barrier();
        if (++phase % kCounters != 0) return;
        for (auto& counter : counters_) counter.taken.store(0, std::memory_order_relaxed);
        barrier();
    }

    void serve(int member) {
        for (uint32_t seen = 0;;) {
            start_.wait(seen, std::memory_order_acquire);
            seen = start_.load(std::memory_order_acquire);
            if (is_over_) return;
            (*body_)(member);
            barrier();
        }
    }

    const int size_;
    std::vector<Counter> counters_;  // [phase % kCounters][member]
    std::vector<std::thread> threads_;
    const std::function<void(int)>* body_ = nullptr;
    std::atomic<bool> is_over_{false};
    alignas(64) std::atomic<uint32_t> start_{0};
    alignas(64) std::atomic<int> arrived_{0};
    alignas(64) std::atomic<uint32_t> round_{0};
};

}  // namespace ostinato
