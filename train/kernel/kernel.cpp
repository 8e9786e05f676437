// The LSTM over a whole sequence, forward and backward, in units of ADC steps: the fast twin of sequence.py.
//
// One step is a product with the hidden state (kernel_product.h) and one pass over its voltages. Operations and their
// order are those of the eager path, without fused multiply-add (-ffp-contract=off) where that could show, so that
// codes are equal to the bit. What backward needs of the gates is computed again from the stored voltages.

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <cstring>
#include <optional>
#include <tuple>
#include <type_traits>
#include <vector>

#include "kernel_gates.h"
#include "kernel_gaussian.h"
#include "kernel_product.h"

namespace {

using at::Tensor;

Tensor gaussian(at::IntArrayRef key, int64_t rows, int64_t size) {
  Tensor out = at::empty({rows, size}, at::kFloat);
  float* data = out.data_ptr<float>();
  std::vector<int64_t> k = key.vec();
  for (int64_t row = 0; row < rows; ++row)
    gaussian_row(k, row, size, [&](int64_t start, int64_t count, const float* block) {
      std::memcpy(data + row * size + start, block, count * sizeof(float));
    });
  return out;
}

// What the loop over steps goes by, as sequence.py's Loop. In float no table is read.
struct Loop {
  Form form;
  Tensor recurrent, step, tables, cell_table;
  MaybeTensor h0, c0;
};

Loop loop_of(at::IntArrayRef form, const Tensor& recurrent, const Tensor& step, const MaybeTensor& tables,
             const MaybeTensor& cell_table, const MaybeTensor& h0, const MaybeTensor& c0) {
  return {form_of(form), recurrent, checked(step), tables ? checked(*tables) : step,
          cell_table ? checked(*cell_table) : step, h0, c0};
}

// Made step by step, as sequence.py's StepNoise.
struct StepNoise {
  std::vector<int64_t> key;
  double deviation;
  std::vector<int64_t> spread_key;
  MaybeTensor spread, squares;
};

// ---- one step ------------------------------------------------------------------------------------------------------

inline void hidden_codes(const float* __restrict p, float* __restrict h, int count, int64_t bits) {
  const float top = full_scale(bits);
  if (bits == FLOAT)
    std::copy(p, p + count, h);
  else if (bits == 1)
    for (int j = 0; j < count; ++j) h[j] = p[j] >= 0.0f ? 1.0f : -1.0f;
  else
    for (int j = 0; j < count; ++j) h[j] = least(most(std::floor(p[j] * top + 0.5f), -top), top);
}

// Calls step(first unit, count) for chunks of `n` units; the count of a full chunk is known to the compiler.
template <class Step>
inline void in_chunks(int64_t n, Step step) {
  int64_t at = 0;
  for (; at + CHUNK <= n; at += CHUNK) step(at, std::integral_constant<int, CHUNK>());
  if (at < n) step(at, static_cast<int>(n - at));
}

// `values`: o * tanh(c) as it is, unless it is null.
template <bool TABLES>
void forward_step(const float* v, const float* __restrict before, float* __restrict after, float* __restrict h,
                  float* values, int64_t n, const Gates<TABLES>& gates, const Cell<TABLES> cell, int64_t dac_bits) {
  float f[CHUNK], i[CHUNK], o[CHUNK], g[CHUNK], th[CHUNK];
  in_chunks(n, [&](int64_t at, auto count) {
    gates.values(0, v + at, f, count);
    gates.values(1, v + n + at, i, count);
    gates.values(2, v + 2 * n + at, o, count);
    gates.values(3, v + 3 * n + at, g, count);
    for (int j = 0; j < count; ++j) after[at + j] = cell.value(cell.sum(f[j], before[at + j], i[j], g[j]));
    cell.tanh(after + at, th, count);
    for (int j = 0; j < count; ++j) o[j] = o[j] * th[j];
    hidden_codes(o, h + at, count, dac_bits);
    if (values) std::copy(o, o + count, values + at);
  });
}

// `voltages` (T, B, 4n) are consumed: they hold the full voltages afterwards, which backward takes.
template <bool TABLES>
std::tuple<Tensor, Tensor, Tensor> run_forward(Tensor& voltages, const Loop& loop, const StepNoise& noise, bool exact,
                                               const MaybeTensor& gain, bool with_values) {
  const int64_t steps = voltages.size(0), batch = voltages.size(1), columns = voltages.size(2), n = columns / 4;
  Tensor hidden = at::empty({steps, batch, n}, voltages.options()), cells = at::empty({steps, batch, n}, voltages.options());
  Tensor values = at::empty({with_values ? steps : 0, batch, n}, voltages.options());
  Tensor start = loop.c0 ? loop.c0->contiguous() : at::zeros({batch, n}, voltages.options());
  Product product(loop.recurrent, exact, gain);
  auto gates = gates_of<TABLES>(loop.form, loop.tables, nullptr, loop.step);
  auto cell = cell_of<TABLES>(loop.form, loop.cell_table);
  const float sigma = float(noise.deviation);
  for (int64_t t = 0; t < steps; ++t) {
    float* v = voltages.data_ptr<float>() + t * batch * columns;
    const Tensor* last = nullptr;
    Tensor previous;
    if (t > 0) { previous = hidden.select(0, t - 1); last = &previous; }
    else if (loop.h0) last = &*loop.h0;
    if (sigma != 0.0f)
      gaussian_row(noise.key, t, batch * columns, [&](int64_t s, int64_t count, const float* z) {
        for (int64_t k = 0; k < count; ++k) v[s + k] = v[s + k] + z[k] * sigma;
      });
    if (last) product.add_to(v, *last);
    if (noise.spread) {
      std::vector<float> root(batch);
      const float* square = noise.squares->data_ptr<float>() + t * batch;
      for (int64_t b = 0; b < batch; ++b) {
        float energy = 0.0f;
        if (last) {
          const float* h = last->data_ptr<float>() + b * n;
          for (int64_t j = 0; j < n; ++j) energy += h[j] * h[j];
        }
        root[b] = std::sqrt(square[b] + energy);
      }
      const float* scale = noise.spread->data_ptr<float>();
      gaussian_row(noise.spread_key, t, batch * columns, [&](int64_t s, int64_t count, const float* z) {
        for (int64_t k = 0; k < count; ++k) {
          int64_t at = s + k;
          v[at] = v[at] + z[k] * scale[at % columns] * root[at / columns];
        }
      });
    }
    const float* before = t > 0 ? cells.data_ptr<float>() + (t - 1) * batch * n : start.data_ptr<float>();
    float* after = cells.data_ptr<float>() + t * batch * n;
    float* h = hidden.data_ptr<float>() + t * batch * n;
    float* value = with_values ? values.data_ptr<float>() + t * batch * n : nullptr;
    for (int64_t b = 0; b < batch; ++b)
      forward_step<TABLES>(v + b * columns, before + b * n, after + b * n, h + b * n, value ? value + b * n : nullptr,
                           n, gates, cell, loop.form.dac_bits);
  }
  return {hidden, cells, values};
}

// `dtables`: of the tables' entries, unless it is null. SLOPES: the gates have slopes of their own.
template <bool TABLES, bool STEPS, bool SLOPES>
void backward_step(const float* v, const float* __restrict before, const float* __restrict after,
                   const float* __restrict dh, float* __restrict dc, float* dv, double* dstep, double* dtables,
                   int64_t n, const Gates<TABLES> gates, const Cell<TABLES> cell, float top) {
  float f[CHUNK], i[CHUNK], o[CHUNK], g[CHUNK], th[CHUNK];
  float sf[CHUNK], si[CHUNK], so[CHUNK], sg[CHUNK];  // slopes
  const float s0 = gates.step[0], s1 = gates.step[1], s2 = gates.step[2], s3 = gates.step[3];
  in_chunks(n, [&](int64_t at, auto count) {
    const float* __restrict vf = v + at;
    const float* __restrict vi = vf + n;
    const float* __restrict vo = vi + n;
    const float* __restrict vg = vo + n;
    gates.values(0, vf, f, count);
    gates.values(1, vi, i, count);
    gates.values(2, vo, o, count);
    gates.values(3, vg, g, count);
    if constexpr (SLOPES) {
      gates.slope(0, vf, sf, count);
      gates.slope(1, vi, si, count);
      gates.slope(2, vo, so, count);
      gates.slope(3, vg, sg, count);
    } else {
      for (int j = 0; j < count; ++j) {
        sf[j] = f[j] - f[j] * f[j];
        si[j] = i[j] - i[j] * i[j];
        so[j] = o[j] - o[j] * o[j];
        sg[j] = 1.0f - g[j] * g[j];
      }
    }
    cell.tanh(after + at, th, count);
    for (int j = 0; j < count; ++j) {  // the buffers become the gradients of the gates
      const int64_t k = at + j;
      float dp = dh[k] * top;
      float dcell = dc[k] + dp * o[j] * (1.0f - th[j] * th[j]) * cell.tanh_inside(after[k]);
      dcell = dcell * cell.inside(cell.sum(f[j], before[k], i[j], g[j]));
      dc[k] = dcell * f[j];
      const float di = dcell * g[j], dg = dcell * i[j];
      f[j] = dcell * before[k];
      o[j] = dp * th[j];
      i[j] = di;
      g[j] = dg;
    }
    if (SLOPES && dtables)
      for (int j = 0; j < count; ++j) {
        dtables[gates.entry(0, vf[j])] += f[j];
        dtables[gates.entry(1, vi[j])] += i[j];
        dtables[gates.entry(2, vo[j])] += o[j];
        dtables[gates.entry(3, vg[j])] += g[j];
      }
    for (int j = 0; j < count; ++j) {  // and then of the pre-activations
      f[j] *= sf[j];
      i[j] *= si[j];
      o[j] *= so[j];
      g[j] *= sg[j];
    }
    if constexpr (STEPS)
      for (int j = 0; j < count; ++j) {
        dstep[0] += f[j] * gates.read(vf[j]);
        dstep[1] += i[j] * gates.read(vi[j]);
        dstep[2] += o[j] * gates.read(vo[j]);
        dstep[3] += g[j] * gates.read(vg[j]);
      }
    float* __restrict out = dv + at;
    for (int j = 0; j < count; ++j) out[j] = gates.passed(f[j] * s0, vf[j]);
    for (int j = 0; j < count; ++j) out[n + j] = gates.passed(i[j] * s1, vi[j]);
    for (int j = 0; j < count; ++j) out[2 * n + j] = gates.passed(o[j] * s2, vo[j]);
    for (int j = 0; j < count; ++j) out[3 * n + j] = gates.passed(g[j] * s3, vg[j]);
  });
}

template <bool TABLES, bool STEPS, bool SLOPES>
std::vector<Tensor> run_backward(const Tensor& voltages, const Loop& loop, const MaybeTensor& slopes,
                                 const Tensor& cells, const MaybeTensor& grad_hidden, const MaybeTensor& grad_cells,
                                 const MaybeTensor& grad_values, bool learned, float leak) {
  const int64_t steps = voltages.size(0), batch = voltages.size(1), columns = voltages.size(2), n = columns / 4;
  Tensor dv = at::empty(voltages.sizes(), voltages.options());
  Tensor dh = at::empty({batch, n}, voltages.options()), dc = at::zeros({batch, n}, voltages.options());
  Tensor start = loop.c0 ? loop.c0->contiguous() : at::zeros({batch, n}, voltages.options());
  Product product(loop.recurrent.transpose(-1, -2), true);
  auto gates = gates_of<TABLES>(loop.form, loop.tables, SLOPES ? slopes->data_ptr<float>() : nullptr, loop.step,
                               leak);
  auto cell = cell_of<TABLES>(loop.form, loop.cell_table);
  const float top = loop.form.dac_bits == FLOAT ? 1.0f : full_scale(loop.form.dac_bits);
  double dstep[4] = {0, 0, 0, 0};
  std::vector<double> dtables(learned ? 4 * gates.entries : 0);
  float *h = dh.data_ptr<float>(), *d = dc.data_ptr<float>();
  for (int64_t t = steps - 1; t >= 0; --t) {
    if (t < steps - 1) {
      Tensor next = dv.select(0, t + 1);
      product.run(next, dh);
    } else {
      dh.zero_();
    }
    if (grad_hidden) {
      const float* from = grad_hidden->data_ptr<float>() + t * batch * n;
      for (int64_t k = 0; k < batch * n; ++k) h[k] += from[k];
    }
    if (grad_cells) {
      const float* from = grad_cells->data_ptr<float>() + t * batch * n;
      for (int64_t k = 0; k < batch * n; ++k) d[k] += from[k];
    }
    const float* before = t > 0 ? cells.data_ptr<float>() + (t - 1) * batch * n : start.data_ptr<float>();
    const float* after = cells.data_ptr<float>() + t * batch * n;
    const float* v = voltages.data_ptr<float>() + t * batch * columns;
    float* out = dv.data_ptr<float>() + t * batch * columns;
    if (grad_values) {  // of o * tanh(c), as the codes' is after the multiplication by top
      const float* from = grad_values->data_ptr<float>() + t * batch * n;
      for (int64_t k = 0; k < batch * n; ++k) h[k] += from[k] / top;
    }
    for (int64_t b = 0; b < batch; ++b)
      backward_step<TABLES, STEPS, SLOPES>(v + b * columns, before + b * n, after + b * n, h + b * n, d + b * n,
                                           out + b * columns, dstep, learned ? dtables.data() : nullptr, n, gates,
                                           cell, top);
  }
  if (loop.h0) product.run(dv.select(0, 0), dh);
  Tensor grad_step = at::empty({4}, voltages.options());
  for (int k = 0; k < 4; ++k) grad_step.data_ptr<float>()[k] = float(dstep[k]);
  Tensor grad_tables = at::empty({learned ? 4 : 0, gates.entries}, voltages.options());
  std::copy(dtables.begin(), dtables.end(), grad_tables.data_ptr<float>());
  return {dv, grad_step, dh, dc, grad_tables};
}

// ---- weights ---------------------------------------------------------------------------------------------------------

// Codes of cells / divisor, plus noise of `deviation` codes, times the column's gain: one pass instead of ten.
Tensor weights_forward(Tensor cells, Tensor divisor, Tensor gain, int64_t bits, at::IntArrayRef key,
                       double deviation) {
  const int64_t rows = cells.size(0), columns = cells.size(1);
  Tensor out = at::empty({rows, columns}, cells.options());
  const float *d = divisor.data_ptr<float>(), *g = gain.data_ptr<float>();
  const float top = full_scale(bits), sigma = float(deviation);
  for (int64_t row = 0; row < rows; ++row) {
    const float* __restrict w = cells.data_ptr<float>() + row * columns;
    float* __restrict o = out.data_ptr<float>() + row * columns;
    if (bits == 1)
      for (int64_t k = 0; k < columns; ++k) o[k] = w[k] / d[k] >= 0.0f ? 1.0f : -1.0f;
    else
      for (int64_t k = 0; k < columns; ++k) o[k] = least(most(std::floor(w[k] / d[k] * top + 0.5f), -top), top);
  }
  float* o = out.data_ptr<float>();
  if (sigma != 0.0f)
    gaussian_row(key.vec(), 0, rows * columns, [&](int64_t s, int64_t count, const float* z) {
      for (int64_t k = 0; k < count; ++k) o[s + k] = o[s + k] + z[k] * sigma;
    });
  for (int64_t row = 0; row < rows; ++row, o += columns)
    for (int64_t k = 0; k < columns; ++k) o[k] = o[k] * g[k];
  return out;
}

// Straight-through, also for weights that clip: their range is measured, not learned.
Tensor weights_backward(Tensor grad, Tensor divisor, Tensor gain, int64_t bits) {
  const int64_t rows = grad.size(0), columns = grad.size(1);
  Tensor out = at::empty({rows, columns}, grad.options());
  const float *d = divisor.data_ptr<float>(), *g = gain.data_ptr<float>();
  const float top = full_scale(bits);
  for (int64_t row = 0; row < rows; ++row) {
    const float* __restrict from = grad.data_ptr<float>() + row * columns;
    float* __restrict o = out.data_ptr<float>() + row * columns;
    for (int64_t k = 0; k < columns; ++k) o[k] = from[k] * g[k] * top / d[k];
  }
  return out;
}

std::tuple<Tensor, Tensor, Tensor> forward(Tensor voltages, Tensor recurrent, Tensor step, MaybeTensor tables,
                                   MaybeTensor cell_table, at::IntArrayRef form, MaybeTensor h0, MaybeTensor c0,
                                   at::IntArrayRef key, double deviation, at::IntArrayRef spread_key,
                                   MaybeTensor spread, MaybeTensor squares, bool exact, MaybeTensor gain,
                                   bool values) {
  at::AutoDispatchBelowADInplaceOrView guard;  // no gradients in here: spare every product its bookkeeping
  checked(voltages);
  if (gain) check_codes(recurrent, *gain);
  auto run = form[1] == FLOAT ? run_forward<false> : run_forward<true>;
  return run(voltages, loop_of(form, recurrent, step, tables, cell_table, h0, c0),
             {key.vec(), deviation, spread_key.vec(), spread, squares}, exact, gain, values);
}

// `learned`: the tables' entries have a gradient; they have slopes then.
std::vector<Tensor> backward(Tensor voltages, Tensor recurrent, Tensor step, MaybeTensor tables, MaybeTensor slopes,
                             MaybeTensor cell_table, at::IntArrayRef form, MaybeTensor h0, MaybeTensor c0,
                             Tensor cells, MaybeTensor grad_hidden, MaybeTensor grad_cells, MaybeTensor grad_values,
                             bool steps, bool learned, double leak) {
  at::AutoDispatchBelowADInplaceOrView guard;
  if (slopes) checked(*slopes);
  TORCH_CHECK(slopes || !learned, "slopes for learned tables");
  auto run = form[1] == FLOAT ? (steps ? run_backward<false, true, false> : run_backward<false, false, false>)
             : slopes         ? (steps ? run_backward<true, true, true> : run_backward<true, false, true>)
                              : (steps ? run_backward<true, true, false> : run_backward<true, false, false>);
  return run(voltages, loop_of(form, recurrent, step, tables, cell_table, h0, c0), slopes, cells, grad_hidden,
             grad_cells, grad_values, learned, float(leak));
}

}  // namespace

TORCH_LIBRARY(ohmgate, m) {
  m.def("weights_forward(Tensor cells, Tensor divisor, Tensor gain, int bits, int[] key, float deviation) -> Tensor",
        &weights_forward);
  m.def("weights_backward(Tensor grad, Tensor divisor, Tensor gain, int bits) -> Tensor",
        &weights_backward);
  m.def("code_sums(Tensor codes, Tensor matrix, Tensor gain, Tensor bias) -> Tensor", &code_sums);
  m.def("gaussian(int[] key, int rows, int size) -> Tensor", &gaussian);
  m.def(
      "lstm_forward(Tensor(a!) voltages, Tensor recurrent, Tensor step, Tensor? tables, Tensor? cell_table, "
      "int[] form, Tensor? h0, Tensor? c0, int[] key, float deviation, int[] spread_key, Tensor? spread, "
      "Tensor? squares, bool exact, Tensor? gain, bool values) -> (Tensor, Tensor, Tensor)",
      &forward);
  m.def(
      "lstm_backward(Tensor voltages, Tensor recurrent, Tensor step, Tensor? tables, Tensor? slopes, "
      "Tensor? cell_table, int[] form, Tensor? h0, Tensor? c0, Tensor cells, Tensor? grad_hidden, "
      "Tensor? grad_cells, Tensor? grad_values, bool steps, bool learned, float leak) -> Tensor[]",
      &backward);
}
