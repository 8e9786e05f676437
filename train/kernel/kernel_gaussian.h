// Gaussian numbers from a key and a position, sixteen pairs at a time: gaussian.py is the twin.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace {

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

// Calls use(start, count, numbers) for each block, as far as it lies in begin..end, of a row of `size` numbers.
template <class Use>
void gaussian_range(const std::vector<int64_t>& key, int64_t row, int64_t size, int64_t begin, int64_t end, Use use) {
  const uint32_t k[3] = {uint32_t(key[0]), uint32_t(key[1]), uint32_t(key[2])};
  const int64_t block_of_begin = begin / (2 * LANES);
  uint32_t pair = first_pair(row, size) + static_cast<uint32_t>(block_of_begin * LANES);
  alignas(64) float block[2 * LANES];
  for (int64_t start = block_of_begin * 2 * LANES; start < end; start += 2 * LANES, pair += LANES) {
    gaussian_block(block, k, pair);
    const int64_t from = std::max(start, begin);
    if (from == start && start + 2 * LANES <= end) use(start, std::integral_constant<int, 2 * LANES>(), block);
    else use(from, static_cast<int>(std::min(start + 2 * LANES, end) - from), block + (from - start));
  }
}

}  // namespace
