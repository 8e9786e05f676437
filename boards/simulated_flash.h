// A serial NOR flash at the pins of a simulated board, in SPI mode 0: the commands of model/flash.py.
//
// Its bytes may lie in a file. A write, that is an erase or a program command, takes time, and is there at its end. When
// power fails before, the page or the sector holds random bits.

#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <random>
#include <string>
#include <unistd.h>
#include <vector>

class SimulatedFlash {
public:
    static constexpr size_t PAGE = 256, SECTOR = 65536, ADDRESSED = 4;  // bytes; of a command with its address
    static constexpr int WAKE_CYCLES = 64, PROGRAM_CYCLES = 300, ERASE_CYCLES = 3000;  // short, for short simulations

    // `size` is a power of two. Without a file its bytes are lost with the program. Throws std::string.
    SimulatedFlash(size_t size, const char* file, uint64_t seed) : bytes_(size, 0xFF), random_(seed) {
        if (!file) return;
        file_ = ::open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        off_t there = file_ < 0 ? -1 : lseek(file_, 0, SEEK_END);
        if (there < 0) fail();
        if (there == 0) keep(0, size);
        if (pread(file_, bytes_.data(), size, 0) != ssize_t(size)) fail();
    }

    ~SimulatedFlash() {
        if (file_ >= 0) close(file_);
    }

    // Power comes back, perhaps in the middle of a write.
    void power() {
        if (busy_) {
            for (size_t k = 0; k < count_; ++k) bytes_[first_ + k] = uint8_t(random_());
            keep(first_, count_);
        }
        selected_ = clock_ = writable_ = false;
        asleep_ = true;
        busy_ = waking_ = 0;
    }

    // One clock cycle: levels of the pins, then the level of cipo until the next one. Nobody drives an unselected line.
    bool cycle(bool select, bool clock, bool copi) {
        if (busy_ && --busy_ == 0) finish();
        if (waking_ && --waking_ == 0) asleep_ = false;
        if (select && !selected_) {
            sent_.clear();
            bits_ = 0;
            out_ = 0xFF;
        }
        if (!select && selected_ && bits_ % 8 == 0) obey();
        selected_ = select;
        if (select && clock && !clock_) {
            taken_ = uint8_t(taken_ << 1 | copi);
            if (++bits_ % 8 == 0) sent_.push_back(taken_);
        }
        if (select && !clock && clock_ && bits_ % 8 == 0) out_ = next();
        clock_ = clock;
        if (!clock) level_ = !select || (out_ >> (7 - bits_ % 8) & 1);  // it changes with the falling edge
        return level_;
    }

    uint64_t writes() const { return writes_; }
    bool writing() const { return busy_ > 0; }
    bool half_written() const { return busy_ > 0 && busy_ == total_ / 2; }

private:
    enum : uint8_t { PROGRAM = 0x02, READ = 0x03, STATUS = 0x05, WRITE_ENABLE = 0x06, WAKE = 0xAB, ERASE = 0xD8 };

    [[noreturn]] static void fail() { throw std::string("the flash's file: ") + std::strerror(errno); }

    size_t address() const { return (size_t(sent_[1]) << 16 | size_t(sent_[2]) << 8 | sent_[3]) % bytes_.size(); }

    // The byte that goes out next.
    uint8_t next() const {
        if (asleep_ || sent_.empty()) return 0xFF;
        if (sent_[0] == STATUS) return uint8_t((busy_ > 0) | writable_ << 1);
        if (sent_[0] == READ && sent_.size() >= ADDRESSED && !busy_)
            return bytes_[(address() + sent_.size() - ADDRESSED) % bytes_.size()];
        return 0xFF;
    }

    // A command has ended.
    void obey() {
        if (sent_.size() == 1 && sent_[0] == WAKE && asleep_ && !waking_) waking_ = WAKE_CYCLES;
        if (asleep_ || busy_ || sent_.empty()) return;
        if (sent_.size() == 1 && sent_[0] == WRITE_ENABLE) writable_ = true;
        if (!writable_) return;
        if (sent_[0] == PROGRAM && sent_.size() > ADDRESSED) begin(PAGE, PROGRAM_CYCLES);
        if (sent_[0] == ERASE && sent_.size() == ADDRESSED) begin(SECTOR, ERASE_CYCLES);
    }

    void begin(size_t unit, int cycles) {
        first_ = address() / unit * unit;
        count_ = unit;
        total_ = busy_ = cycles;
        writable_ = false;
        ++writes_;
        ending_.assign(count_, 0xFF);
        if (sent_[0] == ERASE) return;
        for (size_t k = ADDRESSED; k < sent_.size(); ++k)  // of what comes twice to a place the last counts
            ending_[(address() + k - ADDRESSED) % PAGE] = sent_[k];
        for (size_t k = 0; k < PAGE; ++k) ending_[k] &= bytes_[first_ + k];
    }

    void finish() {
        std::copy(ending_.begin(), ending_.end(), bytes_.begin() + long(first_));
        keep(first_, count_);
    }

    void keep(size_t first, size_t count) {
        if (file_ >= 0 && pwrite(file_, bytes_.data() + first, count, off_t(first)) != ssize_t(count))
            fail();
    }

    std::vector<uint8_t> bytes_, ending_, sent_;
    std::mt19937_64 random_;
    int file_ = -1, busy_ = 0, total_ = 0, waking_ = 0;
    size_t first_ = 0, count_ = 0;
    unsigned bits_ = 0;
    uint8_t taken_ = 0, out_ = 0xFF;
    bool selected_ = false, clock_ = false, writable_ = false, asleep_ = true, level_ = true;
    uint64_t writes_ = 0;
};
