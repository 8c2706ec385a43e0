"""``kernel.xml``: what the runtime has to know about the kernel."""

from xml.etree import ElementTree

from hw.contract.regs import (
    ADDRESS_BITS,
    ARGUMENTS,
    CONTROL_PORT,
    KERNEL_NAME,
    MEMORY_PORT,
    Register,
)

VLNV = f"{KERNEL_NAME}:kernel:{KERNEL_NAME}:1.0"
PROTOCOL = "ap_ctrl_chain"
VALUE, POINTER = 0, 1
TYPES = {32: "uint", 64: "ulong"}


def argument_element(argument: Register) -> ElementTree.Element:
    """``<arg>`` of one kernel argument."""
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
    """``<port>`` of the memory and the control port."""
    return (
        _port(MEMORY_PORT, mode="master", range=hex(2**64 - 1), dataWidth="512"),
        _port(CONTROL_PORT, mode="slave", range=hex(1 << ADDRESS_BITS), dataWidth="32"),
    )


def _port(name: str, **attributes: str) -> ElementTree.Element:
    shared = {"portType": "addressable", "base": "0x0"}
    return ElementTree.Element("port", {"name": name, **attributes, **shared})


def kernel_element() -> ElementTree.Element:
    """``<kernel>`` with ports and arguments."""
    kernel = ElementTree.Element(
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
    ElementTree.SubElement(kernel, "ports").extend(port_elements())
    ElementTree.SubElement(kernel, "args").extend(map(argument_element, ARGUMENTS))
    return kernel


def kernel_xml() -> str:
    """The whole file."""
    root = ElementTree.Element("root", versionMajor="1", versionMinor="6")
    root.append(kernel_element())
    ElementTree.indent(root)
    declaration = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return declaration + ElementTree.tostring(root, encoding="unicode") + "\n"
