"""Kernel metadata for the runtime, as XML: ``kernel.xml`` for the linker, and the metadata inside
an ``.xclbin``, which names the units too.
"""

from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from twofold.hw.contract.regs import (
    ADDRESS_BITS,
    ARGUMENTS,
    CONTROL_PORT,
    KERNEL_NAME,
    MEMORY_PORT,
    Register,
)
from twofold.hw.xclbin.xclbin import Clock, Unit

VLNV = f"{KERNEL_NAME}:kernel:{KERNEL_NAME}:1.0"
PROTOCOL = "ap_ctrl_chain"
VALUE, POINTER = 0, 1
TYPES = {32: "uint", 64: "unsigned long long"}


def argument_element(argument: Register) -> ElementTree.Element:
    """``<arg>`` element of one kernel argument."""
    return ElementTree.Element(
        "arg",
        name=argument.name,
        addressQualifier=str(POINTER if argument.pointer else VALUE),
        id=str(argument.argument),
        port=MEMORY_PORT if argument.pointer else CONTROL_PORT,
        size=hex(argument.size),
        offset=hex(argument.offset),
        hostOffset="0x0",
        hostSize=hex(argument.size),
        type="void*" if argument.pointer else TYPES[argument.bits],
    )


def port_elements() -> tuple[ElementTree.Element, ...]:
    """``<port>`` elements of the memory and the control port."""
    return (
        _port(MEMORY_PORT, mode="master", range=hex(2**64 - 1), dataWidth="512"),
        _port(CONTROL_PORT, mode="slave", range=hex(1 << ADDRESS_BITS), dataWidth="32"),
    )


def _port(name: str, **attributes: str) -> ElementTree.Element:
    shared = {"portType": "addressable", "base": "0x0"}
    return ElementTree.Element("port", {"name": name, **attributes, **shared})


def kernel_element() -> ElementTree.Element:
    """``<kernel>`` element with ports and arguments."""
    kernel = _bare_kernel()
    ElementTree.SubElement(kernel, "ports").extend(port_elements())
    ElementTree.SubElement(kernel, "args").extend(map(argument_element, ARGUMENTS))
    return kernel


def _bare_kernel() -> ElementTree.Element:
    return ElementTree.Element(
        "kernel",
        name=KERNEL_NAME,
        language="ip_c",
        vlnv=VLNV,
        attributes="",
        preferredWorkGroupSizeMultiple="0",
        workGroupSize="1",
        interrupt="true",
        hwControlProtocol=PROTOCOL,
    )


def kernel_xml() -> str:
    """Content of ``kernel.xml``."""
    root = ElementTree.Element("root", versionMajor="1", versionMinor="6")
    root.append(kernel_element())
    return _text(root)


def embedded_metadata(
    units: Sequence[Unit], clocks: Sequence[Clock], platform: Mapping[str, str]
) -> str:
    """XML for section EMBEDDED_METADATA of an ``.xclbin`` for emulation.

    Parameters
    ----------
    units: compute units of the kernel.
    clocks: clocks of the shell.
    platform: attributes ``vendor``, ``boardid``, ``name``, ``major``, ``minor`` and ``fpgaDevice``.
    """
    project = ElementTree.Element("project", name=KERNEL_NAME)
    attributes = {key: platform[key] for key in ("vendor", "boardid", "name")}
    shell = ElementTree.SubElement(project, "platform", attributes, featureRomTime="0")
    ElementTree.SubElement(shell, "version", major=platform["major"], minor=platform["minor"])
    device = ElementTree.SubElement(
        shell, "device", name="fpga0", fpgaDevice=platform["fpgaDevice"], addrWidth="0"
    )
    core = ElementTree.SubElement(
        device,
        "core",
        name="OCL_REGION_0",
        target="hw_em",
        type="clc_region",
        clockFreq="0MHz",
        numComputeUnits=str(len(units)),
    )
    speeds = ElementTree.SubElement(core, "kernelClocks")
    for one in clocks:
        ElementTree.SubElement(speeds, "clock", port=one.name, frequency=f"{one.mhz}.0MHz")
    kernel = _bare_kernel()
    ElementTree.SubElement(kernel, "module", name=KERNEL_NAME)
    kernel.extend(port_elements())
    kernel.extend(map(argument_element, ARGUMENTS))
    for size in ("compileWorkGroupSize", "maxWorkGroupSize"):
        ElementTree.SubElement(kernel, size, x="1", y="1", z="1")
    for one in units:
        instance = ElementTree.SubElement(kernel, "instance", name=one.name)
        ElementTree.SubElement(
            instance,
            "addrRemap",
            base=hex(one.base),
            range=hex(1 << ADDRESS_BITS),
            port=CONTROL_PORT,
        )
    core.append(kernel)
    return _text(project)


def _text(root: ElementTree.Element) -> str:
    ElementTree.indent(root)
    declaration = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return declaration + ElementTree.tostring(root, encoding="unicode") + "\n"
