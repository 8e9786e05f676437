// The LSTM over a whole sequence, forward and backward, in units of ADC steps: the fast twin of sequence.py.
//
// Products with the hidden state go to ATen; everything else of a step is one pass over its voltages. Operations
// and their order are those of the eager path, without fused multiply-add (-ffp-contract=off), so that codes are
// equal to the bit. What backward needs of the gates is computed again from the stored voltages.

#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <tuple>
#include <vector>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace {

using at::Tensor;
using MaybeTensor = std::optional<Tensor>;

// ---- Gaussian numbers: gaussian.py is the twin ------------------------------------------------------------------

// By value: std::min and std::max return references, which keep GCC from vectorising.
inline float least(float a, float b) { return a < b ? a : b; }
inline float most(float a, float b) { return a > b ? a : b; }

constexpr int LANES = 16;  // pairs that are made together; the block of 2 * LANES numbers holds cosines, then sines

inline uint32_t mix(uint32_t x) {
  x ^= x >> 16;
  x *= 0x7feb352dU;
  x ^= x >> 15;
  x *= 0x846ca68bU;
  return x ^ (x >> 16);
}

inline float log_of(float u) {  // u in (0, 1], by the Cephes polynomial
  uint32_t bits = std::bit_cast<uint32_t>(u);
  int32_t exponent = static_cast<int32_t>(bits >> 23) - 126;
  bits = (bits & 0x007fffffU) | 0x3f000000U;
  float m = std::bit_cast<float>(bits);
  bool low = m < 0.70710677f;
  float x = (low ? m + m : m) - 1.0f;
  float e = static_cast<float>(exponent - (low ? 1 : 0));
  float z = x * x;
  float p = 7.0376836292e-2f;
  p = p * x + -1.1514610310e-1f;
  p = p * x + 1.1676998740e-1f;
  p = p * x + -1.2420140846e-1f;
  p = p * x + 1.4249322787e-1f;
  p = p * x + -1.6668057665e-1f;
  p = p * x + 2.0000714765e-1f;
  p = p * x + -2.4999993993e-1f;
  p = p * x + 3.3333331174e-1f;
  float y = p * x * z + -0.5f * z;
  return x + y + e * 0.6931471806f;
}

void gaussian_block(float* __restrict out, const uint32_t key[3], uint32_t pair) {
  for (int l = 0; l < LANES; ++l) {
    uint32_t h = mix((pair + l) ^ key[0]);
    uint32_t a = mix(h + key[1]);
    uint32_t b = mix(h ^ key[2]);
    float u = static_cast<float>(static_cast<int32_t>((a >> 8) + 1)) * 5.9604645e-8f;
    float r = std::sqrt(-2.0f * log_of(u));
    uint32_t q = (b + 0x20000000U) >> 30;
    float x = static_cast<float>(static_cast<int32_t>(b - (q << 30))) * 1.4629181e-9f;
    float z = x * x;
    float s = ((-1.9515296e-4f * z + 8.3321609e-3f) * z + -0.16666655f) * z * x + x;
    float c = ((2.4433157e-5f * z + -1.3887316e-3f) * z + 4.1666646e-2f) * z * z + (1.0f - 0.5f * z);
    float cosine = (q & 1) ? s : c, sine = (q & 1) ? c : s;
    out[l] = r * ((q == 1 || q == 2) ? -cosine : cosine);
    out[l + LANES] = r * ((q & 2) ? -sine : sine);
  }
}

uint32_t first_pair(int64_t row, int64_t size) {
  return static_cast<uint32_t>(row * ((size + 2 * LANES - 1) / (2 * LANES)) * LANES);
}

// Calls use(start, count, numbers) for each block of a row of `size` numbers.
template <class Use>
void gaussian_row(const std::vector<int64_t>& key, int64_t row, int64_t size, Use use) {
  const uint32_t k[3] = {uint32_t(key[0]), uint32_t(key[1]), uint32_t(key[2])};
  uint32_t pair = first_pair(row, size);
  alignas(64) float block[2 * LANES];
  for (int64_t start = 0; start < size; start += 2 * LANES, pair += LANES) {
    gaussian_block(block, k, pair);
    use(start, std::min<int64_t>(2 * LANES, size - start), block);
  }
}

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

// ---- one step ------------------------------------------------------------------------------------------------------

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

constexpr int CHUNK = 64;  // hidden units that are computed together, through buffers that stay in the first cache

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
  const float* step;
  float low, high;
  int64_t entries;

  void values(int gate, const float* __restrict v, float* __restrict out, int count) const {
    if constexpr (TABLES) {
      if (entries == 16) look_up_16(v, out, tables + gate * entries, count, low, high);
      else look_up(v, out, tables + gate * entries, count, 1.0f, low, high);
    } else {
      const float s = step[gate];
      if (gate == 3) for (int j = 0; j < count; ++j) out[j] = tanh_of(v[j] * s);
      else for (int j = 0; j < count; ++j) out[j] = sigmoid_of(v[j] * s);
    }
  }
  inline float inside(float v) const { return TABLES ? let_through(std::floor(v), low, high) : 1.0f; }
  inline float read(float v) const {  // what the step multiplies
    return TABLES ? least(most(std::floor(v), low), high) + 0.5f : v;
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
Gates<TABLES> gates_of(const Form& form, const Tensor& tables, const Tensor& step) {
  float top = std::ldexp(1.0f, int(form.adc_bits) - 1);
  return {TABLES ? tables.data_ptr<float>() : nullptr, step.data_ptr<float>(), -top, top - 1,
          int64_t(1) << form.adc_bits};
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

// ---- products with the hidden state ----------------------------------------------------------------------------------

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

inline void hidden_codes(const float* __restrict p, float* __restrict h, int count, int64_t bits) {
  const float top = full_scale(bits);
  if (bits == FLOAT)
    std::copy(p, p + count, h);
  else if (bits == 1)
    for (int j = 0; j < count; ++j) h[j] = p[j] >= 0.0f ? 1.0f : -1.0f;
  else
    for (int j = 0; j < count; ++j) h[j] = least(most(std::floor(p[j] * top + 0.5f), -top), top);
}

template <bool TABLES>
void forward_step(const float* v, const float* __restrict before, float* __restrict after, float* __restrict h,
                  int64_t n, const Gates<TABLES>& gates, const Cell<TABLES> cell, int64_t dac_bits) {
  float f[CHUNK], i[CHUNK], o[CHUNK], g[CHUNK], th[CHUNK];
  for (int64_t at = 0; at < n; at += CHUNK) {
    const int count = static_cast<int>(std::min<int64_t>(CHUNK, n - at));
    gates.values(0, v + at, f, count);
    gates.values(1, v + n + at, i, count);
    gates.values(2, v + 2 * n + at, o, count);
    gates.values(3, v + 3 * n + at, g, count);
    for (int j = 0; j < count; ++j) after[at + j] = cell.value(cell.sum(f[j], before[at + j], i[j], g[j]));
    cell.tanh(after + at, th, count);
    for (int j = 0; j < count; ++j) o[j] = o[j] * th[j];
    hidden_codes(o, h + at, count, dac_bits);
  }
}

// `voltages` (T, B, 4n) are consumed: they hold the full voltages afterwards, which backward takes.
template <bool TABLES>
std::tuple<Tensor, Tensor> run_forward(Tensor& voltages, const Tensor& recurrent, const Tensor& step,
                                       const Tensor& tables, const Tensor& cell_table, const Form& form,
                                       const MaybeTensor& h0, const MaybeTensor& c0, const std::vector<int64_t>& key,
                                       double deviation, const std::vector<int64_t>& spread_key,
                                       const MaybeTensor& spread, const MaybeTensor& squares, bool exact) {
  const int64_t steps = voltages.size(0), batch = voltages.size(1), columns = voltages.size(2), n = columns / 4;
  Tensor hidden = at::empty({steps, batch, n}, voltages.options()), cells = at::empty({steps, batch, n}, voltages.options());
  Tensor start = c0 ? c0->contiguous() : at::zeros({batch, n}, voltages.options());
  Tensor sum = at::empty({batch, columns}, voltages.options());
  Product product(recurrent, exact);
  auto gates = gates_of<TABLES>(form, tables, step);
  auto cell = cell_of<TABLES>(form, cell_table);
  const float sigma = float(deviation);
  for (int64_t t = 0; t < steps; ++t) {
    float* v = voltages.data_ptr<float>() + t * batch * columns;
    const Tensor* last = nullptr;
    Tensor previous;
    if (t > 0) { previous = hidden.select(0, t - 1); last = &previous; }
    else if (h0) last = &*h0;
    if (sigma != 0.0f)
      gaussian_row(key, t, batch * columns, [&](int64_t s, int64_t count, const float* z) {
        for (int64_t k = 0; k < count; ++k) v[s + k] = v[s + k] + z[k] * sigma;
      });
    if (last) {
      product.run(*last, sum);
      const float* p = sum.data_ptr<float>();
      for (int64_t k = 0; k < batch * columns; ++k) v[k] = v[k] + p[k];
    }
    if (spread) {
      std::vector<float> root(batch);
      const float* square = squares->data_ptr<float>() + t * batch;
      for (int64_t b = 0; b < batch; ++b) {
        float energy = 0.0f;
        if (last) {
          const float* h = last->data_ptr<float>() + b * n;
          for (int64_t j = 0; j < n; ++j) energy += h[j] * h[j];
        }
        root[b] = std::sqrt(square[b] + energy);
      }
      const float* scale = spread->data_ptr<float>();
      gaussian_row(spread_key, t, batch * columns, [&](int64_t s, int64_t count, const float* z) {
        for (int64_t k = 0; k < count; ++k) {
          int64_t at = s + k;
          v[at] = v[at] + z[k] * scale[at % columns] * root[at / columns];
        }
      });
    }
    const float* before = t > 0 ? cells.data_ptr<float>() + (t - 1) * batch * n : start.data_ptr<float>();
    float* after = cells.data_ptr<float>() + t * batch * n;
    float* h = hidden.data_ptr<float>() + t * batch * n;
    for (int64_t b = 0; b < batch; ++b)
      forward_step<TABLES>(v + b * columns, before + b * n, after + b * n, h + b * n, n, gates, cell, form.dac_bits);
  }
  return {hidden, cells};
}

template <bool TABLES, bool STEPS>
void backward_step(const float* v, const float* __restrict before, const float* __restrict after,
                   const float* __restrict dh, float* __restrict dc, float* dv, double* dstep, int64_t n,
                   const Gates<TABLES> gates, const Cell<TABLES> cell, float top) {
  float f[CHUNK], i[CHUNK], o[CHUNK], g[CHUNK], th[CHUNK];
  const float s0 = gates.step[0], s1 = gates.step[1], s2 = gates.step[2], s3 = gates.step[3];
  for (int64_t at = 0; at < n; at += CHUNK) {
    const int count = static_cast<int>(std::min<int64_t>(CHUNK, n - at));
    const float* __restrict vf = v + at;
    const float* __restrict vi = vf + n;
    const float* __restrict vo = vi + n;
    const float* __restrict vg = vo + n;
    gates.values(0, vf, f, count);
    gates.values(1, vi, i, count);
    gates.values(2, vo, o, count);
    gates.values(3, vg, g, count);
    cell.tanh(after + at, th, count);
    for (int j = 0; j < count; ++j) {  // the buffers become the gradients of the pre-activations
      const int64_t k = at + j;
      float dp = dh[k] * top;
      float dcell = dc[k] + dp * o[j] * (1.0f - th[j] * th[j]) * cell.tanh_inside(after[k]);
      dcell = dcell * cell.inside(cell.sum(f[j], before[k], i[j], g[j]));
      dc[k] = dcell * f[j];
      float zi = dcell * g[j] * (i[j] - i[j] * i[j]), zg = dcell * i[j] * (1.0f - g[j] * g[j]);
      f[j] = dcell * before[k] * (f[j] - f[j] * f[j]);
      o[j] = dp * th[j] * (o[j] - o[j] * o[j]);
      i[j] = zi;
      g[j] = zg;
    }
    if constexpr (STEPS)
      for (int j = 0; j < count; ++j) {
        dstep[0] += f[j] * gates.read(vf[j]);
        dstep[1] += i[j] * gates.read(vi[j]);
        dstep[2] += o[j] * gates.read(vo[j]);
        dstep[3] += g[j] * gates.read(vg[j]);
      }
    float* __restrict out = dv + at;
    for (int j = 0; j < count; ++j) out[j] = f[j] * s0 * gates.inside(vf[j]);
    for (int j = 0; j < count; ++j) out[n + j] = i[j] * s1 * gates.inside(vi[j]);
    for (int j = 0; j < count; ++j) out[2 * n + j] = o[j] * s2 * gates.inside(vo[j]);
    for (int j = 0; j < count; ++j) out[3 * n + j] = g[j] * s3 * gates.inside(vg[j]);
  }
}

template <bool TABLES, bool STEPS>
std::vector<Tensor> run_backward(const Tensor& voltages, const Tensor& recurrent, const Tensor& step,
                                 const Tensor& tables, const Tensor& cell_table, const Form& form,
                                 const MaybeTensor& h0, const MaybeTensor& c0, const Tensor& hidden,
                                 const Tensor& cells, const MaybeTensor& grad_hidden, const MaybeTensor& grad_cells) {
  const int64_t steps = voltages.size(0), batch = voltages.size(1), columns = voltages.size(2), n = columns / 4;
  Tensor dv = at::empty(voltages.sizes(), voltages.options());
  Tensor dh = at::empty({batch, n}, voltages.options()), dc = at::zeros({batch, n}, voltages.options());
  Tensor start = c0 ? c0->contiguous() : at::zeros({batch, n}, voltages.options());
  Product product(recurrent.transpose(-1, -2), true);
  auto gates = gates_of<TABLES>(form, tables, step);
  auto cell = cell_of<TABLES>(form, cell_table);
  const float top = form.dac_bits == FLOAT ? 1.0f : full_scale(form.dac_bits);
  double dstep[4] = {0, 0, 0, 0};
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
    for (int64_t b = 0; b < batch; ++b)
      backward_step<TABLES, STEPS>(v + b * columns, before + b * n, after + b * n, h + b * n, d + b * n,
                                   out + b * columns, dstep, n, gates, cell, top);
  }
  if (h0) product.run(dv.select(0, 0), dh);
  Tensor grad_step = at::empty({4}, voltages.options());
  for (int k = 0; k < 4; ++k) grad_step.data_ptr<float>()[k] = float(dstep[k]);
  return {dv, grad_step, dh, dc};
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

Tensor weights_backward(Tensor grad, Tensor cells, Tensor divisor, Tensor gain, int64_t bits) {
  const int64_t rows = cells.size(0), columns = cells.size(1);
  Tensor out = at::empty({rows, columns}, cells.options());
  const float *d = divisor.data_ptr<float>(), *g = gain.data_ptr<float>();
  const float top = full_scale(bits);
  for (int64_t row = 0; row < rows; ++row) {
    const float* __restrict w = cells.data_ptr<float>() + row * columns;
    const float* __restrict from = grad.data_ptr<float>() + row * columns;
    float* __restrict o = out.data_ptr<float>() + row * columns;
    for (int64_t k = 0; k < columns; ++k)
      o[k] = from[k] * g[k] * (std::fabs(w[k] / d[k]) <= 1.0f ? top : 0.0f) / d[k];
  }
  return out;
}

const Tensor& checked(const Tensor& t) {
  TORCH_CHECK(t.scalar_type() == at::kFloat && t.is_contiguous() && t.device().is_cpu(), "float32 on the CPU");
  return t;
}

std::tuple<Tensor, Tensor> forward(Tensor voltages, Tensor recurrent, Tensor step, MaybeTensor tables,
                                   MaybeTensor cell_table, at::IntArrayRef form, MaybeTensor h0, MaybeTensor c0,
                                   at::IntArrayRef key, double deviation, at::IntArrayRef spread_key,
                                   MaybeTensor spread, MaybeTensor squares, bool exact) {
  at::AutoDispatchBelowADInplaceOrView guard;  // no gradients in here: spare every product its bookkeeping
  checked(voltages), checked(step);
  auto run = form[1] == FLOAT ? run_forward<false> : run_forward<true>;
  return run(voltages, recurrent, step, tables ? checked(*tables) : step, cell_table ? checked(*cell_table) : step,
             form_of(form), h0, c0, key.vec(), deviation, spread_key.vec(), spread, squares,
             exact);
}

std::vector<Tensor> backward(Tensor voltages, Tensor recurrent, Tensor step, MaybeTensor tables,
                             MaybeTensor cell_table, at::IntArrayRef form, MaybeTensor h0, MaybeTensor c0,
                             Tensor hidden, Tensor cells, MaybeTensor grad_hidden, MaybeTensor grad_cells,
                             bool steps) {
  at::AutoDispatchBelowADInplaceOrView guard;
  auto run = form[1] == FLOAT ? (steps ? run_backward<false, true> : run_backward<false, false>)
                              : (steps ? run_backward<true, true> : run_backward<true, false>);
  return run(voltages, recurrent, step, tables ? *tables : step, cell_table ? *cell_table : step, form_of(form), h0,
             c0, hidden, cells, grad_hidden, grad_cells);
}

}  // namespace

TORCH_LIBRARY(ohmgate, m) {
  m.def("weights_forward(Tensor cells, Tensor divisor, Tensor gain, int bits, int[] key, float deviation) -> Tensor",
        &weights_forward);
  m.def("weights_backward(Tensor grad, Tensor cells, Tensor divisor, Tensor gain, int bits) -> Tensor",
        &weights_backward);
  m.def("gaussian(int[] key, int rows, int size) -> Tensor", &gaussian);
  m.def(
      "lstm_forward(Tensor(a!) voltages, Tensor recurrent, Tensor step, Tensor? tables, Tensor? cell_table, "
      "int[] form, Tensor? h0, Tensor? c0, int[] key, float deviation, int[] spread_key, Tensor? spread, "
      "Tensor? squares, bool exact) -> (Tensor, Tensor)",
      &forward);
  m.def(
      "lstm_backward(Tensor voltages, Tensor recurrent, Tensor step, Tensor? tables, Tensor? cell_table, "
      "int[] form, Tensor? h0, Tensor? c0, Tensor hidden, Tensor cells, Tensor? grad_hidden, Tensor? grad_cells, "
      "bool steps) -> Tensor[]",
      &backward);
}
