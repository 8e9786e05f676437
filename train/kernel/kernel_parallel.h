// Shares of a range on torch's own threads, as many as torch.get_num_threads() says.
//
// What is computed must not depend on how a range is shared out: then results are the same bits at any number of
// threads. The threads are reached through a TensorIterator, which is compiled into torch: this library needs no
// OpenMP of its own, and there is one pool. Inside a parallel region, or at one thread, the work runs where it is.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <cstdint>

namespace {

// Calls work(begin, end) for shares of 0..units that together are all of it. `work` must not call torch.
template <class Work>
void in_shares(int64_t units, Work work) {
  if (units <= 0) return;
  if (units == 1 || at::get_num_threads() == 1 || at::in_parallel_region()) return work(int64_t(0), units);
  at::Tensor places = at::empty({units}, at::kChar);  // only their addresses are used
  const char* first = static_cast<const char*>(places.data_ptr());
  at::TensorIterator::nullary_op(places).for_each(
      [&](char** data, const int64_t*, int64_t count) { work(data[0] - first, data[0] - first + count); }, 1);
}

// torch's own products sum in an order that may depend on the number of threads: one, while this lives.
class OneThread {
 public:
  OneThread() : threads_(at::get_num_threads()) { if (threads_ > 1) at::set_num_threads(1); }
  ~OneThread() { if (threads_ > 1) at::set_num_threads(threads_); }
  OneThread(const OneThread&) = delete;

 private:
  int threads_;
};

}  // namespace
