// Codes on the rows, and weights from cells with their gradient: in one pass each.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdint>
#include <tuple>
#include <vector>

#include "kernel_blocks.h"
#include "kernel_gates.h"
#include "kernel_gaussian.h"
#include "kernel_parallel.h"
#include "kernel_product.h"  // checked

namespace {

using at::Tensor;

// DAC codes of values over `scale`, within +-1; and are all of these finite?
std::tuple<Tensor, bool> driven_codes(Tensor values, double scale, int64_t bits) {
  const int64_t count = values.numel();
  constexpr int64_t TOGETHER = 1 << 12;
  Tensor out = kept_empty(values.sizes());
  const float* from = checked(values).const_data_ptr<float>();
  float* to = out.data_ptr<float>();
  const float divisor = float(scale), top = full_scale(bits);
  std::atomic<bool> finite = true;
  in_shares((count + TOGETHER - 1) / TOGETHER, [&](int64_t begin, int64_t end) {
    const int64_t last = std::min(end * TOGETHER, count);
    uint32_t undefined = 0;  // are all exponent bits of a number 1? (a sum would wait for itself)
    for (int64_t k = begin * TOGETHER; k < last; ++k) {
      const float value = from[k] / divisor;
      undefined |= uint32_t((std::bit_cast<uint32_t>(value) & 0x7f800000u) == 0x7f800000u);
      if (bits == 1) to[k] = value >= 0.0f ? 1.0f : -1.0f;
      else to[k] = least(most(std::floor(value * top + 0.5f), -top), top);
    }
    if (undefined) finite = false;
  });
  return {out, finite};
}

// Values of groups of columns, one after the other, for each column.
std::vector<float> by_column(at::ArrayRef<double> values, int64_t columns) {
  const int64_t groups = values.size();
  TORCH_CHECK(groups > 0 && columns % groups == 0, "columns in groups of the same size");
  std::vector<float> found(columns);
  for (int64_t k = 0; k < columns; ++k) found[k] = float(values[k / (columns / groups)]);
  return found;
}

// Codes of cells / alpha, plus noise of `deviation` codes, times the gain; rounded to multiples of `unit`, a power of
// two, unless it is 0. `alpha` and `gain` are those of groups of columns. With each column's gain, and the factor of
// its cells' gradient over its weights'.
std::tuple<Tensor, Tensor, Tensor> weights_forward(Tensor cells, at::ArrayRef<double> alpha, at::ArrayRef<double> gain,
                                                   int64_t bits, at::IntArrayRef key, double deviation, double unit) {
  const int64_t rows = cells.size(0), columns = cells.size(1);
  const std::vector<float> divisors = by_column(alpha, columns), gains = by_column(gain, columns);
  Tensor out = kept_empty({rows, columns});
  Tensor column_gain = at::empty({columns}, cells.options()), factor = at::empty({columns}, cells.options());
  const float *from = checked(cells).const_data_ptr<float>(), *d = divisors.data(), *g = gains.data();
  float* to = out.data_ptr<float>();
  const float top = full_scale(bits), sigma = float(deviation), step = float(unit);
  const float steps = unit == 0.0 ? 0.0f : float(1.0 / unit);
  std::copy(gains.begin(), gains.end(), column_gain.data_ptr<float>());
  for (int64_t c = 0; c < columns; ++c) factor.data_ptr<float>()[c] = g[c] * top / d[c];
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
  return {out, column_gain, factor};
}

// Straight-through, also for weights that clip: their range is measured, not learned.
Tensor weights_backward(Tensor grad, at::ArrayRef<double> alpha, at::ArrayRef<double> gain, int64_t bits) {
  const int64_t rows = grad.size(0), columns = grad.size(1);
  const std::vector<float> divisors = by_column(alpha, columns), gains = by_column(gain, columns);
  Tensor out = at::empty({rows, columns}, grad.options());
  const float *d = divisors.data(), *g = gains.data(), *given = checked(grad).const_data_ptr<float>();
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

// Largest size of the numbers of each row (rows, size); not finite where one is not.
Tensor largest_of(Tensor values) {
  TORCH_CHECK(checked(values).dim() == 2 && values.numel() > 0, "rows of numbers");
  const int64_t rows = values.size(0), size = values.size(1);
  constexpr int64_t TOGETHER = 1 << 14;
  const int64_t parts = (size + TOGETHER - 1) / TOGETHER;
  std::vector<uint32_t> found(rows * parts);
  const float* from = values.const_data_ptr<float>();
  in_shares(rows * parts, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      const int64_t row = part / parts, first = part % parts * TOGETHER, count = std::min(TOGETHER, size - first);
      uint32_t largest = 0;
      for (int64_t k = 0; k < count; ++k) {
        // without the sign bits are in the numbers' order, and those of no number are the largest
        largest = std::max(largest, std::bit_cast<uint32_t>(from[row * size + first + k]) & 0x7fffffffu);
      }
      found[part] = largest;
    }
  });
  Tensor out = at::empty({rows}, values.options());
  for (int64_t row = 0; row < rows; ++row) {
    const uint32_t largest = *std::max_element(found.begin() + row * parts, found.begin() + (row + 1) * parts);
    out.data_ptr<float>()[row] = std::bit_cast<float>(largest);
  }
  return out;
}

}  // namespace
