// All steps of a pass, forward and backward, of any layer with feedback: products, noise, row tiles and threads. What a
// layer makes of its voltages, element by element, is its own.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <vector>

#include "kernel_loop.h"
#include "kernel_tiles.h"

namespace {

using at::Tensor;

// What a product with the rows of a pass goes by, besides the loop: the inputs, if their share is made in it; and whether
// sums are exact, or whole numbers (kernel_codes.h).
struct Sums {
  std::optional<Inputs> inputs;
  bool exact;
  MaybeTensor gain;
  int64_t code_bits;
};

// What forward takes of its caller, checked: the voltages are those of loop_of.
Sums sums_of(const Tensor& voltages, const Tensor& recurrent, const MaybeTensor& inputs, const MaybeTensor& bias,
             at::IntArrayRef ends, int64_t units, bool exact, const MaybeTensor& gain, int64_t code_bits) {
  if (gain) check_codes(recurrent, *gain, code_bits);
  if (!inputs) return {{}, exact, gain, code_bits};
  TORCH_CHECK(MULTIPLIES_CODES && gain && bias, "inputs only as codes");
  TORCH_CHECK(checked(*inputs).dim() == 3 && inputs->size(0) == voltages.size(-3) &&
                  inputs->size(1) == voltages.size(-2) && inputs->size(2) + units == recurrent.size(0),
              "a code for each row");
  TORCH_CHECK(checked(*bias).numel() == recurrent.size(1) * std::max(int64_t(ends.size()), int64_t(1)),
              "a bias for each column");
  return {Inputs{*inputs, *bias}, exact, gain, code_bits};
}

// `voltages` (T, B, columns), of row tiles (R, T, B, columns), are consumed, or made of the inputs: they hold the full
// voltages afterwards, which backward takes. step(t, b, v) makes the codes of `hidden` (T, B, n) of a sequence's voltages,
// or of the sums of its row tiles' codes.
template <class Gates, class Step>
void forward_steps(Tensor& voltages, const Sums& sums, const Loop& loop, const StepNoise& noise, const Gates& gates,
                   const Tensor& hidden, Step step) {
  const int64_t steps = voltages.size(-3), batch = voltages.size(-2), columns = voltages.size(-1), n = hidden.size(2);
  const int64_t count = loop.tiles(), tile_size = steps * batch * columns;
  const std::optional<Inputs>& inputs = sums.inputs;
  const int64_t m = inputs ? inputs->codes.size(2) : 0;
  const std::vector<Tile> tiles = tiles_of(loop.recurrent, loop.ends, m, false, sums.exact, sums.gain, sums.code_bits);
  float* v0 = voltages.data_ptr<float>();
  const float *h0 = hidden.const_data_ptr<float>(), *first_h = loop.h0 ? loop.h0->const_data_ptr<float>() : nullptr;
  const float* x = inputs ? inputs->codes.const_data_ptr<float>() : nullptr;
  const float* bias = inputs ? inputs->bias.const_data_ptr<float>() : nullptr;
  in_batch_shares(batch, tiles, [&](int64_t begin, int64_t end) {
    Product::Room room;
    std::vector<float> root(batch), codes(count > 1 ? columns : 0);
    for (int64_t t = 0; t < steps; ++t) {
      const float* last = t > 0 ? h0 + (t - 1) * batch * n : first_h;
      for (int64_t r = 0; r < count; ++r) {
        const Tile& tile = tiles[r];
        float* v = v0 + r * tile_size + t * batch * columns;
        const Product::Part before{last ? last + begin * n + tile.unit : nullptr, tile.units, n};
        if (inputs)
          tile.product.sum_codes(bias + r * columns, {x + (t * batch + begin) * m + tile.input, tile.inputs, m}, before,
                                 end - begin, v + begin * columns, room);
        else if (last && tile.units)
          tile.product.add_to(v + begin * columns, before, begin, end - begin, room);
        noise.add(t, r, begin, end, last ? last + tile.unit : nullptr, tile.units, n, v, root);
      }
      for (int64_t b = begin; b < end; ++b) {
        const float* v = v0 + (t * batch + b) * columns;
        if (count > 1) {
          add_codes(v, tile_size, columns, gates, codes.data());
          v = codes.data();
        }
        step(t, b, v);
      }
    }
  });
}

// A gradient (T, B, n) from outside, null for none, that is added to one of a step (B, n) over a divisor.
struct Given {
  const float* from;
  float* to;
  float divisor;
};

// What is summed over the batch is summed for so many rows of it at a time, then in order.
constexpr int64_t SUMMED = 8;

// `dv`: gradients of the voltages, of the same sizes. On every step `h` (B, n), the gradient of the hidden codes, is made
// of the next step's `dv`, `given` are added, and step(t, b, v, out) makes a sequence's gradients of v, its voltages or sums
// of codes. Shares of the batch are whole multiples of `rows`. Of an initial state `h` has the gradient at the end.
template <class Gates, class Step>
void backward_steps(const Tensor& voltages, const Loop& loop, const Gates& gates, Tensor& dv, Tensor& dh,
                    std::initializer_list<Given> given, int64_t rows, Step step) {
  const int64_t steps = voltages.size(-3), batch = voltages.size(-2), columns = voltages.size(-1), n = dh.size(1);
  const int64_t count = loop.tiles(), tile_size = steps * batch * columns;
  const std::vector<Tile> tiles = tiles_of(loop.recurrent, loop.ends, 0, true, true);
  const float* v0 = voltages.const_data_ptr<float>();
  float *h = dh.data_ptr<float>(), *dv0 = dv.data_ptr<float>();
  in_batch_shares((batch + rows - 1) / rows, tiles, [&](int64_t first, int64_t last) {
    const int64_t begin = first * rows, end = std::min(last * rows, batch);
    std::vector<float> codes(count > 1 ? columns : 0), passing(codes.size()), of_units;
    auto to_hidden = [&](const float* from) {  // of a step's voltages to the hidden rows'
      if (count == 1) return tiles.front().product.run(from + begin * columns, begin, end - begin, h + begin * n);
      for (int64_t r = 0; r < count; ++r) {
        const Tile& tile = tiles[r];
        of_units.resize((end - begin) * tile.units);
        if (!tile.units) continue;
        tile.product.run(from + r * tile_size + begin * columns, begin, end - begin, of_units.data());
        for (int64_t b = begin; b < end; ++b)
          std::copy_n(of_units.data() + (b - begin) * tile.units, tile.units, h + b * n + tile.unit);
      }
    };
    for (int64_t t = steps - 1; t >= 0; --t) {
      if (t < steps - 1)
        to_hidden(dv0 + (t + 1) * batch * columns);
      else
        std::fill(h + begin * n, h + end * n, 0.0f);
      for (const auto& [source, target, divisor] : given) {
        if (!source) continue;
        const float* __restrict from = source + t * batch * n;
        float* __restrict to = target;
        for (int64_t k = begin * n; k < end * n; ++k) to[k] += from[k] / divisor;
      }
      const float* v = v0 + t * batch * columns;
      float* out = dv0 + t * batch * columns;
      for (int64_t b = begin; b < end; ++b) {
        if (count > 1) add_codes(v + b * columns, tile_size, columns, gates, codes.data());
        step(t, b, count > 1 ? codes.data() : v + b * columns, count > 1 ? passing.data() : out + b * columns);
        if (count > 1) pass_to_tiles(passing.data(), v + b * columns, tile_size, columns, gates, out + b * columns);
      }
    }
    if (loop.h0) to_hidden(dv0);
  });
}

// out (count,) = the sums of so many numbers of each of the batch's units of SUMMED rows, in order.
void add_units(const std::vector<double>& parts, int64_t count, float* out) {
  for (int64_t k = 0; k < count; ++k) {
    double sum = 0.0;
    for (size_t at = k; at < parts.size(); at += count) sum += parts[at];
    out[k] = float(sum);
  }
}

const float* numbers(const MaybeTensor& t) { return t ? t->const_data_ptr<float>() : nullptr; }

}  // namespace
