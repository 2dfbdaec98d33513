"""The wire: data comes back as it went, the rest as `Foreign`; hostile bytes raise WireError and nothing else."""

from __future__ import annotations

import itertools
import json
import math
import struct
import subprocess
import sys
from collections import OrderedDict, namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from grader.wire import (
    DTYPES,
    HEADER,
    MAGIC,
    MAX_DEPTH,
    MAX_DIMS,
    MAX_NODES,
    MAX_TENSORS,
    Caps,
    Foreign,
    Frame,
    FrameReader,
    WireError,
    decode,
    encode,
)

ROOT = Path(__file__).parents[2]
QUICK = settings(derandomize=True, deadline=None, database=None, max_examples=150)
Pair = namedtuple("Pair", "first second")


class Text(str):
    __slots__ = ()


class Whole(int):
    pass


class Subclass(torch.Tensor):
    pass


def cut(frame: bytes) -> Frame:
    reader = FrameReader(Caps())
    reader.feed(frame)
    found = reader.next_frame()
    assert found is not None
    assert reader.pending == 0
    return found


def there_and_back(value: object) -> Any:
    return decode(cut(encode(value)))


def decoded(tree: object, blob: bytes = b"") -> Any:
    return decode(Frame(json.dumps(tree).encode(), blob))


def alike(one: Any, other: Any) -> bool:
    """The same types and values all the way down, bit for bit; NaN is like NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, torch.Tensor):
        same_kind = one.dtype == other.dtype and one.shape == other.shape
        return same_kind and one.contiguous().numpy().tobytes() == other.numpy().tobytes()
    if isinstance(one, float):
        return struct.pack("<d", one) == struct.pack("<d", other) or (math.isnan(one) and math.isnan(other))
    if isinstance(one, dict):
        return len(one) == len(other) and all(map(alike, one.items(), other.items()))
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)


def safetensors_blob(header: object, body: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def tensor_blob(shape: list[int], dtype: str = "F32", offsets: list[int] | None = None, body: bytes = b"") -> bytes:
    entry = {"dtype": dtype, "shape": shape, "data_offsets": offsets or [0, len(body)]}
    return safetensors_blob({"0": entry}, body)


# --- what crosses


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -(2**4000),
        "",
        'é "quoted" \u2028 \ud800 \0',
        b"",
        b"\x00\xff",
        0.0,
        -0.0,
        0.1,
        5e-324,
        sys.float_info.max,
        math.inf,
        -math.inf,
        math.nan,
        [],
        (),
        {},
        (1,),
        [(1, [2, (3,)]), {"a": {1: (None, True)}}],
        {"b": 1, "a": 2, 3: "three", (1, "x"): [], 2.5: None, None: 0, True: 1},
        torch.Size([]),
        torch.Size([2, 0, 3]),
        torch.Size([2, -1]),
        torch.float16,
        torch.complex64,
        torch.device("cpu"),
        torch.device("cuda", 1),
    ],
    ids=repr,
)
def test_plain_data_crosses_with_its_exact_type(value: object) -> None:
    assert alike(value, there_and_back(value))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 5), (3, 1, 2)])
def test_a_tensor_crosses_bit_for_bit(dtype: str, shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(11)
    tensor = torch.randint(0, 2, shape, generator=generator).to(getattr(torch, dtype))
    back = there_and_back(tensor)
    assert type(back) is torch.Tensor
    assert back.dtype == tensor.dtype
    assert back.shape == tensor.shape
    assert torch.equal(back, tensor)


def test_a_tensor_keeps_nan_infinities_and_the_sign_of_zero() -> None:
    tensor = torch.tensor([math.nan, math.inf, -math.inf, -0.0, 1e-45])
    assert alike(tensor, there_and_back(tensor))


@pytest.mark.parametrize(
    "view",
    [lambda x: x.t(), lambda x: x[::2, 1:], lambda x: x[:1].expand(3, 5), lambda x: x.as_strided((2, 2), (1, 1))],
    ids=["transposed", "sliced", "expanded", "overlapping"],
)
def test_a_view_of_any_strides_arrives_contiguous_with_its_values(view: Any) -> None:
    tensor = view(torch.arange(20.0).reshape(4, 5))
    back = there_and_back(tensor)
    assert back.is_contiguous()
    assert torch.equal(back, tensor)


def test_tensors_that_share_memory_arrive_apart() -> None:
    tensor = torch.zeros(3)
    one, other = there_and_back([tensor, tensor])
    one.add_(1)
    assert torch.equal(other, torch.zeros(3))


def test_a_tensor_tells_where_it_lay_and_whether_it_required_grad() -> None:
    plain, learned = there_and_back([torch.zeros(2), torch.zeros(2, requires_grad=True) * 2])
    assert (plain.worker_device, plain.worker_requires_grad) == ("cpu", False)
    assert (learned.worker_device, learned.worker_requires_grad) == ("cpu", True)
    assert not learned.requires_grad


def test_a_tensor_from_a_gpu_is_data_on_the_cpu_that_names_the_gpu() -> None:
    blob = tensor_blob([1], body=b"\0" * 4)
    tensor = decoded({"T": 0, "v": "cuda:0", "g": False}, blob)
    assert tensor.device.type == "cpu"
    assert tensor.worker_device == "cuda:0"


def test_a_parameter_arrives_as_a_plain_tensor() -> None:
    back = there_and_back(torch.nn.Parameter(torch.ones(2)))
    assert type(back) is torch.Tensor


def test_with_a_device_tensors_are_put_there_unless_marked() -> None:
    marked = torch.ones(2)
    marked.wire_device = "cpu"
    free, fixed = decode(cut(encode([torch.ones(2), marked])), device="meta")
    assert free.device.type == "meta"
    assert fixed.device.type == "cpu"


# --- what does not cross


@pytest.mark.parametrize(
    ("value", "name", "detail"),
    [
        (np.zeros((2, 3), np.float32), "numpy.ndarray", "shape [2, 3], float32"),
        (np.float64(1.5), "numpy.float64", ""),
        (torch.nn.Linear(1, 1), "torch.Linear", ""),
        (torch.zeros(2).as_subclass(Subclass), "Subclass", ""),
        (Text("a"), "Text", ""),
        (Whole(3), "Whole", ""),
        (Pair(1, 2), "Pair", ""),
        (OrderedDict(a=1), "OrderedDict", ""),
        ({1, 2}, "set", ""),
        (1j, "complex", ""),
        (max, "builtin_function_or_method", ""),
        (object, "type", ""),
        (torch.zeros(2, dtype=torch.complex64), "torch.Tensor", "strided, complex64, on cpu"),
        (torch.eye(2).to_sparse(), "torch.Tensor", "sparse_coo, float32, on cpu"),
        (torch.empty(2, device="meta"), "torch.Tensor", "strided, float32, on meta"),
        (torch.zeros(1, dtype=torch.float8_e4m3fn), "torch.Tensor", "strided, float8_e4m3fn, on cpu"),
        (torch.zeros([1] * (MAX_DIMS + 1)), "torch.Tensor", "65 dimensions"),
        (2**4097, "int", "too large to send"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_data_becomes_foreign(value: object, name: str, detail: str) -> None:
    assert there_and_back([value, 1]) == [Foreign(name, detail), 1]


def test_a_foreign_value_stays_what_it_is() -> None:
    assert there_and_back(Foreign("numpy.ndarray", "shape [1]")) == Foreign("numpy.ndarray", "shape [1]")


def test_a_cyclic_list_ends_as_foreign() -> None:
    cyclic: list[Any] = [1]
    cyclic.append(cyclic)
    value = there_and_back(cyclic)
    for _ in range(MAX_DEPTH - 1):
        value = value[1]
    assert value == [1, Foreign("list", "nested too deeply to send")]


def test_a_bushy_cycle_is_refused_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.wire.MAX_NODES", 2000)
    bushy: list[Any] = []
    bushy += [bushy, bushy]
    with pytest.raises(WireError, match="parts"):
        encode(bushy)


@pytest.mark.parametrize("value", [[0] * MAX_NODES, [torch.zeros(0)] * (MAX_TENSORS + 1)], ids=["numbers", "tensors"])
def test_a_value_of_too_many_parts_is_refused(value: object) -> None:
    with pytest.raises(WireError, match="more than"):
        encode(value)


def test_what_can_be_encoded_can_be_decoded_at_the_limit_of_depth() -> None:
    value: Any = torch.ones(1)
    for wrap in itertools.islice(itertools.cycle([lambda v: [v], lambda v: (v,), lambda v: {"k": v}]), MAX_DEPTH - 1):
        value = wrap(value)
    assert alike(value, there_and_back(value))


# --- frames in a stream


def test_a_frame_fed_byte_by_byte_comes_out_once_and_whole() -> None:
    reader = FrameReader(Caps())
    frame = encode({"a": torch.arange(3)})
    for byte in frame[:-1]:
        reader.feed(bytes([byte]))
        assert reader.next_frame() is None
    reader.feed(frame[-1:])
    found = reader.next_frame()
    assert found is not None
    assert alike(decode(found), {"a": torch.arange(3)})
    assert reader.next_frame() is None
    assert reader.pending == 0


def test_frames_that_arrive_together_come_out_in_order() -> None:
    reader = FrameReader(Caps())
    reader.feed(encode(1) + encode("two") + encode(3)[:5])
    assert [decode(frame) for frame in (reader.next_frame(), reader.next_frame()) if frame] == [1, "two"]
    assert reader.next_frame() is None
    assert reader.pending == 5


def test_bytes_that_are_no_frame_are_refused() -> None:
    reader = FrameReader(Caps())
    reader.feed(b"HTTP/1.1 200 OK\r\n")
    with pytest.raises(WireError, match="not a frame"):
        reader.next_frame()


@pytest.mark.parametrize(("json_length", "tensor_length"), [(101, 0), (0, 1001), (2**32 - 1, 2**64 - 1)])
def test_a_header_over_the_caps_is_refused_before_its_body_comes(json_length: int, tensor_length: int) -> None:
    reader = FrameReader(Caps(json_bytes=100, tensor_bytes=1000))
    reader.feed(HEADER.pack(MAGIC, json_length, tensor_length))
    with pytest.raises(WireError, match="over the limit"):
        reader.next_frame()


def test_a_frame_of_just_the_caps_passes() -> None:
    body = b"1" * 100
    reader = FrameReader(Caps(json_bytes=100, tensor_bytes=10))
    reader.feed(HEADER.pack(MAGIC, 100, 10) + body + b"\0" * 10)
    assert reader.next_frame() == Frame(body, b"\0" * 10)


# --- hostile frames


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"t":' * 100_000,
        b"NaN",
        b"Infinity",
        b"[-Infinity]",
        b"1.5",
        b"1e400",
        b"9" * 5000,
        b"{}",
        b'{"zz": 1}',
        b'{"f": 1}',
        b'{"f": "one"}',
        b'{"f": "0x1p99999"}',
        b'{"f": ["x"]}',
        b'{"f": null}',
        b'{"b": "?"}',
        b'{"b": "\\u00e9"}',
        b'{"t": "ab"}',
        b'{"t": null}',
        b'{"d": {"a": 1}}',
        b'{"d": [["a"]]}',
        b'{"d": ["ab"]}',
        b'{"d": [[{"t": [[]]}, 1]]}',
        b'{"x": "ab"}',
        b'{"x": [1, 2]}',
        b'{"s": [true]}',
        b'{"s": [1267650600228229401496703205376]}',
        b'{"s": 3}',
        b'{"y": "nn"}',
        b'{"y": "Tensor"}',
        b'{"y": 3}',
        b'{"v": ""}',
        b'{"v": "cpu:-1"}',
        b'{"v": "toaster"}',
        b'{"v": null}',
        b'{"T": 0}',
        b'{"T": true}',
        b'{"T": "0"}',
        b'{"T": [0]}',
        b"[" * (MAX_DEPTH + 2) + b"]" * (MAX_DEPTH + 2),
        b"[" + b"0," * MAX_NODES + b"0]",
    ],
    ids=lambda text: repr(text[:24]),
)
def test_a_malformed_tree_raises_wire_error(text: bytes) -> None:
    with pytest.raises(WireError):
        decode(Frame(text, b""))


LAZILY = """
import sys
from grader.wire import Frame, WireError, decode

try:
    decode(Frame(b'{"y": "_inductor"}', b""))
except WireError:
    print("refused", "torch._inductor" in sys.modules)
"""


def test_a_dtypes_name_does_not_import_torchs_lazy_modules() -> None:
    """In a process of its own: in this one another test may have imported them."""
    done = subprocess.run([sys.executable, "-c", LAZILY], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "refused False\n"


def test_a_key_that_is_no_plain_value_becomes_foreign() -> None:
    assert decoded({"d": [[[1], 2]]}) == {Foreign("list", "as a key"): 2}


FOUR = b"\0\0\x80\x3f" * 4


@pytest.mark.parametrize(
    "blob",
    [
        b"abc",
        b"\xff" * 8,
        struct.pack("<Q", 10) + b"{}",
        safetensors_blob(b"not json"),
        safetensors_blob([]),
        safetensors_blob({"0": 3}),
        safetensors_blob({"0": {"dtype": "F32", "shape": [1]}}),
        safetensors_blob(b'{"0":' * 1000),
        tensor_blob([4], body=FOUR[:-1]),
        tensor_blob([4], body=FOUR + b"\0"),
        tensor_blob([5], body=FOUR),
        tensor_blob([4], offsets=[0, 99], body=FOUR),
        tensor_blob([4], offsets=[16, 0], body=FOUR),
        tensor_blob([1], offsets=[4, 8], body=FOUR),
        tensor_blob([-1], body=FOUR),
        tensor_blob([2**62, 2**62], body=FOUR),
        tensor_blob([0, 2**63]),
        tensor_blob([0, 2**64]),
        tensor_blob([2], "C64", body=FOUR),
        tensor_blob([2], "U64", body=FOUR),
        tensor_blob([16], "F8_E4M3", body=FOUR),
        tensor_blob([32], "F4", body=FOUR),
        tensor_blob([4], "PICKLE", body=FOUR),
        tensor_blob([1] * (MAX_DIMS + 1), body=FOUR[:4]),
        safetensors_blob(
            {
                "0": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
                "1": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
            },
            FOUR,
        ),
    ],
    ids=lambda blob: repr(blob[8:40]),
)
def test_malformed_tensors_raise_wire_error(blob: bytes) -> None:
    with pytest.raises(WireError):
        decoded({"T": 0}, blob)


def test_a_header_that_names_too_many_tensors_is_refused_at_once() -> None:
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    with pytest.raises(WireError, match="too large"):
        decoded(None, safetensors_blob({str(number): entry for number in range(70_000)}))


def test_a_tensor_is_used_once() -> None:
    blob = tensor_blob([4], body=FOUR)
    assert alike(decoded({"T": 0}, blob), torch.ones(4))
    with pytest.raises(WireError, match="not in it"):
        decoded([{"T": 0}, {"T": 0}], blob)


# --- any bytes at all

plain = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.binary(max_size=8)
    | st.sampled_from([torch.float32, torch.bool, torch.Size([2, 3]), torch.device("cpu")])
)
tensors = st.builds(
    lambda shape, dtype: torch.arange(math.prod(shape)).reshape(shape).to(getattr(torch, dtype)),
    st.lists(st.integers(0, 3), max_size=4),
    st.sampled_from([dtype for dtype in DTYPES if dtype != "bfloat16"]),  # NumPy, which compares them, lacks it
)
keys = st.text(max_size=4) | st.integers() | st.tuples(st.integers(), st.text(max_size=2))
values = st.recursive(
    plain | tensors,
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple) | st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=12,
)
tags = st.sampled_from(["f", "b", "t", "d", "x", "T", "s", "y", "v", "", "zz"])
words = st.sampled_from(["nan", "0x1p3", "float32", "cpu", "cuda:1", "aGk=", "nn", "meta"]) | st.text(max_size=5)
trees = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.integers() | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(tags, inner, min_size=1, max_size=2),
    max_leaves=15,
)
BLOB = encode([torch.ones(2), torch.zeros(3, dtype=torch.int64)])
BLOB = BLOB[HEADER.size + HEADER.unpack_from(BLOB)[1] :]
VALID = encode({"a": [1, (2.5, None)], "b": torch.arange(6.0).reshape(2, 3), 3: [torch.Size([1]), torch.int8, b"x"]})


def decodes_or_refuses(frame: Frame) -> None:
    try:
        value = decode(frame)
    except WireError:
        return
    assert_data(value)


def assert_data(value: Any) -> None:
    """Exact types only, and a repr that a report can show."""
    allowed = (type(None), bool, int, float, str, bytes, torch.Size, torch.dtype, torch.device, torch.Tensor, Foreign)
    if type(value) in (list, tuple):
        for item in value:
            assert_data(item)
    elif type(value) is dict:
        for key, item in value.items():
            assert_data(key)
            assert_data(item)
    else:
        assert type(value) in allowed
        repr(value)


@QUICK
@given(values)
def test_generated_data_crosses_unchanged(value: Any) -> None:
    assert alike(value, there_and_back(value))


@QUICK
@given(trees)
def test_any_json_tree_is_data_or_refused(tree: Any) -> None:
    decodes_or_refuses(Frame(json.dumps(tree).encode(), BLOB))


@QUICK
@given(st.lists(st.tuples(st.integers(0, len(VALID) - HEADER.size - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_frame_with_changed_bytes_is_data_or_refused(changes: list[tuple[int, int]]) -> None:
    frame = bytearray(VALID)
    for place, byte in changes:
        frame[HEADER.size + place] = byte
    decodes_or_refuses(cut(bytes(frame)))


@QUICK
@given(st.integers(0, len(VALID)), st.integers(0, len(VALID)))
def test_a_frame_with_its_parts_cut_elsewhere_is_data_or_refused(middle: int, end: int) -> None:
    body = VALID[HEADER.size :]
    decodes_or_refuses(Frame(body[:middle], body[middle:end]))


@QUICK
@given(st.binary(max_size=40), st.binary(max_size=60))
@example(b"\x00", b"\x02\0\0\0\0\0\0\0{}")
def test_random_bytes_are_data_or_refused(text: bytes, blob: bytes) -> None:
    decodes_or_refuses(Frame(text, blob))


@QUICK
@given(st.binary(max_size=60), st.integers(1, 20))
def test_a_reader_of_random_bytes_waits_or_refuses(data: bytes, step: int) -> None:
    reader = FrameReader(Caps(json_bytes=1000, tensor_bytes=1000))
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
        try:
            reader.next_frame()
        except WireError:
            return
