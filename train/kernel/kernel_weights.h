// Weights from cells, and their gradient, in one pass each.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "kernel_gates.h"
#include "kernel_gaussian.h"
#include "kernel_parallel.h"

namespace {

using at::Tensor;

// Codes of cells / divisor, plus noise of `deviation` codes, times the column's gain; rounded to multiples of `unit`,
// a power of two, unless it is 0.
Tensor weights_forward(Tensor cells, Tensor divisor, Tensor gain, int64_t bits, at::IntArrayRef key, double deviation,
                       double unit) {
  const int64_t rows = cells.size(0), columns = cells.size(1);
  Tensor out = at::empty({rows, columns}, cells.options());
  const float *from = cells.data_ptr<float>(), *d = divisor.data_ptr<float>(), *g = gain.data_ptr<float>();
  float* to = out.data_ptr<float>();
  const float top = full_scale(bits), sigma = float(deviation), step = float(unit);
  const float steps = unit == 0.0 ? 0.0f : float(1.0 / unit);
  const std::vector<int64_t> k = key.vec();
  in_shares(rows, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* __restrict w = from + row * columns;
      float* __restrict o = to + row * columns;
      if (bits == 1)
        for (int64_t c = 0; c < columns; ++c) o[c] = w[c] / d[c] >= 0.0f ? 1.0f : -1.0f;
      else
        for (int64_t c = 0; c < columns; ++c) o[c] = least(most(std::floor(w[c] / d[c] * top + 0.5f), -top), top);
      if (sigma != 0.0f)
        gaussian_range(k, 0, rows * columns, row * columns, (row + 1) * columns,
                       [&](int64_t start, auto count, const float* z) {
                         for (int j = 0; j < count; ++j) to[start + j] = to[start + j] + z[j] * sigma;
                       });
      if (unit == 0.0)
        for (int64_t c = 0; c < columns; ++c) o[c] = o[c] * g[c];
      else
        for (int64_t c = 0; c < columns; ++c) o[c] = std::floor(o[c] * g[c] * steps + 0.5f) * step;
    }
  });
  return out;
}

// Straight-through, also for weights that clip: their range is measured, not learned.
Tensor weights_backward(Tensor grad, Tensor divisor, Tensor gain, int64_t bits) {
  const int64_t rows = grad.size(0), columns = grad.size(1);
  Tensor out = at::empty({rows, columns}, grad.options());
  const float *d = divisor.data_ptr<float>(), *g = gain.data_ptr<float>(), *given = grad.data_ptr<float>();
  float* to = out.data_ptr<float>();
  const float top = full_scale(bits);
  in_shares(rows, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const float* __restrict from = given + row * columns;
      float* __restrict o = to + row * columns;
      for (int64_t k = 0; k < columns; ++k) o[k] = from[k] * g[k] * top / d[k];
    }
  });
  return out;
}

}  // namespace
