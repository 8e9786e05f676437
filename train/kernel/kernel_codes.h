// Products of whole numbers: sums of 32 bits are exact, so their order is free, and so are threads.
//
// A matrix is whole numbers times a gain of each column, and what it is multiplied with are whole codes. Both within
// eight bits (+-127) they are multiplied as bytes, at four times the rate of floats; within 16 as words, at twice
// the rate. Only where the machine has AVX-512 VNNI.
#pragma once

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "kernel_packed.h"

namespace {

#if defined(__AVX512F__) && defined(__AVX512VNNI__)

constexpr bool MULTIPLIES_CODES = true;

// BITS: 8 or 16. The processor multiplies an unsigned byte with a signed one: 128 is added to the rows' codes, and
// the sums start at less by what that adds. Words are signed, both.
template <int BITS>
class PackedCodes {
 public:
  static constexpr int64_t GROUP = 32 / BITS;  // rows of the matrix whose numbers share 32 bits
  static constexpr int32_t OFFSET = BITS == 8 ? 128 : 0;
  using Code = std::conditional_t<BITS == 8, uint8_t, int16_t>;
  using Codes = std::vector<Code>;

  PackedCodes(const Tensor& matrix, const Tensor& gain)
      : groups_((matrix.size(0) + GROUP - 1) / GROUP), width_(matrix.size(1)),
        data_(new int32_t[groups_ * panels(width_) * PANEL]), start_(panels(width_) * PANEL),
        gain_(panels(width_) * PANEL, 1.0f) {
    const Tensor rows = matrix.stride(1) == 1 ? matrix : matrix.contiguous();
    std::memcpy(gain_.data(), gain.data_ptr<float>(), width_ * sizeof(float));
    const float* from = rows.data_ptr<float>();
    const int64_t depth = rows.size(0), stride = rows.stride(0);
    in_shares(panels(width_), [&](int64_t begin, int64_t end) {
      for (int64_t panel = begin * PANEL; panel < end * PANEL; panel += PANEL) pack(from, depth, stride, panel);
    });
  }

  // What multiply() takes, in room: codes (rows, depth), `stride` apart, into places `first` to `first` + depth of each
  // row; codes null: zeros.
  void take(const float* codes, int64_t stride, int64_t rows, int64_t depth, int64_t first, Codes& room) const {
    const int64_t line = groups_ * GROUP;
    room.resize(rows * line);
    for (int64_t row = 0; row < rows; ++row) {
      const float* __restrict from = codes + row * stride;
      Code* __restrict to = room.data() + row * line + first;
      if (!codes) std::fill(to, to + depth, static_cast<Code>(OFFSET));
      else for (int64_t k = 0; k < depth; ++k) to[k] = static_cast<Code>(static_cast<int32_t>(from[k]) + OFFSET);
    }
  }

  // out = add + codes * matrix; codes (rows, depth) in room, out (rows, width), the rows of `add` `stride` apart
  void multiply(const Codes& room, int64_t rows, const float* add, int64_t stride, float* out) const {
    const int64_t line = groups_ * GROUP;
    for (int64_t panel = 0; panel < width_; panel += PANEL)
      in_row_blocks(0, rows, [&]<int ROWS>(int64_t row) {
        block<ROWS>(room.data() + row * line, panel, add + row * stride, stride, out + row * width_);
      });
  }

 private:
  void pack(const float* from, int64_t depth, int64_t stride, int64_t panel) {
    const int64_t count = std::min(PANEL, width_ - panel);
    const float* divisor = &gain_[panel];
    int32_t* start = &start_[panel];
    for (int64_t group = 0; group < groups_; ++group) {
      int32_t words[PANEL] = {};
      for (int64_t q = 0; q < GROUP && GROUP * group + q < depth; ++q) {
        const float* __restrict line = from + (GROUP * group + q) * stride + panel;
        auto add = [&](auto columns) {
          for (int64_t c = 0; c < columns; ++c) {
            const int32_t code = static_cast<int32_t>(std::floor(line[c] / divisor[c] + 0.5f));
            start[c] -= OFFSET * code;
            words[c] |= (code & ((1 << BITS) - 1)) << (BITS * q);
          }
        };
        if (count == PANEL) add(std::integral_constant<int64_t, PANEL>());
        else add(count);
      }
      std::memcpy(data_.get() + panel * groups_ + group * PANEL, words, sizeof words);
    }
  }

  // Written out, as GCC 12 copies the sums of its own functions for these to memory and back.
  static __m512i dot(__m512i sum, __m512i codes, __m512i weights) {
    if constexpr (BITS == 8) asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(codes), "v"(weights));
    else asm("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(codes), "v"(weights));
    return sum;
  }

  template <int ROWS>
  void block(const Code* a, int64_t panel, const float* add, int64_t stride, float* out) const {
    __m512i low[ROWS], high[ROWS];
    const __m512i low_start = _mm512_loadu_si512(&start_[panel]), high_start = _mm512_loadu_si512(&start_[panel + 16]);
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; ++r) low[r] = low_start, high[r] = high_start;
    const int32_t* w = data_.get() + panel * groups_;
    for (int64_t group = 0; group < groups_; ++group, w += PANEL) {
      const __m512i w0 = _mm512_loadu_si512(w), w1 = _mm512_loadu_si512(w + 16);
#pragma GCC unroll 16
      for (int r = 0; r < ROWS; ++r) {
        int32_t together;
        std::memcpy(&together, a + (r * groups_ + group) * GROUP, 4);
        const __m512i x = _mm512_set1_epi32(together);
        low[r] = dot(low[r], x, w0);
        high[r] = dot(high[r], x, w1);
      }
    }
    const __mmask16 first = first_columns(width_ - panel), second = first_columns(width_ - panel - 16);
    const __m512 gain = _mm512_loadu_ps(&gain_[panel]), next_gain = _mm512_loadu_ps(&gain_[panel + 16]);
    add += panel;
    out += panel;
#pragma GCC unroll 16
    for (int r = 0; r < ROWS; ++r) {
      const __m512 v0 = _mm512_maskz_loadu_ps(first, add + r * stride);
      const __m512 v1 = _mm512_maskz_loadu_ps(second, add + r * stride + 16);
      const __m512 sum0 = _mm512_mul_ps(_mm512_cvtepi32_ps(low[r]), gain);
      const __m512 sum1 = _mm512_mul_ps(_mm512_cvtepi32_ps(high[r]), next_gain);
      _mm512_mask_storeu_ps(out + r * width_, first, _mm512_add_ps(v0, sum0));
      _mm512_mask_storeu_ps(out + r * width_ + 16, second, _mm512_add_ps(v1, sum1));
    }
  }

  int64_t groups_, width_;           // groups of GROUP rows of the matrix
  std::unique_ptr<int32_t[]> data_;  // panels of PANEL columns; in each, a group's numbers for each column
  std::vector<int32_t> start_;
  std::vector<float> gain_;
};

#else

constexpr bool MULTIPLIES_CODES = false;

template <int BITS>
class PackedCodes {
 public:
  using Codes = std::vector<int32_t>;
  PackedCodes(const Tensor&, const Tensor&) {}
  void take(const float*, int64_t, int64_t, int64_t, int64_t, Codes&) const {}
  void multiply(const Codes&, int64_t, const float*, int64_t, float*) const {}
};

#endif

}  // namespace
