// Memory for what a pass needs between its forward and its backward, kept for the next pass.
//
// The voltages of all steps and their gradients are some megabytes. Given back to the system after every step, their
// pages come anew each time, which took HAR a third of a step (2,300 page faults).
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

namespace {

class Blocks {
 public:
  static constexpr size_t SMALLEST = size_t(1) << 16, MOST = size_t(1) << 28;  // bytes: worth keeping, kept in all

  // The one of this process; never destroyed, as a tensor may outlive everything else.
  static Blocks& all() {
    static Blocks* blocks = new Blocks;
    return *blocks;
  }

  struct Block {
    void* data;
    size_t bytes;
  };

  // The smallest one at hand that holds so many bytes and is not twice as large, of several the one that was given
  // last, else a new one.
  Block take(size_t bytes) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      auto best = free_.end();
      for (auto each = free_.begin(); each != free_.end(); ++each)
        if (each->bytes >= bytes && each->bytes < 2 * bytes && (best == free_.end() || each->bytes <= best->bytes)) best = each;
      if (best != free_.end()) {
        const Block found = *best;
        free_.erase(best);
        kept_ -= found.bytes;
        return found;
      }
    }
    void* data = nullptr;
    if (posix_memalign(&data, 64, bytes)) throw std::bad_alloc();
    return {data, bytes};
  }

  // Keeps it, and lets those go that were unused for longest where that is too much.
  void give(Block block) {
    const std::lock_guard<std::mutex> lock(mutex_);
    free_.push_back(block);
    kept_ += block.bytes;
    while (kept_ > MOST) {
      std::free(free_.front().data);
      kept_ -= free_.front().bytes;
      free_.erase(free_.begin());
    }
  }

 private:
  std::mutex mutex_;
  std::vector<Block> free_;  // the one that was given last is the last
  size_t kept_ = 0;
};

// float32 of these sizes, not filled, in a block that is kept for the next pass.
at::Tensor kept_empty(at::IntArrayRef sizes) {
  size_t bytes = sizeof(float);
  for (int64_t size : sizes) bytes *= size_t(size);
  if (bytes < Blocks::SMALLEST) return at::empty(sizes, at::kFloat);
  const Blocks::Block block = Blocks::all().take(bytes);
  return at::from_blob(block.data, sizes, [block](void*) { Blocks::all().give(block); }, at::kFloat);
}

}  // namespace
