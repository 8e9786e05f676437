// The arrays of a simulated chip: what their macros call.
#include "simulator.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <istream>
#include <sstream>

namespace ohmgate {

namespace {

int full_scale(int bits) { return std::max(1, (1 << (bits - 1)) - 1); }

// A column sum of at most this keeps to 32 bits, in whatever order it is added up.
constexpr double NARROW = 2147483647.0;

}  // namespace

int64_t decoded(Words words, int lsb, int width, char decode) {
    uint64_t low = words[lsb / 32] >> (lsb % 32);
    if (lsb % 32 + width > 32) low |= uint64_t(words[lsb / 32 + 1]) << (32 - lsb % 32);
    int64_t value = low & ((uint64_t(1) << width) - 1);
    if (decode == 'u') return value;
    if (decode == 'w' && width == 1) return value ? -1 : 1;
    return value >> (width - 1) ? value - (int64_t(1) << width) : value;
}

template <class... Parts> std::string Array::where(Parts... parts) const {
    std::ostringstream text;
    text << "layer " << index << ": ";
    (text << ... << parts);
    return text.str();
}

void Array::read(std::istream &text, int number, int contexts) {
    index = number;
    feeds_.resize(size_t(contexts));
    text >> inputs >> hidden >> bias >> columns >> all_columns >> adcs >> conversions >> gates;
    text >> input_bits >> dac_bits >> weight_bits >> adc_bits >> input_drive >> other_drive;
    text >> fixed_cycles >> least_cycles >> most_cycles >> pulsed >> tiles >> height >> coarse_tiles >> coarser;
    for (Place *place : {&rows_at, &select_at, &hidden_at, &bias_at, &mult_at, &shift_at})
        text >> place->lsb >> place->width;
    rows = inputs + hidden + bias;
    // cells that were never programmed hold level 0
    weights_.assign(size_t(conversions) * rows * adcs, 0);
    positive_.assign(pulsed ? size_t(rows) * columns : 0, 0);
    negative_ = positive_;
    drive_.assign(rows, 0);
    drive32_.assign(rows, 0);
    row_codes_.assign(rows + 2, 0);
    codes_.assign(size_t(tiles) * adcs, 0);
    sums32_.assign(adcs, 0);
    sums_.assign(adcs, 0);
    double most = double(inputs) * full_scale(input_bits) * input_drive;
    most += double(hidden + bias) * full_scale(dac_bits) * other_drive;
    narrow_ = most * full_scale(weight_bits) <= NARROW;
}

void Array::preset(std::istream &levels) {
    std::vector<int8_t> row(columns);
    for (int r = 0; r < rows; r++) {
        levels.read(reinterpret_cast<char *>(row.data()), columns);
        for (int c = 0; c < columns; c++)
            weights_[(size_t(c % conversions) * rows + r) * adcs + c / conversions] = row[c];
    }
    sealed = true;
}

void Array::begin(const std::string &folder, uint64_t seed, bool feed) {
    std::string name = folder + "/layer" + std::to_string(index);
    drives_ = std::make_unique<Recording>(name + "_drive");
    readings_ = std::make_unique<Recording>(name + "_adc");
    turn_ = 0;
    busy = 0;
    random_ = seed * 0x9E3779B97F4A7C15ull + uint64_t(index) + 1;
    fed_ = feed;
    for (size_t k = 0; k < feeds_.size(); k++) {
        feeds_[k] = Feed();
        if (!feed) continue;
        std::ifstream file(name + "_" + std::to_string(k) + ".feed", std::ios::binary | std::ios::ate);
        feeds_[k].codes.resize(size_t(file.tellg()));
        file.seekg(0);
        file.read(reinterpret_cast<char *>(feeds_[k].codes.data()), std::streamsize(feeds_[k].codes.size()));
    }
}

void Array::end() {
    drives_.reset();
    readings_.reset();
    if (turn_) bench.broke(where("a time step has not been read to its end"));
    for (const Feed &feed : feeds_)
        if (feed.used != feed.codes.size()) bench.broke(where("not all recorded ADC codes were read"));
}

uint32_t Array::bits(Words seen, Place place) const {
    return place.width ? uint32_t(decoded(seen, place.lsb, place.width, 'u')) : 0;
}

// The rules that ArrayAgent in sim/agents.py has, in the same words.
void Array::check_rows(Words seen, int turn, int select) {
    if (select != turn) bench.broke(where("conversion ", turn, " of a time step selects column ", select));
    if (bias_at.width && !bits(seen, bias_at))
        bench.broke(where("bias rows are not driven in conversion ", turn, " of a time step"));
    bool fresh = hidden && !bits(seen, hidden_at);
    rows_now_.assign(seen, seen + (rows_at.width + 31) / 32);  // the rows are the lowest bits
    if (rows_at.width % 32) rows_now_.back() &= (1u << rows_at.width % 32) - 1;
    rows_now_.push_back(fresh);
    if (turn == 0) rows_seen_ = rows_now_;
    else if (rows_now_ != rows_seen_) bench.broke(where("rows changed within a time step, at conversion ", turn));
}

void Array::take_rows(Words seen) {
    bool fresh = hidden && !bits(seen, hidden_at), bias_on = !bias_at.width || bits(seen, bias_at);
    for (int r = 0; r < rows; r++) {
        int code;
        if (r < inputs) code = int(decoded(seen, rows_at.lsb + r * input_bits, input_bits, 'w'));
        else if (r >= inputs + hidden) code = bias_on ? full_scale(dac_bits) : 0;
        else if (fresh) code = 0;
        else {
            int lsb = rows_at.lsb + inputs * input_bits + (r - inputs) * dac_bits;
            code = int(decoded(seen, lsb, dac_bits, 'w'));
        }
        row_codes_[r] = code;
        drive_[r] = int64_t(code) * (r < inputs ? input_drive : other_drive);
        drive32_[r] = int32_t(drive_[r]);
    }
}

// Of the rows of one tile.
template <class Sum> void Array::sums(int select, int tile) {
    const int first = tile * height, last = std::min(rows, first + height);
    const int16_t *weight = &weights_[(size_t(select) * rows + first) * adcs];
    Sum *sum;
    const Sum *drive;
    if constexpr (sizeof(Sum) == 4) sum = sums32_.data(), drive = drive32_.data();
    else sum = sums_.data(), drive = drive_.data();
    std::fill(sum, sum + adcs, Sum(0));
    for (int r = first; r < last; r++, weight += adcs) {
        const Sum d = drive[r];
        if (d)
            for (int k = 0; k < adcs; k++) sum[k] += d * weight[k];
    }
}

void Array::convert_tile(Words seen, int select, int tile) {
    if (narrow_) {
        sums<int32_t>(select, tile);
        std::copy(sums32_.begin(), sums32_.end(), sums_.begin());
    } else sums<int64_t>(select, tile);
    const int64_t low = -(int64_t(1) << (adc_bits - 1)), high = -low - 1;
    const int group = adcs / gates, mult_bits = mult_at.width / gates, shift_bits = shift_at.width / gates;
    for (int gate = 0; gate < gates; gate++) {
        int64_t mult = decoded(seen, mult_at.lsb + gate * mult_bits, mult_bits, 'u');
        int64_t shift = decoded(seen, shift_at.lsb + gate * shift_bits, shift_bits, 'u');
        shift = std::min(shift + (tile < coarse_tiles ? coarser : 0), int64_t(63));
        for (int k = gate * group; k < (gate + 1) * group; k++)
            codes_[size_t(tile) * adcs + k] = int32_t(std::clamp((sums_[k] * mult) >> shift, low, high));
    }
}

void Array::convert(Words seen, uint32_t *codes, int *cycles) {
    bench.moved++;
    *cycles = fixed_cycles;
    int select = int(bits(seen, select_at));
    if (bench.running) check_rows(seen, turn_, select);
    if (!bench.running || turn_ == 0) take_rows(seen);
    select %= conversions;
    const size_t count = codes_.size();
    if (bench.running && fed_) {
        Feed none, &feed = size_t(context) < feeds_.size() ? feeds_[size_t(context)] : none;
        if (feed.used + count > feed.codes.size()) bench.broke(where("more conversions than recorded ADC codes"));
        else
            for (size_t k = 0; k < count; k++) codes_[k] = feed.codes[feed.used++];
    } else {
        for (int tile = 0; tile < tiles; tile++) convert_tile(seen, select, tile);
    }
    std::memset(codes, 0, 4 * ((count * size_t(adc_bits) + 31) / 32));
    const uint32_t mask = (1u << adc_bits) - 1;
    for (size_t k = 0; k < count; k++) {
        size_t lsb = k * size_t(adc_bits);
        uint64_t pattern = uint64_t(uint32_t(codes_[k]) & mask) << (lsb % 32);
        codes[lsb / 32] |= uint32_t(pattern);
        if (pattern >> 32) codes[lsb / 32 + 1] |= uint32_t(pattern >> 32);
    }
    if (!fixed_cycles) {
        random_ = random_ * 6364136223846793005ull + 1442695040888963407ull;
        *cycles = least_cycles + int((random_ >> 33) % uint64_t(most_cycles - least_cycles + 1));
    }
    if (!bench.running) return;
    if (turn_ == 0) {
        row_codes_[size_t(rows)] = context;
        row_codes_[size_t(rows) + 1] = int32_t(busy);
        drives_->add(row_codes_.data(), row_codes_.size(), bench.cycle);
    }
    busy += uint64_t(*cycles);
    readings_->add(codes_.data(), codes_.size(), bench.cycle + uint32_t(*cycles) - 1);
    turn_ = (turn_ + 1) % conversions;
}

// Without pulses ``level`` is a weight's wire pattern, else it has the ports cell (bit 0), up and strong.
void Array::program(int row, int column, int level) {
    bench.moved++;
    if (column >= columns) return;  // a spare, which nothing reads here
    int16_t &weight = weights_[(size_t(column % conversions) * rows + row) * adcs + column / conversions];
    if (!pulsed) {
        uint32_t pattern = uint32_t(level);
        weight = int16_t(decoded(&pattern, 0, weight_bits, 'w'));
        return;
    }
    size_t place = size_t(row) * columns + column;
    int &cell = (level & 1 ? negative_ : positive_)[place];
    cell = std::clamp(cell + (level & 2 ? 1 : -1), 0, full_scale(weight_bits));
    weight = int16_t(positive_[place] - negative_[place]);
}

}  // namespace ohmgate
