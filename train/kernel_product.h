// Products with the hidden state, the same matrix on every step.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/mm.h>

#include <cstdint>
#include <optional>
#include <vector>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace {

using at::Tensor;

// A matrix (depth, width) that many small matrices are multiplied with: stored once in panels of PANEL columns, so
// that every step reads it in order. Sums run over the depth with fused multiply-add: exact for integers, but not in
// the order of at::mm. Only where the machine has AVX-512; elsewhere at::mm serves.
#ifdef __AVX512F__
constexpr int64_t PANEL = 32;

class Packed {
 public:
  explicit Packed(const Tensor& matrix) : depth_(matrix.size(0)), width_(matrix.size(1)), data_((width_ + PANEL - 1) / PANEL * PANEL * depth_) {
    const int64_t row = matrix.stride(0), column = matrix.stride(1);
    const float* from = matrix.data_ptr<float>();
    float* to = data_.data();
    for (int64_t panel = 0; panel < width_; panel += PANEL)
      for (int64_t k = 0; k < depth_; ++k)
        for (int64_t c = panel; c < panel + PANEL; ++c) *to++ = c < width_ ? from[k * row + c * column] : 0.0f;
  }

  static bool fits(const Tensor& matrix) { return matrix.dim() == 2; }

  void multiply(const float* a, float* out, int64_t rows) const {  // a (rows, depth), out (rows, width)
    for (int64_t panel = 0; panel < width_; panel += PANEL) {
      const float* w = data_.data() + panel * depth_;
      const uint32_t columns = panel + PANEL <= width_ ? ~0U : (1U << (width_ - panel)) - 1;
      int64_t row = 0;
      for (; row + 8 <= rows; row += 8) block<8>(a + row * depth_, w, out + row * width_ + panel, columns);
      for (; row + 4 <= rows; row += 4) block<4>(a + row * depth_, w, out + row * width_ + panel, columns);
      for (; row < rows; ++row) block<1>(a + row * depth_, w, out + row * width_ + panel, columns);
    }
  }

 private:
  template <int ROWS>
  void block(const float* a, const float* w, float* out, uint32_t columns) const {  // columns: a bit each
    __m512 low[ROWS], high[ROWS];
    for (int r = 0; r < ROWS; ++r) low[r] = high[r] = _mm512_setzero_ps();
    for (int64_t k = 0; k < depth_; ++k, w += PANEL) {
      const __m512 w0 = _mm512_loadu_ps(w), w1 = _mm512_loadu_ps(w + 16);
      for (int r = 0; r < ROWS; ++r) {
        const __m512 x = _mm512_set1_ps(a[r * depth_ + k]);
        low[r] = _mm512_fmadd_ps(x, w0, low[r]);
        high[r] = _mm512_fmadd_ps(x, w1, high[r]);
      }
    }
    for (int r = 0; r < ROWS; ++r) {
      _mm512_mask_storeu_ps(out + r * width_, static_cast<__mmask16>(columns), low[r]);
      _mm512_mask_storeu_ps(out + r * width_ + 16, static_cast<__mmask16>(columns >> 16), high[r]);
    }
  }

  int64_t depth_, width_;
  std::vector<float> data_;
};
#else
class Packed {
 public:
  explicit Packed(const Tensor&) {}
  static bool fits(const Tensor&) { return false; }
  void multiply(const float*, float*, int64_t) const {}
};
#endif

// Multiplies (B, depth) by a matrix, or each row by its own (B, depth, width); packed where that may be and pays.
class Product {
 public:
  Product(const Tensor& matrix, bool any_order) : matrix_(matrix) {
    if (any_order && Packed::fits(matrix)) packed_.emplace(matrix);
  }

  void run(const Tensor& a, Tensor& out) const {
    if (packed_) {
      packed_->multiply(a.data_ptr<float>(), out.data_ptr<float>(), a.size(0));
    } else if (matrix_.dim() == 2) {
      at::mm_out(out, a, matrix_);
    } else {
      Tensor view = out.unsqueeze(1);
      at::bmm_out(view, a.unsqueeze(1), matrix_);
    }
  }

 private:
  Tensor matrix_;
  std::optional<Packed> packed_;
};

}  // namespace
