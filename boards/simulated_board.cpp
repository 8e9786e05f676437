// A board's gateware in Verilator, its UART behind a pseudo-terminal. boards/simulation.py compiles and drives it.
//
//     simulated_board CLOCK_HZ BAUD SEED [FLASH_BYTES [FILE]]
//
// Commands are lines of standard input; each has one line of answer on standard output, "ok ..." or "error ...". The
// first line is the terminal's. The program ends with standard input. Between two bytes it sleeps: see QUIET.

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fcntl.h>
#include <iostream>
#include <memory>
#include <poll.h>
#include <random>
#include <sstream>
#include <string>
#include <termios.h>
#include <unistd.h>

#include "Vboard.h"
#include "simulated_flash.h"

namespace {

constexpr int TURN = 256;              // clock cycles between two looks at terminal and commands
constexpr uint64_t QUIET = 50'000;     // cycles without a change of rx, tx or led after which the clock stands still
constexpr int RESET_CYCLES = 16;       // that rst is high
constexpr uint64_t BOOTED = 20'000;    // cycles without a selected flash after which a board has started
constexpr size_t BYTES_WAITING = 64;   // taken from the terminal ahead of the line

struct Faults {
    double drop = 0, flip = 0, repeat = 0;  // probability of each, for a byte
};

// One direction of the line: what becomes of a byte.
class Damage {
public:
    Faults faults;

    explicit Damage(uint64_t seed) : random_(seed) {}

    template <typename Put> void pass(uint8_t byte, Put put) {
        if (happens(faults.drop)) return;
        if (happens(faults.flip)) byte ^= uint8_t(1u << (random_() & 7));
        put(byte);
        if (happens(faults.repeat)) put(byte);
    }

private:
    bool happens(double probability) { return double(random_() >> 11) * 0x1p-53 < probability; }

    std::mt19937_64 random_;
};

// The master's side of a pseudo-terminal. It keeps the slave open, too: a host that closes it is no hang-up.
class Terminal {
public:
    ~Terminal() { close(); }

    // The slave's path; throws std::string.
    std::string open() {
        close();
        master_ = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
        if (master_ < 0 || grantpt(master_) || unlockpt(master_)) return fail();
        const char* name = ptsname(master_);
        slave_ = name ? ::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
        termios raw;
        if (slave_ < 0 || tcgetattr(slave_, &raw)) return fail();
        cfmakeraw(&raw);
        if (tcsetattr(slave_, TCSANOW, &raw)) return fail();
        return name;
    }

    void close() {
        for (int* side : {&slave_, &master_})
            if (*side >= 0) ::close(std::exchange(*side, -1));
    }

    int descriptor() const { return master_; }

    size_t read(uint8_t* bytes, size_t most) {
        ssize_t count = master_ < 0 ? 0 : ::read(master_, bytes, most);
        return count > 0 ? size_t(count) : 0;
    }

    // What a host does not fetch is lost, as on a line.
    void write(uint8_t byte) {
        if (master_ >= 0 && ::write(master_, &byte, 1) < 0) ++lost;
    }

    uint64_t lost = 0;

private:
    [[noreturn]] std::string fail() {
        std::string reason = std::strerror(errno);
        close();
        throw "there is no pseudo-terminal: " + reason;
    }

    int master_ = -1, slave_ = -1;
};

class Board {
public:
    Board(uint64_t clock_hz, uint64_t baud, uint64_t seed, std::unique_ptr<SimulatedFlash> flash)
        : clock_hz_(clock_hz), baud_(baud), inwards_(2 * seed), outwards_(2 * seed + 1), flash_(std::move(flash)) {
        power();
    }

    bool asleep() const { return off_ || (sending_ == NONE && waiting_.empty() && cycle_ - changed_ > QUIET); }

    void plug() { std::cout << "ok " << terminal_.open() << std::endl; }

    // Does a line of standard input. False: it asks for the end.
    bool obey(const std::string& line) {
        std::istringstream words(line);
        std::string command, rest;
        words >> command;
        std::ostringstream answer;
        if (command == "faults") {
            std::string direction;
            Faults faults;
            words >> direction >> faults.drop >> faults.flip >> faults.repeat;
            if (!words || (direction != "in" && direction != "out")) return complain(line);
            (direction == "in" ? inwards_ : outwards_).faults = faults;
        } else if (command == "cycles") {
            answer << ' ' << cycle_;
        } else if (command == "reset") {
            reset();
        } else if (command == "writes" && flash_) {
            answer << ' ' << flash_->writes();
        } else if (command == "cut" && flash_) {
            std::string when;
            words >> cut_at_ >> when;
            if (!words || (when != "middle" && when != "end")) return complain(line);
            cut_at_ += flash_->writes();
            cut_middle_ = when == "middle";
        } else if (command == "power") {
            power();
        } else if (command == "unplug") {
            terminal_.close();
            waiting_.clear();
        } else if (command == "plug") {
            answer << ' ' << terminal_.open();
        } else if (command != "quit") {
            return complain(line);
        }
        std::cout << "ok" << answer.str() << std::endl;
        return command != "quit";
    }

    int descriptor() const { return terminal_.descriptor(); }

    void fetch() {
        uint8_t bytes[BYTES_WAITING];
        if (off_ || waiting_.size() >= BYTES_WAITING) return;
        size_t count = terminal_.read(bytes, BYTES_WAITING - waiting_.size());
        for (size_t k = 0; k < count; ++k)
            inwards_.pass(bytes[k], [this](uint8_t byte) { waiting_.push_back(byte); });
    }

    void cycle() {
        board_->rst = resetting_ > 0;
        if (resetting_) --resetting_;
        board_->rx = send();
        board_->clk = 0;
        board_->eval();
        board_->clk = 1;
        board_->eval();
        if (flash_) flash(*board_);
        receive(board_->tx);
        if (board_->led != led_ || !board_->rx || !board_->tx) changed_ = cycle_;
        led_ = board_->led;
        ++cycle_;
    }

private:
    static constexpr uint64_t NONE = ~uint64_t(0);

    // The flash at its pins, where the gateware has any. Its power may be cut in a write, or behind one.
    template <typename Model> void flash(Model& board) {
        if constexpr (requires { board.flash_select; }) {
            if (board.flash_select) selected_ = changed_ = cycle_;
            board.flash_cipo = flash_->cycle(board.flash_select, board.flash_clock, board.flash_copi);
            if (flash_->writes() != cut_at_ || (cut_middle_ ? !flash_->half_written() : flash_->writing())) return;
            cut_at_ = NONE;
            off_ = true;
            terminal_.close();  // the adapter has the board's power
        }
    }

    // A new model: registers and memories as a configuration leaves them. What is on the line is lost.
    void power() {
        off_ = false;
        if (flash_) flash_->power();
        board_.reset();
        context_ = std::make_unique<VerilatedContext>();
        board_ = std::make_unique<Vboard>(context_.get(), "board");
        waiting_.clear();
        sending_ = receiving_ = NONE;
        reset();
    }

    // With a flash the board starts, which takes longer here than a host's patience: nobody hears of it before.
    void reset() {
        changed_ = selected_ = cycle_;
        for (resetting_ = RESET_CYCLES; resetting_ || (flash_ && cycle_ - selected_ < BOOTED);) cycle();
        changed_ = cycle_;
    }

    bool complain(const std::string& line) {
        std::cout << "error no such command: " << line << std::endl;
        return true;
    }

    // Half bits from cycle `start` to now, at the line's own rate: the divisor's error shows as on a real line.
    uint64_t half_bits(uint64_t start) const { return (cycle_ - start) * 2 * baud_ / clock_hz_; }

    // The level of rx: a start bit, eight bits, the lowest first, and a stop bit.
    bool send() {
        if (sending_ != NONE && half_bits(sending_) >= 20) sending_ = NONE;
        if (sending_ == NONE) {
            if (waiting_.empty()) return true;
            frame_ = 0x200u | unsigned(waiting_.front()) << 1;
            waiting_.pop_front();
            sending_ = cycle_;
        }
        return frame_ >> (half_bits(sending_) / 2) & 1;
    }

    // Takes tx in the middle of each bit. A byte without a stop bit is none.
    void receive(bool level) {
        if (receiving_ == NONE) {
            if (level) return;
            receiving_ = cycle_;
            bits_ = taken_ = 0;
        }
        if (half_bits(receiving_) < 2 * taken_ + 1) return;
        bits_ |= unsigned(level) << taken_;
        if (taken_++ == 0 && level) receiving_ = NONE;  // no start bit
        if (taken_ < 10) return;
        receiving_ = NONE;
        if (level) outwards_.pass(uint8_t(bits_ >> 1), [this](uint8_t byte) { terminal_.write(byte); });
    }

    const uint64_t clock_hz_, baud_;
    Damage inwards_, outwards_;
    Terminal terminal_;
    std::unique_ptr<SimulatedFlash> flash_;
    std::unique_ptr<VerilatedContext> context_;
    std::unique_ptr<Vboard> board_;
    std::deque<uint8_t> waiting_;
    uint64_t cycle_ = 0, changed_ = 0, selected_ = 0, sending_ = NONE, receiving_ = NONE;
    unsigned frame_ = 0, bits_ = 0, taken_ = 0;
    uint64_t cut_at_ = NONE;  // how many writes the flash has had when its power is cut
    int resetting_ = 0;
    bool led_ = false, off_ = false, cut_middle_ = false;
};

// Does the lines that have come whole. False: there will be no more.
bool serve(Board& board, std::string& text) {
    char part[256];
    ssize_t count = read(STDIN_FILENO, part, sizeof part);
    if (count <= 0) return false;
    text.append(part, size_t(count));
    for (size_t end; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1))
        if (!board.obey(text.substr(0, end))) return false;
    return true;
}

}  // namespace

int main(int count, char** words) {
    if (count < 4 || count > 6) {
        std::cerr << "usage: simulated_board CLOCK_HZ BAUD SEED [FLASH_BYTES [FILE]]\n";
        return 2;
    }
    std::signal(SIGINT, SIG_IGN);  // a terminal's interrupt goes to all; the parent's end is this one's, too
    try {
        const uint64_t seed = std::stoull(words[3]);
        std::unique_ptr<SimulatedFlash> flash;
        if (count > 4) flash = std::make_unique<SimulatedFlash>(std::stoull(words[4]), words[5], seed);
        Board board(std::stoull(words[1]), std::stoull(words[2]), seed, std::move(flash));
        board.plug();
        for (std::string text;;) {
            pollfd watched[] = {{STDIN_FILENO, POLLIN, 0}, {board.descriptor(), POLLIN, 0}};
            poll(watched, 2, board.asleep() ? -1 : 0);
            if (watched[0].revents && !serve(board, text)) return 0;
            board.fetch();
            for (int turn = 0; turn < TURN && !board.asleep(); ++turn) board.cycle();
        }
    } catch (const std::string& problem) {
        std::cout << "error " << problem << std::endl;
        return 1;
    }
}
