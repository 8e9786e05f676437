// The LSTM over a whole sequence, forward and backward, in units of ADC steps: the fast twin of sequence.py.
//
// One step is a product with the hidden state for each row tile (kernel_product.h, kernel_tiles.h) and one pass over its
// voltages (kernel_step.h). Operations and their order are those of the eager path, without fused multiply-add (-ffp-contract=off) where that could show, so that
// codes are equal to the bit. What backward needs of the gates is computed again from the stored voltages.

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <cstring>
#include <optional>
#include <tuple>
#include <vector>

#include "kernel_gaussian.h"
#include "kernel_loop.h"
#include "kernel_parallel.h"
#include "kernel_product.h"
#include "kernel_step.h"
#include "kernel_tiles.h"
#include "kernel_weights.h"

namespace {

using at::Tensor;

Tensor gaussian(at::IntArrayRef key, int64_t rows, int64_t size) {
  Tensor out = at::empty({rows, size}, at::kFloat);
  float* data = out.data_ptr<float>();
  const std::vector<int64_t> k = key.vec();
  const int64_t blocks = (size + 2 * LANES - 1) / (2 * LANES);  // of a row
  in_shares(rows * blocks, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin / blocks; row * blocks < end; ++row) {
      const int64_t first = std::max(begin - row * blocks, int64_t(0)) * 2 * LANES;
      const int64_t last = std::min((end - row * blocks) * 2 * LANES, size);
      gaussian_range(k, row, size, first, last, [&](int64_t start, auto count, const float* z) {
        std::memcpy(data + row * size + start, z, count * sizeof(float));
      });
    }
  });
  return out;
}

// `voltages` (T, B, 4n), of row tiles (R, T, B, 4n), are consumed, or made of `inputs`: they hold the full voltages
// afterwards, which backward takes.
template <bool TABLES>
std::tuple<Tensor, Tensor, Tensor> run_forward(Tensor& voltages, const std::optional<Inputs>& inputs, const Loop& loop,
                                               const StepNoise& noise, bool exact, const MaybeTensor& gain,
                                               int64_t code_bits, bool with_values) {
  const int64_t steps = voltages.size(-3), batch = voltages.size(-2), columns = voltages.size(-1), n = columns / 4;
  const int64_t count = loop.tiles(), tile_size = steps * batch * columns;
  Tensor hidden = at::empty({steps, batch, n}, voltages.options()), cells = at::empty({steps, batch, n}, voltages.options());
  Tensor values = at::empty({with_values ? steps : 0, batch, n}, voltages.options());
  Tensor start = loop.c0 ? loop.c0->contiguous() : at::zeros({batch, n}, voltages.options());
  const int64_t m = inputs ? inputs->codes.size(2) : 0;
  const std::vector<Tile> tiles = tiles_of(loop.recurrent, loop.ends, m, false, exact, gain, code_bits);
  const auto gates = gates_of<TABLES>(loop.form, loop.tables, nullptr, loop.step, count);
  const auto cell = cell_of<TABLES>(loop.form, loop.cell_table);
  float *v0 = voltages.data_ptr<float>(), *h0 = hidden.data_ptr<float>(), *c0 = cells.data_ptr<float>();
  float* value0 = with_values ? values.data_ptr<float>() : nullptr;
  const float *first_h = loop.h0 ? loop.h0->const_data_ptr<float>() : nullptr, *first_c = start.const_data_ptr<float>();
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
      const float* before = t > 0 ? c0 + (t - 1) * batch * n : first_c;
      float *after = c0 + t * batch * n, *h = h0 + t * batch * n;
      float* value = value0 ? value0 + t * batch * n : nullptr;
      for (int64_t b = begin; b < end; ++b) {
        const float* v = v0 + (t * batch + b) * columns;
        if (count > 1) {
          add_codes(v, tile_size, columns, gates, codes.data());
          v = codes.data();
        }
        forward_step<TABLES>(v, before + b * n, after + b * n, h + b * n, value ? value + b * n : nullptr, n, gates,
                             cell, loop.form.dac_bits);
      }
    }
  });
  return {hidden, cells, values};
}

// What is summed over the batch is summed for so many rows of it at a time, then in order.
constexpr int64_t SUMMED = 8;

template <bool TABLES, bool STEPS, bool SLOPES>
std::vector<Tensor> run_backward(const Tensor& voltages, const Loop& loop, const MaybeTensor& slopes,
                                 const Tensor& cells, const MaybeTensor& grad_hidden, const MaybeTensor& grad_cells,
                                 const MaybeTensor& grad_values, float divisor, bool learned, float leak) {
  const int64_t steps = voltages.size(-3), batch = voltages.size(-2), columns = voltages.size(-1), n = columns / 4;
  const int64_t count = loop.tiles(), tile_size = steps * batch * columns;
  Tensor dv = at::empty(voltages.sizes(), voltages.options());
  Tensor dh = at::empty({batch, n}, voltages.options()), dc = at::zeros({batch, n}, voltages.options());
  Tensor start = loop.c0 ? loop.c0->contiguous() : at::zeros({batch, n}, voltages.options());
  const std::vector<Tile> tiles = tiles_of(loop.recurrent, loop.ends, 0, true, true);
  const auto gates = gates_of<TABLES>(loop.form, loop.tables, SLOPES ? slopes->data_ptr<float>() : nullptr, loop.step,
                                      count, leak);
  const auto cell = cell_of<TABLES>(loop.form, loop.cell_table);
  const float top = loop.form.dac_bits == FLOAT ? 1.0f : full_scale(loop.form.dac_bits);
  const bool sums = STEPS || learned;
  const int64_t rows = sums ? SUMMED : 1, units = (batch + rows - 1) / rows, entries = learned ? 4 * gates.entries : 0;
  std::vector<double> dsteps(4 * units), dtables(entries * units);
  float *h = dh.data_ptr<float>(), *d = dc.data_ptr<float>(), *dv0 = dv.data_ptr<float>();
  const float *c0 = cells.const_data_ptr<float>(), *v0 = voltages.const_data_ptr<float>();
  const float* first_c = start.const_data_ptr<float>();
  auto numbers = [](const MaybeTensor& t) { return t ? t->const_data_ptr<float>() : nullptr; };
  const float *gh = numbers(grad_hidden), *gc = numbers(grad_cells), *gv = numbers(grad_values);
  in_batch_shares(units, tiles, [&](int64_t first, int64_t last) {
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
    auto add = [&](const float* __restrict from, int64_t t, float* __restrict to, float divisor) {
      if (from)
        for (int64_t k = begin * n; k < end * n; ++k) to[k] += from[t * batch * n + k] / divisor;
    };
    for (int64_t t = steps - 1; t >= 0; --t) {
      if (t < steps - 1)
        to_hidden(dv0 + (t + 1) * batch * columns);
      else
        std::fill(h + begin * n, h + end * n, 0.0f);
      add(gh, t, h, divisor);
      add(gc, t, d, 1.0f);
      add(gv, t, h, top);  // of o * tanh(c), as the codes' is after the multiplication by top
      const float* before = t > 0 ? c0 + (t - 1) * batch * n : first_c;
      const float *after = c0 + t * batch * n, *v = v0 + t * batch * columns;
      float* out = dv0 + t * batch * columns;
      for (int64_t b = begin; b < end; ++b) {
        if (count > 1) add_codes(v + b * columns, tile_size, columns, gates, codes.data());
        backward_step<TABLES, STEPS, SLOPES>(count > 1 ? codes.data() : v + b * columns, before + b * n, after + b * n,
                                             h + b * n, d + b * n, count > 1 ? passing.data() : out + b * columns,
                                             dsteps.data() + 4 * (b / rows),
                                             learned ? dtables.data() + entries * (b / rows) : nullptr, n, gates, cell,
                                             top);
        if (count > 1) pass_to_tiles(passing.data(), v + b * columns, tile_size, columns, gates, out + b * columns);
      }
    }
    if (loop.h0) to_hidden(dv0);
  });
  auto summed = [&](const std::vector<double>& parts, int64_t count, float* out) {
    for (int64_t k = 0; k < count; ++k) {
      double sum = 0.0;
      for (int64_t unit = 0; unit < units; ++unit) sum += parts[unit * count + k];
      out[k] = float(sum);
    }
  };
  Tensor grad_step = at::empty({4}, voltages.options());
  summed(dsteps, 4, grad_step.data_ptr<float>());
  Tensor grad_tables = at::empty({learned ? 4 : 0, gates.entries}, voltages.options());
  summed(dtables, entries, grad_tables.data_ptr<float>());
  return {dv, grad_step, dh, dc, grad_tables};
}

std::tuple<Tensor, Tensor, Tensor> forward(Tensor voltages, MaybeTensor inputs, MaybeTensor bias, Tensor recurrent, Tensor step, MaybeTensor tables,
                                           MaybeTensor cell_table, at::IntArrayRef form, MaybeTensor h0,
                                           MaybeTensor c0, at::IntArrayRef ends, at::IntArrayRef key, double deviation,
                                           at::IntArrayRef spread_key, MaybeTensor spread, MaybeTensor squares, bool exact, MaybeTensor gain,
                                           int64_t code_bits, bool values) {
  at::AutoDispatchBelowADInplaceOrView guard;  // no gradients in here: spare every product its bookkeeping
  if (gain) check_codes(recurrent, *gain, code_bits);
  auto run = form[1] == FLOAT ? run_forward<false> : run_forward<true>;
  std::optional<Inputs> given;
  if (inputs) {
    TORCH_CHECK(MULTIPLIES_CODES && gain && bias, "inputs only as codes");
    TORCH_CHECK(checked(*inputs).dim() == 3 && inputs->size(0) == voltages.size(-3) &&
                    inputs->size(1) == voltages.size(-2) && inputs->size(2) + voltages.size(-1) / 4 == recurrent.size(0),
                "a code for each row");
    TORCH_CHECK(checked(*bias).numel() == recurrent.size(1) * std::max(int64_t(ends.size()), int64_t(1)),
                "a bias for each column");
    given = {*inputs, *bias};
  }
  return run(voltages, given, loop_of(form, voltages, recurrent, step, tables, cell_table, h0, c0, ends),
             {key.vec(), deviation, spread_key.vec(), spread, squares, std::max(int64_t(ends.size()), int64_t(1)), voltages.size(-2),
              voltages.size(-1)},
             exact, gain, code_bits, values);
}

// `grad_hidden` is of the hidden codes over `divisor`. `learned`: the tables' entries have a gradient; they have slopes
// then.
std::vector<Tensor> backward(Tensor voltages, Tensor recurrent, Tensor step, MaybeTensor tables, MaybeTensor slopes,
                             MaybeTensor cell_table, at::IntArrayRef form, MaybeTensor h0, MaybeTensor c0,
                             at::IntArrayRef ends, Tensor cells, MaybeTensor grad_hidden, MaybeTensor grad_cells, MaybeTensor grad_values,
                             double divisor, bool steps, bool learned, double leak) {
  at::AutoDispatchBelowADInplaceOrView guard;
  if (slopes) checked(*slopes);
  TORCH_CHECK(slopes || !learned, "slopes for learned tables");
  auto run = form[1] == FLOAT ? (steps ? run_backward<false, true, false> : run_backward<false, false, false>)
             : slopes         ? (steps ? run_backward<true, true, true> : run_backward<true, false, true>)
                              : (steps ? run_backward<true, true, false> : run_backward<true, false, false>);
  return run(voltages, loop_of(form, voltages, recurrent, step, tables, cell_table, h0, c0, ends), slopes, cells, grad_hidden,
             grad_cells, grad_values, float(divisor), learned, float(leak));
}

}  // namespace

TORCH_LIBRARY(ohmgate, m) {
  m.def("weights_forward(Tensor cells, Tensor divisor, Tensor gain, int bits, int[] key, float deviation, float unit) -> Tensor",
        &weights_forward);
  m.def("weights_backward(Tensor grad, Tensor divisor, Tensor gain, int bits) -> Tensor",
        &weights_backward);
  m.def("code_sums(Tensor codes, Tensor matrix, Tensor gain, Tensor bias, int bits) -> Tensor", &code_sums);
  m.def("row_products(Tensor rows, Tensor matrix) -> Tensor", &row_products);
  m.def(
      "weight_gradient(Tensor? inputs, Tensor? hidden, Tensor? h0, Tensor dv, int bias_rows, float level, "
      "Tensor? factor) -> Tensor",
      &weight_gradient);
  m.def("multiplies_codes() -> bool", [] { return MULTIPLIES_CODES; });
  m.def("gaussian(int[] key, int rows, int size) -> Tensor", &gaussian);
  m.def(
      "lstm_forward(Tensor(a!) voltages, Tensor? inputs, Tensor? bias, Tensor recurrent, Tensor step, Tensor? tables, Tensor? cell_table, "
      "int[] form, Tensor? h0, Tensor? c0, int[] ends, int[] key, float deviation, int[] spread_key, Tensor? spread, "
      "Tensor? squares, bool exact, Tensor? gain, int code_bits, bool values) -> (Tensor, Tensor, Tensor)",
      &forward);
  m.def(
      "lstm_backward(Tensor voltages, Tensor recurrent, Tensor step, Tensor? tables, Tensor? slopes, "
      "Tensor? cell_table, int[] form, Tensor? h0, Tensor? c0, int[] ends, Tensor cells, Tensor? grad_hidden, "
      "Tensor? grad_cells, Tensor? grad_values, float divisor, bool steps, bool learned, float leak) -> Tensor[]",
      &backward);
}
