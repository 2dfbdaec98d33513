"""Fuzzes what the judge does with the bytes of a worker: reader, decoder, the words of a report.

python tests/fuzz/fuzz_wire.py [--frames 1000000] [--seed 1] [--processes 2] [--save docs/results/fuzz.json]
python tests/fuzz/fuzz_wire.py --guided 60        coverage-guided, for so many seconds (needs the group `fuzz`: atheris)

A frame is mutated as a stream of bytes, as a JSON tree, or as the header of its tensors. Whatever comes, the judge
raises WireError or Failed and nothing else, imports nothing, takes bounded memory, and is done in bounded time.
"""

from __future__ import annotations

import argparse
import copy
import inspect
import json
import os
import platform
import random
import resource
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from grader import wire
from grader.checks import check_close, check_equal, check_tensor, show
from grader.errors import WorkerFault
from grader.remote import RemoteSubmission
from grader.result import Failed
from grader.text import clean
from grader.wire import HEADER, MAGIC, Caps, Foreign, FrameReader, WireError, decode, encode

CAPS = Caps(json_bytes=1 << 20, tensor_bytes=1 << 20)
MAX_SECONDS = 5.0  # of the processor, for one frame at its caps
MAX_GROWTH = 384 << 20  # bytes: JSON of 1 MB is at most half a million empty lists, of 64 bytes and a reference each
DATA = (type(None), bool, int, float, str, bytes, torch.Size, torch.dtype, torch.device, torch.Tensor, Foreign)

VALUES: list[Any] = [
    {"ok": None},
    {"ok": torch.arange(6.0).reshape(2, 3)},
    {"ok": {"losses": [0.5, 1e300], "weights": {"a": torch.ones(2), "b": torch.zeros(0, 3, dtype=torch.int64)}}},
    {"ok": (torch.tensor(True), torch.ones(2, dtype=torch.bfloat16), torch.ones((), dtype=torch.float16))},
    {"ok": [1, -(2**70), float("nan"), float("inf"), True, b"\x00\xff", "text \x1b[31m ::error::", ()]},
    {"ok": [torch.Size([2, -1]), torch.float32, torch.device("cuda:1"), Foreign("Net", "a module"), {1: {}, (2,): []}]},
    {"raised": {"type": "ValueError", "name": "ValueError", "message": "3 and 4", "frames": [["a.py", 1, "f"]]}},
    {"import_failed": {"module": "a", "type": "other", "name": "E", "message": "", "frames": []}},
    {"missing": {"module": "a", "name": "doubel", "near": ["double"]}},
    {"signature": "double(x): too many"},
    {"unsendable": "too large"},
    {"bye": True},
]
FRAMES = [encode(value) for value in VALUES]
WORDS = [
    "f",
    "b",
    "t",
    "d",
    "x",
    "T",
    "s",
    "y",
    "v",
    "g",
    "ok",
    "raised",
    "",
    "nan",
    "-inf",
    "0x1p3",
    "0x1p99999",
    "aGk=",
]
WORDS += [
    "float32",
    "complex64",
    "nn",
    "distributed",
    "compile",
    "cpu",
    "cuda:1",
    "meta",
    "cuda:-1",
    "\ud800",
    "1" * 5000,
]
NUMBERS = [0, 1, -1, 2, 63, 64, 65, 2**31, 2**32 - 1, 2**53, 2**62, 2**63, 2**64, -(2**63), 2**4095, 2**4097, 10**4000]
FIELDS = ["dtype", "shape", "data_offsets", "__metadata__", "0", "1", "-1", "00"]
DTYPES = ["F32", "F64", "F16", "BF16", "I64", "U8", "BOOL", "F8_E4M3", "C64", "U64", "F4", "", "f32"]


# --- one frame through the judge


def submission() -> RemoteSubmission:
    """The part of a submission that reads replies, without a worker."""
    one = RemoteSubmission.__new__(RemoteSubmission)
    one._files, one.last_call = {"a.py": "one\ntwo\n"}, "f(x)"
    return one


SUBMISSION = submission()
EXPECTED = torch.arange(6.0).reshape(2, 3)


def judge(stream: bytes, step: int = 0) -> str:
    """What becomes of a stream of bytes. Anything but an outcome that is foreseen is raised."""
    reader = FrameReader(CAPS)
    outcome = "waits for more"
    step = step or len(stream) or 1
    for start in range(0, len(stream), step):
        reader.feed(stream[start : start + step])
        try:
            while (frame := reader.next_frame()) is not None:
                outcome = reply(decode(frame))
        except WireError:
            return "refused"
    return outcome


def reply(value: Any) -> str:
    """A decoded value on its way through reply, checks and report."""
    assert_data(value)
    try:
        body = SUBMISSION._result(value, "f(x)")
    except Failed as failed:
        clean(failed.failure.got)
        return "a failed test"
    except WorkerFault:
        return "said to be unreadable"  # the same test on the reference finds out who is right
    for check in CHECKS:
        try:
            check(body)
        except Failed as failed:
            clean(failed.failure.got)
    assert len(show(body)) <= 220
    return "a value"


CHECKS: tuple[Callable[[Any], None], ...] = (
    lambda value: check_tensor(value, EXPECTED),
    lambda value: check_equal(value, {"a": [1.0, (True, None)]}),
    lambda value: check_close(value, 0.5),
)


def assert_data(value: Any) -> None:
    """Exact types only, and bounded: what a suite reads can't answer back."""
    if type(value) in (list, tuple):
        for item in value:
            assert_data(item)
    elif type(value) is dict:
        for key, item in value.items():
            assert_data(key)
            assert_data(item)
    else:
        assert type(value) in DATA, type(value)
        if type(value) is torch.Tensor:
            assert value.numel() * value.element_size() <= CAPS.tensor_bytes
            assert value.is_contiguous()
            assert value.dim() <= 64


# --- mutations


class Mutator:
    """A stream of hostile frames, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def stream(self) -> bytes:
        way = self.random.choices(
            (self.bytes, self.tree, self.header_of_tensors, self.lengths, self.joined, self.flood),
            (30, 40, 20, 8, 2, 0.005),
        )[0]
        return way()

    def parts(self) -> tuple[bytes, bytes]:
        frame = self.random.choice(FRAMES)
        middle = HEADER.size + HEADER.unpack_from(frame)[1]
        return frame[HEADER.size : middle], frame[middle:]

    def frame(self, text: bytes, blob: bytes) -> bytes:
        return HEADER.pack(MAGIC, len(text), len(blob)) + text + blob

    def noise(self, data: bytes) -> bytes:
        """A few bytes changed, cut out, doubled, or put in."""
        changed = bytearray(data)
        for _ in range(self.random.choice((1, 1, 2, 4, 16))):
            place, size = self.random.randint(0, len(changed)), self.random.choice((1, 1, 2, 8))
            way = self.random.randrange(4)
            if way == 0:
                changed[place : place + size] = self.random.randbytes(size)
            elif way == 1:
                del changed[place : place + size]
            elif way == 2:
                changed[place:place] = changed[place : place + size]
            else:
                changed[place:place] = self.random.choice(
                    (b"{", b"[", b'"', b"\\", b"0", b"\xff", b"\x00", b"-", b"e9")
                )
        return bytes(changed)

    def bytes(self) -> bytes:
        text, blob = self.parts()
        if self.random.random() < 0.6:
            text = self.noise(text)
        else:
            blob = self.noise(blob)
        return self.frame(text, blob)

    def tree(self) -> bytes:
        text, blob = self.parts()
        tree = json.loads(text)
        for _ in range(self.random.choice((1, 1, 2, 5))):
            tree = self.changed(tree)
        return self.frame(json.dumps(tree).encode(), blob)

    def changed(self, tree: Any) -> Any:
        """The tree with one part, somewhere in it, exchanged, wrapped, doubled or taken away."""
        way = self.random.random()
        if isinstance(tree, list) and tree and way < 0.75:
            place = self.random.randrange(len(tree))
            if way < 0.6:
                tree[place] = self.changed(tree[place])
            elif way < 0.68:
                del tree[place]
            else:
                tree.insert(place, copy.deepcopy(tree[place]))
            return tree
        if isinstance(tree, dict) and tree and way < 0.75:
            key = self.random.choice(list(tree))
            if way < 0.6:
                tree[key] = self.changed(tree[key])
            else:
                body = tree.pop(key)
                if way < 0.7:
                    tree = {self.random.choice(WORDS): body, **tree}
            return tree
        if way < 0.85:
            return self.leaf()
        if way < 0.95:
            return {self.random.choice(WORDS): tree}
        for _ in range(self.random.choice((1, 3, 40))):
            tree = [tree]
        return tree

    def leaf(self) -> Any:
        pick = self.random.choice
        return pick((None, True, [], {}, pick(WORDS), pick(NUMBERS), 0.5, [[pick(WORDS), 1]], {"T": pick((0, 1, 7))}))

    def header_of_tensors(self) -> bytes:
        text, blob = self.parts()
        while not blob:
            text, blob = self.parts()
        size = struct.unpack_from("<Q", blob)[0]
        header, body = json.loads(blob[8 : 8 + size]), blob[8 + size :]
        for _ in range(self.random.choice((1, 1, 2, 4))):
            self.change_entry(header)
        written = json.dumps(header).encode()
        length = (
            len(written) if self.random.random() < 0.9 else self.random.choice((0, 1, 2**32, 2**63, len(written) + 9))
        )
        return self.frame(text, struct.pack("<Q", length) + written + body)

    def change_entry(self, header: dict[str, Any]) -> None:
        pick = self.random.choice
        name = pick(list(header) or ["0"])
        entry = header.setdefault(name, {})
        way = self.random.randrange(6)
        if not isinstance(entry, dict) or way == 0:
            header[pick(FIELDS)] = pick((None, {}, [], entry, {"a": "b"}))
        elif way == 1:
            entry["dtype"] = pick(DTYPES)
        elif way == 2:
            entry["shape"] = pick(
                ([], [0], [pick(NUMBERS)], [pick(NUMBERS), 0], [1] * 70, [2**32, 2**32], [-1, 2], "2")
            )
        elif way == 3:
            entry["data_offsets"] = pick(([0, 0], [0, pick(NUMBERS)], [pick(NUMBERS), 4], [8, 0], [0], [0, 4, 8], None))
        elif way == 4:
            entry.pop(pick(FIELDS), None)
        else:
            header[pick(FIELDS)] = copy.deepcopy(entry)

    def lengths(self) -> bytes:
        text, blob = self.parts()
        near = self.random.choice((0, 1, -1, 7))
        first = self.random.choice((len(text) + near, 0, 2**32 - 1, CAPS.json_bytes, CAPS.json_bytes + 1))
        second = self.random.choice((len(blob), max(0, len(blob) + near), 2**64 - 1, CAPS.tensor_bytes + 1))
        magic = self.random.choice((MAGIC, MAGIC, MAGIC, b"TDJ2", b"\0\0\0\0"))
        return HEADER.pack(magic, max(0, min(first, 2**32 - 1)), second) + text + blob

    def joined(self) -> bytes:
        return self.tree() + self.bytes() + self.random.choice(FRAMES)[: self.random.randrange(40)]

    def flood(self) -> bytes:
        """A frame at its caps, made of one thing many times."""
        piece = self.random.choice(
            (b"[],", b"{},", b'"a",', b"1,", b'{"t":[]},', b'{"d":[]},', b'{"x":["",""]},', b"[", b'{"a":')
        )
        if piece in (b"[", b'{"a":'):
            return self.frame(piece * (CAPS.json_bytes // len(piece)), b"")
        text = b"[" + (piece * (CAPS.json_bytes // len(piece) - 1))[:-1] + b"]"
        if self.random.random() < 0.5:
            return self.frame(text, b"")
        entry = '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'
        header = ("{" + ",".join(f'"{number}":{entry}' for number in range(15_000)) + "}").encode()
        return self.frame(b'{"T":0}', struct.pack("<Q", len(header)) + header)


# --- a run


@dataclass
class Tally:
    """What one process saw."""

    frames: int
    seconds: float
    slowest: float
    growth: int
    outcomes: dict[str, int]
    imported: list[str]


def warm_up() -> None:
    """Everything that a valid frame needs is imported, and memory is at its level."""
    for frame in FRAMES:
        judge(frame)


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def fuzz(seed: int, frames: int) -> Tally:
    """So many frames in this process. Raises what the judge raised, with the stream that did it."""
    warm_up()
    mutator, outcomes = Mutator(seed), Counter[str]()
    loaded, memory, began, slowest = set(sys.modules), peak(), time.perf_counter(), 0.0
    for number in range(frames):
        stream = mutator.stream()
        step = mutator.random.choice((0,) * 30 + (1, 7)) if len(stream) < 1000 else 0
        start = time.process_time()  # other processes do not count
        try:
            outcomes[judge(stream, step)] += 1
        except BaseException as error:
            raise AssertionError(f"seed {seed}, frame {number}: {error!r} from {stream[:2000]!r}") from error
        slowest = max(slowest, time.process_time() - start)
    seconds = time.perf_counter() - began
    return Tally(frames, seconds, slowest, peak() - memory, dict(outcomes), sorted(set(sys.modules) - loaded))


def shortcomings(tallies: list[Tally]) -> Iterator[str]:
    for tally in tallies:
        if tally.imported:
            yield f"a frame made the judge import {', '.join(tally.imported)}"
        if tally.growth > MAX_GROWTH:
            yield f"memory grew by {tally.growth >> 20} MB"
        if tally.slowest > MAX_SECONDS:
            yield f"one frame took {tally.slowest:.1f} s of the processor"


def many(frames: int, seed: int, processes: int) -> tuple[list[Tally], float]:
    began = time.perf_counter()
    share = -(-frames // processes)
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        tallies = list(pool.map(fuzz, range(seed, seed + processes), [share] * processes))
    return tallies, time.perf_counter() - began


def guided(seconds: int) -> None:
    """Coverage-guided: the fuzzer sees which branches of the wire an input reaches. Never returns.

    An input is JSON, a zero byte, and the tensors. Its frame is put around it here: no input dies at its header.
    """
    import atheris

    def one(data: bytes) -> None:
        text, _, blob = data.partition(b"\0")
        judge(Mutator(0).frame(text, blob))

    warm_up()
    for each in [*vars(wire).values(), *vars(FrameReader).values(), *vars(wire._Decoder).values()]:
        if inspect.isfunction(each) and each.__module__ == wire.__name__:
            atheris.instrument_func(each)
    with tempfile.TemporaryDirectory() as folder:
        for number, frame in enumerate(FRAMES):
            middle = HEADER.size + HEADER.unpack_from(frame)[1]
            Path(folder, str(number)).write_bytes(frame[HEADER.size : middle] + b"\0" + frame[middle:])
        limits = [f"-max_total_time={seconds}", "-rss_limit_mb=4096", "-timeout=20", "-max_len=65536"]
        atheris.Setup([sys.argv[0], *limits, "-print_final_stats=1", folder], one)
        atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description="fuzzes what the judge does with the bytes of a worker")
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--guided", type=int, metavar="SECONDS", help="use atheris for so many seconds")
    parser.add_argument("--save", type=Path)
    options = parser.parse_args()
    if options.guided:
        guided(options.guided)
    tallies, seconds = many(options.frames, options.seed, options.processes)
    outcomes = sum((Counter(tally.outcomes) for tally in tallies), Counter[str]())
    total = sum(tally.frames for tally in tallies)
    short = list(shortcomings(tallies))
    print(f"{total:,} frames in {seconds:.0f} s with {len(tallies)} processes: {total / seconds:,.0f} frames/s")
    for outcome, count in outcomes.most_common():
        print(f"  {outcome}: {count:,}")
    slowest, growth = max(tally.slowest for tally in tallies), max(tally.growth for tally in tallies)
    print(f"slowest frame {slowest:.2f} s of the processor, memory grew by {growth >> 20} MB")
    print("\n".join(short) or "nothing but the foreseen: no other exception, no import, bounded memory and time")
    if options.save:
        body = {"frames": total, "seconds": round(seconds, 1), "frames_per_second": round(total / seconds)}
        body |= {
            "seed": options.seed,
            "machine": f"{os.cpu_count()} cores, shared",
            "python": platform.python_version(),
        }
        body |= {"torch": torch.__version__, "outcomes": dict(outcomes), "shortcomings": short}
        body |= {"caps": asdict(CAPS), "processes": [asdict(tally) for tally in tallies]}
        options.save.write_text(json.dumps(body, indent=2) + "\n")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
