// Products of real numbers in a fixed order, whatever the threads: with a packed matrix, and of gradients.
//
// Only where the machine has AVX-512. Sums run over the depth with fused multiply-add.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>

#include "kernel_parallel.h"

#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace {

using at::Tensor;

constexpr int64_t PANEL = 32;  // columns that are multiplied together: two registers
constexpr int MOST_ROWS = 12;  // rows that are multiplied together: 24 sums, which the registers hold

constexpr int64_t panels(int64_t width) { return (width + PANEL - 1) / PANEL; }

// Calls use.template operator()<ROWS>(row) for blocks of about equally many rows.
template <int ROWS = MOST_ROWS, class Use>
inline void in_row_blocks(int64_t begin, int64_t end, const Use& use) {
  if constexpr (ROWS > 0) {
    const int64_t blocks = (end - begin + MOST_ROWS - 1) / MOST_ROWS;
    if (blocks == 0) return;
    const int64_t most = (end - begin + blocks - 1) / blocks;
    if (ROWS > most) return in_row_blocks<ROWS - 1>(begin, end, use);
    int64_t row = begin;
    for (; row + ROWS <= end; row += ROWS) use.template operator()<ROWS>(row);
    if (row < end) in_row_blocks<ROWS - 1>(row, end, use);
  }
}

#ifdef __AVX512F__

constexpr bool WIDE = true;

inline __mmask16 first_columns(int64_t count) {  // of 16
  return count >= 16 ? 0xffff : count > 0 ? static_cast<__mmask16>((1U << count) - 1) : 0;
}

// A matrix (depth, width) that many small matrices are multiplied with: stored once in panels of PANEL columns, so
// that every step reads it in order.
class Packed {
 public:
  explicit Packed(const Tensor& matrix)
      : depth_(matrix.size(0)), width_(matrix.size(1)), data_(new float[panels(width_) * PANEL * depth_]) {
    const int64_t row = matrix.stride(0), column = matrix.stride(1);
    const float* from = matrix.data_ptr<float>();
    in_shares(panels(width_), [&](int64_t begin, int64_t end) {
      for (int64_t panel = begin * PANEL; panel < end * PANEL; panel += PANEL) {
        float* to = data_.get() + panel * depth_;
        const int64_t count = std::min(PANEL, width_ - panel);
        if (count < PANEL) std::fill(to, to + depth_ * PANEL, 0.0f);
        if (column == 1) {
          for (int64_t k = 0; k < depth_; ++k) std::memcpy(to + k * PANEL, from + k * row + panel, count * sizeof(float));
        } else {
          for (int64_t start = 0; start < depth_; start += 16)  // a line of memory at a time
            for (int64_t c = 0; c < count; ++c)
              for (int64_t k = start; k < std::min(start + 16, depth_); ++k)
                to[k * PANEL + c] = from[k * row + (panel + c) * column];
        }
      }
    });
  }

  static bool fits(const Tensor& matrix) { return matrix.dim() == 2; }

  void multiply(const float* a, float* out, int64_t rows) const {  // a (rows, depth), out (rows, width)
    for (int64_t panel = 0; panel < width_; panel += PANEL) {
      const float* w = data_.get() + panel * depth_;
      in_row_blocks(0, rows, [&]<int ROWS>(int64_t row) {
        block<ROWS>(a + row * depth_, w, out + row * width_ + panel, width_ - panel);
      });
    }
  }

 private:
  template <int ROWS>
  void block(const float* a, const float* w, float* out, int64_t columns) const {
    __m512 low[ROWS], high[ROWS];
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; ++r) low[r] = high[r] = _mm512_setzero_ps();
    for (int64_t k = 0; k < depth_; ++k, w += PANEL) {
      const __m512 w0 = _mm512_loadu_ps(w), w1 = _mm512_loadu_ps(w + 16);
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; ++r) {
        const __m512 x = _mm512_set1_ps(a[r * depth_ + k]);
        low[r] = _mm512_fmadd_ps(x, w0, low[r]);
        high[r] = _mm512_fmadd_ps(x, w1, high[r]);
      }
    }
    const __mmask16 first = first_columns(columns), second = first_columns(columns - 16);
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; ++r) {
      _mm512_mask_storeu_ps(out + r * width_, first, low[r]);
      _mm512_mask_storeu_ps(out + r * width_ + 16, second, high[r]);
    }
  }

  int64_t depth_, width_;
  std::unique_ptr<float[]> data_;
};

// For a panel of n's columns: out (m, n) += a (steps, m) transposed * g (steps, n), for each of several a, whose m rows
// of out follow one another; and totals (n,) += g's rows. Sums are those of DEPTH steps each, added in order.
class PanelGradient {
 public:
  static constexpr int64_t DEPTH = 192;  // a panel of so many steps stays in the first cache

  struct Codes {
    const float* a;  // null: zeros
    int64_t m;
  };

  template <size_t COUNT>
  void add(const std::array<Codes, COUNT>& codes, const float* g, int64_t n, int64_t steps, int64_t panel, float* out,
           float* totals) {
    const int64_t columns = std::min(PANEL, n - panel);
    const __mmask16 first = first_columns(columns), second = first_columns(columns - 16);
    for (int64_t start = 0; start < steps; start += DEPTH) {
      const int64_t depth = std::min(DEPTH, steps - start), next = std::min(DEPTH, steps - start - depth);
      __m512 low = _mm512_setzero_ps(), high = _mm512_setzero_ps();
      for (int64_t k = 0; k < depth; ++k) {
        const float* from = g + (start + k) * n + panel;
        if (k < next) {
          _mm_prefetch(reinterpret_cast<const char*>(from + depth * n), _MM_HINT_T1);
          _mm_prefetch(reinterpret_cast<const char*>(from + depth * n + 16), _MM_HINT_T1);
        }
        const __m512 g0 = _mm512_maskz_loadu_ps(first, from), g1 = _mm512_maskz_loadu_ps(second, from + 16);
        low = _mm512_add_ps(low, g0);
        high = _mm512_add_ps(high, g1);
        _mm512_store_ps(g_ + k * PANEL, g0);
        _mm512_store_ps(g_ + k * PANEL + 16, g1);
      }
      if (totals) add_to(totals + panel, first, second, low, high);
      float* to = out + panel;
      for (const auto& [a, m] : codes) {
        if (a)
          in_row_blocks(0, m, [&, a = a, m = m]<int ROWS>(int64_t row) {
            block<ROWS>(a + start * m + row, m, depth, to + row * n, n, first, second);
          });
        to += m * n;
      }
    }
  }

  // out (rows, n) times a factor of each column, for a panel of them.
  static void scale(const float* factor, int64_t n, int64_t rows, int64_t panel, float* out) {
    const int64_t columns = std::min(PANEL, n - panel);
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t c = panel; c < panel + columns; ++c) out[row * n + c] *= factor[c];
  }

 private:
  static void add_to(float* out, __mmask16 first, __mmask16 second, __m512 low, __m512 high) {
    _mm512_mask_storeu_ps(out, first, _mm512_add_ps(_mm512_maskz_loadu_ps(first, out), low));
    _mm512_mask_storeu_ps(out + 16, second, _mm512_add_ps(_mm512_maskz_loadu_ps(second, out + 16), high));
  }

  template <int ROWS>
  void block(const float* a, int64_t m, int64_t depth, float* out, int64_t n, __mmask16 first,
             __mmask16 second) const {
    __m512 low[ROWS], high[ROWS];
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; ++r) low[r] = high[r] = _mm512_setzero_ps();
    const float* g = g_;
    for (int64_t k = 0; k < depth; ++k, a += m, g += PANEL) {
      const __m512 g0 = _mm512_load_ps(g), g1 = _mm512_load_ps(g + 16);
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; ++r) {
        const __m512 x = _mm512_set1_ps(a[r]);
        low[r] = _mm512_fmadd_ps(x, g0, low[r]);
        high[r] = _mm512_fmadd_ps(x, g1, high[r]);
      }
    }
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; ++r) add_to(out + r * n, first, second, low[r], high[r]);
  }

  alignas(64) float g_[DEPTH * PANEL];
};

#else

constexpr bool WIDE = false;

class Packed {
 public:
  explicit Packed(const Tensor&) {}
  static bool fits(const Tensor&) { return false; }
  void multiply(const float*, float*, int64_t) const {}
};

class PanelGradient {
 public:
  struct Codes {
    const float* a;
    int64_t m;
  };
  template <size_t COUNT>
  void add(const std::array<Codes, COUNT>&, const float*, int64_t, int64_t, int64_t, float*, float*) {}
  static void scale(const float*, int64_t, int64_t, int64_t, float*) {}
};

#endif

}  // namespace
