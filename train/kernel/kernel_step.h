// One step of one sequence, forward and backward: all that is element by element.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "kernel_gates.h"

namespace {

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

// `dtables`: of the tables' entries, unless it is null. SLOPES: the gates have slopes of their own. Of row tiles `v` are
// the sums of their codes, and `dv` is of each tile's voltage that does not clip.
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
    if (gates.tiles > 1) {
      for (int j = 0; j < count; ++j) out[j] = f[j] * s0;
      for (int j = 0; j < count; ++j) out[n + j] = i[j] * s1;
      for (int j = 0; j < count; ++j) out[2 * n + j] = o[j] * s2;
      for (int j = 0; j < count; ++j) out[3 * n + j] = g[j] * s3;
      return;
    }
    for (int j = 0; j < count; ++j) out[j] = gates.passed(f[j] * s0, vf[j]);
    for (int j = 0; j < count; ++j) out[n + j] = gates.passed(i[j] * s1, vi[j]);
    for (int j = 0; j < count; ++j) out[2 * n + j] = gates.passed(o[j] * s2, vo[j]);
    for (int j = 0; j < count; ++j) out[3 * n + j] = gates.passed(g[j] * s3, vg[j]);
  });
}

}  // namespace
