// What the loop over steps goes by: formats and tables, noise, the inputs' codes; and how it is shared out to threads.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "kernel_gates.h"
#include "kernel_gaussian.h"
#include "kernel_parallel.h"
#include "kernel_product.h"
#include "kernel_tiles.h"

namespace {

using at::Tensor;

// What the loop over steps goes by, as sequence.py's Loop. In float no table is read. `ends` of row tiles: behind which
// of the recurrent rows each ends. `units`: what 1 in a tile's code counts, which is its ADC's step in those of the layer.
struct Loop {
  Form form;
  Tensor recurrent, step, tables, cell_table;
  MaybeTensor h0, c0;
  at::IntArrayRef ends;
  std::vector<float> units;

  int64_t tiles() const { return ends.empty() ? 1 : int64_t(ends.size()); }
};

Loop loop_of(at::IntArrayRef form, const Tensor& voltages, const Tensor& recurrent, const Tensor& step,
             const MaybeTensor& tables, const MaybeTensor& cell_table, const MaybeTensor& h0, const MaybeTensor& c0,
             at::IntArrayRef ends, at::IntArrayRef shifts) {
  if (h0) checked(*h0);
  const int64_t count = int64_t(ends.size());
  TORCH_CHECK(ends.empty() ? checked(voltages).dim() == 3 : checked(voltages).dim() == 4 && voltages.size(0) == count,
              "voltages of each tile");
  std::vector<float> units(std::max(count, int64_t(1)), 1.0f);
  TORCH_CHECK(shifts.empty() || int64_t(shifts.size()) == count, "a shift for each tile");
  for (size_t tile = 0; tile < shifts.size(); ++tile) units[tile] = std::ldexp(1.0f, int(shifts[tile]));
  const int64_t all = int64_t(std::accumulate(units.begin(), units.end(), 0.0f));
  TORCH_CHECK(!tables || tables->size(1) == ((int64_t(1) << form[1]) - 1) * all + 1, "an entry for each code");
  return {form_of(form), recurrent, checked(step), tables ? checked(*tables) : step,
          cell_table ? checked(*cell_table) : step, h0, c0, ends, std::move(units)};
}

// Made step by step, as sequence.py's StepNoise. A step's numbers are those of its R tiles, one after the other.
struct StepNoise {
  std::vector<int64_t> key;
  double deviation;
  std::vector<int64_t> spread_key;
  MaybeTensor spread, squares;
  int64_t batch, columns;
  std::vector<float> steps;  // of each tile's ADC, in those of the layer; the deviation is in its own

  // Adds step t's to the voltages v (B, 4n) of a tile, for a share of the batch. `h`: its `units` codes of the hidden rows
  // of each sequence, `stride` apart; null: none is driven. `root` is room for the batch.
  void add(int64_t t, int64_t tile, int64_t begin, int64_t end, const float* h, int64_t units, int64_t stride, float* v,
           std::vector<float>& root) const {
    const int64_t size = batch * columns, first = tile * size, tiles = int64_t(steps.size());
    if (const float sigma = float(deviation) * steps[tile]; sigma != 0.0f)
      gaussian_range(key, t, tiles * size, first + begin * columns, first + end * columns,
                     [&](int64_t s, auto count, const float* z) {
                       float* to = v + (s - first);
                       for (int k = 0; k < count; ++k) to[k] = to[k] + z[k] * sigma;
                     });
    if (!spread) return;
    const float* given = squares->const_data_ptr<float>() + (t * tiles + tile) * batch;
    const float* scale = spread->const_data_ptr<float>();
    for (int64_t b = begin; b < end; ++b) {
      float energy = 0.0f;
      for (int64_t j = 0; h && j < units; ++j) energy += h[b * stride + j] * h[b * stride + j];
      root[b] = std::sqrt(given[b] + energy);
    }
    gaussian_range(spread_key, t, tiles * size, first + begin * columns, first + end * columns,
                   [&](int64_t s, auto count, const float* z) {
                     for (int k = 0; k < count; ++k) {
                       const int64_t at = s - first + k;
                       v[at] = v[at] + z[k] * scale[at % columns] * root[at / columns];
                     }
                   });
  }
};

// Calls work(begin, end) for shares of the batch; all of it at once, on this thread, where rows depend on each other.
template <class Work>
void in_batch_shares(int64_t units, const std::vector<Tile>& tiles, Work work) {
  if (tiles.front().product.by_rows()) return in_shares(units, work);  // all tiles' are, or none
  OneThread alone;
  work(int64_t(0), units);
}

// The inputs' share of the voltages, if it is made in the loop: codes (T, B, m), of the matrix's first m rows, and the
// bias (4n,) of each tile. The matrix is whole numbers then, and has the hidden rows behind them.
struct Inputs {
  Tensor codes, bias;
};

}  // namespace
