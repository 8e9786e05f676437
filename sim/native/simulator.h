// A simulated chip as its test bench sees it, and the arrays that its macros ask for codes.
#pragma once
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace ohmgate {

using Words = const uint32_t *;

// The ports of one chip. Numbers wider than a word are words, the lowest bits first.
struct Chip {
    virtual ~Chip() = default;
    virtual void eval(bool clock) = 0;
    virtual void reset(bool on) = 0;
    virtual void bus(bool active, bool write, uint32_t address, uint32_t word) = 0;
    virtual bool bus_acknowledged() = 0;
    virtual bool bus_refused() = 0;
    virtual uint32_t bus_word() = 0;
    virtual void input(bool valid) = 0;
    virtual void input_payload(Words payload) = 0;
    virtual bool input_ready() = 0;
    virtual void result_ready(bool ready) = 0;
    virtual bool result_valid() = 0;
    virtual void result(uint32_t *payload) = 0;
    virtual int step_context(int array) = 0;  // of the step that is converted
    virtual bool traced(int trace) = 0;  // is this trace port valid?
    virtual void trace(int trace, uint32_t *value) = 0;
};
Chip *make_chip();  // of the generated part

// Bits of a port or payload that hold numbers side by side.
struct Field {
    int lsb, width, elements;
    char decode;  // u: unsigned, s: two's complement, w: wire pattern of a symmetric code
};

int64_t decoded(Words words, int lsb, int width, char decode);

// Numbers, and the clock cycles in which they were seen, in two files: NAME.numbers (int32) and NAME.cycles (uint32).
class Recording {
public:
    Recording(const std::string &path);
    ~Recording();
    void add(const int32_t *numbers, size_t count, uint32_t cycle);

private:
    FILE *open(const std::string &path);
    FILE *numbers_, *cycles_;
};

// What all parts of one simulation share.
struct Bench {
    std::set<std::string> violations;       // sentences that were told already
    std::vector<std::string> told;          // in the order of time
    uint32_t cycle = 0;                     // of the block that is running
    bool running = false;                   // a block's sequences, not a load
    uint64_t moved = 0;                     // conversions and cells so far, which tell whether a chip stands still
    void broke(const std::string &sentence);
};
extern Bench bench;

// One array of ideal cells and converters: the integers of docs/numerics.md.
class Array {
public:
    int index;
    int inputs, hidden, bias, rows, columns, all_columns, adcs, conversions, gates;
    int input_bits, dac_bits, weight_bits, adc_bits;
    int input_drive, other_drive;  // what 1 in a code counts in a column sum
    int fixed_cycles, least_cycles, most_cycles;
    int pulsed;
    int tiles, height;  // row tiles, each with converters of its own, and the rows of all but the last
    int coarse_tiles, coarser;  // the first ones, with inputs: log2 of their ADC's step over that of the others
    struct Place { int lsb, width; } rows_at, select_at, hidden_at, bias_at, mult_at, shift_at;
    bool sealed = false;
    uint64_t busy = 0;  // cycles in which a conversion was under way, of the block
    int context = 0;    // of interleaved sequences, that of a conversion which begins in this cycle

    void read(std::istream &text, int number, int contexts);
    void preset(std::istream &levels);  // int8, rows first, physical columns in order; seals them
    void begin(const std::string &folder, uint64_t seed, bool feed);
    void end();
    void convert(Words seen, uint32_t *codes, int *cycles);
    void program(int row, int column, int level);

private:
    template <class... Parts> std::string where(Parts... parts) const;
    void check_rows(Words seen, int turn, int select);
    void take_rows(Words seen);
    template <class Sum> void sums(int select, int tile);
    void convert_tile(Words seen, int select, int tile);
    uint32_t bits(Words seen, Place place) const;

    std::vector<int16_t> weights_;             // [conversion][row][adc]
    std::vector<int> positive_, negative_;     // levels of the cells that take pulses
    std::vector<int64_t> drive_;               // what each row adds for a weight of 1
    std::vector<int32_t> drive32_, codes_, row_codes_, sums32_;
    std::vector<int64_t> sums_;
    std::vector<uint32_t> rows_seen_, rows_now_;
    std::unique_ptr<Recording> drives_, readings_;
    struct Feed {
        std::vector<int8_t> codes;
        size_t used = 0;
    };
    std::vector<Feed> feeds_;  // of each context
    bool fed_ = false, narrow_ = true;
    int turn_ = 0;
    uint64_t random_ = 1;
};

}  // namespace ohmgate
