"""The board's side of the serial link."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ...model.design import Design
from ...model.link import CRC_BYTES, HEADER
from ..component import Component
from ..streams import input_stream, output_stream
from ..wishbone import WishboneSignature
from .block_ram import BLOCK_RAM
from .boot_reader import BootSignature
from .config import BoardConfig
from .frame_receiver import FrameReceiver
from .frame_sender import FrameSender
from .link_twin import Access, LinkTwin, Take
from .request_executor import BYTE_CYCLES, RequestExecutor
from .request_state import PAYLOAD_AT
from .result_queue import ResultQueue
from .result_splitter import ResultSplitter
from .sequence_replay import SequenceReplay
from .step_assembler import StepAssembler
from .uart_receiver import UartReceiver
from .uart_transmitter import UartTransmitter


class Link(Component):
    """Registers, time steps and results of a chip over one UART, as docs/link.md says.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `rx` | in | 1 bit | from the host; of no clock |
    | `tx` | out | 1 bit | to the host |
    | `bus` | out | :class:`~.wishbone.WishboneSignature` | words at 16-bit byte addresses |
    | `x` | out | stream of m x Dx bits, marks | time steps of the first layer |
    | `y` | in | stream of results, marks | of the last layer |
    | `boot` | in | :class:`~.boot_reader.BootSignature` | frames at start; only with a flash |
    """

    def __init__(self, design: Design, config: BoardConfig):
        config.check(design)
        self.design, self.config = design, config
        super().__init__(
            {
                "rx": In(1),
                "tx": Out(1),
                "bus": Out(WishboneSignature(14)),
                "x": Out(input_stream(design.layers[0])),
                "y": In(output_stream(design.layers[-1])),
                **({"boot": In(BootSignature())} if config.flash else {}),
            }
        )

    @property
    def latency(self) -> int:
        """Cycles from the middle of a request's last stop bit to its answer's first low level.

        Of a request without payload that waits for nothing."""
        written = 2 + BYTE_CYCLES * (HEADER.size + CRC_BYTES) + 3
        return 1 + RequestExecutor.latency + written + FrameSender.latency + UartTransmitter.latency

    def model(self, access: Access, take: Take) -> LinkTwin:
        """The same bytes on the line."""
        return LinkTwin(self.design, self.config, access, take)

    def elaborate(self, platform):
        m = Module()
        design, config = self.design, self.config
        m.submodules.uart_receiver = uart_receiver = UartReceiver(config.divisor)
        m.submodules.uart_transmitter = uart_transmitter = UartTransmitter(config.divisor)
        m.submodules.receiver = receiver = FrameReceiver(config.window)
        m.submodules.sender = sender = FrameSender(config.window)
        m.submodules.executor = executor = RequestExecutor(design, config)
        m.submodules.assembler = assembler = StepAssembler(design)
        m.submodules.splitter = splitter = ResultSplitter(design)
        m.submodules.queue = queue = ResultQueue(config.queue_bytes)
        m.submodules.replay = replay = SequenceReplay(design, config.buffer_bytes)
        for name, writer, reader in (
            ("requests", receiver.write, executor.requests),
            ("answers", executor.answers, sender.read),
            ("info", None, executor.info),
        ):
            depth = 2 ** len(reader.addr)
            init = bytes(PAYLOAD_AT) + config.info(design) if writer is None else []
            bank = memory.Memory(shape=8, depth=depth, init=init, attrs=BLOCK_RAM)
            m.submodules[name] = bank
            wiring.connect(m, reader, bank.read_port())
            if writer is not None:
                wiring.connect(m, writer, bank.write_port())
        wiring.connect(m, executor.bus, wiring.flipped(self.bus))
        wiring.connect(m, executor.steps, replay.host)
        wiring.connect(m, executor.fill, replay.fill)
        wiring.connect(m, replay.steps, assembler.bytes)
        wiring.connect(m, assembler.x, wiring.flipped(self.x))
        wiring.connect(m, wiring.flipped(self.y), splitter.y)
        wiring.connect(m, splitter.bytes, replay.results)
        wiring.connect(m, replay.kept, queue.bytes)
        wiring.connect(m, queue.results, executor.results)
        self._line(m, uart_receiver, uart_transmitter, receiver, sender, executor)
        # A cycle late, all three: else the way from a request to the arrays' first conversion is the longest.
        flush, start, stop = Signal(), Signal(), Signal()
        m.d.sync += [flush.eq(executor.flush), start.eq(executor.start), stop.eq(executor.stop)]
        m.d.comb += [
            uart_receiver.rx.eq(self.rx),
            self.tx.eq(uart_transmitter.tx),
            executor.waiting.eq(receiver.waiting),
            receiver.release.eq(executor.release),
            sender.send.eq(executor.send),
            sender.bank.eq(executor.bank),
            executor.busy.eq(sender.busy),
            executor.sending.eq(sender.sending),
            *(part.flush.eq(flush) for part in (assembler, splitter, queue)),
            *(getattr(replay, name).eq(getattr(executor, name)) for name in ("size", "repetitions", "place", "turn")),
            replay.start.eq(start),
            replay.stop.eq(stop),
            executor.running.eq(replay.running),
            executor.state.eq(replay.state),
            replay.step_waits.eq(assembler.x.valid),
            replay.step_ended.eq(assembler.ended),
            replay.result_whole.eq(splitter.whole),
            replay.result_ended.eq(splitter.ended),
        ]
        return m

    def _line(
        self,
        m: Module,
        heard: UartReceiver,
        said: UartTransmitter,
        receiver: FrameReceiver,
        sender: FrameSender,
        executor: RequestExecutor,
    ) -> None:
        """The line to the receiver, and the sender to the line; while the board boots, the flash in its place."""
        if not self.config.flash:
            wiring.connect(m, sender.bytes, said.bytes)
            m.d.comb += [receiver.data.eq(heard.data), receiver.valid.eq(heard.valid)]
            return
        boot, free = self.boot, receiver.waiting != self.config.window
        m.d.comb += [
            receiver.data.eq(Mux(boot.booting, boot.bytes.payload, heard.data)),
            receiver.valid.eq(Mux(boot.booting, boot.bytes.valid & free, heard.valid)),
            boot.bytes.ready.eq(free),
            said.bytes.payload.eq(sender.bytes.payload),
            said.bytes.valid.eq(sender.bytes.valid & ~boot.booting),
            sender.bytes.ready.eq(said.bytes.ready | boot.booting),
            boot.quiet.eq((receiver.waiting == 0) & ~sender.busy),
            boot.failed.eq(executor.failed),
        ]
