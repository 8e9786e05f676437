"""What the tests of builds share: a chip small enough to be built in a second, and tools that fail as told."""

import os

from amaranth.hdl import Elaboratable, Module, Signal


class Echo(Elaboratable):
    """What comes in goes out a cycle later; the light blinks."""

    def __init__(self):
        self.rx, self.tx, self.led = Signal(init=1), Signal(init=1), Signal()

    def elaborate(self, platform):
        m = Module()
        count = Signal(24)
        m.d.sync += [count.eq(count + 1), self.led.eq(count[-1]), self.tx.eq(self.rx)]
        return m


def put_tool(folder, monkeypatch, name: str, script: str) -> None:
    """A command ``name``, first on the PATH, that notes its arguments and then runs ``script``."""
    tool = folder / "bin" / name
    tool.parent.mkdir(exist_ok=True)
    tool.write_text(f'#!/bin/sh\necho "$@" > arguments_{name}\n{script}\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
