"""The warm parent: imports torch once inside the sandbox, then forks a supervisor and a worker for each test.

Where a process with torch can't be forked (macOS), it stays cold: it forks all the same, and each worker imports.

It runs no code of a submission, holds nothing secret, and can't be traced. Requests come on one Unix socket;
with each come the three descriptors of a new worker: its data socket, its supervisor's socket, its output pipe.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.util
import os
import shutil
import signal
import socket
import sys
import traceback
from importlib import metadata
from typing import Any, NoReturn

from grader.wire import Caps, FrameReader, WireError, decode, encode
from grader.worker import pages, supervisor

DESCRIPTORS = 3  # data, control, output
# What torch, NumPy and we ourselves import only when it is first used: in each worker anew, for 15 ms.
LAZY = (
    *("numpy.random", "numpy.ctypeslib", "safetensors.torch", "torch.utils.serialization.config"),
    *("torch.nested._internal.nested_tensor", "torch.fx.experimental._constant_symnode"),
)
NAMED = ("torch", "torchvision", "numpy")  # whose versions a report gives


def main(descriptor: int) -> None:
    """Serves the judge on the socket `descriptor` until it closes."""
    channel = socket.socket(fileno=descriptor)
    reader = FrameReader(Caps(json_bytes=1 << 20, tensor_bytes=0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the judge decides when we end; the terminal does not
    request = receive(channel, reader)
    if request is None:
        return
    config, _ = request
    isolated = bool(config["isolated"])
    if sys.platform == "linux":
        from grader.worker import kernel

        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    if isolated and fork(isolated) == 0:
        os._exit(0)  # where name spaces are refused, it is to show now, and not at the first test
    versions = warm_up(config["preload"]) if config["warm"] else installed()
    channel.sendall(encode({"ready": True, "versions": versions}))
    while (request := receive(channel, reader)) is not None:
        reap()
        fork_supervisor(channel, request[1], isolated)
    if config["folder"] is not None:
        shutil.rmtree(config["folder"], ignore_errors=True)  # a judge that was killed could not


def warm_up(modules: list[str]) -> dict[str, str]:
    """Imports `modules` and freezes them, so that a fork copies little."""
    gc.disable()  # an import makes much and drops little
    for name in modules:
        importlib.import_module(name)
    torch = sys.modules.get("torch")
    if torch is not None:
        for name in LAZY:
            with contextlib.suppress(ImportError):  # another version has it elsewhere, or no more
                importlib.import_module(name)
        # Before the first operation: a pool of OpenMP threads in the parent would hang every child.
        torch.set_num_threads(1)
    if "PIL.Image" in sys.modules:
        sys.modules["PIL.Image"].preinit()  # its usual formats
    gc.freeze()
    gc.enable()
    if sys.platform == "linux":
        pages.gather()  # before the first fork: blocks that a child shares can't be gathered
    loaded = {name: sys.modules.get(name) for name in NAMED}
    return {name: str(getattr(module, "__version__", "")) for name, module in loaded.items() if module is not None}


def installed() -> dict[str, str]:
    """The versions, where each worker imports for itself."""
    return {name: metadata.version(name) for name in NAMED if importlib.util.find_spec(name) is not None}


def receive(channel: socket.socket, reader: FrameReader) -> tuple[Any, list[int]] | None:
    """The next request and its descriptors, or None when the judge has gone."""
    descriptors: list[int] = []
    while True:
        frame = reader.next_frame()
        if frame is not None:
            return decode(frame), descriptors
        data, received, _, _ = socket.recv_fds(channel, 65536, DESCRIPTORS)
        descriptors += received
        if not data:
            return None
        reader.feed(data)


def reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass


def fork_supervisor(channel: socket.socket, descriptors: list[int], isolated: bool) -> None:
    if len(descriptors) != DESCRIPTORS:
        raise WireError("a request for a worker without its descriptors")
    if fork(isolated) == 0:
        channel.close()
        run_supervisor(descriptors, isolated)
    for descriptor in descriptors:
        os.close(descriptor)


def fork(isolated: bool) -> int:
    """Forks; with isolation the child has name spaces of its own, and lasts no longer than we do."""
    if not isolated:
        return os.fork()
    from grader.worker import kernel

    child = kernel.fork_into_name_spaces()
    if child == 0:
        kernel.die_with_parent()
    return child


def run_supervisor(descriptors: list[int], isolated: bool) -> NoReturn:
    """In the child: becomes the supervisor. Never returns."""
    code = 1
    try:
        data, control, output = descriptors
        code = supervisor.supervise(socket.socket(fileno=control), data, output, isolated)
    except BaseException:
        traceback.print_exc()  # into the log that the judge reads when a supervisor ends without a word
    finally:
        os._exit(code)


if __name__ == "__main__":
    main(int(sys.argv[1]))
