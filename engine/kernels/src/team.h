// Team: the threads that take a step together. They meet at barriers and claim work from shared counters.
//
// Between steps the members sleep; within one they spin, because a step has hundreds of barriers a millisecond or less
// apart. A member that waits long gives up its time slice, so that a busy machine is not made busier.

#pragma once

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
    explicit Team(int size) : size_(size < 1 ? 1 : size) {
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
        for (auto& counter : counters_) counter.value.store(0, std::memory_order_relaxed);
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
        auto& next = counters_[phase++ % kCounters].value;
        for (int item; (item = next.fetch_add(1, std::memory_order_relaxed)) < count;) work(item);
        barrier();
        // The counter is used again kCounters shares later; by then every member has left this one.
        if (phase % kCounters == 0) {
            for (auto& counter : counters_) counter.value.store(0, std::memory_order_relaxed);
            barrier();
        }
    }

   private:
    static constexpr int kCounters = 64;
    struct alignas(64) Counter {
        std::atomic<int> value{0};
    };

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
    std::vector<std::thread> threads_;
    const std::function<void(int)>* body_ = nullptr;
    std::atomic<bool> is_over_{false};
    alignas(64) std::atomic<uint32_t> start_{0};
    alignas(64) std::atomic<int> arrived_{0};
    alignas(64) std::atomic<uint32_t> round_{0};
    Counter counters_[kCounters];
};

}  // namespace ostinato
