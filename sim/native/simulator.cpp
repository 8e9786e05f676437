// A test bench in C++: loads a chip over its register bus, runs sequences through its streams, writes down all it sees.
//
//   simulator FOLDER
//
// FOLDER has job.txt (sim/native/files.py), transactions.bin and perhaps layerK.levels. Then commands come, one a line,
// and each has one line as its answer, which begins with ok or with bad and a sentence:
//   load                                     replay the transactions; ok CYCLES
//   run STEPS RESULTS SEED FEED WAIT BLOCK   stream BLOCK/stream.bin; ok CYCLES BUSY_0 BUSY_1 ...
// What was seen lies in BLOCK as NAME.numbers and NAME.cycles, broken rules in BLOCK/violations.txt.
#include "simulator.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <unistd.h>

namespace ohmgate {

Bench bench;

namespace {

constexpr int PATIENCE = 500;  // cycles in which something must move, besides the longest wait
constexpr int DRAIN = 64;      // cycles after the last result, in which no other may come
constexpr int LONGEST = 100000;  // cycles in which an access must be answered, or something must move
constexpr int POLLS = 1 << 30;

std::vector<std::unique_ptr<Array>> arrays;
std::unique_ptr<Chip> chip;
const pid_t parent = getppid();

struct Recorded {
    std::string name;
    std::vector<Field> fields;
    size_t count = 0;
    void read(std::istream &text) {
        size_t several;
        text >> name >> several;
        fields.resize(several);
        for (Field &field : fields) {
            text >> field.lsb >> field.width >> field.elements >> field.decode;
            count += size_t(field.elements);
        }
    }
    void decode(Words words, int32_t *numbers) const {
        for (const Field &field : fields)
            for (int k = 0; k < field.elements; k++)
                *numbers++ = int32_t(decoded(words, field.lsb + k * field.width, field.width, field.decode));
    }
};

std::vector<Recorded> traces;
Recorded result;
size_t input_words, result_words, trace_words;
int contexts;  // sequences that interleave

[[noreturn]] void fail(const std::string &sentence) {
    std::cout << "bad " << sentence << std::endl;
    std::exit(2);
}

void read_job(const std::string &folder) {
    std::ifstream text(folder + "/job.txt");
    size_t layers, several;
    text >> layers >> contexts;
    for (size_t k = 0; k < layers; k++) {
        arrays.push_back(std::make_unique<Array>());
        arrays.back()->read(text, int(k), contexts);
        std::ifstream levels(folder + "/layer" + std::to_string(k) + ".levels", std::ios::binary);
        if (levels) arrays.back()->preset(levels);
    }
    text >> input_words >> result_words >> trace_words >> several;
    traces.resize(several);
    for (Recorded &trace : traces) trace.read(text);
    result.read(text);
    if (!text) fail("job.txt is not whole");
}

void tick() {
    chip->eval(false);
    chip->eval(true);
    bench.cycle++;
}

// One access; what is read, or 0.
uint32_t access(bool write, uint32_t address, uint32_t word) {
    chip->bus(true, write, address >> 2, word);
    uint64_t before = bench.moved;
    tick();
    for (int waited = 0; !chip->bus_acknowledged() && !chip->bus_refused(); waited++) {
        if (bench.moved != before) waited = 0, before = bench.moved;
        if (waited > LONGEST) {
            std::ostringstream text;
            text << "register bus: no answer at 0x" << std::hex << address;
            fail(text.str());
        }
        tick();
    }
    bool refused = chip->bus_refused();
    uint32_t read = chip->bus_word();
    chip->bus(false, false, 0, 0);
    tick();
    if (refused) {
        std::ostringstream text;
        text << "register bus: a " << (write ? "write" : "read") << " at 0x" << std::hex << address << " is refused";
        fail(text.str());
    }
    return write ? 0 : read;
}

// Four words each: 0 write, 1 read, address, word, mask. A read waits until the bits of the mask are 0; then the
// word must be what the host's twin of the registers gave.
void load(const std::string &folder) {
    std::ifstream file(folder + "/transactions.bin", std::ios::binary);
    uint32_t next[4];
    bench.cycle = 0;
    while (file.read(reinterpret_cast<char *>(next), sizeof next)) {
        if (next[0] == 0) {
            access(true, next[1], next[2]);
            continue;
        }
        uint32_t word = access(false, next[1], 0);
        for (int polls = 0; (word & next[3]) && polls < POLLS; polls++) word = access(false, next[1], 0);
        if (word != next[2]) {
            std::ostringstream text;
            text << "register bus: 0x" << std::hex << next[1] << " is 0x" << word << ", not 0x" << next[2];
            fail(text.str());
        }
    }
}

struct Block {
    std::string folder;
    uint64_t steps = 0, results = 0, seed = 0;
    int feed = 0, wait = 0;
};

// Cycles from the first input to the last result.
uint64_t run(const Block &block) {
    std::vector<uint32_t> stream(block.steps * input_words);
    std::ifstream file(block.folder + "/stream.bin", std::ios::binary);
    if (!file.read(reinterpret_cast<char *>(stream.data()), std::streamsize(stream.size() * 4)))
        fail("stream.bin is not whole");
    std::vector<std::unique_ptr<Recording>> seen;
    for (const Recorded &trace : traces) seen.push_back(std::make_unique<Recording>(block.folder + "/" + trace.name));
    Recording results(block.folder + "/" + result.name);
    std::vector<uint32_t> words(std::max(trace_words, result_words) + 2);
    size_t most = result.count;
    for (const Recorded &trace : traces) most = std::max(most, trace.count);
    std::vector<int32_t> numbers(most);

    uint64_t sent = 0, taken = 0, last = 0, moved = bench.moved;
    uint32_t idle = 0, drained = 0;
    bench.cycle = 0;
    bench.running = true;
    for (auto &array : arrays) array->begin(block.folder, block.seed, block.feed != 0);
    chip->result_ready(true);
    if (block.steps) chip->input_payload(&stream[0]);
    while (drained < DRAIN) {
        chip->input(sent < block.steps);
        chip->eval(false);
        if (contexts > 1)
            for (auto &array : arrays) array->context = chip->step_context(array->index);
        for (size_t k = 0; k < traces.size(); k++) {
            if (!chip->traced(int(k))) continue;
            chip->trace(int(k), words.data());
            traces[k].decode(words.data(), numbers.data());
            seen[k]->add(numbers.data(), traces[k].count, bench.cycle);
        }
        if (chip->result_valid()) {
            chip->result(words.data());
            result.decode(words.data(), numbers.data());
            results.add(numbers.data(), result.count, bench.cycle);
            taken++, bench.moved++;
            last = bench.cycle + 1;
        }
        bool goes = sent < block.steps && chip->input_ready();
        chip->eval(true);
        bench.cycle++;
        if (goes) {
            bench.moved++;
            if (++sent < block.steps) chip->input_payload(&stream[sent * input_words]);
        }
        if (bench.cycle % 65536 == 0 && getppid() != parent) std::exit(1);  // nobody waits for the answer
        if (sent == block.steps && taken >= block.results) drained++;
        idle = moved == bench.moved ? idle + 1 : 0;
        moved = bench.moved;
        if (idle > uint32_t(PATIENCE + block.wait)) {
            if (drained) break;
            std::ostringstream text;
            text << "nothing moves for " << PATIENCE + block.wait << " cycles: "
                 << (sent < block.steps ? "an input is not taken" : "no result comes");
            bench.broke(text.str());
            break;
        }
    }
    chip->input(false);
    for (auto &array : arrays) array->end();
    bench.running = false;
    return last;
}

void tell(const std::string &folder) {
    std::ofstream file(folder + "/violations.txt");
    for (const std::string &sentence : bench.told) file << sentence << "\n";
    file.close();
    if (!file) fail("the broken rules could not be written");
    bench.told.clear();
    bench.violations.clear();
}

}  // namespace

void Bench::broke(const std::string &sentence) {
    if (violations.insert(sentence).second) told.push_back(sentence + " (clock cycle " + std::to_string(cycle) + ")");
}

Recording::Recording(const std::string &path) : numbers_(open(path + ".numbers")), cycles_(open(path + ".cycles")) {}

FILE *Recording::open(const std::string &path) {
    FILE *file = std::fopen(path.c_str(), "wb");
    if (!file) fail("cannot write " + path);
    std::setvbuf(file, nullptr, _IOFBF, 1 << 20);
    return file;
}

Recording::~Recording() {
    for (FILE *file : {numbers_, cycles_}) {
        bool full = std::ferror(file) != 0;
        if (std::fclose(file) || full) fail("a recording could not be written to its end");
    }
}

void Recording::add(const int32_t *numbers, size_t count, uint32_t cycle) {
    std::fwrite(numbers, 4, count, numbers_);
    std::fwrite(&cycle, 4, 1, cycles_);
}

}  // namespace ohmgate

using namespace ohmgate;

extern "C" {

// Called once by each macro, with its path: ...array_K.macro
int ohmgate_array(const char *path) {
    std::string text(path);
    size_t at = text.rfind("array_");
    return at == std::string::npos ? 0 : std::atoi(text.c_str() + at + 6);
}
int ohmgate_has_seal(int array) { return arrays[size_t(array)]->sealed; }
void ohmgate_convert(int array, Words seen, uint32_t *codes, int *cycles) {
    arrays[size_t(array)]->convert(seen, codes, cycles);
}
void ohmgate_program(int array, int row, int column, int level) { arrays[size_t(array)]->program(row, column, level); }
void ohmgate_adjust(int array, int, int, int) {
    bench.broke("layer " + std::to_string(array) + ": a trim or a spare column is set, which this array has not");
}
void ohmgate_broke(int array, int rule) {
    static const char *rules[] = {
        "rows, select or their drive changed during a conversion",
        "a conversion began before the one under way had ended",
        "a cell was programmed before the one under way was done",
        "a cell was programmed while the cells were sealed",
        "a trim or a spare column was set during a conversion",
    };
    bench.broke("layer " + std::to_string(array) + ": " + rules[rule]);
}
}

int main(int count, char **words) {
    if (count != 2) return 2;
    std::string folder = words[1], line;
    read_job(folder);
    chip.reset(make_chip());
    chip->bus(false, false, 0, 0);
    chip->input(false);
    chip->result_ready(false);
    chip->reset(true);
    for (int k = 0; k < 3; k++) tick();
    chip->reset(false);
    tick();
    while (std::getline(std::cin, line)) {
        std::istringstream text(line);
        std::string command;
        text >> command;
        if (command == "load") {
            load(folder);
            std::cout << "ok " << bench.cycle << std::endl;
        } else if (command == "run") {
            Block block;
            text >> block.steps >> block.results >> block.seed >> block.feed >> block.wait >> std::ws;
            std::getline(text, block.folder);
            uint64_t cycles = run(block);
            tell(block.folder);  // before the answer, upon which it is read
            std::cout << "ok " << cycles;
            for (auto &array : arrays) std::cout << " " << array->busy;
            std::cout << std::endl;
        } else fail("unknown command " + command);
    }
    return 0;
}
