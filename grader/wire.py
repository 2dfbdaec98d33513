"""Frames between the judge and a worker: JSON for structure, safetensors for tensors, never pickle.

A frame is a header of 16 bytes (magic, length of the JSON, length of the tensors), the JSON, and the tensors.
Whatever comes from a worker is hostile until `decode` has rebuilt it as exact Python and torch types.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import torch

MAGIC = b"TDJ1"
HEADER = struct.Struct("<4sIQ")
MAX_DEPTH = 32
MAX_NODES = 200_000
MAX_CONTAINERS = 3 * MAX_NODES  # in JSON: an entry of a dictionary takes up to five for its two parts
MAX_INT_BITS = 4096
MAX_DIMS = 64  # as many as torch computes with; `tolist` of thousands overflows the stack of the judge
MAX_TENSORS = 10_000
MAX_TENSOR_HEADER = 4 << 20  # a header takes seconds for every 100,000 tensors that it names
# What safetensors can hold in every version that we support; the rest of torch's dtypes cross as `Foreign`.
DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")


class WireError(Exception):
    """A frame that is not well formed, or larger than its caps."""


@dataclass(frozen=True)
class Caps:
    """The most that a frame may hold, in bytes."""

    json_bytes: int = 4 << 20
    tensor_bytes: int = 512 << 20


@dataclass(frozen=True)
class Foreign:
    """Stands in the judge for a value that is not data: its type's name, and what is worth telling about it."""

    type_name: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.type_name} ({self.detail})" if self.detail else self.type_name


@dataclass(frozen=True)
class Frame:
    """A frame off the wire, not decoded yet."""

    json_part: bytes
    tensor_part: bytes


class FrameReader:
    """Cuts a stream of bytes into frames; a header over the caps is refused before anything is stored."""

    def __init__(self, caps: Caps) -> None:
        self.caps = caps
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next_frame(self) -> Frame | None:
        """The next whole frame, or None if there is not enough yet. Raises WireError."""
        if len(self._buffer) < HEADER.size:
            return None
        magic, json_length, tensor_length = HEADER.unpack_from(self._buffer)
        if magic != MAGIC:
            raise WireError("the bytes on the channel are not a frame")
        if json_length > self.caps.json_bytes or tensor_length > self.caps.tensor_bytes:
            raise WireError(f"a frame of {json_length} + {tensor_length} bytes is over the limit")
        middle = HEADER.size + json_length
        end = middle + tensor_length
        if len(self._buffer) < end:
            return None
        view = memoryview(self._buffer)
        frame = Frame(bytes(view[HEADER.size : middle]), bytes(view[middle:end]))
        view.release()
        del self._buffer[:end]
        return frame

    @property
    def pending(self) -> int:
        """Bytes that are waiting and are not part of a frame that was handed out."""
        return len(self._buffer)


def encode(value: object) -> bytes:
    """`value` as the bytes of one frame. What is not data becomes `Foreign`. Raises WireError if it is too large."""
    encoder = _Encoder()
    text = json.dumps(encoder.tree(value, 0), separators=(",", ":"), allow_nan=False).encode()
    blob = encoder.tensor_blob()
    if len(text) >= 1 << 32:
        raise WireError("the value is too large to send")
    return HEADER.pack(MAGIC, len(text), len(blob)) + text + blob


def decode(frame: Frame, device: str | None = None) -> Any:
    """The value of a frame. Raises WireError, and nothing else, whatever the bytes are.

    With `device` the tensors are moved there, or to their own device if the sender named one;
    without it they stay on the CPU and carry `worker_device`.
    """
    if _containers(frame.json_part) > MAX_CONTAINERS:
        raise WireError("the frame has too many parts")
    try:
        # Decoded here: of bytes, json takes UTF-16 and UTF-32 too, and imports their codecs.
        tree = json.loads(frame.json_part.decode("utf-8"), parse_constant=_refuse, parse_float=_refuse)
    except (ValueError, RecursionError) as error:
        raise WireError(f"the frame's JSON is broken: {str(error)[:200]}") from None
    return _Decoder(_load_tensors(frame.tensor_part), device).value(tree, 0)


def _containers(text: bytes) -> int:
    """How many lists and objects a parser would make, told before it makes them: 4 MB of them take seconds."""
    count = text.count(b"[") + text.count(b"{")
    if count > MAX_CONTAINERS:  # those inside texts are no containers
        bare = b"".join(text.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
        count = bare.count(b"[") + bare.count(b"{")
    return count


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"a bare number {text[:20]} where a tagged one is due")


class _Encoder:
    def __init__(self) -> None:
        self.tensors: list[torch.Tensor] = []
        self.nodes = 0

    def tree(self, value: object, depth: int) -> object:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise WireError(f"the value has more than {MAX_NODES:,} parts")
        kind = type(value)
        if value is None or kind is bool or kind is str:
            return value
        if kind is int:
            assert isinstance(value, int)
            return value if value.bit_length() <= MAX_INT_BITS else _foreign("int", "too large to send")
        if kind is float:
            assert isinstance(value, float)
            return {"f": value.hex() if math.isfinite(value) else str(value)}
        if kind is bytes:
            assert isinstance(value, bytes)
            return {"b": base64.b64encode(value).decode()}
        if depth >= MAX_DEPTH:
            return _foreign(kind.__name__, "nested too deeply to send")
        return self._compound(value, kind, depth + 1)

    def _compound(self, value: Any, kind: type, depth: int) -> object:
        if kind is list:
            return [self.tree(item, depth) for item in value]
        if kind is tuple:
            return {"t": [self.tree(item, depth) for item in value]}
        if kind is dict:
            return {"d": [[self.tree(key, depth), self.tree(item, depth)] for key, item in value.items()]}
        if kind is Foreign:
            return _foreign(value.type_name, value.detail)
        if kind.__module__.partition(".")[0] in ("torch", "numpy"):
            return self._array(value, kind)
        return _foreign(kind.__qualname__)

    def _array(self, value: Any, kind: type) -> object:
        import torch

        if kind is torch.Size:
            return {"s": list(value)}
        if kind is torch.dtype:
            return {"y": str(value).removeprefix("torch.")}
        if kind is torch.device:
            return {"v": str(value)}
        if kind is torch.Tensor or kind is torch.nn.Parameter:
            return self._tensor(value)
        name = f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}"
        if name == "numpy.ndarray":
            return _foreign(name, f"shape {list(value.shape)}, {value.dtype}")
        return _foreign(name)

    def _tensor(self, value: torch.Tensor) -> object:
        import torch

        dtype = str(value.dtype).removeprefix("torch.")
        if value.dim() > MAX_DIMS:
            return _foreign("torch.Tensor", f"{value.dim()} dimensions")
        if value.layout is not torch.strided or value.device.type == "meta" or dtype not in DTYPES:
            return _foreign("torch.Tensor", f"{value.layout}, {dtype}, on {value.device.type}".replace("torch.", ""))
        # `device` on an argument says where the receiver shall put it: None means the grading device.
        wanted = getattr(value, "wire_device", None)
        if len(self.tensors) >= MAX_TENSORS:
            raise WireError(f"the value has more than {MAX_TENSORS:,} tensors")
        self.tensors.append(value.detach().to("cpu").clone(memory_format=torch.contiguous_format))
        where = wanted or (None if value.device.type == "cpu" else str(value.device))
        return {"T": len(self.tensors) - 1, "v": where, "g": value.requires_grad}

    def tensor_blob(self) -> bytes:
        if not self.tensors:
            return b""
        import safetensors.torch

        return safetensors.torch.save({str(index): tensor for index, tensor in enumerate(self.tensors)})


def _foreign(type_name: str, detail: str = "") -> object:
    return {"x": [type_name[:100], detail[:200]]}


def _load_tensors(blob: bytes) -> dict[str, torch.Tensor]:
    if not blob:
        return {}
    import safetensors
    import safetensors.torch

    if int.from_bytes(blob[:8], "little") > MAX_TENSOR_HEADER:
        raise WireError("the header of the frame's tensors is too large")
    try:
        loaded = safetensors.torch.load(blob)
    # The library reports a bad header in its own type, and torch a bad shape or dtype in several of Python's.
    except (safetensors.SafetensorError, ValueError, TypeError, KeyError, RuntimeError, OverflowError) as error:
        if isinstance(error, RuntimeError) and "allocate memory" in str(error):
            raise MemoryError(str(error)) from None  # the judge's own want of memory is no fault of the frame's
        raise WireError(f"the frame's tensors are broken: {str(error)[:200]}") from None
    for tensor in loaded.values():
        if str(tensor.dtype).removeprefix("torch.") not in DTYPES:
            raise WireError(f"a tensor of {tensor.dtype} is not allowed on the wire")
        if tensor.dim() > MAX_DIMS:
            raise WireError(f"a tensor of {tensor.dim()} dimensions is not allowed on the wire")
    return loaded


class _Decoder:
    def __init__(self, tensors: dict[str, torch.Tensor], device: str | None) -> None:
        self.tensors = tensors
        self.device = device
        self.nodes = 0

    def value(self, tree: object, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > MAX_NODES or depth > MAX_DEPTH:
            raise WireError("the frame is nested too deeply or has too many parts")
        if tree is None or isinstance(tree, bool | str):
            return tree
        if isinstance(tree, int):
            if tree.bit_length() > MAX_INT_BITS:
                raise WireError("an integer on the wire is too large")
            return tree
        if isinstance(tree, list):
            return [self.value(item, depth + 1) for item in tree]
        if isinstance(tree, dict) and tree:
            try:
                return self._tagged(next(iter(tree)), tree, depth + 1)
            except (KeyError, ValueError, TypeError, OverflowError, binascii.Error) as error:
                raise WireError(f"a value on the wire is malformed: {str(error)[:200]}") from None
        raise WireError("a value on the wire is malformed")

    def _tagged(self, tag: str, tree: dict[str, Any], depth: int) -> Any:
        body = tree[tag]
        if tag == "f":
            return float.fromhex(_text(body)) if "x" in body else float(_text(body))
        if tag == "b":
            return base64.b64decode(_text(body), validate=True)
        if tag == "t":
            return tuple(self.value(item, depth) for item in _list(body))
        if tag == "d":
            return {self._key(pair, depth): self.value(_pair(pair)[1], depth) for pair in _list(body)}
        if tag == "x":
            name, detail = _pair(body)
            return Foreign(_text(name)[:100], _text(detail)[:200])
        return self._torch_value(tag, body, tree)

    def _key(self, pair: object, depth: int) -> Any:
        key = self.value(_pair(pair)[0], depth)
        if not isinstance(key, str | int | float | tuple | None):
            return Foreign(type(key).__name__, "as a key")
        hash(key)
        return key

    def _torch_value(self, tag: str, body: Any, tree: dict[str, Any]) -> Any:
        import torch

        if tag == "T":
            return self._tensor(body, tree.get("v"), tree.get("g") is True)
        if tag == "s":
            return torch.Size([_size(item) for item in _list(body)])
        if tag == "y":
            dtype = vars(torch).get(_text(body))  # not getattr: it would import torch's lazy modules
            return dtype if type(dtype) is torch.dtype else _refuse(str(body))
        if tag == "v":
            return _device(body)
        raise WireError(f"unknown tag on the wire: {tag[:20]}")

    def _tensor(self, index: object, where: object, requires_grad: bool) -> torch.Tensor:
        # Popped, so that no two values of a frame share memory and every tensor is used once.
        tensor = self.tensors.pop(str(index), None) if type(index) is int else None
        if tensor is None:
            raise WireError("a frame names a tensor that is not in it")
        if self.device is None:
            tensor.worker_device = str(_device(where)) if where is not None else "cpu"  # type: ignore[attr-defined]
            tensor.worker_requires_grad = requires_grad  # type: ignore[attr-defined]
            return tensor
        return tensor.to(self.device if where is None else str(_device(where)))


def _device(body: object) -> torch.device:
    import torch

    try:
        return torch.device(_text(body))
    except RuntimeError as error:
        raise ValueError(str(error)) from None


def _size(item: object) -> int:
    # Below 0 too: torch.Size([2, -1]) is a value that a person may hand to a layer.
    return item if type(item) is int and item.bit_length() < 63 else _refuse(repr(item)[:20])


def _text(body: object) -> str:
    return body if isinstance(body, str) else _refuse(repr(body)[:20])


def _list(body: object) -> list[Any]:
    return body if isinstance(body, list) else _refuse(repr(body)[:20])


def _pair(body: object) -> list[Any]:
    items = _list(body)
    return items if len(items) == 2 else _refuse("a pair of another length")
