// The LSTM over a whole sequence, forward and backward, in units of ADC steps: the fast twin of lstm_sequence.py.
//
// One step is a product with the hidden state for each row tile (kernel_steps.h) and one pass over its
// voltages (kernel_step.h). Operations and their order are those of the eager path, without fused multiply-add (-ffp-contract=off) where that could show, so that
// codes are equal to the bit. What backward needs of the gates is computed again from the stored voltages.

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <cstring>
#include <initializer_list>
#include <tuple>
#include <vector>

#include "kernel_blocks.h"
#include "kernel_gaussian.h"
#include "kernel_loop.h"
#include "kernel_parallel.h"
#include "kernel_product.h"
#include "kernel_rnn.h"
#include "kernel_step.h"
#include "kernel_steps.h"
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

// `voltages` (T, B, 4n), of row tiles (R, T, B, 4n), as forward_steps has them.
template <bool TABLES>
std::tuple<Tensor, Tensor, Tensor> run_forward(Tensor& voltages, const Sums& sums, const Loop& loop,
                                               const StepNoise& noise, bool with_values) {
  const int64_t steps = voltages.size(-3), batch = voltages.size(-2), n = voltages.size(-1) / 4;
  Tensor hidden = kept_empty({steps, batch, n}), cells = kept_empty({steps, batch, n});
  Tensor values = kept_empty({with_values ? steps : 0, batch, n});
  Tensor start = loop.c0 ? loop.c0->contiguous() : at::zeros({batch, n}, voltages.options());
  const auto gates = gates_of<TABLES>(loop.form, loop.tables, nullptr, loop.step, loop.units);
  const auto cell = cell_of<TABLES>(loop.form, loop.cell_table);
  float *h0 = hidden.data_ptr<float>(), *c0 = cells.data_ptr<float>();
  float* value0 = with_values ? values.data_ptr<float>() : nullptr;
  const float* first_c = start.const_data_ptr<float>();
  forward_steps(voltages, sums, loop, noise, gates, hidden, [&](int64_t t, int64_t b, const float* v) {
    const int64_t at = (t * batch + b) * n;
    const float* before = t > 0 ? c0 + at - batch * n : first_c + b * n;
    forward_step<TABLES>(v, before, c0 + at, h0 + at, value0 ? value0 + at : nullptr, n, gates, cell,
                         loop.form.dac_bits);
  });
  return {hidden, cells, values};
}

template <bool TABLES, bool STEPS, bool SLOPES>
std::vector<Tensor> run_backward(const Tensor& voltages, const Loop& loop, const MaybeTensor& slopes,
                                 const Tensor& cells, const MaybeTensor& grad_hidden, const MaybeTensor& grad_cells,
                                 const MaybeTensor& grad_values, float divisor, bool learned, float leak) {
  const int64_t batch = voltages.size(-2), n = voltages.size(-1) / 4;
  Tensor dv = kept_empty(voltages.sizes());
  Tensor dh = at::empty({batch, n}, voltages.options()), dc = at::zeros({batch, n}, voltages.options());
  Tensor start = loop.c0 ? loop.c0->contiguous() : at::zeros({batch, n}, voltages.options());
  const auto gates = gates_of<TABLES>(loop.form, loop.tables, SLOPES ? slopes->data_ptr<float>() : nullptr, loop.step,
                                      loop.units, leak);
  const auto cell = cell_of<TABLES>(loop.form, loop.cell_table);
  const float top = loop.form.dac_bits == FLOAT ? 1.0f : full_scale(loop.form.dac_bits);
  const int64_t rows = STEPS || learned ? SUMMED : 1, units = (batch + rows - 1) / rows;
  const int64_t entries = learned ? 4 * gates.entries : 0;
  std::vector<double> dsteps(4 * units), dtables(entries * units);
  float *h = dh.data_ptr<float>(), *d = dc.data_ptr<float>();
  const float *c0 = cells.const_data_ptr<float>(), *first_c = start.const_data_ptr<float>();
  const std::initializer_list<Given> given = {
      {numbers(grad_hidden), h, divisor},
      {numbers(grad_cells), d, 1.0f},
      {numbers(grad_values), h, top},  // of o * tanh(c), as the codes' is after the multiplication by top
  };
  backward_steps(voltages, loop, gates, dv, dh, given, rows, [&](int64_t t, int64_t b, const float* v, float* out) {
    const float* after = c0 + (t * batch + b) * n;
    const float* before = t > 0 ? after - batch * n : first_c + b * n;
    backward_step<TABLES, STEPS, SLOPES>(v, before, after, h + b * n, d + b * n, out, dsteps.data() + 4 * (b / rows),
                                         learned ? dtables.data() + entries * (b / rows) : nullptr, n, gates, cell,
                                         top);
  });
  Tensor grad_step = at::empty({4}, voltages.options());
  add_units(dsteps, 4, grad_step.data_ptr<float>());
  Tensor grad_tables = at::empty({learned ? 4 : 0, gates.entries}, voltages.options());
  add_units(dtables, entries, grad_tables.data_ptr<float>());
  return {dv, grad_step, dh, dc, grad_tables};
}

std::tuple<Tensor, Tensor, Tensor> forward(Tensor voltages, MaybeTensor inputs, MaybeTensor bias, Tensor recurrent, Tensor step, MaybeTensor tables,
                                           MaybeTensor cell_table, at::IntArrayRef form, MaybeTensor h0,
                                           MaybeTensor c0, at::IntArrayRef ends, at::IntArrayRef shifts, at::IntArrayRef key, double deviation,
                                           at::IntArrayRef spread_key, MaybeTensor spread, MaybeTensor squares, bool exact, MaybeTensor gain,
                                           int64_t code_bits, bool values) {
  at::AutoDispatchBelowADInplaceOrView guard;  // no gradients in here: spare every product its bookkeeping
  const Loop loop = loop_of(form, voltages, recurrent, step, tables, cell_table, h0, c0, ends, shifts);
  const Sums sums = sums_of(voltages, recurrent, inputs, bias, ends, voltages.size(-1) / 4, exact, gain, code_bits);
  auto run = form[1] == FLOAT ? run_forward<false> : run_forward<true>;
  return run(voltages, sums, loop,
             {key.vec(), deviation, spread_key.vec(), spread, squares, voltages.size(-2),
              voltages.size(-1), loop.units},
             values);
}

// `grad_hidden` is of the hidden codes over `divisor`. `learned`: the tables' entries have a gradient; they have slopes
// then.
std::vector<Tensor> backward(Tensor voltages, Tensor recurrent, Tensor step, MaybeTensor tables, MaybeTensor slopes,
                             MaybeTensor cell_table, at::IntArrayRef form, MaybeTensor h0, MaybeTensor c0,
                             at::IntArrayRef ends, at::IntArrayRef shifts, Tensor cells, MaybeTensor grad_hidden, MaybeTensor grad_cells, MaybeTensor grad_values,
                             double divisor, bool steps, bool learned, double leak) {
  at::AutoDispatchBelowADInplaceOrView guard;
  if (slopes) checked(*slopes);
  TORCH_CHECK(slopes || !learned, "slopes for learned tables");
  auto run = form[1] == FLOAT ? (steps ? run_backward<false, true, false> : run_backward<false, false, false>)
             : slopes         ? (steps ? run_backward<true, true, true> : run_backward<true, false, true>)
                              : (steps ? run_backward<true, true, false> : run_backward<true, false, false>);
  return run(voltages, loop_of(form, voltages, recurrent, step, tables, cell_table, h0, c0, ends, shifts), slopes, cells, grad_hidden,
             grad_cells, grad_values, float(divisor), learned, float(leak));
}

}  // namespace

TORCH_LIBRARY(ohmgate, m) {
  m.def(
      "weights_forward(Tensor cells, float[] alpha, float[] gain, int bits, int[] key, float deviation, float unit) "
      "-> (Tensor, Tensor, Tensor)",
      &weights_forward);
  m.def("weights_backward(Tensor grad, float[] alpha, float[] gain, int bits) -> Tensor", &weights_backward);
  m.def("largest_of(Tensor values) -> Tensor", &largest_of);
  m.def("driven_codes(Tensor values, float scale, int bits) -> (Tensor, bool)", &driven_codes);
  m.def("code_sums(Tensor codes, Tensor matrix, Tensor gain, Tensor bias, int bits) -> Tensor", &code_sums);
  m.def("row_products(Tensor rows, Tensor matrix) -> Tensor", &row_products);
  m.def(
      "weight_gradient(Tensor? inputs, Tensor? hidden, Tensor? h0, Tensor dv, int bias_rows, float level, "
      "Tensor? factor) -> Tensor",
      &weight_gradient);
  m.def("kept_empty(int[] sizes) -> Tensor", &kept_empty);
  m.def("multiplies_codes() -> bool", [] { return MULTIPLIES_CODES; });
  m.def("gaussian(int[] key, int rows, int size) -> Tensor", &gaussian);
  m.def(
      "lstm_forward(Tensor(a!) voltages, Tensor? inputs, Tensor? bias, Tensor recurrent, Tensor step, Tensor? tables, Tensor? cell_table, "
      "int[] form, Tensor? h0, Tensor? c0, int[] ends, int[] shifts, int[] key, float deviation, int[] spread_key, Tensor? spread, "
      "Tensor? squares, bool exact, Tensor? gain, int code_bits, bool values) -> (Tensor, Tensor, Tensor)",
      &forward);
  m.def(
      "lstm_backward(Tensor voltages, Tensor recurrent, Tensor step, Tensor? tables, Tensor? slopes, "
      "Tensor? cell_table, int[] form, Tensor? h0, Tensor? c0, int[] ends, int[] shifts, Tensor cells, Tensor? grad_hidden, "
      "Tensor? grad_cells, Tensor? grad_values, float divisor, bool steps, bool learned, float leak) -> Tensor[]",
      &backward);
  m.def(
      "rnn_forward(Tensor(a!) voltages, Tensor? inputs, Tensor? bias, Tensor recurrent, Tensor step, Tensor? tables, str function, "
      "int[] form, Tensor? h0, int[] ends, int[] shifts, int[] key, float deviation, int[] spread_key, Tensor? spread, Tensor? squares, bool exact, "
      "Tensor? gain, int code_bits) -> Tensor",
      &rnn_forward);
  m.def(
      "rnn_backward(Tensor voltages, Tensor recurrent, Tensor step, Tensor? tables, Tensor? slopes, str function, int[] form, "
      "Tensor? h0, int[] ends, int[] shifts, Tensor? grad_hidden, float divisor, bool steps, float leak) -> Tensor[]",
      &rnn_backward);
}
