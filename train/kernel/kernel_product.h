// Products with the rows' codes: with the inputs' of all steps at once, with the hidden state's on every step; and
// their gradients. The bits do not depend on the number of threads.
#pragma once

#include <ATen/ATen.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <vector>

#include "kernel_blocks.h"
#include "kernel_codes.h"
#include "kernel_packed.h"
#include "kernel_parallel.h"

namespace {

using at::Tensor;
using MaybeTensor = std::optional<Tensor>;

// `t`, after a check of what its raw numbers are read as.
const Tensor& checked(const Tensor& t) {
  TORCH_CHECK(t.scalar_type() == at::kFloat && t.is_contiguous() && t.device().is_cpu(), "float32 on the CPU");
  return t;
}

void check_codes(const Tensor& matrix, const Tensor& gain, int64_t bits) {
  TORCH_CHECK(matrix.dim() == 2 && matrix.scalar_type() == at::kFloat && checked(gain).numel() == matrix.size(1),
              "a gain for each column");
  TORCH_CHECK(bits == 8 || bits == 16, "codes of 8 or 16 bits");
}

// Calls work(first row, count) for rows few enough to stay in the second cache, shared out to threads.
template <class Work>
void in_row_shares(int64_t rows, Work work) {
  constexpr int64_t TOGETHER = 8 * MOST_ROWS;
  in_shares((rows + MOST_ROWS - 1) / MOST_ROWS, [&](int64_t begin, int64_t end) {
    const int64_t last = std::min(end * MOST_ROWS, rows);
    for (int64_t row = begin * MOST_ROWS; row < last; row += TOGETHER) work(row, std::min(TOGETHER, last - row));
  });
}

template <int BITS>
Tensor sums_of_codes(const Tensor& codes, const Tensor& matrix, const Tensor& gain, const Tensor& bias) {
  const int64_t depth = codes.size(1), width = matrix.size(1);
  Tensor out = kept_empty({codes.size(0), width});
  const PackedCodes<BITS> packed(matrix, gain);
  const float *from = codes.data_ptr<float>(), *start = bias.data_ptr<float>();
  float* to = out.data_ptr<float>();
  in_row_shares(codes.size(0), [&](int64_t row, int64_t count) {
    typename PackedCodes<BITS>::Codes room;
    packed.take(from + row * depth, depth, count, depth, 0, room);
    packed.multiply(room, count, start, 0, to + row * width);
  });
  return out;
}

// Codes (rows, depth) times a matrix (depth, width) of whole numbers times a gain of each column, plus a bias of
// each; both within `bits`.
Tensor code_sums(const Tensor& codes, const Tensor& matrix, const Tensor& gain, const Tensor& bias, int64_t bits) {
  check_codes(matrix, gain, bits);
  TORCH_CHECK(checked(codes).dim() == 2 && codes.size(1) == matrix.size(0), "a code for each row");
  TORCH_CHECK(checked(bias).numel() == matrix.size(1), "a bias for each column");
  if (!MULTIPLIES_CODES) return at::addmm(bias, codes, matrix);  // exact, too
  return bits == 8 ? sums_of_codes<8>(codes, matrix, gain, bias) : sums_of_codes<16>(codes, matrix, gain, bias);
}

// Rows (rows, depth) times a matrix (depth, width), in a fixed order.
Tensor row_products(const Tensor& rows, const Tensor& matrix) {
  TORCH_CHECK(checked(rows).dim() == 2 && matrix.dim() == 2 && rows.size(1) == matrix.size(0), "rows of its depth");
  if (!Packed::fits(matrix)) {
    OneThread alone;
    return at::mm(rows, matrix);
  }
  const int64_t depth = rows.size(1), width = matrix.size(1);
  Tensor out = at::empty({rows.size(0), width}, rows.options());
  const Packed packed(matrix);
  const float* from = rows.data_ptr<float>();
  float* to = out.data_ptr<float>();
  in_row_shares(rows.size(0), [&](int64_t row, int64_t count) {
    packed.multiply(from + row * depth, to + row * width, count);
  });
  return out;
}

// Gradient (m + n + bias rows, columns) of a layer's weights, of the gradients dv (T, B, columns) of all its voltages:
// sums over steps of the codes on the rows times them. The rows: inputs (T, B, m), the hidden state of the step before
// (T, B, n), on the first step h0 (B, n) if it is driven, bias rows at `level`. Without inputs, or without hidden,
// they have no rows in it. `factor` of each column: what all is multiplied with.
Tensor weight_gradient(const MaybeTensor& inputs, const MaybeTensor& hidden, const MaybeTensor& h0, const Tensor& dv,
                       int64_t bias_rows, double level, const MaybeTensor& factor) {
  TORCH_CHECK(checked(dv).dim() == 3, "gradients of all steps");
  const int64_t steps = dv.size(0), batch = dv.size(1), columns = dv.size(2);
  auto rows_of = [&](const MaybeTensor& codes) -> int64_t {
    if (!codes) return 0;
    TORCH_CHECK(checked(*codes).dim() == 3 && codes->size(0) == steps && codes->size(1) == batch, "codes of all steps");
    return codes->size(2);
  };
  const int64_t m = rows_of(inputs), n = rows_of(hidden);
  TORCH_CHECK(!h0 || checked(*h0).numel() == batch * n, "codes of the first step");
  TORCH_CHECK(!factor || checked(*factor).numel() == columns, "a factor for each column");
  Tensor out = at::empty({m + n + bias_rows, columns}, dv.options());
  if (!WIDE) {
    OneThread alone;
    out.zero_();
    const Tensor all = dv.flatten(0, 1);
    if (inputs) out.narrow(0, 0, m).addmm_(inputs->flatten(0, 1).t(), all);
    if (hidden && steps > 1)
      out.narrow(0, m, n).addmm_(hidden->narrow(0, 0, steps - 1).flatten(0, 1).t(), dv.narrow(0, 1, steps - 1).flatten(0, 1));
    if (h0) out.narrow(0, m, n).addmm_(h0->t(), dv.select(0, 0));
    if (bias_rows) out.narrow(0, m + n, bias_rows).copy_(all.sum(0).mul_(level));
    return factor ? out.mul_(*factor) : out;
  }
  auto numbers = [](const MaybeTensor& t) { return t ? t->const_data_ptr<float>() : nullptr; };
  const float *x = numbers(inputs), *h = numbers(hidden), *first = numbers(h0), *scales = numbers(factor);
  const float* g = dv.const_data_ptr<float>();
  float* to = out.data_ptr<float>();
  float* totals = bias_rows ? to + (m + n) * columns : nullptr;
  in_shares(panels(columns), [&](int64_t begin, int64_t end) {
    using Codes = PanelGradient::Codes;
    PanelGradient gradient;
    for (int64_t panel = begin * PANEL; panel < end * PANEL; panel += PANEL) {
      const int64_t count = std::min(PANEL, columns - panel);
      for (int64_t row = 0; row < m + n + bias_rows; ++row) std::fill_n(to + row * columns + panel, count, 0.0f);
      if (!h) {
        gradient.add(std::array{Codes{x, m}}, g, columns, steps * batch, panel, to, totals);
      } else {
        gradient.add(std::array{Codes{x, m}, Codes{first, n}}, g, columns, batch, panel, to, totals);
        gradient.add(std::array{Codes{x ? x + batch * m : x, m}, Codes{h, n}}, g + batch * columns, columns,
                     (steps - 1) * batch, panel, to, totals);
      }
      for (int64_t row = bias_rows - 1; row >= 0; --row)
        for (int64_t c = panel; c < panel + count; ++c) totals[row * columns + c] = totals[c] * float(level);
      if (scales) PanelGradient::scale(scales, columns, m + n + bias_rows, panel, to);
    }
  });
  return out;
}

// Multiplies (B, depth) by a matrix, or each row by its own (B, depth, width). With a gain of each column the matrix
// is whole numbers times it within `bits`, and so is what it is multiplied with. `any_order`: may sums be in any?
class Product {
 public:
  struct Room {  // a thread's own
    PackedCodes<8>::Codes bytes;
    PackedCodes<16>::Codes words;
    std::vector<float> sums, rows;
  };

  struct Part {  // codes (rows, depth), `stride` apart
    const float* codes;
    int64_t depth, stride;
  };

  Product(const Tensor& matrix, bool any_order, const MaybeTensor& gain = {}, int64_t bits = 8)
      : matrix_(matrix), own_(any_order && matrix.dim() == 3) {
    if (gain && MULTIPLIES_CODES && bits == 8) bytes_.emplace(matrix, *gain);
    else if (gain && MULTIPLIES_CODES) words_.emplace(matrix, *gain);
    else if (any_order && Packed::fits(matrix)) packed_.emplace(matrix);
  }

  // Is a row's product the same whatever rows are multiplied with it? Else all rows must be, and by one thread.
  bool by_rows() const { return bytes_ || words_ || packed_ || own_; }

  void run(const float* a, int64_t first, int64_t rows, float* out) const {  // out = a * matrix, of any numbers
    if (packed_) return packed_->multiply(a, out, rows);
    const int64_t depth = matrix_.size(-2), width = matrix_.size(-1);
    if (own_) {
      for (int64_t r = 0; r < rows; ++r) multiply_own(a + r * depth, first + r, out + r * width);
      return;
    }
    const Tensor from = at::from_blob(const_cast<float*>(a), {rows, depth}, matrix_.options());
    Tensor to = at::from_blob(out, {rows, width}, matrix_.options());
    if (matrix_.dim() == 2) {
      at::mm_out(to, from, matrix_);
    } else {
      Tensor view = to.unsqueeze(1);
      at::bmm_out(view, from.unsqueeze(1), matrix_);
    }
  }

  void add_to(float* v, Part a, int64_t first, int64_t rows, Room& room) const {  // v += a * matrix
    const int64_t width = matrix_.size(-1);
    if (bytes_) return codes_times(*bytes_, room.bytes, {a}, rows, v, width, v);
    if (words_) return codes_times(*words_, room.words, {a}, rows, v, width, v);
    if (a.stride != a.depth) {
      room.rows.resize(rows * a.depth);
      for (int64_t r = 0; r < rows; ++r) std::copy_n(a.codes + r * a.stride, a.depth, room.rows.data() + r * a.depth);
      a.codes = room.rows.data();
    }
    room.sums.resize(rows * width);
    run(a.codes, first, rows, room.sums.data());
    const float* __restrict p = room.sums.data();
    for (int64_t k = 0; k < rows * width; ++k) v[k] = v[k] + p[k];
  }

  // out = bias + (x, h) * matrix of whole numbers; x beside h, whose codes are 0 if they are null
  void sum_codes(const float* bias, Part x, Part h, int64_t rows, float* out, Room& room) const {
    if (bytes_) codes_times(*bytes_, room.bytes, {x, h}, rows, bias, 0, out);
    else codes_times(*words_, room.words, {x, h}, rows, bias, 0, out);
  }

 private:
  template <int BITS>
  static void codes_times(const PackedCodes<BITS>& packed, typename PackedCodes<BITS>::Codes& room,
                          std::initializer_list<Part> parts, int64_t rows, const float* add, int64_t stride,
                          float* out) {
    int64_t first = 0;
    for (const Part& part : parts) {
      packed.take(part.codes, part.stride, rows, part.depth, first, room);
      first += part.depth;
    }
    packed.multiply(room, rows, add, stride, out);
  }

  void multiply_own(const float* __restrict a, int64_t row, float* __restrict out) const {
    const int64_t depth = matrix_.size(1), width = matrix_.size(2), line = matrix_.stride(1), step = matrix_.stride(2);
    const float* w = matrix_.const_data_ptr<float>() + row * matrix_.stride(0);
    if (step == 1) {
      std::fill(out, out + width, 0.0f);
      for (int64_t k = 0; k < depth; ++k, w += line)
        for (int64_t c = 0; c < width; ++c) out[c] += a[k] * w[c];
      return;
    }
    for (int64_t c = 0; c < width; ++c, w += step) {
      float lanes[16] = {}, sum = 0.0f;
      int64_t k = 0;
      for (; k + 16 <= depth; k += 16)
        for (int l = 0; l < 16; ++l) lanes[l] += a[k + l] * w[(k + l) * line];
      for (; k < depth; ++k) lanes[k & 15] += a[k] * w[k * line];
      for (float lane : lanes) sum += lane;
      out[c] = sum;
    }
  }

  Tensor matrix_;
  bool own_;
  std::optional<Packed> packed_;
  std::optional<PackedCodes<8>> bytes_;
  std::optional<PackedCodes<16>> words_;
};

}  // namespace
