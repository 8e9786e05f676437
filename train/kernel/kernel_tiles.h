// Row tiles of an array: converters of their own, whose codes are added up. An array that is not cut is one tile.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernel_gates.h"
#include "kernel_product.h"

namespace {

struct Tile {
  int64_t input, inputs;   // its first of the inputs' rows, and how many
  int64_t unit, units;     // of the hidden rows
  Product product;
};

// `ends`: behind which of the matrix's rows each tile ends; none: it is one tile. The rows are those of `m` inputs, then
// those of the hidden units. `backward`: products with the transposed rows of the hidden units.
std::vector<Tile> tiles_of(const Tensor& matrix, at::IntArrayRef ends, int64_t m, bool backward, bool any_order,
                           const MaybeTensor& gain = {}, int64_t bits = 8) {
  const int64_t depth = matrix.size(-2);
  TORCH_CHECK(ends.empty() || ends.back() == depth, "tiles of all rows");
  std::vector<Tile> tiles;
  int64_t begin = 0;
  for (const int64_t end : ends.empty() ? at::IntArrayRef(depth) : ends) {
    TORCH_CHECK(end >= begin, "tiles one after the other");
    const Tensor rows = matrix.narrow(-2, begin, end - begin);
    const int64_t first = std::min(begin, m), last = std::min(end, m), unit = std::max(begin - m, int64_t(0));
    tiles.push_back({first, last - first, unit, std::max(end - m, int64_t(0)) - unit,
                     Product(backward ? rows.transpose(-1, -2) : rows, any_order, gain, bits)});
    begin = end;
  }
  return tiles;
}

// out (count,) = the sum of the codes of all tiles' voltages, `apart` from one tile's to the next one's.
template <bool TABLES>
void add_codes(const float* v, int64_t apart, int64_t count, const Gates<TABLES>& gates, float* __restrict out) {
  const float low = gates.tile_low, high = gates.tile_high;
  std::fill_n(out, count, 0.0f);
  for (int64_t tile = 0; tile < gates.tiles; ++tile) {
    const float* __restrict next = v + tile * apart;
    const float unit = gates.units[tile], own = 1.0f / unit;
    for (int64_t k = 0; k < count; ++k) out[k] += least(most(std::floor(next[k] * own), low), high) * unit;
  }
}

// The gradients of all tiles' voltages `v`, of which `grad` (count,) is that of one that does not clip.
template <bool TABLES>
void pass_to_tiles(const float* __restrict grad, const float* v, int64_t apart, int64_t count,
                   const Gates<TABLES>& gates, float* dv) {
  for (int64_t tile = 0; tile < gates.tiles; ++tile) {
    const float* __restrict voltage = v + tile * apart;
    float* __restrict out = dv + tile * apart;
    const float own = 1.0f / gates.units[tile];
    for (int64_t k = 0; k < count; ++k) out[k] = gates.passed(grad[k], voltage[k] * own);
  }
}

}  // namespace
