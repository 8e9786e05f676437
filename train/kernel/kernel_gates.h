// Activations of the gates and of the cell: values, and what the formats let through.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <vector>

#include "kernel_gaussian.h"  // least, most

namespace {

using at::Tensor;

struct Form {
  int64_t dac_bits, adc_bits, cell_bits, cell_fraction, tanh_bits, tanh_fraction;
};

Form form_of(at::IntArrayRef f) { return {f[0], f[1], f[2], f[3], f[4], f[5]}; }

constexpr int64_t FLOAT = 32;

inline float exp_of(float x) {  // Cephes, for the float gates only
  x = least(most(x, -87.0f), 87.0f);
  float n = std::floor(x * 1.44269504f + 0.5f);
  float r = x - n * 0.693359375f + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  uint32_t bits = static_cast<uint32_t>(static_cast<int32_t>(n) + 127) << 23;
  return p * std::bit_cast<float>(bits);
}

inline float sigmoid_of(float x) { return 1.0f / (1.0f + exp_of(-x)); }
inline float tanh_of(float x) { return 2.0f * sigmoid_of(2.0f * x) - 1.0f; }

constexpr int CHUNK = 32;  // hidden units that are computed together, through buffers that stay in the first cache

inline float let_through(float code, float low, float high) {  // 1 inside the range, 0 where it clips
  return (code >= low) & (code <= high) ? 1.0f : 0.0f;
}

// Values of `count` voltages from a table by their clipped floor. One plain loop: GCC turns it into gathers.
inline void look_up(const float* __restrict v, float* __restrict out, const float* __restrict table, int count,
                    float scale, float low, float high) {
  for (int j = 0; j < count; ++j)
    out[j] = table[static_cast<int32_t>(least(most(std::floor(v[j] * scale), low), high) - low)];
}

// The same for the 16 entries of a 4-bit converter, which fit a register where the machine has wide ones.
#if defined(__AVX512F__) && defined(__GNUC__) && !defined(__clang__)
typedef float Float16 __attribute__((vector_size(64)));
typedef int32_t Int16 __attribute__((vector_size(64)));

inline void look_up_16(const float* __restrict v, float* __restrict out, const float* __restrict table, int count,
                       float low, float high) {
  Float16 entries;
  std::memcpy(&entries, table, sizeof entries);
  int j = 0;
  for (; j + 16 <= count; j += 16) {
    int32_t index[16];
    for (int l = 0; l < 16; ++l) index[l] = static_cast<int32_t>(least(most(std::floor(v[j + l]), low), high) - low);
    Int16 which;
    std::memcpy(&which, index, sizeof which);
    Float16 values = __builtin_shuffle(entries, which);
    std::memcpy(out + j, &values, sizeof values);
  }
  look_up(v + j, out + j, table, count - j, 1.0f, low, high);
}
#else
inline void look_up_16(const float* v, float* out, const float* table, int count, float low, float high) {
  look_up(v, out, table, count, 1.0f, low, high);
}
#endif

// A layer's gates: values by voltage, and what the converter lets through.
template <bool TABLES>
struct Gates {
  const float* tables;
  const float* slopes;  // by code; null where they are those of sigmoid and tanh at the tables' values
  const float* step;
  float low, high;  // of the tables' codes: sums of the row tiles' codes
  int64_t entries;
  float leak;
  int64_t tiles;
  const float* units;  // what 1 in a code of each row tile counts in the sum: a power of 2
  float tile_low, tile_high, middle;  // of a converter; what a code's middle lies above it

  void entries_of(const float* table, const float* __restrict v, float* __restrict out, int count) const {
    if (entries == 16) look_up_16(v, out, table, count, low, high);
    else look_up(v, out, table, count, 1.0f, low, high);
  }
  void values(int gate, const float* __restrict v, float* __restrict out, int count) const {
    if constexpr (TABLES) {
      entries_of(tables + gate * entries, v, out, count);
    } else {
      const float s = step[gate];
      if (gate == 3) for (int j = 0; j < count; ++j) out[j] = tanh_of(v[j] * s);
      else for (int j = 0; j < count; ++j) out[j] = sigmoid_of(v[j] * s);
    }
  }
  void slope(int gate, const float* __restrict v, float* __restrict out, int count) const {
    entries_of(slopes + gate * entries, v, out, count);
  }
  inline int64_t entry(int gate, float v) const {
    return gate * entries + static_cast<int64_t>(least(most(std::floor(v), low), high) - low);
  }
  inline float passed(float grad, float v) const {  // of a voltage that clips: the leak, if descent leads back
    if constexpr (!TABLES) return grad;
    const float code = std::floor(v), side = code > tile_high ? 1.0f : code < tile_low ? -1.0f : 0.0f;
    return grad * (side == 0.0f ? 1.0f : grad * side > 0.0f ? leak : 0.0f);
  }
  inline float read(float v) const {  // what the step multiplies
    return TABLES ? least(most(std::floor(v), low), high) + middle : v;
  }
};

template <bool TABLES>
struct Cell {
  const float* table;
  float scale, unscale, low, high, index_scale, index_low, index_high;

  inline float sum(float f, float c, float i, float g) const {  // before saturation, in the cell's last place
    return TABLES ? std::floor(f * c * scale + 0.5f) + std::floor(i * g * scale + 0.5f) : f * c + i * g;
  }
  inline float value(float sum) const { return TABLES ? least(most(sum, low), high) * unscale : sum; }
  inline float inside(float sum) const { return TABLES ? let_through(sum, low, high) : 1.0f; }
  void tanh(const float* __restrict c, float* __restrict out, int count) const {
    if constexpr (TABLES) look_up(c, out, table, count, index_scale, index_low, index_high);
    else for (int j = 0; j < count; ++j) out[j] = tanh_of(c[j]);
  }
  inline float tanh_inside(float c) const {
    return TABLES ? let_through(std::floor(c * index_scale), index_low, index_high) : 1.0f;
  }
};

template <bool TABLES>
Gates<TABLES> gates_of(const Form& form, const Tensor& tables, const float* slopes, const Tensor& step,
                        const std::vector<float>& units, float leak = 0.0f) {
  const float top = std::ldexp(1.0f, int(form.adc_bits) - 1), all = std::accumulate(units.begin(), units.end(), 0.0f);
  return {TABLES ? tables.data_ptr<float>() : nullptr, slopes, step.data_ptr<float>(), -top * all, (top - 1) * all,
          ((int64_t(1) << form.adc_bits) - 1) * int64_t(all) + 1, leak, int64_t(units.size()), units.data(), -top,
          top - 1, 0.5f * all};
}

template <bool TABLES>
Cell<TABLES> cell_of(const Form& form, const Tensor& table) {
  int f = int(form.cell_fraction);
  // As torch clamps a float32: to the bound in float32.
  float top = float(std::ldexp(1.0, int(form.cell_bits) - 1));
  float high = float(std::ldexp(1.0, int(form.cell_bits) - 1) - 1.0);
  float index = std::ldexp(1.0f, int(form.tanh_bits) - 1);
  return {TABLES ? table.data_ptr<float>() : nullptr, std::ldexp(1.0f, f), std::ldexp(1.0f, -f), -top, high,
          std::ldexp(1.0f, int(form.tanh_fraction)), -index, index - 1};
}

float full_scale(int64_t bits) { return std::max(1.0f, std::ldexp(1.0f, int(bits) - 1) - 1.0f); }

}  // namespace
