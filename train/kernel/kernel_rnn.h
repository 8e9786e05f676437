// A simple recurrent layer over a whole sequence, in units of ADC steps: the fast twin of rnn_sequence.py.
//
// The hidden state of a step is an entry of one table, by the ADC's code. Where ADCs are float it is a function of the
// pre-activation, in DAC codes.
#pragma once

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "kernel_blocks.h"
#include "kernel_gates.h"
#include "kernel_loop.h"
#include "kernel_step.h"
#include "kernel_steps.h"

namespace {

using at::Tensor;

enum class Function { IDENTITY, RELU, TANH };

Function function_of(const std::string& name) {
  TORCH_CHECK(name == "identity" || name == "relu" || name == "tanh", "identity, relu or tanh");
  return name == "tanh" ? Function::TANH : name == "relu" ? Function::RELU : Function::IDENTITY;
}

inline void values_of(Function function, const float* __restrict z, float* __restrict out, int count) {
  if (function == Function::TANH) for (int j = 0; j < count; ++j) out[j] = tanh_of(z[j]);
  else if (function == Function::RELU) for (int j = 0; j < count; ++j) out[j] = most(z[j], 0.0f);
  else std::copy(z, z + count, out);
}

// h (n,) of the voltages of a float ADC, in DAC codes.
void float_step(const float* v, float step, Function function, float* h, int64_t n, int64_t dac_bits) {
  float y[CHUNK];
  in_chunks(n, [&](int64_t at, auto count) {
    for (int j = 0; j < count; ++j) y[j] = v[at + j] * step;
    values_of(function, y, y, count);
    hidden_codes(y, h + at, count, dac_bits);
  });
}

// Slopes of the codes of h by the pre-activation; those that clip have none.
void float_slopes(const float* v, float step, Function function, float* __restrict out, int count, int64_t dac_bits) {
  float y[CHUNK];
  const float top = dac_bits == FLOAT ? 1.0f : full_scale(dac_bits);
  for (int j = 0; j < count; ++j) y[j] = v[j] * step;
  values_of(function, y, y, count);
  for (int j = 0; j < count; ++j) {
    const float slope = function == Function::TANH ? 1.0f - y[j] * y[j]
                        : function == Function::RELU ? (y[j] > 0.0f ? 1.0f : 0.0f) : 1.0f;
    const bool inside = dac_bits == FLOAT || (y[j] <= 1.0f && y[j] >= -1.0f);
    out[j] = inside ? slope * top : 0.0f;
  }
}

// `voltages` (T, B, n), of row tiles (R, T, B, n), as forward_steps has them. Returns hidden codes (T, B, n).
Tensor rnn_forward(Tensor voltages, MaybeTensor inputs, MaybeTensor bias, Tensor recurrent, Tensor step,
                   MaybeTensor tables, std::string function, at::IntArrayRef form, MaybeTensor h0, at::IntArrayRef ends,
                   at::IntArrayRef shifts, at::IntArrayRef key, double deviation, at::IntArrayRef spread_key, MaybeTensor spread,
                   MaybeTensor squares, bool exact, MaybeTensor gain, int64_t code_bits) {
  at::AutoDispatchBelowADInplaceOrView guard;
  const Loop loop = loop_of(form, voltages, recurrent, step, tables, {}, h0, {}, ends, shifts);
  const int64_t batch = voltages.size(-2), n = voltages.size(-1), bits = loop.form.dac_bits;
  const Sums sums = sums_of(voltages, recurrent, inputs, bias, ends, n, exact, gain, code_bits);
  const StepNoise noise{key.vec(), deviation, spread_key.vec(), spread, squares, batch, n, loop.units};
  Tensor hidden = kept_empty({voltages.size(-3), batch, n});
  float* h = hidden.data_ptr<float>();
  if (form[1] == FLOAT) {
    const Function f = function_of(function);
    const float each = step.data_ptr<float>()[0];
    const auto gates = gates_of<false>(loop.form, step, nullptr, step, loop.units);
    forward_steps(voltages, sums, loop, noise, gates, hidden, [&](int64_t t, int64_t b, const float* v) {
      float_step(v, each, f, h + (t * batch + b) * n, n, bits);
    });
  } else {
    const auto gates = gates_of<true>(loop.form, loop.tables, nullptr, step, loop.units);
    forward_steps(voltages, sums, loop, noise, gates, hidden, [&](int64_t t, int64_t b, const float* v) {
      float* out = h + (t * batch + b) * n;
      in_chunks(n, [&](int64_t at, auto count) { gates.values(0, v + at, out + at, count); });
    });
  }
  return hidden;
}

// Gradients of the voltages, of the ADC's step and of the initial state, of that of the hidden codes over `divisor`.
// `slopes`: of the codes by the pre-activation, for each entry of the table.
template <bool TABLES>
std::vector<Tensor> rnn_backward_of(const Tensor& voltages, const Loop& loop, const MaybeTensor& slopes,
                                    Function function, const MaybeTensor& grad_hidden, float divisor, bool steps,
                                    float leak) {
  const int64_t batch = voltages.size(-2), n = voltages.size(-1), bits = loop.form.dac_bits;
  Tensor dv = kept_empty(voltages.sizes()), dh = at::empty({batch, n}, voltages.options());
  const auto gates = gates_of<TABLES>(loop.form, loop.tables, numbers(slopes), loop.step, loop.units, leak);
  const float each = gates.step[0];
  const int64_t rows = steps ? SUMMED : 1;
  std::vector<double> dsteps((batch + rows - 1) / rows);
  float* h = dh.data_ptr<float>();
  auto of_step = [&](int64_t, int64_t b, const float* v, float* out) {
    float dz[CHUNK];
    double sum = 0.0;
    in_chunks(n, [&](int64_t at, auto count) {
      if constexpr (TABLES) gates.slope(0, v + at, dz, count);
      else float_slopes(v + at, each, function, dz, count, bits);
      for (int j = 0; j < count; ++j) dz[j] = h[b * n + at + j] * dz[j];
      if (steps)
        for (int j = 0; j < count; ++j) sum += dz[j] * gates.read(v[at + j]);
      for (int j = 0; j < count; ++j) dz[j] *= each;
      if (gates.tiles > 1) std::copy(dz, dz + count, out + at);
      else for (int j = 0; j < count; ++j) out[at + j] = gates.passed(dz[j], v[at + j]);
    });
    dsteps[b / rows] += sum;
  };
  backward_steps(voltages, loop, gates, dv, dh, {{numbers(grad_hidden), h, divisor}}, rows, of_step);
  Tensor grad_step = at::empty({1}, voltages.options());
  add_units(dsteps, 1, grad_step.data_ptr<float>());
  return {dv, grad_step, dh};
}

std::vector<Tensor> rnn_backward(Tensor voltages, Tensor recurrent, Tensor step, MaybeTensor tables, MaybeTensor slopes,
                                 std::string function, at::IntArrayRef form, MaybeTensor h0, at::IntArrayRef ends,
                                 at::IntArrayRef shifts, MaybeTensor grad_hidden, double divisor, bool steps, double leak) {
  at::AutoDispatchBelowADInplaceOrView guard;
  TORCH_CHECK(form[1] == FLOAT || (slopes && tables && checked(*slopes).sizes() == tables->sizes()),
              "a slope for each entry");
  if (grad_hidden) checked(*grad_hidden);
  const Loop loop = loop_of(form, voltages, recurrent, step, tables, {}, h0, {}, ends, shifts);
  auto run = form[1] == FLOAT ? rnn_backward_of<false> : rnn_backward_of<true>;
  return run(voltages, loop, slopes, function_of(function), grad_hidden, float(divisor), steps, float(leak));
}

}  // namespace
