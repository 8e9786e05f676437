// Products with the rows' codes: with the inputs' of all steps at once, with the hidden state's on every step.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace {

using at::Tensor;
using MaybeTensor = std::optional<Tensor>;

// A matrix (depth, width) that many small matrices are multiplied with: stored once in panels of PANEL columns, so
// that every step reads it in order. Sums run over the depth with fused multiply-add: exact for integers, but not in
// the order of at::mm. Only where the machine has AVX-512; elsewhere at::mm serves.
#ifdef __AVX512F__
constexpr int64_t PANEL = 32;

constexpr int64_t padded(int64_t width) { return (width + PANEL - 1) / PANEL * PANEL; }

class Packed {
 public:
  explicit Packed(const Tensor& matrix)
      : depth_(matrix.size(0)), width_(matrix.size(1)), data_(padded(width_) * depth_) {
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

// A matrix (depth, width) of whole codes times a gain of each column, for products with whole codes: all within +-127.
// Then the processor's dot products of bytes, summed in 32 bits, are exact, at four times the rate of floats. It
// multiplies an unsigned byte with a signed one: 128 is added to the rows' codes, and the sums start at less by what
// that adds. Only where the machine has AVX-512 VNNI.
#if defined(__AVX512F__) && defined(__AVX512VNNI__)
class PackedCodes {
 public:
  static constexpr bool USABLE = true;

  PackedCodes(const Tensor& matrix, const Tensor& gain)
      : groups_((matrix.size(0) + 3) / 4), width_(matrix.size(1)), data_(groups_ * padded(width_)),
        start_(padded(width_)), gain_(padded(width_)) {
    const Tensor rows = matrix.stride(1) == 1 ? matrix : matrix.contiguous();
    std::memcpy(gain_.data(), gain.data_ptr<float>(), width_ * sizeof(float));
    const float* divisor = gain_.data();
    std::vector<int32_t> words(width_);  // four rows' codes of each column
    for (int64_t group = 0; group < groups_; ++group) {
      std::fill(words.begin(), words.end(), 0);
      for (int64_t q = 0; q < 4 && 4 * group + q < rows.size(0); ++q) {
        const float* __restrict from = rows.data_ptr<float>() + (4 * group + q) * rows.stride(0);
        int32_t* __restrict to = words.data();
        int32_t* __restrict start = start_.data();
        for (int64_t c = 0; c < width_; ++c) {
          const int32_t code = static_cast<int32_t>(std::floor(from[c] / divisor[c] + 0.5f));
          start[c] -= 128 * code;
          to[c] |= (code & 255) << (8 * q);
        }
      }
      for (int64_t panel = 0; panel < width_; panel += PANEL)
        std::memcpy(&data_[panel * groups_ + group * PANEL], &words[panel],
                    std::min(PANEL, width_ - panel) * sizeof(int32_t));
    }
  }

  // out = add + codes * matrix; codes (rows, depth), out (rows, width), the rows of `add` `stride` apart
  void multiply(const float* codes, int64_t rows, int64_t depth, const float* add, int64_t stride, float* out) {
    bytes_.resize(rows * groups_ * 4);
    for (int64_t row = 0; row < rows; ++row) {
      const float* __restrict from = codes + row * depth;
      uint8_t* __restrict to = bytes_.data() + row * groups_ * 4;
      for (int64_t k = 0; k < depth; ++k) to[k] = static_cast<uint8_t>(static_cast<int32_t>(from[k]) + 128);
    }
    for (int64_t panel = 0; panel < width_; panel += PANEL) {
      int64_t row = 0;
      for (; row + 8 <= rows; row += 8) block<8>(row, panel, add, stride, out);
      for (; row + 4 <= rows; row += 4) block<4>(row, panel, add, stride, out);
      for (; row < rows; ++row) block<1>(row, panel, add, stride, out);
    }
  }

 private:
  template <int ROWS>
  void block(int64_t row, int64_t panel, const float* add, int64_t stride, float* out) const {
    __m512i sums[ROWS][2];
    for (int r = 0; r < ROWS; ++r)
      for (int half = 0; half < 2; ++half) sums[r][half] = _mm512_loadu_si512(&start_[panel + 16 * half]);
    const uint8_t* a = bytes_.data() + row * groups_ * 4;
    const int32_t* w = data_.data() + panel * groups_;
    for (int64_t group = 0; group < groups_; ++group, w += PANEL) {
      const __m512i w0 = _mm512_loadu_si512(w), w1 = _mm512_loadu_si512(w + 16);
      for (int r = 0; r < ROWS; ++r) {
        int32_t four;
        std::memcpy(&four, a + (r * groups_ + group) * 4, 4);
        const __m512i x = _mm512_set1_epi32(four);
        sums[r][0] = _mm512_dpbusd_epi32(sums[r][0], x, w0);
        sums[r][1] = _mm512_dpbusd_epi32(sums[r][1], x, w1);
      }
    }
    for (int half = 0; half < 2; ++half) {
      const int64_t at = panel + 16 * half, left = width_ - at;
      const __mmask16 columns = left >= 16 ? 0xffff : left > 0 ? (1U << left) - 1 : 0;
      const __m512 gain = _mm512_loadu_ps(&gain_[at]);
      for (int r = 0; r < ROWS; ++r) {
        const __m512 v = _mm512_maskz_loadu_ps(columns, add + (row + r) * stride + at);
        const __m512 sum = _mm512_mul_ps(_mm512_cvtepi32_ps(sums[r][half]), gain);
        _mm512_mask_storeu_ps(out + (row + r) * width_ + at, columns, _mm512_add_ps(v, sum));
      }
    }
  }

  int64_t groups_, width_;     // groups of four rows of the matrix
  std::vector<int32_t> data_;  // panels of PANEL columns; in each, a word of four codes for each group and column
  std::vector<int32_t> start_;
  std::vector<float> gain_;
  std::vector<uint8_t> bytes_;
};
#else
class PackedCodes {
 public:
  static constexpr bool USABLE = false;
  PackedCodes(const Tensor&, const Tensor&) {}
  void multiply(const float*, int64_t, int64_t, const float*, int64_t, float*) {}
};
#endif

// `t`, after a check of what its raw numbers are read as.
const Tensor& checked(const Tensor& t) {
  TORCH_CHECK(t.scalar_type() == at::kFloat && t.is_contiguous() && t.device().is_cpu(), "float32 on the CPU");
  return t;
}

void check_codes(const Tensor& matrix, const Tensor& gain) {
  TORCH_CHECK(matrix.dim() == 2 && matrix.scalar_type() == at::kFloat && checked(gain).numel() == matrix.size(1),
              "a gain for each column");
}

// Codes (rows, depth) times a matrix (depth, width) of codes times a gain of each column, plus a bias of each.
Tensor code_sums(const Tensor& codes, const Tensor& matrix, const Tensor& gain, const Tensor& bias) {
  check_codes(matrix, gain);
  TORCH_CHECK(checked(codes).dim() == 2 && codes.size(1) == matrix.size(0), "a code for each row");
  TORCH_CHECK(checked(bias).numel() == matrix.size(1), "a bias for each column");
  if (!PackedCodes::USABLE) return at::addmm(bias, codes, matrix);
  Tensor out = at::empty({codes.size(0), matrix.size(1)}, codes.options());
  PackedCodes(matrix, gain).multiply(codes.data_ptr<float>(), codes.size(0), codes.size(1), bias.data_ptr<float>(), 0,
                                     out.data_ptr<float>());
  return out;
}

// Multiplies (B, depth) by a matrix, or each row by its own (B, depth, width); packed where that may be and pays. With
// a gain of each column the matrix is whole codes times it, and so is what it is multiplied with.
class Product {
 public:
  Product(const Tensor& matrix, bool any_order, const MaybeTensor& gain = {}) : matrix_(matrix) {
    if (gain && PackedCodes::USABLE) codes_.emplace(matrix, *gain);
    else if (any_order && Packed::fits(matrix)) packed_.emplace(matrix);
  }

  void run(const Tensor& a, Tensor& out) const {  // out = a * matrix, of any numbers
    if (packed_) {
      packed_->multiply(a.data_ptr<float>(), out.data_ptr<float>(), a.size(0));
    } else if (matrix_.dim() == 2) {
      at::mm_out(out, a, matrix_);
    } else {
      Tensor view = out.unsqueeze(1);
      at::bmm_out(view, a.unsqueeze(1), matrix_);
    }
  }

  void add_to(float* v, const Tensor& a) {  // v += a * matrix
    const int64_t rows = a.size(0), width = matrix_.size(-1);
    if (codes_) return codes_->multiply(a.data_ptr<float>(), rows, a.size(1), v, width, v);
    if (!sum_.defined()) sum_ = at::empty({rows, width}, a.options());
    run(a, sum_);
    const float* p = sum_.data_ptr<float>();
    for (int64_t k = 0; k < rows * width; ++k) v[k] = v[k] + p[k];
  }

 private:
  Tensor matrix_, sum_;
  std::optional<Packed> packed_;
  std::optional<PackedCodes> codes_;
};

}  // namespace
