"""The GPUs that a program started now would see, without torch.

May not create a CUDA context, which takes hundreds of megabytes, nor wait for a driver that is not there.
"""

from __future__ import annotations

import contextlib
import ctypes
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ..files import names_in, read_text
from ..programs import ask_program, find_programs
from ..values import dataclass

NVML_NAMES = ("libnvidia-ml.so.1", "nvml.dll")
_UUID_BYTES = 96  # NVML_DEVICE_UUID_V2_BUFFER_SIZE
_MOST_DEVICES = 256
# CUdevice_attribute
_MAJOR, _MINOR = 75, 76
_CAPABILITY = re.compile(r"^\s*(GPU-[0-9a-fA-F-]+)\s*,\s*(\d{1,3}\.\d{1,2})\s*$", re.MULTILINE)
_GFX = re.compile(r"^gfx_target_version (\d{1,9})$", re.MULTILINE)
_UNIQUE_ID = re.compile(r"^unique_id (\d{1,20})$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Drivers:
    """What is asked, in this order: two libraries of NVIDIA's driver, its program, and AMD's part of sysfs."""

    nvml: tuple[str, ...] = NVML_NAMES
    cuda: tuple[str, ...] = ("libcuda.so.1", "nvcuda.dll")
    smi: str = "nvidia-smi"
    kfd: Path = Path("/sys/class/kfd/kfd/topology/nodes")


@dataclass(frozen=True, kw_only=True)
class Gpus:
    """One compute capability (9.0) or gfx name for each visible GPU, and what said so; "" if nothing did."""

    capabilities: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class _Device:
    uuid: str
    capability: str


def find_gpus(variables: Mapping[str, str], *, drivers: Drivers | None = None) -> Gpus:
    """Return the GPUs that the variables leave visible: NVIDIA's, else AMD's; none where there are none.

    NVML and nvidia-smi know nothing of CUDA_VISIBLE_DEVICES, and number GPUs by their place on the bus. libcuda knows
    it, but takes a tenth of a second or more to start: it is asked where NVML cannot tell which GPUs are meant.
    """
    drivers = drivers or Drivers()
    visible = variables.get("CUDA_VISIBLE_DEVICES")
    devices, source = _ask_nvml(drivers.nvml), "NVML"
    chosen = _visible(devices, visible, in_bus_order=variables.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID")
    if chosen is None or not devices:
        capabilities = _ask_cuda(drivers.cuda)
        if capabilities is not None:
            chosen, source = capabilities, "libcuda"
        elif not devices:
            devices, source = _ask_smi(drivers.smi, variables), "nvidia-smi"
            chosen = _visible(devices, visible, in_bus_order=True)
    if chosen is None:
        # Two kinds of GPUs, and no telling which of them: code for all of them runs on each.
        chosen = tuple(device.capability for device in devices)
    if devices or chosen:
        said = f"{source}, CUDA_VISIBLE_DEVICES={visible}" if visible is not None else source
        return Gpus(capabilities=chosen, source=said)
    names = _amd_gpus(drivers.kfd, variables)
    return Gpus(capabilities=names, source=str(drivers.kfd)) if names else Gpus()


def gfx_name(version: int) -> str:
    """Return the name of a gfx_target_version: 90010 is gfx90a, 110000 gfx1100."""
    return f"gfx{version // 10_000}{version // 100 % 100:x}{version % 100:x}"


def _visible(devices: tuple[_Device, ...], variable: str | None, *, in_bus_order: bool) -> tuple[str, ...] | None:
    """Return the capabilities of those that CUDA_VISIBLE_DEVICES names; None where that cannot be said.

    Numbers and starts of UUIDs; the first that is neither hides itself and all after it (CUDA C++ Programming Guide,
    "CUDA Environment Variables"). CUDA's own numbers begin with the fastest GPU, unless CUDA_DEVICE_ORDER says
    otherwise.
    """
    if variable is None:
        return tuple(device.capability for device in devices)
    tokens = [token.strip() for token in variable.split(",")]
    if any(token.startswith("MIG-") for token in tokens):
        return None
    if not in_bus_order and any(t.isdigit() for t in tokens) and len({d.capability for d in devices}) > 1:
        return None
    return tuple(device.capability for device in _named(devices, tokens))


def _named(devices: tuple[_Device, ...], tokens: Iterable[str]) -> list[_Device]:
    found: list[_Device] = []
    for token in tokens:
        if token.isascii() and token.isdigit() and len(token) < 9:
            matches = devices[int(token) : int(token) + 1]
        else:
            matches = tuple(d for d in devices if token.startswith("GPU-") and d.uuid.startswith(token))
        if len(matches) != 1:
            break
        found += matches
    return found


def _load(names: tuple[str, ...]) -> ctypes.CDLL | None:
    for name in names:
        try:
            return ctypes.CDLL(name)
        except (OSError, ValueError):  # not there, or no library
            continue
    return None


@contextlib.contextmanager
def opened_nvml(names: tuple[str, ...] = NVML_NAMES) -> Iterator[ctypes.CDLL | None]:
    """Yield NVIDIA's management library, None where it does not start; raise AttributeError if it lacks a function."""
    library = _load(names)
    if library is None or library.nvmlInit_v2() != 0:
        yield None
        return
    try:
        yield library
    finally:
        library.nvmlShutdown()


def _ask_nvml(names: tuple[str, ...]) -> tuple[_Device, ...]:
    """Return what NVML says of each GPU; nothing where it is not there, or is of another version than the driver."""
    try:
        with opened_nvml(names) as library:
            return _nvml_devices(library) if library else ()
    except (AttributeError, OSError):  # a library without these functions; a fault inside it, on Windows
        return ()


def _nvml_devices(library: ctypes.CDLL) -> tuple[_Device, ...]:
    count = ctypes.c_uint()
    if library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
        return ()
    devices = []
    for index in range(min(count.value, _MOST_DEVICES)):
        handle, major, minor = ctypes.c_void_p(), ctypes.c_int(), ctypes.c_int()
        uuid = ctypes.create_string_buffer(_UUID_BYTES)
        if library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(handle)) != 0:
            continue
        pair = (ctypes.byref(major), ctypes.byref(minor))
        if library.nvmlDeviceGetCudaComputeCapability(handle, *pair) != 0:
            continue
        if library.nvmlDeviceGetUUID(handle, uuid, ctypes.c_uint(_UUID_BYTES)) != 0:
            uuid.value = b""
        name = uuid.value.decode("ascii", errors="replace")
        devices.append(_Device(uuid=name, capability=f"{major.value}.{minor.value}"))
    return tuple(devices)


def _ask_cuda(names: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the capabilities that libcuda says, which hides GPUs by itself; None where it is not there or fails."""
    library = _load(names)
    if library is None:
        return None
    count = ctypes.c_int()
    try:
        if library.cuInit(ctypes.c_uint(0)) != 0 or library.cuDeviceGetCount(ctypes.byref(count)) != 0:
            return None
        capabilities = []
        for index in range(min(count.value, _MOST_DEVICES)):
            device, numbers = ctypes.c_int(), [ctypes.c_int(), ctypes.c_int()]
            if library.cuDeviceGet(ctypes.byref(device), ctypes.c_int(index)) != 0:
                continue
            if any(
                library.cuDeviceGetAttribute(ctypes.byref(number), ctypes.c_int(attribute), device) != 0
                for number, attribute in zip(numbers, (_MAJOR, _MINOR), strict=True)
            ):
                continue
            capabilities.append(f"{numbers[0].value}.{numbers[1].value}")
    except (AttributeError, OSError):
        return None
    return tuple(capabilities)


def _ask_smi(name: str, variables: Mapping[str, str]) -> tuple[_Device, ...]:
    for program in find_programs(name, variables)[:1]:
        answer = ask_program([program, "--query-gpu=uuid,compute_cap", "--format=csv,noheader"], variables)
        found = _CAPABILITY.findall(answer or "")
        return tuple(_Device(uuid=uuid, capability=capability) for uuid, capability in found)
    return ()


def _amd_gpus(root: Path, variables: Mapping[str, str]) -> tuple[str, ...]:
    """Return the gfx names of the kernel driver's nodes; those of processors have version 0.

    ROCR_VISIBLE_DEVICES hides first, and HIP_VISIBLE_DEVICES counts what is left (ROCm, "GPU isolation techniques").
    """
    devices: tuple[_Device, ...] = ()
    for node in sorted(names_in(root), key=lambda name: (len(name), name)):
        text = read_text(root / node / "properties")
        version, identity = _GFX.search(text), _UNIQUE_ID.search(text)
        if version and int(version[1]):
            uuid = f"GPU-{int(identity[1]):016x}" if identity else ""
            devices += (_Device(uuid=uuid, capability=gfx_name(int(version[1]))),)
    for names in (("ROCR_VISIBLE_DEVICES",), ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")):
        visible = next((variables[name] for name in names if name in variables), None)
        if visible is not None:
            devices = tuple(_named(devices, [token.strip() for token in visible.split(",")]))
    return tuple(device.capability for device in devices)
