// Chooses tokens from rows of logits, and finds the likeliest, without sorting a vocabulary.
//
// Everything goes by blocks of 64 entries: a first pass notes the largest (and the sum) of each
// block, and what follows looks only into the blocks that can matter.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

namespace {

constexpr int64_t LANES = 8;
constexpr int64_t BLOCK = 64;
constexpr int64_t FEW = 1024;
constexpr float INF = std::numeric_limits<float>::infinity();

typedef float Floats __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t Ints __attribute__((vector_size(LANES * sizeof(int32_t))));

inline Floats load(const float* p) {
    Floats v;
    std::memcpy(&v, p, sizeof v);
    return v;
}

inline void store(float* p, Floats v) { std::memcpy(p, &v, sizeof v); }

inline Floats larger(Floats a, Floats b) { return a > b ? a : b; }

inline float largest_lane(Floats v) {
    float best = v[0];
    for (int i = 1; i < LANES; ++i) best = v[i] > best ? v[i] : best;
    return best;
}

inline float sum_of_lanes(Floats v) {
    return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
}

// exp(x) for x <= 0, within two units in the last place; 0 where it would be subnormal.
// Range reduction and polynomial as in Cephes' expf (Moshier 1989).
inline Floats exp_of_negative(Floats x) {
    const Floats lowest = Floats{} - 87.3f;
    const Ints representable = x > lowest;
    x = representable ? x : lowest;
    const float shift = 12582912.0f;  // 1.5 * 2^23: adding it rounds to the nearest integer
    const Floats shifted = x * 1.44269504088896341f + shift;
    const Floats n = shifted - shift;
    Floats r = x - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    Floats y = Floats{} + 1.9875691500e-4f;
    y = y * r + 1.3981999507e-3f;
    y = y * r + 8.3334519073e-3f;
    y = y * r + 4.1665795894e-2f;
    y = y * r + 1.6666665459e-1f;
    y = y * r + 5.0000001201e-1f;
    y = y * (r * r) + r + 1.0f;
    Ints exponent;
    std::memcpy(&exponent, &shifted, sizeof exponent);
    exponent = (exponent << 23) + (127 << 23);
    Floats scale;
    std::memcpy(&scale, &exponent, sizeof scale);
    return representable ? y * scale : Floats{};
}

struct Row {
    const float* values;
    int64_t size;

    int64_t num_blocks() const { return (size + BLOCK - 1) / BLOCK; }

    // Block `block`, padded with `fill` where the row ends inside it.
    const float* block(int64_t block, float* padded, float fill) const {
        const int64_t begin = block * BLOCK, left = size - begin;
        if (left >= BLOCK) return values + begin;
        std::fill_n(padded, BLOCK, fill);
        std::copy_n(values + begin, left, padded);
        return padded;
    }
};

// The memory of one thread.
struct Scratch {
    std::vector<float> largest, weights, selected, allowed;
    std::vector<double> sums;
};

// The row with minus infinity for every token whose bit in `mask` is 0.
Row take_out(const Row& row, const uint32_t* mask, std::vector<float>& allowed) {
    allowed.resize(row.size);
    const Ints bit = {1, 2, 4, 8, 16, 32, 64, 128};
    const Floats excluded = Floats{} - INF;
    int64_t i = 0;
    for (; i + LANES <= row.size; i += LANES) {
        const int32_t byte = mask[i / 32] >> (i % 32) & 0xff;
        const Ints kept = ((bit & byte) != 0);
        store(allowed.data() + i, kept ? load(row.values + i) : excluded);
    }
    for (; i < row.size; ++i)
        allowed[i] = mask[i / 32] >> (i % 32) & 1 ? row.values[i] : -INF;
    return Row{allowed.data(), row.size};
}

// Notes the largest entry of each block; returns that of the row, NaN where the row has one.
float note_largest(const Row& row, std::vector<float>& largest) {
    const int64_t blocks = row.num_blocks();
    largest.resize(blocks);
    float padded[BLOCK], best = -INF;
    Ints invalid{};
    for (int64_t b = 0; b < blocks; ++b) {
        const float* p = row.block(b, padded, -INF);
        Floats high = load(p);
        invalid |= high != high;
        for (int64_t i = LANES; i < BLOCK; i += LANES) {
            const Floats v = load(p + i);
            invalid |= v != v;
            high = larger(v, high);
        }
        largest[b] = largest_lane(high);
        best = largest[b] > best ? largest[b] : best;
    }
    for (int i = 0; i < LANES; ++i)
        if (invalid[i]) return std::numeric_limits<float>::quiet_NaN();
    return best;
}

// The lowest index at which the row has the value `best`, its largest.
int64_t first_with(const Row& row, float best, const std::vector<float>& largest) {
    int64_t i = BLOCK * (std::find(largest.begin(), largest.end(), best) - largest.begin());
    while (row.values[i] != best) ++i;
    return i;
}

// exp((value - best) / temperature), and the largest and the sum of each block.
void weigh(const Row& row, float best, float temperature, Scratch& s) {
    const int64_t blocks = row.num_blocks();
    s.weights.resize(blocks * BLOCK);
    s.largest.resize(blocks);
    s.sums.resize(blocks);
    float padded[BLOCK];
    for (int64_t b = 0; b < blocks; ++b) {
        const float* p = row.block(b, padded, -INF);
        float* out = s.weights.data() + b * BLOCK;
        Floats high{}, sum{};
        for (int64_t i = 0; i < BLOCK; i += LANES) {
            const Floats w = exp_of_negative((load(p + i) - best) / temperature);
            store(out + i, w);
            high = larger(w, high);
            sum += w;
        }
        s.largest[b] = largest_lane(high);
        s.sums[b] = sum_of_lanes(sum);
    }
}

// Collects the entries not below `floor`, from `values` in blocks whose largest are known.
template <typename Take>
void at_least(float floor, const float* values, int64_t size, const std::vector<float>& largest,
              Take take) {
    for (size_t b = 0; b < largest.size(); ++b) {
        if (!(largest[b] >= floor)) continue;
        const int64_t end = std::min<int64_t>(size, (b + 1) * BLOCK);
        for (int64_t i = b * BLOCK; i < end; ++i)
            if (values[i] >= floor) take(i, values[i]);
    }
}

float nth_largest(std::vector<float>& values, int64_t n) {
    std::nth_element(values.begin(), values.begin() + (n - 1), values.end(), std::greater<float>());
    return values[n - 1];
}

// The k-th largest of `values`, or a lower bound of it where `exact` is not asked for; k <= size.
float kth_largest(int64_t k, const float* values, int64_t size, const std::vector<float>& largest,
                  std::vector<float>& scratch, bool exact) {
    float bound = -INF;
    if (k <= static_cast<int64_t>(largest.size())) {
        // That many blocks have an entry so large.
        scratch.assign(largest.begin(), largest.end());
        bound = nth_largest(scratch, k);
        if (!exact) return bound;
    }
    scratch.clear();
    at_least(bound, values, size, largest, [&](int64_t, float v) { scratch.push_back(v); });
    return nth_largest(scratch, k);
}

// The smallest weight w of `weights` such that those above it and `above` come to less than
// `wanted`: the last one needed in descending order. Reorders `weights`.
float last_needed(std::vector<float>& weights, double above, double wanted) {
    auto begin = weights.begin(), end = weights.end();
    while (true) {
        const float a = *begin, b = begin[(end - begin) / 2], c = *(end - 1);
        const float pivot = std::max(std::min(a, b), std::min(std::max(a, b), c));
        const auto equal = std::partition(begin, end, [=](float w) { return w > pivot; });
        const auto below = std::partition(equal, end, [=](float w) { return w == pivot; });
        double upper = above;
        for (auto w = begin; w != equal; ++w) upper += *w;
        if (equal != begin && upper >= wanted) {
            end = equal;
            continue;
        }
        above = upper + static_cast<double>(pivot) * static_cast<double>(below - equal);
        if (below == end || above >= wanted) return pivot;
        begin = below;
    }
}

inline uint32_t bits_of(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
}

inline float from_bits(uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}

// How many weights are not below `floor`, and what they come to.
std::pair<int64_t, double> mass_at_least(float floor, const Scratch& s) {
    double mass = 0.0;
    Ints number{};
    for (size_t b = 0; b < s.largest.size(); ++b) {
        if (!(s.largest[b] >= floor)) continue;
        Floats sum{};
        for (int64_t i = 0; i < BLOCK; i += LANES) {
            const Floats w = load(s.weights.data() + b * BLOCK + i);
            const Ints kept = w >= floor;
            sum += kept ? w : Floats{};
            number -= kept;
        }
        mass += sum_of_lanes(sum);
    }
    int64_t count = 0;
    for (int i = 0; i < LANES; ++i) count += number[i];
    return {count, mass};
}

// The smallest weight of the smallest set that has `share` of all weight not below `floor`.
//
// Floats that are not negative are in the order of their bits, so the place is found by halving an
// interval of bits until it holds few weights; passes without branches cost less than a partition.
float nucleus_floor(double share, float floor, int64_t size, Scratch& s) {
    const double wanted = share * mass_at_least(floor, s).second;
    uint32_t low = bits_of(floor), high = bits_of(1.0f) + 1;  // the largest weight is 1
    int64_t num_low = 0, num_high = 0;
    double above = 0.0;
    // Nearly always it lies above the first of these.
    for (float bound : {0x1p-6f, 0x1p-20f, 0.0f}) {
        bound = std::max(bound, floor);
        const auto [count, mass] = mass_at_least(bound, s);
        num_low = count;
        if (mass >= wanted || bound == floor) {
            low = bits_of(bound);
            break;
        }
        high = bits_of(bound);
        num_high = count;
        above = mass;
    }
    while (num_low - num_high > FEW && high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        const auto [count, mass] = mass_at_least(from_bits(middle), s);
        if (mass >= wanted) {
            low = middle;
            num_low = count;
        } else {
            high = middle;
            num_high = count;
            above = mass;
        }
    }
    s.selected.clear();
    at_least(from_bits(low), s.weights.data(), size, s.largest, [&](int64_t, float w) {
        if (bits_of(w) < high) s.selected.push_back(w);
    });
    // None is left where rounding made the sum of all fall short of `wanted`.
    return s.selected.empty() ? floor : last_needed(s.selected, above, wanted);
}

// Leaves the weights not below `floor` in the sums of the blocks.
void sum_at_least(float floor, Scratch& s) {
    for (size_t b = 0; b < s.largest.size(); ++b) {
        if (!(s.largest[b] >= floor)) {
            s.sums[b] = 0.0;
            continue;
        }
        Floats sum{};
        for (int64_t i = 0; i < BLOCK; i += LANES) {
            const Floats w = load(s.weights.data() + b * BLOCK + i);
            sum += w >= floor ? w : Floats{};
        }
        s.sums[b] = sum_of_lanes(sum);
    }
}

// Where `draw` falls in the cumulative distribution of the weights not below `floor`, of which the
// sums are. First the block, then the entry in it.
int64_t locate(double draw, float floor, const Scratch& s) {
    double total = 0.0, before = 0.0;
    for (double sum : s.sums) total += sum;
    const double target = draw * total;
    size_t b = 0;
    while (b + 1 < s.sums.size() && !(before + s.sums[b] > target)) before += s.sums[b++];
    while (b > 0 && !(s.sums[b] > 0)) before -= s.sums[--b];
    // The sum of a block is rounded, so the place inside it is a share of it.
    const double share = std::clamp((target - before) / s.sums[b], 0.0, 1.0);
    const float* block = s.weights.data() + b * BLOCK;
    const auto kept = [&](int64_t i) { return block[i] >= floor ? block[i] : 0.0f; };
    double exact = 0.0, cumulative = 0.0;
    for (int64_t i = 0; i < BLOCK; ++i) exact += kept(i);
    int64_t last = 0;
    for (int64_t i = 0; i < BLOCK && !(cumulative > share * exact); ++i) {
        if (kept(i) > 0) last = i;
        cumulative += kept(i);
    }
    return static_cast<int64_t>(b) * BLOCK + last;
}

struct Settings {
    double temperature, draw, top_k, top_p, min_p;
};

int64_t draw_token(const Row& row, float best, const Settings& settings, Scratch& s) {
    weigh(row, best, static_cast<float>(settings.temperature), s);
    const int64_t k = static_cast<int64_t>(settings.top_k);
    float floor = 0.0f;
    if (0 < k && k < row.size)
        floor = kth_largest(k, s.weights.data(), row.size, s.largest, s.selected, true);
    if (settings.top_p < 1)
        floor = std::max(floor, nucleus_floor(settings.top_p, floor, row.size, s));
    // The largest weight is 1.
    floor = std::max(floor, static_cast<float>(settings.min_p));
    if (floor > 0) sum_at_least(floor, s);
    return locate(settings.draw, floor, s);
}

thread_local Scratch scratch;

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

// Row i of `logits` begins at i * stride. `settings` is [rows, 5]: temperature (0 takes the largest),
// draw in [0, 1), top_k (0: all), top_p, min_p. `masks[i]` is where row i has a bit for each token it
// may choose, the lowest first; null: all tokens. `token_ids` and `best` get the token, -1 where the
// largest logit is not finite, and that logit, which is NaN where any is, of those that may be
// chosen.
EXPORT void rostra_choose_tokens(const float* logits, int64_t stride, int64_t rows, int64_t vocab,
                                 const Settings* settings, const uint32_t* const* masks,
                                 int64_t* token_ids, float* best) {
#pragma omp parallel for schedule(dynamic) if (rows > 1)
    for (int64_t i = 0; i < rows; ++i) {
        Row row{logits + i * stride, vocab};
        if (masks[i]) row = take_out(row, masks[i], scratch.allowed);
        best[i] = note_largest(row, scratch.largest);
        if (!std::isfinite(best[i]))
            token_ids[i] = -1;
        else if (settings[i].temperature == 0)
            token_ids[i] = first_with(row, best[i], scratch.largest);
        else
            token_ids[i] = draw_token(row, best[i], settings[i], scratch);
    }
}

// The `count` <= vocab largest logits of each row, best first, equals by their ids, and the
// logarithm of the sum of the exponentials of all.
EXPORT void rostra_likeliest_tokens(const float* logits, int64_t stride, int64_t rows, int64_t vocab,
                                    int64_t count, int64_t* token_ids, float* values,
                                    float* normaliser) {
#pragma omp parallel for schedule(dynamic) if (rows > 1)
    for (int64_t i = 0; i < rows; ++i) {
        const Row row{logits + i * stride, vocab};
        const float best = note_largest(row, scratch.largest);
        normaliser[i] = best;
        std::fill_n(token_ids + i * count, count, 0);
        std::fill_n(values + i * count, count, best);
        if (!std::isfinite(best)) continue;
        if (count > 0) {
            std::vector<std::pair<float, int64_t>> found;
            const float bound =
                kth_largest(count, row.values, vocab, scratch.largest, scratch.selected, false);
            at_least(bound, row.values, vocab, scratch.largest,
                     [&](int64_t id, float v) { found.emplace_back(-v, id); });
            std::partial_sort(found.begin(), found.begin() + count, found.end());
            for (int64_t j = 0; j < count; ++j) {
                values[i * count + j] = -found[j].first;
                token_ids[i * count + j] = found[j].second;
            }
        }
        weigh(row, best, 1.0f, scratch);
        double total = 0.0;
        for (double sum : scratch.sums) total += sum;
        normaliser[i] = best + static_cast<float>(std::log(total));
    }
}
