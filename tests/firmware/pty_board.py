"""A device behind a pseudo-terminal: a host opens its port with pyserial, as a board's."""

import os
import select
import threading
import tty


class PtyBoard:
    """Answers what comes from the port by ``receive``; leaving the context takes the port away."""

    def __init__(self, receive):
        self.receive = receive
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        self.slave = slave  # open, so that the port stays between two hosts
        self.took = 0  #: bytes
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.unplug()

    def unplug(self) -> None:
        """Take the port away."""
        self.stopped.set()
        if self.thread is not threading.current_thread():
            self.thread.join()
        if self.master >= 0:
            os.close(self.master)
            os.close(self.slave)
            self.master = -1

    def _serve(self) -> None:
        while not self.stopped.is_set():
            if select.select([self.master], [], [], 0.02)[0]:
                data = os.read(self.master, 4096)
                self.took += len(data)
                os.write(self.master, self.receive(data) or b"")
