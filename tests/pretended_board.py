"""A board in numbers at the other end of a pseudo-terminal, in a thread: what a host's commands are tested on."""

import os
import pty
import threading
import tty
from collections.abc import Callable
from contextlib import suppress


class PretendedBoard:
    """``receive`` answers each piece of the line, as :class:`~ohmgate.hdl.board.board_twin.BoardTwin` does.

    ``port`` is what a host opens. ``unplug_after`` closes the terminal when so many bytes have come.
    """

    def __init__(self, receive: Callable[[bytes], bytes], unplug_after: int | None = None):
        self.receive, self.left = receive, unplug_after
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        self.slave: int | None = slave  # kept open, as else the terminal hangs up between two hosts
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> "PretendedBoard":
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._close_slave()
        self.thread.join(5)

    def _close_slave(self) -> None:
        if self.slave is not None:
            os.close(self.slave)
            self.slave = None

    def _serve(self) -> None:
        with suppress(OSError):  # nobody has the terminal open any more
            while data := os.read(self.master, 4096):
                if self.left is not None:
                    self.left -= len(data)
                    if self.left <= 0:
                        self._close_slave()
                        break
                os.write(self.master, self.receive(data))
        os.close(self.master)
